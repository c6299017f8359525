// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "test_tui_golden.h"

/* Screens of namespaces, overlays, limits and storage, and the join in the detail of a cgroup. */

static void open_at(struct scene *scene, int width, int height, bool ascii)
{
	open_inventory(scene, width, height);
	canvas_done(&scene->canvas);
	assert_int_equal(canvas_init(&scene->canvas, width, height, ascii), 0);
}

static void test_golden_namespaces(void **state)
{
	struct scene scene;

	(void)state;
	open_at(&scene, 80, 24, false);
	press(&scene, K_TAB);
	press(&scene, K_DOWN);
	check_golden(&scene, "namespaces-80x24");
	press(&scene, K_SHIFT_RIGHT);
	press(&scene, K_SHIFT_RIGHT);
	press(&scene, 't');
	check_golden(&scene, "namespaces-parents-scrolled");
	press(&scene, '/');
	type(&scene, "user");
	press(&scene, K_ENTER);
	press(&scene, K_F(1));
	check_golden(&scene, "namespaces-help");
	close_scene(&scene);
	open_at(&scene, 200, 60, false);
	press(&scene, K_TAB);
	press(&scene, 'i');
	for (int i = 0; i < 12; i++)
		press(&scene, K_DOWN);
	check_golden(&scene, "namespaces-200x60");
	close_scene(&scene);
	open_at(&scene, 100, 24, true);
	press(&scene, K_TAB);
	press(&scene, 't');
	press(&scene, 't');
	press(&scene, K_LEFT);
	check_golden(&scene, "namespaces-processes-ascii");
	close_scene(&scene);
}

/* One of each kind of holder and the other things only some types have. */
static void test_golden_namespace_details(void **state)
{
	static const struct {
		const char *filter, *name;
	} cases[] = {
		{ "4026532210", "namespace-mount" },
		{ "4026532203", "namespace-uts" },
		{ "4026532200", "namespace-mnt" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scene scene;

		open_at(&scene, 80, 30, false);
		press(&scene, K_TAB);
		press(&scene, '/');
		type(&scene, cases[i].filter);
		press(&scene, K_ENTER);
		press(&scene, K_ENTER);
		check_golden(&scene, cases[i].name);
		close_scene(&scene);
	}
}

static void test_golden_limits(void **state)
{
	struct scene scene;

	(void)state;
	open_at(&scene, 100, 14, false);
	press(&scene, K_TAB);
	press(&scene, 'l');
	check_golden(&scene, "limits");
	close_scene(&scene);
}

static void set_usage(struct scene *scene, size_t which, const struct layer_usage *usage)
{
	struct inventory *inventory = fake_inventory();

	inventory->overlays->list[which].usage = *usage;
	inventory_unref(scene->inventory);
	scene->inventory = inventory;
	scene->fake.namespaces = inventory->namespaces;
	feed(scene);
}

static void test_golden_overlays(void **state)
{
	struct scene scene;

	(void)state;
	open_at(&scene, 80, 24, false);
	press(&scene, K_SHIFT_TAB);
	press(&scene, K_SHIFT_TAB);
	press(&scene, K_SHIFT_TAB);
	check_golden(&scene, "overlays-80x24");
	press(&scene, 't');
	check_golden(&scene, "overlays-cgroups");
	close_scene(&scene);
	open_at(&scene, 200, 60, false);
	press(&scene, K_SHIFT_TAB);
	press(&scene, K_SHIFT_TAB);
	press(&scene, K_SHIFT_TAB);
	check_golden(&scene, "overlays-200x60");
	press(&scene, 'i');
	check_golden(&scene, "overlays-pane");
	close_scene(&scene);
	open_at(&scene, 120, 14, true);
	press(&scene, K_SHIFT_TAB);
	press(&scene, K_SHIFT_TAB);
	press(&scene, K_SHIFT_TAB);
	check_golden(&scene, "overlays-ascii");
	close_scene(&scene);
}

/* What cannot be told is a word, never 0. */
static void test_golden_overlay_states(void **state)
{
	static const struct layer_usage usages[] = {
		{ .state = LAYER_STUCK },
		{ .state = LAYER_FAILED, .error = -EIO },
		{ .state = LAYER_PARTIAL,
		  .error = -EACCES,
		  .bytes = 4096,
		  .inodes = 1,
		  .boottime_ns = FAKE_NOW_NS - UINT64_C(400000000000) },
	};
	static const char *const names[] = { "overlay-stuck", "overlay-failed", "overlay-partial" };
	struct scene scene;

	(void)state;
	open_at(&scene, 120, 30, false);
	press(&scene, K_SHIFT_TAB);
	press(&scene, K_SHIFT_TAB);
	press(&scene, K_SHIFT_TAB);
	press(&scene, 'i');
	for (size_t i = 0; i < ARRAY_SIZE(usages); i++) {
		set_usage(&scene, 1, &usages[i]);
		press(&scene, K_END);
		check_golden(&scene, names[i]);
	}
	close_scene(&scene);
}

static void test_golden_storage(void **state)
{
	struct scene scene;

	(void)state;
	open_at(&scene, 120, 14, false);
	press(&scene, K_SHIFT_TAB);
	press(&scene, K_SHIFT_TAB);
	press(&scene, K_SHIFT_TAB);
	press(&scene, 'r');
	check_golden(&scene, "storage");
	close_scene(&scene);
}

static void test_golden_routes(void **state)
{
	struct scene scene;

	(void)state;
	open_at(&scene, 80, 14, false);
	press(&scene, K_TAB);
	press(&scene, 'c');
	check_golden(&scene, "routes");
	close_scene(&scene);
}

static void test_golden_join(void **state)
{
	struct scene scene;

	(void)state;
	open_at(&scene, 80, 40, false);
	press(&scene, '/');
	type(&scene, "docker");
	press(&scene, K_ENTER);
	press(&scene, K_END);
	check_golden(&scene, "container-names");
	press(&scene, K_ENTER);
	check_golden(&scene, "join-container");
	press(&scene, 'n');
	check_golden(&scene, "join-namespaces");
	close_scene(&scene);
	open_at(&scene, 160, 40, false);
	press(&scene, 't');
	press(&scene, K_END);
	press(&scene, 'i');
	check_golden(&scene, "join-user");
	close_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_namespaces),
		cmocka_unit_test(test_golden_namespace_details),
		cmocka_unit_test(test_golden_limits),
		cmocka_unit_test(test_golden_overlays),
		cmocka_unit_test(test_golden_overlay_states),
		cmocka_unit_test(test_golden_storage),
		cmocka_unit_test(test_golden_routes),
		cmocka_unit_test(test_golden_join),
	};

	/* Widths of characters come from the locale. */
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
