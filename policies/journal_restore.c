// SPDX-License-Identifier: MIT
#include "policies/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "policies/journal_private.h"

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

static enum outcome_of_entry put_back(const struct knob_context *context,
				      const struct journal_entry *entry, const struct node *node,
				      int *ret_error)
{
	struct knob_request request = {
		.knob = entry->knob, .node = node, .value = entry->old, .restore = true
	};
	struct knob_result result;
	struct knob_value now;
	int r = knob_read_at(context, entry->knob, node, &entry->old, &result);

	if (r < 0) {
		log_warning("journal: %s: %s: %s", entry->path, knob_name(entry->knob),
			    result.text);
		*ret_error = r;
		return is_gone(r) ? ENTRY_GONE : ENTRY_FAILED;
	}
	now = result.before;
	if (knob_equal(entry->knob, &now, &entry->old))
		return ENTRY_UNCHANGED;
	if (!knob_equal(entry->knob, &now, &entry->written) &&
	    !knob_equal(entry->knob, &now, &entry->before)) {
		log_warning("journal: %s: %s: conflict: somebody else changed it: left alone",
			    entry->path, knob_name(entry->knob));
		return ENTRY_CONFLICT;
	}
	request.expected = &now;
	r = knob_write(context, &request, &result);
	if (r == 0)
		return ENTRY_RESTORED;
	log_error("journal: %s: %s: not restored: %s", entry->path, knob_name(entry->knob),
		  result.text);
	*ret_error = r;
	return is_gone(r) ? ENTRY_GONE : ENTRY_FAILED;
}

static enum outcome_of_entry restore_entry(const struct knob_context *context,
					   const struct journal_entry *entry, bool force,
					   int *ret_error)
{
	int index = find_index(context->hierarchies, entry->hierarchy);
	enum outcome_of_entry outcome;
	struct node *node;

	if (entry->keep && !force && entry->knob != KNOB_FREEZE)
		return ENTRY_KEPT;
	if (index < 0) {
		log_warning("journal: %s: the hierarchy %s is not mounted any more", entry->path,
			    entry->hierarchy);
		return ENTRY_GONE;
	}
	node = node_new(entry->path, 0, context->hierarchies->n);
	if (!node) {
		*ret_error = -ENOMEM;
		return ENTRY_FAILED;
	}
	/* Known in this hierarchy only, so that it is the one that is written. */
	node->ids[index] = entry->cgroup_id;
	outcome = put_back(context, entry, node, ret_error);
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

static int restore(struct journal *journal, const struct knob_context *context, bool force,
		   const uint64_t *expired_by, struct journal_replay *ret_replay)
{
	struct journal_replay replay = { 0 };
	struct journal_entry *list;
	size_t n;
	int r = journal_load(journal, &list, &n, &replay);

	if (r < 0)
		return r;
	if (n > 0)
		qsort(list, n, sizeof(*list), compare_entries);
	for (size_t i = 0; i < n; i++) {
		enum outcome_of_entry outcome;
		int error = 0;

		if (expired_by && (list[i].knob != KNOB_FREEZE || !list[i].lease_until ||
				   list[i].lease_until > *expired_by))
			continue;
		outcome = restore_entry(context, &list[i], force, &error);
		count(&replay, outcome);
		if (outcome == ENTRY_FAILED && r == 0)
			r = error;
		/* What failed stays, for the next start or release-all to try again. */
		if (outcome != ENTRY_FAILED && !context->dry_run)
			journal_remove(journal, list[i].seq);
	}
	journal_list_free(list, n);
	*ret_replay = replay;
	return r;
}

int journal_restore(struct journal *journal, const struct knob_context *context, bool force,
		    struct journal_replay *ret_replay)
{
	return restore(journal, context, force, NULL, ret_replay);
}

int journal_expire(struct journal *journal, const struct knob_context *context, uint64_t now,
		   struct journal_replay *ret_replay)
{
	return restore(journal, context, false, &now, ret_replay);
}
