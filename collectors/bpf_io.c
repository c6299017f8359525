// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bpf_io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/bpf/record.h"
#include "collectors/bpf_area.h"
#include "core/cleanup.h"

enum { IO_ROWS_MAX = 6, IO_KINDS = 3 };

/* The rows of core/metrics.def. */
static const struct io_row {
	enum metric_id id;
	bool ios; /* operations, not bytes */
	const char *item;
} io_rows[] = {
#define IS_bytes false
#define IS_ios	 true
#define METRIC(...)
#define BPF_IO(id, member, item) { M_##id, IS_##member, item },
#include "core/metrics.def"
#undef BPF_IO
#undef METRIC
};

/* A row that the plan wants. */
struct io_want {
	enum metric_id id;
	bool ios;
	uint8_t at;
};

/* The devices of a record in the area. */
struct io_span {
	uint32_t first, n;
};

struct io_place {
	uint32_t record;
	bool met, off;
};

struct bpf_io {
	const char *missing;		/* what the kernel has not; NULL: nothing */
	int8_t at[ARRAY_SIZE(io_rows)]; /* which of the numbers; -1: none */
	struct io_want wants[IO_ROWS_MAX];
	uint32_t n_wants;
	const struct bpf_area *area;
	struct io_span *spans; /* by record */
	uint32_t n_spans, spans_capacity;
	struct io_place *places; /* by node */
	uint32_t n, capacity;
	/* Names of devices, as few as there are. */
	struct io_device {
		uint32_t major, minor;
		const char *name;
	} * devices;
	size_t n_devices;
};

int bpf_io_new(const struct bpf_kernel *kernel, struct bpf_io **ret_io)
{
	static const char *const needs[] = { "blkcg.blkg_list",	   "blkcg_gq.blkcg_node",
					     "blkcg_gq.online",	   "blkcg_gq.iostat.cur.bytes",
					     "request_queue.disk", "gendisk.first_minor",
					     "gendisk.bdi" };
	struct bpf_io *io = calloc(1, sizeof(*io));

	if (!io)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(needs) && !io->missing; i++) {
		if (!bpf_kernel_has(kernel, needs[i]))
			io->missing = needs[i];
	}
	for (size_t i = 0; i < ARRAY_SIZE(io_rows); i++) {
		int64_t at;

		io->at[i] = -1;
		if (bpf_kernel_enum(kernel, "blkg_iostat_type", io_rows[i].item, &at) && at >= 0 &&
		    at < IO_KINDS)
			io->at[i] = (int8_t)at;
		else if (!io->missing)
			io->missing = io_rows[i].item;
	}
	*ret_io = io;
	return 0;
}

void bpf_io_free(struct bpf_io *io)
{
	if (!io)
		return;
	free(io->spans);
	free(io->places);
	free(io->devices);
	free(io);
}

bool bpf_io_can(const struct bpf_io *io, bool v2, const char **ret_reason)
{
	*ret_reason = !v2 ? "v1 sums it up by CPU and cgroup when the file is read" : io->missing;
	return v2 && !io->missing;
}

static int find_row(enum metric_id id)
{
	for (size_t i = 0; i < ARRAY_SIZE(io_rows); i++) {
		if (io_rows[i].id == id)
			return (int)i;
	}
	return -1;
}

bool bpf_io_knows(enum metric_id id)
{
	return find_row(id) >= 0;
}

void bpf_io_plan_begin(struct bpf_io *io)
{
	io->n_wants = 0;
	io->n = 0;
	io->n_devices = 0;
}

bool bpf_io_plan(struct bpf_io *io, bool v2, const struct plan_file *file)
{
	const char *reason;

	if (!bpf_io_can(io, v2, &reason) || io->n_wants || file->n_fields > IO_ROWS_MAX)
		return false;
	for (size_t i = 0; i < file->n_fields; i++) {
		if (find_row(file->fields[i].id) < 0)
			return false;
	}
	for (size_t i = 0; i < file->n_fields; i++) {
		int row = find_row(file->fields[i].id);

		io->wants[io->n_wants++] = (struct io_want){ io_rows[row].id, io_rows[row].ios,
							     (uint8_t)io->at[row] };
	}
	return io->n_wants > 0;
}

