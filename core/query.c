// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "core/query.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/glob.h"

struct sorter {
	const struct query *query;
	const struct snapshot *snapshot;
};

/* Cells without a value come last in both directions; equal ones by path, so that rows stand still.
 */
static int compare(const void *left, const void *right, void *data)
{
	const struct sorter *sorter = data;
	const struct query *query = sorter->query;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	if (!query->by_path && query->column != M_NONE) {
		const struct snapshot *snapshot = sorter->snapshot;
		bool text = metric_get(query->column)->kind == KIND_TEXT;
		union value x = { 0 }, y = { 0 };
		bool has_x = snapshot_get(snapshot, query->column, a, &x) == VALUE_OK;
		bool has_y = snapshot_get(snapshot, query->column, b, &y) == VALUE_OK;

		if (has_x != has_y)
			return has_x ? -1 : 1;
		if (has_x && text && strcmp(x.text, y.text) != 0)
			return strcmp(x.text, y.text) * (query->ascending ? 1 : -1);
		if (has_x && !text) {
			double p = metric_to_double(query->column, x);
			double q = metric_to_double(query->column, y);

			if (p != q)
				return (p < q) == query->ascending ? -1 : 1;
		}
	}
	/* Tree order is path order by component. */
	return (a > b) - (a < b);
}

static bool node_matches(const struct query *query, const struct node *node)
{
	if (query->glob && !glob_match(query->glob, node->path))
		return false;
	return !query->text || !*query->text || strcasestr(node->path, query->text) ||
	       (query->is_named && query->is_named(node, query->text, query->is_named_data));
}

static uint32_t run_flat(const struct query *query, const struct snapshot *snapshot, uint32_t *rows)
{
	struct sorter sorter = { query, snapshot };
	uint32_t n = 0;

	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		if (node_matches(query, snapshot->tree->nodes[i]))
			rows[n++] = i;
	}
	qsort_r(rows, n, sizeof(*rows), compare, &sorter);
	return n;
}

struct tree_run {
	struct sorter sorter;
	const bool *keep, *match;
	uint32_t *rows, n;
	bool *matched;
};

static void emit(struct tree_run *run, uint32_t index)
{
	if (run->matched)
		run->matched[run->n] = run->match[index];
	run->rows[run->n++] = index;
}

/* The children of `index` in order, each with its subtree. Depth is bounded by the kernel's paths.
 */
static void emit_children(struct tree_run *run, uint32_t index)
{
	const struct query *query = run->sorter.query;
	const struct tree *tree = run->sorter.snapshot->tree;
	_cleanup_(freep) uint32_t *children = NULL;
	uint32_t n = 0;

	if (query->folded && query->folded(tree->nodes[index], query->folded_data))
		return;
	for (uint32_t i = index + 1; i < tree->end[index]; i = tree->end[i])
		n += run->keep[i];
	if (n == 0)
		return;
	children = malloc(n * sizeof(*children));
	if (!children)
		return;
	n = 0;
	for (uint32_t i = index + 1; i < tree->end[index]; i = tree->end[i]) {
		if (run->keep[i])
			children[n++] = i;
	}
	qsort_r(children, n, sizeof(*children), compare, &run->sorter);
	for (uint32_t i = 0; i < n; i++) {
		emit(run, children[i]);
		emit_children(run, children[i]);
	}
}

static uint32_t run_tree(const struct query *query, const struct snapshot *snapshot, uint32_t *rows,
			 bool *matched)
{
	const struct tree *tree = snapshot->tree;
	_cleanup_(freep) bool *flags = calloc(2 * (size_t)tree->n + 1, sizeof(*flags));
	bool *keep = flags, *match = flags + tree->n;
	struct tree_run run = { { query, snapshot }, keep, match, rows, 0, matched };

	if (!flags || tree->n == 0)
		return 0;
	for (uint32_t i = 0; i < tree->n; i++)
		keep[i] = match[i] = node_matches(query, tree->nodes[i]);
	for (uint32_t i = tree->n; i-- > 1;)
		keep[tree->parent[i]] |= keep[i];
	if (!keep[0])
		return 0;
	emit(&run, 0);
	emit_children(&run, 0);
	return run.n;
}

uint32_t query_run(const struct query *query, const struct snapshot *snapshot, uint32_t *rows,
		   bool *matched)
{
	uint32_t n;

	if (query->tree)
		return run_tree(query, snapshot, rows, matched);
	n = run_flat(query, snapshot, rows);
	if (matched)
		memset(matched, true, n * sizeof(*matched));
	return n;
}
