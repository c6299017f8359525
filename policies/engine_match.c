// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/join.h"
#include "policies/engine_private.h"

/* From one tree, or inventory, to the next. */
struct passage {
	const struct engine *engine;
	const struct snapshot *snapshot;
	bool same_tree, same_join;
	uint32_t *before; /* by new index: the old one, or NODE_NONE */
	uint32_t *after;  /* by old index */
	uint32_t *slots;  /* by old index: position in the watch at hand, or NODE_NONE */
	uint32_t n_old;
	uint8_t *verdicts; /* by new index: borrowed scratch, what the selectors say */
};

static void passage_done(struct passage *passage)
{
	free(passage->before);
	free(passage->after);
	free(passage->slots);
}

struct place {
	uint64_t serial;
	uint32_t index;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->serial > y->serial) - (x->serial < y->serial);
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

/* Index of a node of the old tree, or NODE_NONE. Sorts them at the first call. */
static int search_before(const struct tree *old, struct place **places, uint64_t serial,
			 uint32_t *ret_index)
{
	const struct place wanted = { .serial = serial }, *place;

	if (!*places)
		*places = sort_places(old);
	if (!*places)
		return -ENOMEM;
	place = bsearch(&wanted, *places, old->n, sizeof(wanted), compare_places);
	*ret_index = place ? place->index : NODE_NONE;
	return 0;
}

/* A tree says where its nodes were in the one before it; where that is another, they are searched.
 */
static int find_before(struct passage *passage, const struct tree *old, const struct tree *tree)
{
	_cleanup_(freep) struct place *places = NULL;
	bool next = tree->previous == old->generation && tree->generation != old->generation;

	for (uint32_t i = 0; i < tree->n; i++) {
		uint64_t serial = tree->nodes[i]->serial;
		uint32_t before = tree->before[i];
		bool told = next && (before == NODE_NONE ||
				     (before < old->n && old->nodes[before]->serial == serial));

		if (!told && search_before(old, &places, serial, &before) < 0)
			return -ENOMEM;
		passage->before[i] = before;
		if (before != NODE_NONE)
			passage->after[before] = i;
	}
	return 0;
}

static int passage_init(struct passage *passage)
{
	const struct tree *old = passage->engine->tree, *tree = passage->snapshot->tree;

	passage->n_old = old ? old->n : 0;
	passage->before = malloc((tree->n + 1) * sizeof(uint32_t));
	passage->after = malloc((passage->n_old + 1) * sizeof(uint32_t));
	passage->slots = malloc((passage->n_old + 1) * sizeof(uint32_t));
	if (!passage->before || !passage->after || !passage->slots)
		return -ENOMEM;
	/* NODE_NONE is all ones. */
	memset(passage->after, 0xff, passage->n_old * sizeof(uint32_t));
	memset(passage->slots, 0xff, passage->n_old * sizeof(uint32_t));
	memset(passage->before, 0xff, tree->n * sizeof(uint32_t));
	return old ? find_before(passage, old, tree) : 0;
}

void watch_done(struct watch *watch)
{
	for (uint32_t i = 0; watch->tracks && i < watch->n; i++)
		track_free(watch->tracks[i]);
	free(watch->indices);
	free(watch->unsure);
	free(watch->tracks);
	free(watch->cells);
	free(watch->events);
	hour_done(&watch->hour);
	*watch = (struct watch){ 0 };
}

/* Whether a node was in the watch, where nothing that its selectors look at has changed. */
static enum outcome match_one(const struct passage *passage, const struct watch *watch, uint32_t i)
{
	uint32_t before = passage->before[i];
	bool known = !watch->fresh && before != NODE_NONE &&
		     (!watch->inventory || (passage->same_tree && passage->same_join));

	if (!known)
		return selectors_match(watch->policy->selectors, passage->snapshot, i);
	return passage->slots[before] != NODE_NONE ? OUTCOME_TRUE : OUTCOME_FALSE;
}

/* The part of a watch that speaks of a tree. */
static int rows_alloc(struct watch *rows, uint32_t n, unsigned int n_events)
{
	size_t room = n ? n : 1;

	rows->indices = malloc(room * sizeof(*rows->indices));
	rows->unsure = calloc(room, sizeof(*rows->unsure));
	rows->tracks = calloc(room, sizeof(struct track *));
	rows->cells = n_events ? calloc(room * n_events, sizeof(*rows->cells)) : NULL;
	if (rows->indices && rows->unsure && rows->tracks && (rows->cells || !n_events))
		return 0;
	return -ENOMEM;
}

static void rows_free(struct watch *rows)
{
	free(rows->indices);
	free(rows->unsure);
	free(rows->tracks);
	free(rows->cells);
}

