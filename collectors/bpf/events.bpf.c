// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Events of cgroups, processes and namespaces, at the moment they happen, into one ring buffer.
 * Each program runs only while somebody wants what it tells of. Where a record finds no room it is
 * counted as lost, by kind.
 */
#include "collectors/bpf/events_kernel.bpf.h"

#include "collectors/bpf/event.h"
#include "core/kernel_event_kind.h"
#include "core/ns_type.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/*
 * Set before loading: the controllers of v1 hierarchies, in the order in which they are asked for
 * the cgroup of a process that is at the root of v2; KE_SUBSYSTEMS ends the list.
 */
const volatile __u32 subsystem_order[KE_SUBSYSTEMS] = {};
/* The number of the memory controller; KE_SUBSYSTEMS: none. */
const volatile __u32 memory_subsystem = KE_SUBSYSTEMS;
/* sched_process_exit says from 6.16 on whether the process ended with its thread. */
const volatile bool exit_tells_group = false;

/* The .bss, shared with the user. */
__u64 lost[KE_KINDS] = {};
__u64 unknown_namespaces = 0; /* created when the map was full: their end is not told */
__u64 last_wakeup = 0;

enum {
	WAKEUP_NS = 20000000, /* of frequent kinds; the user has a timer for what is left */
	THREADS_MOST = 4096,
	CLAIMS = 4096,
	DEPTH_MOST = 64,
	STATE_DEAD = 0x80, /* TASK_DEAD (sched.h) */
	CHARGE_PAGES = 64, /* MEMCG_CHARGE_BATCH (memcontrol.h), what each charge tries first */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} ring SEC(".maps");

/* Files whose writes are told. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, char[KE_FILE]);
	__type(value, u8);
} limit_files SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, KE_NAMESPACES);
	__type(key, u32);
	__type(value, struct ke_namespace);
} namespaces SEC(".maps");

/* By thread: what a kill for want of memory, or a move that is under way, is about. */
struct oom_scene {
	struct ke_place place;
	u64 usage, limit;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, struct oom_scene);
} oom_scenes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, u64);
} moves SEC(".maps");

/* By the last thread: processes that are about to end. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct ke_exit);
} ending SEC(".maps");

/* Processes of several threads whose end was told. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CLAIMS);
	__type(key, u64);
	__type(value, u8);
} ended SEC(".maps");

/* ---- records ---- */

#define RESERVE(type, kind)                                                  \
	({                                                                   \
		type *record_ = bpf_ringbuf_reserve(&ring, sizeof(type), 0); \
		if (!record_)                                                \
			__sync_fetch_and_add(&lost[kind], 1);                \
		record_;                                                     \
	})

