// SPDX-License-Identifier: MIT
#include "tui/view_table.h"

#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/container.h"
#include "core/escape.h"
#include "tui/meaning.h"
#include "tui/report.h"

#define NAME_TITLE  "CGROUP"
#define NAME_MIN    20
#define SPARK_WIDTH 10
#define MARK_WIDTH  2
/* Room that a name should keep before sparklines take any. */
#define SPARK_NAME 36

const char *view_table_title(enum metric_id id, char room[TABLE_TITLE])
{
	const struct metric *metric = metric_get(id);

	if (id == M_NONE)
		return NAME_TITLE;
	if (!metric_is_rate(id) || metric->rate_title)
		return metric_title(id);
	snprintf(room, TABLE_TITLE, "%s%s", metric->title, metric->unit == UNIT_USEC ? "%" : "/s");
	return room;
}

static int column_width(enum metric_id id)
{
	char room[TABLE_TITLE];
	int width = (int)metric_get(id)->width, title = (int)strlen(view_table_title(id, room));

	/* A gap of one; the mark of the sort order stands in it. */
	return (width > title ? width : title) + 1;
}

void view_table_lay_out(struct view *view, int width, struct table_layout *layout)
{
	int name_min = width * 35 / 100, total = 0, x, n = (int)view->n_columns;

	*layout = (struct table_layout){ 0 };
	name_min = name_min < NAME_MIN ? NAME_MIN : name_min > 60 ? 60 : name_min;
	if (name_min > width)
		name_min = width;
	if (view->column_offset > n - 1)
		view->column_offset = n > 0 ? n - 1 : 0;
	x = name_min;
	for (int i = view->column_offset; i < n; i++) {
		struct placed_column *placed = &layout->columns[layout->n_columns];

		*placed = (struct placed_column){ view->columns[i], x,
						  column_width(view->columns[i]) };
		if (x + placed->width > width) {
			layout->more_right = true;
			break;
		}
		x += placed->width;
		total += placed->width;
		layout->n_columns++;
	}
	layout->more_left = view->column_offset > 0;
	total += layout->more_right; /* room for the mark */
	layout->name_width = width - total;
	if (!view->no_spark && view->sort != M_NONE && !view->by_path &&
	    layout->name_width >= SPARK_NAME + SPARK_WIDTH + 1)
		layout->spark_width = SPARK_WIDTH;
	layout->name_width -= layout->spark_width ? SPARK_WIDTH + 1 : 0;
	layout->spark_x = layout->name_width + 1;
	for (int i = 0; i < layout->n_columns; i++)
		layout->columns[i].x += width - total - name_min;
}

static void draw_heading(const struct view *view, struct canvas *canvas, struct rect area,
			 const struct table_layout *layout)
{
	const char *order = canvas_glyph(canvas,
					 view->ascending ? GLYPH_ASCENDING : GLYPH_DESCENDING);
	unsigned int name_style = view->by_path ? ROLE_HEADING_SORT : ROLE_HEADING;
	char room[TABLE_TITLE];
	int y = area.y, used;

	canvas_fill(canvas, area.x, y, area.width, ROLE_HEADING);
	used = canvas_text(canvas, area.x, y, layout->name_width, NAME_TITLE, name_style);
	if (view->by_path)
		canvas_text(canvas, area.x + used, y, 1, order, name_style);
	if (layout->spark_width)
		canvas_text(canvas, area.x + layout->spark_x, y, layout->spark_width, "HISTORY",
			    ROLE_HEADING);
	for (int i = 0; i < layout->n_columns; i++) {
		const struct placed_column *column = &layout->columns[i];
		bool sorted = !view->by_path && column->id == view->sort;
		unsigned int style = sorted ? ROLE_HEADING_SORT : ROLE_HEADING;

		if (sorted) {
			canvas_fill(canvas, area.x + column->x, y, column->width, style);
			canvas_text(canvas, area.x + column->x, y, 1, order, style);
		}
		canvas_text_right(canvas, area.x + column->x + 1, y, column->width - 1,
				  view_table_title(column->id, room), style);
	}
	if (layout->more_left && layout->n_columns > 0)
		canvas_text(canvas, area.x + layout->name_width - 1, y, 1,
			    canvas_glyph(canvas, GLYPH_MORE_LEFT), ROLE_HEADING);
	if (layout->more_right)
		canvas_text(canvas, area.x + area.width - 1, y, 1,
			    canvas_glyph(canvas, GLYPH_MORE_RIGHT), ROLE_HEADING);
}

static const enum role kind_roles[NODE_KIND_COUNT] = {
	[NODE_ROOT] = ROLE_GROUP,	   [NODE_SLICE] = ROLE_GROUP,	[NODE_USER] = ROLE_GROUP,
	[NODE_CONTAINER] = ROLE_CONTAINER, [NODE_POD] = ROLE_CONTAINER,
};

static bool is_frozen(const struct snapshot *snapshot, uint32_t index)
{
	double frozen;

	return snapshot_number(snapshot, M_FREEZER_FROZEN, index, &frozen) == VALUE_OK &&
	       frozen > 0;
}

