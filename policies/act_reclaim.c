// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/act.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/units.h"
#include "policies/knob_private.h"

static const uint64_t step_bytes = UINT64_C(64) << 20;

/* memory.reclaim is of Linux 5.19; v1's memory.force_empty drops everything and is no substitute.
 */
static int open_memory(struct act *act, struct cgroup_act *ret_memory)
{
	const struct knob_context *context = &act->enforcer->context;
	const struct hierarchy *memory = hierarchies_find(context->hierarchies, "memory");
	const struct node *node = act->decision->node;
	unsigned int index;
	int r;

	if (!memory)
		return act_say(act, -ENODEV, "the memory controller is in no mounted hierarchy");
	if (!memory->v2)
		return act_say(act, -EOPNOTSUPP,
			       "cgroup v1 cannot reclaim an amount (only all of it); use "
			       "memory.max");
	index = (unsigned int)(memory - context->hierarchies->list);
	if (index >= node->n_ids || !node->ids[index])
		return act_say(act, -ENOENT, "the cgroup is not in the hierarchy of %s",
			       memory->name);
	act->cgroup_id = node->ids[index];
	r = cgroup_act_open(context, index, node->path, node->ids[index], ret_memory);
	if (r == 0)
		r = cgroup_act_check(ret_memory, false, act_allows_protected(act));
	return r < 0 ? act_say(act, r, "%s", ret_memory->reason) : 0;
}

static uint64_t read_use(const struct cgroup_act *memory)
{
	struct strbuf text;
	uint64_t bytes = 0;

	strbuf_init(&text);
	if (read_file_at(memory->fd, "memory.current", &text) == 0 && text.data) {
		text.data[strcspn(text.data, "\n")] = '\0';
		if (parse_u64(text.data, &bytes) < 0)
			bytes = 0;
	}
	strbuf_done(&text);
	return bytes;
}

/* In steps, as one big request could not be given up in time. EAGAIN: some of it was reclaimed. */
static int reclaim(struct enforcer *enforcer, const struct cgroup_act *memory, uint64_t bytes,
		   uint64_t deadline)
{
	unsigned int fruitless = 0;
	int r = 0;

	while (bytes > 0 && fruitless < 3) {
		uint64_t step = bytes < step_bytes ? bytes : step_bytes;
		char text[32];

		if (knob_clock_ms() >= deadline)
			return -ETIMEDOUT;
		snprintf(text, sizeof(text), "%llu", (unsigned long long)step);
		r = cgroup_act_write(memory, "memory.reclaim", text);
		enforce_leases(enforcer);
		if (r < 0 && r != -EAGAIN)
			return r;
		if (r == -EAGAIN)
			fruitless++;
		else
			bytes -= step;
	}
	return r;
}

int act_reclaim(struct act *act)
{
	_cleanup_(cgroup_act_done) struct cgroup_act memory = { .fd = -1 };
	const uint64_t wanted = act->decision->action.value.number;
	uint64_t before, after;
	int r = open_memory(act, &memory);

	if (r < 0)
		return r;
	if (act->rehearse)
		return act_say(act, 0, "it would reclaim %llu MiB of %llu MiB",
			       (unsigned long long)(wanted >> 20),
			       (unsigned long long)(read_use(&memory) >> 20));
	before = read_use(&memory);
	r = reclaim(act->enforcer, &memory, wanted, act_deadline_ms(act));
	after = read_use(&memory);
	if (r < 0 && r != -EAGAIN && r != -ETIMEDOUT)
		return act_say(act, r, "memory.reclaim: %s", strerror(-r));
	act_say(act, 0, "memory.current %llu -> %llu KiB%s", (unsigned long long)(before >> 10),
		(unsigned long long)(after >> 10),
		r == -EAGAIN	  ? "; the kernel found no more to reclaim"
		: r == -ETIMEDOUT ? "; the time was over"
				  : "");
	return r == -ETIMEDOUT && after >= before ? -ETIMEDOUT : 0;
}
