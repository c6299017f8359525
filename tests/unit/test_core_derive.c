// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/derive.h"
#include "core/snapshot.h"
#include "fake_snapshot.h"

static const char *const paths[] = { "/", "/a", "/a/loose", "/a/tight", "/a/tight/deep", "/b" };

static struct snapshot *new_snapshot(enum metric_id id)
{
	struct metric_set wanted = { 0 };

	metric_set_add(&wanted, id);
	return fake_snapshot(fake_tree(paths, ARRAY_SIZE(paths), NULL), &wanted, 1);
}

static void check(const struct snapshot *snapshot, enum metric_id id, const char *path,
		  double wanted)
{
	double number = -1;
	enum value_state state = snapshot_number(snapshot, id, tree_find(snapshot->tree, path),
						 &number);

	if (state != VALUE_OK || number != wanted)
		fail_msg("%s: %s, %g; wanted %g", path, value_state_name(state), number, wanted);
}

static void check_state(const struct snapshot *snapshot, enum metric_id id, const char *path,
			enum value_state wanted)
{
	enum value_state state = snapshot_state(snapshot, id, tree_find(snapshot->tree, path));

	if (state != wanted)
		fail_msg("%s: %s, wanted %s", path, value_state_name(state),
			 value_state_name(wanted));
}

static void check_binds(const struct snapshot *snapshot, enum metric_id id, const char *path,
			const char *wanted)
{
	uint32_t binds = derive_binding(snapshot, id, tree_find(snapshot->tree, path));

	if (!wanted)
		assert_int_equal(binds, NODE_NONE);
	else if (binds == NODE_NONE || strcmp(snapshot->tree->nodes[binds]->path, wanted) != 0)
		fail_msg("%s is bound by %s, wanted %s", path,
			 binds == NODE_NONE ? "nobody" : snapshot->tree->nodes[binds]->path,
			 wanted);
}

/* The root has no such file; the own limit, the parent's where tighter, nobody's. */
static void limits(enum metric_id own, enum metric_id limit)
{
	struct snapshot *snapshot = new_snapshot(limit);

	fake_set_state(snapshot, "/", own, VALUE_ABSENT);
	fake_set_u64(snapshot, "/a", own, 1000);
	fake_set_u64(snapshot, "/a/loose", own, 5000);
	fake_set_u64(snapshot, "/a/tight", own, 10);
	fake_set_state(snapshot, "/a/tight/deep", own, VALUE_UNLIMITED);
	fake_set_state(snapshot, "/b", own, VALUE_UNLIMITED);
	derive_all(snapshot);
	check_state(snapshot, limit, "/", VALUE_UNLIMITED);
	check(snapshot, limit, "/a", 1000);
	check(snapshot, limit, "/a/loose", 1000);
	check(snapshot, limit, "/a/tight", 10);
	check(snapshot, limit, "/a/tight/deep", 10);
	check_state(snapshot, limit, "/b", VALUE_UNLIMITED);
	check_binds(snapshot, limit, "/", NULL);
	check_binds(snapshot, limit, "/a", "/a");
	check_binds(snapshot, limit, "/a/loose", "/a");
	check_binds(snapshot, limit, "/a/tight", "/a/tight");
	check_binds(snapshot, limit, "/a/tight/deep", "/a/tight");
	check_binds(snapshot, limit, "/b", NULL);
	snapshot_unref(snapshot);
}

static void test_limits(void **state)
{
	(void)state;
	limits(M_MEMORY_MAX, M_MEMORY_LIMIT);
	limits(M_PIDS_MAX, M_PIDS_LIMIT);
}

