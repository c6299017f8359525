// SPDX-License-Identifier: MIT
#include <errno.h>

#include "policies/engine_private.h"

/* ---- the ladder up ---- */

static int decide_apply(const struct moment *moment, struct track *track, unsigned int step)
{
	struct draft draft = { .op = DECISION_APPLY,
			       .watch = moment->watch,
			       .track = track,
			       .step = step,
			       .now = moment->now };
	struct strbuf why;
	int r = -ENOMEM;

	strbuf_init(&why);
	engine_add_why(moment, moment->policy->when, track->breach_since, &why);
	draft.why = why.data;
	verdict_unref(track->verdicts[step]);
	track->verdicts[step] = verdict_new();
	if (!why.failed && track->verdicts[step])
		r = engine_decide(moment->engine, moment->decisions, &draft);
	strbuf_done(&why);
	return r;
}

static int climb(const struct moment *moment, struct track *track)
{
	struct engine_policy_stats *stats = &moment->watch->stats;
	unsigned int step = track_next_rung(moment->policy, track);
	uint64_t lease = moment->policy->steps[step].action.lease_usec;
	int r;

	track->lease_until[step] = lease ? moment->now + lease : 0;
	track->events[step] = moment->when_events;
	r = decide_apply(moment, track, step);
	if (r < 0)
		return r;
	stats->rungs++;
	stats->fired += !track->held && !track->over;
	stats->last_fired = moment->now;
	budget_take(moment, step);
	track_hold(moment->watch, track, step, moment->now);
	track->unreported[step] += track->unreported[step] < UINT8_MAX;
	return 0;
}

static void note_breach(const struct moment *moment, struct track *track)
{
	if (moment->when != OUTCOME_TRUE)
		track->breach_since = 0;
	else if (track->breach_since == 0)
		track->breach_since = moment->now;
}

static bool breach_is_sustained(const struct moment *moment, const struct track *track)
{
	return track->breach_since && moment->now - track->breach_since >= moment->policy->for_usec;
}

/* Frozen by us or by anybody else: what stands still uses nothing, and that means nothing. */
static bool stands_still(const struct moment *moment, const struct track *track)
{
	union value frozen;

	for (unsigned int step = 0; step < moment->policy->n_steps; step++) {
		if ((track->held >> step & 1) &&
		    moment->policy->steps[step].action.id == ACTION_FREEZE)
			return true;
	}
	return snapshot_get(moment->snapshot, M_FREEZER_FROZEN, moment->index, &frozen) ==
		       VALUE_OK &&
	       frozen.u64 != 0;
}

static enum outcome evaluate_clear(const struct moment *moment)
{
	if (moment->policy->clear_when)
		return condition_evaluate_events(moment->policy->clear_when, moment->snapshot,
						 moment->index, moment->clear_events);
	if (moment->when == OUTCOME_UNKNOWN)
		return OUTCOME_UNKNOWN;
	return moment->when == OUTCOME_TRUE ? OUTCOME_FALSE : OUTCOME_TRUE;
}

/*
 * While it stands still, and until the rates speak of the time after that, neither a breach nor its
 * end can be seen.
 */
static bool says_nothing(const struct moment *moment, struct track *track)
{
	bool still = stands_still(moment, track);

	if (!still && moment->now >= track->settle_until)
		return false;
	if (still) {
		track->rung_since = moment->now;
		track->settle_until = moment->now + 2 * moment->engine->interval;
	}
	track->clear_since = track->breach_since = 0;
	if (track->effect_from)
		track->effect_from = moment->now;
	return true;
}

/* What was taken before, and ended with its lease, rests as long as the policy rests. */
static uint64_t wait_before(const struct moment *moment, const struct track *track,
			    unsigned int step)
{
	uint64_t after = moment->policy->steps[step].after_usec;
	uint64_t rest = track->over >> step & 1 ? moment->policy->cooldown_usec : 0;

	return after > rest ? after : rest;
}

