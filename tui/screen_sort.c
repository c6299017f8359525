// SPDX-License-Identifier: MIT
#include "tui/screen.h"

#include "tui/app.h"
#include "tui/browser_screen.h"
#include "tui/view_table.h"

struct sort_state {
	struct list list;	 /* of cgroups row 0 is the name, then the columns shown */
	struct browser *browser; /* of the screen below, or NULL: the cgroups */
};

/* The browser of the screen that this one lies above, or NULL. */
static struct browser *browser_below(struct app *app)
{
	enum screen_id id = app->depth > 0 ? app->stack[app->depth - 1] : SCREEN_CGROUPS;

	return screens[id]->browser ? app_state(app, id) : NULL;
}

static int64_t n_rows(const struct app *app, const struct sort_state *state)
{
	return state->browser ? state->browser->kind->n_columns : (int64_t)app->view.n_columns + 1;
}

static void open_sort(struct app *app, void *data)
{
	struct sort_state *state = data;
	const struct view *view = &app->view;

	state->browser = browser_below(app);
	if (state->browser) {
		state->list = (struct list){ .n = n_rows(app, state),
					     .page = 1,
					     .cursor = state->browser->sort };
		return;
	}
	state->list = (struct list){ .n = (int64_t)view->n_columns + 1, .page = 1 };
	for (size_t i = 0; i < view->n_columns && !view->by_path; i++) {
		if (view->columns[i] == view->sort)
			state->list.cursor = (int64_t)i + 1;
	}
}

static void draw_row(struct canvas *canvas, struct rect line, enum metric_id id)
{
	char room[TABLE_TITLE];
	struct strbuf name;

	canvas_text_cut(canvas, line.x + 2, line.y, 13, view_table_title(id, room), CUT_END,
			ROLE_TITLE);
	if (id == M_NONE) {
		canvas_text_cut(canvas, line.x + 16, line.y, line.width - 16, "by name", CUT_END,
				ROLE_DEFAULT);
		return;
	}
	strbuf_init(&name);
	metric_name(id, &name);
	if (!name.failed)
		canvas_text_cut(canvas, line.x + 16, line.y, 26, name.data, CUT_END, ROLE_LABEL);
	strbuf_done(&name);
	canvas_text_cut(canvas, line.x + 44, line.y, line.width - 44, metric_get(id)->help, CUT_END,
			ROLE_DEFAULT);
}

static void draw_column(struct canvas *canvas, struct rect line,
			const struct browser_column *column)
{
	canvas_text_cut(canvas, line.x + 2, line.y, 13, column->title, CUT_END, ROLE_TITLE);
	canvas_text_cut(canvas, line.x + 16, line.y, line.width - 16, column->help, CUT_END,
			ROLE_DEFAULT);
}

static void draw_sort(struct app *app, void *data, struct canvas *canvas, struct rect area)
{
	struct sort_state *state = data;
	const struct view *view = &app->view;

	canvas_fill(canvas, area.x, area.y, area.width, ROLE_HEADING);
	canvas_text(canvas, area.x, area.y, area.width, "Sort by", ROLE_HEADING);
	list_fit(&state->list, n_rows(app, state), area.height - 1);
	for (int i = 0; i < area.height - 1; i++) {
		struct rect line = { area.x, area.y + 1 + i, area.width, 1 };
		int64_t row = state->list.top + i;

		if (row >= state->list.n)
			break;
		if (state->browser)
			draw_column(canvas, line, &state->browser->kind->columns[row]);
		else
			draw_row(canvas, line, row == 0 ? M_NONE : view->columns[row - 1]);
		if (row == state->list.cursor)
			canvas_mark(canvas, line.x, line.y, line.width, STYLE_SELECTED);
	}
}

static struct list *list_sort(struct app *app, void *data)
{
	(void)app;
	return &((struct sort_state *)data)->list;
}

static void choose(struct app *app, int unused)
{
	struct sort_state *state = app_state(app, SCREEN_SORT);
	struct view *view = &app->view;
	int64_t row = state->list.cursor;
	struct browser *browser = state->browser;

	(void)unused;
	if (browser) {
		app_close_screen(app, 0);
		if (browser->sort != (int)row)
			browser_screen_sort(app, browser, (int)row);
		return;
	}
	view->by_path = row == 0;
	view->ascending = false;
	if (row > 0 && row <= (int64_t)view->n_columns)
		view->sort = view->columns[row - 1];
	app_close_screen(app, 0);
}

static void click_sort(struct app *app, void *data, int x, int y)
{
	struct sort_state *state = data;
	int64_t row = state->list.top + y - app->body.y - 1;

	(void)x;
	if (y == app->body.y || row >= state->list.n)
		return;
	state->list.cursor = row;
	choose(app, 0);
}

/* clang-format off */
static const struct binding keys[] = {
	{ { K_ENTER, ' ' }, "Choose", choose, 0, "sort by this column" },
	{ { K_ESCAPE, K_F(6), 's' }, "Back", app_close_screen, 0, "back without a change" },
};
/* clang-format on */

const struct screen screen_sort = {
	.name = "Sort",
	.state_size = sizeof(struct sort_state),
	.open = open_sort,
	.draw = draw_sort,
	.list = list_sort,
	.click = click_sort,
	.keys = { keys, ARRAY_SIZE(keys) },
};
