// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/enforce_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/log.h"

/* ---- the journal ------------------------------------------------------------------------------
 */

struct write_data {
	struct enforcer *enforcer;
	struct hold *hold;
};

/* What the entry borrows from the holders is freed with the list alone. */
static int describe_holders(const struct hold *hold, struct journal_entry *entry,
			    struct strbuf *names)
{
	entry->list = calloc(hold->n_holders ? hold->n_holders : 1, sizeof(*entry->list));
	if (!entry->list)
		return -ENOMEM;
	entry->n_list = hold->n_holders;
	entry->keep = hold->n_holders > 0;
	for (size_t i = 0; i < hold->n_holders; i++) {
		const struct holder *holder = &hold->holders[i];

		entry->list[i] = (struct journal_holder){ .policy = holder->policy,
							  .step = holder->step,
							  .wanted = holder->value,
							  .since = holder->since,
							  .lease_until = holder->lease_until,
							  .keep = holder->keep,
							  .action = holder->action,
							  .priority = holder->priority };
		memcpy(entry->list[i].uuid, holder->uuid, sizeof(entry->list[i].uuid));
		if (i > 0)
			strbuf_add_char(names, ',');
		strbuf_add_string(names, holder->policy);
		entry->keep &= holder->keep;
		if (holder->lease_until > entry->lease_until)
			entry->lease_until = holder->lease_until;
	}
	entry->holders = names->data ? names->data : (char *)"";
	return names->failed ? -ENOMEM : 0;
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
		.unit = result->unit[0] ? (char *)result->unit : NULL,
	};
	struct strbuf names;
	int r;

	strbuf_init(&names);
	r = describe_holders(hold, &entry, &names);
	/* A value moved for a moment is put back whatever the policies want kept: of another knob.
	 */
	entry.keep &= !squeeze;
	if (squeeze)
		entry.n_list = 0;
	if (r == 0)
		r = journal_put(about->enforcer->journal, &entry);
	strbuf_done(&names);
	free(entry.list);
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

/* ---- what the holders want ---------------------------------------------------------------------
 */

/* Knobs of which no value is tighter than another. */
static const bool has_no_order[KNOB_COUNT] = {
	[KNOB_CPU_WEIGHT] = true,  [KNOB_CPU_SHARES] = true,  [KNOB_IO_WEIGHT] = true,
	[KNOB_CPUSET_CPUS] = true, [KNOB_CPUSET_MEMS] = true,
};

bool hold_has_order(enum knob_id knob)
{
	return !has_no_order[knob];
}

struct wish {
	struct knob_value value;
	const struct holder *by; /* NULL: the original */
};

static struct wish choose_first(const struct hold *hold)
{
	struct wish wish = { .value = hold->original };

	for (size_t i = 0; i < hold->n_holders; i++) {
		const struct holder *holder = &hold->holders[i];

		/* They stand in the order they came: of equal ones the earliest. */
		if (!wish.by || holder->priority > wish.by->priority)
			wish = (struct wish){ holder->value, holder };
	}
	return wish;
}

/* What allows least, also where that takes several of them together (limits of one device). */
static struct wish choose_tightest(const struct hold *hold)
{
	struct wish wish = { .value = hold->original };

	for (size_t i = 0; i < hold->n_holders; i++) {
		struct knob_value both;

		knob_tightest(hold->knob, &wish.value, &hold->holders[i].value, &both);
		if (!knob_equal(hold->knob, &both, &wish.value))
			wish = (struct wish){ both, &hold->holders[i] };
	}
	return wish;
}

static struct wish choose(const struct hold *hold)
{
	return has_no_order[hold->knob] ? choose_first(hold) : choose_tightest(hold);
}

bool hold_is_effective(const struct hold *hold, const struct holder *holder)
{
	if (!hold->has_written)
		return false;
	if (has_no_order[hold->knob])
		return choose_first(hold).by == holder;
	for (size_t i = 0; i < hold->n_holders; i++) {
		if (knob_tighter(hold->knob, &hold->holders[i].value, &holder->value))
			return false;
	}
	return true;
}

