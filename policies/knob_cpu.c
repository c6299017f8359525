// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"

enum { MAX_DEPTH = 64 };

/* Of the two v1 files one; so that the other stays what it is. */
static int write_v1_file(const struct knob_access *access, bool period,
			 const struct knob_value *value)
{
	char text[32];

	if (period)
		snprintf(text, sizeof(text), "%llu", (unsigned long long)value->period);
	else if (value->number == KNOB_UNLIMITED)
		snprintf(text, sizeof(text), "-1");
	else
		snprintf(text, sizeof(text), "%llu", (unsigned long long)value->number);
	return knob_write_text(access, period ? "cpu.cfs_period_us" : access->file, text);
}

/* One file after the other. If the second is refused, the first goes back. */
static int write_both(const struct knob_access *access, struct knob_result *result,
		      bool period_first)
{
	const struct knob_value *before = &result->before, *wanted = &result->requested;
	struct knob_value middle = *before;
	int r;

	if (period_first)
		middle.period = wanted->period;
	else
		middle.number = wanted->number;
	r = knob_announce(access, before, &middle, result);
	if (r == 0)
		r = write_v1_file(access, period_first, wanted);
	if (r < 0)
		return r;
	r = knob_announce(access, &middle, wanted, result);
	if (r == 0)
		r = write_v1_file(access, !period_first, wanted);
	if (r < 0 && write_v1_file(access, period_first, before) < 0)
		knob_fail(result, r, "%s: %s; AND THE %s COULD NOT BE PUT BACK", access->file,
			  strerror(-r), period_first ? "PERIOD" : "QUOTA");
	return r;
}

/*
 * Two files that the kernel checks against each other at every step: period first, and if it does
 * not like the quota in between, the other way round (as runc and crun do).
 */
static int write_v1(const struct knob_access *access, struct knob_result *result)
{
	const struct knob_value *before = &result->before, *wanted = &result->requested;
	int r;

	if (wanted->period == before->period)
		return knob_step(access, before, wanted, result);
	r = wanted->number == before->number ? -EINVAL : write_both(access, result, true);
	return r == -EINVAL ? write_both(access, result, false) : r;
}

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

static bool has_quota(const struct knob_access *at, struct knob_value *ret_value)
{
	return knob_read_value(at, NULL, ret_value) == 0 && ret_value->number != KNOB_UNLIMITED;
}

/*
 * v1 refuses a parent below anyone of its subtree (tg_cfs_schedulable_down()): names the one, so
 * that the EINVAL can be understood. Below a child with a quota of its own only that one counts.
 */
static bool find_larger_child(const struct knob_access *access, const struct knob_value *value,
			      struct strbuf *name, int depth)
{
	int fd = openat(access->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closedirp) DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (directory && depth < MAX_DEPTH && (entry = readdir(directory))) {
		struct knob_access child = *access;
		struct knob_value present;
		size_t length = name->length;
		bool larger;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		child.fd = openat(access->fd, entry->d_name,
				  O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child.fd < 0)
			continue;
		strbuf_printf(name, "%s%s", length ? "/" : "", entry->d_name);
		larger = has_quota(&child, &present)
				 ? knob_tighter(KNOB_CPU_QUOTA, value, &present)
				 : find_larger_child(&child, value, name, depth + 1);
		close(child.fd);
		if (larger)
			return true;
		name->length = length;
		if (name->data)
			name->data[length] = '\0';
	}
	return false;
}

/* The next ancestor that has less; its path in `path`, which is that of the cgroup at first. */
static bool find_smaller_ancestor(const struct knob_access *access, const struct knob_value *value,
				  char *path)
{
	struct knob_access above = *access;
	char *slash;

	while ((slash = strrchr(path, '/'))) {
		struct knob_value present;
		bool smaller;

		*slash = '\0';
		above.fd = knob_open_beneath(access->hierarchy->fd, path);
		if (above.fd < 0)
			return false;
		smaller = has_quota(&above, &present) &&
			  knob_tighter(KNOB_CPU_QUOTA, &present, value);
		close(above.fd);
		if (smaller)
			return true;
	}
	return false;
}

static int explain_child(const struct knob_access *access, struct knob_result *result, int error)
{
	struct strbuf name;

	strbuf_init(&name);
	if (find_larger_child(access, &result->requested, &name, 0))
		knob_fail(result, error,
			  "cgroup v1 refuses a parent with less than its child \"%s\" has: "
			  "lower the child first",
			  name.data);
	strbuf_done(&name);
	return result->error ? error : 0;
}

static int explain(const struct knob_access *access, struct knob_result *result, int error)
{
	_cleanup_(freep) char *path = strdup(hierarchy_relative(access->node->path));

	if (error != -EINVAL || result->error)
		return knob_explain(access, result, error);
	if (!access->hierarchy->v2 && explain_child(access, result, error) < 0)
		return error;
	if (!access->hierarchy->v2 && path &&
	    find_smaller_ancestor(access, &result->requested, path))
		return knob_fail(result, error,
				 "cgroup v1 refuses more than the ancestor \"%s\" has: an ancestor "
				 "allows less",
				 path);
	return knob_fail(
		result, error,
		"the kernel refuses the quota: an ancestor allows less (cgroup v1), or it is "
		"out of range");
}

/* v2 takes any quota; what is in force is the least on the way up. */
static void mention_ancestor(const struct knob_access *access, struct knob_result *result)
{
	_cleanup_(freep) char *path = strdup(hierarchy_relative(access->node->path));

	if (access->hierarchy->v2 && !result->text[0] && !access->request->restore && path &&
	    find_smaller_ancestor(access, &result->requested, path))
		snprintf(result->text, sizeof(result->text),
			 "done, but the ancestor \"%s\" allows less, and that is in force", path);
}

int knob_write_cpu(const struct knob_access *access, struct knob_result *result)
{
	int lowered, r;

	/* Only the burst is missing: an unchanged quota is not written (sched-bwc.rst). */
	if (knob_equal(KNOB_CPU_QUOTA, &result->before, &result->requested))
		return knob_restore_burst(access, result->requested.burst, result);
	lowered = knob_lower_burst(access, result);
	if (lowered < 0)
		return lowered;
	r = access->unit || access->hierarchy->v2
		    ? knob_step(access, &result->before, &result->requested, result)
		    : write_v1(access, result);
	if (r < 0)
		explain(access, result, r);
	if (r < 0 && lowered)
		knob_restore_burst(access, result->before.burst, result);
	if (lowered)
		knob_put_back(access, KNOB_CPU_BURST, result);
	if (r == 0 && access->request->restore)
		r = knob_restore_burst(access, result->requested.burst, result);
	if (r == 0)
		mention_ancestor(access, result);
	return r;
}
