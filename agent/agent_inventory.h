/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/agent.h"

/* The parts of the inventory that policies (`needs`) and the exporter ask for. */
unsigned int agent_inventory_parts(const struct agent *agent, const struct metric_set *needs);
/*
 * Before each sample: tells the keeper what is wanted, and gives the sampler the latest there is. A
 * keeper is only made when somebody wants something; without one, columns of the inventory are
 * absent. Never waits.
 */
void agent_inventory_tick(struct agent *agent, const struct metric_set *needs);
/* Loads what tells of all processes at once, while there is the right to: see bpf_tasks.h. */
void agent_inventory_load(struct agent *agent);
/* Ends the keeper, also for one with other options to be made. */
void agent_inventory_stop(struct agent *agent);
