// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/enforce_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/log.h"

enum { RETRY_USEC = 1000000 };

static void holder_done(struct holder *holder)
{
	free(holder->policy);
}

void hold_free(struct hold *hold)
{
	if (!hold)
		return;
	for (size_t i = 0; i < hold->n_holders; i++)
		holder_done(&hold->holders[i]);
	free(hold->holders);
	node_unref(hold->node);
	free(hold);
}

/* ---- the list, whose changes other threads may be copying
 * ------------------------------------------ */

static struct hold *find_hold(const struct enforcer *enforcer, const struct node *node,
			      enum knob_id knob)
{
	for (size_t i = 0; i < enforcer->n_holds; i++) {
		if (enforcer->holds[i]->node->serial == node->serial &&
		    enforcer->holds[i]->knob == knob)
			return enforcer->holds[i];
	}
	return NULL;
}

static struct hold *add_hold(struct enforcer *enforcer, struct node *node, enum knob_id knob,
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

/* Forgets a hold and its journal entries. */
static void drop_hold(struct enforcer *enforcer, struct hold *hold)
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

static struct holder *find_holder(const struct hold *hold, const char *policy, unsigned int step)
{
	for (size_t i = 0; i < hold->n_holders; i++) {
		if (hold->holders[i].step == step && strcmp(hold->holders[i].policy, policy) == 0)
			return &hold->holders[i];
	}
	return NULL;
}

static int set_holder(struct enforcer *enforcer, struct hold *hold, const struct decision *decision)
{
	struct holder *holder = find_holder(hold, decision->policy, decision->step);
	int r = -ENOMEM;

	pthread_mutex_lock(&enforcer->lock);
	if (!holder) {
		struct holder *grown = realloc(hold->holders,
					       (hold->n_holders + 1) * sizeof(*grown));
		char *policy = strdup(decision->policy);

		if (grown)
			hold->holders = grown;
		if (grown && policy) {
			holder = &grown[hold->n_holders++];
			*holder = (struct holder){ .policy = policy,
						   .step = decision->step,
						   .since = enforce_now() };
		} else {
			free(policy);
		}
	}
	if (holder) {
		holder->action = decision->action.id;
		holder->value = decision->action.value;
		holder->allow_oom = decision->action.allow_oom;
		holder->keep = !decision->restore_on_exit;
		holder->lease_until = decision->lease_until;
		r = 0;
	}
	pthread_mutex_unlock(&enforcer->lock);
	return r;
}

static void remove_holder(struct enforcer *enforcer, struct hold *hold, struct holder *holder)
{
	size_t at = (size_t)(holder - hold->holders);

	pthread_mutex_lock(&enforcer->lock);
	holder_done(holder);
	memmove(holder, holder + 1, (hold->n_holders - at - 1) * sizeof(*holder));
	hold->n_holders--;
	pthread_mutex_unlock(&enforcer->lock);
}

/* ---- the journal
 * ------------------------------------------------------------------------------------ */

struct write_data {
	struct enforcer *enforcer;
	struct hold *hold;
};

static void describe_holders(const struct hold *hold, struct journal_entry *entry,
			     struct strbuf *names)
{
	entry->keep = hold->n_holders > 0;
	for (size_t i = 0; i < hold->n_holders; i++) {
		if (i > 0)
			strbuf_add_char(names, ',');
		strbuf_add_string(names, hold->holders[i].policy);
		entry->keep &= hold->holders[i].keep;
		if (hold->holders[i].lease_until > entry->lease_until)
			entry->lease_until = hold->holders[i].lease_until;
	}
	entry->holders = names->data ? names->data : (char *)"";
}

/* Called by knob_write() when it is sure to write: what is on disk then is enough to undo it. */
static int write_journal(void *data, const struct knob_result *result)
{
	const struct write_data *about = data;
	struct hold *hold = about->hold;
	bool squeeze = result->knob != hold->knob;
	uint64_t *seq = squeeze ? &hold->squeeze_seq : &hold->seq;
	struct journal_entry entry = {
		.seq = *seq,
		.knob = result->knob,
		.hierarchy = about->enforcer->context.hierarchies->list[result->hierarchy].name,
		.cgroup_id = result->cgroup_id,
		.path = hold->node->path,
		.old = squeeze ? result->before : hold->original,
		.written = result->requested,
		.before = result->before,
	};
	struct strbuf names;
	int r = -ENOMEM;

	strbuf_init(&names);
	describe_holders(hold, &entry, &names);
	if (!names.failed)
		r = journal_put(about->enforcer->journal, &entry);
	strbuf_done(&names);
	if (r == 0)
		*seq = entry.seq;
	return r;
}

static void unsqueezed(void *data, const struct knob_result *result)
{
	const struct write_data *about = data;

	(void)result;
	journal_remove(about->enforcer->journal, about->hold->squeeze_seq);
	about->hold->squeeze_seq = 0;
}

/* ---- bringing the knob to what its holders want
 * ------------------------------------------------------- */

static const struct holder *find_tightest(const struct hold *hold)
{
	const struct holder *best = NULL;

	for (size_t i = 0; i < hold->n_holders; i++) {
		const struct holder *holder = &hold->holders[i];

		if (knob_tighter(hold->knob, &holder->value, best ? &best->value : &hold->original))
			best = holder;
	}
	return best;
}

/*
 * Writes the tightest of original and wishes, if it does not stand there already. `loosen`: on the
 * way back, where the guards do not apply.
 */
static int settle(struct enforcer *enforcer, struct hold *hold, bool loosen,
		  struct knob_result *result)
{
	const struct holder *best = find_tightest(hold);
	struct write_data about = { enforcer, hold };
	struct knob_request request = {
		.knob = hold->knob,
		.node = hold->node,
		.value = best ? best->value : hold->original,
		.restore = loosen,
		.accept_frozen = hold->has_written,
		.allow_oom = best && best->allow_oom,
		.expected = hold->has_written ? &hold->written : NULL,
		.about_to_write = write_journal,
		.put_back = unsqueezed,
		.data = &about,
	};
	int r;

	*result = (struct knob_result){ .knob = hold->knob, .hierarchy = -1 };
	if (!best && !hold->has_written)
		return 0;
	/* On the way to the original the entry on disk already says what to put back. */
	if (!best)
		request.about_to_write = NULL;
	r = knob_write(&enforcer->context, &request, result);
	/* Nothing was to be written, but who holds it, and until when, may have changed. */
	if (r == 0 && best && hold->seq && !result->changed)
		r = write_journal(&about, result);
	pthread_mutex_lock(&enforcer->lock);
	if (r == 0) {
		hold->written = result->after;
		hold->has_written = best &&
				    !knob_equal(hold->knob, &hold->written, &hold->original);
	} else if (result->changed) {
		hold->written = result->after;
		hold->has_written = true;
	}
	pthread_mutex_unlock(&enforcer->lock);
	return r;
}

/* Not the cgroup we knew: nothing to put back. */
static bool is_gone(const struct knob_result *result)
{
	return !result->has_before && (result->error == -ENOENT || result->error == -ENODEV ||
				       result->error == -ESTALE || result->error == -ENOTDIR);
}

static bool is_conflict(const struct knob_result *result)
{
	return result->has_before && result->error == -ESTALE;
}

/*
 * After a holder went: the next tightest, or the original. 0 also where there is nothing left to
 * do: the cgroup is gone, or somebody else has changed the value and it is theirs now.
 */
static int loosen(struct enforcer *enforcer, struct hold *hold, struct knob_result *result)
{
	int r = settle(enforcer, hold, true, result);

	if (r < 0 && (is_gone(result) || is_conflict(result))) {
		if (is_conflict(result)) {
			log_warning("%s: %s: conflict: somebody else changed it: left alone",
				    hold->node->path, knob_name(hold->knob));
			pthread_mutex_lock(&enforcer->lock);
			enforcer->stats.conflicts++;
			pthread_mutex_unlock(&enforcer->lock);
		}
		drop_hold(enforcer, hold);
		return 0;
	}
	if (r == 0 && hold->n_holders == 0) {
		drop_hold(enforcer, hold);
		return 0;
	}
	if (r < 0) {
		log_error("%s: %s: not put back, will be tried again: %s", hold->node->path,
			  knob_name(hold->knob), result->text);
		hold->retry_at = enforce_now() + RETRY_USEC;
	}
	return r;
}

/* ---- decisions
 * ------------------------------------------------------------------------------------------ */

static void push(struct enforcer *enforcer, const struct decision *decision, uint64_t started,
		 const struct knob_result *knob, int error, bool conflict, const char *text)
{
	struct enforcer_result result = {
		.op = decision->op,
		.node_serial = decision->node->serial,
		.path = strdup(decision->node->path),
		.policy = strdup(decision->policy),
		.step = decision->step,
		.action = decision->action.id,
		.shadow = decision->shadow || enforcer->context.dry_run,
		.error = error,
		.conflict = conflict,
		.changed = knob->changed,
		.before = knob->before,
		.after = knob->after,
		.duration_usec = enforce_now() - started,
		.text = strdup(text ? text : knob->text),
	};

	pthread_mutex_lock(&enforcer->lock);
	if (error < 0)
		enforcer->stats.failed++;
	else if (result.shadow)
		enforcer->stats.shadowed++;
	else if (decision->op == DECISION_APPLY)
		enforcer->stats.applied++;
	else
		enforcer->stats.released++;
	pthread_mutex_unlock(&enforcer->lock);
	enforce_push_result(enforcer, &result);
}

/* What it would do, without doing it: the same checks, nothing held. */
static void rehearse(struct enforcer *enforcer, const struct decision *decision, uint64_t started)
{
	struct knob_context context = enforcer->context;
	struct knob_request request = { .node = decision->node,
					.allow_oom = decision->action.allow_oom };
	struct knob_result result = { .hierarchy = -1 };
	int r = 0;

	request.knob = action_knob(&decision->action, context.hierarchies, &request.value);
	context.dry_run = true;
	if (decision->op == DECISION_APPLY) {
		r = knob_read(&context, request.knob, request.node, &result);
		if (r == 0 && !knob_tighter(request.knob, &request.value, &result.before) &&
		    request.knob != KNOB_FREEZE) {
			push(enforcer, decision, started, &result, 0, false,
			     "the cgroup is as tight already");
			return;
		}
		if (r == 0)
			r = knob_write(&context, &request, &result);
	}
	push(enforcer, decision, started, &result, r, false, NULL);
}

static struct hold *get_hold(struct enforcer *enforcer, const struct decision *decision,
			     struct knob_result *result)
{
	struct knob_value value;
	enum knob_id knob = action_knob(&decision->action, enforcer->context.hierarchies, &value);
	struct hold *hold = find_hold(enforcer, decision->node, knob);

	/* While nothing of ours stands there, the original is whatever stands there now. */
	if (hold && !hold->has_written &&
	    knob_read(&enforcer->context, knob, decision->node, result) == 0) {
		pthread_mutex_lock(&enforcer->lock);
		hold->original = hold->written = result->before;
		pthread_mutex_unlock(&enforcer->lock);
	}
	if (hold)
		return hold;
	if (knob_read(&enforcer->context, knob, decision->node, result) < 0)
		return NULL;
	if (knob == KNOB_FREEZE && result->before.number) {
		result->error = -EALREADY;
		snprintf(result->text, sizeof(result->text),
			 "it was frozen by somebody else already");
		return NULL;
	}
	hold = add_hold(enforcer, decision->node, knob, &result->before);
	if (!hold)
		result->error = -ENOMEM;
	return hold;
}

/* The new wish could not be carried out: back to what the others want. */
static void withdraw(struct enforcer *enforcer, struct hold *hold, const struct decision *decision,
		     const struct knob_result *failed)
{
	struct holder *holder = find_holder(hold, decision->policy, decision->step);
	struct knob_result result;

	if (holder)
		remove_holder(enforcer, hold, holder);
	if (is_conflict(failed) || is_gone(failed)) {
		/* Nothing there is ours any more. What the other holders wanted is void as well. */
		drop_hold(enforcer, hold);
		return;
	}
	loosen(enforcer, hold, &result);
}

static void apply(struct enforcer *enforcer, const struct decision *decision, uint64_t started)
{
	struct knob_result result = { .hierarchy = -1 };
	struct hold *hold = get_hold(enforcer, decision, &result);
	bool conflict;
	int r;

	if (!hold) {
		push(enforcer, decision, started, &result, result.error, false, NULL);
		return;
	}
	r = set_holder(enforcer, hold, decision);
	if (r == 0)
		r = settle(enforcer, hold, false, &result);
	conflict = is_conflict(&result);
	if (r < 0)
		withdraw(enforcer, hold, decision, &result);
	push(enforcer, decision, started, &result, r, conflict,
	     r == 0 && !result.changed && !result.text[0] ? "the cgroup is as tight already"
							  : NULL);
}

static void release(struct enforcer *enforcer, const struct decision *decision, uint64_t started)
{
	struct knob_value value;
	enum knob_id knob = action_knob(&decision->action, enforcer->context.hierarchies, &value);
	struct hold *hold = find_hold(enforcer, decision->node, knob);
	struct holder *holder = hold ? find_holder(hold, decision->policy, decision->step) : NULL;
	struct knob_result result = { .hierarchy = -1 };
	int r;

	if (!holder) {
		push(enforcer, decision, started, &result, 0, false, "it was not held any more");
		return;
	}
	remove_holder(enforcer, hold, holder);
	r = loosen(enforcer, hold, &result);
	push(enforcer, decision, started, &result, r, is_conflict(&result),
	     result.text[0] || result.changed ? NULL : decision->reason);
}

void enforce_decision(struct enforcer *enforcer, const struct decision *decision)
{
	uint64_t started = enforce_now();

	if (decision->shadow || enforcer->context.dry_run)
		rehearse(enforcer, decision, started);
	else if (decision->op == DECISION_APPLY)
		apply(enforcer, decision, started);
	else
		release(enforcer, decision, started);
}

/* ---- what the enforcer does by itself
 * ----------------------------------------------------------------- */

/* Releases one holder as if its policy had decided so. May drop the hold. */
static void release_holder(struct enforcer *enforcer, struct hold *hold,
			   const struct holder *holder, const char *why)
{
	_cleanup_(freep) char *policy = strdup(holder->policy);
	struct decision decision = {
		.op = DECISION_RELEASE,
		.node = node_ref(hold->node),
		.policy = policy,
		.step = holder->step,
		.action = { .id = holder->action },
		.reason = (char *)why,
	};

	if (policy)
		release(enforcer, &decision, enforce_now());
	node_unref(decision.node);
}

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
		release_holder(enforcer, hold, holder, "the lease is over");
		i = 0; /* the list may have changed */
	}
}

