// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tui/screen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "tui/app.h"
#include "tui/jump.h"
#include "tui/process_rows.h"

struct processes_state {
	struct list list;
	struct process_rows rows;
	struct target of; /* whose processes: a cgroup's, a namespace's, an overlay's */
	struct users *users;
	int sort;
	bool ascending, below;
	int error;
	bool gone;
	pid_t selected;
	uint64_t selected_start;
};

static const char *name_of(struct processes_state *state, const struct process_row *row)
{
	return users_name(state->users, row->process.uid);
}

/* ---- the columns ------------------------------------------------------------------------ */

static void add_pid(struct processes_state *state, const struct process_row *row,
		    struct strbuf *text)
{
	(void)state;
	strbuf_printf(text, "%d", (int)row->process.pid);
}

static void add_user(struct processes_state *state, const struct process_row *row,
		     struct strbuf *text)
{
	strbuf_add_string(text, name_of(state, row));
}

static void add_status(struct processes_state *state, const struct process_row *row,
		       struct strbuf *text)
{
	(void)state;
	strbuf_add_char(text, row->process.state >= 'A' && row->process.state <= 'z'
				      ? row->process.state
				      : '?');
}

static void add_threads(struct processes_state *state, const struct process_row *row,
			struct strbuf *text)
{
	(void)state;
	strbuf_printf(text, "%u", row->process.threads);
}

static void add_cpu(struct processes_state *state, const struct process_row *row,
		    struct strbuf *text)
{
	(void)state;
	if (row->cpu < 0)
		strbuf_add_string(text, "..");
	else
		format_human(text, UNIT_RATIO, row->cpu, false);
}

static void add_rss(struct processes_state *state, const struct process_row *row,
		    struct strbuf *text)
{
	(void)state;
	format_human(text, UNIT_BYTES, (double)row->process.rss_bytes, false);
}

static void add_command(struct processes_state *state, const struct process_row *row,
			struct strbuf *text)
{
	const char *command = row->process.command;

	(void)state;
	if (!command)
		command = row->process.comm;
	escape_terminal_append(text, command, strlen(command));
}

/* Numbers to compare by; texts are compared as texts. */
static double number_pid(const struct process_row *row)
{
	return row->process.pid;
}

static double number_status(const struct process_row *row)
{
	return row->process.state;
}

static double number_threads(const struct process_row *row)
{
	return row->process.threads;
}

static double number_cpu(const struct process_row *row)
{
	return row->cpu;
}

static double number_rss(const struct process_row *row)
{
	return (double)row->process.rss_bytes;
}

enum { COLUMN_CPU = 4 };

static const struct process_column {
	const char *title;
	int width;
	void (*add)(struct processes_state *state, const struct process_row *row,
		    struct strbuf *text);
	double (*number)(const struct process_row *row); /* NULL: a text */
	bool ascending;					 /* the order people want first */
} columns[] = {
	{ "PID", 8, add_pid, number_pid, true },
	{ "USER", 10, add_user, NULL, true },
	{ "S", 2, add_status, number_status, true },
	{ "THR", 5, add_threads, number_threads, false },
	[COLUMN_CPU] = { "CPU%", 8, add_cpu, number_cpu, false },
	{ "RSS", 8, add_rss, number_rss, false },
	{ "COMMAND", 0, add_command, NULL, true },
};

#define N_COLUMNS ((int)ARRAY_SIZE(columns))

/* ---- the rows ---------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b, void *data)
{
	struct processes_state *state = data;
	const struct process_column *column = &columns[state->sort];
	int sign = state->ascending ? 1 : -1, order;

	if (column->number) {
		double x = column->number(a), y = column->number(b);

		order = (x > y) - (x < y);
	} else {
		struct strbuf x, y;

		strbuf_init(&x);
		strbuf_init(&y);
		column->add(state, a, &x);
		column->add(state, b, &y);
		order = strcmp(x.data ? x.data : "", y.data ? y.data : "");
		strbuf_done(&x);
		strbuf_done(&y);
	}
	return order ? order * sign : process_rows_compare(a, b);
}

static void sort_rows(struct processes_state *state)
{
	if (state->rows.n > 0)
		qsort_r(state->rows.list, state->rows.n, sizeof(*state->rows.list), compare_rows,
			state);
	for (size_t i = 0; i < state->rows.n && state->selected; i++) {
		if (state->rows.list[i].process.pid == state->selected &&
		    state->rows.list[i].process.start_time == state->selected_start)
			state->list.cursor = (int64_t)i;
	}
	list_fit(&state->list, (int64_t)state->rows.n, state->list.page);
}

static void update_processes(struct app *app, void *data)
{
	struct processes_state *state = data;

	if (!app->snapshot)
		return;
	state->error = process_rows_update(&state->rows, app, &state->of, state->below);
	state->gone = state->error == -ENOENT;
	if (!state->gone)
		sort_rows(state);
}

static void close_processes(struct app *app, void *data)
{
	struct processes_state *state = data;

	(void)app;
	process_rows_done(&state->rows);
	*state = (struct processes_state){ .sort = state->sort, .ascending = state->ascending };
}

static void open_processes(struct app *app, void *data)
{
	struct processes_state *state = data;

	/* Opened above itself: what was there is another one's. */
	close_processes(app, state);
	if (state->sort == 0 && !state->ascending)
		state->sort = COLUMN_CPU;
	state->users = &app->users;
	state->of = app->target;
	update_processes(app, state);
}

