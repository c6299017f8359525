// SPDX-License-Identifier: MIT
#include "core/join.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/join_make.h"
#include "core/units.h"

int join_new(struct tree *tree, struct inventory *inventory, struct join **ret_join)
{
	struct join *join = calloc(1, sizeof(*join));
	int r;

	if (!join)
		return -ENOMEM;
	atomic_init(&join->refs, 1);
	arena_init(&join->arena);
	join->tree = tree_ref(tree);
	join->inventory = inventory_ref(inventory);
	r = join_make(join);
	if (r < 0) {
		join_unref(join);
		return r;
	}
	*ret_join = join;
	return 0;
}

struct join *join_ref(struct join *join)
{
	if (join)
		atomic_fetch_add(&join->refs, 1);
	return join;
}

void join_unref(struct join *join)
{
	if (!join || atomic_fetch_sub(&join->refs, 1) != 1)
		return;
	arena_done(&join->arena);
	inventory_unref(join->inventory);
	tree_unref(join->tree);
	free(join);
}

bool join_is_of(const struct join *join, const struct tree *tree, const struct inventory *inventory)
{
	return join && join->tree == tree && join->inventory == inventory;
}

uint32_t join_processes(const struct join *join, uint32_t node, bool subtree,
			const uint32_t **ret_processes)
{
	uint32_t first, end;

	if (!join->start || node >= join->tree->n)
		return 0;
	first = join->start[node];
	end = join->start[subtree ? join->tree->end[node] : node + 1];
	*ret_processes = join->order + first;
	return end - first;
}

uint32_t join_process_node(const struct join *join, uint32_t process)
{
	const struct namespaces *set = join->inventory->namespaces;

	return set && process < set->n_processes ? join->process_node[process] : NODE_NONE;
}

void join_namespaces(const struct join *join, uint32_t node, struct join_ns *ret_ns)
{
	if (join->spaces && node < join->tree->n) {
		*ret_ns = join->spaces[node];
		return;
	}
	*ret_ns = (struct join_ns){ 0 };
	for (int type = 0; type < NS_TYPE_COUNT; type++)
		ret_ns->ns[type] = NS_NONE;
}

uint32_t join_ns_nodes(const struct join *join, uint32_t ns, const uint32_t **ret_nodes)
{
	if (!join->ns_start || ns >= join->inventory->namespaces->n)
		return 0;
	*ret_nodes = join->ns_nodes + join->ns_start[ns];
	return join->ns_start[ns + 1] - join->ns_start[ns];
}

const struct container *join_container(const struct join *join, uint32_t node)
{
	return join->containers && node < join->tree->n ? join->containers[node] : NULL;
}

const struct overlay *join_overlay(const struct join *join, uint32_t node)
{
	return join->overlays && node < join->tree->n ? join->overlays[node] : NULL;
}

uint32_t join_overlay_node(const struct join *join, const struct overlay *overlay)
{
	const struct overlays *set = join->inventory->overlays;

	if (!set || !overlay || overlay < set->list || overlay >= set->list + set->n)
		return NODE_NONE;
	return join->overlay_node[overlay - set->list];
}

/* "user-1000.slice", "user@1000.service"; others of that kind (user.slice) have no digits. */
static bool user_of_name(const char *name, uid_t *ret_uid)
{
	const char *digits = name + strcspn(name, "-@");
	size_t n = *digits ? strspn(digits + 1, "0123456789") : 0;
	char text[16] = "";
	uint64_t uid;

	if (n == 0 || n >= sizeof(text) || digits[1 + n] != '.')
		return false;
	memcpy(text, digits + 1, n);
	if (parse_u64(text, &uid) < 0 || uid >= (uid_t)-1)
		return false;
	*ret_uid = (uid_t)uid;
	return true;
}

bool join_user(const struct join *join, uint32_t node, uid_t *ret_uid)
{
	const struct tree *tree = join->tree;

	for (uint32_t i = node; i < tree->n; i = tree->parent[i]) {
		if (tree->nodes[i]->kind == NODE_USER &&
		    user_of_name(tree->nodes[i]->name, ret_uid))
			return true;
	}
	if (!join->users || node >= tree->n || join->users[node] != ONE_USER)
		return false;
	*ret_uid = join->uid[node];
	return true;
}

const struct ns_limit *join_limit(const struct join *join, uint32_t node, enum ns_type type)
{
	if (!join->limits || node >= join->tree->n || join->limits[node][type] == NS_NONE)
		return NULL;
	return &join->inventory->namespaces->limits[join->limits[node][type]];
}

const char *join_hostname(const struct join *join, uint32_t node)
{
	const struct join_ns *spaces = join->spaces;

	if (!spaces || node >= join->tree->n || spaces[node].place[NS_UTS] != JOIN_OWN)
		return NULL;
	return join->inventory->namespaces->list[spaces[node].ns[NS_UTS]].nodename;
}
