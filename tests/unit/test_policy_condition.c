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
	fake_set_number(snapshot, "/a", M_CPU_NR_PERIODS_RATE, 10);
	fake_set_u64(snapshot, "/a", M_MEMORY_PEAK, UINT64_C(1000) << 20);
	fake_set_u64(snapshot, "/a", M_MEMORY_SWAP_CURRENT, 0);
	fake_set_u64(snapshot, "/a", M_MEMORY_EVENTS_OOM_KILL, 2);
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
	/* Ratios: of the same unit, as a percentage; of nothing or of no limit there is none. */
	{ "memory.current / memory.peak > 89%", OUTCOME_TRUE },
	{ "memory.current/memory.peak > 90%", OUTCOME_FALSE },
	{ "memory.current / memory.max > 0", OUTCOME_UNKNOWN },
	{ "memory.current / memory.max < 80%", OUTCOME_UNKNOWN },
	{ "memory.max / memory.current > 100%", OUTCOME_TRUE },
	{ "memory.current / memory.swap.current > 1%", OUTCOME_UNKNOWN },
	{ "pids.current / freezer.frozen > 1%", OUTCOME_UNKNOWN },
	{ "cpu.nr_throttled.rate / cpu.nr_periods.rate > 39%", OUTCOME_TRUE },
	{ "cpu.nr_throttled.rate / cpu.nr_periods.rate > 40%", OUTCOME_FALSE },
	/* An event of which nobody told has not happened: that is known. */
	{ "event oom_kill", OUTCOME_FALSE },
	{ "not event oom_kill", OUTCOME_TRUE },
	{ "event oom_kill and freezer.frozen < 5", OUTCOME_FALSE },
	{ "event oom_kill or freezer.frozen < 5", OUTCOME_UNKNOWN },
	{ "event psi.memory.some 150ms/1s or pids.current > 1", OUTCOME_TRUE },
	{ "(event oom_kill within 30s) or pids.current > 1", OUTCOME_TRUE },
};

static void test_evaluate(void **state)
{
	struct snapshot *snapshot = make();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(evaluated); i++) {
		struct condition *condition = NULL;
		const uint32_t index = 1;
		char reason[256] = "";
		uint8_t along;

		if (condition_parse(evaluated[i].text, &condition, reason, sizeof(reason)) < 0)
			fail_msg("%s: %s", evaluated[i].text, reason);
		if (condition_evaluate(condition, snapshot, 1) != evaluated[i].outcome)
			fail_msg("%s: %d", evaluated[i].text,
				 (int)condition_evaluate(condition, snapshot, 1));
		/* Along the columns it must come to the same. */
		condition_evaluate_column(condition, snapshot, &index, 1, &along);
		if (along != (uint8_t)evaluated[i].outcome)
			fail_msg("%s: %d along the columns", evaluated[i].text, (int)along);
		condition_free(condition);
	}
	snapshot_unref(snapshot);
}

