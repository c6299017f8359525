// SPDX-License-Identifier: MIT
#include "core/kernel_event.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[KERNEL_EVENT_KIND_COUNT] = {
	[KERNEL_EVENT_CREATED] = "created",
	[KERNEL_EVENT_REMOVED] = "removed",
	[KERNEL_EVENT_ATTACHED] = "attached",
	[KERNEL_EVENT_FORK] = "fork",
	[KERNEL_EVENT_EXEC] = "exec",
	[KERNEL_EVENT_EXIT] = "exit",
	[KERNEL_EVENT_OOM_KILL] = "oom_kill",
	[KERNEL_EVENT_FREEZE] = "freeze",
	[KERNEL_EVENT_THAW] = "thaw",
	[KERNEL_EVENT_NS_CREATED] = "ns_created",
	[KERNEL_EVENT_NS_DESTROYED] = "ns_destroyed",
	[KERNEL_EVENT_WRITE] = "write",
};

struct kernel_events *kernel_events_ref(struct kernel_events *events)
{
	if (events)
		atomic_fetch_add(&events->refs, 1);
	return events;
}

void kernel_events_unref(struct kernel_events *events)
{
	if (!events || atomic_fetch_sub(&events->refs, 1) > 1)
		return;
	free(events->memory);
	free(events->list);
	free(events);
}

const char *kernel_event_name(enum kernel_event_kind kind)
{
	return names[kind];
}

enum kernel_event_kind kernel_event_find(const char *name)
{
	int kind = 0;

	while (kind < KERNEL_EVENT_KIND_COUNT && strcmp(names[kind], name) != 0)
		kind++;
	return (enum kernel_event_kind)kind;
}

void kernel_event_describe(const struct kernel_event *event, struct strbuf *buffer)
{
	strbuf_printf(buffer, "%s (%d)", event->comm ? event->comm : "?", (int)event->pid);
}
