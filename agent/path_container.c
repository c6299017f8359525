// SPDX-License-Identifier: MIT
#include "agent/path_container.h"

#include <stdlib.h>
#include <string.h>

#include "collectors/containers.h"
#include "core/cleanup.h"

/* The node of a path, classified as the walk does it: from the top, each by its parent. */
static struct node *classify(const char *path)
{
	struct node *node = node_new("/", 0, 0);
	const char *at = path;
	uint32_t depth = 0;

	while (node && *at == '/' && at[1]) {
		size_t length = (size_t)(at + 1 - path) + strcspn(at + 1, "/");
		_cleanup_(freep) char *prefix = strndup(path, length);
		struct node *child = prefix ? node_new(prefix, ++depth, 0) : NULL;

		if (child && container_classify(child, node) < 0) {
			node_unref(child);
			child = NULL;
		}
		node_unref(node);
		node = child;
		at = path + length;
	}
	return node;
}

void container_add_name(const struct containers *containers, const char *id, struct strbuf *out)
{
	const struct container *container = containers ? containers_find(containers, id) : NULL;

	if (container && container->name)
		strbuf_add_string(out, container->name);
	else
		strbuf_add(out, id, strnlen(id, 12));
}

bool path_container_name(const struct containers *containers, const char *cgroup,
			 struct strbuf *out)
{
	struct node *node = classify(cgroup);
	bool found = node && node->container_id;

	if (found)
		container_add_name(containers, node->container_id, out);
	node_unref(node);
	return found;
}
