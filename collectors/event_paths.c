// SPDX-License-Identifier: MIT
#include "collectors/event_paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/hash.h"

enum {
	BUCKETS = 4096, /* of the cgroups that came or went */
	LIVING_MOST = 32768,
	GONE_MOST = 8192,
};

/* A cgroup that came or went since the tree was made. */
struct entry {
	TAILQ_ENTRY(entry) list; /* of its age: the oldest first */
	struct entry *next;	 /* in its bucket */
	uint64_t id;
	unsigned int hierarchy;
	bool gone;
	char path[];
};

TAILQ_HEAD(entries, entry);

/* A cgroup of the tree; node is NODE_NONE where the slot is empty. */
struct slot {
	uint64_t id;
	uint32_t hierarchy, node;
};

struct event_paths {
	struct tree *tree;
	struct slot *slots; /* of the tree, made when first asked for; NULL: not yet */
	size_t n_slots;
	struct entry *buckets[BUCKETS];
	struct entries living, gone;
	size_t n_living, n_gone;
};

static uint64_t hash_of(unsigned int hierarchy, uint64_t id)
{
	uint64_t key[2] = { id, hierarchy };

	return hash_bytes((const char *)key, sizeof(key));
}

struct event_paths *event_paths_new(void)
{
	struct event_paths *paths = calloc(1, sizeof(*paths));

	if (!paths)
		return NULL;
	TAILQ_INIT(&paths->living);
	TAILQ_INIT(&paths->gone);
	return paths;
}

static struct entry **place_of(struct event_paths *paths, unsigned int hierarchy, uint64_t id)
{
	struct entry **at = &paths->buckets[hash_of(hierarchy, id) % BUCKETS];

	while (*at && ((*at)->id != id || (*at)->hierarchy != hierarchy))
		at = &(*at)->next;
	return at;
}

static void drop(struct event_paths *paths, struct entry *entry)
{
	struct entry **at = place_of(paths, entry->hierarchy, entry->id);

	*at = entry->next;
	TAILQ_REMOVE(entry->gone ? &paths->gone : &paths->living, entry, list);
	entry->gone ? paths->n_gone-- : paths->n_living--;
	free(entry);
}

void event_paths_free(struct event_paths *paths)
{
	struct entry *entry;

	if (!paths)
		return;
	while ((entry = TAILQ_FIRST(&paths->living)))
		drop(paths, entry);
	while ((entry = TAILQ_FIRST(&paths->gone)))
		drop(paths, entry);
	tree_unref(paths->tree);
	free(paths->slots);
	free(paths);
}

/* ---- the tree ---- */

/* All ids of the tree, at most half full. Without memory nothing of the tree is known. */
static bool make_slots(struct event_paths *paths)
{
	const struct tree *tree = paths->tree;
	size_t n = 64;

	while (n < (size_t)tree->n * tree->n_hierarchies * 2)
		n *= 2;
	paths->slots = malloc(n * sizeof(*paths->slots));
	if (!paths->slots)
		return false;
	paths->n_slots = n;
	for (size_t i = 0; i < n; i++)
		paths->slots[i].node = NODE_NONE;
	for (uint32_t i = 0; i < tree->n; i++) {
		for (uint32_t h = 0; h < tree->nodes[i]->n_ids; h++) {
			uint64_t id = tree->nodes[i]->ids[h];
			size_t at = hash_of(h, id) & (n - 1);

			if (id == 0)
				continue;
			while (paths->slots[at].node != NODE_NONE)
				at = (at + 1) & (n - 1);
			paths->slots[at] = (struct slot){ id, h, i };
		}
	}
	return true;
}

static const char *find_in_tree(struct event_paths *paths, unsigned int hierarchy, uint64_t id)
{
	size_t at;

	if (!paths->tree || (!paths->slots && !make_slots(paths)))
		return NULL;
	at = hash_of(hierarchy, id) & (paths->n_slots - 1);
	while (paths->slots[at].node != NODE_NONE) {
		const struct slot *slot = &paths->slots[at];

		if (slot->id == id && slot->hierarchy == hierarchy)
			return paths->tree->nodes[slot->node]->path;
		at = (at + 1) & (paths->n_slots - 1);
	}
	return NULL;
}