/* Without its controller a cgroup has no limit of its own, but it is still inside its parents. */
static void test_limit_without_controller(void **state)
{
	struct snapshot *snapshot = new_snapshot(M_MEMORY_LIMIT);

	(void)state;
	fake_set_u64(snapshot, "/a", M_MEMORY_MAX, 1000);
	fake_set_state(snapshot, "/a/loose", M_MEMORY_MAX, VALUE_DISABLED);
	fake_set_state(snapshot, "/a/tight", M_MEMORY_MAX, VALUE_DENIED);
	fake_set_u64(snapshot, "/a/tight/deep", M_MEMORY_MAX, 7);
	fake_set_state(snapshot, "/b", M_MEMORY_MAX, VALUE_DISABLED);
	derive_all(snapshot);
	check(snapshot, M_MEMORY_LIMIT, "/a/loose", 1000);
	check_binds(snapshot, M_MEMORY_LIMIT, "/a/loose", "/a");
	/* What may not be read may be tighter: that is said, and not guessed. */
	check_state(snapshot, M_MEMORY_LIMIT, "/a/tight", VALUE_DENIED);
	check_state(snapshot, M_MEMORY_LIMIT, "/b", VALUE_UNLIMITED);
	check(snapshot, M_MEMORY_LIMIT, "/a/tight/deep", 7);
	snapshot_unref(snapshot);
}

/* Equal limits: the nearest binds. A limit on the root (v1 has one) binds all. */
static void test_limit_ties(void **state)
{
	struct snapshot *snapshot = new_snapshot(M_MEMORY_LIMIT);

	(void)state;
	fake_set_u64(snapshot, "/", M_MEMORY_MAX, 100);
	fake_set_u64(snapshot, "/a", M_MEMORY_MAX, 100);
	fake_set_u64(snapshot, "/a/loose", M_MEMORY_MAX, 101);
	fake_set_state(snapshot, "/b", M_MEMORY_MAX, VALUE_UNLIMITED);
	derive_all(snapshot);
	check_binds(snapshot, M_MEMORY_LIMIT, "/a", "/a");
	check_binds(snapshot, M_MEMORY_LIMIT, "/a/loose", "/a");
	check_binds(snapshot, M_MEMORY_LIMIT, "/b", "/");
	check(snapshot, M_MEMORY_LIMIT, "/b", 100);
	snapshot_unref(snapshot);
}

