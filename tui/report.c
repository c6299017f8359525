// SPDX-License-Identifier: MIT
#include "tui/report.h"

#include <string.h>

/* As policies/knob.c calls it. */
#define KNOB_FREEZE "freezer"

static bool has_id(const struct node *node, uint64_t cgroup_id)
{
	for (uint32_t i = 0; cgroup_id && i < node->n_ids; i++) {
		if (node->ids[i] == cgroup_id)
			return true;
	}
	return cgroup_id == 0;
}

bool report_is_node(const struct node *node, const char *path, uint64_t cgroup_id)
{
	return path && strcmp(node->path, path) == 0 && has_id(node, cgroup_id);
}

uint32_t report_find_node(const struct snapshot *snapshot, const char *path, uint64_t cgroup_id)
{
	uint32_t index = snapshot && path ? tree_find(snapshot->tree, path) : NODE_NONE;

	if (index == NODE_NONE || !has_id(snapshot->tree->nodes[index], cgroup_id))
		return NODE_NONE;
	return index;
}

const struct report_hold *report_hold_of(const struct policy_report *report,
					 const struct node *node)
{
	const struct report_hold *found = NULL;

	for (uint32_t i = 0; report && i < report->n_holds; i++) {
		const struct report_hold *hold = &report->holds[i];

		if (!report_is_node(node, hold->path, hold->cgroup_id))
			continue;
		if (!found || (hold->effective && !found->effective))
			found = hold;
	}
	return found;
}

const struct report_hold *report_freeze_of(const struct policy_report *report,
					   const struct node *node)
{
	for (uint32_t i = 0; report && i < report->n_holds; i++) {
		const struct report_hold *hold = &report->holds[i];

		if (hold->knob && strcmp(hold->knob, KNOB_FREEZE) == 0 &&
		    report_is_node(node, hold->path, hold->cgroup_id))
			return hold;
	}
	return NULL;
}

const struct report_policy *report_find_policy(const struct policy_report *report, const char *name)
{
	for (uint32_t i = 0; report && name && i < report->n_policies; i++) {
		if (report->policies[i].name && strcmp(report->policies[i].name, name) == 0)
			return &report->policies[i];
	}
	return NULL;
}
