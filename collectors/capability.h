/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/*
 * Capabilities of the calling thread (capabilities(7)). Sets have a bit for each number of
 * <linux/capability.h>; threads and processes that are made later inherit what is left.
 */
#define CAPABILITY_BIT(number) (UINT64_C(1) << (number))

/* What it may do now, and what it could make effective; 0 if the kernel does not say. */
uint64_t capability_effective(void);
uint64_t capability_permitted(void);
/*
 * Gives them up for good: out of the ambient, inheritable, effective and permitted sets, and, where
 * that is allowed (CAP_SETPCAP), out of the bounding set. 0 or -errno.
 */
int capability_drop(uint64_t set);
/* Out of the effective set only: capability_raise() brings them back. 0 or -errno. */
int capability_lower(uint64_t set);
/* Makes those effective that are permitted and were not; returns them, for capability_lower(). */
uint64_t capability_raise(uint64_t set);
