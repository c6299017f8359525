// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tui/browser.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

void browser_init(struct browser *browser, const struct browser_kind *kind, struct users *users)
{
	if (browser->kind)
		return;
	*browser = (struct browser){ .kind = kind,
				     .users = users,
				     .tree = kind->first_tree,
				     .sort = kind->first_sort,
				     .ascending = !kind->columns[kind->first_sort].descending,
				     .folds.depth = FOLDS_NONE };
}

void browser_done(struct browser *browser)
{
	snapshot_unref(browser->snapshot);
	policy_report_unref(browser->report);
	free(browser->items);
	free(browser->rows);
	folds_done(&browser->folds);
	*browser = (struct browser){ 0 };
}

bool browser_key_equal(const struct browser_key *a, const struct browser_key *b)
{
	return a->kind == b->kind && a->id == b->id;
}

uint64_t browser_key_hash(const struct browser_key *key)
{
	return (key->kind * UINT64_C(0x9e3779b97f4a7c15)) ^ key->id;
}

struct browser_key browser_key_of_text(uint64_t kind, const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return (struct browser_key){ kind, hash };
}

int browser_add(struct browser *browser, const struct browser_item *item)
{
	if (browser->n_items == browser->capacity) {
		uint32_t capacity = browser->capacity ? 2 * browser->capacity : 256;
		struct browser_item *grown = realloc(browser->items, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		browser->items = grown;
		browser->capacity = capacity;
	}
	browser->items[browser->n_items++] = *item;
	return 0;
}

/* ---- which items ------------------------------------------------------------------------ */

/* What rows are worked out with; freed afterwards. */
struct work {
	struct browser *browser;
	bool *matched, *kept;
	uint32_t *order; /* items, sorted */
	uint32_t *child, *next;
	double *numbers;
	char **texts;
};

static void work_done(struct work *work, uint32_t n)
{
	for (uint32_t i = 0; work->texts && i < n; i++)
		free(work->texts[i]);
	free(work->matched);
	free(work->kept);
	free(work->order);
	free(work->child);
	free(work->next);
	free(work->numbers);
	free(work->texts);
}

static int work_init(struct work *work, struct browser *browser)
{
	size_t n = (size_t)browser->n_items + 1;

	*work = (struct work){
		.browser = browser,
		.matched = calloc(n, sizeof(*work->matched)),
		.kept = calloc(n, sizeof(*work->kept)),
		.order = calloc(n, sizeof(*work->order)),
		.child = calloc(n, sizeof(*work->child)),
		.next = calloc(n, sizeof(*work->next)),
		.numbers = calloc(n, sizeof(*work->numbers)),
		.texts = calloc(n, sizeof(*work->texts)),
	};
	return work->matched && work->kept && work->order && work->child && work->next &&
			       work->numbers && work->texts
		       ? 0
		       : -ENOMEM;
}

/* All cells with a blank line's breadth between, to look for words in. */
static void add_cells(const struct browser *browser, const struct browser_item *item,
		      struct strbuf *text)
{
	for (int i = 0; i < browser->kind->n_columns; i++) {
		browser->kind->columns[i].add(browser, item, text);
		strbuf_add_string(text, "  ");
	}
}

/* Words with blanks between: all have to fit. */
static bool fits_filter(const struct browser *browser, const struct browser_item *item,
			struct strbuf *cells)
{
	const char *at = browser->filter;

	strbuf_clear(cells);
	while (*at) {
		size_t length;
		char word[VIEW_FILTER];
		int fits = -1;

		at += strspn(at, " ");
		length = strcspn(at, " ");
		if (length == 0)
			break;
		if (browser->kind->word)
			fits = browser->kind->word(browser, item, at, length);
		if (fits < 0) {
			if (cells->length == 0)
				add_cells(browser, item, cells);
			memcpy(word, at, length);
			word[length] = '\0';
			fits = cells->data && strcasestr(cells->data, word);
		}
		if (!fits)
			return false;
		at += length;
	}
	return true;
}

static void match_items(struct work *work)
{
	struct browser *browser = work->browser;
	_cleanup_(strbuf_done) struct strbuf cells = { 0 };

	if (browser->scope.kind != TARGET_NONE && browser->kind->mark)
		browser->kind->mark(browser, work->matched);
	else
		memset(work->matched, true, browser->n_items * sizeof(*work->matched));
	for (uint32_t i = 0; *browser->filter && i < browser->n_items; i++)
		work->matched[i] = work->matched[i] &&
				   fits_filter(browser, &browser->items[i], &cells);
}

/*
 * What was read while things moved may go round in a circle: a parent counts only if the way up
 * from it ends. `next` serves as the list of parents that are good so far.
 */
static void break_circles(struct work *work)
{
	struct browser *browser = work->browser;
	uint32_t *parent = work->next;

	for (uint32_t i = 0; i < browser->n_items; i++)
		parent[i] = BROWSER_NONE;
	for (uint32_t i = 0; i < browser->n_items; i++) {
		uint32_t up = browser->tree ? browser->items[i].parent : BROWSER_NONE, above = up;

		while (above != BROWSER_NONE && above != i)
			above = parent[above];
		if (above == BROWSER_NONE)
			parent[i] = up;
	}
	for (uint32_t i = 0; i < browser->n_items; i++)
		browser->items[i].parent = parent[i];
}

/* In a tree what leads to a match stays. */
static void keep_items(struct work *work)
{
	const struct browser *browser = work->browser;

	for (uint32_t i = 0; i < browser->n_items; i++) {
		for (uint32_t at = i; work->matched[i] && at != BROWSER_NONE && !work->kept[at];
		     at = browser->items[at].parent)
			work->kept[at] = true;
	}
}

/* ---- in which order --------------------------------------------------------------------- */

static int compare_keys(const struct browser_key *a, const struct browser_key *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

/* What has no value comes last in both directions; equal ones by identity: rows stand still. */
static int compare(const void *left, const void *right, void *data)
{
	const struct work *work = data;
	const struct browser *browser = work->browser;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	int order = 0, sign = browser->ascending ? 1 : -1;

	if (browser->kind->columns[browser->sort].number) {
		double x = work->numbers[a], y = work->numbers[b];

		if (isnan(x) != isnan(y))
			return isnan(x) ? 1 : -1;
		order = isnan(x) ? 0 : (x > y) - (x < y);
	} else if (work->texts[a] && work->texts[b]) {
		if (!*work->texts[a] != !*work->texts[b])
			return *work->texts[a] ? -1 : 1;
		order = strcmp(work->texts[a], work->texts[b]);
	}
	if (order == 0 && browser->items[a].group && browser->items[b].group)
		return strcmp(browser->items[a].group, browser->items[b].group);
	return order ? order * sign : compare_keys(&browser->items[a].key, &browser->items[b].key);
}

static void sort_items(struct work *work)
{
	struct browser *browser = work->browser;
	const struct browser_column *column = &browser->kind->columns[browser->sort];

	for (uint32_t i = 0; i < browser->n_items; i++) {
		struct strbuf text;

		work->order[i] = i;
		if (column->number) {
			work->numbers[i] = column->number(browser, &browser->items[i]);
			continue;
		}
		strbuf_init(&text);
		column->add(browser, &browser->items[i], &text);
		work->texts[i] = text.data ? strbuf_take(&text) : strdup("");
	}
	if (browser->n_items > 1)
		qsort_r(work->order, browser->n_items, sizeof(*work->order), compare, work);
}

/* First children and next siblings, of the items kept, in order; slot n_items is above all. */
static void link_items(struct work *work)
{
	const struct browser *browser = work->browser;
	uint32_t n = browser->n_items;

	for (uint32_t i = 0; i <= n; i++)
		work->child[i] = work->next[i] = BROWSER_NONE;
	for (uint32_t i = n; i-- > 0;) {
		uint32_t item = work->order[i], up = browser->items[item].parent;

		if (!work->kept[item])
			continue;
		up = up == BROWSER_NONE ? n : up;
		work->next[item] = work->child[up];
		work->child[up] = item;
	}
}

bool browser_can_fold(const struct browser *browser)
{
	return browser->tree && !*browser->filter && browser->scope.kind == TARGET_NONE;
}

static int reserve_rows(struct browser *browser)
{
	struct browser_row *grown;

	if (browser->n_items <= browser->rows_capacity && browser->rows)
		return 0;
	grown = realloc(browser->rows, ((size_t)browser->n_items + 64) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	browser->rows = grown;
	browser->rows_capacity = browser->n_items + 64;
	return 0;
}

/* Depth first, from the slot above all; what is folded is counted and left out. */
static void walk(struct work *work)
{
	struct browser *browser = work->browser;
	uint32_t n = browser->n_items, at = work->child[n], depth = 0;
	uint32_t hidden_below = BROWSER_NONE; /* the row it is all folded into, */
	uint32_t hidden_depth = 0;	      /* and that row's depth */

	browser->n_rows = browser->n_matched = 0;
	while (at != BROWSER_NONE) {
		const struct browser_item *item = &browser->items[at];

		if (hidden_below != BROWSER_NONE && depth <= hidden_depth)
			hidden_below = BROWSER_NONE;
		browser->n_matched += work->matched[at] && !item->group;
		if (hidden_below != BROWSER_NONE) {
			browser->rows[hidden_below].below++;
		} else {
			bool folded = browser_can_fold(browser) &&
				      folds_is_folded(&browser->folds, browser_key_hash(&item->key),
						      depth);

			browser->rows[browser->n_rows] = (struct browser_row){
				.item = at,
				.depth = depth,
				.matched = work->matched[at],
				.has_children = work->child[at] != BROWSER_NONE,
				.folded = folded && work->child[at] != BROWSER_NONE,
			};
			if (folded) {
				hidden_below = browser->n_rows;
				hidden_depth = depth;
			}
			browser->n_rows++;
		}
		if (work->child[at] != BROWSER_NONE) {
			at = work->child[at];
			depth++;
			continue;
		}
		while (at != BROWSER_NONE && work->next[at] == BROWSER_NONE) {
			at = browser->items[at].parent;
			depth--;
		}
		if (at != BROWSER_NONE)
			at = work->next[at];
	}
}

/* ---- the cursor ------------------------------------------------------------------------- */

static uint32_t find_item(const struct browser *browser, const struct browser_key *key)
{
	for (uint32_t i = 0; i < browser->n_items; i++) {
		if (browser_key_equal(&browser->items[i].key, key))
			return i;
	}
	return BROWSER_NONE;
}

/* The row of an item, or the nearest above it that has one: it may be folded away. */
static int64_t row_near(const struct browser *browser, uint32_t item)
{
	for (; item != BROWSER_NONE; item = browser->items[item].parent) {
		for (uint32_t row = 0; row < browser->n_rows; row++) {
			if (browser->rows[row].item == item)
				return row;
		}
	}
	return -1;
}

/* What only leads to a match is not what somebody looked for. */
static int64_t first_match(const struct browser *browser)
{
	for (uint32_t row = 0; row < browser->n_rows; row++) {
		if (browser->rows[row].matched)
			return row;
	}
	return 0;
}

static void restore_cursor(struct browser *browser)
{
	struct list *list = &browser->list;
	int64_t row = browser->pinned ? row_near(browser, find_item(browser, &browser->selected))
				      : first_match(browser);

	if (row >= 0) {
		if (browser->tree && browser->pinned)
			list->top += row - list->cursor;
		list->cursor = row;
	}
	list_fit(list, browser->n_rows, list->page);
	if (browser->n_rows > 0)
		browser->selected = browser_selected(browser)->key;
}

const struct browser_item *browser_selected(const struct browser *browser)
{
	if (browser->n_rows == 0)
		return NULL;
	return &browser->items[browser->rows[browser->list.cursor].item];
}

void browser_pin(struct browser *browser)
{
	browser->pinned = browser->list.cursor > 0;
	if (browser->n_rows > 0)
		browser->selected = browser_selected(browser)->key;
}

static int work_rows_out(struct browser *browser)
{
	struct work work;
	uint64_t below = 0;
	int r = work_init(&work, browser);

	if (r == 0)
		r = reserve_rows(browser);
	if (r == 0) {
		break_circles(&work);
		match_items(&work);
		keep_items(&work);
		sort_items(&work);
		link_items(&work);
		walk(&work);
		for (uint32_t row = browser->n_rows; row-- > 0;)
			browser->rows[row].lines = view_tree_line(&below, browser->rows[row].depth);
		restore_cursor(browser);
	}
	work_done(&work, browser->n_items);
	return r;
}

static bool is_same(const struct browser *browser, const struct snapshot *snapshot)
{
	return browser->snapshot && snapshot->inventory == browser->snapshot->inventory &&
	       snapshot->tree == browser->snapshot->tree;
}

static int fill(struct browser *browser)
{
	browser->n_items = 0;
	if (!browser_has_data(browser))
		return 0;
	return browser->kind->fill(browser);
}

void browser_set_report(struct browser *browser, struct policy_report *report)
{
	if (report == browser->report)
		return;
	policy_report_unref(browser->report);
	browser->report = policy_report_ref(report);
	browser->new_report = true;
}

bool browser_has_data(const struct browser *browser)
{
	return browser->inventory || browser->report;
}

/* True if it is another one than the rows are made from. */
static bool take_snapshot(struct browser *browser, struct snapshot *snapshot)
{
	bool there = snapshot &&
		     (browser->kind->of_report ||
		      (snapshot->inventory && browser->kind->is_there(snapshot->inventory)));
	bool same = there && is_same(browser, snapshot) &&
		    (browser->kind->of_report || browser->inventory);

	/* What is shown stays until the same is there anew: parts may come and go meanwhile. */
	if (!there || same)
		return false;
	snapshot_unref(browser->snapshot);
	browser->snapshot = snapshot_ref(snapshot);
	browser->inventory = browser->kind->of_report ? NULL : snapshot->inventory;
	return true;
}

int browser_update(struct browser *browser, struct snapshot *snapshot, bool force)
{
	int r;

	if (snapshot)
		browser->now_ns = snapshot->boottime_ns;
	force = take_snapshot(browser, snapshot) || browser->new_report || force;
	browser->new_report = false;
	if (!force)
		return 0;
	r = fill(browser);
	if (r < 0)
		browser->n_items = 0;
	/* Rows of items that are gone must not stay. */
	browser->n_rows = browser->n_matched = 0;
	list_fit(&browser->list, 0, browser->list.page);
	return r < 0 || browser->n_items == 0 ? r : work_rows_out(browser);
}

static uint32_t depth_of(const struct browser *browser, uint32_t item)
{
	uint32_t depth = 0;

	while ((item = browser->items[item].parent) != BROWSER_NONE)
		depth++;
	return depth;
}

int browser_reveal(struct browser *browser, const struct browser_key *key)
{
	uint32_t item = find_item(browser, key);
	int r;

	browser->selected = *key;
	browser->pinned = true;
	if (item == BROWSER_NONE)
		return 0;
	for (uint32_t up = browser->items[item].parent; up != BROWSER_NONE;
	     up = browser->items[up].parent)
		folds_set(&browser->folds, browser_key_hash(&browser->items[up].key),
			  depth_of(browser, up), false);
	r = browser_update(browser, browser->snapshot, true);
	if (r < 0 || browser->n_rows == 0 ||
	    browser_key_equal(&browser_selected(browser)->key, key))
		return r;
	browser->filter[0] = '\0';
	browser->scope.kind = TARGET_NONE;
	browser->selected = *key;
	browser->pinned = true;
	return browser_update(browser, browser->snapshot, true);
}
