/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/agent.h"

/*
 * Events between the ticks: what policies wait for is watched, and when it happens they are looked
 * at without waiting for the next sample.
 */

/* Readies what agent_recheck() needs, and the watch. Before the enforcer starts. 0 or -errno. */
int agent_events_start(struct agent *agent);
/* After each tick of the engine: watches what it waits for now, from then on in the loop. */
void agent_events_tick(struct agent *agent);
/* What happened, from whoever was told: policies that wait for it are looked at. */
void agent_events_tell(struct agent *agent, const struct event *list, size_t n);
/* After the enforcer ended. */
void agent_events_stop(struct agent *agent);
/* What is watched and what not. False if there is no watch. */
bool agent_events_stats(const struct agent *agent, struct event_watch_stats *ret_stats);
/*
 * For enforcer_options.recheck, `data` being the agent: reads the cgroup of a decision anew and
 * looks whether its policy's `when` still holds, the events in it taken for having happened. 0 if
 * it does, -ECANCELED with the reason if not, another -errno where it cannot be told. Any thread.
 */
int agent_recheck(void *data, const struct decision *decision, char *reason, size_t size);
