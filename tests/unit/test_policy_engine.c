// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "fake_engine.h"
#include "fake_snapshot.h"
#include "policies/engine.h"

enum { UNKNOWN = -1, GONE = -2, FROZEN = -3, NEW = -4 };

/* One tick: when, the CPU of /a and /b in percent (or one of the above), and what must come of it.
 */
struct tick {
	double at;
	int a, b;
	const char *expected; /* "+a0" applies rung 0 on /a, "-a1" releases rung 1 */
};

struct scenario {
	const char *name, *policy;
	struct tick ticks[24]; /* ended by an `at` of 0 */
};

#define POLICY(rest) \
	"[policy p]\nmatch = /*\nwhen = cpu.usage.rate > 50%\naction = cpu.quota 20%\n" rest

#define LEASES(rest)                                                            \
	"[policy p]\nmatch = /*\nwhen = cpu.usage.rate > 50%\naction = freeze " \
	"lease=2s\ncooldown = 5s\n" rest

static const struct scenario scenarios[] = {
	{ "for: a sustained breach",
	  POLICY("for = 2s\ncooldown = 1s\n"),
	  { { 1, 60, 0, "" }, { 2, 60, 0, "" }, { 3, 60, 0, "+a0" }, { 4, 60, 0, "" } } },
	{ "for: a break starts it anew",
	  POLICY("for = 2s\ncooldown = 1s\n"),
	  { { 1, 60, 0, "" },
	    { 2, 40, 0, "" },
	    { 3, 60, 0, "" },
	    { 4, 60, 0, "" },
	    { 5, 60, 0, "+a0" } } },
	{ "for: an unknown value is a break",
	  POLICY("for = 2s\ncooldown = 1s\n"),
	  { { 1, 60, 0, "" },
	    { 2, UNKNOWN, 0, "" },
	    { 3, 60, 0, "" },
	    { 4, 60, 0, "" },
	    { 5, 60, 0, "+a0" } } },
	{ "two cgroups in turn are not one breach",
	  POLICY("for = 2s\ncooldown = 1s\n"),
	  { { 1, 60, 0, "" },
	    { 2, 0, 60, "" },
	    { 3, 60, 0, "" },
	    { 4, 0, 60, "" },
	    { 5, 60, 0, "" } } },
	{ "two cgroups at once",
	  POLICY("for = 1s\ncooldown = 1s\n"),
	  { { 1, 60, 60, "" }, { 2, 60, 60, "+a0+b0" }, { 3, 0, 60, "-a0" }, { 4, 0, 0, "-b0" } } },
	{ "no for: at once", POLICY("cooldown = 1s\n"), { { 1, 60, 0, "+a0" }, { 2, 60, 0, "" } } },
	{ "clear: the negation of when, held for clear_for",
	  POLICY("clear_for = 2s\ncooldown = 1s\n"),
	  { { 1, 60, 0, "+a0" }, { 2, 20, 0, "" }, { 3, 20, 0, "" }, { 4, 20, 0, "-a0" } } },
	{ "clear: a break starts it anew",
	  POLICY("clear_for = 2s\ncooldown = 1s\n"),
	  { { 1, 60, 0, "+a0" },
	    { 2, 20, 0, "" },
	    { 3, 60, 0, "" },
	    { 4, 20, 0, "" },
	    { 5, 20, 0, "" },
	    { 6, 20, 0, "-a0" } } },
	{ "clear: unknown is not clear",
	  POLICY("clear_for = 1s\ncooldown = 1s\n"),
	  { { 1, 60, 0, "+a0" },
	    { 2, 20, 0, "" },
	    { 3, UNKNOWN, 0, "" },
	    { 4, 20, 0, "" },
	    { 5, 20, 0, "-a0" } } },
	{ "clear_when: between the levels nothing happens",
	  POLICY("clear_when = cpu.usage.rate < 10%\ncooldown = 1s\n"),
	  { { 1, 60, 0, "+a0" }, { 2, 20, 0, "" }, { 3, 20, 0, "" }, { 4, 5, 0, "-a0" } } },
	{ "cooldown: a breach has to wait, `for` runs meanwhile",
	  POLICY("for = 1s\ncooldown = 3s\n"),
	  { { 1, 60, 0, "" },
	    { 2, 60, 0, "+a0" },
	    { 3, 0, 0, "-a0" },
	    { 4, 60, 0, "" },
	    { 5, 60, 0, "" },
	    { 6, 60, 0, "+a0" } } },
	{ "cooldown: over without a breach is idle",
	  POLICY("for = 1s\ncooldown = 2s\n"),
	  { { 1, 60, 0, "" },
	    { 2, 60, 0, "+a0" },
	    { 3, 0, 0, "-a0" },
	    { 4, 0, 0, "" },
	    { 5, 0, 0, "" },
	    { 6, 60, 0, "" },
	    { 7, 60, 0, "+a0" } } },
	{ "ladder: the next rung only if still breached",
	  POLICY("for = 1s\nthen = memory.max 1G after=2s\nclear_when = cpu.usage.rate < 10%\n"),
	  { { 1, 60, 0, "" },
	    { 2, 60, 0, "+a0" },
	    { 3, 60, 0, "" },
	    { 4, 60, 0, "+a1" },
	    { 5, 60, 0, "" },
	    { 6, 5, 0, "-a1-a0" } } },
	{ "ladder: an action that works stops the climb",
	  POLICY("for = 1s\nthen = memory.max 1G after=2s\nclear_when = cpu.usage.rate < 10%\n"),
	  { { 1, 60, 0, "" },
	    { 2, 60, 0, "+a0" },
	    { 3, 20, 0, "" },
	    { 4, 20, 0, "" },
	    { 5, 60, 0, "" },
	    { 6, 60, 0, "+a1" } } },
	{ "ladder: each rung its own after",
	  POLICY("then = memory.max 2G after=1s\nthen = memory.max 1G after=2s\n"),
	  { { 1, 60, 0, "+a0" },
	    { 2, 60, 0, "+a1" },
	    { 3, 60, 0, "" },
	    { 4, 60, 0, "+a2" },
	    { 5, 0, 0, "-a2-a1-a0" } } },
	{ "lease: frozen looks calm, which is no clearing; the lease ends it",
	  "[policy p]\nmatch = /*\nwhen = cpu.usage.rate > 50%\naction = freeze lease=4s\n"
	  "clear_when = cpu.usage.rate < 10%\ncooldown = 3s\n",
	  { { 1, 60, 0, "+a0" },
	    { 2, 0, 0, "" },
	    { 3, 0, 0, "" },
	    { 4, 0, 0, "" },
	    { 5, 0, 0, "-a0" },
	    { 6, 60, 0, "" },
	    { 7, 60, 0, "" },
	    { 8, 60, 0, "+a0" } } },
	{ "lease: on a rung above, the one below stays and rates settle first",
	  POLICY("clear_when = cpu.usage.rate < 10%\nthen = freeze lease=2s after=1s\n"),
	  { { 1, 60, 0, "+a0" },
	    { 2, 60, 0, "+a1" },
	    { 3, 0, 0, "" },
	    { 4, 0, 0, "-a1" },
	    { 5, 0, 0, "" },
	    { 6, 20, 0, "" },
	    { 7, 60, 0, "+a1" },
	    { 8, 0, 0, "" },
	    { 9, 0, 0, "-a1" },
	    { 10, 0, 0, "" },
	    { 11, 5, 0, "-a0" } } },
	{ "frozen by somebody else is no clearing either",
	  POLICY("clear_for = 1s\ncooldown = 1s\n"),
	  { { 1, 60, 0, "+a0" },
	    { 2, FROZEN, 0, "" },
	    { 3, FROZEN, 0, "" },
	    { 4, FROZEN, 0, "" },
	    { 5, 20, 0, "" }, /* a rate over the time when it was frozen */
	    { 6, 20, 0, "" },
	    { 7, 20, 0, "-a0" } } },
	{ "lease: the next rung is above the one that is over",
	  LEASES("then = memory.max 1G after=3s\nclear_when = cpu.usage.rate < 10%\n"),
	  { { 1, 60, 0, "+a0" },
	    { 2, 0, 0, "" },
	    { 3, 0, 0, "-a0" },
	    { 4, 60, 0, "" },
	    { 5, 60, 0, "" },
	    { 6, 60, 0, "+a1" },
	    { 7, 60, 0, "" },
	    { 8, 5, 0, "-a1" },
	    { 9, 60, 0, "" },
	    { 13, 60, 0, "+a0" } } },
	{ "lease: a breach that ended between two rungs begins with the first",
	  LEASES("then = memory.max 1G after=3s\nclear_for = 1s\n"),
	  { { 1, 60, 0, "+a0" },
	    { 2, 0, 0, "" },
	    { 3, 0, 0, "-a0" },
	    { 4, 5, 0, "" },
	    { 5, 5, 0, "" },
	    { 6, 5, 0, "" },
	    { 7, 60, 0, "" }, /* cooldown since 3 s */
	    { 8, 60, 0, "+a0" } } },
	{ "lease: in the middle of a ladder",
	  POLICY("then = freeze lease=2s after=1s\nthen = memory.max 1G after=3s\n"
		 "clear_when = cpu.usage.rate < 10%\n"),
	  { { 1, 60, 0, "+a0" },
	    { 2, 60, 0, "+a1" },
	    { 3, 0, 0, "" },
	    { 4, 0, 0, "-a1" },
	    { 5, 60, 0, "" },
	    { 6, 60, 0, "" },
	    { 7, 60, 0, "+a2" },
	    { 20, 60, 0, "" },
	    { 21, 5, 0, "-a2-a0" } } },
	{ "lease: at its end a ladder takes the last one again, not before its cooldown",
	  LEASES("then = freeze lease=3s after=2s\nclear_when = cpu.usage.rate < 10%\n"),
	  { { 1, 60, 0, "+a0" },
	    { 3, 0, 0, "-a0" },
	    { 4, 60, 0, "" },
	    { 5, 60, 0, "+a1" },
	    { 8, 0, 0, "-a1" },
	    { 10, 60, 0, "" },
	    { 12, 60, 0, "" },
	    { 13, 60, 0, "+a1" } } },
	{ "a gap restarts `for`",
	  POLICY("for = 3s\ncooldown = 1s\n"),
	  { { 1, 60, 0, "" },
	    { 2, 60, 0, "" },
	    { 100, 60, 0, "" },
	    { 101, 60, 0, "" },
	    { 102, 60, 0, "" },
	    { 103, 60, 0, "+a0" } } },
	{ "a gap of two intervals is none",
	  POLICY("for = 3s\ncooldown = 1s\n"),
	  { { 1, 60, 0, "" }, { 3, 60, 0, "" }, { 4, 60, 0, "+a0" } } },
	{ "late ticks are no gap",
	  POLICY("for = 9s\ncooldown = 1s\n"),
	  { { 1, 60, 0, "" }, { 5, 60, 0, "" }, { 8, 60, 0, "" }, { 11, 60, 0, "+a0" } } },
	{ "a gap restarts clear_for and the ladder",
	  POLICY("clear_for = 2s\nthen = memory.max 1G after=5s\n"),
	  { { 1, 60, 0, "+a0" },
	    { 2, 60, 0, "" },
	    { 100, 60, 0, "" },
	    { 101, 20, 0, "" },
	    { 200, 20, 0, "" },
	    { 201, 20, 0, "" },
	    { 202, 20, 0, "-a0" } } },
	{ "a cgroup that is gone is let go",
	  POLICY("cooldown = 1s\n"),
	  { { 1, 60, 60, "+a0+b0" }, { 2, 60, GONE, "-b0" }, { 3, 60, GONE, "" } } },
	{ "the same path made anew is another cgroup",
	  POLICY("for = 2s\ncooldown = 1s\n"),
	  { { 1, 60, 60, "" }, { 2, 60, NEW, "" }, { 3, 60, 60, "+a0" }, { 4, 60, 60, "+b0" } } },
	{ "others come and go",
	  POLICY("for = 2s\ncooldown = 1s\n"),
	  { { 1, GONE, 60, "" }, { 2, 60, 60, "" }, { 3, 60, 60, "+b0" }, { 4, GONE, 60, "" } } },
	{ "restore without on-clear: nothing is released",
	  POLICY("restore = on-exit\ncooldown = 1s\n"),
	  { { 1, 60, 0, "+a0" }, { 2, 0, 0, "" }, { 3, 0, 0, "" }, { 4, 60, 0, "+a0" } } },
	{ "off", POLICY("mode = off\ncooldown = 1s\n"), { { 1, 60, 60, "" }, { 2, 60, 60, "" } } },
};

