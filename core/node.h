/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* What a cgroup is, by its name and place (systemd.slice(5), the runtimes' path forms). */
enum node_kind {
	NODE_CGROUP, /* none of the others */
	NODE_ROOT,
	NODE_SLICE,
	NODE_SERVICE,
	NODE_SCOPE,
	NODE_UNIT, /* a systemd unit of another type: mount, socket, swap */
	NODE_USER, /* user-UID.slice, user@UID.service */
	NODE_CONTAINER,
	NODE_POD,
	NODE_KIND_COUNT,
};

/*
 * What does not change about a cgroup, shared by all snapshots that show it. Immutable. A path that
 * comes back is another node.
 */
struct node {
	atomic_int refs;
	uint64_t serial; /* names the cgroup within this run of the program; never used again */
	uint32_t depth;	 /* 0 for the root */
	enum node_kind kind;
	char *path;	     /* bytes as the kernel has them, "/" for the root */
	const char *name;    /* last component, points into path; "/" for the root */
	char *label;	     /* the name made safe for a terminal */
	char *unit;	     /* the systemd unit it is or lives in, or NULL */
	char *container_id;  /* of the container it is or lives in, or NULL */
	const char *runtime; /* "docker", "containerd", …: static text, or NULL */
	uint32_t n_ids;
	uint64_t ids[]; /* kernfs inode by hierarchy index; 0 where the cgroup is not there */
};

/* A node with `n_ids` ids of 0 and a copy of the path. NULL if there is no memory. */
struct node *node_new(const char *path, uint32_t depth, uint32_t n_ids);
struct node *node_ref(struct node *node);
void node_unref(struct node *node);
/* The id of the first hierarchy that has it (the order of the tree's hierarchies). */
uint64_t node_id(const struct node *node);
const char *node_kind_name(enum node_kind kind);
/* The kind of that name, or NODE_KIND_COUNT. */
enum node_kind node_kind_find(const char *name);
