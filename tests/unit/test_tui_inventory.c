// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "test_tui_browser.h"

/* The screens of namespaces and overlays: what they ask for, order, filter, folding. */

static void test_asks_only_for_what_is_shown(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	/* Names of containers, as there is one. */
	assert_int_equal(scene.fake.parts, INVENTORY_CONTAINERS);
	press(&scene, K_TAB);
	assert_true(scene.fake.parts & INVENTORY_HOLDERS);
	assert_false(scene.fake.parts & INVENTORY_USAGE);
	press(&scene, K_TAB);
	assert_true(scene.fake.parts & INVENTORY_USAGE);
	assert_false(scene.fake.parts & (INVENTORY_HOLDERS | INVENTORY_ORPHANS));
	press(&scene, 'r');
	assert_true(scene.fake.parts & INVENTORY_ORPHANS);
	press(&scene, K_ESCAPE);
	assert_false(scene.fake.parts & INVENTORY_ORPHANS);
	press(&scene, K_TAB);
	press(&scene, K_TAB);
	press(&scene, K_TAB);
	assert_int_equal(scene.fake.parts, INVENTORY_CONTAINERS);
	/* The pane with the join. */
	press(&scene, 'i');
	assert_true(scene.fake.parts & INVENTORY_OVERLAYS);
	assert_true(scene.fake.parts & INVENTORY_NAMESPACES);
	assert_false(scene.fake.parts & INVENTORY_HOLDERS);
	press(&scene, 'i');
	assert_int_equal(scene.fake.parts, INVENTORY_CONTAINERS);
	close_scene(&scene);
	/* Without a container nothing at all. */
	open_scene(&scene, machine, 4, 80, 24, NULL);
	assert_int_equal(scene.fake.n_part_wants, 0);
	close_scene(&scene);
}

static void test_waits_for_the_inventory(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	set_inventory(&scene, NULL);
	press(&scene, K_TAB);
	assert_true(is_drawn(&scene, "reading the namespaces"));
	assert_int_equal(top(&scene)->n_rows, 0);
	press(&scene, K_END);
	press(&scene, K_ENTER);
	press(&scene, ' ');
	press(&scene, 'n');
	set_inventory(&scene, fake_inventory());
	assert_int_equal(top(&scene)->n_rows, 21);
	/* A part that goes away for a while does not make the screen flicker. */
	set_inventory(&scene, NULL);
	assert_int_equal(top(&scene)->n_rows, 21);
	close_scene(&scene);
}

static void test_cursor_follows_identity(void **state)
{
	struct inventory *other = fake_inventory();
	struct scene scene;
	uint32_t index;

	(void)state;
	open_inventory(&scene, 80, 24);
	press(&scene, K_TAB);
	press(&scene, 't');
	press(&scene, 't');
	press(&scene, 't');
	assert_int_equal(top(&scene)->tree, 0);
	press(&scene, '>');
	assert_int_equal(top(&scene)->rows[0].item, 20);
	select_row(&scene, "net 4026532201");
	/* The next inventory has most processes there. */
	index = namespaces_find(other->namespaces, NS_NET, OWN(1));
	other->namespaces->list[index].processes = 1000;
	set_inventory(&scene, other);
	assert_selected(&scene, "net 4026532201");
	assert_int_equal(top(&scene)->list.cursor, 0);
	press(&scene, 'I');
	assert_selected(&scene, "net 4026532201");
	assert_int_equal(top(&scene)->list.cursor, 20);
	close_scene(&scene);
}

static void test_filter_of_container_names(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	press(&scene, '/');
	type(&scene, "WEB");
	assert_int_equal(scene.app.view.n_matched, 1);
	press(&scene, K_ESCAPE);
	press(&scene, '/');
	type(&scene, "nginx:1.25");
	press(&scene, K_ENTER);
	assert_int_equal(scene.app.view.n_matched, 1);
	press(&scene, K_END);
	assert_string_equal(selected_path(&scene), FAKE_WEB_CGROUP);
	close_scene(&scene);
}

