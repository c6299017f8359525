/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <sys/stat.h>

#include "collectors/layer_diff.h"
#include "collectors/layer_format.h"

/* A file or directory of a layer: a name in an open directory, or the open directory itself. */
struct layer_thing {
	int fd;		  /* of the directory it is in */
	const char *name; /* NULL: fd itself */
	struct stat status;
};

enum { LAYER_COMPARE_XATTRS = 1024 };

struct layer_compare {
	enum layer_format format;
	bool no_content, metacopy; /* metacopy: the upper one has no content of its own */
	atomic_uint_fast64_t *progress;
};

/*
 * In what `after` (of the upper layer) differs from `before`: bits of enum layer_diff_changes. The
 * names of differing xattrs go into `ret_xattrs`, with commas, as many as fit. What cannot be read
 * counts as the same, with its -errno in `ret_error`.
 */
unsigned int layer_compare(const struct layer_compare *how, const struct layer_thing *before,
			   const struct layer_thing *after, char ret_xattrs[LAYER_COMPARE_XATTRS],
			   int *ret_error);
