// SPDX-License-Identifier: MIT
#include "collectors/layer_account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NODES = 1 << 20, FIRST_NODES = 64 };

static const size_t LINKS_SIZE = (size_t)256 << 20;

int layer_account_init(struct layer_account *account, bool keep_nodes)
{
	*account = (struct layer_account){ .keeps_nodes = keep_nodes };
	return layer_stack_init(&account->links, LINKS_SIZE);
}

static void drop_nodes(struct layer_account *account)
{
	for (uint32_t i = 0; i < account->n_nodes; i++)
		free(account->nodes[i].links);
	free(account->nodes);
	account->nodes = NULL;
	account->n_nodes = account->max_nodes = 0;
	account->keeps_nodes = false;
	layer_map_done(&account->by_key);
	layer_map_done(&account->by_handle);
}

void layer_account_done(struct layer_account *account)
{
	drop_nodes(account);
	layer_map_done(&account->link_map);
	layer_stack_done(&account->links);
	*account = (struct layer_account){ 0 };
}

/* FNV-1a; never 0. */
static uint64_t handle_key(const struct layer_handle *handle)
{
	uint64_t hash = UINT64_C(14695981039346656037) ^ (uint64_t)(unsigned int)handle->type;

	for (unsigned int i = 0; i < handle->length; i++)
		hash = (hash ^ handle->bytes[i]) * UINT64_C(1099511628211);
	return hash ? hash : 1;
}

static bool same_handle(const struct layer_handle *a, const struct layer_handle *b)
{
	return a->type == b->type && a->length == b->length &&
	       memcmp(a->bytes, b->bytes, a->length) == 0;
}

static bool make_room(struct layer_account *account)
{
	uint32_t max = account->max_nodes ? account->max_nodes * 2 : FIRST_NODES;
	struct layer_node *nodes;

	if (account->n_nodes < account->max_nodes)
		return true;
	if (account->n_nodes >= MAX_NODES)
		return false;
	nodes = realloc(account->nodes, max * sizeof(*nodes));
	if (!nodes)
		return false;
	account->nodes = nodes;
	account->max_nodes = max;
	return true;
}

static uint32_t new_node(struct layer_account *account, uint32_t parent, uint64_t key,
			 const struct layer_handle *handle)
{
	uint32_t node = account->n_nodes;

	if (handle->length == 0 || !make_room(account) ||
	    layer_map_set(&account->by_key, key, node) < 0 ||
	    layer_map_set(&account->by_handle, handle_key(handle), node) < 0) {
		drop_nodes(account);
		return LAYER_NO_NODE;
	}
	account->nodes[node] =
		(struct layer_node){ .handle = *handle, .key = key, .parent = parent };
	account->n_nodes++;
	if (parent != LAYER_NO_NODE) {
		account->nodes[parent].children++;
		account->nodes[node].pass = account->nodes[parent].reads;
	}
	return node;
}

uint32_t layer_account_enter(struct layer_account *account, uint32_t parent, uint64_t key,
			     const struct layer_handle *handle)
{
	uint32_t node;

	if (!account->keeps_nodes)
		return LAYER_NO_NODE;
	node = layer_map_get(&account->by_key, key);
	if (node != LAYER_MAP_NONE && !same_handle(&account->nodes[node].handle, handle)) {
		/* The inode number came back for another directory. */
		layer_account_kill(account, node);
		node = LAYER_MAP_NONE;
	}
	if (node == LAYER_MAP_NONE)
		node = new_node(account, parent, key, handle);
	if (node != LAYER_NO_NODE)
		account->nodes[node].reads++;
	return node;
}

static struct layer_link *link_of(struct layer_account *account, uint64_t key)
{
	uint32_t index = layer_map_get(&account->link_map, key);
	struct layer_link *link;

	if (index != LAYER_MAP_NONE)
		return (struct layer_link *)(void *)account->links.base + index;
	index = (uint32_t)(account->links.used / sizeof(*link));
	link = layer_stack_push(&account->links, sizeof(*link));
	if (!link || layer_map_set(&account->link_map, key, index) < 0)
		return NULL;
	link->key = key;
	return link;
}

static int add_link(struct layer_account *account, const struct layer_link *one)
{
	struct layer_link *link = link_of(account, one->key);
	struct layer_sum *total = &account->total;

	if (!link)
		return -ENOMEM;
	if (link->names == 0)
		total->inodes++;
	/* What it was is replaced by what it is now; unsigned arithmetic comes out right. */
	total->bytes += one->bytes - (link->names ? link->bytes : 0);
	total->apparent_bytes += one->apparent_bytes - (link->names ? link->apparent_bytes : 0);
	total->copied_up_bytes += one->copied_up_bytes - (link->names ? link->copied_up_bytes : 0);
	link->bytes = one->bytes;
	link->apparent_bytes = one->apparent_bytes;
	link->copied_up_bytes = one->copied_up_bytes;
	link->names += one->names;
	return 0;
}

