/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/snapshot.h"
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
bool folds_is_folded(const struct folds *folds, const struct node *node);
void folds_set(struct folds *folds, const struct node *node, bool folded);

/*
 * The lines of a drawn tree: bit d of a row's mask says whether the line at depth d goes on below
 * it (for its own depth: whether a sibling follows). Deeper than 63 counts as 63.
 */
void view_tree_lines(const struct tree *tree, const uint32_t *rows, uint32_t n,
		     uint64_t *ret_lines);
/* Draws lines and fold mark in front of a name; returns the columns used. */
int view_tree_draw(struct canvas *canvas, int x, int y, int width, const struct node *node,
		   uint64_t lines, bool folded, unsigned int style);
