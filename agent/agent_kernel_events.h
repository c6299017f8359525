/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/agent.h"
#include "collectors/bpf_events.h"

/*
 * Events that programs in the kernel tell of: those that the configuration names are counted, kills
 * and writes of limits logged; those that policies wait for go to the engine. Nothing is loaded
 * while nobody asks.
 */

/* Kills by the cgroup whose limit was hit; they stay when it is gone. */
struct oom_kills {
	char *path; /* bytes from outside; "" stands for all that found no row of their own */
	uint64_t n;
};

/* Loads what is wanted by now, while we may. Never fails: what cannot be told is said. */
void agent_kernel_events_start(struct agent *agent);
/* After each tick: what is wanted now runs, in the loop. */
void agent_kernel_events_tick(struct agent *agent);
void agent_kernel_events_stop(struct agent *agent);
/* False if nothing is loaded. `*ret_told`: kinds that are told now. */
bool agent_kernel_events_stats(const struct agent *agent, struct bpf_events_stats *ret_stats,
			       uint32_t *ret_told);
/* Events that policies wait for, in cgroups that came and went between two samples. */
uint64_t agent_kernel_events_unplaced(const struct agent *agent);
/* Borrowed until the next event. */
const struct oom_kills *agent_kernel_events_oom(const struct agent *agent, size_t *ret_n);
