// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/bpf_sample_private.h"
#include "core/cleanup.h"

/* Records that are fetched ahead: the stride is too long for the processor to see it. */
enum { AHEAD = 8 };

static size_t bucket_of(const struct bpf_index *index, uint64_t id)
{
	return (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (index->size - 1);
}

static struct live *index_find(const struct bpf_index *index, uint64_t id)
{
	if (!index->size)
		return NULL;
	for (size_t at = bucket_of(index, id);; at = (at + 1) & (index->size - 1)) {
		if (index->buckets[at].id == id)
			return index->buckets[at].live;
		if (!index->buckets[at].id)
			return NULL;
	}
}

/* An empty index that is never more than half full; a quarter of what it was if that is plenty. */
static int index_room(struct bpf_index *index, uint32_t n)
{
	size_t size = index->size ? index->size : 64;

	while (size > 64 && size > 16 * (size_t)n)
		size /= 4;
	while (size < 2 * (size_t)n)
		size *= 2;
	if (size != index->size) {
		struct bpf_bucket *buckets = realloc(index->buckets, size * sizeof(*buckets));

		if (!buckets)
			return -ENOMEM;
		index->buckets = buckets;
		index->size = size;
	}
	memset(index->buckets, 0, index->size * sizeof(*index->buckets));
	index->n = 0;
	return 0;
}

static uint64_t id_of(const struct live *live, unsigned int h)
{
	return h < live->node->n_ids ? live->node->ids[h] : 0;
}

static int index_refresh(struct bpf_index *index, struct walk *walk, unsigned int h)
{
	const struct tree *tree = walk_tree(walk);
	struct live **lives = walk_lives(walk);
	int r;

	if (index->generation == tree->generation)
		return 0;
	index->generation = 0;
	r = index_room(index, tree->n);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < tree->n; i++) {
		uint64_t id = id_of(lives[i], h);
		size_t at;

		if (!id)
			continue;
		for (at = bucket_of(index, id); index->buckets[at].id;)
			at = (at + 1) & (index->size - 1);
		index->buckets[at] = (struct bpf_bucket){ id, lives[i] };
		index->n++;
	}
	index->generation = tree->generation;
	return 0;
}

/*
 * v1 cgroups can be renamed and keep their id. The walker is told, as it knows them by their names.
 */
static void check_name(const struct bpf_place *place, unsigned int h)
{
	struct live_dir *dir = &place->live->dirs[h];

	if (dir->name_hash && dir->name_hash != place->name)
		walk_suspect(place->live, h);
	dir->name_hash = place->name;
}

static void find_place(struct bpf_hierarchy *hierarchy, struct bpf_place *place, unsigned int h)
{
	place->live = index_find(&hierarchy->index, place->id);
	if (!place->live)
		return;
	place->index = place->live->index;
	check_name(place, h);
}

static int places_room(struct bpf_hierarchy *hierarchy, uint32_t n)
{
	uint32_t capacity = n + n / 4;
	struct bpf_place *places;

	if (n <= hierarchy->capacity && hierarchy->capacity / 8 <= n)
		return 0;
	places = realloc(hierarchy->places, (capacity ? capacity : 1) * sizeof(*places));
	if (!places)
		return n <= hierarchy->capacity ? 0 : -ENOMEM;
	hierarchy->places = places;
	hierarchy->capacity = capacity;
	if (hierarchy->n > capacity)
		hierarchy->n = capacity;
	return 0;
}

/* The records as they are now; true for one that is where it was in the pass before. */
static bool put_place(struct bpf_hierarchy *hierarchy, uint32_t i, const struct cg_record *record)
{
	struct bpf_place *place = &hierarchy->places[i];
	bool known = i < hierarchy->n && place->live && place->id == record->id &&
		     place->name == record->name;

	if (known) {
		place->parts = record->parts;
		place->ask = record->ask;
		return true;
	}
	*place = (struct bpf_place){ .id = record->id,
				     .name = record->name,
				     .parts = record->parts,
				     .ask = record->ask,
				     .root = record->parent == 0 };
	return false;
}

static void vanished(struct bpf_sample *sample, struct live *live, unsigned int h)
{
	(void)sample;
	walk_suspect(live, h);
}

