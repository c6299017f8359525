// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/ns_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"

#ifndef NS_GET_USERNS
#define NS_GET_USERNS _IO(NSIO, 0x1)
#define NS_GET_PARENT _IO(NSIO, 0x2)
#endif
#ifndef NS_GET_OWNER_UID
#define NS_GET_OWNER_UID _IO(NSIO, 0x4)
#endif
#ifndef NS_GET_ID
#define NS_GET_ID _IOR(NSIO, 13, uint64_t)
#endif

/* Never asks the server of a filesystem: whatever the descriptor leads to by now is not ours. */
uint64_t ns_inode_of(struct ns_scanner *scanner, int fd)
{
	struct statx info;

	if (!scanner->nsfs_known) {
		_cleanup_(closep) int own = root_open(scanner->root, ROOT_PROC, "self/ns/mnt",
						      O_RDONLY);

		if (own < 0 || statx(own, "", AT_EMPTY_PATH, STATX_INO, &info) < 0)
			return 0;
		scanner->nsfs_device = makedev(info.stx_dev_major, info.stx_dev_minor);
		scanner->nsfs_known = true;
	}
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &info) < 0 ||
	    makedev(info.stx_dev_major, info.stx_dev_minor) != scanner->nsfs_device)
		return 0;
	return info.stx_ino;
}

int ns_reopen(struct ns_scanner *scanner, const struct ns_known *known, int path_fd)
{
	char path[32];

	if (ns_inode_of(scanner, path_fd) != known->inode)
		return -ESRCH;
	snprintf(path, sizeof(path), "self/fd/%d", path_fd);
	return root_open(scanner->root, ROOT_PROC, path, O_RDONLY);
}

/* Through the link of a task; -ESRCH if that has gone, or leads elsewhere by now. */
static int open_link(struct ns_scanner *scanner, const struct ns_known *known,
		     const struct ns_task *task, unsigned int link)
{
	struct stat info;
	char path[96];
	int fd;

	if (task->pid == task->tid)
		snprintf(path, sizeof(path), "%d/ns/%s", (int)task->pid, ns_link_name(link));
	else
		snprintf(path, sizeof(path), "%d/task/%d/ns/%s", (int)task->pid, (int)task->tid,
			 ns_link_name(link));
	fd = root_open(scanner->root, ROOT_PROC, path, O_RDONLY);
	/* Of one that has just gone the kernel may say so, too. */
	if (fd == -ENOENT ||
	    (fd == -EACCES && fstatat(scanner->proc_fd, path, &info, AT_SYMLINK_NOFOLLOW) < 0))
		return -ESRCH;
	if (fd >= 0 && ns_inode_of(scanner, fd) != known->inode) {
		close(fd);
		return -ESRCH;
	}
	return fd;
}

static int open_held(struct ns_scanner *scanner, const struct ns_known *known,
		     const struct ns_holder *holder)
{
	_cleanup_(closep) int held = -1;
	char path[64];
	int fd;

	if (holder->kind != NS_HELD_SOCKET) {
		snprintf(path, sizeof(path), "%d/task/%d/fd/%d", (int)holder->pid, (int)holder->tid,
			 holder->fd);
		held = root_open(scanner->root, ROOT_PROC, path, O_PATH);
		return held < 0 ? held : ns_reopen(scanner, known, held);
	}
	held = ns_copy_socket(holder->pid, holder->tid, holder->fd, holder->inode);
	fd = held < 0 ? held : ns_socket_net(held);
	if (fd >= 0 && ns_inode_of(scanner, fd) != known->inode) {
		close(fd);
		return -ESRCH;
	}
	return fd;
}

/* Through whoever is in it, the lowest first. Who is not any more is passed over for good. */
static int open_member(struct ns_scanner *scanner, struct ns_known *known)
{
	int fd = -ESRCH;

	while (known->lowest) {
		fd = open_link(scanner, known, known->lowest, known->type);
		if (fd != -ESRCH)
			return fd;
		ns_members_next_process(scanner, known);
	}
	while (known->thread) {
		fd = open_link(scanner, known, known->thread, known->type);
		if (fd != -ESRCH)
			return fd;
		ns_members_next_thread(scanner, known);
	}
	return fd;
}

/* What failed otherwise than by the end of what was to be opened, before this and in it. */
static int worse(int before, int now)
{
	bool ended = now == -ESRCH || now == -ENOENT || now == -EBADF;

	return now >= 0 || ended ? before : now;
}

