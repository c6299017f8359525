// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/join.h"
#include "policies/engine_private.h"

static const char *const phase_names[ENGINE_PHASE_COUNT] = {
	[ENGINE_IDLE] = "idle",
	[ENGINE_PENDING] = "pending",
	[ENGINE_HELD] = "held",
	[ENGINE_COOLDOWN] = "cooldown",
};

const char *engine_phase_name(enum engine_phase phase)
{
	return phase_names[phase];
}

void engine_set_interval(struct engine *engine, uint64_t interval_usec)
{
	if (engine->interval != interval_usec)
		engine->last_now = 0;
	engine->interval = interval_usec;
}

int engine_new(uint64_t interval_usec, struct engine **ret_engine)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return -ENOMEM;
	engine->interval = interval_usec;
	*ret_engine = engine;
	return 0;
}

static void watches_free(struct watch *watches, size_t n)
{
	for (size_t i = 0; watches && i < n; i++)
		watch_done(&watches[i]);
	free(watches);
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	watches_free(engine->watches, engine->n_watches);
	for (int class = 0; class < BUDGET_CLASSES; class ++)
		hour_done(&engine->hours[class]);
	decisions_done(&engine->carried);
	policy_set_unref(engine->set);
	tree_unref(engine->tree);
	join_unref(engine->join);
	free(engine->outcomes);
	free(engine->wants);
	engine_forget_debts(engine);
	free(engine);
}

/* ---- new policies ---- */

static bool is_same(const struct policy *a, const struct policy *b)
{
	return b && strcmp(a->source, b->source) == 0;
}

/* The releases of everything that the new set does not keep. Changes nothing but `decisions`. */
static int release_changed(const struct engine *engine, const struct policy_set *set, uint64_t now,
			   struct decisions *decisions)
{
	int r = 0;

	for (size_t i = 0; i < engine->n_watches && r == 0; i++) {
		const struct watch *watch = &engine->watches[i];

		if (set && is_same(watch->policy, policy_set_find(set, watch->policy->name)))
			continue;
		for (uint32_t at = 0; watch->n_held > 0 && at < watch->n && r == 0; at++) {
			const struct draft draft = { .watch = watch,
						     .track = watch->tracks[at],
						     .why = "the policy was changed or removed",
						     .now = now };

			if (draft.track && draft.track->held)
				r = engine_decide_release(engine, decisions, &draft);
		}
	}
	return r;
}

struct rank {
	const struct policy *policy;
	size_t at;
};

static int compare_ranks(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->policy->priority != y->policy->priority)
		return x->policy->priority > y->policy->priority ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static int watch_init(struct watch *watch, const struct policy *policy)
{
	*watch = (struct watch){ .policy = policy, .fresh = true };
	watch->inventory = selectors_inventory(policy->selectors) != 0;
	return watch_events_init(watch);
}

/* A watch for each policy, in the order in which they are looked at; all of them new. */
static int make_watches(const struct policy_set *set, size_t n, struct watch **ret_watches)
{
	struct watch *watches = calloc(n + 1, sizeof(*watches));
	struct rank *ranks = calloc(n + 1, sizeof(*ranks));
	int r = watches && ranks ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++)
		ranks[i] = (struct rank){ policy_set_get(set, i), i };
	if (r == 0)
		qsort(ranks, n, sizeof(*ranks), compare_ranks);
	for (size_t i = 0; i < n && r == 0; i++)
		r = watch_init(&watches[i], ranks[i].policy);
	free(ranks);
	if (r < 0)
		watches_free(watches, n);
	else
		*ret_watches = watches;
	return r;
}

/* An unchanged policy goes on with everything that it has: timers, holds, budgets, counts. */
static void take_over(struct engine *engine, struct watch *watches, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct policy *policy = watches[i].policy;
		struct watch *old = engine_watch(engine, policy->name);

		if (!old || !is_same(old->policy, policy))
			continue;
		watch_done(&watches[i]);
		watches[i] = *old;
		watches[i].policy = policy;
		*old = (struct watch){ .policy = old->policy };
	}
}

