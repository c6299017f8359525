// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/engine_private.h"

static void add_seconds(struct strbuf *buffer, uint64_t usec)
{
	/* A tenth of a second is enough for people. */
	strbuf_add_fixed(buffer, (usec + 50000) / 100000, 1);
	strbuf_add_char(buffer, 's');
}

static void add_timer(struct strbuf *buffer, const char *what, uint64_t since, uint64_t now,
		      uint64_t wanted)
{
	if (!since)
		return;
	strbuf_add_string(buffer, what);
	add_seconds(buffer, now - since);
	strbuf_add_string(buffer, " of ");
	add_seconds(buffer, wanted);
}

static void add_until(struct strbuf *buffer, const char *what, uint64_t until, uint64_t now)
{
	if (until <= now)
		return;
	strbuf_add_string(buffer, what);
	add_seconds(buffer, until - now);
}

static void explain_rungs(const struct policy *policy, const struct track *track, uint64_t now,
			  struct strbuf *buffer)
{
	for (unsigned int step = 0; step < policy->n_steps; step++) {
		bool held = track && track->held >> step & 1;
		bool over = track && track->over >> step & 1;

		strbuf_add_string(buffer, held	 ? "  holds: "
					  : over ? "  lease over: "
					  : step ? "  then: "
						 : "  action: ");
		action_format(&policy->steps[step].action, buffer);
		if (policy->steps[step].after_usec) {
			strbuf_add_string(buffer, " after ");
			add_seconds(buffer, policy->steps[step].after_usec);
		}
		if (held)
			add_until(buffer, ", lease ends in ", track->lease_until[step], now);
		strbuf_add_char(buffer, '\n');
	}
}

static void explain_state(const struct policy *policy, const struct track *track, uint64_t now,
			  struct strbuf *buffer)
{
	strbuf_printf(buffer, "%s (%s): %s", policy->name, policy_mode_name(policy->mode),
		      engine_phase_name(track ? track->phase : ENGINE_IDLE));
	if (track) {
		add_timer(buffer, ", breach for ", track->breach_since, now, policy->for_usec);
		add_timer(buffer, ", clear for ", track->clear_since, now, policy->clear_for_usec);
		if (track->phase == ENGINE_COOLDOWN)
			add_until(buffer, ", for another ", track->cooldown_until, now);
		if (track->last_error)
			strbuf_printf(buffer, ", last attempt failed: %s",
				      strerror(-track->last_error));
		if (track->judged)
			strbuf_add_string(buffer, ", found not to help");
	}
	strbuf_add_char(buffer, '\n');
}

static void explain_condition(const struct moment *moment, const char *name,
			      const struct condition *condition, uint64_t events,
			      struct strbuf *buffer)
{
	strbuf_printf(buffer, "  %s: ", name);
	condition_explain_events(condition, moment->snapshot, moment->index, events, buffer);
	strbuf_add_char(buffer, '\n');
}

/* Those that are true for a while still. */
static void find_events(struct moment *moment)
{
	moment->when_events = moment->clear_events = 0;
	moment->at = NODE_NONE;
	if (moment->engine->tree != moment->snapshot->tree)
		return;
	moment->at = watch_at(moment->watch, moment->index);
	if (moment->at != NODE_NONE)
		moment_events(moment);
}

/* An event without `within` is over by the time that somebody asks: when it was, is not. */
static void explain_events(const struct moment *moment, struct strbuf *buffer)
{
	const struct watch *watch = moment->watch;

	if (moment->at == NODE_NONE)
		return;
	for (unsigned int i = 0; i < watch->n_when_events; i++) {
		const struct event_cell *cell = &watch->cells[moment->at * watch->n_events + i];

		if (!cell->happened_at || cell->happened_at > moment->now)
			continue;
		strbuf_add_string(buffer, "  ");
		condition_format_event(moment->policy->when, i, buffer);
		strbuf_add_string(buffer, ": last happened ");
		add_seconds(buffer, moment->now - cell->happened_at);
		strbuf_add_string(buffer, " ago\n");
	}
}