/* ---- what came and went ---- */

static void add(struct event_paths *paths, unsigned int hierarchy, uint64_t id, bool gone,
		const char *path)
{
	struct entries *list = gone ? &paths->gone : &paths->living;
	struct entry **at = place_of(paths, hierarchy, id), *entry;
	size_t length = strlen(path);

	if (*at)
		drop(paths, *at);
	entry = malloc(sizeof(*entry) + length + 1);
	if (!entry)
		return;
	*entry = (struct entry){ .id = id, .hierarchy = hierarchy, .gone = gone };
	memcpy(entry->path, path, length + 1);
	at = place_of(paths, hierarchy, id);
	*at = entry;
	TAILQ_INSERT_TAIL(list, entry, list);
	gone ? paths->n_gone++ : paths->n_living++;
	if (paths->n_living > LIVING_MOST)
		drop(paths, TAILQ_FIRST(&paths->living));
	if (paths->n_gone > GONE_MOST)
		drop(paths, TAILQ_FIRST(&paths->gone));
}

void event_paths_created(struct event_paths *paths, unsigned int hierarchy, uint64_t id,
			 uint64_t parent, const char *name)
{
	const char *above = event_paths_find(paths, hierarchy, parent);
	size_t size;
	char *path;

	if (!above)
		return;
	size = strlen(above) + strlen(name) + 2;
	path = malloc(size);
	if (!path)
		return;
	snprintf(path, size, "%s/%s", strcmp(above, "/") == 0 ? "" : above, name);
	add(paths, hierarchy, id, false, path);
	free(path);
}

void event_paths_removed(struct event_paths *paths, unsigned int hierarchy, uint64_t id)
{
	const char *path = event_paths_find(paths, hierarchy, id);
	char *copy = path ? strdup(path) : NULL;

	if (copy)
		add(paths, hierarchy, id, true, copy);
	free(copy);
}

const char *event_paths_find(struct event_paths *paths, unsigned int hierarchy, uint64_t id)
{
	struct entry *entry = *place_of(paths, hierarchy, id);

	return entry ? entry->path : find_in_tree(paths, hierarchy, id);
}

/*
 * Cgroups of the old tree that are not in the new one: what is still to be read may be about them.
 * Most nodes are the very same ones, which the new tree knows the old places of.
 */
static void keep_gone(struct event_paths *paths, const struct tree *old)
{
	const struct tree *tree = paths->tree;
	bool *same = calloc(old->n ? old->n : 1, sizeof(*same));

	if (!same)
		return;
	for (uint32_t i = 0; tree->previous == old->generation && tree->before && i < tree->n;
	     i++) {
		uint32_t at = tree->before[i];

		if (at < old->n && old->nodes[at] == tree->nodes[i])
			same[at] = true;
	}
	for (uint32_t i = 0; i < old->n; i++) {
		const struct node *node = old->nodes[i];

		for (uint32_t h = 0; !same[i] && h < node->n_ids; h++) {
			if (node->ids[h] && !event_paths_find(paths, h, node->ids[h]))
				add(paths, h, node->ids[h], true, node->path);
		}
	}
	free(same);
}

void event_paths_set_tree(struct event_paths *paths, struct tree *tree)
{
	struct tree *old = paths->tree;
	struct entry *entry, *next;

	if (old == tree)
		return;
	free(paths->slots);
	paths->slots = NULL;
	paths->tree = tree_ref(tree);
	for (entry = TAILQ_FIRST(&paths->living); entry; entry = next) {
		next = TAILQ_NEXT(entry, list);
		if (find_in_tree(paths, entry->hierarchy, entry->id))
			drop(paths, entry);
	}
	if (old)
		keep_gone(paths, old);
	tree_unref(old);
}
