/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "collectors/bpf_kernel.h"
#include "collectors/bpf_sample.h"
#include "collectors/plan.h"

/*
 * memory.stat in the sampling pass: the kernel's arrays are copied as they are, and the rows of
 * core/metrics.def (BPF_STAT) say which of their numbers make a metric. Which keys a kernel prints
 * depends on its configuration: what its own file for the root has decides.
 */
struct bpf_memstat;

/*
 * Finds out where this kernel keeps the numbers. 0 or -ENOMEM; if it does not say where, there is
 * nothing that it supplies, and bpf_memstat_reason() says why.
 */
int bpf_memstat_new(const struct bpf_kernel *kernel, struct bpf_memstat **ret_memstat);
void bpf_memstat_free(struct bpf_memstat *memstat);
/* Bytes of one cgroup's copy; 0 if there is nothing to copy. */
uint32_t bpf_memstat_size(const struct bpf_memstat *memstat);
/* Where the copy begins in the kernel's struct. */
uint32_t bpf_memstat_at(const struct bpf_memstat *memstat);
/* Whether it can tell the metric; if not, `*ret_reason` is one line about why. */
bool bpf_memstat_can(const struct bpf_memstat *memstat, enum metric_id id, const char **ret_reason);
/* The metric is one of memory.stat's. */
bool bpf_memstat_knows(enum metric_id id);

/* Forgets the plan. */
void bpf_memstat_plan_begin(struct bpf_memstat *memstat);
/*
 * Whether the field of that file of the plan can come from the pass: as a number, or as one that
 * this kernel does not print.
 */
bool bpf_memstat_has(struct bpf_memstat *memstat, const struct hierarchy *hierarchy,
		     const struct plan_file *file, const struct plan_field *field);
/* The same that it does so from now on. 0 or -ENOMEM. */
int bpf_memstat_plan(struct bpf_memstat *memstat, const struct plan_file *file,
		     const struct plan_field *field);

enum { MEMSTAT_BLOCK = 32 };

/* Cgroups whose columns are filled together. */
struct memstat_block {
	uint32_t n;
	uint32_t index[MEMSTAT_BLOCK];
	const uint64_t *copies[MEMSTAT_BLOCK]; /* NULL: the controller is off */
};

/* Fills the columns of the plan's metrics for the cgroups of the block. */
void bpf_memstat_fill(const struct bpf_memstat *memstat, const struct memstat_block *block,
		      struct snapshot *snapshot);
