/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf_latency.h"
#include "collectors/bpf_sample.h"
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
	/*
	 * Loads the programs of the bpf backend for those who go on sampling. What it cannot
	 * supply, or all if it cannot be loaded, comes from the files.
	 */
	bool bpf;
	bool no_bpf; /* nor later, by sampler_use_bpf() */
};

/* What the agent itself cost, since the sampler was made. */
struct sampler_stats {
	uint64_t samples, opens, reads, stats; /* system calls by kind */
	uint64_t read_errors;		       /* other than "no such file" and "gone" */
	uint64_t kept_fds, max_fds, nodes, rebuilds;
	uint64_t last_cpu_ns, last_wall_ns;
	/* Hierarchies, and those of them in which the kernel tells which cgroups came or went. */
	unsigned int hierarchies, watched;
	bool bpf; /* the bpf backend is in use; if not, sampler_bpf() says why */
	struct bpf_sample_stats bpf_stats;
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
/*
 * Uses the bpf backend from now on, or no more; its programs are loaded if they are not yet.
 * Whether it is in use then.
 */
bool sampler_use_bpf(struct sampler *sampler, bool bpf);
/* The bpf backend, or NULL with one line about why there is none in `ret_reason`. Borrowed. */
const struct bpf_sample *sampler_bpf(const struct sampler *sampler, const char **ret_reason);
/*
 * The cgroups, by serial, whose distributions (snapshot.distributions) and columns made from them
 * are wanted from now on, and of which kinds (bits by enum distribution_kind). They need the bpf
 * backend; without it, or beyond BPF_WATCHED_MAX, there are none. 0 or -ENOMEM.
 */
int sampler_watch(struct sampler *sampler, uint32_t kinds, const uint64_t *serials, size_t n);
/* What counts in watched cgroups; NULL with a line why ("" while nobody watched). Borrowed. */
const struct bpf_latency *sampler_latency(const struct sampler *sampler, const char **ret_reason);
/*
 * Loads now what sampler_watch() may need later, for those who give up the right to. Nothing of it
 * runs before somebody watches.
 */
void sampler_load_latency(struct sampler *sampler);
