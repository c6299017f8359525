/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/join.h"
#include "core/snapshot.h"

/* One thing that screens show, by what it is and not by where it stands: it outlives refreshes. */
enum target_kind {
	TARGET_NONE,
	TARGET_CGROUP,	  /* id: serial */
	TARGET_NAMESPACE, /* type and inode */
	TARGET_OVERLAY,	  /* id: device */
	TARGET_PROCESS,	  /* id: pid, as long as the inventory has it */
};

struct target {
	enum target_kind kind;
	enum ns_type type;
	uint64_t id;
};

/* What was read beside the cgroups, or NULL while it was not. */
const struct namespaces *snapshot_namespaces(const struct snapshot *snapshot);
const struct overlays *snapshot_overlays(const struct snapshot *snapshot);
const struct containers *snapshot_containers(const struct snapshot *snapshot);

struct target target_cgroup(const struct snapshot *snapshot, uint32_t node);
struct target target_namespace(const struct ns_namespace *ns);
struct target target_overlay(const struct overlay *overlay);
bool target_equal(const struct target *a, const struct target *b);

/* Where it is in a snapshot (which may be NULL): a node, an index, an overlay; or none. */
uint32_t target_find_node(const struct snapshot *snapshot, const struct target *target);
uint32_t target_find_namespace(const struct snapshot *snapshot, const struct target *target);
const struct overlay *target_find_overlay(const struct snapshot *snapshot,
					  const struct target *target);

/* An index into the processes of the inventory, or NS_NONE. */
uint32_t target_find_process(const struct snapshot *snapshot, const struct target *target);
/* True if any of these finds it. */
bool target_is_there(const struct snapshot *snapshot, const struct target *target);

/* "cgroup /a/b", "net 4026532205", "overlay /mnt": safe for a terminal. */
void target_describe(const struct snapshot *snapshot, const struct target *target,
		     struct strbuf *text);

/*
 * Sets the marks (by index, room for all of them) of what has to do with a target: processes in a
 * cgroup and below it, in a namespace, or with an overlay as root; the namespaces these are in, or,
 * for an overlay, the mount namespaces that see it; their overlays, or, for a mount namespace,
 * those mounted in it. Returns how many were set.
 */
uint32_t target_mark_processes(const struct snapshot *snapshot, const struct target *target,
			       bool *marks);
uint32_t target_mark_namespaces(const struct snapshot *snapshot, const struct target *target,
				bool *marks);
uint32_t target_mark_overlays(const struct snapshot *snapshot, const struct target *target,
			      bool *marks);
/* The cgroups it has to do with: marks of nodes. A namespace without processes: of its holders. */
uint32_t target_mark_nodes(const struct snapshot *snapshot, const struct target *target,
			   bool *marks);
