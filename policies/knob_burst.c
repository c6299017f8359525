// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/units.h"

/*
 * KNOB_CPU_BURST: how much of the quota that was not used may be used later, in microseconds
 * (sched-bwc.rst, "Burst feature"; 5.14). The kernel refuses a burst above the quota, and a quota
 * below the burst.
 */

/* "20ms", or "20000us" as it is formatted. */
static int parse_burst(enum knob_id knob, const char *text, struct knob_value *value,
		       const char **ret_reason)
{
	int r = 0;

	(void)knob;
	*ret_reason = "it is not a time with its unit (20ms)";
	value->number = 0;
	if (strcmp(text, "0") != 0)
		r = parse_duration(text, &value->number);
	if (r < 0)
		return r;
	*ret_reason = "it is more than the kernel takes";
	return value->number > (uint64_t)INT64_MAX / 1000 ? -ERANGE : 0;
}

static void format_burst(const struct knob_value *value, struct strbuf *buffer)
{
	strbuf_add_u64(buffer, value->number);
	strbuf_add_string(buffer, "us");
}

static void human_burst(const struct knob_value *value, struct strbuf *buffer)
{
	strbuf_printf(buffer, "%.4gms", (double)value->number / 1e3);
}

static bool equal_burst(const struct knob_value *a, const struct knob_value *b)
{
	return a->number == b->number;
}

static bool tighter_burst(const struct knob_value *a, const struct knob_value *b)
{
	return a->number < b->number;
}

const struct knob_form knob_form_burst = { parse_burst, format_burst, human_burst, equal_burst,
					   tighter_burst };

/* ---- beside the quota ------------------------------------------------------------------------ */

/* No burst above the quota that is there. */
void knob_clamp_burst(const struct knob_access *access, struct knob_result *result)
{
	struct knob_value *burst = &result->requested, quota;
	struct knob_access other;

	if (!knob_access_other(access, KNOB_CPU_QUOTA, &other) ||
	    knob_read_value(&other, NULL, &quota) < 0 || burst->number <= quota.number)
		return;
	burst->number = quota.number;
	result->adjusted = true;
	snprintf(result->text, sizeof(result->text),
		 "lowered to the quota of %llu us: the kernel takes no burst above it",
		 (unsigned long long)quota.number);
}

static bool find_burst(const struct knob_access *access, struct knob_access *ret_other,
		       uint64_t *ret_burst)
{
	return knob_access_other(access, KNOB_CPU_BURST, ret_other) &&
	       knob_read_number(ret_other, ret_other->file, ret_burst) == 0;
}

int knob_lower_burst(const struct knob_access *access, struct knob_result *result)
{
	const struct knob_value next = { .number = result->requested.number };
	struct knob_value present = { 0 };
	struct knob_access other;
	int r;

	if (!find_burst(access, &other, &present.number) || present.number <= next.number)
		return 0;
	r = knob_step(&other, &present, &next, result);
	if (r < 0)
		return knob_fail(result, r, "the burst could not be lowered below the quota: %s",
				 strerror(-r));
	result->adjusted = true;
	snprintf(result->text, sizeof(result->text),
		 "the burst of %llu us was lowered to the quota, as the kernel wants it; it comes "
		 "back with the quota",
		 (unsigned long long)present.number);
	return 1;
}

bool knob_lacks_burst(const struct knob_access *access, const struct knob_result *result)
{
	return access->knob == KNOB_CPU_QUOTA && access->request->restore &&
	       result->before.burst < result->requested.burst;
}

/* Only what is lower than the quota that was there: more was not our doing. */
int knob_restore_burst(const struct knob_access *access, uint64_t burst, struct knob_result *result)
{
	struct knob_value next = { .number = burst };
	struct knob_access other;
	uint64_t present;
	int r;

	if (burst == 0 || !find_burst(access, &other, &present) || present >= burst ||
	    present > result->before.number)
		return 0;
	r = knob_put(&other, &next, result);
	return r < 0 ? knob_fail(result, r, "the quota is back, but its burst is not: %s",
				 strerror(-r))
		     : 0;
}
