// SPDX-License-Identifier: MIT
#include "tui/history.h"

#include <math.h>
#include <stdlib.h>

struct place {
	uint64_t serial;
	uint32_t index;
};

void history_done(struct history *history)
{
	tree_unref(history->tree);
	free(history->values);
	*history = (struct history){ 0 };
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->serial > y->serial) - (x->serial < y->serial);
}

/* The old tree's nodes by serial: needed where a tree in between was never seen. */
static struct place *sort_places(const struct tree *tree)
{
	struct place *places = malloc((tree->n + 1) * sizeof(*places));

	if (!places)
		return NULL;
	for (uint32_t i = 0; i < tree->n; i++)
		places[i] = (struct place){ tree->nodes[i]->serial, i };
	qsort(places, tree->n, sizeof(*places), compare_places);
	return places;
}

static uint32_t index_before(const struct tree *tree, const struct tree *old,
			     const struct place *places, uint32_t i)
{
	struct place key = { .serial = tree->nodes[i]->serial }, *found;

	if (!places)
		return tree->before[i];
	found = bsearch(&key, places, old->n, sizeof(key), compare_places);
	return found ? found->index : NODE_NONE;
}

/* Brings the rings into the order of another tree. False if there is no memory. */
static bool carry(struct history *history, struct tree *tree)
{
	struct tree *old = history->tree;
	_cleanup_(freep) struct place *places = NULL;
	float *values = malloc(((size_t)tree->n + 1) * HISTORY_LENGTH * sizeof(*values));

	if (values && old && tree->previous != old->generation)
		places = sort_places(old);
	if (!values || (old && tree->previous != old->generation && !places)) {
		free(values);
		return false;
	}
	for (uint32_t i = 0; i < tree->n; i++) {
		uint32_t before = old ? index_before(tree, old, places, i) : NODE_NONE;
		float *to = values + (size_t)i * HISTORY_LENGTH;

		for (int k = 0; k < HISTORY_LENGTH; k++)
			to[k] = before == NODE_NONE
					? NAN
					: history->values[(size_t)before * HISTORY_LENGTH +
							  (size_t)k];
	}
	free(history->values);
	tree_unref(old);
	history->values = values;
	history->tree = tree_ref(tree);
	return true;
}

void history_add(struct history *history, const struct snapshot *snapshot, enum metric_id id)
{
	if (history->id != id) {
		history_done(history);
		history->id = id;
	}
	if (id == M_NONE || history->sequence == snapshot->sequence)
		return;
	if (history->tree != snapshot->tree && !carry(history, snapshot->tree)) {
		history_done(history);
		return;
	}
	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		double number;
		bool ok = snapshot_number(snapshot, id, i, &number) == VALUE_OK;

		history->values[(size_t)i * HISTORY_LENGTH + history->head] = ok ? (float)number
										 : NAN;
	}
	history->head = (history->head + 1) % HISTORY_LENGTH;
	history->sequence = snapshot->sequence;
}

void history_draw(const struct history *history, struct canvas *canvas, int x, int y, int width,
		  uint32_t index, unsigned int style)
{
	const float *ring;
	float top = 0;

	if (!history->values || index >= history->tree->n)
		return;
	ring = history->values + (size_t)index * HISTORY_LENGTH;
	if (width > HISTORY_LENGTH)
		width = HISTORY_LENGTH;
	for (int i = 0; i < HISTORY_LENGTH; i++)
		top = !isnan(ring[i]) && ring[i] > top ? ring[i] : top;
	for (int i = 0; i < width; i++) {
		unsigned int at = history->head + HISTORY_LENGTH - (unsigned int)(width - i);
		float value = ring[at % HISTORY_LENGTH];
		int level;

		if (isnan(value) || value <= 0)
			continue;
		level = (int)(value / top * 7.999f);
		canvas_text(canvas, x + i, y, 1,
			    canvas_glyph(canvas, (enum glyph)(GLYPH_SPARK_0 + level)), style);
	}
}
