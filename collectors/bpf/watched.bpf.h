/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#pragma once

/* Which cgroups are watched, and where what happens in them is counted. */

#include "collectors/bpf/kernel.bpf.h"

#include "collectors/bpf/latency.h"

/* Set before loading. */
const volatile struct lat_tree cpu_tree = { .v2 = 1 };
const volatile struct lat_tree memory_tree = { .v2 = 1 };
const volatile struct lat_tree net_tree = { .v2 = 1 };

__u64 lost = 0; /* no room in a map */

/* Grows with use: most machines watch few. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LAT_IDS);
	__type(key, struct lat_key);
	__type(value, struct lat_watch);
} watched SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LAT_SLOTS);
	__type(key, u32);
	__type(value, struct lat_slot);
} slots SEC(".maps");

static __always_inline void count_lost(void)
{
	__sync_fetch_and_add(&lost, 1);
}

static __always_inline struct cgroup___wait *cgroup_of(struct task_struct___wait *task,
						       const volatile struct lat_tree *tree)
{
	struct css_set___wait *set = task->cgroups;
	struct cgroup_subsys_state___wait **list, *css;

	if (tree->v2)
		return set->dfl_cgrp;
	list = (void *)set + bpf_core_field_offset(struct css_set___wait, subsys);
	css = list[tree->subsys];
	return css ? css->cgroup : NULL;
}

static __always_inline struct lat_key key_of(struct cgroup___wait *cgrp)
{
	return (struct lat_key){ .id = cgrp->kn->id, .hierarchy = (u32)cgrp->root->hierarchy_id };
}

static __always_inline struct lat_slot *slot_of_watch(const struct lat_watch *watch)
{
	u32 at = watch->slot;
	struct lat_slot *slot = bpf_map_lookup_elem(&slots, &at);

	return slot && slot->serial == watch->serial ? slot : NULL;
}

static __always_inline struct lat_slot *slot_of_key(struct lat_key *key)
{
	struct lat_watch *watch = bpf_map_lookup_elem(&watched, key);

	return watch ? slot_of_watch(watch) : NULL;
}

static __always_inline struct lat_slot *slot_of(struct cgroup___wait *cgrp)
{
	struct lat_key key;

	if (!cgrp)
		return NULL;
	key = key_of(cgrp);
	return slot_of_key(&key);
}

static __always_inline struct lat_slot *slot_above(const struct lat_slot *slot)
{
	u32 at = slot->parent;

	if (!at)
		return NULL;
	at--;
	return bpf_map_lookup_elem(&slots, &at);
}

/* The first bucket whose bound, 2^i us, is not below the time. */
static __always_inline u32 bucket_of(u64 ns)
{
	u64 us = (ns + 999) / 1000;
	u32 rest, bucket = 0, step;

	if (us > 1ULL << 30)
		return LAT_BUCKETS - 1;
	if (us <= 1)
		return 0;
	rest = (u32)us - 1;
	step = (rest > 0xffff) << 4, rest >>= step, bucket |= step;
	step = (rest > 0xff) << 3, rest >>= step, bucket |= step;
	step = (rest > 0xf) << 2, rest >>= step, bucket |= step;
	step = (rest > 0x3) << 1, rest >>= step, bucket |= step;
	return (bucket | rest >> 1) + 1;
}

static __noinline int count_time(struct lat_slot *slot, u32 kind, u64 ns)
{
	u32 bucket = bucket_of(ns) & (LAT_BUCKETS - 1);

	if (kind >= LAT_KINDS)
		return 0;
	for (int i = 0; slot && i < LAT_LEVELS; i++) {
		__sync_fetch_and_add(&slot->kinds[kind].buckets[bucket], 1);
		__sync_fetch_and_add(&slot->kinds[kind].sum_ns, ns);
		slot = slot_above(slot);
	}
	return 0;
}

static __noinline int count_bytes(struct lat_slot *slot, u32 which, u64 bytes)
{
	if (which >= LAT_BYTES)
		return 0;
	for (int i = 0; slot && i < LAT_LEVELS; i++) {
		__sync_fetch_and_add(&slot->bytes[which], bytes);
		slot = slot_above(slot);
	}
	return 0;
}