/* A series of snapshots of "/", "/a" and "/b". */
struct world {
	struct tree *tree;
	uint64_t sequence;
	bool a, b; /* missing at the last tick */
};

static void set_cpu(struct snapshot *snapshot, const char *path, int percent)
{
	if (percent == GONE)
		return;
	fake_set_u64(snapshot, path, M_FREEZER_FROZEN, percent == FROZEN);
	if (percent == UNKNOWN)
		fake_set_state(snapshot, path, M_CPU_USAGE_RATE, VALUE_FIRST);
	else
		fake_set_number(snapshot, path, M_CPU_USAGE_RATE,
				percent < 0 ? 0 : percent / 100.0);
}

static struct snapshot *next(struct world *world, int a, int b)
{
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot;
	const char *paths[3] = { "/" };
	uint32_t n = 1;

	if (a != GONE)
		paths[n++] = "/a";
	/* Made anew: another one in between, so that it gets another serial. */
	if (b == NEW) {
		const char *others[] = { "/", "/a", "/other" };
		struct tree *without = fake_tree(others, 3, world->tree);

		tree_unref(world->tree);
		world->tree = without;
		world->b = true;
		b = 60;
	}
	if (b != GONE)
		paths[n++] = "/b";
	if (!world->tree || world->a != (a == GONE) || world->b != (b == GONE) ||
	    world->tree->n != n) {
		struct tree *tree = fake_tree(paths, n, world->tree);

		if (world->tree)
			tree_unref(world->tree);
		world->tree = tree;
	}
	world->a = a == GONE;
	world->b = b == GONE;
	metric_set_add(&wanted, M_CPU_USAGE_RATE);
	metric_set_add(&wanted, M_FREEZER_FROZEN);
	snapshot = fake_snapshot(tree_ref(world->tree), &wanted, ++world->sequence);
	set_cpu(snapshot, "/a", a);
	set_cpu(snapshot, "/b", b);
	return snapshot;
}

