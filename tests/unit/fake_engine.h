/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/engine.h"

/*
 * An engine in a small world with a clock that the test sets: the cgroups /, /a, /a/x, /b and /c.
 * What happens there is told in words:
 *   a.cpu=60     the cell stays so from now on. Columns: cpu (% of a core), mem (bytes), procs,
 *                oom, pop, frozen, psi (% of the time), ncpu. "root" is /, "x" is /a/x.
 *                "?": not known yet; "-": there is no such number
 *   b=gone b=new b=back
 *   at=2026-03-29T01:30:00    local wall-clock time of this tick; it goes on with the ticks
 *   !event:a:oom_kill         engine_event(); '~' stands for a blank
 *   !done:p:a0 !fail:p:a0:EBUSY !cancelled:p:a0    reports of applied rungs
 *   !released:p:a0 !unreleased:p:a0:EIO            reports of releases
 *   !taken:p:a0                                    engine_taken()
 *   !stop !go !release-all
 * Words that begin with '!' alone make no tick. Nothing here fails: the test ends instead.
 */
enum { FAKE_CGROUPS = 5, FAKE_COLUMNS = 8 };

struct fake_cell {
	enum value_state state;
	double number;
};

struct fake_engine {
	struct engine *engine;
	struct policy_set *set;
	struct tree *tree;
	struct snapshot *latest;
	struct fake_cell cells[FAKE_CGROUPS][FAKE_COLUMNS];
	bool gone[FAKE_CGROUPS];
	bool tree_changed;
	uint64_t now, sequence;
	int64_t wall_ahead; /* of the clock, seconds */
	struct decisions decisions;
	char text[1024];
};

/* Policies from text: sections as in a file. */
struct policy_set *fake_policies(const char *text);
void fake_engine_init(struct fake_engine *fake, const char *policies);
void fake_engine_done(struct fake_engine *fake);
/*
 * Does what the words say at that time (seconds). Returns the decisions, in order: "+p:a0" applies
 * rung 0 of policy p on /a, "-p:a0" releases it, "~p:a0" only tells. Valid until the next call.
 */
const char *fake_engine_do(struct fake_engine *fake, double at, const char *words);
/* The same, and keeps the decisions in `fake->decisions` for the test to look at. */
const char *fake_engine_keep(struct fake_engine *fake, double at, const char *words);
uint64_t fake_engine_serial(const struct fake_engine *fake, const char *name);
/* What is not idle: "p:a:held:1 p:b:pending:0(max_per_hour)". Valid until the next call. */
const char *fake_engine_tracks(struct fake_engine *fake);
