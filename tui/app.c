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
	snapshot_unref(app->snapshot);
	*app = (struct app){ 0 };
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

void app_set_snapshot(struct app *app, struct snapshot *snapshot)
{
	if (snapshot && app->snapshot && snapshot->sequence == app->snapshot->sequence) {
		snapshot_unref(snapshot);
		snapshot = NULL;
	}
	if (snapshot) {
		snapshot_unref(app->snapshot);
		app->snapshot = snapshot;
		app_update_view(app);
		if (top_screen(app)->update)
			top_screen(app)->update(app, top_state(app));
	}
	sync_wanted(app);
}

uint32_t app_selected(const struct app *app)
{
	return app->snapshot ? view_selected(&app->view) : NODE_NONE;
}

void app_open_screen(struct app *app, int id)
{
	if (app->depth + 1 >= APP_STACK || app->stack[app->depth] == (enum screen_id)id)
		return;
	app->stack[++app->depth] = (enum screen_id)id;
	if (top_screen(app)->open)
		top_screen(app)->open(app, top_state(app));
}

void app_close_screen(struct app *app, int unused)
{
	(void)unused;
	if (app->depth == 0)
		return;
	if (top_screen(app)->close)
		top_screen(app)->close(app, top_state(app));
	app->depth--;
	app_update_view(app);
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
	const struct binding *binding = keymap_find(&top_screen(app)->keys, key);

	if (!binding)
		binding = keymap_find(&screen_common_keys, key);
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
