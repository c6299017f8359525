// SPDX-License-Identifier: MIT
#include "core/fact.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "core/join.h"

static enum value_state text_or_absent(const char *text, union value *ret_value)
{
	if (!text)
		return VALUE_ABSENT;
	ret_value->text = text;
	return VALUE_OK;
}

/* ---- containers and users --------------------------------------------------------------- */

static const char *member_text(const struct container *container, size_t offset)
{
	return container ? *(const char *const *)((const char *)container + offset) : NULL;
}

enum value_state fact_container(const struct fact *fact, union value *ret_value)
{
	const struct container *container = join_container(fact->snapshot->join, fact->node);

	return text_or_absent(member_text(container, fact->detail), ret_value);
}

enum value_state fact_pod(const struct fact *fact, union value *ret_value)
{
	const struct tree *tree = fact->snapshot->tree;
	struct fact inner = *fact;

	if (tree->nodes[fact->node]->kind != NODE_POD)
		return fact_container(fact, ret_value);
	for (inner.node = fact->node + 1; inner.node < tree->end[fact->node]; inner.node++) {
		if (fact_container(&inner, ret_value) == VALUE_OK)
			return VALUE_OK;
	}
	return VALUE_ABSENT;
}

enum value_state fact_user_uid(const struct fact *fact, union value *ret_value)
{
	uid_t uid;

	if (!join_user(fact->snapshot->join, fact->node, &uid))
		return VALUE_ABSENT;
	ret_value->u64 = uid;
	return VALUE_OK;
}

/* A user without a name is shown by number, as ps(1) does. */
enum value_state fact_user_name(const struct fact *fact, union value *ret_value)
{
	char digits[24];
	const char *name;
	uid_t uid;

	if (!join_user(fact->snapshot->join, fact->node, &uid))
		return VALUE_ABSENT;
	name = user_names_find(fact->snapshot->inventory->users, uid);
	if (!name) {
		int length = snprintf(digits, sizeof(digits), "%u", (unsigned int)uid);

		name = strpool_add(fact->snapshot->tree->strings, digits, (size_t)length);
	}
	return text_or_absent(name, ret_value);
}

/* ---- namespaces ------------------------------------------------------------------------- */

/* VALUE_OK if some process of the cgroup could be looked into. */
static enum value_state look(const struct fact *fact, struct join_ns *ret_spaces)
{
	join_namespaces(fact->snapshot->join, fact->node, ret_spaces);
	if (ret_spaces->processes == 0)
		return VALUE_ABSENT;
	return ret_spaces->denied == ret_spaces->processes ? VALUE_DENIED : VALUE_OK;
}

enum value_state fact_ns_place(const struct fact *fact, union value *ret_value)
{
	static const char *const names[] = {
		[JOIN_HOST] = "host", [JOIN_OWN] = "own", [JOIN_SEVERAL] = "several"
	};
	struct join_ns spaces;
	enum value_state state = look(fact, &spaces);

	if (state != VALUE_OK)
		return state;
	return text_or_absent(names[spaces.place[fact->detail]], ret_value);
}

enum value_state fact_ns_host(const struct fact *fact, union value *ret_value)
{
	struct join_ns spaces;
	enum value_state state = look(fact, &spaces);

	if (state != VALUE_OK)
		return state;
	if (spaces.place[fact->detail] == JOIN_UNKNOWN)
		return VALUE_ABSENT;
	ret_value->u64 = spaces.place[fact->detail] == JOIN_HOST;
	return VALUE_OK;
}

enum value_state fact_ns_count(const struct fact *fact, union value *ret_value)
{
	const struct namespaces *set = fact->snapshot->inventory->namespaces;
	struct join_ns spaces;
	enum value_state state = look(fact, &spaces);
	uint64_t n = 0;

	for (int type = 0; state == VALUE_OK && type < NS_TYPE_COUNT; type++) {
		/* Which one is the machine's own cannot be told. */
		if (spaces.distinct[type] > 0 && set->host[type] == NS_NONE)
			return VALUE_DENIED;
		n += spaces.distinct[type] - spaces.with_host[type];
	}
	ret_value->u64 = n;
	return state;
}

enum value_state fact_ns_hostname(const struct fact *fact, union value *ret_value)
{
	return text_or_absent(join_hostname(fact->snapshot->join, fact->node), ret_value);
}

/* Nobody there has made any: then nothing is used of what all users of the machine have. */
static const struct ns_limit *limit_of_machine(const struct namespaces *set, enum ns_type type)
{
	for (uint32_t i = 0; i < set->n_limits; i++) {
		if (set->limits[i].type == type && set->limits[i].user_ns == set->host[NS_USER])
			return &set->limits[i];
	}
	return NULL;
}

enum value_state fact_ns_used(const struct fact *fact, union value *ret_value)
{
	const struct ns_limit *limit;
	struct join_ns spaces;
	enum value_state state = look(fact, &spaces);

	if (state != VALUE_OK)
		return state;
	/* What processes of other users are in cannot be counted. */
	if (fact->snapshot->inventory->namespaces->n_denied_others > 0)
		return VALUE_DENIED;
	/* Where nothing at all was counted, 0 would be a guess. */
	if (fact->snapshot->inventory->namespaces->n_limits == 0)
		return VALUE_ABSENT;
	limit = join_limit(fact->snapshot->join, fact->node, (enum ns_type)fact->detail);
	ret_value->u64 = limit ? limit->used : 0;
	return VALUE_OK;
}

