/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/snapshot.h"

/*
 * Fills every wanted rate column of `current` with the change a second since `previous` (NULL for
 * the first sample of all), in the base unit. A counter that went down (a v1 file somebody reset)
 * and a cgroup that was not there before have VALUE_FIRST. Pure: time comes from the snapshots.
 */
void rates_compute(struct snapshot *current, const struct snapshot *previous);
/* Index in `previous` of the node that is `index` in `current`, or NODE_NONE. */
uint32_t rates_index_before(const struct snapshot *current, const struct snapshot *previous,
			    uint32_t index);
