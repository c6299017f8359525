// SPDX-License-Identifier: MIT
/* The enforcer on a fake cgroup tree. */
#define _GNU_SOURCE
#include "test_enforce_bench.h"

static void test_apply_and_release(void **state)
{
	struct bench *bench = *state;

	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "90000 100000");
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_string_equal(cpu_max(bench, "/a"), "20000 100000");
	assert_int_equal(journal_count(bench->journal), 1);
	/* Again: nothing more is written. */
	assert_int_equal(bench->fs->writes, 1);
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_int_equal(bench->fs->writes, 1);
	assert_int_equal(release(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_string_equal(cpu_max(bench, "/a"), "90000 100000");
	assert_int_equal(journal_count(bench->journal), 0);
	/* What is not held cannot be released, and that is no error. */
	assert_int_equal(release(bench, bench->a, "p", "cpu.quota 20%"), 0);
}

/* Two policies on one knob, released in both orders: the tightest holds, the last gives it back. */
static void test_stack(void **state)
{
	struct bench *bench = *state;

	for (int order = 0; order < 2; order++) {
		assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 40%"), 0);
		assert_int_equal(apply(bench, bench->a, "q", "cpu.quota 20%"), 0);
		assert_string_equal(cpu_max(bench, "/a"), "20000 100000");
		assert_int_equal(journal_count(bench->journal), 1);
		assert_int_equal(release(bench, bench->a, order ? "p" : "q", "cpu.quota 20%"), 0);
		assert_string_equal(cpu_max(bench, "/a"), order ? "20000 100000" : "40000 100000");
		assert_int_equal(release(bench, bench->a, order ? "q" : "p", "cpu.quota 20%"), 0);
		assert_string_equal(cpu_max(bench, "/a"), "max 100000");
		assert_int_equal(journal_count(bench->journal), 0);
	}
	/* The looser one second: not written at all. */
	assert_int_equal(apply(bench, bench->a, "q", "cpu.quota 20%"), 0);
	bench->fs->writes = 0;
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 40%"), 0);
	assert_int_equal(bench->fs->writes, 0);
}

/* A policy limits; it never loosens what was tighter before. */
static void test_tighter_original(void **state)
{
	struct bench *bench = *state;
	struct decision decision = decide(DECISION_APPLY, bench->a, "p", "cpu.quota 20%");
	char text[256];

	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "10000 100000");
	assert_int_equal(carry_out(bench, &decision, text), 0);
	assert_string_equal(text, "the cgroup is as tight already");
	assert_string_equal(cpu_max(bench, "/a"), "10000 100000");
	assert_int_equal(journal_count(bench->journal), 0);
	assert_int_equal(release(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_string_equal(cpu_max(bench, "/a"), "10000 100000");
}

/* What somebody else changed meanwhile is theirs. */
static void test_conflict(void **state)
{
	struct bench *bench = *state;
	struct decision decision = decide(DECISION_RELEASE, bench->a, "p", "cpu.quota 20%");
	struct enforcer_stats stats;
	char text[256];

	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "70000 100000");
	assert_int_equal(carry_out(bench, &decision, text), 0);
	assert_true(strncmp(text, "conflict: ", 10) == 0);
	assert_string_equal(cpu_max(bench, "/a"), "70000 100000");
	assert_int_equal(journal_count(bench->journal), 0);
	enforcer_get_stats(bench->enforcer, &stats);
	assert_int_equal(stats.conflicts, 1);
	/* And when a second one comes along. */
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "60000 100000");
	assert_int_equal(apply(bench, bench->a, "q", "cpu.quota 10%"), -ESTALE);
	assert_string_equal(cpu_max(bench, "/a"), "60000 100000");
}

/* Somebody writes between our write and our look at what became of it. */
static void test_overtaken(void **state)
{
	struct bench *bench = *state;

	bench->fs->overwrite = "70000 100000";
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), -ESTALE);
	assert_string_equal(cpu_max(bench, "/a"), "70000 100000");
	assert_int_equal(journal_count(bench->journal), 0);
	assert_int_equal(enforcer_stop(bench->enforcer), 0);
	assert_string_equal(cpu_max(bench, "/a"), "70000 100000");
}

static void test_gone(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(apply(bench, bench->b, "p", "cpu.quota 20%"), 0);
	fake_cgroupfs_recreate(bench->fs, "/a/b");
	assert_int_equal(release(bench, bench->b, "p", "cpu.quota 20%"), 0);
	assert_string_equal(cpu_max(bench, "/a/b"), "max 100000");
	assert_int_equal(journal_count(bench->journal), 0);
	assert_int_equal(apply(bench, bench->b, "p", "cpu.quota 20%"), -ESTALE);
}

