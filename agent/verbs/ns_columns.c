// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/path_container.h"
#include "agent/verbs/ns_view.h"
#include "core/cleanup.h"

static const struct ns_namespace *get_ns(const void *view, uint32_t row)
{
	return &((const struct ns_view *)view)->set->list[row];
}

static bool get_inode(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_ns(view, row)->inode);
}

static bool get_type(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, ns_type_name(get_ns(view, row)->type));
}

static bool get_id(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, get_ns(view, row)->id != 0, get_ns(view, row)->id);
}

/* A way in through what holds it. */
static bool add_holder_path(const struct ns_namespace *ns, const struct ns_holder *holder,
			    struct strbuf *out)
{
	const char *type = ns_type_name(ns->type);
	int pid = (int)holder->pid;
	char path[64];

	if (holder->kind == NS_HELD_MOUNT)
		return field_add_text(out, holder->path);
	if (holder->kind == NS_HELD_THREAD)
		snprintf(path, sizeof(path), "%d/task/%d/ns/%s", pid, (int)holder->tid, type);
	else if (holder->kind == NS_HELD_CHILDREN)
		snprintf(path, sizeof(path), "%d/ns/%s_for_children", pid, type);
	else if (holder->kind == NS_HELD_FD)
		snprintf(path, sizeof(path), "%d/fd/%d", pid, holder->fd);
	else
		return false;
	root_path(NULL, ROOT_PROC, path, out);
	return true;
}

static bool get_path(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_namespace *ns = get_ns(view, row);
	char path[32];

	if (ns->processes > 0 && ns->pid > 0) {
		snprintf(path, sizeof(path), "%d/ns/%s", (int)ns->pid, ns_type_name(ns->type));
		root_path(NULL, ROOT_PROC, path, out);
		return true;
	}
	for (uint32_t i = 0; i < ns->n_holders; i++) {
		if (add_holder_path(ns, &ns->holders[i], out))
			return true;
	}
	return false;
}

static bool get_nprocs(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_namespace *ns = get_ns(view, row);

	return field_add_u64(out, !ns_is_undecided(view, ns), ns->processes);
}

static bool get_nthreads(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_namespace *ns = get_ns(view, row);

	return field_add_u64(out, !ns_is_undecided(view, ns), ns->threads);
}

static bool get_pid(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, get_ns(view, row)->pid > 0, (uint64_t)get_ns(view, row)->pid);
}

static bool get_ppid(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_namespace *ns = get_ns(view, row);

	return field_add_u64(out, ns->pid > 0, (uint64_t)ns->ppid);
}

static bool get_uid(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, get_ns(view, row)->pid > 0, get_ns(view, row)->uid);
}

static bool get_user(const void *view, uint32_t row, struct strbuf *out)
{
	return get_ns(view, row)->pid > 0 && ns_add_user(view, get_ns(view, row)->uid, out);
}

static bool get_command(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_namespace *ns = get_ns(view, row);

	return ns->pid > 0 && ns_add_command(view, ns->pid, ns->command, out);
}

static bool get_netnsid(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_namespace *ns = get_ns(view, row);

	if (ns->type != NS_NET || !ns->netnsid_known)
		return false;
	if (ns->netnsid < 0)
		strbuf_add_string(out, "unassigned");
	else
		strbuf_add_u64(out, (uint64_t)ns->netnsid);
	return true;
}

/* A mount that was propagated has the same path in other mount namespaces. */
static bool is_repeated(const struct ns_namespace *ns, uint32_t holder)
{
	for (uint32_t i = 0; i < holder; i++) {
		if (ns->holders[i].kind == NS_HELD_MOUNT && ns->holders[i].path &&
		    strcmp(ns->holders[i].path, ns->holders[holder].path) == 0)
			return true;
	}
	return false;
}

