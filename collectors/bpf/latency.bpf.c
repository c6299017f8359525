// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Waiting times and bytes of watched cgroups. Each program runs only while somebody asks for it,
 * and for a cgroup that nobody watches costs one lookup.
 */
#include "collectors/bpf/watched.bpf.h"

#include "collectors/bpf/net.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* ---- which cgroups are below a watched one --------------------------------------------- */

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(watched_mkdir, struct cgroup___wait *cgrp)
{
	struct cgroup_subsys_state___wait *parent = cgrp->self.parent;
	struct lat_key key, above;
	struct lat_watch *watch, copy;

	if (!parent)
		return 0;
	above = key_of(parent->cgroup);
	watch = bpf_map_lookup_elem(&watched, &above);
	if (!watch)
		return 0;
	copy = *watch;
	key = key_of(cgrp);
	if (bpf_map_update_elem(&watched, &key, &copy, BPF_ANY) < 0)
		count_lost();
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(watched_rmdir, struct cgroup___wait *cgrp)
{
	struct lat_key key = key_of(cgrp);

	bpf_map_delete_elem(&watched, &key);
	return 0;
}

/* ---- run queue --------------------------------------------------------------------------- */

/*
 * The scheduler stamps a task when it becomes runnable and adds up what it waited (run_delay); a
 * balanced task's wait is added in parts. What it had waited in all when it last got a CPU, by its
 * address: the task lives until its last entry is deleted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LAT_TASKS);
	__type(key, u64);
	__type(value, u64);
} tasks SEC(".maps");

SEC("tp_btf/sched_switch")
int BPF_PROG(runqueue_switch, bool preempt, struct task_struct___wait *prev,
	     struct task_struct___wait *next)
{
	u64 key = (u64)next, queued, clock, total, *before, since = 0;
	struct lat_slot *slot;

	if (next->pid == 0)
		return 0;
	slot = slot_of(cgroup_of(next, &cpu_tree));
	if (!slot)
		return 0;
	/* The clock that the scheduler itself is about to account this wait by. */
	queued = next->sched_info.last_queued;
	clock = next->se.cfs_rq->rq->clock;
	if (queued && clock > queued)
		since = clock - queued;
	total = next->sched_info.run_delay + since;
	before = bpf_map_lookup_elem(&tasks, &key);
	if (next->sched_info.pcount == 0) {
		since = total;
	} else if (before) {
		since = total - *before;
	} else if (bpf_map_update_elem(&tasks, &key, &total, BPF_ANY) == 0) {
		return 0; /* how much of it was before is not known */
	} else {
		count_lost();
		return 0;
	}
	if (before)
		*before = total;
	else if (bpf_map_update_elem(&tasks, &key, &total, BPF_ANY) < 0)
		count_lost();
	if (queued)
		count_time(slot, LAT_RUNQUEUE, since);
	return 0;
}

SEC("tp_btf/sched_process_free")
int BPF_PROG(runqueue_free, struct task_struct___wait *task)
{
	u64 key = (u64)task;

	bpf_map_delete_elem(&tasks, &key);
	return 0;
}

/* ---- block I/O ----------------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LAT_REQUESTS);
	__type(key, u64);
	__type(value, struct lat_started);
} requests SEC(".maps");

static __always_inline struct cgroup___wait *cgroup_of_request(const struct request___wait *rq)
{
	struct bio___wait *bio = rq->bio;
	struct blkcg_gq___wait *group = bio ? bio->bi_blkg : NULL;
	struct blkcg___wait *blkcg = group ? group->blkcg : NULL;

	return blkcg ? blkcg->css.cgroup : NULL;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(block_issue, struct request___wait *rq)
{
	struct cgroup___wait *cgrp = cgroup_of_request(rq);
	struct lat_started started;
	struct lat_watch *watch;
	u64 key = (u64)rq;

	if (!cgrp)
		return 0;
	started.key = key_of(cgrp);
	watch = bpf_map_lookup_elem(&watched, &started.key);
	if (!watch)
		return 0;
	started.watch = *watch;
	started.at = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&requests, &key, &started, BPF_NOEXIST) == 0)
		return 0;
	/* There is no room, or the end of what this request was before has not been seen. */
	count_lost();
	bpf_map_update_elem(&requests, &key, &started, BPF_ANY);
	return 0;
}

