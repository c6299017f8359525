// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/ns_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "collectors/ns_private.h"
#include "core/cleanup.h"
#include "core/clock.h"

int ns_scanner_new(const struct root *root, const struct hierarchies *hierarchies,
		   struct ns_scanner **ret_scanner)
{
	struct ns_scanner *scanner = calloc(1, sizeof(*scanner));

	if (!scanner)
		return -ENOMEM;
	scanner->root = root;
	scanner->hierarchies = hierarchies;
	scanner->live = !root_is_recorded(root);
	scanner->netlink = -1;
	arena_init(&scanner->scratch);
	strbuf_init(&scanner->text);
	scanner->proc_fd = root_open(root, ROOT_PROC, ".", O_PATH | O_DIRECTORY);
	if (scanner->proc_fd < 0) {
		int r = scanner->proc_fd;

		ns_scanner_free(scanner);
		return r;
	}
	*ret_scanner = scanner;
	return 0;
}

void ns_scanner_free(struct ns_scanner *scanner)
{
	if (!scanner)
		return;
	ns_forget_all(scanner);
	closep(&scanner->proc_fd);
	closep(&scanner->netlink);
	arena_done(&scanner->scratch);
	strbuf_done(&scanner->text);
	free(scanner->seen);
	free(scanner->current);
	free(scanner->mount_ns);
	free(scanner->hidden);
	free(scanner);
}

void ns_scanner_use(struct ns_scanner *scanner, struct bpf_tasks *tasks)
{
	scanner->records = tasks;
}

void ns_scanner_heed(struct ns_scanner *scanner, const atomic_bool *stop)
{
	scanner->stop = stop;
}

int ns_stopped(const struct ns_scanner *scanner)
{
	return scanner->stop && atomic_load_explicit(scanner->stop, memory_order_relaxed)
		       ? -ECANCELED
		       : 0;
}

/* One that is not reached through a process needs a descriptor. */
static struct mount_ns way_into(struct ns_scanner *scanner, struct ns_known *known)
{
	pid_t pid = known->lowest ? known->lowest->pid : known->thread ? known->thread->tid : 0;

	if (pid == 0 && known->fd < 0) {
		int fd = ns_known_open(scanner, known);

		known->fd = fd < 0 ? -1 : fd;
	}
	return (struct mount_ns){
		.inode = known->inode, .id = known->id, .pid = pid, .fd = known->fd
	};
}

static int list_mount_ns(struct ns_scanner *scanner)
{
	size_t n = 0;

	for (size_t i = 0; i < scanner->n_seen; i++)
		n += scanner->seen[i]->type == NS_MNT;
	scanner->mount_ns = calloc(n ? n : 1, sizeof(*scanner->mount_ns));
	if (!scanner->mount_ns)
		return -ENOMEM;
	for (size_t i = 0; i < scanner->n_seen; i++) {
		if (scanner->seen[i]->type == NS_MNT)
			scanner->mount_ns[scanner->n_mount_ns++] = way_into(scanner,
									    scanner->seen[i]);
	}
	return 0;
}

int ns_scanner_read(struct ns_scanner *scanner, unsigned int flags)
{
	uint64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int r;

	ns_begin_pass(scanner);
	scanner->flags = flags;
	scanner->boottime_ns = clock_ns(CLOCK_BOOTTIME);
	scanner->realtime_ns = clock_ns(CLOCK_REALTIME);
	r = ns_links_read(scanner);
	if (r == 0 && flags & NS_SCAN_HOLDERS)
		r = ns_holders_read(scanner);
	if (r == 0 && flags & NS_SCAN_CGROUPS)
		r = ns_tasks_place(scanner);
	if (r == 0)
		r = ns_facts_read(scanner);
	if (r == 0)
		r = list_mount_ns(scanner);
	if (r == 0 && scanner->scratch.failed)
		r = -ENOMEM;
	if (r < 0)
		ns_close_all(scanner);
	scanner->cost_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
	return r;
}

const struct mount_ns *ns_scanner_mount_ns(const struct ns_scanner *scanner, size_t *ret_n)
{
	*ret_n = scanner->n_mount_ns;
	return scanner->mount_ns;
}

static int finish(struct ns_scanner *scanner, const struct mount_table *mounts,
		  struct namespaces **ret_namespaces)
{
	struct namespaces *set;
	int r;

	r = ns_holders_finish(scanner, mounts);
	if (r < 0)
		return r;
	r = ns_build(scanner, &set);
	if (r < 0)
		return r;
	if (scanner->flags & NS_SCAN_DETAILS)
		r = ns_details_read(scanner, mounts, set);
	if (r == 0)
		r = ns_limits_read(scanner, set);
	if (r == 0)
		r = ns_stopped(scanner);
	if (r == 0 && set->arena.failed)
		r = -ENOMEM;
	if (r < 0) {
		namespaces_unref(set);
		return r;
	}
	ns_forget(scanner);
	*ret_namespaces = set;
	return 0;
}

int ns_scanner_finish(struct ns_scanner *scanner, const struct mount_table *mounts,
		      struct namespaces **ret_namespaces)
{
	uint64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int r = finish(scanner, mounts, ret_namespaces);

	ns_close_all(scanner);
	if (r == 0)
		(*ret_namespaces)->cost_ns = scanner->cost_ns + clock_ns(CLOCK_THREAD_CPUTIME_ID) -
					     before;
	return r;
}