static bool get_nsfs(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_namespace *ns = get_ns(view, row);
	bool any = false;

	for (uint32_t i = 0; i < ns->n_holders; i++) {
		if (ns->holders[i].kind != NS_HELD_MOUNT || !ns->holders[i].path ||
		    is_repeated(ns, i))
			continue;
		if (any)
			strbuf_add_char(out, '\0');
		strbuf_add_string(out, ns->holders[i].path);
		any = true;
	}
	return any;
}

/* 0 as lsns says it where there is none. */
static bool get_pns(const void *view, uint32_t row, struct strbuf *out)
{
	return ns_add_inode(view, get_ns(view, row)->parent, out);
}

static bool get_ons(const void *view, uint32_t row, struct strbuf *out)
{
	return ns_add_inode(view, get_ns(view, row)->owner, out);
}

static bool get_state(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, ns_state_name(get_ns(view, row)));
}

static bool get_holders(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_namespace *ns = get_ns(view, row);

	for (uint32_t i = 0; i < ns->n_holders; i++) {
		if (i > 0)
			strbuf_add_char(out, '\0');
		ns_add_holder(view, &ns->holders[i], out);
	}
	return ns->n_holders > 0;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The cgroups of its processes, each once, sorted. NULL if there is no memory. */
static const char **find_cgroups(const struct ns_view *view, uint32_t row, size_t *ret_n)
{
	uint32_t first = view->first[row], end = view->first[row + 1];
	const char **list = malloc((end - first + 1) * sizeof(*list));
	size_t n = 0, distinct = 0;

	for (uint32_t i = first; list && i < end; i++) {
		const char *cgroup = view->set->processes[view->members[i]].cgroup;

		/* Neighbours are mostly in the same one: less to sort. */
		if (cgroup && (n == 0 || strcmp(list[n - 1], cgroup) != 0))
			list[n++] = cgroup;
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), compare_texts);
	for (size_t i = 0; i < n; i++) {
		if (distinct == 0 || strcmp(list[distinct - 1], list[i]) != 0)
			list[distinct++] = list[i];
	}
	*ret_n = distinct;
	return list;
}

static bool get_cgroups(const void *data, uint32_t row, struct strbuf *out)
{
	size_t n = 0;
	_cleanup_(freep) const char **cgroups = find_cgroups(data, row, &n);

	for (size_t i = 0; i < n; i++)
		strbuf_add(out, cgroups[i], strlen(cgroups[i]) + (i + 1 < n));
	return n > 0;
}

static bool get_ncgroups(const void *data, uint32_t row, struct strbuf *out)
{
	size_t n = 0;
	_cleanup_(freep) const char **cgroups = find_cgroups(data, row, &n);

	return field_add_u64(out, cgroups != NULL, n);
}

static bool get_container(const void *data, uint32_t row, struct strbuf *out)
{
	const struct ns_view *view = data;
	size_t n = 0, last = 0, length = 0;
	_cleanup_(freep) const char **cgroups = find_cgroups(view, row, &n);
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		struct strbuf name;

		strbuf_init(&name);
		/* Cgroups of one container stand together. */
		if (path_container_name(view->containers, cgroups[i], &name) && name.length > 0 &&
		    !(any && name.length == length &&
		      memcmp(out->data + last, name.data, length) == 0)) {
			if (any)
				strbuf_add_char(out, '\0');
			last = out->length;
			length = name.length;
			strbuf_add(out, name.data, name.length);
			any = true;
		}
		strbuf_done(&name);
	}
	return any;
}

static bool get_age(const void *data, uint32_t row, struct strbuf *out)
{
	const struct ns_view *view = data;
	uint64_t oldest = get_ns(data, row)->oldest_ns, now = view->set->boottime_ns;

	/* Of one that was first seen now, and nobody is in, nothing tells how old it is. */
	return field_add_seconds(out, oldest > 0 && now > oldest, now - oldest);
}

static bool get_depth(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_namespace *ns = get_ns(view, row);

	return field_add_u64(out, ns->type == NS_USER || ns->type == NS_PID, ns->depth);
}

static bool get_host(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_bool(out, true, get_ns(view, row)->host);
}

