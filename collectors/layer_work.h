/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What overlayfs keeps in its work directory. */
struct layer_work {
	uint64_t leftovers;	/* "#…" in work/work that is not the whiteout kept for use */
	uint64_t index_entries; /* in work/index */
	bool volatile_dirty;	/* work/work/incompat/volatile/dirty */
};

/* Reads it at its absolute path. What is not there or cannot be read counts as nothing. */
void layer_work_read(const char *path, struct layer_work *ret_work);
