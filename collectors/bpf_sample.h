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
	uint64_t passes, failures, grown; /* grown: passes repeated because the tree had outgrown */
	uint64_t records, by_files;	  /* of the last sample: cgroups read, and left to files */
	uint64_t memory_bytes;		  /* of the maps */
	uint64_t unknown, vanished;	  /* cgroups by which the tree was found to have changed */
	uint64_t last_pass_ns;		  /* CPU time of the last pass */
};

/*
 * Loads the programs. 0, or -errno if there will be no pass: then bpf_sample_reason() of NULL is
 * not needed, `reason` has one line. Borrows both.
 */
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
 * Goes through the plan's hierarchies and those in `also`. What fails is left to the files and
 * counted. Returns the hierarchies that were read: bits by index.
 */
uint32_t bpf_sample_pass(struct bpf_sample *sample, uint32_t also);
/* Compares what was met with the walker's tree and tells it where children came or went. */
int bpf_sample_compare(struct bpf_sample *sample, struct walk *walk);
/*
 * Fills the columns of the plan's marked fields, and sets live.by_files of every cgroup that the
 * pass did not meet or could not tell all about. 0 or -ENOMEM.
 */
int bpf_sample_fill(struct bpf_sample *sample, struct walk *walk, struct snapshot *snapshot);
/*
 * After that, and for nodes in rising order as snapshot_add_part() wants it: the parts of keyed
 * metrics. Not for a cgroup that is read by files.
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
