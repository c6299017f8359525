/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/namespaces.h"
#include "core/units.h"

/*
 * Ids of metrics are column numbers of a snapshot: M_CPU_USAGE is the counter as the kernel prints
 * it, M_CPU_USAGE_RATE its change a second over the last interval.
 */
enum metric_id {
	M_NONE,
#define METRIC(id, ...) M_##id,
#include "core/metrics.def"
#undef METRIC
	METRIC_COUNT,
	M_RATE_BASE = METRIC_COUNT,
#define METRIC(id, ...) M_##id##_RATE,
#include "core/metrics.def"
#undef METRIC
	COLUMN_COUNT,
};

enum metric_kind {
	KIND_COUNTER, /* only grows while the cgroup lives; has a rate */
	KIND_GAUGE,
	KIND_SIGNED,  /* a gauge that may be negative, stored as int64_t */
	KIND_LIMIT,   /* a gauge that may be unlimited */
	KIND_TEXT,    /* words; the cell holds an interned string */
	KIND_DERIVED, /* computed from other columns, a double */
};

enum metric_flags {
	METRIC_EXPORT = 1 << 0,	    /* in /metrics unless configured otherwise */
	METRIC_LIST = 1 << 1,	    /* the number of members of a list like "0-3,8" */
	METRIC_ZERO = 1 << 2,	    /* keyed: no line means nothing happened, not unknown */
	METRIC_PER_SECOND = 1 << 3, /* is a rate by itself: policies may write "10M/s" */
};

/* Why a cell has a value or has none. Missing is never 0. */
enum value_state {
	VALUE_ABSENT, /* this kernel or this cgroup has no such file or key */
	VALUE_OK,
	VALUE_DISABLED,	 /* the controller is not on for this cgroup */
	VALUE_DENIED,	 /* no right to read it */
	VALUE_UNLIMITED, /* a limit that is not set */
	VALUE_FIRST,	 /* needs a second sample, or is still being measured */
	VALUE_GONE,	 /* the cgroup went away while it was read */
	VALUE_FAILED,	 /* reading it failed: an I/O error, no descriptor left */
	VALUE_UNWATCHED, /* counted only for cgroups that somebody watches */
	VALUE_IDLE,	 /* nothing of the kind happened in the interval */
	VALUE_STATE_COUNT,
};

/* One cell. `text` lives as long as the snapshot: interned in its string pool, or its inventory's.
 */
union value {
	uint64_t u64;
	int64_t i64;
	double number;
	const char *text;
};

/* What a row shows that is counted in watched cgroups only (core/distribution.h). */
enum metric_watched {
	WATCHED_NOT,
	WATCHED_P50, /* of the last interval */
	WATCHED_P99,
	WATCHED_COUNT, /* how often, since it is watched */
	WATCHED_TIME,  /* all of it together */
	WATCHED_BYTES, /* of the network */
};

/* Stands for "whichever hierarchy has the cgroup" in a v1 source. */
#define ANY_CONTROLLER "*"

struct metric_source_v2 {
	const char *file, *key;
};

struct metric_source_v1 {
	const char *controller, *file, *key;
};

struct snapshot;

/* What a row that is made from the inventory is asked for. */
struct fact {
	const struct snapshot *snapshot;
	uint32_t node;
	size_t detail; /* the row's fact_detail */
};

struct metric {
	const char *name; /* public: policies and dashboards use it */
	enum metric_kind kind;
	enum unit unit;
	unsigned int flags;
	struct metric_source_v2 v2;
	struct metric_source_v1 v1;
	uint32_t v1_mul, v1_div; /* 0 means 1 */
	const char *key_label;	 /* what the parts of a keyed metric are: "device" */
	/* Made from the inventory and its join, cell by cell (core/fact.h). */
	unsigned int inventory; /* enum inventory_parts it needs; 0: it is read or derived */
	enum value_state (*fact)(const struct fact *fact, union value *ret_value);
	size_t fact_detail; /* a type of namespace, the offset of a member */
	/* Counted by programs in the kernel: what, and of which kind of distribution or traffic. */
	enum metric_watched watched;
	unsigned int watched_kind;
	/* KIND_DERIVED: fills the whole column from the columns in `needs` (M_NONE ends them). */
	void (*derive)(struct snapshot *snapshot, enum metric_id id);
	enum metric_id needs[NS_TYPE_COUNT];
	/* Prometheus, where it differs from the rule of name, unit and _total. */
	const char *family, *family_help, *label, *label_value, *label2, *label2_value;
	const char *title, *rate_title; /* column headings */
	unsigned int width;
	const char *help;
};

