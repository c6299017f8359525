/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "collectors/keyed.h"
#include "collectors/root.h"

/*
 * The memory of the machine (/proc/meminfo, Documentation/filesystems/proc.rst), in bytes. The root
 * of cgroup v2 has no memory.current.
 */
struct meminfo {
	uint64_t total;
	uint64_t available; /* what could be had without swapping */
};

/* -EINVAL if one of the two is missing (MemAvailable: before Linux 3.14) or they make no sense. */
int meminfo_parse(struct span text, struct meminfo *ret_meminfo);
/* The same from /proc/meminfo. 0 or -errno. */
int meminfo_read(const struct root *root, struct meminfo *ret_meminfo);
