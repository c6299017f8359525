// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tui/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/inventory.h"

void view_init(struct view *view)
{
	*view = (struct view){ .tree = true, .folds.depth = FOLDS_NONE };
	while (metric_default_columns[view->n_columns] != M_NONE) {
		view->columns[view->n_columns] = metric_default_columns[view->n_columns];
		view->n_columns++;
	}
	view->sort = view->columns[0];
}

void view_done(struct view *view)
{
	free(view->rows);
	free(view->matched);
	free(view->lines);
	folds_done(&view->folds);
	history_done(&view->history);
	*view = (struct view){ 0 };
}

void view_needs(const struct view *view, struct metric_set *set)
{
	for (size_t i = 0; i < view->n_columns; i++)
		metric_set_add(set, view->columns[i]);
	if (view->sort != M_NONE)
		metric_set_add(set, view->sort);
	if (view->hide_empty)
		metric_set_add(set, M_CGROUP_PROCS_SUBTREE);
	metric_set_add(set, M_FREEZER_FROZEN);
}

static int reserve(struct view *view, uint32_t n)
{
	uint32_t *rows;
	uint64_t *lines;
	bool *matched;

	if (n <= view->capacity && view->rows)
		return 0;
	n += n / 4 + 64;
	if ((rows = realloc(view->rows, n * sizeof(*rows))))
		view->rows = rows;
	if ((matched = realloc(view->matched, n * sizeof(*matched))))
		view->matched = matched;
	if ((lines = realloc(view->lines, n * sizeof(*lines))))
		view->lines = lines;
	if (!rows || !matched || !lines)
		return -ENOMEM;
	view->capacity = n;
	return 0;
}

bool view_can_fold(const struct view *view)
{
	return view->tree && !*view->filter;
}

static bool is_folded(const struct node *node, void *data)
{
	return folds_is_folded(data, node->serial, node->depth);
}

const struct container *view_container(const struct snapshot *snapshot, const struct node *node)
{
	const struct container *container;

	if (node->kind != NODE_CONTAINER || !node->container_id || !snapshot->inventory)
		return NULL;
	container = containers_find(snapshot->inventory->containers, node->container_id);
	return container && container->name ? container : NULL;
}

static bool is_named(const struct node *node, const char *text, void *data)
{
	const struct container *container = view_container(data, node);

	return container && (strcasestr(container->name, text) ||
			     (container->image && strcasestr(container->image, text)));
}

static void run_query(struct view *view, const struct snapshot *snapshot)
{
	struct query query = {
		.glob = *view->filter && view->filter_is_glob ? view->filter : NULL,
		.text = *view->filter && !view->filter_is_glob ? view->filter : NULL,
		.is_named = is_named,
		.is_named_data = (void *)snapshot,
		.tree = view->tree,
		.by_path = view->by_path,
		.column = view->sort,
		.ascending = view->ascending,
		.folded = view_can_fold(view) ? is_folded : NULL,
		.folded_data = &view->folds,
	};

	view->n_rows = query_run(&query, snapshot, view->rows, view->matched);
}

/* Leaves out what has no process anywhere below it; a tree stays a tree by that. */
static void drop_empty(struct view *view, const struct snapshot *snapshot)
{
	uint32_t n = 0;

	for (uint32_t row = 0; row < view->n_rows; row++) {
		double procs;

		if (snapshot_number(snapshot, M_CGROUP_PROCS_SUBTREE, view->rows[row], &procs) ==
			    VALUE_OK &&
		    procs == 0)
			continue;
		view->rows[n] = view->rows[row];
		view->matched[n++] = view->matched[row];
	}
	view->n_rows = n;
}

static int64_t row_of_serial(const struct view *view, const struct snapshot *snapshot,
			     uint64_t serial)
{
	for (uint32_t row = 0; row < view->n_rows; row++) {
		if (snapshot->tree->nodes[view->rows[row]]->serial == serial)
			return row;
	}
	return -1;
}

/* The row of the cgroup or, if it has none, of the nearest one above it. */
static int64_t row_near(const struct view *view, const struct snapshot *snapshot, uint64_t serial)
{
	const struct tree *tree = snapshot->tree;
	int64_t row = row_of_serial(view, snapshot, serial);
	uint32_t index;

	if (row >= 0 || !view->tree)
		return row;
	for (index = tree_find_serial(tree, serial); index != NODE_NONE && row < 0;
	     index = tree->parent[index])
		row = row_of_serial(view, snapshot, tree->nodes[index]->serial);
	return row;
}

