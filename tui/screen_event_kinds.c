// SPDX-License-Identifier: MIT
#include "core/cleanup.h"
#include "tui/app.h"
#include "tui/events_list.h"

/* Which kinds of events the screen "Events" asks the kernel for. */

struct kinds_state {
	struct list list;
};

static void open_kinds(struct app *app, void *data)
{
	struct kinds_state *state = data;

	(void)app;
	state->list = (struct list){ .page = 1 };
}

static void draw_row(const struct feed *feed, struct canvas *canvas, struct rect line,
		     enum kernel_event_kind kind)
{
	bool chosen = !(feed->hidden & FEED_KIND(kind));
	bool missing = feed->source.ready && !*feed->source.why &&
		       (feed->wanted & FEED_KIND(kind)) && !(feed->source.told & FEED_KIND(kind));

	canvas_text(canvas, line.x, line.y, 4, chosen ? "[x]" : "[ ]",
		    chosen ? ROLE_OK : ROLE_ZERO);
	canvas_text(canvas, line.x + 4, line.y, 14, kernel_event_name(kind), events_role(kind));
	if (missing)
		canvas_text_cut(canvas, line.x + 18, line.y, line.width - 18,
				*feed->source.missing[kind] ? feed->source.missing[kind]
							    : "this kernel cannot tell",
				CUT_END, ROLE_MISSING);
	else
		canvas_printf(canvas, line.x + 18, line.y, line.width - 18,
			      feed->seen[kind] ? ROLE_DEFAULT : ROLE_ZERO, "%llu came",
			      (unsigned long long)feed->seen[kind]);
}

static void draw_kinds(struct app *app, void *data, struct canvas *canvas, struct rect area)
{
	struct kinds_state *state = data;

	canvas_fill(canvas, area.x, area.y, area.width, ROLE_HEADING);
	canvas_text_cut(canvas, area.x, area.y, area.width,
			"Kinds of events: what is not chosen is not asked of the kernel", CUT_END,
			ROLE_HEADING);
	list_fit(&state->list, KERNEL_EVENT_KIND_COUNT, area.height - 1);
	for (int i = 0; i < area.height - 1; i++) {
		struct rect line = { area.x, area.y + 1 + i, area.width, 1 };
		int64_t row = state->list.top + i;

		if (row >= KERNEL_EVENT_KIND_COUNT)
			break;
		draw_row(&app->feed, canvas, line, (enum kernel_event_kind)row);
		if (row == state->list.cursor)
			canvas_mark(canvas, line.x, line.y, line.width, STYLE_SELECTED);
	}
}

static struct list *list_of_kinds(struct app *app, void *data)
{
	(void)app;
	return &((struct kinds_state *)data)->list;
}

static void toggle(struct app *app, int unused)
{
	struct kinds_state *state = app_state(app, SCREEN_EVENT_KINDS);

	(void)unused;
	app->feed.hidden ^= FEED_KIND(state->list.cursor);
}

static void choose_all(struct app *app, int all)
{
	app->feed.hidden = all ? 0 : FEED_ALL_KINDS;
}

static void click_kinds(struct app *app, void *data, int x, int y)
{
	struct kinds_state *state = data;
	int64_t row = state->list.top + y - app->body.y - 1;

	if (y == app->body.y || row >= KERNEL_EVENT_KIND_COUNT)
		return;
	state->list.cursor = row;
	if (x < 4)
		toggle(app, 0);
}

/* clang-format off */
static const struct binding keys[] = {
	{ { ' ', K_ENTER }, "Toggle", toggle, 0, "ask for that kind, or no more" },
	{ { 'a' }, "All", choose_all, 1, "all kinds, none" },
	{ { 'n' }, "None", choose_all, 0, NULL },
	{ { K_ESCAPE, K_F(2), 'v', 'q' }, "Back", app_close_screen, 0, "back to the events" },
};
/* clang-format on */

const struct screen screen_event_kinds = {
	.name = "Kinds of events",
	.state_size = sizeof(struct kinds_state),
	.open = open_kinds,
	.draw = draw_kinds,
	.list = list_of_kinds,
	.click = click_kinds,
	.keys = { keys, ARRAY_SIZE(keys) },
};
