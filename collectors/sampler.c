// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/sampler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "collectors/read.h"
#include "collectors/watch.h"
#include "core/clock.h"
#include "core/derive.h"
#include "core/fact.h"
#include "core/join.h"
#include "core/rates.h"

/*
 * A kept file costs about 5 KB of kernel memory (measured on 6.18): 16,384 of them 80 MB, which
 * only a machine with thousands of cgroups gets to. More is for whoever asks for it.
 */
enum { DEFAULT_MAX_FDS = 16384, RESERVED_FDS = 128 };

struct sampler {
	const struct root *root;
	struct hierarchies *hierarchies;
	struct strpool *strings; /* one pool: snapshots keep it alive through their tree */
	struct walk *walk;
	struct reader *reader;
	struct watch *watch;		     /* from the third sample on, */
	uint32_t watched_for;		     /* while these hierarchies are gone through anyway */
	struct bpf_sample *bpf, *loaded_bpf; /* the one in use, and the same also while it is not */
	bool no_bpf, replan;
	char bpf_reason[BPF_REASON_SIZE]; /* why there is none */
	struct bpf_latency *latency;	  /* once somebody watched */
	bool latency_failed;
	char latency_reason[BPF_REASON_SIZE];
	uint32_t watch_kinds;
	uint64_t *watch_serials;
	size_t n_watched;
	unsigned int max_fds;
	struct metric_set wanted;
	struct snapshot *previous;
	struct inventory *inventory;
	struct join *join; /* of the inventory and the last tree */
	struct sampler_stats stats;
};

static void on_drop(struct live *live, void *data)
{
	struct sampler *sampler = data;

	if (sampler->reader)
		reader_drop(sampler->reader, live);
}

/* What the process may open, less what the rest of the program needs. */
static unsigned int fd_budget(unsigned int asked)
{
	struct rlimit limit = { 1024, 1024 };
	rlim_t room;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			getrlimit(RLIMIT_NOFILE, &limit);
	}
	room = limit.rlim_cur > RESERVED_FDS ? limit.rlim_cur - RESERVED_FDS : 0;
	if (asked == 0)
		asked = DEFAULT_MAX_FDS;
	return asked < room ? asked : (unsigned int)room;
}

static struct bpf_sample *load_bpf(struct sampler *sampler)
{
	if (root_is_recorded(sampler->root))
		snprintf(sampler->bpf_reason, sizeof(sampler->bpf_reason),
			 "a recorded tree has only files");
	else if (!sampler->loaded_bpf &&
		 bpf_sample_new(sampler->root, sampler->hierarchies, &sampler->loaded_bpf,
				sampler->bpf_reason, sizeof(sampler->bpf_reason)) < 0)
		sampler->loaded_bpf = NULL;
	return sampler->loaded_bpf;
}

bool sampler_use_bpf(struct sampler *sampler, bool bpf)
{
	/* Kept while it is not in use: what it took to load it may be gone by now. */
	bpf &= !sampler->no_bpf;
	sampler->bpf = bpf ? load_bpf(sampler) : NULL;
	if (!bpf)
		snprintf(sampler->bpf_reason, sizeof(sampler->bpf_reason), "it is switched off");
	sampler->replan = true;
	return sampler->bpf != NULL;
}

int sampler_new(const struct root *root, const struct sampler_options *options,
		struct sampler **ret_sampler)
{
	struct sampler *sampler = calloc(1, sizeof(*sampler));
	int r;

	if (!sampler)
		return -ENOMEM;
	sampler->root = root;
	sampler->max_fds = fd_budget(options ? options->max_fds : 0);
	sampler->strings = strpool_new();
	r = sampler->strings ? hierarchies_new(root, &sampler->hierarchies) : -ENOMEM;
	if (r == 0)
		r = reader_new(root, sampler->hierarchies, sampler->strings, sampler->max_fds,
			       &sampler->reader);
	if (r == 0)
		r = walk_new(sampler->hierarchies, sampler->strings, root_is_recorded(root),
			     on_drop, sampler, &sampler->walk);
	if (r < 0) {
		sampler_free(sampler);
		return r;
	}
	sampler->no_bpf = options && options->no_bpf;
	sampler_use_bpf(sampler, options && options->bpf);
	*ret_sampler = sampler;
	return 0;
}