static void remove_link(struct layer_account *account, const struct layer_link *one)
{
	uint32_t index = layer_map_get(&account->link_map, one->key);
	struct layer_link *link;

	if (index == LAYER_MAP_NONE)
		return;
	link = (struct layer_link *)(void *)account->links.base + index;
	link->names -= one->names < link->names ? one->names : link->names;
	if (link->names > 0)
		return;
	account->total.inodes--;
	account->total.bytes -= link->bytes;
	account->total.apparent_bytes -= link->apparent_bytes;
	account->total.copied_up_bytes -= link->copied_up_bytes;
}

/* total += new - old, field by field. */
static void replace_sum(struct layer_sum *total, const struct layer_sum *old,
			const struct layer_sum *new)
{
	enum { FIELDS = sizeof(struct layer_sum) / sizeof(uint64_t) };
	uint64_t t[FIELDS], o[FIELDS], n[FIELDS];

	memcpy(t, total, sizeof(t));
	memcpy(o, old, sizeof(o));
	memcpy(n, new, sizeof(n));
	for (size_t i = 0; i < FIELDS; i++)
		t[i] += n[i] - o[i];
	memcpy(total, t, sizeof(t));
}

/*
 * When a file gets its second name, only the directory of the new one is told of: the bytes are
 * still in the sum of the other one. Seen by that not all names of the inode are known.
 */
static bool names_missing(struct layer_account *account, const struct layer_link *one)
{
	uint32_t index = layer_map_get(&account->link_map, one->key);

	return !one->whiteout && index != LAYER_MAP_NONE &&
	       ((struct layer_link *)(void *)account->links.base + index)->names != one->nlink;
}

static int commit_node(struct layer_account *account, struct layer_node *node,
		       const struct layer_link *links, size_t n_links)
{
	struct layer_link *copy = NULL;
	bool again = node->reads > 1;

	if (n_links > 0) {
		copy = malloc(n_links * sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		memcpy(copy, links, n_links * sizeof(*copy));
	}
	for (size_t i = 0; i < node->n_links; i++)
		remove_link(account, &node->links[i]);
	for (size_t i = 0; again && i < n_links; i++)
		account->incomplete |= names_missing(account, &links[i]);
	free(node->links);
	node->links = copy;
	node->n_links = n_links;
	return 0;
}

int layer_account_commit(struct layer_account *account, uint32_t index, const struct layer_sum *sum,
			 const struct layer_link *links, size_t n_links)
{
	static const struct layer_sum nothing;
	struct layer_node *node = index != LAYER_NO_NODE ? &account->nodes[index] : NULL;

	if (node && node->dead)
		return 0;
	for (size_t i = 0; i < n_links; i++) {
		int r = add_link(account, &links[i]);

		if (r < 0)
			return r;
	}
	if (node) {
		int r = commit_node(account, node, links, n_links);

		if (r < 0)
			return r;
	}
	replace_sum(&account->total, node ? &node->sum : &nothing, sum);
	if (node)
		node->sum = *sum;
	return 0;
}

bool layer_account_see(struct layer_account *account, uint32_t parent, uint64_t key)
{
	uint32_t index = layer_map_get(&account->by_key, key);
	struct layer_node *node;

	if (!account->keeps_nodes || parent == LAYER_NO_NODE || index == LAYER_MAP_NONE)
		return false;
	node = &account->nodes[index];
	if (node->parent != parent) {
		if (node->parent != LAYER_NO_NODE)
			account->nodes[node->parent].children--;
		account->nodes[parent].children++;
		node->parent = parent;
	}
	node->pass = account->nodes[parent].reads;
	return true;
}

uint32_t layer_account_find(const struct layer_account *account, const struct layer_handle *handle)
{
	uint32_t node = layer_map_get(&account->by_handle, handle_key(handle));

	if (node == LAYER_MAP_NONE || !same_handle(&account->nodes[node].handle, handle))
		return LAYER_NO_NODE;
	return node;
}

void layer_account_kill(struct layer_account *account, uint32_t index)
{
	static const struct layer_sum nothing;
	struct layer_node *node = &account->nodes[index];

	if (node->dead)
		return;
	node->dead = true;
	for (size_t i = 0; i < node->n_links; i++)
		remove_link(account, &node->links[i]);
	free(node->links);
	node->links = NULL;
	node->n_links = 0;
	replace_sum(&account->total, &node->sum, &nothing);
	node->sum = nothing;
	if (node->parent != LAYER_NO_NODE)
		account->nodes[node->parent].children--;
	if (layer_map_get(&account->by_key, node->key) == index)
		layer_map_set(&account->by_key, node->key, LAYER_MAP_NONE);
	if (layer_map_get(&account->by_handle, handle_key(&node->handle)) == index)
		layer_map_set(&account->by_handle, handle_key(&node->handle), LAYER_MAP_NONE);
}

void layer_account_sweep(struct layer_account *account)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (uint32_t i = 0; i < account->n_nodes; i++) {
			struct layer_node *node = &account->nodes[i], *parent;

			if (node->dead || node->parent == LAYER_NO_NODE)
				continue;
			parent = &account->nodes[node->parent];
			if (!parent->dead && node->pass == parent->reads)
				continue;
			layer_account_kill(account, i);
			changed = true;
		}
	}
}
