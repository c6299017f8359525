// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/engine_private.h"

/* ---- what a policy waits for ---- */

static void add_events(struct watch *watch, const struct condition *condition)
{
	const struct event_spec *specs;
	size_t n = 0;

	if (!condition)
		return;
	specs = condition_events(condition, &n);
	for (size_t i = 0; i < n; i++) {
		struct watch_event *event = &watch->events[watch->n_events++];

		event->spec = specs[i];
		event->within = condition_event_within(condition, i);
		event->column = event_column(&specs[i], &event->sign);
		if (event->sign == EVENT_SIGN_STALL && event->column != M_NONE)
			event->column = metric_rate(event->column);
	}
}

int watch_events_init(struct watch *watch)
{
	const struct policy *policy = watch->policy;
	size_t n_when, n_clear = 0;

	condition_events(policy->when, &n_when);
	if (policy->clear_when)
		condition_events(policy->clear_when, &n_clear);
	if (n_when + n_clear == 0)
		return 0;
	watch->events = calloc(n_when + n_clear, sizeof(*watch->events));
	if (!watch->events)
		return -ENOMEM;
	add_events(watch, policy->when);
	watch->n_when_events = watch->n_events;
	add_events(watch, policy->clear_when);
	return 0;
}

void watch_event_needs(const struct watch *watch, struct metric_set *set)
{
	for (unsigned int i = 0; i < watch->n_events; i++) {
		if (watch->events[i].column != M_NONE)
			metric_set_add(set, watch->events[i].column);
	}
}

/* ---- signs of events in a sample: has it happened since the last one? ---- */

static bool sign_count(const struct watch_event *event, uint64_t before, union value value)
{
	(void)event;
	return value.u64 > before;
}

static bool sign_set(const struct watch_event *event, uint64_t before, union value value)
{
	(void)event;
	return before == 0 && value.u64 != 0;
}

static bool sign_cleared(const struct watch_event *event, uint64_t before, union value value)
{
	(void)event;
	return before != 0 && value.u64 == 0;
}

static bool sign_stall(const struct watch_event *event, uint64_t before, union value value)
{
	(void)before;
	return value.number > (double)event->spec.stall_usec / (double)event->spec.window_usec;
}

static const struct {
	bool (*happened)(const struct watch_event *event, uint64_t before, union value value);
	bool needs_before;
} signs[] = {
	[EVENT_SIGN_COUNT] = { sign_count, true },
	[EVENT_SIGN_SET] = { sign_set, true },
	[EVENT_SIGN_CLEARED] = { sign_cleared, true },
	[EVENT_SIGN_STALL] = { sign_stall, false },
};

/*
 * What the kernel told since the last sample shows in this one too, and is not taken twice. The
 * other way round its word may come after a sample that shows it already: that is the credit.
 */
static void see_sign(const struct watch_event *event, struct event_cell *cell, union value value,
		     uint64_t now)
{
	bool can_tell = cell->has_seen || !signs[event->sign].needs_before;
	bool happened = can_tell && signs[event->sign].happened(event, cell->seen, value);

	cell->credit = happened && !cell->told;
	if (cell->credit) {
		cell->now = true;
		cell->happened_at = now;
	}
	cell->told = false;
	cell->seen = value.u64;
	cell->has_seen = true;
}

void watch_see_signs(struct watch *watch, const struct snapshot *snapshot, uint64_t now)
{
	for (unsigned int i = 0; i < watch->n_events; i++) {
		const struct watch_event *event = &watch->events[i];

		for (uint32_t at = 0; at < watch->n; at++) {
			struct event_cell *cell = &watch->cells[at * watch->n_events + i];
			union value value;

			if (event->column != M_NONE &&
			    snapshot_get(snapshot, event->column, watch->indices[at], &value) ==
				    VALUE_OK)
				see_sign(event, cell, value, now);
			else
				cell->told = cell->credit = false;
		}
	}
}

static uint64_t happened(const struct watch *watch, uint32_t at, unsigned int first, unsigned int n,
			 uint64_t now)
{
	uint64_t bits = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct event_cell *cell = &watch->cells[at * watch->n_events + first + i];
		uint64_t within = watch->events[first + i].within;

		if (cell->now || (within && cell->happened_at && now - cell->happened_at < within))
			bits |= UINT64_C(1) << i;
	}
	return bits;
}

void moment_events(struct moment *moment)
{
	const struct watch *watch = moment->watch;
	unsigned int n_when = watch->n_when_events;

	moment->when_events = moment->clear_events = 0;
	if (watch->n_events == 0)
		return;
	moment->when_events = happened(watch, moment->at, 0, n_when, moment->now);
	moment->clear_events = happened(watch, moment->at, n_when, watch->n_events - n_when,
					moment->now);
}

void watch_forget_events(struct watch *watch, uint32_t at, uint32_t n)
{
	size_t first = (size_t)at * watch->n_events, end = first + (size_t)n * watch->n_events;

	for (size_t i = first; i < end; i++)
		watch->cells[i].now = false;
}

/* ---- told by the kernel ---- */

/* True if it is news for one of the policy's operands. */
static bool take_event(struct watch *watch, uint32_t at, const struct event_spec *spec,
		       uint64_t now)
{
	bool news = false;

	for (unsigned int i = 0; i < watch->n_events; i++) {
		struct event_cell *cell = &watch->cells[at * watch->n_events + i];

		if (!event_equal(&watch->events[i].spec, spec))
			continue;
		if (cell->credit) {
			cell->credit = false;
			continue;
		}
		cell->now = cell->told = true;
		cell->happened_at = now;
		news = true;
	}
	return news;
}

