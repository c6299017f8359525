/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#pragma once

/* Parts cgroup, cputime, cpu, cpulocal, pids, freezer and subsys of the sampling pass. */

#include "collectors/bpf/cputime.h"
#include "collectors/bpf/fields.bpf.h"

/* Set before loading. */
const volatile struct cg_facts facts = {};

struct cg_control control = {};

#define METRIC(...)
#define BPF_VALUE(part, id, needs, op)
#define BPF_FIELD(part, id, member, op) BPF_READ_##part(id, member)
#define BPF_READ_cgroup(id, member)                              \
	if (bpf_core_field_exists(((struct cgroup *)0)->member)) \
		record->values[SLOT_##id] = (u64)cgrp->member;
#define BPF_READ_cpu(id, member)
#define BPF_READ_memory(id, member)
#define BPF_READ_pids(id, member)
static __always_inline void read_cgroup_fields(struct cgroup *cgrp, struct cg_record *record)
{
#include "core/metrics.def"
}
#undef BPF_READ_cgroup
#undef BPF_READ_cpu
#undef BPF_READ_memory
#undef BPF_READ_pids
#undef BPF_FIELD
#undef BPF_VALUE
#undef METRIC

#define METRIC(...)
#define BPF_VALUE(part, id, needs, op)
#define BPF_FIELD(part, id, member, op) BPF_READ_##part(id, member)
#define BPF_READ_cpu(id, member)	READ_IF_THERE(task_group, css, id, member)
#define BPF_READ_cgroup(id, member)
#define BPF_READ_memory(id, member)
#define BPF_READ_pids(id, member)
static __always_inline void read_cpu_fields(struct cgroup_subsys_state *css,
					    struct cg_record *record)
{
#include "core/metrics.def"
}
#undef BPF_READ_cgroup
#undef BPF_READ_cpu
#undef BPF_READ_memory
#undef BPF_READ_pids
#undef BPF_FIELD
#undef BPF_VALUE
#undef METRIC

#define METRIC(...)
#define BPF_VALUE(part, id, needs, op)
#define BPF_FIELD(part, id, member, op) BPF_READ_##part(id, member)
#define BPF_READ_pids(id, member)	READ_IF_THERE(pids_cgroup, css, id, member)
#define BPF_READ_cgroup(id, member)
#define BPF_READ_cpu(id, member)
#define BPF_READ_memory(id, member)
static __always_inline void read_pids_fields(struct cgroup_subsys_state *css,
					     struct cg_record *record)
{
#include "core/metrics.def"
}
#undef BPF_READ_cgroup
#undef BPF_READ_cpu
#undef BPF_READ_memory
#undef BPF_READ_pids
#undef BPF_FIELD
#undef BPF_VALUE
#undef METRIC

/* The sequence count tells that a writer was between the two. */
static __always_inline void read_frozen_time(struct cgroup *cgrp, struct cg_record *record)
{
	u32 before, after;
	u64 time;

	if (!bpf_core_field_exists(cgrp->freezer.frozen_nsec))
		return;
	before = BPF_CORE_READ(cgrp, freezer.freeze_seq.seqcount.sequence);
	time = cgrp->freezer.frozen_nsec;
	if (cgrp->flags >> facts.bit_freeze & 1)
		time += bpf_ktime_get_ns() - cgrp->freezer.freeze_start_nsec;
	after = BPF_CORE_READ(cgrp, freezer.freeze_seq.seqcount.sequence);
	record->values[SLOT_FREEZER_FROZEN_TIME] = time;
	if (before != after || before & 1)
		record->ask |= 1U << BPF_PART_CGROUP;
}

static __always_inline void read_cgroup(struct cgroup *cgrp, struct cg_record *record)
{
	read_cgroup_fields(cgrp, record);
	record->values[SLOT_FREEZER_FROZEN] = cgrp->flags >> facts.bit_frozen & 1;
	record->values[SLOT_CGROUP_POPULATED] = cgrp->nr_populated_csets ||
						cgrp->nr_populated_domain_children ||
						cgrp->nr_populated_threaded_children;
	read_frozen_time(cgrp, record);
}

/* As cpu.stat prints it (cgroup_base_stat_cputime_show()): times in ns. */
static __always_inline void read_cputime(struct cgroup *cgrp, struct cg_record *record)
{
	struct cputime now, split;

	record->values[SLOT_CPU_USAGE] = cgrp->bstat.cputime.sum_exec_runtime;
	now.usage = cgrp->bstat.cputime.sum_exec_runtime;
	now.user = cgrp->bstat.cputime.utime;
	now.system = cgrp->bstat.cputime.stime;
	split = cputime_adjust(&now, cgrp->prev_cputime.utime, cgrp->prev_cputime.stime);
	record->values[SLOT_CPU_USER] = split.user;
	record->values[SLOT_CPU_SYSTEM] = split.system;
	if (bpf_core_field_exists(cgrp->bstat.ntime))
		record->values[SLOT_CPU_NICE] = cgrp->bstat.ntime;
	if (bpf_core_field_exists(cgrp->bstat.forceidle_sum))
		record->values[SLOT_CPU_FORCE_IDLE] = cgrp->bstat.forceidle_sum;
}

/*
 * The weight, as scale_load_down() has it on 64 bit. What an idle group's weight is printed as
 * changed in 6.12 (4f9c7ca85104, 0 became 1): the file is asked.
 */
static __always_inline void read_weight(struct cgroup_subsys_state *css, struct cg_record *record)
{
	u64 weight = READ_BLOCK(task_group, FIRST_task_group, LAST_task_group, css, shares);

	if (weight) {
		weight >>= 10;
		if (weight < 2)
			weight = 2;
	}
	record->values[SLOT_CPU_SHARES] = weight;
	record->values[SLOT_CPU_WEIGHT_NICE] = weight;
	record->values[SLOT_CPU_WEIGHT] = (weight * 100 + 512) / 1024;
	if (bpf_core_field_exists(((struct task_group *)0)->idle) && control.v2 &&
	    READ_BLOCK(task_group, FIRST_task_group, LAST_task_group, css, idle))
		record->ask |= 1U << BPF_PART_CPU;
}

static __always_inline void read_cpu(struct cgroup_subsys_state *css, struct cg_record *record)
{
	BLOCK_LOAD(task_group, FIRST_task_group, LAST_task_group, css);
	read_cpu_fields(css, record);
	read_weight(css, record);
}

/* throttled_time_self() in kernel/sched/core.c */
static __always_inline void read_cpulocal(struct cgroup_subsys_state *css, struct cg_record *record)
{
	u64 list = READ_FIELD(struct task_group, css, cfs_rq), sum = 0;

	if (!bpf_core_field_exists(((struct cfs_rq *)0)->throttled_clock_self_time))
		return;
	for (u32 cpu = 0; cpu < facts.n_cpus && cpu < CG_CPUS; cpu++) {
		struct cfs_rq *queue = NULL;
		u64 time = 0;

		bpf_probe_read_kernel(&queue, sizeof(queue), (void *)(list + cpu * sizeof(queue)));
		bpf_core_read(&time, sizeof(time), &queue->throttled_clock_self_time);
		sum += time;
	}
	record->values[SLOT_CPU_THROTTLED_LOCAL] = sum;
}

/* __pids_events_show() in kernel/cgroup/pids.c */
static __always_inline void read_pids(struct cgroup *cgrp, struct cgroup_subsys_state *css,
				      struct cg_record *record)
{
	const struct pids_cgroup *pids = (void *)css;
	s64 all = 0, local = 0;

	BLOCK_LOAD(pids_cgroup, FIRST_pids_cgroup, LAST_pids_cgroup, css);
	read_pids_fields(css, record);
	if (!bpf_core_field_exists(pids->events_local)) {
		const struct pids_cgroup___6_10 *old = (void *)css;

		bpf_core_read(&all, sizeof(all), &old->events_limit.counter);
	} else if (!control.v2 || cgrp->root->flags & facts.pids_local_events) {
		u32 at = bpf_core_enum_value(enum pidcg_event, PIDCG_FORKFAIL);

		bpf_core_read(&local, sizeof(local), &pids->events_local[at & 1]);
		all = local;
	} else {
		bpf_core_read(&all, sizeof(all), &pids->events[0]);
		bpf_core_read(&local, sizeof(local), &pids->events_local[0]);
	}
	record->values[SLOT_PIDS_EVENTS_MAX] = (u64)all;
	record->values[SLOT_PIDS_EVENTS_LOCAL_MAX] = (u64)local;
}

/* A freezer that is freezing becomes frozen when somebody reads its state (freezer_read()). */
static __always_inline void read_freezer(struct cgroup_subsys_state *css, struct cg_record *record)
{
	u64 state = READ_FIELD(struct freezer, css, state);
	u64 self = bpf_core_enum_value(enum freezer_state_flags, CGROUP_FREEZING_SELF);
	u64 parent = bpf_core_enum_value(enum freezer_state_flags, CGROUP_FREEZING_PARENT);
	u64 frozen = bpf_core_enum_value(enum freezer_state_flags, CGROUP_FROZEN);

	record->values[SLOT_V1_FREEZER_SELF] = !!(state & self);
	record->values[SLOT_FREEZER_PARENT] = !!(state & parent);
	record->values[SLOT_V1_FREEZER_FROZEN] = !!(state & frozen);
	record->values[SLOT_FREEZER_STATE] = !!(state & frozen);
	if (state & (self | parent) && !(state & frozen))
		record->ask |= 1U << BPF_PART_FREEZER;
}

/* Controllers that are bound to the v2 tree: bits by number. */
__u32 bound = 0;

/* Once a pass: cgroup_stat_show() has lines for those only, whether they are on here or not. */
static __always_inline void find_bound(struct cgroup *cgrp)
{
	u64 list = (u64)cgrp->root + bpf_core_field_offset(struct cgroup_root, cgrp) +
		   bpf_core_field_offset(struct cgroup, subsys);

	bound = 0;
	for (u32 id = 0; id < 16; id++) {
		void *css = NULL;

		if (id >= bpf_core_enum_value(enum cgroup_subsys_id, CGROUP_SUBSYS_COUNT))
			break;
		bpf_probe_read_kernel(&css, sizeof(css), (void *)(list + id * sizeof(css)));
		bound |= css ? 1U << id : 0;
	}
}

#define READ_SUBSYS(ID, name)                                                                \
	read_subsys_one(cgrp, record, facts.subsys[CG_SUBSYS_##ID], SLOT_CGROUP_SUBSYS_##ID, \
			SLOT_CGROUP_DYING_SUBSYS_##ID);
static __always_inline void read_subsys_one(struct cgroup *cgrp, struct cg_record *record, u32 id,
					    u32 slot, u32 slot_dying)
{
	struct cgroup_subsys_state **list = (void *)cgrp +
					    bpf_core_field_offset(struct cgroup, subsys);
	int *dying = (void *)cgrp + bpf_core_field_offset(struct cgroup, nr_dying_subsys);
	struct cgroup_subsys_state *css;

	record->values[slot] = CG_NONE;
	record->values[slot_dying] = CG_NONE;
	if (id >= 16 || !(bound >> id & 1))
		return;
	css = list[id];
	record->values[slot] = css ? (u64)css->nr_descendants + 1 : 0;
	record->values[slot_dying] = (u64)dying[id];
}

/* cgroup_stat_show() in kernel/cgroup/cgroup.c */
static __always_inline void read_subsys(struct cgroup *cgrp, struct cg_record *record)
{
	if (!bpf_core_field_exists(((struct cgroup *)0)->nr_dying_subsys))
		return;
	CG_SUBSYS(READ_SUBSYS)
}
