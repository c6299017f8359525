/* SPDX-License-Identifier: MIT */
#pragma once

#include "tui/canvas.h"

/* Which subtrees are folded: all from `depth` on, but for the ones somebody turned over by hand. */
struct folds {
	uint32_t depth;
	uint64_t *toggled; /* serials, sorted */
	size_t n, capacity;
};

#define FOLDS_NONE UINT32_MAX

void folds_done(struct folds *folds);
/* Folds everything from that depth on and forgets what was done by hand. */
void folds_set_depth(struct folds *folds, uint32_t depth);
bool folds_is_folded(const struct folds *folds, uint64_t serial, uint32_t depth);
void folds_set(struct folds *folds, uint64_t serial, uint32_t depth, bool folded);

/*
 * The lines of a drawn tree: bit d of a row's mask says whether the line at depth d goes on below
 * it (for its own depth: whether a sibling follows). Deeper than 63 counts as 63. To be called from
 * the last row to the first, with `*below` 0 at first.
 */
uint64_t view_tree_line(uint64_t *below, uint32_t depth);
/* Draws lines and fold mark in front of a name; returns the columns used. */
int view_tree_draw(struct canvas *canvas, struct rect line, uint32_t depth, uint64_t lines,
		   bool folded);
