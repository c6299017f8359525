/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#pragma once

/*
 * Part cpuacct of the sampling pass: v1 keeps CPU time per CPU. Where another CPU's part of such
 * memory lies can be found without the kernel's own symbols, which kernels without KALLSYMS_ALL do
 * not show: a per-CPU map of ours tells both its address as the kernel keeps it and the one on a
 * CPU.
 */

#include "collectors/bpf/fields.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} per_cpu_place SEC(".maps");

enum { MAP_HEAD = 1024 };

struct {
	__u8 head[MAP_HEAD]; /* of the map itself, up to the place of its element */
	__u64 at;
	__u64 offset[CG_CPUS];
} per_cpu SEC(".data.percpu");

/* Once a pass: what to add to a per-CPU pointer for each CPU. */
static __always_inline void find_cpus(void)
{
	u32 place = bpf_core_field_offset(struct bpf_array, aux) + sizeof(void *), zero = 0;
	u64 base;

	if (place > MAP_HEAD - sizeof(base))
		return;
	bpf_probe_read_kernel(per_cpu.head, place + sizeof(base), &per_cpu_place);
	base = *(u64 *)(per_cpu.head + place);
	for (u32 cpu = 0; cpu < facts.n_cpus && cpu < CG_CPUS; cpu++) {
		void *at = bpf_map_lookup_percpu_elem(&per_cpu_place, &zero, cpu);

		/* Through memory, as the verifier lets nobody calculate with such a pointer. */
		*(void *volatile *)&per_cpu.at = at;
		per_cpu.offset[cpu] = *(volatile u64 *)&per_cpu.at - base;
	}
}

/* The first of enum cpu_usage_stat; the loader has looked that they are these. */
struct cpu_times {
	u64 user, nice, system, softirq, irq;
};

static __always_inline void read_cpuacct(struct cgroup *cgrp, struct cgroup_subsys_state *css,
					 struct cg_record *record)
{
	const struct cpuacct *cpuacct = (void *)css;
	u64 usages = 0, stats = 0; /* numbers to the verifier, which lets nobody add to pointers */
	u64 usage = 0, user = 0, system = 0;
	struct cputime now, split;

	bpf_core_read(&usages, sizeof(usages), &cpuacct->cpuusage);
	bpf_core_read(&stats, sizeof(stats), &cpuacct->cpustat);
	for (u32 cpu = 0; cpu < facts.n_cpus && cpu < CG_CPUS; cpu++) {
		u64 offset = per_cpu.offset[cpu], used = 0;
		struct cpu_times times = {};

		bpf_probe_read_kernel(&used, sizeof(used), (void *)(usages + offset));
		bpf_probe_read_kernel(&times, sizeof(times), (void *)(stats + offset));
		usage += used;
		user += times.user + times.nice;
		system += times.system + times.softirq + times.irq;
	}
	record->values[SLOT_V1_CPU_USAGE] = usage;
	now.usage = usage;
	now.user = user;
	now.system = system;
	split = cputime_adjust(&now, cgrp->prev_cputime.utime, cgrp->prev_cputime.stime);
	record->values[SLOT_V1_CPU_USER] = split.user;
	record->values[SLOT_V1_CPU_SYSTEM] = split.system;
}
