/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the programs that time and count in watched cgroups (latency.bpf.c, net.bpf.c) and their
 * user agree on. Included by both, as record.h.
 */

#include <linux/types.h>

enum {
	LAT_SLOTS = 256,  /* BPF_WATCHED_MAX */
	LAT_LEVELS = 16,  /* watched cgroups inside each other */
	LAT_KINDS = 5,	  /* DISTRIBUTION_KIND_COUNT, in its order */
	LAT_BUCKETS = 32, /* DISTRIBUTION_BUCKETS */
	LAT_IDS = 65536,  /* watched cgroups and all below them, in all hierarchies */
	LAT_TASKS = 16384,
	LAT_REQUESTS = 8192,
	LAT_STALLS = 4096,
};

enum lat_kind { LAT_RUNQUEUE, LAT_BLOCK_IO, LAT_THROTTLE, LAT_MEMORY_HIGH, LAT_RECLAIM };
enum lat_bytes { LAT_TCP_RX, LAT_TCP_TX, LAT_UDP_RX, LAT_UDP_TX, LAT_BYTES };

/* A cgroup: ids are only unique within their hierarchy (v2 is number 0). */
struct lat_key {
	__u64 id;
	__u32 hierarchy, pad;
};

/* Where it is counted; void if the slot is somebody else's by now (another serial). */
struct lat_watch {
	__u32 slot, serial;
};

struct lat_histogram {
	__u64 buckets[LAT_BUCKETS];
	__u64 sum_ns;
};

/* A wait that goes on: since when (CLOCK_MONOTONIC, ns), whose, and where it will be counted. */
struct lat_started {
	__u64 at;
	struct lat_key key;
	struct lat_watch watch;
};

/* What happened in one watched cgroup and below. */
struct lat_slot {
	__u32 serial; /* 0: free */
	__u32 parent; /* slot + 1 of the watched cgroup that it is in; 0: none */
	struct lat_histogram kinds[LAT_KINDS];
	__u64 bytes[LAT_BYTES];
};

/* Whose cgroup a task's waiting is counted for: by v2, or by a controller of v1. */
struct lat_tree {
	__u32 v2, subsys;
};
