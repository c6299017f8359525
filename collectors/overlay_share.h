/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/overlay_body.h"

/* How many overlays use a directory, and as what. */
struct overlay_share {
	uint32_t users, uppers, lowers, works;
};

struct overlay_shares;

/* Counts over all bodies; a directory is one by its inode, whatever path it has. -ENOMEM. */
int overlay_shares_new(struct overlay_body *const *bodies, size_t n,
		       struct overlay_shares **ret_shares);
void overlay_shares_free(struct overlay_shares *shares);
/* Of a place of one of the bodies. All 0 for NULL. */
struct overlay_share overlay_shares_of(const struct overlay_shares *shares,
				       const struct overlay_place *place);
