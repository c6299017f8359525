// SPDX-License-Identifier: MIT
#include "agent/verbs/ns_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

static void count_members(struct ns_view *view)
{
	const struct namespaces *set = view->set;

	for (uint32_t p = 0; p < set->n_processes; p++) {
		for (int type = 0; type < NS_TYPE_COUNT; type++) {
			if (set->processes[p].ns[type] < set->n)
				view->first[set->processes[p].ns[type] + 1]++;
		}
	}
	for (uint32_t i = 0; i < set->n; i++)
		view->first[i + 1] += view->first[i];
}

static int fill_members(struct ns_view *view)
{
	const struct namespaces *set = view->set;
	_cleanup_(freep) uint32_t *next = malloc(((size_t)set->n + 1) * sizeof(*next));

	view->members = malloc(((size_t)view->first[set->n] + 1) * sizeof(*view->members));
	if (!next || !view->members)
		return -ENOMEM;
	memcpy(next, view->first, set->n * sizeof(*next));
	for (uint32_t p = 0; p < set->n_processes; p++) {
		for (int type = 0; type < NS_TYPE_COUNT; type++) {
			uint32_t ns = set->processes[p].ns[type];

			if (ns < set->n)
				view->members[next[ns]++] = p;
		}
	}
	return 0;
}

int ns_view_init(struct ns_view *view, const struct inventory *inventory, struct labels *labels)
{
	int r;

	*view = (struct ns_view){ .set = inventory->namespaces,
				  .containers = inventory->containers,
				  .labels = labels };
	if (!view->set)
		return -ENODATA;
	view->first = calloc((size_t)view->set->n + 2, sizeof(*view->first));
	if (!view->first)
		return -ENOMEM;
	count_members(view);
	r = fill_members(view);
	if (r < 0)
		ns_view_done(view);
	return r;
}

void ns_view_done(struct ns_view *view)
{
	free(view->first);
	free(view->members);
	view->first = view->members = NULL;
}

bool ns_is_live(const struct ns_namespace *ns)
{
	return ns->processes > 0 || ns->threads > 0;
}

bool ns_is_undecided(const struct ns_view *view, const struct ns_namespace *ns)
{
	return !ns_is_live(ns) && view->set->n_denied_others > 0;
}

bool ns_add_inode(const struct ns_view *view, uint32_t index, struct strbuf *out)
{
	return field_add_u64(out, index < view->set->n,
			     index < view->set->n ? view->set->list[index].inode : 0);
}

bool ns_add_user(const struct ns_view *view, uid_t uid, struct strbuf *out)
{
	const char *name = labels_user(view->labels, uid);

	return name ? field_add_text(out, name) : field_add_u64(out, true, uid);
}

/* A kernel thread or a zombie has no command line: then its name. */
bool ns_add_command(const struct ns_view *view, pid_t pid, const char *known, struct strbuf *out)
{
	const char *command = known ? known : labels_command(view->labels, pid);
	uint32_t process;

	if (!command) {
		process = namespaces_find_process(view->set, pid);
		command = process == NS_NONE ? NULL : view->set->processes[process].comm;
	}
	return field_add_text(out, command);
}

static void add_of(const struct ns_holder *holder, struct strbuf *out)
{
	strbuf_printf(out, " of %d", (int)holder->pid);
	if (!holder->comm)
		return;
	strbuf_add_string(out, " (");
	strbuf_add_string(out, holder->comm);
	strbuf_add_char(out, ')');
}

static void add_mount(const struct ns_view *view, const struct ns_holder *holder,
		      struct strbuf *out)
{
	uint32_t host = view->set->host[NS_MNT];

	strbuf_add_string(out, "mount ");
	strbuf_add_string(out, holder->path ? holder->path : "?");
	if (holder->mount_ns &&
	    (host == NS_NONE || view->set->list[host].inode != holder->mount_ns))
		strbuf_printf(out, " in mnt:[%llu]", (unsigned long long)holder->mount_ns);
}

void ns_add_holder(const struct ns_view *view, const struct ns_holder *holder, struct strbuf *out)
{
	switch (holder->kind) {
	case NS_HELD_THREAD:
		strbuf_printf(out, "thread %d", (int)holder->tid);
		add_of(holder, out);
		break;
	case NS_HELD_CHILDREN:
		strbuf_add_string(out, "children");
		add_of(holder, out);
		break;
	case NS_HELD_FD:
		strbuf_printf(out, "fd %d", holder->fd);
		add_of(holder, out);
		break;
	case NS_HELD_SOCKET:
		strbuf_printf(out, "socket fd %d", holder->fd);
		add_of(holder, out);
		break;
	case NS_HELD_MOUNT:
		add_mount(view, holder, out);
		break;
	case NS_HELD_CHILD:
		strbuf_printf(out, "%s:[%llu]", ns_type_name(holder->child_type),
			      (unsigned long long)holder->inode);
		break;
	default:
		strbuf_add_string(out, ns_holder_name(holder->kind));
	}
}

/* What differs from one namespace of a type to the next. */
static void add_contents(const struct ns_namespace *ns, struct strbuf *out)
{
	if (ns->type == NS_NET && ns->interfaces) {
		strbuf_add_string(out, ", ");
		strbuf_add_string(out, ns->interfaces);
	}
	if (ns->type == NS_UTS && ns->nodename) {
		strbuf_add_string(out, ", host name ");
		strbuf_add_string(out, ns->nodename);
	}
	if (ns->type == NS_MNT && ns->n_mounts >= 0)
		strbuf_printf(out, ", %lld mounts", (long long)ns->n_mounts);
	if (ns->type == NS_PID && ns->init)
		strbuf_printf(out, ", its process 1 is %d", (int)ns->init);
	if (ns->type == NS_USER && ns->n_uid_map > 0 && !ns->host)
		strbuf_printf(out, ", %u is %u outside", ns->uid_map[0].inside,
			      ns->uid_map[0].outside);
	if (ns->type == NS_TIME && ns->offsets_known && (ns->monotonic_ns || ns->boottime_ns))
		strbuf_printf(out, ", boot time %+.0f s", (double)ns->boottime_ns / 1e9);
}

void ns_add_description(const struct ns_view *view, uint32_t index, struct strbuf *out)
{
	const struct ns_namespace *ns;

	if (index >= view->set->n) {
		strbuf_add_string(out, "not to be read");
		return;
	}
	ns = &view->set->list[index];
	if (ns->host)
		strbuf_add_string(out, "the machine's");
	else if (ns->processes)
		strbuf_printf(out, "%u process%s", ns->processes, ns->processes == 1 ? "" : "es");
	else if (ns_is_undecided(view, ns))
		strbuf_printf(out, "no process seen (%s)", ns_state_name(ns));
	else
		strbuf_printf(out, "no process (%s)", ns_state_name(ns));
	add_contents(ns, out);
}
