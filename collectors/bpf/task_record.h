/* SPDX-License-Identifier: MIT */
#pragma once

/* What the task iterator (tasks.bpf.c) and its user (collectors/bpf_tasks.c) agree on. */

#include <linux/types.h>

/* As the links in /proc/PID/ns are numbered in collectors/ns_private.h. */
enum task_ns {
	TASK_NS_MNT,
	TASK_NS_NET,
	TASK_NS_PID,
	TASK_NS_USER,
	TASK_NS_UTS,
	TASK_NS_IPC,
	TASK_NS_CGROUP,
	TASK_NS_TIME,
	TASK_NS_PID_CHILDREN,
	TASK_NS_TIME_CHILDREN,
	TASK_NS_COUNT,
};

enum {
	TASK_HIERARCHIES = 16,	 /* more of them are told by the files */
	TASK_NAMED_NUMBERS = 64, /* numbers of hierarchies without controllers are below that */
	TASK_COMM_SIZE = 16,
};

enum task_flag {
	TASK_KTHREAD = 1 << 0,
	TASK_ZOMBIE = 1 << 1,
	/* Off every CPU while the record was made: everything in it is of one moment. */
	TASK_STILL = 1 << 2,
	TASK_CGROUPS = 1 << 3, /* `cgroups` are known: not of who is ending */
};

/* One thread; a process is its leading thread. Numbers are of the reader's pid namespace. */
struct task_record {
	__u64 start_ns; /* CLOCK_BOOTTIME, as the reader's own clock shows it */
	/*
	 * How often it was taken off a CPU. Two records of the same task, both still and with the
	 * same number: it did not run in between.
	 */
	__u64 switches;
	__u64 run_ns;			 /* CPU time, at the last tick */
	__u64 ns_ids[TASK_NS_COUNT];	 /* 0: this kernel has none */
	__u64 cgroups[TASK_HIERARCHIES]; /* ids, by hierarchy; 0: it has none there */
	__u64 root_inode;		 /* of its root directory, as its filesystem has it */
	__u32 ns_inodes[TASK_NS_COUNT];	 /* 0: none, as of who has ended */
	__u32 root_device;		 /* its filesystem's own, in the kernel's encoding */
	__u32 pid, tid, ppid;
	__u32 threads; /* of the process */
	__u32 uid, euid;
	__u32 state; /* TASK_* bits of the kernel: 0 is running */
	__u32 flags; /* enum task_flag */
	char comm[TASK_COMM_SIZE];
};

/*
 * Where a task's cgroup in a hierarchy is found: v2's own; of a controller; or, in a hierarchy that
 * has none, by the hierarchy's number.
 */
enum task_hierarchy_by { TASK_BY_NONE, TASK_BY_DEFAULT, TASK_BY_SUBSYS, TASK_BY_HIERARCHY };

/* The .bss of the program, which it shares with its user. */
struct task_control {
	__u32 n; /* tasks met, also beyond the capacity */
	__u32 fence;
};
