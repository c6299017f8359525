/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/devices.h"
#include "collectors/plan.h"
#include "core/snapshot.h"

/* Puts the values of one file of one cgroup into the snapshot. */
struct store {
	struct snapshot *snapshot;
	struct devices *devices;
	uint32_t index;		/* of the node */
	unsigned int n_missing; /* fields that the text did not speak of */
};

/* Parses `text` by the file's shape. Cells that already have a value are left alone. */
void store_file(struct store *store, struct plan_file *file, struct span text);
