// SPDX-License-Identifier: MIT
#include "tui/watch.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "tui/app.h"

/* The one that is looked at. Reading the help ends nothing. */
static uint64_t in_detail(struct app *app)
{
	int depth = app->depth - (app->depth > 0 && app_is_on_top(app, SCREEN_HELP));
	enum screen_id id = app->stack[depth];

	return screens[id]->watch ? screens[id]->watch(app, app_state(app, id)) : 0;
}

static bool in_columns(const struct view *view)
{
	struct metric_set set = { 0 };

	view_needs(view, &set);
	metric_set_close(&set);
	return metric_set_watched(&set) != 0;
}

/* The first in the order of the tree: sorting must not begin and end counting. */
static size_t add_rows(const struct app *app, uint64_t *serials, size_t n)
{
	const struct tree *tree = app->snapshot->tree;
	_cleanup_(freep) bool *shown = calloc((size_t)tree->n + 1, sizeof(*shown));

	for (uint32_t row = 0; shown && row < app->view.n_rows; row++) {
		if (app->view.rows[row] < tree->n)
			shown[app->view.rows[row]] = true;
	}
	for (uint32_t i = 0; shown && i < tree->n && n < TUI_WATCHED_MOST; i++) {
		if (shown[i] && tree->nodes[i]->serial != serials[0])
			serials[n++] = tree->nodes[i]->serial;
	}
	return n;
}

void watch_sync(struct app *app)
{
	uint64_t serials[TUI_WATCHED_MOST] = { in_detail(app) };
	size_t n = serials[0] != 0;

	if (!app->source->watch)
		return;
	if (app->snapshot && app_tab(app) == SCREEN_CGROUPS && in_columns(&app->view))
		n = add_rows(app, serials, n);
	if (n == app->n_watched && memcmp(serials, app->watched, n * sizeof(*serials)) == 0)
		return;
	memcpy(app->watched, serials, n * sizeof(*serials));
	app->n_watched = n;
	app->source->watch(app->source->data, serials, n);
}
