/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "collectors/bpf_load.h"
#include "collectors/sampler.h"

/* Whether programs sample here at all; says why not. A test that has no other subject exits
 * with 77. */
static inline bool live_bpf_samples(void)
{
	const struct sampler_options options = { .bpf = true };
	const char *reason = "no memory";
	char allowed[BPF_REASON_SIZE];
	struct sampler *sampler = NULL;
	struct root *root = NULL;
	bool samples = root_new(NULL, &root) == 0 && sampler_new(root, &options, &sampler) == 0 &&
		       sampler_bpf(sampler, &reason);

	/* Where programs may be loaded it is no reason to skip anything. */
	if (!samples && bpf_load_allowed(allowed, sizeof(allowed))) {
		printf("programs may be loaded here, but there is no backend: %s\n", reason);
		exit(1);
	}
	if (!samples)
		printf("skipped: no bpf backend: %s\n", reason);
	sampler_free(sampler);
	root_free(root);
	return samples;
}
