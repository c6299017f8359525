/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#pragma once

/* Parts cgroup, cputime, cpu, cpuacct, pids, freezer and cpuset of the sampling pass. */

#include "collectors/bpf/fields.bpf.h"

#define METRIC(...)
#define BPF_VALUE(part, id, needs, op)
#define BPF_FIELD(part, id, member, op) BPF_READ_##part(id, member)
#define BPF_READ_cgroup(id, member)                              \
	if (bpf_core_field_exists(((struct cgroup *)0)->member)) \
		record->values[SLOT_##id] = (u64)cgrp->member;
#define BPF_READ_cpu(id, member)
#define BPF_READ_memory(id, member)
#define BPF_READ_pids(id, member)
static __always_inline void read_cgroup(struct cgroup *cgrp, struct cg_record *record)
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
#define BPF_READ_cpu(id, member)	READ_IF_THERE(struct task_group, css, id, member)
#define BPF_READ_cgroup(id, member)
#define BPF_READ_memory(id, member)
#define BPF_READ_pids(id, member)
static __always_inline void read_cpu(struct cgroup_subsys_state *css, struct cg_record *record)
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
#define BPF_READ_pids(id, member)	READ_IF_THERE(struct pids_cgroup, css, id, member)
#define BPF_READ_cgroup(id, member)
#define BPF_READ_cpu(id, member)
#define BPF_READ_memory(id, member)
static __always_inline void read_pids(struct cgroup_subsys_state *css, struct cg_record *record)
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

/* As cpu.stat prints it (cgroup_base_stat_cputime_show()): times in ns. */
static __always_inline void read_cputime(struct cgroup *cgrp, struct cg_record *record)
{
	record->values[SLOT_CPU_USAGE] = cgrp->bstat.cputime.sum_exec_runtime;
}
