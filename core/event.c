// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "core/event.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/units.h"

enum {
	WINDOW_LEAST_USEC = 500000,
	WINDOW_MOST_USEC = 10000000, /* psi.rst: windows of 500ms to 10s */
};

struct event_row {
	const char *name;
	enum metric_id column; /* M_NONE: see psi_columns */
	enum event_sign sign;
};

static const struct event_row events[EVENT_KIND_COUNT] = {
	[EVENT_OOM_KILL] = { "oom_kill", M_MEMORY_EVENTS_OOM_KILL, EVENT_SIGN_COUNT },
	[EVENT_OOM] = { "oom", M_MEMORY_EVENTS_OOM, EVENT_SIGN_COUNT },
	[EVENT_MEMORY_LOW] = { "memory.low", M_MEMORY_EVENTS_LOW, EVENT_SIGN_COUNT },
	[EVENT_MEMORY_HIGH] = { "memory.high", M_MEMORY_EVENTS_HIGH, EVENT_SIGN_COUNT },
	[EVENT_MEMORY_MAX] = { "memory.max", M_MEMORY_EVENTS_MAX, EVENT_SIGN_COUNT },
	[EVENT_PIDS_MAX] = { "pids.max", M_PIDS_EVENTS_MAX, EVENT_SIGN_COUNT },
	[EVENT_PSI] = { "psi", M_NONE, EVENT_SIGN_STALL },
	[EVENT_POPULATED] = { "populated", M_CGROUP_POPULATED, EVENT_SIGN_SET },
	[EVENT_EMPTY] = { "empty", M_CGROUP_POPULATED, EVENT_SIGN_CLEARED },
	[EVENT_FROZEN] = { "frozen", M_FREEZER_FROZEN, EVENT_SIGN_SET },
	[EVENT_THAWED] = { "thawed", M_FREEZER_FROZEN, EVENT_SIGN_CLEARED },
	[EVENT_FORK] = { "fork", M_NONE, EVENT_SIGN_COUNT },
	[EVENT_EXEC] = { "exec", M_NONE, EVENT_SIGN_COUNT },
	[EVENT_EXIT] = { "exit", M_NONE, EVENT_SIGN_COUNT },
	[EVENT_ATTACHED] = { "attached", M_NONE, EVENT_SIGN_COUNT },
	[EVENT_WRITE] = { "write", M_NONE, EVENT_SIGN_COUNT },
	[EVENT_NS_CREATED] = { "ns_created", M_NONE, EVENT_SIGN_COUNT },
	[EVENT_NS_DESTROYED] = { "ns_destroyed", M_NONE, EVENT_SIGN_COUNT },
};

static const char *const resources[PSI_RESOURCE_COUNT] = {
	[PSI_CPU] = "cpu", [PSI_MEMORY] = "memory", [PSI_IO] = "io"
};

static const enum metric_id psi_columns[PSI_RESOURCE_COUNT][2] = {
	[PSI_CPU] = { M_PSI_CPU_SOME_TOTAL, M_PSI_CPU_FULL_TOTAL },
	[PSI_MEMORY] = { M_PSI_MEMORY_SOME_TOTAL, M_PSI_MEMORY_FULL_TOTAL },
	[PSI_IO] = { M_PSI_IO_SOME_TOTAL, M_PSI_IO_FULL_TOTAL },
};

const char *event_names(void)
{
	return "oom_kill, oom, memory.low, memory.high, memory.max, pids.max, populated, empty, "
	       "frozen, thawed, fork, exec, exit, attached, write, ns_created, ns_destroyed, and "
	       "psi.RESOURCE.some or .full with STALL/WINDOW";
}

static int fail(char *reason, size_t size, const char *text, const char *why)
{
	snprintf(reason, size, "\"%s\": %s", text, why);
	return -EINVAL;
}

