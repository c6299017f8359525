// SPDX-License-Identifier: MIT
#include "policies/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
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

static void watch_done(struct watch *watch)
{
	for (uint32_t i = 0; i < watch->n; i++)
		track_free(watch->tracks[i]);
	free(watch->indices);
	free(watch->tracks);
}

static void watches_free(struct watch *watches, size_t n)
{
	for (size_t i = 0; i < n; i++)
		watch_done(&watches[i]);
	free(watches);
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	watches_free(engine->watches, engine->n_watches);
	policy_set_unref(engine->set);
	free(engine);
}

/* ---- a new tree
 * ---------------------------------------------------------------------------------- */

struct place {
	uint64_t serial;
	uint32_t index;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->serial > y->serial) - (x->serial < y->serial);
}

static int compare_indices(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int match_nodes(const struct policy *policy, const struct snapshot *snapshot,
		       struct watch *ret_watch)
{
	const struct tree *tree = snapshot->tree;
	struct watch watch = { .policy = policy };

	watch.indices = malloc((tree->n ? tree->n : 1) * sizeof(*watch.indices));
	if (!watch.indices)
		return -ENOMEM;
	for (uint32_t i = 0; i < tree->n && policy->mode != POLICY_OFF; i++) {
		if (policy_matches(policy, snapshot, i))
			watch.indices[watch.n++] = i;
	}
	watch.tracks = calloc(watch.n ? watch.n : 1, sizeof(struct track *));
	if (!watch.tracks) {
		free(watch.indices);
		return -ENOMEM;
	}
	*ret_watch = watch;
	return 0;
}

/* Where the tracks of the old watch belong in the new one; NULL: the cgroup is gone. */
static struct track **find_slot(const struct watch *watch, const struct place *places, uint32_t n,
				const struct track *track)
{
	const struct place wanted = { .serial = track->node->serial };
	const struct place *place = bsearch(&wanted, places, n, sizeof(wanted), compare_places);
	const uint32_t *index;

	if (!place || watch->n == 0)
		return NULL;
	index = bsearch(&place->index, watch->indices, watch->n, sizeof(*index), compare_indices);
	return index ? &watch->tracks[index - watch->indices] : NULL;
}

static int move_tracks(struct watch *from, struct watch *to, const struct place *places, uint32_t n,
		       struct decisions *decisions)
{
	int r = 0;

	for (uint32_t i = 0; i < from->n && r == 0; i++) {
		struct track *track = from->tracks[i], **slot;

		if (!track)
			continue;
		slot = find_slot(to, places, n, track);
		if (slot) {
			*slot = track;
			from->tracks[i] = NULL;
		} else if (track->held) {
			r = engine_decide_release(decisions, from->policy, track,
						  "the cgroup is gone");
		}
	}
	return r;
}

static struct place *sort_places(const struct tree *tree)
{
	struct place *places = malloc((tree->n ? tree->n : 1) * sizeof(*places));

	for (uint32_t i = 0; places && i < tree->n; i++)
		places[i] = (struct place){ tree->nodes[i]->serial, i };
	if (places)
		qsort(places, tree->n, sizeof(*places), compare_places);
	return places;
}

int engine_match(struct engine *engine, const struct snapshot *snapshot,
		 struct decisions *decisions)
{
	const struct tree *tree = snapshot->tree;
	_cleanup_(freep) struct place *places = sort_places(tree);
	int r = places ? 0 : -ENOMEM;

	for (size_t i = 0; i < engine->n_watches && r == 0; i++) {
		struct watch *watch = &engine->watches[i], fresh;

		r = match_nodes(watch->policy, snapshot, &fresh);
		if (r < 0)
			break;
		r = move_tracks(watch, &fresh, places, tree->n, decisions);
		watch_done(watch);
		*watch = fresh;
	}
	engine->matched = r == 0;
	engine->generation = tree->generation;
	return r;
}

/* ---- new policies
 * -------------------------------------------------------------------------------- */

static bool is_same(const struct policy *a, const struct policy *b)
{
	return b && strcmp(a->source, b->source) == 0;
}

/* The releases of everything that the new set does not keep. Changes nothing but `decisions`. */
static int release_changed(const struct engine *engine, const struct policy_set *set,
			   struct decisions *decisions)
{
	int r = 0;

	for (size_t i = 0; i < engine->n_watches && r == 0; i++) {
		const struct watch *watch = &engine->watches[i];

		if (set && is_same(watch->policy, policy_set_find(set, watch->policy->name)))
			continue;
		for (uint32_t at = 0; at < watch->n && r == 0; at++) {
			if (watch->tracks[at] && watch->tracks[at]->held)
				r = engine_decide_release(decisions, watch->policy,
							  watch->tracks[at],
							  "the policy was changed or removed");
		}
	}
	return r;
}

static void adopt_watches(struct engine *engine, struct policy_set *set, struct watch *watches,
			  size_t n)
{
	for (size_t i = 0; i < n; i++) {
		watches[i].policy = policy_set_get(set, i);
		for (size_t j = 0; j < engine->n_watches; j++) {
			struct watch *old = &engine->watches[j];

			if (strcmp(old->policy->name, watches[i].policy->name) != 0 ||
			    !is_same(old->policy, watches[i].policy))
				continue;
			old->policy = watches[i].policy;
			watches[i] = *old;
			old->n = 0;
			old->indices = NULL;
			old->tracks = NULL;
			break;
		}
	}
}

int engine_set_policies(struct engine *engine, struct policy_set *set, uint64_t now,
			struct decisions *decisions)
{
	size_t n = set ? policy_set_size(set) : 0, before = decisions->n;
	struct watch *watches = calloc(n ? n : 1, sizeof(*watches));
	int r = watches ? release_changed(engine, set, decisions) : -ENOMEM;

	(void)now;
	if (r < 0) {
		while (decisions->n > before)
			decision_done(&decisions->list[--decisions->n]);
		free(watches);
		return r;
	}
	adopt_watches(engine, set, watches, n);
	watches_free(engine->watches, engine->n_watches);
	policy_set_unref(engine->set);
	engine->set = set ? policy_set_ref(set) : NULL;
	engine->watches = watches;
	engine->n_watches = n;
	engine->matched = false;
	return 0;
}

void engine_needs(const struct engine *engine, struct metric_set *set)
{
	if (engine->set)
		policy_set_needs(engine->set, set);
}

/* ---- from and to the outside
 * ------------------------------------------------------------------------ */

static struct watch *find_watch(const struct engine *engine, const char *policy)
{
	for (size_t i = 0; i < engine->n_watches; i++) {
		if (strcmp(engine->watches[i].policy->name, policy) == 0)
			return &engine->watches[i];
	}
	return NULL;
}

struct track *engine_find(const struct engine *engine, const char *policy, uint64_t serial)
{
	const struct watch *watch = find_watch(engine, policy);

	for (uint32_t i = 0; watch && i < watch->n; i++) {
		if (watch->tracks[i] && watch->tracks[i]->node->serial == serial)
			return watch->tracks[i];
	}
	return NULL;
}

void engine_report(struct engine *engine, uint64_t node_serial, const char *policy,
		   enum decision_op op, unsigned int step, int error, uint64_t now)
{
	struct track *track = engine_find(engine, policy, node_serial);
	const struct watch *watch = find_watch(engine, policy);

	if (!track || step >= watch->policy->n_steps || !(track->held >> step & 1))
		return;
	if (op == DECISION_APPLY)
		track->last_error = error;
	/* A release that we did not ask for is a lease that the enforcer saw ending first. */
	if (op == DECISION_RELEASE ? now < track->lease_until[step] || !track->lease_until[step]
				   : error == 0)
		return;
	track->held &= ~(1U << step);
	track->rung_since = now;
	if (op == DECISION_RELEASE)
		track->settle_until = now + 2 * engine->interval;
	else
		track->retry_at = now + ENGINE_RETRY_USEC;
	if (!track->held)
		track_cool_down(track, watch->policy, now,
				op == DECISION_RELEASE ? 0 : ENGINE_RETRY_USEC);
}

int engine_release_all(struct engine *engine, uint64_t now, const char *reason,
		       struct decisions *decisions)
{
	for (size_t i = 0; i < engine->n_watches; i++) {
		struct watch *watch = &engine->watches[i];

		for (uint32_t at = 0; at < watch->n; at++) {
			struct track *track = watch->tracks[at];
			int r;

			if (!track || !track->held)
				continue;
			r = engine_decide_release(decisions, watch->policy, track, reason);
			if (r < 0)
				return r;
			track_cool_down(track, watch->policy, now, ENGINE_RETRY_USEC);
		}
	}
	return 0;
}

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

		for (uint32_t at = 0; at < watch->n; at++) {
			struct engine_track track;

			if (!watch->tracks[at])
				continue;
			fill_track(watch->tracks[at], watch->policy, &track);
			callback(data, &track);
		}
	}
}

