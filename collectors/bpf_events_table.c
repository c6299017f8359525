// SPDX-License-Identifier: MIT
#include "collectors/bpf_events_private.h"

#include "core/cleanup.h"

#define BIT(kind) KERNEL_EVENT_BIT(KERNEL_EVENT_##kind)

#define NAMESPACES (BIT(NS_CREATED) | BIT(NS_DESTROYED))

const struct event_program bpf_event_programs[] = {
	/* Paths of all events come from these two. */
	{ "on_created", "cgroups created", "cgroup_mkdir", NULL, BIT(CREATED), ~0U },
	{ "on_removed", "cgroups removed", "cgroup_rmdir", NULL, BIT(REMOVED), ~0U },
	{ "on_freeze", "cgroups frozen", "cgroup_freeze", NULL, BIT(FREEZE), 0 },
	{ "on_thaw", "cgroups thawed", "cgroup_unfreeze", NULL, BIT(THAW), 0 },
	{ "on_attaching", "where a task was", NULL, "cgroup_attach_task", 0, BIT(ATTACHED) },
	{ "on_attached", "tasks moved", "cgroup_attach_task", NULL, BIT(ATTACHED), 0 },
	{ "on_fork", "processes started", "sched_process_fork", NULL, BIT(FORK), 0 },
	{ "on_exec", "programs started", "sched_process_exec", NULL, BIT(EXEC), 0 },
	{ "on_exit", "processes that end", "sched_process_exit", NULL, BIT(EXIT), 0 },
	{ "on_gone", "what they used", "sched_switch", NULL, 0, BIT(EXIT) },
	{ "on_oom", "whose limit killed", NULL, "oom_kill_process", 0, BIT(OOM_KILL) },
	{ "on_oom_kill", "kills for want of memory", NULL, "__oom_kill_process", BIT(OOM_KILL), 0 },
	/* Only without the one before. */
	{ "on_victim", "kills for want of memory", "mark_victim", NULL, BIT(OOM_KILL), 0 },
	{ "on_write", "writes of limits", NULL, "cgroup_file_write", BIT(WRITE), 0 },
	{ "on_mnt_ns", "mount namespaces", NULL, "copy_mnt_ns", BIT(NS_CREATED), NAMESPACES },
	{ "on_net_ns", "network namespaces", NULL, "copy_net_ns", BIT(NS_CREATED), NAMESPACES },
	{ "on_pid_ns", "pid namespaces", NULL, "copy_pid_ns", BIT(NS_CREATED), NAMESPACES },
	{ "on_user_ns", "user namespaces", NULL, "create_user_ns", BIT(NS_CREATED), NAMESPACES },
	{ "on_uts_ns", "uts namespaces", NULL, "copy_utsname", BIT(NS_CREATED), NAMESPACES },
	{ "on_ipc_ns", "ipc namespaces", NULL, "copy_ipcs", BIT(NS_CREATED), NAMESPACES },
	{ "on_cgroup_ns", "cgroup namespaces", NULL, "copy_cgroup_ns", BIT(NS_CREATED),
	  NAMESPACES },
	{ "on_time_ns", "time namespaces", NULL, "copy_time_ns", BIT(NS_CREATED), NAMESPACES },
	{ "on_ns_end", "ends of namespaces", NULL, "proc_free_inum", BIT(NS_DESTROYED),
	  NAMESPACES },
};

_Static_assert(ARRAY_SIZE(bpf_event_programs) == BPF_EVENT_PROGRAMS, "one row a program");

const char *const bpf_event_files[] = {
	/* v2 */
	"cgroup.freeze", "cgroup.kill", "cgroup.max.depth", "cgroup.max.descendants",
	"cgroup.pressure", "cgroup.subtree_control", "cgroup.type", "cpu.idle", "cpu.max",
	"cpu.max.burst", "cpu.uclamp.max", "cpu.uclamp.min", "cpu.weight", "cpu.weight.nice",
	"cpuset.cpus", "cpuset.cpus.exclusive", "cpuset.cpus.partition", "cpuset.mems", "dmem.low",
	"dmem.max", "dmem.min", "hugetlb.1GB.max", "hugetlb.1GB.rsvd.max", "hugetlb.2MB.max",
	"hugetlb.2MB.rsvd.max", "io.bfq.weight", "io.cost.model", "io.cost.qos", "io.latency",
	"io.max", "io.prio.class", "io.weight", "memory.high", "memory.low", "memory.max",
	"memory.min", "memory.oom.group", "memory.reclaim", "memory.swap.high", "memory.swap.max",
	"memory.zswap.max", "memory.zswap.writeback", "misc.max", "pids.max", "rdma.max",
	/* v1 */
	"blkio.bfq.weight", "blkio.throttle.read_bps_device", "blkio.throttle.read_iops_device",
	"blkio.throttle.write_bps_device", "blkio.throttle.write_iops_device", "blkio.weight",
	"blkio.weight_device", "cpu.cfs_burst_us", "cpu.cfs_period_us", "cpu.cfs_quota_us",
	"cpu.rt_period_us", "cpu.rt_runtime_us", "cpu.shares", "devices.allow", "devices.deny",
	"freezer.state", "hugetlb.1GB.limit_in_bytes", "hugetlb.2MB.limit_in_bytes",
	"memory.force_empty", "memory.kmem.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes",
	"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control",
	"memory.soft_limit_in_bytes", "memory.swappiness", "net_cls.classid", "net_prio.ifpriomap",
	NULL
};
