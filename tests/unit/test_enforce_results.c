// SPDX-License-Identifier: MIT
/* What the enforcer tells, what it takes back, and what it finds out by itself. */
#define _GNU_SOURCE
#include "test_enforce_bench.h"

/* The only result, after everything is done. The caller frees. */
static struct enforcer_result *one_result(struct bench *bench)
{
	struct enforcer_result *results;
	size_t n;

	assert_int_equal(enforcer_drain(bench->enforcer, PATIENCE_MS), 0);
	assert_int_equal(enforcer_collect(bench->enforcer, &results, &n), 0);
	assert_int_equal(n, 1);
	return results;
}

static struct enforcer_result *result_of(struct bench *bench, const struct decision *decision)
{
	assert_int_equal(enforcer_submit(bench->enforcer, decision), 0);
	return one_result(bench);
}

/* ---- results ---- */

static void test_fields(void **state)
{
	struct bench *bench = *state;
	struct policy rule = { .file = (char *)"/etc/p.ini" };
	struct decision decision = decide(DECISION_APPLY, bench->a, "p", "cpu.quota 20%");
	struct enforcer_result *first, *second;

	decision.rule = &rule;
	decision.line = 7;
	decision.breach_usec = 1500000;
	decision.reason = (char *)"cpu.usage.rate 80% > 50%";
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "90000 100000");
	first = result_of(bench, &decision);
	assert_int_equal(strlen(first->uuid), 36);
	assert_string_equal(first->restore_of, "");
	assert_int_equal(first->line, 7);
	assert_string_equal(first->file, "/etc/p.ini");
	assert_string_equal(first->trigger, "cpu.usage.rate 80% > 50%");
	assert_int_equal(first->breach_usec, 1500000);
	assert_int_equal(first->knob, KNOB_CPU_QUOTA);
	assert_true(first->has_before && first->changed && !first->cancelled);
	assert_int_equal(first->before.number, 90000);
	assert_int_equal(first->requested.number, 20000);
	assert_int_equal(first->after.number, 20000);
	assert_int_equal(first->cgroup_id, node_id(bench->a));
	assert_null(first->unit);
	decision.op = DECISION_RELEASE;
	second = result_of(bench, &decision);
	assert_string_equal(second->restore_of, first->uuid);
	assert_string_not_equal(second->uuid, first->uuid);
	assert_int_equal(second->after.number, 90000);
	enforcer_results_free(first, 1);
	enforcer_results_free(second, 1);
}

static void test_report(void **state)
{
	struct bench *bench = *state;
	struct decision decision = decide(DECISION_REPORT, bench->a, "p", "cpu.quota 20%");
	struct enforcer_result *result;

	decision.reason = (char *)"ineffective";
	result = result_of(bench, &decision);
	assert_int_equal(result->op, DECISION_REPORT);
	assert_int_equal(result->error, 0);
	assert_string_equal(result->text, "ineffective");
	assert_int_equal(bench->fs->writes, 0);
	enforcer_results_free(result, 1);
}

/* ---- the last look ---- */

static void expect_cancelled(struct bench *bench, struct enforcer_result *result, const char *text)
{
	struct enforcer_stats stats;
	struct enforcer_hold *holds;
	size_t n;

	assert_true(result->cancelled);
	assert_int_equal(result->error, -ECANCELED);
	assert_string_equal(result->text, text);
	enforcer_results_free(result, 1);
	assert_int_equal(bench->fs->writes, 0);
	assert_int_equal(journal_count(bench->journal), 0);
	assert_int_equal(enforcer_status(bench->enforcer, &holds, &n), 0);
	assert_int_equal(n, 0);
	enforcer_holds_free(holds, n);
	enforcer_get_stats(bench->enforcer, &stats);
	assert_int_equal(stats.cancelled, 1);
	assert_int_equal(stats.failed, 0);
}

static void test_withdrawn(void **state)
{
	struct bench *bench = *state;
	struct decision decision = decide(DECISION_APPLY, bench->a, "p", "cpu.quota 20%");

	decision.verdict = verdict_new();
	verdict_withdraw(decision.verdict);
	expect_cancelled(bench, result_of(bench, &decision),
			 "the condition does not hold any more");
	verdict_unref(decision.verdict);
}

static int answer;

static int recheck(void *data, const struct decision *decision, char *reason, size_t size)
{
	assert_ptr_equal(data, &answer);
	assert_string_equal(decision->policy, "p");
	snprintf(reason, size, "only 3 percent now");
	return answer;
}

