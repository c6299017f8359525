// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob_private.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "policies/unit_bus.h"

/*
 * One write: announced to the journal, then done by whoever has to do it: systemd for what it
 * manages (CGROUP_DELEGATION.md), the file for the rest.
 */

/* ---- who writes ------------------------------------------------------------------------------ */

/* For what systemd does not know, container runtimes write the file of their scopes themselves. */
static bool is_container_scope(const char *unit)
{
	static const char *const patterns[] = { "docker-*.scope", "libpod-*.scope",
						"cri-containerd-*.scope", "crio-*.scope" };

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		if (fnmatch(patterns[i], unit, 0) == 0)
			return true;
	}
	return false;
}

int knob_find_unit(struct knob_access *access, struct knob_result *result)
{
	struct unit_bus *bus = access->context->units;
	_cleanup_(freep) char *unit = NULL;
	int r;

	if (!bus || !unit_bus_manages(access->knob, access->hierarchy->v2))
		return 0;
	r = unit_bus_find(bus, access->node->path, &unit);
	/* A bus that does not answer must not keep anybody frozen. */
	if (r == -ENOENT || (r < 0 && access->knob == KNOB_FREEZE && access->request->restore))
		return 0;
	if (r < 0)
		return knob_fail(result, r,
				 "not written: whether systemd manages it cannot be told: %s",
				 strerror(-r));
	if (unit_bus_has(access->knob, access->hierarchy->v2)) {
		snprintf(result->unit, sizeof(result->unit), "%s", unit);
		access->unit = TAKE_PTR(unit);
		return 0;
	}
	if (is_container_scope(unit) || access->request->restore)
		return 0;
	return knob_fail(result, -EOPNOTSUPP,
			 "%s belongs to systemd, which has no property for %s: written behind its "
			 "back it could be undone at any time",
			 unit, access->row->name);
}

bool knob_access_other(const struct knob_access *access, enum knob_id knob,
		       struct knob_access *ret_other)
{
	struct knob_access other = *access;

