// SPDX-License-Identifier: MIT
#include "core/derive.h"

#include "core/snapshot.h"

/* Two operands of a cell. False, with the state that says why copied over, if one is missing. */
static bool operands(struct snapshot *snapshot, enum metric_id id, uint32_t i, enum metric_id a,
		     enum metric_id b, double *ret_a, double *ret_b)
{
	enum value_state state_a = snapshot_number(snapshot, a, i, ret_a);
	enum value_state state_b = snapshot_number(snapshot, b, i, ret_b);

	if (state_a == VALUE_OK && state_b == VALUE_OK)
		return true;
	snapshot_set_state(snapshot, id, i, state_a != VALUE_OK ? state_a : state_b);
	return false;
}

/* a / b; where b is 0 there is no ratio to speak of yet. */
static void divide(struct snapshot *snapshot, enum metric_id id, enum metric_id a, enum metric_id b,
		   enum value_state by_zero)
{
	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		double x, y;

		if (!operands(snapshot, id, i, a, b, &x, &y))
			continue;
		if (y > 0)
			snapshot_set(snapshot, id, i, (union value){ .number = x / y });
		else
			snapshot_set_state(snapshot, id, i, by_zero);
	}
}

void derive_cpu_quota_cores(struct snapshot *snapshot, enum metric_id id)
{
	divide(snapshot, id, M_CPU_QUOTA, M_CPU_PERIOD, VALUE_ABSENT);
}

/*
 * The tightest of a node's own limit and its parent's result. Parents stand before children, so one
 * pass does the whole tree. A node without a limit of its own (not in the hierarchy, controller
 * off, the root, which has no such file) inherits.
 */
static void inherit(struct snapshot *snapshot, enum metric_id id, enum metric_id own)
{
	const struct tree *tree = snapshot->tree;

	for (uint32_t i = 0; i < tree->n; i++) {
		uint32_t parent = tree->parent[i];
		double mine = 0, theirs = 0;
		enum value_state state = snapshot_number(snapshot, own, i, &mine), above;

		above = parent == NODE_NONE ? VALUE_UNLIMITED
					    : snapshot_number(snapshot, id, parent, &theirs);
		if (state == VALUE_GONE || state == VALUE_DENIED || state == VALUE_FAILED) {
			snapshot_set_state(snapshot, id, i, state);
		} else if (above == VALUE_OK && (state != VALUE_OK || theirs < mine)) {
			snapshot_set(snapshot, id, i, (union value){ .number = theirs });
		} else if (state == VALUE_OK) {
			snapshot_set(snapshot, id, i, (union value){ .number = mine });
		} else {
			snapshot_set_state(snapshot, id, i, above);
		}
	}
}

void derive_cpu_limit_cores(struct snapshot *snapshot, enum metric_id id)
{
	inherit(snapshot, id, M_CPU_QUOTA_CORES);
}

void derive_cpu_limit_used(struct snapshot *snapshot, enum metric_id id)
{
	divide(snapshot, id, M_CPU_USAGE_RATE, M_CPU_LIMIT_CORES, VALUE_ABSENT);
}

/* Without a period in the interval nothing was throttled: the cgroup did not run under a quota. */
void derive_cpu_throttled_ratio(struct snapshot *snapshot, enum metric_id id)
{
	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		double throttled, periods;

		if (operands(snapshot, id, i, M_CPU_NR_THROTTLED_RATE, M_CPU_NR_PERIODS_RATE,
			     &throttled, &periods))
			snapshot_set(
				snapshot, id, i,
				(union value){ .number = periods > 0 ? throttled / periods : 0 });
	}
}

void derive_memory_working_set(struct snapshot *snapshot, enum metric_id id)
{
	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		double current, inactive;

		if (operands(snapshot, id, i, M_MEMORY_CURRENT, M_MEMORY_STAT_INACTIVE_FILE,
			     &current, &inactive))
			snapshot_set(snapshot, id, i,
				     (union value){ .number = current > inactive
								      ? current - inactive
								      : 0 });
	}
}

void derive_memory_limit(struct snapshot *snapshot, enum metric_id id)
{
	inherit(snapshot, id, M_MEMORY_MAX);
}

