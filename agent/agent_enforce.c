// SPDX-License-Identifier: MIT
#include "agent/agent_enforce.h"

#include <errno.h>
#include <string.h>

#include "agent/agent_events.h"
#include "agent/agent_policies.h"

/* Puts back what a crashed agent left, and readies the means to do the same for ourselves. */
int agent_enforce_open(struct agent *agent)
{
	struct knob_context context = { .root = agent->root,
					.hierarchies = sampler_hierarchies(agent->sampler),
					.guards = agent->guards,
					.units = agent->units };
	struct journal_replay replay = { 0 };
	pid_t holder = 0;
	int r;

	if (root_is_recorded(agent->root)) {
		agent->no_journal = "this is a recorded tree";
		return 0;
	}
	r = journal_open(agent->config.state_dir, 10000, &agent->journal, &holder);
	if (r == -EBUSY) {
		log_error("%s: in use by process %d: only one agent may enforce; give this one "
			  "another "
			  "--state directory",
			  agent->config.state_dir, (int)holder);
		return r;
	}
	if (r < 0) {
		agent->no_journal = "the state directory cannot be used";
		log_warning("%s: %s: nothing will be enforced, since nothing could be put back",
			    agent->config.state_dir, strerror(-r));
		return 0;
	}
	r = journal_restore(agent->journal, &context, false, &replay);
	if (replay.restored || replay.conflicts || replay.broken || r < 0)
		log_warning(
			"an earlier agent left changes: restored %u, conflicts %u, unreadable %u, "
			"failed %u",
			replay.restored, replay.conflicts, replay.broken, replay.failed);
	/* A bus of its own: a connection does not survive a fork, and this one was never used. */
	context.units = agent->watchdog_units;
	r = watchdog_start(agent->journal, &context, &agent->watchdog);
	if (r < 0)
		log_warning("watchdog: %s: after a crash changes stay until the next start",
			    strerror(-r));
	return 0;
}

int agent_enforce_start(struct agent *agent)
{
	const struct enforcer_options options = {
		/* The configured dry run is applied to decisions: it can change with a reload. */
		.dry_run = !agent->journal,
		.watchdog = agent->watchdog ? watchdog_pid(agent->watchdog) : 0,
		.guards = agent->guards,
		.units = agent->units,
		.recheck = agent_recheck,
		.recheck_data = agent,
	};

	return enforcer_new(agent->root, sampler_hierarchies(agent->sampler), agent->journal,
			    &options, &agent->enforcer);
}

/* The action that holds a knob on this machine; ACTION_COUNT if none does. */
static enum action_id action_for(enum knob_id knob, const struct knob_value *value,
				 const struct hierarchies *hierarchies)
{
	for (int id = 0; id < ACTION_COUNT; id++) {
		struct action action = { .id = (enum action_id)id, .value = *value };
		struct knob_value ignored;

		if (action_kind(action.id) == ACTION_KIND_KNOB &&
		    action_knob(&action, hierarchies, &ignored) == knob)
			return action.id;
	}
	return ACTION_COUNT;
}

/* No policy wants that any more. */
static void let_go(struct agent *agent, const struct enforcer_hold *hold)
{
	uint32_t index = tree_find_serial(agent->latest->tree, hold->node_serial);
	struct decision decision = {
		.op = DECISION_RELEASE,
		.policy = hold->policy,
		.step = hold->step,
		.action = { .value = hold->wanted },
		.reason = (char *)"no policy wants it any more",
	};
	int r = -ENOENT;

	decision.action.id = action_for(hold->knob, &hold->wanted,
					sampler_hierarchies(agent->sampler));
	if (index != NODE_NONE && decision.action.id != ACTION_COUNT) {
		decision.node = agent->latest->tree->nodes[index];
		r = enforcer_submit(agent->enforcer, &decision);
	}
	if (r < 0)
		log_error("policy %s: %s: what an earlier agent left held is not released: %s",
			  hold->policy, hold->path, strerror(-r));
}

void agent_enforce_adopt(struct agent *agent)
{
	struct enforcer_hold *holds = NULL;
	uint64_t now = agent_now_usec();
	size_t n = 0;
	int r;

	if (agent->adopted || !agent->journal)
		return;
	agent->adopted = true;
	r = enforcer_adopt(agent->enforcer, agent->latest, &holds, &n);
	if (r < 0) {
		log_error("taking over what an earlier agent left held: %s", strerror(-r));
		return;
	}
	for (size_t i = 0; i < n; i++) {
		/* In a dry run nobody holds anything, as in shadow mode. */
		if (agent->config.dry_run ||
		    engine_adopt(agent->engine, agent->latest, holds[i].node_serial,
				 holds[i].policy, holds[i].step, holds[i].since,
				 holds[i].lease_until, now) < 0)
			let_go(agent, &holds[i]);
	}
	if (n > 0)
		log_info("took over %zu values that an earlier agent left held", n);
	enforcer_holds_free(holds, n);
}
