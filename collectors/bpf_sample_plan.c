// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/bpf_sample_private.h"
#include "collectors/file_keys.h"
#include "core/cleanup.h"

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
static const struct {
	bool not_v1, not_v2;
} fits[BPF_PART_COUNT] = {
	[BPF_PART_CGROUP] = { .not_v1 = true },	 [BPF_PART_CPUTIME] = { .not_v1 = true },
	[BPF_PART_CPUACCT] = { .not_v2 = true }, [BPF_PART_MEMORY1] = { .not_v2 = true },
	[BPF_PART_MEMORY2] = { .not_v1 = true }, [BPF_PART_MEMLOCAL] = { .not_v1 = true },
	[BPF_PART_IO] = { .not_v1 = true },	 [BPF_PART_FREEZER] = { .not_v2 = true },
	[BPF_PART_SUBSYS] = { .not_v1 = true },
};

static bool part_fits(enum bpf_part part, const struct hierarchy *hierarchy)
{
	return hierarchy->v2 ? !fits[part].not_v2 : !fits[part].not_v1;
}

/* The row of a metric for that kind of hierarchy, or NULL. */
static const struct bpf_field *row_of(enum metric_id id, const struct hierarchy *hierarchy)
{
	const struct bpf_field *row = NULL;

	do
		row = bpf_field_of(id, row);
	while (row && !part_fits(row->part, hierarchy));
	return row;
}

static const struct bpf_field *supplied(const struct bpf_sample *sample, unsigned int h,
					const struct plan_field *field)
{
	const struct bpf_field *row;

	row = row_of(field->id, &sample->hierarchies->list[h]);
	if (!row || !(sample->can >> h & 1) ||
	    !(sample->has_field[row->slot] || sample->absent[row->slot]))
		return NULL;
	return row;
}

/*
 * What no file of this kernel has was concluded from what it lacks inside, by names that may have
 * changed there: if its file has it all the same, the file is read.
 */
static void check_absent(struct bpf_sample *sample, const struct plan_file *file)
{
	const struct hierarchy *hierarchy = &sample->hierarchies->list[file->hierarchy];
	_cleanup_(freep) char *text = NULL;
	bool looked = false;

	for (size_t i = 0; i < file->n_fields; i++) {
		const struct plan_field *field = &file->fields[i];
		const struct bpf_field *row = row_of(field->id, hierarchy);

		if (!row || !sample->absent[row->slot])
			continue;
		if (!looked)
			text = file_keys_read(hierarchy, file->name);
		looked = true;
		if (text && file_keys_has(text, field->key, field->key_length))
			sample->absent[row->slot] = false;
	}
}

/* A line that cpu.stat has not is "disabled" where the controller is off, as when it is read. */
static enum bpf_part part_of(const struct bpf_sample *sample, unsigned int h,
			     const struct bpf_field *field)
{
	return sample->absent[field->slot] && field->part == BPF_PART_CPUTIME &&
			       hierarchy_has(&sample->hierarchies->list[h], "cpu")
		       ? BPF_PART_CPU
		       : field->part;
}

static int add_row(struct bpf_sample *sample, const struct plan_file *file,
		   const struct bpf_field *field)
{
	struct bpf_hierarchy *hierarchy = &sample->list[file->hierarchy];
	struct bpf_row *rows = realloc(hierarchy->rows, (hierarchy->n_rows + 1) * sizeof(*rows));
	struct bpf_scale scale = bpf_op_scale(field->op);

	if (!rows)
		return -ENOMEM;
	hierarchy->rows = rows;
	rows[hierarchy->n_rows++] = (struct bpf_row){
		field, part_of(sample, file->hierarchy, field), scale,
		sample->absent[field->slot] ? bpf_fill_absent : bpf_fill_of(&scale), file->any
	};
	hierarchy->want |= 1U << part_of(sample, file->hierarchy, field);
	sample->mask |= 1U << file->hierarchy;
	return 0;
}

static bool has_memstat(struct bpf_sample *sample, const struct plan_file *file,
			const struct plan_field *field)
{
	unsigned int h = file->hierarchy;

	return sample->can >> h & 1 && sample->built >> BPF_PART_MEMSTAT & 1 &&
	       bpf_memstat_has(sample->memstat, &sample->hierarchies->list[h], file, field);
}

static int add_memstat(struct bpf_sample *sample, const struct plan_file *file,
		       const struct plan_field *field)
{
	sample->list[file->hierarchy].want |= 1U << BPF_PART_MEMSTAT;
	sample->mask |= 1U << file->hierarchy;
	return bpf_memstat_plan(sample->memstat, file, field);
}

