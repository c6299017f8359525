// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policies/engine_private.h"

/* Where no bound says how many times are worth keeping. */
enum { HOUR_UNBOUNDED = 4096, HOUR_FIRST = 16 };

static const char *const block_names[BLOCK_COUNT] = {
	[BLOCK_NOTHING] = "nothing",	     [BLOCK_STOPPED] = "stopped",
	[BLOCK_SCHEDULE] = "schedule",	     [BLOCK_COOLDOWN] = "cooldown",
	[BLOCK_RATE] = "max_per_hour",	     [BLOCK_CONCURRENT] = "max_concurrent",
	[BLOCK_PROCESSES] = "max_processes", [BLOCK_CGROUPS] = "max_cgroups",
	[BLOCK_SHARE] = "max_share",	     [BLOCK_UNKNOWN] = "unknown",
	[BLOCK_FAILED] = "failed",	     [BLOCK_TAKEN] = "taken",
};

const char *engine_block_name(enum engine_block block)
{
	return block_names[block];
}

/* ---- the last hour ---- */

void hour_done(struct hour *hour)
{
	free(hour->times);
	*hour = (struct hour){ 0 };
}

static uint32_t first_within(const struct hour *hour, uint64_t now)
{
	uint32_t first = 0;

	while (first < hour->n && now - hour->times[first] >= ENGINE_HOUR_USEC)
		first++;
	return first;
}

uint32_t hour_count(const struct hour *hour, uint64_t now)
{
	return hour->n - first_within(hour, now);
}

static void cut(struct hour *hour, uint32_t first, uint32_t n)
{
	if (n == 0)
		return;
	memmove(&hour->times[first], &hour->times[first + n],
		(hour->n - first - n) * sizeof(*hour->times));
	hour->n -= n;
}

/* Without memory the oldest is forgotten: a bound must not be the reason that nothing is put back.
 */
static void hour_add(struct hour *hour, uint32_t most, uint64_t now)
{
	cut(hour, 0, first_within(hour, now));
	if (hour->n == hour->capacity && hour->capacity < most) {
		uint32_t capacity = hour->capacity ? 2 * hour->capacity : HOUR_FIRST;
		uint64_t *grown = realloc(hour->times, capacity * sizeof(*grown));

		if (grown) {
			hour->times = grown;
			hour->capacity = capacity;
		}
	}
	if (hour->n == hour->capacity && hour->n > 0)
		cut(hour, 0, 1);
	if (hour->n < hour->capacity)
		hour->times[hour->n++] = now;
}

static void hour_forget(struct hour *hour, uint64_t time)
{
	for (uint32_t i = hour->n; i-- > 0;) {
		if (hour->times[i] == time) {
			cut(hour, i, 1);
			return;
		}
	}
}

/* When there is room for one more under a bound. */
static uint64_t hour_free_at(const struct hour *hour, uint32_t bound)
{
	return hour->n >= bound && bound > 0 ? hour->times[hour->n - bound] + ENGINE_HOUR_USEC : 0;
}

/* ---- who is held ---- */

enum { MARK_HELD = 1, MARK_FROZEN = 2, MARK_BITS = 2 };

static unsigned int mark_of(const struct policy *policy, unsigned int held)
{
	unsigned int mark = held ? MARK_HELD : 0;

	for (unsigned int step = 0; step < policy->n_steps; step++) {
		if ((held >> step & 1) && policy->steps[step].action.id == ACTION_FREEZE)
			mark |= MARK_FROZEN;
	}
	return mark;
}

static unsigned int marks_of(const struct engine *engine, enum budget_class class, uint32_t index)
{
	return engine->marks[index] >> (class * MARK_BITS);
}

/* A cgroup that several policies hold is one. */
static void add_mark(struct engine *engine, enum budget_class class, uint32_t index,
		     unsigned int mark)
{
	unsigned int added = mark & ~marks_of(engine, class, index);

	engine->n_held[class] += (added & MARK_HELD) != 0;
	engine->n_frozen[class] += (added & MARK_FROZEN) != 0;
	engine->marks[index] |= (uint8_t)(mark << (class * MARK_BITS));
}

static const struct policy_global *global_of(const struct engine *engine)
{
	static const struct policy_global none;

	return engine->set ? policy_set_global(engine->set) : &none;
}

void budget_prepare(struct engine *engine)
{
	const struct policy_global *global = global_of(engine);

	if ((!global->max_held && !global->max_frozen) || !engine->tree)
		return;
	memset(engine->marks, 0, engine->tree->n);
	memset(engine->n_held, 0, sizeof(engine->n_held));
	memset(engine->n_frozen, 0, sizeof(engine->n_frozen));
	for (size_t i = 0; i < engine->n_watches; i++) {
		const struct watch *watch = &engine->watches[i];

		for (uint32_t at = 0; watch->n_held > 0 && at < watch->n; at++) {
			const struct track *track = watch->tracks[at];

			if (track && track->held)
				add_mark(engine, policy_class(watch->policy), watch->indices[at],
					 mark_of(watch->policy, track->held));
		}
	}
}

