/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/stat.h>

#include "collectors/layer_format.h"
#include "collectors/layer_memory.h"

/*
 * The lower layers of an overlay as the one tree they are without the upper layer: which layers a
 * directory is merged from, and what name lies where, minding whiteouts, opaque directories and
 * redirects as the kernel does (fs/overlayfs/namei.c). Gone through in depth, one level for each
 * directory on the way.
 */
struct layer_place {
	uint32_t layer;
	int fd;		  /* -1: not open at the moment */
	const char *path; /* of the directory below the layer's top */
	char whiteouts;	  /* 'x': some of its files may be whiteouts by an xattr */
};

struct layer_level {
	size_t memory; /* used before it */
	uint32_t n;
	struct layer_place places[];
};

struct layer_lower {
	const char *const *tops;
	size_t n_tops;
	enum layer_format format;
	int *top_fds;
	struct layer_stack memory, index;
	struct layer_level **levels; /* in `index` */
	size_t depth, max_depth;
	unsigned int n_open;
	int error; /* the first that kept a layer from being looked into, or 0 */
};

/* What an upper directory says about what it lies on. */
struct layer_above {
	const char *name;
	bool opaque;
	const char *redirect; /* or NULL */
};

/* Borrows the paths; NULL ones count as not there. Opens nothing. 0 or -ENOMEM. */
int layer_lower_init(struct layer_lower *lower, const char *const *tops, size_t n,
		     enum layer_format format);
void layer_lower_done(struct layer_lower *lower);
/* Goes to the top (depth 1). */
int layer_lower_top(struct layer_lower *lower);
/* Goes down into the directory that the upper one is merged with; level->n is 0 if with none. */
int layer_lower_enter(struct layer_lower *lower, const struct layer_above *above);
/* Goes up again. */
void layer_lower_leave(struct layer_lower *lower);
/* The present directory. */
const struct layer_level *layer_lower_level(const struct layer_lower *lower);
/*
 * What `name` is in the present directory. 1: there (`ret_status`, and `ret_layer`, an index into
 * the tops); 0: not there, or deleted; -errno.
 */
int layer_lower_find(struct layer_lower *lower, const char *name, struct stat *ret_status,
		     uint32_t *ret_layer);
/* A descriptor of the present directory in that place (borrowed), or -errno. */
int layer_lower_fd(struct layer_lower *lower, uint32_t place);
