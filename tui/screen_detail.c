// SPDX-License-Identifier: MIT
#include "tui/screen.h"

#include "tui/app.h"
#include "tui/jump.h"

struct detail_state {
	struct target target; /* what the screen was opened for */
};

static const char *const titles[] = {
	[TARGET_NONE] = "Nothing is selected",
	[TARGET_CGROUP] = "Everything about one cgroup",
	[TARGET_NAMESPACE] = "Everything about one namespace",
	[TARGET_OVERLAY] = "Everything about one overlay",
	[TARGET_PROCESS] = "Everything about one process",
};

static void open_detail(struct app *app, void *data)
{
	struct detail_state *state = data;

	state->target = app->target;
	app->detail.list.top = 0;
}

static void save_detail(struct app *app, void *data, struct place *place)
{
	struct detail_state *state = data;

	(void)app;
	place->scope = state->target;
}

static void restore_detail(struct app *app, void *data, const struct place *place)
{
	struct detail_state *state = data;

	(void)app;
	state->target = place->scope;
}

static void draw_detail(struct app *app, void *data, struct canvas *canvas, struct rect area)
{
	struct detail_state *state = data;
	int used;

	canvas_fill(canvas, area.x, area.y, area.width, ROLE_HEADING);
	used = canvas_text(canvas, area.x, area.y, area.width, titles[state->target.kind],
			   ROLE_HEADING);
	if (!app->snapshot ||
	    !detail_update(&app->detail, app->snapshot, &state->target, canvas, area.width))
		canvas_text(canvas, area.x + used + 5, area.y, area.width,
			    app->detail.n ? "it is gone; these are its last numbers"
					  : "it is not there",
			    ROLE_HEADING_SORT);
	area.y++;
	area.height--;
	detail_draw(&app->detail, canvas, area);
}

static void needs_detail(struct app *app, void *data, struct metric_set *set)
{
	struct detail_state *state = data;

	(void)app;
	detail_needs(state->target.kind, set);
}

static unsigned int inventory_detail(struct app *app, void *data)
{
	struct detail_state *state = data;

	(void)app;
	return detail_inventory(state->target.kind);
}

static uint64_t watch_detail(struct app *app, void *data)
{
	struct detail_state *state = data;

	(void)app;
	return state->target.kind == TARGET_CGROUP ? state->target.id : 0;
}

static bool target_detail(struct app *app, void *data, struct target *ret_target)
{
	struct detail_state *state = data;

	(void)app;
	*ret_target = state->target;
	return state->target.kind != TARGET_NONE;
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

static void step_latency(struct app *app, int by)
{
	detail_step_latency(&app->detail, by);
}

/* clang-format off */
static const struct binding keys[] = {
	{ { 'm' }, NULL, toggle_absent, 0, "show all metrics, also what this kernel or a controller does not give" },
	{ { 'y' }, NULL, step_latency, 1, "draw the next kind of waiting, the one before" },
	{ { 'Y' }, NULL, step_latency, -1, NULL },
	{ { K_F(3), K_ENTER, 'i' }, "Back", app_close_screen, 0, "back to where you were" },
};
/* clang-format on */

const struct screen screen_detail = {
	.name = "Detail",
	.of_policies = true,
	.state_size = sizeof(struct detail_state),
	.open = open_detail,
	.draw = draw_detail,
	.needs = needs_detail,
	.list = list_detail,
	.inventory = inventory_detail,
	.watch = watch_detail,
	.target = target_detail,
	.save = save_detail,
	.restore = restore_detail,
	.keys = { keys, ARRAY_SIZE(keys) },
	.shared = { &jump_cgroup_keys, &jump_keys },
};