static const struct {
	const char *text, *reason;
} wrong[] = {
	{ "", "a metric is expected at the end" },
	{ "cpu.usage.rate", "an operator" },
	{ "cpu.usage.rate = 50%", "an operator (> >= < <= == !=) is expected at \"= 50%\"" },
	{ "cpu.usage.rate >", "a value is expected" },
	{ "cpu.usage.rate > 50", "\"50\" has no unit: write a percentage of one core" },
	{ "cpu.usage.rate > 50M", "\"50M\" is not a percentage of one core" },
	{ "cpu.usage > 50%", "\"50%\" is not a time" },
	{ "memory.current > 512", "\"512\" has no unit: write a size such as 512M, here 512B" },
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
	{ "memory.current / pids.current > 5%", "have different units" },
	{ "memory.current / io.rbytes.rate > 5%", "have different units" },
	{ "memory.current / memory.max > 5", "\"5\" has no unit: write a percentage" },
	{ "memory.current / memory.max > 5M", "\"5M\" is not a percentage" },
	{ "memory.max / memory.max == max", "\"max\" is not a percentage" },
	{ "memory.current / > 5%", "a metric is expected at \"> 5%\"" },
	{ "memory.current / nothing > 5%", "\"nothing\" is not a metric" },
	{ "memory.current / freezer.state > 5%", "is a text, not a number" },
	{ "memory.current / memory.max / memory.max > 5%", "an operator" },
	{ "event", "\"\" is no event" },
	{ "event ", "\"\" is no event: there are oom_kill" },
	{ "event oom_killed", "\"oom_killed\" is no event: there are oom_kill" },
	{ "event oom_kill > 5", "\"and\", \"or\" or the end is expected at \"> 5\"" },
	{ "event oom_kill within", "within: \"\" is not a time" },
	{ "event oom_kill within 5", "within: \"5\" is not a time" },
	{ "event oom_kill within 0s", "is not a time" },
	{ "event psi.memory.some", "it needs the time stalled and the window" },
	{ "event psi.memory.some within 5s", "it needs the time stalled and the window" },
	{ "event psi.memory.some 2s/1s", "the window must be" },
	{ "event oom within 5s or event oom", "with two different times" },
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
	/* A ratio is not the metric. Events are no levels. */
	{ "memory.current / memory.max > 80%", "memory.current / memory.max < 90%", false },
	{ "memory.current / memory.max > 80%", "memory.current / memory.max < 60%", true },
	{ "memory.current / memory.max > 80%", "memory.current < 2G", true },
	{ "event oom", "pids.current < 5", true },
	{ "event oom or pids.current > 5", "pids.current < 9", false },
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

static struct condition *parse(const char *text)
{
	struct condition *condition = NULL;
	char reason[256] = "";

	if (condition_parse(text, &condition, reason, sizeof(reason)) < 0)
		fail_msg("%s: %s", text, reason);
	return condition;
}

static void test_events(void **state)
{
	struct condition *condition = parse("event oom_kill within 30s and (not event frozen or "
					    "event psi.io.full 100ms/1s) or event oom_kill within "
					    "30s");
	struct snapshot *snapshot = make();
	struct metric_set needs = { 0 };
	const struct event_spec *events;
	struct strbuf text;
	size_t n;

	(void)state;
	events = condition_events(condition, &n);
	assert_int_equal(n, 3); /* each once */
	assert_int_equal(events[0].kind, EVENT_OOM_KILL);
	assert_int_equal(events[1].kind, EVENT_FROZEN);
	assert_int_equal(events[2].kind, EVENT_PSI);
	assert_int_equal(condition_event_within(condition, 0), 30000000);
	assert_int_equal(condition_event_within(condition, 1), 0);
	assert_int_equal(condition_evaluate_events(condition, snapshot, 1, 0), OUTCOME_FALSE);
	assert_int_equal(condition_evaluate_events(condition, snapshot, 1, 1), OUTCOME_TRUE);
	assert_int_equal(condition_evaluate_events(condition, snapshot, 1, 6), OUTCOME_FALSE);
	/* The columns in which they show: counters as they are, of a stall the rate. */
	condition_needs(condition, &needs);
	assert_true(metric_set_has(&needs, M_MEMORY_EVENTS_OOM_KILL));
	assert_true(metric_set_has(&needs, M_FREEZER_FROZEN));
	assert_true(metric_set_has(&needs, M_PSI_IO_FULL_TOTAL_RATE));
	assert_false(metric_set_has(&needs, M_PSI_IO_FULL_TOTAL));
	strbuf_init(&text);
	condition_explain_events(condition, snapshot, 1, 1, &text);
	assert_string_equal(
		text.data, "event oom_kill within 30s (2 so far): happened, event frozen: not now, "
			   "event psi.io.full 100ms/1000ms: not now, "
			   "event oom_kill within 30s (2 so far): happened");
	strbuf_done(&text);
	condition_free(condition);
	condition = parse("memory.current / memory.peak > 50% and memory.current / memory.max > "
			  "1% and memory.current / memory.swap.current > 1%");
	strbuf_init(&text);
	condition_explain(condition, snapshot, 1, &text);
	assert_string_equal(text.data,
			    "memory.current / memory.peak 90.0% > 50%: true, memory.current / "
			    "memory.max unlimited > 1%: unknown, memory.current / "
			    "memory.swap.current of nothing > 1%: unknown");
	assert_null(condition_events(condition, &n));
	assert_int_equal(n, 0);
	strbuf_done(&text);
	condition_free(condition);
	snapshot_unref(snapshot);
}

/* In 1/1000; -1: cannot be said. */
static const struct {
	const char *text;
	int nearness;
} distances[] = {
	{ "cpu.usage.rate > 40%", 1000 },
	{ "cpu.usage.rate > 100%", 500 },
	{ "cpu.usage.rate > 50%", 999 }, /* there, but not above it */
	{ "cpu.usage.rate < 25%", 500 },
	{ "not cpu.usage.rate < 100%", 500 },
	{ "not cpu.usage.rate > 25%", 500 },
	{ "pids.current == 6", 500 },
	{ "pids.current == 1", 333 },
	{ "pids.current != 3", 0 },
	{ "cpu.usage.rate > 100% and pids.current > 30", 100 },
	{ "cpu.usage.rate > 100% or pids.current > 30", 500 },
	{ "not (cpu.usage.rate < 100% or pids.current < 30)", 100 },
	{ "freezer.frozen > 1", -1 },
	{ "freezer.frozen > 1 and pids.current > 30", -1 },
	{ "freezer.frozen > 1 or pids.current > 30", 100 },
	{ "event oom", -1 },
	{ "event oom and pids.current > 30", 100 },
	{ "pids.current > 30 or not event oom", 100 },
};

static void test_nearness(void **state)
{
	struct snapshot *snapshot = make();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(distances); i++) {
		struct condition *condition = parse(distances[i].text);
		double near = condition_nearness(condition, snapshot, 1);

		if (isnan(near) ? distances[i].nearness >= 0
				: fabs(near * 1000 - distances[i].nearness) > 0.5)
			fail_msg("%s: %f", distances[i].text, near);
		condition_free(condition);
	}
	snapshot_unref(snapshot);
}

