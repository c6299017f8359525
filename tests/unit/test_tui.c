// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "test_tui_scene.h"

/* ---- the view ---- */

static void test_cursor_stays(void **state)
{
	static const char *const more[] = {
		"/", "/aaa", "/aaa/new", "/batch", "/batch/job-1", "/batch/job-2", "/system.slice",
	};
	static const char *const fewer[] = { "/", "/aaa", "/batch", "/batch/job-2" };
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	app_draw(&scene.app, &scene.canvas);
	press(&scene, K_DOWN);
	press(&scene, 'j');
	assert_string_equal(selected_path(&scene), "/batch/job-1");
	/* Rows come above it. */
	change_tree(&scene, more, ARRAY_SIZE(more));
	feed(&scene);
	assert_string_equal(selected_path(&scene), "/batch/job-1");
	assert_int_equal(scene.app.view.list.cursor, 4);
	/* The order changes. */
	press(&scene, 't');
	press(&scene, 'N');
	assert_string_equal(selected_path(&scene), "/batch/job-1");
	press(&scene, 't');
	/* It goes away: the row stays. */
	change_tree(&scene, fewer, ARRAY_SIZE(fewer));
	feed(&scene);
	assert_int_equal(scene.app.view.list.cursor, 3);
	assert_string_equal(selected_path(&scene), "/batch/job-2");
	close_scene(&scene);
}

static void test_cursor_on_first_row_stays_first(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	press(&scene, 't');
	assert_string_equal(selected_path(&scene), "/");
	press(&scene, 'I');
	assert_string_equal(selected_path(&scene), "/init.scope");
	press(&scene, K_DOWN);
	assert_string_equal(selected_path(&scene), "/system.slice/docker-0123456789ab.scope");
	press(&scene, 'I');
	assert_string_equal(selected_path(&scene), "/system.slice/docker-0123456789ab.scope");
	press(&scene, K_HOME);
	assert_string_equal(selected_path(&scene), "/");
	close_scene(&scene);
}

static void test_fold(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	assert_int_equal(scene.app.view.n_rows, 12);
	press(&scene, K_DOWN);
	press(&scene, K_DOWN);
	/* From a leaf to its parent, then shut, then open, then in. */
	press(&scene, K_LEFT);
	assert_string_equal(selected_path(&scene), "/batch");
	press(&scene, K_LEFT);
	assert_int_equal(scene.app.view.n_rows, 10);
	press(&scene, K_RIGHT);
	assert_int_equal(scene.app.view.n_rows, 12);
	press(&scene, K_RIGHT);
	assert_string_equal(selected_path(&scene), "/batch/job-1");
	/* What is folded away hands the cursor to what it is folded into. */
	press(&scene, '=');
	assert_int_equal(scene.app.view.n_rows, 5);
	assert_string_equal(selected_path(&scene), "/batch");
	press(&scene, ' ');
	assert_int_equal(scene.app.view.n_rows, 7);
	press(&scene, '2');
	assert_int_equal(scene.app.view.n_rows, 11);
	press(&scene, '*');
	assert_int_equal(scene.app.view.n_rows, 12);
	press(&scene, '-');
	feed(&scene);
	assert_int_equal(scene.app.view.n_rows, 10);
	press(&scene, '+');
	assert_int_equal(scene.app.view.n_rows, 12);
	close_scene(&scene);
}

static void test_sort(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 120, 24);
	/* Siblings are sorted, the tree is kept: system.slice uses most. */
	press(&scene, K_DOWN);
	assert_string_equal(selected_path(&scene), "/system.slice");
	press(&scene, K_DOWN);
	assert_string_equal(selected_path(&scene), "/system.slice/postgresql.service");
	press(&scene, 'M');
	assert_int_equal(scene.app.view.sort, M_MEMORY_CURRENT);
	press(&scene, '>');
	assert_int_equal(scene.app.view.sort, M_MEMORY_LIMIT);
	press(&scene, 'P');
	press(&scene, '<');
	assert_true(scene.app.view.by_path);
	press(&scene, '<');
	assert_true(scene.app.view.by_path);
	press(&scene, '>');
	assert_int_equal(scene.app.view.sort, M_CPU_USAGE_RATE);
	assert_false(scene.app.view.by_path);
	/* From the list of columns: the first is the name. */
	press(&scene, 's');
	press(&scene, K_DOWN);
	press(&scene, K_DOWN);
	press(&scene, K_ENTER);
	assert_int_equal(scene.app.view.sort, M_MEMORY_CURRENT);
	/* By a click on the heading, twice for the other way. */
	click(&scene, 119, 3);
	assert_int_equal(scene.app.view.sort, M_IO_WBYTES_RATE);
	assert_false(scene.app.view.ascending);
	click(&scene, 119, 3);
	assert_true(scene.app.view.ascending);
	click(&scene, 2, 3);
	assert_true(scene.app.view.by_path);
	/* And on a row. */
	click(&scene, 2, 6);
	assert_string_equal(selected_path(&scene), "/batch/job-1");
	close_scene(&scene);
}

