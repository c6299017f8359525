// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/units.h"

/*
 * Lowering a memory limit: a step at a time, so that the reclaim of a big cgroup does not flood the
 * disk, reclaim before limit, and never below the working set (in use less inactive page cache)
 * unless that is asked for.
 */
enum {
	MARGIN = 16,	 /* a new memory.max keeps a sixteenth above what is in use */
	MAX_STALLS = 10, /* so many waits without any progress mean that there will be none */
	STALL_USEC = 10000,
	MAX_CHUNK = 64 << 20, /* of reclaim, so that the deadline is kept */
	MIN_CHUNK = 1 << 20,
};

static const struct memory_files {
	const char *usage, *peak, *inactive, *anon;
} files_v2 = { "memory.current", "memory.peak", "inactive_file", "anon" },
  files_v1 = { "memory.usage_in_bytes", "memory.max_usage_in_bytes", "total_inactive_file",
	       "total_rss" },
  files_memsw = { "memory.memsw.usage_in_bytes", "memory.memsw.max_usage_in_bytes",
		  "total_inactive_file", "total_rss" };

struct lowering {
	const struct knob_access *access;
	struct knob_result *result;
	const struct memory_files *files;
	struct knob_value present; /* what stands there: the old limit or our last step */
	uint64_t target, deadline, usage, inactive, anon, lowest;
	unsigned int stalls;
};

/* ---- how much is in use ---------------------------------------------------------------------- */

static int look(struct lowering *lowering)
{
	const struct knob_access *access = lowering->access;
	const struct memory_files *files = lowering->files;
	int r = knob_read_number(access, files->usage, &lowering->usage);

	if (r < 0)
		return knob_fail(lowering->result, r, "%s cannot be read: %s", files->usage,
				 strerror(-r));
	/* Without it the working set is unknown; the reclaim will show. */
	if (knob_read_key(access, "memory.stat", files->inactive, &lowering->inactive) < 0)
		lowering->inactive = lowering->usage;
	if (knob_read_key(access, "memory.stat", files->anon, &lowering->anon) < 0)
		lowering->anon = 0;
	if (lowering->usage < lowering->lowest)
		lowering->lowest = lowering->usage;
	return 0;
}

static uint64_t working_set(const struct lowering *lowering)
{
	return lowering->usage > lowering->inactive ? lowering->usage - lowering->inactive : 0;
}

/* True if waiting may still help. Waits a little where nothing was gained. */
static bool go_on(struct lowering *lowering)
{
	uint64_t lowest = lowering->lowest;

	if (knob_clock_ms() >= lowering->deadline || look(lowering) < 0)
		return false;
	if (lowering->usage < lowest) {
		lowering->stalls = 0;
		return true;
	}
	if (++lowering->stalls > MAX_STALLS)
		return false;
	usleep(STALL_USEC);
	return true;
}

struct amounts {
	char used[32], set[32], peak[32], target[32], lowest[32];
};

static void format_mib(uint64_t bytes, char *text)
{
	snprintf(text, 32, "%.1f MiB", (double)bytes / 1048576);
}

static struct amounts amounts(const struct lowering *lowering)
{
	uint64_t peak = lowering->usage;
	struct amounts text = { 0 };

	knob_read_number(lowering->access, lowering->files->peak, &peak);
	format_mib(lowering->usage, text.used);
	format_mib(working_set(lowering), text.set);
	format_mib(peak, text.peak);
	format_mib(lowering->target, text.target);
	format_mib(lowering->lowest, text.lowest);
	return text;
}

/* ---- what is refused ------------------------------------------------------------------------- */

static bool swap_is_off(const struct knob_access *access)
{
	uint64_t most, total = 1;
	struct strbuf text;
	char *line;

	if (knob_read_number(access, "memory.swap.max", &most) == 0 && most == 0)
		return true;
	strbuf_init(&text);
	if (root_read(access->context->root, ROOT_PROC, "meminfo", &text) == 0 && text.data &&
	    (line = strstr(text.data, "SwapTotal:"))) {
		line += strlen("SwapTotal:");
		line += strspn(line, " ");
		line[strcspn(line, " \n")] = '\0';
		if (parse_u64(line, &total) < 0)
			total = 1;
	}
	strbuf_done(&text);
	return total == 0;
}

/* memory.high never kills: it throttles, for ever if what is in use cannot be reclaimed. */
static int refuse_high(struct lowering *lowering)
{
	char anon[32], wanted[32];

	if (lowering->anon <= lowering->target || !swap_is_off(lowering->access))
		return 0;
	format_mib(lowering->anon, anon);
	format_mib(lowering->target, wanted);
	return knob_fail(lowering->result, -EBUSY,
			 "%s is anonymous memory, and there is no swap: a memory.high of %s would "
			 "throttle it for ever (allow_below_working_set=yes permits that)",
			 anon, wanted);
}

