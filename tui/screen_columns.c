// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tui/screen.h"

#include <stdio.h>
#include <string.h>

#include "tui/app.h"
#include "tui/view_table.h"

/* All there is to choose: the columns shown, in their order, then the others in the table's. */
struct columns_state {
	struct list list;
	enum metric_id ids[COLUMN_COUNT];
	size_t n, n_chosen; /* chosen ones among the rows: all of them, or those that match */
	char filter[64];
};

static bool matches(const struct columns_state *state, enum metric_id id)
{
	struct strbuf name;
	bool match;

	if (!*state->filter)
		return true;
	strbuf_init(&name);
	metric_name(id, &name);
	match = (name.data && strcasestr(name.data, state->filter)) ||
		strcasestr(metric_title(id), state->filter) ||
		strcasestr(metric_get(id)->help, state->filter);
	strbuf_done(&name);
	return match;
}

static bool is_chosen(const struct view *view, enum metric_id id)
{
	for (size_t i = 0; i < view->n_columns; i++) {
		if (view->columns[i] == id)
			return true;
	}
	return false;
}

static void offer(struct columns_state *state, const struct view *view, enum metric_id id)
{
	if (id != M_NONE && !is_chosen(view, id) && matches(state, id))
		state->ids[state->n++] = id;
}

static void fill(struct columns_state *state, const struct view *view)
{
	state->n = 0;
	for (size_t i = 0; i < view->n_columns; i++) {
		if (matches(state, view->columns[i]))
			state->ids[state->n++] = view->columns[i];
	}
	state->n_chosen = state->n;
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		offer(state, view, metric_rate((enum metric_id)id));
		offer(state, view, (enum metric_id)id);
	}
	list_fit(&state->list, (int64_t)state->n, state->list.page);
}

static void open_columns(struct app *app, void *data)
{
	struct columns_state *state = data;

	state->filter[0] = '\0';
	state->list = (struct list){ .page = state->list.page };
	fill(state, &app->view);
}

static void draw_row(const struct columns_state *state, struct canvas *canvas, struct rect line,
		     size_t row)
{
	enum metric_id id = state->ids[row];
	bool chosen = row < state->n_chosen;
	char room[TABLE_TITLE];
	struct strbuf name;

	canvas_text(canvas, line.x, line.y, 4, chosen ? "[x]" : "[ ]",
		    chosen ? ROLE_OK : ROLE_ZERO);
	canvas_text_cut(canvas, line.x + 4, line.y, 12, view_table_title(id, room), CUT_END,
			chosen ? ROLE_TITLE : ROLE_DEFAULT);
	strbuf_init(&name);
	metric_name(id, &name);
	if (!name.failed)
		canvas_text_cut(canvas, line.x + 17, line.y, 33, name.data, CUT_END, ROLE_LABEL);
	strbuf_done(&name);
	canvas_text_cut(canvas, line.x + 51, line.y, line.width - 51, metric_get(id)->help, CUT_END,
			ROLE_DEFAULT);
}

/* What the selected one means, whole, below a rule. */
static void draw_help(const struct columns_state *state, struct canvas *canvas, struct rect area)
{
	enum metric_id id = state->ids[state->list.cursor];
	struct strbuf text;

	for (int i = 0; i < area.width; i++)
		canvas_text(canvas, area.x + i, area.y, 1, canvas_glyph(canvas, GLYPH_RULE),
			    ROLE_TREE);
	strbuf_init(&text);
	metric_name(id, &text);
	strbuf_printf(&text, ": %s%s", metric_is_rate(id) ? "Each second: " : "",
		      metric_get(id)->help);
	if (!text.failed)
		canvas_text_cut(canvas, area.x, area.y + 1, area.width, text.data, CUT_END,
				ROLE_STATUS);
	strbuf_done(&text);
}

static void draw_columns(struct app *app, void *data, struct canvas *canvas, struct rect area)
{
	struct columns_state *state = data;
	int rows = area.height - 3;

	canvas_fill(canvas, area.x, area.y, area.width, ROLE_HEADING);
	canvas_printf(canvas, area.x, area.y, area.width, ROLE_HEADING,
		      "Columns: %zu shown, %zu to choose from%s%s", app->view.n_columns,
		      state->n - state->n_chosen, *state->filter ? "; filter " : "", state->filter);
	list_fit(&state->list, (int64_t)state->n, rows);
	for (int i = 0; i < rows && state->list.top + i < state->list.n; i++) {
		struct rect line = { area.x, area.y + 1 + i, area.width, 1 };

		draw_row(state, canvas, line, (size_t)(state->list.top + i));
		if (state->list.top + i == state->list.cursor)
			canvas_mark(canvas, line.x, line.y, line.width, STYLE_SELECTED);
	}
	if (state->n > 0)
		draw_help(state, canvas,
			  (struct rect){ area.x, area.y + area.height - 2, area.width, 2 });
}

