/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/inventory.h"
#include "core/snapshot.h"

/* What a cgroup's processes have to do with the machine's own namespace of one type. */
enum join_place {
	JOIN_UNKNOWN, /* no process there, or none that could be looked into */
	JOIN_HOST,    /* all of them are in the machine's own */
	JOIN_OWN,     /* all of them are in another one, the same */
	JOIN_SEVERAL, /* they are in more than one */
};

/* The namespaces of a cgroup's processes. Threads that differ from their leader count too. */
struct join_ns {
	uint32_t processes; /* that were looked at */
	uint32_t denied;    /* of them, could not be looked into */
	enum join_place place[NS_TYPE_COUNT];
	uint32_t ns[NS_TYPE_COUNT];	  /* index of that of the lowest pid, or NS_NONE */
	uint32_t distinct[NS_TYPE_COUNT]; /* how many different ones */
	bool with_host[NS_TYPE_COUNT];	  /* the machine's own is one of them */
};

/*
 * Which part of an inventory belongs to which cgroup of a tree. Pure; immutable and shared by
 * reference. Made once for a tree and an inventory, so that lookups are cheap.
 */
struct join;

/* Takes references of both. -ENOMEM. */
int join_new(struct tree *tree, struct inventory *inventory, struct join **ret_join);
struct join *join_ref(struct join *join);
void join_unref(struct join *join);
/* True if it was made of these two, so that it need not be made again. */
bool join_is_of(const struct join *join, const struct tree *tree,
		const struct inventory *inventory);

/*
 * The processes in a cgroup itself, or with `subtree` also in those below it: indices into
 * namespaces->processes, by cgroup and pid. Returns how many. A process that v1 hierarchies have in
 * several cgroups is in each of them, so that a subtree may hold it more than once.
 */
uint32_t join_processes(const struct join *join, uint32_t node, bool subtree,
			const uint32_t **ret_processes);
/*
 * The cgroup of a process (an index into namespaces->processes): the one that names it, if there
 * are several. NODE_NONE if it is not in the tree.
 */
uint32_t join_process_node(const struct join *join, uint32_t process);
/* The namespaces that processes of a cgroup and of those below it are in. */
void join_namespaces(const struct join *join, uint32_t node, struct join_ns *ret_ns);
/*
 * The cgroups that have processes of their own in a namespace: node indices in tree order. Returns
 * how many.
 */
uint32_t join_ns_nodes(const struct join *join, uint32_t ns, const uint32_t **ret_nodes);
/* The container a cgroup is or lives in, as its runtime describes it, or NULL. */
const struct container *join_container(const struct join *join, uint32_t node);
/* The overlay mount its processes have as root, or that its container has, or NULL. */
const struct overlay *join_overlay(const struct join *join, uint32_t node);
/* The cgroup an overlay belongs to (the container's, or that of the lowest process), or NODE_NONE.
 */
uint32_t join_overlay_node(const struct join *join, const struct overlay *overlay);
/*
 * The user a cgroup belongs to: of its user slice, else of its processes if all (of the subtree)
 * have one uid. False if there is no such user.
 */
bool join_user(const struct join *join, uint32_t node, uid_t *ret_uid);
/*
 * The tightest limit of namespaces (/proc/sys/user/max_*) that applies to the user namespaces of
 * its processes, of one type, or NULL.
 */
const struct ns_limit *join_limit(const struct join *join, uint32_t node, enum ns_type type);
/* The host name its processes see: of their UTS namespace if it is one of their own, or NULL. */
const char *join_hostname(const struct join *join, uint32_t node);