static void save_processes(struct app *app, void *data, struct place *place)
{
	struct processes_state *state = data;

	(void)app;
	place->scope = state->of;
	place->pinned = state->below;
}

static void restore_processes(struct app *app, void *data, const struct place *place)
{
	struct processes_state *state = data;

	if (target_equal(&state->of, &place->scope))
		return;
	app->target = place->scope;
	open_processes(app, state);
	state->below = place->pinned;
}

/* What a selected process lives in: without that the jumps would have nowhere to go. */
static unsigned int inventory_processes(struct app *app, void *data)
{
	struct processes_state *state = data;

	(void)app;
	return state->of.kind == TARGET_CGROUP
		       ? INVENTORY_NAMESPACES
		       : INVENTORY_NAMESPACES | INVENTORY_OVERLAYS | INVENTORY_CONTAINERS;
}

static bool target_processes(struct app *app, void *data, struct target *ret_target)
{
	struct processes_state *state = data;

	(void)app;
	if (state->rows.n == 0)
		return false;
	*ret_target = (struct target){
		.kind = TARGET_PROCESS,
		.id = (uint64_t)state->rows.list[state->list.cursor].process.pid,
	};
	return true;
}

/* ---- drawing ----------------------------------------------------------------------------- */

static void draw_title(struct app *app, struct processes_state *state, struct canvas *canvas,
		       struct rect area)
{
	uint32_t node = target_find_node(app->snapshot, &state->of);
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	int x = area.x;

	if (node != NODE_NONE) {
		const char *path = app->snapshot->tree->nodes[node]->path;

		escape_terminal_append(&text, path, strlen(path));
	} else if (state->of.kind != TARGET_CGROUP) {
		target_describe(app->snapshot, &state->of, &text);
	}
	x += canvas_printf(canvas, x, area.y, area.width, ROLE_LABEL, "%zu processes of ",
			   state->rows.n);
	x += canvas_text_cut(canvas, x, area.y, area.width - (x - area.x) - 28,
			     text.data ? text.data : "", CUT_START, ROLE_TITLE);
	if (state->gone && state->of.kind == TARGET_CGROUP)
		canvas_text(canvas, x, area.y, 28, "a cgroup that is gone", ROLE_STATUS);
	else if (state->error < 0 && !state->gone)
		canvas_printf(canvas, x, area.y, 28, ROLE_ERROR, "  %s", strerror(-state->error));
	else if (state->below)
		canvas_text(canvas, x, area.y, 28, " and all below", ROLE_LABEL);
}

static void draw_headings(const struct processes_state *state, struct canvas *canvas,
			  struct rect area)
{
	int x = area.x;

	canvas_fill(canvas, area.x, area.y, area.width, ROLE_HEADING);
	for (int i = 0; i < N_COLUMNS; i++) {
		int width = columns[i].width ? columns[i].width : area.x + area.width - x;
		unsigned int style = i == state->sort ? ROLE_HEADING_SORT : ROLE_HEADING;

		if (columns[i].number)
			canvas_text_right(canvas, x, area.y, width - 1, columns[i].title, style);
		else
			canvas_text(canvas, x, area.y, width - 1, columns[i].title, style);
		x += width;
	}
}