static void test_filter_words(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	press(&scene, K_TAB);
	press(&scene, '/');
	type(&scene, "net");
	assert_int_equal(top(&scene)->n_matched, 6);
	type(&scene, " web");
	assert_int_equal(top(&scene)->n_matched, 1);
	assert_selected(&scene, "net 4026532201");
	/* Esc at the prompt goes back to what was before; later it clears, then goes back. */
	press(&scene, K_ESCAPE);
	assert_int_equal(top(&scene)->n_matched, 21);
	press(&scene, '/');
	type(&scene, "SSHD");
	press(&scene, K_ENTER);
	assert_int_equal(top(&scene)->n_matched, 2);
	press(&scene, K_ESCAPE);
	assert_screen(&scene, SCREEN_NAMESPACES);
	assert_int_equal(top(&scene)->n_matched, 21);
	/* Part of a path that the row has no room for. */
	press(&scene, '/');
	type(&scene, "/user.slice/user");
	assert_int_equal(top(&scene)->n_matched, 8);
	type(&scene, "zzz");
	assert_true(is_drawn(&scene, "nothing matches"));
	press(&scene, K_ENTER);
	press(&scene, K_DOWN);
	press(&scene, 'c');
	press(&scene, K_ENTER);
	press(&scene, 'a');
	/* Each type in turn. */
	press(&scene, 'y');
	assert_int_equal(top(&scene)->n_matched, 3);
	press(&scene, 'y');
	assert_int_equal(top(&scene)->n_matched, 6);
	for (int i = 0; i < NS_TYPE_COUNT - 1; i++)
		press(&scene, 'y');
	assert_string_equal(top(&scene)->filter, "");
	close_scene(&scene);
}

static void test_filter_of_overlays(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	press(&scene, K_SHIFT_TAB);
	press(&scene, K_SHIFT_TAB);
	press(&scene, K_SHIFT_TAB);
	press(&scene, '/');
	/* A layer that no row shows; groups of a tree are no matches by themselves. */
	type(&scene, "bbbb");
	press(&scene, K_ENTER);
	assert_int_equal(top(&scene)->n_matched, 1);
	assert_selected(&scene, "/var/lib/docker/overlay2/aaaa/merged");
	press(&scene, 't');
	assert_int_equal(top(&scene)->n_matched, 1);
	assert_int_equal(top(&scene)->n_rows, 3);
	assert_selected(&scene, "/var/lib/docker/overlay2/aaaa/merged");
	press(&scene, K_ESCAPE);
	assert_int_equal(top(&scene)->n_matched, 2);
	assert_int_equal(top(&scene)->n_rows, 7);
	/* A row that groups others leads to its cgroup. */
	select_row(&scene, "user-1000.slice");
	press(&scene, 'c');
	assert_string_equal(selected_path(&scene), "/user.slice/user-1000.slice");
	press(&scene, K_ESCAPE);
	press(&scene, 't');
	assert_selected(&scene, "docker");
	press(&scene, K_ENTER);
	assert_int_equal(top(&scene)->n_rows, 3);
	press(&scene, 'c');
	assert_screen(&scene, SCREEN_OVERLAYS);
	close_scene(&scene);
}

static void test_fold_namespaces(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	press(&scene, K_TAB);
	assert_selected(&scene, "user 4026531833");
	press(&scene, K_LEFT);
	assert_int_equal(top(&scene)->n_rows, 1);
	assert_int_equal(top(&scene)->rows[0].below, 20);
	press(&scene, K_RIGHT);
	assert_int_equal(top(&scene)->n_rows, 21);
	select_row(&scene, "user 4026532208");
	press(&scene, K_LEFT);
	assert_selected(&scene, "user 4026532206");
	press(&scene, ' ');
	assert_int_equal(top(&scene)->n_rows, 19);
	feed(&scene);
	set_inventory(&scene, fake_inventory());
	assert_int_equal(top(&scene)->n_rows, 19);
	assert_selected(&scene, "user 4026532206");
	press(&scene, '1');
	assert_int_equal(top(&scene)->n_rows, 1);
	/* A filter shows every match, however it is folded. */
	press(&scene, '/');
	type(&scene, "ipc");
	press(&scene, K_ENTER);
	assert_int_equal(top(&scene)->n_rows, 3);
	press(&scene, K_ESCAPE);
	assert_int_equal(top(&scene)->n_rows, 1);
	press(&scene, '0');
	assert_int_equal(top(&scene)->n_rows, 21);
	close_scene(&scene);
}

static void test_circle_of_parents(void **state)
{
	struct inventory *odd = fake_inventory();
	struct ns_namespace *list = odd->namespaces->list;
	struct scene scene;

	(void)state;
	list[3].parent = 4;
	list[4].parent = 5;
	list[5].parent = 3;
	list[7].parent = 7;
	open_inventory(&scene, 80, 24);
	press(&scene, K_TAB);
	press(&scene, 't');
	set_inventory(&scene, odd);
	assert_int_equal(top(&scene)->n_rows, 21);
	close_scene(&scene);
}

