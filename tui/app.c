// SPDX-License-Identifier: MIT
#include "tui/app.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "tui/header.h"

#define STATUS_NS    UINT64_C(5000000000)
#define INTERVAL_MIN UINT64_C(100000)
#define INTERVAL_MAX UINT64_C(3600000000)

static const struct screen *top_screen(const struct app *app)
{
	return screens[app->stack[app->depth]];
}

void *app_state(struct app *app, enum screen_id id)
{
	return app->states[id];
}

bool app_is_on_top(const struct app *app, enum screen_id id)
{
	return app->stack[app->depth] == id;
}

static void *top_state(struct app *app)
{
	return app_state(app, app->stack[app->depth]);
}

int app_init(struct app *app, const struct tui_source *source, const struct tui_options *options)
{
	*app = (struct app){ .source = source, .options = options };
	app->detail.users = &app->users;
	app->detail.no_latency = app->no_latency;
	feed_init(&app->feed);
	view_init(&app->view);
	app->interval_usec = options->interval_usec;
	if (options->glob) {
		view_set_filter(&app->view, options->glob);
		app->view.filter_is_glob = true;
	}
	for (int i = 0; i < SCREEN_COUNT; i++) {
		app->states[i] = calloc(1, screens[i]->state_size ? screens[i]->state_size : 1);
		if (!app->states[i]) {
			app_done(app);
			return -ENOMEM;
		}
	}
	if (top_screen(app)->open)
		top_screen(app)->open(app, top_state(app));
	return 0;
}

void app_done(struct app *app)
{
	for (int i = 0; i < SCREEN_COUNT; i++) {
		if (app->states[i] && screens[i]->close)
			screens[i]->close(app, app->states[i]);
		free(app->states[i]);
	}
	view_done(&app->view);
	detail_done(&app->detail);
	users_done(&app->users);
	feed_done(&app->feed);
	snapshot_unref(app->snapshot);
	policy_report_unref(app->report);
	*app = (struct app){ 0 };
}

/* The tree shows containers by name. */
static bool has_containers(const struct snapshot *snapshot)
{
	const struct tree *tree = snapshot ? snapshot->tree : NULL;

	for (uint32_t i = 0; tree && i < tree->n; i++) {
		if (tree->nodes[i]->container_id)
			return true;
	}
	return false;
}

static void sync_inventory(struct app *app)
{
	const struct screen *screen = top_screen(app);
	unsigned int parts = has_containers(app->snapshot) ? INVENTORY_CONTAINERS : 0;

	if (screen->inventory)
		parts |= screen->inventory(app, top_state(app));
	if (parts == app->inventory || !app->source->want_inventory)
		return;
	app->inventory = parts;
	app->source->want_inventory(app->source->data, parts);
}

static void sync_policies(struct app *app)
{
	bool wanted = top_screen(app)->of_policies;

	if (wanted == app->of_policies || !app->source->want_policies)
		return;
	app->of_policies = wanted;
	app->source->want_policies(app->source->data, wanted);
}

/* "Off until somebody asks": who looks at distributions asks. */
static void sync_watch(struct app *app)
{
	/* Reading the help ends nothing. */
	int depth = app->depth - (app->depth > 0 && app_is_on_top(app, SCREEN_HELP));
	enum screen_id id = app->stack[depth];
	uint64_t serial = screens[id]->watch ? screens[id]->watch(app, app_state(app, id)) : 0;

	if (serial == app->watched || !app->source->watch)
		return;
	app->watched = serial;
	app->source->watch(app->source->data, serial);
}

/* Tells the source when other columns are needed than before. */
static void sync_wanted(struct app *app)
{
	const struct screen *screen = top_screen(app);
	struct metric_set set = { 0 };

	header_needs(&set);
	view_needs(&app->view, &set);
	if (screen->needs)
		screen->needs(app, top_state(app), &set);
	sync_inventory(app);
	sync_policies(app);
	sync_watch(app);
	feed_sync(app);
	if (metric_set_equal(&set, &app->wanted))
		return;
	app->wanted = set;
	app->source->want(app->source->data, &set);
}

void app_update_view(struct app *app)
{
	if (app->snapshot && view_update(&app->view, app->snapshot, app->now_ns) < 0)
		app_set_status(app, ROLE_ERROR, "out of memory");
}

/* True if the agent said something new. */
static bool take_report(struct app *app)
{
	struct policy_report *report = NULL;
	bool is_new;

	if (app->source->policies)
		report = app->source->policies(app->source->data);
	is_new = report && report != app->report;
	if (is_new) {
		policy_report_unref(app->report);
		app->report = policy_report_ref(report);
		app->view.report = app->detail.report = app->report;
	}
	policy_report_unref(report);
	return is_new;
}

