// SPDX-License-Identifier: MIT
#include "fake_distributions.h"

#include <stdlib.h>

#include "core/cleanup.h"

static const struct {
	enum distribution_kind kind;
	unsigned int bucket;
	uint64_t total, interval;
} counts[] = {
	{ DISTRIBUTION_RUNQUEUE, 1, 12000, 120 }, { DISTRIBUTION_RUNQUEUE, 2, 48000, 400 },
	{ DISTRIBUTION_RUNQUEUE, 3, 9000, 77 },	  { DISTRIBUTION_RUNQUEUE, 10, 300, 0 },
	{ DISTRIBUTION_RUNQUEUE, 12, 2400, 31 },  { DISTRIBUTION_RUNQUEUE, 13, 700, 4 },
	{ DISTRIBUTION_RUNQUEUE, 31, 1, 0 },	  { DISTRIBUTION_BLOCK_IO, 7, 90, 0 },
	{ DISTRIBUTION_BLOCK_IO, 8, 210, 0 },	  { DISTRIBUTION_THROTTLE, 17, 1, 1 },
	{ DISTRIBUTION_MEMORY_HIGH, 0, 0, 0 },
};

static void add(struct distribution *distribution, unsigned int bucket, uint64_t n)
{
	distribution->buckets[bucket] += n;
	distribution->count += n;
	distribution->sum_ns += n * (UINT64_C(900) << bucket);
}

struct distributions *fake_distributions(const struct tree *tree, const char *const *paths,
					 size_t n)
{
	struct distributions *distributions = distributions_new(n * DISTRIBUTION_RECLAIM);

	if (!distributions)
		abort();
	distributions->missing = UINT32_C(1) << DISTRIBUTION_RECLAIM;
	for (size_t i = 0; i < n; i++) {
		struct distribution_entry *entries = &distributions->list[i * DISTRIBUTION_RECLAIM];

		for (int kind = 0; kind < DISTRIBUTION_RECLAIM; kind++) {
			entries[kind].node = tree_find(tree, paths[i]);
			entries[kind].kind = (enum distribution_kind)kind;
		}
		for (size_t j = 0; j < ARRAY_SIZE(counts); j++) {
			add(&entries[counts[j].kind].total, counts[j].bucket, counts[j].total);
			add(&entries[counts[j].kind].interval, counts[j].bucket,
			    counts[j].interval);
		}
	}
	return distributions;
}
