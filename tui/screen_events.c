// SPDX-License-Identifier: MIT
#include "tui/screen.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "tui/app.h"
#include "tui/events_detail.h"
#include "tui/events_list.h"
#include "tui/jump.h"
#include "tui/pane.h"

/* What the kernel tells the moment it happens, line by line. */

enum { TIME_WIDTH = 13, KIND_WIDTH = 13, CGROUP_LEAST = 12, CGROUP_MOST = 60 };

struct events_state {
	struct events_list events;
	char filter_before[VIEW_FILTER];
	bool pane;
};

static struct events_state *state_of(struct app *app)
{
	return app_state(app, SCREEN_EVENTS);
}

static void refresh(struct app *app)
{
	if (events_list_update(&state_of(app)->events, &app->feed) < 0)
		app_set_status(app, ROLE_ERROR, "out of memory");
}

/* ---- coming and going ------------------------------------------------------------------- */

static void open_events(struct app *app, void *data)
{
	struct events_state *state = data;

	state->events.parked = false;
	state->events.filter[0] = '\0';
	events_list_set_scope(&state->events, app->snapshot, &app->target);
	refresh(app);
}

/* How it was shown stays; what came stays with the program. */
static void close_events(struct app *app, void *data)
{
	struct events_state *state = data;
	bool newest_first = state->events.newest_first;

	(void)app;
	events_list_done(&state->events);
	state->events.newest_first = newest_first;
}

static void update_events(struct app *app, void *data)
{
	(void)data;
	refresh(app);
}

static void save_events(struct app *app, void *data, struct place *place)
{
	struct events_state *state = data;

	(void)app;
	place->scope = state->events.scope;
	place->key_id = state->events.selected;
	place->pinned = state->events.parked;
	memcpy(place->filter, state->events.filter, sizeof(place->filter));
}

static void restore_events(struct app *app, void *data, const struct place *place)
{
	struct events_state *state = data;

	/* A cgroup that is gone meanwhile keeps its path. */
	if (!target_equal(&state->events.scope, &place->scope))
		events_list_set_scope(&state->events, app->snapshot, &place->scope);
	state->events.selected = place->key_id;
	state->events.parked = place->pinned;
	memcpy(state->events.filter, place->filter, sizeof(state->events.filter));
	refresh(app);
}

static struct list *list_of_events(struct app *app, void *data)
{
	(void)app;
	return &((struct events_state *)data)->events.list;
}

static void moved_events(struct app *app, void *data)
{
	(void)app;
	events_list_moved(&((struct events_state *)data)->events);
}

static bool target_events(struct app *app, void *data, struct target *ret_target)
{
	struct events_state *state = data;
	const struct kernel_event *event = events_list_selected(&state->events, &app->feed);

	if (!event)
		return false;
	*ret_target = target_cgroup(app->snapshot, events_find_node(app->snapshot, event));
	return ret_target->kind != TARGET_NONE;
}

/* ---- drawing ---------------------------------------------------------------------------- */

static int cgroup_width(int width)
{
	int third = (width - TIME_WIDTH - KIND_WIDTH) * 2 / 5;

	return third < CGROUP_LEAST ? CGROUP_LEAST : third > CGROUP_MOST ? CGROUP_MOST : third;
}

static void draw_time(const struct kernel_event *event, struct canvas *canvas, struct rect line)
{
	time_t seconds = (time_t)(event->realtime_ns / 1000000000);
	struct tm local;

	if (localtime_r(&seconds, &local))
		canvas_printf(canvas, line.x, line.y, TIME_WIDTH - 1, ROLE_DEFAULT,
			      "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min, local.tm_sec,
			      (int)(event->realtime_ns / 1000000 % 1000));
}

/* Kinds that come once a hierarchy. */
static const uint32_t of_each_hierarchy = FEED_KIND(KERNEL_EVENT_CREATED) |
					  FEED_KIND(KERNEL_EVENT_REMOVED) |
					  FEED_KIND(KERNEL_EVENT_ATTACHED);

