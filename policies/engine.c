// SPDX-License-Identifier: MIT
#include "policies/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/engine_private.h"

/* What one tick knows about one track. */
struct moment {
	const struct engine *engine;
	const struct policy *policy;
	const struct snapshot *snapshot;
	uint32_t index;
	uint64_t now;
	enum outcome when;
	struct decisions *decisions;
};

void decision_done(struct decision *decision)
{
	node_unref(decision->node);
	policy_set_unref(decision->set);
	verdict_unref(decision->verdict);
	free(decision->policy);
	free(decision->reason);
	*decision = (struct decision){ 0 };
}

void decisions_done(struct decisions *decisions)
{
	for (size_t i = 0; i < decisions->n; i++)
		decision_done(&decisions->list[i]);
	free(decisions->list);
	*decisions = (struct decisions){ 0 };
}

int engine_decide(struct decisions *decisions, enum decision_op op, const struct policy *policy,
		  const struct track *track, unsigned int step, const char *why)
{
	struct decision *decision;

	if (decisions->n == decisions->capacity) {
		size_t capacity = decisions->capacity ? 2 * decisions->capacity : 16;
		struct decision *grown = realloc(decisions->list, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		decisions->list = grown;
		decisions->capacity = capacity;
	}
	decision = &decisions->list[decisions->n];
	*decision = (struct decision){
		.op = op,
		.node = node_ref(track->node),
		.policy = strdup(policy->name),
		.step = step,
		.action = policy->steps[step].action,
		.shadow = policy->mode != POLICY_ENFORCE,
		.restore_on_exit = policy->restore_on_exit,
		.lease_until = op == DECISION_APPLY ? track->lease_until[step] : 0,
		.reason = strdup(why),
	};
	if (!decision->policy || !decision->reason) {
		decision_done(decision);
		return -ENOMEM;
	}
	decisions->n++;
	return 0;
}

int engine_decide_release(struct decisions *decisions, const struct policy *policy,
			  const struct track *track, const char *why)
{
	int r = 0;

	for (unsigned int step = track_next_rung(track); step-- > 0 && r == 0;) {
		if (track->held >> step & 1)
			r = engine_decide(decisions, DECISION_RELEASE, policy, track, step, why);
	}
	return r;
}

void track_free(struct track *track)
{
	if (!track)
		return;
	node_unref(track->node);
	free(track);
}

void track_cool_down(struct track *track, const struct policy *policy, uint64_t now, uint64_t least)
{
	uint64_t wait = policy->cooldown_usec > least ? policy->cooldown_usec : least;

	track->phase = ENGINE_COOLDOWN;
	track->cooldown_until = now + wait;
	track->held = 0;
	track->breach_since = track->clear_since = track->held_since = 0;
}

/* "cpu.usage.rate 63.1% > 50%: true (for 2s)" */
static int decide_why(const struct moment *moment, enum decision_op op, const struct track *track,
		      unsigned int step, const struct condition *condition, const char *prefix,
		      uint64_t since)
{
	struct strbuf why;
	int r = -ENOMEM;

	strbuf_init(&why);
	strbuf_add_string(&why, prefix);
	condition_explain(condition, moment->snapshot, moment->index, &why);
	strbuf_add_string(&why, " (for ");
	strbuf_add_fixed(&why, moment->now - since, 6);
	strbuf_add_string(&why, "s)");
	if (!why.failed && op == DECISION_APPLY)
		r = engine_decide(moment->decisions, op, moment->policy, track, step, why.data);
	else if (!why.failed)
		r = engine_decide_release(moment->decisions, moment->policy, track, why.data);
	strbuf_done(&why);
	return r;
}

static int climb(const struct moment *moment, struct track *track)
{
	const struct policy *policy = moment->policy;
	unsigned int step = track_next_rung(track);
	uint64_t lease = policy->steps[step].action.lease_usec;
	int r;

	track->lease_until[step] = lease ? moment->now + lease : 0;
	r = decide_why(moment, DECISION_APPLY, track, step, policy->when, "", track->breach_since);
	if (r < 0)
		return r;
	if (!track->held)
		track->held_since = moment->now;
	track->held |= 1U << step;
	track->phase = ENGINE_HELD;
	track->rung_since = moment->now;
	track->clear_since = 0;
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

static int step_pending(const struct moment *moment, struct track *track)
{
	note_breach(moment, track);
	if (breach_is_sustained(moment, track))
		return climb(moment, track);
	track->phase = track->breach_since ? ENGINE_PENDING : ENGINE_IDLE;
	return 0;
}

static int step_cooldown(const struct moment *moment, struct track *track)
{
	if (moment->now >= track->cooldown_until)
		return step_pending(moment, track);
	note_breach(moment, track);
	return 0;
}

/* A lease that is over ends its rung, whatever the conditions say. */
static int end_leases(const struct moment *moment, struct track *track)
{
	for (unsigned int step = 0; step < moment->policy->n_steps; step++) {
		int r;

		if (!(track->held >> step & 1) || !track->lease_until[step] ||
		    moment->now < track->lease_until[step])
			continue;
		r = engine_decide(moment->decisions, DECISION_RELEASE, moment->policy, track, step,
				  "the lease is over");
		if (r < 0)
			return r;
		track->held &= ~(1U << step);
		track->rung_since = moment->now;
		track->settle_until = moment->now + 2 * moment->engine->interval;
		track->breach_since = track->clear_since = 0;
	}
	if (!track->held)
		track_cool_down(track, moment->policy, moment->now, 0);
	return 0;
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
		return condition_evaluate(moment->policy->clear_when, moment->snapshot,
					  moment->index);
	if (moment->when == OUTCOME_UNKNOWN)
		return OUTCOME_UNKNOWN;
	return moment->when == OUTCOME_TRUE ? OUTCOME_FALSE : OUTCOME_TRUE;
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
		int r = decide_why(moment, DECISION_RELEASE, track, 0, condition,
				   "clear: ", track->clear_since);

		if (r < 0)
			return r;
	}
	track_cool_down(track, policy, moment->now, 0);
	return 0;
}

static int try_climb(const struct moment *moment, struct track *track)
{
	unsigned int next = track_next_rung(track);

	if (next >= moment->policy->n_steps || !breach_is_sustained(moment, track) ||
	    moment->now < track->retry_at ||
	    moment->now - track->rung_since < moment->policy->steps[next].after_usec)
		return 0;
	return climb(moment, track);
}

static int step_held(const struct moment *moment, struct track *track)
{
	int r = end_leases(moment, track);

	if (r < 0 || track->phase != ENGINE_HELD)
		return r;
	if (stands_still(moment, track) || moment->now < track->settle_until) {
		track->clear_since = track->breach_since = 0;
		track->rung_since = moment->now;
		return 0;
	}
	note_breach(moment, track);
	r = try_clear(moment, track);
	if (r < 0 || track->phase != ENGINE_HELD)
		return r;
	return try_climb(moment, track);
}

static int (*const steps[ENGINE_PHASE_COUNT])(const struct moment *moment, struct track *track) = {
	[ENGINE_IDLE] = step_pending,
	[ENGINE_PENDING] = step_pending,
	[ENGINE_HELD] = step_held,
	[ENGINE_COOLDOWN] = step_cooldown,
};

/* After a suspend nobody knows what happened meanwhile: nothing was "sustained" (systemd #35270).
 */
static void restart_timers(struct track *track, uint64_t now)
{
	track->breach_since = track->clear_since = 0;
	if (track->phase == ENGINE_HELD)
		track->rung_since = now;
}

static int tick_one(struct moment *moment, struct watch *watch, uint32_t at, bool gap)
{
	struct track *track = watch->tracks[at];
	int r;

	moment->index = watch->indices[at];
	moment->when = condition_evaluate(watch->policy->when, moment->snapshot, moment->index);
	if (!track) {
		if (moment->when != OUTCOME_TRUE)
			return 0;
		track = calloc(1, sizeof(*track));
		if (!track)
			return -ENOMEM;
		track->node = node_ref(moment->snapshot->tree->nodes[moment->index]);
		watch->tracks[at] = track;
	}
	if (gap)
		restart_timers(track, moment->now);
	r = steps[track->phase](moment, track);
	if (track->phase == ENGINE_IDLE) {
		track_free(track);
		watch->tracks[at] = NULL;
	}
	return r;
}

static bool is_gap(const struct engine *engine, uint64_t now)
{
	uint64_t pause = now - engine->last_now;

	return engine->interval && engine->last_now && pause > 2 * engine->interval &&
	       pause > ENGINE_GAP_USEC;
}

int engine_tick(struct engine *engine, const struct snapshot *snapshot, uint64_t now,
		struct decisions *decisions)
{
	struct moment moment = {
		.engine = engine, .snapshot = snapshot, .now = now, .decisions = decisions
	};
	bool gap = is_gap(engine, now);
	int r = 0;

	if (!engine->matched || engine->generation != snapshot->tree->generation)
		r = engine_match(engine, snapshot, decisions);
	for (size_t i = 0; i < engine->n_watches && r == 0; i++) {
		struct watch *watch = &engine->watches[i];

		moment.policy = watch->policy;
		for (uint32_t at = 0; at < watch->n && r == 0; at++)
			r = tick_one(&moment, watch, at, gap);
	}
	engine->last_now = now;
	return r;
}
