// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/enforce_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/act.h"

static enum knob_id find_knob(const struct enforcer *enforcer, const struct decision *decision,
			      struct knob_value *ret_value)
{
	return action_knob(&decision->action, enforcer->context.hierarchies, ret_value);
}

/* ---- the last look -----------------------------------------------------------------------------
 */

static bool is_wanted(const struct enforcer *enforcer, const struct decision *decision,
		      char *reason, size_t size)
{
	snprintf(reason, size, "the condition does not hold any more");
	if (!verdict_stands(decision->verdict))
		return false;
	return !enforcer->recheck || !decision->rule ||
	       enforcer->recheck(enforcer->recheck_data, decision, reason, size) != -ECANCELED;
}

/* True if it was taken back: told, and nothing is to be done. */
static bool is_cancelled(struct enforcer *enforcer, const struct decision *decision,
			 uint64_t started)
{
	char reason[384];
	const struct account account = { .decision = decision,
					 .started = started,
					 .error = -ECANCELED,
					 .cancelled = true,
					 .text = reason };

	if (decision->op != DECISION_APPLY || is_wanted(enforcer, decision, reason, sizeof(reason)))
		return false;
	enforce_tell(enforcer, &account);
	return true;
}

/* ---- knobs -------------------------------------------------------------------------------------
 */

static bool has_order(enum knob_id knob, const struct knob_value *wanted,
		      const struct knob_value *present)
{
	return knob_tighter(knob, wanted, present) || knob_tighter(knob, present, wanted);
}

/* What it would do, without doing it: the same checks, nothing held. */
static void rehearse(struct enforcer *enforcer, const struct decision *decision, uint64_t started)
{
	struct knob_context context = enforcer->context;
	const struct action *action = &decision->action;
	struct knob_request request = { .node = decision->node,
					.allow_oom = action->allow_oom,
					.allow_below_working_set = action->allow_below_working_set,
					.allow_protected = decision->rule &&
							   decision->rule->allow_protected,
					.step = action->step };
	struct knob_result result = { .hierarchy = -1 };
	struct account account = { .decision = decision, .started = started, .knob = &result };

	request.knob = find_knob(enforcer, decision, &request.value);
	context.dry_run = true;
	if (decision->op == DECISION_APPLY) {
		account.error = knob_read_at(&context, request.knob, request.node, &request.value,
					     &result);
		if (account.error == 0 && request.knob != KNOB_FREEZE &&
		    has_order(request.knob, &request.value, &result.before) &&
		    !knob_tighter(request.knob, &request.value, &result.before))
			account.text = "the cgroup is as tight already";
		else if (account.error == 0)
			account.error = knob_write(&context, &request, &result);
	}
	enforce_tell(enforcer, &account);
}

static struct hold *get_hold(struct enforcer *enforcer, const struct decision *decision,
			     struct knob_result *result)
{
	struct knob_value value;
	enum knob_id knob = find_knob(enforcer, decision, &value);
	struct hold *hold = hold_find(enforcer, decision->node, knob, &value);

	if (hold && hold->has_written)
		return hold;
	/* While nothing of ours stands there, the original is whatever stands there now. */
	if (knob_read_at(&enforcer->context, knob, decision->node, &value, result) < 0)
		return hold;
	if (hold) {
		pthread_mutex_lock(&enforcer->lock);
		hold->original = hold->written = result->before;
		pthread_mutex_unlock(&enforcer->lock);
		return hold;
	}
	if (knob == KNOB_FREEZE && result->before.number) {
		result->error = -EALREADY;
		snprintf(result->text, sizeof(result->text),
			 "it was frozen by somebody else already");
		return NULL;
	}
	hold = hold_add(enforcer, decision->node, knob, &result->before);
	if (!hold)
		result->error = -ENOMEM;
	return hold;
}

/* The new wish could not be carried out: back to what the others want. */
static void withdraw(struct enforcer *enforcer, struct hold *hold, const struct decision *decision,
		     const struct knob_result *failed)
{
	struct holder *holder = hold_find_holder(hold, decision->policy, decision->step);
	struct knob_result result;

	if (holder)
		hold_remove_holder(enforcer, hold, holder);
	if (hold_is_conflict(failed))
		hold_note_conflict(enforcer, hold);
	if (hold_is_conflict(failed) || hold_is_gone(failed)) {
		/* Nothing there is ours any more. What the other holders wanted is void as well. */
		hold_drop(enforcer, hold);
		return;
	}
	hold_loosen(enforcer, hold, &result);
}

static void apply(struct enforcer *enforcer, const struct decision *decision, uint64_t started)
{
	struct knob_result result = { .hierarchy = -1 };
	struct hold *hold = get_hold(enforcer, decision, &result);
	char uuid[ENFORCER_UUID_SIZE];
	struct account account = {
		.decision = decision, .started = started, .knob = &result, .uuid = uuid
	};

	enforce_make_uuid(uuid);
	account.error = result.error;
	if (!hold) {
		enforce_tell(enforcer, &account);
		return;
	}
	account.error = hold_set_holder(enforcer, hold, decision, uuid);
	if (account.error == 0)
		account.error = hold_settle(enforcer, hold, false, &result);
	account.conflict = account.error < 0 && hold_is_conflict(&result);
	if (account.error < 0)
		withdraw(enforcer, hold, decision, &result);
	else if (!result.changed && !result.text[0])
		account.text = "the cgroup is as tight already";
	enforce_tell(enforcer, &account);
}

