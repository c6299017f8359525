// SPDX-License-Identifier: MIT
#include "agent/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/jsonw.h"

/* One moment in both clocks, so that the engine's times can be told as times of day. */
struct status {
	struct agent *agent;
	struct jsonw json;
	uint64_t now;	   /* CLOCK_BOOTTIME, microseconds */
	double realtime;   /* CLOCK_REALTIME, seconds */
	uint64_t *blocked; /* by policy: cgroups that something holds up */
	uint64_t n_tracks;
};

static void add_moment(struct status *status, const char *name, uint64_t boottime)
{
	double ahead = boottime >= status->now ? (double)(boottime - status->now) / 1e6
					       : -(double)(status->now - boottime) / 1e6;

	if (boottime > 0)
		jsonw_double(&status->json, name, status->realtime + ahead);
}

static void add_since(struct status *status, const char *name, uint64_t since)
{
	if (since > 0 && since <= status->now)
		jsonw_double(&status->json, name, (double)(status->now - since) / 1e6);
}

static void add_text(struct status *status, const char *name, const char *text)
{
	if (text && *text)
		jsonw_string(&status->json, name, text);
}

static void add_buffer(struct status *status, const char *name, struct strbuf *text)
{
	if (text->data && !text->failed)
		add_text(status, name, text->data);
	strbuf_done(text);
}

static void add_ladder(struct status *status, const struct policy *policy)
{
	struct strbuf text;

	strbuf_init(&text);
	for (size_t i = 0; i < policy->n_steps; i++) {
		if (i > 0)
			strbuf_add_string(&text, ", then ");
		action_format(&policy->steps[i].action, &text);
		if (i > 0)
			strbuf_printf(&text, " after=%gs",
				      (double)policy->steps[i].after_usec / 1e6);
	}
	add_buffer(status, "ladder", &text);
}

static void add_policy_texts(struct status *status, const struct policy *policy)
{
	struct strbuf text;

	add_text(status, "file", policy->file);
	jsonw_string(&status->json, "mode", policy_mode_name(policy->mode));
	jsonw_u64(&status->json, "line", policy->line);
	jsonw_double(&status->json, "priority", policy->priority);
	strbuf_init(&text);
	selectors_format(policy->selectors, &text);
	add_buffer(status, "selects", &text);
	add_text(status, "when", condition_text(policy->when));
	if (policy->clear_when)
		add_text(status, "clear_when", condition_text(policy->clear_when));
	add_ladder(status, policy);
	strbuf_init(&text);
	if (policy->schedule)
		schedule_format(policy->schedule, &text);
	add_buffer(status, "schedule", &text);
}

static void add_policy(struct status *status, size_t at)
{
	struct agent *agent = status->agent;
	const struct policy *policy = policy_set_get(agent->policies, at);
	struct tally_policy done = tally_of(agent->tally, policy->name);
	struct engine_policy_stats stats = { 0 };
	struct jsonw *json = &status->json;

	engine_policy_stats(agent->engine, policy->name, status->now, &stats);
	jsonw_begin(json, NULL, '{');
	jsonw_string(json, "name", policy->name);
	add_policy_texts(status, policy);
	jsonw_bool(json, "asleep", stats.asleep);
	jsonw_u64(json, "matches", stats.matches);
	jsonw_u64(json, "undecided", stats.unknown);
	jsonw_u64(json, "pending", stats.phases[ENGINE_PENDING]);
	jsonw_u64(json, "held", stats.phases[ENGINE_HELD]);
	jsonw_u64(json, "cooldown", stats.phases[ENGINE_COOLDOWN]);
	jsonw_u64(json, "blocked", status->blocked ? status->blocked[at] : 0);
	jsonw_u64(json, "fired", stats.fired);
	jsonw_u64(json, "actions", done.applied);
	jsonw_u64(json, "failed", done.failed);
	jsonw_u64(json, "conflicts", done.conflicts);
	jsonw_u64(json, "ineffective", stats.ineffective);
	jsonw_u64(json, "fired_last_hour", stats.last_hour);
	add_moment(status, "last_fired", stats.last_fired);
	jsonw_end(json, '}');
}

static void count_blocked(void *data, const struct engine_track *track)
{
	struct status *status = data;
	size_t n = policy_set_size(status->agent->policies);

	for (size_t i = 0; i < n && track->block != BLOCK_NOTHING; i++) {
		if (strcmp(policy_set_get(status->agent->policies, i)->name, track->policy->name) ==
		    0) {
			status->blocked[i]++;
			return;
		}
	}
}

