// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The task pass: an iterator over all threads of the reader's pid namespace, in the order of their
 * numbers (Documentation/bpf/bpf_iterators.rst). It writes one record a thread into a memory-mapped
 * array and nothing into its file. Nothing is locked: what a task that runs changes meanwhile may
 * be seen half, and TASK_STILL is not set then.
 */
#include "collectors/bpf/task.bpf.h"

#include "collectors/bpf/task_record.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/*
 * Set before loading. Of each hierarchy where a task's cgroup is found: the default one's, by the
 * number of a controller, or, of those without controllers, by the number of the hierarchy.
 */
const volatile __u32 hierarchy_by[TASK_HIERARCHIES] = {};
const volatile __u32 hierarchy_number[TASK_HIERARCHIES] = {};
const volatile __u32 n_hierarchies = 0, n_named = 0;
/* Of the number of a hierarchy without controllers its index and 1; 0: it is none of ours. */
const volatile __u8 named[TASK_NAMED_NUMBERS] = {};
const volatile bool loads_in_order = false;
const volatile __s64 boottime_offset_ns = 0;

struct task_control control = {};

/* Makes clang describe the type, which the maps only name. */
const struct task_record *described __attribute__((unused));

struct record_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct task_record);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, u32);
	__array(values, struct record_map);
} records SEC(".maps");

/*
 * What was read before is read before what is read afterwards: an atomic operation that returns is
 * a barrier. Where loads stay in order anyway (x86), only the compiler has to be told.
 */
static __always_inline void fence(void)
{
	if (!loads_in_order)
		__sync_fetch_and_add(&control.fence, 1);
	asm volatile("" ::: "memory");
}

/* A pid's numbers stand in an array, from the outermost namespace on: where that of a level is. */
static __always_inline u64 offset_of(u32 level)
{
	u64 offset = (u64)level * bpf_core_type_size(struct upid___at);

	/* The mask is for the verifier: it holds more than all levels (MAX_PID_NS_LEVEL). */
	return bpf_core_field_offset(struct pid___at, numbers) + (offset & 1023);
}

/* A process's or thread's number in the reader's pid namespace; 0 if it has none there. */
static __always_inline u32 number_of(struct pid___at *pid, u32 level)
{
	int nr = 0;

	if (!pid || pid->level < level)
		return 0;
	if (level == 0)
		return (u32)pid->numbers[0].nr;
	bpf_core_read(&nr, sizeof(nr),
		      (void *)pid + offset_of(level) + bpf_core_field_offset(struct upid___at, nr));
	return (u32)nr;
}

#define SET_NS(link, pointer)                                                          \
	do {                                                                           \
		typeof(pointer) ns_ = (pointer);                                       \
                                                                                       \
		record->ns_inodes[link] = ns_ ? ns_->ns.inum : 0;                      \
		record->ns_ids[link] = 0;                                              \
		if (ns_ && bpf_core_field_exists(((struct ns_common___at *)0)->ns_id)) \
			record->ns_ids[link] = ns_->ns.ns_id;                          \
	} while (0)

#define NO_NS(link) (record->ns_inodes[link] = 0, record->ns_ids[link] = 0)

/* By the level of the task's own namespace, which /proc/PID/ns/pid shows. */
static __always_inline void set_pid_ns(struct task_record *record, struct pid___at *pid)
{
	struct pid_namespace___at *ns = NULL;
	unsigned int inode = 0;
	u64 id = 0;

	if (pid && pid->level == 0) {
		SET_NS(TASK_NS_PID, pid->numbers[0].ns);
		return;
	}
	if (pid)
		bpf_core_read(&ns, sizeof(ns),
			      (void *)pid + offset_of(pid->level) +
				      bpf_core_field_offset(struct upid___at, ns));
	if (ns) {
		bpf_core_read(&inode, sizeof(inode), &ns->ns.inum);
		if (bpf_core_field_exists(((struct ns_common___at *)0)->ns_id))
			bpf_core_read(&id, sizeof(id), &ns->ns.ns_id);
	}
	record->ns_inodes[TASK_NS_PID] = inode;
	record->ns_ids[TASK_NS_PID] = id;
}

