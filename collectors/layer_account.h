/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/layer_memory.h"

/* What names add up to; the fields of the same name of struct layer_usage say what they are. */
struct layer_sum {
	uint64_t bytes, apparent_bytes, inodes;
	uint64_t files, directories, symlinks, specials;
	uint64_t created, copied_up, copied_up_bytes, metacopy;
	uint64_t whiteouts, xattr_whiteouts, opaque, redirected;
};

/* An inode with more than one name: counted once, for as long as a name of it is left. */
struct layer_link {
	uint64_t key;
	uint64_t bytes, apparent_bytes, copied_up_bytes;
	uint32_t names; /* in a directory's list: there; in the account: in the whole layer */
	bool whiteout;
	uint32_t nlink; /* what the inode says of itself */
};

enum { LAYER_HANDLE_MAX = 40 };

/* A file handle (name_to_handle_at(2)): by it fanotify calls a directory. */
struct layer_handle {
	int type;
	unsigned int length; /* 0: none */
	unsigned char bytes[LAYER_HANDLE_MAX];
};

#define LAYER_NO_NODE UINT32_MAX

/* One directory, with what lies directly in it and its own inode. */
struct layer_node {
	struct layer_sum sum;
	struct layer_handle handle;
	uint64_t key; /* of its inode */
	uint32_t parent, children;
	uint32_t pass; /* the reading of its parent that last saw it */
	uint32_t reads;
	bool dead, dirty;
	struct layer_link *links;
	size_t n_links;
};

/*
 * The sum of a layer, by directories, so that one of them can be read again and put in place of
 * what it was. Without nodes only the sum is kept, and nothing is taken from the heap.
 */
struct layer_account {
	struct layer_sum total;
	struct layer_map link_map; /* key to index */
	struct layer_stack links;
	bool keeps_nodes;
	bool incomplete; /* a name of a linked inode is missing: only a walk can tell its bytes */
	struct layer_node *nodes;
	uint32_t n_nodes, max_nodes;
	struct layer_map by_key, by_handle;
};

/* 0 or -ENOMEM. */
int layer_account_init(struct layer_account *account, bool keep_nodes);
void layer_account_done(struct layer_account *account);
/*
 * The node of a directory that is about to be read, made if need be. LAYER_NO_NODE where none are
 * kept; after that could not be (no memory, no handle) none are kept any more.
 */
uint32_t layer_account_enter(struct layer_account *account, uint32_t parent, uint64_t key,
			     const struct layer_handle *handle);
/* A directory was read to its end: this is what it holds now. 0 or -ENOMEM. */
int layer_account_commit(struct layer_account *account, uint32_t node, const struct layer_sum *sum,
			 const struct layer_link *links, size_t n_links);
/* While `parent` is read: it holds a directory with that key. True if that one is known. */
bool layer_account_see(struct layer_account *account, uint32_t parent, uint64_t key);
/* LAYER_NO_NODE: none of ours. */
uint32_t layer_account_find(const struct layer_account *account, const struct layer_handle *handle);
/* The inode of that directory is gone. */
void layer_account_kill(struct layer_account *account, uint32_t node);
/* After directories were read again: takes away those no longer in any. */
void layer_account_sweep(struct layer_account *account);
