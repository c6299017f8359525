// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/bpf_sample_private.h"
#include "core/clock.h"

/*
 * Records that are gone through together, column by column: as many as stay in the cache while each
 * column is written in one place.
 */
enum { BLOCK = 32 };

struct bpf_block {
	uint32_t n, all_parts, any_ask;
	uint32_t index[BLOCK], parts[BLOCK], ask[BLOCK];
	const uint64_t *values[BLOCK];
};

/* One function a kind of scale: these are the inner loops. */
#define FILL(name, expression)                                                               \
	static void name(const struct bpf_scale *scale, const struct bpf_block *block,       \
			 size_t slot, const struct column *column)                           \
	{                                                                                    \
		const uint64_t mul = scale->mul, div = scale->div;                           \
		const uint64_t limit = scale->unlimited ? scale->unlimited - 1 : UINT64_MAX; \
		union value *restrict values = column->values;                               \
		uint8_t *restrict states = column->states;                                   \
                                                                                             \
		(void)mul;                                                                   \
		(void)div;                                                                   \
		for (uint32_t i = 0; i < block->n; i++) {                                    \
			const uint64_t raw = block->values[i][slot];                         \
                                                                                             \
			values[block->index[i]].u64 = (expression);                          \
			states[block->index[i]] = raw > limit ? VALUE_UNLIMITED : VALUE_OK;  \
		}                                                                            \
	}
FILL(fill_as_is, raw)
FILL(fill_times, raw *mul)
FILL(fill_usec, raw / 1000)
FILL(fill_scaled, raw *mul / div)
#undef FILL

void bpf_fill_absent(const struct bpf_scale *scale, const struct bpf_block *block, size_t slot,
		     const struct column *column)
{
	(void)scale;
	(void)slot;
	for (uint32_t i = 0; i < block->n; i++)
		column->states[block->index[i]] = VALUE_ABSENT;
}

bpf_fill *bpf_fill_of(const struct bpf_scale *scale)
{
	if (scale->div == 1)
		return scale->mul == 1 ? fill_as_is : fill_times;
	return scale->mul == 1 && scale->div == 1000 ? fill_usec : fill_scaled;
}

/* Where the controller is off, where only the files can tell, where another hierarchy told. */
static void fill_some(const struct bpf_row *row, const struct bpf_block *block, size_t slot,
		      const struct column *column)
{
	struct bpf_block some;

	some.n = 0;
	for (uint32_t i = 0; i < block->n; i++) {
		uint8_t *state = &column->states[block->index[i]];

		if ((block->ask[i] >> row->field->part & 1) || (row->second && *state == VALUE_OK))
			continue;
		if (block->parts[i] >> row->field->part & 1) {
			some.values[some.n] = block->values[i];
			some.index[some.n++] = block->index[i];
		} else if (!row->second) {
			*state = VALUE_DISABLED;
		}
	}
	row->fill(&row->scale, &some, slot, column);
}

/* From the map a value is at its slot, from the copy at the number of its row. */
static void fill_block(const struct bpf_hierarchy *hierarchy, const struct bpf_block *block,
		       struct snapshot *snapshot)
{
	for (uint32_t k = 0; k < hierarchy->n_rows; k++) {
		const struct bpf_row *row = &hierarchy->rows[k];
		const struct column *column = &snapshot->columns[row->field->id];
		size_t slot = hierarchy->records ? row->field->slot : k;
		bool plain = !row->second && block->all_parts >> row->field->part & 1 &&
			     !(block->any_ask >> row->field->part & 1);

		if (plain)
			row->fill(&row->scale, block, slot, column);
		else
			fill_some(row, block, slot, column);
	}
}

/* Takes the record of one place in, unless there is nothing to be had of it. */
static void take_place(struct bpf_sample *sample, unsigned int h, uint32_t i,
		       struct bpf_block *block)
{
	const struct bpf_hierarchy *hierarchy = &sample->list[h];
	const struct bpf_place *place = &hierarchy->places[i];
	uint32_t at = block->n;

	if (!place->live)
		return;
	/* The root's numbers are the machine's, which the kernel keeps elsewhere. */
	sample->asks[place->index] |= place->root ? hierarchy->want : place->ask;
	if (place->root)
		return;
	block->values[at] = hierarchy->records ? (const uint64_t *)hierarchy->records[i].values
					       : &hierarchy->copy[(size_t)i * hierarchy->n_rows];
	block->index[at] = place->index;
	block->parts[at] = place->parts;
	block->ask[at] = place->ask;
	block->all_parts &= place->parts;
	block->any_ask |= place->ask;
	block->n++;
}

