/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/container.h"
#include "core/overlays.h"

/* Finds the containers that overlays belong to. */
struct overlay_owners;

/* Borrows `containers`, which may be NULL. -ENOMEM. */
int overlay_owners_new(const struct containers *containers, struct overlay_owners **ret_owners);
void overlay_owners_free(struct overlay_owners *owners);
/*
 * By the runtime's state (its mount point or writable layer), by the cgroups of the processes that
 * live on it (`cgroups`, the lowest process first), by the form of a path. Sets container_id (text
 * of the arena) and runtime. -ENOMEM.
 */
int overlay_owners_find(const struct overlay_owners *owners, const char *const *cgroups, size_t n,
			struct arena *arena, struct overlay *overlay);
