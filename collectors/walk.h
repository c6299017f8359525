/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/hierarchy.h"
#include "core/snapshot.h"

/*
 * Keeps track of which cgroups there are, over all hierarchies, without walking the tree each time:
 * a cgroup directory's link count is 2 plus its children (kernfs_iop_getattr(), 6.18), so one stat
 * says whether children came or went. A child removed and another made in its place leaves the
 * count as it was; the removed one is found out by its inode or by ENODEV when it is read.
 */
struct walk;

/* A cgroup as the walker and the reader keep it from sample to sample. */
struct live {
	struct node *node;		    /* owned */
	struct live *parent, *child, *next; /* siblings sorted by name */
	uint32_t index;			    /* in the current tree */
	uint32_t before;		    /* in the tree before it, or NODE_NONE */
	uint32_t rescan;	 /* bits: hierarchies whose directory must be read again */
	uint64_t cpu_told[2];	 /* us of user and system time that the bpf backend told last */
	char *controllers;	 /* v2: cgroup.controllers when last needed, or NULL */
	uint64_t controllers_at; /* sample number of that */
	int *fds;		 /* the reader's kept files */
	struct live_dir {
		uint32_t n_links;
		uint32_t name_hash; /* the bpf backend's, 0 if it was not met yet */
		int fd;		    /* O_PATH, or -1 */
	} dirs[];
};

struct walk_counts {
	uint64_t opens, reads, stats;
};

/* Borrows the hierarchies, holds the pool. `on_drop` is called before a live cgroup is freed, so
 * that the reader can let go. */
int walk_new(const struct hierarchies *hierarchies, struct strpool *strings, bool recorded,
	     void (*on_drop)(struct live *live, void *data), void *data, struct walk **ret_walk);
void walk_free(struct walk *walk);
/*
 * Brings the picture up to date. `changed` are the hierarchies in which something may have come or
 * gone: only there every cgroup is looked at. `read_mask` are the hierarchies of which a file of
 * every cgroup is read anyway; there a kept descriptor is enough, elsewhere the inode is compared
 * by path. 0, or -errno with the old picture still valid.
 */
int walk_refresh(struct walk *walk, uint32_t changed, uint32_t read_mask, unsigned int keep_dirs);
/* The current tree (borrowed) and its cgroups in the same order. */
struct tree *walk_tree(const struct walk *walk);
struct live **walk_lives(const struct walk *walk);
/* Tells that `live` was found dead in hierarchy `h`: its parent is read again at the next refresh.
 */
void walk_suspect(struct live *live, unsigned int h);
/* Tells that children of `live` came or went in hierarchy `h`: it is read at the next refresh. */
void walk_children_changed(struct live *live, unsigned int h);
/* True if the directory of `live` in hierarchy `h` still exists and is the same cgroup. */
bool walk_alive(struct walk *walk, const struct live *live, unsigned int h);
struct walk_counts *walk_counts(struct walk *walk);
uint64_t walk_rebuilds(const struct walk *walk);
/* Directory descriptors kept now. */
unsigned int walk_kept(const struct walk *walk);
