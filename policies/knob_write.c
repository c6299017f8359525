// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "core/units.h"
#include "policies/knob_private.h"
#include "policies/ownership.h"

/* ---- reading
 * ------------------------------------------------------------------------------------- */

static int read_cpu_max(const struct knob_access *access, struct knob_value *value)
{
	char line[64], *period;
	int r = knob_read_line(access, access->file, line, sizeof(line));

	if (r < 0)
		return r;
	period = strchr(line, ' ');
	if (!period)
		return -EBADMSG;
	*period++ = '\0';
	value->number = KNOB_UNLIMITED;
	if (strcmp(line, "max") != 0 && parse_u64(line, &value->number) < 0)
		return -EBADMSG;
	return parse_u64(period, &value->period) < 0 ? -EBADMSG : 0;
}

static int read_cpu(const struct knob_access *access, struct knob_value *value)
{
	int r;

	if (access->hierarchy->v2)
		return read_cpu_max(access, value);
	r = knob_read_number(access, access->file, &value->number);
	return r < 0 ? r : knob_read_number(access, "cpu.cfs_period_us", &value->period);
}

int knob_read_value(const struct knob_access *access, struct knob_value *ret_value)
{
	struct knob_value value = { 0 };
	int r;

	if (access->knob == KNOB_CPU_QUOTA)
		r = read_cpu(access, &value);
	else if (access->knob == KNOB_FREEZE)
		r = knob_read_freeze(access, &value);
	else if (access->knob == KNOB_CPUSET_CPUS || access->knob == KNOB_CPUSET_MEMS)
		r = knob_read_line(access, access->file, value.text, sizeof(value.text));
	else
		r = knob_read_number(access, access->file, &value.number);
	if (r == 0)
		*ret_value = value;
	return r;
}

int knob_read(const struct knob_context *context, enum knob_id knob, const struct node *node,
	      struct knob_result *result)
{
	return knob_read_at(context, knob, node, NULL, result);
}

int knob_read_at(const struct knob_context *context, enum knob_id knob, const struct node *node,
		 const struct knob_value *place, struct knob_result *result)
{
	_cleanup_(knob_access_done) struct knob_access access = { .fd = -1 };
	int r;

	(void)place;
	*result = (struct knob_result){ .knob = knob, .hierarchy = -1 };
	r = knob_access_open(context, knob, node, &access, result);
	if (r < 0)
		return r;
	r = knob_read_value(&access, &result->before);
	if (r < 0)
		return knob_fail(result, r, "%s cannot be read: %s", result->file, strerror(-r));
	result->has_before = true;
	return 0;
}

/* ---- writing
 * ------------------------------------------------------------------------------------- */

static int write_number(const struct knob_access *access, const struct knob_value *value)
{
	char text[32] = "max";

	/* v1 memory knows -1 only; v1 pids.max is young enough to know the word. */
	if (value->number == KNOB_UNLIMITED && !access->hierarchy->v2 &&
	    access->knob != KNOB_PIDS_MAX)
		snprintf(text, sizeof(text), "-1");
	else if (value->number != KNOB_UNLIMITED)
		snprintf(text, sizeof(text), "%llu", (unsigned long long)value->number);
	return knob_write_text(access, access->file, text);
}

static int write_plain(const struct knob_access *access, struct knob_result *result)
{
	bool list = access->knob == KNOB_CPUSET_CPUS || access->knob == KNOB_CPUSET_MEMS;
	int r = list ? knob_write_text(access, access->file, result->requested.text)
		     : write_number(access, &result->requested);

	if (r < 0)
		return knob_fail(result, r, "%s: %s", access->file, strerror(-r));
	return 0;
}

int knob_write_value(const struct knob_access *access, const struct knob_request *request,
		     struct knob_result *result)
{
	if (access->knob == KNOB_CPU_QUOTA)
		return knob_write_cpu(access, result);
	if (access->knob == KNOB_FREEZE)
		return knob_write_freeze(access, result);
	if (access->knob == KNOB_MEMORY_MAX || access->knob == KNOB_MEMORY_MEMSW)
		return knob_write_memory(access, request, result);
	return write_plain(access, result);
}

/*
 * "20%" of one core becomes a quota in the period that is there: rewriting the period would be
 * somebody's setting lost (runc #2456).
 */