static void missing(struct bpf_sample *sample, struct live *live, unsigned int h)
{
	sample->asks[live->index] |= sample->list[h].want;
}

/* memory.stat lies beside the records. */
static void fill_memstat(struct bpf_sample *sample, unsigned int h, struct snapshot *snapshot)
{
	const struct bpf_hierarchy *hierarchy = &sample->list[h];
	struct memstat_block block = { 0 };

	for (uint32_t i = 0; i < hierarchy->n; i++) {
		const struct bpf_place *place = &hierarchy->places[i];

		if (!place->live || place->root || place->ask >> BPF_PART_MEMSTAT & 1)
			continue;
		block.index[block.n] = place->index;
		block.copies[block.n++] = place->parts >> BPF_PART_MEMSTAT & 1
						  ? bpf_area_entry(&sample->memstats, i)
						  : NULL;
		if (block.n == MEMSTAT_BLOCK) {
			bpf_memstat_fill(sample->memstat, &block, snapshot);
			block.n = 0;
		}
	}
	bpf_memstat_fill(sample->memstat, &block, snapshot);
}

/* io.stat does too; its parts are put when their turn comes. */
static void find_ios(struct bpf_sample *sample, unsigned int h)
{
	const struct bpf_hierarchy *hierarchy = &sample->list[h];

	for (uint32_t i = 0; i < hierarchy->n; i++) {
		const struct bpf_place *place = &hierarchy->places[i];

		if (place->live && !place->root && !(place->ask >> BPF_PART_IO & 1))
			bpf_io_found(sample->io, place->index, i,
				     !(place->parts >> BPF_PART_IO & 1));
	}
}

void bpf_sample_put_parts(struct bpf_sample *sample, struct devices *devices,
			  struct snapshot *snapshot, uint32_t node)
{
	if (!(sample->asks[node] >> BPF_PART_IO & 1))
		bpf_io_put(sample->io, devices, snapshot, node);
}

static int fill_hierarchy(struct bpf_sample *sample, struct walk *walk, unsigned int h,
			  struct snapshot *snapshot)
{
	const struct bpf_hierarchy *hierarchy = &sample->list[h];
	int r = bpf_sample_locate(sample, walk, h);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < hierarchy->n;) {
		uint32_t end = hierarchy->n - i > BLOCK ? i + BLOCK : hierarchy->n;
		struct bpf_block block;

		block.n = 0;
		block.all_parts = UINT32_MAX;
		block.any_ask = 0;
		for (; i < end; i++)
			take_place(sample, h, i, &block);
		fill_block(hierarchy, &block, snapshot);
	}
	if (hierarchy->want >> BPF_PART_MEMSTAT & 1)
		fill_memstat(sample, h, snapshot);
	if (hierarchy->want >> BPF_PART_IO & 1)
		find_ios(sample, h);
	return hierarchy->found == hierarchy->index.n
		       ? 0
		       : bpf_sample_each_missing(sample, walk, h, missing);
}

static int asks_room(struct bpf_sample *sample, uint32_t n)
{
	if (n > sample->asks_capacity || n < sample->asks_capacity / 8) {
		uint32_t capacity = n + n / 4;
		uint32_t *asks = realloc(sample->asks, (capacity ? capacity : 1) * sizeof(*asks));

		if (!asks)
			return -ENOMEM;
		sample->asks = asks;
		sample->asks_capacity = capacity;
	}
	memset(sample->asks, 0, n * sizeof(*sample->asks));
	return 0;
}

int bpf_sample_fill(struct bpf_sample *sample, struct walk *walk, struct snapshot *snapshot)
{
	uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	uint32_t n = walk_tree(walk)->n;
	int r = asks_room(sample, n);

	if (r == 0)
		r = bpf_io_begin(sample->io, n);
	/* v1 before v2, which comes first in the list. */
	for (int v2 = 0; v2 <= 1; v2++) {
		for (unsigned int h = 0; h < sample->hierarchies->n && r == 0; h++) {
			if (sample->hierarchies->list[h].v2 == v2 && sample->mask >> h & 1)
				r = fill_hierarchy(sample, walk, h, snapshot);
		}
	}
	sample->stats.by_files = 0;
	for (uint32_t i = 0; i < n && r == 0; i++)
		sample->stats.by_files += sample->asks[i] != 0;
	sample->stats.last_fill_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return r;
}

const uint32_t *bpf_sample_asks(const struct bpf_sample *sample)
{
	return sample->asks;
}
