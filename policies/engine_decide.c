// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policies/engine_private.h"

void decision_done(struct decision *decision)
{
	node_unref(decision->node);
	policy_set_unref(decision->set);
	verdict_unref(decision->verdict);
	free(decision->policy);
	free(decision->reason);
	*decision = (struct decision){ 0 };
}

void decisions_cut(struct decisions *decisions, size_t n)
{
	while (decisions->n > n)
		decision_done(&decisions->list[--decisions->n]);
}

void decisions_done(struct decisions *decisions)
{
	decisions_cut(decisions, 0);
	free(decisions->list);
	*decisions = (struct decisions){ 0 };
}

static struct decision *make_room(struct decisions *decisions)
{
	size_t capacity = decisions->capacity ? 2 * decisions->capacity : 16;
	struct decision *grown;

	if (decisions->n < decisions->capacity)
		return &decisions->list[decisions->n];
	grown = realloc(decisions->list, capacity * sizeof(*grown));
	if (!grown)
		return NULL;
	decisions->list = grown;
	decisions->capacity = capacity;
	return &grown[decisions->n];
}

int engine_decide(const struct engine *engine, struct decisions *decisions,
		  const struct draft *draft)
{
	const struct policy *policy = draft->watch->policy;
	const struct policy_step *rung = &policy->steps[draft->step];
	const struct track *track = draft->track;
	struct decision *decision = make_room(decisions);
	bool apply = draft->op == DECISION_APPLY;

	if (!decision)
		return -ENOMEM;
	*decision = (struct decision){
		.op = draft->op,
		.node = node_ref(track->node),
		.policy = strdup(policy->name),
		.set = engine->set ? policy_set_ref(engine->set) : NULL,
		.rule = engine->set ? policy : NULL,
		.verdict = apply ? verdict_ref(track->verdicts[draft->step]) : NULL,
		.step = draft->step,
		.line = rung->line,
		.action = rung->action,
		.shadow = policy->mode != POLICY_ENFORCE,
		.restore_on_exit = policy->restore_on_exit,
		.lease_until = apply ? track->lease_until[draft->step] : 0,
		.reason = strdup(draft->why),
		.events = apply ? track->events[draft->step] : 0,
		.breach_usec = track->breach_since && draft->now > track->breach_since
				       ? draft->now - track->breach_since
				       : 0,
	};
	if (!decision->policy || !decision->reason) {
		decision_done(decision);
		return -ENOMEM;
	}
	decisions->n++;
	return 0;
}

int engine_decide_release(const struct engine *engine, struct decisions *decisions,
			  const struct draft *draft)
{
	struct draft one = *draft;
	int r = 0;

	one.op = DECISION_RELEASE;
	for (one.step = track_height(draft->track); one.step-- > 0 && r == 0;) {
		if (draft->track->held >> one.step & 1)
			r = engine_decide(engine, decisions, &one);
	}
	return r;
}

/* "cpu.usage.rate 63.1% > 50%: true (for 2s)" */
void engine_add_why(const struct moment *moment, const struct condition *condition, uint64_t since,
		    struct strbuf *buffer)
{
	uint64_t events = condition == moment->policy->clear_when ? moment->clear_events
								  : moment->when_events;

	condition_explain_events(condition, moment->snapshot, moment->index, events, buffer);
	strbuf_add_string(buffer, " (for ");
	strbuf_add_fixed(buffer, moment->now - since, 6);
	strbuf_add_string(buffer, "s)");
}

int decisions_move(struct decisions *from, struct decisions *to)
{
	size_t moved = 0;
	struct decision *room;

	while (moved < from->n && (room = make_room(to))) {
		*room = from->list[moved++];
		to->n++;
	}
	if (moved > 0)
		memmove(from->list, &from->list[moved], (from->n - moved) * sizeof(*from->list));
	from->n -= moved;
	return from->n > 0 ? -ENOMEM : 0;
}