static void explain_distance(const struct policy *policy, const struct snapshot *snapshot,
			     uint32_t index, struct strbuf *buffer)
{
	double nearness = condition_nearness(policy->when, snapshot, index);

	if (!isnan(nearness))
		strbuf_printf(buffer, "  trigger: %.0f%% of the way\n", nearness * 100);
}

static void explain_block(const struct track *track, uint64_t now, struct strbuf *buffer)
{
	if (!track || track->block == BLOCK_NOTHING)
		return;
	strbuf_printf(buffer, "  blocked by: %s", engine_block_name(track->block));
	add_until(buffer, ", for another ", track->block_until, now);
	strbuf_add_char(buffer, '\n');
}

static void begin_budget(struct strbuf *buffer, bool *any)
{
	strbuf_add_string(buffer, *any ? ", " : "  budgets: ");
	*any = true;
}

/* "2 of 6 this hour" */
static void add_budget(struct strbuf *buffer, bool *any, uint64_t used, uint64_t bound,
		       const char *what)
{
	if (!bound)
		return;
	begin_budget(buffer, any);
	strbuf_printf(buffer, "%llu of %llu %s", (unsigned long long)used,
		      (unsigned long long)bound, what);
}

static void add_processes(const struct moment *moment, bool *any, struct strbuf *buffer)
{
	uint64_t bound = moment->policy->limits.max_processes;
	double number;

	if (bound && snapshot_number(moment->snapshot, M_CGROUP_PROCS_SUBTREE, moment->index,
				     &number) != VALUE_OK) {
		begin_budget(buffer, any);
		strbuf_add_string(buffer, "number of processes unknown");
		return;
	}
	add_budget(buffer, any, bound ? (uint64_t)number : 0, bound, "processes");
}

static void add_share(const struct moment *moment, bool *any, struct strbuf *buffer)
{
	double bound = moment->policy->limits.max_share, share;

	if (!(bound > 0))
		return;
	begin_budget(buffer, any);
	if (budget_share(moment->snapshot, moment->index, &share) < 0)
		strbuf_add_string(buffer, "share of the machine unknown");
	else
		strbuf_printf(buffer, "%.1f%% of %.1f%% of the machine", share * 100, bound * 100);
}

static void explain_budgets(const struct moment *moment, struct strbuf *buffer)
{
	const struct engine *engine = moment->engine;
	const struct policy_limits *limits = &moment->policy->limits;
	const struct policy_global *global = policy_set_global(engine->set);
	const struct hour *all = &engine->hours[policy_class(moment->policy)];
	const struct tree *tree = moment->snapshot->tree;
	bool any = false;

	add_budget(buffer, &any, hour_count(&moment->watch->hour, moment->now),
		   limits->max_per_hour, "this hour");
	add_budget(buffer, &any, hour_count(all, moment->now), global->max_per_hour,
		   "this hour by all policies");
	add_budget(buffer, &any, moment->watch->n_held, limits->max_concurrent,
		   "cgroups at a time");
	add_budget(buffer, &any, tree->end[moment->index] - moment->index, limits->max_cgroups,
		   "cgroups");
	add_processes(moment, &any, buffer);
	add_share(moment, &any, buffer);
	if (any)
		strbuf_add_char(buffer, '\n');
}

static void explain_schedule(const struct policy *policy, const struct snapshot *snapshot,
			     struct strbuf *buffer)
{
	int64_t realtime = (int64_t)(snapshot->realtime_ns / 1000000000), next;
	bool on = schedule_is_on(policy->schedule, realtime);

	if (!policy->schedule)
		return;
	next = schedule_next_change(policy->schedule, realtime);
	strbuf_add_string(buffer, "  schedule: ");
	schedule_format(policy->schedule, buffer);
	strbuf_add_string(buffer, on ? ": on" : ": off");
	if (next > realtime) {
		strbuf_add_string(buffer, on ? ", off in " : ", on in ");
		add_seconds(buffer, (uint64_t)(next - realtime) * 1000000);
	}
	strbuf_add_char(buffer, '\n');
}

