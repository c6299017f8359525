// SPDX-License-Identifier: MIT
/* Budgets, blast radius, schedules, priority, the effect of actions: tables of ticks. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "fake_engine.h"

struct step {
	double at;
	const char *words, *expected;
	const char *tracks; /* afterwards; NULL: not looked at */
};

struct scenario {
	const char *name, *policies;
	struct step steps[20]; /* ended by an `at` of 0 */
};

/* Acts at once above 50 % on /a, /b and /c, and clears at once below 10 %. */
#define POLICY(name, rest)                                                                \
	"[policy " name                                                                   \
	"]\nmatch = /*\nwhen = cpu.usage.rate > 50%\nclear_when = cpu.usage.rate < 10%\n" \
	"action = cpu.quota 20%\nmode = enforce\n" rest

static const struct scenario scenarios[] = {
	{ "taken: thawed by hand, a policy keeps its hands off for five minutes",
	  POLICY("p", "then = freeze lease=30s after=2s\nthen = memory.max 1G after=1s\n"),
	  { { 10, "a.cpu=60", "+p:a0", NULL },
	    { 11, "!done:p:a0", "", NULL },
	    { 12, "", "+p:a1", NULL },
	    { 13, "!done:p:a1 !taken:p:a1", "", "p:a:held:1" },
	    { 20, "", "", "p:a:held:1(taken)" },
	    { 300, "", "", NULL }, /* a gap: the timers start anew */
	    { 303, "", "", "p:a:held:1(taken)" },
	    { 312, "", "", "p:a:held:1(taken)" },
	    { 314, "", "+p:a1", NULL } } },
	{ "taken: what somebody else changed is his, and nothing more is done there",
	  POLICY("p", "then = freeze lease=30s after=2s\n"),
	  { { 10, "a.cpu=60", "+p:a0", NULL },
	    { 11, "!done:p:a0 !taken:p:a0", "", "p:a:cooldown:0" },
	    { 12, "", "", "p:a:cooldown:0(taken)" },
	    { 310, "", "", "p:a:cooldown:0(taken)" },
	    { 312, "", "+p:a0", NULL } } },
	{ "max_per_hour: a sliding window",
	  POLICY("p", "max_per_hour = 2\n"),
	  { { 10, "a.cpu=60", "+p:a0", NULL },
	    { 20, "a.cpu=0", "-p:a0", NULL },
	    { 30, "a.cpu=60", "+p:a0", NULL },
	    { 40, "a.cpu=0", "-p:a0", NULL },
	    { 50, "a.cpu=60", "", "p:a:pending:0(max_per_hour)" },
	    { 60, "a.cpu=0", "", "" },
	    { 3608, "a.cpu=60", "", "p:a:pending:0(max_per_hour)" },
	    /* The one at 10 s is more than an hour ago, that at 30 s is not. */
	    { 3610, "", "+p:a0", NULL },
	    { 3611, "b.cpu=60", "", "p:a:held:1 p:b:pending:0(max_per_hour)" },
	    { 3630, "", "+p:b0", NULL } } },
	{ "max_per_hour counts rungs",
	  POLICY("p", "then = pids.max 10 after=2s\nmax_per_hour = 1\n"),
	  { { 1, "a.cpu=60", "+p:a0", NULL },
	    { 2, "", "", "p:a:held:1" },
	    { 3, "", "", "p:a:held:1(max_per_hour)" },
	    { 3601, "a.cpu=0", "-p:a0", NULL } } },
	{ "max_per_hour over all policies, by priority",
	  "[global]\nmax_per_hour = 1\n" POLICY("p", "") POLICY("q", "priority = 1\n"),
	  { { 1, "a.cpu=60", "+q:a0", "q:a:held:1 p:a:pending:0(max_per_hour)" },
	    { 3600, "", "", NULL },
	    { 3601, "", "+p:a0", NULL } } },
	{ "max_concurrent: a rung of the same cgroup is not another one",
	  POLICY("p", "then = pids.max 10 after=2s\nmax_concurrent = 1\n"),
	  { { 1, "a.cpu=60 b.cpu=60", "+p:a0", "p:a:held:1 p:b:pending:0(max_concurrent)" },
	    { 3, "", "+p:a1", "p:a:held:2 p:b:pending:0(max_concurrent)" },
	    { 4, "a.cpu=0", "-p:a1 -p:a0 +p:b0", "p:a:cooldown:0 p:b:held:1" } } },
	{ "max_concurrent: what failed is not held",
	  POLICY("p", "max_concurrent = 1\n"),
	  { { 1, "a.cpu=60 b.cpu=60", "+p:a0", NULL },
	    { 1.5, "!fail:p:a0:EBUSY", "", NULL },
	    { 2, "", "+p:b0", "p:a:cooldown:0(failed) p:b:held:1" } } },
	{ "max_held over all policies: a cgroup that two hold is one",
	  "[global]\nmax_held = 1\n" POLICY("p", "") POLICY("q", ""),
	  { { 1, "a.cpu=60", "+p:a0 +q:a0", NULL },
	    { 2, "b.cpu=60", "",
	      "p:a:held:1 p:b:pending:0(max_concurrent) q:a:held:1 "
	      "q:b:pending:0(max_concurrent)" },
	    { 3, "a.cpu=0", "-p:a0 -q:a0", NULL },
	    { 4, "", "+p:b0 +q:b0", NULL } } },
	{ "max_frozen bounds freezes, and nothing else",
	  "[global]\nmax_frozen = 1\n"
	  "[policy p]\nmatch = /*\nwhen = cpu.usage.rate > 50%\naction = freeze lease=5s\n"
	  "cooldown = 1s\nmode = enforce\n" POLICY("q", ""),
	  { { 1, "a.cpu=60 b.cpu=60", "+p:a0 +q:a0 +q:b0", NULL },
	    { 2, "", "", "p:a:held:1 p:b:pending:0(max_concurrent) q:a:held:1 q:b:held:1" },
	    { 6, "", "-p:a0", NULL },
	    { 6.5, "", "+p:b0", NULL } } },
	{ "max_processes, of the whole subtree",
	  POLICY("p", "max_processes = 10\n"),
	  { { 1, "a.cpu=60 a.procs=11", "", "p:a:pending:0(max_processes)" },
	    { 2, "a.procs=10", "+p:a0", NULL } } },
	{ "max_processes: unknown is no",
	  POLICY("p", "max_processes = 10\n"),
	  { { 1, "a.cpu=60 a.procs=?", "", "p:a:pending:0(unknown)" },
	    { 2, "a.procs=1", "+p:a0", NULL } } },
	{ "max_cgroups: the cgroup and those below it",
	  POLICY("p", "max_cgroups = 1\n"),
	  { { 1, "a.cpu=60 b.cpu=60", "+p:b0", "p:a:pending:0(max_cgroups) p:b:held:1" },
	    { 2, "x=gone", "+p:a0", NULL } } },
	{ "max_share of memory, and of CPUs where their number is known",
	  POLICY("p", "max_share = 25%\n"),
	  { { 1, "root.mem=1000 a.mem=300 root.ncpu=4 a.cpu=60", "", "p:a:pending:0(max_share)" },
	    { 2, "a.mem=250", "+p:a0", NULL },
	    { 3, "b.cpu=101", "", "p:a:held:1 p:b:pending:0(max_share)" },
	    { 4, "b.cpu=99", "+p:b0", NULL } } },
	{ "max_share: without them, of what is in use",
	  POLICY("p", "max_share = 50%\n"),
	  { { 1, "root.mem=- a.mem=300 x.mem=250 b.mem=100 root.ncpu=- root.cpu=300 a.cpu=60", "",
	      "p:a:pending:0(max_share)" },
	    { 2, "c.mem=200", "+p:a0", NULL },
	    { 3, "b.cpu=151", "", "p:a:held:1 p:b:pending:0(max_share)" },
	    { 4, "root.cpu=302", "+p:b0", NULL } } },
	{ "max_share: unknown is no",
	  POLICY("p", "max_share = 50%\n"),
	  { { 1, "root.mem=100 root.ncpu=4 a.mem=- a.cpu=60", "", "p:a:pending:0(unknown)" },
	    { 2, "a.mem=0", "+p:a0", NULL } } },
	{ "what clears while it is blocked is over",
	  POLICY("p", "for = 2s\nmax_processes = 10\n"),
	  { { 1, "a.cpu=60 a.procs=11", "", "p:a:pending:0" },
	    { 3, "", "", "p:a:pending:0(max_processes)" },
	    { 4, "a.cpu=20", "", "" },
	    { 5, "a.cpu=60 a.procs=1", "", NULL },
	    { 7, "", "+p:a0", NULL } } },
	{ "priority: the higher one takes the budget first",
	  "[global]\nmax_held = 1\n" POLICY("p", "") "[policy q]\nmatch = /b\n"
						     "when = cpu.usage.rate > 50%\n"
						     "action = cpu.quota 20%\nmode = enforce\n"
						     "priority = 5\n",
	  { { 1, "a.cpu=60 b.cpu=60", "+q:b0 +p:b0",
	      "q:b:held:1 p:a:pending:0(max_concurrent) p:b:held:1" } } },
	{ "policies in shadow mode do not take from the others",
	  "[global]\nmax_held = 1\nmax_per_hour = 2\n"
	  "[policy s]\nmatch = /*\nwhen = cpu.usage.rate > 50%\naction = cpu.quota 20%\n"
	  "mode = shadow\npriority = 9\n" POLICY("p", ""),
	  { { 1, "b.cpu=60", "+s:b0 +p:b0", NULL },
	    { 2, "a.cpu=60", "",
	      "s:a:pending:0(max_concurrent) s:b:held:1 "
	      "p:a:pending:0(max_concurrent) p:b:held:1" } } },
	{ "nor the other way round",
	  "[global]\nmax_held = 1\n"
	  "[policy s]\nmatch = /a\nwhen = cpu.usage.rate > 50%\naction = cpu.quota 20%\n"
	  "mode = shadow\npriority = 9\n"
	  "[policy p]\nmatch = /b\nmatch = /c\nwhen = cpu.usage.rate > 50%\n"
	  "action = cpu.quota 20%\nmode = enforce\n",
	  { { 1, "a.cpu=60 b.cpu=60", "+s:a0 +p:b0", NULL },
	    { 2, "c.cpu=60", "", "s:a:held:1 p:b:held:1 p:c:pending:0(max_concurrent)" },
	    { 3, "b.cpu=0", "-p:b0", NULL },
	    { 4, "", "+p:c0", NULL } } },
	{ "schedule: over midnight, and what is held is released when it ends",
	  POLICY("p", "schedule = 22:00-06:00\ncooldown = 1s\n"),
	  { { 1, "at=2026-06-10T21:59:59 a.cpu=60", "", "p:a:pending:0(schedule)" },
	    { 2, "", "+p:a0", NULL },
	    { 3, "at=2026-06-11T05:59:59", "", "p:a:held:1" },
	    { 4, "", "-p:a0", "p:a:cooldown:0" },
	    { 6, "", "", "p:a:pending:0(schedule)" } } },
	{ "schedule: an hour that is skipped in spring",
	  POLICY("p", "schedule = 01:00-04:00\ncooldown = 1s\n"),
	  /* 2:00 to 3:00 are not there: after 1:59:59 comes 3:00. */
	  { { 1, "at=2026-03-29T01:59:59 a.cpu=60", "+p:a0", NULL },
	    { 2, "", "", "p:a:held:1" },
	    { 3601, "", "", "p:a:held:1" },
	    { 3602, "", "-p:a0", NULL } } },
	{ "schedule: an hour that comes twice in autumn",
	  POLICY("p", "schedule = 02:00-03:00\ncooldown = 1s\n"),
	  { { 1, "at=2026-10-25T01:59:59 a.cpu=60", "", NULL },
	    { 2, "", "+p:a0", NULL },
	    { 3601, "", "", "p:a:held:1" },
	    { 7201, "", "", "p:a:held:1" },
	    { 7202, "", "-p:a0", NULL } } },
	{ "effect: report, once a rung",
	  POLICY("p", "effect_after = 5s\n"),
	  { { 1, "a.cpu=60", "+p:a0", NULL },
	    /* It counts from when the rung was in force. */
	    { 3, "!done:p:a0", "", NULL },
	    { 7, "", "", NULL },
	    { 8, "", "~p:a0", "p:a:held:1" },
	    { 20, "", "", NULL },
	    { 21, "a.cpu=0", "-p:a0", NULL } } },
	{ "effect: any tick without a breach is one",
	  POLICY("p", "effect_after = 5s\n"),
	  { { 1, "a.cpu=60", "+p:a0", NULL },
	    { 1.5, "!done:p:a0", "", NULL },
	    { 3, "a.cpu=40", "", NULL },
	    { 4, "a.cpu=60", "", NULL },
	    { 8, "", "", NULL },
	    { 12, "", "", "p:a:held:1" } } },
	{ "effect: not without word from the enforcer",
	  POLICY("p", "effect_after = 5s\n"),
	  { { 1, "a.cpu=60", "+p:a0", NULL }, { 9, "", "", NULL }, { 18, "", "", NULL } } },
	{ "effect: escalate climbs at once",
	  POLICY("p", "effect_after = 5s\nineffective = escalate\nthen = pids.max 10 after=1h\n"),
	  { { 1, "a.cpu=60", "+p:a0", NULL },
	    { 1.5, "!done:p:a0", "", NULL },
	    { 7, "", "~p:a0 +p:a1", "p:a:held:2" },
	    { 7.5, "!done:p:a1", "", NULL },
	    { 13, "", "~p:a1", "p:a:held:2" },
	    { 14, "a.cpu=0", "-p:a1 -p:a0", NULL } } },
	{ "effect: roll back, and wait",
	  POLICY("p", "effect_after = 5s\nineffective = rollback\ncooldown = 20s\n"),
	  { { 1, "a.cpu=60", "+p:a0", NULL },
	    { 1.5, "!done:p:a0", "", NULL },
	    { 7, "", "~p:a0 -p:a0", "p:a:cooldown:0" },
	    { 8, "", "", "p:a:cooldown:0(cooldown)" },
	    { 27, "", "+p:a0", NULL } } },
	{ "effect: the time that somebody else had it frozen does not count",
	  POLICY("p", "effect_after = 5s\n"),
	  { { 1, "a.cpu=60", "+p:a0", NULL },
	    { 1.5, "!done:p:a0", "", NULL },
	    { 4, "a.frozen=1", "", NULL },
	    { 8, "a.frozen=0", "", NULL },
	    { 9, "", "~p:a0", NULL } } },
	{ "effect: a shadow has none",
	  "[policy p]\nmatch = /*\nwhen = cpu.usage.rate > 50%\naction = cpu.quota 20%\n"
	  "effect_after = 2s\nmode = shadow\n",
	  { { 1, "a.cpu=60", "+p:a0", NULL },
	    { 1.5, "!done:p:a0", "", NULL },
	    { 5, "", "", NULL } } },
	{ "failures: twice as long each time",
	  POLICY("p", ""),
	  { { 1, "a.cpu=60", "+p:a0", NULL },
	    { 1, "!fail:p:a0:EBUSY", "", NULL },
	    { 10, "", "", "p:a:cooldown:0(failed)" },
	    { 11, "", "+p:a0", NULL },
	    { 11, "!fail:p:a0:EBUSY", "", NULL },
	    { 20, "", "", NULL },
	    { 30, "", "", NULL },
	    { 31, "", "+p:a0", NULL },
	    { 31, "!done:p:a0", "", NULL },
	    { 32, "a.cpu=0", "-p:a0", NULL },
	    /* Success forgets them. */
	    { 33, "a.cpu=60", "+p:a0", NULL },
	    { 33, "!fail:p:a0:EBUSY", "", NULL },
	    { 42, "", "", NULL },
	    { 43, "", "+p:a0", NULL } } },
	{ "failures: what a guard refuses is not tried soon",
	  POLICY("p", ""),
	  { { 1, "a.cpu=60", "+p:a0", NULL },
	    { 1, "!fail:p:a0:EPERM", "", NULL },
	    { 400, "", "", "p:a:cooldown:0(failed)" },
	    { 3600, "", "", NULL },
	    { 3601, "", "+p:a0", NULL } } },
	{ "failures do not use up the hour",
	  POLICY("p", "max_per_hour = 1\n"),
	  { { 1, "a.cpu=60", "+p:a0", NULL },
	    { 1, "!fail:p:a0:EBUSY", "", NULL },
	    { 11, "", "+p:a0", NULL } } },
	{ "a release that failed stays with the enforcer",
	  POLICY("p", ""),
	  { { 1, "a.cpu=60", "+p:a0", NULL },
	    { 1, "!done:p:a0", "", NULL },
	    { 2, "a.cpu=0", "-p:a0", NULL },
	    { 2, "!unreleased:p:a0:EIO", "", "p:a:cooldown:0" },
	    { 3, "", "", "" } } },
	{ "the kill-switch",
	  POLICY("p", "cooldown = 1s\n"),
	  { { 1, "a.cpu=60 b.cpu=60", "+p:a0 +p:b0", NULL },
	    { 2, "!stop", "-p:a0 -p:b0", "p:a:cooldown:0 p:b:cooldown:0" },
	    { 3, "!stop", "", NULL },
	    { 13, "b.cpu=0", "", "p:a:pending:0(stopped)" },
	    { 14, "!go", "", NULL },
	    { 15, "", "+p:a0", NULL } } },
};

