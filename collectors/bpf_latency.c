// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bpf_latency.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/bpf_latency_private.h"
#include "collectors/walk.h"

static_assert((int)LAT_KINDS == (int)DISTRIBUTION_KIND_COUNT &&
		      (int)LAT_BUCKETS == (int)DISTRIBUTION_BUCKETS &&
		      (int)LAT_BYTES == (int)TRAFFIC_COUNT &&
		      (int)LAT_SLOTS == (int)BPF_WATCHED_MAX &&
		      (int)LATENCY_NET == (int)DISTRIBUTION_NET,
	      "the kernel's side counts the same things");

int bpf_latency_new(const struct root *root, const struct hierarchies *hierarchies,
		    struct bpf_latency **ret_latency, char *reason, size_t size)
{
	struct bpf_latency *latency = calloc(1, sizeof(*latency));
	int r;

	if (!latency)
		return -ENOMEM;
	latency->root = root;
	latency->hierarchies = hierarchies;
	r = bpf_latency_load(latency, reason, size);
	if (r < 0) {
		bpf_latency_free(latency);
		return r;
	}
	*ret_latency = latency;
	return 0;
}

void bpf_latency_free(struct bpf_latency *latency)
{
	if (!latency)
		return;
	bpf_latency_unload(latency);
	free(latency->serials);
	free(latency->ids.list);
	free(latency);
}

static int compare_serials(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int bpf_latency_want(struct bpf_latency *latency, uint32_t kinds, bool net, const uint64_t *serials,
		     size_t n)
{
	uint64_t *sorted = malloc((n ? n : 1) * sizeof(*sorted));
	uint32_t wanted = (kinds & ~(uint32_t)LATENCY_NET) | (net ? LATENCY_NET : 0);
	size_t n_sorted = 0;

	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, serials, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_serials);
	for (size_t i = 0; i < n; i++) {
		if (n_sorted == 0 || sorted[n_sorted - 1] != sorted[i])
			sorted[n_sorted++] = sorted[i];
	}
	if (n_sorted == latency->n_serials && wanted == latency->wanted &&
	    memcmp(sorted, latency->serials ? latency->serials : sorted,
		   n_sorted * sizeof(*sorted)) == 0) {
		free(sorted);
		return 0;
	}
	free(latency->serials);
	latency->serials = sorted;
	latency->n_serials = n_sorted;
	latency->wanted = wanted;
	latency->changed = true;
	wanted &= latency->can;
	if (n_sorted == 0)
		wanted = 0;
	bpf_latency_attach(latency, wanted ? wanted | LATENCY_TREE : 0);
	return 0;
}

/* ---- slots ----------------------------------------------------------------------------- */

static int find_slot(const struct bpf_latency *latency, uint64_t serial)
{
	for (int i = 0; i < LAT_SLOTS; i++) {
		if (latency->slots[i].serial == serial)
			return i;
	}
	return -1;
}

static bool is_wanted(const struct bpf_latency *latency, uint64_t serial)
{
	return latency->n_serials > 0 && bsearch(&serial, latency->serials, latency->n_serials,
						 sizeof(serial), compare_serials);
}

static void drop_slot(struct bpf_latency *latency, int at)
{
	/* The kernel stops counting there at once. */
	__atomic_store_n(&latency->shared[at].serial, 0, __ATOMIC_RELEASE);
	latency->slots[at] = (struct latency_slot){ .serial = 0 };
}

static int take_slot(struct bpf_latency *latency, uint64_t serial)
{
	int at = find_slot(latency, 0);

	if (at < 0)
		return -1;
	latency->slots[at] = (struct latency_slot){ .serial = serial };
	memset(&latency->shared[at], 0, sizeof(latency->shared[at]));
	if (++latency->next_serial == 0)
		latency->next_serial = 1;
	__atomic_store_n(&latency->shared[at].serial, latency->next_serial, __ATOMIC_RELEASE);
	return at;
}