static void describe(struct decisions *decisions, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < decisions->n; i++) {
		const struct decision *decision = &decisions->list[i];

		used += (size_t)snprintf(text + used, size - used, "%c%s%u",
					 decision->op == DECISION_APPLY ? '+' : '-',
					 decision->node->name, decision->step);
	}
	decisions_done(decisions);
}

static void run_scenario(const struct scenario *scenario)
{
	struct policy_set *set = fake_policies(scenario->policy);
	struct decisions decisions = { 0 };
	struct world world = { 0 };
	struct engine *engine = NULL;

	assert_int_equal(engine_new(1000000, &engine), 0);
	assert_int_equal(engine_set_policies(engine, set, 0, &decisions), 0);
	policy_set_unref(set);
	for (const struct tick *tick = scenario->ticks; tick->at > 0; tick++) {
		struct snapshot *snapshot = next(&world, tick->a, tick->b);
		char text[256];

		assert_int_equal(
			engine_tick(engine, snapshot, (uint64_t)(tick->at * 1e6), &decisions), 0);
		snapshot_unref(snapshot);
		describe(&decisions, text, sizeof(text));
		if (strcmp(text, tick->expected) != 0)
			fail_msg("%s: at %.0f s \"%s\" expected, but \"%s\"", scenario->name,
				 tick->at, tick->expected, text);
	}
	engine_free(engine);
	tree_unref(world.tree);
}

