// SPDX-License-Identifier: MIT
#include "agent/status.h"

#include <string.h>

#include "core/jsonw.h"

struct tally {
	const struct policy *policy;
	uint64_t pending, held, cooldown;
};

static void count_track(void *data, const struct engine_track *track)
{
	struct tally *tally = data;

	if (strcmp(track->policy->name, tally->policy->name) != 0)
		return;
	tally->pending += track->phase == ENGINE_PENDING;
	tally->held += track->phase == ENGINE_HELD;
	tally->cooldown += track->phase == ENGINE_COOLDOWN;
}

static void add_policies(struct agent *agent, struct jsonw *json)
{
	jsonw_begin(json, "policies", '[');
	for (size_t i = 0; i < policy_set_size(agent->policies); i++) {
		struct tally tally = { policy_set_get(agent->policies, i) };

		engine_each(agent->engine, count_track, &tally);
		jsonw_begin(json, NULL, '{');
		jsonw_string(json, "name", tally.policy->name);
		jsonw_string(json, "mode", policy_mode_name(tally.policy->mode));
		jsonw_u64(json, "pending", tally.pending);
		jsonw_u64(json, "held", tally.held);
		jsonw_u64(json, "cooldown", tally.cooldown);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
}

static void add_value(struct jsonw *json, const char *name, enum knob_id knob,
		      const struct knob_value *value)
{
	struct strbuf text;

	strbuf_init(&text);
	knob_format_human(knob, value, &text);
	jsonw_string(json, name, text.data ? text.data : "");
	strbuf_done(&text);
}

static void add_holds(struct agent *agent, struct jsonw *json)
{
	struct enforcer_hold *holds = NULL;
	size_t n = 0;
	uint64_t now = agent_now_usec();

	jsonw_begin(json, "holds", '[');
	if (agent->enforcer && enforcer_status(agent->enforcer, &holds, &n) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		jsonw_begin(json, NULL, '{');
		jsonw_string(json, "path", holds[i].path);
		jsonw_string(json, "policy", holds[i].policy);
		jsonw_string(json, "knob", knob_name(holds[i].knob));
		add_value(json, "original", holds[i].knob, &holds[i].original);
		add_value(json, "wanted", holds[i].knob, &holds[i].wanted);
		jsonw_bool(json, "effective", holds[i].effective);
		jsonw_double(json, "age", (double)(now - holds[i].since) / 1e6);
		if (holds[i].lease_until)
			jsonw_double(json, "lease_left",
				     ((double)holds[i].lease_until - (double)now) / 1e6);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
	enforcer_holds_free(holds, n);
}

void status_json(struct agent *agent, struct strbuf *out)
{
	struct jsonw json;

	jsonw_init(&json);
	jsonw_begin(&json, NULL, '{');
	jsonw_u64(&json, "schema", 1);
	jsonw_bool(&json, "enforcing", agent->enforcer && agent->journal && !agent->config.dry_run);
	if (agent->no_journal)
		jsonw_string(&json, "not_enforcing_because", agent->no_journal);
	add_policies(agent, &json);
	add_holds(agent, &json);
	jsonw_end(&json, '}');
	strbuf_add(out, json.out.data, json.out.length);
	strbuf_add_char(out, '\n');
	jsonw_done(&json);
}

void status_explain(struct agent *agent, const char *path, struct strbuf *out)
{
	uint32_t index = agent->latest ? tree_find(agent->latest->tree, path) : NODE_NONE;
	size_t before = out->length;

	if (index == NODE_NONE) {
		strbuf_printf(out, "%s: no such cgroup\n", path);
		return;
	}
	engine_explain(agent->engine, agent->latest, index, agent_now_usec(), out);
	if (out->length == before)
		strbuf_add_string(out, "no policy matches\n");
}