int ns_known_open(struct ns_scanner *scanner, struct ns_known *known)
{
	int fd, error;

	if (!scanner->live)
		return -ENOSYS;
	if (known->fd >= 0) {
		fd = fcntl(known->fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? -errno : fd;
	}
	fd = open_member(scanner, known);
	error = worse(-ESRCH, fd);
	if (fd < 0 && known->maker) {
		fd = open_link(scanner, known, known->maker,
			       known->type == NS_PID ? NS_LINK_PID_CHILDREN
						     : NS_LINK_TIME_CHILDREN);
		error = worse(error, fd);
	}
	for (const struct ns_hold *hold = known->holds; hold && fd < 0; hold = hold->next) {
		if (hold->holder.fd < 0)
			continue;
		fd = open_held(scanner, known, &hold->holder);
		error = worse(error, fd);
	}
	return fd < 0 ? error : fd;
}

/* 0: this kernel has no such ids. */
static uint64_t id_of(struct ns_scanner *scanner, int fd)
{
	uint64_t id = 0;

	if (scanner->no_ids)
		return 0;
	if (ioctl(fd, NS_GET_ID, &id) < 0) {
		scanner->no_ids = errno == ENOTTY || errno == EINVAL;
		return 0;
	}
	return id;
}

/* The related namespace as it is now, or NULL where it is none of what we may see. */
static struct ns_known *ask_related(struct ns_scanner *scanner, int fd, unsigned long request,
				    enum ns_type type, int *error)
{
	_cleanup_(closep) int related = ioctl(fd, request);
	struct ns_known *known;
	uint64_t inode;

	if (related < 0)
		return NULL;
	inode = ns_inode_of(scanner, related);
	known = inode ? ns_known_touch(scanner, type, inode) : NULL;
	if (!known) {
		*error = inode ? -ENOMEM : 0;
		return NULL;
	}
	*error = ns_facts_ask(scanner, known, related);
	return known;
}

int ns_facts_ask(struct ns_scanner *scanner, struct ns_known *known, int fd)
{
	struct ns_known *parent = NULL, *owner = NULL;
	uint64_t id;
	int error = 0;

	if (known->checked == scanner->pass && known->asked)
		return 0;
	id = id_of(scanner, fd);
	if (known->asked && id && id == known->id) {
		known->checked = scanner->pass;
		return 0;
	}
	if (known->asked && id != known->id)
		known->first_seen_ns = scanner->boottime_ns;
	if (known->type == NS_PID || known->type == NS_USER)
		parent = ask_related(scanner, fd, NS_GET_PARENT, known->type, &error);
	/* The owner of a user namespace is its parent. */
	if (known->type == NS_USER)
		owner = parent;
	else if (error == 0)
		owner = ask_related(scanner, fd, NS_GET_USERNS, NS_USER, &error);
	if (error < 0)
		return error;
	if (known->asked && (parent != known->parent || owner != known->owner))
		known->first_seen_ns = scanner->boottime_ns;
	known->owner_uid_known = known->type == NS_USER &&
				 ioctl(fd, NS_GET_OWNER_UID, &known->owner_uid) == 0;
	known->parent = parent;
	known->owner = owner;
	known->id = id;
	known->limits_ns = 0;
	known->asked = true;
	known->checked = scanner->pass;
	return 0;
}

/* As long as one lives, so do its parent and owner: what is true of them stays true. */
static int confirm_above(struct ns_scanner *scanner, struct ns_known *known)
{
	struct ns_known *above[] = { known->parent, known->owner };

	for (size_t i = 0; i < ARRAY_SIZE(above); i++) {
		if (!above[i])
			continue;
		if (!ns_known_touch(scanner, above[i]->type, above[i]->inode))
			return -ENOMEM;
		above[i]->checked = scanner->pass;
	}
	return 0;
}

static int read_fact(struct ns_scanner *scanner, struct ns_known *known)
{
	_cleanup_(closep) int fd = -1;

	if (known->checked == scanner->pass && known->asked)
		return 0;
	fd = ns_known_open(scanner, known);
	if (fd >= 0)
		return ns_facts_ask(scanner, known, fd);
	known->lost = fd == -ESRCH;
	return 0; /* perhaps a child vouches for it */
}

/* Nothing that is remembered can be relied on. */
static void forget_facts(struct ns_scanner *scanner, struct ns_known *known)
{
	known->asked = known->owner_uid_known = false;
	known->parent = known->owner = NULL;
	known->id = 0;
	known->limits_ns = 0;
	known->first_seen_ns = scanner->boottime_ns;
}

int ns_facts_read(struct ns_scanner *scanner)
{
	int r = 0;

	/* The list grows at its end with parents and owners while we go along it. */
	for (size_t i = 0; i < scanner->n_seen && r == 0; i++) {
		struct ns_known *known = scanner->seen[i];

		r = ns_stopped(scanner) ?: read_fact(scanner, known);
		if (r == 0 && known->asked && known->checked == scanner->pass)
			r = confirm_above(scanner, known);
	}
	for (size_t i = 0; i < scanner->n_seen; i++) {
		if (scanner->seen[i]->checked != scanner->pass)
			forget_facts(scanner, scanner->seen[i]);
	}
	return r;
}
