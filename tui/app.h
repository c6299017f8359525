/* SPDX-License-Identifier: MIT */
#pragma once

#include "tui/canvas.h"
#include "tui/detail.h"
#include "tui/feed.h"
#include "tui/freeze.h"
#include "tui/prompt.h"
#include "tui/screen.h"
#include "tui/theme.h"
#include "tui/tui.h"
#include "tui/users.h"
#include "tui/view.h"

#define APP_STACK 32

#define APP_MIN_WIDTH  40
#define APP_MIN_HEIGHT 8

/*
 * Everything the terminal knows, without the terminal: snapshots and keys go in, a canvas comes
 * out. `now_ns` (CLOCK_BOOTTIME) is set by the caller before each call.
 */
struct app {
	const struct tui_source *source;
	const struct tui_options *options;
	uint64_t now_ns;
	struct snapshot *snapshot; /* NULL before the first */
	struct view view;
	struct detail detail;
	struct users users;
	struct metric_set wanted;
	uint64_t interval_usec;
	bool paused, quit, repaint;
	enum screen_id stack[APP_STACK];
	struct place places[APP_STACK]; /* where one was on each when it was left */
	struct place tabs[SCREEN_TABS];
	int depth;		      /* index of the screen on top */
	struct target target;	      /* what the screen that is being opened is opened for */
	unsigned int inventory;	      /* parts asked for, as the source knows */
	bool of_policies;	      /* likewise */
	struct policy_report *report; /* the agent's latest; NULL: none yet */
	uint64_t watched;	      /* the cgroup whose distributions were asked for, by serial */
	char no_latency[160];	      /* why there are none */
	struct feed feed;	      /* kernel events */
	struct freeze_order freeze;
	void *states[SCREEN_COUNT];
	struct prompt prompt;
	char status[256];
	enum role status_role;
	uint64_t status_until_ns;
	struct rect body; /* where the screen was drawn last */
};

/* 0 or -ENOMEM. Source and options stay the caller's and have to live as long. */
int app_init(struct app *app, const struct tui_source *source, const struct tui_options *options);
void app_done(struct app *app);
/* Takes over the reference. The same snapshot again does nothing. */
void app_set_snapshot(struct app *app, struct snapshot *snapshot);
void app_handle_key(struct app *app, const struct key_event *event);
void app_draw(struct app *app, struct canvas *canvas);
/* Milliseconds until the picture changes by itself. */
int app_timeout_ms(const struct app *app);

/* For screens. */
void *app_state(struct app *app, enum screen_id id);
/* Opens it for what is selected on the one below. */
void app_open_screen(struct app *app, int id);
/* Opens it for that target, also above itself. */
void app_open_for(struct app *app, enum screen_id id, const struct target *target);
/* What is selected on the screen on top, for which `target` may be opened. False: nothing. */
bool app_target(struct app *app, struct target *ret_target);
/* The screens that lie below all others: to the next, the one before. */
void app_step_tab(struct app *app, int by);
void app_show_tab(struct app *app, int id);
/* The last of them on the way to the screen on top: jumps lead from one to another. */
enum screen_id app_tab(const struct app *app);
void app_close_screen(struct app *app, int unused);
/* The same; at the bottom it leaves the program. */
void app_back(struct app *app, int unused);
bool app_is_on_top(const struct app *app, enum screen_id id);
/* Works the rows out anew after the view changed. */
void app_update_view(struct app *app);
/* A message in the bottom line for a few seconds. */
void app_set_status(struct app *app, enum role role, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Shorthand: the selected cgroup's index in app->snapshot, or NODE_NONE. */
uint32_t app_selected(const struct app *app);
/* Asks for y or n, or for a text. `done` gets NULL if the user gave up; "y" for yes. */
void app_ask(struct app *app, const char *question,
	     void (*done)(struct app *app, const char *text));
void app_prompt(struct app *app, const char *label, const char *text,
		void (*changed)(struct app *app, const char *text),
		void (*done)(struct app *app, const char *text));

/* Actions of the common keys. */
void app_move(struct app *app, int move);
void app_quit(struct app *app, int unused);
void app_toggle_pause(struct app *app, int unused);
void app_step_interval(struct app *app, int direction);
void app_ask_interval(struct app *app, int unused);
void app_repaint(struct app *app, int unused);
