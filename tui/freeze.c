// SPDX-License-Identifier: MIT
#include "tui/freeze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "tui/app.h"
#include "tui/report.h"

static void say(struct app *app, bool failed, const char *message, const char *otherwise)
{
	app_set_status(app, failed ? ROLE_ERROR : ROLE_STATUS, "%s", message ? message : otherwise);
}

void freeze_take_outcome(struct app *app)
{
	_cleanup_(freep) char *message = NULL;
	bool failed = false;

	if (app->source->outcome && app->source->outcome(app->source->data, &failed, &message))
		say(app, failed, message, failed ? "the agent could not" : "done");
}

static void answered(struct app *app, const char *text)
{
	const struct freeze_order *order = &app->freeze;
	_cleanup_(freep) char *message = NULL;
	uint32_t index = NODE_NONE;
	int r;

	if (app->snapshot)
		index = tree_find_serial(app->snapshot->tree, order->serial);
	if (!text || index == NODE_NONE) {
		app_set_status(app, ROLE_STATUS, text ? "the cgroup is gone" : "nothing done");
		return;
	}
	r = app->source->freeze(app->source->data, app->snapshot->tree->nodes[index], order->freeze,
				order->by_agent ? FREEZE_LEASE_SECONDS : 0, &message);
	if (r > 0)
		app_set_status(app, ROLE_STATUS, "the agent was asked to");
	else
		say(app, r < 0, message, r < 0 ? strerror(-r) : "done");
}

/* What the agent does not hold it would not thaw either. */
static bool is_for_agent(const struct app *app, const struct node *node, bool freeze)
{
	if (!app->report || !app->report->agent)
		return false;
	return freeze || report_freeze_of(app->report, node);
}

static void add_question(const struct app *app, const struct node *node, char *text, size_t size)
{
	const struct freeze_order *order = &app->freeze;
	const struct report_hold *hold = report_freeze_of(app->report, node);

	if (order->freeze && order->by_agent)
		snprintf(text, size, "Freeze it for %dm (y/n)? %s", FREEZE_LEASE_SECONDS / 60,
			 node->path);
	else if (order->freeze)
		snprintf(text, size, "Freeze it for good, as no agent would thaw it (y/n)? %s",
			 node->path);
	else if (hold && !hold->by_hand && hold->policy)
		snprintf(text, size, "Thaw it, which policy %.40s froze (y/n)? %s", hold->policy,
			 node->path);
	else
		snprintf(text, size, "Thaw it (y/n)? %s", node->path);
}

void freeze_ask(struct app *app, int unused)
{
	struct target target;
	uint32_t index = NODE_NONE;
	const struct node *node;
	char question[512];
	double frozen = 0;

	(void)unused;
	if (app_target(app, &target))
		index = target_find_node(app->snapshot, &target);
	if (index == NODE_NONE) {
		app_set_status(app, ROLE_STATUS, "no cgroup is selected");
		return;
	}
	node = app->snapshot->tree->nodes[index];
	if (node->depth == 0) {
		app_set_status(app, ROLE_ERROR, "the root cannot be frozen");
		return;
	}
	if (!app->source->freeze) {
		app_set_status(app, ROLE_ERROR, "nothing here can freeze");
		return;
	}
	snapshot_number(app->snapshot, M_FREEZER_FROZEN, index, &frozen);
	app->freeze.freeze = frozen == 0;
	app->freeze.serial = node->serial;
	app->freeze.by_agent = is_for_agent(app, node, app->freeze.freeze);
	add_question(app, node, question, sizeof(question));
	app_ask(app, question, answered);
}