/* Which nodes of the new tree it is for: fills `verdicts`, returns how many. */
static uint32_t match_all(const struct passage *passage, const struct watch *watch,
			  struct engine_policy_stats *stats)
{
	uint32_t n = 0, n_new = passage->snapshot->tree->n;
	uint8_t *verdicts = passage->verdicts;

	if (watch->policy->mode == POLICY_OFF) {
		memset(verdicts, OUTCOME_FALSE, n_new);
		return 0;
	}
	for (uint32_t i = 0; i < n_new; i++) {
		uint32_t before = passage->before[i];
		uint32_t slot = before != NODE_NONE ? passage->slots[before] : NODE_NONE;
		enum outcome outcome = match_one(passage, watch, i);

		stats->matches += outcome == OUTCOME_TRUE;
		stats->unknown += outcome == OUTCOME_UNKNOWN;
		/* What cannot be told keeps what it has, and gets nothing. */
		if (outcome == OUTCOME_UNKNOWN && (slot == NODE_NONE || !watch->tracks[slot]))
			outcome = OUTCOME_FALSE;
		verdicts[i] = (uint8_t)outcome;
		n += outcome != OUTCOME_FALSE;
	}
	return n;
}

static int release_lost(const struct passage *passage, const struct watch *watch,
			const uint8_t *verdicts, struct decisions *decisions)
{
	int r = 0;

	for (uint32_t at = 0; watch->n_held > 0 && at < watch->n && r == 0; at++) {
		struct draft draft = { .watch = watch,
				       .track = watch->tracks[at],
				       .now = passage->engine->last_now };
		uint32_t after = passage->after[watch->indices[at]];

		if (!draft.track || !draft.track->held ||
		    (after != NODE_NONE && verdicts[after] != OUTCOME_FALSE))
			continue;
		draft.why = after == NODE_NONE ? "the cgroup is gone"
					       : "the policy is not for this cgroup any more";
		r = engine_decide_release(passage->engine, decisions, &draft);
	}
	return r;
}

static void fill_rows(const struct passage *passage, const struct watch *watch, struct watch *rows,
		      const uint8_t *verdicts)
{
	unsigned int n_events = watch->n_events;

	for (uint32_t i = 0; i < passage->snapshot->tree->n; i++) {
		uint32_t before = passage->before[i], slot, at = rows->n;

		if (verdicts[i] == OUTCOME_FALSE)
			continue;
		rows->indices[at] = i;
		rows->unsure[at] = verdicts[i] == OUTCOME_UNKNOWN;
		rows->n++;
		slot = before != NODE_NONE ? passage->slots[before] : NODE_NONE;
		if (slot == NODE_NONE)
			continue;
		rows->tracks[at] = watch->tracks[slot];
		if (n_events)
			memcpy(&rows->cells[(size_t)at * n_events],
			       &watch->cells[(size_t)slot * n_events],
			       n_events * sizeof(*rows->cells));
	}
}

/* Makes the rows for the new tree; the watch stays as it is. */
static int match_watch(struct passage *passage, const struct watch *watch, struct watch *rows,
		       struct decisions *decisions)
{
	uint8_t *verdicts = passage->verdicts;
	uint32_t n;
	int r;

	for (uint32_t at = 0; at < watch->n; at++) {
		if (!watch->unsure[at] || watch->tracks[at])
			passage->slots[watch->indices[at]] = at;
	}
	n = match_all(passage, watch, &rows->stats);
	r = rows_alloc(rows, n, watch->n_events);
	if (r == 0)
		r = release_lost(passage, watch, verdicts, decisions);
	if (r == 0)
		fill_rows(passage, watch, rows, verdicts);
	for (uint32_t at = 0; at < watch->n; at++)
		passage->slots[watch->indices[at]] = NODE_NONE;
	return r;
}

static void take_rows(const struct passage *passage, struct engine *engine, struct watch *watch,
		      struct watch *rows)
{
	for (uint32_t at = 0; watch->n_tracks > 0 && at < watch->n; at++) {
		struct track *track = watch->tracks[at];
		uint32_t after = passage->after[watch->indices[at]];

		if (!track || (after != NODE_NONE && watch_at(rows, after) != NODE_NONE))
			continue;
		track_drop(watch, track, ~0U);
		engine_owe(engine, watch->policy, track);
		track_free(track);
		watch->n_tracks--;
	}
	rows_free(watch);
	watch->n = rows->n;
	watch->indices = rows->indices;
	watch->unsure = rows->unsure;
	watch->tracks = rows->tracks;
	watch->cells = rows->cells;
	watch->stats.matches = rows->stats.matches;
	watch->stats.unknown = rows->stats.unknown;
	watch->fresh = false;
}

