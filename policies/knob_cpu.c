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

static void format_quota(const struct knob_value *value, bool v2, char *text, size_t size)
{
	if (value->number == KNOB_UNLIMITED)
		snprintf(text, size, "%s", v2 ? "max" : "-1");
	else
		snprintf(text, size, "%llu", (unsigned long long)value->number);
}

static int write_v2(const struct knob_access *access, const struct knob_value *value)
{
	char quota[32], text[64];

	format_quota(value, true, quota, sizeof(quota));
	snprintf(text, sizeof(text), "%s %llu", quota, (unsigned long long)value->period);
	return knob_write_text(access, access->file, text);
}

/*
 * Two files that the kernel checks against each other at every step: period first, and if it does
 * not like the quota in between, the other way round (as runc and crun do).
 */
static int write_v1(const struct knob_access *access, const struct knob_result *result)
{
	const struct knob_value *value = &result->requested;
	char quota[32], period[32];
	int r;

	format_quota(value, false, quota, sizeof(quota));
	if (value->period == result->before.period)
		return knob_write_text(access, access->file, quota);
	snprintf(period, sizeof(period), "%llu", (unsigned long long)value->period);
	r = knob_write_text(access, "cpu.cfs_period_us", period);
	if (r == 0)
		return knob_write_text(access, access->file, quota);
	if (r != -EINVAL)
		return r;
	r = knob_write_text(access, access->file, quota);
	return r < 0 ? r : knob_write_text(access, "cpu.cfs_period_us", period);
}

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

/* v1 refuses a parent below a child: names the child, so that the EINVAL can be understood. */
static bool find_larger_child(const struct knob_access *access, const struct knob_value *value,
			      char *name, size_t size)
{
	int fd = openat(access->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closedirp) DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		struct knob_access child = *access;
		struct knob_value present;
		bool larger;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		child.fd = openat(access->fd, entry->d_name,
				  O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child.fd < 0)
			continue;
		larger = knob_read_value(&child, &present) == 0 &&
			 present.number != KNOB_UNLIMITED &&
			 knob_tighter(KNOB_CPU_QUOTA, value, &present);
		close(child.fd);
		if (larger) {
			snprintf(name, size, "%s", entry->d_name);
			return true;
		}
	}
	return false;
}

static int explain(const struct knob_access *access, struct knob_result *result, int error)
{
	char name[256];
	uint64_t burst;

	if (error != -EINVAL)
		return knob_fail(result, error, "%s: %s", access->file, strerror(-error));
	if (knob_read_number(access, access->hierarchy->v2 ? "cpu.max.burst" : "cpu.cfs_burst_us",
			     &burst) == 0 &&
	    burst > 0 && burst > result->requested.number)
		return knob_fail(result, error,
				 "the kernel refuses a quota below the burst of %llu us",
				 (unsigned long long)burst);
	if (!access->hierarchy->v2 &&
	    find_larger_child(access, &result->requested, name, sizeof(name)))
		return knob_fail(result, error,
				 "cgroup v1 refuses a parent with less than its child \"%s\" has: "
				 "lower the child first",
				 name);
	return knob_fail(
		result, error,
		"the kernel refuses the quota: an ancestor allows less (cgroup v1), or it is "
		"out of range");
}

int knob_write_cpu(const struct knob_access *access, struct knob_result *result)
{
	int r = access->hierarchy->v2 ? write_v2(access, &result->requested)
				      : write_v1(access, result);

	return r < 0 ? explain(access, result, r) : 0;
}
