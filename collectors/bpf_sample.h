/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf_status.h"
#include "collectors/hierarchy.h"
#include "core/snapshot.h"

struct devices;
struct live;
struct plan;
struct walk;

/*
 * The bpf backend's sampling pass: the kernel writes one record a cgroup of a hierarchy into memory
 * that we share with it (collectors/bpf/sample.bpf.c). Three system calls a hierarchy, whatever the
 * number of cgroups. One thread uses it. What it cannot supply comes from the files.
 */
struct bpf_sample;

struct bpf_sample_stats {
	uint64_t passes, failures;  /* a hierarchy each */
	uint64_t grown, shrunk;	    /* times that the map was made anew for the tree's size */
	uint64_t records, by_files; /* of the last sample: cgroups read, and left to files */
	uint64_t memory_bytes;	    /* of the maps */
	uint64_t unknown, vanished; /* cgroups by which the tree was found to have changed */
	/* CPU time of the last sample: passes with the comparison, and filling columns. */
	uint64_t last_pass_ns, last_fill_ns;
};

/* Loads the programs. 0, or -errno with one line in `reason`: there is no pass. Borrows both. */
int bpf_sample_new(const struct root *root, const struct hierarchies *hierarchies,
		   struct bpf_sample **ret_sample, char *reason, size_t size);
void bpf_sample_free(struct bpf_sample *sample);
/* Marks the fields and files of the plan that the pass supplies from now on. 0 or -ENOMEM. */
int bpf_sample_plan(struct bpf_sample *sample, struct plan *plan);
/* Hierarchies that the pass goes through for the plan: bits by index. */
uint32_t bpf_sample_mask(const struct bpf_sample *sample);
/* Hierarchies that it can go through at all. */
uint32_t bpf_sample_can(const struct bpf_sample *sample);
/*
 * Goes through the plan's hierarchies and those in `also`, compares what it meets with the walker's
 * tree and tells it where children came or went. What fails is left to the files and counted.
 * Returns the hierarchies that were read to their end: bits by index.
 */
uint32_t bpf_sample_pass(struct bpf_sample *sample, struct walk *walk, uint32_t also);
/*
 * Fills the columns of the plan's marked fields from the last pass, as far as it met the cgroups
 * and could tell about them; the rest is in bpf_sample_asks(). 0 or -ENOMEM.
 */
int bpf_sample_fill(struct bpf_sample *sample, struct walk *walk, struct snapshot *snapshot);
/*
 * What is left to the files, by index of the tree that was filled last: bits by enum bpf_part, as
 * in plan_file.bpf_parts. Borrowed, until the next pass.
 */
const uint32_t *bpf_sample_asks(const struct bpf_sample *sample);
/*
 * After that, and for nodes in rising order as snapshot_add_part() wants it: the parts of keyed
 * metrics, as far as they are not left to the files.
 */
void bpf_sample_put_parts(struct bpf_sample *sample, struct devices *devices,
			  struct snapshot *snapshot, uint32_t node);
void bpf_sample_get_stats(const struct bpf_sample *sample, struct bpf_sample_stats *ret_stats);
/* The programs, `*ret_n` of them; borrowed. */
const struct bpf_program_status *bpf_sample_programs(const struct bpf_sample *sample,
						     size_t *ret_n);
/* Where each metric of the table comes from in each hierarchy that could have it. Free the list. */
int bpf_sample_metrics(const struct bpf_sample *sample, struct bpf_metric_status **ret_list,
		       size_t *ret_n);