static void test_scenarios(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
		run_scenario(&scenarios[i]);
}

/* An engine with one policy, ticked by hand. */
struct bench {
	struct engine *engine;
	struct world world;
	struct decisions decisions;
	char text[256];
};

static void bench_init(struct bench *bench, const char *policy)
{
	struct policy_set *set = fake_policies(policy);

	*bench = (struct bench){ 0 };
	assert_int_equal(engine_new(1000000, &bench->engine), 0);
	assert_int_equal(engine_set_policies(bench->engine, set, 0, &bench->decisions), 0);
	policy_set_unref(set);
}

static const char *bench_tick(struct bench *bench, double at, int a)
{
	struct snapshot *snapshot = next(&bench->world, a, 0);

	assert_int_equal(
		engine_tick(bench->engine, snapshot, (uint64_t)(at * 1e6), &bench->decisions), 0);
	snapshot_unref(snapshot);
	describe(&bench->decisions, bench->text, sizeof(bench->text));
	return bench->text;
}

static uint64_t serial_of_a(const struct bench *bench)
{
	return bench->world.tree->nodes[tree_find(bench->world.tree, "/a")]->serial;
}

static void bench_done(struct bench *bench)
{
	engine_free(bench->engine);
	tree_unref(bench->world.tree);
}

static void test_decision(void **state)
{
	struct bench bench;
	struct snapshot *snapshot;
	const struct decision *decision = NULL;

	(void)state;
	bench_init(&bench, "[policy p]\nmatch = /a\nwhen = cpu.usage.rate > 50%\n"
			   "action = freeze lease=30s\nmode = enforce\nrestore = on-clear\n");
	snapshot = next(&bench.world, 75, 0);
	assert_int_equal(engine_tick(bench.engine, snapshot, 5000000, &bench.decisions), 0);
	assert_int_equal(bench.decisions.n, 1);
	decision = &bench.decisions.list[0];
	assert_string_equal(decision->policy, "p");
	assert_string_equal(decision->node->path, "/a");
	assert_int_equal(decision->action.id, ACTION_FREEZE);
	assert_int_equal(decision->lease_until, 35000000);
	assert_false(decision->shadow);
	assert_false(decision->restore_on_exit);
	assert_string_equal(decision->reason, "cpu.usage.rate 75.0% > 50%: true (for 0s)");
	decisions_done(&bench.decisions);
	snapshot_unref(snapshot);
	bench_done(&bench);
}

