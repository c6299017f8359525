// SPDX-License-Identifier: MIT
#include "collectors/ns_private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* include/linux/proc_ns.h; those of mnt and net are fixed since Linux 6.17 only, but no namespace
 * made later ever had such a number. */
static const uint64_t initial_inodes[NS_TYPE_COUNT] = {
	[NS_IPC] = 0xEFFFFFFF, [NS_UTS] = 0xEFFFFFFE,	 [NS_USER] = 0xEFFFFFFD,
	[NS_PID] = 0xEFFFFFFC, [NS_CGROUP] = 0xEFFFFFFB, [NS_TIME] = 0xEFFFFFFA,
	[NS_NET] = 0xEFFFFFF9, [NS_MNT] = 0xEFFFFFF8,
};

bool ns_is_initial(enum ns_type type, uint64_t inode)
{
	return initial_inodes[type] == inode;
}

static int compare_known(const void *a, const void *b)
{
	const struct ns_known *x = *(struct ns_known *const *)a, *y = *(struct ns_known *const *)b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return (x->inode > y->inode) - (x->inode < y->inode);
}

static int compare_tasks(const void *a, const void *b)
{
	const struct ns_task *x = *(struct ns_task *const *)a, *y = *(struct ns_task *const *)b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

static uint32_t index_of(const struct ns_scanner *scanner, const struct ns_known *known)
{
	return known && known->pass == scanner->pass ? known->index : NS_NONE;
}

/* Who stands for a namespace: its lowest process, or the lowest holder of it. */
static struct ns_task *face_of(const struct ns_scanner *scanner, const struct ns_known *known)
{
	pid_t pid = 0;

	if (known->lowest)
		return known->lowest;
	for (const struct ns_hold *hold = known->holds; hold; hold = hold->next) {
		if (hold->holder.pid && (pid == 0 || hold->holder.pid < pid))
			pid = hold->holder.pid;
	}
	return pid ? ns_task_find(scanner, pid) : NULL;
}

static int compare_holders(const void *a, const void *b)
{
	const struct ns_holder *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	if (x->fd != y->fd)
		return x->fd < y->fd ? -1 : 1;
	return (x->inode > y->inode) - (x->inode < y->inode);
}

static void fill_holders(struct ns_scanner *scanner, const struct ns_known *known,
			 struct namespaces *set, struct ns_namespace *ns)
{
	uint32_t n = 0;

	for (const struct ns_hold *hold = known->holds; hold; hold = hold->next)
		n++;
	ns->holders = n ? arena_array(&set->arena, n, sizeof(*ns->holders)) : NULL;
	if (!ns->holders)
		return;
	for (const struct ns_hold *hold = known->holds; hold; hold = hold->next) {
		struct ns_holder *holder = &ns->holders[ns->n_holders++];
		struct ns_task *task = hold->holder.pid ? ns_task_find(scanner, hold->holder.pid)
							: NULL;

		*holder = hold->holder;
		holder->path = arena_string(&set->arena, holder->path);
		if (task)
			ns_task_name(scanner, task);
		holder->comm = task ? arena_string(&set->arena, task->comm) : NULL;
	}
	qsort(ns->holders, ns->n_holders, sizeof(*ns->holders), compare_holders);
}

static void fill(struct ns_scanner *scanner, struct ns_known *known, struct namespaces *set)
{
	struct ns_namespace *ns = &set->list[known->index];
	struct ns_task *face = face_of(scanner, known);

	*ns = (struct ns_namespace){
		.type = known->type,
		.inode = known->inode,
		.id = known->id,
		.parent = index_of(scanner, known->parent),
		.owner = index_of(scanner, known->owner),
		.processes = known->processes,
		.threads = known->threads,
		.oldest_ns = known->first_seen_ns,
		.n_interfaces = -1,
		.netnsid = -1,
		.n_mounts = -1,
	};
	for (const struct ns_known *up = known->parent; up; up = up->parent)
		ns->depth++;
	if (known->type == NS_USER) {
		ns->owner_known = known->owner_uid_known;
		ns->owner_uid = known->owner_uid;
	} else if (known->owner) {
		ns->owner_known = known->owner->owner_uid_known;
		ns->owner_uid = known->owner->owner_uid;
	}
	if (face) {
		ns_task_tell(scanner, face);
		ns->pid = face->pid;
		ns->ppid = face->ppid;
		ns->uid = ns_task_uid(scanner, face);
		ns->command = arena_string(&set->arena, face->command);
		if (face == known->lowest && face->start_ns && face->start_ns < ns->oldest_ns)
			ns->oldest_ns = face->start_ns;
	}
	fill_holders(scanner, known, set, ns);
}

static int build_list(struct ns_scanner *scanner, struct namespaces *set)
{
	if (scanner->n_seen > 0)
		qsort(scanner->seen, scanner->n_seen, sizeof(struct ns_known *), compare_known);
	set->n = (uint32_t)scanner->n_seen;
	set->list = arena_array(&set->arena, set->n, sizeof(*set->list));
	if (!set->list)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->n; i++) {
		scanner->seen[i]->index = i;
		set->first[scanner->seen[i]->type + 1] = i + 1;
	}
	for (int type = 1; type <= NS_TYPE_COUNT; type++) {
		if (set->first[type] < set->first[type - 1])
			set->first[type] = set->first[type - 1];
	}
	for (uint32_t i = 0; i < set->n && ns_stopped(scanner) == 0; i++)
		fill(scanner, scanner->seen[i], set);
	return ns_stopped(scanner);
}

