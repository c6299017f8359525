/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "collectors/layer_account.h"
#include "collectors/layer_format.h"
#include "collectors/layer_known.h"

/* Where a writable layer is and how to read it. Texts are borrowed. */
struct layer_source {
	const char *upper; /* absolute */
	const char *work;  /* absolute, or NULL */
	dev_t device;	   /* of the upper directory: another one there is -ESTALE. 0: any */
	uint64_t inode;
	const char *const *lower; /* absolute, from the top; those that were not found are NULL */
	size_t n_lower;
	enum layer_format format;
	bool blind; /* its attributes cannot be seen from here: layer_can_see_trusted() */
};

struct layer_walk_options {
	bool keep_nodes; /* so that one directory can be read again later */
	bool own_cwd;	 /* the thread's current directory is nobody else's: it may be changed */
	struct layer_known *known;	/* from walks before and for those to come; or NULL */
	atomic_uint_fast64_t *progress; /* counts up with each call that may block; or NULL */
};

/*
 * Goes through a writable layer, a few entries at a time: everything that the caller has to wait
 * for is in layer_walk_step(). Nothing is followed: no symbolic link and no mount. What cannot be
 * read makes the result PARTIAL; what vanishes meanwhile is no error. The top directory is in bytes
 * and inodes (as in `du`) but no name of the layer.
 *
 * One thread uses a walk, not always the same one.
 */
struct layer_walk;

/* Opens nothing yet. The walk copies nothing of `source`: it has to stay. -ENOMEM. */
int layer_walk_new(const struct layer_source *source, const struct layer_walk_options *options,
		   struct layer_walk **ret_walk);
void layer_walk_free(struct layer_walk *walk);
/*
 * Looks at up to about `entries` more. 1: not at the end, 0: done, or -errno: nothing can be read.
 * `*entries` is reduced by those it looked at.
 */
int layer_walk_step(struct layer_walk *walk, uint64_t *entries);
/* After step returned 0: reads this directory again, and new ones in it, with further steps. -errno
 * if it is not there any more. */
int layer_walk_again(struct layer_walk *walk, uint32_t node);
/* The top directory, open while the walk lives; -1 before the first step. */
int layer_walk_top(const struct layer_walk *walk);
/* Its device, once it is open. */
dev_t layer_walk_device(const struct layer_walk *walk);
/* A directory of the account, by its handle (CAP_DAC_READ_SEARCH). A descriptor or -errno. */
int layer_walk_open(const struct layer_walk *walk, uint32_t node);
/*
 * Files that were written to not long ago may be open still, and closing is all that is reported:
 * looks at those again, and marks the directories of those that changed (`dirty` is called with the
 * node). False if there are none to look at.
 */
bool layer_walk_check_hot(struct layer_walk *walk, void (*dirty)(void *argument, uint32_t node),
			  void *argument);
struct layer_account *layer_walk_account(struct layer_walk *walk);
/* Puts the numbers into the fields that a walk knows: not times, growth or incremental. State is
 * COMPLETE or PARTIAL. */
void layer_walk_result(const struct layer_walk *walk, struct layer_usage *ret_usage);
