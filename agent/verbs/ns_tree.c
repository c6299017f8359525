// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/verbs/ns_view.h"
#include "core/cleanup.h"

/* The scan tells the parent of processes that matter to it; others are looked up. */
static pid_t parent_of(const void *data, const struct ns_process *process)
{
	const struct ns_view *view = data;

	return labels_parent(view->labels, process->pid);
}

static uint32_t find_parent(const struct ns_view *view, enum ns_tree tree, uint32_t index)
{
	const struct ns_ancestry ancestry = { parent_of, view };

	if (tree == NS_TREE_OWNER)
		return view->set->list[index].owner;
	if (tree == NS_TREE_PARENT)
		return view->set->list[index].parent;
	return namespaces_process_parent(view->set, index, &ancestry);
}

/* The relation of one tree. What was read while processes moved may go round in a circle. */
static void find_parents(const struct ns_view *view, enum ns_tree tree, uint32_t *parent)
{
	const struct namespaces *set = view->set;

	memset(parent, 0xff, set->n * sizeof(*parent)); /* NS_NONE */
	for (uint32_t i = 0; i < set->n; i++) {
		uint32_t up = find_parent(view, tree, i), above = up;

		while (above != NS_NONE && above != i)
			above = parent[above];
		if (up < set->n && above == NS_NONE)
			parent[i] = up;
	}
}

struct tree_links {
	uint32_t *parent, *child, *next; /* first child, next sibling */
	bool *shown;
};

static int links_init(struct tree_links *links, uint32_t n)
{
	*links = (struct tree_links){
		.parent = malloc(((size_t)n + 1) * sizeof(*links->parent)),
		.child = malloc(((size_t)n + 1) * sizeof(*links->child)),
		.next = malloc(((size_t)n + 1) * sizeof(*links->next)),
		.shown = calloc((size_t)n + 1, sizeof(*links->shown)),
	};
	if (!links->parent || !links->child || !links->next || !links->shown)
		return -ENOMEM;
	memset(links->child, 0xff, ((size_t)n + 1) * sizeof(*links->child));
	memset(links->next, 0xff, ((size_t)n + 1) * sizeof(*links->next));
	return 0;
}

static void links_done(struct tree_links *links)
{
	free(links->parent);
	free(links->child);
	free(links->next);
	free(links->shown);
}

/* Parents before children, siblings in the order of the set. Slot n is above all. */
static uint32_t walk(const struct tree_links *links, uint32_t n, uint32_t *rows,
		     uint32_t *ret_depth)
{
	uint32_t at = links->child[n], depth = 0, n_rows = 0;

	while (at != NS_NONE) {
		rows[n_rows] = at;
		ret_depth[n_rows++] = depth;
		if (links->child[at] != NS_NONE) {
			at = links->child[at];
			depth++;
			continue;
		}
		while (at != NS_NONE && links->next[at] == NS_NONE) {
			at = links->parent[at];
			depth--;
		}
		if (at != NS_NONE)
			at = links->next[at];
	}
	return n_rows;
}

int64_t ns_tree_order(const struct ns_view *view, enum ns_tree tree, uint32_t *rows, uint32_t n,
		      uint32_t *ret_depth)
{
	uint32_t all = view->set->n;
	struct tree_links links;
	int64_t n_rows = links_init(&links, all);

	if (n_rows == 0) {
		find_parents(view, tree, links.parent);
		for (uint32_t i = 0; i < n; i++) {
			for (uint32_t at = rows[i]; at != NS_NONE && !links.shown[at];
			     at = links.parent[at])
				links.shown[at] = true;
		}
		for (uint32_t i = all; i-- > 0;) {
			uint32_t up = links.parent[i] == NS_NONE ? all : links.parent[i];

			if (!links.shown[i])
				continue;
			links.next[i] = links.child[up];
			links.child[up] = i;
		}
		n_rows = walk(&links, all, rows, ret_depth);
	}
	links_done(&links);
	return n_rows;
}
