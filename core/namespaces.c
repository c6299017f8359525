// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "core/namespaces.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080 /* Linux 5.6 */
#endif

static const struct {
	const char *name, *other;
	int flag;
} types[NS_TYPE_COUNT] = {
	[NS_MNT] = { "mnt", "mount", CLONE_NEWNS },
	[NS_NET] = { "net", "network", CLONE_NEWNET },
	[NS_PID] = { "pid", NULL, CLONE_NEWPID },
	[NS_USER] = { "user", NULL, CLONE_NEWUSER },
	[NS_UTS] = { "uts", NULL, CLONE_NEWUTS },
	[NS_IPC] = { "ipc", NULL, CLONE_NEWIPC },
	[NS_CGROUP] = { "cgroup", NULL, CLONE_NEWCGROUP },
	[NS_TIME] = { "time", NULL, CLONE_NEWTIME },
};

static const struct {
	const char *name, *state;
} holders[NS_HOLDER_KIND_COUNT] = {
	[NS_HELD_PROCESS] = { "process", "live" },
	[NS_HELD_THREAD] = { "thread", "live" },
	[NS_HELD_CHILDREN] = { "for children", "children" },
	[NS_HELD_FD] = { "fd", "fd" },
	[NS_HELD_SOCKET] = { "socket", "socket" },
	[NS_HELD_MOUNT] = { "bind mount", "mount" },
	[NS_HELD_CHILD] = { "child namespace", "child" },
	[NS_HELD_UNKNOWN] = { "unknown", "unknown" },
};

struct namespaces *namespaces_new(void)
{
	struct namespaces *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	atomic_init(&set->refs, 1);
	arena_init(&set->arena);
	for (int type = 0; type < NS_TYPE_COUNT; type++)
		set->host[type] = NS_NONE;
	return set;
}

struct namespaces *namespaces_ref(struct namespaces *set)
{
	if (set)
		atomic_fetch_add(&set->refs, 1);
	return set;
}

void namespaces_unref(struct namespaces *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	arena_done(&set->arena);
	free(set);
}

uint32_t namespaces_find(const struct namespaces *set, enum ns_type type, uint64_t inode)
{
	uint32_t low = set->first[type], high = set->first[type + 1];

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (set->list[middle].inode == inode)
			return middle;
		if (set->list[middle].inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	return NS_NONE;
}

uint32_t namespaces_find_process(const struct namespaces *set, pid_t pid)
{
	uint32_t low = 0, high = set->n_processes;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (set->processes[middle].pid == pid)
			return middle;
		if (set->processes[middle].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return NS_NONE;
}

static pid_t parent_of(const struct ns_process *process, const struct ns_ancestry *ancestry)
{
	return process->ppid > 0 || !ancestry ? process->ppid
					      : ancestry->parent(ancestry->data, process);
}

uint32_t namespaces_process_parent(const struct namespaces *set, uint32_t index,
				   const struct ns_ancestry *ancestry)
{
	const struct ns_namespace *ns = &set->list[index];
	uint32_t process = namespaces_find_process(set, ns->pid);

	/* Parents were read at different moments: they may go round in a circle. */
	for (uint32_t steps = 0; process != NS_NONE && steps < set->n_processes; steps++) {
		uint32_t in = set->processes[process].ns[ns->type];

		if (in != index && in != NS_NONE)
			return in;
		process = namespaces_find_process(set,
						  parent_of(&set->processes[process], ancestry));
	}
	return NS_NONE;
}

double ns_limit_ratio(const struct ns_limit *limit)
{
	if (!limit->limit_known)
		return 0;
	if (limit->limit == 0)
		return limit->used ? 1 : 0;
	return (double)limit->used / (double)limit->limit;
}

const char *ns_type_name(enum ns_type type)
{
	return types[type].name;
}

enum ns_type ns_type_find(const char *name, size_t length)
{
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		const char *const names[] = { types[type].name, types[type].other };

		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			if (names[i] && strlen(names[i]) == length &&
			    memcmp(names[i], name, length) == 0)
				return (enum ns_type)type;
		}
	}
	return NS_TYPE_COUNT;
}

int ns_type_flag(enum ns_type type)
{
	return types[type].flag;
}

const char *ns_holder_name(enum ns_holder_kind kind)
{
	return holders[kind].name;
}

const char *ns_state_name(const struct ns_namespace *ns)
{
	enum ns_holder_kind strongest = ns->processes ? NS_HELD_PROCESS : NS_HELD_UNKNOWN;

	for (uint32_t i = 0; i < ns->n_holders; i++) {
		if (ns->holders[i].kind < strongest)
			strongest = ns->holders[i].kind;
	}
	return holders[strongest].state;
}
