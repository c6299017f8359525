// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "core/kernel_event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/escape.h"
#include "core/namespaces.h"
#include "core/units.h"

struct kind_row {
	const char *name;
	void (*describe)(const struct kernel_event *event, struct strbuf *buffer);
};

static void add_text(struct strbuf *buffer, const char *text)
{
	escape_terminal_append(buffer, text, strlen(text));
}

/* "systemd (1)" */
static void add_process(struct strbuf *buffer, const char *comm, pid_t pid)
{
	if (comm)
		add_text(buffer, comm);
	else
		strbuf_add_char(buffer, '?');
	strbuf_printf(buffer, " (%d)", (int)pid);
}

static void add_who(const struct kernel_event *event, struct strbuf *buffer)
{
	strbuf_add_string(buffer, "by ");
	add_process(buffer, event->comm, event->pid);
}

static void describe_attached(const struct kernel_event *event, struct strbuf *buffer)
{
	add_process(buffer, event->comm, event->pid);
	if (event->text) {
		strbuf_add_string(buffer, " from ");
		add_text(buffer, event->text);
	}
}

static void describe_fork(const struct kernel_event *event, struct strbuf *buffer)
{
	add_process(buffer, event->comm, event->pid);
	strbuf_printf(buffer, ", child of %d", (int)event->parent_pid);
}

static void describe_exec(const struct kernel_event *event, struct strbuf *buffer)
{
	add_text(buffer, event->text ? event->text : "?");
	strbuf_add_string(buffer, ", ");
	add_process(buffer, event->comm, event->pid);
	strbuf_printf(buffer, ", child of %d", (int)event->parent_pid);
}

static void describe_exit(const struct kernel_event *event, struct strbuf *buffer)
{
	const char *signal = event->exit_signal ? sigabbrev_np(event->exit_signal) : NULL;

	add_process(buffer, event->comm, event->pid);
	if (signal)
		strbuf_printf(buffer, ", SIG%s", signal);
	else if (event->exit_signal)
		strbuf_printf(buffer, ", signal %d", event->exit_signal);
	else
		strbuf_printf(buffer, ", code %d", event->exit_code);
	strbuf_add_string(buffer, ", CPU ");
	format_human(buffer, UNIT_USEC, (double)event->cpu_ns / 1e9, false);
	strbuf_add_string(buffer, " in ");
	format_human(buffer, UNIT_USEC, (double)event->lifetime_ns / 1e9, false);
}

static void describe_oom(const struct kernel_event *event, struct strbuf *buffer)
{
	strbuf_add_string(buffer, "killed ");
	add_process(buffer, event->victim_comm, event->victim);
	if (event->victim_bytes) {
		strbuf_add_string(buffer, " with ");
		format_human(buffer, UNIT_BYTES, (double)event->victim_bytes, false);
	}
	if (event->victim_path && (!event->path || strcmp(event->path, event->victim_path) != 0)) {
		strbuf_add_string(buffer, " in ");
		add_text(buffer, event->victim_path);
	}
	if (event->limit_bytes) {
		strbuf_add_string(buffer, ", memory ");
		format_human(buffer, UNIT_BYTES, (double)event->memory_bytes, false);
		strbuf_add_string(buffer, " of ");
		format_human(buffer, UNIT_BYTES, (double)event->limit_bytes, false);
	} else {
		strbuf_add_string(buffer, ", the machine was out of memory");
	}
	strbuf_add_string(buffer, ", asked for by ");
	add_process(buffer, event->comm, event->pid);
}

static void describe_ns(const struct kernel_event *event, struct strbuf *buffer)
{
	strbuf_printf(buffer, "%s:[%llu]",
		      event->ns_type < NS_TYPE_COUNT ? ns_type_name(event->ns_type) : "?",
		      (unsigned long long)event->ns_inode);
	if (event->pid > 0) {
		strbuf_add_string(buffer, event->kind == KERNEL_EVENT_NS_DESTROYED ? ", made by "
										   : ", by ");
		add_process(buffer, event->comm, event->pid);
	}
}

static void describe_write(const struct kernel_event *event, struct strbuf *buffer)
{
	add_text(buffer, event->file ? event->file : "?");
	strbuf_add_char(buffer, ' ');
	add_text(buffer, event->text ? event->text : "?");
	if (event->error) {
		const char *name = strerrorname_np(event->error);

		strbuf_printf(buffer, " (refused: %s)", name ? name : "?");
	}
	strbuf_add_string(buffer, ", ");
	add_who(event, buffer);
}

static const struct kind_row kinds[KERNEL_EVENT_KIND_COUNT] = {
	[KERNEL_EVENT_CREATED] = { "created", add_who },
	[KERNEL_EVENT_REMOVED] = { "removed", add_who },
	[KERNEL_EVENT_ATTACHED] = { "attached", describe_attached },
	[KERNEL_EVENT_FORK] = { "fork", describe_fork },
	[KERNEL_EVENT_EXEC] = { "exec", describe_exec },
	[KERNEL_EVENT_EXIT] = { "exit", describe_exit },
	[KERNEL_EVENT_OOM_KILL] = { "oom_kill", describe_oom },
	[KERNEL_EVENT_FREEZE] = { "freeze", add_who },
	[KERNEL_EVENT_THAW] = { "thaw", add_who },
	[KERNEL_EVENT_NS_CREATED] = { "ns_created", describe_ns },
	[KERNEL_EVENT_NS_DESTROYED] = { "ns_destroyed", describe_ns },
	[KERNEL_EVENT_WRITE] = { "write", describe_write },
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
	return kinds[kind].name;
}

enum kernel_event_kind kernel_event_find(const char *name)
{
	int kind = 0;

	while (kind < KERNEL_EVENT_KIND_COUNT && strcmp(kinds[kind].name, name) != 0)
		kind++;
	return (enum kernel_event_kind)kind;
}

int kernel_events_parse_kinds(const char *text, uint32_t *ret_kinds)
{
	uint32_t mask = 0;

	for (const char *at = text, *end; *at; at = end + (*end == ',')) {
		char name[32];
		enum kernel_event_kind kind;
		size_t n;

		at += strspn(at, " \t");
		end = at + strcspn(at, ",");
		for (n = (size_t)(end - at); n > 0 && strchr(" \t", at[n - 1]); n--)
			;
		if (n == 0 || n >= sizeof(name))
			return -EINVAL;
		memcpy(name, at, n);
		name[n] = '\0';
		kind = kernel_event_find(name);
		if (kind == KERNEL_EVENT_KIND_COUNT)
			return -EINVAL;
		mask |= UINT32_C(1) << kind;
	}
	if (mask == 0)
		return -EINVAL;
	*ret_kinds = mask;
	return 0;
}

void kernel_event_describe(const struct kernel_event *event, struct strbuf *buffer)
{
	kinds[event->kind].describe(event, buffer);
}
