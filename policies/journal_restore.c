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

static enum outcome_of_entry put_back(struct attempt *attempt)
{
	const struct journal_entry *entry = attempt->entry;
	struct knob_request request = {
		.knob = entry->knob, .node = attempt->node, .value = entry->old, .restore = true
	};
	struct knob_result result;
	struct knob_value now;
	int r = knob_read_at(attempt->context, entry->knob, attempt->node, &entry->old, &result);

	if (r < 0)
		return judge(attempt, r, "cannot be read", result.text);
	now = result.before;
	if (knob_equal(entry->knob, &now, &entry->old))
		return ENTRY_UNCHANGED;
	if (!knob_equal(entry->knob, &now, &entry->written) &&
	    !knob_equal(entry->knob, &now, &entry->before)) {
		log_warning("journal: %s: %s: conflict: somebody else changed it: left alone",
			    entry->path, knob_name(entry->knob));
		return ENTRY_CONFLICT;
	}
	/* For the agent that takes it over; whoever dies in between leaves it so. */
	if (is_kept(attempt))
		return ENTRY_KEPT;
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
		/* What failed stays, for the next start or release-all to try again. */
		if (outcome != ENTRY_FAILED && outcome != ENTRY_KEPT && !restoring->context.dry_run)
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
	struct restoring restoring = { .context = *context, .force = force };

	return restore(journal, &restoring, NULL, ret_replay);
}

int journal_expire(struct journal *journal, const struct knob_context *context, uint64_t now,
		   struct journal_replay *ret_replay)
{
	struct restoring restoring = { .context = *context };

	return restore(journal, &restoring, &now, ret_replay);
}