static bool get_ouid(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, get_ns(view, row)->owner_known, get_ns(view, row)->owner_uid);
}

static bool get_ouser(const void *view, uint32_t row, struct strbuf *out)
{
	return get_ns(view, row)->owner_known &&
	       ns_add_user(view, get_ns(view, row)->owner_uid, out);
}

static bool get_hostname(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_ns(view, row)->nodename);
}

static bool get_domainname(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_ns(view, row)->domainname);
}

static bool get_interfaces(const void *view, uint32_t row, struct strbuf *out)
{
	size_t start = out->length;

	if (!field_add_text(out, get_ns(view, row)->interfaces))
		return false;
	/* No name of an interface has a blank in it (dev_valid_name() in net/core/dev.c). */
	for (size_t i = start; i < out->length; i++) {
		if (out->data[i] == ' ')
			out->data[i] = '\0';
	}
	return true;
}

static bool get_ninterfaces(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_namespace *ns = get_ns(view, row);

	return field_add_u64(out, ns->type == NS_NET && ns->n_interfaces >= 0,
			     (uint64_t)ns->n_interfaces);
}

static bool add_map(struct strbuf *out, const struct ns_map *map, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0)
			strbuf_add_char(out, '\0');
		strbuf_printf(out, "%u %u %u", map[i].inside, map[i].outside, map[i].count);
	}
	return n > 0;
}

static bool get_uidmap(const void *view, uint32_t row, struct strbuf *out)
{
	return add_map(out, get_ns(view, row)->uid_map, get_ns(view, row)->n_uid_map);
}

static bool get_gidmap(const void *view, uint32_t row, struct strbuf *out)
{
	return add_map(out, get_ns(view, row)->gid_map, get_ns(view, row)->n_gid_map);
}

static bool get_setgroups(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_namespace *ns = get_ns(view, row);

	return ns->type == NS_USER && (ns->host || ns->n_uid_map > 0 || ns->n_gid_map > 0) &&
	       field_add_text(out, ns->setgroups_denied ? "deny" : "allow");
}

static bool get_init(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, get_ns(view, row)->init > 0, (uint64_t)get_ns(view, row)->init);
}

static bool get_nmounts(const void *view, uint32_t row, struct strbuf *out)
{
	const struct ns_namespace *ns = get_ns(view, row);

	return field_add_u64(out, ns->type == NS_MNT && ns->n_mounts >= 0, (uint64_t)ns->n_mounts);
}

static bool get_root(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_ns(view, row)->root);
}

static bool add_offset(struct strbuf *out, const struct ns_namespace *ns, int64_t offset)
{
	uint64_t size = offset < 0 ? 0 - (uint64_t)offset : (uint64_t)offset;

	if (ns->type != NS_TIME || !ns->offsets_known)
		return false;
	if (offset < 0)
		strbuf_add_char(out, '-');
	strbuf_add_fixed(out, size, 9);
	return true;
}

static bool get_monotonic(const void *view, uint32_t row, struct strbuf *out)
{
	return add_offset(out, get_ns(view, row), get_ns(view, row)->monotonic_ns);
}

static bool get_boottime(const void *view, uint32_t row, struct strbuf *out)
{
	return add_offset(out, get_ns(view, row), get_ns(view, row)->boottime_ns);
}