static const struct {
	const char *text;
	bool momentary;
} moments[] = {
	{ "event oom", true },
	{ "event oom within 5s", false },
	{ "event oom or event frozen", true },
	{ "event oom or event frozen within 1s", false },
	{ "event oom and pids.current > 5", true },
	{ "event oom or pids.current > 5", false },
	{ "not event oom", false },
	{ "not not event oom", true },
	{ "pids.current > 5", false },
};

static void test_momentary(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(moments); i++) {
		struct condition *condition = parse(moments[i].text);

		if (condition_is_momentary(condition) != moments[i].momentary)
			fail_msg("%s", moments[i].text);
		condition_free(condition);
	}
}

static const struct {
	const char *a, *b;
	bool equal;
} equals[] = {
	{ "pids.current>5", " ( pids.current  > 5 )", true },
	{ "memory.current > 1G", "memory.current > 1024M", true },
	{ "pids.current > 5", "pids.current >= 5", false },
	{ "pids.current > 5", "pids.current > 6", false },
	{ "memory.current > 1G", "memory.peak > 1G", false },
	{ "memory.current / memory.max > 5%", "memory.current / memory.peak > 5%", false },
	{ "event oom within 60s", "event oom within 1m", true },
	{ "event oom within 60s", "event oom", false },
	{ "event oom", "event oom_kill", false },
	{ "pids.current > 5 and event oom", "pids.current > 5 or event oom", false },
	{ "not pids.current > 5", "pids.current > 5", false },
};

static void test_equal(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(equals); i++) {
		struct condition *a = parse(equals[i].a), *b = parse(equals[i].b);

		if (condition_equal(a, b) != equals[i].equal ||
		    (condition_hash(a) == condition_hash(b)) != equals[i].equal)
			fail_msg("%s / %s", equals[i].a, equals[i].b);
		condition_free(a);
		condition_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evaluate), cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_bounds),	 cmocka_unit_test(test_explain),
		cmocka_unit_test(test_clear),	 cmocka_unit_test(test_events),
		cmocka_unit_test(test_nearness), cmocka_unit_test(test_momentary),
		cmocka_unit_test(test_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