static void resolve_value(const struct knob_request *request, struct knob_result *result)
{
	struct knob_value *value = &result->requested;
	uint64_t period = result->before.period;

	*value = request->value;
	if (request->knob != KNOB_CPU_QUOTA || value->period != 0)
		return;
	value->period = period;
	if (value->number == KNOB_UNLIMITED)
		return;
	value->number = (uint64_t)((double)value->number * (double)period / 1e6 + 0.5);
	if (value->number < 1000) {
		value->number = 1000;
		result->adjusted = true;
		snprintf(result->text, sizeof(result->text),
			 "raised to 1 ms of the period of %llu us, the least the kernel takes",
			 (unsigned long long)period);
	}
}

static void log_change(const struct knob_access *access, const struct knob_result *result)
{
	struct strbuf before, after;

	strbuf_init(&before);
	strbuf_init(&after);
	knob_format_human(access->knob, &result->before, &before);
	knob_format_human(access->knob, &result->after, &after);
	log_info("%s: %s (%s): %s -> %s%s", access->node->path, access->file,
		 access->hierarchy->name, before.data ? before.data : "?",
		 after.data ? after.data : "?",
		 access->context->dry_run ? " (not done: dry run)" : "");
	strbuf_done(&before);
	strbuf_done(&after);
}

static int check_allowed(const struct knob_access *access, const struct knob_request *request,
			 struct knob_result *result)
{
	char reason[256];
	int r;

	if (root_is_recorded(access->context->root) && !access->context->dry_run)
		return knob_fail(result, -EROFS, "a recorded tree cannot be written");
	if (request->restore)
		return 0;
	r = ownership_check(access->context->root, access->context->hierarchies, access->index,
			    access->node->path, access->context->watchdog, reason, sizeof(reason));
	return r < 0 ? knob_fail(result, r, "refused: %s", reason) : 0;
}

/* What has to be so before anything is written. 1 if there is nothing to write. */
static int prepare(const struct knob_access *access, const struct knob_request *request,
		   struct knob_result *result)
{
	int r = check_allowed(access, request, result);

	if (r < 0)
		return r;
	r = knob_read_value(access, &result->before);
	if (r < 0)
		return knob_fail(result, r, "%s cannot be read: %s", access->file, strerror(-r));
	result->has_before = true;
	result->after = result->before;
	resolve_value(request, result);
	/* Back already, by the watchdog or by somebody's hand: nobody's conflict. */
	if (request->restore && knob_equal(access->knob, &result->before, &result->requested))
		return 1;
	if (request->expected && !knob_equal(access->knob, &result->before, request->expected))
		return knob_fail(result, -ESTALE, "somebody else changed it meanwhile: left alone");
	if (access->knob == KNOB_FREEZE && result->requested.number && result->before.number &&
	    !request->accept_frozen)
		return knob_fail(result, -EALREADY, "it was frozen by somebody else already");
	return knob_equal(access->knob, &result->before, &result->requested) ? 1 : 0;
}

static int read_back(const struct knob_access *access, struct knob_result *result)
{
	int r = knob_read_value(access, &result->after);

	if (r < 0)
		return knob_fail(result, r, "%s cannot be read back: %s", access->file,
				 strerror(-r));
	result->changed = !knob_equal(access->knob, &result->before, &result->after);
	/* The kernel took ours: whoever wrote since must not lose it when ours is undone. */
	if (!knob_equal(access->knob, &result->after, &result->requested))
		return knob_fail(result, -ESTALE,
				 "%s reads back another value than was written: somebody else "
				 "changed it at the same moment: left alone",
				 access->file);
	return 0;
}

int knob_write(const struct knob_context *context, const struct knob_request *request,
	       struct knob_result *ret)
{
	_cleanup_(knob_access_done) struct knob_access access = { .fd = -1 };
	int r, error;

	*ret = (struct knob_result){ .knob = request->knob, .hierarchy = -1 };
	/* Said first: roots lack most knobs, and "no such file" would be a riddle. */
	if (!request->restore && request->node->depth == 0)
		return knob_fail(ret, -EPERM, "refused: the root of a hierarchy is never touched");
	r = knob_access_open(context, request->knob, request->node, &access, ret);
	if (r == 0)
		r = prepare(&access, request, ret);
	if (r != 0)
		return r < 0 ? r : 0;
	if (context->dry_run) {
		ret->changed = true;
		ret->after = ret->requested;
		log_change(&access, ret);
		return 0;
	}
	if (request->about_to_write) {
		r = request->about_to_write(request->data, ret);
		if (r < 0)
			return knob_fail(ret, r, "not written, as the journal could not be: %s",
					 strerror(-r));
	}
	error = knob_write_value(&access, request, ret);
	r = read_back(&access, ret);
	if (error < 0)
		ret->error = r = error;
	if (ret->changed)
		log_change(&access, ret);
	return r;
}
