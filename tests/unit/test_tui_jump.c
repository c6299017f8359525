// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "test_tui_browser.h"

/* The ways between cgroups, namespaces and overlays, and the ways back. */

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

/* One screen lies twice on the way: each time it is about something else. */
static void test_same_screen_twice(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	select_cgroup(&scene, FAKE_WEB_CGROUP);
	press(&scene, 'n');
	press(&scene, '/');
	type(&scene, "uts");
	press(&scene, K_ENTER);
	assert_int_equal(top(&scene)->n_matched, 1);
	press(&scene, 'o');
	press(&scene, 'n');
	assert_int_equal(top(&scene)->n_matched, 1);
	assert_selected(&scene, "mnt 4026531830");
	press(&scene, 'n');
	assert_int_equal(top(&scene)->n_matched, 9);
	press(&scene, 'q');
	assert_selected(&scene, "mnt 4026531830");
	assert_int_equal(top(&scene)->n_matched, 1);
	press(&scene, 'q');
	assert_screen(&scene, SCREEN_OVERLAYS);
	press(&scene, 'q');
	assert_selected(&scene, "uts 4026532203");
	assert_int_equal(top(&scene)->n_matched, 1);
	press(&scene, K_ESCAPE);
	assert_int_equal(top(&scene)->n_matched, 8);
	press(&scene, K_ESCAPE);
	assert_string_equal(selected_path(&scene), FAKE_WEB_CGROUP);
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
	struct namespaces *set;
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
	press(&scene, 'n');
	assert_true(is_drawn(&scene, "of process nginx"));
	assert_int_equal(top(&scene)->n_matched, 8);
	press(&scene, K_ESCAPE);
	press(&scene, 'c');
	assert_string_equal(selected_path(&scene), FAKE_WEB_CGROUP);
	press(&scene, K_ESCAPE);
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
	press(&scene, K_ESCAPE);
	/* One of the cgroup's two leaves it. */
	set = scene.inventory->namespaces;
	set->processes[namespaces_find_process(set, 201)].ns[NS_NET] = set->host[NS_NET];
	select_row(&scene, "net 4026532201");
	press(&scene, 'z');
	assert_true(is_drawn(&scene, "1 processes of net 4026532201"));
	assert_false(is_drawn(&scene, "www-data"));
	close_scene(&scene);
}

static void test_tabs(void **state)
{
	struct scene scene;

	(void)state;
	open_inventory(&scene, 80, 24);
	press(&scene, K_SHIFT_TAB);
	assert_screen(&scene, SCREEN_EVENTS);
	press(&scene, K_SHIFT_TAB);
	assert_screen(&scene, SCREEN_POLICIES);
	press(&scene, K_SHIFT_TAB);
	assert_screen(&scene, SCREEN_OVERLAYS);
	press(&scene, K_SHIFT_TAB);
	assert_screen(&scene, SCREEN_NAMESPACES);
	select_row(&scene, "net 4026532201");
	press(&scene, K_TAB);
	press(&scene, K_TAB);
	press(&scene, K_TAB);
	press(&scene, K_TAB);
	assert_screen(&scene, SCREEN_CGROUPS);
	press(&scene, K_TAB);
	assert_selected(&scene, "net 4026532201");
	/* The names in the header are there to be clicked. */
	click(&scene, 52, 2);
	assert_screen(&scene, SCREEN_CGROUPS);
	click(&scene, 78, 2);
	assert_screen(&scene, SCREEN_EVENTS);
	click(&scene, 69, 2);
	assert_screen(&scene, SCREEN_POLICIES);
	click(&scene, 63, 2);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cgroup_to_namespaces_and_back),
		cmocka_unit_test(test_there_and_back_over_three_screens),
		cmocka_unit_test(test_same_screen_twice),
		cmocka_unit_test(test_namespace_to_overlay_and_cgroup),
		cmocka_unit_test(test_jump_unfolds),
		cmocka_unit_test(test_processes_of_namespace_and_overlay),
		cmocka_unit_test(test_tabs),
		cmocka_unit_test(test_long_way),
		cmocka_unit_test(test_what_was_jumped_from_is_gone),
	};

	/* Widths of characters come from the locale. */
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
