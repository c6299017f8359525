// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "fake_snapshot.h"

#include <stdlib.h>
#include <string.h>

static void *need(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && strcmp(text + length - tail, end) == 0;
}

static enum node_kind kind_of(const char *path)
{
	static const struct {
		const char *end;
		enum node_kind kind;
	} kinds[] = {
		{ ".slice", NODE_SLICE },
		{ ".service", NODE_SERVICE },
		{ ".scope", NODE_SCOPE },
		{ ".mount", NODE_UNIT },
	};

	if (strcmp(path, "/") == 0)
		return NODE_ROOT;
	if (strstr(path, "/docker-"))
		return NODE_CONTAINER;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (ends_with(path, kinds[i].end))
			return kinds[i].kind;
	}
	return NODE_CGROUP;
}

static uint32_t depth_of(const char *path)
{
	uint32_t depth = 0;

	for (const char *at = path; *at; at++)
		depth += *at == '/' && at[1] != '\0';
	return depth;
}

static struct node *make_node(const char *path, struct tree *previous, uint64_t *next)
{
	uint32_t before = previous ? tree_find(previous, path) : NODE_NONE;
	struct node *node;

	if (before != NODE_NONE)
		return node_ref(previous->nodes[before]);
	node = need(node_new(path, depth_of(path), 1));
	node->serial = (*next)++;
	node->ids[0] = node->serial + 1000;
	node->kind = kind_of(path);
	if (node->kind == NODE_SERVICE || node->kind == NODE_SCOPE)
		node->unit = need(strdup(node->name));
	if (node->kind == NODE_CONTAINER) {
		const char *id = strstr(path, "/docker-") + strlen("/docker-");

		node->container_id = need(strndup(id, strcspn(id, ".")));
		node->runtime = "docker";
	}
	return node;
}

static uint64_t next_serial(const struct tree *previous)
{
	uint64_t next = 1;

	for (uint32_t i = 0; previous && i < previous->n; i++)
		next = previous->nodes[i]->serial >= next ? previous->nodes[i]->serial + 1 : next;
	return next;
}

struct tree *fake_tree(const char *const *paths, uint32_t n, struct tree *previous)
{
	struct strpool *pool = previous ? strpool_ref(previous->strings) : need(strpool_new());
	struct tree *tree = need(tree_new(n, 1, pool));
	uint64_t next = next_serial(previous);

	tree->generation = previous ? previous->generation + 1 : 1;
	tree->previous = previous ? previous->generation : 0;
	tree->hierarchies[0] = need((void *)strpool_add(pool, "unified", strlen("unified")));
	for (uint32_t i = 0; i < n; i++) {
		struct node *node = make_node(paths[i], previous, &next);

		tree->nodes[i] = node;
		tree->parent[i] = i == 0 ? NODE_NONE : i - 1;
		while (i > 0 && tree->nodes[tree->parent[i]]->depth >= node->depth)
			tree->parent[i] = tree->parent[tree->parent[i]];
		tree->before[i] = previous ? tree_find_serial(previous, node->serial) : NODE_NONE;
		tree->end[i] = i + 1;
		for (uint32_t up = tree->parent[i]; up != NODE_NONE; up = tree->parent[up])
			tree->end[up] = i + 1;
	}
	strpool_unref(pool);
	return tree;
}

uint64_t fake_time_ns(uint64_t sequence)
{
	return (1000 + sequence) * UINT64_C(1000000000);
}

struct snapshot *fake_snapshot(struct tree *tree, const struct metric_set *wanted,
			       uint64_t sequence)
{
	struct snapshot *snapshot = need(snapshot_new(tree, wanted));

	tree_unref(tree);
	snapshot->sequence = sequence;
	snapshot->boottime_ns = fake_time_ns(sequence);
	snapshot->realtime_ns = UINT64_C(1700000000000000000) + fake_time_ns(sequence);
	snapshot->interval_ns = sequence > 1 ? 1000000000 : 0;
	snapshot->cost_ns = 4200000;
	return snapshot;
}

static uint32_t index_of(const struct snapshot *snapshot, const char *path)
{
	uint32_t index = tree_find(snapshot->tree, path);

	if (index == NODE_NONE)
		abort();
	return index;
}

void fake_set_u64(struct snapshot *snapshot, const char *path, enum metric_id id, uint64_t value)
{
	snapshot_set(snapshot, id, index_of(snapshot, path), (union value){ .u64 = value });
}

void fake_set_number(struct snapshot *snapshot, const char *path, enum metric_id id, double value)
{
	snapshot_set(snapshot, id, index_of(snapshot, path), (union value){ .number = value });
}

void fake_set_text(struct snapshot *snapshot, const char *path, enum metric_id id, const char *text)
{
	const char *copy = strpool_add(snapshot->tree->strings, text, strlen(text));

	snapshot_set(snapshot, id, index_of(snapshot, path),
		     (union value){ .text = need((void *)copy) });
}

void fake_set_state(struct snapshot *snapshot, const char *path, enum metric_id id,
		    enum value_state state)
{
	snapshot_set_state(snapshot, id, index_of(snapshot, path), state);
}

void fake_fill_state(struct snapshot *snapshot, enum metric_id id, enum value_state state)
{
	for (uint32_t i = 0; i < snapshot->tree->n; i++)
		snapshot_set_state(snapshot, id, i, state);
}
