/* SPDX-License-Identifier: MIT */
#pragma once

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

#include "collectors/layer_lower.h"
#include "collectors/layer_walk.h"
#include "collectors/layer_work.h"

/* What layer_walk.c (going through directories) and layer_entry.c (what a name is) share. */
enum { LAYER_BUFFER_SIZE = 65536, LAYER_HOT_MAX = 64, LAYER_HOT_SECONDS = 60 };

/* A directory on the way down. */
struct layer_frame {
	int fd; /* -1: closed to save descriptors */
	dev_t device;
	uint64_t inode;
	uint32_t node;
	bool reading, passing; /* passing: only on the way to one that is read again */
	bool impure, opaque, xwhiteouts;
	bool here;	 /* it is the current directory */
	size_t base;	 /* of its texts */
	size_t next;	 /* the directory in it to go into next */
	size_t name;	 /* its own; SIZE_MAX: the top */
	size_t redirect; /* SIZE_MAX: none */
	struct layer_sum sum;
};

/* A file that was written to not long ago. */
struct layer_hot {
	uint32_t node; /* LAYER_NO_NODE: a free place */
	uint64_t inode, blocks;
	int64_t size, mtime;
	char name[NAME_MAX + 1];
};

struct layer_walk {
	const struct layer_source *source;
	struct layer_walk_options options;
	bool no_xattrs;
	int top;
	dev_t device;
	int error; /* the first of those that made it partial */
	struct layer_account account;
	struct layer_stack frames, names, links; /* links: of the directory being read */
	size_t depth;
	struct layer_lower lower; /* as deep as it was needed, at most as the frames */
	struct layer_work work;
	struct layer_hot hot[LAYER_HOT_MAX];
	int64_t now; /* CLOCK_REALTIME, in seconds, at the beginning */
	size_t at, filled;
	char buffer[LAYER_BUFFER_SIZE] __attribute__((aligned(8)));
};

static inline struct layer_frame *layer_frame_at(const struct layer_walk *walk, size_t depth)
{
	return (struct layer_frame *)(void *)walk->frames.base + depth;
}

/* Something could not be read. */
static inline void layer_walk_note(struct layer_walk *walk, int error)
{
	if (walk->error == 0)
		walk->error = error;
}

/* Subvolumes of btrfs have a device and inode numbers of their own. */
static inline uint64_t layer_walk_key(const struct layer_walk *walk, dev_t device, uint64_t inode)
{
	uint64_t key = inode;

	if (device != walk->device)
		key ^= (uint64_t)device * UINT64_C(0x9e3779b97f4a7c15);
	return key ? key : 1;
}

/* Remembers a file if it was written to not long ago. */
void layer_hot_note(struct layer_walk *walk, uint32_t node, const char *name,
		    const struct stat *status);
/* Counts a name in the directory being read. */
void layer_walk_found(struct layer_walk *walk, struct layer_frame *frame,
		      const struct dirent64 *entry);
