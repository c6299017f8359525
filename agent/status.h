/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/agent.h"

/*
 * What `cgwatch policy status --json` prints: everything that core/policy_report.h has, by the same
 * names. Bounded: of more than STATUS_ROWS_MAX rows in a list the rest is only counted.
 */
enum { STATUS_ROWS_MAX = 5000 };

void status_json(struct agent *agent, struct strbuf *out);
/* What `cgwatch policy explain` prints for one cgroup. */
void status_explain(struct agent *agent, const char *path, struct strbuf *out);