/* What is no longer watched, or is gone, makes room first. */
static void drop_slots(struct bpf_latency *latency, const struct tree *tree)
{
	bool here[LAT_SLOTS] = { false };

	for (uint32_t i = 0; i < tree->n; i++) {
		uint64_t serial = tree->nodes[i]->serial;
		int at = is_wanted(latency, serial) ? find_slot(latency, serial) : -1;

		if (at >= 0)
			here[at] = true;
	}
	for (int at = 0; at < LAT_SLOTS; at++) {
		if (latency->slots[at].serial && !here[at])
			drop_slot(latency, at);
	}
}

/* The slot of a cgroup of its own, if it is watched and there is room. */
static int own_slot(struct bpf_latency *latency, const struct tree *tree, uint32_t node, int above)
{
	uint64_t serial = tree->nodes[node]->serial;
	uint32_t level = above >= 0 ? latency->slots[above].level + 1 : 0;
	int at = find_slot(latency, serial);

	if (level >= LAT_LEVELS) {
		if (at >= 0)
			drop_slot(latency, at);
		latency->stats.over++;
		return -1;
	}
	if (at < 0)
		at = take_slot(latency, serial);
	if (at < 0) {
		latency->stats.over++;
		return -1;
	}
	latency->slots[at].node = node;
	latency->slots[at].level = level;
	latency->shared[at].parent = (uint32_t)(above + 1);
	latency->stats.watched++;
	return at;
}

/* ---- ids ------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lat_key));
}

static int add_id(struct latency_ids *ids, const struct lat_key *key, const struct lat_watch *watch)
{
	if (ids->n == ids->capacity) {
		size_t capacity = ids->capacity ? 2 * ids->capacity : 64;
		struct latency_id *list = realloc(ids->list, capacity * sizeof(*list));

		if (!list)
			return -ENOMEM;
		ids->list = list;
		ids->capacity = capacity;
	}
	ids->list[ids->n++] = (struct latency_id){ *key, *watch };
	return 0;
}

/* The hierarchies in which something that runs looks for cgroups: bits by index. */
static uint32_t hierarchies_of(const struct bpf_latency *latency)
{
	uint32_t mask = 0;

	for (int kind = 0; kind <= DISTRIBUTION_KIND_COUNT; kind++) {
		if (latency->running >> kind & 1 && latency->hierarchy[kind] >= 0)
			mask |= 1U << latency->hierarchy[kind];
	}
	return mask;
}