static void draw_row(const struct kernel_event *event, struct canvas *canvas, struct rect line)
{
	int cgroup = cgroup_width(line.width), x = line.x + TIME_WIDTH;
	_cleanup_(strbuf_done) struct strbuf words = { 0 };
	_cleanup_(strbuf_done) struct strbuf safe = { 0 };
	enum role role = events_role(event->kind);

	draw_time(event, canvas, line);
	canvas_text_cut(canvas, x, line.y, KIND_WIDTH - 1, kernel_event_name(event->kind), CUT_END,
			role);
	x += KIND_WIDTH;
	if (event->path)
		escape_terminal_append(&safe, event->path, strlen(event->path));
	else
		strbuf_add_string(&safe, "-");
	canvas_text_cut(canvas, x, line.y, cgroup - 1, safe.data ? safe.data : "", CUT_START,
			event->path ? ROLE_DEFAULT : ROLE_MISSING);
	x += cgroup;
	strbuf_clear(&safe);
	/* On v1 the same happens in several hierarchies. */
	if (event->hierarchy && strcmp(event->hierarchy, "unified") != 0 &&
	    (FEED_KIND(event->kind) & of_each_hierarchy)) {
		strbuf_add_char(&words, '[');
		escape_terminal_append(&words, event->hierarchy, strlen(event->hierarchy));
		strbuf_add_string(&words, "] ");
	}
	kernel_event_describe(event, &words);
	canvas_text_cut(canvas, x, line.y, line.x + line.width - x, words.data ? words.data : "",
			CUT_END, role == ROLE_BAD ? role : ROLE_DEFAULT);
}

/* What is said where there is no row. */
static const char *why_empty(const struct app *app, const struct events_list *events)
{
	const struct tui_events *source = &app->feed.source;

	if (!app->source->want_events)
		return "this source tells no events";
	if (*source->why)
		return source->why;
	if (!source->ready)
		return "asking the kernel for its events";
	if ((app->feed.hidden & FEED_ALL_KINDS) == FEED_ALL_KINDS)
		return "no kind is chosen (v chooses)";
	if (*events->filter)
		return "no event matches the filter (Esc clears it)";
	if (events->scope.kind != TARGET_NONE)
		return "nothing happened there since this is looked at (a: everywhere)";
	return "nothing happened since this is looked at";
}

static void draw_list(struct app *app, struct events_state *state, struct canvas *canvas,
		      struct rect area)
{
	struct events_list *events = &state->events;
	int x = area.x + TIME_WIDTH + KIND_WIDTH;

	canvas_fill(canvas, area.x, area.y, area.width, ROLE_HEADING);
	canvas_text(canvas, area.x, area.y, TIME_WIDTH, "TIME", ROLE_HEADING_SORT);
	canvas_text(canvas, area.x + 4, area.y, 1,
		    canvas_glyph(canvas, events->newest_first ? GLYPH_DESCENDING : GLYPH_ASCENDING),
		    ROLE_HEADING_SORT);
	canvas_text(canvas, area.x + TIME_WIDTH, area.y, KIND_WIDTH, "KIND", ROLE_HEADING);
	canvas_text(canvas, x, area.y, area.width, "CGROUP", ROLE_HEADING);
	canvas_text(canvas, x + cgroup_width(area.width), area.y, area.width, "WHAT", ROLE_HEADING);
	list_fit(&events->list, (int64_t)events->n, area.height - 1);
	for (int i = 0; i < area.height - 1; i++) {
		struct rect line = { area.x, area.y + 1 + i, area.width, 1 };
		int64_t row = events->list.top + i;

		if (row >= (int64_t)events->n)
			break;
		/* While it is paused the ring does not move: all rows are kept. */
		draw_row(feed_get(&app->feed, events->rows[row]), canvas, line);
		if (row == events->list.cursor)
			canvas_mark(canvas, line.x, line.y, line.width, STYLE_SELECTED);
	}
	if (events->n == 0)
		canvas_printf(canvas, area.x, area.y + 2, area.width, ROLE_STATUS, "  %s",
			      why_empty(app, events));
}