static struct list *list_columns(struct app *app, void *data)
{
	(void)app;
	return &((struct columns_state *)data)->list;
}

static void remove_column(struct view *view, enum metric_id id)
{
	size_t n = 0;

	for (size_t i = 0; i < view->n_columns; i++) {
		if (view->columns[i] != id)
			view->columns[n++] = view->columns[i];
	}
	view->n_columns = n;
}

static void toggle(struct app *app, int unused)
{
	struct columns_state *state = app_state(app, SCREEN_COLUMNS);
	struct view *view = &app->view;
	size_t row = (size_t)state->list.cursor;

	(void)unused;
	if (row >= state->n)
		return;
	if (row < state->n_chosen) {
		remove_column(view, state->ids[row]);
	} else if (view->n_columns < VIEW_COLUMNS) {
		view->columns[view->n_columns++] = state->ids[row];
		/* The row went up to the chosen ones: the cursor goes on to what followed it. */
		state->list.cursor++;
	} else {
		app_set_status(app, ROLE_ERROR, "no more than %d columns", VIEW_COLUMNS);
	}
	fill(state, view);
}

static void move_column(struct app *app, int by)
{
	struct columns_state *state = app_state(app, SCREEN_COLUMNS);
	struct view *view = &app->view;
	size_t row = (size_t)state->list.cursor, other = row + (size_t)by;

	if (*state->filter || row >= state->n_chosen || other >= state->n_chosen)
		return;
	view->columns[row] = state->ids[other];
	view->columns[other] = state->ids[row];
	state->list.cursor += by;
	fill(state, view);
}

static void restore_default(struct app *app, int unused)
{
	struct view *view = &app->view;

	(void)unused;
	for (view->n_columns = 0; metric_default_columns[view->n_columns] != M_NONE;
	     view->n_columns++)
		view->columns[view->n_columns] = metric_default_columns[view->n_columns];
	fill(app_state(app, SCREEN_COLUMNS), view);
}

static void filter_changed(struct app *app, const char *text)
{
	struct columns_state *state = app_state(app, SCREEN_COLUMNS);

	snprintf(state->filter, sizeof(state->filter), "%s", text);
	state->list.cursor = 0;
	fill(state, &app->view);
}

static void filter_done(struct app *app, const char *text)
{
	if (!text)
		filter_changed(app, "");
}

static void ask_filter(struct app *app, int unused)
{
	struct columns_state *state = app_state(app, SCREEN_COLUMNS);

	(void)unused;
	app_prompt(app, "Find: ", state->filter, filter_changed, filter_done);
}

static void click_columns(struct app *app, void *data, int x, int y)
{
	struct columns_state *state = data;
	int64_t row = state->list.top + y - app->body.y - 1;

	if (y == app->body.y || row >= state->list.n || row >= state->list.top + state->list.page)
		return;
	state->list.cursor = row;
	if (x < 4)
		toggle(app, 0);
}

/* clang-format off */
static const struct binding keys[] = {
	{ { ' ', K_ENTER }, "Toggle", toggle, 0, "show the column, or no more" },
	{ { 'u', K_SHIFT_UP }, "Up", move_column, -1, "move a shown column up (left), down (right)" },
	{ { 'd', K_SHIFT_DOWN }, "Down", move_column, 1, NULL },
	{ { K_F(4), '/' }, "Find", ask_filter, 0, "only those with a text in name, title or help" },
	{ { 'r' }, "Default", restore_default, 0, "the columns shown when nobody chose any" },
	{ { K_ESCAPE, K_F(2), 'C', 'q' }, "Back", app_close_screen, 0, "back to the tree" },
};
/* clang-format on */

const struct screen screen_columns = {
	.name = "Columns",
	.state_size = sizeof(struct columns_state),
	.open = open_columns,
	.draw = draw_columns,
	.list = list_columns,
	.click = click_columns,
	.keys = { keys, ARRAY_SIZE(keys) },
};
