// SPDX-License-Identifier: MIT
/* Events, their signs in samples, verdicts, and what comes from outside. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "fake_engine.h"
#include "fake_snapshot.h"

struct step {
	double at;
	const char *words, *expected;
};

struct scenario {
	const char *name, *policies;
	struct step steps[20]; /* ended by an `at` of 0 */
};

#define POLICY(name, when, rest)                      \
	"[policy " name "]\nmatch = /*\nwhen = " when \
	"\naction = cpu.quota 20%\nmode = enforce\n" rest

static const struct scenario scenarios[] = {
	{ "told by the kernel: at once, and over at the next tick",
	  POLICY("p", "event oom_kill", ""),
	  { { 1, "", "" },
	    { 1.2, "!event:a:oom_kill", "+p:a0" },
	    { 2, "a.oom=1", "-p:a0" },
	    { 3, "", "" } } },
	{ "a rung above a lease that is over: what failed is tried again, not the lease",
	  POLICY("p", "cpu.usage.rate > 50%",
		 "then = freeze lease=2s after=1s\nthen = memory.max 1G after=3s\n"),
	  { { 1, "a.cpu=60", "+p:a0" },
	    { 2, "", "+p:a1" },
	    { 4, "", "-p:a1" },
	    { 6, "", "" },
	    { 7, "", "+p:a2" },
	    { 7.1, "!fail:p:a2:EBUSY", "" },
	    { 12, "", "" },
	    { 17, "", "" },
	    { 18, "", "+p:a2" } } },
	{ "a ladder between two rungs begins anew after release-all",
	  "[policy p]\nmatch = /*\nwhen = cpu.usage.rate > 50%\naction = freeze lease=2s\n"
	  "then = memory.max 1G after=20s\nmode = enforce\n",
	  { { 1, "a.cpu=60", "+p:a0" },
	    { 3, "", "-p:a0" },
	    { 5, "", "" },
	    { 6, "!release-all", "" },
	    { 12, "", "" },
	    { 17, "", "+p:a0" } } },
	{ "the first to be heard of after a suspend: nothing was sustained",
	  POLICY("p", "cpu.usage.rate > 50% and event oom_kill within 1h", "for = 5s\n"),
	  { { 1, "a.cpu=60", "" },
	    { 1.2, "!event:a:oom_kill", "" },
	    { 2, "", "" },
	    { 100, "!event:a:oom_kill", "" },
	    { 100.5, "a.oom=1", "" },
	    { 101, "", "" },
	    { 106, "", "+p:a0" } } },
	{ "seen in the column",
	  POLICY("p", "event oom_kill", ""),
	  { { 1, "a.oom=5", "" },
	    { 2, "", "" },
	    { 3, "a.oom=6", "+p:a0" },
	    { 4, "", "-p:a0" },
	    { 6, "", "" } } },
	{ "the sign of what the kernel told already is no other event",
	  POLICY("p", "event oom_kill", ""),
	  { { 1, "", "" },
	    { 1.2, "!event:a:oom_kill", "+p:a0" },
	    { 1.4, "!event:a:oom_kill", "" }, /* held: nothing more to do */
	    { 2, "a.oom=2", "-p:a0" },
	    { 3, "", "" },
	    { 4, "a.oom=3", "+p:a0" }, /* this one nobody told */
	    { 5, "", "-p:a0" },
	    { 6, "", "" } } },
	{ "the kernel's word that comes after the sign is no other event, but the next is",
	  POLICY("p", "event oom_kill", ""),
	  { { 1, "", "" },
	    { 2, "a.oom=1", "+p:a0" },
	    { 2.1, "!event:a:oom_kill", "" },
	    { 3, "", "-p:a0" },
	    { 4, "", "" },
	    { 4.1, "!event:a:oom_kill", "+p:a0" },
	    { 5, "a.oom=2", "-p:a0" },
	    { 6, "", "" } } },
	{ "a second one right after the sign is not lost: the next sample shows it",
	  POLICY("p", "event oom_kill", ""),
	  { { 1, "", "" },
	    { 2, "a.oom=1", "+p:a0" },
	    { 2.1, "!event:a:oom_kill", "" },
	    { 3, "a.oom=2", "" },
	    { 4, "", "-p:a0" } } },
	{ "cooldown: an event in it starts nothing",
	  POLICY("p", "event oom_kill", "cooldown = 10s\n"),
	  { { 1, "", "" },
	    { 1.2, "!event:a:oom_kill", "+p:a0" },
	    { 2, "", "-p:a0" },
	    { 3.2, "!event:a:oom_kill", "" },
	    { 12, "", "" },
	    { 12.2, "!event:a:oom_kill", "+p:a0" } } },
	{ "clear_for after an event",
	  POLICY("p", "event oom_kill", "clear_for = 3s\n"),
	  { { 1, "", "" },
	    { 1.2, "!event:a:oom_kill", "+p:a0" },
	    { 2, "", "" },
	    { 3, "a.oom=1", "" },
	    { 4, "", "" },
	    { 5, "a.oom=2", "" }, /* again: seen in the column */
	    { 6, "", "" },
	    { 8, "", "" },
	    { 9, "", "-p:a0" } } },
	{ "within",
	  POLICY("p", "event oom_kill within 5s and cpu.usage.rate > 50%", ""),
	  { { 1, "", "" },
	    { 1.2, "!event:a:oom_kill", "" },
	    { 2, "", "" },
	    { 5, "a.cpu=60", "+p:a0" },
	    { 6, "", "" },
	    { 6.2, "", "-p:a0" },
	    { 7, "", "" } } },
	{ "within and for",
	  POLICY("p", "event oom_kill within 10s", "for = 2s\n"),
	  { { 1, "", "" },
	    { 1.5, "!event:a:oom_kill", "" },
	    { 3, "", "" },
	    { 4, "", "+p:a0" },
	    { 11, "", "" },
	    { 11.5, "", "-p:a0" } } },
	{ "not an event",
	  POLICY("p", "cpu.usage.rate > 50% and not event oom_kill within 3s", ""),
	  { { 1, "", "" },
	    { 1.5, "!event:a:oom_kill", "" },
	    { 2, "a.cpu=60", "" },
	    { 4, "", "" },
	    { 4.5, "", "+p:a0" } } },
	{ "populated and empty",
	  POLICY("p", "event populated", "") POLICY("q", "event empty", ""),
	  { { 1, "b.pop=1", "" },
	    { 2, "a.pop=1 b.pop=0", "+p:a0 +q:b0" },
	    { 3, "a.pop=1", "-p:a0 -q:b0" },
	    { 5, "", "" } } },
	{ "stalls: above the trigger's share of its window",
	  POLICY("p", "event psi.cpu.some 150ms/1s", ""),
	  { { 1, "", "" },
	    { 2, "a.psi=15", "" },
	    { 3, "a.psi=16", "+p:a0" },
	    { 4, "", "" },
	    { 5, "a.psi=3", "-p:a0" },
	    { 6, "", "" },
	    { 6.3, "!event:a:psi.cpu.some~150ms/1s", "+p:a0" },
	    { 6.4, "!event:a:psi.cpu.full~150ms/1s", "" },
	    { 7, "", "-p:a0" } } },
	{ "an event of a cgroup that nobody waits for, or that is not there",
	  POLICY("p", "event oom_kill", ""),
	  { { 1, "", "" }, { 1.2, "!event:x:oom_kill", "" }, { 1.3, "!event:a:oom", "" } } },
	{ "a cgroup made anew begins its count anew",
	  POLICY("p", "event oom_kill", ""),
	  { { 1, "a.oom=1", "" },
	    { 2, "a=new a.oom=9", "" },
	    { 3, "a.oom=10", "+p:a0" },
	    { 4, "b=gone", "-p:a0" },
	    { 5, "a.oom=11", "+p:a0" } } },
	{ "an event clears",
	  POLICY("p", "cpu.usage.rate > 50%", "clear_when = event empty\n"),
	  { { 1, "a.pop=1 a.cpu=60", "+p:a0" },
	    { 2, "a.cpu=0", "" },
	    { 3, "", "" },
	    { 3.5, "!event:a:empty", "-p:a0" },
	    { 4, "a.pop=0", "" } } },
	{ "stopped and out of schedule",
	  POLICY("p", "event oom_kill", "schedule = 00:00-00:01\n"),
	  { { 1, "at=2026-06-10T12:00:00", "" }, { 1.2, "!event:a:oom_kill", "" } } },
};

