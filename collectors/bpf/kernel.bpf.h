/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#pragma once

/*
 * The kernel as our programs see it: the few types and fields they touch, found at load time by
 * name (CO-RE), and every difference between kernels, each with where it came from. Nothing here is
 * a copy of the kernel's layout: offsets and sizes are the running kernel's.
 */

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <linux/bpf.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;
typedef struct {
	s64 counter;
} atomic64_t;
typedef atomic64_t atomic_long_t;

struct list_head {
	struct list_head *next, *prev;
};

struct kernfs_node {
	const char *name;
	unsigned int hash; /* of the name, made anew when it changes (kernfs_rename_ns()) */
	u64 id;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
	unsigned int flags;
	int nr_descendants; /* 6.12, ab0312526867 */
};

struct task_cputime {
	u64 stime, utime;
	unsigned long long sum_exec_runtime;
};

struct cgroup_base_stat {
	struct task_cputime cputime;
	u64 ntime;	   /* 6.13 and stable 6.12, aefa398d93d5 */
	u64 forceidle_sum; /* 6.0 with SCHED_CORE, 1fcf54deb767 */
};

struct prev_cputime {
	u64 utime, stime;
};

struct cgroup_freezer_state {
	bool freeze;
	struct { /* 6.18 */
		struct {
			unsigned int sequence;
		} seqcount;
	} freeze_seq;
	u64 freeze_start_nsec, frozen_nsec; /* 6.18 */
};

struct cgroup {
	struct cgroup_subsys_state self;
	unsigned long flags;
	int level, max_depth, nr_descendants, nr_dying_descendants, max_descendants;
	int nr_populated_csets, nr_populated_domain_children, nr_populated_threaded_children;
	struct kernfs_node *kn;
	struct cgroup_subsys_state *subsys[16];
	int nr_dying_subsys[16]; /* 6.12, ab0312526867 */
	struct cgroup_root *root;
	struct cgroup_base_stat bstat;
	struct prev_cputime prev_cputime;
	struct cgroup_freezer_state freezer;
};

struct cgroup_root {
	struct cgroup cgrp;
	unsigned int flags;
};

struct page_counter {
	atomic_long_t usage;
	unsigned long failcnt, watermark, min, low, high, max;
};

/*
 * Sums over the subtree, as of the last flush. Up to 6.9 by enum node_stat_item and
 * memcg_stat_item; from 6.10 on (ff48c71c26aa) state[], and from 6.1 on (8278f1c7b492) events[],
 * have only what memory.stat prints, at places that a table says.
 */
struct memcg_vmstats {
	long state[64];
	unsigned long events[64];
};

/* Some of it depends on CONFIG_MEMCG_V1 (6.11, e93d4166b40a), CONFIG_ZSWAP, CONFIG_SWAP. */
struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory, swap, memsw, kmem, tcpmem;
	unsigned long soft_limit, move_charge_at_immigrate, zswap_max;
	bool oom_group;
	bool zswap_writeback; /* 6.8, 501a06fe8e4c */
	int under_oom, oom_kill_disable, swappiness;
	struct memcg_vmstats *vmstats;
	atomic_long_t memory_events[16], memory_events_local[16];
};

struct cfs_bandwidth {
	s64 period;
	u64 quota, burst;
	int nr_periods, nr_throttled, nr_burst;
	u64 throttled_time, burst_time;
};

struct cfs_rq {
	u64 throttled_clock_self_time; /* 6.6, 677ea015f231 */
};

struct rt_bandwidth {
	s64 rt_period;
	u64 rt_runtime;
};

struct cpuacct {
	struct cgroup_subsys_state css;
	u64 *cpuusage; /* per CPU */
	struct kernel_cpustat *cpustat;
};

struct freezer {
	struct cgroup_subsys_state css;
	unsigned int state;
};

struct bpf_array {
	/* Seen on 6.1 and 6.18: the last member before the elements, or before pptrs[]. */
	void *aux;
};

struct task_group {
	struct cgroup_subsys_state css;
	unsigned long shares;
	int idle;
	struct cfs_rq **cfs_rq; /* by CPU */
	struct rt_bandwidth rt_bandwidth;
	struct cfs_bandwidth cfs_bandwidth;
};

struct pids_cgroup {
	struct cgroup_subsys_state css;
	atomic64_t counter, limit;
	s64 watermark;
	/* 6.11, 73e75e6fc352 and 3f26a885a068: by enum pidcg_event; before, one events_limit. */
	atomic64_t events[2], events_local[2];
};

