// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/enforce_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/log.h"

static int find_index(const struct hierarchies *hierarchies, const char *name)
{
	for (unsigned int i = 0; i < hierarchies->n; i++) {
		if (strcmp(hierarchies->list[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

/* The cgroup of an entry, if it is there and still the same. */
static struct node *find_node(const struct enforcer *enforcer, const struct snapshot *snapshot,
			      const struct journal_entry *entry)
{
	int index = find_index(enforcer->context.hierarchies, entry->hierarchy);
	uint32_t at = tree_find(snapshot->tree, entry->path);
	struct node *node = at == NODE_NONE ? NULL : snapshot->tree->nodes[at];

	return node && index >= 0 && (uint32_t)index < node->n_ids &&
			       node->ids[index] == entry->cgroup_id
		       ? node
		       : NULL;
}

/* Which action holds a knob, for entries that do not say. */
static enum action_id find_action(const struct enforcer *enforcer, enum knob_id knob)
{
	for (int i = 0; i < ACTION_COUNT; i++) {
		struct action action = { .id = (enum action_id)i };
		struct knob_value value;

		if (action_kind(action.id) == ACTION_KIND_KNOB && action_name(action.id) &&
		    action_knob(&action, enforcer->context.hierarchies, &value) == knob)
			return action.id;
	}
	return ACTION_FREEZE;
}

static bool add_holders(const struct enforcer *enforcer, struct hold *hold,
			const struct journal_entry *entry)
{
	hold->holders = calloc(entry->n_list ? entry->n_list : 1, sizeof(*hold->holders));
	for (size_t i = 0; hold->holders && i < entry->n_list; i++) {
		const struct journal_holder *from = &entry->list[i];
		struct holder *holder = &hold->holders[i];

		*holder = (struct holder){ .policy = strdup(from->policy),
					   .step = from->step,
					   .action = from->action >= 0
							     ? (enum action_id)from->action
							     : find_action(enforcer, entry->knob),
					   .value = from->wanted,
					   .keep = from->keep,
					   .priority = from->priority,
					   .since = from->since,
					   .lease_until = from->lease_until };
		memcpy(holder->uuid, from->uuid, sizeof(holder->uuid));
		hold->n_holders++;
		if (!holder->policy)
			return false;
	}
	return hold->holders != NULL;
}

/*
 * An entry that nobody is known to hold, or that failed to be restored: a hold without a holder,
 * which is tried again until the original is back.
 */
static int take_over(struct enforcer *enforcer, struct journal_entry *entry, struct node *node)
{
	struct hold *hold;
	bool good;

	if (hold_find(enforcer, node, entry->knob, &entry->old))
		return 0;
	hold = hold_add(enforcer, node, entry->knob, &entry->old);
	if (!hold)
		return -ENOMEM;
	pthread_mutex_lock(&enforcer->lock);
	hold->written = entry->written;
	hold->has_written = true;
	hold->seq = entry->seq;
	hold->cgroup_id = entry->cgroup_id;
	hold->unit = TAKE_PTR(entry->unit);
	good = !entry->keep || add_holders(enforcer, hold, entry);
	if (hold->n_holders == 0 || !good)
		hold->retry_at = enforce_now();
	pthread_mutex_unlock(&enforcer->lock);
	log_info("%s: %s: taken over from an earlier agent (%s)", node->path,
		 knob_name(entry->knob), entry->holders);
	return 0;
}

void enforce_adopt(struct enforcer *enforcer, const struct snapshot *snapshot)
{
	struct journal_entry *list;
	size_t n;
	int r;

	if (!enforcer->journal || enforcer->context.dry_run)
		return;
	r = journal_list(enforcer->journal, &list, &n);
	if (r < 0) {
		log_error("journal: %s: what an earlier agent left is not taken over",
			  strerror(-r));
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct node *node = list[i].knob == KNOB_COUNT
					    ? NULL
					    : find_node(enforcer, snapshot, &list[i]);

		/* What is not there now may be looked for by the next start. */
		if (node && take_over(enforcer, &list[i], node) < 0)
			log_error("%s: no memory: not taken over", list[i].path);
	}
	journal_list_free(list, n);
}