enum value_state fact_ns_limit(const struct fact *fact, union value *ret_value)
{
	const struct ns_limit *limit;
	struct join_ns spaces;
	enum value_state state = look(fact, &spaces);

	if (state != VALUE_OK)
		return state;
	limit = join_limit(fact->snapshot->join, fact->node, (enum ns_type)fact->detail);
	if (!limit)
		limit = limit_of_machine(fact->snapshot->inventory->namespaces,
					 (enum ns_type)fact->detail);
	if (!limit || !limit->limit_known)
		return VALUE_ABSENT;
	ret_value->u64 = limit->limit;
	return VALUE_OK;
}

/* ---- overlays --------------------------------------------------------------------------- */

enum value_state fact_overlay_layers(const struct fact *fact, union value *ret_value)
{
	const struct overlay *overlay = join_overlay(fact->snapshot->join, fact->node);

	if (!overlay)
		return VALUE_ABSENT;
	ret_value->u64 = overlay->n_lower;
	return VALUE_OK;
}

enum value_state fact_overlay_free(const struct fact *fact, union value *ret_value)
{
	const struct overlay *overlay = join_overlay(fact->snapshot->join, fact->node);

	if (!overlay || !overlay->backing_fstype)
		return VALUE_ABSENT;
	ret_value->u64 = overlay->backing_free_bytes;
	return VALUE_OK;
}

/* What the walk of a writable layer found; the state says whether its numbers are all of it. */
static enum value_state usage_of(const struct fact *fact, const struct layer_usage **ret_usage)
{
	static const enum value_state states[LAYER_STATE_COUNT] = {
		[LAYER_NONE] = VALUE_ABSENT,  [LAYER_PENDING] = VALUE_FIRST,
		[LAYER_COMPLETE] = VALUE_OK,  [LAYER_PARTIAL] = VALUE_FAILED,
		[LAYER_STUCK] = VALUE_FAILED, [LAYER_FAILED] = VALUE_FAILED,
	};
	const struct overlay *overlay = join_overlay(fact->snapshot->join, fact->node);
	const struct layer_usage *usage = overlay ? &overlay->usage : NULL;

	if (!usage)
		return VALUE_ABSENT;
	*ret_usage = usage;
	if (states[usage->state] == VALUE_FAILED && usage->state != LAYER_STUCK &&
	    (usage->error == -EACCES || usage->error == -EPERM))
		return VALUE_DENIED;
	return states[usage->state];
}

enum value_state fact_usage(const struct fact *fact, union value *ret_value)
{
	const struct layer_usage *usage;
	enum value_state state = usage_of(fact, &usage);

	if (state == VALUE_OK)
		ret_value->u64 = *(const uint64_t *)((const char *)usage + fact->detail);
	return state;
}

enum value_state fact_overlay_growth(const struct fact *fact, union value *ret_value)
{
	const struct layer_usage *usage;
	enum value_state state = usage_of(fact, &usage);

	if (state != VALUE_OK)
		return state;
	if (!usage->growth_known)
		return VALUE_FIRST;
	ret_value->i64 = llround(usage->growth);
	return VALUE_OK;
}

/* What events keep up to date is as old as the inventory; the rest as old as the walk. */
enum value_state fact_overlay_age(const struct fact *fact, union value *ret_value)
{
	const struct layer_usage *usage;
	enum value_state state = usage_of(fact, &usage);
	uint64_t now = fact->snapshot->boottime_ns, then;

	if (state != VALUE_OK)
		return state;
	then = usage->boottime_ns;
	if (usage->incremental && fact->snapshot->inventory->overlays->boottime_ns > then)
		then = fact->snapshot->inventory->overlays->boottime_ns;
	ret_value->u64 = now > then ? (now - then) / 1000 : 0;
	return VALUE_OK;
}

enum value_state fact_overlay_complete(const struct fact *fact, union value *ret_value)
{
	const struct layer_usage *usage;
	enum value_state state = usage_of(fact, &usage);

	if (state == VALUE_ABSENT)
		return state;
	ret_value->u64 = usage->state == LAYER_COMPLETE;
	return VALUE_OK;
}

/* ---- all columns ------------------------------------------------------------------------- */

static void fill_column(struct snapshot *snapshot, enum metric_id id)
{
	const struct metric *metric = metric_get(id);
	struct fact fact = { .snapshot = snapshot, .detail = metric->fact_detail };
	bool there = snapshot->join &&
		     (snapshot->inventory->parts & metric->inventory) == metric->inventory;

	for (fact.node = 0; fact.node < snapshot->tree->n; fact.node++) {
		union value value = { 0 };
		enum value_state state = there ? metric->fact(&fact, &value) : VALUE_FIRST;

		if (state == VALUE_OK)
			snapshot_set(snapshot, id, fact.node, value);
		else
			snapshot_set_state(snapshot, id, fact.node, state);
	}
}

void facts_fill(struct snapshot *snapshot)
{
	for (int id = M_NONE + 1; snapshot->inventory && id < METRIC_COUNT; id++) {
		if (metric_set_has(&snapshot->wanted, (enum metric_id)id) &&
		    metric_get((enum metric_id)id)->inventory)
			fill_column(snapshot, (enum metric_id)id);
	}
}
