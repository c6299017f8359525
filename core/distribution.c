// SPDX-License-Identifier: MIT
#include "core/distribution.h"

#include <stdlib.h>
#include <string.h>

#include "core/snapshot.h"

#include "core/cleanup.h"
#include "core/units.h"

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

int distribution_last(const struct distribution *distribution)
{
	int last = DISTRIBUTION_BUCKETS - 1;

	while (last >= 0 && distribution->buckets[last] == 0)
		last--;
	return last;
}

void distribution_add_time(struct strbuf *buffer, double ns)
{
	static const struct {
		double ns;
		const char *unit;
	} units[] = { { 60e9, "m" }, { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" } };
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && ns < units[i].ns)
		i++;
	ns /= units[i].ns;
	/* One digit where there would be one figure only; none behind a whole number. */
	strbuf_printf(buffer, "%.*f%s", ns < 9.95 && ns - (double)(uint64_t)ns > 0.05 ? 1 : 0, ns,
		      units[i].unit);
}

void distribution_add_bound(struct strbuf *buffer, unsigned int bucket)
{
	bool last = distribution_bound_ns(bucket) == UINT64_MAX;

	strbuf_add_string(buffer, last ? "> " : "<= ");
	distribution_add_time(buffer, (double)distribution_bound_ns(last ? bucket - 1 : bucket));
}

void distribution_add_summary(struct strbuf *buffer, const struct distribution *distribution)
{
	static const struct {
		double share;
		const char *name;
	} shares[] = { { 0.5, "p50" }, { 0.9, "p90" }, { 0.99, "p99" } };
	double ns;

	if (distribution->count == 0) {
		strbuf_add_string(buffer, "none");
		return;
	}
	format_human(buffer, UNIT_NONE, (double)distribution->count, false);
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
		if (!distribution_quantile(distribution, shares[i].share, &ns))
			continue;
		strbuf_printf(buffer, "  %s ", shares[i].name);
		distribution_add_time(buffer, ns);
	}
	/* A reading may find a count without its bucket. */
	if (distribution_last(distribution) < 0)
		return;
	strbuf_add_string(buffer, "  max ");
	distribution_add_bound(buffer, (unsigned int)distribution_last(distribution));
}

const char *distributions_why(const struct distributions *distributions,
			      const struct distribution_entry *entry, enum distribution_kind kind,
			      const char *none)
{
	if (distributions && (distributions->missing & (UINT32_C(1) << kind)))
		return "this kernel cannot tell";
	if (!distributions && none && *none)
		return none;
	return entry ? NULL : "not yet: counted from now on";
}