/* The device could not take it now: it is issued once more. */
SEC("tp_btf/block_rq_requeue")
int BPF_PROG(block_requeue, struct request___wait *rq)
{
	u64 key = (u64)rq;

	bpf_map_delete_elem(&requests, &key);
	return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(block_complete, struct request___wait *rq, int error, unsigned int bytes)
{
	u64 key = (u64)rq;
	struct lat_started *started = bpf_map_lookup_elem(&requests, &key), copy;
	struct cgroup___wait *cgrp;
	struct lat_slot *slot;

	/* A part of it is done: the rest goes on. */
	if (!started || bytes < rq->__data_len)
		return 0;
	copy = *started;
	bpf_map_delete_elem(&requests, &key);
	/* By now another cgroup's, that nobody watches: its own end was missed. */
	cgrp = cgroup_of_request(rq);
	if (cgrp &&
	    (cgrp->kn->id != copy.key.id || (u32)cgrp->root->hierarchy_id != copy.key.hierarchy)) {
		count_lost();
		return 0;
	}
	slot = slot_of_watch(&copy.watch);
	if (slot)
		count_time(slot, LAT_BLOCK_IO, bpf_ktime_get_ns() - copy.at);
	return 0;
}

/* ---- throttled by the CPU quota -------------------------------------------------------------- */

struct throttled {
	u64 cfs_rq, since;
};

/* Between entry and return of the function, which holds the run queue's lock. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct throttled);
} throttled SEC(".maps");

static __always_inline bool is_throttled(const struct cfs_rq___wait *cfs_rq)
{
	return BPF_CORE_READ_BITFIELD_PROBED(cfs_rq, throttled) != 0;
}

/*
 * The kernel's own measure: what it adds to throttled_time when a cgroup's queue of one CPU is let
 * go. From 6.18 on tasks leave the queue one by one on their way to user space (e1fad12dcb66), and
 * the stamp is set when the first waits; what is told here is the same sum as in cpu.stat.
 */
SEC("fentry/unthrottle_cfs_rq")
int BPF_PROG(throttle_enter, struct cfs_rq___wait *cfs_rq)
{
	u32 zero = 0;
	struct throttled *here = bpf_map_lookup_elem(&throttled, &zero);

	if (here) {
		here->cfs_rq = (u64)cfs_rq;
		here->since = is_throttled(cfs_rq) ? cfs_rq->throttled_clock : 0;
	}
	return 0;
}

SEC("fexit/unthrottle_cfs_rq")
int BPF_PROG(throttle_exit, struct cfs_rq___wait *cfs_rq)
{
	u32 zero = 0;
	struct throttled *here = bpf_map_lookup_elem(&throttled, &zero);
	struct lat_slot *slot;
	u64 clock;

	if (!here || here->cfs_rq != (u64)cfs_rq || !here->since || is_throttled(cfs_rq))
		return 0;
	slot = slot_of(cfs_rq->tg->css.cgroup);
	clock = cfs_rq->rq->clock;
	if (slot && clock >= here->since)
		count_time(slot, LAT_THROTTLE, clock - here->since);
	return 0;
}

/* ---- held back by memory ------------------------------------------------------------------ */

/* By task and kind: one may reclaim while it is held back above memory.high. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LAT_STALLS);
	__type(key, u64);
	__type(value, struct lat_started);
} stalls SEC(".maps");

static __always_inline u64 stall_key(const struct task_struct___wait *task, u32 kind)
{
	return (u64)(u32)task->pid << 8 | kind;
}

static __always_inline int stall_begin(u32 kind)
{
	struct task_struct___wait *task = (void *)bpf_get_current_task_btf();
	struct cgroup___wait *cgrp = cgroup_of(task, &memory_tree);
	struct lat_started started;
	struct lat_watch *watch;
	u64 key = stall_key(task, kind);

	if (!cgrp)
		return 0;
	started.key = key_of(cgrp);
	watch = bpf_map_lookup_elem(&watched, &started.key);
	if (!watch)
		return 0;
	started.watch = *watch;
	started.at = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&stalls, &key, &started, BPF_ANY) < 0)
		count_lost();
	return 0;
}

static __always_inline int stall_end(u32 kind)
{
	struct task_struct___wait *task = (void *)bpf_get_current_task_btf();
	u64 key = stall_key(task, kind);
	struct lat_started *started = bpf_map_lookup_elem(&stalls, &key), copy;
	struct lat_slot *slot;

	if (!started)
		return 0;
	copy = *started;
	bpf_map_delete_elem(&stalls, &key);
	slot = slot_of_watch(&copy.watch);
	if (slot)
		count_time(slot, kind, bpf_ktime_get_ns() - copy.at);
	return 0;
}

SEC("fentry/__mem_cgroup_handle_over_high")
int BPF_PROG(memory_high_enter)
{
	struct task_struct___wait *task = (void *)bpf_get_current_task_btf();

	/* Up to 6.7 it is called on every return to user space with work to do. */
	return task->memcg_nr_pages_over_high ? stall_begin(LAT_MEMORY_HIGH) : 0;
}

SEC("fexit/__mem_cgroup_handle_over_high")
int BPF_PROG(memory_high_exit)
{
	return stall_end(LAT_MEMORY_HIGH);
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(reclaim_memcg_begin)
{
	return stall_begin(LAT_RECLAIM);
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(reclaim_memcg_end)
{
	return stall_end(LAT_RECLAIM);
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(reclaim_direct_begin)
{
	return stall_begin(LAT_RECLAIM);
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(reclaim_direct_end)
{
	return stall_end(LAT_RECLAIM);
}
