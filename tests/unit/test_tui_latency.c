// SPDX-License-Identifier: MIT
/* Distributions in the details of a cgroup: who is watched, what is drawn, why nothing is. */
#define _GNU_SOURCE
#include "fake_distributions.h"
#include "test_tui_browser.h"
#include "test_tui_golden.h"

/* Only from the fourth sample on, as the kernel counts only what is watched. */
static void fill_watched(struct snapshot *snapshot, uint64_t sequence)
{
	static const char *const watched[] = { "/batch/job-1" };

	fill_machine(snapshot, sequence);
	if (sequence > 3)
		snapshot->distributions = fake_distributions(snapshot->tree, watched, 1);
}

static void open_watched(struct scene *scene, int width, int height)
{
	open_scene(scene, machine, ARRAY_SIZE(machine), width, height, fill_watched);
	select_cgroup(scene, "/batch/job-1");
}

static uint64_t serial_of(const struct scene *scene, const char *path)
{
	const struct tree *tree = scene->app.snapshot->tree;

	return tree->nodes[tree_find(tree, path)]->serial;
}

static void test_golden(void **state)
{
	struct scene scene;

	(void)state;
	open_watched(&scene, 100, 60);
	press(&scene, K_ENTER);
	feed(&scene);
	assert_true(is_drawn(&scene, "not yet: counted from now on"));
	feed(&scene);
	check_golden(&scene, "latency");
	press(&scene, 'y');
	check_golden(&scene, "latency-block-io");
	/* Not told by this kernel, and never hit: nothing to draw. */
	press(&scene, 'Y');
	press(&scene, 'Y');
	assert_false(is_drawn(&scene, "y: the next kind"));
	press(&scene, 'Y');
	assert_false(is_drawn(&scene, "y: the next kind"));
	press(&scene, K_ESCAPE);
	canvas_done(&scene.canvas);
	assert_int_equal(canvas_init(&scene.canvas, 56, 50, true), 0);
	press(&scene, 'y');
	press(&scene, K_ENTER);
	assert_int_equal(scene.app.detail.latency_kind, DISTRIBUTION_MEMORY_HIGH);
	press(&scene, 'y');
	press(&scene, 'y');
	check_golden(&scene, "latency-narrow-ascii");
	close_scene(&scene);
}

/* Whoever looks asks; who looks away ends it. */
static void test_watches_what_is_shown(void **state)
{
	struct scene scene;

	(void)state;
	open_watched(&scene, 160, 40);
	assert_int_equal(scene.fake.watched, 0);
	press(&scene, K_ENTER);
	assert_int_equal(scene.fake.watched, serial_of(&scene, "/batch/job-1"));
	press(&scene, '?');
	assert_int_equal(scene.fake.watched, serial_of(&scene, "/batch/job-1"));
	press(&scene, K_ESCAPE);
	press(&scene, K_ESCAPE);
	assert_int_equal(scene.fake.watched, 0);
	press(&scene, 'i');
	assert_int_equal(scene.fake.watched, serial_of(&scene, "/batch/job-1"));
	press(&scene, K_DOWN);
	assert_int_equal(scene.fake.watched, serial_of(&scene, "/batch/job-2"));
	press(&scene, K_TAB);
	assert_int_equal(scene.fake.watched, 0);
	press(&scene, K_SHIFT_TAB);
	assert_int_equal(scene.fake.watched, serial_of(&scene, "/batch/job-2"));
	press(&scene, 'i');
	assert_int_equal(scene.fake.watched, 0);
	close_scene(&scene);
}

static void test_says_why_not(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 100, 40);
	scene.fake.no_latency = "not permitted: it takes CAP_BPF and CAP_PERFMON";
	press(&scene, K_ENTER);
	feed(&scene);
	assert_true(is_drawn(&scene, "all          not permitted: it takes CAP_BPF"));
	close_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_watches_what_is_shown),
		cmocka_unit_test(test_says_why_not),
	};

	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
