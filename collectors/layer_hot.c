// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_walk_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The file's own place, a free one, or that of the one that was written to longest ago. */
static struct layer_hot *place_for(struct layer_walk *walk, uint64_t inode)
{
	struct layer_hot *best = &walk->hot[0];

	for (size_t i = 0; i < LAYER_HOT_MAX; i++) {
		struct layer_hot *hot = &walk->hot[i];

		if (hot->node != LAYER_NO_NODE && hot->inode == inode)
			return hot;
		if (best->node == LAYER_NO_NODE)
			continue;
		if (hot->node == LAYER_NO_NODE || hot->mtime < best->mtime)
			best = hot;
	}
	return best;
}

void layer_hot_note(struct layer_walk *walk, uint32_t node, const char *name,
		    const struct stat *status)
{
	struct layer_hot *hot;

	if (status->st_mtime < walk->now - LAYER_HOT_SECONDS)
		return;
	hot = place_for(walk, status->st_ino);
	if (hot->node != LAYER_NO_NODE && hot->inode != status->st_ino &&
	    hot->mtime > status->st_mtime)
		return;
	*hot = (struct layer_hot){ .node = node,
				   .inode = status->st_ino,
				   .blocks = (uint64_t)status->st_blocks,
				   .size = status->st_size,
				   .mtime = status->st_mtime };
	strncpy(hot->name, name, sizeof(hot->name) - 1);
}

/* 1: as it was, 0: changed, -errno: not there any more. */
static int look_at(const struct layer_hot *hot, int fd, struct stat *status)
{
	if (fstatat(fd, hot->name, status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return -errno;
	if (status->st_ino != hot->inode)
		return -ESTALE;
	return status->st_size == hot->size && (uint64_t)status->st_blocks == hot->blocks;
}

bool layer_walk_check_hot(struct layer_walk *walk, void (*dirty)(void *argument, uint32_t node),
			  void *argument)
{
	bool any = false;

	walk->now = (int64_t)time(NULL);
	for (size_t i = 0; i < LAYER_HOT_MAX; i++) {
		struct layer_hot *hot = &walk->hot[i];
		struct stat status;
		int fd, r;

		if (hot->node == LAYER_NO_NODE)
			continue;
		if (hot->mtime < walk->now - LAYER_HOT_SECONDS ||
		    walk->account.nodes[hot->node].dead) {
			hot->node = LAYER_NO_NODE;
			continue;
		}
		fd = layer_walk_open(walk, hot->node);
		r = fd < 0 ? fd : look_at(hot, fd, &status);
		if (fd >= 0)
			close(fd);
		if (r < 0) {
			hot->node = LAYER_NO_NODE;
			continue;
		}
		any = true;
		hot->mtime = status.st_mtime;
		if (r == 0)
			dirty(argument, hot->node);
	}
	return any;
}