static bool run(const struct scenario *scenario)
{
	struct fake_engine fake;
	bool good = true;

	fake_engine_init(&fake, scenario->policies);
	for (const struct step *step = scenario->steps; good && step->at > 0; step++) {
		const char *text = fake_engine_do(&fake, step->at, step->words);

		good = strcmp(text, step->expected) == 0;
		if (!good)
			print_error("%s: at %.1f s \"%s\" expected, but \"%s\"\n", scenario->name,
				    step->at, step->expected, text);
	}
	fake_engine_done(&fake);
	return good;
}

static void test_scenarios(void **state)
{
	unsigned int bad = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
		bad += !run(&scenarios[i]);
	assert_int_equal(bad, 0);
}

static const struct event_spec oom_kill = { .kind = EVENT_OOM_KILL };

static void test_needs_sample(void **state)
{
	struct metric_set set = { 0 };
	struct fake_engine fake;

	(void)state;
	fake_engine_init(&fake, POLICY("p", "event oom_kill and cpu.usage.rate > 50%", "")
					POLICY("q", "event populated", ""));
	fake_engine_do(&fake, 1, "");
	assert_true(
		engine_event_needs_sample(fake.engine, fake_engine_serial(&fake, "a"), &oom_kill));
	assert_false(
		engine_event_needs_sample(fake.engine, fake_engine_serial(&fake, "x"), &oom_kill));
	assert_false(engine_event_needs_sample(fake.engine, fake_engine_serial(&fake, "a"),
					       &(struct event_spec){ .kind = EVENT_POPULATED }));
	assert_false(engine_event_needs_sample(fake.engine, 999, &oom_kill));
	engine_needs(fake.engine, &set);
	assert_true(metric_set_has(&set, M_MEMORY_EVENTS_OOM_KILL));
	assert_true(metric_set_has(&set, M_CGROUP_POPULATED));
	fake_engine_done(&fake);
}

