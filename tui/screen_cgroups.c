// SPDX-License-Identifier: MIT
#include "tui/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/app.h"
#include "tui/jump.h"
#include "tui/pane.h"
#include "tui/view_table.h"

struct cgroups_state {
	bool pane;
	char filter_before[VIEW_FILTER]; /* what Esc at the prompt goes back to */
	bool was_glob;
};

static struct cgroups_state *state_of(struct app *app)
{
	return app_state(app, SCREEN_CGROUPS);
}

static void draw_cgroups(struct app *app, void *data, struct canvas *canvas, struct rect area)
{
	struct cgroups_state *state = data;
	struct target target = target_cgroup(app->snapshot, app_selected(app));
	struct rect pane = { 0 };

	if (!app->snapshot)
		return;
	if (state->pane)
		pane = pane_split(&area);
	view_table_draw(&app->view, canvas, area, app->snapshot, app->now_ns);
	if (app->view.n_rows == 0)
		canvas_text(canvas, area.x, area.y + 2, area.width,
			    *app->view.filter ? "  no cgroup matches the filter (Esc clears it)"
					      : "  no cgroup to show",
			    ROLE_STATUS);
	if (state->pane)
		pane_draw(app, &target, canvas, pane);
}

static void needs_cgroups(struct app *app, void *data, struct metric_set *set)
{
	struct cgroups_state *state = data;

	(void)app;
	if (state->pane)
		detail_needs(TARGET_CGROUP, set);
}

/* The keys that jump need to know what there is to jump to; it is asked for when they are used. */
static unsigned int inventory_cgroups(struct app *app, void *data)
{
	struct cgroups_state *state = data;

	(void)app;
	return state->pane ? detail_inventory(TARGET_CGROUP) : 0;
}

static uint64_t watch_cgroups(struct app *app, void *data)
{
	struct cgroups_state *state = data;
	uint32_t index = state->pane ? app_selected(app) : NODE_NONE;

	return index == NODE_NONE ? 0 : app->snapshot->tree->nodes[index]->serial;
}

static bool target_cgroups(struct app *app, void *data, struct target *ret_target)
{
	(void)data;
	*ret_target = target_cgroup(app->snapshot, app_selected(app));
	return ret_target->kind != TARGET_NONE;
}

/* Opened by a jump: there it is. */
static void open_cgroups(struct app *app, void *data)
{
	uint32_t node = target_find_node(app->snapshot, &app->target);

	(void)data;
	if (node != NODE_NONE && view_reveal(&app->view, app->snapshot, node, app->now_ns) < 0)
		app_set_status(app, ROLE_ERROR, "out of memory");
}

static void save_cgroups(struct app *app, void *data, struct place *place)
{
	(void)data;
	place->key_id = app->view.selected;
	place->pinned = app->view.pinned;
	memcpy(place->filter, app->view.filter, sizeof(place->filter));
	place->filter_is_glob = app->view.filter_is_glob;
}

static void restore_cgroups(struct app *app, void *data, const struct place *place)
{
	(void)data;
	app->view.selected = place->key_id;
	app->view.pinned = place->pinned;
	memcpy(app->view.filter, place->filter, sizeof(app->view.filter));
	app->view.filter_is_glob = place->filter_is_glob;
}

static struct list *list_cgroups(struct app *app, void *data)
{
	(void)data;
	return &app->view.list;
}

static void moved_cgroups(struct app *app, void *data)
{
	(void)data;
	if (app->snapshot)
		view_pin(&app->view, app->snapshot);
}

static void set_sort(struct app *app, enum metric_id id)
{
	struct view *view = &app->view;

	if (id == view->sort && !view->by_path)
		view->ascending = !view->ascending;
	else
		view->ascending = false;
	view->by_path = id == M_NONE;
	if (id != M_NONE)
		view->sort = id;
	app_update_view(app);
}

static void click_heading(struct app *app, int x, int width)
{
	struct table_layout layout;

	view_table_lay_out(&app->view, width, &layout);
	if (x < layout.name_width)
		set_sort(app, M_NONE);
	for (int i = 0; i < layout.n_columns; i++) {
		const struct placed_column *column = &layout.columns[i];

		if (x >= column->x && x < column->x + column->width)
			set_sort(app, column->id);
	}
}

static void click_cgroups(struct app *app, void *data, int x, int y)
{
	struct cgroups_state *state = data;
	struct rect area = app->body;
	struct list *list = &app->view.list;

	if (state->pane)
		pane_split(&area);
	x -= area.x;
	y -= area.y;
	if (!app->snapshot || x >= area.width || y >= area.height)
		return;
	if (y == 0) {
		click_heading(app, x, area.width);
	} else if (list->top + y - 1 < list->n) {
		list->cursor = list->top + y - 1;
		view_pin(&app->view, app->snapshot);
	}
}