/* ---- the share of the machine ---- */

/* Of the root; where it has no such number (memory of v2), of all that is right below it. */
static int whole(const struct snapshot *snapshot, enum metric_id id, double *ret_whole)
{
	const struct tree *tree = snapshot->tree;
	double sum = 0, one;
	bool any = false;

	if (tree->n > 0 && snapshot_number(snapshot, id, 0, ret_whole) == VALUE_OK)
		return 0;
	for (uint32_t i = 1; i < tree->n; i = tree->end[i]) {
		if (snapshot_number(snapshot, id, i, &one) != VALUE_OK)
			continue;
		any = true;
		sum += one;
	}
	if (!any)
		return -ENODATA;
	*ret_whole = sum;
	return 0;
}

static int share_of(const struct snapshot *snapshot, enum metric_id id, uint32_t index, double all,
		    double *ret_share)
{
	double part;

	if (snapshot_number(snapshot, id, index, &part) != VALUE_OK)
		return -ENODATA;
	*ret_share = part > 0 ? (all > 0 ? part / all : INFINITY) : 0;
	return 0;
}

int budget_share(const struct snapshot *snapshot, uint32_t index, double *ret_share)
{
	double memory = 0, cpus = 0, of_memory, of_cpu;
	int r = whole(snapshot, M_MEMORY_CURRENT, &memory);

	if (r < 0)
		return r;
	if (snapshot_number(snapshot, M_CPUSET_NR_CPUS, 0, &cpus) != VALUE_OK || !(cpus > 0))
		r = whole(snapshot, M_CPU_USAGE_RATE, &cpus);
	if (r == 0)
		r = share_of(snapshot, M_MEMORY_CURRENT, index, memory, &of_memory);
	if (r == 0)
		r = share_of(snapshot, M_CPU_USAGE_RATE, index, cpus, &of_cpu);
	if (r == 0)
		*ret_share = of_memory > of_cpu ? of_memory : of_cpu;
	return r;
}

void budget_needs(const struct policy *policy, struct metric_set *set)
{
	if (policy->limits.max_processes)
		metric_set_add(set, M_CGROUP_PROCS_SUBTREE);
	if (!(policy->limits.max_share > 0))
		return;
	metric_set_add(set, M_MEMORY_CURRENT);
	metric_set_add(set, M_CPU_USAGE_RATE);
	metric_set_add(set, M_CPUSET_NR_CPUS);
}

/* ---- the bounds, one row each: what refuses, and until when where that is known ---- */

static enum engine_block bound_stopped(const struct moment *moment, const struct track *track,
				       unsigned int step, uint64_t *ret_until)
{
	(void)track;
	(void)step;
	(void)ret_until;
	return moment->engine->stopped ? BLOCK_STOPPED : BLOCK_NOTHING;
}

/* Selectors that cannot be told now keep what is held, but start nothing. */
static enum engine_block bound_selected(const struct moment *moment, const struct track *track,
					unsigned int step, uint64_t *ret_until)
{
	(void)track;
	(void)step;
	(void)ret_until;
	return moment->watch->unsure[moment->at] ? BLOCK_UNKNOWN : BLOCK_NOTHING;
}

static enum engine_block bound_schedule(const struct moment *moment, const struct track *track,
					unsigned int step, uint64_t *ret_until)
{
	int64_t realtime = (int64_t)(moment->snapshot->realtime_ns / 1000000000), next;

	(void)track;
	(void)step;
	if (!moment->watch->asleep)
		return BLOCK_NOTHING;
	next = schedule_next_change(moment->policy->schedule, realtime);
	if (next > realtime)
		*ret_until = moment->now + (uint64_t)(next - realtime) * 1000000;
	return BLOCK_SCHEDULE;
}

static enum engine_block bound_failed(const struct moment *moment, const struct track *track,
				      unsigned int step, uint64_t *ret_until)
{
	(void)step;
	*ret_until = track->retry_at;
	return track_waits_for(track, moment->now);
}

static enum engine_block bound_rate(const struct moment *moment, const struct track *track,
				    unsigned int step, uint64_t *ret_until)
{
	const struct hour *all = &moment->engine->hours[policy_class(moment->policy)];
	unsigned int own_bound = moment->policy->limits.max_per_hour;
	unsigned int all_bound = global_of(moment->engine)->max_per_hour;
	uint64_t until = 0;

	(void)track;
	(void)step;
	if (own_bound && hour_count(&moment->watch->hour, moment->now) >= own_bound)
		until = hour_free_at(&moment->watch->hour, own_bound);
	if (all_bound && hour_count(all, moment->now) >= all_bound &&
	    hour_free_at(all, all_bound) > until)
		until = hour_free_at(all, all_bound);
	*ret_until = until;
	return until ? BLOCK_RATE : BLOCK_NOTHING;
}

