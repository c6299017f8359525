// SPDX-License-Identifier: MIT
#include <string.h>

#include "agent/path_container.h"
#include "agent/verbs/ps_view.h"
#include "core/cleanup.h"

static const struct process *get_process(const void *view, uint32_t row)
{
	return &((const struct ps_view *)view)->processes->list[row];
}

bool ps_is_outside(const char *cgroup)
{
	return strncmp(cgroup, "/..", 3) == 0 && (!cgroup[3] || cgroup[3] == '/');
}

const struct ns_process *ps_find(const struct ps_view *view, uint32_t row)
{
	const struct namespaces *set = view->namespaces;
	uint32_t index;

	if (!set)
		return NULL;
	index = namespaces_find_process(set, view->processes->list[row].pid);
	return index == NS_NONE ? NULL : &set->processes[index];
}

void ps_add_flags(const struct namespaces *set, const struct ns_process *process,
		  struct strbuf *out)
{
	static const char letters[NS_TYPE_COUNT] = {
		[NS_MNT] = 'm', [NS_NET] = 'n', [NS_PID] = 'p',	   [NS_USER] = 'U',
		[NS_UTS] = 'u', [NS_IPC] = 'i', [NS_CGROUP] = 'C', [NS_TIME] = 'T',
	};

	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		uint32_t ns = process->ns[type];

		if (ns >= set->n || set->host[type] == NS_NONE)
			strbuf_add_char(out, '?');
		else
			strbuf_add_char(out, ns == set->host[type] ? '-' : letters[type]);
	}
}

void ps_json_namespaces(struct jsonw *json, const struct namespaces *set,
			const struct ns_process *process)
{
	jsonw_begin(json, "namespaces", '{');
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		uint32_t ns = process->ns[type];

		if (ns >= set->n)
			continue;
		jsonw_begin(json, ns_type_name((enum ns_type)type), '{');
		jsonw_u64(json, "ns", set->list[ns].inode);
		if (set->host[type] != NS_NONE)
			jsonw_bool(json, "host", ns == set->host[type]);
		jsonw_end(json, '}');
	}
	jsonw_end(json, '}');
}

static bool get_pid(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, (uint64_t)get_process(view, row)->pid);
}

static bool get_ppid(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, (uint64_t)get_process(view, row)->ppid);
}

static bool get_uid(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_process(view, row)->uid);
}

static bool get_user(const void *data, uint32_t row, struct strbuf *out)
{
	uid_t uid = get_process(data, row)->uid;
	const char *name = labels_user(((const struct ps_view *)data)->labels, uid);

	return name ? field_add_text(out, name) : field_add_u64(out, true, uid);
}

static bool get_state(const void *view, uint32_t row, struct strbuf *out)
{
	strbuf_add_char(out, get_process(view, row)->state);
	return true;
}

static bool get_threads(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_process(view, row)->threads);
}

static bool get_cpu(const void *view, uint32_t row, struct strbuf *out)
{
	strbuf_add_fixed(out, get_process(view, row)->cpu_usec, 6);
	return true;
}

static bool get_rss(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_process(view, row)->rss_bytes);
}

static bool get_comm(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_process(view, row)->comm);
}

static bool get_command(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_process(view, row)->command);
}

static bool get_ns(const void *data, uint32_t row, struct strbuf *out)
{
	const struct ns_process *process = ps_find(data, row);

	if (process)
		ps_add_flags(((const struct ps_view *)data)->namespaces, process, out);
	return process != NULL;
}

static bool get_container(const void *data, uint32_t row, struct strbuf *out)
{
	const char *cgroup = get_process(data, row)->cgroup;

	return cgroup &&
	       path_container_name(((const struct ps_view *)data)->containers, cgroup, out);
}

static bool get_cgroup(const void *view, uint32_t row, struct strbuf *out)
{
	const char *cgroup = get_process(view, row)->cgroup;

	if (cgroup && ps_is_outside(cgroup))
		return field_add_text(out, "(outside of this cgroup namespace)");
	return field_add_text(out, cgroup);
}

static const struct field columns[] = {
	{ "PID", "process", FIELD_NUMBER, 0, get_pid },
	{ "PPID", "its parent", FIELD_NUMBER, 0, get_ppid },
	{ "UID", "its user", FIELD_NUMBER, 0, get_uid },
	{ "USER", "name of UID", FIELD_TEXT, 0, get_user },
	{ "STATE", "R S D T Z …, as in proc_pid_stat(5)", FIELD_TEXT, 0, get_state },
	{ "THREADS", "its threads", FIELD_NUMBER, 0, get_threads },
	{ "CPU", "CPU time it used", FIELD_SECONDS, 0, get_cpu },
	{ "RSS", "memory it has resident", FIELD_BYTES, 0, get_rss },
	{ "NS", "namespaces that are not the machine's: m n p U u i C T as in nsenter(1)",
	  FIELD_TEXT, PS_NEEDS_NAMESPACES, get_ns },
	{ "CONTAINER", "container it is in", FIELD_TEXT, PS_NEEDS_CONTAINERS, get_container },
	{ "CGROUP", "its cgroup", FIELD_TEXT, 0, get_cgroup },
	{ "COMM", "its short name", FIELD_TEXT, 0, get_comm },
	{ "COMMAND", "its command line", FIELD_TEXT, 0, get_command },
};
const struct fields ps_fields = { columns, ARRAY_SIZE(columns) };