static void add_policies(struct status *status)
{
	size_t n = policy_set_size(status->agent->policies);

	status->blocked = calloc(n ? n : 1, sizeof(*status->blocked));
	if (status->blocked)
		engine_each(status->agent->engine, count_blocked, status);
	jsonw_begin(&status->json, "policies", '[');
	for (size_t i = 0; i < n && i < STATUS_ROWS_MAX; i++)
		add_policy(status, i);
	jsonw_end(&status->json, ']');
	if (n > STATUS_ROWS_MAX)
		jsonw_u64(&status->json, "policies_left_out", n - STATUS_ROWS_MAX);
	free(status->blocked);
	status->blocked = NULL;
}

/* The operands of `when` with what they are now. */
static void add_trigger(struct status *status, const struct engine_track *track)
{
	const struct snapshot *latest = status->agent->latest;
	uint32_t index = tree_find_serial(latest->tree, track->node->serial);
	struct strbuf text;

	if (index == NODE_NONE)
		return;
	strbuf_init(&text);
	condition_explain(track->policy->when, latest, index, &text);
	add_buffer(status, "trigger", &text);
}

static void add_track_state(struct status *status, const struct engine_track *track)
{
	struct jsonw *json = &status->json;
	uint64_t until = track->phase == ENGINE_COOLDOWN ? track->cooldown_until
							 : track->lease_until;

	add_since(status, "breach_seconds", track->breach_since);
	jsonw_double(json, "breach_wanted", (double)track->policy->for_usec / 1e6);
	add_since(status, "clear_seconds", track->clear_since);
	jsonw_double(json, "clear_wanted", (double)track->policy->clear_for_usec / 1e6);
	add_moment(status, "held_since", track->held_since);
	add_moment(status, "until", until);
	if (track->block != BLOCK_NOTHING) {
		jsonw_string(json, "blocked", engine_block_name(track->block));
		add_moment(status, "blocked_until", track->block_until);
	}
	if (track->last_error)
		jsonw_string(json, "error", strerror(abs(track->last_error)));
	jsonw_bool(json, "ineffective", track->ineffective);
}

static void add_track(void *data, const struct engine_track *track)
{
	struct status *status = data;
	const struct agent *agent = status->agent;
	struct jsonw *json = &status->json;

	if (status->n_tracks++ >= STATUS_ROWS_MAX)
		return;
	jsonw_begin(json, NULL, '{');
	jsonw_string(json, "policy", track->policy->name);
	jsonw_string(json, "path", track->node->path);
	jsonw_string(json, "phase", engine_phase_name(track->phase));
	jsonw_u64(json, "cgroup_id", node_id(track->node));
	jsonw_bool(json, "shadow",
		   track->policy->mode == POLICY_SHADOW || !agent->journal ||
			   agent->config.dry_run);
	jsonw_u64(json, "rungs", track->rungs);
	jsonw_u64(json, "of_rungs", track->policy->n_steps);
	add_track_state(status, track);
	add_trigger(status, track);
	jsonw_end(json, '}');
}

static void add_tracks(struct status *status)
{
	jsonw_begin(&status->json, "tracks", '[');
	engine_each(status->agent->engine, add_track, status);
	jsonw_end(&status->json, ']');
	if (status->n_tracks > STATUS_ROWS_MAX)
		jsonw_u64(&status->json, "tracks_left_out", status->n_tracks - STATUS_ROWS_MAX);
}

static void add_value(struct status *status, const char *name, enum knob_id knob,
		      const struct knob_value *value)
{
	struct strbuf text;

	strbuf_init(&text);
	knob_format_human(knob, value, &text);
	add_buffer(status, name, &text);
}

static void add_hold(struct status *status, const struct enforcer_hold *hold)
{
	struct jsonw *json = &status->json;

	jsonw_begin(json, NULL, '{');
	jsonw_string(json, "policy", hold->policy);
	jsonw_string(json, "path", hold->path);
	jsonw_string(json, "knob", knob_name(hold->knob));
	add_text(status, "unit", hold->unit);
	jsonw_u64(json, "cgroup_id", hold->cgroup_id);
	jsonw_u64(json, "step", hold->step);
	add_value(status, "original", hold->knob, &hold->original);
	add_value(status, "wanted", hold->knob, &hold->wanted);
	add_value(status, "in_force", hold->knob, &hold->written);
	jsonw_bool(json, "effective", hold->effective);
	add_moment(status, "since", hold->since);
	add_moment(status, "until", hold->lease_until);
	add_text(status, "uuid", hold->uuid);
	jsonw_bool(json, "by_hand", hold->by_hand);
	jsonw_end(json, '}');
}

static void add_holds(struct status *status)
{
	struct enforcer_hold *holds = NULL;
	size_t n = 0;

	if (enforcer_status(status->agent->enforcer, &holds, &n) < 0)
		n = 0;
	jsonw_begin(&status->json, "holds", '[');
	for (size_t i = 0; i < n && i < STATUS_ROWS_MAX; i++)
		add_hold(status, &holds[i]);
	jsonw_end(&status->json, ']');
	if (n > STATUS_ROWS_MAX)
		jsonw_u64(&status->json, "holds_left_out", n - STATUS_ROWS_MAX);
	enforcer_holds_free(holds, n);
}

