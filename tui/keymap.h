/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/strbuf.h"

struct app;

/* Keys: a Unicode character is itself, the others lie above Unicode. */
enum key {
	K_NONE = 0,
	K_TAB = '\t',
	K_ENTER = '\n',
	K_ESCAPE = 0x1b,
	K_BACKSPACE = 0x7f,
	K_SPECIAL = 0x110000,
	K_UP,
	K_DOWN,
	K_LEFT,
	K_RIGHT,
	K_SHIFT_UP,
	K_SHIFT_DOWN,
	K_SHIFT_LEFT,
	K_SHIFT_RIGHT,
	K_PAGE_UP,
	K_PAGE_DOWN,
	K_HOME,
	K_END,
	K_INSERT,
	K_DELETE,
	K_SHIFT_TAB,
	K_CLICK,
	K_WHEEL_UP,
	K_WHEEL_DOWN,
	K_RESIZE,
	K_F0,
	K_F12 = K_F0 + 12,
	K_END_OF_KEYS,
};
#define K_F(n)	     (K_F0 + (n))
#define K_CONTROL(c) ((c)&0x1f)

/* A key press, or a click with its place. */
struct key_event {
	uint32_t key;
	int x, y;
};

/* What keys do: one row each, which is also its line in the help screen and its hint below. */
struct binding {
	uint32_t keys[6]; /* 0 ends */
	const char *hint; /* a word for the bottom line, or NULL */
	void (*action)(struct app *app, int argument);
	int argument;
	const char *help; /* NULL: goes with the row above */
};

struct keymap {
	const struct binding *list;
	size_t n;
};

/* The row for a key, or NULL. */
const struct binding *keymap_find(const struct keymap *map, uint32_t key);
/* "F1", "PgUp", "^L", "Space", "x". */
void keymap_add_key_name(uint32_t key, struct strbuf *buffer);
/* All keys of a row: "F1 ? h". */
void keymap_add_names(const struct binding *binding, struct strbuf *buffer);