static void draw_events(struct app *app, void *data, struct canvas *canvas, struct rect area)
{
	struct events_state *state = data;
	const struct kernel_event *event;
	struct rect pane = { 0 };

	if (state->pane)
		pane = pane_split(&area);
	draw_list(app, state, canvas, area);
	if (!state->pane)
		return;
	event = events_list_selected(&state->events, &app->feed);
	pane_draw_edge(canvas, pane);
	if (event) {
		detail_make(&app->detail, canvas, pane.width, state->events.selected,
			    events_detail_lines, event);
		detail_draw(&app->detail, canvas, pane);
	}
}

static void summary_events(struct app *app, void *data, struct canvas *canvas, struct rect area)
{
	const struct events_list *events = &((struct events_state *)data)->events;
	const struct feed *feed = &app->feed;
	int x = area.x, end = area.x + area.width;
	char safe[VIEW_FILTER * 4];

	x += canvas_printf(canvas, x, area.y, end - x, ROLE_DEFAULT, "%zu events", events->n);
	if (feed->source.lost > 0)
		x += canvas_printf(canvas, x, area.y, end - x, ROLE_BAD, "  %llu lost",
				   (unsigned long long)feed->source.lost);
	x += canvas_text(canvas, x, area.y, end - x,
			 app->paused	  ? "  paused"
			 : events->parked ? "  not following"
					  : "  following",
			 app->paused || events->parked ? ROLE_STATUS : ROLE_LABEL);
	if (feed->keep_on)
		x += canvas_text(canvas, x, area.y, end - x, "  kept on", ROLE_STATUS);
	if (events->scope_path) {
		escape_terminal(events->scope_path, strlen(events->scope_path), safe, sizeof(safe));
		x += canvas_text(canvas, x, area.y, end - x, "  of ", ROLE_LABEL);
		x += canvas_text_cut(canvas, x, area.y, end - x, safe, CUT_START, ROLE_STATUS);
	} else if (events->scope.kind == TARGET_PROCESS) {
		x += canvas_printf(canvas, x, area.y, end - x, ROLE_STATUS, "  of process %llu",
				   (unsigned long long)events->scope.id);
	}
	if (!*events->filter)
		return;
	escape_terminal(events->filter, strlen(events->filter), safe, sizeof(safe));
	x += canvas_text(canvas, x, area.y, end - x, "  filter ", ROLE_LABEL);
	canvas_text_cut(canvas, x, area.y, end - x, safe, CUT_END, ROLE_STATUS);
}

static void click_events(struct app *app, void *data, int x, int y)
{
	struct events_state *state = data;
	struct rect area = app->body;
	int64_t row;

	if (state->pane)
		pane_split(&area);
	row = state->events.list.top + y - area.y - 1;
	if (x >= area.x + area.width || y >= area.y + area.height || y == area.y ||
	    row >= state->events.list.n)
		return;
	state->events.list.cursor = row;
	events_list_moved(&state->events);
}

/* ---- keys ------------------------------------------------------------------------------- */

static void enter(struct app *app, int unused)
{
	struct target target;

	(void)unused;
	if (app_target(app, &target))
		app_open_for(app, SCREEN_CGROUPS, &target);
	else
		app_set_status(app, ROLE_STATUS, "its cgroup is gone, or is not known");
}

static void toggle_pane(struct app *app, int unused)
{
	(void)unused;
	state_of(app)->pane = !state_of(app)->pane;
}

static void scroll_pane(struct app *app, int move)
{
	if (state_of(app)->pane)
		list_move(&app->detail.list, (enum list_move)move);
}

static void toggle_order(struct app *app, int unused)
{
	(void)unused;
	state_of(app)->events.newest_first = !state_of(app)->events.newest_first;
	refresh(app);
}

static void follow(struct app *app, int unused)
{
	(void)unused;
	state_of(app)->events.parked = false;
	refresh(app);
}

