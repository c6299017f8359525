// SPDX-License-Identifier: MIT
#include "agent/self.h"

#if CGWATCH_HAVE_EXPORTER

#include <stdlib.h>
#include <string.h>

#include "agent/agent_events.h"
#include "agent/agent_kernel_events.h"
#include "agent/self_build.h"

/* Policies that get series of their own; with more, the later ones have none. */
enum { POLICIES_MAX = 500 };

/* What is asked for once a sample, policy by policy. */
struct row {
	const struct policy *policy;
	struct engine_policy_stats stats;
	uint64_t breach_since; /* the earliest of all its cgroups; 0: none */
};

struct rows {
	struct row *list;
	size_t n, last;
	uint64_t now;
};

static void earliest(uint64_t *since, uint64_t other)
{
	if (other > 0 && (*since == 0 || other < *since))
		*since = other;
}

static double age(uint64_t now, uint64_t since)
{
	return since > 0 && since < now ? (double)(now - since) / 1e6 : 0;
}

/* Tracks come policy by policy. */
static void look_at_track(void *data, const struct engine_track *track)
{
	struct rows *rows = data;

	for (size_t i = 0; i < rows->n; i++) {
		size_t at = (rows->last + i) % rows->n;

		if (strcmp(rows->list[at].policy->name, track->policy->name) != 0)
			continue;
		rows->last = at;
		earliest(&rows->list[at].breach_since, track->breach_since);
		return;
	}
}

static int rows_init(struct rows *rows, const struct agent *agent)
{
	size_t n = policy_set_size(agent->policies);

	*rows = (struct rows){ .n = n < POLICIES_MAX ? n : POLICIES_MAX, .now = agent_now_usec() };
	rows->list = calloc(rows->n ? rows->n : 1, sizeof(*rows->list));
	if (!rows->list)
		return -1;
	for (size_t i = 0; i < rows->n; i++) {
		rows->list[i].policy = policy_set_get(agent->policies, i);
		engine_policy_stats(agent->engine, rows->list[i].policy->name, rows->now,
				    &rows->list[i].stats);
	}
	engine_each(agent->engine, look_at_track, rows);
	return 0;
}

static struct self_metric *add_policy(struct self_builder *builder, const struct row *row,
				      const char *name, const char *help, enum self_type type,
				      double value)
{
	struct self_metric *metric = self_add(builder, name, help, type, value);

	metric->labels[0] = (struct self_label){ "policy", row->policy->name };
	return metric;
}

/* Families with a number a policy: one row each. */
static const struct family {
	const char *name, *help;
	enum self_type type;
	size_t offset; /* of a uint64_t in struct engine_policy_stats */
} families[] = {
	{ "cgwatch_policy_matches", "Cgroups that a policy is for now.", SELF_GAUGE,
	  offsetof(struct engine_policy_stats, matches) },
	{ "cgwatch_policy_undecided",
	  "Cgroups of which it cannot be told whether a policy is for them.", SELF_GAUGE,
	  offsetof(struct engine_policy_stats, unknown) },
	{ "cgwatch_policy_fired_total", "Times that the first rung of a policy was decided.",
	  SELF_COUNTER, offsetof(struct engine_policy_stats, fired) },
	{ "cgwatch_policy_cleared_total", "Times that a policy let go as its condition cleared.",
	  SELF_COUNTER, offsetof(struct engine_policy_stats, cleared) },
	{ "cgwatch_policy_ineffective_total",
	  "Times that an action of a policy was found not to help.", SELF_COUNTER,
	  offsetof(struct engine_policy_stats, ineffective) },
};

static void add_families(struct self_builder *builder, const struct rows *rows)
{
	for (size_t f = 0; f < sizeof(families) / sizeof(*families); f++) {
		const struct family *family = &families[f];

		for (size_t i = 0; i < rows->n; i++) {
			const char *stats = (const char *)&rows->list[i].stats;
			uint64_t value;

			memcpy(&value, stats + family->offset, sizeof(value));
			add_policy(builder, &rows->list[i], family->name, family->help,
				   family->type, (double)value);
		}
	}
}

static void add_phases(struct self_builder *builder, const struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		for (int phase = ENGINE_PENDING; phase < ENGINE_PHASE_COUNT; phase++)
			add_policy(builder, &rows->list[i], "cgwatch_policy_cgroups",
				   "Cgroups by policy and phase (idle ones are not counted).",
				   SELF_GAUGE, (double)rows->list[i].stats.phases[phase])
				->labels[1] = (struct self_label){
				"phase", engine_phase_name((enum engine_phase)phase)
			};
	}
	for (size_t i = 0; i < rows->n; i++)
		add_policy(builder, &rows->list[i], "cgwatch_policy_mode",
			   "1 for the mode that a policy is in.", SELF_GAUGE, 1)
			->labels[1] =
			(struct self_label){ "mode", policy_mode_name(rows->list[i].policy->mode) };
	for (size_t i = 0; i < rows->n; i++)
		add_policy(builder, &rows->list[i], "cgwatch_policy_asleep",
			   "1 while a policy is outside its schedule.", SELF_GAUGE,
			   rows->list[i].stats.asleep);
}

