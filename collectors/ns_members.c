// SPDX-License-Identifier: MIT
#include "collectors/ns_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/cleanup.h"

/*
 * A pass takes a while, and meanwhile processes end, and namespaces with them. Whoever stands for
 * one is the lowest that is still there; one that nobody is in or holds any more is not listed.
 */

static bool is_in(const struct ns_task *task, const struct ns_known *known, bool leader)
{
	return (task->pid == task->tid) == leader && task->ns[known->type] == known;
}

void ns_members_next_process(struct ns_scanner *scanner, struct ns_known *known)
{
	known->lowest = NULL;
	while (!known->lowest && ++known->lowest_at < scanner->n_current) {
		if (is_in(scanner->current[known->lowest_at], known, true))
			known->lowest = scanner->current[known->lowest_at];
	}
}

void ns_members_next_thread(struct ns_scanner *scanner, struct ns_known *known)
{
	known->thread = NULL;
	while (!known->thread && ++known->thread_at < scanner->n_current) {
		if (is_in(scanner->current[known->thread_at], known, false))
			known->thread = scanner->current[known->thread_at];
	}
}

/* A thread by its links: more than its process's name is not shown of it. */
static bool thread_is_there(const struct ns_scanner *scanner, const struct ns_task *thread)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/task/%d/ns", (int)thread->pid, (int)thread->tid);
	return faccessat(scanner->proc_fd, path, F_OK, 0) == 0;
}

static void settle(struct ns_scanner *scanner, struct ns_known *known)
{
	while (known->lowest) {
		ns_task_tell(scanner, known->lowest);
		if (known->lowest->command || known->lowest->comm)
			return;
		ns_members_next_process(scanner, known);
	}
	while (known->thread && !thread_is_there(scanner, known->thread))
		ns_members_next_thread(scanner, known);
	known->processes = 0;
	if (!known->thread)
		known->threads = 0;
}

static bool is_seen(const struct ns_scanner *scanner, const struct ns_known *known)
{
	return known && known->pass == scanner->pass;
}

static struct ns_known *find_mnt(const struct ns_scanner *scanner, uint64_t inode)
{
	return (struct ns_known *)ns_hash_find(&scanner->known, inode * NS_TYPE_COUNT + NS_MNT);
}

/* By a mount it is held as long as there is the namespace that has the mount. */
static bool is_held(const struct ns_scanner *scanner, const struct ns_known *known)
{
	for (const struct ns_hold *hold = known->holds; hold; hold = hold->next) {
		if (hold->holder.kind != NS_HELD_MOUNT && !known->lost)
			return true;
		if (hold->holder.kind == NS_HELD_MOUNT &&
		    is_seen(scanner, find_mnt(scanner, hold->holder.mount_ns)))
			return true;
	}
	return false;
}

static bool is_abandoned(const struct ns_scanner *scanner, const struct ns_known *known)
{
	return !known->lowest && !known->thread && !is_held(scanner, known);
}

/*
 * Mount namespaces that only the kernel lists may just have been made: somebody who is in one now,
 * but was not when this pass looked at him, is left to the next pass, and so is his namespace.
 */
static int find_young(struct ns_scanner *scanner)
{
	int fd = root_open(scanner->root, ROOT_PROC, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		closep(&fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	while (ns_stopped(scanner) == 0 && (entry = readdir(dir))) {
		struct ns_known *known;
		char path[32], text[64];
		uint64_t inode;
		ssize_t n;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%.15s/ns/mnt", entry->d_name);
		n = readlinkat(fd, path, text, sizeof(text));
		inode = n > 0 ? ns_link_parse(text, (size_t)n, NS_MNT) : 0;
		known = inode ? find_mnt(scanner, inode) : NULL;
		if (is_seen(scanner, known))
			known->young = is_abandoned(scanner, known);
	}
	closedir(dir);
	return ns_stopped(scanner);
}

static const struct mount_ns_info *find_listed(const struct mount_table *mounts, uint64_t inode)
{
	size_t n = 0;
	const struct mount_ns_info *spaces = mounts ? mount_table_spaces(mounts, &n) : NULL;

	for (size_t i = 0; i < n; i++) {
		if (spaces[i].inode == inode)
			return &spaces[i];
	}
	return NULL;
}

/* Whether the kernel itself says that it is there. Only of mount namespaces it does. */
static bool is_listed(const struct ns_known *known, const struct mount_table *mounts)
{
	const struct mount_ns_info *info = NULL;

	if (known->type == NS_MNT && !known->young)
		info = find_listed(mounts, known->inode);
	return info && mount_ns_is_there(info);
}

/* How many that are there have it as parent or owner. Uses `index`, which is not given yet. */
static void count_children(struct ns_scanner *scanner)
{
	for (size_t i = 0; i < scanner->n_seen; i++)
		scanner->seen[i]->index = 0;
	for (size_t i = 0; i < scanner->n_seen; i++) {
		struct ns_known *known = scanner->seen[i];

		if (known->parent)
			known->parent->index++;
		if (known->owner)
			known->owner->index++;
	}
}

/* True if some were: then what was above them may have to go, too. */
static bool drop_ended(struct ns_scanner *scanner, const struct mount_table *mounts)
{
	size_t n = 0, before = scanner->n_seen;

	count_children(scanner);
	for (size_t i = 0; i < before; i++) {
		struct ns_known *known = scanner->seen[i];

		if (known->index > 0 || !is_abandoned(scanner, known) || is_listed(known, mounts)) {
			scanner->seen[n++] = known;
			continue;
		}
		known->pass = 0;
		closep(&known->fd);
		known->fd = -1;
	}
	scanner->n_seen = n;
	return n < before;
}

/* Nobody shall remember what is forgotten: such a task is read anew if its number comes back. */
static void forget_dropped(struct ns_scanner *scanner)
{
	for (size_t i = 0; i < scanner->n_current; i++) {
		struct ns_task *task = scanner->current[i];

		for (unsigned int link = 0; link < NS_LINK_COUNT; link++) {
			if (!task->ns[link] || is_seen(scanner, task->ns[link]))
				continue;
			task->ns[link] = NULL;
			task->rests = false;
			task->run_ns = 0;
		}
	}
}

int ns_members_settle(struct ns_scanner *scanner, const struct mount_table *mounts)
{
	size_t before = scanner->n_seen;
	bool look_again = false;
	int r = 0;

	for (size_t i = 0; i < scanner->n_seen; i++) {
		struct ns_known *known = scanner->seen[i];

		settle(scanner, known);
		look_again |= known->type == NS_MNT && is_abandoned(scanner, known) &&
			      known->first_seen_ns == scanner->boottime_ns;
	}
	if (look_again)
		r = find_young(scanner);
	while (r == 0 && drop_ended(scanner, mounts))
		r = ns_stopped(scanner);
	if (scanner->n_seen < before)
		forget_dropped(scanner);
	return r;
}
