// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "policies/engine_private.h"

/* ---- what became of decisions ---- */

static void report_done(struct watch *watch, struct track *track, unsigned int step, uint64_t now)
{
	const struct policy *policy = watch->policy;

	track->failures = 0;
	if (!track->taken)
		track->retry_at = 0;
	/* In shadow mode nothing was done, so that there is no effect to look for. */
	if (policy->effect_after_usec && policy->mode == POLICY_ENFORCE &&
	    step + 1 == track_height(track) && !(track->judged >> step & 1))
		track->effect_from = now;
}

/* It was not wanted any more: as if it had never been decided. */
static void report_cancelled(struct engine *engine, struct watch *watch, struct track *track,
			     unsigned int step)
{
	budget_return(engine, watch, track->applied_at[step]);
	track_drop(watch, track, 1U << step);
	if (track->held)
		return;
	track->phase = track->over ? ENGINE_PENDING : ENGINE_IDLE;
	track->breach_since = track->clear_since = track->held_since = 0;
}

static uint64_t backoff(const struct track *track)
{
	uint64_t wait = ENGINE_RETRY_USEC;

	if (track->last_error == -EPERM)
		return ENGINE_REFUSED_USEC;
	for (unsigned int i = 1; i < track->failures && wait < ENGINE_RETRY_MOST_USEC; i++)
		wait *= 2;
	return wait < ENGINE_RETRY_MOST_USEC ? wait : ENGINE_RETRY_MOST_USEC;
}

static void report_failed(struct engine *engine, struct watch *watch, struct track *track,
			  unsigned int step, uint64_t now)
{
	unsigned int over = track->over;
	uint64_t wait;

	track->failures++;
	wait = backoff(track);
	budget_return(engine, watch, track->applied_at[step]);
	track_drop(watch, track, 1U << step);
	track->retry_at = now + wait;
	track->taken = false;
	track->rung_since = now;
	if (track->held)
		return;
	track_cool_down(watch, track, now, wait);
	/* It is this rung that is tried again, not those below it. */
	track->over = over;
}

/* Those of attempts that were given up meanwhile come first, and mean nothing. */
static bool is_awaited(struct track *track, unsigned int step)
{
	bool last = track->unreported[step] == 1;

	track->unreported[step] -= track->unreported[step] > 0;
	return last && (track->held >> step & 1);
}

/*
 * A release that we did not ask for is a lease that the enforcer saw ending first. One that failed
 * is tried again by the enforcer, and by us while we take it for held.
 */
static void report_release(const struct engine *engine, struct watch *watch, struct track *track,
			   unsigned int step, int error, uint64_t now)
{
	if (error < 0)
		track->last_error = error;
	if (error < 0 || !(track->held >> step & 1) || !track->lease_until[step] ||
	    now < track->lease_until[step])
		return;
	track_end_lease(engine, watch, track, step, now);
}

void engine_report(struct engine *engine, uint64_t node_serial, const char *policy,
		   enum decision_op op, unsigned int step, int error, uint64_t now)
{
	struct watch *watch = engine_watch(engine, policy);
	struct track *track = watch ? watch_find(watch, node_serial, NULL) : NULL;

	if (op == DECISION_APPLY && engine_is_owed(engine, node_serial, policy, step))
		return;
	if (!track || step >= watch->policy->n_steps)
		return;
	if (op == DECISION_RELEASE)
		report_release(engine, watch, track, step, error, now);
	if (op != DECISION_APPLY || !is_awaited(track, step))
		return;
	verdict_unref(track->verdicts[step]);
	track->verdicts[step] = NULL;
	if (error == -ECANCELED) {
		report_cancelled(engine, watch, track, step);
		return;
	}
	track->last_error = error;
	if (error < 0)
		report_failed(engine, watch, track, step, now);
	else
		report_done(watch, track, step, now);
}

void engine_taken(struct engine *engine, uint64_t node_serial, const char *policy,
		  unsigned int step, uint64_t now)
{
	struct watch *watch = engine_watch(engine, policy);
	struct track *track = watch ? watch_find(watch, node_serial, NULL) : NULL;
	uint64_t wait = watch && watch->policy->cooldown_usec > ENGINE_TAKEN_USEC
				? watch->policy->cooldown_usec
				: ENGINE_TAKEN_USEC;

	/* One that is asked for again meanwhile is not the one that was taken. */
	if (!track || step >= watch->policy->n_steps || !(track->held >> step & 1) ||
	    track->unreported[step])
		return;
	track_drop(watch, track, 1U << step);
	track->retry_at = now + wait;
	track->taken = true;
	track->rung_since = now;
	track->settle_until = now + 2 * engine->interval;
	if (!track->held)
		track_cool_down(watch, track, now, wait);
}

