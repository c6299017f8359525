/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/agent.h"

/*
 * Puts back what a crashed agent left, takes the journal and starts the watchdog. Without a state
 * directory nothing is enforced (agent->no_journal says why). 0, or -EBUSY if another agent has it.
 */
int agent_enforce_open(struct agent *agent);
/* Starts the enforcer. 0 or -errno. */
int agent_enforce_start(struct agent *agent);
/*
 * With the first snapshot: takes over what an earlier agent left held on purpose (restore without
 * on-exit); what no policy wants any more is released.
 */
void agent_enforce_adopt(struct agent *agent);
