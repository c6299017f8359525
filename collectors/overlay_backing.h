/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "collectors/overlay_places.h"

/* The filesystems that hold writable layers, and their room. */
struct overlay_backing;

struct overlay_backing_info {
	const char *fstype; /* static; NULL: not known */
	uint64_t free_bytes, free_inodes;
};

int overlay_backing_new(struct overlay_backing **ret_backing);
void overlay_backing_free(struct overlay_backing *backing);
/* A new pass: numbers are asked for again, once a filesystem; of those with a server, seldom. */
void overlay_backing_begin(struct overlay_backing *backing);
/* Of the filesystem that a place is on, which has been found. Never blocks for long. */
struct overlay_backing_info overlay_backing_get(struct overlay_backing *backing,
						struct overlay_places *places,
						const struct overlay_place *place);