void sampler_free(struct sampler *sampler)
{
	if (!sampler)
		return;
	snapshot_unref(sampler->previous);
	join_unref(sampler->join);
	inventory_unref(sampler->inventory);
	watch_free(sampler->watch);
	bpf_latency_free(sampler->latency);
	free(sampler->watch_serials);
	bpf_sample_free(sampler->loaded_bpf);
	walk_free(sampler->walk);
	reader_free(sampler->reader);
	hierarchies_free(sampler->hierarchies);
	strpool_unref(sampler->strings);
	free(sampler);
}

void sampler_load_latency(struct sampler *sampler)
{
	if (sampler->latency || sampler->latency_failed || !sampler->bpf)
		return;
	sampler->latency_failed = bpf_latency_new(sampler->root, sampler->hierarchies,
						  &sampler->latency, sampler->latency_reason,
						  sizeof(sampler->latency_reason)) < 0;
	if (sampler->latency_failed)
		sampler->latency = NULL;
}

const struct hierarchies *sampler_hierarchies(const struct sampler *sampler)
{
	return sampler->hierarchies;
}

/*
 * A watch is worth its while only for those who go on sampling: ending one waits for a grace period
 * of the kernel, which a single `cgwatch ls` should not. The bpf backend meets every cgroup of the
 * hierarchies that it goes through anyway.
 */
static int watch(struct sampler *sampler)
{
	uint32_t passed = sampler->bpf ? bpf_sample_mask(sampler->bpf) : 0;

	if (sampler->stats.samples < 2 || root_is_recorded(sampler->root))
		return 0;
	if (sampler->watch && sampler->watched_for == passed)
		return 0;
	watch_free(sampler->watch);
	sampler->watch = NULL;
	sampler->watched_for = passed;
	return watch_new(sampler->hierarchies, ~passed, &sampler->watch);
}

static int refresh(struct sampler *sampler)
{
	uint32_t n = walk_tree(sampler->walk) ? walk_tree(sampler->walk)->n : 0;
	uint32_t changed = UINT32_MAX, mask = reader_mask(sampler->reader);

	if (sampler->watch) {
		changed = watch_changed(sampler->watch);
		mask &= ~watch_covered(sampler->watch);
	}
	if (sampler->bpf) {
		/* It meets every cgroup: no need to look at each. */
		uint32_t met = bpf_sample_pass(sampler->bpf, sampler->walk, changed);

		changed &= ~met;
		mask &= ~met;
	}
	return walk_refresh(sampler->walk, changed, mask,
			    mask ? reader_spare_dirs(sampler->reader, n) : 0);
}

/* The join is kept for as long as neither the tree nor the inventory is another one. */
static int add_inventory(struct sampler *sampler, struct snapshot *snapshot)
{
	int r = 0;

	if (!join_is_of(sampler->join, snapshot->tree, sampler->inventory)) {
		join_unref(sampler->join);
		sampler->join = NULL;
		if (sampler->inventory)
			r = join_new(snapshot->tree, sampler->inventory, &sampler->join);
	}
	snapshot->inventory = inventory_ref(sampler->inventory);
	snapshot->join = join_ref(sampler->join);
	return r;
}

/* Kinds that the caller names, and those that the wanted columns are made of. */
static int want_latency(struct sampler *sampler)
{
	unsigned int kinds = metric_set_watched(&sampler->wanted) | sampler->watch_kinds;

	if (!sampler->latency)
		return 0;
	return bpf_latency_want(sampler->latency, kinds, kinds & DISTRIBUTION_NET,
				sampler->watch_serials, sampler->n_watched);
}

static int add_distributions(struct sampler *sampler, struct snapshot *snapshot)
{
	int r = want_latency(sampler);

	if (r < 0)
		return r;
	if (sampler->latency)
		return bpf_latency_fill(sampler->latency, sampler->walk, snapshot);
	distributions_fill(snapshot, sampler->bpf && !sampler->latency_failed ? VALUE_UNWATCHED
									      : VALUE_ABSENT);
	return 0;
}