static bool plan_io(struct bpf_sample *sample, const struct plan *plan, struct plan_file *file)
{
	unsigned int h = file->hierarchy;
	bool v2 = sample->hierarchies->list[h].v2;

	if (file->n_fields == 0 || !(sample->can >> h & 1) || !(sample->built >> BPF_PART_IO & 1) ||
	    (v2 && v1_by_files(sample, plan, file->fields[0].id)) ||
	    !bpf_io_plan(sample->io, v2, file))
		return false;
	for (size_t i = 0; i < file->n_fields; i++)
		file->fields[i].bpf = true;
	file->bpf = true;
	file->bpf_parts = 1U << BPF_PART_IO;
	sample->list[h].want |= 1U << BPF_PART_IO;
	sample->mask |= 1U << h;
	return true;
}

/* A file that has to be read anyway tells all its fields: it is all of them or none. */
static int plan_file(struct bpf_sample *sample, struct plan *plan, struct plan_file *file)
{
	bool v2 = sample->hierarchies->list[file->hierarchy].v2;
	int r = 0;

	if (plan_io(sample, plan, file))
		return 0;
	check_absent(sample, file);
	file->bpf = file->n_fields > 0;
	for (size_t i = 0; i < file->n_fields && file->bpf; i++) {
		const struct plan_field *field = &file->fields[i];

		file->bpf = (supplied(sample, file->hierarchy, field) ||
			     has_memstat(sample, file, field)) &&
			    !(v2 && v1_by_files(sample, plan, field->id));
	}
	for (size_t i = 0; i < file->n_fields; i++) {
		struct plan_field *field = &file->fields[i];
		const struct bpf_field *row = supplied(sample, file->hierarchy, field);

		field->bpf = file->bpf;
		if (!file->bpf)
			continue;
		file->bpf_parts |= 1U << (row ? part_of(sample, file->hierarchy, row)
					      : BPF_PART_MEMSTAT);
		r = row ? add_row(sample, file, row) : add_memstat(sample, file, field);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Passes in the order of how much is to be copied (bpf_sample_pass()). */
static void sort_hierarchies(struct bpf_sample *sample)
{
	for (unsigned int i = 0; i < sample->hierarchies->n; i++) {
		unsigned int at = i;

		for (;
		     at > 0 && sample->list[sample->order[at - 1]].n_rows > sample->list[i].n_rows;
		     at--)
			sample->order[at] = sample->order[at - 1];
		sample->order[at] = i;
	}
}

int bpf_sample_plan(struct bpf_sample *sample, struct plan *plan)
{
	sample->mask = 0;
	for (unsigned int h = 0; h < HIERARCHY_MAX; h++)
		sample->list[h].want = sample->list[h].n_rows = 0;
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
	sort_hierarchies(sample);
	return 0;
}

/* On a hybrid host v2 lacks the controllers that v1 has. */
static bool could_have(const struct metric *metric, enum bpf_part part,
		       const struct hierarchy *hierarchy)
{
	const char *controller = bpf_part_controller(part);

	if (!hierarchy->v2)
		return metric->v1.file && hierarchy_has(hierarchy, metric->v1.controller);
	return metric->v2.file && (!*controller || hierarchy_has(hierarchy, controller));
}

/* False if no row says that a pass over the hierarchy could tell it. */
static bool metric_status(const struct bpf_sample *sample, enum metric_id id, unsigned int h,
			  struct bpf_metric_status *ret_status)
{
	const struct hierarchy *hierarchy = &sample->hierarchies->list[h];
	const struct bpf_field *field = row_of(id, hierarchy);
	struct bpf_metric_status status = { id, h };
	enum bpf_part part = bpf_memstat_knows(id) ? BPF_PART_MEMSTAT : BPF_PART_IO;
	const char *reason = NULL;

	if (field && part_fits(field->part, hierarchy))
		part = field->part;
	else
		field = NULL;
	if (!could_have(metric_get(id), part, hierarchy))
		return false;
	if (field) {
		status.bpf = sample->has_field[field->slot];
		if (sample->absent[field->slot])
			reason = "no file of this kernel has it";
		else if (sample->lost[field->part][0])
			reason = sample->lost[field->part];
		else if (!status.bpf)
			snprintf(status.reason, sizeof(status.reason), "this kernel has no %s",
				 bpf_field_needs(field));
	} else if (bpf_memstat_knows(id)) {
		status.bpf = bpf_memstat_can(sample->memstat, id, &reason);
	} else if (bpf_io_knows(id)) {
		status.bpf = bpf_io_can(sample->io, hierarchy->v2, &reason);
	} else {
		return false;
	}
	if (status.bpf && !field && !(sample->built >> part & 1)) {
		status.bpf = false;
		reason = sample->lost[part];
	}
	if (!status.bpf && reason)
		snprintf(status.reason, sizeof(status.reason), "%s", reason);
	if (status.bpf && !(sample->can >> h & 1)) {
		status.bpf = false;
		snprintf(status.reason, sizeof(status.reason), "no iterator over %s",
			 hierarchy->name);
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
