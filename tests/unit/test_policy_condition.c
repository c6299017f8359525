// SPDX-License-Identifier: MIT
#include <math.h>
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "fake_snapshot.h"
#include "policies/condition.h"

static const char *const paths[] = { "/", "/a" };

/* /a: half a core, 900 MiB, 3 pids without a limit, frozen unknown. */
static struct snapshot *make(void)
{
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot;

	metric_set_add_all(&wanted);
	snapshot = fake_snapshot(fake_tree(paths, 2, NULL), &wanted, 2);
	fake_set_number(snapshot, "/a", M_CPU_USAGE_RATE, 0.5);
	fake_set_u64(snapshot, "/a", M_CPU_USAGE, 90000000);
	fake_set_u64(snapshot, "/a", M_MEMORY_CURRENT, UINT64_C(900) << 20);
	fake_set_state(snapshot, "/a", M_MEMORY_MAX, VALUE_UNLIMITED);
	fake_set_state(snapshot, "/a", M_MEMORY_LIMIT, VALUE_UNLIMITED);
	fake_set_state(snapshot, "/a", M_MEMORY_LIMIT_USED, VALUE_UNLIMITED);
	fake_set_u64(snapshot, "/a", M_PIDS_CURRENT, 3);
	fake_set_u64(snapshot, "/a", M_PSI_CPU_SOME_AVG10, 2550);
	fake_set_number(snapshot, "/a", M_IO_RBYTES_RATE, 20971520);
	fake_set_number(snapshot, "/a", M_CPU_NR_THROTTLED_RATE, 4);
	fake_set_state(snapshot, "/a", M_FREEZER_FROZEN, VALUE_ABSENT);
	return snapshot;
}

static const struct {
	const char *text;
	enum outcome outcome;
} evaluated[] = {
	{ "cpu.usage.rate > 49.9%", OUTCOME_TRUE },
	{ "cpu.usage.rate > 50%", OUTCOME_FALSE },
	{ "cpu.usage.rate >= 50%", OUTCOME_TRUE },
	{ "cpu.usage.rate<=50%", OUTCOME_TRUE },
	{ "cpu.usage.rate < 50%", OUTCOME_FALSE },
	{ "cpu.usage.rate == 50%", OUTCOME_TRUE },
	{ "cpu.usage.rate != 50%", OUTCOME_FALSE },
	{ "cpu.usage > 1m", OUTCOME_TRUE },
	{ "cpu.usage > 1m30s", OUTCOME_FALSE },
	{ "memory.current > 512M", OUTCOME_TRUE },
	{ "memory.current > 1G", OUTCOME_FALSE },
	{ "memory.current > 0", OUTCOME_TRUE },
	{ "pids.current == 3", OUTCOME_TRUE },
	{ "psi.cpu.some.avg10 > 25%", OUTCOME_TRUE },
	{ "psi.cpu.some.avg10 > 26%", OUTCOME_FALSE },
	{ "io.rbytes.rate > 10M/s", OUTCOME_TRUE },
	{ "io.rbytes.rate > 30M", OUTCOME_FALSE },
	{ "cpu.nr_throttled.rate > 3/s", OUTCOME_TRUE },
	/* A limit that is not set is infinite; a share of it has no value. */
	{ "memory.max > 1G", OUTCOME_TRUE },
	{ "memory.max == max", OUTCOME_TRUE },
	{ "memory.limit < 1G", OUTCOME_FALSE },
	{ "memory.limit.used > 90%", OUTCOME_UNKNOWN },
	{ "memory.limit.used < 90%", OUTCOME_UNKNOWN },
	/* What is missing is not 0. */
	{ "freezer.frozen == 0", OUTCOME_UNKNOWN },
	{ "not freezer.frozen == 0", OUTCOME_UNKNOWN },
	{ "freezer.frozen < 5 and pids.current > 5", OUTCOME_FALSE },
	{ "pids.current > 5 and freezer.frozen < 5", OUTCOME_FALSE },
	{ "pids.current > 1 and freezer.frozen < 5", OUTCOME_UNKNOWN },
	{ "freezer.frozen < 5 and pids.current > 1", OUTCOME_UNKNOWN },
	{ "freezer.frozen < 5 or pids.current > 1", OUTCOME_TRUE },
	{ "pids.current > 1 or freezer.frozen < 5", OUTCOME_TRUE },
	{ "pids.current > 5 or freezer.frozen < 5", OUTCOME_UNKNOWN },
	{ "freezer.frozen < 5 or pids.current > 5", OUTCOME_UNKNOWN },
	/* not binds tighter than and, and tighter than or. */
	{ "pids.current > 1 or pids.current > 1 and pids.current > 5", OUTCOME_TRUE },
	{ "(pids.current > 1 or pids.current > 1) and pids.current > 5", OUTCOME_FALSE },
	{ "not pids.current > 5 and pids.current > 1", OUTCOME_TRUE },
	{ "not (pids.current > 5 or pids.current > 1)", OUTCOME_FALSE },
	{ "not not pids.current > 1", OUTCOME_TRUE },
	{ "not(pids.current>5)and(pids.current>1)", OUTCOME_TRUE },
};

