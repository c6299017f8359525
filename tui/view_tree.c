// SPDX-License-Identifier: MIT
#include "tui/view_tree.h"

#include <stdlib.h>
#include <string.h>

#include "tui/theme.h"

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

bool folds_is_folded(const struct folds *folds, uint64_t serial, uint32_t depth)
{
	return (depth >= folds->depth) != is_toggled(folds, serial);
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

void folds_set(struct folds *folds, uint64_t serial, uint32_t depth, bool folded)
{
	size_t at = position(folds, serial);

	if (folds_is_folded(folds, serial, depth) == folded)
		return;
	if (!is_toggled(folds, serial)) {
		insert(folds, at, serial);
		return;
	}
	folds->n--;
	memmove(folds->toggled + at, folds->toggled + at + 1,
		(folds->n - at) * sizeof(*folds->toggled));
}

static unsigned int clip_depth(uint32_t depth)
{
	return depth < DEEPEST ? depth : DEEPEST;
}

uint64_t view_tree_line(uint64_t *below, uint32_t depth)
{
	/* `below`: depths at which a line comes up from the rows below. */
	uint64_t own = UINT64_C(1) << clip_depth(depth), lines = *below & (own | (own - 1));

	*below = (*below & (own - 1)) | own;
	return lines;
}

static enum glyph branch_glyph(bool more, bool folded)
{
	if (folded)
		return more ? GLYPH_FOLDED_BRANCH : GLYPH_FOLDED_LAST;
	return more ? GLYPH_BRANCH : GLYPH_LAST;
}

static int draw_glyph(struct canvas *canvas, struct rect line, int used, enum glyph glyph)
{
	return used + canvas_text(canvas, line.x + used, line.y, line.width - used,
				  canvas_glyph(canvas, glyph), ROLE_TREE);
}

int view_tree_draw(struct canvas *canvas, struct rect line, uint32_t deep, uint64_t lines,
		   bool folded)
{
	unsigned int depth = clip_depth(deep), first = 1;
	int used = 0, room = line.width > 2 ? line.width / 2 : 1;

	if (depth == 0)
		return folded ? draw_glyph(canvas, line, 0, GLYPH_FOLDED_ROOT) : 0;
	/* Too deep for the space: the outermost levels go, a mark says so. */
	if ((int)depth > room) {
		first = depth - (unsigned int)room + 2;
		used = draw_glyph(canvas, line, used, GLYPH_ELLIPSIS);
	}
	for (unsigned int level = first; level < depth; level++)
		used = draw_glyph(canvas, line, used,
				  lines >> level & 1 ? GLYPH_PIPE : GLYPH_BLANK);
	return draw_glyph(canvas, line, used, branch_glyph(lines >> depth & 1, folded));
}