/* "memory.some" */
static int parse_pressure(const char *name, size_t length, struct event_spec *spec)
{
	for (int i = 0; i < PSI_RESOURCE_COUNT; i++) {
		size_t n = strlen(resources[i]);

		if (length != n + 5 || strncmp(name, resources[i], n) != 0)
			continue;
		spec->resource = (enum psi_resource)i;
		spec->full = strncmp(name + n, ".full", 5) == 0;
		return spec->full || strncmp(name + n, ".some", 5) == 0 ? 0 : -EINVAL;
	}
	return -EINVAL;
}

/* "150ms/1s" */
static int parse_stall(const char *text, struct event_spec *spec)
{
	_cleanup_(freep) char *copy = strdup(text);
	char *slash = copy ? strchr(copy, '/') : NULL;
	uint64_t stall, window;

	if (!slash)
		return -EINVAL;
	*slash = '\0';
	if (parse_duration(copy, &stall) < 0 || parse_duration(slash + 1, &window) < 0)
		return -EINVAL;
	if (window < WINDOW_LEAST_USEC || window > WINDOW_MOST_USEC || stall == 0 ||
	    stall >= window)
		return -ERANGE;
	spec->stall_usec = (uint32_t)stall;
	spec->window_usec = (uint32_t)window;
	return 0;
}

static int parse_psi(const char *text, struct event_spec *spec, char *reason, size_t size)
{
	const char *name = text + strlen("psi.");
	size_t length = strcspn(name, " \t");
	const char *stall = name + length + strspn(name + length, " \t");
	int r;

	if (parse_pressure(name, length, spec) < 0)
		return fail(reason, size, text,
			    "write psi.cpu, psi.memory or psi.io with .some or .full");
	r = parse_stall(stall, spec);
	if (r == -ERANGE)
		return fail(reason, size, text,
			    "the window must be from 500ms to 10s and the stall shorter");
	if (r < 0)
		return fail(reason, size, text,
			    "it needs the time stalled and the window, as in 150ms/1s");
	return 0;
}

int event_parse(const char *text, struct event_spec *ret_spec, char *reason, size_t size)
{
	struct event_spec spec = { 0 };
	int r;

	if (strncmp(text, "psi.", 4) == 0) {
		spec.kind = EVENT_PSI;
		r = parse_psi(text, &spec, reason, size);
		if (r == 0)
			*ret_spec = spec;
		return r;
	}
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		if (kind != EVENT_PSI && strcmp(events[kind].name, text) == 0) {
			*ret_spec = (struct event_spec){ .kind = (enum event_kind)kind };
			return 0;
		}
	}
	snprintf(reason, size, "\"%s\" is no event: there are %s", text, event_names());
	return -EINVAL;
}

static void add_time(struct strbuf *buffer, uint32_t usec)
{
	if (usec % 1000 == 0)
		strbuf_printf(buffer, "%ums", usec / 1000);
	else
		strbuf_printf(buffer, "%uus", usec);
}

void event_format(const struct event_spec *spec, struct strbuf *buffer)
{
	if (spec->kind != EVENT_PSI) {
		strbuf_add_string(buffer, events[spec->kind].name);
		return;
	}
	strbuf_printf(buffer, "psi.%s.%s ", resources[spec->resource],
		      spec->full ? "full" : "some");
	add_time(buffer, spec->stall_usec);
	strbuf_add_char(buffer, '/');
	add_time(buffer, spec->window_usec);
}

bool event_equal(const struct event_spec *a, const struct event_spec *b)
{
	return a->kind == b->kind && a->resource == b->resource && a->full == b->full &&
	       a->stall_usec == b->stall_usec && a->window_usec == b->window_usec;
}

bool event_needs_programs(enum event_kind kind)
{
	return kind >= EVENT_FORK;
}

enum metric_id event_column(const struct event_spec *spec, enum event_sign *ret_sign)
{
	*ret_sign = events[spec->kind].sign;
	if (spec->kind == EVENT_PSI)
		return psi_columns[spec->resource][spec->full];
	return events[spec->kind].column;
}
