// SPDX-License-Identifier: MIT
#include "collectors/layer_refresh.h"

#include <errno.h>
#include <stdlib.h>

static const uint64_t MS = 1000000, SECOND = 1000000000;

enum {
	GATHER_MS = 100, /* what happens together is looked at together */
	HOT_MS = 1000,	 /* between two looks at files that may be open */
	SHARE = 20,	 /* at most every 20th part of the time */
};

static void mark_dirty(void *argument, uint32_t index)
{
	struct layer_record *record = argument;
	struct layer_node *node = &layer_walk_account(record->walk)->nodes[index];

	if (node->dirty || node->dead)
		return;
	if (record->n_dirty == record->max_dirty) {
		size_t max = record->max_dirty ? record->max_dirty * 2 : 64;
		uint32_t *dirty = realloc(record->dirty, max * sizeof(*dirty));

		if (!dirty) {
			record->watched = false;
			return;
		}
		record->dirty = dirty;
		record->max_dirty = max;
	}
	node->dirty = true;
	record->dirty[record->n_dirty++] = index;
}

void layer_refresh_hear(struct layer_record *record, const struct layer_event *event, uint64_t now)
{
	struct layer_account *account = layer_walk_account(record->walk);
	uint32_t node = layer_account_find(account, &event->directory);

	if (node == LAYER_NO_NODE)
		return;
	if (event->gone && account->nodes[node].parent == LAYER_NO_NODE) {
		layer_refresh_lost(record, now);
		return;
	}
	if (event->gone) {
		layer_account_kill(account, node);
	} else {
		mark_dirty(record, node);
	}
	if (record->dirty_ns == 0)
		record->dirty_ns = now;
}

void layer_refresh_lost(struct layer_record *record, uint64_t now)
{
	uint64_t pause = record->last.duration_ns * SHARE;
	uint64_t soon = record->base_ns + (pause > SECOND ? pause : SECOND);

	record->watched = false;
	record->last.incremental = false;
	if (record->refreshing) {
		/* What is half read would be taken for what is there. */
		record->refreshing = false;
		layer_walk_free(record->walk);
		record->walk = NULL;
	}
	if (soon < now)
		soon = now;
	if (soon < record->next_ns)
		record->next_ns = soon;
}

uint64_t layer_refresh_due(const struct layer_record *record, uint64_t due)
{
	uint64_t at;

	if (!record->watched || !record->walk)
		return due;
	at = record->hot_ns;
	if (record->dirty_ns) {
		uint64_t gathered = record->dirty_ns + GATHER_MS * MS;

		if (gathered < record->calm_ns)
			gathered = record->calm_ns;
		at = gathered < at ? gathered : at;
	}
	return at < due ? at : due;
}

bool layer_refresh_begin(struct layer_record *record, uint64_t now)
{
	if (record->hot_ns <= now) {
		record->hot_ns = now + HOT_MS * MS;
		layer_walk_check_hot(record->walk, mark_dirty, record);
		if (record->n_dirty > 0 && record->dirty_ns == 0)
			record->dirty_ns = now;
	}
	if (record->dirty_ns == 0) {
		layer_refresh_ended(record, now);
		return record->watched;
	}
	if (record->dirty_ns + GATHER_MS * MS > now || record->calm_ns > now)
		return false;
	record->dirty_ns = 0;
	record->refresh_ns = now;
	record->refreshing = true;
	if (layer_refresh_next(record, 0) != 0)
		return false;
	layer_refresh_ended(record, now);
	return record->watched;
}

int layer_refresh_next(struct layer_record *record, int result)
{
	struct layer_account *account = layer_walk_account(record->walk);

	while (result >= 0 && record->n_dirty > 0) {
		uint32_t node = record->dirty[--record->n_dirty];
		int r;

		account->nodes[node].dirty = false;
		if (account->nodes[node].dead)
			continue;
		r = layer_walk_again(record->walk, node);
		if (r == 0)
			return 1;
		/* Not there any more: whoever had it is dirty too. */
		if (r != -ESTALE && r != -ENOENT)
			result = r;
		else if (account->nodes[node].parent != LAYER_NO_NODE)
			layer_account_kill(account, node);
	}
	record->refreshing = false;
	layer_account_sweep(account);
	if (result < 0 || account->incomplete || !account->keeps_nodes)
		record->watched = false;
	return 0;
}

void layer_refresh_ended(struct layer_record *record, uint64_t now)
{
	struct layer_usage before = record->last;

	if (!record->watched) {
		layer_refresh_lost(record, now);
		return;
	}
	layer_walk_result(record->walk, &record->last);
	record->last.incremental = true;
	record->last.boottime_ns = now;
	record->last.duration_ns = before.duration_ns;
	record->last.cpu_ns = before.cpu_ns;
	record->last.growth_known = before.growth_known;
	record->last.growth = before.growth;
	if (record->refresh_ns)
		record->calm_ns = now + (now - record->refresh_ns) * SHARE;
	record->refresh_ns = 0;
}
