// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/bpf_sample_private.h"
#include "core/cleanup.h"

/* ---- which cgroup a record is of ----------------------------------------------------- */

static size_t bucket_of(const struct bpf_index *index, uint64_t id)
{
	return (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (index->size - 1);
}

static struct live *index_find(const struct bpf_index *index, uint64_t id)
{
	for (size_t at = bucket_of(index, id); index->size; at = (at + 1) & (index->size - 1)) {
		if (index->buckets[at].id == id)
			return index->buckets[at].live;
		if (!index->buckets[at].id)
			break;
	}
	return NULL;
}

static int index_room(struct bpf_index *index, uint32_t n)
{
	size_t size = index->size ? index->size : 64;

	while (size < 2 * (size_t)n)
		size *= 2;
	if (size > index->size) {
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
		uint64_t id = h < lives[i]->node->n_ids ? lives[i]->node->ids[h] : 0;
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

/* Fills at[h]: the cgroup of each record, NULL for one that the tree has not. */
static int locate(struct bpf_sample *sample, struct walk *walk, unsigned int h, uint32_t *ret_found)
{
	const struct bpf_records *records = &sample->records[h];
	struct bpf_at *at = &sample->at[h];
	const struct bpf_index *index = &sample->index[h];
	uint64_t generation = walk_tree(walk)->generation;
	uint32_t found = 0;
	int r = index_refresh(&sample->index[h], walk, h);

	if (r < 0)
		return r;
	if (records->n > at->capacity) {
		struct bpf_place *list = realloc(at->list, records->n * sizeof(*list));

		if (!list)
			return -ENOMEM;
		at->list = list;
		at->capacity = records->n;
	}
	if (at->generation != generation)
		at->n = 0;
	for (uint32_t i = 0; i < records->n; i++) {
		struct bpf_place *place = &at->list[i];
		uint64_t id = records->list[i].id;

		if (i >= at->n || place->id != id || !place->live)
			*place = (struct bpf_place){ id, index_find(index, id) };
		found += place->live != NULL;
	}
	at->n = records->n;
	at->generation = generation;
	*ret_found = found;
	return 0;
}

/* Calls for each cgroup of the tree that has an id in `h` and was not met. */
static int each_missing(struct bpf_sample *sample, struct walk *walk, unsigned int h,
			void (*function)(struct live *live, unsigned int h))
{
	const struct tree *tree = walk_tree(walk);
	_cleanup_(freep) uint8_t *met = calloc(tree->n, 1);

	if (!met)
		return -ENOMEM;
	for (uint32_t i = 0; i < sample->at[h].n; i++) {
		if (sample->at[h].list[i].live)
			met[sample->at[h].list[i].live->index] = 1;
	}
	for (uint32_t i = 0; i < tree->n; i++) {
		struct live *live = walk_lives(walk)[i];

		if (!met[i] && h < live->node->n_ids && live->node->ids[h])
			function(live, h);
	}
	return 0;
}

static void vanished(struct live *live, unsigned int h)
{
	walk_suspect(live, h);
}

static int compare(struct bpf_sample *sample, struct walk *walk, unsigned int h)
{
	const struct bpf_records *records = &sample->records[h];
	uint32_t found;
	int r = locate(sample, walk, h, &found);

	if (r < 0)
		return r;
	for (uint32_t i = 0; found < records->n && i < records->n; i++) {
		struct live *parent;

		if (sample->at[h].list[i].live)
			continue;
		parent = index_find(&sample->index[h], records->list[i].parent);
		if (parent)
			walk_children_changed(parent, h);
		sample->stats.unknown++;
	}
	if (found == sample->index[h].n)
		return 0;
	sample->stats.vanished += sample->index[h].n - found;
	return each_missing(sample, walk, h, vanished);
}

int bpf_sample_compare(struct bpf_sample *sample, struct walk *walk)
{
	for (unsigned int h = 0; walk_tree(walk) && h < sample->hierarchies->n; h++) {
		int r = sample->read >> h & 1 ? compare(sample, walk, h) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- which fields of the plan it has ------------------------------------------------- */

static const struct plan_field *find_field(const struct plan_file *file, enum metric_id id)
{
	for (size_t i = 0; i < file->n_fields; i++) {
		if (file->fields[i].id == id)
			return &file->fields[i];
	}
	return NULL;
}

/* On a hybrid host v1 is asked first: what its files say must not be told by v2 before them. */
static bool v1_by_files(const struct bpf_sample *sample, const struct plan *plan, enum metric_id id)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct plan_field *field;

		if (sample->hierarchies->list[plan->files[i].hierarchy].v2)
			continue;
		field = find_field(&plan->files[i], id);
		if (field && !field->bpf)
			return true;
	}
	return false;
}

/* Parts that are only right for one kind of hierarchy. */
static bool part_fits(enum bpf_part part, const struct hierarchy *hierarchy)
{
	switch (part) {
	case BPF_PART_CGROUP:
	case BPF_PART_CPUTIME:
	case BPF_PART_MEMORY2:
	case BPF_PART_MEMLOCAL:
	case BPF_PART_IO:
		return hierarchy->v2;
	case BPF_PART_CPUACCT:
	case BPF_PART_MEMORY1:
	case BPF_PART_FREEZER:
		return !hierarchy->v2;
	default:
		return true;
	}
}

static const struct bpf_field *supplied(const struct bpf_sample *sample, unsigned int h,
					const struct plan_field *field)
{
	const struct bpf_field *row = bpf_field_of(field->id);

	if (!row || !(sample->can >> h & 1) ||
	    !(sample->has_field[row->slot] || sample->absent[row->slot]) ||
	    !part_fits(row->part, &sample->hierarchies->list[h]))
		return NULL;
	return row;
}

static int add_row(struct bpf_sample *sample, const struct plan_file *file,
		   const struct bpf_field *field)
{
	unsigned int h = file->hierarchy;
	struct bpf_row *rows = realloc(sample->rows[h], (sample->n_rows[h] + 1) * sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	sample->rows[h] = rows;
	rows[sample->n_rows[h]++] = (struct bpf_row){ field, bpf_op_scale(field->op), file->any,
						      sample->absent[field->slot] };
	sample->want[h] |= 1U << field->part;
	sample->mask |= 1U << h;
	return 0;
}

static bool plan_memstat(struct bpf_sample *sample, const struct plan_file *file,
			 const struct plan_field *field)
{
	unsigned int h = file->hierarchy;

	if (!(sample->can >> h & 1) ||
	    !bpf_memstat_plan(sample->memstat, &sample->hierarchies->list[h], file, field))
		return false;
	sample->want[h] |= 1U << BPF_PART_MEMSTAT;
	sample->mask |= 1U << h;
	return true;
}

static bool plan_io(struct bpf_sample *sample, const struct plan *plan, struct plan_file *file)
{
	unsigned int h = file->hierarchy;
	bool v2 = sample->hierarchies->list[h].v2;

	if (file->n_fields == 0 || !(sample->can >> h & 1) ||
	    (v2 && v1_by_files(sample, plan, file->fields[0].id)) ||
	    !bpf_io_plan(sample->io, v2, file))
		return false;
	for (size_t i = 0; i < file->n_fields; i++)
		file->fields[i].bpf = true;
	file->bpf = true;
	sample->want[h] |= 1U << BPF_PART_IO;
	sample->mask |= 1U << h;
	return true;
}

static int plan_file(struct bpf_sample *sample, struct plan *plan, struct plan_file *file)
{
	bool v2 = sample->hierarchies->list[file->hierarchy].v2;

	if (plan_io(sample, plan, file))
		return 0;
	file->bpf = file->n_fields > 0;
	for (size_t i = 0; i < file->n_fields; i++) {
		struct plan_field *field = &file->fields[i];
		const struct bpf_field *row = supplied(sample, file->hierarchy, field);
		int r;

		if (!row && !(v2 && v1_by_files(sample, plan, field->id)))
			field->bpf = plan_memstat(sample, file, field);
		else
			field->bpf = row && !(v2 && v1_by_files(sample, plan, field->id));
		file->bpf &= field->bpf;
		r = field->bpf && row ? add_row(sample, file, row) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

int bpf_sample_plan(struct bpf_sample *sample, struct plan *plan)
{
	sample->mask = 0;
	memset(sample->want, 0, sizeof(sample->want));
	memset(sample->n_rows, 0, sizeof(sample->n_rows));
	bpf_memstat_plan_begin(sample->memstat);
	bpf_io_plan_begin(sample->io);
	for (int v2 = 0; v2 <= 1; v2++) {
		for (size_t i = 0; i < plan->n; i++) {
			struct plan_file *file = &plan->files[i];
			int r;

			if (sample->hierarchies->list[file->hierarchy].v2 != v2)
				continue;
			r = plan_file(sample, plan, file);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- columns -------------------------------------------------------------------------- */

static void fill_cell(const struct bpf_row *row, const struct cg_record *record,
		      struct snapshot *snapshot, uint32_t index)
{
	enum metric_id id = row->field->id;
	uint64_t raw = record->values[row->field->slot];

	if (row->second && snapshot_state(snapshot, id, index) == VALUE_OK)
		return;
	if (!(record->parts >> row->field->part & 1))
		snapshot_set_state(snapshot, id, index, VALUE_DISABLED);
	else if (row->absent)
		snapshot_set_state(snapshot, id, index, VALUE_ABSENT);
	else if (row->scale.unlimited && raw >= row->scale.unlimited)
		snapshot_set_state(snapshot, id, index, VALUE_UNLIMITED);
	else
		snapshot_set(snapshot, id, index,
			     (union value){ .u64 = raw * row->scale.mul / row->scale.div });
}

static void by_files(struct live *live, unsigned int h)
{
	(void)h;
	live->by_files = true;
}

static int fill_hierarchy(struct bpf_sample *sample, struct walk *walk, unsigned int h,
			  struct snapshot *snapshot)
{
	const struct bpf_records *records = &sample->records[h];
	uint32_t found, n_rows = sample->n_rows[h];
	const struct bpf_row *rows = sample->rows[h];
	bool memstat = sample->want[h] >> BPF_PART_MEMSTAT & 1;
	bool io = sample->want[h] >> BPF_PART_IO & 1;
	int r = locate(sample, walk, h, &found);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < records->n; i++) {
		const struct cg_record *record = &records->list[i];
		struct live *live = sample->at[h].list[i].live;

		if (!live)
			continue;
		/* The root's numbers are the machine's, which the kernel keeps elsewhere. */
		if (!record->parent || record->ask)
			live->by_files = true;
		for (uint32_t k = 0; record->parent && k < n_rows; k++) {
			if (!(record->ask >> rows[k].field->part & 1))
				fill_cell(&rows[k], record, snapshot, live->index);
		}
		if (io && record->parent && !(record->ask >> BPF_PART_IO & 1))
			bpf_io_found(sample->io, live->index,
				     record->parts >> BPF_PART_IO & 1
					     ? bpf_area_entry(&sample->ios[h], record->first_io)
					     : NULL,
				     record->n_io);
		if (memstat && record->parent && !(record->ask >> BPF_PART_MEMSTAT & 1))
			bpf_memstat_fill(sample->memstat, h,
					 record->parts >> BPF_PART_MEMSTAT & 1
						 ? bpf_area_entry(&sample->memstats[h], i)
						 : NULL,
					 snapshot, live->index);
	}
	return found == sample->index[h].n ? 0 : each_missing(sample, walk, h, by_files);
}

int bpf_sample_fill(struct bpf_sample *sample, struct walk *walk, struct snapshot *snapshot)
{
	uint32_t n = walk_tree(walk)->n;
	bool all = (sample->mask & ~sample->read) != 0;
	int r = 0;

	r = bpf_io_begin(sample->io, n);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < n; i++)
		walk_lives(walk)[i]->by_files = all;
	/* v1 before v2, which comes first in the list. */
	for (int v2 = 0; v2 <= 1; v2++) {
		for (unsigned int h = 0; h < sample->hierarchies->n && r == 0; h++) {
			if (sample->hierarchies->list[h].v2 == v2 &&
			    (sample->mask & sample->read) >> h & 1)
				r = fill_hierarchy(sample, walk, h, snapshot);
		}
	}
	sample->stats.by_files = 0;
	for (uint32_t i = 0; i < n; i++)
		sample->stats.by_files += walk_lives(walk)[i]->by_files;
	return r;
}

void bpf_sample_put_parts(struct bpf_sample *sample, struct devices *devices,
			  struct snapshot *snapshot, uint32_t node)
{
	bpf_io_put(sample->io, devices, snapshot, node);
}

static bool could_have(const struct metric *metric, const struct hierarchy *hierarchy)
{
	return hierarchy->v2 ? metric->v2.file != NULL
			     : metric->v1.file && hierarchy_has(hierarchy, metric->v1.controller);
}

/* False if no row says that the hierarchy's pass could tell it. */
static bool metric_status(const struct bpf_sample *sample, enum metric_id id, unsigned int h,
			  struct bpf_metric_status *ret_status)
{
	const struct hierarchy *hierarchy = &sample->hierarchies->list[h];
	const struct bpf_field *field = bpf_field_of(id);
	struct bpf_metric_status status = { id, h };
	const char *reason = NULL;

	if (field && !part_fits(field->part, hierarchy))
		field = NULL;
	if (!could_have(metric_get(id), hierarchy))
		return false;
	if (field)
		status.bpf = sample->has_field[field->slot];
	else if (bpf_memstat_knows(id))
		status.bpf = bpf_memstat_can(sample->memstat, id, &reason);
	else if (bpf_io_knows(id))
		status.bpf = bpf_io_can(sample->io, hierarchy->v2, &reason);
	else
		return false;
	if (status.bpf && !(sample->can >> h & 1)) {
		status.bpf = false;
		snprintf(status.reason, sizeof(status.reason), "no iterator over %s",
			 hierarchy->name);
	} else if (!status.bpf && field) {
		snprintf(status.reason, sizeof(status.reason), "this kernel has no %s",
			 field->needs);
	} else if (!status.bpf) {
		snprintf(status.reason, sizeof(status.reason), "%s", reason);
	}
	*ret_status = status;
	return true;
}

int bpf_sample_metrics(const struct bpf_sample *sample, struct bpf_metric_status **ret_list,
		       size_t *ret_n)
{
	size_t n = 0, room = (size_t)METRIC_COUNT * sample->hierarchies->n;
	struct bpf_metric_status *list = calloc(room ? room : 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		for (unsigned int h = 0; h < sample->hierarchies->n; h++)
			n += metric_status(sample, (enum metric_id)id, h, &list[n]);
	}
	*ret_list = list;
	*ret_n = n;
	return 0;
}
