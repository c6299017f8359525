/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/engine.h"

/*
 * What policies would have decided over a series of snapshots: the real engine, told each time that
 * what it decided was done. What the actions would have changed is not simulated: the recording
 * goes on as it was. Pure.
 */
struct simulation;

struct simulation_policy {
	const struct policy *policy;
	struct engine_policy_stats stats;    /* cleared, blocked, … as the engine counts */
	uint64_t fired;			     /* times that its first rung was applied */
	uint64_t actions[ACTION_COUNT];	     /* rungs applied, by action */
	uint64_t cgroups;		     /* different ones in which it fired */
	uint64_t most_matches, most_unknown; /* at a time */
	uint64_t longest_hold_usec;
	uint64_t held_usec;		  /* time in which it held at least one cgroup */
	uint64_t first_fired, last_fired; /* CLOCK_REALTIME of the recording, ns; 0: never */
};

struct simulation_time {
	uint64_t snapshots, begin_ns, end_ns; /* CLOCK_REALTIME of the recording */
	uint64_t span_usec, gaps;
};

/* Called for everything that is decided; the moment is that of the snapshot, CLOCK_REALTIME. */
typedef void simulation_watcher(void *data, uint64_t realtime_ns, const struct decision *decision);

/* Takes a reference. `watch` may be NULL. -ENOMEM. */
int simulation_new(struct policy_set *set, simulation_watcher *watch, void *data,
		   struct simulation **ret_simulation);
void simulation_free(struct simulation *simulation);
/* The next snapshot; `interval_ns` is the one that they are meant to be apart, 0: not known. */
int simulation_step(struct simulation *simulation, const struct snapshot *snapshot,
		    uint64_t interval_ns);
/* One a policy, in their order; complete after the last step. Lives as long as the simulation. */
const struct simulation_policy *simulation_policies(struct simulation *simulation, size_t *ret_n);
struct simulation_time simulation_time(const struct simulation *simulation);
