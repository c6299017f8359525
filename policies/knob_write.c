// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "core/units.h"
#include "policies/cgroup_act.h"
#include "policies/knob_private.h"
#include "policies/ownership.h"
#include "policies/unit_bus.h"

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
	bool v2 = access->hierarchy->v2;
	int r;

	/* Not there before 5.14. */
	if (knob_read_number(access, v2 ? "cpu.max.burst" : "cpu.cfs_burst_us", &value->burst) < 0)
		value->burst = 0;
	if (v2)
		return read_cpu_max(access, value);
	r = knob_read_number(access, access->file, &value->number);
	return r < 0 ? r : knob_read_number(access, "cpu.cfs_period_us", &value->period);
}

int knob_read_value(const struct knob_access *access, const struct knob_value *place,
		    struct knob_value *ret_value)
{
	struct knob_value value = { 0 };
	int r;

	if (access->knob == KNOB_CPU_QUOTA)
		r = read_cpu(access, &value);
	else if (access->knob == KNOB_FREEZE)
		r = knob_read_freeze(access, &value);
	else if (access->knob == KNOB_IO_MAX)
		r = knob_read_throttle(access, place, &value);
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

	*result = (struct knob_result){ .knob = knob, .hierarchy = -1 };
	r = knob_access_open(context, knob, node, &access, result);
	if (r < 0)
		return r;
	r = knob_read_value(&access, place, &result->before);
	if (r < 0)
		return knob_fail(result, r, "%s cannot be read: %s", result->file, strerror(-r));
	result->has_before = true;
	return 0;
}

/* ---- writing
 * ------------------------------------------------------------------------------------- */

/* Fewer than there are is legal: nobody is ended, but nobody can fork (pids.rst). */
static void mention_pids(const struct knob_access *access, struct knob_result *result)
{
	uint64_t current;

	if (!access->request->restore && knob_read_number(access, "pids.current", &current) == 0 &&
	    current > result->requested.number)
		snprintf(result->text, sizeof(result->text),
			 "done, but there are %llu tasks: they stay, and cannot fork",
			 (unsigned long long)current);
}

static int read_parent(const struct knob_access *access, const char *file, char *line, size_t size)
{
	_cleanup_(freep) char *path = strdup(hierarchy_relative(access->node->path));
	char *slash = path ? strrchr(path, '/') : NULL;
	struct knob_access parent = *access;
	int r;

	if (!path)
		return -ENOMEM;
	if (slash)
		*slash = '\0';
	parent.fd = knob_open_beneath(access->hierarchy->fd, slash ? path : ".");
	if (parent.fd < 0)
		return parent.fd;
	r = knob_read_line(&parent, file, line, size);
	close(parent.fd);
	return r;
}

/*
 * A v2 cpuset is empty until somebody sets it, which means all that the parent has; but with tasks
 * in it cannot be emptied again (validate_change()). What goes back then is what it stands for.
 */
static int fill_cpuset(const struct knob_access *access, struct knob_result *result)
{
	bool cpus = access->knob == KNOB_CPUSET_CPUS;
	struct knob_value all = { 0 };
	int r;

	if ((!cpus && access->knob != KNOB_CPUSET_MEMS) || !access->hierarchy->v2 ||
	    !access->request->restore || result->requested.text[0])
		return -ENOSPC;
	r = read_parent(access, cpus ? "cpuset.cpus.effective" : "cpuset.mems.effective", all.text,
			sizeof(all.text));
	if (r == 0)
		r = knob_put(access, &all, result);
	if (r < 0)
		return -ENOSPC;
	result->requested = all;
	result->adjusted = true;
	snprintf(result->text, sizeof(result->text),
		 "with tasks in it it cannot be emptied again: it has all of its parent's");
	return 0;
}

static int write_plain(const struct knob_access *access, struct knob_result *result)
{
	int r = knob_step(access, &result->before, &result->requested, result);

	if (r == -ENOSPC)
		r = fill_cpuset(access, result);
	if (r == 0 && access->knob == KNOB_PIDS_MAX)
		mention_pids(access, result);
	return r < 0 ? knob_explain(access, result, r) : 0;
}

int knob_write_value(const struct knob_access *access, struct knob_result *result)
{
	static int (*const writers[KNOB_COUNT])(const struct knob_access *access,
						struct knob_result *result) = {
		[KNOB_CPU_QUOTA] = knob_write_cpu,	[KNOB_FREEZE] = knob_write_freeze,
		[KNOB_MEMORY_MAX] = knob_write_memory,	[KNOB_MEMORY_MEMSW] = knob_write_memory,
		[KNOB_MEMORY_HIGH] = knob_write_memory, [KNOB_IO_MAX] = knob_write_throttle,
	};
	int (*writer)(const struct knob_access *access,
		      struct knob_result *result) = writers[access->knob];

	return writer ? writer(access, result) : write_plain(access, result);
}

/* systemd writes whole percents, rounded up, and finds a period for them. */
static void round_quota(struct knob_result *result)
{
	struct knob_value *value = &result->requested;
	uint64_t number = value->number;

	unit_bus_round(KNOB_CPU_QUOTA, value);
	if (value->number == number)
		return;
	result->adjusted = true;
	snprintf(result->text, sizeof(result->text),
		 "raised to %.0f%% of one core: systemd takes whole percents",
		 (double)value->number / (double)value->period * 100);
}

/* The kernel's bounds (tg_set_cfs_bandwidth()). */
static void fit_quota(const struct knob_access *access, struct knob_result *result)
{
	struct knob_value *value = &result->requested;

	if (access->unit)
		round_quota(result);
	if (access->unit || value->number >= 1000)
		return;
	value->number = 1000;
	result->adjusted = true;
	snprintf(result->text, sizeof(result->text),
		 "raised to 1 ms of the period of %llu us, the least the kernel takes",
		 (unsigned long long)value->period);
}

