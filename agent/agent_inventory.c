// SPDX-License-Identifier: MIT
#include "agent/agent_inventory.h"

#include <string.h>

unsigned int agent_inventory_parts(const struct agent *agent, const struct metric_set *needs)
{
	unsigned int parts = metric_set_inventory(needs) | engine_inventory(agent->engine);

#if CGWATCH_HAVE_EXPORTER
	if (agent->exporter && agent->config.export_inventory) {
		parts |= INVENTORY_NAMESPACES | INVENTORY_OVERLAYS | INVENTORY_CONTAINERS;
		if (agent->config.export_usage)
			parts |= INVENTORY_USAGE;
	}
#endif
	parts = inventory_expand(parts);
	if (agent->config.inventory.holders && (parts & INVENTORY_NAMESPACES))
		parts |= INVENTORY_HOLDERS;
	if (agent->config.inventory.orphans && (parts & INVENTORY_CONTAINERS))
		parts |= INVENTORY_ORPHANS;
	return parts;
}

void agent_inventory_load(struct agent *agent)
{
	char reason[BPF_REASON_SIZE] = "";
	const char *none;

	/* Not without the sampler's: by configuration, or for want of rights. */
	if (!sampler_bpf(agent->sampler, &none))
		return;
	if (bpf_tasks_new(agent->root, sampler_hierarchies(agent->sampler), &agent->tasks, reason,
			  sizeof(reason)) < 0)
		log_info("inventory: processes come from /proc: %s", reason);
}

static int start(struct agent *agent)
{
	const char *none;
	const struct config_inventory *config = &agent->config.inventory;
	const struct inventory_options options = {
		.layers = { .entries_per_second = config->entries_per_second,
			    .period_ns = config->walk_period_usec * 1000,
			    .no_fanotify = !config->fanotify },
		.runtimes = { .docker_root = config->docker_root,
			      .containerd_root = config->containerd_root,
			      .containerd_state = config->containerd_state,
			      .podman_root = config->podman_root,
			      .docker_socket = config->docker_socket,
			      .orphans = config->orphans },
		.period_ns = config->period_usec * 1000,
		.thread = true,
		.tasks = sampler_bpf(agent->sampler, &none) ? agent->tasks : NULL,
	};

	return inventory_keeper_new(agent->root, sampler_hierarchies(agent->sampler), &options,
				    &agent->keeper);
}

void agent_inventory_tick(struct agent *agent, const struct metric_set *needs)
{
	unsigned int parts = agent_inventory_parts(agent, needs);
	struct inventory *latest;
	int r;

	if (!agent->keeper) {
		/* A recorded tree has no mounts, layers and processes that could be looked into. */
		if (parts == 0 || root_is_recorded(agent->root))
			return;
		r = start(agent);
		if (r < 0) {
			log_error("inventory: %s", strerror(-r));
			return;
		}
		agent->pending_inventory = inventory_new(0, NULL, NULL, NULL);
	}
	inventory_keeper_want(agent->keeper, parts);
	latest = inventory_keeper_latest(agent->keeper);
	sampler_set_inventory(agent->sampler, latest ? latest : agent->pending_inventory);
	inventory_unref(latest);
}

void agent_inventory_stop(struct agent *agent)
{
	inventory_keeper_free(agent->keeper);
	agent->keeper = NULL;
	if (agent->sampler)
		sampler_set_inventory(agent->sampler, NULL);
	inventory_unref(agent->pending_inventory);
	agent->pending_inventory = NULL;
}
