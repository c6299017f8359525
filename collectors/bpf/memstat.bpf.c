// SPDX-License-Identifier: MIT
/*
 * Run once, before the sampling pass is loaded: how this kernel keeps the numbers of memory.stat.
 * The tables are variables without a type; a kernel without KALLSYMS_ALL does not say where they
 * are.
 */
#include "collectors/bpf/kernel.bpf.h"

#include "collectors/bpf/memstat.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct memstat_layout layout = {};

extern const void mem_cgroup_stats_index __ksym __weak;
extern const void mem_cgroup_events_index __ksym __weak;

SEC("syscall")
int learn_memstat(void *ctx)
{
	const void *state = &mem_cgroup_stats_index, *events = &mem_cgroup_events_index;

	layout.state_at = bpf_core_field_offset(struct memcg_vmstats, state);
	layout.state_size = bpf_core_field_size(((struct memcg_vmstats *)0)->state);
	layout.events_at = bpf_core_field_offset(struct memcg_vmstats, events);
	layout.events_size = bpf_core_field_size(((struct memcg_vmstats *)0)->events);
	layout.has_state_table = state &&
				 bpf_probe_read_kernel(layout.state_table,
						       sizeof(layout.state_table), state) == 0;
	layout.has_events_table = events &&
				  bpf_probe_read_kernel(layout.events_table,
							sizeof(layout.events_table), events) == 0;
	return 0;
}
