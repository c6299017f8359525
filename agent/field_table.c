// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "agent/field.h"
#include "agent/output.h"
#include "core/cleanup.h"
#include "core/escape.h"

/* One very long name must not push the columns of all other rows out of sight. */
enum { WIDTH_MAX = 48 };

/* The cells of a table as safe text: lines with '\n' between. */
struct grid {
	char **cells;
	size_t widths[FIELD_MAX];
	size_t n_rows;
	const struct field *left; /* carries the lines of a tree: not aligned to the right */
	bool failed;
};

/* As libsmartcols' raw output: one word a cell, whatever is in it. */
static void add_raw_text(struct strbuf *out, const char *text, size_t length)
{
	struct strbuf safe;

	strbuf_init(&safe);
	escape_terminal_append(&safe, text, length);
	for (size_t i = 0; i < safe.length; i++) {
		if (safe.data[i] == ' ')
			strbuf_add_string(out, "\\x20");
		else
			strbuf_add_char(out, safe.data[i]);
	}
	out->failed |= safe.failed;
	strbuf_done(&safe);
}

static void add_number(struct strbuf *out, const struct field *field, const struct strbuf *value,
		       const struct field_format *format)
{
	const char *text = value->data ? value->data : "";
	bool plain = format->raw || format->bytes;

	if (field->type == FIELD_BYTES && !plain)
		format_human(out, UNIT_BYTES, strtod(text, NULL), false);
	else if (field->type == FIELD_SECONDS && !plain)
		format_human(out, UNIT_USEC, strtod(text, NULL), false);
	else if (field->type == FIELD_RATIO && !plain)
		format_human(out, UNIT_RATIO, strtod(text, NULL), false);
	else if (field->type == FIELD_BOOL)
		strbuf_add_string(out, *text == '1' ? "yes" : "no");
	else
		strbuf_add_string(out, text);
}

static void add_list(struct strbuf *out, const struct strbuf *value,
		     const struct field_format *format)
{
	const char *item, *between = "";
	size_t at = 0;

	while ((item = field_list_next(value, &at))) {
		strbuf_add_string(out, between);
		between = format->raw || format->one_line ? "," : "\n";
		if (format->raw)
			add_raw_text(out, item, strlen(item));
		else
			escape_terminal_append(out, item, strlen(item));
	}
}

/* The value of a row as safe text. False if it has none. */
static bool add_value(struct strbuf *out, const struct field *field, const void *view, uint32_t row,
		      const struct field_format *format)
{
	struct strbuf value;
	bool known;

	strbuf_init(&value);
	known = field->get(view, row, &value);
	if (known && field->type == FIELD_TEXT && format->raw)
		add_raw_text(out, value.data, value.length);
	else if (known && field->type == FIELD_TEXT && value.length > 0)
		escape_terminal_append(out, value.data, value.length);
	else if (known && field->type == FIELD_LIST)
		add_list(out, &value, format);
	else if (known)
		add_number(out, field, &value, format);
	out->failed |= value.failed;
	strbuf_done(&value);
	return known;
}

/* Display columns of the widest line. */
static size_t widest(const char *text)
{
	size_t width = 0;

	for (;;) {
		size_t length = strcspn(text, "\n"), w;
		char *line = strndup(text, length);

		w = line ? output_width(line) : length;
		free(line);
		width = w > width ? w : width;
		if (!text[length])
			return width;
		text += length + 1;
	}
}

enum { TREE_LEVELS = 64 };

/* For each row, the levels at which another sibling of its ancestors (or its own) follows. */
static uint64_t *find_open_levels(const uint32_t *depth, uint32_t n)
{
	uint64_t *levels = calloc(n ? n : 1, sizeof(*levels)), open = 0;

	for (uint32_t i = n; levels && i-- > 0;) {
		uint32_t level = depth[i] < TREE_LEVELS ? depth[i] : TREE_LEVELS - 1;

		/* What is deeper ended here, seen from below. */
		open &= level == TREE_LEVELS - 1 ? ~UINT64_C(0) : (UINT64_C(1) << (level + 1)) - 1;
		levels[i] = open;
		open |= UINT64_C(1) << level;
	}
	return levels;
}

static void add_lines(struct strbuf *out, uint32_t depth, uint64_t open, bool ascii)
{
	static const char *const lines[2][4] = {
		{ "│ ", "  ", "├─", "└─" },
		{ "| ", "  ", "|-", "`-" },
	};

	for (uint32_t level = 1; level <= depth; level++) {
		bool more = open >> (level < TREE_LEVELS ? level : TREE_LEVELS - 1) & 1;

		strbuf_add_string(out, lines[ascii][(level == depth ? 2 : 0) + !more]);
	}
}

