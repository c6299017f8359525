/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/hierarchy.h"
#include "core/inventory.h"
#include "core/snapshot.h"

/*
 * Takes snapshots of every cgroup of the machine. One thread uses a sampler; the snapshots it
 * returns may be read by any.
 */
struct sampler;

struct sampler_options {
	unsigned int max_fds; /* descriptors it may keep open; 0: from RLIMIT_NOFILE */
};

/* What the agent itself cost, since the sampler was made. */
struct sampler_stats {
	uint64_t samples, opens, reads, stats; /* system calls by kind */
	uint64_t read_errors;		       /* other than "no such file" and "gone" */
	uint64_t kept_fds, max_fds, nodes, rebuilds;
	uint64_t last_cpu_ns, last_wall_ns;
	/* Hierarchies, and those of them in which the kernel tells which cgroups came or went. */
	unsigned int hierarchies, watched;
};

/* Borrows `root`. -errno; -ENOENT if no cgroup filesystem is mounted. */
int sampler_new(const struct root *root, const struct sampler_options *options,
		struct sampler **ret_sampler);
void sampler_free(struct sampler *sampler);
const struct hierarchies *sampler_hierarchies(const struct sampler *sampler);
/*
 * One sample of the `wanted` columns (it is closed over what they need). Rates refer to the sample
 * before. The caller owns the reference in `ret_snapshot`. 0 or -errno.
 */
int sampler_sample(struct sampler *sampler, const struct metric_set *wanted,
		   struct snapshot **ret_snapshot);
/*
 * The inventory that samples carry from now on (a reference is taken; NULL: none). Columns that are
 * made from it (METRIC rows with an `inventory` part) are VALUE_ABSENT without it.
 */
void sampler_set_inventory(struct sampler *sampler, struct inventory *inventory);
void sampler_get_stats(const struct sampler *sampler, struct sampler_stats *ret_stats);