static int try_climb(const struct moment *moment, struct track *track)
{
	unsigned int next = track_next_rung(moment->policy, track);
	bool due = next < moment->policy->n_steps && breach_is_sustained(moment, track) &&
		   (track->escalate ||
		    moment->now - track->rung_since >= wait_before(moment, track, next));

	if (!due) {
		track_block(moment->watch, track, BLOCK_NOTHING, 0);
		return 0;
	}
	return budget_allows(moment, track, next) ? climb(moment, track) : 0;
}

/* ---- up to the first rung, and from a lease that is over to the next one ---- */

/* The breach that a lease belongs to ends as any other does, though nothing is held meanwhile. */
static void forget_leases(const struct moment *moment, struct track *track)
{
	if (!moment->watch->asleep && evaluate_clear(moment) != OUTCOME_TRUE) {
		track->clear_since = 0;
		return;
	}
	if (track->clear_since == 0)
		track->clear_since = moment->now;
	if (!moment->watch->asleep &&
	    moment->now - track->clear_since < moment->policy->clear_for_usec)
		return;
	moment->watch->stats.cleared++;
	track->over = 0;
	track->clear_since = track->breach_since = 0;
	/* Which began with the end of the lease. */
	track->phase = ENGINE_COOLDOWN;
}

static void see_breach(const struct moment *moment, struct track *track)
{
	if (track->over && says_nothing(moment, track))
		return;
	note_breach(moment, track);
	if (track->over)
		forget_leases(moment, track);
}

static int step_pending(const struct moment *moment, struct track *track)
{
	bool between = track->over != 0;

	see_breach(moment, track);
	if (between && !track->over) {
		track_block(moment->watch, track, BLOCK_NOTHING, 0);
		return 0;
	}
	track->phase = track->breach_since || track->over ? ENGINE_PENDING : ENGINE_IDLE;
	return try_climb(moment, track);
}

static int step_cooldown(const struct moment *moment, struct track *track)
{
	enum engine_block block = track_waits_for(track, moment->now);

	if (block == BLOCK_NOTHING)
		block = BLOCK_COOLDOWN;
	if (moment->now >= track->cooldown_until)
		return step_pending(moment, track);
	see_breach(moment, track);
	if (!breach_is_sustained(moment, track))
		block = BLOCK_NOTHING;
	track_block(moment->watch, track, block, track->cooldown_until);
	return 0;
}

/* ---- held ---- */

static int release(const struct moment *moment, struct track *track, const char *why)
{
	struct draft draft = {
		.watch = moment->watch, .track = track, .why = why, .now = moment->now
	};

	return engine_decide_release(moment->engine, moment->decisions, &draft);
}

static int release_for(const struct moment *moment, struct track *track, const char *prefix,
		       const struct condition *condition, uint64_t since)
{
	struct strbuf why;
	int r;

	strbuf_init(&why);
	strbuf_add_string(&why, prefix);
	engine_add_why(moment, condition, since, &why);
	r = why.failed ? -ENOMEM : release(moment, track, why.data);
	strbuf_done(&why);
	return r;
}

/* A lease that is over ends its rung, whatever the conditions say. */
static int end_leases(const struct moment *moment, struct track *track)
{
	struct draft draft = { .op = DECISION_RELEASE,
			       .watch = moment->watch,
			       .track = track,
			       .why = "the lease is over",
			       .now = moment->now };

	for (draft.step = 0; draft.step < moment->policy->n_steps; draft.step++) {
		int r;

		if (!(track->held >> draft.step & 1) || !track->lease_until[draft.step] ||
		    moment->now < track->lease_until[draft.step])
			continue;
		r = engine_decide(moment->engine, moment->decisions, &draft);
		if (r < 0)
			return r;
		track_end_lease(moment->engine, moment->watch, track, draft.step, moment->now);
	}
	return 0;
}

