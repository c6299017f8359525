// SPDX-License-Identifier: MIT
#include "tui/browser.h"

#include <string.h>

#include "core/cleanup.h"

#define COLUMNS_MAX 24
#define PRIORITIES  4
/* What is rarely wanted has to leave so much to the columns that take what is left over. */
#define SPARE 30

/* Where the columns stand; those without room have a width of 0. */
struct layout {
	int x[COLUMNS_MAX], width[COLUMNS_MAX];
	bool more_left, more_right;
};

/* Left-aligned cells stand close behind numbers without a second blank. */
static int gap(const struct browser_column *column, int i)
{
	return i == 0 ? 0 : column->right ? 1 : 2;
}

/* Which columns there is room for, the important ones first. Returns the room left over. */
static int choose_columns(const struct browser *browser, int room, struct layout *layout)
{
	const struct browser_kind *kind = browser->kind;
	bool missed = false;

	for (int priority = 0; priority < PRIORITIES && !missed; priority++) {
		int spare = priority == PRIORITIES - 1 ? SPARE : 0;

		for (int i = 0; i < kind->n_columns; i++) {
			const struct browser_column *column = &kind->columns[i];
			int need = column->width + gap(column, i);

			if (column->priority != priority || (i > 0 && i <= browser->column_offset))
				continue;
			if (need + spare > room && i > 0) {
				missed = true;
				continue;
			}
			layout->width[i] = need <= room ? column->width : room;
			room -= need;
		}
	}
	return room;
}

static void lay_out(const struct browser *browser, int width, struct layout *layout)
{
	const struct browser_kind *kind = browser->kind;
	int room, weights = 0, x = 0;

	*layout = (struct layout){ .more_left = browser->column_offset > 0 };
	/* The last place is for the mark that there are more. */
	room = choose_columns(browser, width - 1, layout);
	for (int i = 0; i < kind->n_columns; i++) {
		if (layout->width[i])
			weights += kind->columns[i].weight;
		else if (i > browser->column_offset)
			layout->more_right = true;
	}
	for (int i = 0; i < kind->n_columns; i++) {
		const struct browser_column *column = &kind->columns[i];

		if (!layout->width[i])
			continue;
		if (column->weight && room > 0) {
			int more = room * column->weight / weights;

			weights -= column->weight;
			room -= more;
			layout->width[i] += more;
		}
		x += gap(column, i);
		layout->x[i] = x;
		x += layout->width[i];
	}
}

static void draw_heading(const struct browser *browser, struct canvas *canvas, struct rect area,
			 const struct layout *layout)
{
	const char *order = canvas_glyph(canvas,
					 browser->ascending ? GLYPH_ASCENDING : GLYPH_DESCENDING);

	canvas_fill(canvas, area.x, area.y, area.width, ROLE_HEADING);
	for (int i = 0; i < browser->kind->n_columns; i++) {
		const struct browser_column *column = &browser->kind->columns[i];
		unsigned int style = i == browser->sort ? ROLE_HEADING_SORT : ROLE_HEADING;
		int x = area.x + layout->x[i], width = layout->width[i], used;

		if (width <= 0)
			continue;
		if (i == browser->sort)
			canvas_fill(canvas, x - (column->right && i > 0), area.y,
				    width + (column->right && i > 0), style);
		if (column->right) {
			canvas_text_right(canvas, x, area.y, width, column->title, style);
			if (i == browser->sort)
				canvas_text(canvas, x - 1, area.y, 1, order, style);
			continue;
		}
		used = canvas_text(canvas, x, area.y, width, column->title, style);
		if (i == browser->sort)
			canvas_text(canvas, x + used, area.y, width - used, order, style);
	}
	if (layout->more_left)
		canvas_text(canvas, area.x + layout->width[0], area.y, 1,
			    canvas_glyph(canvas, GLYPH_MORE_LEFT), ROLE_HEADING);
	if (layout->more_right)
		canvas_text(canvas, area.x + area.width - 1, area.y, 1,
			    canvas_glyph(canvas, GLYPH_MORE_RIGHT), ROLE_HEADING);
}

static void draw_name(const struct browser *browser, struct canvas *canvas, struct rect line,
		      const struct browser_row *row, struct strbuf *text)
{
	const struct browser_column *column = &browser->kind->columns[0];
	struct rect ornament = { line.x, line.y, line.width / 2, 1 };
	enum role role = column->add(browser, &browser->items[row->item], text);
	int used = 0;

	if (browser->tree)
		used = view_tree_draw(canvas, ornament, row->depth, row->lines, row->folded);
	if (text->failed || !text->data)
		return;
	used += canvas_text_cut(canvas, line.x + used, line.y, line.width - used, text->data,
				browser->items[row->item].group ? CUT_END : column->cut,
				row->matched ? role : ROLE_ZERO);
	if (row->folded)
		canvas_printf(canvas, line.x + used, line.y, line.width - used, ROLE_TREE, " +%u",
			      row->below);
}

static void draw_row(const struct browser *browser, struct canvas *canvas, struct rect line,
		     const struct layout *layout, const struct browser_row *row)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	draw_name(browser, canvas, (struct rect){ line.x, line.y, layout->width[0], 1 }, row,
		  &text);
	for (int i = 1; i < browser->kind->n_columns; i++) {
		const struct browser_column *column = &browser->kind->columns[i];
		int x = line.x + layout->x[i], width = layout->width[i];
		enum role role;

		if (width <= 0)
			continue;
		strbuf_clear(&text);
		role = column->add(browser, &browser->items[row->item], &text);
		if (text.failed || !text.data)
			continue;
		role = row->matched ? role : ROLE_ZERO;
		if (column->right)
			canvas_text_right(canvas, x, line.y, width, text.data, role);
		else
			canvas_text_cut(canvas, x, line.y, width, text.data, column->cut, role);
	}
}

static void draw_reason(const struct browser *browser, struct canvas *canvas, struct rect area)
{
	const char *reason = NULL;

	if (!browser_has_data(browser))
		reason = browser->kind->reading;
	else if (browser->kind->reason)
		reason = browser->kind->reason(browser);
	if (!reason && *browser->filter && browser->n_items > 0)
		reason = "nothing matches the filter (Esc clears it)";
	else if (!reason && browser->scope.kind != TARGET_NONE)
		reason = "none of it (a shows all)";
	canvas_text(canvas, area.x + 2, area.y + 2, area.width - 2,
		    reason ? reason : browser->kind->none, ROLE_STATUS);
}

void browser_draw(struct browser *browser, struct canvas *canvas, struct rect area)
{
	struct layout layout;

	lay_out(browser, area.width, &layout);
	draw_heading(browser, canvas, area, &layout);
	list_fit(&browser->list, browser->n_rows, area.height - 1);
	if (browser->n_rows == 0)
		draw_reason(browser, canvas, area);
	for (int i = 0; i < area.height - 1; i++) {
		struct rect line = { area.x, area.y + 1 + i, area.width, 1 };
		int64_t row = browser->list.top + i;

		if (row >= browser->n_rows)
			break;
		draw_row(browser, canvas, line, &layout, &browser->rows[row]);
		if (row == browser->list.cursor)
			canvas_mark(canvas, line.x, line.y, line.width, STYLE_SELECTED);
	}
}

int browser_column_at(const struct browser *browser, int width, int x)
{
	struct layout layout;

	lay_out(browser, width, &layout);
	for (int i = 0; i < browser->kind->n_columns; i++) {
		if (layout.width[i] > 0 && x >= layout.x[i] - 1 &&
		    x < layout.x[i] + layout.width[i])
			return i;
	}
	return -1;
}
