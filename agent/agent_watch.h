/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/agent.h"

/*
 * Tells the sampler which cgroups are watched (sampler_watch()): those that policies are for which
 * look at such metrics, and those of the configuration's `watch`. Before each sample; errors are
 * logged.
 */
void agent_watch_tick(struct agent *agent);