/* ---- the tree -------------------------------------------------------------------------- */

enum fold_way { FOLD_CLOSE, FOLD_OPEN, FOLD_TOGGLE, FOLD_OUT, FOLD_IN };

static void scroll_columns(struct app *app, int by)
{
	app->view.column_offset += by;
	if (app->view.column_offset < 0)
		app->view.column_offset = 0;
}

/* Left goes out: closes what is open, then climbs. Right goes in: opens, then steps down. */
static bool walk(struct app *app, uint32_t index, bool folded, enum fold_way way)
{
	const struct tree *tree = app->snapshot->tree;
	bool has_children = tree->end[index] > index + 1;

	if (way == FOLD_OUT && (!has_children || folded)) {
		if (tree->parent[index] != NODE_NONE)
			view_select(&app->view, app->snapshot, tree->parent[index]);
		return true;
	}
	if (way == FOLD_IN && has_children && !folded) {
		list_move(&app->view.list, LIST_DOWN);
		view_pin(&app->view, app->snapshot);
		return true;
	}
	return !has_children;
}

static void fold(struct app *app, int way)
{
	struct view *view = &app->view;
	uint32_t index = app_selected(app);
	const struct node *node;
	bool folded;

	if (!view->tree && (way == FOLD_OUT || way == FOLD_IN)) {
		scroll_columns(app, way == FOLD_IN ? 1 : -1);
		return;
	}
	if (index == NODE_NONE)
		return;
	if (!view_can_fold(view)) {
		app_set_status(app, ROLE_STATUS,
			       view->tree ? "a filter shows all that match: nothing folds"
					  : "the list has nothing to fold: t for the tree");
		return;
	}
	node = app->snapshot->tree->nodes[index];
	folded = folds_is_folded(&view->folds, node->serial, node->depth);
	if (walk(app, index, folded, (enum fold_way)way))
		return;
	folds_set(&view->folds, node->serial, node->depth,
		  way == FOLD_TOGGLE ? !folded : way == FOLD_CLOSE || way == FOLD_OUT);
	view->pinned = true;
	app_update_view(app);
}

static void fold_depth(struct app *app, int depth)
{
	folds_set_depth(&app->view.folds, depth ? (uint32_t)depth : FOLDS_NONE);
	app->view.pinned = true;
	app_update_view(app);
}

static void toggle_tree(struct app *app, int unused)
{
	(void)unused;
	app->view.tree = !app->view.tree;
	app_update_view(app);
}

static void toggle_empty(struct app *app, int unused)
{
	(void)unused;
	app->view.hide_empty = !app->view.hide_empty;
	app_update_view(app);
}

static void toggle_spark(struct app *app, int unused)
{
	(void)unused;
	app->view.no_spark = !app->view.no_spark;
}

/* ---- sorting ---------------------------------------------------------------------------- */

static void step_sort(struct app *app, int by)
{
	const struct view *view = &app->view;
	int at = -1, n = (int)view->n_columns;

	/* The name stands left of the first column. */
	for (int i = 0; i < n && !view->by_path; i++) {
		if (view->columns[i] == view->sort)
			at = i;
	}
	at += by;
	if (at >= -1 && at < n)
		set_sort(app, at < 0 ? M_NONE : view->columns[at]);
}

static void sort_by(struct app *app, int id)
{
	struct view *view = &app->view;

	if (view->by_path == (id == M_NONE) && view->sort == (enum metric_id)id)
		return;
	set_sort(app, (enum metric_id)id);
}

static void reverse_sort(struct app *app, int unused)
{
	(void)unused;
	app->view.ascending = !app->view.ascending;
	app_update_view(app);
}

/* ---- filter ----------------------------------------------------------------------------- */

static void filter_changed(struct app *app, const char *text)
{
	view_set_filter(&app->view, text);
	app_update_view(app);
}

static void filter_done(struct app *app, const char *text)
{
	struct cgroups_state *state = state_of(app);

	if (text)
		return;
	view_set_filter(&app->view, state->filter_before);
	app->view.filter_is_glob = state->was_glob;
	app_update_view(app);
}

static void ask_filter(struct app *app, int unused)
{
	struct cgroups_state *state = state_of(app);

	(void)unused;
	memcpy(state->filter_before, app->view.filter, sizeof(state->filter_before));
	state->was_glob = app->view.filter_is_glob;
	app_prompt(app, "Filter (text, or a glob with *): ", app->view.filter, filter_changed,
		   filter_done);
}

/* First the filter goes, then one goes back to where one jumped from. */
static void escape(struct app *app, int unused)
{
	if (*app->view.filter)
		filter_changed(app, "");
	else
		app_close_screen(app, unused);
}

/* ---- the rest --------------------------------------------------------------------------- */

static void step_latency(struct app *app, int by)
{
	if (state_of(app)->pane)
		detail_step_latency(&app->detail, by);
}

