/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf_area.h"
#include "collectors/bpf_fields.h"
#include "collectors/bpf_io.h"
#include "collectors/bpf_memstat.h"
#include "collectors/bpf_sample.h"
#include "collectors/plan.h"
#include "collectors/walk.h"

/*
 * What the files of the sampling pass share: bpf_sample.c (programs, the map, passes),
 * bpf_sample_plan.c (which fields), bpf_sample_locate.c (which cgroup a record is of) and
 * bpf_sample_fill.c (columns).
 */

/*
 * The memory that the kernel writes to. There is one, which the hierarchies use in turn: what is
 * wanted of a record is copied out before the next hierarchy, but for the last one, which is the
 * one with most to copy. On v2 nothing is copied.
 */
struct bpf_records {
	int fd;
	uint32_t capacity;
	size_t bytes;
	struct cg_record *list;
	uint32_t largest;     /* cgroups of a hierarchy in the last sample */
	unsigned int n_roomy; /* samples in a row that needed little of it */
};

struct bpf_block;
/* Writes one value of each record of the block, scaled, into a column. */
typedef void bpf_fill(const struct bpf_scale *scale, const struct bpf_block *block, size_t slot,
		      const struct column *column);

/* A field of the plan that the records of a hierarchy have. */
struct bpf_row {
	const struct bpf_field *field;
	struct bpf_scale scale;
	bpf_fill *fill;
	bool second; /* another hierarchy may have told already */
};

/* The cgroup of one record of the last pass: the order of the kernel rarely changes. */
struct bpf_place {
	uint64_t id;
	struct live *live; /* NULL: the tree has it not */
	uint32_t index;	   /* of it in the tree of `generation` */
	uint32_t name;	   /* hash */
	uint32_t parts, ask;
	bool root; /* of the machine: its numbers are kept elsewhere */
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

struct bpf_hierarchy {
	struct bpf_link *link;
	uint32_t want; /* parts */
	struct bpf_row *rows;
	uint32_t n_rows;
	struct bpf_index index;
	struct bpf_place *places;
	uint32_t n, found, capacity;
	uint64_t generation; /* of the tree that `live` and `index` speak of; 0: of none */
	uint64_t *copy;	     /* n_rows values a record, or unused */
	size_t copy_size;
	int error;			 /* of the last pass, told already */
	const struct cg_record *records; /* NULL: they are in `copy` */
};

struct bpf_sample {
	const struct root *root;
	const struct hierarchies *hierarchies;
	struct sample_bpf *skeleton;
	struct bpf_program_status program;
	uint32_t built, subsys[BPF_PART_COUNT];
	int flush;
	bool rdonly_cast, rcu;
	bool has_field[SLOT_COUNT];
	bool absent[SLOT_COUNT]; /* no file of this kernel has it */
	uint32_t can, mask, read;
	struct bpf_records records;
	struct bpf_memstat *memstat;
	struct bpf_io *io;
	struct bpf_area memstats, ios; /* beside the records */
	struct bpf_hierarchy list[HIERARCHY_MAX];
	unsigned int order[HIERARCHY_MAX]; /* of passes */
	uint32_t *asks;			   /* parts by index of the tree */
	uint32_t asks_capacity;
	struct bpf_sample_stats stats;
};

/*
 * Remembers the `n` records in the map as the last pass of hierarchy `h`, finds their cgroups in
 * the walker's tree (if it has one yet), and tells it where children came or went. 0 or -ENOMEM.
 */
int bpf_sample_meet(struct bpf_sample *sample, struct walk *walk, unsigned int h, uint32_t n,
		    bool complete);
/* Finds the cgroups again if the tree is another one than at the pass. 0 or -ENOMEM. */
int bpf_sample_locate(struct bpf_sample *sample, struct walk *walk, unsigned int h);
/* Calls for each cgroup of the tree that has an id in `h` and was not met. 0 or -ENOMEM. */
int bpf_sample_each_missing(struct bpf_sample *sample, struct walk *walk, unsigned int h,
			    void (*function)(struct bpf_sample *sample, struct live *live,
					     unsigned int h));
/* Copies the values of the rows out of the map. 0 or -ENOMEM. */
int bpf_sample_copy(struct bpf_sample *sample, unsigned int h);
/* How a number that no file of this kernel has gets into a column. */
bpf_fill bpf_fill_absent;
/* How values of that scale get into a column. */
bpf_fill *bpf_fill_of(const struct bpf_scale *scale);
