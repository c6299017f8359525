// SPDX-License-Identifier: MIT
#include "tui/screen.h"

#include "tui/app.h"

struct detail_state {
	uint64_t serial; /* of the cgroup the screen was opened for */
};

static void open_detail(struct app *app, void *data)
{
	struct detail_state *state = data;

	state->serial = app->view.selected;
	app->detail.list.top = 0;
}

static void draw_detail(struct app *app, void *data, struct canvas *canvas, struct rect area)
{
	struct detail_state *state = data;
	uint32_t index = NODE_NONE;

	canvas_fill(canvas, area.x, area.y, area.width, ROLE_HEADING);
	canvas_text(canvas, area.x, area.y, area.width, "Everything about one cgroup",
		    ROLE_HEADING);
	if (app->snapshot)
		index = tree_find_serial(app->snapshot->tree, state->serial);
	if (index != NODE_NONE)
		detail_update(&app->detail, app->snapshot, index, canvas, area.width);
	else
		canvas_text(canvas, area.x + 32, area.y, area.width,
			    "it is gone; these are its last numbers", ROLE_HEADING_SORT);
	area.y++;
	area.height--;
	detail_draw(&app->detail, canvas, area);
}

static void needs_detail(struct app *app, void *data, struct metric_set *set)
{
	(void)app;
	(void)data;
	detail_needs(set);
}

static struct list *list_detail(struct app *app, void *data)
{
	(void)data;
	return &app->detail.list;
}

static void toggle_absent(struct app *app, int unused)
{
	(void)unused;
	app->detail.show_absent = !app->detail.show_absent;
}

/* clang-format off */
static const struct binding keys[] = {
	{ { 'm' }, NULL, toggle_absent, 0, "show all metrics, also what this kernel or a controller does not give" },
	{ { K_F(3), K_ENTER, 'i' }, "Back", app_close_screen, 0, "back to the tree" },
	{ { K_F(5), 'z' }, "Procs", app_open_screen, SCREEN_PROCESSES, "its processes" },
};
/* clang-format on */

const struct screen screen_detail = {
	.name = "Detail",
	.state_size = sizeof(struct detail_state),
	.open = open_detail,
	.draw = draw_detail,
	.needs = needs_detail,
	.list = list_detail,
	.keys = { keys, ARRAY_SIZE(keys) },
};
