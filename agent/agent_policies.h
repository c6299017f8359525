/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/agent.h"

/*
 * What the agent does with policies: loads them, hands what the engine decides to the enforcer, and
 * tells engine, log, audit log and metrics what became of it.
 */

/* Logs what was found wrong in configuration or policies, a line each. */
void agent_log_errors(const struct ini_errors *errors);
/*
 * Reads what the configuration names; what is wrong is logged. Policies are checked against this
 * machine, its protected cgroups and the latest snapshot (`agent->root`, `sampler` and `guards` are
 * needed). 0 or -errno; all or nothing.
 */
int agent_policies_load(struct agent *agent, const struct config *config,
			struct policy_set **ret_set);
/*
 * Hands decisions to the enforcer and empties the list. Without a journal, or in a dry run, they
 * are only told.
 */
void agent_policies_submit(struct agent *agent, struct decisions *decisions);
/*
 * What policies do with a new `agent->latest`: the kill-switch, at the first one the taking over of
 * what an earlier agent left held, and a tick of the engine.
 */
void agent_policies_tick(struct agent *agent);
/* Takes the results there are and tells everybody. */
void agent_policies_collect(struct agent *agent);
/* The path of the kill-switch file, as [global] or the state directory has it, into `buffer`. */
void agent_policies_stop_file(const struct agent *agent, struct strbuf *buffer);
