// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/units.h"
#include "policies/knob_private.h"

enum { USEC_PER_SEC = 1000000, CPU_MIN_USEC = 1000 };

/* ---- cpu.quota ----------------------------------------------------------------------------- */

/* "QUOTA PERIOD" in microseconds, as in cpu.max. tg_set_cfs_bandwidth() has the bounds. */
static int parse_quota_pair(const char *text, struct knob_value *value, const char **ret_reason)
{
	_cleanup_(freep) char *quota = strdup(text);
	char *period = quota ? strchr(quota, ' ') : NULL;

	if (!period)
		return quota ? -EINVAL : -ENOMEM;
	*period++ = '\0';
	value->number = KNOB_UNLIMITED;
	if ((strcmp(quota, "max") != 0 && parse_u64(quota, &value->number) < 0) ||
	    parse_u64(period, &value->period) < 0)
		return -EINVAL;
	*ret_reason = "the kernel takes periods from 1000 to 1000000 microseconds";
	if (value->period < CPU_MIN_USEC || value->period > USEC_PER_SEC)
		return -ERANGE;
	*ret_reason = "the kernel takes no quota below 1000 microseconds (1 ms)";
	return value->number < CPU_MIN_USEC ? -ERANGE : 0;
}

static int parse_cpu(enum knob_id knob, const char *text, struct knob_value *value,
		     const char **ret_reason)
{
	double ratio;
	int r;

	(void)knob;
	*ret_reason = "it is not a percentage of one core (20%), \"max\", or QUOTA PERIOD in "
		      "microseconds (20000 100000)";
	if (strcmp(text, "max") == 0) {
		value->number = KNOB_UNLIMITED;
		return 0;
	}
	if (strchr(text, ' '))
		return parse_quota_pair(text, value, ret_reason);
	r = parse_percent(text, &ratio);
	if (r < 0)
		return r;
	*ret_reason =
		"below 1% the quota is under 1 ms of the usual period of 100 ms, which the kernel "
		"refuses";
	if (ratio < 0.01)
		return -ERANGE;
	*ret_reason = "it is more than any machine has";
	if (ratio > 100000)
		return -ERANGE;
	value->number = (uint64_t)(ratio * USEC_PER_SEC + 0.5);
	return 0;
}

static void add_limit(struct strbuf *buffer, uint64_t number)
{
	if (number == KNOB_UNLIMITED)
		strbuf_add_string(buffer, "max");
	else
		strbuf_add_u64(buffer, number);
}

static void format_cpu(const struct knob_value *value, struct strbuf *buffer)
{
	if (value->period == 0 && value->number != KNOB_UNLIMITED) {
		strbuf_add_fixed(buffer, value->number, 4);
		strbuf_add_char(buffer, '%');
		return;
	}
	add_limit(buffer, value->number);
	if (value->period) {
		strbuf_add_char(buffer, ' ');
		strbuf_add_u64(buffer, value->period);
	}
}

static double cpu_cores(const struct knob_value *value)
{
	uint64_t period = value->period ? value->period : USEC_PER_SEC;

	if (value->number == KNOB_UNLIMITED)
		return 1e12;
	return (double)value->number / (double)period;
}

static void human_cpu(const struct knob_value *value, struct strbuf *buffer)
{
	if (value->number == KNOB_UNLIMITED) {
		strbuf_add_string(buffer, "max");
		return;
	}
	strbuf_printf(buffer, "%.4g%% of one core", cpu_cores(value) * 100);
	if (value->period)
		strbuf_printf(buffer, " (%.4gms of %.4gms)", (double)value->number / 1e3,
			      (double)value->period / 1e3);
}

static bool equal_cpu(const struct knob_value *a, const struct knob_value *b)
{
	return a->number == b->number && a->period == b->period;
}

static bool tighter_cpu(const struct knob_value *a, const struct knob_value *b)
{
	return cpu_cores(a) < cpu_cores(b);
}

static const struct knob_form form_cpu = { parse_cpu, format_cpu, human_cpu, equal_cpu,
					   tighter_cpu };

/* ---- sizes ----------------------------------------------------------------------------------- */

static int check_range(enum knob_id knob, uint64_t number, const char **ret_reason)
{
	const struct knob_row *row = &knob_rows[knob];

	*ret_reason = "it is outside what the kernel takes";
	return number < row->min || number > row->max ? -ERANGE : 0;
}

