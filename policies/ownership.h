/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/hierarchy.h"

/*
 * Which cgroups are never touched: the root of a hierarchy, our own cgroup, those of the processes
 * that we descend from, that of our watchdog (its pid, 0 for none), PID 1's, and the ancestors of
 * these, each in the hierarchy that would be written. Paths are compared component by component. 0;
 * or -EPERM with the reason in `reason`; or -errno if it cannot be told whose cgroups those are
 * (then nothing may be written either). Read anew at each call: processes move.
 */
int ownership_check(const struct root *root, const struct hierarchies *hierarchies,
		    unsigned int hierarchy, const char *path, pid_t watchdog, char *reason,
		    size_t size);
/* True if `path` is `other` or an ancestor of it: "/a" of "/a/b", not of "/ab". */
bool ownership_contains(const char *path, const char *other);
