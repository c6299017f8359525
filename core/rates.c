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

/* What the metric's integers have to be divided by, as unit_to_base() does. */
static double scale_of(enum metric_id id)
{
	double scale = 1;

	for (unsigned int i = unit_digits(metric_get(id)->unit); i > 0; i--)
		scale *= 10;
	return scale;
}

static void compute_column(struct snapshot *current, const struct snapshot *previous,
			   enum metric_id rate, double seconds)
{
	enum metric_id id = metric_base(rate);
	const struct column now = current->columns[id], to = current->columns[rate];
	const struct column *then = previous ? &previous->columns[id] : NULL;
	const bool same = previous && current->tree == previous->tree;
	const double scale = scale_of(id);

	if (then && (!then->states || seconds <= 0))
		then = NULL;
	for (uint32_t i = 0; i < current->tree->n; i++) {
		uint32_t before = i;

		if (now.states[i] != VALUE_OK) {
			to.states[i] = now.states[i];
			continue;
		}
		if (!same)
			before = then ? rates_index_before(current, previous, i) : NODE_NONE;
		if (!then || before == NODE_NONE || then->states[before] != VALUE_OK ||
		    now.values[i].u64 < then->values[before].u64) {
			to.states[i] = VALUE_FIRST;
			continue;
		}
		to.values[i].number = (double)(now.values[i].u64 - then->values[before].u64) /
				      scale / seconds;
		to.states[i] = VALUE_OK;
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