static void describe_wants(const struct event_want *list, size_t n, struct strbuf *text)
{
	strbuf_clear(text);
	for (size_t i = 0; i < n; i++) {
		strbuf_printf(text, "%s%s ", i ? "; " : "", list[i].node->path);
		event_format(&list[i].spec, text);
	}
}

static bool want(struct fake_engine *fake, struct strbuf *text)
{
	struct event_want *list;
	bool changed;
	size_t n;

	assert_int_equal(engine_wants(fake->engine, &list, &n, &changed), 0);
	assert_true(changed || !list);
	if (changed)
		describe_wants(list, n, text);
	free(list);
	return changed;
}

static void test_wants(void **state)
{
	struct fake_engine fake;
	struct strbuf text;

	(void)state;
	strbuf_init(&text);
	fake_engine_init(&fake, "[policy p]\nmatch = /a\nwhen = event oom_kill or event populated\n"
				"clear_when = event empty\naction = cpu.quota 20%\n"
				"[policy q]\nmatch = /*\nwhen = event populated\n"
				"action = cpu.quota 20%\n"
				"[policy off]\nmatch = /*\nwhen = event frozen\n"
				"action = cpu.quota 20%\nmode = off\n");
	assert_false(want(&fake, &text));
	fake_engine_do(&fake, 1, "c=gone");
	assert_true(want(&fake, &text));
	assert_string_equal(text.data, "/a oom_kill; /a populated; /a empty; /b populated");
	assert_false(want(&fake, &text));
	fake_engine_do(&fake, 2, "");
	assert_false(want(&fake, &text));
	/* Nothing that matters: the same list again. */
	fake_engine_do(&fake, 3, "x=gone");
	assert_false(want(&fake, &text));
	fake_engine_do(&fake, 4, "b=new");
	assert_true(want(&fake, &text));
	assert_string_equal(text.data, "/a oom_kill; /a populated; /a empty; /b populated");
	assert_int_equal(engine_set_policies(fake.engine, NULL, 0, &fake.decisions), 0);
	assert_true(want(&fake, &text));
	assert_string_equal(text.data, "");
	strbuf_done(&text);
	fake_engine_done(&fake);
}

/* Over at the next tick, but whoever asks why learns of it. */
static void test_explain(void **state)
{
	struct fake_engine fake;
	struct strbuf text;

	(void)state;
	fake_engine_init(&fake, POLICY("p", "event oom_kill", ""));
	fake_engine_do(&fake, 1, "");
	strbuf_init(&text);
	engine_explain(fake.engine, fake.latest, tree_find(fake.tree, "/a"), 1000000, &text);
	assert_null(strstr(text.data, "last happened"));
	fake_engine_do(&fake, 2, "!event:a:oom_kill");
	fake_engine_do(&fake, 3, "");
	strbuf_clear(&text);
	engine_explain(fake.engine, fake.latest, tree_find(fake.tree, "/a"), 5500000, &text);
	assert_non_null(strstr(text.data, "  event oom_kill: last happened 3.5s ago\n"));
	strbuf_done(&text);
	fake_engine_done(&fake);
}