/* All of them or none. */
static int match_watches(struct passage *passage, struct engine *engine,
			 struct decisions *decisions)
{
	struct watch *rows = calloc(engine->n_watches + 1, sizeof(*rows));
	size_t before = decisions->n;
	int r = rows ? 0 : -ENOMEM;

	for (size_t i = 0; i < engine->n_watches && r == 0; i++) {
		const struct watch *watch = &engine->watches[i];

		if (!passage->same_tree || watch->fresh ||
		    (watch->inventory && !passage->same_join))
			r = match_watch(passage, watch, &rows[i], decisions);
	}
	for (size_t i = 0; rows && i < engine->n_watches; i++) {
		if (r < 0)
			rows_free(&rows[i]);
		else if (rows[i].indices)
			take_rows(passage, engine, &engine->watches[i], &rows[i]);
	}
	free(rows);
	if (r < 0)
		decisions_cut(decisions, before);
	return r;
}

/*
 * The tree and the join (which stands for the inventory behind it) are known by their addresses:
 * kept, so that no other can have the same.
 */
static void keep(struct engine *engine, const struct snapshot *snapshot, uint8_t *scratch)
{
	struct tree *tree = tree_ref(snapshot->tree);
	struct join *join = snapshot->join ? join_ref(snapshot->join) : NULL;

	free(engine->outcomes);
	engine->outcomes = scratch;
	engine->marks = scratch + tree->n;
	tree_unref(engine->tree);
	join_unref(engine->join);
	engine->tree = tree;
	engine->join = join;
	engine->fresh = false;
	engine->wants_stale = true;
}

int engine_match(struct engine *engine, const struct snapshot *snapshot,
		 struct decisions *decisions)
{
	struct passage passage = {
		.engine = engine,
		.snapshot = snapshot,
		.same_tree = engine->tree == snapshot->tree,
		.same_join = engine->join == snapshot->join,
	};
	uint8_t *scratch;
	int r;

	if (passage.same_tree && passage.same_join && !engine->fresh)
		return 0;
	/* Outcomes, then marks: see struct engine. */
	scratch = calloc(2, (size_t)snapshot->tree->n + 1);
	passage.verdicts = scratch;
	r = scratch ? passage_init(&passage) : -ENOMEM;
	if (r == 0)
		r = match_watches(&passage, engine, decisions);
	passage_done(&passage);
	if (r < 0)
		free(scratch);
	else
		keep(engine, snapshot, scratch);
	return r;
}

/* Makes room for one more row at `at`. */
static int widen(struct watch *watch, struct watch *rows, uint32_t at)
{
	size_t tail = watch->n - at, n_events = watch->n_events;

	if (rows_alloc(rows, watch->n + 1, watch->n_events) < 0)
		return -ENOMEM;
	if (watch->n == 0)
		return 0;
	memcpy(rows->indices, watch->indices, at * sizeof(*rows->indices));
	memcpy(&rows->indices[at + 1], &watch->indices[at], tail * sizeof(*rows->indices));
	memcpy(rows->unsure, watch->unsure, at);
	memcpy(&rows->unsure[at + 1], &watch->unsure[at], tail);
	memcpy(rows->tracks, watch->tracks, at * sizeof(struct track *));
	memcpy(&rows->tracks[at + 1], &watch->tracks[at], tail * sizeof(struct track *));
	if (n_events) {
		memcpy(rows->cells, watch->cells, at * n_events * sizeof(*rows->cells));
		memcpy(&rows->cells[(at + 1) * n_events], &watch->cells[at * n_events],
		       tail * n_events * sizeof(*rows->cells));
	}
	return 0;
}

int watch_insert(struct watch *watch, uint32_t index, uint32_t *ret_at)
{
	struct watch rows = { 0 };
	uint32_t at = 0;

	while (at < watch->n && watch->indices[at] < index)
		at++;
	if (widen(watch, &rows, at) < 0) {
		rows_free(&rows);
		return -ENOMEM;
	}
	rows.indices[at] = index;
	rows.unsure[at] = true;
	rows_free(watch);
	watch->n++;
	watch->indices = rows.indices;
	watch->unsure = rows.unsure;
	watch->tracks = rows.tracks;
	watch->cells = rows.cells;
	*ret_at = at;
	return 0;
}

uint32_t watch_at(const struct watch *watch, uint32_t index)
{
	uint32_t low = 0, high = watch->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (watch->indices[middle] < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < watch->n && watch->indices[low] == index ? low : NODE_NONE;
}
