// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tui/canvas.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "core/escape.h"

#define REPLACEMENT 0xfffd

static const struct {
	const char *utf8, *ascii;
} glyphs[GLYPH_COUNT] = {
	[GLYPH_BRANCH] = { "├─", "|-" },
	[GLYPH_LAST] = { "└─", "`-" },
	[GLYPH_FOLDED_BRANCH] = { "├▸", "|+" },
	[GLYPH_FOLDED_LAST] = { "└▸", "`+" },
	[GLYPH_FOLDED_ROOT] = { "▸", "+" },
	[GLYPH_PIPE] = { "│ ", "| " },
	[GLYPH_BLANK] = { "  ", "  " },
	[GLYPH_ELLIPSIS] = { "…", "~" },
	[GLYPH_MORE_LEFT] = { "«", "<" },
	[GLYPH_MORE_RIGHT] = { "»", ">" },
	[GLYPH_ASCENDING] = { "▲", "^" },
	[GLYPH_DESCENDING] = { "▼", "v" },
	[GLYPH_RULE] = { "─", "-" },
	[GLYPH_WALL] = { "│", "|" },
	[GLYPH_HELD] = { "◆", "*" },
	[GLYPH_SPARK_0] = { "▁", "_" },
	[GLYPH_SPARK_0 + 1] = { "▂", "." },
	[GLYPH_SPARK_0 + 2] = { "▃", "-" },
	[GLYPH_SPARK_0 + 3] = { "▄", "=" },
	[GLYPH_SPARK_0 + 4] = { "▅", "+" },
	[GLYPH_SPARK_0 + 5] = { "▆", "*" },
	[GLYPH_SPARK_0 + 6] = { "▇", "%" },
	[GLYPH_SPARK_7] = { "█", "#" },
	[GLYPH_BAR_1] = { "▏", "." },
	[GLYPH_BAR_1 + 1] = { "▎", "." },
	[GLYPH_BAR_1 + 2] = { "▍", "-" },
	[GLYPH_BAR_1 + 3] = { "▌", "-" },
	[GLYPH_BAR_1 + 4] = { "▋", "=" },
	[GLYPH_BAR_1 + 5] = { "▊", "=" },
	[GLYPH_BAR_1 + 6] = { "▉", "=" },
	[GLYPH_BAR_8] = { "█", "#" },
};

/* One character as it is drawn: itself, its replacement, or "\u00e9" where only ASCII goes. */
struct piece {
	uint32_t codes[10];
	int n;
	int width; /* of each code; 0 for a mark that belongs to the character before */
};

const char *canvas_glyph(const struct canvas *canvas, enum glyph glyph)
{
	return canvas->ascii ? glyphs[glyph].ascii : glyphs[glyph].utf8;
}

int canvas_init(struct canvas *canvas, int width, int height, bool ascii)
{
	*canvas = (struct canvas){ .width = width > 0 ? width : 1,
				   .height = height > 0 ? height : 1,
				   .ascii = ascii };
	canvas->cells = calloc((size_t)canvas->width * (size_t)canvas->height,
			       sizeof(*canvas->cells));
	if (!canvas->cells)
		return -ENOMEM;
	canvas_clear(canvas);
	return 0;
}

void canvas_done(struct canvas *canvas)
{
	if (!canvas)
		return;
	free(canvas->cells);
	*canvas = (struct canvas){ 0 };
}

void canvas_clear(struct canvas *canvas)
{
	size_t n = (size_t)canvas->width * (size_t)canvas->height;

	canvas->clip = (struct rect){ 0, 0, canvas->width, canvas->height };
	for (size_t i = 0; i < n; i++)
		canvas->cells[i] = (struct cell){ .codes = { ' ' }, .width = 1 };
}

static int min_int(int a, int b)
{
	return a < b ? a : b;
}

static int max_int(int a, int b)
{
	return a > b ? a : b;
}

struct rect canvas_set_clip(struct canvas *canvas, struct rect clip)
{
	struct rect old = canvas->clip;
	int right = min_int(clip.x + clip.width, canvas->width);
	int bottom = min_int(clip.y + clip.height, canvas->height);