static int take(struct sampler *sampler, struct snapshot **ret_snapshot)
{
	uint64_t boottime, realtime;
	struct snapshot *snapshot;
	int r = watch(sampler);

	/* When reading began: of the bpf backend's records before the walk, of the files after. */
	boottime = clock_ns(CLOCK_BOOTTIME);
	realtime = clock_ns(CLOCK_REALTIME);
	r = r < 0 ? r : refresh(sampler);
	if (r < 0)
		return r;
	snapshot = snapshot_new(walk_tree(sampler->walk), &sampler->wanted);
	if (!snapshot)
		return -ENOMEM;
	snapshot->boottime_ns = sampler->bpf ? boottime : clock_ns(CLOCK_BOOTTIME);
	snapshot->realtime_ns = sampler->bpf ? realtime : clock_ns(CLOCK_REALTIME);
	r = reader_read(sampler->reader, sampler->walk, sampler->bpf, snapshot);
	if (r < 0) {
		snapshot_unref(snapshot);
		return r;
	}
	r = add_inventory(sampler, snapshot);
	if (r < 0) {
		snapshot_unref(snapshot);
		return r;
	}
	r = add_distributions(sampler, snapshot);
	if (r < 0) {
		snapshot_unref(snapshot);
		return r;
	}
	facts_fill(snapshot);
	rates_compute(snapshot, sampler->previous);
	derive_all(snapshot);
	*ret_snapshot = snapshot;
	return 0;
}

int sampler_sample(struct sampler *sampler, const struct metric_set *wanted,
		   struct snapshot **ret_snapshot)
{
	uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID), wall = clock_ns(CLOCK_BOOTTIME);
	struct metric_set closed = *wanted;
	struct snapshot *snapshot;
	int r;

	metric_set_close(&closed);
	if (sampler->replan || !metric_set_equal(&closed, &sampler->wanted)) {
		r = reader_plan(sampler->reader, &closed, sampler->walk, sampler->bpf);
		if (r < 0)
			return r;
		sampler->wanted = closed;
		sampler->replan = false;
	}
	r = take(sampler, &snapshot);
	if (r < 0)
		return r;
	snapshot->sequence = ++sampler->stats.samples;
	snapshot->cost_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	sampler->stats.last_cpu_ns = snapshot->cost_ns;
	sampler->stats.last_wall_ns = clock_ns(CLOCK_BOOTTIME) - wall;
	snapshot_unref(sampler->previous);
	sampler->previous = snapshot_ref(snapshot);
	*ret_snapshot = snapshot;
	return 0;
}

void sampler_set_inventory(struct sampler *sampler, struct inventory *inventory)
{
	if (inventory)
		inventory_ref(inventory);
	inventory_unref(sampler->inventory);
	sampler->inventory = inventory;
}

void sampler_get_stats(const struct sampler *sampler, struct sampler_stats *ret_stats)
{
	const struct reader_counts *reader = reader_counts(sampler->reader);
	const struct walk_counts *walk = walk_counts(sampler->walk);

	*ret_stats = sampler->stats;
	ret_stats->opens = reader->opens + walk->opens;
	ret_stats->reads = reader->reads + walk->reads;
	ret_stats->stats = walk->stats;
	ret_stats->read_errors = reader->errors;
	ret_stats->kept_fds = reader->kept + walk_kept(sampler->walk);
	ret_stats->max_fds = sampler->max_fds;
	ret_stats->nodes = walk_tree(sampler->walk) ? walk_tree(sampler->walk)->n : 0;
	ret_stats->rebuilds = walk_rebuilds(sampler->walk);
	ret_stats->hierarchies = sampler->hierarchies->n;
	ret_stats->watched = sampler->watch ? (unsigned int)__builtin_popcount(
						      watch_covered(sampler->watch))
					    : 0;
	ret_stats->bpf = sampler->bpf != NULL;
	if (sampler->bpf)
		bpf_sample_get_stats(sampler->bpf, &ret_stats->bpf_stats);
}

const struct bpf_sample *sampler_bpf(const struct sampler *sampler, const char **ret_reason)
{
	*ret_reason = sampler->bpf ? "" : sampler->bpf_reason;
	return sampler->bpf;
}

const struct bpf_latency *sampler_latency(const struct sampler *sampler, const char **ret_reason)
{
	*ret_reason = sampler->latency ? "" : sampler->latency_reason;
	return sampler->latency;
}

int sampler_watch(struct sampler *sampler, uint32_t kinds, const uint64_t *serials, size_t n)
{
	uint64_t *copy = malloc((n ? n : 1) * sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	memcpy(copy, serials, n * sizeof(*copy));
	free(sampler->watch_serials);
	sampler->watch_serials = copy;
	sampler->n_watched = n;
	sampler->watch_kinds = kinds;
	/* Unless it was loaded before: by the first who asks, as most never do. */
	if (n > 0)
		sampler_load_latency(sampler);
	return want_latency(sampler);
}