static void test_filter(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	press(&scene, '/');
	type(&scene, "POST");
	/* While typing; with what leads to a match. */
	assert_int_equal(scene.app.view.n_matched, 2);
	assert_int_equal(scene.app.view.n_rows, 4);
	press(&scene, K_BACKSPACE);
	press(&scene, K_ENTER);
	assert_false(scene.app.prompt.active);
	assert_int_equal(scene.app.view.n_matched, 2);
	/* Esc at the prompt goes back to the filter before, Esc without one clears it. */
	press(&scene, '/');
	type(&scene, "zzz");
	assert_int_equal(scene.app.view.n_rows, 0);
	feed(&scene);
	app_draw(&scene.app, &scene.canvas);
	press(&scene, K_DOWN);
	press(&scene, K_ESCAPE);
	assert_string_equal(scene.app.view.filter, "POS");
	press(&scene, K_ESCAPE);
	assert_int_equal(scene.app.view.n_rows, 12);
	/* A glob. */
	press(&scene, '/');
	type(&scene, "/batch/*");
	assert_true(scene.app.view.filter_is_glob);
	assert_int_equal(scene.app.view.n_matched, 2);
	/* In a list only matches stand. */
	press(&scene, K_ENTER);
	press(&scene, 't');
	assert_int_equal(scene.app.view.n_rows, 2);
	close_scene(&scene);
}

static void test_new_ones_are_marked_for_a_while(void **state)
{
	static const char *const after[] = { "/", "/batch", "/newcomer" };
	const struct node *node;
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, 2, 80, 24, NULL);
	assert_false(view_is_new(&scene.app.view, scene.tree->nodes[1], scene.app.now_ns));
	change_tree(&scene, after, ARRAY_SIZE(after));
	feed(&scene);
	node = scene.tree->nodes[2];
	assert_true(view_is_new(&scene.app.view, node, scene.app.now_ns));
	assert_false(view_is_new(&scene.app.view, scene.tree->nodes[1], scene.app.now_ns));
	feed(&scene);
	assert_true(view_is_new(&scene.app.view, node, scene.app.now_ns));
	for (int i = 0; i < 4; i++)
		feed(&scene);
	assert_false(view_is_new(&scene.app.view, node, scene.app.now_ns));
	close_scene(&scene);
}

static void fill_procs(struct snapshot *snapshot, uint64_t sequence)
{
	(void)sequence;
	if (!metric_set_has(&snapshot->wanted, M_CGROUP_PROCS))
		return;
	for (uint32_t i = 0; i < snapshot->tree->n; i++)
		snapshot_set(snapshot, M_CGROUP_PROCS, i, (union value){ .u64 = i == 9 });
}

static void test_hide_empty(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, fill_procs);
	assert_false(metric_set_has(&scene.fake.wanted, M_CGROUP_PROCS_SUBTREE));
	press(&scene, 'e');
	assert_true(metric_set_has(&scene.fake.wanted, M_CGROUP_PROCS_SUBTREE));
	/* The numbers are not there yet: nothing is hidden on a guess. */
	assert_int_equal(scene.app.view.n_rows, 12);
	feed(&scene);
	assert_int_equal(scene.app.view.n_rows, 4);
	close_scene(&scene);
}

static void fill_rising(struct snapshot *snapshot, uint64_t sequence)
{
	for (uint32_t i = 0; i < snapshot->tree->n; i++)
		snapshot_set(snapshot, M_CPU_USAGE_RATE, i,
			     (union value){ .number = (double)(sequence * (i + 1)) });
}

static void test_history_follows_the_cgroup(void **state)
{
	static const char *const after[] = { "/", "/aaa", "/batch" };
	struct scene scene;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	open_scene(&scene, machine, 2, 30, 8, fill_rising);
	for (int i = 0; i < 5; i++)
		feed(&scene);
	/* A tree that was never seen lies between. */
	change_tree(&scene, after, ARRAY_SIZE(after));
	change_tree(&scene, after, ARRAY_SIZE(after));
	feed(&scene);
	feed(&scene);
	history_draw(&scene.app.view.history, &scene.canvas, 0, 0, 10, 2, 0);
	history_draw(&scene.app.view.history, &scene.canvas, 0, 1, 10, 1, 0);
	row_text(&scene.canvas, 0, &text);
	assert_string_equal(text.data, " ▁▂▂▃▃▄▅██");
	row_text(&scene.canvas, 1, &text);
	assert_string_equal(text.data, "        ██");
	close_scene(&scene);
}