	other.knob = knob;
	other.row = &knob_rows[knob];
	other.file = access->hierarchy->v2 ? other.row->v2_file : other.row->v1_file;
	if (!other.file || faccessat(access->fd, other.file, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (other.unit && !unit_bus_has(knob, access->hierarchy->v2)) {
		if (!is_container_scope(other.unit))
			return false;
		other.unit = NULL;
	}
	*ret_other = other;
	return true;
}

/* ---- the journal ----------------------------------------------------------------------------- */

int knob_announce(const struct knob_access *access, const struct knob_value *present,
		  const struct knob_value *next, struct knob_result *result)
{
	const struct knob_request *request = access->request;
	struct knob_result step = *result;
	int r;

	if (!request->about_to_write)
		return 0;
	step.knob = access->knob;
	step.file = access->file;
	step.before = *present;
	step.requested = *next;
	r = request->about_to_write(request->data, &step);
	return r < 0 ? knob_fail(result, r, "not written, as the journal could not be: %s",
				 strerror(-r))
		     : 0;
}

void knob_put_back(const struct knob_access *access, enum knob_id knob,
		   const struct knob_result *result)
{
	struct knob_result step = *result;

	step.knob = knob;
	if (access->request->put_back)
		access->request->put_back(access->request->data, &step);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void number_text(const struct knob_access *access, uint64_t number, char *text, size_t size)
{
	/* v1 memory and quotas know -1 only; v1 pids.max is young enough to know the word. */
	bool word = access->hierarchy->v2 || access->knob == KNOB_PIDS_MAX;

	if (number == KNOB_UNLIMITED)
		snprintf(text, size, "%s", word ? "max" : "-1");
	else
		snprintf(text, size, "%llu", (unsigned long long)number);
}

static int put_file(const struct knob_access *access, const struct knob_value *value)
{
	char number[32], text[300];

	/* Nothing at all is not written by write(2): the end of a line empties the list. */
	if (access->row->form == &knob_form_list)
		return knob_write_text(access, access->file, value->text[0] ? value->text : "\n");
	number_text(access, value->number, number, sizeof(number));
	snprintf(text, sizeof(text), "%s", number);
	if (access->knob == KNOB_CPU_QUOTA && access->hierarchy->v2)
		snprintf(text, sizeof(text), "%s %llu", number, (unsigned long long)value->period);
	return knob_write_text(access, access->file, text);
}

bool knob_near(const struct knob_access *access, const struct knob_value *a,
	       const struct knob_value *b)
{
	double difference;

	if (knob_equal(access->knob, a, b))
		return true;
	if (!access->unit || access->knob != KNOB_CPU_QUOTA || !a->period || !b->period ||
	    a->number == KNOB_UNLIMITED || b->number == KNOB_UNLIMITED)
		return false;
	difference = (double)a->number / (double)a->period - (double)b->number / (double)b->period;
	return difference < 0.0101 && difference > -0.0101;
}

/* systemd answers first and writes soon after. */
static void await_unit(const struct knob_access *access, const struct knob_value *value)
{
	uint64_t deadline = knob_deadline_ms(access);
	struct knob_value present;

	while (knob_read_value(access, value, &present) == 0 &&
	       !knob_near(access, &present, value) && knob_clock_ms() < deadline)
		usleep(2000);
}

static int put_unit(const struct knob_access *access, const struct knob_value *value,
		    struct knob_result *result)
{
	char reason[256] = "";
	int r = unit_bus_set(access->context->units, access->unit, access->knob,
			     access->hierarchy->v2, value, reason, sizeof(reason));

	if (r < 0)
		return knob_fail(result, r, "systemd does not change %s: %s", access->unit,
				 reason[0] ? reason : strerror(-r));
	if (access->knob != KNOB_FREEZE)
		await_unit(access, value);
	return 0;
}

int knob_put(const struct knob_access *access, const struct knob_value *value,
	     struct knob_result *result)
{
	return access->unit ? put_unit(access, value, result) : put_file(access, value);
}

int knob_step(const struct knob_access *access, const struct knob_value *present,
	      const struct knob_value *next, struct knob_result *result)
{
	int r = knob_announce(access, present, next, result);

	return r < 0 ? r : knob_put(access, next, result);
}

/* ---- why not --------------------------------------------------------------------------------- */

static const struct {
	enum knob_id knob; /* KNOB_COUNT: any */
	int error;
	const char *text;
} reasons[] = {
	{ KNOB_CPUSET_CPUS, -ENOSPC, "processes would be left without a CPU" },
	{ KNOB_CPUSET_MEMS, -ENOSPC, "processes would be left without a memory node" },
	{ KNOB_CPUSET_CPUS, -EBUSY, "a child uses some of the CPUs that would go" },
	{ KNOB_CPUSET_MEMS, -EBUSY, "a child uses some of the memory nodes that would go" },
	{ KNOB_CPUSET_CPUS, -EACCES, "the parent does not have all of these CPUs" },
	{ KNOB_CPUSET_MEMS, -EACCES, "the parent does not have all of these memory nodes" },
	{ KNOB_CPUSET_CPUS, -EINVAL,
	  "there is no such CPU, or the parent or an exclusive neighbour does not let it go" },
	{ KNOB_CPUSET_MEMS, -EINVAL, "there is no such memory node, or the parent has it not" },
	{ KNOB_CPU_BURST, -EINVAL, "the kernel takes no burst above the quota" },
	{ KNOB_IO_MAX, -ENODEV,
	  "there is no such disk (a partition has no limits of its own), or the cgroup is being "
	  "removed" },
	{ KNOB_IO_WEIGHT, -ERANGE, "the scheduler of the disk takes no such weight" },
	{ KNOB_IO_WEIGHT, -EINVAL, "the scheduler of the disk takes no such weight" },
	{ KNOB_COUNT, -ENODEV, "the cgroup is being removed" },
	{ KNOB_COUNT, -ENOENT, "the cgroup is gone, or its controller was turned off" },
	{ KNOB_COUNT, -EROFS, "the cgroup file system is mounted read-only" },
	{ KNOB_COUNT, -EIO, "the kernel could not take all of it (input/output error)" },
	{ KNOB_COUNT, -EPERM, "the kernel does not permit it (nsdelegate, or a missing right)" },
	{ KNOB_COUNT, -EACCES, "the kernel does not permit it (a missing right)" },
};

int knob_explain(const struct knob_access *access, struct knob_result *result, int error)
{
	if (result->error)
		return error;
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].error == error &&
		    (reasons[i].knob == access->knob || reasons[i].knob == KNOB_COUNT))
			return knob_fail(result, error, "%s: %s", access->file, reasons[i].text);
	}
	return knob_fail(result, error, "%s: %s", access->file, strerror(-error));
}
