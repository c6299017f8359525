/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/hierarchy.h"

/*
 * Says in which hierarchies a cgroup may have come or gone, without looking at each: one fanotify
 * mark on the file system of a hierarchy reports every mkdir and rmdir in it, whatever mount or
 * namespace it came through (fanotify_mark(2), FAN_MARK_FILESYSTEM). Needs CAP_SYS_ADMIN and, as
 * kernfs had no fsid before, Linux 6.6; a hierarchy without a mark counts as changed each time.
 */
struct watch;

/*
 * For the hierarchies in `mask` (bits by index). Borrows the hierarchies. -ENOMEM; that nothing can
 * be marked is no error.
 */
int watch_new(const struct hierarchies *hierarchies, uint32_t mask, struct watch **ret_watch);
void watch_free(struct watch *watch);
/*
 * Hierarchies that may have changed since the call before: bits by index. All of them at the first
 * call. What changes after this call is reported by the next one.
 */
uint32_t watch_changed(struct watch *watch);
/* Hierarchies that are marked: bits by index. */
uint32_t watch_covered(const struct watch *watch);