int bpf_io_keep(struct bpf_io *io, const struct bpf_area *area, const struct cg_record *records,
		uint32_t n)
{
	io->area = area;
	io->n_spans = 0;
	if (n > io->spans_capacity) {
		uint32_t capacity = n + n / 4;
		struct io_span *spans = realloc(io->spans, capacity * sizeof(*spans));

		if (!spans)
			return -ENOMEM;
		io->spans = spans;
		io->spans_capacity = capacity;
	}
	for (uint32_t i = 0; i < n; i++)
		io->spans[i] = records[i].parts >> BPF_PART_IO & 1
				       ? (struct io_span){ records[i].first_io, records[i].n_io }
				       : (struct io_span){ 0, 0 };
	io->n_spans = n;
	return 0;
}

bool bpf_io_is_whole(const struct bpf_io *io, uint32_t record)
{
	const struct io_span *span = &io->spans[record];

	return record < io->n_spans &&
	       (span->n == 0 || (uint64_t)span->first + span->n <= io->area->capacity);
}

int bpf_io_begin(struct bpf_io *io, uint32_t n)
{
	if (n > io->capacity) {
		uint32_t capacity = n + n / 4;
		struct io_place *places = realloc(io->places, capacity * sizeof(*places));

		if (!places)
			return -ENOMEM;
		io->places = places;
		io->capacity = capacity;
	}
	io->n = n;
	if (n > 0)
		memset(io->places, 0, n * sizeof(*io->places));
	return 0;
}

void bpf_io_found(struct bpf_io *io, uint32_t node, uint32_t record, bool off)
{
	if (node < io->n && record < io->n_spans)
		io->places[node] = (struct io_place){ record, true, off };
}

static const char *name_of(struct bpf_io *io, struct devices *devices, const struct cg_io *entry)
{
	struct io_device *grown;
	char text[32];
	int length;

	for (size_t i = 0; i < io->n_devices; i++) {
		if (io->devices[i].major == entry->major && io->devices[i].minor == entry->minor)
			return io->devices[i].name;
	}
	length = snprintf(text, sizeof(text), "%u:%u", entry->major, entry->minor);
	grown = realloc(io->devices, (io->n_devices + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	io->devices = grown;
	grown[io->n_devices] =
		(struct io_device){ entry->major, entry->minor,
				    devices_name(devices, (struct span){ text, text + length }) };
	if (!grown[io->n_devices].name)
		return NULL;
	return grown[io->n_devices++].name;
}

/* One device's numbers: a part each, and added to the cell, which is their sum. */
static void put_device(struct bpf_io *io, struct devices *devices, struct snapshot *snapshot,
		       uint32_t node, const struct cg_io *entry)
{
	const char *name = name_of(io, devices, entry);

	for (uint32_t i = 0; name && i < io->n_wants; i++) {
		const struct io_want *want = &io->wants[i];
		uint64_t value = want->ios ? entry->ios[want->at] : entry->bytes[want->at];
		struct part part = { node, want->id, name, VALUE_OK, { .u64 = value } };
		union value sum;

		if (!snapshot_add_part(snapshot, &part))
			return;
		if (snapshot_get(snapshot, want->id, node, &sum) == VALUE_OK)
			value += sum.u64;
		snapshot_set(snapshot, want->id, node, (union value){ .u64 = value });
	}
}

void bpf_io_put(struct bpf_io *io, struct devices *devices, struct snapshot *snapshot,
		uint32_t node)
{
	const struct io_place *place = node < io->n ? &io->places[node] : NULL;
	struct io_span span;

	if (!place || !place->met)
		return;
	span = io->spans[place->record];
	for (uint32_t i = 0; i < io->n_wants; i++) {
		enum metric_id id = io->wants[i].id;

		/* No line for any device: nothing happened. */
		if (place->off)
			snapshot_set_state(snapshot, id, node, VALUE_DISABLED);
		else
			snapshot_set(snapshot, id, node, (union value){ .u64 = 0 });
	}
	for (uint32_t i = 0; i < span.n; i++)
		put_device(io, devices, snapshot, node, bpf_area_entry(io->area, span.first + i));
}