static void count_track(void *data, const struct engine_track *track)
{
	char *text = data;

	snprintf(text, 64, "%s%s:%s:%u;", text[0] ? "more " : "", track->node->path,
		 engine_phase_name(track->phase), track->rungs);
}

static void test_failed_step(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench, POLICY("cooldown = 1s\n"));
	assert_string_equal(bench_tick(&bench, 1, 60), "+a0");
	engine_report(bench.engine, serial_of_a(&bench), "p", DECISION_APPLY, 0, -EBUSY, 1500000);
	/* Not held: nothing to release. Tried again, but not at once. */
	assert_string_equal(bench_tick(&bench, 2, 0), "");
	assert_string_equal(bench_tick(&bench, 3, 60), "");
	for (int at = 4; at < 11; at++)
		assert_string_equal(bench_tick(&bench, at, 60), "");
	assert_string_equal(bench_tick(&bench, 12, 60), "+a0");
	/* Success, and what nobody knows, change nothing. */
	engine_report(bench.engine, serial_of_a(&bench), "p", DECISION_APPLY, 0, 0, 12500000);
	engine_report(bench.engine, 999, "p", DECISION_APPLY, 0, -EIO, 12500000);
	engine_report(bench.engine, serial_of_a(&bench), "q", DECISION_APPLY, 0, -EIO, 12500000);
	engine_report(bench.engine, serial_of_a(&bench), "p", DECISION_APPLY, 7, -EIO, 12500000);
	assert_string_equal(bench_tick(&bench, 13, 0), "-a0");
	bench_done(&bench);
}

static void test_failed_rung(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench,
		   POLICY("then = memory.max 1G after=1s\nclear_when = cpu.usage.rate < 5%\n"));
	assert_string_equal(bench_tick(&bench, 1, 60), "+a0");
	assert_string_equal(bench_tick(&bench, 2, 60), "+a1");
	engine_report(bench.engine, serial_of_a(&bench), "p", DECISION_APPLY, 1, -EBUSY, 2500000);
	for (int at = 3; at < 13; at++)
		assert_string_equal(bench_tick(&bench, at, 60), "");
	assert_string_equal(bench_tick(&bench, 13, 60), "+a1");
	assert_string_equal(bench_tick(&bench, 14, 1), "-a1-a0");
	bench_done(&bench);
}

/* The enforcer's own thaw at the end of the lease comes before the engine's tick. */
static void test_lease_seen_by_enforcer(void **state)
{
	struct bench bench;
	char tracks[64] = "";

	(void)state;
	bench_init(&bench, "[policy p]\nmatch = /a\nwhen = cpu.usage.rate > 50%\n"
			   "action = freeze lease=2s\ncooldown = 5s\n");
	assert_string_equal(bench_tick(&bench, 1, 60), "+a0");
	/* An old release of ours must not end a new hold. */
	engine_report(bench.engine, serial_of_a(&bench), "p", DECISION_RELEASE, 0, 0, 1500000);
	engine_each(bench.engine, count_track, tracks);
	assert_string_equal(tracks, "/a:held:1;");
	assert_string_equal(bench_tick(&bench, 2, 0), "");
	engine_report(bench.engine, serial_of_a(&bench), "p", DECISION_RELEASE, 0, 0, 3000000);
	assert_string_equal(bench_tick(&bench, 4, 60), "");
	assert_string_equal(bench_tick(&bench, 6, 60), "");
	assert_string_equal(bench_tick(&bench, 8, 60), "+a0");
	bench_done(&bench);
}

