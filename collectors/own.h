/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/root.h"

/* What this process itself uses, for its own metrics. Numbers in base units. */
struct own {
	double cpu_seconds, start_seconds; /* since the epoch */
	double resident_bytes, virtual_bytes;
	double open_fds, max_fds, threads;
};

/* From /proc/self. What could not be read is 0. -errno if nothing could. */
int own_read(const struct root *root, struct own *ret_own);
