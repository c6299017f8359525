// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/manual.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/knob_private.h"

static int parse_assignment(const char *assignment, enum knob_id *ret_knob,
			    struct knob_value *ret_value, struct knob_result *result)
{
	const char *equals = strchr(assignment, '='), *why = NULL;
	_cleanup_(freep) char *name = NULL;

	*result = (struct knob_result){ .hierarchy = -1 };
	if (!equals)
		return knob_fail(result, -EINVAL, "\"%s\" is not KNOB=VALUE", assignment);
	name = strndup(assignment, (size_t)(equals - assignment));
	if (!name)
		return knob_fail(result, -ENOMEM, "no memory");
	if (knob_find(name, ret_knob) < 0)
		return knob_fail(result, -EINVAL, "\"%s\" is no knob that can be set", name);
	result->knob = *ret_knob;
	if (knob_parse(*ret_knob, equals + 1, ret_value, &why) < 0)
		return knob_fail(result, -EINVAL, "%s: \"%s\": %s", name, equals + 1, why);
	return 0;
}

static int write_one(const struct knob_context *context, const struct node *node, enum knob_id knob,
		     const struct knob_value *value, struct knob_result *ret)
{
	struct knob_request request = {
		.knob = knob, .node = node, .value = *value, .accept_frozen = true
	};
	int r = knob_write(context, &request, ret);

	if (r == 0 && !ret->text[0])
		snprintf(ret->text, sizeof(ret->text), "%s",
			 !ret->changed	    ? "it is so already"
			 : context->dry_run ? "not done: dry run"
					    : "done");
	return r;
}

int manual_set(const struct knob_context *context, const struct node *node, const char *assignment,
	       struct knob_result *ret)
{
	return manual_set_all(context, node, &assignment, 1, ret);
}

/*
 * v1 checks memory <= memsw at every step: to lower, memory goes first; to raise, memsw
 * (mem_cgroup_resize_max()). Which it is shows in what memsw is now.
 */
static bool memsw_goes_first(const struct knob_context *context, const struct node *node,
			     const struct knob_value *memsw)
{
	struct knob_result present;

	return knob_read(context, KNOB_MEMORY_MEMSW, node, &present) == 0 &&
	       memsw->number > present.before.number;
}

struct assignment {
	enum knob_id knob;
	struct knob_value value;
};

/* Where the knob stands in the list, or `n`. */
static size_t find_assignment(const struct assignment *list, size_t n, enum knob_id knob)
{
	size_t i = n;

	while (i > 0 && list[i - 1].knob != knob)
		i--;
	return i > 0 ? i - 1 : n;
}

static void order(const struct knob_context *context, const struct node *node,
		  const struct assignment *list, size_t n, size_t *ret_order)
{
	size_t memory = find_assignment(list, n, KNOB_MEMORY_MAX),
	       memsw = find_assignment(list, n, KNOB_MEMORY_MEMSW),
	       quota = find_assignment(list, n, KNOB_CPU_QUOTA),
	       burst = find_assignment(list, n, KNOB_CPU_BURST);

	for (size_t i = 0; i < n; i++)
		ret_order[i] = i;
	if (memory < n && memsw < n &&
	    (memsw < memory) != memsw_goes_first(context, node, &list[memsw].value)) {
		ret_order[memory] = memsw;
		ret_order[memsw] = memory;
	}
	/* A burst can be no more than the quota: that comes first, and takes it down if need be. */
	if (quota < n && burst < quota) {
		ret_order[quota] = burst;
		ret_order[burst] = quota;
	}
}

int manual_set_all(const struct knob_context *context, const struct node *node,
		   const char *const *assignments, size_t n, struct knob_result *ret)
{
	_cleanup_(freep) struct assignment *list = calloc(n ? n : 1, sizeof(*list));
	_cleanup_(freep) size_t *sequence = calloc(n ? n : 1, sizeof(*sequence));
	int r = list && sequence ? 0 : -ENOMEM;
	size_t bad = n;

	for (size_t i = 0; i < n; i++)
		ret[i] = (struct knob_result){ .hierarchy = -1, .error = r ? r : -ECANCELED };
	if (r < 0)
		return r;
	for (size_t i = 0; i < n && bad == n; i++) {
		r = parse_assignment(assignments[i], &list[i].knob, &list[i].value, &ret[i]);
		if (r < 0)
			bad = i;
		else
			knob_fail(&ret[i], -ECANCELED, "not done, as another one failed");
	}
	if (bad < n)
		return r;
	/* What this host or this cgroup does not have is found out before anything is written. */
	for (size_t i = 0; i < n && r == 0; i++) {
		struct knob_result present;

		r = knob_read_at(context, list[i].knob, node, &list[i].value, &present);
		if (r < 0)
			ret[i] = present;
	}
	if (r < 0)
		return r;
	order(context, node, list, n, sequence);
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct assignment *next = &list[sequence[i]];

		r = write_one(context, node, next->knob, &next->value, &ret[sequence[i]]);
	}
	return r;
}

int manual_freeze(const struct knob_context *context, const struct node *node, bool freeze,
		  struct knob_result *ret)
{
	const struct knob_value value = { .number = freeze };

	return write_one(context, node, KNOB_FREEZE, &value, ret);
}
