// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob_private.h"

#include <errno.h>
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