static int add_node(struct bpf_latency *latency, struct latency_ids *ids, const struct node *node,
		    uint32_t mask, int slot)
{
	struct lat_watch watch = { (uint32_t)slot, latency->shared[slot].serial };

	for (uint32_t h = 0; h < node->n_ids; h++) {
		struct lat_key key = { node->ids[h], latency->hierarchy_id[h], 0 };
		int r = mask >> h & 1 && node->ids[h] ? add_id(ids, &key, &watch) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* The kernel's map becomes what the list says. */
static void put_ids(struct bpf_latency *latency, const struct latency_ids *ids)
{
	int map = bpf_latency_map(latency);
	size_t old = 0;

	for (size_t i = 0; i < ids->n || old < latency->ids.n;) {
		const struct latency_id *new_id = i < ids->n ? &ids->list[i] : NULL;
		const struct latency_id *old_id = old < latency->ids.n ? &latency->ids.list[old]
								       : NULL;
		int order = !new_id ? 1 : !old_id ? -1 : compare_keys(&new_id->key, &old_id->key);

		if (order > 0)
			bpf_map_delete_elem(map, &old_id->key);
		else if ((order < 0 ||
			  memcmp(&new_id->watch, &old_id->watch, sizeof(new_id->watch)) != 0) &&
			 bpf_map_update_elem(map, &new_id->key, &new_id->watch, BPF_ANY) < 0)
			latency->stats.lost++;
		i += order <= 0;
		old += order >= 0;
	}
}

static bool is_listed(const struct latency_ids *ids, const struct lat_key *key)
{
	return ids->n > 0 &&
	       bsearch(key, ids->list, ids->n, sizeof(*ids->list), compare_keys) != NULL;
}

/*
 * What the kernel added by itself below a cgroup that is not watched any more. What it added below
 * one that is, after the tree was read, stays: the next tree has it.
 */
static void sweep(struct bpf_latency *latency)
{
	int map = bpf_latency_map(latency);
	struct lat_key key, next;
	bool more = bpf_map_get_next_key(map, NULL, &key) == 0;

	while (more) {
		struct lat_watch watch;

		more = bpf_map_get_next_key(map, &key, &next) == 0;
		if (!is_listed(&latency->ids, &key) &&
		    bpf_map_lookup_elem(map, &key, &watch) == 0 && watch.slot < LAT_SLOTS &&
		    latency->shared[watch.slot].serial != watch.serial)
			bpf_map_delete_elem(map, &key);
		key = next;
	}
}

static int list_ids(struct bpf_latency *latency, const struct tree *tree, struct latency_ids *ids)
{
	int *slots = malloc((tree->n ? tree->n : 1) * sizeof(*slots));
	uint32_t mask = hierarchies_of(latency);
	int r = slots ? 0 : -ENOMEM;

	latency->stats.watched = latency->stats.over = 0;
	for (uint32_t i = 0; i < tree->n && r == 0; i++) {
		slots[i] = tree->parent[i] == NODE_NONE ? -1 : slots[tree->parent[i]];
		if (is_wanted(latency, tree->nodes[i]->serial)) {
			int own = own_slot(latency, tree, i, slots[i]);

			slots[i] = own >= 0 ? own : slots[i];
		}
		if (slots[i] >= 0)
			r = add_node(latency, ids, tree->nodes[i], mask, slots[i]);
	}
	free(slots);
	return r;
}

/* Who is watched, as the tree is now. */
static int follow_tree(struct bpf_latency *latency, const struct tree *tree)
{
	struct latency_ids ids = { NULL };
	int r;

	if (!latency->changed && latency->generation == tree->generation)
		return 0;
	drop_slots(latency, tree);
	r = list_ids(latency, tree, &ids);
	if (r < 0) {
		free(ids.list);
		return r;
	}
	if (ids.n > 0)
		qsort(ids.list, ids.n, sizeof(*ids.list), compare_keys);
	put_ids(latency, &ids);
	free(latency->ids.list);
	latency->ids = ids;
	if (latency->changed)
		sweep(latency);
	latency->changed = false;
	latency->generation = tree->generation;
	return 0;
}

/* ---- what came of it -------------------------------------------------------------------- */

/* Each number is read once: the kernel goes on counting meanwhile. */
static void copy_slot(struct lat_slot *to, const struct lat_slot *from)
{
	for (int kind = 0; kind < LAT_KINDS; kind++) {
		const struct lat_histogram *histogram = &from->kinds[kind];

		for (int i = 0; i < LAT_BUCKETS; i++)
			to->kinds[kind].buckets[i] = __atomic_load_n(&histogram->buckets[i],
								     __ATOMIC_RELAXED);
		to->kinds[kind].sum_ns = __atomic_load_n(&histogram->sum_ns, __ATOMIC_RELAXED);
	}
	for (int i = 0; i < LAT_BYTES; i++)
		to->bytes[i] = __atomic_load_n(&from->bytes[i], __ATOMIC_RELAXED);
}

static void to_distribution(const struct lat_histogram *histogram, struct distribution *ret)
{
	memcpy(ret->buckets, histogram->buckets, sizeof(ret->buckets));
	ret->sum_ns = histogram->sum_ns;
	ret->count = 0;
	for (int i = 0; i < LAT_BUCKETS; i++)
		ret->count += histogram->buckets[i];
}

static bool is_there(const struct bpf_latency *latency, const struct node *node, int kind)
{
	int h = latency->hierarchy[kind];

	return latency->running >> kind & 1 && h >= 0 && (uint32_t)h < node->n_ids && node->ids[h];
}

static void add_entries(struct bpf_latency *latency, const struct tree *tree,
			struct latency_slot *slot, const struct lat_slot *now,
			struct distributions *distributions)
{
	for (int kind = 0; kind < LAT_KINDS; kind++) {
		struct distribution_entry *entry = &distributions->list[distributions->n];
		struct distribution before;

		if (!is_there(latency, tree->nodes[slot->node], kind))
			continue;
		entry->node = slot->node;
		entry->kind = (enum distribution_kind)kind;
		entry->first = !slot->seen;
		to_distribution(&now->kinds[kind], &entry->total);
		to_distribution(&slot->last.kinds[kind], &before);
		distribution_difference(&entry->total, &before, &entry->interval);
		distributions->n++;
	}
}

static void fill_traffic(const struct bpf_latency *latency, struct snapshot *snapshot)
{
	for (int at = M_NONE + 1; at < METRIC_COUNT; at++) {
		enum metric_id id = (enum metric_id)at;
		const struct metric *metric = metric_get(id);

		if (metric->watched != WATCHED_BYTES || !metric_set_has(&snapshot->wanted, id))
			continue;
		if (!(latency->can & LATENCY_NET)) {
			memset(snapshot->columns[id].states, VALUE_ABSENT, snapshot->tree->n);
			continue;
		}
		for (int i = 0; i < LAT_SLOTS; i++) {
			const struct latency_slot *slot = &latency->slots[i];

			if (slot->serial && is_there(latency, snapshot->tree->nodes[slot->node],
						     DISTRIBUTION_KIND_COUNT))
				snapshot_set(
					snapshot, id, slot->node,
					(union value){
						.u64 = slot->last.bytes[metric->watched_kind] });
		}
	}
}

static int compare_nodes(const void *a, const void *b)
{
	const struct latency_slot *x = *(struct latency_slot *const *)a;
	const struct latency_slot *y = *(struct latency_slot *const *)b;

	return x->node < y->node ? -1 : x->node > y->node;
}

int bpf_latency_fill(struct bpf_latency *latency, struct walk *walk, struct snapshot *snapshot)
{
	struct latency_slot *order[LAT_SLOTS];
	struct distributions *distributions;
	size_t n = 0;
	int r = follow_tree(latency, walk_tree(walk));

	if (r < 0)
		return r;
	bpf_latency_give_up(latency);
	for (int i = 0; i < LAT_SLOTS; i++) {
		if (latency->slots[i].serial)
			order[n++] = &latency->slots[i];
	}
	qsort(order, n, sizeof(*order), compare_nodes);
	distributions = distributions_new(n * LAT_KINDS);
	if (!distributions)
		return -ENOMEM;
	distributions->n = 0;
	distributions->missing = ~latency->can & ((1U << DISTRIBUTION_KIND_COUNT) - 1);
	for (size_t i = 0; i < n; i++) {
		struct lat_slot now = { .serial = 0 };

		copy_slot(&now, &latency->shared[order[i] - latency->slots]);
		add_entries(latency, snapshot->tree, order[i], &now, distributions);
		order[i]->last = now;
		order[i]->seen = true;
	}
	snapshot->distributions = distributions;
	distributions_fill(snapshot, VALUE_UNWATCHED);
	fill_traffic(latency, snapshot);
	return 0;
}

void bpf_latency_get_stats(const struct bpf_latency *latency, struct bpf_latency_stats *ret_stats)
{
	/* An element of a hash costs its key, its value and some 48 bytes. */
	const uint64_t element = 48;

	*ret_stats = latency->stats;
	ret_stats->lost += bpf_latency_lost(latency);
	ret_stats->memory_bytes = latency->shared_bytes + LAT_TASKS * (element + 16) +
				  LAT_REQUESTS * (element + 40) + LAT_STALLS * (element + 40) +
				  (uint64_t)latency->ids.n * (element + 24) +
				  (uint64_t)LAT_IDS * 16;
}