int bpf_sample_each_missing(struct bpf_sample *sample, struct walk *walk, unsigned int h,
			    void (*function)(struct bpf_sample *sample, struct live *live,
					     unsigned int h))
{
	const struct bpf_hierarchy *hierarchy = &sample->list[h];
	const struct tree *tree = walk_tree(walk);
	_cleanup_(freep) uint8_t *met = calloc(tree->n ? tree->n : 1, 1);

	if (!met)
		return -ENOMEM;
	for (uint32_t i = 0; i < hierarchy->n; i++) {
		if (hierarchy->places[i].live)
			met[hierarchy->places[i].index] = 1;
	}
	for (uint32_t i = 0; i < tree->n; i++) {
		struct live *live = walk_lives(walk)[i];

		if (!met[i] && id_of(live, h))
			function(sample, live, h);
	}
	return 0;
}

/* Children of a parent that the tree has not either are found when that one is read. */
static void tell_unknown(struct bpf_sample *sample, unsigned int h)
{
	const struct bpf_hierarchy *hierarchy = &sample->list[h];

	for (uint32_t i = 0; i < hierarchy->n; i++) {
		struct live *parent;

		if (hierarchy->places[i].live)
			continue;
		parent = index_find(&hierarchy->index, sample->records.list[i].parent);
		if (parent)
			walk_children_changed(parent, h);
		sample->stats.unknown++;
	}
}

int bpf_sample_meet(struct bpf_sample *sample, struct walk *walk, unsigned int h, uint32_t n,
		    bool complete)
{
	struct bpf_hierarchy *hierarchy = &sample->list[h];
	const struct cg_record *records = sample->records.list;
	const struct tree *tree = walk_tree(walk);
	uint64_t generation = tree ? tree->generation : 0;
	int r = places_room(hierarchy, n);

	if (r == 0 && tree)
		r = index_refresh(&hierarchy->index, walk, h);
	if (r < 0) {
		hierarchy->n = 0;
		return r;
	}
	if (hierarchy->generation != generation)
		hierarchy->n = 0;
	hierarchy->found = 0;
	for (uint32_t i = 0; i < n; i++) {
		__builtin_prefetch(&records[i + AHEAD]);
		if (!put_place(hierarchy, i, &records[i]) && tree)
			find_place(hierarchy, &hierarchy->places[i], h);
		hierarchy->found += hierarchy->places[i].live != NULL;
	}
	hierarchy->n = n;
	hierarchy->generation = generation;
	if (!tree)
		return 0;
	if (hierarchy->found < n)
		tell_unknown(sample, h);
	if (!complete || hierarchy->found == hierarchy->index.n)
		return 0;
	sample->stats.vanished += hierarchy->index.n - hierarchy->found;
	return bpf_sample_each_missing(sample, walk, h, vanished);
}

int bpf_sample_locate(struct bpf_sample *sample, struct walk *walk, unsigned int h)
{
	struct bpf_hierarchy *hierarchy = &sample->list[h];
	uint64_t generation = walk_tree(walk)->generation;
	int r;

	if (hierarchy->generation == generation)
		return 0;
	r = index_refresh(&hierarchy->index, walk, h);
	if (r < 0)
		return r;
	hierarchy->found = 0;
	for (uint32_t i = 0; i < hierarchy->n; i++) {
		find_place(hierarchy, &hierarchy->places[i], h);
		hierarchy->found += hierarchy->places[i].live != NULL;
	}
	hierarchy->generation = generation;
	return 0;
}

int bpf_sample_copy(struct bpf_sample *sample, unsigned int h)
{
	struct bpf_hierarchy *hierarchy = &sample->list[h];
	const struct cg_record *records = sample->records.list;
	size_t size = (size_t)hierarchy->n * hierarchy->n_rows;
	uint64_t *at;

	if (size > hierarchy->copy_size || size < hierarchy->copy_size / 8) {
		size_t room = size + size / 4;
		uint64_t *copy = realloc(hierarchy->copy, (room ? room : 1) * sizeof(*copy));

		if (!copy) {
			hierarchy->n = hierarchy->found = 0;
			return -ENOMEM;
		}
		hierarchy->copy = copy;
		hierarchy->copy_size = room;
	}
	hierarchy->records = NULL;
	at = hierarchy->copy;
	for (uint32_t i = 0; i < hierarchy->n; i++) {
		for (uint32_t k = 0; k < hierarchy->n_rows; k++)
			*at++ = records[i].values[hierarchy->rows[k].field->slot];
	}
	return 0;
}
