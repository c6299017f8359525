// SPDX-License-Identifier: MIT
#include "collectors/node_sample.h"

#include <errno.h>

int node_sample(const struct root *root, const struct hierarchies *hierarchies,
		const struct snapshot *latest, uint32_t index, const struct metric_set *wanted,
		struct snapshot **ret_snapshot)
{
	(void)root;
	(void)hierarchies;
	(void)latest;
	(void)index;
	(void)wanted;
	(void)ret_snapshot;
	return -EOPNOTSUPP;
}
