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

/* Makes clang describe the type, which the maps only name. */
const struct cg_record *described __attribute__((unused));

struct record_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	/*
	 * Sizes and no types: up to 6.2 the maps that take this one's place, which have none, would
	 * not be like it (bpf_map_meta_equal() compared where a timer would be).
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

/* Once at the root, for the whole tree below it. */
static __always_inline void flush(struct cgroup *cgrp)
{
	if (flush_kind == FLUSH_CGROUP) {
		cgroup_rstat_flush(cgrp);
	} else if (flush_kind == FLUSH_CSS) {
		if (wanted(BPF_PART_CPUTIME))
			css_rstat_flush(&cgrp->self);
	}
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
	if (wanted(BPF_PART_MEMORY) && (css = css_of(cgrp, subsys_id[BPF_PART_MEMORY]))) {
		read_memory(css, record);
		record->parts |= 1U << BPF_PART_MEMORY;
	}
	if (wanted(BPF_PART_PIDS) && (css = css_of(cgrp, subsys_id[BPF_PART_PIDS]))) {
		read_pids(cgrp, css, record);
		record->parts |= 1U << BPF_PART_PIDS;
	}
	return 0;
}
