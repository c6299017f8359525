// SPDX-License-Identifier: MIT
#include "agent/agent_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/distribution.h"
#include "core/glob.h"

/* More than can be watched, so that what is beyond is counted. */
enum { WATCH_MOST = 4 * BPF_WATCHED_MAX };

static bool is_named(const struct texts *globs, const struct node *node)
{
	for (size_t i = 0; i < globs->n; i++) {
		if (glob_match(globs->list[i], node->path))
			return true;
	}
	return false;
}

static size_t add_named(const struct agent *agent, uint64_t *serials, size_t n, size_t size)
{
	const struct texts *globs = &agent->config.watch;
	const struct tree *tree = agent->latest ? agent->latest->tree : NULL;

	for (uint32_t i = 0; tree && globs->n > 0 && i < tree->n && n < size; i++) {
		if (is_named(globs, tree->nodes[i]))
			serials[n++] = tree->nodes[i]->serial;
	}
	return n;
}

void agent_watch_tick(struct agent *agent)
{
	_cleanup_(freep) uint64_t *serials = malloc(WATCH_MOST * sizeof(*serials));
	/* What policies look at is in the wanted columns; who is named is watched for everything.
	 */
	uint32_t kinds = agent->config.watch.n > 0 ? 2 * DISTRIBUTION_NET - 1 : 0;
	size_t n;
	int r = serials ? 0 : -ENOMEM;

	if (r == 0) {
		n = engine_watched(agent->engine, serials, WATCH_MOST);
		n = add_named(agent, serials, n, WATCH_MOST);
		r = sampler_watch(agent->sampler, kinds, serials, n);
	}
	if (r < 0)
		log_error("watching cgroups: %s", strerror(-r));
}