static void add_blocks(struct self_builder *builder, const struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		for (int block = BLOCK_NOTHING + 1; block < BLOCK_COUNT; block++)
			add_policy(builder, &rows->list[i], "cgwatch_policy_blocked_total",
				   "Times that something began to hold a policy up, by reason.",
				   SELF_COUNTER, (double)rows->list[i].stats.blocked[block])
				->labels[1] = (struct self_label){
				"reason", engine_block_name((enum engine_block)block)
			};
	}
}

static void add_times(struct self_builder *builder, const struct rows *rows)
{
	double now = (double)agent_clock_usec(CLOCK_REALTIME) / 1e6;

	for (size_t i = 0; i < rows->n; i++)
		add_policy(builder, &rows->list[i], "cgwatch_policy_breach_seconds",
			   "How long the condition of a policy has held, of the cgroup where it "
			   "has held longest.",
			   SELF_GAUGE, age(rows->now, rows->list[i].breach_since));
	for (size_t i = 0; i < rows->n; i++) {
		uint64_t fired = rows->list[i].stats.last_fired;

		if (fired > 0)
			add_policy(builder, &rows->list[i],
				   "cgwatch_policy_last_fired_timestamp_seconds",
				   "When a policy last fired.", SELF_GAUGE,
				   now - age(rows->now, fired));
	}
}

static void add_actions(struct self_builder *builder, const struct agent *agent)
{
	const struct tally_row *rows;
	size_t n;

	rows = tally_rows(agent->tally, &n);
	for (size_t i = 0; i < n; i++) {
		struct self_metric *metric = self_add(
			builder, "cgwatch_policy_actions_total",
			"What became of the actions of policies, by kind and result.", SELF_COUNTER,
			(double)rows[i].count);

		metric->labels[0] = (struct self_label){ "policy", rows[i].policy };
		metric->labels[1] = (struct self_label){ "action", action_name(rows[i].action) };
		metric->labels[2] = (struct self_label){ "op", result_op_name(rows[i].op) };
		metric->labels[3] = (struct self_label){ "result", result_word_name(rows[i].word) };
		metric->labels[4] = (struct self_label){ "errno",
							 result_errno_name(rows[i].error) };
	}
}

/* Sum and count of one op and action, for the time that an action takes. */
static void add_durations(struct self_builder *builder, const struct agent *agent, bool sum)
{
	for (int action = 0; action < ACTION_COUNT; action++) {
		for (int op = DECISION_APPLY; op <= DECISION_RELEASE; op++) {
			struct tally_duration duration = tally_duration(
				agent->tally, (enum action_id)action, (enum decision_op)op);
			struct self_metric *metric;

			if (duration.count == 0)
				continue;
			metric = sum ? self_add(builder, "cgwatch_policy_action_seconds_total",
						"Time that actions took.", SELF_COUNTER,
						(double)duration.usec / 1e6)
				     : self_add(builder, "cgwatch_policy_actions_timed_total",
						"Actions of which that time is.", SELF_COUNTER,
						(double)duration.count);
			metric->labels[0] = (struct self_label){
				"action", action_name((enum action_id)action)
			};
			metric->labels[1] =
				(struct self_label){ "op", result_op_name((enum decision_op)op) };
		}
	}
}

static void add_totals(struct self_builder *builder, struct agent *agent)
{
	struct enforcer_stats stats = { 0 };
	struct audit_stats audit;

	enforcer_get_stats(agent->enforcer, &stats);
	audit_get_stats(agent->audit, &audit);
	self_add(builder, "cgwatch_policy_failed_total", "Actions of policies that failed.",
		 SELF_COUNTER, (double)agent->counts.failed_actions);
	self_add(builder, "cgwatch_policy_conflicts_total",
		 "Values that somebody else had changed, and that were left alone.", SELF_COUNTER,
		 (double)stats.conflicts);
	self_add(builder, "cgwatch_policy_conflicts",
		 "Values held now that somebody else changed meanwhile.", SELF_GAUGE,
		 (double)stats.conflicts_now);
	self_add(builder, "cgwatch_policy_leases_expired_total", "Freezes ended by their lease.",
		 SELF_COUNTER, (double)stats.leases_expired);
	self_add(builder, "cgwatch_policy_held", "Knobs held away from their original value now.",
		 SELF_GAUGE, (double)stats.held);
	self_add(builder, "cgwatch_policy_frozen", "Cgroups frozen by policy now.", SELF_GAUGE,
		 (double)stats.frozen);
	self_add(builder, "cgwatch_policy_restores_pending",
		 "Original values that could not be put back yet and are tried again.", SELF_GAUGE,
		 (double)stats.pending_restores);
	self_add(builder, "cgwatch_policy_hooks_running", "Hooks (exec) that run now.", SELF_GAUGE,
		 (double)stats.hooks_running);
	self_add(builder, "cgwatch_policy_stopped", "1 while the kill-switch file is there.",
		 SELF_GAUGE, engine_is_stopped(agent->engine));
	self_add(builder, "cgwatch_policy_enforcing",
		 "1 if what policies decide is done, 0 if it is only told.", SELF_GAUGE,
		 agent->journal && !agent->config.dry_run);
	self_add(builder, "cgwatch_audit_lines_total", "Lines written to the audit log.",
		 SELF_COUNTER, (double)audit.written);
	self_add(builder, "cgwatch_audit_lost_total",
		 "Lines of the audit log that could not be written.", SELF_COUNTER,
		 (double)audit.lost);
}

