// SPDX-License-Identifier: MIT
#include "tui/header.h"

#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"

#define HINTS_MAX 24

/* Function keys first, in their order, then the others as the tables have them. */
static bool comes_before(const struct binding *a, const struct binding *b)
{
	bool function_a = a->keys[0] > K_F0 && a->keys[0] <= K_F12;
	bool function_b = b->keys[0] > K_F0 && b->keys[0] <= K_F12;

	if (function_a != function_b)
		return function_a;
	return function_a && a->keys[0] < b->keys[0];
}

static size_t insert_hint(const struct binding **hints, size_t n, const struct binding *binding)
{
	size_t at = n;

	while (at > 0 && comes_before(binding, hints[at - 1])) {
		hints[at] = hints[at - 1];
		at--;
	}
	hints[at] = binding;
	return n + 1;
}

/* The rows that have a word for the bottom line; a key that the screen has itself counts once. */
static size_t collect_hints(const struct app *app, const struct binding *hints[HINTS_MAX])
{
	const struct screen *screen = screens[app->stack[app->depth]];
	const struct keymap *maps[SCREEN_SHARED_KEYS + 2] = { &screen->keys };
	size_t n = 0, n_maps = 1;

	for (size_t i = 0; i < SCREEN_SHARED_KEYS && screen->shared[i]; i++)
		maps[n_maps++] = screen->shared[i];
	maps[n_maps++] = &screen_common_keys;
	for (size_t m = 0; m < n_maps; m++) {
		for (size_t i = 0; i < maps[m]->n && n < HINTS_MAX; i++) {
			const struct binding *binding = &maps[m]->list[i];

			if (binding->hint && screen_find_key(screen, binding->keys[0]) == binding)
				n = insert_hint(hints, n, binding);
		}
	}
	return n;
}

/* Draws the hints into `draw_on` unless it is NULL; returns the key of the one at `wanted_x`. */
static uint32_t walk_hints(const struct app *app, int width, int wanted_x, struct canvas *draw_on,
			   int y)
{
	const struct binding *hints[HINTS_MAX];
	size_t n = collect_hints(app, hints);
	uint32_t found = K_NONE;
	int x = 0;

	for (size_t i = 0; i < n; i++) {
		_cleanup_(strbuf_done) struct strbuf key = { 0 };
		int key_width, word_width = (int)strlen(hints[i]->hint) + 1;

		keymap_add_key_name(hints[i]->keys[0], &key);
		key_width = (int)key.length;
		/* The blank behind the last one may be cut off. */
		if (key.failed || x + key_width + word_width - 1 > width)
			continue;
		if (draw_on) {
			canvas_text(draw_on, x, y, key_width, key.data, ROLE_HINT_KEY);
			canvas_fill(draw_on, x + key_width, y, word_width, ROLE_HINT);
			canvas_text(draw_on, x + key_width, y, word_width, hints[i]->hint,
				    ROLE_HINT);
		}
		if (wanted_x >= x && wanted_x < x + key_width + word_width)
			found = hints[i]->keys[0];
		x += key_width + word_width;
	}
	return found;
}

uint32_t footer_key_at(const struct app *app, int width, int x)
{
	return walk_hints(app, width, x, NULL, 0);
}

static void draw_prompt(const struct app *app, struct canvas *canvas, int y)
{
	const struct prompt *prompt = &app->prompt;
	char safe[4 * sizeof(prompt->text)];
	int x;

	canvas_fill(canvas, 0, y, canvas->width, ROLE_DEFAULT);
	x = canvas_text_cut(canvas, 0, y, canvas->width - 1, prompt->label, CUT_END, ROLE_STATUS);
	if (prompt->question)
		return;
	escape_terminal(prompt->text, strlen(prompt->text), safe, sizeof(safe));
	x += canvas_text_cut(canvas, x, y, canvas->width - x - 1, safe, CUT_START, ROLE_DEFAULT);
	canvas_mark(canvas, x, y, 1, STYLE_SELECTED);
}

void footer_draw(const struct app *app, struct canvas *canvas, int y)
{
	if (app->prompt.active) {
		draw_prompt(app, canvas, y);
	} else if (*app->status) {
		canvas_fill(canvas, 0, y, canvas->width, app->status_role);
		canvas_text_cut(canvas, 0, y, canvas->width, app->status, CUT_END,
				app->status_role);
	} else {
		walk_hints(app, canvas->width, -1, canvas, y);
	}
}