static __always_inline void fill_who(struct ke_who *who)
{
	who->pid = bpf_get_current_pid_tgid() >> 32;
	who->uid = (u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(who->comm, sizeof(who->comm));
}

static __always_inline void fill_task(struct ke_who *who, struct task_struct___ev *task)
{
	struct task_struct___ev *leader = BPF_CORE_READ(task, group_leader);

	who->pid = BPF_CORE_READ(task, tgid);
	who->uid = BPF_CORE_READ(task, real_cred, uid.val);
	BPF_CORE_READ_STR_INTO(&who->comm, leader, comm);
}

static __always_inline void fill_place(struct ke_place *place, struct cgroup___ev *cgrp)
{
	place->cgroup = BPF_CORE_READ(cgrp, kn, id);
	place->hierarchy = BPF_CORE_READ(cgrp, root, hierarchy_id);
	place->reserved = 0;
}

static __always_inline struct cgroup___ev *cgroup_in(struct css_set___ev *set, u32 subsystem)
{
	struct cgroup_subsys_state___ev *css = NULL;

	if (subsystem >= KE_SUBSYSTEMS)
		return NULL;
	bpf_core_read(&css, sizeof(css), &set->subsys[subsystem]);
	return css ? BPF_CORE_READ(css, cgroup) : NULL;
}

/* As people know where a process is: the place in v2, or if that is the root the first v1 place
 * that says more. */
static __always_inline void fill_task_place(struct ke_place *place, struct task_struct___ev *task)
{
	struct css_set___ev *set = BPF_CORE_READ(task, cgroups);
	struct cgroup___ev *cgrp = BPF_CORE_READ(set, dfl_cgrp), *other;

	for (int i = 0; i < KE_SUBSYSTEMS && BPF_CORE_READ(cgrp, level) == 0; i++) {
		other = cgroup_in(set, subsystem_order[i]);
		if (!other)
			break;
		if (BPF_CORE_READ(other, level) > 0)
			cgrp = other;
	}
	fill_place(place, cgrp);
}

static __always_inline struct task_struct___ev *current_task(void)
{
	return (struct task_struct___ev *)bpf_get_current_task();
}

static __always_inline void fill_head(struct ke_head *head, enum kernel_event_kind kind)
{
	head->time = bpf_ktime_get_boot_ns();
	head->kind = kind;
	head->reserved = 0;
	fill_who(&head->who);
}

/* What is rare wakes the user at once; of storms it hears in batches. */
static __always_inline void submit(void *record)
{
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void submit_frequent(void *record)
{
	u64 now = bpf_ktime_get_ns();

	if (now - last_wakeup < WAKEUP_NS) {
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
		return;
	}
	last_wakeup = now;
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

/* ---- cgroups ---- */

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(on_created, struct cgroup___ev *cgrp, const char *path)
{
	struct ke_created *record = RESERVE(struct ke_created, KERNEL_EVENT_CREATED);
	struct cgroup_subsys_state___ev *parent;

	if (!record)
		return 0;
	fill_head(&record->cgroup.head, KERNEL_EVENT_CREATED);
	fill_place(&record->cgroup.head.place, cgrp);
	parent = (void *)BPF_CORE_READ(cgrp, self.parent);
	record->cgroup.other = parent ? BPF_CORE_READ(parent, cgroup, kn, id) : 0;
	record->name[0] = '\0';
	bpf_probe_read_kernel_str(record->name, sizeof(record->name),
				  BPF_CORE_READ(cgrp, kn, name));
	submit_frequent(record);
	return 0;
}

static __always_inline int tell_cgroup(struct cgroup___ev *cgrp, enum kernel_event_kind kind)
{
	struct ke_cgroup *record = RESERVE(struct ke_cgroup, kind);

	if (!record)
		return 0;
	fill_head(&record->head, kind);
	fill_place(&record->head.place, cgrp);
	record->other = 0;
	submit_frequent(record);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_removed, struct cgroup___ev *cgrp, const char *path)
{
	return tell_cgroup(cgrp, KERNEL_EVENT_REMOVED);
}

SEC("tp_btf/cgroup_freeze")
int BPF_PROG(on_freeze, struct cgroup___ev *cgrp, const char *path)
{
	return tell_cgroup(cgrp, KERNEL_EVENT_FREEZE);
}

SEC("tp_btf/cgroup_unfreeze")
int BPF_PROG(on_thaw, struct cgroup___ev *cgrp, const char *path)
{
	return tell_cgroup(cgrp, KERNEL_EVENT_THAW);
}

/* Before the move: where the task is in that hierarchy. */
SEC("fentry/cgroup_attach_task")
int BPF_PROG(on_attaching, struct cgroup___ev *target, struct task_struct___ev *task)
{
	struct css_set___ev *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_root___ev *root = BPF_CORE_READ(target, root);
	struct cgroup___ev *cgrp = BPF_CORE_READ(set, dfl_cgrp);
	u32 key = (u32)bpf_get_current_pid_tgid();
	u64 id;

	/* Of a move that failed, maybe in another hierarchy. */
	bpf_map_delete_elem(&moves, &key);
	for (int i = 0; i < KE_SUBSYSTEMS && cgrp && BPF_CORE_READ(cgrp, root) != root; i++)
		cgrp = cgroup_in(set, subsystem_order[i]);
	if (!cgrp || BPF_CORE_READ(cgrp, root) != root)
		return 0;
	id = BPF_CORE_READ(cgrp, kn, id);
	bpf_map_update_elem(&moves, &key, &id, BPF_ANY);
	return 0;
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(on_attached, struct cgroup___ev *cgrp, const char *path, struct task_struct___ev *task,
	     bool threadgroup)
{
	struct ke_cgroup *record = RESERVE(struct ke_cgroup, KERNEL_EVENT_ATTACHED);
	u32 key = (u32)bpf_get_current_pid_tgid();
	u64 *before;

	if (!record)
		return 0;
	fill_head(&record->head, KERNEL_EVENT_ATTACHED);
	fill_place(&record->head.place, cgrp);
	fill_task(&record->head.who, task);
	before = bpf_map_lookup_elem(&moves, &key);
	record->other = before ? *before : 0;
	bpf_map_delete_elem(&moves, &key);
	submit_frequent(record);
	return 0;
}

/* ---- processes ---- */

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct___ev *parent, struct task_struct___ev *child)
{
	struct ke_fork *record;

	if (child->pid != child->tgid)
		return 0;
	record = RESERVE(struct ke_fork, KERNEL_EVENT_FORK);
	if (!record)
		return 0;
	fill_head(&record->head, KERNEL_EVENT_FORK);
	fill_task(&record->head.who, child);
	fill_task_place(&record->head.place, child);
	record->parent_pid = parent->tgid;
	record->reserved = 0;
	submit_frequent(record);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct___ev *task, int old_pid, struct linux_binprm___ev *bprm)
{
	struct ke_exec *record = RESERVE(struct ke_exec, KERNEL_EVENT_EXEC);
	long length;

	if (!record)
		return 0;
	fill_head(&record->head, KERNEL_EVENT_EXEC);
	fill_task_place(&record->head.place, task);
	record->parent_pid = BPF_CORE_READ(task, real_parent, tgid);
	record->program[0] = '\0';
	length = bpf_probe_read_kernel_str(record->program, sizeof(record->program),
					   BPF_CORE_READ(bprm, filename));
	record->length = length > 0 ? (u32)length : 0;
	submit_frequent(record);
	return 0;
}

struct cpu_sum {
	struct list_head___ev *at, *head;
	u64 sum;
};

static long add_thread(u32 i, void *data)
{
	struct cpu_sum *sum = data;
	struct list_head___ev *at = sum->at;
	struct task_struct___ev *task;

	if (!at || at == sum->head)
		return 1;
	task = (void *)at - bpf_core_field_offset(struct task_struct___ev, thread_node);
	sum->sum += BPF_CORE_READ(task, se.sum_exec_runtime);
	sum->at = BPF_CORE_READ(at, next);
	return 0;
}

/* Of all threads that the process has had. */
static __always_inline u64 cpu_of(struct task_struct___ev *task)
{
	struct signal_struct___ev *signal = task->signal;
	struct cpu_sum sum = { .sum = signal->sum_sched_runtime };

	if (signal->nr_threads <= 1)
		return sum.sum + task->se.sum_exec_runtime;
	sum.head = (void *)signal + bpf_core_field_offset(struct signal_struct___ev, thread_head);
	sum.at = signal->thread_head.next;
	bpf_loop(THREADS_MOST, add_thread, &sum, 0);
	return sum.sum;
}

/* Several threads that end at once may each see that nobody is left: the first one tells. */
static __always_inline bool is_last(struct task_struct___ev *task, bool group_dead)
{
	struct signal_struct___ev *signal = task->signal;
	struct task_struct___ev *leader = task->group_leader;
	u64 key = leader->start_time ^ (u64)(u32)task->tgid << 32;
	u8 one = 1;

	if (exit_tells_group)
		return group_dead;
	if (signal->live.counter != 0)
		return false;
	return signal->nr_threads <= 1 || bpf_map_update_elem(&ended, &key, &one, BPF_NOEXIST) == 0;
}

/*
 * What is known when the last thread begins to end. What it used since the last tick is accounted
 * when it leaves the CPU for good: for a process of less than a tick that is all of it.
 */
static __always_inline int begin_exit(struct task_struct___ev *task, bool group_dead)
{
	struct task_struct___ev *leader = task->group_leader;
	struct ke_exit record = {};
	u64 key = (u64)task;
	int code;

	if (!is_last(task, group_dead))
		return 0;
	fill_head(&record.head, KERNEL_EVENT_EXIT);
	fill_task(&record.head.who, task);
	fill_task_place(&record.head.place, task);
	record.parent_pid = BPF_CORE_READ(leader, real_parent, tgid);
	code = task->signal->group_exit_code;
	record.status = code ? code : BPF_CORE_READ(leader, exit_code);
	record.lifetime = leader->start_time;
	record.cpu = cpu_of(task) - task->se.sum_exec_runtime;
	if (bpf_map_update_elem(&ending, &key, &record, BPF_ANY) < 0)
		__sync_fetch_and_add(&lost[KERNEL_EVENT_EXIT], 1);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_gone, bool preempt, struct task_struct___ev *task)
{
	u64 key = (u64)task;
	struct ke_exit *known, *record;

	if (task->__state != STATE_DEAD)
		return 0;
	known = bpf_map_lookup_elem(&ending, &key);
	if (!known)
		return 0;
	record = RESERVE(struct ke_exit, KERNEL_EVENT_EXIT);
	if (record) {
		__builtin_memcpy(record, known, sizeof(*record));
		record->lifetime = bpf_ktime_get_ns() - record->lifetime;
		record->cpu += task->se.sum_exec_runtime;
		submit_frequent(record);
	}
	bpf_map_delete_elem(&ending, &key);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int on_exit(u64 *ctx)
{
	bool group_dead = false;

	if (exit_tells_group)
		group_dead = (bool)ctx[1];
	return begin_exit((void *)ctx[0], group_dead);
}

/* ---- out of memory ---- */

SEC("fentry/oom_kill_process")
int BPF_PROG(on_oom, struct oom_control___ev *oc)
{
	struct mem_cgroup___ev *memcg = BPF_CORE_READ(oc, memcg);
	u32 key = (u32)bpf_get_current_pid_tgid();
	struct oom_scene scene = {};

	scene.place.hierarchy = KE_NO_HIERARCHY;
	if (memcg) {
		fill_place(&scene.place, BPF_CORE_READ(memcg, css.cgroup));
		scene.usage = BPF_CORE_READ(memcg, memory.usage.counter);
		scene.limit = BPF_CORE_READ(memcg, memory.max);
	}
	bpf_map_update_elem(&oom_scenes, &key, &scene, BPF_ANY);
	return 0;
}

static __always_inline int tell_oom_kill(struct task_struct___ev *victim,
					 const struct oom_scene *scene)
{
	struct ke_oom *record = RESERVE(struct ke_oom, KERNEL_EVENT_OOM_KILL);

	if (!record)
		return 0;
	fill_head(&record->head, KERNEL_EVENT_OOM_KILL);
	fill_task(&record->victim, victim);
	fill_task_place(&record->victim_place, victim);
	record->rss = rss_of(BPF_CORE_READ(victim, mm));
	if (scene && scene->place.hierarchy != KE_NO_HIERARCHY) {
		record->head.place = scene->place;
		record->usage = scene->usage;
		record->limit = scene->limit;
	} else {
		record->head.place = record->victim_place;
		record->usage = record->limit = 0;
	}
	submit(record);
	return 0;
}

/* Each process that is killed, also with its whole cgroup (memory.oom.group). */
SEC("fentry/__oom_kill_process")
int BPF_PROG(on_oom_kill, struct task_struct___ev *victim)
{
	u32 key = (u32)bpf_get_current_pid_tgid();

	return tell_oom_kill(victim, bpf_map_lookup_elem(&oom_scenes, &key));
}

/*
 * Where functions cannot be watched. A charge fails at the first level, from the process upwards,
 * that has no room for it, and nothing could be reclaimed there: the lowest cgroup that is full is
 * the one. If none is, the machine was out of memory.
 */
static __always_inline void find_full(struct task_struct___ev *victim, struct oom_scene *scene)
{
	struct css_set___ev *set = BPF_CORE_READ(victim, cgroups);
	struct mem_cgroup___ev *memcg = NULL;

	scene->place.hierarchy = KE_NO_HIERARCHY;
	if (memory_subsystem >= KE_SUBSYSTEMS)
		return;
	bpf_core_read(&memcg, sizeof(memcg), &set->subsys[memory_subsystem]);
	for (int i = 0; i < DEPTH_MOST && memcg; i++) {
		scene->usage = BPF_CORE_READ(memcg, memory.usage.counter);
		scene->limit = BPF_CORE_READ(memcg, memory.max);
		if (scene->usage + CHARGE_PAGES > scene->limit) {
			fill_place(&scene->place, BPF_CORE_READ(memcg, css.cgroup));
			return;
		}
		memcg = (void *)BPF_CORE_READ(memcg, css.parent);
	}
}

/* Since 6.9 and in stable kernels with the task (72ba14deb40a), before with its pid only. */
SEC("tp_btf/mark_victim")
int BPF_PROG(on_victim, struct task_struct___ev *victim)
{
	struct oom_scene scene = {};

	find_full(victim, &scene);
	return tell_oom_kill(victim, &scene);
}

/* ---- limit files ---- */

SEC("fexit/cgroup_file_write")
int BPF_PROG(on_write, struct kernfs_open_file___ev *of, char *text, size_t n, s64 offset, s64 ret)
{
	struct kernfs_node___ev *kn = BPF_CORE_READ(of, kn);
	u32 size = n < KE_WRITTEN - 1 ? (u32)n : KE_WRITTEN - 1;
	char file[KE_FILE] = {};
	struct ke_write *record;

	bpf_probe_read_kernel_str(file, sizeof(file), BPF_CORE_READ(kn, name));
	if (!bpf_map_lookup_elem(&limit_files, file))
		return 0;
	record = RESERVE(struct ke_write, KERNEL_EVENT_WRITE);
	if (!record)
		return 0;
	fill_head(&record->head, KERNEL_EVENT_WRITE);
	fill_place(&record->head.place, BPF_CORE_READ(kernfs_parent(kn), priv));
	__builtin_memcpy(record->file, file, sizeof(record->file));
	__builtin_memset(record->text, 0, sizeof(record->text));
	record->result = (s32)ret;
	record->length = (u32)n;
	/* The verifier of 6.1 does not follow the comparison above: the mask says it again. */
	asm volatile("" : "+r"(size));
	size &= KE_WRITTEN - 1;
	bpf_probe_read_kernel(record->text, size, text);
	submit(record);
	return 0;
}

#include "collectors/bpf/events_ns.bpf.h"