/* The row of a metric or of the counter behind a rate. NULL for M_NONE and anything out of range.
 */
const struct metric *metric_get(enum metric_id id);
static inline bool metric_is_rate(enum metric_id id)
{
	return id > M_RATE_BASE;
}
/* The counter behind a rate; any other id as it is. */
static inline enum metric_id metric_base(enum metric_id id)
{
	return metric_is_rate(id) ? (enum metric_id)(id - M_RATE_BASE) : id;
}
/* The rate of a counter; M_NONE for what has none. */
enum metric_id metric_rate(enum metric_id id);
/* True where cells hold a double in the base unit (rates and derived), not a stored integer. */
bool metric_is_double(enum metric_id id);
/* The public name into `buffer`: "cpu.usage" or "cpu.usage.rate". */
void metric_name(enum metric_id id, struct strbuf *buffer);
/* The column heading. */
const char *metric_title(enum metric_id id);
/* The metric of that public name, or M_NONE. */
enum metric_id metric_find(const char *name);
/* A cell's number in its base unit. Not for KIND_TEXT. */
double metric_to_double(enum metric_id id, union value value);
/* A cell's number exactly, in its base unit, as decimal text. */
void metric_add_number(enum metric_id id, union value value, struct strbuf *buffer);
/* A cell for people: the value, or for a state without one a short mark ("max", "-", "off"). */
void metric_add_human(enum metric_id id, union value value, enum value_state state,
		      struct strbuf *buffer);

/* "ok", "absent", "disabled", … as in JSON. */
const char *value_state_name(enum value_state state);
/* One sentence that says why there is no value. */
const char *value_state_reason(enum value_state state);

/* A set of columns. */
struct metric_set {
	uint64_t bits[(COLUMN_COUNT + 63) / 64];
};

static inline void metric_set_add(struct metric_set *set, enum metric_id id)
{
	set->bits[id / 64] |= UINT64_C(1) << (id % 64);
}
static inline bool metric_set_has(const struct metric_set *set, enum metric_id id)
{
	return set->bits[id / 64] >> (id % 64) & 1;
}
void metric_set_merge(struct metric_set *set, const struct metric_set *other);
bool metric_set_equal(const struct metric_set *a, const struct metric_set *b);
/* Every metric and every rate. */
void metric_set_add_all(struct metric_set *set);
/* Adds what rates and derived metrics in the set are computed from. */
void metric_set_close(struct metric_set *set);
/* The parts of the inventory (enum inventory_parts) that those in the set are made from. */
unsigned int metric_set_inventory(const struct metric_set *set);
/*
 * What is counted in watched cgroups for those in the set: bits by enum distribution_kind, and
 * DISTRIBUTION_NET.
 */
unsigned int metric_set_watched(const struct metric_set *set);
/*
 * Adds a comma-separated list of names ("all", "default" and "export" are sets of their own) to
 * `set` and, in order and up to `size`, to `ids`. Returns how many ids, or -EINVAL with the unknown
 * name in `ret_bad` (points into `list`) of `ret_bad_length` bytes.
 */
int metric_parse_list(const char *list, struct metric_set *set, enum metric_id *ids, size_t size,
		      const char **ret_bad, size_t *ret_bad_length);
/* The columns shown when nobody chose any, in order, ended by M_NONE. */
extern const enum metric_id metric_default_columns[];
