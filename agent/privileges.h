/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

struct root;

/*
 * Gives up what only loading programs into the kernel took: CAP_PERFMON and CAP_SYSLOG for good,
 * and CAP_BPF too unless maps that grow with the tree need it (`bpf`: there are such), in which
 * case it stays permitted and is made effective for that moment (capability_raise()). Capabilities
 * belong to a thread: call it before the second one is made. 0 or -errno.
 */
int privileges_drop(const struct root *root, bool bpf);
