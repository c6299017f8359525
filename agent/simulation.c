// SPDX-License-Identifier: MIT
#include "agent/simulation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

/* A policy and the cgroups in which it fired. */
struct subject {
	struct simulation_policy result;
	uint64_t *serials; /* sorted */
	size_t n_serials, capacity;
	bool held, was_held; /* now, and at the step before: a cgroup at least */
};

struct simulation {
	struct policy_set *set;
	struct engine *engine;
	simulation_watcher *watch;
	void *watch_data;
	struct subject *subjects;
	struct simulation_policy *results; /* copies, for whoever asks */
	size_t n;
	struct simulation_time time;
	uint64_t now, interval_ns;
};

int simulation_new(struct policy_set *set, simulation_watcher *watch, void *data,
		   struct simulation **ret_simulation)
{
	struct simulation *simulation = calloc(1, sizeof(*simulation));
	size_t n = policy_set_size(set);
	int r = -ENOMEM;

	if (!simulation)
		return -ENOMEM;
	simulation->set = policy_set_ref(set);
	simulation->watch = watch;
	simulation->watch_data = data;
	simulation->n = n;
	simulation->subjects = calloc(n ? n : 1, sizeof(*simulation->subjects));
	simulation->results = calloc(n ? n : 1, sizeof(*simulation->results));
	if (simulation->subjects && simulation->results)
		r = engine_new(0, &simulation->engine);
	if (r < 0) {
		simulation_free(simulation);
		return r;
	}
	for (size_t i = 0; i < n; i++)
		simulation->subjects[i].result.policy = policy_set_get(set, i);
	*ret_simulation = simulation;
	return 0;
}

void simulation_free(struct simulation *simulation)
{
	if (!simulation)
		return;
	for (size_t i = 0; simulation->subjects && i < simulation->n; i++)
		free(simulation->subjects[i].serials);
	free(simulation->subjects);
	free(simulation->results);
	engine_free(simulation->engine);
	policy_set_unref(simulation->set);
	free(simulation);
}

static struct subject *find_subject(struct simulation *simulation, const char *policy)
{
	for (size_t i = 0; i < simulation->n; i++) {
		if (strcmp(simulation->subjects[i].result.policy->name, policy) == 0)
			return &simulation->subjects[i];
	}
	return NULL;
}

/* Keeps the serial unless it is known. */
static int note_cgroup(struct subject *subject, uint64_t serial)
{
	size_t low = 0, high = subject->n_serials;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (subject->serials[middle] < serial)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < subject->n_serials && subject->serials[low] == serial)
		return 0;
	if (subject->n_serials == subject->capacity) {
		size_t capacity = subject->capacity ? 2 * subject->capacity : 16;
		uint64_t *grown = realloc(subject->serials, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		subject->serials = grown;
		subject->capacity = capacity;
	}
	memmove(subject->serials + low + 1, subject->serials + low,
		(subject->n_serials - low) * sizeof(*subject->serials));
	subject->serials[low] = serial;
	subject->n_serials++;
	return 0;
}

static int note_applied(struct subject *subject, const struct decision *decision,
			uint64_t realtime_ns)
{
	struct simulation_policy *result = &subject->result;

	if (decision->action.id < ACTION_COUNT)
		result->actions[decision->action.id]++;
	if (decision->step > 0)
		return 0;
	result->fired++;
	if (result->first_fired == 0)
		result->first_fired = realtime_ns;
	result->last_fired = realtime_ns;
	return note_cgroup(subject, decision->node->serial);
}

/* As if all of it were done at once. */
static int take(struct simulation *simulation, struct decisions *decisions, uint64_t realtime_ns)
{
	int r = 0;

	for (size_t i = 0; i < decisions->n && r == 0; i++) {
		const struct decision *decision = &decisions->list[i];
		struct subject *subject = find_subject(simulation, decision->policy);

		if (simulation->watch)
			simulation->watch(simulation->watch_data, realtime_ns, decision);
		if (subject && decision->op == DECISION_APPLY)
			r = note_applied(subject, decision, realtime_ns);
		if (decision->op != DECISION_REPORT)
			engine_report(simulation->engine, decision->node->serial, decision->policy,
				      decision->op, decision->step, 0, simulation->now);
	}
	decisions_done(decisions);
	return r;
}

static void look_at_track(void *data, const struct engine_track *track)
{
	struct simulation *simulation = data;
	struct subject *subject = find_subject(simulation, track->policy->name);
	uint64_t held;

	if (!subject || track->phase != ENGINE_HELD || track->held_since == 0)
		return;
	held = simulation->now - track->held_since;
	subject->held = true;
	if (held > subject->result.longest_hold_usec)
		subject->result.longest_hold_usec = held;
}

static void look_at_subjects(struct simulation *simulation, uint64_t step_usec)
{
	for (size_t i = 0; i < simulation->n; i++) {
		struct subject *subject = &simulation->subjects[i];
		struct engine_policy_stats *stats = &subject->result.stats;

		subject->was_held = subject->held;
		subject->held = false;
		if (subject->was_held)
			subject->result.held_usec += step_usec;
		engine_policy_stats(simulation->engine, subject->result.policy->name,
				    simulation->now, stats);
		if (stats->matches > subject->result.most_matches)
			subject->result.most_matches = stats->matches;
		if (stats->unknown > subject->result.most_unknown)
			subject->result.most_unknown = stats->unknown;
	}
	engine_each(simulation->engine, look_at_track, simulation);
}

/* The first step: policies begin with the recording, not with the machine. */
static int begin(struct simulation *simulation, const struct snapshot *snapshot)
{
	struct decisions decisions = { 0 };
	int r = engine_set_policies(simulation->engine, simulation->set,
				    snapshot->boottime_ns / 1000, &decisions);

	decisions_done(&decisions);
	simulation->time.begin_ns = snapshot->realtime_ns;
	simulation->now = snapshot->boottime_ns / 1000;
	return r;
}

int simulation_step(struct simulation *simulation, const struct snapshot *snapshot,
		    uint64_t interval_ns)
{
	struct decisions decisions = { 0 };
	uint64_t now = snapshot->boottime_ns / 1000, step;
	int r = simulation->time.snapshots == 0 ? begin(simulation, snapshot) : 0;

	if (r < 0)
		return r;
	if (interval_ns != simulation->interval_ns) {
		simulation->interval_ns = interval_ns;
		engine_set_interval(simulation->engine, interval_ns / 1000);
	}
	step = now - simulation->now;
	simulation->now = now;
	simulation->time.snapshots++;
	simulation->time.end_ns = snapshot->realtime_ns;
	simulation->time.span_usec += step;
	simulation->time.gaps += interval_ns > 0 && step > 2 * interval_ns / 1000;
	r = engine_tick(simulation->engine, snapshot, now, &decisions);
	if (r < 0) {
		decisions_done(&decisions);
		return r;
	}
	r = take(simulation, &decisions, snapshot->realtime_ns);
	look_at_subjects(simulation, step);
	return r;
}

const struct simulation_policy *simulation_policies(struct simulation *simulation, size_t *ret_n)
{
	for (size_t i = 0; i < simulation->n; i++) {
		simulation->results[i] = simulation->subjects[i].result;
		simulation->results[i].cgroups = simulation->subjects[i].n_serials;
	}
	*ret_n = simulation->n;
	return simulation->results;
}

struct simulation_time simulation_time(const struct simulation *simulation)
{
	return simulation->time;
}
