// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The sampling pass: a sleepable iterator over the cgroups of one hierarchy, v1 or v2
 * (Documentation/bpf/bpf_iterators.rst; v1 hierarchies work the same). It writes one record a
 * cgroup into a memory-mapped array and nothing into its file: output through the file ends after
 * 32 KiB.
 */
#include "collectors/bpf/kernel.bpf.h"

#include "collectors/bpf/part_core.bpf.h"
#include "collectors/bpf/part_cpuacct.bpf.h"
#include "collectors/bpf/part_memory.bpf.h"
#include "collectors/bpf/record.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Set before loading: which parts this kernel has, and the numbers of its controllers. */
const volatile __u32 parts_built = 0;
const volatile __u32 subsys_id[BPF_PART_COUNT] = {};
const volatile int flush_kind = FLUSH_NONE;
/* What is copied of struct memcg_vmstats. */
const volatile __u32 memstat_at = 0, memstat_size = 0;

struct record_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	/*
	 * Sizes and no types: before 6.2 the maps that take this one's place, which have none,
	 * would not be like it (bpf_map_meta_equal() compared where a timer would be).
	 */
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct cg_record));
};

/* By hierarchy, so that each grows alone and all stay until they are read. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, CG_HIERARCHIES);
	__type(key, u32);
	__array(values, struct record_map);
} records SEC(".maps");

/* The loader sets the size of a value: that of this kernel's arrays. */
struct memstat_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 8);
};

/* Beside the records, for hierarchies of which memory.stat is wanted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, CG_HIERARCHIES);
	__type(key, u32);
	__array(values, struct memstat_map);
} memstats SEC(".maps");

struct io_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct cg_io));
};

/* Devices, for hierarchies of which io.stat is wanted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, CG_HIERARCHIES);
	__type(key, u32);
	__array(values, struct io_map);
} ios SEC(".maps");

#include "collectors/bpf/part_io.bpf.h"

/* The controller's state of this cgroup, or NULL where it is off. */
static __always_inline struct cgroup_subsys_state *css_of(struct cgroup *cgrp, u32 id)
{
	struct cgroup_subsys_state **list = (void *)cgrp +
					    bpf_core_field_offset(struct cgroup, subsys);
	struct cgroup_subsys_state *css = list[id];

	return css && (css->flags & CSS_VISIBLE) ? css : NULL;
}

static __always_inline bool wanted(enum bpf_part part)
{
	return parts_built >> part & 1 && control.want >> part & 1;
}

/*
 * The iterator holds cgroup_mutex, so the controller stays on. The verifier does not know: it takes
 * a pointer found within RCU for a function that may sleep, one found outside for none at all.
 */
static __always_inline void flush_part(struct cgroup *cgrp, enum bpf_part part)
{
	struct cgroup_subsys_state *css;

	bpf_rcu_read_lock();
	css = css_of(cgrp, subsys_id[part]);
	bpf_rcu_read_unlock();
	if (css)
		css_rstat_flush(css);
}

/* Once at the root, for the whole tree below it. */
static __always_inline void flush(struct cgroup *cgrp)
{
	if (flush_kind == FLUSH_CGROUP) {
		if (wanted(BPF_PART_CPUTIME) || wanted(BPF_PART_MEMSTAT) || wanted(BPF_PART_IO))
			cgroup_rstat_flush(cgrp);
	} else if (flush_kind == FLUSH_CSS) {
		if (wanted(BPF_PART_CPUTIME))
			css_rstat_flush(&cgrp->self);
		if (wanted(BPF_PART_MEMSTAT))
			flush_part(cgrp, BPF_PART_MEMSTAT);
		if (wanted(BPF_PART_IO))
			flush_part(cgrp, BPF_PART_IO);
	}
}