static int refuse(struct lowering *lowering)
{
	const struct knob_request *request = lowering->access->request;
	struct amounts text;

	if (request->allow_below_working_set)
		return 0;
	if (lowering->access->knob == KNOB_MEMORY_HIGH)
		return refuse_high(lowering);
	if ((request->allow_oom && lowering->access->hierarchy->v2) ||
	    working_set(lowering) <= lowering->target)
		return 0;
	text = amounts(lowering);
	return knob_fail(lowering->result, -EBUSY,
			 "%s is in use and could not be reclaimed (peak %s) to %s without the "
			 "working set of %s: the old limit stays (allow_below_working_set=yes "
			 "permits it)",
			 text.used, text.peak, text.target, text.set);
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* The next limit on the way down: a share below what is in use, or below the limit if that is less.
 */
static uint64_t next_step(const struct lowering *lowering)
{
	double share = lowering->access->request->step;
	uint64_t from = lowering->present.number;

	if (lowering->usage < from)
		from = lowering->usage;
	if (share <= 0 || share > 1)
		share = 0.1;
	from -= (uint64_t)((double)from * share);
	return from > lowering->target ? from : lowering->target;
}

static int check_ours(const struct lowering *lowering)
{
	struct knob_value now;
	int r = knob_read_value(lowering->access, NULL, &now);

	if (r < 0)
		return r;
	if (knob_equal(lowering->access->knob, &now, &lowering->present))
		return 0;
	return knob_fail(lowering->result, -ESTALE,
			 "somebody else changed it between two steps: left alone");
}

static int step(struct lowering *lowering, uint64_t limit)
{
	const struct knob_value next = { .number = limit };
	int r = check_ours(lowering);

	if (r == 0)
		r = knob_step(lowering->access, &lowering->present, &next, lowering->result);
	if (r == 0)
		lowering->present = next;
	return r;
}

/* All or nothing. What is not ours any more stays as it is. */
static int give_up(struct lowering *lowering, int error)
{
	const struct knob_value *old = &lowering->result->before;
	int r;

	/* Why comes first, what came of it behind. */
	knob_explain_memory(lowering->access, lowering->result, error);
	if (error == -ESTALE || lowering->present.number == old->number)
		return error;
	r = check_ours(lowering);
	if (r == 0)
		r = knob_put(lowering->access, old, lowering->result);
	if (r < 0)
		knob_append(lowering->result, "; AND THE OLD LIMIT COULD NOT BE PUT BACK (%s)",
			    strerror(-r));
	return error;
}

static int fail_busy(struct lowering *lowering, const char *consequence)
{
	struct amounts text = amounts(lowering);

	return knob_fail(lowering->result, -EBUSY,
			 "%s is in use and could not be reclaimed (peak %s) to %s: the working set "
			 "is %s, the least reached was %s: %s",
			 text.used, text.peak, text.target, text.set, text.lowest, consequence);
}

/* Asks the kernel for at most a step's worth. memory.reclaim is 5.19's. EAGAIN: only a part. */
static void reclaim(const struct lowering *lowering, uint64_t target)
{
	double share = lowering->access->request->step;
	uint64_t much = lowering->usage - target, most;
	char text[32];

	most = (uint64_t)((double)lowering->usage * (share > 0 && share <= 1 ? share : 0.1));
	if (most < MIN_CHUNK)
		most = MIN_CHUNK;
	if (most > MAX_CHUNK)
		most = MAX_CHUNK;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(much < most ? much : most));
	knob_write_text(lowering->access, "memory.reclaim", text);
}

static bool reclaim_until(struct lowering *lowering, uint64_t target)
{
	lowering->stalls = 0;
	while (lowering->usage > target) {
		reclaim(lowering, target);
		if (!go_on(lowering))
			break;
	}
	return lowering->usage <= target;
}

/* ---- the three limits ------------------------------------------------------------------------ */

/* cgroup v1 reclaims in the write and answers EBUSY where that does not do (memory.rst, 5.1). */
static int lower_v1(struct lowering *lowering)
{
	int r = 0;

	while (r == 0 && lowering->present.number > lowering->target) {
		r = step(lowering, next_step(lowering));
		if (r == 0)
			r = look(lowering);
		else if (r == -EBUSY && go_on(lowering))
			r = 0;
		if (r == 0 && lowering->present.number > lowering->target &&
		    knob_clock_ms() >= lowering->deadline)
			r = -EBUSY;
	}
	if (r == -EBUSY)
		fail_busy(lowering, "the old limit stays");
	return r < 0 ? give_up(lowering, r) : 0;
}