static void test_recheck(void **state)
{
	struct bench *bench = *state;
	const struct enforcer_options options = { .timeout_ms = 60000,
						  .io = &bench->fs->io,
						  .recheck = recheck,
						  .recheck_data = &answer };
	struct decision decision = decide(DECISION_APPLY, bench->a, "p", "cpu.quota 20%");
	const struct policy rule = { 0 };

	decision.rule = &rule;
	enforcer_free(bench->enforcer);
	assert_int_equal(enforcer_new(bench->fs->root, &bench->fs->hierarchies, bench->journal,
				      &options, &bench->enforcer),
			 0);
	answer = -ECANCELED;
	expect_cancelled(bench, result_of(bench, &decision), "only 3 percent now");
	/* What cannot be told lets the decision stand. */
	answer = -EIO;
	assert_int_equal(carry_out(bench, &decision, NULL), 0);
	assert_string_equal(cpu_max(bench, "/a"), "20000 100000");
	/* Nobody is asked whether to put back. */
	answer = -ECANCELED;
	decision.op = DECISION_RELEASE;
	assert_int_equal(carry_out(bench, &decision, NULL), 0);
	assert_string_equal(cpu_max(bench, "/a"), "max 100000");
}

/* ---- knobs without an order ---- */

static int apply_weight(struct bench *bench, const char *policy, int priority, const char *action)
{
	const struct policy rule = { .priority = priority };
	struct decision decision = decide(DECISION_APPLY, bench->a, policy, action);

	decision.rule = &rule;
	return carry_out(bench, &decision, NULL);
}

static void expect_weight(struct bench *bench, const char *weight)
{
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cpu.weight"), weight);
}

/* The higher priority wins, of equals the earliest, and the original comes back with the last. */
static void test_weights(void **state)
{
	struct bench *bench = *state;

	fake_cgroupfs_put(bench->fs, "/a", "cpu.weight", "77");
	assert_int_equal(apply_weight(bench, "p", 1, "cpu.weight 30"), 0);
	assert_int_equal(apply_weight(bench, "q", 1, "cpu.weight 20"), 0);
	expect_weight(bench, "30");
	assert_int_equal(apply_weight(bench, "r", 2, "cpu.weight 200"), 0);
	expect_weight(bench, "200");
	assert_int_equal(release(bench, bench->a, "p", "cpu.weight 30"), 0);
	expect_weight(bench, "200");
	assert_int_equal(release(bench, bench->a, "r", "cpu.weight 200"), 0);
	expect_weight(bench, "20");
	assert_int_equal(release(bench, bench->a, "q", "cpu.weight 20"), 0);
	expect_weight(bench, "77");
	assert_int_equal(journal_count(bench->journal), 0);
}

/* ---- limits of devices ---- */

static void expect_io(struct bench *bench, const char *text)
{
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "io.max"), text);
}

/* Held limit by limit: the tightest of each; released in both orders. */
static void test_devices(void **state)
{
	struct bench *bench = *state;

	for (int order = 0; order < 2; order++) {
		assert_int_equal(apply(bench, bench->a, "p", "io.max 8:0 wbps=10M"), 0);
		assert_int_equal(apply(bench, bench->a, "q", "io.max 8:0 wbps=20M riops=100"), 0);
		expect_io(bench, "8:0 rbps=max wbps=10485760 riops=100 wiops=max");
		assert_int_equal(journal_count(bench->journal), 1);
		assert_int_equal(release(bench, bench->a, order ? "p" : "q", "io.max 8:0 wbps=10M"),
				 0);
		expect_io(bench, order ? "8:0 rbps=max wbps=20971520 riops=100 wiops=max"
				       : "8:0 rbps=max wbps=10485760 riops=max wiops=max");
		assert_int_equal(release(bench, bench->a, order ? "q" : "p", "io.max 8:0 wbps=20M"),
				 0);
		expect_io(bench, "");
		assert_int_equal(journal_count(bench->journal), 0);
	}
}

/* ---- drift ---- */

/* What somebody else changed while we hold it is found without a decision, told once, and theirs.
 */