static void add_actions(struct status *status)
{
	const struct recent_action *action;
	struct jsonw *json = &status->json;

	jsonw_begin(json, "actions", '[');
	for (size_t i = 0; (action = recent_get(&status->agent->recent, i)); i++) {
		jsonw_begin(json, NULL, '{');
		jsonw_double(json, "time", (double)action->realtime_ns / 1e9);
		jsonw_string(json, "policy", action->policy);
		jsonw_string(json, "path", action->path);
		if (action->action < ACTION_COUNT)
			jsonw_string(json, "action", action_name(action->action));
		jsonw_string(json, "op", result_op_name(action->op));
		jsonw_string(json, "result", result_word_name(action->word));
		add_text(status, "text", action->text);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
}

static void add_program(struct jsonw *json, const struct bpf_program_status *program)
{
	jsonw_begin(json, NULL, '{');
	jsonw_string(json, "name", program->name);
	jsonw_string(json, "purpose", program->purpose);
	jsonw_bool(json, "loaded", program->loaded);
	jsonw_bool(json, "attached", program->attached);
	if (program->reason[0])
		jsonw_string(json, "reason", program->reason);
	jsonw_end(json, '}');
}

/* Where samples come from. */
static void add_sampling(struct status *status)
{
	const struct agent *agent = status->agent;
	const struct bpf_program_status *programs = NULL;
	struct jsonw *json = &status->json;
	const struct bpf_sample *sample;
	struct backend_summary summary;
	const char *reason;
	size_t n = 0;

	backend_summarise(agent->sampler, &summary);
	sample = sampler_bpf(agent->sampler, &reason);
	if (sample)
		programs = bpf_sample_programs(sample, &n);
	jsonw_begin(json, "sampling", '{');
	jsonw_string(json, "backend", backend_name(agent->config.backend));
	jsonw_bool(json, "bpf", summary.bpf);
	add_text(status, "why_no_bpf", reason);
	jsonw_u64(json, "metrics_by_bpf", summary.by_bpf);
	jsonw_u64(json, "metrics_by_files", summary.by_files);
	jsonw_begin(json, "programs", '[');
	for (size_t i = 0; i < n; i++)
		add_program(json, &programs[i]);
	jsonw_end(json, ']');
	jsonw_end(json, '}');
}

static void add_state(struct status *status)
{
	const struct agent *agent = status->agent;
	struct enforcer_stats stats = { 0 };
	struct jsonw *json = &status->json;
	const char *why = agent->no_journal	  ? agent->no_journal
			  : agent->config.dry_run ? "a dry run is configured"
						  : NULL;

	enforcer_get_stats(agent->enforcer, &stats);
	jsonw_u64(json, "schema", 1);
	jsonw_double(json, "time", status->realtime);
	jsonw_bool(json, "agent", true);
	jsonw_bool(json, "enforcing", agent->journal && !agent->config.dry_run);
	add_text(status, "not_enforcing", why);
	jsonw_bool(json, "stopped", engine_is_stopped(agent->engine));
	jsonw_u64(json, "conflicts", stats.conflicts);
	jsonw_u64(json, "failed", agent->counts.failed_actions);
	jsonw_u64(json, "restores_pending", stats.pending_restores);
	jsonw_u64(json, "frozen", stats.frozen);
}

void status_json(struct agent *agent, struct strbuf *out)
{
	struct status status = { .agent = agent,
				 .now = agent_now_usec(),
				 .realtime = (double)agent_clock_usec(CLOCK_REALTIME) / 1e6 };

	jsonw_init(&status.json);
	jsonw_begin(&status.json, NULL, '{');
	add_state(&status);
	add_policies(&status);
	add_tracks(&status);
	add_holds(&status);
	add_actions(&status);
	add_sampling(&status);
	jsonw_end(&status.json, '}');
	if (status.json.out.failed)
		out->failed = true;
	strbuf_add(out, status.json.out.data, status.json.out.length);
	strbuf_add_char(out, '\n');
	jsonw_done(&status.json);
}

void status_explain(struct agent *agent, const char *path, struct strbuf *out)
{
	uint32_t index = tree_find(agent->latest->tree, path);
	size_t before = out->length;

	if (index == NODE_NONE) {
		strbuf_printf(out, "%s: no such cgroup\n", path);
		return;
	}
	engine_explain(agent->engine, agent->latest, index, agent_now_usec(), out);
	if (out->length == before)
		strbuf_add_string(out, "no policy matches\n");
}
