// SPDX-License-Identifier: MIT
#include "tui/events_detail.h"

#include <time.h>

#include "core/distribution_text.h"
#include "core/kernel_event.h"
#include "core/ns_text.h"
#include "core/units.h"

static void add_time(struct detail *detail, const struct kernel_event *event)
{
	time_t seconds = (time_t)(event->realtime_ns / 1000000000);
	struct strbuf value = { 0 };
	struct tm local;
	char clock[64];

	if (!localtime_r(&seconds, &local) ||
	    strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S", &local) == 0)
		return;
	strbuf_printf(&value, "%s.%06d", clock, (int)(event->realtime_ns / 1000 % 1000000));
	detail_take_fact(detail, "Time", &value, ROLE_DEFAULT);
	strbuf_done(&value);
}

static void add_number(struct detail *detail, const char *name, uint64_t number)
{
	struct strbuf value = { 0 };

	strbuf_add_u64(&value, number);
	detail_take_fact(detail, name, &value, ROLE_DEFAULT);
	strbuf_done(&value);
}

static void add_bytes(struct detail *detail, const char *name, uint64_t bytes)
{
	struct strbuf value = { 0 };

	if (bytes == 0)
		return;
	format_human(&value, UNIT_BYTES, (double)bytes, false);
	detail_take_fact(detail, name, &value, ROLE_DEFAULT);
	strbuf_done(&value);
}

static void add_duration(struct detail *detail, const char *name, uint64_t ns)
{
	struct strbuf value = { 0 };

	if (ns == 0)
		return;
	distribution_add_time(&value, (double)ns);
	detail_take_fact(detail, name, &value, ROLE_DEFAULT);
	strbuf_done(&value);
}

static void add_who(struct detail *detail, const struct kernel_event *event)
{
	if (event->pid > 0) {
		detail_add_section(detail, "process");
		detail_add_text(detail, "Name", event->comm);
		add_number(detail, "Pid", (uint64_t)event->pid);
		if (event->parent_pid > 0)
			add_number(detail, "Parent", (uint64_t)event->parent_pid);
		add_number(detail, "Uid", event->uid);
	}
	if (event->kind == KERNEL_EVENT_EXIT) {
		add_number(detail, "Exit code", (uint64_t)event->exit_code);
		if (event->exit_signal)
			add_number(detail, "Signal", (uint64_t)event->exit_signal);
		add_duration(detail, "Lived", event->lifetime_ns);
		add_duration(detail, "CPU time", event->cpu_ns);
	}
}

static void add_victim(struct detail *detail, const struct kernel_event *event)
{
	detail_add_section(detail, "killed for memory");
	detail_add_text(detail, "Victim", event->victim_comm);
	add_number(detail, "Pid", (uint64_t)event->victim);
	add_bytes(detail, "It had", event->victim_bytes);
	add_bytes(detail, "Cgroup used", event->memory_bytes);
	add_bytes(detail, "Its limit", event->limit_bytes);
}

void events_detail_lines(struct detail *detail, const void *data)
{
	const struct kernel_event *event = data;
	struct strbuf words = { 0 };

	detail_add_text(detail, "Event", kernel_event_name(event->kind));
	kernel_event_describe(event, &words);
	detail_take_fact(detail, "What", &words, ROLE_DEFAULT);
	strbuf_done(&words);
	add_time(detail, event);
	detail_add_text(detail, "Cgroup", event->path);
	if (event->cgroup) {
		detail_add_text(detail, "Hierarchy", event->hierarchy);
		add_number(detail, "Id", event->cgroup);
	}
	detail_add_text(detail, "File", event->file);
	detail_add_text(detail, event->kind == KERNEL_EVENT_ATTACHED ? "From" : "Text",
			event->text);
	if (event->ns_inode)
		add_number(detail, "Namespace", event->ns_inode);
	add_who(detail, event);
	if (event->kind == KERNEL_EVENT_OOM_KILL)
		add_victim(detail, event);
}
