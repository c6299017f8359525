// SPDX-License-Identifier: MIT
#include "tui/browser_screen.h"

#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "core/units.h"
#include "tui/pane.h"

struct browser *browser_on_top(struct app *app)
{
	enum screen_id id = app->stack[app->depth];

	return screens[id]->browser ? app_state(app, id) : NULL;
}

static void refresh(struct app *app, struct browser *browser, bool force)
{
	if (browser->kind->of_report)
		browser_set_report(browser, app->report);
	if (browser_update(browser, app->snapshot, force) < 0)
		app_set_status(app, ROLE_ERROR, "out of memory");
}

void browser_screen_refresh(struct app *app, struct browser *browser)
{
	refresh(app, browser, true);
}

/* ---- coming and going ------------------------------------------------------------------- */

void browser_screen_open(struct app *app, void *state)
{
	struct browser *browser = state;

	browser_init(browser, screens[app->stack[app->depth]]->browser, &app->users);
	browser->filter[0] = '\0';
	browser->pinned = false;
	browser->scope = (struct target){ .kind = TARGET_NONE };
	if (browser->kind->mark)
		browser->scope = app->target;
	refresh(app, browser, true);
}

/* What was read goes; how it is shown is remembered. */
void browser_screen_close(struct app *app, void *state)
{
	struct browser *browser = state, kept = *browser;

	(void)app;
	browser_done(browser);
	if (!kept.kind)
		return;
	browser_init(browser, kept.kind, kept.users);
	browser->tree = kept.tree;
	browser->sort = kept.sort;
	browser->ascending = kept.ascending;
	browser->pane = kept.pane;
}

void browser_screen_save(struct app *app, void *state, struct place *place)
{
	struct browser *browser = state;
	const struct browser_item *item = browser_selected(browser);

	(void)app;
	place->scope = browser->scope;
	memcpy(place->filter, browser->filter, sizeof(place->filter));
	if (item && browser->pinned) {
		place->key_kind = item->key.kind;
		place->key_id = item->key.id;
		place->pinned = true;
	}
}

void browser_screen_restore(struct app *app, void *state, const struct place *place)
{
	struct browser *browser = state;

	browser->scope = place->scope;
	memcpy(browser->filter, place->filter, sizeof(browser->filter));
	browser->pinned = place->pinned;
	browser->selected = (struct browser_key){ place->key_kind, place->key_id };
	refresh(app, browser, true);
}

void browser_screen_update(struct app *app, void *state)
{
	refresh(app, state, false);
}

unsigned int browser_screen_inventory(struct app *app, void *state)
{
	struct browser *browser = state;

	(void)app;
	return browser->kind->parts;
}

bool browser_screen_target(struct app *app, void *state, struct target *ret_target)
{
	struct browser *browser = state;
	const struct browser_item *item = browser_selected(browser);

	(void)app;
	return item && browser->kind->target && browser->kind->target(browser, item, ret_target);
}

/* ---- drawing ---------------------------------------------------------------------------- */

static bool has_pane(const struct browser *browser)
{
	return browser->pane && browser->kind->has_detail;
}

static void build_own(struct detail *detail, const void *data)
{
	const struct browser *browser = data;
	const struct browser_item *item = browser_selected(browser);

	if (item)
		browser->kind->detail(browser, item, detail);
}

/* About what is selected, which is no target. */
static void draw_own_pane(struct app *app, const struct browser *browser, struct canvas *canvas,
			  struct rect pane)
{
	const struct browser_item *item = browser_selected(browser);

	pane_draw_edge(canvas, pane);
	detail_make(&app->detail, canvas, pane.width, item ? browser_key_hash(&item->key) : 0,
		    build_own, browser);
	detail_draw(&app->detail, canvas, pane);
}

void browser_screen_draw(struct app *app, void *state, struct canvas *canvas, struct rect area)
{
	struct browser *browser = state;
	struct target target = { .kind = TARGET_NONE };
	struct rect pane = { 0 };

	/* Another screen may have lain above it while a newer inventory came. */
	refresh(app, browser, false);
	if (has_pane(browser))
		pane = pane_split(&area);
	browser_draw(browser, canvas, area);
	if (!has_pane(browser))
		return;
	if (browser->kind->detail) {
		draw_own_pane(app, browser, canvas, pane);
		return;
	}
	browser_screen_target(app, state, &target);
	pane_draw(app, &target, canvas, pane);
}

