// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/enforce_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void holder_done(struct holder *holder)
{
	free(holder->policy);
	free(holder->file);
}

void hold_free(struct hold *hold)
{
	if (!hold)
		return;
	for (size_t i = 0; i < hold->n_holders; i++)
		holder_done(&hold->holders[i]);
	free(hold->holders);
	free(hold->unit);
	node_unref(hold->node);
	free(hold);
}

struct hold *hold_find(const struct enforcer *enforcer, const struct node *node, enum knob_id knob,
		       const struct knob_value *value)
{
	for (size_t i = 0; i < enforcer->n_holds; i++) {
		struct hold *hold = enforcer->holds[i];

		if (hold->node->serial == node->serial && hold->knob == knob &&
		    knob_same_place(knob, &hold->original, value))
			return hold;
	}
	return NULL;
}

struct hold *hold_add(struct enforcer *enforcer, struct node *node, enum knob_id knob,
		      const struct knob_value *original)
{
	struct hold *hold = calloc(1, sizeof(*hold));
	struct hold **grown = NULL;

	pthread_mutex_lock(&enforcer->lock);
	if (hold)
		grown = realloc(enforcer->holds, (enforcer->n_holds + 1) * sizeof(*grown));
	if (grown) {
		enforcer->holds = grown;
		grown[enforcer->n_holds++] = hold;
		hold->node = node_ref(node);
		hold->knob = knob;
		hold->original = hold->written = *original;
	}
	pthread_mutex_unlock(&enforcer->lock);
	if (grown)
		return hold;
	free(hold);
	return NULL;
}

void hold_drop(struct enforcer *enforcer, struct hold *hold)
{
	pthread_mutex_lock(&enforcer->lock);
	for (size_t i = 0; i < enforcer->n_holds; i++) {
		if (enforcer->holds[i] != hold)
			continue;
		memmove(&enforcer->holds[i], &enforcer->holds[i + 1],
			(enforcer->n_holds - i - 1) * sizeof(*enforcer->holds));
		enforcer->n_holds--;
		break;
	}
	pthread_mutex_unlock(&enforcer->lock);
	if (hold->seq)
		journal_remove(enforcer->journal, hold->seq);
	if (hold->squeeze_seq)
		journal_remove(enforcer->journal, hold->squeeze_seq);
	hold_free(hold);
}

struct holder *hold_find_holder(const struct hold *hold, const char *policy, unsigned int step)
{
	for (size_t i = 0; i < hold->n_holders; i++) {
		if (hold->holders[i].step == step && strcmp(hold->holders[i].policy, policy) == 0)
			return &hold->holders[i];
	}
	return NULL;
}

static struct holder *append(struct hold *hold, const struct decision *decision)
{
	struct holder *grown = realloc(hold->holders, (hold->n_holders + 1) * sizeof(*grown));
	char *policy = strdup(decision->policy);
	struct holder *holder;

	if (grown)
		hold->holders = grown;
	if (!grown || !policy) {
		free(policy);
		return NULL;
	}
	holder = &grown[hold->n_holders++];
	*holder =
		(struct holder){ .policy = policy, .step = decision->step, .since = enforce_now() };
	if (decision->rule && decision->rule->file)
		holder->file = strdup(decision->rule->file);
	return holder;
}

int hold_set_holder(struct enforcer *enforcer, struct hold *hold, const struct decision *decision,
		    const char *uuid)
{
	const struct action *action = &decision->action;
	struct knob_value value;
	struct holder *holder;

	action_knob(action, enforcer->context.hierarchies, &value);
	pthread_mutex_lock(&enforcer->lock);
	holder = hold_find_holder(hold, decision->policy, decision->step);
	if (!holder)
		holder = append(hold, decision);
	if (holder) {
		holder->line = decision->line;
		holder->action = action->id;
		holder->value = value;
		holder->allow_oom = action->allow_oom;
		holder->allow_below_working_set = action->allow_below_working_set;
		holder->allow_protected = decision->rule && decision->rule->allow_protected;
		holder->priority = decision->rule ? decision->rule->priority : 0;
		holder->share = action->step;
		holder->keep = !decision->restore_on_exit && hold->knob != KNOB_FREEZE;
		holder->lease_until = decision->lease_until;
		memcpy(holder->uuid, uuid, sizeof(holder->uuid));
	}
	pthread_mutex_unlock(&enforcer->lock);
	return holder ? 0 : -ENOMEM;
}

void hold_remove_holder(struct enforcer *enforcer, struct hold *hold, struct holder *holder)
{
	size_t at = (size_t)(holder - hold->holders);

	pthread_mutex_lock(&enforcer->lock);
	holder_done(holder);
	memmove(holder, holder + 1, (hold->n_holders - at - 1) * sizeof(*holder));
	hold->n_holders--;
	pthread_mutex_unlock(&enforcer->lock);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return b && b < a ? b : a;
}

uint64_t hold_next_time(const struct enforcer *enforcer)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < enforcer->n_holds; i++) {
		const struct hold *hold = enforcer->holds[i];

		next = earlier(next, hold->retry_at);
		for (size_t j = 0; j < hold->n_holders; j++)
			next = earlier(next, hold->holders[j].lease_until);
	}
	/* Even if it is late: what the last look found stays true for a while. */
	return enforcer->n_holds ? earlier(next, enforcer->drift_at) : next;
}
