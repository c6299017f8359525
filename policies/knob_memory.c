// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"

enum { MARGIN = 16 }; /* keep a sixteenth below a new memory.max */

static int write_limit(const struct knob_access *access, const char *file, uint64_t limit)
{
	char text[32];

	if (limit == KNOB_UNLIMITED)
		snprintf(text, sizeof(text), "%s", access->hierarchy->v2 ? "max" : "-1");
	else
		snprintf(text, sizeof(text), "%llu", (unsigned long long)limit);
	return knob_write_text(access, file, text);
}

static void format_mib(uint64_t bytes, char *text, size_t size)
{
	snprintf(text, size, "%.1f MiB", (double)bytes / 1048576);
}

/*
 * cgroup v1: a limit below what is in use is reclaimed for, then refused with EBUSY, and the old
 * one stays; memory may not go above memsw, nor memsw below memory (memory.rst,
 * mem_cgroup_resize_max()).
 */
static int explain_v1(const struct knob_access *access, struct knob_result *result, int error)
{
	bool memsw = access->knob == KNOB_MEMORY_MEMSW;
	uint64_t usage = 0, peak = 0, other = 0;
	char used[32], most[32];

	if (error == -EBUSY) {
		knob_read_number(access,
				 memsw ? "memory.memsw.usage_in_bytes" : "memory.usage_in_bytes",
				 &usage);
		knob_read_number(access,
				 memsw ? "memory.memsw.max_usage_in_bytes"
				       : "memory.max_usage_in_bytes",
				 &peak);
		format_mib(usage, used, sizeof(used));
		format_mib(peak, most, sizeof(most));
		return knob_fail(
			result, error,
			"%s is in use and could not be reclaimed (peak %s): the old limit stays",
			used, most);
	}
	if (error == -EINVAL) {
		const char *file = memsw ? "memory.limit_in_bytes" : "memory.memsw.limit_in_bytes";

		knob_read_number(access, file, &other);
		format_mib(other, used, sizeof(used));
		return knob_fail(
			result, error, "%s is %s: %s", file, used,
			memsw ? "memory and swap together cannot be less; lower memory.max first"
			      : "memory cannot be more than memory and swap together; raise "
				"memory.memsw.max first");
	}
	return knob_fail(result, error, "%s: %s", access->file, strerror(-error));
}

static bool fits(const struct knob_access *access, uint64_t limit)
{
	uint64_t current;

	return knob_read_number(access, "memory.current", &current) == 0 && current <= limit;
}

/* Asks the kernel to reclaim until the cgroup is below `target`. memory.reclaim is 5.19's. */
static bool reclaim_until(const struct knob_access *access, uint64_t target)
{
	uint64_t deadline = knob_deadline_ms(access);

	while (!fits(access, target)) {
		uint64_t current;
		char text[32];

		if (knob_clock_ms() >= deadline ||
		    knob_read_number(access, "memory.current", &current) < 0)
			return false;
		if (current > target) {
			/* At most 64 MiB at a time, so that the deadline is kept. EAGAIN: only a
			 * part. */
			uint64_t much = current - target < 64 << 20 ? current - target : 64 << 20;

			snprintf(text, sizeof(text), "%llu", (unsigned long long)much);
			knob_write_text(access, "memory.reclaim", text);
		}
		usleep(10000);
	}
	return true;
}

/* Holds memory.high at `target` while the use is brought down, and puts it back in any case. */
static bool squeeze(const struct knob_access *access, const struct knob_request *request,
		    const struct knob_result *result, uint64_t target)
{
	struct knob_result high = *result;
	bool done, lowered;

	high.knob = KNOB_MEMORY_HIGH;
	high.file = knob_rows[KNOB_MEMORY_HIGH].v2_file;
	high.requested.number = target;
	if (knob_read_number(access, high.file, &high.before.number) < 0)
		return reclaim_until(access, target);
	lowered = high.before.number > target &&
		  (!request->about_to_write || request->about_to_write(request->data, &high) == 0);
	if (lowered)
		write_limit(access, high.file, target);
	done = reclaim_until(access, target);
	if (lowered) {
		/* If it cannot be put back now, its journal entry says to do it later. */
		if (write_limit(access, high.file, high.before.number) == 0 && request->put_back)
			request->put_back(request->data, &high);
	}
	return done;
}

/*
 * cgroup v2 sets memory.max whatever is in use, and kills until it fits (memory_max_write()). So it
 * is lowered only when the use is clearly below already, or was brought there.
 */
static int lower_v2(const struct knob_access *access, const struct knob_request *request,
		    struct knob_result *result)
{
	uint64_t limit = result->requested.number, target = limit - limit / MARGIN, current = 0;
	char used[32], wanted[32];

	if (!fits(access, target) && !squeeze(access, request, result, target)) {
		knob_read_number(access, "memory.current", &current);
		format_mib(current, used, sizeof(used));
		format_mib(limit, wanted, sizeof(wanted));
		return knob_fail(
			result, -EBUSY,
			"%s is in use and could not be reclaimed: a memory.max of %s would "
			"kill (allow_oom=yes permits that)",
			used, wanted);
	}
	return write_limit(access, access->file, limit);
}

int knob_write_memory(const struct knob_access *access, const struct knob_request *request,
		      struct knob_result *result)
{
	int r;

	if (access->hierarchy->v2 && !request->allow_oom && !request->restore &&
	    knob_tighter(access->knob, &result->requested, &result->before))
		r = lower_v2(access, request, result);
	else
		r = write_limit(access, access->file, result->requested.number);
	if (r == 0 || result->error)
		return r;
	if (!access->hierarchy->v2)
		return explain_v1(access, result, r);
	return knob_fail(result, r, "%s: %s", access->file, strerror(-r));
}
