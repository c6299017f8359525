/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/overlay_body.h"

/* What a set is made from. `bodies` are sorted by device, each with its entries. */
struct overlay_set_source {
	struct overlay_body *const *bodies;
	size_t n;
	struct overlay_places *places;
	uint64_t host_ns; /* inode of the machine's own mount namespace */
};

/*
 * The part of a set that stays as it is until a mount or a directory changes: layers, options,
 * mounts, flags. The caller owns the reference. -ENOMEM.
 */
int overlay_set_new(const struct overlay_set_source *source, struct overlays **ret_base);
