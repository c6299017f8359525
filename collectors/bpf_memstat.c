// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bpf_memstat.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/bpf/memstat.h"
#include "collectors/bpf_fields.h"
#include "collectors/file_keys.h"
#include "collectors/memstat_table.h"
#include "collectors/bpf_load.h"
#include "core/cleanup.h"
#include "core/strbuf.h"

#include "memstat.skel.h"

enum { TERMS_MAX = 4 };

/* The rows of core/metrics.def. */
static const struct stat_row {
	enum metric_id id;
	const char *items; /* enumerators of the kernel, added up */
	enum bpf_op op;
} stat_rows[] = {
#define METRIC(...)
#define BPF_STAT(id, items, op) { M_##id, items, BPF_OP_##op },
#include "core/metrics.def"
#undef BPF_STAT
#undef METRIC
};

/* Where the numbers of a row are in a copy. */
struct stat_place {
	uint16_t at[TERMS_MAX];
	uint8_t n; /* 0: nobody knows */
};

/* A row that the plan wants from a hierarchy. */
struct stat_want {
	const struct stat_row *row;
	struct stat_place place; /* n 0: the kernel does not print it */
	uint64_t mul;
	bool second; /* another hierarchy may have told already */
};

struct bpf_memstat {
	struct memstat_layout layout;
	struct stat_place places[ARRAY_SIZE(stat_rows)];
	char reason[BPF_REASON_SIZE];
	bool has_zswap_current; /* the file memory.zswap.current */
	/* Which keys the root's file had; NULL: not looked yet. */
	char *keys;
	unsigned int keys_of; /* hierarchy */
	struct stat_want *wants;
	uint32_t n_wants;
};

/* ---- where the kernel keeps them ------------------------------------------------------- */

/* The places of all items of state[] and of events[]; false: unknown. */
struct stat_tables {
	bool state, events;
	uint32_t n_state, n_events; /* items */
	uint16_t state_places[MEMSTAT_ITEMS], events_places[MEMSTAT_ITEMS];
};

static void read_tables(struct bpf_memstat *memstat, const struct bpf_kernel *kernel,
			struct stat_tables *tables)
{
	const struct memstat_layout *layout = &memstat->layout;
	uint32_t state = layout->state_size / 8, events = layout->events_size / 8;
	int64_t n_state = 0, n_events = 0;

	bpf_kernel_enum(kernel, "memcg_stat_item", "MEMCG_NR_STAT", &n_state);
	bpf_kernel_enum(kernel, "vm_event_item", "NR_VM_EVENT_ITEMS", &n_events);
	if (n_state <= 0 || n_state > MEMSTAT_ITEMS || n_events <= 0 || n_events > MEMSTAT_ITEMS)
		return;
	tables->n_state = (uint32_t)n_state;
	tables->n_events = (uint32_t)n_events;
	tables->state = tables->n_state == state;
	for (uint32_t i = 0; tables->state && i < state; i++)
		tables->state_places[i] = (uint16_t)i;
	if (!tables->state && layout->has_state_table)
		tables->state = memstat_table_read(layout->state_table, tables->n_state, state,
						   tables->state_places);
	if (layout->has_events_table)
		tables->events = memstat_table_read(layout->events_table, tables->n_events, events,
						    tables->events_places);
}

/* The place of an item in a copy. False: unknown, or not counted by cgroup. */
static bool find_item(const struct bpf_memstat *memstat, const struct bpf_kernel *kernel,
		      const struct stat_tables *tables, const char *name, uint16_t *ret_at)
{
	uint32_t events = (memstat->layout.events_at - memstat->layout.state_at) / 8;
	int64_t item;

	if (bpf_kernel_enum(kernel, "node_stat_item", name, &item) ||
	    bpf_kernel_enum(kernel, "memcg_stat_item", name, &item)) {
		if (!tables->state || item < 0 || item >= tables->n_state ||
		    tables->state_places[item] == UINT16_MAX)
			return false;
		*ret_at = tables->state_places[item];
		return true;
	}
	if (!bpf_kernel_enum(kernel, "vm_event_item", name, &item) || !tables->events || item < 0 ||
	    item >= tables->n_events || tables->events_places[item] == UINT16_MAX)
		return false;
	*ret_at = (uint16_t)(events + tables->events_places[item]);
	return true;
}