static void explain_match(struct moment *moment, struct strbuf *buffer)
{
	const struct policy *policy = moment->policy;
	const struct snapshot *snapshot = moment->snapshot;
	const struct node *node = snapshot->tree->nodes[moment->index];
	const struct track *track = watch_find(moment->watch, node->serial, NULL);

	explain_state(policy, track, moment->now, buffer);
	find_events(moment);
	explain_condition(moment, "when", policy->when, moment->when_events, buffer);
	explain_events(moment, buffer);
	explain_distance(policy, snapshot, moment->index, buffer);
	if (policy->clear_when)
		explain_condition(moment, "clear_when", policy->clear_when, moment->clear_events,
				  buffer);
	explain_rungs(policy, track, moment->now, buffer);
	explain_block(track, moment->now, buffer);
	if (policy->mode != POLICY_OFF)
		explain_budgets(moment, buffer);
	explain_schedule(policy, snapshot, buffer);
}

/* What one kind of selector, or what it excludes, says by itself. */
static enum outcome ask(const struct moment *moment, enum selector_kind kind, bool not )
{
	static const char *const everything[] = { "/", "/**" };
	const struct selectors *all = moment->policy->selectors;
	size_t n = selectors_count(all, kind, not );
	struct selectors *one = NULL;
	enum outcome outcome;
	char reason[256];
	int r = selectors_new(&one);

	/* What excludes needs something to exclude from. */
	for (size_t i = 0; i < ARRAY_SIZE(everything) && not &&r == 0; i++)
		r = selectors_add(one, SELECTOR_MATCH, false, everything[i], reason,
				  sizeof(reason));
	for (size_t i = 0; i < n && r == 0; i++)
		r = selectors_add(one, kind, not, selectors_text(all, kind, not, i), reason,
				  sizeof(reason));
	outcome = r == 0 ? selectors_match(one, moment->snapshot, moment->index) : OUTCOME_TRUE;
	selectors_free(one);
	return outcome;
}

/* "not for this cgroup: match = /batch/x", the first selector that says so. */
static void explain_mismatch(const struct moment *moment, enum outcome outcome,
			     struct strbuf *buffer)
{
	const struct policy *policy = moment->policy;

	strbuf_printf(buffer, "%s (%s): %s", policy->name, policy_mode_name(policy->mode),
		      outcome == OUTCOME_UNKNOWN ? "cannot be told yet" : "not for this cgroup");
	for (int i = 0; i < 2 * SELECTOR_COUNT; i++) {
		enum selector_kind kind = (enum selector_kind)(i / 2);
		bool not = i % 2;
		size_t n = selectors_count(policy->selectors, kind, not );

		if (n == 0 || ask(moment, kind, not ) != outcome)
			continue;
		strbuf_printf(buffer, ": %s%s = ", selector_name(kind), not ? "_not" : "");
		for (size_t j = 0; j < n; j++)
			strbuf_printf(buffer, "%s%s", j ? ", " : "",
				      selectors_text(policy->selectors, kind, not, j));
		break;
	}
	strbuf_add_char(buffer, '\n');
}

/* Those that match first, then why the others do not. */
static void explain_all(struct moment *moment, bool matching, struct strbuf *buffer)
{
	struct engine *engine = moment->engine;

	for (size_t i = 0; i < engine->n_watches; i++) {
		enum outcome outcome;

		moment->watch = &engine->watches[i];
		moment->policy = moment->watch->policy;
		outcome = selectors_match(moment->policy->selectors, moment->snapshot,
					  moment->index);
		if (matching && outcome == OUTCOME_TRUE)
			explain_match(moment, buffer);
		if (!matching && outcome != OUTCOME_TRUE)
			explain_mismatch(moment, outcome, buffer);
	}
}

void engine_explain(const struct engine *engine, const struct snapshot *snapshot, uint32_t index,
		    uint64_t now, struct strbuf *buffer)
{
	struct moment moment = {
		.engine = (struct engine *)engine, .snapshot = snapshot, .index = index, .now = now
	};

	if (engine->stopped)
		strbuf_add_string(buffer, "stopped by the kill-switch: nothing new is done\n");
	explain_all(&moment, true, buffer);
	explain_all(&moment, false, buffer);
}
