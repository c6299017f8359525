/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/metric.h"

struct snapshot;

/*
 * How long something took in one cgroup, counted by the kernel in buckets (collectors/bpf/). Only
 * of cgroups that somebody asked for: "watched". A kind is a row of a table (distribution.c).
 */
enum distribution_kind {
	DISTRIBUTION_RUNQUEUE,	  /* from being runnable to running */
	DISTRIBUTION_BLOCK_IO,	  /* from issuing a request to its end */
	DISTRIBUTION_THROTTLE,	  /* a run queue throttled by the CPU quota */
	DISTRIBUTION_MEMORY_HIGH, /* a task held back above memory.high */
	DISTRIBUTION_RECLAIM,	  /* direct reclaim by a task */
	DISTRIBUTION_KIND_COUNT,
};

/* Beside the bits of kinds: bytes of TCP and UDP. */
enum { DISTRIBUTION_NET = 1 << DISTRIBUTION_KIND_COUNT };

/* What the rows of bytes are of: METRIC rows with WATCHED_BYTES. */
enum traffic_kind { TRAFFIC_TCP_RX, TRAFFIC_TCP_TX, TRAFFIC_UDP_RX, TRAFFIC_UDP_TX, TRAFFIC_COUNT };

/* Bucket i counts what took at most distribution_bound_ns(i): 1 us, 2 us, … 2^30 us, and the rest.
 */
enum { DISTRIBUTION_BUCKETS = 32 };

struct distribution {
	uint64_t buckets[DISTRIBUTION_BUCKETS]; /* each by itself, not cumulative */
	uint64_t count, sum_ns;
};

/* Of one watched cgroup: since it is watched, and over the last interval. */
struct distribution_entry {
	uint32_t node; /* index in the snapshot's tree */
	enum distribution_kind kind;
	bool first; /* watched since now: there is no interval yet */
	struct distribution total, interval;
};

/* Immutable, shared by reference; in the order of nodes, then kinds. */
struct distributions {
	atomic_int refs;
	size_t n;
	uint32_t missing; /* kinds that this kernel cannot tell: bits by enum distribution_kind */
	struct distribution_entry list[];
};

/* With room for `n` entries, all 0, and one reference, the caller's. NULL: no memory. */
struct distributions *distributions_new(size_t n);
struct distributions *distributions_ref(struct distributions *distributions);
void distributions_unref(struct distributions *distributions);
/* NULL if that cgroup is not watched, or the kernel cannot tell. */
const struct distribution_entry *distributions_find(const struct distributions *distributions,
						    uint32_t node, enum distribution_kind kind);

/* "runqueue", "block_io", "throttle", "memory_high", "reclaim" */
const char *distribution_name(enum distribution_kind kind);
/* For people: "run queue", …, and a sentence about it. */
const char *distribution_title(enum distribution_kind kind);
const char *distribution_help(enum distribution_kind kind);
/* The upper bound of a bucket; UINT64_MAX for the last. */
uint64_t distribution_bound_ns(unsigned int bucket);
/*
 * The time that `share` (0 to 1) of the events stayed at or below, interpolated within its bucket.
 * False if there were none.
 */
bool distribution_quantile(const struct distribution *distribution, double share, double *ret_ns);
/* What was added from `before` to `now`. */
void distribution_difference(const struct distribution *now, const struct distribution *before,
			     struct distribution *ret_difference);
/*
 * Fills the wanted columns of waiting times from snapshot->distributions. Where nobody watches, and
 * in the columns of traffic, the state is `otherwise`.
 */
void distributions_fill(struct snapshot *snapshot, enum value_state otherwise);
