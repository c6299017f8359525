/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the cgroup iterator and its user agree on. Included by both: the kernel's side has the types
 * from kernel.bpf.h, ours from <linux/types.h>.
 *
 * Values come from core/metrics.def. There a line beside the row of a metric says where in the
 * kernel its number is:
 *   BPF_FIELD(part, ID, member, op)  a member of the structure that the part is about
 *   BPF_VALUE(part, ID, needs, op)   hand-written code of the part fills it; "needs" says without
 *                                    what there is no such number (bpf_kernel_has())
 * Each makes a slot SLOT_ID of the record and a row of the table in collectors/bpf_fields.c.
 */

#include <linux/types.h>

/* What is read together: a structure of the kernel, and the program text that reads it. */
#define BPF_PARTS(X)                                                           \
	X(CGROUP, cgroup, "cgroup")	      /* the cgroup's own state, v2 */ \
	X(CPUTIME, cputime, "cgroup")	      /* its CPU time, v2 */           \
	X(CPU, cpu, "task_group")	      /* cpu, v1 and v2 */             \
	X(CPUACCT, cpuacct, "cpuacct")	      /* v1 */                         \
	X(MEMORY, memory, "mem_cgroup")	      /* memory without memory.stat */ \
	X(MEMORY1, memory1, "mem_cgroup")     /* what only v1 has of it */     \
	X(MEMORY2, memory2, "mem_cgroup")     /* what only v2 has of it */     \
	X(MEMEVENTS, memevents, "mem_cgroup") /* memory.events, oom_control */ \
	X(MEMLOCAL, memlocal, "mem_cgroup")   /* memory.events.local */        \
	X(MEMSTAT, memstat, "mem_cgroup")     /* memory.stat */                \
	X(IO, io, "blkcg")		      /* io.stat, v2; blkio, v1 */     \
	X(PIDS, pids, "pids_cgroup")	      /* pids */                       \
	X(FREEZER, freezer, "freezer")	      /* v1 */                         \
	X(CPUSET, cpuset, "cpuset")	      /* numbers of cpuset */

enum bpf_part {
#define X(ID, id, type) BPF_PART_##ID,
	BPF_PARTS(X)
#undef X
		BPF_PART_COUNT,
};

/* Where a value is in a record. */
enum bpf_slot {
#define METRIC(...)
#define BPF_FIELD(part, id, member, op) SLOT_##id,
#define BPF_VALUE(part, id, needs, op)	SLOT_##id,
#include "core/metrics.def"
#undef BPF_FIELD
#undef BPF_VALUE
#undef METRIC
	SLOT_COUNT,
};

/* One cgroup in one hierarchy. Of parts that are not in `parts` the slots hold old data. */
struct cg_record {
	__u64 id, parent; /* kernfs ids: inodes of the directories. The root's parent is 0 */
	__u32 parts;	  /* bits by enum bpf_part: what was filled in */
	/* Bits by enum bpf_part: what only the files can tell about this one at this moment. */
	__u32 ask;
	__u32 name;	      /* a hash of its name: v1 cgroups can be renamed */
	__u32 first_io, n_io; /* its entries struct cg_io */
	__u32 unused;
	__u64 values[SLOT_COUNT];
};

/* What one cgroup did to one device, by enum blkg_iostat_type. */
struct cg_io {
	__u32 major, minor;
	__u64 bytes[3], ios[3];
};

/* The .bss of the programs, shared with the agent, which sets what is before `n`. */
struct cg_control {
	__u32 hierarchy; /* key of the map to fill */
	__u32 want;	 /* bits by enum bpf_part */
	__u32 capacity;	 /* of that map */
	__u32 n;	 /* cgroups met, also beyond the capacity */
	__u32 n_io;	 /* entries struct cg_io, also beyond the capacity of theirs */
};

/* As many as HIERARCHY_MAX. */
enum { CG_HIERARCHIES = 32 };
