// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "tui/app.h"

/* Where to jump, when a namespace or an overlay has to do with more than one cgroup. */
struct routes_state {
	struct list list;
	struct target of;
	uint64_t *serials; /* in tree order */
	uint32_t n;
};

static void close_routes(struct app *app, void *data)
{
	struct routes_state *state = data;

	(void)app;
	free(state->serials);
	*state = (struct routes_state){ 0 };
}

/* The cgroup under the cursor stays under it. */
static void keep_cursor(struct routes_state *state, uint64_t selected)
{
	for (uint32_t i = 0; i < state->n; i++) {
		if (state->serials[i] == selected)
			state->list.cursor = i;
	}
	list_fit(&state->list, state->n, state->list.page);
}

static void update_routes(struct app *app, void *data)
{
	struct routes_state *state = data;
	uint32_t n_nodes = app->snapshot ? app->snapshot->tree->n : 0, n = 0;
	_cleanup_(freep) bool *marks = calloc((size_t)n_nodes + 1, sizeof(*marks));
	uint64_t *serials = calloc((size_t)n_nodes + 1, sizeof(*serials));
	uint64_t selected = state->n ? state->serials[state->list.cursor] : 0;

	if (!marks || !serials || target_mark_nodes(app->snapshot, &state->of, marks) == 0) {
		/* While the inventory is away what was found stays. */
		free(serials);
		return;
	}
	for (uint32_t i = 0; i < n_nodes; i++) {
		if (marks[i])
			serials[n++] = app->snapshot->tree->nodes[i]->serial;
	}
	free(state->serials);
	state->serials = serials;
	state->n = n;
	keep_cursor(state, selected);
}

static void open_routes(struct app *app, void *data)
{
	struct routes_state *state = data;

	close_routes(app, state);
	state->of = app->target;
	state->list.page = 1;
	update_routes(app, state);
}

static void save_routes(struct app *app, void *data, struct place *place)
{
	struct routes_state *state = data;

	(void)app;
	place->scope = state->of;
	place->key_id = state->n ? state->serials[state->list.cursor] : 0;
}

static void restore_routes(struct app *app, void *data, const struct place *place)
{
	struct routes_state *state = data;

	state->of = place->scope;
	update_routes(app, state);
	keep_cursor(state, place->key_id);
}

static void draw_row(const struct snapshot *snapshot, struct canvas *canvas, struct rect line,
		     uint32_t node)
{
	const struct container *container = NULL;
	const uint32_t *processes = NULL;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	int x = line.x + 9;

	if (snapshot->join) {
		container = join_container(snapshot->join, node);
		strbuf_printf(&text, "%u", join_processes(snapshot->join, node, false, &processes));
		canvas_text_right(canvas, line.x, line.y, 8, text.data ? text.data : "",
				  ROLE_DEFAULT);
	}
	strbuf_clear(&text);
	if (container && container->name) {
		escape_terminal_append(&text, container->name, strlen(container->name));
		strbuf_add_string(&text, "  ");
		x += canvas_text_cut(canvas, x, line.y, line.width / 3, text.data ? text.data : "",
				     CUT_END, ROLE_CONTAINER);
		strbuf_clear(&text);
	}
	escape_terminal_append(&text, snapshot->tree->nodes[node]->path,
			       strlen(snapshot->tree->nodes[node]->path));
	canvas_text_cut(canvas, x, line.y, line.width - (x - line.x), text.data ? text.data : "",
			CUT_START, ROLE_DEFAULT);
}

static void draw_routes(struct app *app, void *data, struct canvas *canvas, struct rect area)
{
	struct routes_state *state = data;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	strbuf_add_string(&text, "Cgroups of ");
	target_describe(app->snapshot, &state->of, &text);
	canvas_text_cut(canvas, area.x, area.y, area.width, text.data ? text.data : "", CUT_END,
			ROLE_TITLE);
	canvas_fill(canvas, area.x, area.y + 1, area.width, ROLE_HEADING);
	canvas_text(canvas, area.x, area.y + 1, area.width, "   PROCS CGROUP", ROLE_HEADING);
	list_fit(&state->list, state->n, area.height - 2);
	for (int i = 0; app->snapshot && i < area.height - 2; i++) {
		struct rect line = { area.x, area.y + 2 + i, area.width, 1 };
		int64_t row = state->list.top + i;
		uint32_t node;

		if (row >= state->n)
			break;
		node = tree_find_serial(app->snapshot->tree, state->serials[row]);
		if (node == NODE_NONE)
			canvas_text(canvas, line.x + 9, line.y, line.width, "gone", ROLE_MISSING);
		else
			draw_row(app->snapshot, canvas, line, node);
		if (row == state->list.cursor)
			canvas_mark(canvas, line.x, line.y, line.width, STYLE_SELECTED);
	}
}

static unsigned int parts(struct app *app, void *data)
{
	(void)app;
	(void)data;
	return INVENTORY_NAMESPACES | INVENTORY_OVERLAYS | INVENTORY_CONTAINERS;
}

static struct list *list_routes(struct app *app, void *data)
{
	(void)app;
	return &((struct routes_state *)data)->list;
}

static bool get_target(struct app *app, void *data, struct target *ret_target)
{
	struct routes_state *state = data;

	(void)app;
	if (state->n == 0)
		return false;
	*ret_target = (struct target){ .kind = TARGET_CGROUP,
				       .id = state->serials[state->list.cursor] };
	return true;
}

static void choose(struct app *app, int unused)
{
	struct target target;

	(void)unused;
	if (get_target(app, app_state(app, SCREEN_ROUTES), &target))
		app_open_for(app, SCREEN_CGROUPS, &target);
}

static void click_routes(struct app *app, void *data, int x, int y)
{
	struct routes_state *state = data;
	int64_t row = state->list.top + y - app->body.y - 2;

	(void)x;
	if (y < app->body.y + 2 || row >= state->n)
		return;
	state->list.cursor = row;
	choose(app, 0);
}

/* clang-format off */
static const struct binding keys[] = {
	{ { K_ENTER, ' ', 'c' }, "Go there", choose, 0, "to that cgroup in the tree" },
	{ { K_ESCAPE }, "Back", app_close_screen, 0, "back to where you were" },
};
/* clang-format on */

const struct screen screen_routes = {
	.name = "Routes",
	.state_size = sizeof(struct routes_state),
	.open = open_routes,
	.close = close_routes,
	.draw = draw_routes,
	.update = update_routes,
	.list = list_routes,
	.click = click_routes,
	.inventory = parts,
	.target = get_target,
	.save = save_routes,
	.restore = restore_routes,
	.keys = { keys, ARRAY_SIZE(keys) },
};
