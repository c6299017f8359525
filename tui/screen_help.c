// SPDX-License-Identifier: MIT
#include "tui/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/app.h"
#include "tui/browser.h"
#include "tui/view_table.h"

#define KEYS_WIDTH 18

struct help_line {
	char *keys, *text; /* without keys, the heading of a section */
	enum role role;
};

struct help_state {
	struct list list;
	struct help_line *lines;
	size_t n, capacity;
};

static void clear(struct help_state *state)
{
	for (size_t i = 0; i < state->n; i++) {
		free(state->lines[i].keys);
		free(state->lines[i].text);
	}
	free(state->lines);
	*state = (struct help_state){ .list = { .no_cursor = true } };
}

static void close_help(struct app *app, void *data)
{
	(void)app;
	clear(data);
}

/* Takes `keys` over. Without memory the line is missing. */
static void add(struct help_state *state, char *keys, const char *text, enum role role)
{
	if (state->n == state->capacity) {
		size_t capacity = state->capacity ? 2 * state->capacity : 64;
		struct help_line *grown = realloc(state->lines, capacity * sizeof(*grown));

		if (!grown) {
			free(keys);
			return;
		}
		state->lines = grown;
		state->capacity = capacity;
	}
	state->lines[state->n++] = (struct help_line){ keys, strdup(text), role };
}

/* A key of one of its own may stand before one that others have, too. */
static bool is_hidden(const struct screen *screen, const struct binding *binding)
{
	for (size_t k = 0; k < ARRAY_SIZE(binding->keys) && binding->keys[k]; k++) {
		if (screen_find_key(screen, binding->keys[k]) == binding)
			return false;
	}
	return true;
}

static void add_keymap(struct help_state *state, const struct screen *screen,
		       const struct keymap *map)
{
	for (size_t i = 0; i < map->n;) {
		const char *help = map->list[i].help;
		bool hidden = is_hidden(screen, &map->list[i]);
		struct strbuf keys;

		strbuf_init(&keys);
		/* Rows without words of their own belong to the one above. */
		do {
			if (keys.length > 0)
				strbuf_add_char(&keys, ' ');
			keymap_add_names(&map->list[i++], &keys);
		} while (i < map->n && !map->list[i].help);
		if (hidden)
			strbuf_done(&keys);
		else
			add(state, strbuf_take(&keys), help ? help : "", ROLE_DEFAULT);
	}
}

static void add_marks(struct help_state *state)
{
	add(state, NULL, "", ROLE_DEFAULT);
	add(state, NULL, "Cells without a value", ROLE_SECTION);
	for (int i = 0; i < VALUE_STATE_COUNT; i++) {
		enum value_state value_state = (enum value_state)i;
		union value none = { 0 };
		struct strbuf mark;

		if (value_state == VALUE_OK)
			continue;
		strbuf_init(&mark);
		metric_add_human(M_CPU_USAGE, none, value_state, &mark);
		add(state, strbuf_take(&mark), value_state_reason(value_state), ROLE_DEFAULT);
	}
}

static void add_columns(struct help_state *state, const struct view *view)
{
	add(state, NULL, "", ROLE_DEFAULT);
	add(state, NULL, "Columns shown", ROLE_SECTION);
	for (size_t i = 0; i < view->n_columns; i++) {
		char room[TABLE_TITLE];
		struct strbuf text;

		strbuf_init(&text);
		metric_name(view->columns[i], &text);
		strbuf_printf(&text, ": %s%s",
			      metric_is_rate(view->columns[i]) ? "Each second: " : "",
			      metric_get(view->columns[i])->help);
		if (!text.failed)
			add(state, strdup(view_table_title(view->columns[i], room)), text.data,
			    !view->by_path && view->columns[i] == view->sort ? ROLE_STATUS
									     : ROLE_DEFAULT);
		strbuf_done(&text);
	}
}

