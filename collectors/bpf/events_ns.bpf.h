/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#pragma once

/* Namespaces: the last part of events.bpf.c, which has what it uses. */

/*
 * The inode is remembered with who made it, because whoever ends a namespace (often a kernel
 * thread) says nothing about it, and proc_free_inum(), through which all of them end on every
 * kernel, knows nothing but the inode.
 */
static __always_inline int tell_namespace(u32 inode, u32 type)
{
	struct ke_namespace known = { .type = type };
	struct ke_ns *record;

	fill_who(&known.who);
	fill_task_place(&known.place, current_task());
	if (bpf_map_update_elem(&namespaces, &inode, &known, BPF_ANY) < 0)
		__sync_fetch_and_add(&unknown_namespaces, 1);
	record = RESERVE(struct ke_ns, KERNEL_EVENT_NS_CREATED);
	if (!record)
		return 0;
	fill_head(&record->head, KERNEL_EVENT_NS_CREATED);
	record->head.place = known.place;
	record->inode = inode;
	record->type = type;
	submit_frequent(record);
	return 0;
}

/* What the copy functions return: the new one, or -errno as a pointer. */
#define TELL_COPY(made, flags, flag, type)                            \
	(((flags) & (flag)) && (made) && (u64)(made) < (u64)-4095     \
		 ? tell_namespace(BPF_CORE_READ(made, ns.inum), type) \
		 : 0)

SEC("fexit/copy_mnt_ns")
int BPF_PROG(on_mnt_ns, u64 flags, void *ns, void *user, void *fs, struct mnt_namespace___ev *ret)
{
	return TELL_COPY(ret, flags, FLAG_NEWNS, NS_MNT);
}

SEC("fexit/copy_net_ns")
int BPF_PROG(on_net_ns, u64 flags, void *user, void *ns, struct net___ev *ret)
{
	return TELL_COPY(ret, flags, FLAG_NEWNET, NS_NET);
}

SEC("fexit/copy_pid_ns")
int BPF_PROG(on_pid_ns, u64 flags, void *user, void *ns, struct pid_namespace___ev *ret)
{
	return TELL_COPY(ret, flags, FLAG_NEWPID, NS_PID);
}

SEC("fexit/create_user_ns")
int BPF_PROG(on_user_ns, struct cred___ev *cred, int ret)
{
	struct user_namespace___ev *ns = BPF_CORE_READ(cred, user_ns);

	return ret == 0 ? tell_namespace(BPF_CORE_READ(ns, ns.inum), NS_USER) : 0;
}

SEC("fexit/copy_utsname")
int BPF_PROG(on_uts_ns, u64 flags, void *user, void *ns, struct uts_namespace___ev *ret)
{
	return TELL_COPY(ret, flags, FLAG_NEWUTS, NS_UTS);
}

SEC("fexit/copy_ipcs")
int BPF_PROG(on_ipc_ns, u64 flags, void *user, void *ns, struct ipc_namespace___ev *ret)
{
	return TELL_COPY(ret, flags, FLAG_NEWIPC, NS_IPC);
}

SEC("fexit/copy_cgroup_ns")
int BPF_PROG(on_cgroup_ns, u64 flags, void *user, void *cset, void *ns,
	     struct cgroup_namespace___ev *ret)
{
	return TELL_COPY(ret, flags, FLAG_NEWCGROUP, NS_CGROUP);
}

SEC("fexit/copy_time_ns")
int BPF_PROG(on_time_ns, u64 flags, void *user, void *ns, struct time_namespace___ev *ret)
{
	return TELL_COPY(ret, flags, FLAG_NEWTIME, NS_TIME);
}

SEC("fentry/proc_free_inum")
int BPF_PROG(on_ns_end, u32 inode)
{
	struct ke_namespace *known = bpf_map_lookup_elem(&namespaces, &inode);
	struct ke_ns *record;

	if (!known)
		return 0;
	record = RESERVE(struct ke_ns, KERNEL_EVENT_NS_DESTROYED);
	if (record) {
		record->head.time = bpf_ktime_get_boot_ns();
		record->head.kind = KERNEL_EVENT_NS_DESTROYED;
		record->head.reserved = 0;
		record->head.place = known->place;
		record->head.who = known->who;
		record->inode = inode;
		record->type = known->type;
		submit_frequent(record);
	}
	bpf_map_delete_elem(&namespaces, &inode);
	return 0;
}