static void add_age(const struct browser *browser, uint64_t now_ns, struct strbuf *text)
{
	uint64_t read_at = browser->kind->read_at(browser->inventory);

	strbuf_add_string(text, "  read ");
	format_age(text, now_ns > read_at ? (double)(now_ns - read_at) / 1e9 : 0);
	strbuf_add_string(text, " ago");
}

/* What follows is said where it fits whole. Returns the columns used. */
static int draw_count(const struct browser *browser, struct canvas *canvas, int x, int y, int room)
{
	const struct browser_kind *kind = browser->kind;
	uint32_t n = browser->n_matched;
	char text[64];

	snprintf(text, sizeof(text), "  %u %s", n, n == 1 ? kind->one : kind->many);
	if (canvas_text_width(canvas, text) > room)
		return 0;
	return canvas_text(canvas, x, y, room, text, ROLE_DEFAULT);
}

static int draw_denied(const struct browser *browser, struct canvas *canvas, int x, int y, int room)
{
	const struct browser_kind *kind = browser->kind;
	uint32_t n = kind->denied ? kind->denied(browser->inventory) : 0;
	char text[64];

	snprintf(text, sizeof(text), "  %u denied", n);
	if (n == 0 || canvas_text_width(canvas, text) > room)
		return 0;
	return canvas_text(canvas, x, y, room, text, ROLE_DENIED);
}

void browser_screen_summary(struct app *app, void *state, struct canvas *canvas, struct rect area)
{
	struct browser *browser = state;
	const struct browser_kind *kind = browser->kind;
	int x = area.x, end = area.x + area.width;
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	x += canvas_text(canvas, x, area.y, end - x, kind->trees[browser->tree], ROLE_DEFAULT);
	x += canvas_text(canvas, x, area.y, end - x, " by ", ROLE_LABEL);
	x += canvas_text(canvas, x, area.y, end - x, kind->columns[browser->sort].title,
			 ROLE_DEFAULT);
	if (browser->scope.kind != TARGET_NONE) {
		x += canvas_text(canvas, x, area.y, end - x, "  of ", ROLE_LABEL);
		target_describe(app->snapshot, &browser->scope, &text);
		x += canvas_text_cut(canvas, x, area.y, end - x, text.data ? text.data : "",
				     CUT_START, ROLE_STATUS);
	}
	strbuf_clear(&text);
	if (*browser->filter) {
		x += canvas_text(canvas, x, area.y, end - x, "  filter ", ROLE_LABEL);
		escape_terminal_append(&text, browser->filter, strlen(browser->filter));
		x += canvas_text_cut(canvas, x, area.y, end - x, text.data ? text.data : "",
				     CUT_END, ROLE_STATUS);
	}
	if (!browser_has_data(browser))
		return;
	x += draw_count(browser, canvas, x, area.y, end - x);
	if (!browser->inventory)
		return;
	x += draw_denied(browser, canvas, x, area.y, end - x);
	strbuf_clear(&text);
	add_age(browser, browser->now_ns, &text);
	if (text.data && canvas_text_width(canvas, text.data) <= end - x)
		canvas_text(canvas, x, area.y, end - x, text.data, ROLE_ZERO);
}

/* ---- moving ----------------------------------------------------------------------------- */

struct list *browser_screen_list(struct app *app, void *state)
{
	(void)app;
	return &((struct browser *)state)->list;
}

void browser_screen_moved(struct app *app, void *state)
{
	(void)app;
	browser_pin(state);
}

void browser_screen_sort(struct app *app, struct browser *browser, int column)
{
	if (browser->sort == column)
		browser->ascending = !browser->ascending;
	else
		browser->ascending = !browser->kind->columns[column].descending;
	browser->sort = column;
	refresh(app, browser, true);
}

