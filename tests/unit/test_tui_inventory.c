// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "test_tui_scene.h"
#include "tui/browser.h"

/* The screens of namespaces and overlays, and the ways between them and the cgroups. */

#define OWN(n) (FAKE_OWN_NS + (n))

static struct browser *top(struct scene *scene)
{
	enum screen_id id = scene->app.stack[scene->app.depth];

	assert_non_null(screens[id]->browser);
	app_draw(&scene->app, &scene->canvas);
	return app_state(&scene->app, id);
}

/* The first cell of the selected row. */
static void assert_selected(struct scene *scene, const char *name)
{
	struct browser *browser = top(scene);
	const struct browser_item *item = browser_selected(browser);
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	assert_non_null(item);
	browser->kind->columns[0].add(browser, item, &text);
	assert_string_equal(text.data, name);
}

/* Moves the cursor to the row with that name. */
static void select_row(struct scene *scene, const char *name)
{
	struct browser *browser = top(scene);

	press(scene, K_HOME);
	for (uint32_t row = 0; row < browser->n_rows; row++) {
		_cleanup_(strbuf_done) struct strbuf text = { 0 };

		browser->kind->columns[0].add(browser, browser_selected(browser), &text);
		if (strcmp(text.data, name) == 0)
			return;
		press(scene, K_DOWN);
	}
	fail_msg("no row %s", name);
}

static void select_cgroup(struct scene *scene, const char *path)
{
	press(scene, K_HOME);
	for (uint32_t row = 0; row < scene->app.view.n_rows; row++) {
		if (strcmp(selected_path(scene), path) == 0)
			return;
		press(scene, K_DOWN);
	}
	fail_msg("no row %s", path);
}

static void assert_screen(const struct scene *scene, enum screen_id id)
{
	assert_string_equal(screens[scene->app.stack[scene->app.depth]]->name, screens[id]->name);
}

/* Takes the inventory away, or gives a new one; only what comes with the next snapshot counts. */
static void set_inventory(struct scene *scene, struct inventory *inventory)
{
	inventory_unref(scene->inventory);
	scene->inventory = inventory;
	scene->fake.namespaces = inventory ? inventory->namespaces : NULL;
	feed(scene);
}

static bool is_drawn(struct scene *scene, const char *text)
{
	_cleanup_(strbuf_done) struct strbuf all = { 0 };

	app_draw(&scene->app, &scene->canvas);
	for (int y = 0; y < scene->canvas.height; y++)
		add_text_row(&scene->canvas, y, &all);
	return strstr(all.data, text);
}

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

static void test_cgroup_to_namespaces_and_back(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	select_cgroup(&scene, FAKE_WEB_CGROUP);
	press(&scene, 'n');
	assert_screen(&scene, SCREEN_NAMESPACES);
	/* Six of its own, the host's user and time. */
	assert_int_equal(top(&scene)->n_matched, 8);
	assert_true(is_drawn(&scene, "of container web"));
	feed(&scene);
	assert_int_equal(top(&scene)->n_matched, 8);
	press(&scene, 'a');
	assert_int_equal(top(&scene)->n_matched, 21);
	press(&scene, K_ESCAPE);
	assert_screen(&scene, SCREEN_CGROUPS);
	assert_string_equal(selected_path(&scene), FAKE_WEB_CGROUP);
	/* A thread in a namespace of its own counts. */
	select_cgroup(&scene, FAKE_GO_CGROUP);
	press(&scene, 'n');
	assert_int_equal(top(&scene)->n_matched, 9);
	select_row(&scene, "net 4026532209");
	press(&scene, 'q');
	/* Of the root: all. */
	press(&scene, K_HOME);
	press(&scene, 'n');
	assert_int_equal(top(&scene)->n_matched, 21);
	close_scene(&scene);
}

