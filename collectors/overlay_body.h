/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/overlay_options.h"
#include "collectors/overlay_places.h"
#include "core/namespaces.h"

/* What is kept of one overlay filesystem (superblock) between passes. */
struct overlay_body {
	dev_t device;
	uint64_t options_hash; /* of its options as the mount table has them */
	struct overlay_options options;
	/* Its entries in the mount table, the host's first: valid while a set is built. */
	const struct mount_entry *const *entries;
	size_t n_entries;
	bool own; /* mounted in our own mount namespace */
	uint64_t own_ns;
	bool seen;
	/* How its paths are seen. */
	bool resolved;
	bool trusted;		       /* what is not found there is not there */
	pid_t pid;		       /* through whose root: see struct overlay_place */
	uint64_t mount_ns;	       /* that process's */
	char *base;		       /* what relative paths start from, or NULL */
	struct overlay_place **places; /* by layer; NULL where it is not known where to look */
	struct overlay_place *work;
	/* The part of a set that is this overlay's alone, and the texts of all the rest: made when
	 * a set first needs it, dropped when a path changes. */
	struct overlays *texts;
	uint64_t texts_version; /* of what they were made from */
	/* The upper layer as it was first seen: one that comes back may be another. */
	bool upper_seen, replaced;
	dev_t upper_device;
	uint64_t upper_inode;
};

uint64_t overlay_entry_hash(const struct mount_entry *entry);
void overlay_body_free(struct overlay_body *body, struct overlay_places *places);
/* Where the last relative paths started from. */
struct overlay_hint {
	pid_t pid;
	char *base; /* free() */
};

/*
 * Finds out through which process and from which directory its paths are to be seen, and takes the
 * places. Does nothing while what was found stays good. 1 if something changed, 0, -ENOMEM.
 */
int overlay_body_resolve(struct overlay_body *body, struct overlay_places *places,
			 const struct namespaces *namespaces, struct overlay_hint *hint);
/* The upper layer's place, or NULL. */
struct overlay_place *overlay_body_upper(const struct overlay_body *body);
/*
 * True if the upper layer is no longer where it was mounted from: nothing is there, or another
 * directory than the one first seen. Remembers that.
 */
bool overlay_body_upper_deleted(struct overlay_body *body, struct overlay_places *places);
/* True if that layer is known not to be there. */
bool overlay_body_missing(const struct overlay_body *body, size_t layer);
