// SPDX-License-Identifier: MIT
#include "collectors/node_sample.h"

#include <errno.h>

#include "collectors/read.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/derive.h"
#include "core/inventory.h"
#include "core/rates.h"

DEFINE_CLEANUP(struct strpool *, strpool_unref)
DEFINE_CLEANUP(struct tree *, tree_unref)
DEFINE_CLEANUP(struct snapshot *, snapshot_unref)
DEFINE_CLEANUP(struct reader *, reader_free)

/*
 * Rates over less than that say little: a tick of the kernel is up to 10 ms. Over less than half
 * the sampling interval they are another number than the one that was decided on.
 */
static const uint64_t shortest_ns = 200000000;

/* Made from cells of other cgroups, which are not read here. */
static const enum metric_id by_others[] = { M_CPU_LIMIT_CORES, M_MEMORY_LIMIT, M_PIDS_LIMIT,
					    M_CGROUP_PROCS_SUBTREE };

static struct tree *tree_of_one(const struct tree *tree, uint32_t index)
{
	_cleanup_(strpool_unrefp) struct strpool *strings = strpool_new();
	_cleanup_(tree_unrefp) struct tree *one = strings ? tree_new(1, tree->n_hierarchies,
								     strings)
							  : NULL;

	if (!one)
		return NULL;
	one->nodes[0] = node_ref(tree->nodes[index]);
	one->parent[0] = NODE_NONE;
	one->end[0] = 1;
	one->previous = tree->generation;
	one->before[0] = index;
	for (uint32_t h = 0; h < tree->n_hierarchies; h++) {
		one->hierarchies[h] = strpool_add(strings, tree->hierarchies[h],
						  strlen(tree->hierarchies[h]));
		if (!one->hierarchies[h])
			return NULL;
	}
	return TAKE_PTR(one);
}

static void keep(struct snapshot *snapshot, enum metric_id id, const struct snapshot *latest,
		 uint32_t index)
{
	union value value;
	enum value_state state = snapshot_get(latest, id, index, &value);

	if (state == VALUE_OK)
		snapshot_set(snapshot, id, 0, value);
	else
		snapshot_set_state(snapshot, id, 0, state);
}

/* What the inventory or a program in the kernel says, and what is made from more than one cgroup.
 */
static void keep_columns(struct snapshot *snapshot, const struct snapshot *latest, uint32_t index,
			 struct metric_set *done)
{
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (metric_set_has(&snapshot->wanted, (enum metric_id)id) &&
		    (metric_get((enum metric_id)id)->inventory ||
		     metric_get((enum metric_id)id)->watched))
			keep(snapshot, (enum metric_id)id, latest, index);
	}
	for (size_t i = 0; i < ARRAY_SIZE(by_others); i++) {
		if (!metric_set_has(&snapshot->wanted, by_others[i]))
			continue;
		keep(snapshot, by_others[i], latest, index);
		metric_set_add(done, by_others[i]);
	}
}

static void compute_rates(struct snapshot *snapshot, const struct snapshot *latest, uint32_t index)
{
	uint64_t least = latest->interval_ns / 2 > shortest_ns ? latest->interval_ns / 2
							       : shortest_ns;

	if (snapshot->boottime_ns - latest->boottime_ns >= least) {
		rates_compute(snapshot, latest);
		return;
	}
	snapshot->interval_ns = latest->interval_ns;
	for (int id = M_RATE_BASE + 1; id < COLUMN_COUNT; id++) {
		if (metric_set_has(&snapshot->wanted, (enum metric_id)id))
			keep(snapshot, (enum metric_id)id, latest, index);
	}
}

/* Counted in the kernel, and not asked anew: the rate is that of the sample. */
static void keep_watched_rates(struct snapshot *snapshot, const struct snapshot *latest,
			       uint32_t index)
{
	for (int id = M_RATE_BASE + 1; id < COLUMN_COUNT; id++) {
		if (metric_set_has(&snapshot->wanted, (enum metric_id)id) &&
		    metric_get((enum metric_id)id)->watched)
			keep(snapshot, (enum metric_id)id, latest, index);
	}
}

static int read_raw(const struct root *root, const struct hierarchies *hierarchies,
		    struct snapshot *snapshot)
{
	_cleanup_(reader_freep) struct reader *reader = NULL;
	int r = reader_new(root, hierarchies, snapshot->tree->strings, 0, &reader);

	if (r == 0)
		r = reader_plan(reader, &snapshot->wanted, NULL, NULL);
	return r < 0 ? r : reader_read_node(reader, snapshot);
}

int node_sample(const struct root *root, const struct hierarchies *hierarchies,
		const struct snapshot *latest, uint32_t index, const struct metric_set *wanted,
		struct snapshot **ret_snapshot)
{
	_cleanup_(tree_unrefp) struct tree *tree = tree_of_one(latest->tree, index);
	_cleanup_(snapshot_unrefp) struct snapshot *snapshot = tree ? snapshot_new(tree, wanted)
								    : NULL;
	struct metric_set done = { 0 };
	int r;

	if (!snapshot)
		return -ENOMEM;
	snapshot->sequence = latest->sequence;
	snapshot->boottime_ns = clock_ns(CLOCK_BOOTTIME);
	snapshot->realtime_ns = clock_ns(CLOCK_REALTIME);
	r = read_raw(root, hierarchies, snapshot);
	if (r < 0)
		return r;
	if (latest->inventory)
		snapshot->inventory = inventory_ref(latest->inventory);
	keep_columns(snapshot, latest, index, &done);
	compute_rates(snapshot, latest, index);
	keep_watched_rates(snapshot, latest, index);
	derive_rest(snapshot, &done);
	*ret_snapshot = TAKE_PTR(snapshot);
	return 0;
}
