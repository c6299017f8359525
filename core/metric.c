// SPDX-License-Identifier: MIT
#include "core/metric.h"

#include <errno.h>

#include "core/cleanup.h"
#include "core/derive.h"
#include "core/distribution.h"
#include "core/fact.h"
#include "core/inventory.h"

static const struct metric metrics[METRIC_COUNT] = {
#define METRIC(id, ...) [M_##id] = { __VA_ARGS__ },
#include "core/metrics.def"
#undef METRIC
};

static const struct {
	const char *name, *mark, *reason;
} states[VALUE_STATE_COUNT] = {
	[VALUE_OK] = { "ok", "", "" },
	[VALUE_ABSENT] = { "absent", "-", "this kernel has no such value for this cgroup" },
	[VALUE_DISABLED] = { "disabled", "off", "the controller is not on for this cgroup" },
	[VALUE_DENIED] = { "denied", "denied", "no right to read it" },
	[VALUE_UNLIMITED] = { "unlimited", "max", "no limit is set" },
	[VALUE_FIRST] = { "first", "..", "needs a second sample" },
	[VALUE_GONE] = { "gone", "gone", "the cgroup went away while it was read" },
	[VALUE_FAILED] = { "failed", "failed", "reading it failed" },
	[VALUE_UNWATCHED] = { "unwatched", "-", "counted only for cgroups that are watched" },
	[VALUE_IDLE] = { "idle", "idle", "nothing of the kind happened in the interval" },
};

const enum metric_id metric_default_columns[] = {
	M_CPU_USAGE_RATE, M_CPU_THROTTLED_RATIO, M_MEMORY_CURRENT,
	M_MEMORY_LIMIT,	  M_MEMORY_LIMIT_USED,	 M_PIDS_CURRENT,
	M_IO_RBYTES_RATE, M_IO_WBYTES_RATE,	 M_NONE,
};

const struct metric *metric_get(enum metric_id id)
{
	id = metric_base(id);
	return id > M_NONE && id < METRIC_COUNT ? &metrics[id] : NULL;
}

enum metric_id metric_rate(enum metric_id id)
{
	if (id <= M_NONE || id >= METRIC_COUNT || metrics[id].kind != KIND_COUNTER)
		return M_NONE;
	return (enum metric_id)(id + M_RATE_BASE);
}

bool metric_is_double(enum metric_id id)
{
	return metric_is_rate(id) || metrics[id].kind == KIND_DERIVED;
}

void metric_name(enum metric_id id, struct strbuf *buffer)
{
	strbuf_add_string(buffer, metric_get(id)->name);
	if (metric_is_rate(id))
		strbuf_add_string(buffer, ".rate");
}

const char *metric_title(enum metric_id id)
{
	const struct metric *metric = metric_get(id);

	return metric_is_rate(id) && metric->rate_title ? metric->rate_title : metric->title;
}

static enum metric_id find_base(const char *name, size_t length)
{
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (strncmp(metrics[id].name, name, length) == 0 && !metrics[id].name[length])
			return (enum metric_id)id;
	}
	return M_NONE;
}

static enum metric_id find_name(const char *name, size_t length)
{
	static const char suffix[] = ".rate";
	const size_t tail = sizeof(suffix) - 1;
	enum metric_id id = find_base(name, length);

	if (id == M_NONE && length > tail && memcmp(name + length - tail, suffix, tail) == 0)
		id = metric_rate(find_base(name, length - tail));
	return id;
}

enum metric_id metric_find(const char *name)
{
	return find_name(name, strlen(name));
}

double metric_to_double(enum metric_id id, union value value)
{
	if (metric_is_double(id))
		return value.number;
	if (metrics[id].kind == KIND_SIGNED)
		return (double)value.i64;
	return unit_to_base(metrics[id].unit, value.u64);
}

void metric_add_number(enum metric_id id, union value value, struct strbuf *buffer)
{
	if (metric_is_double(id))
		strbuf_add_double(buffer, value.number);
	else if (metrics[id].kind == KIND_SIGNED)
		strbuf_printf(buffer, "%lld", (long long)value.i64);
	else
		strbuf_add_fixed(buffer, value.u64, unit_digits(metrics[id].unit));
}

void metric_add_human(enum metric_id id, union value value, enum value_state state,
		      struct strbuf *buffer)
{
	const struct metric *metric = metric_get(id);