void enforce_retries(struct enforcer *enforcer)
{
	uint64_t now = enforce_now();

	for (size_t i = 0; i < enforcer->n_holds;) {
		struct hold *hold = enforcer->holds[i];
		struct knob_result result;
		size_t before = enforcer->n_holds;

		if (hold->retry_at && now >= hold->retry_at) {
			hold->retry_at = 0;
			loosen(enforcer, hold, &result);
		}
		i += enforcer->n_holds == before;
	}
}

static int compare_holds(const void *a, const void *b)
{
	const struct hold *x = *(struct hold *const *)a, *y = *(struct hold *const *)b;
	int freeze = (y->knob == KNOB_FREEZE) - (x->knob == KNOB_FREEZE);

	return freeze ? freeze
		      : (x->node->depth > y->node->depth) - (x->node->depth < y->node->depth);
}

static bool is_kept(const struct hold *hold)
{
	for (size_t i = 0; i < hold->n_holders; i++) {
		if (!hold->holders[i].keep)
			return false;
	}
	return hold->n_holders > 0 && hold->knob != KNOB_FREEZE;
}

static int release_hold(struct enforcer *enforcer, struct hold *hold)
{
	struct knob_result result;

	while (hold->n_holders > 1)
		remove_holder(enforcer, hold, &hold->holders[1]);
	if (hold->n_holders == 1) {
		/* The last one goes with a result, so that the loop learns of it. */
		struct node *node = node_ref(hold->node);
		enum knob_id knob = hold->knob;

		release_holder(enforcer, hold, &hold->holders[0], "everything is released");
		hold = find_hold(enforcer, node, knob);
		node_unref(node);
		return hold ? -EBUSY : 0;
	}
	return loosen(enforcer, hold, &result);
}

