// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/report_read.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "core/cleanup.h"
#include "core/units.h"

#define SCHEMA 1

enum type { TYPE_TEXT, TYPE_BOOL, TYPE_UINT, TYPE_INT, TYPE_U64, TYPE_SECONDS };

/* A member of an object and where it goes. */
struct member {
	const char *name;
	enum type type;
	size_t offset;
};

#define MEMBER(of, field, kind)                                 \
	{                                                       \
#field, TYPE_##kind, offsetof(struct of, field) \
	}

/* clang-format off */
static const struct member report_members[] = {
	MEMBER(policy_report, time, SECONDS),
	MEMBER(policy_report, agent, BOOL),
	MEMBER(policy_report, why, TEXT),
	MEMBER(policy_report, enforcing, BOOL),
	MEMBER(policy_report, not_enforcing, TEXT),
	MEMBER(policy_report, stopped, BOOL),
	MEMBER(policy_report, conflicts, U64),
	MEMBER(policy_report, failed, U64),
	MEMBER(policy_report, restores_pending, U64),
	MEMBER(policy_report, frozen, U64),
};

static const struct member policy_members[] = {
	MEMBER(report_policy, name, TEXT),
	MEMBER(report_policy, file, TEXT),
	MEMBER(report_policy, mode, TEXT),
	MEMBER(report_policy, line, UINT),
	MEMBER(report_policy, priority, INT),
	MEMBER(report_policy, selects, TEXT),
	MEMBER(report_policy, when, TEXT),
	MEMBER(report_policy, clear_when, TEXT),
	MEMBER(report_policy, ladder, TEXT),
	MEMBER(report_policy, schedule, TEXT),
	MEMBER(report_policy, asleep, BOOL),
	MEMBER(report_policy, matches, U64),
	MEMBER(report_policy, pending, U64),
	MEMBER(report_policy, held, U64),
	MEMBER(report_policy, cooldown, U64),
	MEMBER(report_policy, blocked, U64),
	MEMBER(report_policy, fired, U64),
	MEMBER(report_policy, actions, U64),
	MEMBER(report_policy, failed, U64),
	MEMBER(report_policy, ineffective, U64),
	MEMBER(report_policy, fired_last_hour, U64),
	MEMBER(report_policy, last_fired, SECONDS),
};

static const struct member track_members[] = {
	MEMBER(report_track, policy, TEXT),
	MEMBER(report_track, path, TEXT),
	MEMBER(report_track, phase, TEXT),
	MEMBER(report_track, cgroup_id, U64),
	MEMBER(report_track, shadow, BOOL),
	MEMBER(report_track, rungs, UINT),
	MEMBER(report_track, of_rungs, UINT),
	MEMBER(report_track, breach_seconds, SECONDS),
	MEMBER(report_track, breach_wanted, SECONDS),
	MEMBER(report_track, clear_seconds, SECONDS),
	MEMBER(report_track, clear_wanted, SECONDS),
	MEMBER(report_track, held_since, SECONDS),
	MEMBER(report_track, until, SECONDS),
	MEMBER(report_track, trigger, TEXT),
	MEMBER(report_track, blocked, TEXT),
	MEMBER(report_track, error, TEXT),
	MEMBER(report_track, ineffective, BOOL),
};

static const struct member hold_members[] = {
	MEMBER(report_hold, policy, TEXT),
	MEMBER(report_hold, path, TEXT),
	MEMBER(report_hold, knob, TEXT),
	MEMBER(report_hold, unit, TEXT),
	MEMBER(report_hold, cgroup_id, U64),
	MEMBER(report_hold, step, UINT),
	MEMBER(report_hold, original, TEXT),
	MEMBER(report_hold, wanted, TEXT),
	MEMBER(report_hold, in_force, TEXT),
	MEMBER(report_hold, effective, BOOL),
	MEMBER(report_hold, since, SECONDS),
	MEMBER(report_hold, until, SECONDS),
	MEMBER(report_hold, uuid, TEXT),
	MEMBER(report_hold, by_hand, BOOL),
};

static const struct member action_members[] = {
	MEMBER(report_action, time, SECONDS),
	MEMBER(report_action, policy, TEXT),
	MEMBER(report_action, path, TEXT),
	MEMBER(report_action, action, TEXT),
	MEMBER(report_action, op, TEXT),
	MEMBER(report_action, result, TEXT),
	MEMBER(report_action, text, TEXT),
};

/* The lists of the document, each an array of objects. */
static const struct section {
	const char *name;
	size_t items, count, item_size; /* offsets in the report */
	const struct member *members;
	size_t n_members;
} sections[] = {
	{ "policies", offsetof(struct policy_report, policies), offsetof(struct policy_report, n_policies),
	  sizeof(struct report_policy), policy_members, ARRAY_SIZE(policy_members) },
	{ "tracks", offsetof(struct policy_report, tracks), offsetof(struct policy_report, n_tracks),
	  sizeof(struct report_track), track_members, ARRAY_SIZE(track_members) },
	{ "holds", offsetof(struct policy_report, holds), offsetof(struct policy_report, n_holds),
	  sizeof(struct report_hold), hold_members, ARRAY_SIZE(hold_members) },
	{ "actions", offsetof(struct policy_report, actions), offsetof(struct policy_report, n_actions),
	  sizeof(struct report_action), action_members, ARRAY_SIZE(action_members) },
};
/* clang-format on */

/* ---- one value -------------------------------------------------------------------------- */

/* Each returns NULL, or what it wants instead. */

static const char *read_text(struct policy_report *report, const json_t *value, void *target)
{
	if (!json_is_string(value))
		return "a text";
	*(const char **)target = arena_string(&report->arena, json_string_value(value));
	return NULL;
}

