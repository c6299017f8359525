// SPDX-License-Identifier: MIT
#include "agent/recent.h"

#include <stdlib.h>
#include <string.h>

static void clear(struct recent_action *action)
{
	free(action->policy);
	free(action->path);
	free(action->text);
	*action = (struct recent_action){ 0 };
}

void recent_add(struct recent *recent, const struct enforcer_result *result, uint64_t realtime_ns)
{
	struct recent_action action = {
		.realtime_ns = realtime_ns,
		.node_serial = result->node_serial,
		.policy = strdup(result->policy ? result->policy : ""),
		.path = strdup(result->path ? result->path : ""),
		.text = strdup(result->text ? result->text : ""),
		.action = result->action,
		.op = result->op,
		.word = result_word(result),
	};
	struct recent_action *place = &recent->list[recent->n % RECENT_MAX];

	if (!action.policy || !action.path || !action.text) {
		clear(&action);
		return;
	}
	clear(place);
	*place = action;
	recent->n++;
}

const struct recent_action *recent_get(const struct recent *recent, size_t back)
{
	if (back >= RECENT_MAX || back >= recent->n)
		return NULL;
	return &recent->list[(recent->n - 1 - back) % RECENT_MAX];
}

void recent_done(struct recent *recent)
{
	for (size_t i = 0; i < RECENT_MAX; i++)
		clear(&recent->list[i]);
	recent->n = 0;
}
