/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/inventory.h"
#include "core/join.h"
#include "core/policy_report.h"
#include "tui/canvas.h"
#include "tui/list.h"
#include "tui/screen.h"
#include "tui/theme.h"
#include "tui/users.h"
#include "tui/view_tree.h"

/*
 * A list or tree of things from the inventory or from the agent's report, with columns: what the
 * screens of namespaces, their limits, overlays, storage drivers and policies have in common. A
 * screen gives a struct browser_kind; order, filter, folding and cursor are here (browser.c),
 * drawing is in browser_table.c, keys in browser_screen.c.
 */

#define BROWSER_NONE UINT32_MAX

/* Who an item is, over refreshes. */
struct browser_key {
	uint64_t kind, id;
};

struct browser_item {
	struct browser_key key;
	uint32_t parent;   /* item that it hangs below in a tree, or BROWSER_NONE */
	uint32_t index;	   /* the screen's: what it stands for */
	int what;	   /* the screen's: of what sort it is */
	const char *group; /* the screen's: name of an item that stands for no more than that */
};

struct browser_row {
	uint32_t item, depth;
	uint64_t lines;
	uint32_t below; /* rows hidden in it while it is folded */
	bool matched;	/* itself; else it only carries one that did */
	bool has_children, folded;
};

struct browser;
struct detail;

struct browser_column {
	const char *title, *help;
	int width;	 /* without the gap; of a flexible column the least */
	int weight;	 /* its share of the room that is left over; 0: fixed */
	int priority;	 /* shown where there is room for all of lower ones: 0 always */
	bool right;	 /* against the right edge */
	bool descending; /* what people want first is the most */
	enum cut cut;
	/* The role of the cell and its text, safe for a terminal. */
	enum role (*add)(const struct browser *browser, const struct browser_item *item,
			 struct strbuf *text);
	/* To sort by: NAN for none. NULL: by the text. */
	double (*number)(const struct browser *browser, const struct browser_item *item);
};

struct browser_kind {
	const char *one, *many;		      /* "namespace", "namespaces" */
	const char *reading;		      /* what is said until the first inventory is there */
	const char *none;		      /* and where there is nothing to show */
	unsigned int parts;		      /* enum inventory_parts */
	const struct browser_column *columns; /* the first one carries the tree */
	int n_columns;
	const char *const *trees; /* names of the orders; [0] is the list */
	int n_trees, first_tree, first_sort;
	bool has_detail; /* targets of items have lines in the pane */
	bool of_report;	 /* it shows browser->report; there is no inventory, and no marks */
	/* Lines for the pane about what is no target. NULL: those of the target. */
	void (*detail)(const struct browser *browser, const struct browser_item *item,
		       struct detail *detail);
	/* Why nothing is shown although something is there to be asked; NULL: `none`. */
	const char *(*reason)(const struct browser *browser);
	/* True once the snapshot has what is shown. Like read_at not for kinds of a report. */
	bool (*is_there)(const struct inventory *inventory);
	/* Adds the items (browser_add()), parents before or after their children. -ENOMEM. */
	int (*fill)(struct browser *browser);
	/* Marks the items that have to do with browser->scope; NULL: all have. */
	void (*mark)(struct browser *browser, bool *marks);
	/* A word of the filter that is no text: 1 it fits the item, 0 it does not, -1 a text. */
	int (*word)(const struct browser *browser, const struct browser_item *item,
		    const char *word, size_t length);
	/* What it stands for. False: nothing to jump from. */
	bool (*target)(const struct browser *browser, const struct browser_item *item,
		       struct target *ret_target);
	/* How many processes or mount namespaces there was no right to look into, or NULL. */
	uint32_t (*denied)(const struct inventory *inventory);
	/* When that was read, CLOCK_BOOTTIME. */
	uint64_t (*read_at)(const struct inventory *inventory);
};

struct browser {
	const struct browser_kind *kind; /* NULL until it was opened */
	struct users *users;
	/* What the items are from; a reference. Its inventory is what is_there() agreed to. */
	struct snapshot *snapshot;
	const struct inventory *inventory;
	struct policy_report *report; /* a reference; NULL: none yet, or not of this kind */
	bool new_report;	      /* the rows are of the one before */
	uint64_t now_ns;	      /* CLOCK_BOOTTIME of the latest snapshot, for ages */
	struct browser_item *items;
	uint32_t n_items, capacity;
	struct browser_row *rows;
	uint32_t n_rows, n_matched, rows_capacity;
	struct list list;
	struct browser_key selected;
	bool pinned; /* the cursor holds on to the item, not to the first row */
	struct target scope;
	char filter[VIEW_FILTER], filter_before[VIEW_FILTER];
	struct folds folds;
	int tree, sort, column_offset;
	bool ascending, pane;
};

/* Makes it ready for a kind: nothing is read yet. The same kind again changes nothing. */
void browser_init(struct browser *browser, const struct browser_kind *kind, struct users *users);
void browser_done(struct browser *browser);
/* Another report for the next update; takes a reference. The same again changes nothing. */
void browser_set_report(struct browser *browser, struct policy_report *report);
/* True if there is something to take items from. */
bool browser_has_data(const struct browser *browser);
/*
 * Takes what the snapshot (may be NULL) has, if that is other than before, and works the rows out.
 * With `force` also if it is the same: after another order, filter, scope. -ENOMEM.
 */
int browser_update(struct browser *browser, struct snapshot *snapshot, bool force);
/* For kind->fill. -ENOMEM. */
int browser_add(struct browser *browser, const struct browser_item *item);
/* The identity of something that has only a name. */
struct browser_key browser_key_of_text(uint64_t kind, const char *text);
/* The selected item, or NULL. */
const struct browser_item *browser_selected(const struct browser *browser);
/* After the cursor was moved. */
void browser_pin(struct browser *browser);
/* Moves the cursor there; unfolds and drops the filter where it would be hidden. -ENOMEM. */
int browser_reveal(struct browser *browser, const struct browser_key *key);
bool browser_can_fold(const struct browser *browser);
bool browser_key_equal(const struct browser_key *a, const struct browser_key *b);
/* One number for the folds. */
uint64_t browser_key_hash(const struct browser_key *key);

/* ---- browser_table.c ---- */

/* The headings in the first row of `area`, the rows below. */
void browser_draw(struct browser *browser, struct canvas *canvas, struct rect area);
/* The column whose heading stands at `x` columns from the left, or -1. */
int browser_column_at(const struct browser *browser, int width, int x);
