/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Tasks as the kernel has them, for tasks.bpf.c. The names end in ___at, which CO-RE leaves out, so
 * that they stand beside what kernel.bpf.h says of the same structures.
 */
#include "collectors/bpf/kernel.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common___at {
	unsigned int inum;
	u64 ns_id; /* 6.18, 885fc8ac0a4d, "nstree: make iterator generic" */
};

/* Every type of namespace has its common part somewhere. */
struct mnt_namespace___at {
	struct ns_common___at ns;
};
struct net___at {
	struct ns_common___at ns;
};
struct user_namespace___at {
	struct ns_common___at ns;
};
struct uts_namespace___at {
	struct ns_common___at ns;
};
struct ipc_namespace___at {
	struct ns_common___at ns;
};
struct cgroup_namespace___at {
	struct ns_common___at ns;
};
struct pid_namespace___at {
	struct task_struct *child_reaper;
	struct ns_common___at ns;
};

struct timespec64___at {
	s64 tv_sec;
	long tv_nsec;
};

struct timens_offsets___at {
	struct timespec64___at boottime;
};

struct time_namespace___at {
	struct ns_common___at ns;
	struct timens_offsets___at offsets;
};

struct nsproxy___at {
	struct uts_namespace___at *uts_ns;
	struct ipc_namespace___at *ipc_ns;
	struct mnt_namespace___at *mnt_ns;
	struct pid_namespace___at *pid_ns_for_children;
	struct net___at *net_ns;
	struct time_namespace___at *time_ns, *time_ns_for_children;
	struct cgroup_namespace___at *cgroup_ns;
};

struct upid___at {
	int nr;
	struct pid_namespace___at *ns;
};

struct pid___at {
	unsigned int level;
	struct upid___at numbers[1];
};

typedef struct {
	u32 val;
} kuid___at;

struct cred___at {
	kuid___at uid, euid;
	struct user_namespace___at *user_ns;
};

struct cgroup_root___at {
	int hierarchy_id;
};

struct cgroup___at {
	struct kernfs_node *kn;
	struct cgroup_root___at *root;
};

struct cgrp_cset_link___at {
	struct cgroup___at *cgrp;
	struct list_head cgrp_link;
};

struct css_set___at {
	struct cgroup_subsys_state *subsys[16];
	struct cgroup___at *dfl_cgrp;
	struct list_head cgrp_links;
};

struct inode___at {
	unsigned long i_ino;
};

struct super_block___at {
	u32 s_dev;
};

struct dentry___at {
	struct inode___at *d_inode;
};

struct vfsmount___at {
	struct super_block___at *mnt_sb;
};

struct path___at {
	struct vfsmount___at *mnt;
	struct dentry___at *dentry;
};

struct fs_struct___at {
	struct path___at root;
};

struct signal_struct___at {
	int nr_threads;
	struct pid___at *pids[4];
};

struct sched_entity___at {
	u64 sum_exec_runtime;
};

struct task_struct___at {
	unsigned int __state; /* 5.14, 2f064a59a11f; before, as a long, `state` */
	unsigned int flags;
	int on_cpu; /* only of machines with several CPUs */
	struct sched_entity___at se;
	int exit_state;
	int pid, tgid;
	struct task_struct___at *real_parent;
	struct pid___at *thread_pid;
	unsigned long nvcsw, nivcsw;
	u64 start_boottime; /* 5.5, cf25e24db61c; before, real_start_time */
	const struct cred___at *real_cred;
	char comm[16];
	struct fs_struct___at *fs;
	struct nsproxy___at *nsproxy;
	struct signal_struct___at *signal;
	struct css_set___at *cgroups;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct___at *task;
};

/* Up to 5.13 (2f064a59a11f). */
struct task_struct___old {
	long state;
};

#pragma clang attribute pop

/* include/linux/sched.h */
#define PF_EXITING  0x00000004
#define PF_KTHREAD  0x00200000
#define EXIT_ZOMBIE 0x20
#define EXIT_DEAD   0x10
#define SIGNAL_TGID 1 /* PIDTYPE_TGID, 4.19, 6883f81aac6f */
