// SPDX-License-Identifier: MIT
#include "policies/policy_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "collectors/inventory.h"
#include "core/cleanup.h"
#include "core/join.h"
#include "policies/guards.h"
#include "policies/guards_table.h"

/* No layer is walked for a selector; but nothing here takes for ever. */
#define LOOK_NS UINT64_C(2000000000)

/* What is looked at, and where to tell. */
struct examination {
	const struct policy_set *set;
	const struct policy_check *check;
	struct ini_errors *errors;
};

/* ---- one step against the machine and [global] ------------------------------------------------
 */

static bool has_no_swap(const struct policy_check *check)
{
	struct sysinfo info;

	if (check->swap || !check->hierarchies)
		return check->swap < 0;
	return sysinfo(&info) == 0 && info.totalswap == 0;
}

static void check_steps(const struct examination *examination, const struct policy *policy)
{
	for (size_t i = 0; i < policy->n_steps; i++) {
		const struct policy_step *step = &policy->steps[i];

		if (step->line == 0)
			continue;
		if (step->action.id == ACTION_KILL && !examination->set->global.allow_kill)
			ini_errors_add(
				examination->errors, policy->file, step->line, false,
				"kill: it is not allowed: write allow_kill = yes in [global]");
		/* Without swap what is not a file's cannot be reclaimed: slowed down for good. */
		if (step->action.id == ACTION_MEMORY_HIGH && has_no_swap(examination->check))
			ini_errors_add(examination->errors, policy->file, step->line, true,
				       "memory.high: this machine has no swap: processes that need "
				       "more stand still until it is lifted");
	}
}

/* ---- policies that never come to act ----------------------------------------------------------
 */

static bool same_schedule(const struct policy *a, const struct policy *b)
{
	struct strbuf x, y;
	bool same;

	if (!a->schedule || !b->schedule)
		return !a->schedule;
	strbuf_init(&x);
	strbuf_init(&y);
	schedule_format(a->schedule, &x);
	schedule_format(b->schedule, &y);
	same = !x.failed && !y.failed && strcmp(x.data, y.data) == 0;
	strbuf_done(&x);
	strbuf_done(&y);
	return same;
}

/* When a rung is reached, after `when` began to hold. */
static uint64_t reached(const struct policy *policy, size_t step)
{
	uint64_t usec = policy->for_usec;

	for (size_t i = 1; i <= step; i++)
		usec += policy->steps[i].after_usec;
	return usec;
}

/* Whether some rung of `policy` does at least what rung `at` of `other` does, no later. */
static bool does_as_much(const struct examination *examination, const struct policy *policy,
			 const struct policy *other, size_t at)
{
	const struct hierarchies *hierarchies = examination->check->hierarchies;
	struct knob_value wanted, value;
	enum knob_id knob = action_knob(&other->steps[at].action, hierarchies, &wanted);

	if (knob == KNOB_COUNT)
		return false;
	for (size_t i = 0; i < policy->n_steps; i++) {
		if (action_knob(&policy->steps[i].action, hierarchies, &value) == knob &&
		    knob_same_place(knob, &value, &wanted) &&
		    (knob_equal(knob, &value, &wanted) || knob_tighter(knob, &value, &wanted)) &&
		    reached(policy, i) <= reached(other, at))
			return true;
	}
	return false;
}

static bool shadows(const struct examination *examination, const struct policy *policy,
		    const struct policy *other)
{
	if (policy->mode < other->mode || policy->priority < other->priority ||
	    !selectors_cover(policy->selectors, other->selectors) ||
	    !condition_equal(policy->when, other->when) || !same_schedule(policy, other))
		return false;
	for (size_t i = 0; i < other->n_steps; i++) {
		if (!does_as_much(examination, policy, other, i))
			return false;
	}
	return true;
}

static void check_shadowed(const struct examination *examination, size_t at)
{
	const struct policy_set *set = examination->set;
	const struct policy *policy = set->list[at];

	for (size_t i = 0; i < set->n; i++) {
		const struct policy *other = set->list[i];

		if (i == at || other->broken || other->mode == POLICY_OFF ||
		    !shadows(examination, other, policy))
			continue;
		/* Two that say the same: the later one is told, not both. */
		if (i > at && shadows(examination, policy, other))
			continue;
		ini_errors_add(examination->errors, policy->file, policy->line, true,
			       "policy %s: it adds nothing: policy %s (%s:%u) is for the same "
			       "cgroups on the same condition and does at least as much",
			       policy->name, other->name, other->file, other->line);
		return;
	}
}

/* ---- protected cgroups ------------------------------------------------------------------------
 */

static bool touches(const struct policy *policy)
{
	for (size_t i = 0; i < policy->n_steps; i++) {
		if (action_touches(policy->steps[i].action.id))
			return true;
	}
	return false;
}

/* True if the cgroup is protected, which was told. */
static bool refuse_protected(const struct examination *examination, const struct policy *policy,
			     const char *path, bool warning)
{
	char reason[POLICY_REASON_SIZE] = "";

	if (guards_check(examination->check->guards, -1, path, reason, sizeof(reason)) >= 0)
		return false;
	ini_errors_add(examination->errors, policy->file, policy->line, warning,
		       "policy %s: it could %s %s, which is protected: %s; leave it out with "
		       "match_not or unit_not, or write allow_protected = yes",
		       policy->name, warning ? "come to match" : "match", path, reason);
	return true;
}

