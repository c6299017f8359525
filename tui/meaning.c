// SPDX-License-Identifier: MIT
#include "tui/meaning.h"

#include "core/cleanup.h"
#include "core/escape.h"

/* What a number means beyond its size. Metrics that are not here are plain numbers. */
static const struct meaning {
	enum metric_id id;
	enum metric_id ratio; /* coloured by this one where it has a value */
	enum role nonzero;    /* for numbers that are good news only while they are 0 */
} meanings[] = {
	{ .id = M_CPU_USAGE_RATE, .ratio = M_CPU_LIMIT_USED },
	{ .id = M_MEMORY_CURRENT, .ratio = M_MEMORY_LIMIT_USED },
	{ .id = M_MEMORY_WORKING_SET, .ratio = M_MEMORY_LIMIT_USED },
	{ .id = M_PIDS_CURRENT, .ratio = M_PIDS_LIMIT_USED },
	{ .id = M_CPU_THROTTLED_RATIO, .nonzero = ROLE_BAD },
	{ .id = M_CPU_THROTTLED_RATE, .nonzero = ROLE_BAD },
	{ .id = M_CPU_THROTTLED_LOCAL_RATE, .nonzero = ROLE_BAD },
	{ .id = M_CPU_NR_THROTTLED_RATE, .nonzero = ROLE_BAD },
	{ .id = M_MEMORY_EVENTS_OOM_RATE, .nonzero = ROLE_BAD },
	{ .id = M_MEMORY_EVENTS_OOM_KILL_RATE, .nonzero = ROLE_BAD },
	{ .id = M_MEMORY_UNDER_OOM, .nonzero = ROLE_BAD },
	{ .id = M_MEMORY_FAILCNT_RATE, .nonzero = ROLE_WARN },
	{ .id = M_MEMORY_EVENTS_HIGH_RATE, .nonzero = ROLE_WARN },
	{ .id = M_MEMORY_EVENTS_MAX_RATE, .nonzero = ROLE_WARN },
	{ .id = M_PIDS_EVENTS_MAX_RATE, .nonzero = ROLE_BAD },
	{ .id = M_FREEZER_FROZEN, .nonzero = ROLE_FROZEN },
	{ .id = M_FREEZER_SELF, .nonzero = ROLE_FROZEN },
	{ .id = M_FREEZER_PARENT, .nonzero = ROLE_FROZEN },
};

static const struct meaning *find(enum metric_id id)
{
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
		if (meanings[i].id == id)
			return &meanings[i];
	}
	return NULL;
}

enum role meaning_of_ratio(double ratio)
{
	return ratio >= MEANING_BAD ? ROLE_BAD : ratio >= MEANING_WARN ? ROLE_WARN : ROLE_OK;
}

enum value_state meaning_state(const struct snapshot *snapshot, enum metric_id id, uint32_t index,
			       union value *ret_value)
{
	if (!metric_set_has(&snapshot->wanted, id))
		return VALUE_FIRST;
	return snapshot_get(snapshot, id, index, ret_value);
}

static enum role number_role(enum metric_id id, double number)
{
	const struct metric *metric = metric_get(id);
	const struct meaning *meaning = find(id);

	if (number == 0)
		return ROLE_ZERO;
	if (meaning && meaning->nonzero != ROLE_DEFAULT)
		return meaning->nonzero;
	if (!metric_is_rate(id) &&
	    (metric->unit == UNIT_RATIO ||
	     (metric->unit == UNIT_CENTIPERCENT && metric->kind == KIND_GAUGE)))
		return meaning_of_ratio(number);
	return ROLE_DEFAULT;
}

enum role meaning_value(enum metric_id id, union value value, enum value_state state,
			struct strbuf *buffer)
{
	if (state != VALUE_OK) {
		metric_add_human(id, value, state, buffer);
		return state == VALUE_DENIED ? ROLE_DENIED : ROLE_MISSING;
	}
	if (metric_get(id)->kind == KIND_TEXT) {
		escape_terminal_append(buffer, value.text, strlen(value.text));
		return ROLE_DEFAULT;
	}
	metric_add_human(id, value, state, buffer);
	return number_role(id, metric_to_double(id, value));
}

enum role meaning_cell(const struct snapshot *snapshot, enum metric_id id, uint32_t index,
		       struct strbuf *buffer)
{
	const struct meaning *meaning = find(id);
	union value value = { 0 };
	enum value_state state = meaning_state(snapshot, id, index, &value);
	enum role role = meaning_value(id, value, state, buffer);
	double ratio;

	if (role == ROLE_DEFAULT && meaning && meaning->ratio != M_NONE &&
	    snapshot_number(snapshot, meaning->ratio, index, &ratio) == VALUE_OK &&
	    ratio >= MEANING_WARN)
		role = meaning_of_ratio(ratio);
	return role;
}
