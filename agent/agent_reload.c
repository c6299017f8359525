// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "agent/agent_exporter.h"
#include "agent/agent_inventory.h"
#include "agent/agent_policies.h"
#include "core/cleanup.h"

static bool same_texts(const struct texts *a, const struct texts *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->list[i], b->list[i]) != 0)
			return false;
	}
	return true;
}

/* What cannot change while we run is said, not silently ignored. */
static void warn_fixed(const struct config *old, const struct config *new)
{
	if (strcmp(old->state_dir, new->state_dir) != 0)
		log_warning("state_dir: changes only when the agent is started again");
	if (!same_texts(&old->listen, &new->listen) ||
	    strcmp(old->telemetry_path, new->telemetry_path) != 0 ||
	    old->max_requests != new->max_requests)
		log_warning("[web]: changes only when the agent is started again");
	if (old->max_fds != new->max_fds)
		log_warning("max_fds: changes only when the agent is started again");
}

/* All or nothing: the new configuration is taken over only when every part of it is good. */
static int take_over(struct agent *agent, struct config *config, struct policy_set *policies)
{
	struct decisions decisions = { 0 };
	int r = agent_exporter_configure(agent, config);

	/* Beginning: what is held goes back. Ending: what was only rehearsed must be done anew. */
	if (r == 0 && config->dry_run != agent->config.dry_run)
		r = engine_release_all(agent->engine, agent_now_usec(), "a dry run begins or ends",
				       &decisions);
	if (r == 0)
		r = engine_set_policies(agent->engine, policies, agent_now_usec(), &decisions);
	/* Also when it failed: the engine holds for released what stands here. */
	agent_policies_submit(agent, &decisions);
	if (r < 0)
		return r;
	engine_set_interval(agent->engine, config->interval_usec);
	if (agent->timer && config->interval_usec != agent->config.interval_usec) {
		agent->next_tick_usec = agent_now_usec();
		sd_event_source_set_time(agent->timer, agent->next_tick_usec);
	}
	warn_fixed(&agent->config, config);
	if (!config_same_inventory(&agent->config.inventory, &config->inventory))
		agent_inventory_stop(agent); /* the next tick makes it anew */
	if (config->backend != agent->config.backend) {
		sampler_use_bpf(agent->sampler, config->backend != BACKEND_FILES);
		backend_log(agent->sampler, config->backend);
		agent_inventory_stop(agent); /* its passes over processes, likewise */
	}
	policy_set_unref(agent->policies);
	agent->policies = policy_set_ref(policies);
	/* These stay as they were started with, so that nothing later looks in the wrong place. */
	free(config->state_dir);
	config->state_dir = TAKE_PTR(agent->config.state_dir);
	config_done(&agent->config);
	agent->config = *config;
	*config = (struct config){ 0 };
	log_set_level(agent->config.log_level);
	return 0;
}

int agent_reload(struct agent *agent)
{
	struct policy_set *policies = NULL;
	struct config config = { 0 };
	int r;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)agent_clock_usec(CLOCK_MONOTONIC));
	r = agent_load_config(&agent->sources, &config);
	if (r == 0)
		r = agent_policies_load(agent, &config, &policies);
	if (r == 0)
		r = take_over(agent, &config, policies);
	policy_set_unref(policies);
	config_done(&config);
	/* Also when nothing changed or it was wrong: the file may have been rotated away. */
	if (audit_configure(agent->audit, config_audit_log(&agent->config),
			    agent->config.audit_size) < 0)
		log_error("audit log: out of memory: it stays where it was");
	agent->counts.last_reload_failed = r < 0;
	if (r < 0) {
		agent->counts.failed_reloads++;
		log_error("reload: the new configuration is wrong; the old one stays in force");
	} else {
		agent->counts.reloads++;
		agent->counts.last_reload_realtime_ns = agent_clock_usec(CLOCK_REALTIME) * 1000;
		log_info("reloaded: %zu polic%s", policy_set_size(agent->policies),
			 policy_set_size(agent->policies) == 1 ? "y" : "ies");
	}
	sd_notify(0, "READY=1");
	return r;
}
