/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/distribution.h"
#include "core/snapshot.h"

/*
 * Distributions as the kernel might have counted them, of these cgroups (in the order of the tree):
 * waiting in run queues with two humps and something in the last bucket, block I/O of which the
 * last interval had none, and one throttling. Reclaim cannot be told; memory.high was never hit.
 */
struct distributions *fake_distributions(const struct tree *tree, const char *const *paths,
					 size_t n);