static bool same(const struct scenario *scenario, const struct step *step, const char *expected,
		 const char *text)
{
	if (!expected || strcmp(text, expected) == 0)
		return true;
	print_error("%s: at %.1f s \"%s\" expected, but \"%s\"\n", scenario->name, step->at,
		    expected, text);
	return false;
}

static bool run(const struct scenario *scenario)
{
	struct fake_engine fake;
	bool good = true;

	fake_engine_init(&fake, scenario->policies);
	for (const struct step *step = scenario->steps; good && step->at > 0; step++) {
		good = same(scenario, step, step->expected,
			    fake_engine_do(&fake, step->at, step->words));
		good &= same(scenario, step, step->tracks, fake_engine_tracks(&fake));
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

/* Every row has a name, and a bound is counted when it begins to hold something up, not each tick.
 */
static void test_counts(void **state)
{
	struct engine_policy_stats stats;
	struct fake_engine fake;

	(void)state;
	for (int block = 0; block < BLOCK_COUNT; block++)
		assert_non_null(engine_block_name((enum engine_block)block));
	fake_engine_init(&fake,
			 POLICY("p", "max_concurrent = 1\neffect_after = 2s\ncooldown = 1m\n"));
	fake_engine_do(&fake, 1, "a.cpu=60 b.cpu=60");
	fake_engine_do(&fake, 1, "!done:p:a0");
	fake_engine_do(&fake, 2, "");
	fake_engine_do(&fake, 3, "");
	fake_engine_do(&fake, 4, "b.cpu=20");
	fake_engine_do(&fake, 5, "b.cpu=60");
	fake_engine_do(&fake, 6, "a.cpu=0 c.cpu=20");
	assert_true(engine_policy_stats(fake.engine, "p", 6000000, &stats));
	assert_int_equal(stats.matches, 3);
	assert_int_equal(stats.fired, 2);
	assert_int_equal(stats.rungs, 2);
	assert_int_equal(stats.cleared, 1);
	assert_int_equal(stats.ineffective, 1);
	assert_int_equal(stats.blocked[BLOCK_CONCURRENT], 2);
	assert_int_equal(stats.phases[ENGINE_IDLE], 1);
	assert_int_equal(stats.phases[ENGINE_HELD], 1);
	assert_int_equal(stats.phases[ENGINE_COOLDOWN], 1);
	assert_int_equal(stats.last_fired, 6000000);
	assert_int_equal(stats.last_hour, 2);
	assert_true(engine_policy_stats(fake.engine, "p", 3602000000, &stats));
	assert_int_equal(stats.last_hour, 1);
	assert_false(engine_policy_stats(fake.engine, "q", 6000000, &stats));
	fake_engine_done(&fake);
}

static void take_until(void *data, const struct engine_track *track)
{
	*(uint64_t *)data = track->block_until;
}

static void test_block_until(void **state)
{
	struct fake_engine fake;
	uint64_t until = 0;

	(void)state;
	fake_engine_init(&fake, POLICY("p", "max_per_hour = 1\n"));
	fake_engine_do(&fake, 7, "a.cpu=60");
	fake_engine_do(&fake, 8, "a.cpu=0");
	fake_engine_do(&fake, 9, "a.cpu=60");
	engine_each(fake.engine, take_until, &until);
	assert_int_equal(until, UINT64_C(3607000000));
	fake_engine_done(&fake);
	fake_engine_init(&fake, POLICY("p", "schedule = 22:00-06:00\n"));
	fake_engine_do(&fake, 5, "at=2026-06-10T21:30:00 a.cpu=60");
	engine_each(fake.engine, take_until, &until);
	assert_int_equal(until, (5 + 30 * 60) * UINT64_C(1000000));
	fake_engine_done(&fake);
}

/* Bounds ask for the columns that they look at. */
static void test_needs(void **state)
{
	struct metric_set set = { 0 };
	struct fake_engine fake;

	(void)state;
	fake_engine_init(&fake, POLICY("p", ""));
	engine_needs(fake.engine, &set);
	assert_false(metric_set_has(&set, M_CGROUP_PROCS_SUBTREE));
	assert_false(metric_set_has(&set, M_MEMORY_CURRENT));
	fake_engine_done(&fake);
	fake_engine_init(&fake, POLICY("p", "max_processes = 1\nmax_share = 10%\n"));
	engine_needs(fake.engine, &set);
	assert_true(metric_set_has(&set, M_CGROUP_PROCS_SUBTREE));
	assert_true(metric_set_has(&set, M_MEMORY_CURRENT));
	assert_true(metric_set_has(&set, M_CPUSET_NR_CPUS));
	fake_engine_done(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_block_until),
		cmocka_unit_test(test_needs),
	};

	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
