// SPDX-License-Identifier: MIT
#include "agent/path_container.h"
#include "agent/verbs/ns_view.h"
#include "core/cleanup.h"

static const struct ns_process *get_process(const void *view, uint32_t row)
{
	return &((const struct ns_view *)view)->set->processes[row];
}

static bool process_pid(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, (uint64_t)get_process(view, row)->pid);
}

static bool process_ppid(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, (uint64_t)get_process(view, row)->ppid);
}

static bool process_uid(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_process(view, row)->uid);
}

static bool process_user(const void *view, uint32_t row, struct strbuf *out)
{
	return ns_add_user(view, get_process(view, row)->uid, out);
}

static bool process_threads(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_process(view, row)->threads);
}

static bool process_comm(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_process(view, row)->comm);
}

static bool process_cgroup(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_process(view, row)->cgroup);
}

static bool process_container(const void *data, uint32_t row, struct strbuf *out)
{
	const struct ns_view *view = data;
	const char *cgroup = get_process(view, row)->cgroup;

	return cgroup && path_container_name(view->containers, cgroup, out);
}

static bool process_command(const void *view, uint32_t row, struct strbuf *out)
{
	return ns_add_command(view, get_process(view, row)->pid, NULL, out);
}

static const struct field process_columns[] = {
	{ "PID", "process", FIELD_NUMBER, 0, process_pid },
	{ "PPID", "its parent", FIELD_NUMBER, 0, process_ppid },
	{ "UID", "its user", FIELD_NUMBER, 0, process_uid },
	{ "USER", "name of UID", FIELD_TEXT, 0, process_user },
	{ "NTHREADS", "its threads", FIELD_NUMBER, 0, process_threads },
	{ "COMM", "its short name", FIELD_TEXT, 0, process_comm },
	{ "CGROUP", "its cgroup", FIELD_TEXT, NS_NEEDS_CGROUPS, process_cgroup },
	{ "CONTAINER", "its container", FIELD_TEXT, NS_NEEDS_CGROUPS | NS_NEEDS_CONTAINERS,
	  process_container },
	{ "COMMAND", "its command line", FIELD_TEXT, 0, process_command },
};
const struct fields ns_process_fields = { process_columns, ARRAY_SIZE(process_columns) };

static const struct ns_limit *get_limit(const void *view, uint32_t row)
{
	return &((const struct ns_view *)view)->set->limits[row];
}

static bool limit_type(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, ns_type_name(get_limit(view, row)->type));
}

static bool limit_userns(const void *view, uint32_t row, struct strbuf *out)
{
	return ns_add_inode(view, get_limit(view, row)->user_ns, out);
}

static bool limit_uid(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_limit(view, row)->uid);
}

static bool limit_user(const void *view, uint32_t row, struct strbuf *out)
{
	return ns_add_user(view, get_limit(view, row)->uid, out);
}

/* With other users' processes hidden, some of their namespaces are, too: no count is right. */
static bool is_counted(const void *view)
{
	return ((const struct ns_view *)view)->set->n_denied_others == 0;
}

static bool limit_used(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, is_counted(view), get_limit(view, row)->used);
}

static bool limit_limit(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_limit *limit = get_limit(view, row);

	return field_add_u64(out, limit->limit_known, limit->limit);
}

static bool limit_ratio(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_limit *limit = get_limit(view, row);

	if (!limit->limit_known || !is_counted(view))
		return false;
	strbuf_add_double(out, ns_limit_ratio(limit));
	return true;
}

static const struct field limit_columns[] = {
	{ "TYPE", "of namespaces that are counted", FIELD_TEXT, 0, limit_type },
	{ "USERNS", "user namespace they were made in", FIELD_NUMBER, 0, limit_userns },
	{ "UID", "user who made them", FIELD_NUMBER, 0, limit_uid },
	{ "USER", "name of UID", FIELD_TEXT, 0, limit_user },
	{ "USED", "how many there are", FIELD_NUMBER, 0, limit_used },
	{ "LIMIT", "how many may be: /proc/sys/user/max_*_namespaces", FIELD_NUMBER, 0,
	  limit_limit },
	{ "RATIO", "used of the limit", FIELD_RATIO, 0, limit_ratio },
};
const struct fields ns_limit_fields = { limit_columns, ARRAY_SIZE(limit_columns) };