/* Those that a task has through its nsproxy; none if it has ended. */
static __always_inline void set_proxied(struct task_record *record, struct nsproxy___at *proxy)
{
	struct pid_namespace___at *children;

	SET_NS(TASK_NS_MNT, proxy->mnt_ns);
	SET_NS(TASK_NS_NET, proxy->net_ns);
	SET_NS(TASK_NS_UTS, proxy->uts_ns);
	SET_NS(TASK_NS_IPC, proxy->ipc_ns);
	SET_NS(TASK_NS_CGROUP, proxy->cgroup_ns);
	SET_NS(TASK_NS_TIME, proxy->time_ns);
	SET_NS(TASK_NS_TIME_CHILDREN, proxy->time_ns_for_children);
	children = proxy->pid_ns_for_children;
	/* Nobody can enter one that has no process 1 yet: /proc does not show it either. */
	if (children && children->child_reaper)
		SET_NS(TASK_NS_PID_CHILDREN, children);
	else
		NO_NS(TASK_NS_PID_CHILDREN);
}

static __always_inline void set_no_proxied(struct task_record *record)
{
	NO_NS(TASK_NS_MNT);
	NO_NS(TASK_NS_NET);
	NO_NS(TASK_NS_UTS);
	NO_NS(TASK_NS_IPC);
	NO_NS(TASK_NS_CGROUP);
	NO_NS(TASK_NS_TIME);
	NO_NS(TASK_NS_TIME_CHILDREN);
	NO_NS(TASK_NS_PID_CHILDREN);
}

static __always_inline void set_namespaces(struct task_record *record,
					   struct task_struct___at *task)
{
	set_pid_ns(record, task->thread_pid);
	SET_NS(TASK_NS_USER, task->real_cred->user_ns);
	/*
	 * An nsproxy is freed at once when its last task leaves it, and the namespaces may be, too:
	 * what was read counts if the task still has it.
	 */
	for (int i = 0; i < 3; i++) {
		struct nsproxy___at *proxy = task->nsproxy;

		if (!proxy)
			break;
		set_proxied(record, proxy);
		fence();
		if (task->nsproxy == proxy)
			return;
	}
	set_no_proxied(record);
}

/* Hierarchies without controllers: the cgroups of the css_set are gone through. */
static __always_inline void set_named(struct task_record *record, struct css_set___at *cset)
{
	u64 head = (u64)(void *)cset + bpf_core_field_offset(struct css_set___at, cgrp_links);
	u64 at = (u64)cset->cgrp_links.next;
	u32 found = 0;

	for (int i = 0; i < 2 * TASK_HIERARCHIES && at && at != head && found < n_named; i++) {
		u64 link = at - bpf_core_field_offset(struct cgrp_cset_link___at, cgrp_link);
		struct cgroup___at *cgrp = (void *)READ_FIELD(struct cgrp_cset_link___at,
							      (void *)link, cgrp);
		struct cgroup_root___at *root = (void *)READ_FIELD(struct cgroup___at, cgrp, root);
		u64 number = READ_FIELD(struct cgroup_root___at, root, hierarchy_id);
		u32 slot = number < TASK_NAMED_NUMBERS ? named[number] : 0;

		if (slot && slot <= TASK_HIERARCHIES) {
			record->cgroups[slot - 1] = BPF_CORE_READ(cgrp, kn, id);
			found++;
		}
		at = (u64)READ_FIELD(struct list_head, (void *)at, next);
	}
}

