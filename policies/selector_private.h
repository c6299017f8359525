/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/join.h"
#include "policies/selector.h"

/* One value of a line, ready to be compared. */
struct selector_item {
	char *text;    /* as written */
	size_t prefix; /* match: so many bytes at its start stand for themselves; 0: none */
	bool literal;  /* match: all of it stands for itself */
	bool is_id;    /* container: it could be an id or the beginning of one */
	bool has_uid;  /* user: `uid` is known */
	enum node_kind kind;
	uid_t uid;
	enum ns_type ns_type;
	enum join_place place; /* namespace: JOIN_UNKNOWN means `inode` */
	uint64_t inode;
};

/* What is looked at, gathered once for a cgroup. */
struct selector_subject {
	const struct node *node;
	const struct snapshot *snapshot; /* NULL: only the node is known */
	uint32_t index;
};

/* What a selector is: a row of the table in selector_kinds.c. */
struct selector_row {
	const char *name;
	bool by_comma;		/* several values in one line */
	bool by_node;		/* the node alone decides */
	unsigned int inventory; /* enum inventory_parts it looks at */
	/* Fills in what `text` means. -EINVAL with the reason; `reason` is of `size` bytes. */
	int (*parse)(struct selector_item *item, char *reason, size_t size);
	enum outcome (*match)(const struct selector_item *item,
			      const struct selector_subject *subject);
	/* True if nobody was seen of whom it could be said; NULL: never. Then it excludes. */
	bool (*blind)(const struct selector_subject *subject);
};

extern const struct selector_row selector_rows[SELECTOR_COUNT];