static void test_there_and_back_over_three_screens(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	press(&scene, '/');
	type(&scene, "docker");
	press(&scene, K_ENTER);
	select_cgroup(&scene, FAKE_WEB_CGROUP);
	press(&scene, 'o');
	assert_screen(&scene, SCREEN_OVERLAYS);
	assert_int_equal(top(&scene)->n_matched, 1);
	assert_selected(&scene, "/var/lib/docker/overlay2/aaaa/merged");
	press(&scene, 'n');
	/* Mount namespaces that see it: the host's. */
	assert_screen(&scene, SCREEN_NAMESPACES);
	assert_int_equal(top(&scene)->n_matched, 1);
	assert_selected(&scene, "mnt 4026531830");
	press(&scene, 'c');
	assert_screen(&scene, SCREEN_ROUTES);
	assert_true(is_drawn(&scene, "Cgroups of mnt 4026531830"));
	press(&scene, K_END);
	press(&scene, K_ENTER);
	/* The filter would hide it: it is gone here, not below. */
	assert_screen(&scene, SCREEN_CGROUPS);
	assert_string_equal(selected_path(&scene), "/system.slice/ssh.service");
	assert_string_equal(scene.app.view.filter, "");
	feed(&scene);
	press(&scene, K_ESCAPE);
	assert_screen(&scene, SCREEN_ROUTES);
	press(&scene, K_BACKSPACE);
	assert_selected(&scene, "mnt 4026531830");
	assert_int_equal(top(&scene)->n_matched, 1);
	press(&scene, 'q');
	assert_screen(&scene, SCREEN_OVERLAYS);
	assert_int_equal(top(&scene)->n_matched, 1);
	press(&scene, 'q');
	assert_screen(&scene, SCREEN_CGROUPS);
	assert_string_equal(selected_path(&scene), FAKE_WEB_CGROUP);
	assert_string_equal(scene.app.view.filter, "docker");
	assert_false(scene.app.quit);
	press(&scene, 'q');
	assert_true(scene.app.quit);
	close_scene(&scene);
}

static void test_namespace_to_overlay_and_cgroup(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	press(&scene, K_TAB);
	select_row(&scene, "mnt 4026532200");
	press(&scene, 'o');
	assert_selected(&scene, "/var/lib/docker/overlay2/aaaa/merged");
	press(&scene, 'c');
	assert_screen(&scene, SCREEN_CGROUPS);
	assert_string_equal(selected_path(&scene), FAKE_WEB_CGROUP);
	press(&scene, K_ESCAPE);
	press(&scene, K_ESCAPE);
	assert_selected(&scene, "mnt 4026532200");
	/* One that only an open file keeps: the cgroup of who has it open. */
	select_row(&scene, "net 4026532211");
	press(&scene, 'c');
	assert_string_equal(selected_path(&scene), "/system.slice/ssh.service");
	press(&scene, K_ESCAPE);
	/* One that is bind mounted: there is none, and the way back is not longer by that. */
	select_row(&scene, "net 4026532210");
	press(&scene, 'c');
	assert_screen(&scene, SCREEN_NAMESPACES);
	assert_true(*scene.app.status);
	press(&scene, 'o');
	assert_screen(&scene, SCREEN_NAMESPACES);
	assert_int_equal(scene.app.depth, 0);
	close_scene(&scene);
}

static void test_jump_unfolds(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	press(&scene, '1');
	assert_int_equal(scene.app.view.n_rows, 4);
	press(&scene, K_TAB);
	select_row(&scene, "net 4026532201");
	press(&scene, 'c');
	assert_string_equal(selected_path(&scene), FAKE_WEB_CGROUP);
	close_scene(&scene);
}