void app_set_snapshot(struct app *app, struct snapshot *snapshot)
{
	bool news = take_report(app);

	news = feed_take(app) || news;
	if (app->source->no_latency)
		app->source->no_latency(app->source->data, app->no_latency,
					sizeof(app->no_latency));
	freeze_take_outcome(app);
	if (snapshot && app->snapshot && snapshot->sequence == app->snapshot->sequence) {
		snapshot_unref(snapshot);
		snapshot = NULL;
	}
	if (snapshot) {
		snapshot_unref(app->snapshot);
		app->snapshot = snapshot;
		app_update_view(app);
	}
	if ((snapshot || news) && top_screen(app)->update)
		top_screen(app)->update(app, top_state(app));
	sync_wanted(app);
}

uint32_t app_selected(const struct app *app)
{
	return app->snapshot ? view_selected(&app->view) : NODE_NONE;
}

bool app_target(struct app *app, struct target *ret_target)
{
	const struct screen *screen = top_screen(app);

	return screen->target && screen->target(app, top_state(app), ret_target);
}

/* Remembers where one is on the screen on top. */
static void leave(struct app *app)
{
	struct place *place = &app->places[app->depth];

	*place = (struct place){ 0 };
	if (!top_screen(app)->save)
		return;
	top_screen(app)->save(app, top_state(app), place);
	place->valid = true;
}

/* After a screen came to the top again, or anew. */
static void arrive(struct app *app)
{
	const struct place *place = &app->places[app->depth];

	if (place->valid && top_screen(app)->restore)
		top_screen(app)->restore(app, top_state(app), place);
	app_update_view(app);
}

void app_open_for(struct app *app, enum screen_id id, const struct target *target)
{
	leave(app);
	/* The way back may be long; what it loses is where it began, but for the bottom. */
	if (app->depth + 1 == APP_STACK) {
		for (int i = 1; i + 1 < APP_STACK; i++) {
			app->stack[i] = app->stack[i + 1];
			app->places[i] = app->places[i + 1];
		}
		app->depth--;
	}
	app->stack[++app->depth] = id;
	app->target = *target;
	app->places[app->depth].valid = false;
	if (top_screen(app)->open)
		top_screen(app)->open(app, top_state(app));
}

void app_open_screen(struct app *app, int id)
{
	struct target target = { .kind = TARGET_NONE };

	if (app->stack[app->depth] == (enum screen_id)id)
		return;
	app_target(app, &target);
	app_open_for(app, (enum screen_id)id, &target);
}

void app_close_screen(struct app *app, int unused)
{
	(void)unused;
	if (app->depth == 0)
		return;
	if (top_screen(app)->close)
		top_screen(app)->close(app, top_state(app));
	app->depth--;
	arrive(app);
}

void app_back(struct app *app, int unused)
{
	if (app->depth == 0)
		app_quit(app, unused);
	else
		app_close_screen(app, unused);
}

void app_show_tab(struct app *app, int id)
{
	while (app->depth > 0)
		app_close_screen(app, 0);
	if (app->stack[0] == (enum screen_id)id)
		return;
	leave(app);
	/* Where one was on each of them is kept beside: the bottom has one place only. */
	app->tabs[app->stack[0]] = app->places[0];
	app->stack[0] = (enum screen_id)id;
	app->places[0] = app->tabs[id];
	app->target = (struct target){ .kind = TARGET_NONE };
	if (top_screen(app)->open)
		top_screen(app)->open(app, top_state(app));
	arrive(app);
}

enum screen_id app_tab(const struct app *app)
{
	int depth = app->depth;

	while (depth > 0 && app->stack[depth] >= SCREEN_TABS)
		depth--;
	return app->stack[depth];
}

void app_step_tab(struct app *app, int by)
{
	app_show_tab(app, ((int)app_tab(app) + by + SCREEN_TABS) % SCREEN_TABS);
}