static int parse_bytes(enum knob_id knob, const char *text, struct knob_value *value,
		       const char **ret_reason)
{
	int r;

	*ret_reason = "it is not a size with its unit (512M) or \"max\"";
	value->number = KNOB_UNLIMITED;
	if (strcmp(text, "max") == 0)
		return 0;
	r = strcmp(text, "0") == 0 ? parse_u64(text, &value->number)
				   : parse_size(text, &value->number);
	return r < 0 ? r : check_range(knob, value->number, ret_reason);
}

static void format_bytes(const struct knob_value *value, struct strbuf *buffer)
{
	add_limit(buffer, value->number);
	if (value->number != KNOB_UNLIMITED)
		strbuf_add_char(buffer, 'B');
}

static void human_bytes(const struct knob_value *value, struct strbuf *buffer)
{
	if (value->number == KNOB_UNLIMITED)
		strbuf_add_string(buffer, "max");
	else
		format_human(buffer, UNIT_BYTES, (double)value->number, false);
}

/* The kernel rounds to pages: what it gives back is not what was written (senpai masks 4095). */
static bool equal_bytes(const struct knob_value *a, const struct knob_value *b)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (a->number == KNOB_UNLIMITED || b->number == KNOB_UNLIMITED)
		return a->number == b->number;
	return a->number > b->number ? a->number - b->number < page : b->number - a->number < page;
}

static bool tighter_number(const struct knob_value *a, const struct knob_value *b)
{
	return a->number < b->number;
}

static bool never_tighter(const struct knob_value *a, const struct knob_value *b)
{
	(void)a;
	(void)b;
	return false;
}

static const struct knob_form form_bytes = { parse_bytes, format_bytes, human_bytes, equal_bytes,
					     tighter_number };
/* A protection: more of it is not a limit. */
static const struct knob_form form_protection = { parse_bytes, format_bytes, human_bytes,
						  equal_bytes, never_tighter };

/* ---- counts and weights ---------------------------------------------------------------------- */

static int parse_count(enum knob_id knob, const char *text, struct knob_value *value,
		       const char **ret_reason)
{
	bool unlimited = knob_rows[knob].unlimited;
	int r;

	*ret_reason = unlimited ? "it is not a number or \"max\"" : "it is not a number";
	value->number = KNOB_UNLIMITED;
	if (unlimited && strcmp(text, "max") == 0)
		return 0;
	r = parse_u64(text, &value->number);
	return r < 0 ? r : check_range(knob, value->number, ret_reason);
}

static void format_count(const struct knob_value *value, struct strbuf *buffer)
{
	add_limit(buffer, value->number);
}

static bool equal_number(const struct knob_value *a, const struct knob_value *b)
{
	return a->number == b->number;
}

static const struct knob_form form_count = { parse_count, format_count, format_count, equal_number,
					     tighter_number };
static const struct knob_form form_weight = { parse_count, format_count, format_count, equal_number,
					      never_tighter };

/* ---- freezer --------------------------------------------------------------------------------- */

static int parse_freeze(enum knob_id knob, const char *text, struct knob_value *value,
			const char **ret_reason)
{
	static const char *const words[][2] = { { "0", "thawed" }, { "1", "frozen" } };

	(void)knob;
	*ret_reason = "it is neither \"frozen\" nor \"thawed\"";
	for (uint64_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(text, words[i][0]) == 0 || strcasecmp(text, words[i][1]) == 0) {
			value->number = i;
			return 0;
		}
	}
	return -EINVAL;
}

static void format_freeze(const struct knob_value *value, struct strbuf *buffer)
{
	strbuf_add_string(buffer, value->number ? "frozen" : "thawed");
}

static bool tighter_freeze(const struct knob_value *a, const struct knob_value *b)
{
	return a->number > b->number;
}

static const struct knob_form form_freeze = { parse_freeze, format_freeze, format_freeze,
					      equal_number, tighter_freeze };

/* ---- the table ------------------------------------------------------------------------------- */