static void test_reload(void **state)
{
	struct policy_set *same = fake_policies(POLICY("for = 2s\ncooldown = 1s\n"));
	struct policy_set *other = fake_policies(POLICY("for = 3s\ncooldown = 1s\n"));
	struct bench bench;

	(void)state;
	bench_init(&bench, POLICY("for = 2s\ncooldown = 1s\n"));
	assert_string_equal(bench_tick(&bench, 1, 60), "");
	assert_string_equal(bench_tick(&bench, 2, 60), "");
	/* The same policy keeps its timers … */
	assert_int_equal(engine_set_policies(bench.engine, same, 2000000, &bench.decisions), 0);
	assert_int_equal(bench.decisions.n, 0);
	assert_string_equal(bench_tick(&bench, 3, 60), "+a0");
	/* … and what it holds; a changed one lets go. */
	assert_int_equal(engine_set_policies(bench.engine, same, 3000000, &bench.decisions), 0);
	assert_int_equal(bench.decisions.n, 0);
	assert_int_equal(engine_set_policies(bench.engine, other, 3000000, &bench.decisions), 0);
	describe(&bench.decisions, bench.text, sizeof(bench.text));
	assert_string_equal(bench.text, "-a0");
	assert_string_equal(bench_tick(&bench, 4, 60), "");
	assert_string_equal(bench_tick(&bench, 6, 60), "");
	assert_string_equal(bench_tick(&bench, 7, 60), "+a0");
	assert_int_equal(engine_set_policies(bench.engine, NULL, 7000000, &bench.decisions), 0);
	describe(&bench.decisions, bench.text, sizeof(bench.text));
	assert_string_equal(bench.text, "-a0");
	assert_string_equal(bench_tick(&bench, 8, 60), "");
	bench_done(&bench);
	policy_set_unref(same);
	policy_set_unref(other);
}

static void test_release_all(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench, POLICY("cooldown = 1s\n"));
	assert_string_equal(bench_tick(&bench, 1, 60), "+a0");
	assert_int_equal(engine_release_all(bench.engine, 1500000, "by hand", &bench.decisions), 0);
	assert_string_equal(bench.decisions.list[0].reason, "by hand");
	describe(&bench.decisions, bench.text, sizeof(bench.text));
	assert_string_equal(bench.text, "-a0");
	/* Not taken back at the next tick. */
	assert_string_equal(bench_tick(&bench, 3, 60), "");
	bench_done(&bench);
}

static void test_status(void **state)
{
	struct bench bench;
	struct strbuf text;
	struct snapshot *snapshot;
	char tracks[64] = "";

	(void)state;
	bench_init(&bench, POLICY("for = 2s\nclear_when = cpu.usage.rate < 10%\nclear_for = 5s\n"
				  "then = freeze lease=20s after=1m\nmode = enforce\n"));
	bench_tick(&bench, 1, 60);
	engine_each(bench.engine, count_track, tracks);
	assert_string_equal(tracks, "/a:pending:0;");
	bench_tick(&bench, 2, 60);
	bench_tick(&bench, 3, 60);
	tracks[0] = '\0';
	engine_each(bench.engine, count_track, tracks);
	assert_string_equal(tracks, "/a:held:1;");
	bench_tick(&bench, 4, 5);
	strbuf_init(&text);
	snapshot = next(&bench.world, 5, 0);
	engine_explain(bench.engine, snapshot, tree_find(snapshot->tree, "/a"), 6000000, &text);
	assert_string_equal(text.data, "p (enforce): held, clear for 2s of 5s\n"
				       "  when: cpu.usage.rate 5.0% > 50%: false\n"
				       "  trigger: 10% of the way\n"
				       "  clear_when: cpu.usage.rate 5.0% < 10%: true\n"
				       "  holds: cpu.quota 20%\n"
				       "  then: freeze lease=20s after 60s\n");
	strbuf_clear(&text);
	engine_explain(bench.engine, snapshot, 0, 6000000, &text);
	assert_string_equal(text.data, "p (enforce): not for this cgroup: match = /*\n");
	snapshot_unref(snapshot);
	strbuf_done(&text);
	bench_done(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_decision),
		cmocka_unit_test(test_failed_step),
		cmocka_unit_test(test_failed_rung),
		cmocka_unit_test(test_lease_seen_by_enforcer),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_release_all),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