/* ---- the program ---- */

static void test_wants_what_is_shown(void **state)
{
	struct scene scene;
	unsigned int wants;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	assert_true(metric_set_has(&scene.fake.wanted, M_MEMORY_CURRENT));
	assert_false(metric_set_has(&scene.fake.wanted, M_MEMORY_STAT_ANON));
	wants = scene.fake.n_wants;
	feed(&scene);
	press(&scene, K_DOWN);
	assert_int_equal(scene.fake.n_wants, wants);
	/* All while the detail is open. */
	press(&scene, 'i');
	assert_true(metric_set_has(&scene.fake.wanted, M_MEMORY_STAT_ANON));
	press(&scene, 'i');
	assert_false(metric_set_has(&scene.fake.wanted, M_MEMORY_STAT_ANON));
	/* A column chosen, and taken away again. */
	press(&scene, 'C');
	press(&scene, '/');
	type(&scene, "memory.stat.anon");
	press(&scene, K_ENTER);
	press(&scene, ' ');
	press(&scene, 'q');
	assert_true(metric_set_has(&scene.fake.wanted, M_MEMORY_STAT_ANON));
	assert_false(scene.app.quit);
	press(&scene, 'q');
	assert_true(scene.app.quit);
	close_scene(&scene);
}

static void test_columns(void **state)
{
	struct scene scene;
	struct view *view = &scene.app.view;
	size_t n;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	app_draw(&scene.app, &scene.canvas);
	n = view->n_columns;
	press(&scene, K_F(2));
	app_draw(&scene.app, &scene.canvas);
	press(&scene, 'd');
	assert_int_equal(view->columns[0], metric_default_columns[1]);
	assert_int_equal(view->columns[1], metric_default_columns[0]);
	press(&scene, K_SHIFT_UP);
	assert_int_equal(view->columns[0], metric_default_columns[0]);
	press(&scene, 'u');
	assert_int_equal(view->columns[0], metric_default_columns[0]);
	press(&scene, ' ');
	assert_int_equal(view->n_columns, n - 1);
	assert_int_equal(view->columns[0], metric_default_columns[1]);
	/* All away, and the table still draws. */
	for (size_t i = 0; i + 1 < n; i++)
		press(&scene, ' ');
	assert_int_equal(view->n_columns, 0);
	press(&scene, K_ESCAPE);
	feed(&scene);
	app_draw(&scene.app, &scene.canvas);
	press(&scene, K_SHIFT_RIGHT);
	app_draw(&scene.app, &scene.canvas);
	/* No more than there is room for. */
	press(&scene, K_F(2));
	for (int i = 0; i < VIEW_COLUMNS + 5; i++)
		press(&scene, ' ');
	assert_int_equal(view->n_columns, VIEW_COLUMNS);
	press(&scene, 'r');
	assert_int_equal(view->n_columns, n);
	close_scene(&scene);
}

static void test_freeze_asks(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	press(&scene, 'f');
	assert_false(scene.app.prompt.active); /* the root */
	press(&scene, 'N');
	press(&scene, K_DOWN);
	press(&scene, 'f');
	assert_true(scene.app.prompt.active);
	press(&scene, 'n');
	assert_int_equal(scene.fake.freezes, 0);
	press(&scene, 'f');
	/* Rows move under the question: it is still about the same cgroup. */
	press(&scene, K_WHEEL_DOWN);
	press(&scene, 'y');
	assert_int_equal(scene.fake.freezes, 1);
	assert_true(scene.fake.frozen);
	assert_string_equal(scene.fake.frozen_path, "/batch");
	assert_string_equal(scene.app.status, "frozen \\x1b[7m/batch");
	/* What is frozen is thawed. */
	press(&scene, K_HOME);
	press(&scene, '/');
	type(&scene, "job-2");
	press(&scene, K_ENTER);
	press(&scene, K_END);
	press(&scene, 'f');
	press(&scene, 'y');
	assert_false(scene.fake.frozen);
	assert_string_equal(scene.fake.frozen_path, "/batch/job-2");
	close_scene(&scene);
}