/* ---- verdicts ---- */

static struct verdict *take_verdict(struct fake_engine *fake)
{
	assert_int_equal(fake->decisions.n, 1);
	assert_non_null(fake->decisions.list[0].verdict);
	return verdict_ref(fake->decisions.list[0].verdict);
}

static void test_withdrawn(void **state)
{
	struct fake_engine fake;
	struct verdict *verdict;

	(void)state;
	fake_engine_init(&fake, POLICY("p", "cpu.usage.rate > 50%",
				       "clear_for = 10s\nmax_per_hour = 1\ncooldown = 1m\n"));
	assert_string_equal(fake_engine_keep(&fake, 1, "a.cpu=60"), "+p:a0");
	verdict = take_verdict(&fake);
	fake_engine_do(&fake, 2, "");
	assert_true(verdict_stands(verdict));
	fake_engine_do(&fake, 3, "a.cpu=40");
	assert_false(verdict_stands(verdict));
	verdict_unref(verdict);
	/* Not held, no cooldown, and the hour's budget is whole again. */
	assert_string_equal(fake_engine_do(&fake, 3.1, "!cancelled:p:a0"), "");
	assert_string_equal(fake_engine_tracks(&fake), "");
	assert_string_equal(fake_engine_keep(&fake, 4, "a.cpu=60"), "+p:a0");
	/* Done before the condition ended: it stays until it clears. */
	verdict = take_verdict(&fake);
	fake_engine_do(&fake, 4.1, "!done:p:a0");
	fake_engine_do(&fake, 5, "a.cpu=40");
	assert_true(verdict_stands(verdict));
	assert_string_equal(fake_engine_tracks(&fake), "p:a:held:1");
	verdict_unref(verdict);
	fake_engine_done(&fake);
}

/* An event does not unhappen; the numbers beside it are looked at. */
static void test_withdrawn_event(void **state)
{
	struct fake_engine fake;
	struct verdict *verdict;

	(void)state;
	fake_engine_init(
		&fake, POLICY("p", "event oom_kill and cpu.usage.rate > 50%", "clear_for = 10s\n"));
	fake_engine_do(&fake, 1, "a.cpu=60");
	assert_string_equal(fake_engine_keep(&fake, 1.2, "!event:a:oom_kill"), "+p:a0");
	verdict = take_verdict(&fake);
	fake_engine_do(&fake, 2, "");
	assert_true(verdict_stands(verdict));
	fake_engine_do(&fake, 3, "a.cpu=40");
	assert_false(verdict_stands(verdict));
	verdict_unref(verdict);
	fake_engine_done(&fake);
}

/* What is negated had not happened when it was decided. */
static void test_withdrawn_negated(void **state)
{
	struct fake_engine fake;
	struct verdict *verdict;

	(void)state;
	fake_engine_init(&fake, POLICY("p",
				       "cpu.usage.rate > 50% and not event oom_kill within 10s and "
				       "not cpu.usage.rate > 90%",
				       "clear_for = 10s\n"));
	assert_string_equal(fake_engine_keep(&fake, 1, "a.cpu=60"), "+p:a0");
	verdict = take_verdict(&fake);
	assert_int_equal(fake.decisions.list[0].events, 0);
	fake_engine_do(&fake, 2, "a.oom=0");
	assert_true(verdict_stands(verdict));
	fake_engine_do(&fake, 3, "a.cpu=95");
	assert_false(verdict_stands(verdict));
	verdict_unref(verdict);
	fake_engine_done(&fake);
}

/* Whatever releases takes back what is still to be applied. */
static void test_withdrawn_by_release(void **state)
{
	static const char *const words[] = { "a.cpu=0", "!release-all", "!stop", "a=gone" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct fake_engine fake;
		struct verdict *verdict;

		fake_engine_init(&fake, POLICY("p", "cpu.usage.rate > 50%", ""));
		fake_engine_keep(&fake, 1, "a.cpu=60");
		verdict = take_verdict(&fake);
		assert_string_equal(fake_engine_do(&fake, 2, words[i]), "-p:a0");
		assert_false(verdict_stands(verdict));
		verdict_unref(verdict);
		fake_engine_done(&fake);
	}
}

