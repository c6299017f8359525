// SPDX-License-Identifier: MIT
#include "core/distribution.h"

#include <stdlib.h>
#include <string.h>

#include "core/snapshot.h"

static const struct {
	const char *name, *title, *help;
} kinds[DISTRIBUTION_KIND_COUNT] = {
	[DISTRIBUTION_RUNQUEUE] = { "runqueue", "run queue",
				    "Time from being runnable to running." },
	[DISTRIBUTION_BLOCK_IO] = { "block_io", "block I/O",
				    "Time from issuing a block request to its end." },
	[DISTRIBUTION_THROTTLE] = { "throttle", "throttled",
				    "Time a run queue was throttled by the CPU quota." },
	[DISTRIBUTION_MEMORY_HIGH] = { "memory_high", "memory.high",
				       "Time a task was held back above memory.high." },
	[DISTRIBUTION_RECLAIM] = { "reclaim", "reclaim", "Time a task spent in direct reclaim." },
};

struct distributions *distributions_new(size_t n)
{
	struct distributions *distributions = calloc(1, sizeof(*distributions) +
								n * sizeof(distributions->list[0]));

	if (!distributions)
		return NULL;
	distributions->refs = 1;
	distributions->n = n;
	return distributions;
}

struct distributions *distributions_ref(struct distributions *distributions)
{
	if (distributions)
		atomic_fetch_add(&distributions->refs, 1);
	return distributions;
}

void distributions_unref(struct distributions *distributions)
{
	if (distributions && atomic_fetch_sub(&distributions->refs, 1) == 1)
		free(distributions);
}

const struct distribution_entry *distributions_find(const struct distributions *distributions,
						    uint32_t node, enum distribution_kind kind)
{
	for (size_t i = 0; distributions && i < distributions->n; i++) {
		const struct distribution_entry *entry = &distributions->list[i];

		if (entry->node == node && entry->kind == kind)
			return entry;
	}
	return NULL;
}

const char *distribution_name(enum distribution_kind kind)
{
	return kinds[kind].name;
}

const char *distribution_title(enum distribution_kind kind)
{
	return kinds[kind].title;
}

const char *distribution_help(enum distribution_kind kind)
{
	return kinds[kind].help;
}

uint64_t distribution_bound_ns(unsigned int bucket)
{
	return bucket < DISTRIBUTION_BUCKETS - 1 ? UINT64_C(1000) << bucket : UINT64_MAX;
}

bool distribution_quantile(const struct distribution *distribution, double share, double *ret_ns)
{
	double wanted = share * (double)distribution->count, below = 0;

	if (distribution->count == 0)
		return false;
	for (unsigned int i = 0; i < DISTRIBUTION_BUCKETS; i++) {
		double here = (double)distribution->buckets[i];
		double low = i ? (double)distribution_bound_ns(i - 1) : 0;

		if (here > 0 && below + here >= wanted) {
			double high = i < DISTRIBUTION_BUCKETS - 1
					      ? (double)distribution_bound_ns(i)
					      : 2 * low;

			*ret_ns = low + (high - low) * (wanted - below) / here;
			return true;
		}
		below += here;
	}
	*ret_ns = (double)distribution_bound_ns(DISTRIBUTION_BUCKETS - 2);
	return true;
}

void distribution_difference(const struct distribution *now, const struct distribution *before,
			     struct distribution *ret_difference)
{
	*ret_difference = (struct distribution){ .sum_ns = now->sum_ns - before->sum_ns };
	for (unsigned int i = 0; i < DISTRIBUTION_BUCKETS; i++) {
		ret_difference->buckets[i] = now->buckets[i] - before->buckets[i];
		ret_difference->count += ret_difference->buckets[i];
	}
}

static enum value_state cell(const struct metric *metric, const struct distribution_entry *entry,
			     union value *ret_value)
{
	double ns;

	if (metric->watched == WATCHED_COUNT) {
		ret_value->u64 = entry->total.count;
		return VALUE_OK;
	}
	if (metric->watched == WATCHED_TIME) {
		ret_value->u64 = entry->total.sum_ns / 1000;
		return VALUE_OK;
	}
	if (entry->first)
		return VALUE_FIRST;
	if (!distribution_quantile(&entry->interval, metric->watched == WATCHED_P50 ? 0.5 : 0.99,
				   &ns))
		return VALUE_IDLE;
	/* What took less than 1 us took not nothing. */
	ret_value->u64 = ((uint64_t)ns + 999) / 1000;
	return VALUE_OK;
}

static void fill_column(struct snapshot *snapshot, enum metric_id id)
{
	const struct distributions *distributions = snapshot->distributions;
	const struct metric *metric = metric_get(id);

	for (size_t i = 0; i < distributions->n; i++) {
		const struct distribution_entry *entry = &distributions->list[i];
		union value value;
		enum value_state state;

		if (entry->kind != metric->watched_kind)
			continue;
		state = cell(metric, entry, &value);
		if (state == VALUE_OK)
			snapshot_set(snapshot, id, entry->node, value);
		else
			snapshot_set_state(snapshot, id, entry->node, state);
	}
}

void distributions_fill(struct snapshot *snapshot, enum value_state otherwise)
{
	const struct distributions *distributions = snapshot->distributions;

	for (int at = M_NONE + 1; at < METRIC_COUNT; at++) {
		enum metric_id id = (enum metric_id)at;
		const struct metric *metric = metric_get(id);
		bool latency = metric->watched && metric->watched != WATCHED_BYTES;
		bool missing = latency && distributions &&
			       distributions->missing >> metric->watched_kind & 1;

		if (!metric->watched || !metric_set_has(&snapshot->wanted, id))
			continue;
		memset(snapshot->columns[id].states, missing ? VALUE_ABSENT : (int)otherwise,
		       snapshot->tree->n);
		if (latency && distributions)
			fill_column(snapshot, id);
	}
}
