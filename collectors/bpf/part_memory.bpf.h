/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#pragma once

/* Parts memory, memory1, memory2, memevents and memlocal of the sampling pass. */

#include "collectors/bpf/fields.bpf.h"

/* What the three functions have in common; each has rows of its own. */
#define METRIC(...)
#define BPF_VALUE(part, id, needs, op)
#define BPF_FIELD(part, id, member, op) BPF_READ_##part(id, member)
#define BPF_READ_cgroup(id, member)
#define BPF_READ_cpu(id, member)
#define BPF_READ_pids(id, member)

#define BPF_READ_memory(id, member) READ_IF_THERE(mem_cgroup, css, id, member)
static __always_inline void read_memory(struct cgroup_subsys_state *css, struct cg_record *record)
{
#include "core/metrics.def"
}
#undef BPF_READ_memory
#define BPF_READ_memory(id, member)

#undef BPF_READ_memory1
#define BPF_READ_memory1(id, member) READ_IF_THERE(mem_cgroup, css, id, member)
static __always_inline void read_memory1(struct cgroup_subsys_state *css, struct cg_record *record)
{
#include "core/metrics.def"
	record->values[SLOT_MEMORY_USE_HIERARCHY] = 1; /* always, from 5.11 on (bef8620cd8e0) */
	record->values[SLOT_MEMORY_MOVE_CHARGE] = 0;   /* always, from 6.13 on */
	READ_IF_THERE(mem_cgroup, css, MEMORY_MOVE_CHARGE, move_charge_at_immigrate)
	if (bpf_core_field_exists(((struct mem_cgroup *)0)->under_oom))
		record->values[SLOT_MEMORY_UNDER_OOM] = READ_FIELD(struct mem_cgroup, css,
								   under_oom) != 0;
}
#undef BPF_READ_memory1
#define BPF_READ_memory1(id, member)

#undef BPF_READ_memory2
#define BPF_READ_memory2(id, member) READ_IF_THERE(mem_cgroup, css, id, member)
static __always_inline void read_memory2(struct cgroup_subsys_state *css, struct cg_record *record)
{
#include "core/metrics.def"
	READ_IF_THERE(mem_cgroup, css, MEMORY_SWAP_CURRENT, swap.usage.counter)
	READ_IF_THERE(mem_cgroup, css, MEMORY_SWAP_HIGH, swap.high)
	READ_IF_THERE(mem_cgroup, css, MEMORY_SWAP_MAX, swap.max)
	READ_IF_THERE(mem_cgroup, css, MEMORY_SWAP_PEAK, swap.watermark)
	READ_IF_THERE(mem_cgroup, css, MEMORY_ZSWAP_MAX, zswap_max)
	READ_IF_THERE(mem_cgroup, css, MEMORY_ZSWAP_WRITEBACK, zswap_writeback)
}
#undef BPF_READ_memory2
#define BPF_READ_memory2(id, member)

#undef BPF_READ_memory
#undef BPF_READ_cgroup
#undef BPF_READ_cpu
#undef BPF_READ_pids
#undef BPF_FIELD
#undef BPF_VALUE
#undef METRIC

/* One of the numbers in an array of the kernel's by enum memcg_memory_event. */
#define MEMORY_EVENT(slot, event)                                                  \
	if (bpf_core_enum_value_exists(enum memcg_memory_event, event)) {          \
		u64 at_ = bpf_core_enum_value(enum memcg_memory_event, event);     \
                                                                                   \
		record->values[slot] = at_ < MEMORY_EVENTS_ROOM ? events[at_] : 0; \
	}

enum { MEMORY_EVENTS_ROOM = 16 };

/* The whole array in one go: on 6.1 each reading of a controller's state is a call. */
#define MEMORY_EVENTS_READ(member)                                                   \
	u64 events[MEMORY_EVENTS_ROOM] = {};                                         \
	u32 size = bpf_core_field_size(((struct mem_cgroup *)0)->member);            \
                                                                                     \
	bpf_probe_read_kernel(events, size < sizeof(events) ? size : sizeof(events), \
			      (void *)css + bpf_core_field_offset(struct mem_cgroup, member));

static __always_inline void read_memevents(struct cgroup_subsys_state *css,
					   struct cg_record *record)
{
	MEMORY_EVENTS_READ(memory_events)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_LOW, MEMCG_LOW)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_HIGH, MEMCG_HIGH)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_MAX, MEMCG_MAX)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_OOM, MEMCG_OOM)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_OOM_KILL, MEMCG_OOM_KILL)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_OOM_GROUP_KILL, MEMCG_OOM_GROUP_KILL)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_SOCK_THROTTLED, MEMCG_SOCK_THROTTLED)
	MEMORY_EVENT(SLOT_MEMORY_SWAP_EVENTS_HIGH, MEMCG_SWAP_HIGH)
	MEMORY_EVENT(SLOT_MEMORY_SWAP_EVENTS_MAX, MEMCG_SWAP_MAX)
	MEMORY_EVENT(SLOT_MEMORY_SWAP_EVENTS_FAIL, MEMCG_SWAP_FAIL)
}

static __always_inline void read_memlocal(struct cgroup_subsys_state *css, struct cg_record *record)
{
	MEMORY_EVENTS_READ(memory_events_local)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_LOCAL_LOW, MEMCG_LOW)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_LOCAL_HIGH, MEMCG_HIGH)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_LOCAL_MAX, MEMCG_MAX)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_LOCAL_OOM, MEMCG_OOM)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_LOCAL_OOM_KILL, MEMCG_OOM_KILL)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_LOCAL_OOM_GROUP_KILL, MEMCG_OOM_GROUP_KILL)
	MEMORY_EVENT(SLOT_MEMORY_EVENTS_LOCAL_SOCK_THROTTLED, MEMCG_SOCK_THROTTLED)
}

/* Those of the controller's state: any may be left out of the program. */
enum {
	MEMORY_PARTS = 1 << BPF_PART_MEMORY | 1 << BPF_PART_MEMORY1 | 1 << BPF_PART_MEMORY2 |
		       1 << BPF_PART_MEMEVENTS | 1 << BPF_PART_MEMLOCAL | 1 << BPF_PART_MEMSTAT,
};

/* All of these that are wanted; the bits of those that were read. */
static __always_inline u32 read_memory_parts(struct cgroup_subsys_state *css,
					     struct cg_record *record, u32 want)
{
	const u32 all = 1U << BPF_PART_MEMORY | 1U << BPF_PART_MEMORY1 | 1U << BPF_PART_MEMORY2 |
			1U << BPF_PART_MEMEVENTS | 1U << BPF_PART_MEMLOCAL;

	if (want & (1U << BPF_PART_MEMORY | 1U << BPF_PART_MEMORY1 | 1U << BPF_PART_MEMORY2))
		BLOCK_LOAD(mem_cgroup, FIRST_mem_cgroup, LAST_mem_cgroup, css);
	if (want & 1U << BPF_PART_MEMORY)
		read_memory(css, record);
	if (want & 1U << BPF_PART_MEMORY1)
		read_memory1(css, record);
	if (want & 1U << BPF_PART_MEMORY2)
		read_memory2(css, record);
	if (want & 1U << BPF_PART_MEMEVENTS)
		read_memevents(css, record);
	if (want & 1U << BPF_PART_MEMLOCAL)
		read_memlocal(css, record);
	return want & all;
}
