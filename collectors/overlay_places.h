/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "collectors/overlay_probe.h"
#include "collectors/overlay_share.h"
#include "collectors/root.h"

/*
 * A directory that overlays name, seen through the root of a process (0: our own; -PID: that of the
 * mount namespace the process is in, also if its own is another). Kept as long as an overlay uses
 * it and looked at again and again: all of them in turn, so many a pass.
 */
struct overlay_place {
	pid_t pid;
	char *path;	/* absolute, as seen there */
	char *resolved; /* as we can open it; without symbolic links where it is our own root */
	int state;	/* 0: found; -EAGAIN: not looked at yet; -ETIMEDOUT: no answer; -errno */
	dev_t device;
	uint64_t inode;
	uint32_t version; /* grows with every change of what was found */
	/* private */
	struct overlay_place *next;
	struct overlay_share share;  /* of this path */
	struct overlay_group *group; /* of the directory, if it was found */
	uint32_t hash, refs, position;
	uint64_t retry_ns;
};

struct overlay_places;

int overlay_places_new(const struct root *root, struct overlay_places **ret_places);
void overlay_places_free(struct overlay_places *places);
/* As prober_heed(). */
void overlay_places_heed(struct overlay_places *places, const atomic_bool *stop);
/* Counted as used by one more overlay in that role. NULL if there is no memory. */
struct overlay_place *overlay_places_get(struct overlay_places *places, pid_t pid, const char *path,
					 enum overlay_role role);
/* One less. NULL is fine. */
void overlay_places_put(struct overlay_places *places, struct overlay_place *place,
			enum overlay_role role);
/* How many overlays use this directory, under whatever path. All 0 for NULL. */
struct overlay_share overlay_place_share(const struct overlay_place *place);
/* Looks at all that are new and at `budget` others. 1 if one changed, 0 if not, -errno. */
int overlay_places_look(struct overlay_places *places, size_t budget);
/* Looks up a few paths at once; results as in `state`. 0 or -errno. */
int overlay_places_try(struct overlay_places *places, pid_t pid, char *const *paths, size_t n,
		       int *ret_results);
/* One lookup with a descriptor, statfs() if wanted. The caller calls probe_done(). */
void overlay_places_probe(struct overlay_places *places, pid_t pid, const char *path,
			  bool want_statfs, struct probe *ret_probe);
/* The pass is over: no process's root stays open, as that would keep its mounts busy. */
void overlay_places_rest(struct overlay_places *places);