struct pids_cgroup___6_10 {
	atomic64_t events_limit;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct blkg_iostat {
	u64 bytes[3], ios[3];
};

struct blkg_iostat_set {
	struct blkg_iostat cur;
};

struct blkcg {
	struct cgroup_subsys_state css;
	struct hlist_head blkg_list;
};

struct device;

struct backing_dev_info {
	struct device *dev;
};

struct gendisk {
	int major, first_minor;
	struct backing_dev_info *bdi;
};

struct request_queue {
	struct gendisk *disk;
};

struct blkcg_gq {
	struct request_queue *q;
	struct hlist_node blkcg_node;
	struct blkcg *blkcg;
	bool online;
	struct blkg_iostat_set iostat;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id, seq_num;
};

struct bpf_iter__cgroup {
	struct bpf_iter_meta *meta;
	struct cgroup *cgroup;
};

#pragma clang attribute pop

/* The members are asked for by bpf_core_enum_value(): numbers depend on the configuration. */
enum cgroup_subsys_id {
	cpu_cgrp_id = 100,
	cpuacct_cgrp_id,
	io_cgrp_id,
	memory_cgrp_id,
	freezer_cgrp_id,
	pids_cgrp_id,
	cpuset_cgrp_id,
	CGROUP_SUBSYS_COUNT,
};

/* kernel/cgroup/legacy_freezer.c */
enum freezer_state_flags {
	CGROUP_FREEZING_SELF = 100,
	CGROUP_FREEZING_PARENT,
	CGROUP_FROZEN,
};

/* kernel/cgroup/pids.c, 6.11 */
enum pidcg_event { PIDCG_MAX = 100, PIDCG_FORKFAIL };

enum memcg_memory_event {
	MEMCG_LOW = 100,
	MEMCG_HIGH,
	MEMCG_MAX,
	MEMCG_OOM,
	MEMCG_OOM_KILL,
	MEMCG_OOM_GROUP_KILL,
	MEMCG_SWAP_HIGH,
	MEMCG_SWAP_MAX,
	MEMCG_SWAP_FAIL,
	MEMCG_SOCK_THROTTLED, /* 6.19 */
};

/* include/linux/cgroup-defs.h, since 4.6: the controller's files are there for this cgroup. */
#define CSS_VISIBLE (1U << 3)

/*
 * Bringing the counters of a subtree up to date. Up to 6.15 for all subsystems at once, from 6.16
 * on by subsystem (5da3bfa029d6, "cgroup: use separate rstat trees for each subsystem"). A weak
 * function's address cannot be tested on 6.1 ("isn't KIND_VAR"): the loader says which there is.
 */
enum flush_kind { FLUSH_NONE, FLUSH_CGROUP, FLUSH_CSS };
void cgroup_rstat_flush(struct cgroup *cgrp) __ksym __weak;
void css_rstat_flush(struct cgroup_subsys_state *css) __ksym __weak;

/* Programs that may sleep are not within RCU by themselves: 6.2 (9bb00b2895cb). */
void bpf_rcu_read_lock(void) __ksym __weak;
void bpf_rcu_read_unlock(void) __ksym __weak;
const volatile bool have_rcu = false;

/* Reads a pointer of any type as another one, 6.2 (a35b9af4ec2c); before, memory is copied. */
void *bpf_rdonly_cast(const void *obj, u32 btf_id) __ksym __weak;
const volatile bool have_rdonly_cast = false;

/*
 * `pointer->member` of a structure that the verifier does not know the pointer for, as a u64: of a
 * controller's own state, which is known by its first member only.
 */
#define READ_FIELD(type, pointer, member)                                                         \
	({                                                                                        \
		u64 read_value_ = 0;                                                              \
		if (have_rdonly_cast) {                                                           \
			const type *cast_ = bpf_rdonly_cast(pointer,                              \
							    bpf_core_type_id_kernel(type));       \
			read_value_ = (u64)cast_->member;                                         \
		} else {                                                                          \
			typeof(((type *)0)->member) copy_ = 0;                                    \
			bpf_core_read(&copy_, sizeof(copy_), &((const type *)(pointer))->member); \
			read_value_ = (u64)copy_;                                                 \
		}                                                                                 \
		read_value_;                                                                      \
	})

/*
 * Where memory has to be copied, each copy is a call, which costs more than many words: a range of
 * a structure in one go, of which the members are taken. Iterators over cgroups hold cgroup_mutex,
 * so that a program's one block is enough.
 */
enum { BLOCK_BYTES = 4096 };

/* Bytes from the first member to the end of the last; 0: it has not both, or it is no such range.
 */
#define BLOCK_SIZE(type, first, last)                                                        \
	({                                                                                   \
		u32 bytes_ = 0;                                                              \
		if (!have_rdonly_cast && bpf_core_field_exists(((struct type *)0)->first) && \
		    bpf_core_field_exists(((struct type *)0)->last))                         \
			bytes_ = bpf_core_field_offset(struct type, last) +                  \
				 bpf_core_field_size(((struct type *)0)->last) -             \
				 bpf_core_field_offset(struct type, first);                  \
		bytes_ <= BLOCK_BYTES ? bytes_ : 0;                                          \
	})

#define BLOCK_LOAD(type, first, last, pointer)                                                    \
	({                                                                                        \
		u32 size_ = BLOCK_SIZE(type, first, last);                                        \
		if (size_ > 0)                                                                    \
			bpf_probe_read_kernel(block, size_,                                       \
					      (void *)(pointer) +                                 \
						      bpf_core_field_offset(struct type, first)); \
	})

/* READ_FIELD() of a structure whose block was loaded; what does not lie in it is read alone. */
#define READ_BLOCK(type, first, last, pointer, member)                                            \
	({                                                                                        \
		u64 block_value_ = 0;                                                             \
		u32 place_ = BLOCK_BYTES;                                                         \
		if (BLOCK_SIZE(type, first, last) > 0)                                            \
			place_ = bpf_core_field_offset(struct type, member) -                     \
				 bpf_core_field_offset(struct type, first);                       \
		if (place_ < BLOCK_BYTES &&                                                       \
		    place_ + sizeof(((struct type *)0)->member) <= BLOCK_SIZE(type, first, last)) \
			block_value_ = (u64) *                                                    \
				       (typeof(((struct type *)0)->member) *)((void *)block +     \
									      place_);            \
		else                                                                              \
			block_value_ = READ_FIELD(struct type, pointer, member);                  \
		block_value_;                                                                     \
	})

/*
 * ---- waiting times and bytes (latency.bpf.c) ---------------------------------------------
 * Only what those programs look at: a name's part behind "___" is ours, the rest the kernel's.
 */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cgroup_root___wait {
	int hierarchy_id;
};

struct cgroup___wait {
	struct cgroup_subsys_state___wait {
		struct cgroup___wait *cgroup;
		struct cgroup_subsys_state___wait *parent;
	} self;
	struct kernfs_node *kn;
	struct cgroup_root___wait *root;
};

struct css_set___wait {
	struct cgroup_subsys_state___wait *subsys[16];
	struct cgroup___wait *dfl_cgrp;
};

/* The scheduler's own account of waiting (CONFIG_SCHED_INFO), as in /proc/PID/schedstat. */
struct sched_info___wait {
	unsigned long pcount;
	unsigned long long run_delay, last_arrival, last_queued;
};

struct rq___wait {
	u64 clock;
};

struct task_group___wait {
	struct cgroup_subsys_state___wait css;
};

struct cfs_rq___wait {
	struct rq___wait *rq;
	u64 throttled_clock; /* left as it was up to 6.1; later 0 when nothing waits */
	int throttled;
	struct task_group___wait *tg;
};

struct sched_entity___wait {
	struct cfs_rq___wait *cfs_rq;
};

struct task_struct___wait {
	int pid;
	struct css_set___wait *cgroups;
	struct sched_info___wait sched_info;
	struct sched_entity___wait se;
	unsigned int memcg_nr_pages_over_high;
};

struct blkcg___wait {
	struct cgroup_subsys_state___wait css;
};

struct blkcg_gq___wait {
	struct blkcg___wait *blkcg;
};

struct bio___wait {
	struct blkcg_gq___wait *bi_blkg;
};

struct request___wait {
	struct bio___wait *bio;
	unsigned int __data_len;
};

struct sock_common___wait {
	unsigned short skc_family;
};

struct sock___wait {
	struct sock_common___wait __sk_common;
	u16 sk_protocol; /* 5.6, bf9765145b85 */
};

#pragma clang attribute pop

/*
 * Held back above memory.high: a function mem_cgroup_handle_over_high() on 6.1; seen on 6.18, an
 * inline wrapper, whose test is ours too, around __mem_cgroup_handle_over_high(gfp_t). The loader
 * picks the function.
 */