static void toggle_pane(struct app *app, int unused)
{
	struct cgroups_state *state = state_of(app);

	(void)unused;
	state->pane = !state->pane;
}

static void scroll_pane(struct app *app, int move)
{
	if (state_of(app)->pane)
		list_move(&app->detail.list, (enum list_move)move);
}

/* clang-format off */
static const struct binding keys[] = {
	{ { K_F(2), 'C' }, "Cols", app_open_screen, SCREEN_COLUMNS, "choose the columns" },
	{ { K_F(3), 'i' }, "Info", toggle_pane, 0, "pane with everything about the selected cgroup" },
	{ { 'J' }, NULL, scroll_pane, LIST_WHEEL_DOWN, "scroll that pane" },
	{ { 'K' }, NULL, scroll_pane, LIST_WHEEL_UP, NULL },
	{ { 'y' }, NULL, step_latency, 1, "in that pane, draw the next kind of waiting, the one before" },
	{ { 'Y' }, NULL, step_latency, -1, NULL },
	{ { K_ENTER }, NULL, app_open_screen, SCREEN_DETAIL, "the same on the whole screen" },
	{ { K_F(4), '/' }, "Find", ask_filter, 0, "show only paths or containers with a text in them, or a glob (/a/**)" },
	{ { K_ESCAPE }, NULL, escape, 0, "clear the filter; without one, back to where you were" },
	{ { K_F(6), 's' }, "Sort", app_open_screen, SCREEN_SORT, "choose the column to sort by" },
	{ { '<', ',' }, NULL, step_sort, -1, "sort by the column to the left, right" },
	{ { '>', '.' }, NULL, step_sort, 1, NULL },
	{ { 'I' }, NULL, reverse_sort, 0, "the other way round" },
	{ { 'P' }, NULL, sort_by, M_CPU_USAGE_RATE, "sort by CPU, memory, processes, name" },
	{ { 'M' }, NULL, sort_by, M_MEMORY_CURRENT, NULL },
	{ { 'T' }, NULL, sort_by, M_PIDS_CURRENT, NULL },
	{ { 'N' }, NULL, sort_by, M_NONE, NULL },
	{ { K_F(7), 'f' }, "Freeze", freeze_ask, 0, "freeze the selected cgroup, or thaw it; asks first" },
	{ { K_F(8), 't' }, "Tree", toggle_tree, 0, "tree, or a list of all in one order" },
	{ { K_LEFT }, NULL, fold, FOLD_OUT, "fold, then to the parent; in a list, columns to the left" },
	{ { K_RIGHT }, NULL, fold, FOLD_IN, "unfold, then to the first child; in a list, columns to the right" },
	{ { ' ' }, NULL, fold, FOLD_TOGGLE, "fold or unfold" },
	{ { '-' }, NULL, fold, FOLD_CLOSE, "fold, unfold" },
	{ { '+' }, NULL, fold, FOLD_OPEN, NULL },
	{ { '=' }, NULL, fold_depth, 1, "fold all below the first level" },
	{ { '*', '0' }, NULL, fold_depth, 0, "unfold all" },
	{ { '1' }, NULL, fold_depth, 1, "show that many levels (1 to 9)" },
	{ { '2' }, NULL, fold_depth, 2, NULL },
	{ { '3' }, NULL, fold_depth, 3, NULL },
	{ { '4' }, NULL, fold_depth, 4, NULL },
	{ { '5' }, NULL, fold_depth, 5, NULL },
	{ { '6' }, NULL, fold_depth, 6, NULL },
	{ { '7' }, NULL, fold_depth, 7, NULL },
	{ { '8' }, NULL, fold_depth, 8, NULL },
	{ { '9' }, NULL, fold_depth, 9, NULL },
	{ { K_SHIFT_LEFT, 'H' }, NULL, scroll_columns, -1, "scroll the columns left, right" },
	{ { K_SHIFT_RIGHT, 'L' }, NULL, scroll_columns, 1, NULL },
	{ { 'e' }, NULL, toggle_empty, 0, "hide cgroups without a process" },
	{ { 'x' }, NULL, toggle_spark, 0, "small history of the column that is sorted by" },
};
/* clang-format on */

const struct screen screen_cgroups = {
	.name = "Cgroups",
	.short_name = "Cgrp",
	.of_policies = true,
	.state_size = sizeof(struct cgroups_state),
	.draw = draw_cgroups,
	.needs = needs_cgroups,
	.list = list_cgroups,
	.moved = moved_cgroups,
	.click = click_cgroups,
	.open = open_cgroups,
	.inventory = inventory_cgroups,
	.watch = watch_cgroups,
	.target = target_cgroups,
	.save = save_cgroups,
	.restore = restore_cgroups,
	.keys = { keys, ARRAY_SIZE(keys) },
	.shared = { &jump_keys },
};
