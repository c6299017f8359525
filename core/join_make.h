/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/join.h"

/* Whose processes a subtree has. */
enum join_users { NO_USER, ONE_USER, SEVERAL_USERS };

/* Only for join.c, which looks up, and join_make.c, which fills it once. */
struct join {
	atomic_int refs;
	struct tree *tree;
	struct inventory *inventory;
	struct arena arena;	/* everything below; NULL what the inventory has no part for */
	uint32_t *process_node; /* by process: the one that names it */
	uint32_t *order;	/* processes by node, then pid; some have several nodes */
	uint32_t *start;	/* by node, n + 1 offsets into order */
	struct join_ns *spaces; /* by node */
	uint32_t *ns_start;	/* by namespace, n + 1 offsets into ns_nodes */
	uint32_t *ns_nodes;
	const struct container **containers; /* by node */
	const struct overlay **overlays;     /* by node */
	uint32_t *overlay_node;		     /* by overlay */
	uid_t *uid;			     /* by node, of its subtree, with ONE_USER */
	uint8_t *users;			     /* by node */
	uint32_t (*limits)[NS_TYPE_COUNT];   /* by node, of its subtree: index, or NS_NONE */
};

/* Fills everything of a join that has its tree and inventory. -ENOMEM. */
int join_make(struct join *join);