static void draw_row(struct processes_state *state, struct canvas *canvas, struct rect line,
		     const struct process_row *row)
{
	struct strbuf text;
	int x = line.x;

	strbuf_init(&text);
	for (int i = 0; i < N_COLUMNS; i++) {
		int width = columns[i].width ? columns[i].width : line.x + line.width - x + 1;

		strbuf_clear(&text);
		columns[i].add(state, row, &text);
		if (text.failed || !text.data)
			continue;
		if (columns[i].number)
			canvas_text_right(canvas, x, line.y, width - 1, text.data,
					  i == COLUMN_CPU && row->cpu <= 0 ? ROLE_ZERO
									   : ROLE_DEFAULT);
		else
			canvas_text_cut(canvas, x, line.y, width - 1, text.data, CUT_END,
					ROLE_DEFAULT);
		x += width;
	}
	strbuf_done(&text);
}

static void draw_processes(struct app *app, void *data, struct canvas *canvas, struct rect area)
{
	struct processes_state *state = data;

	draw_title(app, state, canvas, area);
	draw_headings(state, canvas, (struct rect){ area.x, area.y + 1, area.width, 1 });
	list_fit(&state->list, (int64_t)state->rows.n, area.height - 2);
	for (int i = 0; i < area.height - 2 && state->list.top + i < state->list.n; i++) {
		struct rect line = { area.x, area.y + 2 + i, area.width, 1 };

		draw_row(state, canvas, line, &state->rows.list[state->list.top + i]);
		if (state->list.top + i == state->list.cursor)
			canvas_mark(canvas, line.x, line.y, line.width, STYLE_SELECTED);
	}
}

/* ---- keys -------------------------------------------------------------------------------- */

static struct list *list_processes(struct app *app, void *data)
{
	(void)app;
	return &((struct processes_state *)data)->list;
}

static void moved_processes(struct app *app, void *data)
{
	struct processes_state *state = data;

	(void)app;
	if (state->rows.n == 0)
		return;
	/* On the first row the cursor stays with the row, elsewhere with the process. */
	state->selected = state->list.cursor > 0 ? state->rows.list[state->list.cursor].process.pid
						 : 0;
	state->selected_start = state->rows.list[state->list.cursor].process.start_time;
}

static void sort_column(struct processes_state *state, int column)
{
	if (state->sort == column)
		state->ascending = !state->ascending;
	else
		state->ascending = columns[column].ascending;
	state->sort = column;
	sort_rows(state);
}

static void step_sort(struct app *app, int by)
{
	struct processes_state *state = app_state(app, SCREEN_PROCESSES);

	if (state->sort + by >= 0 && state->sort + by < N_COLUMNS)
		sort_column(state, state->sort + by);
}

static void reverse(struct app *app, int unused)
{
	struct processes_state *state = app_state(app, SCREEN_PROCESSES);

	(void)unused;
	sort_column(state, state->sort);
}

static void toggle_below(struct app *app, int unused)
{
	struct processes_state *state = app_state(app, SCREEN_PROCESSES);

	(void)unused;
	state->below = !state->below;
	update_processes(app, state);
}

static void click_processes(struct app *app, void *data, int x, int y)
{
	struct processes_state *state = data;
	int64_t row = state->list.top + y - app->body.y - 2;

	if (y == app->body.y + 1) {
		for (int i = 0, left = 0; i < N_COLUMNS; left += columns[i++].width) {
			if (x >= left && (x < left + columns[i].width || columns[i].width == 0)) {
				sort_column(state, i);
				return;
			}
		}
	} else if (y > app->body.y + 1 && row < state->list.n) {
		state->list.cursor = row;
		moved_processes(app, state);
	}
}

/* clang-format off */
static const struct binding keys[] = {
	{ { 'a' }, "Below", toggle_below, 0, "also the processes of all cgroups below" },
	{ { '<', ',' }, NULL, step_sort, -1, "sort by the column to the left, right" },
	{ { '>', '.' }, NULL, step_sort, 1, NULL },
	{ { 'I' }, "Reverse", reverse, 0, "the other way round" },
	{ { K_ESCAPE, K_F(5), 'z', 'q' }, "Back", app_close_screen, 0, "back" },
};
/* clang-format on */

const struct screen screen_processes = {
	.name = "Processes",
	.state_size = sizeof(struct processes_state),
	.open = open_processes,
	.close = close_processes,
	.draw = draw_processes,
	.update = update_processes,
	.list = list_processes,
	.moved = moved_processes,
	.click = click_processes,
	.inventory = inventory_processes,
	.target = target_processes,
	.save = save_processes,
	.restore = restore_processes,
	.keys = { keys, ARRAY_SIZE(keys) },
	.shared = { &jump_cgroup_keys, &jump_keys },
};