static void test_drift(void **state)
{
	struct bench *bench = *state;
	struct pollfd wait = { .fd = enforcer_fd(bench->enforcer), .events = POLLIN };
	struct enforcer_result *result;
	struct enforcer_stats stats;

	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_int_equal(apply(bench, bench->b, "p", "cpu.quota 20%"), 0);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "70000 100000");
	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	result = one_result(bench);
	assert_int_equal(result->op, DECISION_RELEASE);
	assert_true(result->conflict);
	assert_string_equal(result->path, "/a");
	assert_int_equal(result->before.number, 70000);
	assert_true(result->requested.number == KNOB_UNLIMITED); /* the original */
	enforcer_results_free(result, 1);
	assert_string_equal(cpu_max(bench, "/a"), "70000 100000");
	assert_string_equal(cpu_max(bench, "/a/b"), "20000 100000");
	assert_int_equal(journal_count(bench->journal), 1);
	enforcer_get_stats(bench->enforcer, &stats);
	assert_int_equal(stats.conflicts, 1);
	assert_int_equal(stats.conflicts_now, 1);
	assert_int_equal(stats.held, 1);
	/* A new decision starts from what stands there, and ends the conflict. */
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	enforcer_get_stats(bench->enforcer, &stats);
	assert_int_equal(stats.conflicts_now, 0);
	assert_int_equal(release(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_string_equal(cpu_max(bench, "/a"), "70000 100000");
}

/* ---- by hand ---- */

static uint64_t in_usec(uint64_t usec)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + usec;
}

static const char *freeze_of(struct bench *bench)
{
	return fake_cgroupfs_get(bench->fs, "/a", "cgroup.freeze");
}

static void test_by_hand(void **state)
{
	struct bench *bench = *state;
	struct enforcer_result *result;
	struct enforcer_hold *holds;
	size_t n;

	assert_int_equal(enforcer_by_hand(bench->enforcer, bench->a, true, in_usec(600000000)), 0);
	result = one_result(bench);
	assert_string_equal(result->policy, "by hand");
	assert_int_equal(result->error, 0);
	enforcer_results_free(result, 1);
	assert_string_equal(freeze_of(bench), "1");
	assert_int_equal(journal_count(bench->journal), 1);
	assert_int_equal(enforcer_status(bench->enforcer, &holds, &n), 0);
	assert_int_equal(n, 1);
	assert_true(holds[0].by_hand && holds[0].lease_until);
	enforcer_holds_free(holds, n);
	assert_int_equal(enforcer_by_hand(bench->enforcer, bench->a, false, 0), 0);
	result = one_result(bench);
	assert_string_equal(result->policy, "by hand");
	assert_int_equal(result->error, 0);
	enforcer_results_free(result, 1);
	assert_string_equal(freeze_of(bench), "0");
	assert_int_equal(journal_count(bench->journal), 0);
	/* Not frozen by us: said so. */
	assert_int_equal(enforcer_by_hand(bench->enforcer, bench->a, false, 0), 0);
	result = one_result(bench);
	assert_int_equal(result->error, -ENOENT);
	enforcer_results_free(result, 1);
}

/* What a policy froze a hand can thaw; both are told. And the lease of a hand ends as any. */
static void test_thaw_a_policys(void **state)
{
	struct bench *bench = *state;
	struct pollfd wait = { .fd = enforcer_fd(bench->enforcer), .events = POLLIN };
	struct enforcer_result *results;
	size_t n;

	assert_int_equal(apply(bench, bench->a, "p", "freeze lease=1h"), 0);
	assert_int_equal(enforcer_by_hand(bench->enforcer, bench->a, false, 0), 0);
	assert_int_equal(enforcer_drain(bench->enforcer, PATIENCE_MS), 0);
	assert_int_equal(enforcer_collect(bench->enforcer, &results, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(results[0].policy, "p");
	assert_int_equal(results[0].op, DECISION_RELEASE);
	assert_true(results[0].taken);
	assert_string_equal(results[1].policy, "by hand");
	enforcer_results_free(results, n);
	assert_string_equal(freeze_of(bench), "0");
	assert_int_equal(enforcer_by_hand(bench->enforcer, bench->a, true, in_usec(300000)), 0);
	enforcer_results_free(one_result(bench), 1);
	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	enforcer_results_free(one_result(bench), 1);
	assert_string_equal(freeze_of(bench), "0");
	assert_int_equal(journal_count(bench->journal), 0);
}

/* ---- what is done once ---- */

/* Twice looked at: without allow_kill nothing is killed, whatever made the decision. */
static void test_kill_needs_permission(void **state)
{
	struct bench *bench = *state;
	struct decision decision = decide(DECISION_APPLY, bench->a, "p", "kill");
	struct enforcer_result *result = result_of(bench, &decision);

	assert_int_equal(result->error, -EPERM);
	assert_non_null(strstr(result->text, "allow_kill"));
	assert_int_equal(result->processes, 0);
	assert_int_equal(bench->fs->writes, 0);
	enforcer_results_free(result, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fields, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_report, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_withdrawn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_recheck, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_weights, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_devices, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_drift, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_by_hand, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_thaw_a_policys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kill_needs_permission, set_up, tear_down),
	};

	if (!getenv("CGWATCH_TEST_LOG"))
		log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
