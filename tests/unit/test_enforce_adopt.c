// SPDX-License-Identifier: MIT
/* What is kept over an exit, and taken over by the next agent. */
#define _GNU_SOURCE
#include "core/snapshot.h"
#include "test_enforce_bench.h"

/* A snapshot with /, /a and /a/b as a new agent sees them: other nodes, the same ids. */
static struct snapshot *look(const struct bench *bench)
{
	const struct metric_set nothing = { 0 };
	const struct node *from[] = { NULL, bench->a, bench->b };
	struct strpool *pool = strpool_new();
	struct tree *tree = tree_new(3, bench->a->n_ids, pool);
	struct snapshot *snapshot;

	assert_non_null(tree);
	strpool_unref(pool);
	for (uint32_t i = 0; i < 3; i++) {
		struct node *node = node_new(from[i] ? from[i]->path : "/", i, bench->a->n_ids);

		node->serial = 1000 + i;
		for (uint32_t j = 0; from[i] && j < node->n_ids; j++)
			node->ids[j] = from[i]->ids[j];
		tree->nodes[i] = node;
		tree->parent[i] = i ? i - 1 : NODE_NONE;
		tree->end[i] = 3;
	}
	snapshot = snapshot_new(tree, &nothing);
	tree_unref(tree);
	assert_non_null(snapshot);
	return snapshot;
}

/* The agent exits, or dies, and another starts on the same state. */
static size_t start_again(struct bench *bench, bool polite, struct enforcer_hold **ret_holds,
			  struct snapshot **ret_snapshot)
{
	struct knob_context context = fake_cgroupfs_context(bench->fs);
	struct journal_replay replay;
	size_t n = 0;

	if (polite)
		assert_int_equal(enforcer_stop(bench->enforcer), 0);
	enforcer_free(bench->enforcer);
	journal_free(bench->journal);
	assert_int_equal(journal_open(bench->state_dir, 0, &bench->journal, NULL), 0);
	assert_int_equal(journal_restore(bench->journal, &context, false, &replay), 0);
	journal_free(bench->journal);
	start(bench, false);
	*ret_snapshot = look(bench);
	assert_int_equal(enforcer_adopt(bench->enforcer, *ret_snapshot, ret_holds, &n), 0);
	return n;
}

static void keep(struct bench *bench, const char *policy, const char *action)
{
	struct decision decision = decide(DECISION_APPLY, bench->a, policy, action);

	decision.restore_on_exit = false;
	decision.step = 2;
	assert_int_equal(carry_out(bench, &decision, NULL), 0);
}

static int release_kept(struct bench *bench, struct node *node, const char *policy,
			const char *action)
{
	struct decision decision = decide(DECISION_RELEASE, node, policy, action);

	decision.step = 2;
	return carry_out(bench, &decision, NULL);
}

/* on-clear without on-exit: kept over the exit, and the original is not forgotten. */
static void test_original_survives(void **state)
{
	struct bench *bench = *state;
	struct enforcer_hold *holds;
	struct snapshot *snapshot;
	char uuid[ENFORCER_UUID_SIZE];
	size_t n;

	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "90000 100000");
	keep(bench, "k", "cpu.quota 40%");
	assert_int_equal(enforcer_status(bench->enforcer, &holds, &n), 0);
	memcpy(uuid, holds[0].uuid, sizeof(uuid));
	assert_int_equal(strlen(uuid), 36);
	enforcer_holds_free(holds, n);
	assert_int_equal(start_again(bench, true, &holds, &snapshot), 1);
	assert_string_equal(cpu_max(bench, "/a"), "40000 100000");
	assert_string_equal(holds[0].policy, "k");
	assert_string_equal(holds[0].path, "/a");
	assert_string_equal(holds[0].uuid, uuid);
	assert_int_equal(holds[0].step, 2);
	assert_int_equal(holds[0].node_serial, 1001);
	assert_int_equal(holds[0].knob, KNOB_CPU_QUOTA);
	assert_int_equal(holds[0].original.number, 90000);
	enforcer_holds_free(holds, 1);
	/* It clears: back to what stood there before the first agent. */
	assert_int_equal(release_kept(bench, snapshot->tree->nodes[1], "k", "cpu.quota 40%"), 0);
	assert_string_equal(cpu_max(bench, "/a"), "90000 100000");
	assert_int_equal(journal_count(bench->journal), 0);
	snapshot_unref(snapshot);
}