/* ---- what an earlier agent left ---- */

static int adopt_track(struct engine *engine, struct watch *watch, uint32_t index,
		       struct track **ret_track)
{
	uint32_t at = watch_at(watch, index);

	if (at == NODE_NONE && watch_insert(watch, index, &at) < 0)
		return -ENOMEM;
	if (!watch->tracks[at]) {
		watch->tracks[at] = track_new(engine->tree->nodes[index]);
		if (!watch->tracks[at])
			return -ENOMEM;
		watch->n_tracks++;
	}
	*ret_track = watch->tracks[at];
	return 0;
}

int engine_adopt(struct engine *engine, const struct snapshot *snapshot, uint64_t serial,
		 const char *policy, unsigned int step, uint64_t since, uint64_t lease_until,
		 uint64_t now)
{
	struct watch *watch = engine_watch(engine, policy);
	uint32_t index = tree_find_serial(snapshot->tree, serial);
	struct track *track = NULL;
	int r;

	/* In shadow mode a policy holds nothing, and while stopped nobody does. */
	if (!watch || engine->stopped || watch->policy->mode != POLICY_ENFORCE ||
	    step >= watch->policy->n_steps || index == NODE_NONE ||
	    selectors_match(watch->policy->selectors, snapshot, index) == OUTCOME_FALSE)
		return -ENOENT;
	r = engine_match(engine, snapshot, &engine->carried);
	if (r == 0)
		r = adopt_track(engine, watch, index, &track);
	if (!track)
		return r;
	track_hold(watch, track, step, now);
	track->held_since = since && since < now ? since : now;
	track->applied_at[step] = track->held_since;
	track->lease_until[step] = lease_until;
	return 0;
}

/* ---- what is to be seen from outside ---- */

static void fill_track(const struct track *track, const struct policy *policy,
		       struct engine_track *ret)
{
	*ret = (struct engine_track){
		.node = track->node,
		.policy = policy,
		.phase = track->phase,
		.rungs = (unsigned int)__builtin_popcount(track->held),
		.breach_since = track->breach_since,
		.clear_since = track->clear_since,
		.held_since = track->held_since,
		.cooldown_until = track->phase == ENGINE_COOLDOWN ? track->cooldown_until : 0,
		.last_error = track->last_error,
		.block = track->block,
		.block_until = track->block_until,
		.ineffective = track->judged != 0,
		.failures = track->failures,
	};
	for (unsigned int step = 0; step < policy->n_steps; step++) {
		if (track->held >> step & 1 && track->lease_until[step])
			ret->lease_until = track->lease_until[step];
	}
}

void engine_each(const struct engine *engine,
		 void (*callback)(void *data, const struct engine_track *track), void *data)
{
	for (size_t i = 0; i < engine->n_watches; i++) {
		const struct watch *watch = &engine->watches[i];

		for (uint32_t at = 0; watch->n_tracks > 0 && at < watch->n; at++) {
			struct engine_track track;

			if (!watch->tracks[at] || watch->tracks[at]->phase == ENGINE_IDLE)
				continue;
			fill_track(watch->tracks[at], watch->policy, &track);
			callback(data, &track);
		}
	}
}

bool engine_policy_stats(const struct engine *engine, const char *policy, uint64_t now,
			 struct engine_policy_stats *ret_stats)
{
	const struct watch *watch = engine_watch(engine, policy);
	uint64_t busy = 0;

	*ret_stats = (struct engine_policy_stats){ 0 };
	if (!watch)
		return false;
	*ret_stats = watch->stats;
	for (uint32_t at = 0; watch->n_tracks > 0 && at < watch->n; at++) {
		if (!watch->tracks[at])
			continue;
		busy += watch->tracks[at]->phase != ENGINE_IDLE;
		ret_stats->phases[watch->tracks[at]->phase]++;
	}
	ret_stats->phases[ENGINE_IDLE] = watch->stats.matches > busy ? watch->stats.matches - busy
								     : 0;
	ret_stats->last_hour = hour_count(&watch->hour, now);
	ret_stats->asleep = watch->asleep;
	return true;
}