static void test_evaluate(void **state)
{
	struct snapshot *snapshot = make();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(evaluated); i++) {
		struct condition *condition = NULL;
		char reason[256] = "";

		if (condition_parse(evaluated[i].text, &condition, reason, sizeof(reason)) < 0)
			fail_msg("%s: %s", evaluated[i].text, reason);
		if (condition_evaluate(condition, snapshot, 1) != evaluated[i].outcome)
			fail_msg("%s: %d", evaluated[i].text,
				 (int)condition_evaluate(condition, snapshot, 1));
		condition_free(condition);
	}
	snapshot_unref(snapshot);
}

static const struct {
	const char *text, *reason;
} wrong[] = {
	{ "", "a metric is expected at \"the end\"" },
	{ "cpu.usage.rate", "an operator" },
	{ "cpu.usage.rate = 50%", "an operator (> >= < <= == !=) is expected at \"= 50%\"" },
	{ "cpu.usage.rate >", "a value is expected" },
	{ "cpu.usage.rate > 50", "\"50\" has no unit: write a percentage of one core" },
	{ "cpu.usage.rate > 50M", "\"50M\" is not a percentage of one core" },
	{ "cpu.usage > 50%", "\"50%\" is not a time" },
	{ "memory.current > 512", "\"512\" has no unit: write a size" },
	{ "memory.current > 5%", "\"5%\" is not a size" },
	{ "memory.limit.used > 0.9", "\"0.9\" has no unit: write a percentage" },
	{ "pids.current > 5M", "\"5M\" is not a plain number" },
	{ "cpu.nr_throttled.rate > 5", "\"5\" has no unit: write a number a second" },
	{ "psi.cpu.some.avg10 > 25", "\"25\" has no unit" },
	{ "io.rbytes.rate > 5/s", "\"5/s\" is not a size a second" },
	{ "cpu.usge.rate > 50%", "did you mean \"cpu.usage.rate\"?" },
	{ "memory.curent > 5M", "did you mean \"memory.current\"?" },
	{ "memory.current.rate > 5M", "\"memory.current.rate\" is not a metric" },
	{ "nonsense > 5", "\"nonsense\" is not a metric (cgwatch metrics lists them)" },
	{ "freezer.state == 1", "is a text, not a number" },
	{ "pids.current > 5 pids.current > 6", "\"and\", \"or\" or the end is expected" },
	{ "pids.current > 5 and", "a metric is expected" },
	{ "(pids.current > 5", "a ')' is expected" },
	{ "pids.current > 5)", "\"and\", \"or\" or the end is expected" },
	{ "pids.current > -", "is not a plain number" },
	{ "pids.current > 1e5", "is not a plain number" },
	{ "pids.current > 0x10", "is not a plain number" },
	{ "pids.current > nan", "is not a plain number" },
};

static void test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct condition *condition = NULL;
		char reason[256] = "";

		assert_int_equal(condition_parse(wrong[i].text, &condition, reason, sizeof(reason)),
				 -EINVAL);
		assert_null(condition);
		if (!strstr(reason, wrong[i].reason))
			fail_msg("%s: \"%s\"", wrong[i].text, reason);
	}
}

