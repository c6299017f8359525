// SPDX-License-Identifier: MIT
#include "policies/engine.h"

#include <string.h>

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

		strbuf_add_string(buffer, held ? "  holds: " : step ? "  then: " : "  action: ");
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
	}
	strbuf_add_char(buffer, '\n');
}

void engine_explain(const struct engine *engine, const struct snapshot *snapshot, uint32_t index,
		    uint64_t now, struct strbuf *buffer)
{
	const struct node *node = snapshot->tree->nodes[index];

	for (size_t i = 0; i < engine->n_watches; i++) {
		const struct policy *policy = engine->watches[i].policy;
		const struct track *track;

		if (!policy_matches(policy, snapshot, index))
			continue;
		track = engine_find(engine, policy->name, node->serial);
		explain_state(policy, track, now, buffer);
		strbuf_add_string(buffer, "  when: ");
		condition_explain(policy->when, snapshot, index, buffer);
		strbuf_add_char(buffer, '\n');
		if (policy->clear_when) {
			strbuf_add_string(buffer, "  clear_when: ");
			condition_explain(policy->clear_when, snapshot, index, buffer);
			strbuf_add_char(buffer, '\n');
		}
		explain_rungs(policy, track, now, buffer);
	}
}
