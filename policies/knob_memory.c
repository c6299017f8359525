// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"

static void format_mib(uint64_t bytes, char *text, size_t size)
{
	snprintf(text, size, "%.1f MiB", (double)bytes / 1048576);
}

/*
 * cgroup v1: memory may not go above memsw, nor memsw below memory (memory.rst,
 * mem_cgroup_resize_max()).
 */
static int explain_order(const struct knob_access *access, struct knob_result *result, int error)
{
	bool memsw = access->knob == KNOB_MEMORY_MEMSW;
	const char *file = memsw ? "memory.limit_in_bytes" : "memory.memsw.limit_in_bytes";
	uint64_t other = 0;
	char text[32];

	knob_read_number(access, file, &other);
	format_mib(other, text, sizeof(text));
	return knob_fail(result, error, "%s is %s: %s", file, text,
			 memsw ? "memory and swap together cannot be less; lower memory.max first"
			       : "memory cannot be more than memory and swap together; raise "
				 "memory.memsw.max first");
}

int knob_explain_memory(const struct knob_access *access, struct knob_result *result, int error)
{
	if (!access->hierarchy->v2 && error == -EINVAL && !result->error)
		return explain_order(access, result, error);
	return knob_explain(access, result, error);
}

static bool is_lowering(const struct knob_access *access, const struct knob_result *result)
{
	return !access->request->restore &&
	       knob_tighter(access->knob, &result->requested, &result->before);
}

int knob_check_memory(const struct knob_access *access, struct knob_result *result)
{
	return is_lowering(access, result) ? knob_check_lowering(access, result) : 0;
}

int knob_write_memory(const struct knob_access *access, struct knob_result *result)
{
	int r;

	if (is_lowering(access, result))
		r = knob_lower_memory(access, result);
	else
		r = knob_step(access, &result->before, &result->requested, result);
	return r < 0 ? knob_explain_memory(access, result, r) : 0;
}
