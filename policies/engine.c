// SPDX-License-Identifier: MIT
#include "policies/engine.h"

#include <errno.h>
#include <string.h>

#include "policies/engine_private.h"

/* After a suspend nobody knows what happened meanwhile: nothing was "sustained" (systemd #35270).
 */
static void restart_timers(struct track *track, uint64_t now)
{
	track->breach_since = track->clear_since = 0;
	if (track->effect_from)
		track->effect_from = now;
	if (track->phase == ENGINE_HELD || track->over)
		track->rung_since = now;
}

/*
 * Takes back what was decided and is not done yet if it is not wanted any more. An event that has
 * happened does not unhappen: only the numbers are looked at.
 */
static void review_verdicts(const struct moment *moment, struct track *track)
{
	if (moment->when == OUTCOME_TRUE || !track_is_awaited(track))
		return;
	for (unsigned int step = 0; step < POLICY_STEPS_MAX; step++) {
		if (track->verdicts[step] &&
		    condition_evaluate_events(moment->policy->when, moment->snapshot, moment->index,
					      track->events[step]) != OUTCOME_TRUE)
			verdict_withdraw(track->verdicts[step]);
	}
}

static struct track *ensure_track(const struct moment *moment)
{
	struct watch *watch = moment->watch;
	struct track *track;

	if (watch->tracks[moment->at] || moment->when != OUTCOME_TRUE)
		return watch->tracks[moment->at];
	track = track_new(moment->snapshot->tree->nodes[moment->index]);
	watch->tracks[moment->at] = track;
	watch->n_tracks += track != NULL;
	return track;
}

/* With `moment->when` known. */
static int look(struct moment *moment, bool gap)
{
	struct watch *watch = moment->watch;
	struct track *track;
	int r;

	if (!watch->tracks[moment->at] &&
	    (moment->when != OUTCOME_TRUE || watch->unsure[moment->at]))
		return 0;
	track = ensure_track(moment);
	if (!track)
		return -ENOMEM;
	if (gap)
		restart_timers(track, moment->now);
	review_verdicts(moment, track);
	r = engine_step(moment, track);
	/* The reports that are still to come would be taken for those of another attempt. */
	if (track->phase == ENGINE_IDLE && !track_is_awaited(track)) {
		track_free(track);
		watch->tracks[moment->at] = NULL;
		watch->n_tracks--;
	}
	return r;
}

int engine_look(struct moment *moment, bool gap)
{
	moment->index = moment->watch->indices[moment->at];
	moment_events(moment);
	moment->when = condition_evaluate_events(moment->policy->when, moment->snapshot,
						 moment->index, moment->when_events);
	return look(moment, gap);
}

/* ---- a tick ---- */

void watch_see_schedule(struct watch *watch, const struct snapshot *snapshot)
{
	watch->asleep = !schedule_is_on(watch->policy->schedule,
					(int64_t)(snapshot->realtime_ns / 1000000000));
}

/* The next one that has something to do: a breach, or a track. */
static uint32_t next_busy(const struct watch *watch, const uint8_t *outcomes, uint32_t at)
{
	const uint8_t *found;

	if (watch->n_tracks == 0) {
		found = memchr(outcomes + at, OUTCOME_TRUE, watch->n - at);
		return found ? (uint32_t)(found - outcomes) : watch->n;
	}
	while (at < watch->n && outcomes[at] != OUTCOME_TRUE && !watch->tracks[at])
		at++;
	return at;
}

/* The outcomes are those without any event: where one happened it is evaluated once more. */
static void add_events(struct moment *moment, uint8_t *outcomes)
{
	struct watch *watch = moment->watch;

	watch_see_signs(watch, moment->snapshot, moment->now);
	for (moment->at = 0; moment->at < watch->n; moment->at++) {
		moment_events(moment);
		if (moment->when_events)
			outcomes[moment->at] = (uint8_t)condition_evaluate_events(
				moment->policy->when, moment->snapshot, watch->indices[moment->at],
				moment->when_events);
	}
}

static int tick_matched(struct moment *moment, bool gap)
{
	struct watch *watch = moment->watch;
	uint8_t *outcomes = moment->engine->outcomes;
	int r = 0;

	condition_evaluate_column(moment->policy->when, moment->snapshot, watch->indices, watch->n,
				  outcomes);
	if (watch->n_events > 0)
		add_events(moment, outcomes);
	for (uint32_t at = next_busy(watch, outcomes, 0); at < watch->n && r == 0;
	     at = next_busy(watch, outcomes, at + 1)) {
		moment->at = at;
		moment->index = watch->indices[at];
		moment_events(moment);
		moment->when = (enum outcome)outcomes[at];
		r = look(moment, gap);
	}
	watch_forget_events(watch, 0, watch->n);
	return r;
}

static int tick_watch(struct moment *moment, struct watch *watch, bool gap)
{
	moment->watch = watch;
	moment->policy = watch->policy;
	watch_see_schedule(watch, moment->snapshot);
	if (watch->n == 0)
		return 0;
	return tick_matched(moment, gap);
}

bool engine_is_gap(const struct engine *engine, uint64_t now)
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
	bool gap = engine_is_gap(engine, now);
	int r = decisions_move(&engine->carried, decisions);

	if (r == 0)
		r = engine_match(engine, snapshot, decisions);
	if (r == 0)
		budget_prepare(engine);
	for (size_t i = 0; i < engine->n_watches && r == 0; i++)
		r = tick_watch(&moment, &engine->watches[i], gap);
	engine->last_now = now;
	return r;
}