const struct knob_row knob_rows[KNOB_COUNT] = {
	[KNOB_CPU_QUOTA] = { .name = "cpu.quota",
			     .aliases = { "cpu.max", "cpu.cfs_quota_us" },
			     .form = &form_cpu,
			     .unlimited = true,
			     .v2_controller = "cpu",
			     .v2_file = "cpu.max",
			     .v1_controller = "cpu",
			     .v1_file = "cpu.cfs_quota_us" },
	[KNOB_CPU_WEIGHT] = { .name = "cpu.weight",
			      .form = &form_weight,
			      .min = 1,
			      .max = 10000,
			      .v2_controller = "cpu",
			      .v2_file = "cpu.weight",
			      .why_not_v1 =
				      "cpu.weight does not exist on cgroup v1; use cpu.shares" },
	/* Out of range the v1 kernel clamps in silence: refuse instead. */
	[KNOB_CPU_SHARES] = { .name = "cpu.shares",
			      .form = &form_weight,
			      .min = 2,
			      .max = 262144,
			      .v1_controller = "cpu",
			      .v1_file = "cpu.shares",
			      .why_not_v2 =
				      "cpu.shares does not exist on cgroup v2; use cpu.weight" },
	[KNOB_MEMORY_HIGH] = { .name = "memory.high",
			       .form = &form_bytes,
			       .min = 65536,
			       .max = INT64_MAX,
			       .unlimited = true,
			       .nonblock = true,
			       .v2_controller = "memory",
			       .v2_file = "memory.high",
			       .why_not_v1 =
				       "memory.high does not exist on cgroup v1; use memory.max" },
	[KNOB_MEMORY_MAX] = { .name = "memory.max",
			      .aliases = { "memory.limit", "memory.limit_in_bytes" },
			      .form = &form_bytes,
			      .min = 65536,
			      .max = INT64_MAX,
			      .unlimited = true,
			      .nonblock = true,
			      .v2_controller = "memory",
			      .v2_file = "memory.max",
			      .v1_controller = "memory",
			      .v1_file = "memory.limit_in_bytes" },
	[KNOB_MEMORY_LOW] = { .name = "memory.low",
			      .form = &form_protection,
			      .max = INT64_MAX,
			      .unlimited = true,
			      .v2_controller = "memory",
			      .v2_file = "memory.low",
			      .why_not_v1 = "memory.low does not exist on cgroup v1" },
	[KNOB_MEMORY_MIN] = { .name = "memory.min",
			      .form = &form_protection,
			      .max = INT64_MAX,
			      .unlimited = true,
			      .v2_controller = "memory",
			      .v2_file = "memory.min",
			      .why_not_v1 = "memory.min does not exist on cgroup v1" },
	[KNOB_MEMORY_SWAP_MAX] = { .name = "memory.swap.max",
				   .form = &form_bytes,
				   .max = INT64_MAX,
				   .unlimited = true,
				   .v2_controller = "memory",
				   .v2_file = "memory.swap.max",
				   .why_not_v1 = "cgroup v1 limits memory and swap together; use "
						 "memory.memsw.max" },
	[KNOB_MEMORY_MEMSW] = { .name = "memory.memsw.max",
				.aliases = { "memory.memsw.limit", "memory.memsw.limit_in_bytes" },
				.form = &form_bytes,
				.min = 65536,
				.max = INT64_MAX,
				.unlimited = true,
				.v1_controller = "memory",
				.v1_file = "memory.memsw.limit_in_bytes",
				.why_not_v2 = "cgroup v2 limits swap alone; use memory.swap.max" },
	[KNOB_PIDS_MAX] = { .name = "pids.max",
			    .form = &form_count,
			    .max = 4194304,
			    .unlimited = true,
			    .v2_controller = "pids",
			    .v2_file = "pids.max",
			    .v1_controller = "pids",
			    .v1_file = "pids.max" },
	[KNOB_CPUSET_CPUS] = { .name = "cpuset.cpus",
			       .form = &knob_form_list,
			       .v2_controller = "cpuset",
			       .v2_file = "cpuset.cpus",
			       .v1_controller = "cpuset",
			       .v1_file = "cpuset.cpus" },
	[KNOB_CPUSET_MEMS] = { .name = "cpuset.mems",
			       .form = &knob_form_list,
			       .v2_controller = "cpuset",
			       .v2_file = "cpuset.mems",
			       .v1_controller = "cpuset",
			       .v1_file = "cpuset.mems" },
	[KNOB_IO_WEIGHT] = { .name = "io.weight",
			     .aliases = { "blkio.weight", "blkio.bfq.weight" },
			     .form = &form_weight,
			     .min = 1,
			     .max = 10000,
			     .v2_controller = "io",
			     .v2_file = "io.weight",
			     .v1_controller = "blkio",
			     .v1_file = "blkio.bfq.weight",
			     .v1_other_file = "blkio.weight" },
	[KNOB_FREEZE] = { .name = "freezer",
			  .aliases = { "freeze", "cgroup.freeze", "freezer.state" },
			  .form = &form_freeze,
			  .max = 1,
			  .v2_controller = "",
			  .v2_file = "cgroup.freeze",
			  .v1_controller = "freezer",
			  .v1_file = "freezer.state" },
	[KNOB_CPU_BURST] = { .name = "cpu.burst",
			     .aliases = { "cpu.max.burst", "cpu.cfs_burst_us" },
			     .form = &knob_form_burst,
			     .v2_controller = "cpu",
			     .v2_file = "cpu.max.burst",
			     .v1_controller = "cpu",
			     .v1_file = "cpu.cfs_burst_us" },
	[KNOB_IO_MAX] = { .name = "io.max",
			  .aliases = { "blkio.throttle" },
			  .form = &knob_form_throttle,
			  .v2_controller = "io",
			  .v2_file = "io.max",
			  .v1_controller = "blkio",
			  .v1_file = "blkio.throttle.read_bps_device" },
};

