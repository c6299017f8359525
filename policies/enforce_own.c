// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/enforce_private.h"

#include <stdlib.h>

#include "core/log.h"
#include "policies/act.h"

/* ---- leases and retries ------------------------------------------------------------------------
 */

static struct holder *find_expired(const struct hold *hold, uint64_t now)
{
	for (size_t i = 0; i < hold->n_holders; i++) {
		if (hold->holders[i].lease_until && now >= hold->holders[i].lease_until)
			return &hold->holders[i];
	}
	return NULL;
}

void enforce_leases(struct enforcer *enforcer)
{
	uint64_t now = enforce_now();
	size_t i = 0;

	while (i < enforcer->n_holds) {
		struct hold *hold = enforcer->holds[i];
		struct holder *holder = find_expired(hold, now);

		if (!holder) {
			i++;
			continue;
		}
		pthread_mutex_lock(&enforcer->lock);
		enforcer->stats.leases_expired++;
		pthread_mutex_unlock(&enforcer->lock);
		enforce_release_holder(enforcer, hold, holder, "the lease is over", false);
		i = 0; /* the list may have changed */
	}
}

/* The one that waits longest. */
static struct hold *find_due(const struct enforcer *enforcer, uint64_t now)
{
	struct hold *due = NULL;

	for (size_t i = 0; i < enforcer->n_holds; i++) {
		struct hold *hold = enforcer->holds[i];

		if (hold->retry_at && now >= hold->retry_at &&
		    (!due || hold->retry_at < due->retry_at))
			due = hold;
	}
	return due;
}

/*
 * Each may take seconds (a bus that does not answer): leases come first, and after one that took
 * long what is decided meanwhile.
 */
void enforce_retries(struct enforcer *enforcer)
{
	const uint64_t begin = enforce_now();
	struct hold *hold;

	while ((hold = find_due(enforcer, begin)) &&
	       enforce_now() - begin < ENFORCE_RETRY_USEC / 5) {
		struct knob_result result;

		hold_loosen(enforcer, hold, &result);
		enforce_leases(enforcer);
	}
}

/* ---- drift -------------------------------------------------------------------------------------
 */

/* Its holders learn that they hold nothing any more. */
static void give_up(struct enforcer *enforcer, struct hold *hold, const struct knob_result *now,
		    bool conflict)
{
	const char *text = conflict ? "conflict: somebody else changed it: left alone"
				    : "the cgroup is gone";

	for (size_t i = 0; i < hold->n_holders; i++) {
		const struct holder *holder = &hold->holders[i];
		const struct decision decision = {
			.op = DECISION_RELEASE,
			.node = hold->node,
			.policy = holder->policy,
			.step = holder->step,
			.line = holder->line,
			.action = { .id = holder->action, .value = holder->value },
			.reason = (char *)text,
			.taken = conflict,
		};
		const struct account account = { .decision = &decision,
						 .started = enforce_now(),
						 .knob = now,
						 .conflict = conflict,
						 .text = text,
						 .restore_of = holder->uuid,
						 .file = holder->file };

		enforce_tell(enforcer, &account);
	}
	if (conflict) {
		log_warning("%s: %s: %s", hold->node->path, knob_name(hold->knob), text);
		hold_note_conflict(enforcer, hold);
	}
	hold_drop(enforcer, hold);
}

/* True if the hold is no more. */
static bool look_at(struct enforcer *enforcer, struct hold *hold)
{
	struct knob_result now;
	int r;

	if (!hold->has_written || hold->retry_at)
		return false;
	r = knob_read_at(&enforcer->context, hold->knob, hold->node, &hold->original, &now);
	if (r < 0 && !hold_is_gone(&now))
		return false;
	now.after = now.before;
	now.requested = hold->original; /* what would have been put back */
	if (r == 0 && (knob_equal(hold->knob, &now.before, &hold->written) ||
		       hold_is_pushed_down(enforcer, hold, &now.before)))
		return false;
	give_up(enforcer, hold, &now, r == 0);
	return true;
}

/* Conflicts of cgroups that are gone are nobody's any more. */
static void forget_gone(struct enforcer *enforcer)
{
	for (size_t i = enforcer->n_conflicts; i-- > 0;) {
		struct conflict_place *place = &enforcer->conflicts[i];
		const struct hold hold = { .node = place->node,
					   .knob = place->knob,
					   .original = place->place };
		struct knob_result now;

		if (knob_read_at(&enforcer->context, place->knob, place->node, &place->place,
				 &now) < 0 &&
		    hold_is_gone(&now))
			hold_forget_conflict(enforcer, &hold);
	}
}

void enforce_drift(struct enforcer *enforcer)
{
	uint64_t now = enforce_now();

	if (enforcer->n_holds == 0) {
		enforcer->drift_at = 0;
		return;
	}
	if (enforcer->drift_at == 0)
		enforcer->drift_at = now + ENFORCE_DRIFT_USEC;
	if (now < enforcer->drift_at)
		return;
	for (size_t i = 0; i < enforcer->n_holds;)
		i += !look_at(enforcer, enforcer->holds[i]);
	forget_gone(enforcer);
	enforcer->drift_at = enforce_now() + ENFORCE_DRIFT_USEC;
}

/* ---- everything at once ------------------------------------------------------------------------
 */

/* Thaw first: a frozen process cannot go along with anything else. Then parents before children. */
static int compare_holds(const void *a, const void *b)
{
	const struct hold *x = *(struct hold *const *)a, *y = *(struct hold *const *)b;
	int freeze = (y->knob == KNOB_FREEZE) - (x->knob == KNOB_FREEZE);

	return freeze ? freeze
		      : (x->node->depth > y->node->depth) - (x->node->depth < y->node->depth);
}

/* The next one to go; NULL if all that are left are to be kept. */
static struct holder *find_leaving(const struct hold *hold, bool exiting)
{
	for (size_t i = 0; i < hold->n_holders; i++) {
		if (!exiting || !hold->holders[i].keep)
			return &hold->holders[i];
	}
	return NULL;
}

int enforce_release_everything(struct enforcer *enforcer, bool exiting)
{
	int error = act_move_back_all(enforcer);
	size_t i = 0;

	pthread_mutex_lock(&enforcer->lock);
	if (enforcer->n_holds > 0)
		qsort(enforcer->holds, enforcer->n_holds, sizeof(*enforcer->holds), compare_holds);
	pthread_mutex_unlock(&enforcer->lock);
	while (i < enforcer->n_holds) {
		struct hold *hold = enforcer->holds[i];
		struct holder *holder = find_leaving(hold, exiting);
		size_t n = enforcer->n_holds;
		struct knob_result result;
		bool last = hold->n_holders <= 1;
		int r = 0;

		if (holder)
			r = enforce_release_holder(enforcer, hold, holder, "everything is released",
						   false);
		else if (hold->n_holders == 0)
			r = hold_loosen(enforcer, hold, &result);
		if (r < 0 && error == 0)
			error = r;
		/* What could not be put back, or is kept, stays in the list and the journal. */
		i += enforcer->n_holds == n && (last || !holder);
	}
	return error;
}
