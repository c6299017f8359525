/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the event programs touch of the kernel beside kernel.bpf.h. Types are flavours (___ev): the
 * running kernel's structure is the one with the name before the three underscores.
 */

#include "collectors/bpf/kernel.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cgroup_root___ev {
	int hierarchy_id;
};

struct kernfs_node___ev {
	struct kernfs_node___ev *__parent; /* from 6.15 on, 633488947ef6 */
	const char *name;
	void *priv;
	u64 id;
};

struct kernfs_node___old {
	struct kernfs_node___ev *parent;
};

struct cgroup___ev {
	struct cgroup_subsys_state self;
	int level;
	struct kernfs_node___ev *kn;
	struct cgroup_root___ev *root;
};

struct cgroup_subsys_state___ev {
	struct cgroup___ev *cgroup;
	struct cgroup_subsys_state___ev *parent;
};

struct css_set___ev {
	struct cgroup_subsys_state___ev *subsys[16];
	struct cgroup___ev *dfl_cgrp;
};

struct list_head___ev {
	struct list_head___ev *next;
};

struct signal_struct___ev {
	atomic_t live;
	int nr_threads, group_exit_code;
	struct list_head___ev thread_head;
	unsigned long long sum_sched_runtime;
};

struct sched_entity___ev {
	u64 sum_exec_runtime;
};

struct percpu_counter___ev {
	s64 count;
};

/* 6.2, f1a7941243c1 ("mm: convert mm's rss stats into percpu_counter") */
struct mm_struct___ev {
	struct percpu_counter___ev rss_stat[4];
};

struct mm_rss_stat___ev {
	atomic_long_t count[4];
};

struct mm_struct___old {
	struct mm_rss_stat___ev rss_stat;
};

struct kuid___ev {
	u32 val;
};

struct cred___ev {
	struct kuid___ev uid;
	struct user_namespace___ev *user_ns;
};

struct task_struct___ev {
	unsigned int __state; /* 5.14, 2f064a59a11f */
	int pid, tgid, exit_code;
	char comm[16];
	struct task_struct___ev *real_parent, *group_leader;
	struct list_head___ev thread_node;
	u64 start_time;
	struct sched_entity___ev se;
	struct signal_struct___ev *signal;
	struct css_set___ev *cgroups;
	struct mm_struct___ev *mm;
	const struct cred___ev *real_cred, *cred;
};

struct linux_binprm___ev {
	const char *filename;
};

struct kernfs_open_file___ev {
	struct kernfs_node___ev *kn;
};

struct page_counter___ev {
	atomic_long_t usage;
	unsigned long max;
};

struct mem_cgroup___ev {
	struct cgroup_subsys_state___ev css;
	struct page_counter___ev memory;
};

struct oom_control___ev {
	struct mem_cgroup___ev *memcg;
};

struct ns_common___ev {
	unsigned int inum;
};

struct uts_namespace___ev {
	struct ns_common___ev ns;
};
struct ipc_namespace___ev {
	struct ns_common___ev ns;
};
struct pid_namespace___ev {
	struct ns_common___ev ns;
};
struct net___ev {
	struct ns_common___ev ns;
};
struct mnt_namespace___ev {
	struct ns_common___ev ns;
};
struct user_namespace___ev {
	struct ns_common___ev ns;
};
struct cgroup_namespace___ev {
	struct ns_common___ev ns;
};
struct time_namespace___ev {
	struct ns_common___ev ns;
};

#pragma clang attribute pop

/* Clone flags, clone(2). */
enum {
	FLAG_NEWTIME = 0x00000080,
	FLAG_NEWNS = 0x00020000,
	FLAG_NEWCGROUP = 0x02000000,
	FLAG_NEWUTS = 0x04000000,
	FLAG_NEWIPC = 0x08000000,
	FLAG_NEWPID = 0x20000000,
	FLAG_NEWNET = 0x40000000,
};

/* The directory that a file of a cgroup is in. */
static __always_inline struct kernfs_node___ev *kernfs_parent(struct kernfs_node___ev *kn)
{
	struct kernfs_node___old *old = (void *)kn;

	if (bpf_core_field_exists(kn->__parent))
		return BPF_CORE_READ(kn, __parent);
	return BPF_CORE_READ(old, parent);
}

/* Pages of a process: files, anonymous and shared memory; what per-CPU counters hold back is left
 * out. */
static __always_inline u64 rss_of(struct mm_struct___ev *mm)
{
	struct mm_struct___old *old = (void *)mm;
	s64 pages[4] = {};

	if (!mm)
		return 0;
	if (bpf_core_type_exists(struct mm_rss_stat___ev)) {
		bpf_core_read(&pages, sizeof(pages), &old->rss_stat.count);
	} else {
		pages[0] = BPF_CORE_READ(mm, rss_stat[0].count);
		pages[1] = BPF_CORE_READ(mm, rss_stat[1].count);
		pages[3] = BPF_CORE_READ(mm, rss_stat[3].count);
	}
	pages[0] = pages[0] > 0 ? pages[0] : 0;
	pages[0] += pages[1] > 0 ? pages[1] : 0;
	pages[0] += pages[3] > 0 ? pages[3] : 0;
	return (u64)pages[0];
}