/* The report of an attempt that was given up is not that of the next one. */
static void test_late_report(void **state)
{
	struct fake_engine fake;

	(void)state;
	fake_engine_init(&fake, POLICY("p", "cpu.usage.rate > 50%", ""));
	assert_string_equal(fake_engine_do(&fake, 1, "a.cpu=60"), "+p:a0");
	assert_string_equal(fake_engine_do(&fake, 2, "a.cpu=0"), "-p:a0");
	fake_engine_do(&fake, 3, "");
	assert_string_equal(fake_engine_tracks(&fake), "");
	assert_string_equal(fake_engine_do(&fake, 4, "a.cpu=60"), "+p:a0");
	fake_engine_do(&fake, 4.1, "!cancelled:p:a0");
	assert_string_equal(fake_engine_tracks(&fake), "p:a:held:1");
	fake_engine_do(&fake, 4.2, "!fail:p:a0:EBUSY");
	assert_string_equal(fake_engine_tracks(&fake), "p:a:cooldown:0");
	fake_engine_done(&fake);
}

static void test_decision(void **state)
{
	const struct decision *decision;
	struct fake_engine fake;

	(void)state;
	fake_engine_init(&fake, POLICY("p", "event oom_kill within 1m and cpu.usage.rate > 50%",
				       "for = 2s\ncooldown = 1s\n"));
	fake_engine_do(&fake, 1, "a.cpu=75");
	fake_engine_do(&fake, 1.5, "!event:a:oom_kill");
	assert_string_equal(fake_engine_keep(&fake, 4, ""), "+p:a0");
	decision = &fake.decisions.list[0];
	assert_ptr_equal(decision->set, fake.set);
	assert_ptr_equal(decision->rule, policy_set_get(fake.set, 0));
	assert_int_equal(decision->line, 4);
	assert_int_equal(decision->breach_usec, 2500000);
	assert_string_equal(decision->reason, "event oom_kill within 60s (0 so far): happened, "
					      "cpu.usage.rate 75.0% > 50%: true (for 2.5s)");
	fake_engine_keep(&fake, 5, "a.cpu=0");
	decision = &fake.decisions.list[0];
	assert_int_equal(decision->op, DECISION_RELEASE);
	assert_null(decision->verdict);
	assert_ptr_equal(decision->set, fake.set);
	fake_engine_done(&fake);
}

/* ---- a restart ---- */

static int adopt(struct fake_engine *fake, const char *cgroup, const char *policy,
		 unsigned int step)
{
	return engine_adopt(fake->engine, fake->latest, fake_engine_serial(fake, cgroup), policy,
			    step, 500000, step == 1 ? 9000000 : 0, fake->now);
}

/* Nor is it that of a policy of the same name that came with a reload. */
static void test_late_report_reload(void **state)
{
	struct fake_engine fake;
	struct policy_set *set;

	(void)state;
	fake_engine_init(&fake, POLICY("p", "cpu.usage.rate > 50%", ""));
	assert_string_equal(fake_engine_do(&fake, 1, "a.cpu=60"), "+p:a0");
	set = fake_policies(POLICY("p", "cpu.usage.rate > 40%", ""));
	assert_int_equal(engine_set_policies(fake.engine, set, 1600000, &fake.decisions), 0);
	policy_set_unref(set);
	decisions_done(&fake.decisions);
	assert_string_equal(fake_engine_do(&fake, 2, ""), "+p:a0");
	fake_engine_do(&fake, 2.1, "!cancelled:p:a0");
	assert_string_equal(fake_engine_tracks(&fake), "p:a:held:1");
	fake_engine_do(&fake, 2.2, "!cancelled:p:a0");
	assert_string_equal(fake_engine_tracks(&fake), "");
	fake_engine_done(&fake);
}

