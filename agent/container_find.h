/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/root.h"
#include "core/snapshot.h"

/*
 * The outermost cgroup of the one container of that name, as its runtime has it, or whose id begins
 * like that (4 characters or more). 0, -ENOENT, -ENOTUNIQ if there are several.
 */
int container_find(const struct root *root, const struct tree *tree, const char *name,
		   uint32_t *ret_index);
