/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf_status.h"
#include "collectors/hierarchy.h"
#include "core/distribution.h"
#include "core/snapshot.h"

struct walk;

/*
 * Distributions of waiting times and bytes of TCP and UDP, counted by programs in the kernel for
 * watched cgroups (and what is below them) only. Loaded when made; each program runs only while
 * something of it is asked for. The sampler has it: see sampler_watch().
 */
struct bpf_latency;

enum { BPF_WATCHED_MAX = 256 }; /* cgroups; what is beyond is not watched, and counted */

struct bpf_latency_stats {
	uint32_t watched, over; /* cgroups watched now, and asked for beyond the bound */
	uint64_t lost; /* no room in a map, or the program was in use: events of any cgroup */
	uint64_t memory_bytes;
};

/* 0, or -errno with one line in `reason`. Borrows both. */
int bpf_latency_new(const struct root *root, const struct hierarchies *hierarchies,
		    struct bpf_latency **ret_latency, char *reason, size_t size);
void bpf_latency_free(struct bpf_latency *latency);
/*
 * What is asked for from now on: kinds of distributions (bits), bytes of the network, and for which
 * cgroups, by serial. 0 or -errno.
 */
int bpf_latency_want(struct bpf_latency *latency, uint32_t kinds, bool net, const uint64_t *serials,
		     size_t n);
/* Fills the columns of the snapshot that come from here and makes snapshot->distributions. */
int bpf_latency_fill(struct bpf_latency *latency, struct walk *walk, struct snapshot *snapshot);
void bpf_latency_get_stats(const struct bpf_latency *latency, struct bpf_latency_stats *ret_stats);
/* The programs, `*ret_n` of them; borrowed. */
const struct bpf_program_status *bpf_latency_programs(const struct bpf_latency *latency,
						      size_t *ret_n);