int engine_event(struct engine *engine, const struct snapshot *snapshot, uint64_t serial,
		 const struct event_spec *spec, uint64_t now, struct decisions *decisions)
{
	struct moment moment = {
		.engine = engine, .snapshot = snapshot, .now = now, .decisions = decisions
	};
	/* An event may be the first to be heard of after a suspend. */
	bool gap = engine_is_gap(engine, now);
	int r = engine_match(engine, snapshot, decisions);

	moment.index = tree_find_serial(snapshot->tree, serial);
	if (r < 0 || moment.index == NODE_NONE)
		return r;
	budget_prepare(engine);
	for (size_t i = 0; i < engine->n_watches && r == 0; i++) {
		struct watch *watch = &engine->watches[i];

		if (watch->n_events == 0)
			continue;
		moment.watch = watch;
		moment.policy = watch->policy;
		moment.at = watch_at(watch, moment.index);
		if (moment.at == NODE_NONE || !take_event(watch, moment.at, spec, now))
			continue;
		watch_see_schedule(watch, snapshot);
		r = engine_look(&moment, gap);
		watch_forget_events(watch, moment.at, 1);
	}
	return r;
}

static bool waits_for(const struct watch *watch, const struct event_spec *spec)
{
	for (unsigned int i = 0; i < watch->n_events; i++) {
		if (event_equal(&watch->events[i].spec, spec))
			return true;
	}
	return false;
}

static bool compares_numbers(const struct policy *policy)
{
	return condition_operands(policy->when) > 0 || policy->limits.max_processes ||
	       policy->limits.max_share > 0 ||
	       (policy->clear_when && condition_operands(policy->clear_when) > 0);
}

bool engine_event_needs_sample(const struct engine *engine, uint64_t serial,
			       const struct event_spec *spec)
{
	uint32_t index = engine->tree ? tree_find_serial(engine->tree, serial) : NODE_NONE;

	for (size_t i = 0; i < engine->n_watches && index != NODE_NONE; i++) {
		const struct watch *watch = &engine->watches[i];

		if (waits_for(watch, spec) && compares_numbers(watch->policy) &&
		    watch_at(watch, index) != NODE_NONE)
			return true;
	}
	return false;
}

/* ---- what to wait for ---- */

struct want {
	uint32_t index;
	struct event_spec spec;
};

static int compare_specs(const struct event_spec *a, const struct event_spec *b)
{
	const uint32_t x[] = { a->kind, a->resource, a->full, a->stall_usec, a->window_usec };
	const uint32_t y[] = { b->kind, b->resource, b->full, b->stall_usec, b->window_usec };

	for (size_t i = 0; i < ARRAY_SIZE(x); i++) {
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	}
	return 0;
}

static int compare_wants(const void *a, const void *b)
{
	const struct want *x = a, *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return compare_specs(&x->spec, &y->spec);
}

/* All of them, those of several policies once, by node. NULL: no memory. */
static struct want *collect_wants(const struct engine *engine, size_t *ret_n)
{
	size_t most = 0, n = 0, kept = 0;
	struct want *list;

	for (size_t i = 0; i < engine->n_watches; i++)
		most += (size_t)engine->watches[i].n * engine->watches[i].n_events;
	list = malloc((most + 1) * sizeof(*list));
	if (!list)
		return NULL;
	for (size_t i = 0; i < engine->n_watches; i++) {
		const struct watch *watch = &engine->watches[i];

		for (uint32_t at = 0; watch->n_events > 0 && at < watch->n; at++) {
			for (unsigned int j = 0; !watch->unsure[at] && j < watch->n_events; j++)
				list[n++] = (struct want){ watch->indices[at],
							   watch->events[j].spec };
		}
	}
	qsort(list, n, sizeof(*list), compare_wants);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || compare_wants(&list[kept - 1], &list[i]) != 0)
			list[kept++] = list[i];
	}
	*ret_n = kept;
	return list;
}

static bool same_wants(const struct engine *engine, const struct want *list, size_t n)
{
	if (n != engine->n_wants)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct seen_want *seen = &engine->wants[i];

		if (seen->serial != engine->tree->nodes[list[i].index]->serial ||
		    !event_equal(&seen->spec, &list[i].spec))
			return false;
	}
	return true;
}

int engine_wants(struct engine *engine, struct event_want **ret_list, size_t *ret_n,
		 bool *ret_changed)
{
	_cleanup_(freep) struct want *list = NULL;
	_cleanup_(freep) struct event_want *wants = NULL;
	struct seen_want *seen;
	size_t n = 0;

	*ret_list = NULL;
	*ret_n = 0;
	*ret_changed = false;
	if (!engine->wants_stale)
		return 0;
	list = collect_wants(engine, &n);
	if (!list)
		return -ENOMEM;
	if (same_wants(engine, list, n)) {
		engine->wants_stale = false;
		return 0;
	}
	wants = malloc((n + 1) * sizeof(*wants));
	seen = malloc((n + 1) * sizeof(*seen));
	if (!wants || !seen) {
		free(seen);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		struct node *node = engine->tree->nodes[list[i].index];

		wants[i] = (struct event_want){ .node = node, .spec = list[i].spec };
		seen[i] = (struct seen_want){ .serial = node->serial, .spec = list[i].spec };
	}
	free(engine->wants);
	engine->wants = seen;
	engine->n_wants = *ret_n = n;
	engine->wants_stale = false;
	*ret_list = TAKE_PTR(wants);
	*ret_changed = true;
	return 0;
}