/* The new policies know it no more: released by any decision of that policy and rung. */
static void test_released_by_name(void **state)
{
	struct bench *bench = *state;
	struct enforcer_hold *holds;
	struct snapshot *snapshot;
	size_t n;

	keep(bench, "k", "memory.high 64M");
	n = start_again(bench, true, &holds, &snapshot);
	assert_int_equal(n, 1);
	enforcer_holds_free(holds, n);
	assert_int_equal(release_kept(bench, snapshot->tree->nodes[1], "k", "cpu.quota 40%"), 0);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "memory.high"), "max");
	assert_int_equal(journal_count(bench->journal), 0);
	snapshot_unref(snapshot);
}

/* One policy keeps, the other does not: after the exit only the first one's wish stands. */
static void test_some_kept(void **state)
{
	struct bench *bench = *state;
	struct enforcer_hold *holds;
	struct snapshot *snapshot;
	size_t n;

	keep(bench, "k", "cpu.quota 40%");
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_string_equal(cpu_max(bench, "/a"), "20000 100000");
	n = start_again(bench, true, &holds, &snapshot);
	assert_int_equal(n, 1);
	assert_string_equal(holds[0].policy, "k");
	enforcer_holds_free(holds, n);
	assert_string_equal(cpu_max(bench, "/a"), "40000 100000");
	/* The next exit keeps it again; release-all does not. */
	snapshot_unref(snapshot);
	n = start_again(bench, true, &holds, &snapshot);
	assert_int_equal(n, 1);
	enforcer_holds_free(holds, n);
	assert_int_equal(enforcer_release_all(bench->enforcer), 0);
	assert_int_equal(enforcer_drain(bench->enforcer, PATIENCE_MS), 0);
	assert_string_equal(cpu_max(bench, "/a"), "max 100000");
	assert_int_equal(journal_count(bench->journal), 0);
	snapshot_unref(snapshot);
}

/* Somebody changed it while no agent ran, or it is another cgroup now: not taken over. */
static void test_not_ours_any_more(void **state)
{
	struct bench *bench = *state;
	struct enforcer_hold *holds;
	struct snapshot *snapshot;
	size_t n;

	keep(bench, "k", "cpu.quota 40%");
	keep(bench, "k", "memory.high 64M");
	assert_int_equal(enforcer_stop(bench->enforcer), 0);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "70000 100000");
	n = start_again(bench, true, &holds, &snapshot);
	assert_int_equal(n, 1);
	assert_int_equal(holds[0].knob, KNOB_MEMORY_HIGH);
	enforcer_holds_free(holds, n);
	assert_string_equal(cpu_max(bench, "/a"), "70000 100000");
	assert_int_equal(journal_count(bench->journal), 1);
	assert_int_equal(enforcer_stop(bench->enforcer), 0);
	fake_cgroupfs_recreate(bench->fs, "/a");
	snapshot_unref(snapshot);
	n = start_again(bench, true, &holds, &snapshot);
	assert_int_equal(n, 0);
	enforcer_holds_free(holds, n);
	assert_int_equal(journal_count(bench->journal), 0);
	snapshot_unref(snapshot);
}

/* Overlapping holders of both kinds that the next agent has, released in both orders. */
static void test_overlapping(void **state)
{
	struct bench *bench = *state;

	for (int order = 0; order < 2; order++) {
		struct enforcer_hold *holds;
		struct snapshot *snapshot;
		struct node *a;

		keep(bench, "k", "cpu.quota 40%");
		keep(bench, "l", "cpu.quota 20%");
		assert_int_equal(start_again(bench, true, &holds, &snapshot), 2);
		enforcer_holds_free(holds, 2);
		a = snapshot->tree->nodes[1];
		assert_int_equal(release_kept(bench, a, order ? "k" : "l", "cpu.quota 40%"), 0);
		assert_string_equal(cpu_max(bench, "/a"), order ? "20000 100000" : "40000 100000");
		assert_int_equal(release_kept(bench, a, order ? "l" : "k", "cpu.quota 40%"), 0);
		assert_string_equal(cpu_max(bench, "/a"), "max 100000");
		assert_int_equal(journal_count(bench->journal), 0);
		snapshot_unref(snapshot);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_original_survives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_released_by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_some_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_ours_any_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_overlapping, set_up, tear_down),
	};

	if (!getenv("CGWATCH_TEST_LOG"))
		log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