	if (state != VALUE_OK)
		strbuf_add_string(buffer, states[state].mark);
	else if (metric->kind == KIND_TEXT)
		strbuf_add_string(buffer, value.text);
	else
		format_human(buffer, metric->unit, metric_to_double(id, value), metric_is_rate(id));
}

const char *value_state_name(enum value_state state)
{
	return states[state].name;
}

const char *value_state_reason(enum value_state state)
{
	return states[state].reason;
}

void metric_set_merge(struct metric_set *set, const struct metric_set *other)
{
	for (size_t i = 0; i < ARRAY_SIZE(set->bits); i++)
		set->bits[i] |= other->bits[i];
}

bool metric_set_equal(const struct metric_set *a, const struct metric_set *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

void metric_set_add_all(struct metric_set *set)
{
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		metric_set_add(set, (enum metric_id)id);
		if (metric_rate((enum metric_id)id) != M_NONE)
			metric_set_add(set, metric_rate((enum metric_id)id));
	}
}

void metric_set_close(struct metric_set *set)
{
	struct metric_set before;

	do {
		before = *set;
		for (int id = M_NONE + 1; id < COLUMN_COUNT; id++) {
			if (!metric_set_has(&before, (enum metric_id)id))
				continue;
			if (metric_is_rate((enum metric_id)id)) {
				metric_set_add(set, metric_base((enum metric_id)id));
				continue;
			}
			for (size_t i = 0; i < ARRAY_SIZE(metrics[id].needs); i++) {
				if (metrics[id].needs[i] != M_NONE)
					metric_set_add(set, metrics[id].needs[i]);
			}
		}
	} while (!metric_set_equal(&before, set));
}

unsigned int metric_set_inventory(const struct metric_set *set)
{
	struct metric_set closed = *set;
	unsigned int parts = 0;

	metric_set_close(&closed);
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (metric_set_has(&closed, (enum metric_id)id))
			parts |= metrics[id].inventory;
	}
	return parts;
}

unsigned int metric_set_watched(const struct metric_set *set)
{
	struct metric_set closed = *set;
	unsigned int kinds = 0;

	metric_set_close(&closed);
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (!metric_set_has(&closed, (enum metric_id)id) || !metrics[id].watched)
			continue;
		if (metrics[id].watched == WATCHED_BYTES)
			kinds |= DISTRIBUTION_NET;
		else
			kinds |= 1U << metrics[id].watched_kind;
	}
	return kinds;
}

static bool add_id(struct metric_set *set, enum metric_id *ids, size_t size, size_t *n,
		   enum metric_id id)
{
	metric_set_add(set, id);
	if (*n < size)
		ids[(*n)++] = id;
	return true;
}

/* The named sets. False if `name` is none of them. */
static bool add_group(const char *name, size_t length, struct metric_set *set, enum metric_id *ids,
		      size_t size, size_t *n)
{
	bool all = length == 3 && memcmp(name, "all", 3) == 0;

	if (length == 7 && memcmp(name, "default", 7) == 0) {
		for (const enum metric_id *id = metric_default_columns; *id != M_NONE; id++)
			add_id(set, ids, size, n, *id);
		return true;
	}
	if (!all && !(length == 6 && memcmp(name, "export", 6) == 0))
		return false;
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (!all && !(metrics[id].flags & METRIC_EXPORT))
			continue;
		add_id(set, ids, size, n, (enum metric_id)id);
		if (all && metric_rate((enum metric_id)id) != M_NONE)
			add_id(set, ids, size, n, metric_rate((enum metric_id)id));
	}
	return true;
}

int metric_parse_list(const char *list, struct metric_set *set, enum metric_id *ids, size_t size,
		      const char **ret_bad, size_t *ret_bad_length)
{
	size_t n = 0;

	while (*list) {
		size_t length = strcspn(list, ", ");
		enum metric_id id = find_name(list, length);

		if (id != M_NONE) {
			add_id(set, ids, size, &n, id);
		} else if (length > 0 && !add_group(list, length, set, ids, size, &n)) {
			*ret_bad = list;
			*ret_bad_length = length;
			return -EINVAL;
		}
		list += length;
		list += strspn(list, ", ");
	}
	return (int)n;
}