	clip.x = max_int(clip.x, 0);
	clip.y = max_int(clip.y, 0);
	clip.width = max_int(right - clip.x, 0);
	clip.height = max_int(bottom - clip.y, 0);
	canvas->clip = clip;
	return old;
}

static struct cell *cell_at(struct canvas *canvas, int x, int y)
{
	const struct rect *clip = &canvas->clip;

	if (x < clip->x || y < clip->y || x >= clip->x + clip->width || y >= clip->y + clip->height)
		return NULL;
	return &canvas->cells[(size_t)y * (size_t)canvas->width + (size_t)x];
}

/* Half of a wide character cannot stay when the other half is drawn over. */
static void break_wide(struct canvas *canvas, int x, int y)
{
	struct cell *row = &canvas->cells[(size_t)y * (size_t)canvas->width];

	if (row[x].width == 0 && x > 0)
		row[x - 1] =
			(struct cell){ .codes = { ' ' }, .width = 1, .style = row[x - 1].style };
	if (row[x].width == 2 && x + 1 < canvas->width)
		row[x + 1] =
			(struct cell){ .codes = { ' ' }, .width = 1, .style = row[x + 1].style };
}

static void put(struct canvas *canvas, int x, int y, uint32_t code, int width, unsigned int style)
{
	struct cell *cell = cell_at(canvas, x, y);
	struct cell *right = width == 2 ? cell_at(canvas, x + 1, y) : NULL;
	struct cell blank = { .codes = { ' ' }, .style = (uint16_t)style, .width = 1 };

	if (cell)
		break_wide(canvas, x, y);
	if (right)
		break_wide(canvas, x + 1, y);
	if (width == 2 && (!cell || !right)) {
		if (cell)
			*cell = blank;
		if (right)
			*right = blank;
		return;
	}
	if (!cell)
		return;
	*cell = (struct cell){ .codes = { code },
			       .style = (uint16_t)style,
			       .width = (uint8_t)width };
	if (right)
		*right = (struct cell){ .style = (uint16_t)style };
}

/* Adds a combining mark to the character that ends left of x. */
static void put_mark(struct canvas *canvas, int x, int y, uint32_t code)
{
	struct cell *cell = cell_at(canvas, x - 1, y);

	if (cell && cell->width == 0)
		cell = cell_at(canvas, x - 2, y);
	if (!cell || cell->width == 0)
		return;
	for (int i = 1; i < CELL_CODES; i++) {
		if (cell->codes[i] == 0) {
			cell->codes[i] = code;
			return;
		}
	}
}

/*
 * Characters without a width that are not marks on a letter: selectors that change the width in
 * some terminals, invisible operators, tags. They are shown as replaced, so that names cannot hide
 * them.
 */
static bool is_invisible(uint32_t code)
{
	return (code >= 0xfe00 && code <= 0xfe0f) || (code >= 0x2060 && code <= 0x206f) ||
	       (code >= 0xe0000 && code <= 0xe0fff) || code == 0x061c || code == 0x180e ||
	       code == 0xad || code == 0x034f;
}

static void piece_replace(const struct canvas *canvas, struct piece *piece)
{
	*piece = (struct piece){ .codes = { canvas->ascii ? '?' : REPLACEMENT },
				 .n = 1,
				 .width = 1 };
}

static void piece_escape(uint32_t code, struct piece *piece)
{
	char text[11];

	piece->n = snprintf(text, sizeof(text), code > 0xffff ? "\\U%06x" : "\\u%04x", code);
	piece->width = 1;
	for (int i = 0; i < piece->n; i++)
		piece->codes[i] = (unsigned char)text[i];
}

/* Reads one character at `text` and says how it is drawn. Returns the bytes it took. */
static size_t next_piece(const struct canvas *canvas, const char *text, size_t length,
			 struct piece *piece)
{
	uint32_t code;
	size_t taken = 1;