static bool exists(const struct bpf_kernel *kernel, const char *name)
{
	int64_t item;

	return bpf_kernel_enum(kernel, "node_stat_item", name, &item) ||
	       bpf_kernel_enum(kernel, "memcg_stat_item", name, &item) ||
	       bpf_kernel_enum(kernel, "vm_event_item", name, &item);
}

/* Of a sum, what the kernel does not have yet is left out: its file has it not either. */
static void find_row(const struct bpf_memstat *memstat, const struct bpf_kernel *kernel,
		     const struct stat_tables *tables, const char *items,
		     struct stat_place *ret_place)
{
	struct stat_place place = { 0 };

	for (;;) {
		size_t length = strcspn(items, "+");
		char name[64];

		if (length >= sizeof(name) || place.n == TERMS_MAX)
			return;
		memcpy(name, items, length);
		name[length] = '\0';
		if (exists(kernel, name)) {
			if (!find_item(memstat, kernel, tables, name, &place.at[place.n]))
				return;
			place.n++;
		}
		if (!items[length])
			break;
		items += length + 1;
	}
	*ret_place = place;
}

static int learn(struct bpf_memstat *memstat)
{
	struct memstat_bpf *skeleton = memstat_bpf__open();
	BPF_OPTIONS(bpf_test_run_opts, options);
	int r = skeleton ? memstat_bpf__load(skeleton) : -ENOMEM;

	if (r == 0 &&
	    bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.learn_memstat), &options) < 0)
		r = -errno;
	if (r == 0)
		memstat->layout = skeleton->bss->layout;
	memstat_bpf__destroy(skeleton);
	return r;
}

int bpf_memstat_new(const struct bpf_kernel *kernel, struct bpf_memstat **ret_memstat)
{
	struct bpf_memstat *memstat = calloc(1, sizeof(*memstat));
	_cleanup_(freep) struct stat_tables *tables = calloc(1, sizeof(*tables));
	size_t n = 0;
	int r;

	if (!memstat || !tables) {
		free(memstat);
		return -ENOMEM;
	}
	memstat->has_zswap_current = bpf_kernel_has_function(kernel, "zswap_current_read");
	r = learn(memstat);
	if (r < 0)
		snprintf(memstat->reason, sizeof(memstat->reason),
			 "how the kernel keeps memory.stat cannot be found out: %s", strerror(-r));
	else
		read_tables(memstat, kernel, tables);
	for (size_t i = 0; (tables->state || tables->events) && i < ARRAY_SIZE(stat_rows); i++) {
		find_row(memstat, kernel, tables, stat_rows[i].items, &memstat->places[i]);
		n += memstat->places[i].n > 0;
	}
	if (r == 0 && (!tables->state || !tables->events))
		snprintf(memstat->reason, sizeof(memstat->reason),
			 "where %s are, only a kernel with KALLSYMS_ALL says",
			 tables->state ? "its events" : "its numbers");
	/* Events lie behind state in what is copied. */
	if (n == 0 || memstat->layout.events_at < memstat->layout.state_at)
		memset(&memstat->layout, 0, sizeof(memstat->layout));
	*ret_memstat = memstat;
	return 0;
}

void bpf_memstat_free(struct bpf_memstat *memstat)
{
	if (!memstat)
		return;
	free(memstat->keys);
	free(memstat->wants);
	free(memstat);
}

uint32_t bpf_memstat_size(const struct bpf_memstat *memstat)
{
	const struct memstat_layout *layout = &memstat->layout;

	return layout->events_size ? layout->events_at + layout->events_size - layout->state_at : 0;
}

uint32_t bpf_memstat_at(const struct bpf_memstat *memstat)
{
	return memstat->layout.state_at;
}

static const struct stat_row *row_of(enum metric_id id)
{
	for (size_t i = 0; i < ARRAY_SIZE(stat_rows); i++) {
		if (stat_rows[i].id == id)
			return &stat_rows[i];
	}
	return NULL;
}

bool bpf_memstat_knows(enum metric_id id)
{
	return row_of(id) != NULL;
}

bool bpf_memstat_can(const struct bpf_memstat *memstat, enum metric_id id, const char **ret_reason)
{
	const struct stat_row *row = row_of(id);

	*ret_reason = memstat->reason[0] ? memstat->reason : "this kernel does not count it";
	return row && bpf_memstat_size(memstat) && memstat->places[row - stat_rows].n > 0;
}

/* ---- what of it is wanted ---------------------------------------------------------------- */