void browser_screen_click(struct app *app, void *state, int x, int y)
{
	struct browser *browser = state;
	struct rect area = app->body;
	int64_t row;

	if (has_pane(browser))
		pane_split(&area);
	x -= area.x;
	y -= area.y;
	row = browser->list.top + y - 1;
	if (x >= area.width || y >= area.height)
		return;
	if (y == 0 && browser_column_at(browser, area.width, x) >= 0) {
		browser_screen_sort(app, browser, browser_column_at(browser, area.width, x));
	} else if (y > 0 && row < browser->list.n) {
		browser->list.cursor = row;
		browser_pin(browser);
	}
}

/* ---- keys: order ------------------------------------------------------------------------ */

static void step_sort(struct app *app, int by)
{
	struct browser *browser = browser_on_top(app);
	int column = browser->sort + by;

	if (column >= 0 && column < browser->kind->n_columns)
		browser_screen_sort(app, browser, column);
}

static void reverse_sort(struct app *app, int unused)
{
	struct browser *browser = browser_on_top(app);

	(void)unused;
	browser_screen_sort(app, browser, browser->sort);
}

static void step_tree(struct app *app, int by)
{
	struct browser *browser = browser_on_top(app);

	browser->tree = (browser->tree + by) % browser->kind->n_trees;
	refresh(app, browser, true);
}

static void scroll_columns(struct app *app, int by)
{
	struct browser *browser = browser_on_top(app);
	int offset = browser->column_offset + by;

	if (offset >= 0 && offset < browser->kind->n_columns - 1)
		browser->column_offset = offset;
}

/* ---- keys: folding ---------------------------------------------------------------------- */

enum fold_way { FOLD_CLOSE, FOLD_OPEN, FOLD_TOGGLE, FOLD_OUT, FOLD_IN };

static void move_to_parent(struct app *app, struct browser *browser)
{
	const struct browser_row *row = &browser->rows[browser->list.cursor];

	if (row->depth == 0)
		return;
	do {
		browser->list.cursor--;
	} while (browser->rows[browser->list.cursor].depth >= row->depth);
	list_fit(&browser->list, browser->n_rows, browser->list.page);
	browser_screen_moved(app, browser);
}

/* Left goes out: closes what is open, then climbs. Right goes in: opens, then steps down. */
static bool walk(struct app *app, struct browser *browser, enum fold_way way)
{
	const struct browser_row *row = &browser->rows[browser->list.cursor];

	if (way == FOLD_OUT && (!row->has_children || row->folded)) {
		move_to_parent(app, browser);
		return true;
	}
	if (way == FOLD_IN && row->has_children && !row->folded) {
		list_move(&browser->list, LIST_DOWN);
		browser_screen_moved(app, browser);
		return true;
	}
	return !row->has_children;
}

static void fold(struct app *app, int way)
{
	struct browser *browser = browser_on_top(app);
	const struct browser_row *row;
	uint64_t key;

	if (!browser->tree && (way == FOLD_OUT || way == FOLD_IN)) {
		scroll_columns(app, way == FOLD_IN ? 1 : -1);
		return;
	}
	if (browser->n_rows == 0)
		return;
	if (!browser_can_fold(browser)) {
		app_set_status(app, ROLE_STATUS,
			       browser->tree ? "what is chosen is shown whole: nothing folds"
					     : "the list has nothing to fold: t for a tree");
		return;
	}
	if (walk(app, browser, (enum fold_way)way))
		return;
	row = &browser->rows[browser->list.cursor];
	key = browser_key_hash(&browser->items[row->item].key);
	folds_set(&browser->folds, key, row->depth,
		  way == FOLD_TOGGLE ? !row->folded : way == FOLD_CLOSE || way == FOLD_OUT);
	browser->pinned = true;
	refresh(app, browser, true);
}

void browser_screen_toggle(struct app *app)
{
	fold(app, FOLD_TOGGLE);
}

static void fold_depth(struct app *app, int depth)
{
	struct browser *browser = browser_on_top(app);

	/* Here the first level has no root above it. */
	folds_set_depth(&browser->folds, depth ? (uint32_t)depth - 1 : FOLDS_NONE);
	browser->pinned = true;
	refresh(app, browser, true);
}

/* ---- keys: what is shown ---------------------------------------------------------------- */

static void filter_changed(struct app *app, const char *text)
{
	struct browser *browser = browser_on_top(app);

	if (!browser)
		return;
	snprintf(browser->filter, sizeof(browser->filter), "%s", text);
	refresh(app, browser, true);
}

