// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <string.h>

#include "core/jsonw.h"
#include "core/kernel_event.h"
#include "core/namespaces.h"

enum { NS_DIGITS = 9 };

static void add_string(struct jsonw *json, const char *name, const char *text)
{
	if (text)
		jsonw_string(json, name, text);
}

static void add_seconds(struct jsonw *json, const char *name, uint64_t ns)
{
	struct strbuf text;

	strbuf_init(&text);
	strbuf_add_fixed(&text, ns, NS_DIGITS);
	if (text.data)
		jsonw_raw(json, name, text.data);
	strbuf_done(&text);
}

static void add_oom(struct jsonw *json, const struct kernel_event *event)
{
	jsonw_begin(json, "victim", '{');
	jsonw_u64(json, "pid", (uint64_t)event->victim);
	add_string(json, "comm", event->victim_comm);
	jsonw_u64(json, "uid", event->victim_uid);
	add_string(json, "path", event->victim_path);
	if (event->victim_bytes)
		jsonw_u64(json, "memory", event->victim_bytes);
	jsonw_end(json, '}');
	if (event->limit_bytes) {
		jsonw_u64(json, "memory", event->memory_bytes);
		jsonw_u64(json, "limit", event->limit_bytes);
	}
}

static void add_exit(struct jsonw *json, const struct kernel_event *event)
{
	if (event->exit_signal)
		jsonw_u64(json, "signal", (uint64_t)event->exit_signal);
	else
		jsonw_u64(json, "code", (uint64_t)event->exit_code);
	add_seconds(json, "lifetime", event->lifetime_ns);
	add_seconds(json, "cpu", event->cpu_ns);
}

static void add_ns(struct jsonw *json, const struct kernel_event *event)
{
	if (event->ns_type < NS_TYPE_COUNT)
		jsonw_string(json, "type", ns_type_name(event->ns_type));
	jsonw_u64(json, "inode", event->ns_inode);
}

static void add_write(struct jsonw *json, const struct kernel_event *event)
{
	add_string(json, "file", event->file);
	if (event->error)
		add_string(json, "error", strerrorname_np(event->error));
}

static void (*const kinds[KERNEL_EVENT_KIND_COUNT])(struct jsonw *json,
						    const struct kernel_event *event) = {
	[KERNEL_EVENT_EXIT] = add_exit,	    [KERNEL_EVENT_OOM_KILL] = add_oom,
	[KERNEL_EVENT_NS_CREATED] = add_ns, [KERNEL_EVENT_NS_DESTROYED] = add_ns,
	[KERNEL_EVENT_WRITE] = add_write,
};

void kernel_event_json(const struct kernel_event *event, struct strbuf *out)
{
	struct jsonw json;

	jsonw_init(&json);
	jsonw_begin(&json, NULL, '{');
	jsonw_u64(&json, "schema", 1);
	add_seconds(&json, "time", event->realtime_ns);
	jsonw_string(&json, "kind", kernel_event_name(event->kind));
	add_string(&json, "hierarchy", event->hierarchy);
	add_string(&json, "path", event->path);
	if (event->cgroup)
		jsonw_u64(&json, "id", event->cgroup);
	if (event->pid > 0) {
		jsonw_u64(&json, "pid", (uint64_t)event->pid);
		jsonw_u64(&json, "uid", event->uid);
		add_string(&json, "comm", event->comm);
	}
	if (event->parent_pid > 0)
		jsonw_u64(&json, "parent_pid", (uint64_t)event->parent_pid);
	add_string(&json, "text", event->text);
	if (kinds[event->kind])
		kinds[event->kind](&json, event);
	jsonw_end(&json, '}');
	strbuf_add(out, json.out.data ? json.out.data : "", json.out.length);
	strbuf_add_char(out, '\n');
	jsonw_done(&json);
}