int enforce_release_everything(struct enforcer *enforcer, bool exiting)
{
	int error = 0;
	size_t n, i = 0;

	pthread_mutex_lock(&enforcer->lock);
	n = enforcer->n_holds;
	if (n > 0)
		qsort(enforcer->holds, n, sizeof(*enforcer->holds), compare_holds);
	pthread_mutex_unlock(&enforcer->lock);
	while (i < enforcer->n_holds) {
		struct hold *hold = enforcer->holds[i];
		int r;

		if (exiting && is_kept(hold)) {
			drop_hold(enforcer, hold);
			continue;
		}
		n = enforcer->n_holds;
		r = release_hold(enforcer, hold);
		if (r < 0 && error == 0)
			error = r;
		/* What could not be put back stays, in the list and in the journal. */
		i += enforcer->n_holds == n;
	}
	return error;
}

int enforcer_adopt(struct enforcer *enforcer, const struct snapshot *snapshot,
		   struct enforcer_hold **ret_list, size_t *ret_n)
{
	(void)enforcer;
	(void)snapshot;
	*ret_list = NULL;
	*ret_n = 0;
	return 0;
}

int enforcer_by_hand(struct enforcer *enforcer, struct node *node, bool freeze,
		     uint64_t lease_until)
{
	(void)enforcer;
	(void)node;
	(void)freeze;
	(void)lease_until;
	return -EOPNOTSUPP;
}
