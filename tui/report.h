/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/policy_report.h"
#include "core/snapshot.h"

/*
 * Which cgroup of a snapshot something in the agent's report is about, and the other way round: by
 * path, and by id where the agent gave one, as a path may have been made anew meanwhile.
 */

/* An index, or NODE_NONE. */
uint32_t report_find_node(const struct snapshot *snapshot, const char *path, uint64_t cgroup_id);
/* True if that path and id mean the node. An id of 0 says nothing. */
bool report_is_node(const struct node *node, const char *path, uint64_t cgroup_id);
/* The first holder of something of that cgroup, the one in force first; of its freezing. Or NULL.
 */
const struct report_hold *report_hold_of(const struct policy_report *report,
					 const struct node *node);
const struct report_hold *report_freeze_of(const struct policy_report *report,
					   const struct node *node);
/* The policy of a track or hold, or NULL. */
const struct report_policy *report_find_policy(const struct policy_report *report,
					       const char *name);