static void test_adopt(void **state)
{
	struct fake_engine fake;

	(void)state;
	fake_engine_init(
		&fake,
		POLICY("p", "cpu.usage.rate > 50%",
		       "then = freeze lease=20s after=1h\nclear_for = 2s\n") "[policy s]\nmatch = "
									     "/*\nwhen = "
									     "cpu.usage.rate > "
									     "50%\n"
									     "action = cpu.quota "
									     "20%\nmode = "
									     "shadow\n");
	fake_engine_do(&fake, 1, "");
	assert_int_equal(adopt(&fake, "a", "p", 0), 0);
	assert_int_equal(adopt(&fake, "b", "p", 0), 0);
	assert_int_equal(adopt(&fake, "b", "p", 1), 0);
	assert_int_equal(adopt(&fake, "x", "p", 0), -ENOENT);
	assert_int_equal(adopt(&fake, "a", "q", 0), -ENOENT);
	assert_int_equal(adopt(&fake, "a", "p", 2), -ENOENT);
	assert_int_equal(adopt(&fake, "a", "s", 0), -ENOENT);
	assert_int_equal(engine_adopt(fake.engine, fake.latest, 999, "p", 0, 0, 0, 1000000),
			 -ENOENT);
	assert_string_equal(fake_engine_tracks(&fake), "p:a:held:1 p:b:held:2");
	/* Released when it clears, as if nothing had happened. */
	assert_string_equal(fake_engine_do(&fake, 2, ""), "");
	assert_string_equal(fake_engine_do(&fake, 4, ""), "-p:a0");
	/* The lease ends when the earlier agent said. */
	assert_string_equal(fake_engine_do(&fake, 9, ""), "-p:b1");
	fake_engine_do(&fake, 10, "!stop");
	assert_int_equal(adopt(&fake, "a", "p", 0), -ENOENT);
	fake_engine_done(&fake);
}

/* At the very first sample, before any tick. */
static void test_adopt_first(void **state)
{
	struct fake_engine fake;
	struct metric_set wanted = { 0 };

	(void)state;
	fake_engine_init(&fake, POLICY("p", "cpu.usage.rate > 50%", ""));
	fake.latest = fake_snapshot(tree_ref(fake.tree), &wanted, 1);
	fake.now = 1000000;
	assert_int_equal(adopt(&fake, "a", "p", 0), 0);
	assert_string_equal(fake_engine_tracks(&fake), "p:a:held:1");
	assert_string_equal(fake_engine_do(&fake, 2, "a.cpu=60"), "");
	assert_string_equal(fake_engine_do(&fake, 3, "a.cpu=0"), "-p:a0");
	fake_engine_done(&fake);
}

/* ---- a reload ---- */

static void test_reload(void **state)
{
	static const char first[] = "[global]\nmax_per_hour = 9\n" POLICY(
		"p", "cpu.usage.rate > 50%", "max_per_hour = 1\n")
		POLICY("q", "event oom_kill within 10s", "");
	/* p as it was, at another place and with another neighbour. */
	static const char second[] = POLICY("r", "cpu.usage.rate > 50%", "priority = 3\n")
		POLICY("p", "cpu.usage.rate > 50%", "max_per_hour = 1\n");
	struct engine_policy_stats stats;
	struct policy_set *set;
	struct fake_engine fake;

	(void)state;
	fake_engine_init(&fake, first);
	fake_engine_do(&fake, 1, "a.cpu=60");
	assert_string_equal(fake_engine_do(&fake, 1.5, "!event:b:oom_kill"), "+q:b0");
	set = fake_policies(second);
	assert_int_equal(engine_set_policies(fake.engine, set, 1600000, &fake.decisions), 0);
	/* What the policy that is gone holds is let go, with its own rule. */
	assert_int_equal(fake.decisions.n, 1);
	assert_string_equal(fake.decisions.list[0].policy, "q");
	assert_ptr_equal(fake.decisions.list[0].set, fake.set);
	policy_set_unref(set);
	decisions_done(&fake.decisions);
	/* p holds /a still, and its hour is used up. */
	assert_string_equal(fake_engine_do(&fake, 2, "b.cpu=60"), "+r:a0 +r:b0");
	assert_string_equal(fake_engine_tracks(&fake),
			    "r:a:held:1 r:b:held:1 p:a:held:1 p:b:pending:0(max_per_hour)");
	assert_true(engine_policy_stats(fake.engine, "p", 2000000, &stats));
	assert_int_equal(stats.fired, 1);
	assert_int_equal(stats.last_hour, 1);
	assert_string_equal(fake_engine_do(&fake, 3, "a.cpu=0 b.cpu=0"), "-r:a0 -r:b0 -p:a0");
	fake_engine_done(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_needs_sample),
		cmocka_unit_test(test_wants),
		cmocka_unit_test(test_withdrawn),
		cmocka_unit_test(test_withdrawn_event),
		cmocka_unit_test(test_withdrawn_by_release),
		cmocka_unit_test(test_late_report),
		cmocka_unit_test(test_decision),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_adopt_first),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_withdrawn_negated),
		cmocka_unit_test(test_late_report_reload),
		cmocka_unit_test(test_explain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
