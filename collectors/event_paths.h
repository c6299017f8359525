/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "core/snapshot.h"

/*
 * The paths of cgroups by hierarchy and id, for events: of those in the latest tree, of those that
 * were created since, and for a while of those that were removed. Bounded; what is not known has no
 * path. Touches no file. One thread uses it.
 */
struct event_paths;

/* NULL if there is no memory. */
struct event_paths *event_paths_new(void);
void event_paths_free(struct event_paths *paths);
/*
 * Takes a reference. What was created before and is in it is forgotten: the tree has it. What was
 * in the one before and is not in it is kept as removed.
 */
void event_paths_set_tree(struct event_paths *paths, struct tree *tree);
/* A cgroup came: its path is known if its parent's is. */
void event_paths_created(struct event_paths *paths, unsigned int hierarchy, uint64_t id,
			 uint64_t parent, const char *name);
void event_paths_removed(struct event_paths *paths, unsigned int hierarchy, uint64_t id);
/* Borrowed until the next call of any of these. NULL: unknown. */
const char *event_paths_find(struct event_paths *paths, unsigned int hierarchy, uint64_t id);
