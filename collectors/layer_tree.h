/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "collectors/layer_compare.h"
#include "collectors/layer_walk.h"

/*
 * The comparing of an upper layer with the lower ones itself, in the thread that calls it and
 * without the heap: layer_diff_run() has it run in a child.
 */
struct layer_tree_job {
	const struct layer_source *source;
	bool no_content;
	atomic_uint_fast64_t *progress;
	layer_diff_report *report;
	void *argument;
};

/* As layer_diff_run(). */
int layer_tree_compare(const struct layer_tree_job *job, int *ret_error);