/*
 * "20%" of one core becomes a quota in the period that is there: rewriting the period would be
 * somebody's setting lost (runc #2456). What goes back is what was read: not fitted.
 */
static void resolve_value(const struct knob_access *access, struct knob_result *result)
{
	const struct knob_request *request = access->request;
	struct knob_value *value = &result->requested;
	uint64_t period = result->before.period;

	*value = request->value;
	if (request->knob == KNOB_IO_MAX)
		knob_throttle_resolve(&result->before, value);
	if (request->knob == KNOB_CPU_BURST)
		knob_clamp_burst(access, result);
	if (request->knob != KNOB_CPU_QUOTA || (request->restore && value->period != 0))
		return;
	if (value->period == 0) {
		value->period = period;
		if (value->number != KNOB_UNLIMITED)
			value->number = (uint64_t)((double)value->number * (double)period / 1e6 +
						   0.5);
	}
	fit_quota(access, result);
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

static int check_guards(const struct knob_access *access, struct knob_result *result)
{
	struct cgroup_act place = { .context = access->context,
				    .path = access->node->path,
				    .index = access->index,
				    .hierarchy = access->hierarchy,
				    .fd = access->fd };
	int r;

	if (access->request->allow_protected)
		return 0;
	r = cgroup_act_guard(&place);
	return r < 0 ? knob_fail(result, r, "refused: %s", place.reason) : 0;
}

static int check_allowed(const struct knob_access *access, struct knob_result *result)
{
	char reason[256];
	int r;

	if (root_is_recorded(access->context->root) && !access->context->dry_run)
		return knob_fail(result, -EROFS, "a recorded tree cannot be written");
	if (access->request->restore)
		return 0;
	r = ownership_check(access->context->root, access->context->hierarchies, access->index,
			    access->node->path, access->context->watchdog, reason, sizeof(reason));
	return r < 0 ? knob_fail(result, r, "refused: %s", reason) : check_guards(access, result);
}

/* What has to be so before anything is written. 1 if there is nothing to write. */
static int prepare(struct knob_access *access, struct knob_result *result)
{
	const struct knob_request *request = access->request;
	int r = check_allowed(access, result);

	if (r == 0)
		r = knob_find_unit(access, result);
	if (r < 0)
		return r;
	r = knob_read_value(access, &request->value, &result->before);
	if (r < 0)
		return knob_fail(result, r, "%s cannot be read: %s", access->file, strerror(-r));
	result->has_before = true;
	result->after = result->before;
	resolve_value(access, result);
	/* Back already, by the watchdog or by somebody's hand: nobody's conflict. */
	if (request->restore && knob_equal(access->knob, &result->before, &result->requested))
		return knob_lacks_burst(access, result) ? 0 : 1;
	if (request->expected && !knob_equal(access->knob, &result->before, request->expected))
		return knob_fail(result, -ESTALE, "somebody else changed it meanwhile: left alone");
	if (access->knob == KNOB_FREEZE && result->requested.number && result->before.number &&
	    !request->accept_frozen)
		return knob_fail(result, -EALREADY, "it was frozen by somebody else already");
	return knob_equal(access->knob, &result->before, &result->requested) ? 1 : 0;
}

static int read_back(const struct knob_access *access, bool written, struct knob_result *result)
{
	struct knob_result undone = *result;
	int r = knob_read_value(access, &result->requested, &result->after);

	/* Once more: what is being written at the same moment may be read in two halves. */
	if (r < 0)
		r = knob_read_value(access, &result->requested, &result->after);
	if (r < 0 && written) {
		/* As far as anybody knows it is there, and is to be undone. */
		result->after = result->requested;
		result->changed = true;
		knob_fail(result, r, "written, but %s cannot be read back: %s", access->file,
			  strerror(-r));
		/* Nobody may stay frozen by what is called a failure. */
		undone.requested.number = 0;
		if (access->knob == KNOB_FREEZE && result->requested.number)
			result->changed = knob_write_freeze(access, &undone) < 0;
		return r;
	}
	if (r < 0)
		return knob_fail(result, r, "%s cannot be read back: %s", access->file,
				 strerror(-r));
	result->changed = !knob_equal(access->knob, &result->before, &result->after);
	if (knob_equal(access->knob, &result->after, &result->requested))
		return 0;
	/* systemd's rounding: what stands there now is what was written. */
	if (!result->error && knob_near(access, &result->after, &result->requested)) {
		result->adjusted = true;
		return knob_announce(access, &result->after, &result->after, result);
	}
	/* The kernel took ours: whoever wrote since must not lose it when ours is undone. */
	return knob_fail(result, -ESTALE,
			 "%s reads back another value than was written: somebody else changed it "
			 "at the same moment: left alone",
			 access->file);
}

/* What can be known beforehand is: a rehearsal that promises too much is worth nothing. */
static int rehearse(const struct knob_access *access, struct knob_result *result)
{
	bool memory = access->knob == KNOB_MEMORY_MAX || access->knob == KNOB_MEMORY_HIGH ||
		      access->knob == KNOB_MEMORY_MEMSW;
	int r = memory ? knob_check_memory(access, result) : 0;

	if (r < 0)
		return r;
	result->changed = true;
	result->after = result->requested;
	log_change(access, result);
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
	access.request = request;
	if (r == 0)
		r = prepare(&access, ret);
	if (r != 0)
		return r < 0 ? r : 0;
	if (context->dry_run)
		return rehearse(&access, ret);
	error = knob_write_value(&access, ret);
	r = read_back(&access, error == 0, ret);
	if (error < 0)
		ret->error = r = error;
	if (ret->changed)
		log_change(&access, ret);
	return r;
}
