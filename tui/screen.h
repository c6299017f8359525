/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/metric.h"
#include "tui/canvas.h"
#include "tui/keymap.h"
#include "tui/list.h"

struct app;

/* A screen is a row of `screens` (screens.c) and a file. */
enum screen_id {
	SCREEN_CGROUPS, /* the first: what lies below all others */
	SCREEN_DETAIL,
	SCREEN_PROCESSES,
	SCREEN_COLUMNS,
	SCREEN_SORT,
	SCREEN_HELP,
	SCREEN_COUNT,
};

/*
 * What a screen does; all but `draw` may be NULL. `state` is state_size zeroed bytes that live as
 * long as the program.
 */
struct screen {
	const char *name;
	size_t state_size;
	void (*open)(struct app *app, void *state);
	void (*close)(struct app *app, void *state); /* left, or the program ends */
	void (*draw)(struct app *app, void *state, struct canvas *canvas, struct rect area);
	void (*update)(struct app *app, void *state); /* there is a newer snapshot */
	void (*needs)(struct app *app, void *state, struct metric_set *set);
	struct list *(*list)(struct app *app, void *state); /* what the movement keys move */
	void (*moved)(struct app *app, void *state);
	/* A click inside the area; before that the list's cursor was not moved. */
	void (*click)(struct app *app, void *state, int x, int y);
	struct keymap keys;
};

extern const struct screen *const screens[SCREEN_COUNT];
/* Keys that work on every screen, unless the screen has them itself. */
extern const struct keymap screen_common_keys;

extern const struct screen screen_cgroups, screen_detail, screen_processes, screen_columns,
	screen_sort, screen_help;