static int try_clear(const struct moment *moment, struct track *track)
{
	const struct policy *policy = moment->policy;
	const struct condition *condition = policy->clear_when ? policy->clear_when : policy->when;

	if (evaluate_clear(moment) != OUTCOME_TRUE) {
		track->clear_since = 0;
		return 0;
	}
	if (track->clear_since == 0)
		track->clear_since = moment->now;
	if (moment->now - track->clear_since < policy->clear_for_usec)
		return 0;
	if (policy->restore_on_clear) {
		int r = release_for(moment, track, "clear: ", condition, track->clear_since);

		if (r < 0)
			return r;
	}
	moment->watch->stats.cleared++;
	track_cool_down(moment->watch, track, moment->now, 0);
	return 0;
}

/* ---- did it help? ---- */

static int tell_ineffective(const struct moment *moment, struct track *track, unsigned int step)
{
	struct draft draft = { .op = DECISION_REPORT,
			       .watch = moment->watch,
			       .track = track,
			       .step = step,
			       .now = moment->now };
	struct strbuf why;
	int r = -ENOMEM;

	strbuf_init(&why);
	action_format(&moment->policy->steps[step].action, &why);
	strbuf_add_string(&why, " did not help: ");
	engine_add_why(moment, moment->policy->when, track->effect_from, &why);
	draft.why = why.data;
	if (!why.failed)
		r = engine_decide(moment->engine, moment->decisions, &draft);
	strbuf_done(&why);
	return r;
}

static int after_report(const struct moment *moment, struct track *track)
{
	(void)moment;
	(void)track;
	return 0;
}

static int after_escalate(const struct moment *moment, struct track *track)
{
	track->escalate = track_next_rung(moment->policy, track) < moment->policy->n_steps;
	return 0;
}

static int after_rollback(const struct moment *moment, struct track *track)
{
	int r = release(moment, track, "rolled back: it did not help");

	if (r < 0)
		return r;
	track_cool_down(moment->watch, track, moment->now, 0);
	return 0;
}

static int (*const afters[])(const struct moment *moment, struct track *track) = {
	[INEFFECTIVE_REPORT] = after_report,
	[INEFFECTIVE_ESCALATE] = after_escalate,
	[INEFFECTIVE_ROLLBACK] = after_rollback,
};

/* Any tick at which `when` does not hold says that the rung does something. */
static int check_effect(const struct moment *moment, struct track *track)
{
	unsigned int step = track_height(track) - 1;
	int r;

	if (moment->when != OUTCOME_TRUE)
		track->effect_from = 0;
	if (!track->effect_from ||
	    moment->now - track->effect_from < moment->policy->effect_after_usec)
		return 0;
	r = tell_ineffective(moment, track, step);
	if (r < 0)
		return r;
	track->judged |= 1U << step;
	track->effect_from = 0;
	moment->watch->stats.ineffective++;
	return afters[moment->policy->ineffective](moment, track);
}

static int end_schedule(const struct moment *moment, struct track *track)
{
	int r = release(moment, track, "outside its schedule");

	if (r < 0)
		return r;
	track_cool_down(moment->watch, track, moment->now, 0);
	return 0;
}

static int step_held(const struct moment *moment, struct track *track)
{
	int r = end_leases(moment, track);

	if (r < 0 || track->phase != ENGINE_HELD)
		return r;
	if (moment->watch->asleep)
		return end_schedule(moment, track);
	if (says_nothing(moment, track)) {
		track_block(moment->watch, track, BLOCK_NOTHING, 0);
		return 0;
	}
	note_breach(moment, track);
	r = check_effect(moment, track);
	if (r == 0 && track->phase == ENGINE_HELD)
		r = try_clear(moment, track);
	if (r < 0 || track->phase != ENGINE_HELD)
		return r;
	return try_climb(moment, track);
}

static int (*const phases[ENGINE_PHASE_COUNT])(const struct moment *moment, struct track *track) = {
	[ENGINE_IDLE] = step_pending,
	[ENGINE_PENDING] = step_pending,
	[ENGINE_HELD] = step_held,
	[ENGINE_COOLDOWN] = step_cooldown,
};

int engine_step(const struct moment *moment, struct track *track)
{
	return phases[track->phase](moment, track);
}
