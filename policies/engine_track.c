// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "policies/engine_private.h"

struct track *track_new(struct node *node)
{
	struct track *track = calloc(1, sizeof(*track));

	if (track)
		track->node = node_ref(node);
	return track;
}

void track_free(struct track *track)
{
	if (!track)
		return;
	for (unsigned int step = 0; step < POLICY_STEPS_MAX; step++)
		verdict_unref(track->verdicts[step]);
	node_unref(track->node);
	free(track);
}

void track_hold(struct watch *watch, struct track *track, unsigned int step, uint64_t now)
{
	if (!track->held) {
		track->held_since = now;
		watch->n_held++;
	}
	track->held |= 1U << step;
	track->over &= ~(1U << step);
	track->judged &= ~(1U << step);
	track->phase = ENGINE_HELD;
	track->rung_since = track->applied_at[step] = now;
	track->effect_from = track->clear_since = 0;
	track->escalate = false;
}

static void withdraw(struct track *track, unsigned int step)
{
	verdict_withdraw(track->verdicts[step]);
	verdict_unref(track->verdicts[step]);
	track->verdicts[step] = NULL;
}

void track_drop(struct watch *watch, struct track *track, unsigned int steps)
{
	unsigned int before = track->held;

	for (unsigned int step = 0; step < POLICY_STEPS_MAX; step++) {
		if (steps >> step & 1)
			withdraw(track, step);
	}
	track->held &= ~steps;
	track->effect_from = 0;
	track->escalate = false;
	if (before && !track->held)
		watch->n_held--;
}

void track_cool_down(struct watch *watch, struct track *track, uint64_t now, uint64_t least)
{
	uint64_t wait = watch->policy->cooldown_usec;

	track_drop(watch, track, ~0U);
	track->phase = ENGINE_COOLDOWN;
	track->cooldown_until = now + (wait > least ? wait : least);
	track->breach_since = track->clear_since = track->held_since = 0;
	track->judged = track->over = 0;
}

unsigned int track_next_rung(const struct policy *policy, const struct track *track)
{
	unsigned int taken = track->held | track->over, n = (unsigned int)policy->n_steps;
	unsigned int next = taken ? (unsigned int)(32 - __builtin_clz(taken)) : 0;

	/* At its end the last rung can be taken again, if it was a lease that ended it. */
	return next >= n && (track->over >> (n - 1) & 1) ? n - 1 : next;
}

void track_end_lease(const struct engine *engine, struct watch *watch, struct track *track,
		     unsigned int step, uint64_t now)
{
	const struct policy *policy = watch->policy;
	unsigned int over = track->over | 1U << step;

	track_drop(watch, track, 1U << step);
	watch->stats.leases_over++;
	track->rung_since = now;
	track->settle_until = now + 2 * engine->interval;
	track->breach_since = track->clear_since = 0;
	track->over = over;
	if (track->held)
		return;
	if (over >> (policy->n_steps - 1) & 1) {
		track_cool_down(watch, track, now, 0);
		/* Of a single rung there is nothing to remember. */
		track->over = policy->n_steps > 1 ? over : 0;
		return;
	}
	track->phase = ENGINE_PENDING;
	track->cooldown_until = now + policy->cooldown_usec;
	track->held_since = 0;
	track->judged = 0;
}

bool track_is_awaited(const struct track *track)
{
	static const uint8_t none[POLICY_STEPS_MAX];

	return memcmp(track->unreported, none, sizeof(none)) != 0;
}

static struct debt *add_debt(struct engine *engine, const char *policy)
{
	size_t capacity = engine->debts_capacity ? 2 * engine->debts_capacity : 8;
	char *name = strdup(policy);
	struct debt *grown = engine->debts;

	if (name && engine->n_debts == engine->debts_capacity) {
		grown = realloc(engine->debts, capacity * sizeof(*grown));
		if (grown) {
			engine->debts = grown;
			engine->debts_capacity = capacity;
		}
	}
	if (!name || !grown) {
		free(name);
		return NULL;
	}
	grown = &engine->debts[engine->n_debts++];
	grown->policy = name;
	return grown;
}

void engine_owe(struct engine *engine, const struct policy *policy, const struct track *track)
{
	for (unsigned int step = 0; step < POLICY_STEPS_MAX; step++) {
		struct debt *debt = track->unreported[step] ? add_debt(engine, policy->name) : NULL;

		if (!debt)
			continue;
		debt->serial = track->node->serial;
		debt->step = step;
		debt->n = track->unreported[step];
	}
}

bool engine_is_owed(struct engine *engine, uint64_t serial, const char *policy, unsigned int step)
{
	for (size_t i = 0; i < engine->n_debts; i++) {
		struct debt *debt = &engine->debts[i];

		if (debt->serial != serial || debt->step != step ||
		    strcmp(debt->policy, policy) != 0)
			continue;
		if (--debt->n == 0) {
			free(debt->policy);
			*debt = engine->debts[--engine->n_debts];
		}
		return true;
	}
	return false;
}

void engine_forget_debts(struct engine *engine)
{
	for (size_t i = 0; i < engine->n_debts; i++)
		free(engine->debts[i].policy);
	free(engine->debts);
	engine->debts = NULL;
	engine->n_debts = engine->debts_capacity = 0;
}

struct watch *engine_watch(const struct engine *engine, const char *policy)
{
	for (size_t i = 0; i < engine->n_watches; i++) {
		if (strcmp(engine->watches[i].policy->name, policy) == 0)
			return &engine->watches[i];
	}
	return NULL;
}

struct track *watch_find(const struct watch *watch, uint64_t serial, uint32_t *ret_at)
{
	for (uint32_t at = 0; watch->n_tracks > 0 && at < watch->n; at++) {
		struct track *track = watch->tracks[at];

		if (!track || track->node->serial != serial)
			continue;
		if (ret_at)
			*ret_at = at;
		return track;
	}
	return NULL;
}
