/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bolt.h"
#include "collectors/orphans.h"

/* One containerd: what its reader, its database and its layers share. */
struct containerd {
	struct runtime_pass *pass;
	const char *state, *root; /* without links */
	int fd;			  /* of root */
	uint32_t n_containers;	  /* in the database */
};

/* A state_parser for meta.db; `data` is a struct containerd. */
int containerd_parse_meta(struct state_file *file, const char *text, size_t length, void *data);
/* A driver a snapshotter that holds layers, and their orphans. 0 or -ENOMEM. */
int containerd_add_stores(struct containerd *containerd);
/* Layers without a record, and records without a layer; `data` is the snapshotter's directory. */
int orphans_search_containerd(struct orphan_search *search, void *data);
/* The number by which a snapshotter names a snapshot's directory. 0, -ENOENT, -errno. */
int containerd_snapshot_id(struct bolt *bolt, const struct bolt_bucket *snapshot, uint64_t *ret_id);