/* All of a screen with rows from the inventory. */
static void add_browser_columns(struct help_state *state, const struct browser_kind *kind)
{
	add(state, NULL, "", ROLE_DEFAULT);
	add(state, NULL, "Columns", ROLE_SECTION);
	for (int i = 0; i < kind->n_columns; i++)
		add(state, strdup(kind->columns[i].title), kind->columns[i].help, ROLE_DEFAULT);
}

static void add_colors(struct help_state *state)
{
	static const struct {
		const char *word, *text;
		enum role role;
	} colors[] = {
		{ "green", "a share of a limit, far from it", ROLE_OK },
		{ "yellow", "70 % of a limit or more", ROLE_WARN },
		{ "red", "90 % of a limit or more; throttled; killed for memory", ROLE_BAD },
		{ "cyan", "frozen", ROLE_FROZEN },
		{ "bright green", "a cgroup that appeared in the last seconds", ROLE_NEW },
		{ "dim", "0, or no value", ROLE_ZERO },
		{ "mark behind a name", "a policy holds something of it: i says what", ROLE_WARN },
	};

	add(state, NULL, "", ROLE_DEFAULT);
	add(state, NULL, "Colours", ROLE_SECTION);
	for (size_t i = 0; i < ARRAY_SIZE(colors); i++)
		add(state, strdup(colors[i].word), colors[i].text, colors[i].role);
}

static void open_help(struct app *app, void *data)
{
	struct help_state *state = data;
	enum screen_id below = app->depth > 0 ? app->stack[app->depth - 1] : SCREEN_CGROUPS;
	char heading[64];

	clear(state);
	snprintf(heading, sizeof(heading), "Keys of the screen \"%s\"", screens[below]->name);
	add(state, NULL, heading, ROLE_SECTION);
	add_keymap(state, screens[below], &screens[below]->keys);
	for (int i = 0; i < SCREEN_SHARED_KEYS && screens[below]->shared[i]; i++)
		add_keymap(state, screens[below], screens[below]->shared[i]);
	add(state, NULL, "", ROLE_DEFAULT);
	add(state, NULL, "Keys everywhere", ROLE_SECTION);
	add_keymap(state, screens[below], &screen_common_keys);
	add(state, strdup("mouse"), "click a row, a heading or a word below; the wheel scrolls",
	    ROLE_DEFAULT);
	add_colors(state);
	add_marks(state);
	if (screens[below]->browser)
		add_browser_columns(state, ((struct browser *)app_state(app, below))->kind);
	else
		add_columns(state, &app->view);
}

static void draw_help(struct app *app, void *data, struct canvas *canvas, struct rect area)
{
	struct help_state *state = data;

	(void)app;
	list_fit(&state->list, (int64_t)state->n, area.height);
	for (int i = 0; i < area.height && state->list.top + i < state->list.n; i++) {
		const struct help_line *line = &state->lines[state->list.top + i];
		int y = area.y + i, indent = line->keys ? KEYS_WIDTH + 2 : 0;

		if (line->keys)
			canvas_text_right(canvas, area.x, y, KEYS_WIDTH, line->keys, ROLE_HINT_KEY);
		if (line->text)
			canvas_text_cut(canvas, area.x + indent, y, area.width - indent, line->text,
					CUT_END, line->role);
	}
}

static struct list *list_help(struct app *app, void *data)
{
	(void)app;
	return &((struct help_state *)data)->list;
}

/* clang-format off */
static const struct binding keys[] = {
	{ { K_ESCAPE, K_F(1), '?', 'h', K_ENTER, 'q' }, "Back", app_close_screen, 0, "leave the help" },
	{ { ' ' }, NULL, app_move, LIST_PAGE_DOWN, "one page down" },
};
/* clang-format on */

const struct screen screen_help = {
	.name = "Help",
	.state_size = sizeof(struct help_state),
	.open = open_help,
	.close = close_help,
	.draw = draw_help,
	.list = list_help,
	.keys = { keys, ARRAY_SIZE(keys) },
};