static void test_processes_of_namespace_and_overlay(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	press(&scene, K_TAB);
	select_row(&scene, "net 4026532201");
	press(&scene, 'z');
	assert_screen(&scene, SCREEN_PROCESSES);
	assert_true(is_drawn(&scene, "2 processes of net 4026532201"));
	assert_true(is_drawn(&scene, "www-data"));
	/* From there on, and the way back. */
	press(&scene, 'o');
	assert_screen(&scene, SCREEN_OVERLAYS);
	press(&scene, K_F(5));
	assert_true(is_drawn(&scene, "2 processes of "));
	assert_true(is_drawn(&scene, "overlay2/aaaa/merged"));
	press(&scene, K_ESCAPE);
	press(&scene, K_ESCAPE);
	assert_true(is_drawn(&scene, "2 processes of net 4026532201"));
	press(&scene, K_ESCAPE);
	/* The thread's process is in a cgroup whose others are elsewhere. */
	select_row(&scene, "net 4026532209");
	press(&scene, 'z');
	assert_true(is_drawn(&scene, "1 processes of net 4026532209"));
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

static void test_tabs(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	press(&scene, K_SHIFT_TAB);
	assert_screen(&scene, SCREEN_OVERLAYS);
	press(&scene, K_SHIFT_TAB);
	assert_screen(&scene, SCREEN_NAMESPACES);
	select_row(&scene, "net 4026532201");
	press(&scene, K_TAB);
	press(&scene, K_TAB);
	assert_screen(&scene, SCREEN_CGROUPS);
	press(&scene, K_TAB);
	assert_selected(&scene, "net 4026532201");
	/* The names in the header are there to be clicked. */
	click(&scene, 52, 2);
	assert_screen(&scene, SCREEN_CGROUPS);
	click(&scene, 78, 2);
	assert_screen(&scene, SCREEN_OVERLAYS);
	click(&scene, 10, 2);
	assert_screen(&scene, SCREEN_OVERLAYS);
	press(&scene, 'q');
	assert_true(scene.app.quit);
	close_scene(&scene);
}

static void test_long_way(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	select_cgroup(&scene, FAKE_WEB_CGROUP);
	for (int i = 0; i < 3 * APP_STACK; i++) {
		press(&scene, 'n');
		select_row(&scene, "net 4026532201");
		press(&scene, 'o');
		press(&scene, 'c');
		assert_screen(&scene, SCREEN_CGROUPS);
		assert_true(scene.app.depth < APP_STACK);
	}
	for (int i = 0; i < APP_STACK && scene.app.depth > 0; i++)
		press(&scene, K_ESCAPE);
	assert_screen(&scene, SCREEN_CGROUPS);
	assert_string_equal(selected_path(&scene), FAKE_WEB_CGROUP);
	close_scene(&scene);
}

static void test_what_was_jumped_from_is_gone(void **state)
{
	static const char *const fewer[] = { "/", "/init.scope", "/user.slice" };
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	select_cgroup(&scene, FAKE_WEB_CGROUP);
	press(&scene, 'n');
	press(&scene, K_ENTER);
	press(&scene, 'z');
	change_tree(&scene, fewer, ARRAY_SIZE(fewer));
	feed(&scene);
	app_draw(&scene.app, &scene.canvas);
	press(&scene, K_ESCAPE);
	app_draw(&scene.app, &scene.canvas);
	press(&scene, K_ESCAPE);
	assert_int_equal(top(&scene)->n_rows, 0);
	assert_true(is_drawn(&scene, "none of it"));
	press(&scene, K_ESCAPE);
	assert_screen(&scene, SCREEN_CGROUPS);
	app_draw(&scene.app, &scene.canvas);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asks_only_for_what_is_shown),
		cmocka_unit_test(test_waits_for_the_inventory),
		cmocka_unit_test(test_cgroup_to_namespaces_and_back),
		cmocka_unit_test(test_there_and_back_over_three_screens),
		cmocka_unit_test(test_namespace_to_overlay_and_cgroup),
		cmocka_unit_test(test_jump_unfolds),
		cmocka_unit_test(test_processes_of_namespace_and_overlay),
		cmocka_unit_test(test_cursor_follows_identity),
		cmocka_unit_test(test_filter_words),
		cmocka_unit_test(test_filter_of_overlays),
		cmocka_unit_test(test_fold_namespaces),
		cmocka_unit_test(test_circle_of_parents),
		cmocka_unit_test(test_sort_chooser),
		cmocka_unit_test(test_tabs),
		cmocka_unit_test(test_long_way),
		cmocka_unit_test(test_what_was_jumped_from_is_gone),
		cmocka_unit_test(test_any_key_at_any_size),
	};

	/* Widths of characters come from the locale. */
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
