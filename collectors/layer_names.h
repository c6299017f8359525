/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "collectors/layer_memory.h"

/* The names of a directory, sorted by bytes. They lie in two stacks that hold those of the
 * directories above it too. */
struct layer_name {
	size_t text;	    /* offset in the stack of texts */
	unsigned char type; /* DT_* */
	bool hidden;	    /* of a lower layer, and not in the upper one */
};

struct layer_names {
	size_t texts, items; /* what was used before */
	struct layer_name *list;
	size_t n;
};

/* Starts an empty list on top of both. */
void layer_names_begin(struct layer_names *names, const struct layer_stack *texts,
		       struct layer_stack *items);
/*
 * Adds the names in an open directory but "." and "..". With `others` only those that are not in
 * the list yet, as hidden. -errno.
 */
int layer_names_read(struct layer_names *names, struct layer_stack *texts,
		     struct layer_stack *items, int fd, bool others);
/* Takes them off the stacks again. */
void layer_names_end(const struct layer_names *names, struct layer_stack *texts,
		     struct layer_stack *items);
