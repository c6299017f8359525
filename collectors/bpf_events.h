/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf_status.h"
#include "collectors/hierarchy.h"
#include "core/kernel_event.h"
#include "core/snapshot.h"

/*
 * Events from programs in the kernel, through one ring buffer. Loaded when made; each program runs
 * only while a kind it tells of is asked for. One thread uses it.
 */
struct bpf_events;

struct bpf_events_stats {
	uint64_t events[KERNEL_EVENT_KIND_COUNT];  /* told so far */
	uint64_t lost;				   /* the ring buffer was full, or no memory */
	uint64_t lost_of[KERNEL_EVENT_KIND_COUNT]; /* of these by the ring buffer, by kind */
	uint64_t lost_here;			   /* no memory to decode it */
	uint64_t namespaces_unknown; /* created beyond what can be remembered: no end is told */
	uint64_t memory_bytes;
};

/* Bits by enum kernel_event_kind. */
#define KERNEL_EVENT_BIT(kind) (UINT32_C(1) << (kind))

/* 0, or -errno with one line in `reason`. Borrows both. */
int bpf_events_new(const struct root *root, const struct hierarchies *hierarchies,
		   struct bpf_events **ret_events, char *reason, size_t size);
void bpf_events_free(struct bpf_events *events);
/* Attaches what tells of these kinds and detaches the rest. Returns the kinds that can be told. */
uint32_t bpf_events_want(struct bpf_events *events, uint32_t kinds);
/* Readable when there is something to read. Owned by it. */
int bpf_events_fd(const struct bpf_events *events);
/*
 * Cgroups and their paths, for events of cgroups that are older than this (a reference is taken).
 * Call it with each new snapshot.
 */
void bpf_events_set_tree(struct bpf_events *events, struct tree *tree);
/* Takes what happened since; never blocks. The caller owns the reference. 0 or -errno. */
int bpf_events_read(struct bpf_events *events, struct kernel_events **ret_events);
void bpf_events_get_stats(const struct bpf_events *events, struct bpf_events_stats *ret_stats);
/* The programs, `*ret_n` of them; borrowed. */
const struct bpf_program_status *bpf_events_programs(const struct bpf_events *events,
						     size_t *ret_n);
/* Why a kind cannot be told, in one line; NULL if it can, or nothing is known against it. */
const char *bpf_events_reason(const struct bpf_events *events, enum kernel_event_kind kind);