static __always_inline void set_cgroups(struct task_record *record, struct task_struct___at *task)
{
	struct css_set___at *cset = task->cgroups;

	/* Of who ends v1 hierarchies and v2 say different things: /proc is to be asked. */
	if (!cset || task->flags & PF_EXITING)
		return;
	for (u32 h = 0; h < TASK_HIERARCHIES; h++) {
		u32 by = hierarchy_by[h];

		if (h >= n_hierarchies)
			break;
		record->cgroups[h] = 0;
		if (by == TASK_BY_DEFAULT) {
			record->cgroups[h] = cset->dfl_cgrp->kn->id;
		} else if (by == TASK_BY_SUBSYS) {
			struct cgroup_subsys_state **list =
				(void *)cset + bpf_core_field_offset(struct css_set___at, subsys);
			struct cgroup_subsys_state *css = list[hierarchy_number[h]];

			if (css)
				record->cgroups[h] = css->cgroup->kn->id;
		}
	}
	if (n_named)
		set_named(record, cset);
	/* As long as the task has it, it is not taken apart. */
	fence();
	if (task->cgroups == cset)
		record->flags |= TASK_CGROUPS;
}

static __always_inline void set_root(struct task_record *record, struct task_struct___at *task)
{
	struct fs_struct___at *fs = task->fs;
	struct dentry___at *dentry;
	struct vfsmount___at *mnt;
	u32 device;
	u64 inode;

	record->root_device = 0;
	record->root_inode = 0;
	if (!fs)
		return;
	mnt = fs->root.mnt;
	dentry = fs->root.dentry;
	device = mnt->mnt_sb->s_dev;
	inode = dentry->d_inode->i_ino;
	fence();
	if (task->fs != fs || fs->root.mnt != mnt || fs->root.dentry != dentry)
		return;
	record->root_device = device;
	record->root_inode = inode;
}

static __always_inline void set_state(struct task_record *record, struct task_struct___at *task)
{
	u32 exit_state = (u32)task->exit_state;

	if (bpf_core_field_exists(task->__state))
		record->state = task->__state;
	else
		record->state = (u32)((struct task_struct___old *)task)->state;
	record->state |= exit_state;
	if (exit_state & (EXIT_ZOMBIE | EXIT_DEAD))
		record->flags |= TASK_ZOMBIE;
	if (task->flags & PF_KTHREAD)
		record->flags |= TASK_KTHREAD;
}

static __always_inline void set_numbers(struct task_record *record, struct task_struct___at *task)
{
	struct task_struct___at *reader = (void *)bpf_get_current_task_btf();
	struct signal_struct___at *signal = task->signal;
	u32 level = reader->thread_pid->level;

	record->tid = number_of(task->thread_pid, level);
	record->pid = number_of(signal->pids[SIGNAL_TGID], level);
	record->ppid = number_of(task->real_parent->signal->pids[SIGNAL_TGID], level);
	record->threads = (u32)signal->nr_threads;
	record->uid = task->real_cred->uid.val;
	record->euid = task->real_cred->euid.val;
	record->start_ns = task->start_boottime + (u64)boottime_offset_ns;
	record->run_ns = task->se.sum_exec_runtime;
	bpf_core_read(record->comm, sizeof(record->comm), &task->comm);
}

SEC("iter/task")
int list_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct___at *task = ctx->task;
	struct task_record *record;
	u32 zero = 0, at;
	u64 switches;
	void *map;

	if (!task)
		return 0;
	at = __sync_fetch_and_add(&control.n, 1);
	map = bpf_map_lookup_elem(&records, &zero);
	if (!map)
		return 0;
	record = bpf_map_lookup_elem(map, &at);
	if (!record)
		return 0;
	switches = task->nvcsw + task->nivcsw;
	record->switches = switches;
	record->flags = 0;
	fence();
	set_numbers(record, task);
	set_state(record, task);
	set_namespaces(record, task);
	set_root(record, task);
	set_cgroups(record, task);
	/*
	 * It ran meanwhile only if it is on a CPU now, or was taken off one, which is counted
	 * before it is said.
	 */
	if (!bpf_core_field_exists(task->on_cpu))
		return 0;
	fence();
	if (task->on_cpu)
		return 0;
	fence();
	if (task->nvcsw + task->nivcsw == switches)
		record->flags |= TASK_STILL;
	return 0;
}
