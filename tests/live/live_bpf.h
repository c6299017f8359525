/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "collectors/sampler.h"

/* Whether programs sample here at all; says why not. A test that has no other subject exits
 * with 77. */
static inline bool live_bpf_samples(void)
{
	const struct sampler_options options = { .bpf = true };
	const char *reason = "no memory";
	struct sampler *sampler = NULL;
	struct root *root = NULL;
	bool samples = root_new(NULL, &root) == 0 && sampler_new(root, &options, &sampler) == 0 &&
		       sampler_bpf(sampler, &reason);

	if (!samples)
		printf("skipped: no bpf backend: %s\n", reason);
	sampler_free(sampler);
	root_free(root);
	return samples;
}
