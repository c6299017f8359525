// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "test_tui_golden.h"

static void test_golden_main(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	press(&scene, K_DOWN);
	check_golden(&scene, "main-80x24");
	press(&scene, K_SHIFT_RIGHT);
	press(&scene, K_SHIFT_RIGHT);
	press(&scene, '1');
	press(&scene, 'p');
	check_golden(&scene, "main-scrolled");
	close_scene(&scene);
	open_machine(&scene, 120, 40);
	check_golden(&scene, "main-120x40");
	press(&scene, 't');
	press(&scene, 'M');
	check_golden(&scene, "list-120x40");
	close_scene(&scene);
}

static void test_golden_filter(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	press(&scene, '/');
	type(&scene, "job");
	check_golden(&scene, "filter");
	close_scene(&scene);
}

static void test_golden_detail(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 100, 60);
	press(&scene, '/');
	type(&scene, "job-1");
	press(&scene, K_ENTER);
	press(&scene, K_END);
	press(&scene, K_ENTER);
	feed(&scene);
	check_golden(&scene, "detail");
	press(&scene, K_ESCAPE);
	press(&scene, 'i');
	canvas_done(&scene.canvas);
	assert_int_equal(canvas_init(&scene.canvas, 160, 30, false), 0);
	check_golden(&scene, "detail-beside");
	close_scene(&scene);
}

static void test_golden_columns(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 100, 30);
	press(&scene, K_F(2));
	press(&scene, K_DOWN);
	check_golden(&scene, "columns");
	close_scene(&scene);
}

static void test_golden_help(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 100, 90);
	press(&scene, '?');
	check_golden(&scene, "help");
	close_scene(&scene);
}

static void test_golden_sort_and_processes(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 20);
	press(&scene, 's');
	check_golden(&scene, "sort");
	press(&scene, K_ESCAPE);
	press(&scene, 'z');
	scene.fake.cpu_usec += 100000;
	feed(&scene);
	check_golden(&scene, "processes");
	close_scene(&scene);
}

static void test_golden_hostile(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, hostile, ARRAY_SIZE(hostile), 80, 24, NULL);
	check_golden(&scene, "hostile");
	canvas_done(&scene.canvas);
	assert_int_equal(canvas_init(&scene.canvas, 80, 24, true), 0);
	check_golden(&scene, "hostile-ascii");
	close_scene(&scene);
}

static void test_golden_too_small(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 39, 8);
	check_golden(&scene, "too-small");
	close_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_main),
		cmocka_unit_test(test_golden_filter),
		cmocka_unit_test(test_golden_detail),
		cmocka_unit_test(test_golden_columns),
		cmocka_unit_test(test_golden_help),
		cmocka_unit_test(test_golden_sort_and_processes),
		cmocka_unit_test(test_golden_hostile),
		cmocka_unit_test(test_golden_too_small),
	};

	/* Widths of characters come from the locale. */
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
