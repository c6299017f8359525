/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf_area.h"
#include "collectors/bpf_fields.h"
#include "collectors/bpf_io.h"
#include "collectors/bpf_memstat.h"
#include "collectors/bpf_sample.h"
#include "collectors/plan.h"
#include "collectors/walk.h"

/* What bpf_sample.c (programs and passes) and bpf_sample_fill.c (columns) share. */

struct bpf_records {
	int fd;
	uint32_t capacity, n;
	size_t bytes;
	struct cg_record *list;
};

/* A field of the plan that the records of a hierarchy have. */
struct bpf_row {
	const struct bpf_field *field;
	struct bpf_scale scale;
	bool second; /* another hierarchy may have told already */
	bool absent; /* no file of this kernel has it */
};

struct bpf_place {
	uint64_t id;
	struct live *live; /* NULL: the tree has it not */
};

struct bpf_bucket {
	uint64_t id; /* 0: empty */
	struct live *live;
};

/* From ids of a hierarchy to cgroups of the tree of that generation. */
struct bpf_index {
	uint64_t generation;
	uint32_t n;
	size_t size; /* a power of two */
	struct bpf_bucket *buckets;
};

struct bpf_sample {
	const struct root *root;
	const struct hierarchies *hierarchies;
	struct sample_bpf *skeleton;
	struct bpf_program_status program;
	uint32_t built, subsys[BPF_PART_COUNT];
	int flush;
	bool rdonly_cast, rcu;
	bool has_field[SLOT_COUNT], absent[SLOT_COUNT];
	struct bpf_link *links[HIERARCHY_MAX];
	uint32_t can, mask, read;
	uint32_t want[HIERARCHY_MAX]; /* parts by hierarchy */
	struct bpf_records records[HIERARCHY_MAX];
	struct bpf_memstat *memstat;
	struct bpf_area_kind memstat_kind;
	struct bpf_area memstats[HIERARCHY_MAX]; /* beside the records */
	struct bpf_io *io;
	struct bpf_area_kind io_kind;
	struct bpf_area ios[HIERARCHY_MAX]; /* devices, in the order of the records */
	struct bpf_row *rows[HIERARCHY_MAX];
	uint32_t n_rows[HIERARCHY_MAX];
	struct bpf_index index[HIERARCHY_MAX];
	/* The cgroup of each record of the last pass: the order of the kernel rarely changes. */
	struct bpf_at {
		struct bpf_place *list;
		uint32_t n, capacity;
		uint64_t generation;
	} at[HIERARCHY_MAX];
	struct bpf_sample_stats stats;
};