/* False: it could not be read. */
static __always_inline bool read_memstat(struct cgroup_subsys_state *css, u32 hierarchy, u32 at)
{
	void *map = bpf_map_lookup_elem(&memstats, &hierarchy), *copy;
	u64 vmstats;

	copy = map ? bpf_map_lookup_elem(map, &at) : NULL;
	if (!copy)
		return false;
	vmstats = READ_FIELD(struct mem_cgroup, css, vmstats);
	return bpf_probe_read_kernel(copy, memstat_size, (void *)(vmstats + memstat_at)) == 0;
}

SEC("iter.s/cgroup")
int sample_cgroup(struct bpf_iter__cgroup *ctx)
{
	struct cgroup *cgrp = ctx->cgroup;
	struct cgroup_subsys_state *css;
	struct cg_record *record;
	u32 hierarchy = control.hierarchy, at;
	void *map;

	if (!cgrp)
		return 0;
	if (ctx->meta->seq_num == 0) {
		flush(cgrp);
		if (wanted(BPF_PART_CPUACCT))
			find_cpus();
		if (wanted(BPF_PART_SUBSYS))
			find_bound(cgrp);
	}
	at = control.n++;
	map = bpf_map_lookup_elem(&records, &hierarchy);
	if (!map)
		return 0;
	record = bpf_map_lookup_elem(map, &at);
	if (!record)
		return 0;
	record->id = cgrp->kn->id;
	record->name = cgrp->kn->hash;
	record->ask = 0;
	record->parent = 0;
	css = cgrp->self.parent;
	if (css)
		record->parent = css->cgroup->kn->id;
	record->parts = 0;
	if (wanted(BPF_PART_CGROUP)) {
		read_cgroup(cgrp, record);
		record->parts |= 1U << BPF_PART_CGROUP;
	}
	if (wanted(BPF_PART_CPUTIME)) {
		read_cputime(cgrp, record);
		record->parts |= 1U << BPF_PART_CPUTIME;
	}
	if (wanted(BPF_PART_SUBSYS)) {
		read_subsys(cgrp, record);
		record->parts |= 1U << BPF_PART_SUBSYS;
	}
	if (wanted(BPF_PART_CPUACCT) && (css = css_of(cgrp, subsys_id[BPF_PART_CPUACCT]))) {
		read_cpuacct(cgrp, css, record);
		record->parts |= 1U << BPF_PART_CPUACCT;
	}
	if (wanted(BPF_PART_FREEZER) && (css = css_of(cgrp, subsys_id[BPF_PART_FREEZER]))) {
		read_freezer(css, record);
		record->parts |= 1U << BPF_PART_FREEZER;
	}
	if (wanted(BPF_PART_CPULOCAL) && (css = css_of(cgrp, subsys_id[BPF_PART_CPULOCAL]))) {
		read_cpulocal(css, record);
		record->parts |= 1U << BPF_PART_CPULOCAL;
	}
	if (wanted(BPF_PART_CPU) && (css = css_of(cgrp, subsys_id[BPF_PART_CPU]))) {
		read_cpu(css, record);
		record->parts |= 1U << BPF_PART_CPU;
	}
	css = parts_built & MEMORY_PARTS ? css_of(cgrp, subsys_id[BPF_PART_MEMORY]) : NULL;
	if (css)
		record->parts |= read_memory_parts(css, record, control.want & parts_built);
	if (css && wanted(BPF_PART_MEMSTAT)) {
		if (read_memstat(css, hierarchy, at))
			record->parts |= 1U << BPF_PART_MEMSTAT;
		else
			record->ask |= 1U << BPF_PART_MEMSTAT;
	}
	if (wanted(BPF_PART_IO) && (css = css_of(cgrp, subsys_id[BPF_PART_IO]))) {
		if (read_io(css, hierarchy, record))
			record->parts |= 1U << BPF_PART_IO;
		else
			record->ask |= 1U << BPF_PART_IO;
	}
	if (wanted(BPF_PART_PIDS) && (css = css_of(cgrp, subsys_id[BPF_PART_PIDS]))) {
		read_pids(cgrp, css, record);
		record->parts |= 1U << BPF_PART_PIDS;
	}
	return 0;
}
