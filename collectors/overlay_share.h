/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* What an overlay uses a directory for. */
enum overlay_role { OVERLAY_AS_UPPER, OVERLAY_AS_LOWER, OVERLAY_AS_WORK, OVERLAY_ROLE_COUNT };

/* How many overlays use a directory, by role. The kernel refuses one that has a directory twice. */
struct overlay_share {
	uint32_t users[OVERLAY_ROLE_COUNT];
};

/* One directory, under however many paths. */
struct overlay_group {
	struct overlay_group *next;
	dev_t device;
	uint64_t inode;
	uint32_t members;
	struct overlay_share share; /* of all members */
};

/* The directories by inode. */
struct overlay_groups {
	struct overlay_group **table;
	size_t size, n; /* size: a power of 2, or 0 */
};

void overlay_groups_done(struct overlay_groups *groups);
/* The group of that directory, one member larger. NULL if there is no memory. */
struct overlay_group *overlay_groups_join(struct overlay_groups *groups, dev_t device,
					  uint64_t inode, const struct overlay_share *share);
/* NULL is fine. */
void overlay_groups_leave(struct overlay_groups *groups, struct overlay_group *group,
			  const struct overlay_share *share);
