// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/recording_private.h"
#include "core/cleanup.h"

/* One cgroup of a line. */
struct row {
	const char *path;
	const json_t *object; /* NULL: the root, which is not in the line */
	size_t order;
};

/* Depth-first, siblings by name: byte by byte, where the end of a component is less than all. */
static int by_path(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	const unsigned char *p = (const unsigned char *)x->path + 1,
			    *q = (const unsigned char *)y->path + 1;

	while (*p && *p == *q) {
		p++;
		q++;
	}
	if (*p != *q)
		return (*p == '/' ? 1
			: *p == 0 ? 0
				  : *p + 2) -
		       (*q == '/' ? 1
			: *q == 0 ? 0
				  : *q + 2);
	return x->order < y->order ? -1 : x->order > y->order;
}

/* True if `above` is the root or an ancestor of `path`. */
static bool is_above(const char *above, const char *path)
{
	size_t length = strlen(above);

	return length == 1 || (strncmp(above, path, length) == 0 && path[length] == '/');
}

static int find_hierarchy(struct recording *recording, const char *name, uint32_t *ret_index)
{
	const char *interned;

	for (uint32_t i = 0; i < recording->n_hierarchies; i++) {
		if (strcmp(recording->hierarchies[i], name) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	if (recording->n_hierarchies == RECORDING_HIERARCHIES_MAX)
		return recording_fault(recording, "more hierarchies than a machine has");
	interned = strpool_add(recording->strings, name, strlen(name));
	if (!interned)
		return -ENOMEM;
	*ret_index = recording->n_hierarchies;
	recording->hierarchies[recording->n_hierarchies++] = interned;
	return 0;
}

/* Where a number may be beyond what JSON's integers hold, jansson gives a real. */
static uint64_t id_of(const json_t *value)
{
	if (json_is_integer(value))
		return (uint64_t)json_integer_value(value);
	return json_is_real(value) && json_real_value(value) >= 0 ? (uint64_t)json_real_value(value)
								  : 0;
}

static int read_ids(struct recording *recording, const json_t *object, uint64_t *ids)
{
	json_t *list = json_object_get(object, "ids"), *value;
	const char *name;

	json_object_foreach(list, name, value)
	{
		uint32_t index = 0;
		int r = find_hierarchy(recording, name, &index);

		if (r < 0)
			return r;
		ids[index] = id_of(value);
	}
	return 0;
}

/* The same cgroup unless a hierarchy that both are in says otherwise. */
static bool same_ids(const struct node *node, const uint64_t *ids)
{
	for (uint32_t i = 0; i < node->n_ids; i++) {
		if (node->ids[i] && ids[i] && node->ids[i] != ids[i])
			return false;
	}
	return true;
}

static bool equal_ids(const struct recording *recording, const struct node *node,
		      const uint64_t *ids)
{
	for (uint32_t i = 0; i < recording->n_hierarchies; i++) {
		if ((i < node->n_ids ? node->ids[i] : 0) != ids[i])
			return false;
	}
	return true;
}

static int copy_text(const json_t *object, const char *name, char **ret_text)
{
	const char *text = json_string_value(json_object_get(object, name));

	*ret_text = text ? strdup(text) : NULL;
	return text && !*ret_text ? -ENOMEM : 0;
}

static int fill_node(struct recording *recording, struct node *node, const json_t *object)
{
	const char *kind = json_string_value(json_object_get(object, "kind"));
	const char *runtime = json_string_value(json_object_get(object, "runtime"));

	node->kind = !node->path[1] ? NODE_ROOT : kind ? node_kind_find(kind) : NODE_CGROUP;
	if (node->kind >= NODE_KIND_COUNT)
		node->kind = NODE_CGROUP;
	if (copy_text(object, "unit", &node->unit) < 0 ||
	    copy_text(object, "container_id", &node->container_id) < 0)
		return -ENOMEM;
	if (runtime) {
		/* Lives as long as the recording, whose trees hold the pool. */
		node->runtime = strpool_add(recording->strings, runtime, strlen(runtime));
		if (!node->runtime)
			return -ENOMEM;
	}
	return 0;
}

static uint32_t depth_of(const char *path)
{
	uint32_t depth = 0;

	for (const char *at = path; *at; at++)
		depth += *at == '/' && at[1];
	return depth;
}

/* The node of a row: that of the line before if it is the same cgroup. */
static int make_node(struct recording *recording, const struct row *row, struct node *before,
		     struct node **ret_node)
{
	uint64_t ids[RECORDING_HIERARCHIES_MAX] = { 0 };
	struct node *node;
	int r = read_ids(recording, row->object, ids);

	if (r < 0)
		return r;
	if (before && equal_ids(recording, before, ids)) {
		*ret_node = node_ref(before);
		return 0;
	}
	node = node_new(row->path, depth_of(row->path), recording->n_hierarchies);
	if (!node)
		return -ENOMEM;
	memcpy(node->ids, ids, recording->n_hierarchies * sizeof(*ids));
	node->serial = before && same_ids(before, ids) ? before->serial : ++recording->next_serial;
	r = fill_node(recording, node, row->object);
	if (r < 0) {
		node_unref(node);
		return r;
	}
	*ret_node = node;
	return 0;
}

/* The sorted rows without duplicates, the root first in any case. */
static int list_rows(struct recording *recording, const json_t *cgroups, struct row **ret_rows,
		     uint32_t *ret_n)
{
	size_t n_objects = json_array_size(cgroups), n = 0, kept = 1;
	struct row *rows = calloc(n_objects + 1, sizeof(*rows));
	const json_t *object;
	size_t i;

	if (!rows)
		return -ENOMEM;
	json_array_foreach(cgroups, i, object)
	{
		const char *path = json_string_value(json_object_get(object, "path"));

		if (!path || path[0] != '/') {
			free(rows);
			return recording_fault(recording, "a cgroup without a path");
		}
		rows[n++] = (struct row){ path, object, i };
	}
	rows[n++] = (struct row){ "/", NULL, n_objects };
	qsort(rows, n, sizeof(*rows), by_path);
	for (i = 1; i < n; i++) {
		if (strcmp(rows[i].path, rows[kept - 1].path) != 0)
			rows[kept++] = rows[i];
	}
	*ret_rows = rows;
	*ret_n = (uint32_t)kept;
	return 0;
}

static void place(struct tree *tree, uint32_t i)
{
	uint32_t up = i == 0 ? NODE_NONE : i - 1;

	while (up != NODE_NONE && !is_above(tree->nodes[up]->path, tree->nodes[i]->path))
		up = tree->parent[up];
	tree->parent[i] = up;
	tree->end[i] = i + 1;
	for (; up != NODE_NONE; up = tree->parent[up])
		tree->end[up] = i + 1;
}

/* Both are sorted alike, so that one walk over both finds who was there before. */
static int fill_tree(struct recording *recording, struct tree *tree, const struct row *rows,
		     const struct tree *old)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < tree->n; i++) {
		struct node *before = NULL;
		int r;

		while (old && at < old->n &&
		       by_path(&(struct row){ old->nodes[at]->path, NULL, 0 },
			       &(struct row){ rows[i].path, NULL, 0 }) < 0)
			at++;
		if (old && at < old->n && strcmp(old->nodes[at]->path, rows[i].path) == 0)
			before = old->nodes[at];
		r = make_node(recording, &rows[i], before, &tree->nodes[i]);
		if (r < 0)
			return r;
		tree->before[i] = before && before->serial == tree->nodes[i]->serial ? at
										     : NODE_NONE;
		place(tree, i);
	}
	return 0;
}