void derive_memory_limit_used(struct snapshot *snapshot, enum metric_id id)
{
	divide(snapshot, id, M_MEMORY_CURRENT, M_MEMORY_LIMIT, VALUE_ABSENT);
}

void derive_pids_limit(struct snapshot *snapshot, enum metric_id id)
{
	inherit(snapshot, id, M_PIDS_MAX);
}

void derive_pids_limit_used(struct snapshot *snapshot, enum metric_id id)
{
	divide(snapshot, id, M_PIDS_CURRENT, M_PIDS_LIMIT, VALUE_ABSENT);
}

/* Children stand behind their parents: adding from the end carries every sum up to the root. */
void derive_procs_subtree(struct snapshot *snapshot, enum metric_id id)
{
	const struct tree *tree = snapshot->tree;
	struct column *sum = &snapshot->columns[id];

	for (uint32_t i = 0; i < tree->n; i++) {
		double own = 0;
		enum value_state state = snapshot_number(snapshot, M_CGROUP_PROCS, i, &own);

		sum->values[i].number = state == VALUE_OK ? own : 0;
		sum->states[i] = (uint8_t)state;
	}
	/* Also what a cgroup without a number of its own (a threaded one) has below it. */
	for (uint32_t i = tree->n; i-- > 1;)
		sum->values[tree->parent[i]].number += sum->values[i].number;
}

/* A limit of 0 forbids them: what is there nevertheless fills it. */
void derive_ns_ratio(struct snapshot *snapshot, enum metric_id id)
{
	const enum metric_id *needs = metric_get(id)->needs;

	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		double used, limit, ratio;

		if (!operands(snapshot, id, i, needs[0], needs[1], &used, &limit))
			continue;
		ratio = limit > 0 ? used / limit : used > 0;
		snapshot_set(snapshot, id, i, (union value){ .number = ratio });
	}
}

/* Types without a number (a kernel without them, a limit that cannot be read) do not count. */
void derive_ns_tightest(struct snapshot *snapshot, enum metric_id id)
{
	const enum metric_id *needs = metric_get(id)->needs;

	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		enum value_state state = snapshot_state(snapshot, needs[0], i);
		double largest = -1;

		for (size_t type = 0; type < NS_TYPE_COUNT; type++) {
			double ratio;

			if (snapshot_number(snapshot, needs[type], i, &ratio) == VALUE_OK &&
			    ratio > largest)
				largest = ratio;
		}
		if (largest >= 0)
			snapshot_set(snapshot, id, i, (union value){ .number = largest });
		else
			snapshot_set_state(snapshot, id, i, state);
	}
}

static void derive_one(struct snapshot *snapshot, enum metric_id id, struct metric_set *done)
{
	const struct metric *metric = metric_get(id);

	if (metric_is_rate(id) || metric->kind != KIND_DERIVED || metric_set_has(done, id))
		return;
	metric_set_add(done, id);
	for (size_t i = 0; i < sizeof(metric->needs) / sizeof(metric->needs[0]); i++) {
		if (metric->needs[i] != M_NONE)
			derive_one(snapshot, metric->needs[i], done);
	}
	metric->derive(snapshot, id);
}

void derive_rest(struct snapshot *snapshot, struct metric_set *done)
{
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (metric_set_has(&snapshot->wanted, (enum metric_id)id))
			derive_one(snapshot, (enum metric_id)id, done);
	}
}

void derive_all(struct snapshot *snapshot)
{
	struct metric_set done = { 0 };

	derive_rest(snapshot, &done);
}

uint32_t derive_binding(const struct snapshot *snapshot, enum metric_id id, uint32_t index)
{
	enum metric_id own = metric_get(id)->needs[0];
	double limit, mine;

	if (snapshot_number(snapshot, id, index, &limit) != VALUE_OK)
		return NODE_NONE;
	for (uint32_t i = index; i != NODE_NONE; i = snapshot->tree->parent[i]) {
		if (snapshot_number(snapshot, own, i, &mine) == VALUE_OK && mine <= limit)
			return i;
	}
	return NODE_NONE;
}