static const char *read_bool(struct policy_report *report, const json_t *value, void *target)
{
	(void)report;
	if (!json_is_boolean(value))
		return "true or false";
	*(bool *)target = json_is_true(value);
	return NULL;
}

static const char *read_u64(struct policy_report *report, const json_t *value, void *target)
{
	uint64_t number;

	(void)report;
	if (json_is_integer(value) && json_integer_value(value) >= 0)
		*(uint64_t *)target = (uint64_t)json_integer_value(value);
	else if (json_is_string(value) && parse_u64(json_string_value(value), &number) == 0)
		*(uint64_t *)target = number;
	else
		return "a whole number";
	return NULL;
}

static const char *read_uint(struct policy_report *report, const json_t *value, void *target)
{
	uint64_t number;

	if (read_u64(report, value, &number) || number > UINT32_MAX)
		return "a whole number below 2^32";
	*(unsigned int *)target = (unsigned int)number;
	return NULL;
}

static const char *read_int(struct policy_report *report, const json_t *value, void *target)
{
	double number = json_number_value(value);

	(void)report;
	/* A large one may be written with an exponent, which makes it a real number. */
	if (!json_is_number(value) || number != rint(number) || fabs(number) > INT32_MAX)
		return "a whole number of 32 bits";
	*(int *)target = (int)number;
	return NULL;
}

static const char *read_seconds(struct policy_report *report, const json_t *value, void *target)
{
	double number = json_number_value(value);

	(void)report;
	if (!json_is_number(value) || !isfinite(number) || number < 0)
		return "a number of seconds";
	*(double *)target = number;
	return NULL;
}

static const char *(*const readers[])(struct policy_report *report, const json_t *value,
				      void *target) = {
	[TYPE_TEXT] = read_text, [TYPE_BOOL] = read_bool, [TYPE_UINT] = read_uint,
	[TYPE_INT] = read_int,	 [TYPE_U64] = read_u64,	  [TYPE_SECONDS] = read_seconds,
};

/* ---- the document ----------------------------------------------------------------------- */

struct reading {
	struct policy_report *report;
	const char *list; /* in which one, or NULL, */
	size_t index;	  /* at which item of it */
	char *error;
};

static int wrong(struct reading *reading, const char *name, const char *wants)
{
	int r;

	if (reading->list)
		r = asprintf(&reading->error, "the agent's status: %s[%zu]%s%s: %s is wanted",
			     reading->list, reading->index, *name ? "." : "", name, wants);
	else
		r = asprintf(&reading->error, "the agent's status: %s%s%s is wanted", name,
			     *name ? ": " : "", wants);
	if (r < 0)
		reading->error = NULL;
	return -EINVAL;
}

static int read_members(struct reading *reading, const json_t *object, const struct member *members,
			size_t n, void *target)
{
	if (!json_is_object(object))
		return wrong(reading, "", "an object");
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(object, members[i].name);
		const char *wants = NULL;

		if (value && !json_is_null(value))
			wants = readers[members[i].type](reading->report, value,
							 (char *)target + members[i].offset);
		if (wants)
			return wrong(reading, members[i].name, wants);
	}
	return 0;
}

static int read_list(struct reading *reading, const json_t *document, const struct section *section)
{
	const json_t *list = json_object_get(document, section->name);
	size_t n = json_array_size(list);
	char *items, *report = (char *)reading->report;
	int r = 0;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list) || n > UINT32_MAX)
		return wrong(reading, section->name, "a list");
	items = arena_array(&reading->report->arena, n + 1, section->item_size);
	if (!items)
		return -ENOMEM;
	reading->list = section->name;
	for (reading->index = 0; reading->index < n && r == 0; reading->index++)
		r = read_members(reading, json_array_get(list, reading->index), section->members,
				 section->n_members, items + reading->index * section->item_size);
	reading->list = NULL;
	*(void **)(void *)(report + section->items) = items;
	*(uint32_t *)(void *)(report + section->count) = (uint32_t)n;
	return r;
}

static int read_document(struct reading *reading, const json_t *document)
{
	unsigned int schema = SCHEMA;
	const struct member version = { "schema", TYPE_UINT, 0 };
	int r = read_members(reading, document, &version, 1, &schema);

	if (r == 0 && schema != SCHEMA)
		r = wrong(reading, "schema", "1 (the agent is another version than this program)");
	reading->report->agent = true;
	if (r == 0)
		r = read_members(reading, document, report_members, ARRAY_SIZE(report_members),
				 reading->report);
	for (size_t i = 0; i < ARRAY_SIZE(sections) && r == 0; i++)
		r = read_list(reading, document, &sections[i]);
	return r;
}

int report_read(const char *text, size_t length, struct policy_report **ret_report,
		char **ret_error)
{
	struct reading reading = { .report = policy_report_new() };
	json_error_t error = { 0 };
	json_t *document = json_loadb(text, length, 0, &error);
	int r = -ENOMEM;

	if (reading.report && !document) {
		r = -EINVAL;
		if (asprintf(&reading.error, "the agent's status is no JSON: line %d: %s",
			     error.line, error.text) < 0)
			reading.error = NULL;
	} else if (reading.report) {
		r = read_document(&reading, document);
		if (r == 0 && reading.report->arena.failed)
			r = -ENOMEM;
	}
	json_decref(document);
	if (r == 0)
		*ret_report = TAKE_PTR(reading.report);
	policy_report_unref(reading.report);
	if (ret_error && r == -EINVAL)
		*ret_error = TAKE_PTR(reading.error);
	free(reading.error);
	return r;
}

struct policy_report *report_of_no_agent(const char *why)
{
	struct policy_report *report = policy_report_new();

	if (report)
		report->why = arena_string(&report->arena, why);
	return report;
}
