/* SPDX-License-Identifier: MIT */
#pragma once

#include "tui/app.h"
#include "tui/browser.h"

/*
 * What all screens with a browser do the same way. Such a screen is a row of these, its kind and
 * the keys it has beyond browser_keys.
 */
void browser_screen_open(struct app *app, void *state);
void browser_screen_close(struct app *app, void *state);
void browser_screen_draw(struct app *app, void *state, struct canvas *canvas, struct rect area);
void browser_screen_update(struct app *app, void *state);
struct list *browser_screen_list(struct app *app, void *state);
void browser_screen_moved(struct app *app, void *state);
void browser_screen_click(struct app *app, void *state, int x, int y);
unsigned int browser_screen_inventory(struct app *app, void *state);
bool browser_screen_target(struct app *app, void *state, struct target *ret_target);
void browser_screen_save(struct app *app, void *state, struct place *place);
void browser_screen_restore(struct app *app, void *state, const struct place *place);
void browser_screen_summary(struct app *app, void *state, struct canvas *canvas, struct rect area);

#define BROWSER_SCREEN                                                          \
	.state_size = sizeof(struct browser), .open = browser_screen_open,      \
	.close = browser_screen_close, .draw = browser_screen_draw,             \
	.update = browser_screen_update, .list = browser_screen_list,           \
	.moved = browser_screen_moved, .click = browser_screen_click,           \
	.inventory = browser_screen_inventory, .target = browser_screen_target, \
	.save = browser_screen_save, .restore = browser_screen_restore,         \
	.summary = browser_screen_summary

extern const struct keymap browser_keys;
/* Of the screen on top, or NULL if that has none. */
struct browser *browser_on_top(struct app *app);
/* Works the rows out anew after order, filter or scope changed. */
void browser_screen_refresh(struct app *app, struct browser *browser);
/* Folds or unfolds the selected row. */
void browser_screen_toggle(struct app *app);
/* Sorts by that column; by the one that is sorted by already, the other way round. */
void browser_screen_sort(struct app *app, struct browser *browser, int column);