static void filter_done(struct app *app, const char *text)
{
	struct browser *browser = browser_on_top(app);

	if (!text && browser)
		filter_changed(app, browser->filter_before);
}

static void ask_filter(struct app *app, int unused)
{
	struct browser *browser = browser_on_top(app);

	(void)unused;
	if (!browser)
		return;
	memcpy(browser->filter_before, browser->filter, sizeof(browser->filter));
	app_prompt(app, "Filter (words that all have to be in the row): ", browser->filter,
		   filter_changed, filter_done);
}

static void show_all(struct app *app, int unused)
{
	struct browser *browser = browser_on_top(app);

	(void)unused;
	browser->scope.kind = TARGET_NONE;
	browser->filter[0] = '\0';
	browser->pinned = true;
	refresh(app, browser, true);
}

/* First the filter goes, then one goes back. */
static void escape(struct app *app, int unused)
{
	struct browser *browser = browser_on_top(app);

	if (*browser->filter)
		filter_changed(app, "");
	else
		app_close_screen(app, unused);
}

static void toggle_pane(struct app *app, int unused)
{
	struct browser *browser = browser_on_top(app);

	(void)unused;
	if (!browser->kind->has_detail)
		app_set_status(app, ROLE_STATUS, "the row says all there is");
	else
		browser->pane = !browser->pane;
}

static void scroll_pane(struct app *app, int move)
{
	if (has_pane(browser_on_top(app)))
		list_move(&app->detail.list, (enum list_move)move);
}

static void open_detail(struct app *app, int unused)
{
	struct browser *browser = browser_on_top(app);
	struct target target;

	(void)unused;
	if (browser_screen_target(app, browser, &target))
		app_open_for(app, SCREEN_DETAIL, &target);
	else
		fold(app, FOLD_TOGGLE);
}

/* clang-format off */
static const struct binding keys[] = {
	{ { K_F(3), 'i' }, "Info", toggle_pane, 0, "pane with everything about what is selected" },
	{ { 'J' }, NULL, scroll_pane, LIST_WHEEL_DOWN, "scroll that pane" },
	{ { 'K' }, NULL, scroll_pane, LIST_WHEEL_UP, NULL },
	{ { K_ENTER }, NULL, open_detail, 0, "the same on the whole screen" },
	{ { K_F(4), '/' }, "Find", ask_filter, 0, "show only rows with all of the words in them" },
	{ { 'a' }, NULL, show_all, 0, "show all again, after a jump or a filter" },
	{ { K_F(6), 's' }, "Sort", app_open_screen, SCREEN_SORT, "choose the column to sort by" },
	{ { '<', ',' }, NULL, step_sort, -1, "sort by the column to the left, right" },
	{ { '>', '.' }, NULL, step_sort, 1, NULL },
	{ { 'I' }, NULL, reverse_sort, 0, "the other way round" },
	{ { K_F(8), 't' }, "Tree", step_tree, 1, "the next kind of tree, or a list of all in one order" },
	{ { K_LEFT }, NULL, fold, FOLD_OUT, "fold, then to the parent; in a list, columns to the left" },
	{ { K_RIGHT }, NULL, fold, FOLD_IN, "unfold, then to the first child; in a list, columns to the right" },
	{ { ' ' }, NULL, fold, FOLD_TOGGLE, "fold or unfold" },
	{ { '-' }, NULL, fold, FOLD_CLOSE, "fold, unfold" },
	{ { '+' }, NULL, fold, FOLD_OPEN, NULL },
	{ { '*', '0' }, NULL, fold_depth, 0, "unfold all" },
	{ { '1', '=' }, NULL, fold_depth, 1, "show that many levels (1 to 3)" },
	{ { '2' }, NULL, fold_depth, 2, NULL },
	{ { '3' }, NULL, fold_depth, 3, NULL },
	{ { K_SHIFT_LEFT, 'H' }, NULL, scroll_columns, -1, "scroll the columns left, right" },
	{ { K_SHIFT_RIGHT, 'L' }, NULL, scroll_columns, 1, NULL },
	{ { K_ESCAPE }, NULL, escape, 0, "clear the filter; without one, back to where you were" },
};
/* clang-format on */

const struct keymap browser_keys = { keys, ARRAY_SIZE(keys) };