/* Holds memory.high down, so that what was reclaimed is not taken again. 1 if it was moved. */
static int hold_high(const struct lowering *lowering, uint64_t target, struct knob_access *high,
		     struct knob_value *ret_before)
{
	const struct knob_value next = { .number = target };
	int r;

	if (!knob_access_other(lowering->access, KNOB_MEMORY_HIGH, high) ||
	    knob_read_value(high, NULL, ret_before) < 0 || ret_before->number <= target)
		return 0;
	r = knob_step(high, ret_before, &next, lowering->result);
	return r < 0 ? r : 1;
}

/* If it cannot be put back now, its journal entry says to do it later. */
static void release_high(const struct lowering *lowering, const struct knob_access *high,
			 uint64_t held, const struct knob_value *before)
{
	const struct knob_value ours = { .number = held };
	struct knob_result unused = { 0 };
	struct knob_value now;
	int r = knob_read_value(high, NULL, &now);

	/* Somebody else's by now: theirs to keep. */
	if (r == 0 && knob_equal(KNOB_MEMORY_HIGH, &now, &ours))
		r = knob_put(high, before, &unused);
	if (r == 0)
		knob_put_back(high, KNOB_MEMORY_HIGH, lowering->result);
	else
		knob_append(lowering->result, "; AND memory.high COULD NOT BE PUT BACK (%s)",
			    strerror(-r));
}

/*
 * cgroup v2 sets memory.max whatever is in use, and kills until it fits (memory_max_write()). So it
 * is lowered only when the use is clearly below already, or was brought there.
 */
static int lower_max(struct lowering *lowering)
{
	uint64_t target = lowering->target - lowering->target / MARGIN;
	bool fits = reclaim_until(lowering, target);
	struct knob_value before;
	struct knob_access high;
	int held = 0, r;

	if (!fits) {
		held = hold_high(lowering, target, &high, &before);
		if (held < 0)
			return held;
		fits = reclaim_until(lowering, target);
	}
	if (fits || lowering->access->request->allow_oom)
		r = step(lowering, lowering->target);
	else
		r = fail_busy(lowering, "a lower memory.max would kill, the old one stays "
					"(allow_oom=yes permits that)");
	if (r < 0)
		knob_explain_memory(lowering->access, lowering->result, r);
	if (held)
		release_high(lowering, &high, target, &before);
	return r;
}

/* A soft limit: it is set also where the use does not get there in time. */
static int lower_high(struct lowering *lowering)
{
	struct amounts text;
	int r = 0;

	while (r == 0 && lowering->present.number > lowering->target) {
		bool late = knob_clock_ms() >= lowering->deadline;
		uint64_t limit = late ? lowering->target : next_step(lowering);

		r = step(lowering, limit);
		if (r == 0 && !late)
			reclaim_until(lowering, limit);
	}
	if (r < 0)
		return give_up(lowering, r);
	if (lowering->usage > lowering->target && !lowering->result->text[0]) {
		text = amounts(lowering);
		snprintf(lowering->result->text, sizeof(lowering->result->text),
			 "done, but %s is in use: it is throttled until that fits", text.used);
	}
	return 0;
}

static int begin(const struct knob_access *access, struct knob_result *result,
		 struct lowering *ret_lowering)
{
	bool v2 = access->hierarchy->v2, memsw = access->knob == KNOB_MEMORY_MEMSW;
	struct lowering lowering = {
		.access = access,
		.result = result,
		.files = v2	 ? &files_v2
			 : memsw ? &files_memsw
				 : &files_v1,
		.present = result->before,
		.target = result->requested.number,
		.deadline = knob_deadline_ms(access),
		.lowest = UINT64_MAX,
	};
	int r = look(&lowering);

	if (r == 0 && lowering.usage > lowering.target)
		r = refuse(&lowering);
	*ret_lowering = lowering;
	return r;
}

int knob_check_lowering(const struct knob_access *access, struct knob_result *result)
{
	struct lowering lowering;

	return begin(access, result, &lowering);
}

int knob_lower_memory(const struct knob_access *access, struct knob_result *result)
{
	struct lowering lowering;
	int r = begin(access, result, &lowering);

	if (r < 0)
		return r;
	if (!access->hierarchy->v2)
		return lower_v1(&lowering);
	return access->knob == KNOB_MEMORY_HIGH ? lower_high(&lowering) : lower_max(&lowering);
}