static const struct field columns[] = {
	{ "NS", "inode, as in /proc/PID/ns", FIELD_NUMBER, 0, get_inode },
	{ "TYPE", "mnt net pid user uts ipc cgroup time", FIELD_TEXT, 0, get_type },
	{ "PATH", "a way into it", FIELD_TEXT, NS_NEEDS_HOLDERS, get_path },
	{ "NPROCS", "processes in it", FIELD_NUMBER, 0, get_nprocs },
	{ "NTHREADS", "threads in it, also of processes that are elsewhere", FIELD_NUMBER, 0,
	  get_nthreads },
	{ "PID", "lowest process in it, or the lowest that holds it", FIELD_NUMBER, 0, get_pid },
	{ "PPID", "parent of PID", FIELD_NUMBER, 0, get_ppid },
	{ "UID", "user of PID", FIELD_NUMBER, 0, get_uid },
	{ "USER", "name of UID", FIELD_TEXT, 0, get_user },
	{ "NETNSID", "its number seen from our net namespace", FIELD_TEXT, NS_NEEDS_DETAILS,
	  get_netnsid },
	{ "NSFS", "where it is bind mounted, in any mount namespace", FIELD_LIST, NS_NEEDS_MOUNTS,
	  get_nsfs },
	{ "PNS", "parent namespace (pid, user)", FIELD_NUMBER, 0, get_pns },
	{ "ONS", "user namespace that owns it", FIELD_NUMBER, 0, get_ons },
	{ "OUID", "user who owns it", FIELD_NUMBER, 0, get_ouid },
	{ "OUSER", "name of OUID", FIELD_TEXT, 0, get_ouser },
	{ "ID", "64-bit id that never comes back", FIELD_NUMBER, 0, get_id },
	{ "HOST", "the machine's own", FIELD_BOOL, 0, get_host },
	{ "STATE", "live, or what keeps it: children fd socket mount child unknown", FIELD_TEXT,
	  NS_NEEDS_HOLDERS, get_state },
	{ "AGE", "it is at least that old", FIELD_SECONDS, 0, get_age },
	{ "DEPTH", "how many parents it has (pid, user)", FIELD_NUMBER, 0, get_depth },
	{ "CONTAINER", "containers with processes in it", FIELD_LIST,
	  NS_NEEDS_CGROUPS | NS_NEEDS_CONTAINERS, get_container },
	{ "NCGROUPS", "cgroups with processes in it", FIELD_NUMBER, NS_NEEDS_CGROUPS,
	  get_ncgroups },
	{ "CGROUPS", "which", FIELD_LIST, NS_NEEDS_CGROUPS, get_cgroups },
	{ "HOLDERS", "what holds it beside its processes", FIELD_LIST, NS_NEEDS_HOLDERS,
	  get_holders },
	{ "HOSTNAME", "host name (uts)", FIELD_TEXT, NS_NEEDS_DETAILS, get_hostname },
	{ "DOMAINNAME", "NIS domain name (uts)", FIELD_TEXT, NS_NEEDS_DETAILS, get_domainname },
	{ "NINTERFACES", "network interfaces (net)", FIELD_NUMBER, NS_NEEDS_DETAILS,
	  get_ninterfaces },
	{ "INTERFACES", "their names", FIELD_LIST, NS_NEEDS_DETAILS, get_interfaces },
	{ "UIDMAP", "inside, outside, count (user)", FIELD_LIST, NS_NEEDS_DETAILS, get_uidmap },
	{ "GIDMAP", "inside, outside, count (user)", FIELD_LIST, NS_NEEDS_DETAILS, get_gidmap },
	{ "SETGROUPS", "allow or deny (user)", FIELD_TEXT, NS_NEEDS_DETAILS, get_setgroups },
	{ "INIT", "its process 1 (pid)", FIELD_NUMBER, NS_NEEDS_DETAILS, get_init },
	{ "NMOUNTS", "mounts in it (mnt)", FIELD_NUMBER, NS_NEEDS_DETAILS | NS_NEEDS_MOUNTS,
	  get_nmounts },
	{ "ROOT", "root directory of PID (mnt)", FIELD_TEXT, NS_NEEDS_DETAILS, get_root },
	{ "MONOTONIC", "offset of CLOCK_MONOTONIC (time)", FIELD_SECONDS, NS_NEEDS_DETAILS,
	  get_monotonic },
	{ "BOOTTIME", "offset of CLOCK_BOOTTIME (time)", FIELD_SECONDS, NS_NEEDS_DETAILS,
	  get_boottime },
	{ "COMMAND", "command line of PID", FIELD_TEXT, 0, get_command },
};
const struct fields ns_fields = { columns, ARRAY_SIZE(columns) };
