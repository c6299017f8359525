// SPDX-License-Identifier: MIT
#include "agent/container_find.h"

#include <errno.h>
#include <string.h>

#include "collectors/runtime_scan.h"
#include "core/cleanup.h"

enum { ID_LENGTH_MIN = 4 }; /* of the beginning of an id */

DEFINE_CLEANUP(struct containers *, containers_unref)
DEFINE_CLEANUP(struct runtime_scanner *, runtime_scanner_free)

static int find_id(const struct tree *tree, const char *id, bool whole, uint32_t *ret_index)
{
	size_t length = strlen(id);
	const char *found = NULL;

	whole |= length < ID_LENGTH_MIN;
	for (uint32_t i = 0; i < tree->n; i++) {
		const char *other = tree->nodes[i]->container_id;

		if (!other || strncmp(other, id, length) != 0 || (whole && other[length]))
			continue;
		if (found && strcmp(found, other) != 0)
			return -ENOTUNIQ;
		if (!found)
			*ret_index = i;
		found = other;
	}
	return found ? 0 : -ENOENT;
}

/* One that is not running may have the same name as another runtime's that is. */
static int find_name(const struct root *root, const struct tree *tree, const char *name,
		     uint32_t *ret_index)
{
	_cleanup_(runtime_scanner_freep) struct runtime_scanner *scanner = NULL;
	_cleanup_(containers_unrefp) struct containers *set = NULL;
	uint32_t index = NODE_NONE, one;

	if (runtime_scanner_new(root, NULL, &scanner) < 0 ||
	    runtime_scanner_scan(scanner, NULL, &set) < 0)
		return -ENOENT;
	for (uint32_t i = 0; i < set->n; i++) {
		const struct container *container = &set->list[i];

		if (!container->name || strcmp(container->name, name) != 0 ||
		    find_id(tree, container->id, true, &one) < 0)
			continue;
		if (index != NODE_NONE && index != one)
			return -ENOTUNIQ;
		index = one;
	}
	if (index == NODE_NONE)
		return -ENOENT;
	*ret_index = index;
	return 0;
}

int container_find(const struct root *root, const struct tree *tree, const char *name,
		   uint32_t *ret_index)
{
	int r = find_name(root, tree, name, ret_index);

	return r == -ENOENT ? find_id(tree, name, false, ret_index) : r;
}