static void test_failure(void **state)
{
	struct bench *bench = *state;
	struct enforcer_hold *holds;
	size_t n;

	bench->fs->faults[0] = (struct fake_fault){ "cpu.max", true, -EIO, 1 };
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), -EIO);
	assert_int_equal(journal_count(bench->journal), 0);
	assert_int_equal(enforcer_status(bench->enforcer, &holds, &n), 0);
	assert_int_equal(n, 0);
	enforcer_holds_free(holds, n);
	/* The second holder fails: the first one's value stays. */
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 40%"), 0);
	bench->fs->faults[0] = (struct fake_fault){ "cpu.max", true, -EIO, 1 };
	assert_int_equal(apply(bench, bench->a, "q", "cpu.quota 20%"), -EIO);
	assert_string_equal(cpu_max(bench, "/a"), "40000 100000");
	assert_int_equal(journal_count(bench->journal), 1);
	/* A restore that fails is tried again until it works. */
	bench->fs->faults[0] = (struct fake_fault){ "cpu.max", true, -EIO, 2 };
	assert_int_equal(release(bench, bench->a, "p", "cpu.quota 40%"), -EIO);
	assert_string_equal(cpu_max(bench, "/a"), "40000 100000");
	assert_int_equal(journal_count(bench->journal), 1);
	for (int i = 0; i < PATIENCE_MS / 20 && journal_count(bench->journal) > 0; i++)
		usleep(20000);
	assert_string_equal(cpu_max(bench, "/a"), "max 100000");
	assert_int_equal(journal_count(bench->journal), 0);
}

static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The enforcer thaws at the end of the lease, whether or not the engine says so. */
static void test_lease(void **state)
{
	struct bench *bench = *state;
	struct decision decision = decide(DECISION_APPLY, bench->a, "p", "freeze lease=1s");
	struct pollfd wait = { .fd = enforcer_fd(bench->enforcer), .events = POLLIN };
	struct enforcer_result *results;
	struct enforcer_stats stats;
	uint64_t late;
	size_t n;

	/* Long enough for all that comes before its end. */
	decision.lease_until = now_usec() + 5000000;
	assert_int_equal(carry_out(bench, &decision, NULL), 0);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cgroup.freeze"), "1");
	enforcer_get_stats(bench->enforcer, &stats);
	assert_int_equal(stats.frozen, 1);
	assert_int_equal(poll(&wait, 1, 0), 0);
	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	late = now_usec();
	assert_true(late >= decision.lease_until);
	/* How late is up to what else runs on the machine. */
	print_message("thawed %llu us after the lease's end\n",
		      (unsigned long long)(late - decision.lease_until));
	assert_int_equal(enforcer_collect(bench->enforcer, &results, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(results[0].op, DECISION_RELEASE);
	assert_int_equal(results[0].error, 0);
	enforcer_results_free(results, n);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cgroup.freeze"), "0");
	assert_int_equal(journal_count(bench->journal), 0);
}

static void test_frozen_by_others(void **state)
{
	struct bench *bench = *state;

	fake_cgroupfs_put(bench->fs, "/a", "cgroup.freeze", "1");
	assert_int_equal(apply(bench, bench->a, "p", "freeze lease=1s"), -EALREADY);
	assert_int_equal(release(bench, bench->a, "p", "freeze lease=1s"), 0);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cgroup.freeze"), "1");
}

static void test_shadow(void **state)
{
	struct bench *bench = *state;
	struct decision decision = decide(DECISION_APPLY, bench->a, "p", "cpu.quota 20%");
	struct enforcer_result *results;
	size_t n;

	decision.shadow = true;
	assert_int_equal(enforcer_submit(bench->enforcer, &decision), 0);
	assert_int_equal(enforcer_drain(bench->enforcer, PATIENCE_MS), 0);
	assert_int_equal(enforcer_collect(bench->enforcer, &results, &n), 0);
	assert_int_equal(n, 1);
	assert_true(results[0].shadow && results[0].changed);
	assert_int_equal(results[0].error, 0);
	assert_int_equal(results[0].before.number, KNOB_UNLIMITED);
	assert_int_equal(results[0].after.number, 20000);
	enforcer_results_free(results, n);
	assert_int_equal(bench->fs->writes, 0);
	assert_int_equal(journal_count(bench->journal), 0);
}

static void test_stop(void **state)
{
	struct bench *bench = *state;
	struct decision keep = decide(DECISION_APPLY, bench->b, "k", "memory.high 64M");

	keep.restore_on_exit = false;
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_int_equal(apply(bench, bench->b, "p", "cpu.quota 10%"), 0);
	assert_int_equal(apply(bench, bench->b, "q", "cpu.quota 5%"), 0);
	assert_int_equal(apply(bench, bench->b, "p", "freeze lease=30s"), 0);
	assert_int_equal(carry_out(bench, &keep, NULL), 0);
	assert_int_equal(enforcer_stop(bench->enforcer), 0);
	assert_string_equal(cpu_max(bench, "/a"), "max 100000");
	assert_string_equal(cpu_max(bench, "/a/b"), "max 100000");
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a/b", "cgroup.freeze"), "0");
	/* Kept, and with it the way back. */
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a/b", "memory.high"), "67108864");
	assert_int_equal(journal_count(bench->journal), 1);
}

static void test_release_all(void **state)
{
	struct bench *bench = *state;
	struct decision keep = decide(DECISION_APPLY, bench->b, "k", "memory.high 64M");
	struct enforcer_hold *holds;
	size_t n;

	keep.restore_on_exit = false;
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_int_equal(carry_out(bench, &keep, NULL), 0);
	assert_int_equal(enforcer_status(bench->enforcer, &holds, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(holds[0].path, "/a");
	assert_string_equal(holds[0].policy, "p");
	assert_int_equal(holds[0].original.number, KNOB_UNLIMITED);
	assert_int_equal(holds[0].written.number, 20000);
	assert_true(holds[0].effective);
	enforcer_holds_free(holds, n);
	assert_int_equal(enforcer_release_all(bench->enforcer), 0);
	assert_int_equal(enforcer_drain(bench->enforcer, PATIENCE_MS), 0);
	assert_string_equal(cpu_max(bench, "/a"), "max 100000");
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a/b", "memory.high"), "max");
	assert_int_equal(journal_count(bench->journal), 0);
}

static void test_no_journal_no_write(void **state)
{
	struct bench *bench = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", bench->state_dir);
	assert_int_equal(system(command), 0);
	assert_true(apply(bench, bench->a, "p", "cpu.quota 20%") < 0);
	assert_int_equal(bench->fs->writes, 0);
}

/* ---- after a crash
 * ----------------------------------------------------------------------------------- */

/* Squeezing moves memory.high for a moment: killed in there, it must come back as well. */
static void test_squeeze_is_journalled(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(apply(bench, bench->a, "p", "memory.max 64M"), 0);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "memory.max"), "67108864");
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "memory.high"), "max");
	assert_int_equal(bench->fs->oom_kills, 0);
	assert_int_equal(journal_count(bench->journal), 1);
	assert_int_equal(release(bench, bench->a, "p", "memory.max 64M"), 0);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "memory.max"), "max");
	assert_int_equal(journal_count(bench->journal), 0);
}