/* The oldest freeze there is, whoever holds it. */
static void add_freeze(struct self_builder *builder, struct agent *agent)
{
	struct enforcer_hold *holds = NULL;
	uint64_t since = 0;
	size_t n = 0;

	if (enforcer_status(agent->enforcer, &holds, &n) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		if (holds[i].knob == KNOB_FREEZE)
			earliest(&since, holds[i].since);
	}
	enforcer_holds_free(holds, n);
	self_add(builder, "cgwatch_policy_freeze_active_seconds",
		 "How long the oldest freeze of a policy lasts; 0 without one.", SELF_GAUGE,
		 age(agent_now_usec(), since));
}

/* What is waited for between samples, by whether the kernel lets us. */
static void add_events(struct self_builder *builder, const struct agent *agent)
{
	static const char name[] = "cgwatch_policy_events_wanted";
	static const char help[] = "Events of cgroups that policies wait for now, by how they are "
				   "seen: what is not watched shows in samples only.";
	struct event_watch_stats stats;

	if (!agent_events_stats(agent, &stats))
		return;
	self_add(builder, name, help, SELF_GAUGE, stats.watched)->labels[0] =
		(struct self_label){ "state", "watched" };
	self_add(builder, name, help, SELF_GAUGE, stats.absent)->labels[0] =
		(struct self_label){ "state", "absent" };
	self_add(builder, name, help, SELF_GAUGE, stats.denied)->labels[0] =
		(struct self_label){ "state", "denied" };
	self_add(builder, name, help, SELF_GAUGE, stats.over)->labels[0] =
		(struct self_label){ "state", "over" };
	self_add(builder, "cgwatch_policy_events_total", "Events that the kernel told.",
		 SELF_COUNTER, (double)stats.events);
	self_add(builder, "cgwatch_policy_events_spurious_total",
		 "Times that the kernel told of an event and nothing had happened.", SELF_COUNTER,
		 (double)stats.spurious);
}

/* What programs in the kernel told; a kind that is not told has no series. */
static void add_kernel_events(struct self_builder *builder, const struct agent *agent)
{
	const struct oom_kills *kills;
	struct bpf_events_stats stats;
	uint32_t told;
	size_t n;

	kills = agent_kernel_events_oom(agent, &n);
	for (size_t i = 0; i < n; i++)
		self_add(builder, "cgwatch_oom_kills_total",
			 "Processes killed for want of memory, by the cgroup whose limit was hit, "
			 "also when it is gone (empty: not known, or beyond the rows kept).",
			 SELF_COUNTER, (double)kills[i].n)
			->labels[0] = (struct self_label){ "cgroup", kills[i].path };
	if (!agent_kernel_events_stats(agent, &stats, &told))
		return;
	for (int kind = 0; kind < KERNEL_EVENT_KIND_COUNT; kind++) {
		if (told & KERNEL_EVENT_BIT(kind))
			self_add(builder, "cgwatch_kernel_events_total",
				 "Events that programs in the kernel told of.", SELF_COUNTER,
				 (double)stats.events[kind])
				->labels[0] = (struct self_label){
				"kind", kernel_event_name((enum kernel_event_kind)kind)
			};
	}
	self_add(builder, "cgwatch_kernel_events_lost_total",
		 "Events that found no room between the kernel and the agent.", SELF_COUNTER,
		 (double)stats.lost);
	self_add(builder, "cgwatch_kernel_events_unplaced_total",
		 "Events that policies wait for, in cgroups that no sample has: they came and went "
		 "between two.",
		 SELF_COUNTER, (double)agent_kernel_events_unplaced(agent));
}

void self_add_policies(struct self_builder *builder, struct agent *agent)
{
	struct rows rows;

	add_totals(builder, agent);
	add_freeze(builder, agent);
	add_events(builder, agent);
	add_kernel_events(builder, agent);
	add_actions(builder, agent);
	add_durations(builder, agent, true);
	add_durations(builder, agent, false);
	if (rows_init(&rows, agent) < 0)
		return;
	add_families(builder, &rows);
	add_phases(builder, &rows);
	add_blocks(builder, &rows);
	add_times(builder, &rows);
	free(rows.list);
}

#endif
