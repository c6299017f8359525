/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/hierarchy.h"
#include "core/snapshot.h"

/*
 * One cgroup read afresh, for a last look before something is done to it: a snapshot with the same
 * wanted columns and one node, index 0. Gauges, counters and limits are read anew; rates and what
 * is derived over time keep the values of `latest` unless at least 200 ms and half an
 * interval went by; what needs
 * ancestors (limits by ancestor) or the inventory keeps them as well. Checks that it is still the
 * cgroup with the node's ids: -ESTALE, -ENOENT if it is gone. Any thread; opens files anew.
 */
int node_sample(const struct root *root, const struct hierarchies *hierarchies,
		const struct snapshot *latest, uint32_t index, const struct metric_set *wanted,
		struct snapshot **ret_snapshot);