static void give_up(struct engine *engine)
{
	for (size_t i = 0; i < engine->n_watches; i++) {
		struct watch *watch = &engine->watches[i];

		for (uint32_t at = 0; at < watch->n; at++) {
			if (!watch->tracks[at])
				continue;
			track_drop(watch, watch->tracks[at], ~0U);
			engine_owe(engine, watch->policy, watch->tracks[at]);
		}
	}
	watches_free(engine->watches, engine->n_watches);
}

int engine_set_policies(struct engine *engine, struct policy_set *set, uint64_t now,
			struct decisions *decisions)
{
	size_t n = set ? policy_set_size(set) : 0, before = decisions->n;
	struct watch *watches = NULL;
	int r = make_watches(set, n, &watches);

	if (r == 0)
		r = release_changed(engine, set, now, decisions);
	if (r < 0) {
		decisions_cut(decisions, before);
		watches_free(watches, n);
		return r;
	}
	take_over(engine, watches, n);
	give_up(engine);
	policy_set_unref(engine->set);
	engine->set = set ? policy_set_ref(set) : NULL;
	engine->watches = watches;
	engine->n_watches = n;
	engine->fresh = engine->wants_stale = true;
	return 0;
}

void engine_needs(const struct engine *engine, struct metric_set *set)
{
	if (!engine->set)
		return;
	policy_set_needs(engine->set, set);
	for (size_t i = 0; i < engine->n_watches; i++) {
		if (engine->watches[i].policy->mode == POLICY_OFF)
			continue;
		budget_needs(engine->watches[i].policy, set);
		watch_event_needs(&engine->watches[i], set);
	}
}

static bool asks_for_watched(const struct policy *policy)
{
	struct metric_set set = { 0 };

	if (policy->mode == POLICY_OFF)
		return false;
	condition_needs(policy->when, &set);
	if (policy->clear_when)
		condition_needs(policy->clear_when, &set);
	return metric_set_watched(&set) != 0;
}

size_t engine_watched(const struct engine *engine, uint64_t *serials, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; engine->tree && i < engine->n_watches; i++) {
		const struct watch *watch = &engine->watches[i];

		if (!asks_for_watched(watch->policy))
			continue;
		for (uint32_t at = 0; at < watch->n && n < size; at++)
			serials[n++] = engine->tree->nodes[watch->indices[at]]->serial;
	}
	return n;
}

unsigned int engine_inventory(const struct engine *engine)
{
	return engine->set ? policy_set_inventory(engine->set) : 0;
}

/* ---- all at once ---- */

static int release_held(struct engine *engine, uint64_t now, const char *reason,
			struct decisions *decisions)
{
	size_t before = decisions->n;
	int r = 0;

	for (size_t i = 0; i < engine->n_watches && r == 0; i++) {
		const struct watch *watch = &engine->watches[i];

		for (uint32_t at = 0; watch->n_held > 0 && at < watch->n && r == 0; at++) {
			const struct draft draft = { .watch = watch,
						     .track = watch->tracks[at],
						     .why = reason,
						     .now = now };

			if (draft.track && draft.track->held)
				r = engine_decide_release(engine, decisions, &draft);
		}
	}
	if (r < 0)
		decisions_cut(decisions, before);
	return r;
}

int engine_release_all(struct engine *engine, uint64_t now, const char *reason,
		       struct decisions *decisions)
{
	int r = release_held(engine, now, reason, decisions);

	if (r < 0)
		return r;
	for (size_t i = 0; i < engine->n_watches; i++) {
		struct watch *watch = &engine->watches[i];

		for (uint32_t at = 0; watch->n_tracks > 0 && at < watch->n; at++) {
			struct track *track = watch->tracks[at];

			/* Also a ladder between two rungs begins anew. */
			if (track && (track->held || track->over))
				track_cool_down(watch, track, now, ENGINE_RETRY_USEC);
		}
	}
	return 0;
}

int engine_stop(struct engine *engine, bool stop, uint64_t now, struct decisions *decisions)
{
	if (stop && !engine->stopped) {
		int r = engine_release_all(engine, now, "stopped by the kill-switch", decisions);

		if (r < 0)
			return r;
	}
	engine->stopped = stop;
	return 0;
}

bool engine_is_stopped(const struct engine *engine)
{
	return engine->stopped;
}