/* The cgroups there are. One that is not known well enough yet is worth a warning. */
static bool check_present(const struct examination *examination, const struct policy *policy)
{
	const struct snapshot *snapshot = examination->check->snapshot;
	uint32_t doubtful = NODE_NONE;
	char reason[POLICY_REASON_SIZE];

	for (uint32_t i = 0; snapshot && i < snapshot->tree->n; i++) {
		const char *path = snapshot->tree->nodes[i]->path;
		enum outcome outcome = selectors_match(policy->selectors, snapshot, i);

		if (outcome == OUTCOME_TRUE && refuse_protected(examination, policy, path, false))
			return true;
		if (outcome == OUTCOME_UNKNOWN && doubtful == NODE_NONE && snapshot->join &&
		    guards_check(examination->check->guards, -1, path, reason, sizeof(reason)) < 0)
			doubtful = i;
	}
	if (doubtful != NODE_NONE)
		refuse_protected(examination, policy, snapshot->tree->nodes[doubtful]->path, true);
	return false;
}

/* A cgroup of that path as it would be, for the selectors that look at nothing else. */
static struct node *make_node(const char *path)
{
	static const struct {
		const char *end;
		enum node_kind kind;
	} kinds[] = { { ".service", NODE_SERVICE },
		      { ".scope", NODE_SCOPE },
		      { ".slice", NODE_SLICE } };
	struct node *node = node_new(path, 1, 0);

	if (!node)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t length = strlen(node->name), end = strlen(kinds[i].end);

		if (length > end && strcmp(node->name + length - end, kinds[i].end) == 0)
			node->kind = kinds[i].kind;
	}
	node->unit = strdup(node->name);
	return node;
}

/*
 * Where systemd would put a protected unit: with nothing for a '*', but "0" for the name of an
 * instance.
 */
static void place_of(const char *pattern, char *path, size_t size)
{
	const char *star = strchr(pattern, '*');
	size_t length = star ? (size_t)(star - pattern) : strlen(pattern);

	snprintf(path, size, "/system.slice/%.*s%s%s", (int)length, pattern,
		 star && length > 0 && star[-1] == '@' ? "0" : "", star ? star + 1 : "");
}

/* Protected units may come later than the policy. */
static void check_places(const struct examination *examination, const struct policy *policy)
{
	const char *pattern;

	/* What else it demands, a user or an image, those units do not have as a rule. */
	if (selectors_inventory(policy->selectors))
		return;
	for (size_t i = 0; guard_unit(i, &pattern); i++) {
		struct node *node;
		char path[256];
		bool could;

		if (!pattern)
			continue;
		place_of(pattern, path, sizeof(path));
		node = make_node(path);
		could = node && selectors_could_match(policy->selectors, node);
		node_unref(node);
		if (could && refuse_protected(examination, policy, path, false))
			return;
	}
}

static bool is_exempt(const struct policy *policy)
{
	return policy->broken || policy->mode == POLICY_OFF || policy->allow_protected ||
	       !touches(policy);
}

/* The parts of the inventory without which protected cgroups would not be found. */
static unsigned int missing_parts(const struct policy_set *set, const struct policy_check *check)
{
	const struct snapshot *snapshot = check->snapshot;
	unsigned int parts = 0;

	if (!check->root || !check->hierarchies || !check->guards || !snapshot ||
	    root_is_recorded(check->root))
		return 0;
	for (size_t i = 0; i < set->n; i++) {
		if (!is_exempt(set->list[i]))
			parts |= selectors_inventory(set->list[i]->selectors);
	}
	if (snapshot->join && snapshot->inventory)
		parts &= ~snapshot->inventory->parts;
	return parts;
}

/* The same cgroups with who is in them. What could not be read has a state that says so. */
static int look_around(const struct policy_check *check, unsigned int parts,
		       struct snapshot **ret_snapshot)
{
	const struct metric_set none = { 0 };
	struct inventory_keeper *keeper = NULL;
	struct snapshot *snapshot;
	int r = inventory_keeper_new(check->root, check->hierarchies, NULL, &keeper);

	if (r < 0)
		return r;
	inventory_keeper_pass(keeper, inventory_expand(parts), LOOK_NS);
	snapshot = snapshot_new(check->snapshot->tree, &none);
	r = snapshot ? 0 : -ENOMEM;
	if (r == 0) {
		snapshot->inventory = inventory_keeper_latest(keeper);
		r = snapshot->inventory
			    ? join_new(snapshot->tree, snapshot->inventory, &snapshot->join)
			    : -ENODATA;
	}
	inventory_keeper_free(keeper);
	if (r < 0)
		snapshot_unref(snapshot);
	else
		*ret_snapshot = snapshot;
	return r;
}

static void check_all(const struct examination *examination)
{
	const struct policy_set *set = examination->set;

	for (size_t i = 0; i < set->n; i++) {
		const struct policy *policy = set->list[i];

		check_steps(examination, policy);
		if (policy->broken || policy->mode == POLICY_OFF)
			continue;
		check_shadowed(examination, i);
		if (examination->check->guards && !is_exempt(policy) &&
		    !check_present(examination, policy))
			check_places(examination, policy);
	}
}

void policy_check_set(const struct policy_set *set, const struct policy_check *check,
		      struct ini_errors *errors)
{
	struct policy_check better = *check;
	const struct examination examination = { set, &better, errors };
	unsigned int parts = missing_parts(set, check);
	struct snapshot *joined = NULL;
	int r = parts ? look_around(check, parts, &joined) : 0;

	if (r < 0)
		ini_errors_add(errors, "processes", 0, true,
			       "%s: it cannot be told which protected cgroups policies match by "
			       "what is in them",
			       strerror(-r));
	if (joined)
		better.snapshot = joined;
	check_all(&examination);
	snapshot_unref(joined);
}
