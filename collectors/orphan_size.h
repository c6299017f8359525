/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/*
 * Bytes allocated below a path (hard links once), by a walk that stays on its filesystem. Takes
 * what it looks at off *budget (entries). 0; -E2BIG when the budget is used up; -errno.
 */
int orphan_size(int dir_fd, const char *path, uint64_t *budget, uint64_t *ret_bytes);