static const char *const block_names[BLOCK_COUNT] = {
	[BLOCK_NOTHING] = "nothing",	     [BLOCK_STOPPED] = "stopped",
	[BLOCK_SCHEDULE] = "schedule",	     [BLOCK_COOLDOWN] = "cooldown",
	[BLOCK_RATE] = "max_per_hour",	     [BLOCK_CONCURRENT] = "max_concurrent",
	[BLOCK_PROCESSES] = "max_processes", [BLOCK_CGROUPS] = "max_cgroups",
	[BLOCK_SHARE] = "max_share",	     [BLOCK_UNKNOWN] = "unknown",
	[BLOCK_FAILED] = "failed",
};

const char *engine_block_name(enum engine_block block)
{
	return block_names[block];
}

int engine_event(struct engine *engine, const struct snapshot *snapshot, uint64_t serial,
		 const struct event_spec *spec, uint64_t now, struct decisions *decisions)
{
	(void)engine;
	(void)snapshot;
	(void)serial;
	(void)spec;
	(void)now;
	(void)decisions;
	return 0;
}

bool engine_event_needs_sample(const struct engine *engine, uint64_t serial,
			       const struct event_spec *spec)
{
	(void)engine;
	(void)serial;
	(void)spec;
	return true;
}

int engine_wants(struct engine *engine, struct event_want **ret_list, size_t *ret_n,
		 bool *ret_changed)
{
	(void)engine;
	*ret_list = NULL;
	*ret_n = 0;
	*ret_changed = false;
	return 0;
}

unsigned int engine_inventory(const struct engine *engine)
{
	return engine->set ? policy_set_inventory(engine->set) : 0;
}

int engine_adopt(struct engine *engine, const struct snapshot *snapshot, uint64_t serial,
		 const char *policy, unsigned int step, uint64_t since, uint64_t lease_until,
		 uint64_t now)
{
	(void)engine;
	(void)snapshot;
	(void)serial;
	(void)policy;
	(void)step;
	(void)since;
	(void)lease_until;
	(void)now;
	return -ENOENT;
}

int engine_stop(struct engine *engine, bool stop, uint64_t now, struct decisions *decisions)
{
	(void)engine;
	(void)stop;
	(void)now;
	(void)decisions;
	return 0;
}

bool engine_is_stopped(const struct engine *engine)
{
	(void)engine;
	return false;
}

bool engine_policy_stats(const struct engine *engine, const char *policy, uint64_t now,
			 struct engine_policy_stats *ret_stats)
{
	(void)now;
	*ret_stats = (struct engine_policy_stats){ 0 };
	return engine->set && policy_set_find(engine->set, policy);
}
