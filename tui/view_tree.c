// SPDX-License-Identifier: MIT
#include "tui/view_tree.h"

#include <stdlib.h>
#include <string.h>

#define DEEPEST 63

void folds_done(struct folds *folds)
{
	free(folds->toggled);
	*folds = (struct folds){ .depth = FOLDS_NONE };
}

void folds_set_depth(struct folds *folds, uint32_t depth)
{
	folds->depth = depth;
	folds->n = 0;
}

/* Where the serial is or belongs. */
static size_t position(const struct folds *folds, uint64_t serial)
{
	size_t low = 0, high = folds->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (folds->toggled[middle] < serial)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_toggled(const struct folds *folds, uint64_t serial)
{
	size_t at = position(folds, serial);

	return at < folds->n && folds->toggled[at] == serial;
}

bool folds_is_folded(const struct folds *folds, const struct node *node)
{
	return (node->depth >= folds->depth) != is_toggled(folds, node->serial);
}

static void insert(struct folds *folds, size_t at, uint64_t serial)
{
	if (folds->n == folds->capacity) {
		size_t capacity = folds->capacity ? 2 * folds->capacity : 32;
		uint64_t *grown = realloc(folds->toggled, capacity * sizeof(*grown));

		/* Without memory the fold is not remembered, nothing worse. */
		if (!grown)
			return;
		folds->toggled = grown;
		folds->capacity = capacity;
	}
	memmove(folds->toggled + at + 1, folds->toggled + at,
		(folds->n - at) * sizeof(*folds->toggled));
	folds->toggled[at] = serial;
	folds->n++;
}

void folds_set(struct folds *folds, const struct node *node, bool folded)
{
	size_t at = position(folds, node->serial);

	if (folds_is_folded(folds, node) == folded)
		return;
	if (!is_toggled(folds, node->serial)) {
		insert(folds, at, node->serial);
		return;
	}
	folds->n--;
	memmove(folds->toggled + at, folds->toggled + at + 1,
		(folds->n - at) * sizeof(*folds->toggled));
}

static unsigned int depth_of(const struct node *node)
{
	return node->depth < DEEPEST ? node->depth : DEEPEST;
}

void view_tree_lines(const struct tree *tree, const uint32_t *rows, uint32_t n, uint64_t *ret_lines)
{
	uint64_t below = 0; /* depths at which a line comes up from the rows below */

	for (uint32_t row = n; row-- > 0;) {
		unsigned int depth = depth_of(tree->nodes[rows[row]]);
		uint64_t own = UINT64_C(1) << depth;

		ret_lines[row] = below & (own | (own - 1));
		below = (below & (own - 1)) | own;
	}
}

static enum glyph branch_glyph(bool more, bool folded)
{
	if (folded)
		return more ? GLYPH_FOLDED_BRANCH : GLYPH_FOLDED_LAST;
	return more ? GLYPH_BRANCH : GLYPH_LAST;
}

int view_tree_draw(struct canvas *canvas, int x, int y, int width, const struct node *node,
		   uint64_t lines, bool folded, unsigned int style)
{
	unsigned int depth = depth_of(node), first = 1;
	int used = 0, room = width > 2 ? width / 2 : 1;

	if (depth == 0)
		return folded ? canvas_text(canvas, x, y, width,
					    canvas_glyph(canvas, GLYPH_FOLDED_ROOT), style)
			      : 0;
	/* Too deep for the space: the outermost levels go, a mark says so. */
	if ((int)depth > room) {
		first = depth - (unsigned int)room + 2;
		used += canvas_text(canvas, x, y, width, canvas_glyph(canvas, GLYPH_ELLIPSIS),
				    style);
	}
	for (unsigned int level = first; level < depth; level++) {
		bool goes_on = lines >> level & 1;

		used += canvas_text(canvas, x + used, y, width - used,
				    canvas_glyph(canvas, goes_on ? GLYPH_PIPE : GLYPH_BLANK),
				    style);
	}
	return used + canvas_text(canvas, x + used, y, width - used,
				  canvas_glyph(canvas, branch_glyph(lines >> depth & 1, folded)),
				  style);
}