void app_set_status(struct app *app, enum role role, const char *format, ...)
{
	char text[sizeof(app->status)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	escape_terminal(text, strlen(text), app->status, sizeof(app->status));
	app->status_role = role;
	app->status_until_ns = app->now_ns + STATUS_NS;
}

int app_timeout_ms(const struct app *app)
{
	/* Once a second the age of the sample is another one. */
	uint64_t left = 1000;

	if (*app->status) {
		uint64_t until = app->status_until_ns;

		until = until > app->now_ns ? (until - app->now_ns) / 1000000 + 1 : 0;
		left = until < left ? until : left;
	}
	return (int)left;
}

void app_ask(struct app *app, const char *question, void (*done)(struct app *app, const char *text))
{
	app->prompt = (struct prompt){ .active = true, .question = true, .done = done };
	escape_terminal(question, strlen(question), app->prompt.label, sizeof(app->prompt.label));
}

void app_prompt(struct app *app, const char *label, const char *text,
		void (*changed)(struct app *app, const char *text),
		void (*done)(struct app *app, const char *text))
{
	app->prompt = (struct prompt){ .active = true, .changed = changed, .done = done };
	snprintf(app->prompt.label, sizeof(app->prompt.label), "%s", label);
	snprintf(app->prompt.text, sizeof(app->prompt.text), "%s", text);
}

static void handle_prompt(struct app *app, uint32_t key)
{
	enum prompt_result result = prompt_handle_key(&app->prompt, key);
	struct prompt *prompt = &app->prompt;

	if (result == PROMPT_CHANGED && prompt->changed)
		prompt->changed(app, prompt->text);
	if (result != PROMPT_ACCEPTED && result != PROMPT_CANCELLED)
		return;
	prompt->active = false;
	if (prompt->done)
		prompt->done(app, result == PROMPT_ACCEPTED ? prompt->text : NULL);
}

static bool run_binding(struct app *app, uint32_t key)
{
	const struct binding *binding = screen_find_key(top_screen(app), key);

	if (!binding)
		return false;
	binding->action(app, binding->argument);
	return true;
}

static void handle_click(struct app *app, const struct key_event *event)
{
	const struct screen *screen = top_screen(app);
	const struct rect *body = &app->body;

	if (event->y >= body->y + body->height) {
		uint32_t key = footer_key_at(app, body->width, event->x);

		if (key != K_NONE)
			run_binding(app, key);
	} else if (event->y < body->y) {
		enum screen_id tab = header_tab_at(app, body->width, event->x, event->y);

		if (tab != SCREEN_TABS)
			app_show_tab(app, (int)tab);
	} else if (screen->click && event->y >= body->y) {
		screen->click(app, top_state(app), event->x, event->y);
	}
}

void app_handle_key(struct app *app, const struct key_event *event)
{
	*app->status = '\0';
	if (event->key == K_WHEEL_UP)
		app_move(app, LIST_WHEEL_UP);
	else if (event->key == K_WHEEL_DOWN)
		app_move(app, LIST_WHEEL_DOWN);
	else if (app->prompt.active && event->key != K_CLICK && event->key != K_RESIZE)
		handle_prompt(app, event->key);
	else if (event->key == K_CLICK && !app->prompt.active)
		handle_click(app, event);
	else
		run_binding(app, event->key);
	sync_wanted(app);
}

void app_move(struct app *app, int move)
{
	const struct screen *screen = top_screen(app);
	struct list *list = screen->list ? screen->list(app, top_state(app)) : NULL;

	if (!list)
		return;
	list_move(list, (enum list_move)move);
	if (screen->moved)
		screen->moved(app, top_state(app));
}

void app_quit(struct app *app, int unused)
{
	(void)unused;
	app->quit = true;
}

void app_repaint(struct app *app, int unused)
{
	(void)unused;
	app->repaint = true;
}

void app_toggle_pause(struct app *app, int unused)
{
	(void)unused;
	app->paused = !app->paused;
	app->source->set_paused(app->source->data, app->paused);
}

static void set_interval(struct app *app, uint64_t usec)
{
	struct strbuf text;

	usec = usec < INTERVAL_MIN ? INTERVAL_MIN : usec > INTERVAL_MAX ? INTERVAL_MAX : usec;
	app->interval_usec = usec;
	app->source->set_interval(app->source->data, usec);
	strbuf_init(&text);
	header_add_interval(&text, usec);
	app_set_status(app, ROLE_STATUS, "a sample every %s", text.failed ? "" : text.data);
	strbuf_done(&text);
}

void app_step_interval(struct app *app, int direction)
{
	static const uint64_t steps[] = { 100000,  200000,   500000,   1000000, 2000000,
					  5000000, 10000000, 30000000, 60000000 };
	uint64_t now = app->interval_usec, next = now;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (direction < 0 && steps[i] < now)
			next = steps[i];
		if (direction > 0 && steps[i] > now && next == now)
			next = steps[i];
	}
	set_interval(app, next);
}

static void interval_given(struct app *app, const char *text)
{
	char with_unit[300];
	uint64_t usec;

	if (!text || !*text)
		return;
	snprintf(with_unit, sizeof(with_unit), "%ss", text);
	if (parse_duration(text, &usec) < 0 && parse_duration(with_unit, &usec) < 0)
		app_set_status(app, ROLE_ERROR, "not a duration: \"%s\" (try 500ms, 2s, 1m)", text);
	else
		set_interval(app, usec);
}

void app_ask_interval(struct app *app, int unused)
{
	(void)unused;
	app_prompt(app, "Seconds between samples: ", "", NULL, interval_given);
}

void app_draw(struct app *app, struct canvas *canvas)
{
	const struct screen *screen = top_screen(app);
	int header = header_height(canvas->height);

	canvas_clear(canvas);
	if (*app->status && app->now_ns >= app->status_until_ns)
		*app->status = '\0';
	if (canvas->width < APP_MIN_WIDTH || canvas->height < APP_MIN_HEIGHT) {
		canvas_printf(canvas, 0, 0, canvas->width, ROLE_STATUS, "%dx%d is too small: %dx%d",
			      canvas->width, canvas->height, APP_MIN_WIDTH, APP_MIN_HEIGHT);
		return;
	}
	header_draw(app, canvas, (struct rect){ 0, 0, canvas->width, header });
	app->body = (struct rect){ 0, header, canvas->width, canvas->height - header - 1 };
	canvas_set_clip(canvas, app->body);
	screen->draw(app, top_state(app), canvas, app->body);
	canvas_set_clip(canvas, (struct rect){ 0, 0, canvas->width, canvas->height });
	footer_draw(app, canvas, canvas->height - 1);
}