static void test_cpu_limit(void **state)
{
	struct snapshot *snapshot = new_snapshot(M_CPU_LIMIT_USED);

	(void)state;
	fake_set_u64(snapshot, "/a", M_CPU_QUOTA, 200000);
	fake_set_u64(snapshot, "/a", M_CPU_PERIOD, 100000);
	/* Half a core in its own period: periods differ, so cores are compared, not quotas. */
	fake_set_u64(snapshot, "/a/tight", M_CPU_QUOTA, 500000);
	fake_set_u64(snapshot, "/a/tight", M_CPU_PERIOD, 1000000);
	fake_set_state(snapshot, "/a/loose", M_CPU_QUOTA, VALUE_UNLIMITED);
	fake_set_u64(snapshot, "/a/loose", M_CPU_PERIOD, 100000);
	fake_set_u64(snapshot, "/b", M_CPU_QUOTA, 100000);
	fake_set_u64(snapshot, "/b", M_CPU_PERIOD, 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		fake_set_number(snapshot, paths[i], M_CPU_USAGE_RATE, 0.25);
	fake_set_state(snapshot, "/a/tight/deep", M_CPU_USAGE_RATE, VALUE_FIRST);
	derive_all(snapshot);
	check(snapshot, M_CPU_QUOTA_CORES, "/a", 2);
	check(snapshot, M_CPU_QUOTA_CORES, "/a/tight", 0.5);
	check_state(snapshot, M_CPU_QUOTA_CORES, "/a/loose", VALUE_UNLIMITED);
	check_state(snapshot, M_CPU_QUOTA_CORES, "/b", VALUE_ABSENT);
	check(snapshot, M_CPU_LIMIT_CORES, "/a/loose", 2);
	check(snapshot, M_CPU_LIMIT_CORES, "/a/tight/deep", 0.5);
	check_binds(snapshot, M_CPU_LIMIT_CORES, "/a/tight/deep", "/a/tight");
	check(snapshot, M_CPU_LIMIT_USED, "/a", 0.125);
	check(snapshot, M_CPU_LIMIT_USED, "/a/tight", 0.5);
	check_state(snapshot, M_CPU_LIMIT_USED, "/a/tight/deep", VALUE_FIRST);
	check_state(snapshot, M_CPU_LIMIT_USED, "/", VALUE_UNLIMITED);
	snapshot_unref(snapshot);
}

static void test_used(void **state)
{
	struct snapshot *snapshot = new_snapshot(M_MEMORY_LIMIT_USED);

	(void)state;
	fake_set_u64(snapshot, "/a", M_MEMORY_MAX, 1000);
	fake_set_u64(snapshot, "/a", M_MEMORY_CURRENT, 250);
	fake_set_u64(snapshot, "/a/loose", M_MEMORY_CURRENT, 100);
	fake_set_u64(snapshot, "/a/tight", M_MEMORY_MAX, 0);
	fake_set_u64(snapshot, "/a/tight", M_MEMORY_CURRENT, 1);
	fake_set_u64(snapshot, "/b", M_MEMORY_CURRENT, 1);
	derive_all(snapshot);
	check(snapshot, M_MEMORY_LIMIT_USED, "/a", 0.25);
	check(snapshot, M_MEMORY_LIMIT_USED, "/a/loose", 0.1);
	/* Nothing can be divided by a limit of 0. */
	check_state(snapshot, M_MEMORY_LIMIT_USED, "/a/tight", VALUE_ABSENT);
	check_state(snapshot, M_MEMORY_LIMIT_USED, "/b", VALUE_UNLIMITED);
	check_state(snapshot, M_MEMORY_LIMIT_USED, "/", VALUE_ABSENT);
	snapshot_unref(snapshot);
}

static void test_throttled_ratio(void **state)
{
	struct snapshot *snapshot = new_snapshot(M_CPU_THROTTLED_RATIO);

	(void)state;
	fake_set_number(snapshot, "/a", M_CPU_NR_PERIODS_RATE, 10);
	fake_set_number(snapshot, "/a", M_CPU_NR_THROTTLED_RATE, 4);
	/* No period in the interval: nothing was throttled. */
	fake_set_number(snapshot, "/b", M_CPU_NR_PERIODS_RATE, 0);
	fake_set_number(snapshot, "/b", M_CPU_NR_THROTTLED_RATE, 0);
	fake_set_number(snapshot, "/a/loose", M_CPU_NR_PERIODS_RATE, 10);
	fake_set_state(snapshot, "/a/loose", M_CPU_NR_THROTTLED_RATE, VALUE_FIRST);
	fake_set_state(snapshot, "/a/tight", M_CPU_NR_PERIODS_RATE, VALUE_DISABLED);
	fake_set_state(snapshot, "/a/tight", M_CPU_NR_THROTTLED_RATE, VALUE_DISABLED);
	derive_all(snapshot);
	check(snapshot, M_CPU_THROTTLED_RATIO, "/a", 0.4);
	check(snapshot, M_CPU_THROTTLED_RATIO, "/b", 0);
	check_state(snapshot, M_CPU_THROTTLED_RATIO, "/a/loose", VALUE_FIRST);
	check_state(snapshot, M_CPU_THROTTLED_RATIO, "/a/tight", VALUE_DISABLED);
	check_state(snapshot, M_CPU_THROTTLED_RATIO, "/", VALUE_ABSENT);
	snapshot_unref(snapshot);
}

static void test_working_set(void **state)
{
	struct snapshot *snapshot = new_snapshot(M_MEMORY_WORKING_SET);

	(void)state;
	fake_set_u64(snapshot, "/a", M_MEMORY_CURRENT, 1000);
	fake_set_u64(snapshot, "/a", M_MEMORY_STAT_INACTIVE_FILE, 300);
	/* The two files are not read at one moment: never below 0. */
	fake_set_u64(snapshot, "/b", M_MEMORY_CURRENT, 100);
	fake_set_u64(snapshot, "/b", M_MEMORY_STAT_INACTIVE_FILE, 300);
	fake_set_u64(snapshot, "/a/loose", M_MEMORY_CURRENT, 100);
	derive_all(snapshot);
	check(snapshot, M_MEMORY_WORKING_SET, "/a", 700);
	check(snapshot, M_MEMORY_WORKING_SET, "/b", 0);
	check_state(snapshot, M_MEMORY_WORKING_SET, "/a/loose", VALUE_ABSENT);
	snapshot_unref(snapshot);
}

static void test_subtree(void **state)
{
	struct snapshot *snapshot = new_snapshot(M_CGROUP_PROCS_SUBTREE);

	(void)state;
	fake_set_u64(snapshot, "/", M_CGROUP_PROCS, 1);
	fake_set_u64(snapshot, "/a", M_CGROUP_PROCS, 0);
	fake_set_u64(snapshot, "/a/loose", M_CGROUP_PROCS, 20);
	fake_set_u64(snapshot, "/a/tight", M_CGROUP_PROCS, 300);
	fake_set_u64(snapshot, "/a/tight/deep", M_CGROUP_PROCS, 4000);
	fake_set_state(snapshot, "/b", M_CGROUP_PROCS, VALUE_DENIED);
	derive_all(snapshot);
	check(snapshot, M_CGROUP_PROCS_SUBTREE, "/a/tight/deep", 4000);
	check(snapshot, M_CGROUP_PROCS_SUBTREE, "/a/tight", 4300);
	check(snapshot, M_CGROUP_PROCS_SUBTREE, "/a", 4320);
	check(snapshot, M_CGROUP_PROCS_SUBTREE, "/", 4321);
	check_state(snapshot, M_CGROUP_PROCS_SUBTREE, "/b", VALUE_DENIED);
	snapshot_unref(snapshot);
}

/*
 * A cgroup whose own processes nobody knows (a threaded one lists none: EOPNOTSUPP) still hands its
 * children's on: else its ancestors show too few, without a word.
 */
static void test_subtree_gap(void **state)
{
	struct snapshot *snapshot = new_snapshot(M_CGROUP_PROCS_SUBTREE);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		fake_set_u64(snapshot, paths[i], M_CGROUP_PROCS, 1);
	fake_set_state(snapshot, "/a/tight", M_CGROUP_PROCS, VALUE_ABSENT);
	derive_all(snapshot);
	check_state(snapshot, M_CGROUP_PROCS_SUBTREE, "/a/tight", VALUE_ABSENT);
	check(snapshot, M_CGROUP_PROCS_SUBTREE, "/a", 3);
	check(snapshot, M_CGROUP_PROCS_SUBTREE, "/", 5);
	snapshot_unref(snapshot);
}

/* Whatever the columns hold, no derived cell is computed twice or from one that is not ready. */
static void test_order(void **state)
{
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot;

	(void)state;
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (metric_get((enum metric_id)id)->kind == KIND_DERIVED)
			metric_set_add(&wanted, (enum metric_id)id);
	}
	snapshot = fake_snapshot(fake_tree(paths, ARRAY_SIZE(paths), NULL), &wanted, 1);
	fake_set_u64(snapshot, "/a", M_CPU_QUOTA, 50000);
	fake_set_u64(snapshot, "/a", M_CPU_PERIOD, 100000);
	fake_set_number(snapshot, "/a/tight/deep", M_CPU_USAGE_RATE, 0.125);
	fake_set_u64(snapshot, "/a", M_CGROUP_PROCS, 3);
	derive_all(snapshot);
	check(snapshot, M_CPU_LIMIT_USED, "/a/tight/deep", 0.25);
	check(snapshot, M_CGROUP_PROCS_SUBTREE, "/a", 3);
	snapshot_unref(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),	    cmocka_unit_test(test_limit_without_controller),
		cmocka_unit_test(test_limit_ties),  cmocka_unit_test(test_cpu_limit),
		cmocka_unit_test(test_used),	    cmocka_unit_test(test_throttled_ratio),
		cmocka_unit_test(test_working_set), cmocka_unit_test(test_subtree),
		cmocka_unit_test(test_subtree_gap), cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