/* A quota pushes a burst down that is held too: that is nobody's conflict, in either order. */
static void test_burst_beside_quota(void **state)
{
	struct bench *bench = *state;

	for (int quota_first = 0; quota_first < 2; quota_first++) {
		fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "60000 100000");
		fake_cgroupfs_put(bench->fs, "/a", "cpu.max.burst", "50000");
		assert_int_equal(apply(bench, bench->a, "b", "cpu.burst 30ms"), 0);
		assert_int_equal(apply(bench, bench->a, "q", "cpu.quota 20%"), 0);
		assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cpu.max.burst"), "20000");
		/* Looser again, but not what it was: the burst stays down. */
		assert_int_equal(apply(bench, bench->a, "r", "cpu.quota 10%"), 0);
		assert_int_equal(release(bench, bench->a, "r", "cpu.quota 10%"), 0);
		if (quota_first)
			assert_int_equal(release(bench, bench->a, "q", "cpu.quota 20%"), 0);
		assert_int_equal(release(bench, bench->a, "b", "cpu.burst 30ms"), 0);
		if (!quota_first)
			assert_int_equal(release(bench, bench->a, "q", "cpu.quota 20%"), 0);
		assert_string_equal(cpu_max(bench, "/a"), "60000 100000");
		assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cpu.max.burst"), "50000");
		assert_int_equal(journal_count(bench->journal), 0);
	}
}

static void test_v1(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_int_equal(apply(bench, bench->a, "p", "memory.max 512M"), 0);
	assert_int_equal(apply(bench, bench->a, "p", "freeze lease=30s"), 0);
	assert_int_equal(apply(bench, bench->a, "p", "memory.high 512M"), -EOPNOTSUPP);
	assert_int_equal(apply(bench, bench->b, "p", "memory.max 64M"), -EBUSY);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cpu.cfs_quota_us"), "20000");
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "memory.limit_in_bytes"),
			    "536870912");
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "freezer.self_freezing"), "1");
	assert_int_equal(journal_count(bench->journal), 3);
	assert_int_equal(enforcer_stop(bench->enforcer), 0);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cpu.cfs_quota_us"), "-1");
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "memory.limit_in_bytes"),
			    "9223372036854771712");
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "freezer.self_freezing"), "0");
	assert_int_equal(journal_count(bench->journal), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_apply_and_release, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stack, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tighter_original, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_conflict, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_overtaken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lease, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_frozen_by_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shadow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_release_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_journal_no_write, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_squeeze_is_journalled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_burst_beside_quota, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_v1, set_up_v1, tear_down),
	};

	if (!getenv("CGWATCH_TEST_LOG"))
		log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
