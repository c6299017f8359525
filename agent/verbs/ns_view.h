/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/field.h"
#include "agent/labels.h"
#include "core/inventory.h"

/* What has to be collected for a column, beside the processes themselves. */
enum ns_needs {
	NS_NEEDS_FDS = 1 << 0,	      /* holders: every fd and socket */
	NS_NEEDS_MOUNTS = 1 << 1,     /* holders: bind mounts */
	NS_NEEDS_CGROUPS = 1 << 2,    /* of processes */
	NS_NEEDS_DETAILS = 1 << 3,    /* what has to be looked up inside a namespace */
	NS_NEEDS_CONTAINERS = 1 << 4, /* their names */
	NS_NEEDS_PROCESSES = 1 << 5,  /* name and parent of every process */
	NS_NEEDS_HOLDERS = NS_NEEDS_FDS | NS_NEEDS_MOUNTS,
};

/* The namespaces of an inventory with what their columns are made from. Rows are indices. */
struct ns_view {
	const struct namespaces *set;
	const struct containers *containers; /* may be NULL */
	struct labels *labels;
	uint32_t *first;   /* n + 1 offsets into members, by namespace */
	uint32_t *members; /* processes (leaders), by pid */
};

/* Borrows both. -ENOMEM; -ENODATA if the inventory has no namespaces. */
int ns_view_init(struct ns_view *view, const struct inventory *inventory, struct labels *labels);
void ns_view_done(struct ns_view *view);

/* The columns of a namespace, of a process in one, and of a limit (a row is an index into each). */
extern const struct fields ns_fields, ns_process_fields, ns_limit_fields;

/* For the columns: the inode of a namespace, a user's name or number, a process's command line. */
bool ns_add_inode(const struct ns_view *view, uint32_t index, struct strbuf *out);
bool ns_add_user(const struct ns_view *view, uid_t uid, struct strbuf *out);
bool ns_add_command(const struct ns_view *view, pid_t pid, const char *known, struct strbuf *out);

/* What holds it, in words: "fd 7 of 100 (sshd)". */
void ns_add_holder(const struct ns_view *view, const struct ns_holder *holder, struct strbuf *out);
/* In words for people: "host's, 93 processes, lo eth0". Raw bytes: escape them. */
void ns_add_description(const struct ns_view *view, uint32_t index, struct strbuf *out);

enum ns_tree { NS_TREE_NONE, NS_TREE_PROCESS, NS_TREE_PARENT, NS_TREE_OWNER };

/*
 * Puts rows into the order of a tree, with the ancestors they need. `rows` and `ret_depth` have
 * room for set->n. Returns how many rows there are, or -ENOMEM.
 */
int64_t ns_tree_order(const struct ns_view *view, enum ns_tree tree, uint32_t *rows, uint32_t n,
		      uint32_t *ret_depth);

/* Whether any process, thread or fd is in or at it: a namespace that nothing else keeps. */
bool ns_is_live(const struct ns_namespace *ns);
/* Nobody was seen in it, but of other users' processes it was not to be seen where they are. */
bool ns_is_undecided(const struct ns_view *view, const struct ns_namespace *ns);

/* Everything about one namespace: its columns, what holds it, the processes in it. */
void ns_print_one(struct strbuf *out, const struct ns_view *view, uint32_t index,
		  const struct field_list *processes, const struct field_format *format);
void ns_json_one(struct jsonw *json, const struct ns_view *view, uint32_t index,
		 const struct field_list *processes);
/* The holders of a namespace as a JSON array under "holders". */
void ns_json_holders(struct jsonw *json, const struct ns_view *view, uint32_t index);

/* Two processes side by side: in which namespaces, cgroup and root, and what these are. */
void ns_print_diff(struct strbuf *out, const struct ns_view *view, const uint32_t processes[2],
		   const struct field_format *format);
void ns_json_diff(struct jsonw *json, const struct ns_view *view, const uint32_t processes[2]);