/* ---- a burst beside a quota -------------------------------------------------------------------
 */

static struct hold *find_quota_beside(const struct enforcer *enforcer, const struct hold *hold)
{
	for (size_t i = 0; i < enforcer->n_holds && hold->knob == KNOB_CPU_BURST; i++) {
		struct hold *quota = enforcer->holds[i];

		if (quota->knob == KNOB_CPU_QUOTA && quota->has_written &&
		    quota->node->serial == hold->node->serial)
			return quota;
	}
	return NULL;
}

bool hold_is_pushed_down(const struct enforcer *enforcer, const struct hold *hold,
			 const struct knob_value *present)
{
	const struct hold *quota = find_quota_beside(enforcer, hold);

	return quota && present->number < hold->written.number &&
	       present->number <= quota->written.number;
}

/* A quota of ours may have pushed the burst down: what stands there is ours then, too. */
static void accept_pushed(struct enforcer *enforcer, struct hold *hold)
{
	struct knob_result now;

	if (!hold->has_written || !find_quota_beside(enforcer, hold) ||
	    knob_read_at(&enforcer->context, hold->knob, hold->node, NULL, &now) < 0 ||
	    !hold_is_pushed_down(enforcer, hold, &now.before))
		return;
	pthread_mutex_lock(&enforcer->lock);
	hold->written = now.before;
	pthread_mutex_unlock(&enforcer->lock);
}

/* What the quota is to bring back with itself is not `held` any more, but what stood before. */
static void tell_quota(struct enforcer *enforcer, const struct hold *hold, uint64_t held)
{
	struct hold *quota = find_quota_beside(enforcer, hold);
	struct knob_result result;

	if (!quota || quota->original.burst != held)
		return;
	pthread_mutex_lock(&enforcer->lock);
	quota->original.burst = hold->original.number;
	pthread_mutex_unlock(&enforcer->lock);
	/* Writes nothing but the journal. */
	hold_settle(enforcer, quota, true, &result);
}

/* ---- bringing the knob there -------------------------------------------------------------------
 */

static void remember(struct enforcer *enforcer, struct hold *hold, const struct wish *wish,
		     const struct knob_result *result)
{
	pthread_mutex_lock(&enforcer->lock);
	if (result->error == 0) {
		hold->written = result->after;
		hold->has_written = wish->by &&
				    !knob_equal(hold->knob, &hold->written, &hold->original);
	} else if (result->changed) {
		hold->written = result->after;
		hold->has_written = true;
	}
	if (result->cgroup_id)
		hold->cgroup_id = result->cgroup_id;
	if (result->unit[0] && !hold->unit)
		hold->unit = strdup(result->unit);
	pthread_mutex_unlock(&enforcer->lock);
}

int hold_settle(struct enforcer *enforcer, struct hold *hold, bool loosen,
		struct knob_result *result)
{
	struct wish wish = choose(hold);
	struct write_data about = { enforcer, hold };
	const uint64_t held = hold->written.number;
	struct knob_request request = {
		.knob = hold->knob,
		.node = hold->node,
		.value = wish.value,
		.restore = loosen,
		.accept_frozen = hold->has_written,
		.expected = hold->has_written ? &hold->written : NULL,
		.about_to_write = write_journal,
		.put_back = unsqueezed,
		.data = &about,
	};
	int r;

	*result = (struct knob_result){ .knob = hold->knob, .hierarchy = -1 };
	if (!wish.by && !hold->has_written)
		return 0;
	accept_pushed(enforcer, hold);
	if (wish.by) {
		request.allow_oom = wish.by->allow_oom;
		request.allow_below_working_set = wish.by->allow_below_working_set;
		request.allow_protected = wish.by->allow_protected;
		request.step = wish.by->share;
	} else {
		/* On the way to the original the entry on disk already says what to put back. */
		request.about_to_write = NULL;
	}
	r = knob_write(&enforcer->context, &request, result);
	/* Nothing was to be written, but who holds it, and until when, may have changed. */
	if (r == 0 && wish.by && hold->seq && !result->changed)
		r = result->error = write_journal(&about, result);
	remember(enforcer, hold, &wish, result);
	if (r == 0 && result->changed)
		hold_forget_conflict(enforcer, hold);
	if (r == 0 && !wish.by)
		tell_quota(enforcer, hold, held);
	return r;
}

