// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/rates.h"
#include "core/snapshot.h"
#include "fake_snapshot.h"

static const char *const paths[] = { "/", "/a", "/a/x", "/b" };

static struct metric_set set_of(enum metric_id a, enum metric_id b)
{
	struct metric_set set = { 0 };

	metric_set_add(&set, a);
	if (b != M_NONE)
		metric_set_add(&set, b);
	return set;
}

static void test_tree(void **state)
{
	struct tree *tree = fake_tree(paths, ARRAY_SIZE(paths), NULL);

	(void)state;
	assert_int_equal(tree_find(tree, "/"), 0);
	assert_int_equal(tree_find(tree, "/a/x"), 2);
	assert_int_equal(tree_find(tree, "/a/"), NODE_NONE);
	assert_int_equal(tree_find(tree, ""), NODE_NONE);
	assert_int_equal(tree_find_serial(tree, tree->nodes[3]->serial), 3);
	assert_int_equal(tree_find_serial(tree, 0), NODE_NONE);
	tree_unref(tree);
	tree_unref(NULL);
}

/* Only what is wanted, and what that needs, has columns; a new one is absent everywhere. */
static void test_columns(void **state)
{
	struct metric_set wanted = set_of(M_MEMORY_LIMIT_USED, M_CPU_USAGE_RATE);
	struct snapshot *snapshot = fake_snapshot(fake_tree(paths, 4, NULL), &wanted, 1);
	union value value = { .u64 = 77 };
	double number = 77;

	(void)state;
	for (int id = M_NONE + 1; id < COLUMN_COUNT; id++) {
		bool has = metric_set_has(&snapshot->wanted, (enum metric_id)id);

		assert_int_equal(snapshot->columns[id].states != NULL, has);
		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(snapshot_state(snapshot, (enum metric_id)id, i),
					 VALUE_ABSENT);
	}
	assert_true(metric_set_has(&snapshot->wanted, M_MEMORY_MAX));
	assert_true(metric_set_has(&snapshot->wanted, M_CPU_USAGE));
	assert_int_equal(snapshot_get(snapshot, M_MEMORY_MAX, 1, &value), VALUE_ABSENT);
	assert_int_equal(value.u64, 77);
	/* Columns do not overlap. */
	for (int id = M_NONE + 1; id < COLUMN_COUNT; id++) {
		for (uint32_t i = 0; snapshot->columns[id].states && i < 4; i++)
			snapshot_set(snapshot, (enum metric_id)id, i,
				     (union value){ .u64 = (uint64_t)id * 10 + i });
	}
	for (int id = M_NONE + 1; id < COLUMN_COUNT; id++) {
		for (uint32_t i = 0; snapshot->columns[id].states && i < 4; i++) {
			assert_int_equal(snapshot_get(snapshot, (enum metric_id)id, i, &value),
					 VALUE_OK);
			assert_int_equal(value.u64, (uint64_t)id * 10 + i);
		}
	}
	assert_int_equal(snapshot_number(snapshot, M_PIDS_MAX, 0, &number), VALUE_ABSENT);
	assert_true(number == 77);
	snapshot_unref(snapshot);
}

static void test_numbers(void **state)
{
	struct metric_set wanted = set_of(M_CPU_USAGE, M_CPUSET_CPUS);
	struct snapshot *snapshot = fake_snapshot(fake_tree(paths, 4, NULL), &wanted, 1);
	double number = 77;

	(void)state;
	fake_set_u64(snapshot, "/a", M_CPU_USAGE, 2500000);
	fake_set_text(snapshot, "/a", M_CPUSET_CPUS, "0-3");
	fake_set_state(snapshot, "/b", M_CPU_USAGE, VALUE_DENIED);
	assert_int_equal(snapshot_number(snapshot, M_CPU_USAGE, 1, &number), VALUE_OK);
	assert_true(number == 2.5);
	number = 77;
	assert_int_equal(snapshot_number(snapshot, M_CPU_USAGE, 3, &number), VALUE_DENIED);
	/* A text is no number, whatever its state. */
	assert_int_equal(snapshot_number(snapshot, M_CPUSET_CPUS, 1, &number), VALUE_ABSENT);
	assert_true(number == 77);
	snapshot_unref(snapshot);
}