/* Processes come and go by the thousand where cgroups do by the dozen. */
static void toggle_processes(struct app *app, int unused)
{
	const uint32_t processes = FEED_KIND(KERNEL_EVENT_FORK) | FEED_KIND(KERNEL_EVENT_EXEC) |
				   FEED_KIND(KERNEL_EVENT_EXIT);
	struct feed *feed = &app->feed;

	(void)unused;
	if ((feed->hidden & processes) == processes)
		feed->hidden &= ~processes | FEED_KIND(KERNEL_EVENT_FORK);
	else
		feed->hidden |= processes;
	app_set_status(app, ROLE_STATUS, "%s",
		       (feed->hidden & processes) == processes ? "without exec, exit and fork"
							       : "with exec and exit");
	refresh(app);
}

static void toggle_keep(struct app *app, int unused)
{
	(void)unused;
	app->feed.keep_on = !app->feed.keep_on;
	app_set_status(app, ROLE_STATUS, "%s",
		       app->feed.keep_on ? "events come also while other screens are shown"
					 : "events come only while this screen is open");
}

static void forget(struct app *app, int unused)
{
	(void)unused;
	feed_clear(&app->feed);
	follow(app, 0);
}

static void show_all(struct app *app, int unused)
{
	struct events_list *events = &state_of(app)->events;

	(void)unused;
	events->filter[0] = '\0';
	events_list_set_scope(events, app->snapshot, &(struct target){ .kind = TARGET_NONE });
	refresh(app);
}

static void filter_changed(struct app *app, const char *text)
{
	struct events_list *events = &state_of(app)->events;

	snprintf(events->filter, sizeof(events->filter), "%s", text);
	refresh(app);
}

static void filter_done(struct app *app, const char *text)
{
	if (!text)
		filter_changed(app, state_of(app)->filter_before);
}

static void ask_filter(struct app *app, int unused)
{
	struct events_state *state = state_of(app);

	(void)unused;
	memcpy(state->filter_before, state->events.filter, sizeof(state->filter_before));
	app_prompt(app, "Find: ", state->events.filter, filter_changed, filter_done);
}

static void escape(struct app *app, int unused)
{
	if (*state_of(app)->events.filter)
		filter_changed(app, "");
	else
		app_close_screen(app, unused);
}

/* clang-format off */
static const struct binding keys[] = {
	{ { K_F(2), 'v' }, "Kinds", app_open_screen, SCREEN_EVENT_KINDS, "choose the kinds of events; what is not chosen costs nothing" },
	{ { K_F(3), 'i' }, "Info", toggle_pane, 0, "pane with everything about the selected event" },
	{ { 'J' }, NULL, scroll_pane, LIST_WHEEL_DOWN, "scroll that pane" },
	{ { 'K' }, NULL, scroll_pane, LIST_WHEEL_UP, NULL },
	{ { K_ENTER }, NULL, enter, 0, "to the cgroup among the others" },
	{ { K_F(4), '/' }, "Find", ask_filter, 0, "show only events with all of the words in them" },
	{ { 'a' }, NULL, show_all, 0, "show all again, after a jump or a filter" },
	{ { 'F', ' ' }, "Follow", follow, 0, "to the newest, and stay there; moving away from it stops that" },
	{ { K_F(8), 't' }, "Order", toggle_order, 0, "newest last, or newest first" },
	{ { 'x' }, NULL, toggle_processes, 0, "without processes (fork, exec, exit), or with them" },
	{ { 'w' }, NULL, toggle_keep, 0, "let events come also while other screens are shown" },
	{ { 'X' }, NULL, forget, 0, "forget what came so far" },
	{ { K_ESCAPE }, NULL, escape, 0, "clear the filter; without one, back to where you were" },
};
/* clang-format on */

const struct screen screen_events = {
	.name = "Events",
	.short_name = "Ev",
	.state_size = sizeof(struct events_state),
	.open = open_events,
	.close = close_events,
	.draw = draw_events,
	.update = update_events,
	.list = list_of_events,
	.moved = moved_events,
	.click = click_events,
	.target = target_events,
	.save = save_events,
	.restore = restore_events,
	.summary = summary_events,
	.keys = { keys, ARRAY_SIZE(keys) },
	.shared = { &jump_cgroup_keys, &jump_keys },
};
