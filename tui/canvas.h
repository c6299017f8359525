/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

/*
 * A grid of cells that screens draw into. Nothing here knows of a terminal: term.c copies what
 * changed to the screen, tests compare the grid itself.
 */

/* A character and up to two combining marks. */
#define CELL_CODES 3

/* Bits of a style above its role (theme.h). */
#define STYLE_ROLE     0xffu
#define STYLE_SELECTED 0x100u

struct cell {
	uint32_t codes[CELL_CODES]; /* 0 ends */
	uint16_t style;
	uint8_t width; /* 2 for a wide character, 0 for the cell behind it */
};

struct rect {
	int x, y, width, height;
};

struct canvas {
	int width, height;
	bool ascii; /* everything outside ASCII is written as \uNNNN */
	struct rect clip;
	struct cell *cells; /* by row */
};

/* Ornaments, each with a form of ASCII that takes as many columns. */
enum glyph {
	GLYPH_BRANCH,
	GLYPH_LAST,
	GLYPH_FOLDED_BRANCH,
	GLYPH_FOLDED_LAST,
	GLYPH_FOLDED_ROOT,
	GLYPH_PIPE,
	GLYPH_BLANK,
	GLYPH_ELLIPSIS,
	GLYPH_MORE_LEFT,
	GLYPH_MORE_RIGHT,
	GLYPH_ASCENDING,
	GLYPH_DESCENDING,
	GLYPH_RULE,
	GLYPH_WALL,
	GLYPH_HELD,
	GLYPH_SPARK_0,
	GLYPH_SPARK_7 = GLYPH_SPARK_0 + 7,
	GLYPH_BAR_1, /* an eighth of a column, from the left */
	GLYPH_BAR_8 = GLYPH_BAR_1 + 7,
	GLYPH_COUNT,
};

/* Which end of a text is left out where it is too long. */
enum cut { CUT_END, CUT_START };

/* A canvas of blanks. -ENOMEM. */
int canvas_init(struct canvas *canvas, int width, int height, bool ascii);
void canvas_done(struct canvas *canvas);
/* Blanks in the default style; the clip is the whole canvas again. */
void canvas_clear(struct canvas *canvas);
/* Drawing outside `clip` has no effect from now on. Returns the old one. */
struct rect canvas_set_clip(struct canvas *canvas, struct rect clip);

const char *canvas_glyph(const struct canvas *canvas, enum glyph glyph);

/*
 * Draws UTF-8 text into at most `width` columns from (x, y) and returns the columns used. Bytes
 * that are not UTF-8 and control characters become a replacement character. A wide character that
 * does not fit whole is left out.
 */
int canvas_text(struct canvas *canvas, int x, int y, int width, const char *text,
		unsigned int style);
/* The same with an ellipsis where something had to be left out. */
int canvas_text_cut(struct canvas *canvas, int x, int y, int width, const char *text, enum cut cut,
		    unsigned int style);
/* Against the right edge of the `width` columns. */
void canvas_text_right(struct canvas *canvas, int x, int y, int width, const char *text,
		       unsigned int style);
int canvas_printf(struct canvas *canvas, int x, int y, int width, unsigned int style,
		  const char *format, ...) __attribute__((format(printf, 6, 7)));
/* Columns that the text takes. */
int canvas_text_width(const struct canvas *canvas, const char *text);
/* How many bytes of `text` fit into `width` columns, marks included; at least one character. */
size_t canvas_text_fit(const struct canvas *canvas, const char *text, int width);
/* `width` blanks. */
void canvas_fill(struct canvas *canvas, int x, int y, int width, unsigned int style);
/* Adds style bits to what stands there: a selected row. */
void canvas_mark(struct canvas *canvas, int x, int y, int width, unsigned int bits);

static inline const struct cell *canvas_cell(const struct canvas *canvas, int x, int y)
{
	return &canvas->cells[(size_t)y * (size_t)canvas->width + (size_t)x];
}
