/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/metric.h"
#include "tui/canvas.h"
#include "tui/keymap.h"
#include "tui/list.h"
#include "tui/target.h"
#include "tui/view.h"

struct app;
struct browser_kind;

/* A screen is a row of `screens` (screens.c) and a file. */
enum screen_id {
	SCREEN_CGROUPS, /* the first ones lie below all others: Tab goes from one to the next */
	SCREEN_NAMESPACES,
	SCREEN_OVERLAYS,
	SCREEN_POLICIES,
	SCREEN_EVENTS,
	SCREEN_TABS,
	SCREEN_DETAIL = SCREEN_TABS,
	SCREEN_PROCESSES,
	SCREEN_COLUMNS,
	SCREEN_SORT,
	SCREEN_HELP,
	SCREEN_LIMITS,
	SCREEN_STORAGE,
	SCREEN_ROUTES,
	SCREEN_EVENT_KINDS,
	SCREEN_COUNT,
};

/* Where somebody is on a screen, so that "back" finds the way: by identity, not by row. */
struct place {
	bool valid;
	struct target scope;	   /* what the screen is about; none: everything */
	uint64_t key_kind, key_id; /* what was selected, in the words of the screen */
	bool pinned;		   /* false: the first row, whatever that is */
	char filter[VIEW_FILTER];
	bool filter_is_glob;
};

#define SCREEN_SHARED_KEYS 3

/*
 * What a screen does; all but `draw` may be NULL. `state` is state_size zeroed bytes that live as
 * long as the program.
 */
struct screen {
	const char *name;
	const char *short_name; /* of a tab, where there is little room */
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
	/* The parts of the inventory (enum inventory_parts) it shows. */
	unsigned int (*inventory)(struct app *app, void *state);
	/* The cgroup (serial) whose distributions it shows; 0: none. */
	uint64_t (*watch)(struct app *app, void *state);
	/* What is selected there, for jumps. False: nothing. */
	bool (*target)(struct app *app, void *state, struct target *ret_target);
	void (*save)(struct app *app, void *state, struct place *place);
	void (*restore)(struct app *app, void *state, const struct place *place);
	/* The line of the header that says what is shown; NULL: that of the cgroups. */
	void (*summary)(struct app *app, void *state, struct canvas *canvas, struct rect area);
	bool of_policies;		    /* it shows the agent's report */
	const struct browser_kind *browser; /* not NULL: the state is a struct browser */
	struct keymap keys;
	const struct keymap *shared[SCREEN_SHARED_KEYS]; /* after its own: those of many screens */
};

/* The row for a key on that screen, common keys included, or NULL. */
const struct binding *screen_find_key(const struct screen *screen, uint32_t key);

extern const struct screen *const screens[SCREEN_COUNT];
/* Keys that work on every screen, unless the screen has them itself. */
extern const struct keymap screen_common_keys;

extern const struct screen screen_cgroups, screen_namespaces, screen_overlays, screen_policies,
	screen_detail, screen_processes, screen_columns, screen_sort, screen_help, screen_limits,
	screen_storage, screen_routes, screen_events, screen_event_kinds;