	if ((unsigned char)text[0] >= 0x20 && (unsigned char)text[0] < 0x7f) {
		*piece = (struct piece){ .codes = { (unsigned char)text[0] }, .n = 1, .width = 1 };
		return 1;
	}
	if ((taken = utf8_decode(text, length, &code)) == 0 || code < 0xa0) {
		piece_replace(canvas, piece);
		return taken ? taken : 1;
	}
	if (canvas->ascii) {
		piece_escape(code, piece);
		return taken;
	}
	*piece = (struct piece){ .codes = { code }, .n = 1, .width = wcwidth((wchar_t)code) };
	if (piece->width < 0 || is_invisible(code))
		piece_replace(canvas, piece);
	return taken;
}

int canvas_text(struct canvas *canvas, int x, int y, int width, const char *text,
		unsigned int style)
{
	size_t length = strlen(text);
	int used = 0;

	while (length > 0) {
		struct piece piece;
		size_t taken = next_piece(canvas, text, length, &piece);

		text += taken;
		length -= taken;
		if (piece.width == 0) {
			/* A mark with nothing to stand on would move onto our own ornament. */
			if (used > 0)
				put_mark(canvas, x + used, y, piece.codes[0]);
			continue;
		}
		for (int i = 0; i < piece.n; i++) {
			if (used + piece.width > width)
				return used;
			put(canvas, x + used, y, piece.codes[i], piece.width, style);
			used += piece.width;
		}
	}
	return used;
}

int canvas_text_width(const struct canvas *canvas, const char *text)
{
	size_t length = strlen(text);
	int width = 0;

	while (length > 0) {
		struct piece piece;
		size_t taken = next_piece(canvas, text, length, &piece);

		text += taken;
		length -= taken;
		width += piece.n * piece.width;
	}
	return width;
}

size_t canvas_text_fit(const struct canvas *canvas, const char *text, int width)
{
	size_t length = strlen(text), fit = 0;
	int used = 0;

	while (fit < length) {
		struct piece piece;
		size_t taken = next_piece(canvas, text + fit, length - fit, &piece);

		used += piece.n * piece.width;
		if (used > width && fit > 0)
			break;
		fit += taken;
	}
	return fit;
}

/* The rest of `text` that is at most `width` columns wide. */
static const char *skip_to_width(const struct canvas *canvas, const char *text, int width)
{
	int excess = canvas_text_width(canvas, text) - width;
	size_t length = strlen(text);

	while (length > 0 && excess > 0) {
		struct piece piece;
		size_t taken = next_piece(canvas, text, length, &piece);

		text += taken;
		length -= taken;
		excess -= piece.n * piece.width;
	}
	return text;
}

int canvas_text_cut(struct canvas *canvas, int x, int y, int width, const char *text, enum cut cut,
		    unsigned int style)
{
	const char *ellipsis = canvas_glyph(canvas, GLYPH_ELLIPSIS);
	int used;

	if (width <= 0)
		return 0;
	if (canvas_text_width(canvas, text) <= width)
		return canvas_text(canvas, x, y, width, text, style);
	if (cut == CUT_START) {
		used = canvas_text(canvas, x, y, width, ellipsis, style);
		return used + canvas_text(canvas, x + used, y, width - used,
					  skip_to_width(canvas, text, width - used), style);
	}
	used = canvas_text(canvas, x, y, width - 1, text, style);
	return used + canvas_text(canvas, x + used, y, width - used, ellipsis, style);
}

void canvas_text_right(struct canvas *canvas, int x, int y, int width, const char *text,
		       unsigned int style)
{
	int need = canvas_text_width(canvas, text);

	if (need > width)
		canvas_text_cut(canvas, x, y, width, text, CUT_END, style);
	else
		canvas_text(canvas, x + width - need, y, need, text, style);
}

int canvas_printf(struct canvas *canvas, int x, int y, int width, unsigned int style,
		  const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return canvas_text(canvas, x, y, width, text, style);
}

void canvas_fill(struct canvas *canvas, int x, int y, int width, unsigned int style)
{
	for (int i = 0; i < width; i++)
		put(canvas, x + i, y, ' ', 1, style);
}

void canvas_mark(struct canvas *canvas, int x, int y, int width, unsigned int bits)
{
	for (int i = 0; i < width; i++) {
		struct cell *cell = cell_at(canvas, x + i, y);

		if (cell)
			cell->style |= (uint16_t)bits;
	}
}