static void test_parts(void **state)
{
	struct metric_set wanted = set_of(M_IO_RBYTES, M_NONE);
	struct snapshot *snapshot = fake_snapshot(fake_tree(paths, 4, NULL), &wanted, 1);
	const struct part *first = NULL;

	(void)state;
	assert_int_equal(snapshot_parts(snapshot, 1, &first), 0);
	for (uint32_t i = 0; i < 200; i++) {
		struct part part = { i < 100 ? 1 : 3, M_IO_RBYTES, "vda", VALUE_OK, { .u64 = i } };

		assert_true(snapshot_add_part(snapshot, &part));
	}
	assert_int_equal(snapshot_finish_parts(snapshot), 0);
	assert_int_equal(snapshot_parts(snapshot, 0, &first), 0);
	assert_int_equal(snapshot_parts(snapshot, 1, &first), 100);
	assert_int_equal(first[99].value.u64, 99);
	assert_int_equal(snapshot_parts(snapshot, 2, &first), 0);
	assert_int_equal(snapshot_parts(snapshot, 3, &first), 100);
	assert_int_equal(first[0].value.u64, 100);
	assert_ptr_equal(snapshot_ref(snapshot), snapshot);
	snapshot_unref(snapshot);
	assert_int_equal(snapshot_parts(snapshot, 3, &first), 100);
	snapshot_unref(snapshot);
	snapshot_unref(NULL);
}

static void test_empty_tree(void **state)
{
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot = fake_snapshot(fake_tree(paths, 0, NULL), &wanted, 1);

	(void)state;
	assert_int_equal(snapshot_finish_parts(snapshot), 0);
	rates_compute(snapshot, NULL);
	snapshot_unref(snapshot);
}

static struct snapshot *counters(struct tree *tree, uint64_t sequence)
{
	struct metric_set wanted = set_of(M_CPU_USAGE_RATE, M_PIDS_EVENTS_MAX_RATE);

	return fake_snapshot(tree, &wanted, sequence);
}

static void check_rate(const struct snapshot *snapshot, const char *path, enum metric_id id,
		       double wanted)
{
	double rate = -1;
	enum value_state state = snapshot_number(snapshot, id, tree_find(snapshot->tree, path),
						 &rate);

	if (state != VALUE_OK || rate != wanted)
		fail_msg("%s: state %s, rate %g, wanted %g", path, value_state_name(state), rate,
			 wanted);
}

static void check_state(const struct snapshot *snapshot, const char *path, enum metric_id id,
			enum value_state wanted)
{
	enum value_state state = snapshot_state(snapshot, id, tree_find(snapshot->tree, path));

	if (state != wanted)
		fail_msg("%s: state %s, wanted %s", path, value_state_name(state),
			 value_state_name(wanted));
}

static void test_first_sample(void **state)
{
	struct snapshot *snapshot = counters(fake_tree(paths, 4, NULL), 1);

	(void)state;
	fake_set_u64(snapshot, "/a", M_CPU_USAGE, 1000000);
	fake_set_state(snapshot, "/b", M_CPU_USAGE, VALUE_DISABLED);
	snapshot->interval_ns = 42;
	rates_compute(snapshot, NULL);
	assert_int_equal(snapshot->interval_ns, 0);
	check_state(snapshot, "/a", M_CPU_USAGE_RATE, VALUE_FIRST);
	/* What is not there has no rate for the same reason. */
	check_state(snapshot, "/b", M_CPU_USAGE_RATE, VALUE_DISABLED);
	check_state(snapshot, "/", M_CPU_USAGE_RATE, VALUE_ABSENT);
	snapshot_unref(snapshot);
}

static void test_rates(void **state)
{
	struct tree *tree = fake_tree(paths, 4, NULL);
	struct snapshot *before = counters(tree_ref(tree), 1), *now = counters(tree, 2);

	(void)state;
	now->boottime_ns = before->boottime_ns + 2500000000;
	fake_set_u64(before, "/", M_CPU_USAGE, 1000000);
	fake_set_u64(now, "/", M_CPU_USAGE, 6000000);
	fake_set_u64(before, "/a", M_CPU_USAGE, 7);
	fake_set_u64(now, "/a", M_CPU_USAGE, 7);
	fake_set_u64(before, "/", M_PIDS_EVENTS_MAX, UINT64_MAX - 10);
	fake_set_u64(now, "/", M_PIDS_EVENTS_MAX, UINT64_MAX);
	/* Somebody wrote 0 to a v1 counter; a value came or went. */
	fake_set_u64(before, "/a/x", M_CPU_USAGE, 100);
	fake_set_u64(now, "/a/x", M_CPU_USAGE, 99);
	fake_set_state(before, "/b", M_CPU_USAGE, VALUE_DENIED);
	fake_set_u64(now, "/b", M_CPU_USAGE, 5);
	fake_set_u64(before, "/b", M_PIDS_EVENTS_MAX, 5);
	fake_set_state(now, "/b", M_PIDS_EVENTS_MAX, VALUE_GONE);
	rates_compute(now, before);
	assert_int_equal(now->interval_ns, 2500000000);
	/* 5 s of CPU in 2.5 s are two cores; 10 events in 2.5 s are 4 a second. */
	check_rate(now, "/", M_CPU_USAGE_RATE, 2);
	check_rate(now, "/", M_PIDS_EVENTS_MAX_RATE, 4);
	check_rate(now, "/a", M_CPU_USAGE_RATE, 0);
	check_state(now, "/a/x", M_CPU_USAGE_RATE, VALUE_FIRST);
	check_state(now, "/b", M_CPU_USAGE_RATE, VALUE_FIRST);
	check_state(now, "/b", M_PIDS_EVENTS_MAX_RATE, VALUE_GONE);
	snapshot_unref(before);
	snapshot_unref(now);
}