static void test_bounds(void **state)
{
	struct condition *condition = NULL;
	struct strbuf text;
	char reason[256];

	(void)state;
	strbuf_init(&text);
	for (int i = 0; i < 10000; i++)
		strbuf_add_char(&text, '(');
	assert_int_equal(condition_parse(text.data, &condition, reason, sizeof(reason)), -EINVAL);
	strbuf_clear(&text);
	for (int i = 0; i < 10000; i++)
		strbuf_add_string(&text, "not ");
	assert_int_equal(condition_parse(text.data, &condition, reason, sizeof(reason)), -EINVAL);
	strbuf_clear(&text);
	strbuf_add_string(&text, "pids.current > 1");
	for (int i = 0; i < 63; i++)
		strbuf_add_string(&text, " and pids.current > 1");
	assert_int_equal(condition_parse(text.data, &condition, reason, sizeof(reason)), 0);
	assert_int_equal(condition_operands(condition), 64);
	condition_free(condition);
	strbuf_add_string(&text, " and pids.current > 1");
	assert_int_equal(condition_parse(text.data, &condition, reason, sizeof(reason)), -EINVAL);
	strbuf_done(&text);
}

static void test_explain(void **state)
{
	struct snapshot *snapshot = make();
	struct condition *condition = NULL;
	struct condition_operand operand;
	struct metric_set needs = { 0 };
	struct strbuf text;
	char reason[256];

	(void)state;
	assert_int_equal(condition_parse("cpu.usage.rate > 20% and (memory.limit.used > 90% or "
					 "freezer.frozen == 1)",
					 &condition, reason, sizeof(reason)),
			 0);
	strbuf_init(&text);
	condition_explain(condition, snapshot, 1, &text);
	assert_string_equal(text.data,
			    "cpu.usage.rate 50.0% > 20%: true, memory.limit.used unlimited "
			    "> 90%: unknown, freezer.frozen absent == 1: unknown");
	condition_operand(condition, 0, snapshot, 1, &operand);
	assert_int_equal(operand.metric, M_CPU_USAGE_RATE);
	assert_true(fabs(operand.value - 0.5) < 1e-9 && fabs(operand.threshold - 0.2) < 1e-9);
	condition_operand(condition, 2, snapshot, 1, &operand);
	assert_int_equal(operand.state, VALUE_ABSENT);
	condition_needs(condition, &needs);
	assert_true(metric_set_has(&needs, M_CPU_USAGE_RATE));
	assert_true(metric_set_has(&needs, M_MEMORY_LIMIT_USED));
	assert_true(metric_set_has(&needs, M_FREEZER_FROZEN));
	assert_false(metric_set_has(&needs, M_MEMORY_CURRENT));
	strbuf_done(&text);
	condition_free(condition);
	snapshot_unref(snapshot);
}

static const struct {
	const char *when, *clear;
	bool good;
} pairs[] = {
	{ "pids.current > 50", "pids.current < 50", true },
	{ "pids.current > 50", "pids.current <= 50", true },
	{ "pids.current >= 50", "pids.current <= 50", false },
	{ "pids.current > 50", "pids.current < 51", false },
	{ "pids.current > 50", "pids.current > 10", false },
	{ "pids.current < 50", "pids.current > 60", true },
	{ "pids.current < 50", "pids.current > 40", false },
	{ "pids.current > 50", "not pids.current > 40", true },
	{ "pids.current > 50", "not pids.current > 60", false },
	{ "not pids.current < 50", "pids.current < 40", true },
	{ "pids.current > 50", "memory.current < 1G", true },
	{ "pids.current > 50 and memory.current > 1G", "pids.current < 60 and memory.current < 1G",
	  true },
	{ "pids.current > 50 or memory.current > 1G", "pids.current < 60 and memory.current < 1G",
	  false },
};

static void test_clear(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct condition *when = NULL, *clear = NULL;
		char reason[256];

		assert_int_equal(condition_parse(pairs[i].when, &when, reason, sizeof(reason)), 0);
		assert_int_equal(condition_parse(pairs[i].clear, &clear, reason, sizeof(reason)),
				 0);
		if ((condition_check_clear(when, clear, reason, sizeof(reason)) == 0) !=
		    pairs[i].good)
			fail_msg("%s / %s", pairs[i].when, pairs[i].clear);
		condition_free(when);
		condition_free(clear);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evaluate), cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_bounds),	 cmocka_unit_test(test_explain),
		cmocka_unit_test(test_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