static void fill_row(struct grid *grid, const struct field_list *chosen,
		     const struct field_rows *rows, const struct field_format *format,
		     const uint64_t *open)
{
	size_t row = grid->n_rows++;

	for (size_t i = 0; i < chosen->n; i++) {
		const struct field *field = chosen->list[i];
		struct strbuf cell;
		char *text;
		size_t width;

		strbuf_init(&cell);
		if (open && field == rows->tree_field && !format->raw)
			add_lines(&cell, rows->depth[row], open[row], format->ascii);
		/* Fields of awk must not move where one has no value. */
		if ((!add_value(&cell, field, rows->view, rows->rows[row], format) ||
		     cell.length == 0) &&
		    format->raw)
			strbuf_add_char(&cell, '-');
		text = strbuf_take(&cell);
		grid->cells[row * chosen->n + i] = text;
		if (!text) {
			grid->failed = true;
			continue;
		}
		width = format->raw ? 0 : widest(text);
		width = width < WIDTH_MAX ? width : WIDTH_MAX;
		if (width > grid->widths[i])
			grid->widths[i] = width;
	}
}

/* Cuts the line that begins at `start` to the width, not within a character. */
static void end_line(struct strbuf *out, size_t start, size_t width)
{
	while (out->length > start && out->data[out->length - 1] == ' ')
		out->data[--out->length] = '\0';
	while (width > 0 && out->length > start && output_width(out->data + start) > width) {
		do {
			out->length--;
		} while (out->length > start &&
			 ((unsigned char)out->data[out->length] & 0xc0) == 0x80);
		out->data[out->length] = '\0';
	}
	strbuf_add_char(out, '\n');
}

/* Line `number` of a cell, or "". */
static char *cell_line(const char *cell, size_t number)
{
	while (number-- > 0) {
		cell += strcspn(cell, "\n");
		if (!*cell++)
			return strdup("");
	}
	return strndup(cell, strcspn(cell, "\n"));
}

static size_t count_lines(char *const *cells, size_t n)
{
	size_t most = 1;

	for (size_t i = 0; i < n; i++) {
		size_t lines = 1;

		for (const char *at = cells[i]; *at; at++)
			lines += *at == '\n';
		most = lines > most ? lines : most;
	}
	return most;
}

static void print_cells(struct strbuf *out, const struct grid *grid, char *const *cells,
			const struct field_list *chosen, const struct field_format *format)
{
	size_t lines = count_lines(cells, chosen->n);

	for (size_t line = 0; line < lines; line++) {
		size_t start = out->length;

		for (size_t i = 0; i < chosen->n; i++) {
			_cleanup_(freep) char *text = cell_line(cells[i], line);

			if (i > 0)
				strbuf_add_char(out, ' ');
			if (!text)
				out->failed = true;
			else if (format->raw)
				strbuf_add_string(out, text);
			else
				output_pad(out, text, grid->widths[i],
					   field_is_number(chosen->list[i]) &&
						   chosen->list[i] != grid->left);
		}
		if (format->raw)
			strbuf_add_char(out, '\n');
		else if (!out->failed)
			end_line(out, start, format->width);
	}
}

static void print_headings(struct strbuf *out, const struct grid *grid,
			   const struct field_list *chosen, const struct field_format *format)
{
	char *names[FIELD_MAX];

	for (size_t i = 0; i < chosen->n; i++)
		names[i] = (char *)chosen->list[i]->name;
	print_cells(out, grid, names, chosen, format);
}

void field_table(struct strbuf *out, const struct field_list *chosen, const struct field_rows *rows,
		 const struct field_format *format)
{
	struct grid grid = { .left = rows->depth ? rows->tree_field : NULL };
	_cleanup_(freep) uint64_t *open = NULL;

	grid.cells = calloc((size_t)rows->n * chosen->n + 1, sizeof(*grid.cells));
	if (rows->depth && rows->tree_field)
		open = find_open_levels(rows->depth, rows->n);
	if (!grid.cells || (rows->depth && rows->tree_field && !open)) {
		free(grid.cells);
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < chosen->n && !format->no_headings && !format->raw; i++)
		grid.widths[i] = strlen(chosen->list[i]->name);
	for (uint32_t i = 0; i < rows->n; i++)
		fill_row(&grid, chosen, rows, format, open);
	if (!format->no_headings)
		print_headings(out, &grid, chosen, format);
	for (size_t i = 0; i < grid.n_rows && !grid.failed; i++)
		print_cells(out, &grid, grid.cells + i * chosen->n, chosen, format);
	for (size_t i = 0; i < grid.n_rows * chosen->n; i++)
		free(grid.cells[i]);
	free(grid.cells);
	out->failed |= grid.failed;
}

void field_card(struct strbuf *out, const struct field_list *chosen, const void *view, uint32_t row,
		const struct field_format *format)
{
	size_t width = 0;

	for (size_t i = 0; i < chosen->n; i++) {
		size_t length = strlen(chosen->list[i]->name);

		width = length > width ? length : width;
	}
	for (size_t i = 0; i < chosen->n; i++) {
		struct strbuf cell;

		strbuf_init(&cell);
		if (add_value(&cell, chosen->list[i], view, row, format) && cell.length > 0) {
			output_pad(out, chosen->list[i]->name, width + 2, false);
			for (size_t at = 0; at < cell.length; at++) {
				strbuf_add_char(out, cell.data[at]);
				for (size_t pad = 0; cell.data[at] == '\n' && pad < width + 2;
				     pad++)
					strbuf_add_char(out, ' ');
			}
			strbuf_add_char(out, '\n');
		}
		out->failed |= cell.failed;
		strbuf_done(&cell);
	}
}
