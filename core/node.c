// SPDX-License-Identifier: MIT
#include "core/node.h"

#include <stdlib.h>
#include <string.h>

#include "core/escape.h"

static const char *const kind_names[NODE_KIND_COUNT] = {
	[NODE_CGROUP] = "cgroup",   [NODE_ROOT] = "root",	    [NODE_SLICE] = "slice",
	[NODE_SERVICE] = "service", [NODE_SCOPE] = "scope",	    [NODE_UNIT] = "unit",
	[NODE_USER] = "user",	    [NODE_CONTAINER] = "container", [NODE_POD] = "pod",
};

struct node *node_new(const char *path, uint32_t depth, uint32_t n_ids)
{
	struct node *node = calloc(1, sizeof(*node) + n_ids * sizeof(node->ids[0]));
	struct strbuf label;
	const char *slash;

	if (!node)
		return NULL;
	atomic_init(&node->refs, 1);
	node->depth = depth;
	node->n_ids = n_ids;
	node->path = strdup(path);
	if (!node->path) {
		node_unref(node);
		return NULL;
	}
	slash = strrchr(node->path, '/');
	node->name = slash && slash[1] ? slash + 1 : node->path;
	strbuf_init(&label);
	escape_terminal_append(&label, node->name, strlen(node->name));
	node->label = strbuf_take(&label);
	if (!node->label) {
		node_unref(node);
		return NULL;
	}
	return node;
}

struct node *node_ref(struct node *node)
{
	atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
	return node;
}

void node_unref(struct node *node)
{
	if (!node || atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(node->path);
	free(node->label);
	free(node->unit);
	free(node->container_id);
	free(node);
}

uint64_t node_id(const struct node *node)
{
	for (uint32_t i = 0; i < node->n_ids; i++) {
		if (node->ids[i])
			return node->ids[i];
	}
	return 0;
}

const char *node_kind_name(enum node_kind kind)
{
	return kind_names[kind];
}

enum node_kind node_kind_find(const char *name)
{
	int kind;

	for (kind = 0; kind < NODE_KIND_COUNT; kind++) {
		if (strcmp(kind_names[kind], name) == 0)
			break;
	}
	return (enum node_kind)kind;
}