static void restore_cursor(struct view *view, const struct snapshot *snapshot)
{
	struct list *list = &view->list;
	int64_t row = view->pinned ? row_near(view, snapshot, view->selected) : 0;

	if (row >= 0) {
		/* In a tree the surroundings stay put too; in a ranking the window does. */
		if (view->tree && view->pinned)
			list->top += row - list->cursor;
		list->cursor = row;
	}
	list_fit(list, view->n_rows, list->page);
	if (view->n_rows > 0)
		view->selected = snapshot->tree->nodes[view->rows[list->cursor]]->serial;
}

/* Notes how far serials have come when cgroups came or went. */
static void note_appearances(struct view *view, const struct snapshot *snapshot, uint64_t now_ns)
{
	const struct tree *tree = snapshot->tree;
	const unsigned int room = ARRAY_SIZE(view->seen);
	uint64_t max_serial = 0;

	if (view->n_seen > 0 && view->generation == tree->generation)
		return;
	for (uint32_t i = 0; i < tree->n; i++)
		max_serial = tree->nodes[i]->serial > max_serial ? tree->nodes[i]->serial
								 : max_serial;
	if (view->n_seen > 0 && max_serial < view->seen[(view->n_seen - 1) % room].max_serial)
		max_serial = view->seen[(view->n_seen - 1) % room].max_serial;
	view->seen[view->n_seen++ % room] = (struct appearance){ now_ns, max_serial };
	view->generation = tree->generation;
}

bool view_is_new(const struct view *view, const struct node *node, uint64_t now_ns)
{
	const unsigned int room = ARRAY_SIZE(view->seen);
	unsigned int back = view->n_seen < room ? view->n_seen : room;

	/*
	 * New is what no notice older than the limit covers. What was there at the very first
	 * snapshot is not new: nobody knows since when it was.
	 */
	for (unsigned int i = 1; i <= back; i++) {
		const struct appearance *seen = &view->seen[(view->n_seen - i) % room];
		bool first = view->n_seen <= room && i == back;

		if (seen->max_serial < node->serial)
			return i > 1;
		if (first || now_ns - seen->time_ns > VIEW_NEW_NS)
			return false;
	}
	return false;
}

int view_update(struct view *view, const struct snapshot *snapshot, uint64_t now_ns)
{
	int r = reserve(view, snapshot->tree->n);
	uint64_t below = 0;

	if (r < 0)
		return r;
	note_appearances(view, snapshot, now_ns);
	history_add(&view->history, snapshot, view->sort);
	run_query(view, snapshot);
	if (view->hide_empty)
		drop_empty(view, snapshot);
	for (uint32_t row = view->n_rows; view->tree && row-- > 0;)
		view->lines[row] = view_tree_line(&below,
						  snapshot->tree->nodes[view->rows[row]]->depth);
	view->n_matched = 0;
	for (uint32_t row = 0; row < view->n_rows; row++)
		view->n_matched += view->matched[row];
	restore_cursor(view, snapshot);
	return 0;
}

uint32_t view_selected(const struct view *view)
{
	return view->n_rows > 0 ? view->rows[view->list.cursor] : NODE_NONE;
}

void view_pin(struct view *view, const struct snapshot *snapshot)
{
	view->pinned = view->list.cursor > 0;
	if (view->n_rows > 0)
		view->selected = snapshot->tree->nodes[view_selected(view)]->serial;
}

bool view_select(struct view *view, const struct snapshot *snapshot, uint32_t index)
{
	for (uint32_t row = 0; row < view->n_rows; row++) {
		if (view->rows[row] != index)
			continue;
		view->list.cursor = row;
		list_fit(&view->list, view->n_rows, view->list.page);
		view_pin(view, snapshot);
		return true;
	}
	return false;
}

void view_set_filter(struct view *view, const char *text)
{
	snprintf(view->filter, sizeof(view->filter), "%s", text);
	view->filter_is_glob = strchr(text, '*') != NULL;
}

int view_reveal(struct view *view, const struct snapshot *snapshot, uint32_t index, uint64_t now_ns)
{
	const struct tree *tree = snapshot->tree;
	int r;

	for (uint32_t up = tree->parent[index]; up != NODE_NONE; up = tree->parent[up])
		folds_set(&view->folds, tree->nodes[up]->serial, tree->nodes[up]->depth, false);
	view->selected = tree->nodes[index]->serial;
	view->pinned = true;
	r = view_update(view, snapshot, now_ns);
	if (r < 0 || view_selected(view) == index)
		return r;
	/* A filter hides it. */
	view_set_filter(view, "");
	view->hide_empty = false;
	view->selected = tree->nodes[index]->serial;
	view->pinned = true;
	return view_update(view, snapshot, now_ns);
}