int knob_find(const char *name, enum knob_id *ret_knob)
{
	for (int i = 0; i < KNOB_COUNT; i++) {
		const struct knob_row *row = &knob_rows[i];
		bool found = row->name && strcmp(row->name, name) == 0;

		for (size_t j = 0; j < ARRAY_SIZE(row->aliases) && row->aliases[j]; j++)
			found |= strcmp(row->aliases[j], name) == 0;
		if (found) {
			*ret_knob = (enum knob_id)i;
			return 0;
		}
	}
	return -ENOENT;
}

const char *knob_name(enum knob_id knob)
{
	return knob_rows[knob].name;
}

int knob_parse(enum knob_id knob, const char *text, struct knob_value *ret_value,
	       const char **ret_reason)
{
	struct knob_value value = { 0 };
	int r = knob_rows[knob].form->parse(knob, text, &value, ret_reason);

	if (r == 0)
		*ret_value = value;
	return r;
}

void knob_format(enum knob_id knob, const struct knob_value *value, struct strbuf *buffer)
{
	knob_rows[knob].form->format(value, buffer);
}

void knob_format_human(enum knob_id knob, const struct knob_value *value, struct strbuf *buffer)
{
	knob_rows[knob].form->human(value, buffer);
}

bool knob_equal(enum knob_id knob, const struct knob_value *a, const struct knob_value *b)
{
	return knob_rows[knob].form->equal(a, b);
}

bool knob_tighter(enum knob_id knob, const struct knob_value *a, const struct knob_value *b)
{
	return knob_rows[knob].form->tighter(a, b);
}

bool knob_same_place(enum knob_id knob, const struct knob_value *a, const struct knob_value *b)
{
	return knob != KNOB_IO_MAX || strcmp(a->text, b->text) == 0;
}

void knob_tightest(enum knob_id knob, const struct knob_value *a, const struct knob_value *b,
		   struct knob_value *ret_value)
{
	if (knob == KNOB_IO_MAX)
		knob_throttle_tightest(a, b, ret_value);
	else
		*ret_value = knob_tighter(knob, b, a) ? *b : *a;
}

int knob_check_host(enum knob_id knob, const struct hierarchies *hierarchies,
		    const char **ret_reason)
{
	const struct knob_row *row = &knob_rows[knob];
	const char *controller = row->v2_controller ? row->v2_controller : row->v1_controller;
	const struct hierarchy *hierarchy = NULL;

	if (row->v2_controller && !*row->v2_controller && hierarchies_v2(hierarchies))
		return 0;
	if (row->v1_controller)
		hierarchy = hierarchies_find(hierarchies, row->v1_controller);
	if (!hierarchy && controller && *controller)
		hierarchy = hierarchies_find(hierarchies, controller);
	*ret_reason = "the controller is in no mounted hierarchy";
	if (!hierarchy)
		return -ENODEV;
	*ret_reason = hierarchy->v2 ? row->why_not_v2 : row->why_not_v1;
	return *ret_reason ? -EOPNOTSUPP : 0;
}