bool hold_is_gone(const struct knob_result *result)
{
	return !result->has_before && (result->error == -ENOENT || result->error == -ENODEV ||
				       result->error == -ESTALE || result->error == -ENOTDIR);
}

bool hold_is_conflict(const struct knob_result *result)
{
	return result->has_before && result->error == -ESTALE;
}

/* Doubled each time, up to a minute. Nobody stays frozen for so long. */
static uint64_t retry_delay(const struct hold *hold)
{
	unsigned int n = hold->n_retries < 6 ? hold->n_retries : 6;
	uint64_t delay = (uint64_t)ENFORCE_RETRY_USEC << n;

	if (hold->knob == KNOB_FREEZE)
		return ENFORCE_RETRY_USEC;
	return delay < ENFORCE_RETRY_MAX_USEC ? delay : ENFORCE_RETRY_MAX_USEC;
}

int hold_loosen(struct enforcer *enforcer, struct hold *hold, struct knob_result *result)
{
	int r = hold_settle(enforcer, hold, true, result);

	if (r < 0 && hold_is_conflict(result)) {
		log_warning("%s: %s: conflict: somebody else changed it: left alone",
			    hold->node->path, knob_name(hold->knob));
		hold_note_conflict(enforcer, hold);
	}
	if ((r < 0 && (hold_is_gone(result) || hold_is_conflict(result))) ||
	    (r == 0 && hold->n_holders == 0)) {
		hold_drop(enforcer, hold);
		return 0;
	}
	pthread_mutex_lock(&enforcer->lock);
	hold->retry_at = r < 0 ? enforce_now() + retry_delay(hold) : 0;
	hold->n_retries = r < 0 ? hold->n_retries + 1 : 0;
	pthread_mutex_unlock(&enforcer->lock);
	if (r < 0)
		log_error("%s: %s: not put back, will be tried again: %s", hold->node->path,
			  knob_name(hold->knob), result->text);
	return r;
}

/* ---- conflicts ---------------------------------------------------------------------------------
 */

static size_t find_conflict(const struct enforcer *enforcer, const struct hold *hold)
{
	size_t i = 0;

	while (i < enforcer->n_conflicts &&
	       (enforcer->conflicts[i].node->serial != hold->node->serial ||
		enforcer->conflicts[i].knob != hold->knob ||
		!knob_same_place(hold->knob, &enforcer->conflicts[i].place, &hold->original)))
		i++;
	return i;
}

void hold_note_conflict(struct enforcer *enforcer, const struct hold *hold)
{
	size_t at = find_conflict(enforcer, hold);

	pthread_mutex_lock(&enforcer->lock);
	enforcer->stats.conflicts++;
	if (at == enforcer->n_conflicts && at < ENFORCE_CONFLICTS_MAX)
		enforcer->conflicts[enforcer->n_conflicts++] =
			(struct conflict_place){ node_ref(hold->node), hold->knob, hold->original };
	pthread_mutex_unlock(&enforcer->lock);
}

void hold_forget_conflict(struct enforcer *enforcer, const struct hold *hold)
{
	size_t at = find_conflict(enforcer, hold);

	if (at == enforcer->n_conflicts)
		return;
	pthread_mutex_lock(&enforcer->lock);
	node_unref(enforcer->conflicts[at].node);
	enforcer->conflicts[at] = enforcer->conflicts[--enforcer->n_conflicts];
	pthread_mutex_unlock(&enforcer->lock);
}