static enum engine_block bound_concurrent(const struct moment *moment, const struct track *track,
					  unsigned int step, uint64_t *ret_until)
{
	const struct policy *policy = moment->policy;
	const struct policy_global *global = global_of(moment->engine);
	enum budget_class class = policy_class(policy);
	unsigned int bound = policy->limits.max_concurrent;

	(void)ret_until;
	if (bound && !track->held && moment->watch->n_held >= bound)
		return BLOCK_CONCURRENT;
	if (global->max_held && moment->engine->n_held[class] >= global->max_held &&
	    !(marks_of(moment->engine, class, moment->index) & MARK_HELD))
		return BLOCK_CONCURRENT;
	if (global->max_frozen && policy->steps[step].action.id == ACTION_FREEZE &&
	    moment->engine->n_frozen[class] >= global->max_frozen &&
	    !(marks_of(moment->engine, class, moment->index) & MARK_FROZEN))
		return BLOCK_CONCURRENT;
	return BLOCK_NOTHING;
}

static enum engine_block bound_cgroups(const struct moment *moment, const struct track *track,
				       unsigned int step, uint64_t *ret_until)
{
	const struct tree *tree = moment->snapshot->tree;
	uint32_t bound = moment->policy->limits.max_cgroups;

	(void)track;
	(void)step;
	(void)ret_until;
	return bound && tree->end[moment->index] - moment->index > bound ? BLOCK_CGROUPS
									 : BLOCK_NOTHING;
}

static enum engine_block bound_processes(const struct moment *moment, const struct track *track,
					 unsigned int step, uint64_t *ret_until)
{
	uint64_t bound = moment->policy->limits.max_processes;
	double processes;

	(void)track;
	(void)step;
	(void)ret_until;
	if (!bound)
		return BLOCK_NOTHING;
	if (snapshot_number(moment->snapshot, M_CGROUP_PROCS_SUBTREE, moment->index, &processes) !=
	    VALUE_OK)
		return BLOCK_UNKNOWN;
	return processes > (double)bound ? BLOCK_PROCESSES : BLOCK_NOTHING;
}

static enum engine_block bound_share(const struct moment *moment, const struct track *track,
				     unsigned int step, uint64_t *ret_until)
{
	double bound = moment->policy->limits.max_share, share;

	(void)track;
	(void)step;
	(void)ret_until;
	if (!(bound > 0))
		return BLOCK_NOTHING;
	if (budget_share(moment->snapshot, moment->index, &share) < 0)
		return BLOCK_UNKNOWN;
	return share > bound ? BLOCK_SHARE : BLOCK_NOTHING;
}

static enum engine_block (*const bounds[])(const struct moment *moment, const struct track *track,
					   unsigned int step, uint64_t *ret_until) = {
	bound_stopped,	  bound_selected, bound_schedule,  bound_failed, bound_rate,
	bound_concurrent, bound_cgroups,  bound_processes, bound_share,
};

void track_block(struct watch *watch, struct track *track, enum engine_block block, uint64_t until)
{
	if (block != track->block && block != BLOCK_NOTHING)
		watch->stats.blocked[block]++;
	track->block = block;
	track->block_until = block == BLOCK_NOTHING ? 0 : until;
}

bool budget_allows(const struct moment *moment, struct track *track, unsigned int step)
{
	enum engine_block block = BLOCK_NOTHING;
	uint64_t until = 0;

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]) && block == BLOCK_NOTHING; i++) {
		until = 0;
		block = bounds[i](moment, track, step, &until);
	}
	track_block(moment->watch, track, block, until);
	return block == BLOCK_NOTHING;
}

void budget_take(const struct moment *moment, unsigned int step)
{
	struct engine *engine = moment->engine;
	enum budget_class class = policy_class(moment->policy);
	const struct policy_global *global = global_of(engine);
	unsigned int own_bound = moment->policy->limits.max_per_hour;

	hour_add(&moment->watch->hour, own_bound ? own_bound : HOUR_UNBOUNDED, moment->now);
	if (global->max_per_hour)
		hour_add(&engine->hours[class], global->max_per_hour, moment->now);
	if (global->max_held || global->max_frozen)
		add_mark(engine, class, moment->index, mark_of(moment->policy, 1U << step));
}

void budget_return(struct engine *engine, struct watch *watch, uint64_t taken_at)
{
	hour_forget(&watch->hour, taken_at);
	hour_forget(&engine->hours[policy_class(watch->policy)], taken_at);
}