static enum role name_role(const struct view *view, const struct snapshot *snapshot, uint32_t row,
			   uint64_t now_ns)
{
	const struct node *node = snapshot->tree->nodes[view->rows[row]];

	if (is_frozen(snapshot, view->rows[row]))
		return ROLE_FROZEN;
	if (view_is_new(view, node, now_ns))
		return ROLE_NEW;
	if (!view->matched[row])
		return ROLE_ZERO;
	return kind_roles[node->kind];
}

/* "web (nginx:1.25)" tells more than 64 digits do; the detail has those. */
static void add_label(const struct snapshot *snapshot, uint32_t index, struct strbuf *text)
{
	const struct container *container = view_container(snapshot, snapshot->tree->nodes[index]);

	if (!container) {
		strbuf_add_string(text, snapshot->tree->nodes[index]->label);
		return;
	}
	escape_terminal_append(text, container->name, strlen(container->name));
	if (!container->image)
		return;
	strbuf_add_string(text, " (");
	escape_terminal_append(text, container->image, strlen(container->image));
	strbuf_add_char(text, ')');
}

/* Behind a path, whose end is what is always to be seen. */
static void add_name_behind(const struct snapshot *snapshot, uint32_t index, struct strbuf *text)
{
	const struct container *container = view_container(snapshot, snapshot->tree->nodes[index]);

	if (!container)
		return;
	strbuf_add_string(text, "  ");
	escape_terminal_append(text, container->name, strlen(container->name));
}

/* Behind the name of what a policy holds something of. */
static int draw_mark(struct canvas *canvas, int x, int y)
{
	canvas_text(canvas, x + 1, y, 1, canvas_glyph(canvas, GLYPH_HELD), ROLE_WARN);
	return MARK_WIDTH;
}

static void draw_name(const struct view *view, struct canvas *canvas, int x, int y, int width,
		      const struct snapshot *snapshot, uint32_t row, uint64_t now_ns)
{
	uint32_t index = view->rows[row], below = snapshot->tree->end[index] - index - 1;
	const struct node *node = snapshot->tree->nodes[index];
	enum role role = name_role(view, snapshot, row, now_ns);
	bool folded = below > 0 && view_can_fold(view) &&
		      folds_is_folded(&view->folds, node->serial, node->depth);
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	int used, mark = report_hold_of(view->report, node) ? MARK_WIDTH : 0;

	if (view->tree) {
		/* However deep, half of the width stays for the name. */
		used = view_tree_draw(canvas, (struct rect){ x, y, width / 2, 1 }, node->depth,
				      view->lines[row], folded);
		add_label(snapshot, index, &text);
		used += canvas_text_cut(canvas, x + used, y, width - used - mark,
					text.data ? text.data : node->label, CUT_END, role);
		if (mark)
			used += draw_mark(canvas, x + used, y);
		if (folded)
			canvas_printf(canvas, x + used, y, width - used, ROLE_TREE, " +%u", below);
		return;
	}
	escape_terminal_append(&text, node->path, strlen(node->path));
	add_name_behind(snapshot, index, &text);
	used = canvas_text_cut(canvas, x, y, width - mark, text.data ? text.data : node->label,
			       CUT_START, role);
	if (mark)
		draw_mark(canvas, x + used, y);
}

static void draw_cells(const struct view *view, struct canvas *canvas, struct rect area,
		       const struct table_layout *layout, const struct snapshot *snapshot,
		       uint32_t row)
{
	struct strbuf text;

	strbuf_init(&text);
	for (int i = 0; i < layout->n_columns; i++) {
		const struct placed_column *column = &layout->columns[i];
		enum role role;

		strbuf_clear(&text);
		role = meaning_cell(snapshot, column->id, view->rows[row], &text);
		if (!text.failed && text.data)
			canvas_text_right(canvas, area.x + column->x + 1, area.y, column->width - 1,
					  text.data, role);
	}
	strbuf_done(&text);
}

void view_table_draw(struct view *view, struct canvas *canvas, struct rect area,
		     const struct snapshot *snapshot, uint64_t now_ns)
{
	struct table_layout layout;

	view_table_lay_out(view, area.width, &layout);
	draw_heading(view, canvas, area, &layout);
	list_fit(&view->list, view->n_rows, area.height - 1);
	for (int i = 0; i < area.height - 1; i++) {
		uint32_t row = (uint32_t)(view->list.top + i);
		struct rect line = { area.x, area.y + 1 + i, area.width, 1 };

		if (row >= view->n_rows)
			break;
		draw_name(view, canvas, line.x, line.y, layout.name_width, snapshot, row, now_ns);
		if (layout.spark_width)
			history_draw(&view->history, canvas, line.x + layout.spark_x, line.y,
				     layout.spark_width, view->rows[row], ROLE_LABEL);
		draw_cells(view, canvas, line, &layout, snapshot, row);
		if (row == view->list.cursor)
			canvas_mark(canvas, line.x, line.y, line.width, STYLE_SELECTED);
	}
}
