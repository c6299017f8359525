/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/hierarchy.h"

/* What an iterator costs that fills records of the same size with nothing (floor.bpf.c). */
struct floor;

/*
 * With room for `capacity` cgroups, for the hierarchies in `mask`; `beside` is what a cgroup takes
 * beside its record, in bytes. NULL with a line on stderr.
 */
struct floor *floor_new(const struct hierarchies *hierarchies, uint32_t mask, uint32_t beside,
			uint32_t capacity);
void floor_free(struct floor *floor);
/* Goes through all of them once. The records that were filled, or -errno. */
int64_t floor_pass(struct floor *floor);
