/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#pragma once

/* Parts memory and memstat of the sampling pass. */

#include "collectors/bpf/fields.bpf.h"

#define METRIC(...)
#define BPF_VALUE(part, id, needs, op)
#define BPF_FIELD(part, id, member, op) BPF_READ_##part(id, member)
#define BPF_READ_memory(id, member)	READ_IF_THERE(struct mem_cgroup, css, id, member)
#define BPF_READ_cgroup(id, member)
#define BPF_READ_cpu(id, member)
#define BPF_READ_pids(id, member)
static __always_inline void read_memory(struct cgroup_subsys_state *css, struct cg_record *record)
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