void bpf_memstat_plan_begin(struct bpf_memstat *memstat)
{
	memstat->n_wants = 0;
	free(memstat->keys);
	memstat->keys = NULL;
}

/* memory.swap.current of v2 is a counter of its own, which is no row of ours. */
static bool is_ours(const struct plan_file *file, bool *ret_flat)
{
	*ret_flat = strcmp(file->name, "memory.stat") == 0;
	return *ret_flat || strcmp(file->name, "memory.zswap.current") == 0;
}

static bool is_printed(const struct bpf_memstat *memstat, bool flat, const struct plan_field *field)
{
	return flat ? file_keys_has(memstat->keys, field->key, field->key_length)
		    : memstat->has_zswap_current;
}

bool bpf_memstat_has(struct bpf_memstat *memstat, const struct hierarchy *hierarchy,
		     const struct plan_file *file, const struct plan_field *field)
{
	const struct stat_row *row = row_of(field->id);
	bool flat;

	if (!row || !bpf_memstat_size(memstat) || !is_ours(file, &flat))
		return false;
	if (flat && (!memstat->keys || memstat->keys_of != file->hierarchy)) {
		free(memstat->keys);
		memstat->keys = file_keys_read(hierarchy, file->name);
		memstat->keys_of = file->hierarchy;
		if (!memstat->keys)
			return false;
	}
	return !is_printed(memstat, flat, field) || memstat->places[row - stat_rows].n > 0;
}

int bpf_memstat_plan(struct bpf_memstat *memstat, const struct plan_file *file,
		     const struct plan_field *field)
{
	const struct stat_row *row = row_of(field->id);
	struct stat_want want = { .row = row, .second = file->any }, *grown;
	bool flat;

	if (is_ours(file, &flat) && is_printed(memstat, flat, field))
		want.place = memstat->places[row - stat_rows];
	want.mul = bpf_op_scale(row->op).mul;
	grown = realloc(memstat->wants, (memstat->n_wants + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memstat->wants = grown;
	grown[memstat->n_wants++] = want;
	return 0;
}

/* ---- columns --------------------------------------------------------------------------- */

/*
 * Sums over CPUs that were flushed one after the other can be below 0 for a moment: the kernel
 * prints 0 then.
 */
static uint64_t sum_of(const struct stat_place *place, const uint64_t *copy)
{
	uint64_t sum = 0;

	for (uint8_t k = 0; k < place->n; k++) {
		int64_t value = (int64_t)copy[place->at[k]];

		sum += value > 0 ? (uint64_t)value : 0;
	}
	return sum;
}

/* Most rows: one number, printed, and nobody else has told. The copies are there. */
static void fill_plain(const struct stat_want *want, const struct memstat_block *block,
		       const struct column *column)
{
	const uint64_t mul = want->mul;
	const uint16_t place = want->place.at[0];
	union value *restrict values = column->values;
	uint8_t *restrict states = column->states;

	for (uint32_t i = 0; i < block->n; i++) {
		const int64_t value = (int64_t)block->copies[i][place];

		values[block->index[i]].u64 = value > 0 ? (uint64_t)value * mul : 0;
		states[block->index[i]] = VALUE_OK;
	}
}

static bool has_all(const struct memstat_block *block)
{
	for (uint32_t i = 0; i < block->n; i++) {
		if (!block->copies[i])
			return false;
	}
	return true;
}

void bpf_memstat_fill(const struct bpf_memstat *memstat, const struct memstat_block *block,
		      struct snapshot *snapshot)
{
	bool all = has_all(block);

	for (uint32_t k = 0; k < memstat->n_wants; k++) {
		const struct stat_want *want = &memstat->wants[k];
		const struct column *column = &snapshot->columns[want->row->id];

		if (all && want->place.n == 1 && !want->second) {
			fill_plain(want, block, column);
			continue;
		}
		for (uint32_t i = 0; i < block->n; i++) {
			uint32_t at = block->index[i];

			if (want->second && column->states[at] == VALUE_OK)
				continue;
			if (!block->copies[i]) {
				column->states[at] = VALUE_DISABLED;
			} else if (want->place.n == 0) {
				column->states[at] = VALUE_ABSENT;
			} else {
				column->values[at].u64 = sum_of(&want->place, block->copies[i]) *
							 want->mul;
				column->states[at] = VALUE_OK;
			}
		}
	}
}