static void test_pause_and_interval(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	press(&scene, 'p');
	assert_true(scene.fake.paused);
	press(&scene, 'p');
	assert_false(scene.fake.paused);
	press(&scene, '[');
	assert_int_equal(scene.fake.interval_usec, 500000);
	press(&scene, ']');
	press(&scene, ']');
	assert_int_equal(scene.fake.interval_usec, 2000000);
	press(&scene, 'd');
	type(&scene, "250ms");
	press(&scene, K_ENTER);
	assert_int_equal(scene.fake.interval_usec, 250000);
	press(&scene, 'd');
	type(&scene, "3");
	press(&scene, K_ENTER);
	assert_int_equal(scene.fake.interval_usec, 3000000);
	press(&scene, 'd');
	type(&scene, "nonsense");
	press(&scene, K_ENTER);
	assert_int_equal(scene.fake.interval_usec, 3000000);
	assert_int_equal(scene.app.status_role, ROLE_ERROR);
	/* A message goes away by itself. */
	assert_true(app_timeout_ms(&scene.app) <= 1000);
	scene.app.now_ns += UINT64_C(6000000000);
	app_draw(&scene.app, &scene.canvas);
	assert_string_equal(scene.app.status, "");
	close_scene(&scene);
}

static void test_footer_is_clickable(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	click(&scene, 1, 23);
	assert_true(app_is_on_top(&scene.app, SCREEN_HELP));
	press(&scene, 'q');
	assert_true(app_is_on_top(&scene.app, SCREEN_CGROUPS));
	close_scene(&scene);
}

static void test_before_the_first_sample(void **state)
{
	struct scene scene = { 0 };

	(void)state;
	open_scene(&scene, machine, 1, 80, 24, NULL);
	app_done(&scene.app);
	assert_int_equal(app_init(&scene.app, &scene.source, &scene.options), 0);
	app_set_snapshot(&scene.app, NULL);
	/* Every key of every screen, with nothing to show. */
	for (int id = 0; id < SCREEN_COUNT; id++) {
		for (size_t i = 0; i < screens[id]->keys.n; i++) {
			app_open_screen(&scene.app, id);
			press(&scene, screens[id]->keys.list[i].keys[0]);
			app_draw(&scene.app, &scene.canvas);
			press(&scene, K_ESCAPE);
			app_close_screen(&scene.app, 0);
		}
	}
	close_scene(&scene);
}

static void test_any_size(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, hostile, ARRAY_SIZE(hostile), 80, 24, NULL);
	for (int id = 0; id < SCREEN_COUNT; id++) {
		app_open_screen(&scene.app, id);
		for (int width = 1; width < 200; width += width < 60 ? 1 : 13) {
			for (int height = 1; height < 60; height += height < 16 ? 1 : 9) {
				canvas_done(&scene.canvas);
				assert_int_equal(
					canvas_init(&scene.canvas, width, height, width & 1), 0);
				app_draw(&scene.app, &scene.canvas);
				press(&scene, K_PAGE_DOWN);
				press(&scene, K_WHEEL_UP);
			}
		}
		app_close_screen(&scene.app, 0);
	}
	close_scene(&scene);
}

static void test_processes_cpu(void **state)
{
	struct scene scene;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, NULL);
	press(&scene, 'z');
	app_draw(&scene.app, &scene.canvas);
	row_text(&scene.canvas, 5, &text);
	assert_non_null(strstr(text.data, " .. "));
	/* A second later each has used half a second more, times its number. */
	scene.fake.cpu_usec += 500000;
	scene.fake.swap_pid = 111; /* the second pid is another process now */
	feed(&scene);
	app_draw(&scene.app, &scene.canvas);
	row_text(&scene.canvas, 5, &text);
	assert_non_null(strstr(text.data, "112"));
	assert_non_null(strstr(text.data, "150.0%"));
	row_text(&scene.canvas, 6, &text);
	assert_non_null(strstr(text.data, "110"));
	assert_non_null(strstr(text.data, "50.0%"));
	row_text(&scene.canvas, 7, &text);
	assert_non_null(strstr(text.data, "111"));
	assert_non_null(strstr(text.data, " .. "));
	/* With all below: three of each, but for the one that may not be read. */
	press(&scene, 'a');
	app_draw(&scene.app, &scene.canvas);
	row_text(&scene.canvas, 3, &text);
	assert_non_null(strstr(text.data, "33 processes of /"));
	close_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cursor_stays),
		cmocka_unit_test(test_cursor_on_first_row_stays_first),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_new_ones_are_marked_for_a_while),
		cmocka_unit_test(test_hide_empty),
		cmocka_unit_test(test_history_follows_the_cgroup),
		cmocka_unit_test(test_wants_what_is_shown),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_freeze_asks),
		cmocka_unit_test(test_pause_and_interval),
		cmocka_unit_test(test_footer_is_clickable),
		cmocka_unit_test(test_before_the_first_sample),
		cmocka_unit_test(test_any_size),
		cmocka_unit_test(test_processes_cpu),
	};

	/* Widths of characters come from the locale. */
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