/* One copy of the paths for all processes in that cgroup. */
static void copy_paths(struct ns_scanner *scanner, struct namespaces *set, struct ns_cgroup *cgroup)
{
	size_t n = 0;

	cgroup->copied = scanner->pass;
	cgroup->copy = arena_string(&set->arena, cgroup->path);
	cgroup->other_copies = NULL;
	while (cgroup->others && cgroup->others[n])
		n++;
	if (n > 0)
		cgroup->other_copies = arena_array(&set->arena, n + 1,
						   sizeof(*cgroup->other_copies));
	for (size_t i = 0; cgroup->other_copies && i < n; i++)
		cgroup->other_copies[i] = arena_string(&set->arena, cgroup->others[i]);
}

static void set_cgroup(struct ns_scanner *scanner, struct namespaces *set, struct ns_cgroup *cgroup,
		       struct ns_process *process)
{
	if (!cgroup || !cgroup->path)
		return;
	if (cgroup->copied != scanner->pass)
		copy_paths(scanner, set, cgroup);
	process->cgroup = cgroup->copy;
	process->other_cgroups = cgroup->other_copies;
}

static void add_process(struct ns_scanner *scanner, struct namespaces *set, struct ns_task *task)
{
	struct ns_process *process = &set->processes[set->n_processes++];
	bool every = scanner->flags & NS_SCAN_PROCESSES;

	if (every)
		ns_task_name(scanner, task);
	*process = (struct ns_process){
		.pid = task->pid,
		.ppid = task->ppid,
		.uid = every ? ns_task_uid(scanner, task) : task->uid,
		.threads = task->threads,
		.start_ns = task->start_ns,
		.comm = task->comm ? arena_string(&set->arena, task->comm) : "",
		.pid_for_children = index_of(scanner, task->ns[NS_LINK_PID_CHILDREN]),
		.time_for_children = index_of(scanner, task->ns[NS_LINK_TIME_CHILDREN]),
		.denied = task->denied,
	};
	if (scanner->flags & NS_SCAN_CGROUPS) {
		set_cgroup(scanner, set, task->cgroup, process);
		process->root_device = task->root_device;
	}
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		process->ns[type] = index_of(scanner, task->ns[type]);
		if (process->ns[type] != NS_NONE && task->start_ns &&
		    task->start_ns < set->list[process->ns[type]].oldest_ns)
			set->list[process->ns[type]].oldest_ns = task->start_ns;
	}
	set->n_denied += task->denied;
	set->n_denied_others += task->denied && task->uid != geteuid();
}

static void add_thread(const struct ns_scanner *scanner, struct namespaces *set,
		       const struct ns_task *task, const struct ns_task *leader)
{
	struct ns_thread *thread = &set->threads[set->n_threads];
	bool differs = false;

	*thread = (struct ns_thread){ .pid = task->pid, .tid = task->tid };
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		thread->ns[type] = index_of(scanner, task->ns[type]);
		differs |= task->ns[type] != leader->ns[type];
	}
	set->n_threads += differs;
}

static int build_tasks(struct ns_scanner *scanner, struct namespaces *set)
{
	const struct ns_task *leader = NULL;
	size_t n = 0;

	if (scanner->n_current > 0)
		qsort(scanner->current, scanner->n_current, sizeof(struct ns_task *),
		      compare_tasks);
	for (size_t i = 0; i < scanner->n_current; i++)
		n += scanner->current[i]->pid == scanner->current[i]->tid;
	set->processes = arena_array(&set->arena, n ? n : 1, sizeof(*set->processes));
	set->threads = arena_array(&set->arena, scanner->n_current - n + 1, sizeof(*set->threads));
	if (!set->processes || !set->threads)
		return -ENOMEM;
	/* A process is the thread with the lowest number of its own, unless numbers wrapped. */
	for (size_t i = 0; i < scanner->n_current; i++) {
		struct ns_task *task = scanner->current[i];

		if (task->pid == task->tid)
			add_process(scanner, set, task);
		leader = ns_task_find(scanner, task->pid);
		if (task->pid != task->tid && leader)
			add_thread(scanner, set, task, leader);
	}
	return 0;
}

/* "The machine's own" are those of its first process, or the ones the kernel was born with. */
static void find_host(struct namespaces *set)
{
	uint32_t first = namespaces_find_process(set, 1);

	for (uint32_t i = 0; i < set->n; i++) {
		if (ns_is_initial(set->list[i].type, set->list[i].inode))
			set->host[set->list[i].type] = i;
	}
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		if (first != NS_NONE && set->processes[first].ns[type] != NS_NONE)
			set->host[type] = set->processes[first].ns[type];
		if (set->host[type] != NS_NONE)
			set->list[set->host[type]].host = true;
	}
}

int ns_build(struct ns_scanner *scanner, struct namespaces **ret_namespaces)
{
	struct namespaces *set = namespaces_new();
	int r;

	if (!set)
		return -ENOMEM;
	set->boottime_ns = scanner->boottime_ns;
	set->realtime_ns = scanner->realtime_ns;
	set->holders_searched = scanner->flags & NS_SCAN_HOLDERS;
	r = build_list(scanner, set);
	if (r == 0)
		r = build_tasks(scanner, set);
	if (r < 0) {
		namespaces_unref(set);
		return r;
	}
	find_host(set);
	*ret_namespaces = set;
	return 0;
}