static void test_sort_chooser(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	press(&scene, K_TAB);
	press(&scene, 's');
	assert_true(is_drawn(&scene, "processes in it"));
	press(&scene, K_DOWN);
	press(&scene, K_ENTER);
	assert_screen(&scene, SCREEN_NAMESPACES);
	assert_int_equal(top(&scene)->sort, 1);
	assert_false(top(&scene)->ascending);
	/* By heading: the first click sorts, the second turns it round. */
	click(&scene, 2, 3);
	assert_int_equal(top(&scene)->sort, 0);
	click(&scene, 2, 3);
	assert_false(top(&scene)->ascending);
	click(&scene, 2, 6);
	assert_int_equal(top(&scene)->list.cursor, 2);
	/* Every column of every such screen, both ways. */
	for (int id = 0; id < SCREEN_COUNT; id++) {
		if (!screens[id]->browser)
			continue;
		app_open_screen(&scene.app, id);
		for (int i = 0; i < screens[id]->browser->n_columns; i++) {
			uint32_t n = top(&scene)->n_rows;

			press(&scene, '>');
			press(&scene, 'I');
			assert_int_equal(top(&scene)->n_rows, n);
		}
	}
	close_scene(&scene);
}

/* Every key of every screen that shows an inventory, at sizes large and small. */
static void test_any_key_at_any_size(void **state)
{
	static const int sizes[][2] = { { 200, 60 }, { 80, 24 }, { 45, 9 }, { 40, 8 }, { 9, 3 } };
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	for (int id = 0; id < SCREEN_COUNT; id++) {
		const struct keymap *maps[SCREEN_SHARED_KEYS + 1] = { &screens[id]->keys };

		memcpy(maps + 1, screens[id]->shared, sizeof(screens[id]->shared));
		for (size_t m = 0; m <= SCREEN_SHARED_KEYS && maps[m]; m++) {
			for (size_t i = 0; i < maps[m]->n; i++) {
				const int *size = sizes[i % ARRAY_SIZE(sizes)];

				canvas_done(&scene.canvas);
				assert_int_equal(
					canvas_init(&scene.canvas, size[0], size[1], i & 1), 0);
				app_show_tab(&scene.app, (int)(i % SCREEN_TABS));
				app_open_screen(&scene.app, id);
				press(&scene, K_DOWN);
				press(&scene, maps[m]->list[i].keys[0]);
				press(&scene, K_PAGE_DOWN);
				press(&scene, K_ESCAPE);
				click(&scene, 20, size[1] / 2);
				app_draw(&scene.app, &scene.canvas);
			}
		}
	}
	close_scene(&scene);
}

/* Keys in no order, while cgroups and inventories come and go below them. */
static void test_keys_at_random(void **state)
{
	static const char *const fewer[] = { "/", "/init.scope", "/user.slice" };
	static const uint32_t special[] = { K_TAB,	 K_ENTER, K_ESCAPE, K_DOWN,	K_UP,
					    K_PAGE_DOWN, K_HOME,  K_END,    K_LEFT,	K_RIGHT,
					    K_F(3),	 K_F(5),  K_F(7),   K_SHIFT_TAB };
	static const char letters[] = "acinoztysIJKLH<>0123 -+/rlmue";
	uint32_t random = 12345;
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	for (int i = 0; i < 3000; i++) {
		uint32_t choice;

		random = random * 1664525 + 1013904223;
		choice = random >> 16;
		if (choice % 97 == 0)
			set_inventory(&scene, choice % 2 ? NULL : fake_inventory());
		else if (choice % 89 == 0)
			change_tree(&scene, choice % 2 ? fewer : fake_inventory_paths,
				    choice % 2 ? ARRAY_SIZE(fewer) : fake_inventory_n_paths);
		else if (choice % 11 == 0)
			feed(&scene);
		else if (choice % 13 == 0)
			click(&scene, (int)(choice / 13 % 80), (int)(choice / 7 % 24));
		else if (choice % 3 == 0)
			press(&scene, special[choice / 3 % ARRAY_SIZE(special)]);
		else
			press(&scene, (unsigned char)letters[choice / 3 % (sizeof(letters) - 1)]);
		app_draw(&scene.app, &scene.canvas);
	}
	close_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asks_only_for_what_is_shown),
		cmocka_unit_test(test_waits_for_the_inventory),
		cmocka_unit_test(test_cursor_follows_identity),
		cmocka_unit_test(test_filter_of_container_names),
		cmocka_unit_test(test_filter_words),
		cmocka_unit_test(test_filter_of_overlays),
		cmocka_unit_test(test_fold_namespaces),
		cmocka_unit_test(test_circle_of_parents),
		cmocka_unit_test(test_sort_chooser),
		cmocka_unit_test(test_any_key_at_any_size),
		cmocka_unit_test(test_keys_at_random),
	};

	/* Widths of characters come from the locale. */
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
