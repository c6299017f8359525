// SPDX-License-Identifier: MIT
#include "core/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/inventory.h"
#include "core/distribution.h"
#include "core/join.h"

struct tree *tree_new(uint32_t n, uint32_t n_hierarchies, struct strpool *strings)
{
	struct tree *tree = calloc(1, sizeof(*tree));
	size_t room = n ? n : 1;

	if (!tree)
		return NULL;
	atomic_init(&tree->refs, 1);
	tree->n = n;
	tree->n_hierarchies = n_hierarchies;
	tree->strings = strpool_ref(strings);
	tree->nodes = calloc(room, sizeof(*tree->nodes));
	tree->parent = calloc(room, sizeof(*tree->parent));
	tree->end = calloc(room, sizeof(*tree->end));
	tree->before = calloc(room, sizeof(*tree->before));
	tree->hierarchies = calloc(n_hierarchies ? n_hierarchies : 1, sizeof(*tree->hierarchies));
	if (tree->nodes && tree->parent && tree->end && tree->before && tree->hierarchies)
		return tree;
	tree_unref(tree);
	return NULL;
}

struct tree *tree_ref(struct tree *tree)
{
	atomic_fetch_add_explicit(&tree->refs, 1, memory_order_relaxed);
	return tree;
}

void tree_unref(struct tree *tree)
{
	if (!tree || atomic_fetch_sub_explicit(&tree->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; tree->nodes && i < tree->n; i++)
		node_unref(tree->nodes[i]);
	free(tree->nodes);
	free(tree->parent);
	free(tree->end);
	free(tree->before);
	free(tree->hierarchies);
	strpool_unref(tree->strings);
	free(tree);
}

uint32_t tree_find(const struct tree *tree, const char *path)
{
	for (uint32_t i = 0; i < tree->n; i++) {
		if (strcmp(tree->nodes[i]->path, path) == 0)
			return i;
	}
	return NODE_NONE;
}

uint32_t tree_find_serial(const struct tree *tree, uint64_t serial)
{
	for (uint32_t i = 0; i < tree->n; i++) {
		if (tree->nodes[i]->serial == serial)
			return i;
	}
	return NODE_NONE;
}

struct snapshot *snapshot_new(struct tree *tree, const struct metric_set *wanted)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
	size_t n_columns = 0, n = tree->n ? tree->n : 1;
	union value *values;
	uint8_t *states;

	if (!snapshot)
		return NULL;
	atomic_init(&snapshot->refs, 1);
	snapshot->wanted = *wanted;
	metric_set_close(&snapshot->wanted);
	for (int id = M_NONE + 1; id < COLUMN_COUNT; id++)
		n_columns += metric_set_has(&snapshot->wanted, (enum metric_id)id);
	snapshot->memory = calloc(n_columns ? n_columns * n : 1, sizeof(*values) + 1);
	if (!snapshot->memory) {
		free(snapshot);
		return NULL;
	}
	values = snapshot->memory;
	states = (uint8_t *)(values + n_columns * n); /* all VALUE_ABSENT, which is 0 */
	for (int id = M_NONE + 1; id < COLUMN_COUNT; id++) {
		if (!metric_set_has(&snapshot->wanted, (enum metric_id)id))
			continue;
		snapshot->columns[id] = (struct column){ values, states };
		values += n;
		states += n;
	}
	snapshot->tree = tree_ref(tree);
	return snapshot;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
	atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
	return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
	if (!snapshot || atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) != 1)
		return;
	join_unref(snapshot->join);
	distributions_unref(snapshot->distributions);
	inventory_unref(snapshot->inventory);
	tree_unref(snapshot->tree);
	free(snapshot->memory);
	free(snapshot->parts);
	free(snapshot->part_start);
	free(snapshot);
}

enum value_state snapshot_number(const struct snapshot *snapshot, enum metric_id id, uint32_t index,
				 double *ret_number)
{
	union value value;
	enum value_state state = snapshot_get(snapshot, id, index, &value);

	if (state == VALUE_OK && metric_get(id)->kind == KIND_TEXT)
		return VALUE_ABSENT;
	if (state == VALUE_OK)
		*ret_number = metric_to_double(id, value);
	return state;
}

bool snapshot_add_part(struct snapshot *snapshot, const struct part *part)
{
	if (snapshot->n_parts == snapshot->parts_capacity) {
		uint32_t capacity = snapshot->parts_capacity ? 2 * snapshot->parts_capacity : 64;
		struct part *parts = realloc(snapshot->parts, capacity * sizeof(*parts));

		if (!parts)
			return false;
		snapshot->parts = parts;
		snapshot->parts_capacity = capacity;
	}
	snapshot->parts[snapshot->n_parts++] = *part;
	return true;
}

int snapshot_finish_parts(struct snapshot *snapshot)
{
	uint32_t n = snapshot->tree->n, at = 0;

	snapshot->part_start = malloc((n + 1) * sizeof(*snapshot->part_start));
	if (!snapshot->part_start)
		return -ENOMEM;
	for (uint32_t i = 0; i <= n; i++) {
		while (at < snapshot->n_parts && snapshot->parts[at].node < i)
			at++;
		snapshot->part_start[i] = at;
	}
	return 0;
}

uint32_t snapshot_parts(const struct snapshot *snapshot, uint32_t index,
			const struct part **ret_first)
{
	if (!snapshot->part_start || snapshot->n_parts == 0)
		return 0;
	*ret_first = snapshot->parts + snapshot->part_start[index];
	return snapshot->part_start[index + 1] - snapshot->part_start[index];
}