static bool same_nodes(const struct tree *a, const struct tree *b)
{
	return a && a->n == b->n && a->n_hierarchies == b->n_hierarchies &&
	       memcmp(a->nodes, b->nodes, a->n * sizeof(*a->nodes)) == 0;
}

int recording_tree(struct recording *recording, const json_t *cgroups, struct tree **ret_tree,
		   const json_t ***ret_rows)
{
	struct tree *old = recording->previous ? recording->previous->tree : NULL, *tree;
	_cleanup_(freep) const json_t **objects = NULL;
	_cleanup_(freep) struct row *rows = NULL;
	uint32_t n = 0;
	int r = list_rows(recording, cgroups, &rows, &n);

	if (!rows)
		return r;
	objects = calloc((size_t)n + 1, sizeof(*objects));
	tree = tree_new(n, RECORDING_HIERARCHIES_MAX, recording->strings);
	r = objects && tree ? fill_tree(recording, tree, rows, old) : -ENOMEM;
	if (r < 0) {
		tree_unref(tree);
		return r;
	}
	for (uint32_t i = 0; i < n; i++)
		objects[i] = rows[i].object;
	tree->n_hierarchies = recording->n_hierarchies;
	memcpy(tree->hierarchies, recording->hierarchies,
	       recording->n_hierarchies * sizeof(*tree->hierarchies));
	if (same_nodes(old, tree)) {
		tree_unref(tree);
		tree = tree_ref(old);
	} else {
		tree->previous = old ? old->generation : 0;
		tree->generation = tree->previous + 1;
	}
	*ret_tree = tree;
	*ret_rows = TAKE_PTR(objects);
	return 0;
}
