/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/layer_child.h"
#include "collectors/layer_walk.h"
#include "core/overlays.h"

/*
 * One writable layer that is kept. The thread that fills makes it and reads `seen`; `usage`, `gone`
 * are under the keeper's lock; the rest belongs to the worker once it was handed over.
 */
struct layer_record {
	dev_t device; /* of the overlay */
	struct layer_source source;
	char *upper, *work, **lower; /* what source points to */
	bool local;		     /* its filesystem needs no server */

	bool handed_over;	 /* filling thread's */
	uint32_t mark;		 /* filling thread's: the fill that saw it last */
	struct layer_usage seen; /* filling thread's copy of usage */

	struct layer_usage usage;
	bool gone;

	struct layer_walk *walk; /* running, or kept for its nodes */
	bool walking;
	struct layer_known known;
	struct layer_child *child; /* running, or left behind */
	uint64_t started_ns, cpu_ns, next_ns;
	uint64_t base_bytes, base_ns; /* at the end of the walk before: for growth */
	struct layer_usage last;      /* as published */
	/* Between walks */
	bool watched;	 /* events of its filesystem are followed since before the walk */
	bool refreshing; /* directories are being read again */
	uint32_t *dirty; /* nodes to read again */
	size_t n_dirty, max_dirty;
	uint64_t dirty_ns;	  /* when the first of them got so; 0: none */
	uint64_t refresh_ns;	  /* when reading them again began */
	uint64_t calm_ns, hot_ns; /* not read again before; open files looked at again */
};

/* Copies all it needs. NULL: no memory. */
struct layer_record *layer_record_new(const struct overlay *overlay);
void layer_record_free(struct layer_record *record);
/* It is that overlay's layer, and the same one. */
bool layer_record_is(const struct layer_record *record, const struct overlay *overlay);
