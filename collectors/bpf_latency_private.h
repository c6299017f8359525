/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf/latency.h"
#include "collectors/bpf_latency.h"

/* What bpf_latency.c (who is watched, what came of it) and bpf_latency_load.c (programs) share. */

struct bpf_kernel;

enum { LATENCY_PROGRAMS = 25 };

/* For which a program is: bits by enum distribution_kind, and these. */
enum { LATENCY_NET = 1 << DISTRIBUTION_KIND_COUNT, LATENCY_TREE = LATENCY_NET << 1 };

/* A cgroup id in the kernel's map, and where it is counted. */
struct latency_id {
	struct lat_key key;
	struct lat_watch watch;
};

struct latency_ids {
	struct latency_id *list; /* sorted by key */
	size_t n, capacity;
};

/* A slot of the kernel's array as its user keeps it. */
struct latency_slot {
	uint64_t serial; /* of the cgroup; 0: free */
	uint32_t node;	 /* in the tree of `generation` */
	uint32_t level;	 /* watched cgroups that it is in */
	bool seen;	 /* it was looked at once: there is an interval */
	struct lat_slot last;
};

struct bpf_latency {
	const struct root *root;
	const struct hierarchies *hierarchies;
	struct latency_bpf *skeleton;
	struct bpf_program_status programs[LATENCY_PROGRAMS];
	/* Which row of the table each is: those that this kernel needs another one for are not
	 * there. */
	uint8_t row[LATENCY_PROGRAMS];
	size_t n_programs;
	struct bpf_link *links[LATENCY_PROGRAMS];
	int fds[LATENCY_PROGRAMS];		     /* of those that are loaded */
	int64_t subsys[DISTRIBUTION_KIND_COUNT + 1]; /* numbers of their controllers */
	bool high_before;			     /* memory.high: the function of up to 6.7 */
	uint32_t can;	  /* what this kernel can tell: kinds and LATENCY_NET */
	uint32_t wanted;  /* what somebody asks for */
	uint32_t running; /* what is attached */
	/* The hierarchy that each kind goes by; the last is for bytes. */
	int hierarchy[DISTRIBUTION_KIND_COUNT + 1];
	uint32_t hierarchy_id[HIERARCHY_MAX];
	uint64_t *serials; /* watched, sorted */
	size_t n_serials;
	uint64_t generation; /* of the tree that ids and nodes are of */
	bool changed;	     /* who is watched, or what */
	struct lat_slot *shared;
	size_t shared_bytes;
	struct latency_slot slots[LAT_SLOTS];
	struct latency_ids ids;
	uint32_t next_serial;
	struct bpf_latency_stats stats;
};

/* Loads the programs; those that cannot be have a reason. 0, or -errno if there are none at all. */
int bpf_latency_load(struct bpf_latency *latency, char *reason, size_t size);
/* Attaches the programs that are for something in `wanted` and detaches the rest. */
void bpf_latency_attach(struct bpf_latency *latency, uint32_t wanted);
/* Counts waits as lost whose end will not be seen any more. */
void bpf_latency_give_up(struct bpf_latency *latency);
void bpf_latency_unload(struct bpf_latency *latency);
/* The kernel's map of ids, and what did not find room in its maps. */
int bpf_latency_map(const struct bpf_latency *latency);
uint64_t bpf_latency_lost(const struct bpf_latency *latency);
