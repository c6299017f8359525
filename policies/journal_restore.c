// SPDX-License-Identifier: MIT
#include "policies/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "policies/act.h"
#include "policies/journal_private.h"
#include "policies/unit_bus.h"

enum outcome_of_entry {
	ENTRY_RESTORED,
	ENTRY_UNCHANGED,
	ENTRY_GONE,
	ENTRY_CONFLICT,
	ENTRY_KEPT,
	ENTRY_FAILED
};

static int count_depth(const char *path)
{
	int depth = 0;

	for (; *path; path++)
		depth += *path == '/';
	return depth;
}

/*
 * Thaw first: a frozen process cannot go along with anything else. Then limits, parents before
 * children, as a v1 child may not have more CPU than its parent; of one cgroup the newest first.
 */
static int compare_entries(const void *a, const void *b)
{
	const struct journal_entry *x = a, *y = b;
	int freeze = (y->knob == KNOB_FREEZE) - (x->knob == KNOB_FREEZE);
	int depth = count_depth(x->path) - count_depth(y->path);

	if (freeze)
		return freeze;
	return depth ? depth : (y->seq > x->seq) - (y->seq < x->seq);
}

static int find_index(const struct hierarchies *hierarchies, const char *name)
{
	for (unsigned int i = 0; i < hierarchies->n; i++) {
		if (strcmp(hierarchies->list[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ENODEV || error == -ESTALE || error == -EXDEV ||
	       error == -ENOTDIR || error == -ELOOP;
}

/* One replay. */
struct restoring {
	struct journal *journal;
	struct knob_context context; /* with a bus of our own where the caller has none */
	struct unit_bus *bus;
	bool force;
};

/* An entry on its way. */
struct attempt {
	const struct restoring *restoring;
	const struct knob_context *context;
	struct knob_context files; /* without systemd */
	const struct journal_entry *entry;
	const struct node *node;
	struct journal *journal;
	int error;
};

static enum outcome_of_entry judge(struct attempt *attempt, int error, const char *what,
				   const char *text)
{
	const struct journal_entry *entry = attempt->entry;

	attempt->error = error;
	if (is_gone(error)) {
		log_warning("journal: %s: %s: %s", entry->path, knob_name(entry->knob), text);
		return ENTRY_GONE;
	}
	log_error("journal: %s: %s: %s: %s", entry->path, knob_name(entry->knob), what, text);
	return ENTRY_FAILED;
}

static bool is_kept(const struct attempt *attempt)
{
	return attempt->entry->keep && !attempt->restoring->force &&
	       attempt->entry->knob != KNOB_FREEZE;
}

static bool is_one_of(uint64_t now, uint64_t a, uint64_t b, uint64_t c)
{
	return now == a || now == b || now == c;
}

/*
 * What we wrote, or what stood there before. On the way back nothing is announced: killed between
 * two files of one knob, each part for itself has the old or the new value.
 */
static bool is_ours(const struct journal_entry *entry, const struct knob_value *now)
{
	const struct knob_value *a = &entry->old, *b = &entry->written, *c = &entry->before;

	if (knob_equal(entry->knob, now, b) || knob_equal(entry->knob, now, c))
		return true;
	if (entry->knob == KNOB_CPU_QUOTA)
		return is_one_of(now->number, a->number, b->number, c->number) &&
		       is_one_of(now->period, a->period, b->period, c->period);
	for (size_t i = 0; i < KNOB_IO_COUNT && entry->knob == KNOB_IO_MAX; i++) {
		if (!is_one_of(now->io[i], a->io[i], b->io[i], c->io[i]))
			return false;
	}
	return entry->knob == KNOB_IO_MAX;
}

/* The quota is back already, but the burst that was lowered with it is not. */
static bool lacks_burst(const struct journal_entry *entry, const struct knob_value *now)
{
	return entry->knob == KNOB_CPU_QUOTA && now->burst < entry->old.burst &&
	       now->burst <= entry->written.number;
}

/* ---- some of its holders keep it over an exit --------------------------------------------------
 */

/* What they want, as it is in force once the others are gone. False if nobody keeps anything. */
static bool find_kept_value(const struct attempt *attempt, struct knob_value *ret_value)
{
	const struct journal_entry *entry = attempt->entry;
	const struct journal_holder *first = NULL;
	struct knob_value value = entry->old;

	if (entry->keep || attempt->restoring->force || entry->knob == KNOB_FREEZE)
		return false;
	for (size_t i = 0; i < entry->n_list; i++) {
		const struct journal_holder *holder = &entry->list[i];
		struct knob_value both;

		if (!holder->keep)
			continue;
		knob_tightest(entry->knob, &value, &holder->wanted, &both);
		value = both;
		if (!first || holder->priority > first->priority)
			first = holder;
	}
	if (first)
		*ret_value = hold_has_order(entry->knob) ? value : first->wanted;
	return first && !knob_equal(entry->knob, ret_value, &entry->old);
}

/* The entry is that of those who keep it from now on. */
static int write_kept(void *data, const struct knob_result *result)
{
	const struct attempt *attempt = data;
	struct journal_entry entry = *attempt->entry;
	size_t n = 0;
	int r;

	entry.list = calloc(entry.n_list, sizeof(*entry.list));
	if (!entry.list)
		return -ENOMEM;
	for (size_t i = 0; i < attempt->entry->n_list; i++) {
		if (attempt->entry->list[i].keep)
			entry.list[n++] = attempt->entry->list[i];
	}
	entry.n_list = n;
	entry.keep = true;
	entry.written = result->requested;
	entry.before = result->before;
	r = journal_put(attempt->journal, &entry);
	free(entry.list);
	return r;
}

static enum outcome_of_entry leave_kept(struct attempt *attempt, const struct knob_value *value,
					const struct knob_value *now)
{
	struct knob_request request = { .knob = attempt->entry->knob,
					.node = attempt->node,
					.value = *value,
					.restore = true,
					.expected = now,
					.about_to_write = write_kept,
					.data = attempt };
	struct knob_result result;
	int r = knob_write(attempt->context, &request, &result);

	/* It stands there already: only its entry has to change. */
	if (r == 0 && !result.changed && !attempt->context->dry_run)
		r = write_kept(attempt, &result);
	return r == 0 ? ENTRY_KEPT : judge(attempt, r, "not brought to what is kept", result.text);
}

static double cores(const struct knob_value *value)
{
	return value->period ? (double)value->number / (double)value->period : 0;
}

/*
 * systemd answers first and writes soon after: killed in between, the old value still stands there,
 * but not for long. What its property says counts then.
 */
static bool is_on_its_way(const struct attempt *attempt, bool v2)
{
	const struct journal_entry *entry = attempt->entry;
	struct knob_value says = entry->old;

	if (!entry->unit || !attempt->context->units ||
	    unit_bus_get(attempt->context->units, entry->unit, entry->knob, v2, &says) < 0 ||
	    knob_equal(entry->knob, &says, &entry->old))
		return false;
	if (entry->knob != KNOB_CPU_QUOTA)
		return knob_equal(entry->knob, &says, &entry->written);
	/* In whole percents, and of a period of its own. */
	return says.number != KNOB_UNLIMITED && entry->written.number != KNOB_UNLIMITED &&
	       cores(&says) - cores(&entry->written) < 0.0101 &&
	       cores(&entry->written) - cores(&says) < 0.0101;
}

static enum outcome_of_entry take_back(struct attempt *attempt, bool v2)
{
	const struct journal_entry *entry = attempt->entry;
	char reason[256] = "";
	int r = unit_bus_set(attempt->context->units, entry->unit, entry->knob, v2, &entry->old,
			     reason, sizeof(reason));

	return r == 0 ? ENTRY_RESTORED : judge(attempt, r, "not taken back", reason);
}

static enum outcome_of_entry put_back(struct attempt *attempt)
{
	const struct journal_entry *entry = attempt->entry;
	struct knob_request request = {
		.knob = entry->knob, .node = attempt->node, .value = entry->old, .restore = true
	};
	struct knob_value now, kept;
	struct knob_result result;
	bool v2;
	int r = knob_read_at(attempt->context, entry->knob, attempt->node, &entry->old, &result);

	if (r < 0)
		return judge(attempt, r, "cannot be read", result.text);
	now = result.before;
	v2 = attempt->context->hierarchies->list[result.hierarchy].v2;
	if (knob_equal(entry->knob, &now, &entry->old) && !lacks_burst(entry, &now))
		return is_on_its_way(attempt, v2) ? take_back(attempt, v2) : ENTRY_UNCHANGED;
	if (!knob_equal(entry->knob, &now, &entry->old) && !is_ours(entry, &now)) {
		log_warning("journal: %s: %s: conflict: somebody else changed it: left alone",
			    entry->path, knob_name(entry->knob));
		return ENTRY_CONFLICT;
	}
	/* For the agent that takes it over; whoever dies in between leaves it so. */
	if (is_kept(attempt))
		return ENTRY_KEPT;
	if (find_kept_value(attempt, &kept))
		return leave_kept(attempt, &kept, &now);
	request.expected = &now;
	r = knob_write(attempt->context, &request, &result);
	return r == 0 ? ENTRY_RESTORED : judge(attempt, r, "not restored", result.text);
}

/* Through systemd what was changed through it; should it not answer, its file. */
static enum outcome_of_entry put_back_somehow(struct attempt *attempt)
{
	enum outcome_of_entry outcome;

	attempt->files = attempt->restoring->context;
	attempt->files.units = NULL;
	if (!attempt->entry->unit) {
		attempt->context = &attempt->files;
		return put_back(attempt);
	}
	outcome = put_back(attempt);
	if (outcome != ENTRY_FAILED)
		return outcome;
	log_warning("journal: %s: %s: systemd cannot be asked to put it back: its file is written",
		    attempt->entry->path, knob_name(attempt->entry->knob));
	attempt->context = &attempt->files;
	attempt->error = 0;
	return put_back(attempt);
}

static enum outcome_of_entry move_back(const struct restoring *restoring,
				       const struct journal_entry *entry, int *ret_error)
{
	uint32_t moved;
	int r = act_move_list_back(&restoring->context, entry->moves, entry->n_moves, entry->target,
				   &moved);

	*ret_error = r;
	if (r < 0) {
		log_error("journal: %s: processes are not back from %s: %s", entry->path,
			  entry->target, strerror(-r));
		return ENTRY_FAILED;
	}
	log_warning("journal: %s: %u processes are back from %s", entry->path, moved,
		    entry->target);
	return moved ? ENTRY_RESTORED : ENTRY_UNCHANGED;
}

static enum outcome_of_entry restore_entry(const struct restoring *restoring,
					   const struct journal_entry *entry, int *ret_error)
{
	const struct hierarchies *hierarchies = restoring->context.hierarchies;
	struct attempt attempt = { .restoring = restoring,
				   .journal = restoring->journal,
				   .context = &restoring->context,
				   .entry = entry };
	int index = find_index(hierarchies, entry->hierarchy);
	enum outcome_of_entry outcome;
	struct node *node;

	if (entry->knob == KNOB_COUNT)
		return move_back(restoring, entry, ret_error);
	if (index < 0) {
		log_warning("journal: %s: the hierarchy %s is not mounted any more", entry->path,
			    entry->hierarchy);
		return ENTRY_GONE;
	}
	node = node_new(entry->path, 0, hierarchies->n);
	if (!node) {
		*ret_error = -ENOMEM;
		return ENTRY_FAILED;
	}
	/* Known in this hierarchy only, so that it is the one that is written. */
	node->ids[index] = entry->cgroup_id;
	attempt.node = node;
	outcome = put_back_somehow(&attempt);
	*ret_error = attempt.error;
	node_unref(node);
	return outcome;
}

static void count(struct journal_replay *replay, enum outcome_of_entry outcome)
{
	unsigned int *const counters[] = {
		[ENTRY_RESTORED] = &replay->restored, [ENTRY_UNCHANGED] = &replay->unchanged,
		[ENTRY_GONE] = &replay->gone,	      [ENTRY_CONFLICT] = &replay->conflicts,
		[ENTRY_KEPT] = &replay->kept,	      [ENTRY_FAILED] = &replay->failed,
	};

	(*counters[outcome])++;
}

/* Not an expired freeze, if that is what is asked for. */
static bool is_to_wait(const struct journal_entry *entry, const uint64_t *expired_by)
{
	return expired_by && (entry->knob != KNOB_FREEZE || !entry->lease_until ||
			      entry->lease_until > *expired_by);
}

/*
 * What failed stays, for the next start or release-all to try again. And beside an agent that lives
 * what is not frozen may be about to be: stopped between the journal and the write, it goes on.
 */
static bool is_over(enum outcome_of_entry outcome, const uint64_t *expired_by)
{
	return outcome != ENTRY_FAILED && outcome != ENTRY_KEPT &&
	       !(expired_by && outcome == ENTRY_UNCHANGED);
}

/* The watchdog and release-all have none; it connects only if it is used. */
static void find_bus(struct restoring *restoring, const struct journal_entry *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!list[i].unit || restoring->context.units)
			continue;
		if (unit_bus_new(NULL, &restoring->bus) == 0)
			restoring->context.units = restoring->bus;
		return;
	}
}

static int restore(struct journal *journal, struct restoring *restoring, const uint64_t *expired_by,
		   struct journal_replay *ret_replay)
{
	struct journal_replay replay = { 0 };
	struct journal_entry *list;
	size_t n;
	int r = journal_load(journal, &list, &n, &replay);

	if (r < 0)
		return r;
	/* One that could not be read now is to be tried again like one that failed. */
	if (replay.failed)
		r = -EIO;
	if (n > 0)
		qsort(list, n, sizeof(*list), compare_entries);
	find_bus(restoring, list, n);
	for (size_t i = 0; i < n; i++) {
		enum outcome_of_entry outcome;
		int error = 0;

		if (is_to_wait(&list[i], expired_by))
			continue;
		outcome = restore_entry(restoring, &list[i], &error);
		count(&replay, outcome);
		if (outcome == ENTRY_FAILED && r == 0)
			r = error;
		if (is_over(outcome, expired_by) && !restoring->context.dry_run)
			journal_remove(journal, list[i].seq);
	}
	unit_bus_free(restoring->bus);
	journal_list_free(list, n);
	*ret_replay = replay;
	return r;
}

int journal_restore(struct journal *journal, const struct knob_context *context, bool force,
		    struct journal_replay *ret_replay)
{
	struct restoring restoring = { .journal = journal, .context = *context, .force = force };

	return restore(journal, &restoring, NULL, ret_replay);
}

int journal_expire(struct journal *journal, const struct knob_context *context, uint64_t now,
		   struct journal_replay *ret_replay)
{
	struct restoring restoring = { .journal = journal, .context = *context };

	return restore(journal, &restoring, &now, ret_replay);
}
