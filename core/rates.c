// SPDX-License-Identifier: MIT
#include "core/rates.h"

uint32_t rates_index_before(const struct snapshot *current, const struct snapshot *previous,
			    uint32_t index)
{
	if (current->tree == previous->tree)
		return index;
	if (current->tree->previous == previous->tree->generation)
		return current->tree->before[index];
	return tree_find_serial(previous->tree, current->tree->nodes[index]->serial);
}

static void compute_column(struct snapshot *current, const struct snapshot *previous,
			   enum metric_id rate, double seconds)
{
	enum metric_id id = metric_base(rate);
	enum unit unit = metric_get(id)->unit;
	const struct column *now = &current->columns[id];
	const struct column *then = previous ? &previous->columns[id] : NULL;

	for (uint32_t i = 0; i < current->tree->n; i++) {
		uint32_t before = NODE_NONE;

		if (now->states[i] != VALUE_OK) {
			snapshot_set_state(current, rate, i, (enum value_state)now->states[i]);
			continue;
		}
		if (then && then->states)
			before = rates_index_before(current, previous, i);
		if (before == NODE_NONE || then->states[before] != VALUE_OK || seconds <= 0 ||
		    now->values[i].u64 < then->values[before].u64) {
			snapshot_set_state(current, rate, i, VALUE_FIRST);
			continue;
		}
		snapshot_set(
			current, rate, i,
			(union value){
				.number = unit_to_base(unit, now->values[i].u64 -
								     then->values[before].u64) /
					  seconds });
	}
}

void rates_compute(struct snapshot *current, const struct snapshot *previous)
{
	current->interval_ns = previous ? current->boottime_ns - previous->boottime_ns : 0;
	for (int id = M_RATE_BASE + 1; id < COLUMN_COUNT; id++) {
		if (metric_set_has(&current->wanted, (enum metric_id)id))
			compute_column(current, previous, (enum metric_id)id,
				       (double)current->interval_ns / 1e9);
	}
}
