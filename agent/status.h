/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/agent.h"

/* What `cgwatch policy status --json` prints. */
void status_json(struct agent *agent, struct strbuf *out);
/* What `cgwatch policy explain` prints for one cgroup. */
void status_explain(struct agent *agent, const char *path, struct strbuf *out);
