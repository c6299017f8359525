// SPDX-License-Identifier: MIT
#include "collectors/bpf_fields.h"

#include <limits.h>
#include <unistd.h>

#include "core/cleanup.h"

/* The types of the kernel's structures, for the members that rows name. */
#define TYPE_cgroup  "cgroup"
#define TYPE_cpu     "task_group"
#define TYPE_memory  "mem_cgroup"
#define TYPE_memory1 "mem_cgroup"
#define TYPE_memory2 "mem_cgroup"
#define TYPE_pids    "pids_cgroup"

#define PART_cgroup    BPF_PART_CGROUP
#define PART_cputime   BPF_PART_CPUTIME
#define PART_cpu       BPF_PART_CPU
#define PART_cpuacct   BPF_PART_CPUACCT
#define PART_memory    BPF_PART_MEMORY
#define PART_memory1   BPF_PART_MEMORY1
#define PART_memory2   BPF_PART_MEMORY2
#define PART_memevents BPF_PART_MEMEVENTS
#define PART_memlocal  BPF_PART_MEMLOCAL
#define PART_memstat   BPF_PART_MEMSTAT
#define PART_io	       BPF_PART_IO
#define PART_pids      BPF_PART_PIDS
#define PART_freezer   BPF_PART_FREEZER
#define PART_cpuset    BPF_PART_CPUSET

const struct bpf_field bpf_fields[] = {
#define METRIC(...)
#define BPF_FIELD(part, id, member, op) \
	[SLOT_##id] = { M_##id, SLOT_##id, PART_##part, BPF_OP_##op, TYPE_##part "." #member },
#define BPF_VALUE(part, id, needs, op) \
	[SLOT_##id] = { M_##id, SLOT_##id, PART_##part, BPF_OP_##op, needs },
#include "core/metrics.def"
#undef BPF_FIELD
#undef BPF_VALUE
#undef METRIC
};

const struct bpf_field *bpf_field_of(enum metric_id id)
{
	for (size_t i = 0; i < ARRAY_SIZE(bpf_fields); i++) {
		if (bpf_fields[i].id == id)
			return &bpf_fields[i];
	}
	return NULL;
}

static const struct {
	const char *name, *controller;
} parts[BPF_PART_COUNT] = {
	[BPF_PART_CGROUP] = { "cgroup", "" },
	[BPF_PART_CPUTIME] = { "cputime", "" },
	[BPF_PART_CPU] = { "cpu", "cpu" },
	[BPF_PART_CPUACCT] = { "cpuacct", "cpuacct" },
	[BPF_PART_MEMORY] = { "memory", "memory" },
	[BPF_PART_MEMORY1] = { "memory1", "memory" },
	[BPF_PART_MEMORY2] = { "memory2", "memory" },
	[BPF_PART_MEMEVENTS] = { "memevents", "memory" },
	[BPF_PART_MEMLOCAL] = { "memlocal", "memory" },
	[BPF_PART_MEMSTAT] = { "memstat", "memory" },
	[BPF_PART_IO] = { "io", "io" },
	[BPF_PART_PIDS] = { "pids", "pids" },
	[BPF_PART_FREEZER] = { "freezer", "freezer" },
	[BPF_PART_CPUSET] = { "cpuset", "cpuset" },
};

const char *bpf_part_name(enum bpf_part part)
{
	return parts[part].name;
}

const char *bpf_part_controller(enum bpf_part part)
{
	return parts[part].controller;
}

/* include/linux/page_counter.h: PAGE_COUNTER_MAX on 64 bit; kernel/cgroup/pids.c: PIDS_MAX. */
static const struct {
	uint64_t mul, div, unlimited;
	bool pages;
} ops[BPF_OP_OPS] = {
	[BPF_OP_COUNT] = { 1, 1 },
	[BPF_OP_NSEC] = { 1, 1000 },
	[BPF_OP_NSEC_LIMIT] = { 1, 1000, UINT64_MAX },
	[BPF_OP_PAGES] = { 1, 1, .pages = true },
	[BPF_OP_KIB] = { 1024, 1 },
	[BPF_OP_PAGES_LIMIT] = { 1, 1, LONG_MAX, .pages = true },
	[BPF_OP_INT_LIMIT] = { 1, 1, INT_MAX },
	[BPF_OP_PIDS_LIMIT] = { 1, 1, 4 * UINT64_C(1024) * 1024 + 1 },
};

struct bpf_scale bpf_op_scale(enum bpf_op op)
{
	uint64_t page = ops[op].pages ? (uint64_t)sysconf(_SC_PAGESIZE) : 1;

	return (struct bpf_scale){ ops[op].mul * page, ops[op].div, ops[op].unlimited / page };
}