/* No time passed, or the clock stood: no rate, above all no infinite one. */
static void test_no_interval(void **state)
{
	struct tree *tree = fake_tree(paths, 4, NULL);
	struct snapshot *before = counters(tree_ref(tree), 1), *now = counters(tree, 2);

	(void)state;
	now->boottime_ns = before->boottime_ns;
	fake_set_u64(before, "/a", M_CPU_USAGE, 1);
	fake_set_u64(now, "/a", M_CPU_USAGE, 2);
	rates_compute(now, before);
	check_state(now, "/a", M_CPU_USAGE_RATE, VALUE_FIRST);
	snapshot_unref(before);
	snapshot_unref(now);
}

/* The snapshot before did not have the counter. */
static void test_newly_wanted(void **state)
{
	struct tree *tree = fake_tree(paths, 4, NULL);
	struct metric_set other = set_of(M_MEMORY_CURRENT, M_NONE);
	struct snapshot *before = fake_snapshot(tree_ref(tree), &other, 1),
			*now = counters(tree, 2);

	(void)state;
	fake_set_u64(now, "/a", M_CPU_USAGE, 2);
	rates_compute(now, before);
	check_state(now, "/a", M_CPU_USAGE_RATE, VALUE_FIRST);
	snapshot_unref(before);
	snapshot_unref(now);
}

/* The same path made again is another cgroup; all others are found at their new places. */
static void test_tree_change(void **state)
{
	static const char *const later[] = { "/", "/0", "/a", "/b", "/c" };
	struct tree *old = fake_tree(paths, 4, NULL), *tree = fake_tree(later, 5, old);
	struct snapshot *before = counters(tree_ref(old), 1), *now;
	uint32_t a = tree_find(tree, "/a");
	struct node *again = node_new("/a", 1, 1);

	(void)state;
	again->serial = 99;
	node_unref(tree->nodes[a]);
	tree->nodes[a] = again;
	tree->before[a] = NODE_NONE;
	now = counters(tree, 2);
	for (uint32_t i = 0; i < 4; i++)
		fake_set_u64(before, paths[i], M_CPU_USAGE, 1000000 * i);
	for (uint32_t i = 0; i < 5; i++)
		fake_set_u64(now, later[i], M_CPU_USAGE, 9000000);
	rates_compute(now, before);
	check_rate(now, "/", M_CPU_USAGE_RATE, 9);
	check_rate(now, "/b", M_CPU_USAGE_RATE, 6);
	check_state(now, "/a", M_CPU_USAGE_RATE, VALUE_FIRST);
	check_state(now, "/0", M_CPU_USAGE_RATE, VALUE_FIRST);
	check_state(now, "/c", M_CPU_USAGE_RATE, VALUE_FIRST);
	assert_int_equal(rates_index_before(now, before, tree_find(now->tree, "/b")), 3);
	assert_int_equal(rates_index_before(now, before, a), NODE_NONE);
	assert_int_equal(rates_index_before(before, before, 2), 2);
	tree_unref(old);
	snapshot_unref(before);
	snapshot_unref(now);
}

/* Two changes of the tree between two snapshots: `before` speaks of another tree, serials do it. */
static void test_tree_skipped(void **state)
{
	static const char *const between[] = { "/", "/b" }, *const later[] = { "/", "/0", "/b" };
	struct tree *old = fake_tree(paths, 4, NULL), *middle = fake_tree(between, 2, old);
	struct tree *tree = fake_tree(later, 3, middle);
	struct snapshot *before = counters(tree_ref(old), 1), *now = counters(tree, 2);

	(void)state;
	/* In the tree between, /b stood where /a stands in the old one. */
	assert_int_equal(tree->before[2], 1);
	assert_int_equal(rates_index_before(now, before, 2), 3);
	fake_set_u64(before, "/b", M_CPU_USAGE, 1000000);
	fake_set_u64(before, "/a", M_CPU_USAGE, 2000000);
	fake_set_u64(now, "/b", M_CPU_USAGE, 4000000);
	rates_compute(now, before);
	check_rate(now, "/b", M_CPU_USAGE_RATE, 3);
	tree_unref(old);
	tree_unref(middle);
	snapshot_unref(before);
	snapshot_unref(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),	     cmocka_unit_test(test_columns),
		cmocka_unit_test(test_numbers),	     cmocka_unit_test(test_parts),
		cmocka_unit_test(test_empty_tree),   cmocka_unit_test(test_first_sample),
		cmocka_unit_test(test_rates),	     cmocka_unit_test(test_no_interval),
		cmocka_unit_test(test_newly_wanted), cmocka_unit_test(test_tree_change),
		cmocka_unit_test(test_tree_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