/* Takes the holder out of the hold, and tells how that went. */
static int release(struct enforcer *enforcer, struct hold *hold, struct holder *holder,
		   const struct decision *decision)
{
	_cleanup_(freep) char *file = holder->file ? strdup(holder->file) : NULL;
	struct knob_result result = { .hierarchy = -1 };
	char restore_of[ENFORCER_UUID_SIZE];
	struct account account = { .decision = decision,
				   .started = enforce_now(),
				   .knob = &result,
				   .file = file,
				   .restore_of = restore_of,
				   .cgroup_id = hold->cgroup_id };

	memcpy(restore_of, holder->uuid, sizeof(restore_of));
	hold_remove_holder(enforcer, hold, holder);
	account.error = hold_loosen(enforcer, hold, &result);
	account.conflict = hold_is_conflict(&result);
	if (account.error == 0 && hold_is_gone(&result))
		account.text = "nothing to put back: the cgroup is gone";
	else if (!result.text[0] && !result.changed)
		account.text = decision->reason;
	enforce_tell(enforcer, &account);
	return account.error;
}

/* Also what an earlier agent held, of which the action may not be known any more. */
static struct hold *find_held(const struct enforcer *enforcer, const struct decision *decision)
{
	struct knob_value value;
	enum knob_id knob = find_knob(enforcer, decision, &value);
	struct hold *hold = hold_find(enforcer, decision->node, knob, &value);

	if (hold && hold_find_holder(hold, decision->policy, decision->step))
		return hold;
	for (size_t i = 0; i < enforcer->n_holds; i++) {
		hold = enforcer->holds[i];
		if (hold->node->serial == decision->node->serial &&
		    hold_find_holder(hold, decision->policy, decision->step))
			return hold;
	}
	return NULL;
}

static void release_decision(struct enforcer *enforcer, const struct decision *decision,
			     uint64_t started)
{
	const struct account nothing = { .decision = decision,
					 .started = started,
					 .text = "it was not held any more" };
	struct hold *hold = find_held(enforcer, decision);

	if (hold)
		release(enforcer, hold, hold_find_holder(hold, decision->policy, decision->step),
			decision);
	else
		enforce_tell(enforcer, &nothing);
}

int enforce_release_holder(struct enforcer *enforcer, struct hold *hold, struct holder *holder,
			   const char *why, bool taken)
{
	_cleanup_(freep) char *policy = strdup(holder->policy);
	const struct decision decision = {
		.op = DECISION_RELEASE,
		.node = node_ref(hold->node),
		.policy = policy,
		.step = holder->step,
		.line = holder->line,
		.action = { .id = holder->action, .value = holder->value },
		.reason = (char *)why,
		.taken = taken,
		.lease_until = holder->lease_until,
	};
	int r = policy ? release(enforcer, hold, holder, &decision) : -ENOMEM;

	node_unref(decision.node);
	return r;
}

/* ---- by hand -----------------------------------------------------------------------------------
 */

/* Whoever froze it: a hand that thaws means it. */
static void thaw_by_hand(struct enforcer *enforcer, const struct decision *decision)
{
	struct account account = { .decision = decision, .started = enforce_now() };
	struct knob_value frozen = { .number = 1 };
	struct hold *hold;
	bool held = false, by_hand = false;

	while ((hold = hold_find(enforcer, decision->node, KNOB_FREEZE, &frozen)) &&
	       hold->n_holders > 0) {
		held = true;
		by_hand |= strcmp(hold->holders[0].policy, ENFORCE_BY_HAND) == 0;
		account.error = enforce_release_holder(enforcer, hold, &hold->holders[0],
						       "thawed by hand", true);
	}
	if (by_hand)
		return; /* that result is told already */
	account.text = !held		   ? "cgwatch does not hold it frozen"
		       : account.error < 0 ? "it could not be thawed and will be tried again"
					   : "thawed by hand";
	if (!held)
		account.error = -ENOENT;
	enforce_tell(enforcer, &account);
}

void enforce_by_hand(struct enforcer *enforcer, const struct decision *decision)
{
	if (decision->op == DECISION_APPLY)
		enforce_decision(enforcer, decision);
	else
		thaw_by_hand(enforcer, decision);
}

/* ---- all ---------------------------------------------------------------------------------------
 */

void enforce_decision(struct enforcer *enforcer, const struct decision *decision)
{
	const uint64_t started = enforce_now();
	const struct account report = { .decision = decision,
					.started = started,
					.text = decision->reason };

	if (decision->op == DECISION_REPORT)
		enforce_tell(enforcer, &report);
	else if (is_cancelled(enforcer, decision, started))
		return;
	else if (action_kind(decision->action.id) == ACTION_KIND_ONCE)
		act_once(enforcer, decision, started);
	else if (decision->shadow || enforcer->context.dry_run)
		rehearse(enforcer, decision, started);
	else if (decision->op == DECISION_APPLY)
		apply(enforcer, decision, started);
	else
		release_decision(enforcer, decision, started);
}
