// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/ns_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/units.h"

/* PIDFD_THREAD of Linux 6.9; Debian 12's headers do not have it. */
enum { PIDFD_OF_THREAD = O_EXCL };

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

/*
 * A copy, since a socket cannot be opened. Between the look at the link and the copy the descriptor
 * may have become anything, and a thread may have descriptors of its own (before Linux 6.9 there is
 * no way to these).
 */
int ns_copy_socket(pid_t pid, pid_t tid, int fd, uint64_t inode)
{
	_cleanup_(closep) int pidfd = (int)syscall(SYS_pidfd_open, tid,
						   tid == pid ? 0 : PIDFD_OF_THREAD);
	struct statx info;
	int copy;

	if (pidfd < 0)
		return -errno;
	copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (copy < 0)
		return -errno;
	if (statx(copy, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &info) <
		    0 ||
	    !S_ISSOCK(info.stx_mode) || info.stx_ino != inode) {
		close(copy);
		return -ESRCH;
	}
	return copy;
}

int ns_socket_net(int socket_fd)
{
	int fd = ioctl(socket_fd, SIOCGSKNS);

	return fd < 0 ? -errno : fd;
}

static int remember(struct ns_task *task, struct ns_fd fd)
{
	struct ns_fd *grown = realloc(task->fds, (task->n_fds + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	task->fds = grown;
	task->fds[task->n_fds++] = fd;
	return 0;
}

/* The net namespace of a socket never changes: each is asked once in its life. 0: not known. */
static int net_of_socket(struct ns_scanner *scanner, const struct ns_task *task, int number,
			 uint64_t inode, uint64_t *ret_net)
{
	struct ns_socket *socket = (struct ns_socket *)ns_hash_find(&scanner->sockets, inode);
	_cleanup_(closep) int copy = -1;
	_cleanup_(closep) int net = -1;

	if (!socket || socket->net == 0) {
		copy = ns_copy_socket(task->pid, task->tid, number, inode);
		net = copy < 0 ? copy : ns_socket_net(copy);
	}
	if (!socket) {
		socket = calloc(1, sizeof(*socket));
		if (!socket)
			return -ENOMEM;
		socket->node.key = inode;
		if (ns_hash_add(&scanner->sockets, &socket->node) < 0) {
			free(socket);
			return -ENOMEM;
		}
	}
	if (net >= 0)
		socket->net = ns_inode_of(scanner, net);
	socket->pass = scanner->pass;
	*ret_net = socket->net;
	return 0;
}

/* One socket of a process stands for all it has in that namespace. */
static bool has_socket_of(const struct ns_known *known, pid_t pid)
{
	for (const struct ns_hold *hold = known->holds; hold; hold = hold->next) {
		if (hold->holder.kind == NS_HELD_SOCKET && hold->holder.pid == pid)
			return true;
	}
	return false;
}

static int add_socket(struct ns_scanner *scanner, struct ns_task *task, int number, uint64_t inode,
		      bool new)
{
	struct ns_holder *holder;
	struct ns_known *known;
	uint64_t net = 0;

	if (net_of_socket(scanner, task, number, inode, &net) < 0)
		return -ENOMEM;
	if (!net || (task->ns[NS_NET] && task->ns[NS_NET]->inode == net))
		return 0;
	known = ns_known_touch(scanner, NS_NET, net);
	if (!known)
		return -ENOMEM;
	if (has_socket_of(known, task->pid))
		return 0;
	holder = ns_known_hold(scanner, known, NS_HELD_SOCKET);
	if (!holder)
		return -ENOMEM;
	holder->pid = task->pid;
	holder->tid = task->tid;
	holder->fd = number;
	holder->inode = inode;
	return new ? remember(task, (struct ns_fd){ number, NS_NET, net, inode }) : 0;
}

/* Descriptors of our own that are here for the sake of looking hold nothing. */
static bool is_ours(const struct ns_scanner *scanner, const struct ns_task *task, int number)
{
	if (task->pid != getpid())
		return false;
	for (size_t i = 0; i < scanner->n_seen; i++) {
		if (scanner->seen[i]->fd == number)
			return true;
	}
	return false;
}

static int add_fd(struct ns_scanner *scanner, struct ns_task *task, const struct ns_fd *fd,
		  bool new)
{
	struct ns_holder *holder;
	struct ns_known *known;

	if (is_ours(scanner, task, fd->number))
		return 0;
	known = ns_known_touch(scanner, fd->type, fd->inode);
	holder = known ? ns_known_hold(scanner, known, NS_HELD_FD) : NULL;
	if (!holder)
		return -ENOMEM;
	holder->pid = task->pid;
	holder->tid = task->tid;
	holder->fd = fd->number;
	return new ? remember(task, *fd) : 0;
}

/* "socket:[123]" */
static bool parse_socket(const char *target, uint64_t *ret_inode)
{
	char digits[24];
	size_t length = strlen(target);

	if (strncmp(target, "socket:[", 8) != 0 || length < 10 || length - 9 >= sizeof(digits) ||
	    target[length - 1] != ']')
		return false;
	snprintf(digits, sizeof(digits), "%.*s", (int)(length - 9), target + 8);
	return parse_u64(digits, ret_inode) == 0;
}

/* Where a descriptor leads if that may hold a namespace; false if not. */
static bool read_fd(int dir_fd, const char *name, struct ns_fd *ret_fd)
{
	struct ns_fd fd = { 0 };
	uint64_t number;
	char target[64];
	ssize_t n;

	if (parse_u64(name, &number) < 0 || number > INT32_MAX)
		return false;
	n = readlinkat(dir_fd, name, target, sizeof(target) - 1);
	if (n <= 0 || target[0] == '/')
		return false;
	target[n] = '\0';
	fd.number = (int)number;
	if (!parse_socket(target, &fd.socket)) {
		fd.type = ns_link_parse_any(target, &fd.inode);
		if (fd.type == NS_TYPE_COUNT)
			return false;
	}
	*ret_fd = fd;
	return true;
}

static int add(struct ns_scanner *scanner, struct ns_task *task, const struct ns_fd *fd, bool new)
{
	if (!fd->socket)
		return add_fd(scanner, task, fd, new);
	return scanner->live ? add_socket(scanner, task, fd->number, fd->socket, new) : 0;
}

static int open_fds(struct ns_scanner *scanner, const struct ns_task *task, int flags)
{
	char path[64];

	if (task->pid == task->tid)
		snprintf(path, sizeof(path), "%d/fd", (int)task->pid);
	else
		snprintf(path, sizeof(path), "%d/task/%d/fd", (int)task->pid, (int)task->tid);
	return root_open(scanner->root, ROOT_PROC, path, flags | O_DIRECTORY);
}

/*
 * A process that did not run has opened and closed nothing. Another one may share its table: then
 * that one ran, has the same descriptors and is looked at; here only what is remembered must still
 * be true. 1 if it is and the holders were added, 0 if not.
 */
static int read_remembered(struct ns_scanner *scanner, struct ns_task *task)
{
	_cleanup_(closep) int dir_fd = -1;
	int r = 0;

	if (!task->idle || !task->fds_known)
		return 0;
	if (task->n_fds > 0)
		dir_fd = open_fds(scanner, task, O_PATH);
	for (uint32_t i = 0; i < task->n_fds; i++) {
		struct ns_fd now;
		char name[16];

		snprintf(name, sizeof(name), "%d", task->fds[i].number);
		if (dir_fd < 0 || !read_fd(dir_fd, name, &now) ||
		    now.socket != task->fds[i].socket ||
		    (!now.socket &&
		     (now.type != task->fds[i].type || now.inode != task->fds[i].inode)))
			return 0;
	}
	for (uint32_t i = 0; i < task->n_fds && r == 0; i++)
		r = add(scanner, task, &task->fds[i], false);
	return r < 0 ? r : 1;
}

static int read_fds(struct ns_scanner *scanner, struct ns_task *task)
{
	struct dirent *entry;
	DIR *dir;
	int fd, r;

	r = read_remembered(scanner, task);
	if (r != 0)
		return r < 0 ? r : 0;
	task->n_fds = 0;
	task->fds_known = false;
	fd = open_fds(scanner, task, O_RDONLY);
	if (fd < 0) /* gone, or no right: then "unknown" may be the answer */
		return root_is_short(fd) ? fd : 0;
	dir = fdopendir(fd);
	if (!dir) {
		r = root_is_short(-errno) ? -errno
					  : 0; /* since 6.2 fstat() tells that it has gone */
		close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		struct ns_fd found;

		if (read_fd(fd, entry->d_name, &found))
			r = add(scanner, task, &found, true);
	}
	closedir(dir);
	task->fds_known = r == 0;
	return r;
}

/* A thread may have descriptors of its own: unshare(CLONE_FILES), or its leader has ended. */
static bool has_own_fds(const struct ns_scanner *scanner, const struct ns_task *task)
{
	if (task->pid == task->tid)
		return true;
	return scanner->live && syscall(SYS_kcmp, task->pid, task->tid, KCMP_FILES, 0UL, 0UL) > 0;
}

int ns_holders_read(struct ns_scanner *scanner)
{
	int r = 0;

	for (size_t i = 0; i < scanner->n_current && r == 0; i++) {
		r = ns_stopped(scanner);
		if (r == 0 && has_own_fds(scanner, scanner->current[i]))
			r = read_fds(scanner, scanner->current[i]);
	}
	return r;
}

/* A process that is in the mount namespace of that inode; 0: none. */
static pid_t process_in(struct ns_scanner *scanner, uint64_t mount_ns)
{
	struct ns_known *known = (struct ns_known *)ns_hash_find(&scanner->known,
								 mount_ns * NS_TYPE_COUNT + NS_MNT);

	if (!known || known->pass != scanner->pass)
		return 0;
	if (known->lowest)
		return known->lowest->pid;
	return known->thread ? known->thread->tid : 0;
}

/* Only what the kernel has cached: a file system whose server is dead would never answer. */
static int open_mount(struct ns_scanner *scanner, const struct ns_known *known,
		      const struct mount_entry *entry)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_CACHED | RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	pid_t pid = process_in(scanner, entry->mount_ns);
	_cleanup_(closep) int root_fd = -1;
	_cleanup_(closep) int mount_fd = -1;
	char path[32];

	if (pid == 0 || entry->covered || !scanner->live)
		return -ESRCH;
	snprintf(path, sizeof(path), "%d/root", (int)pid);
	root_fd = root_open(scanner->root, ROOT_PROC, path, O_PATH | O_DIRECTORY);
	if (root_fd < 0)
		return root_fd;
	mount_fd = (int)syscall(SYS_openat2, root_fd, entry->mountpoint, &how, sizeof(how));
	if (mount_fd < 0)
		return -errno;
	return ns_reopen(scanner, known, mount_fd);
}

static int add_mount(struct ns_scanner *scanner, const struct mount_entry *entry)
{
	_cleanup_(closep) int fd = -1;
	struct ns_holder *holder;
	struct ns_known *known;
	enum ns_type type;
	uint64_t inode;

	type = ns_link_parse_any(entry->root, &inode);
	if (strcmp(entry->fstype, "nsfs") != 0 || type == NS_TYPE_COUNT)
		return 0;
	known = ns_known_touch(scanner, type, inode);
	holder = known ? ns_known_hold(scanner, known, NS_HELD_MOUNT) : NULL;
	if (!holder)
		return -ENOMEM;
	holder->mount_ns = entry->mount_ns;
	holder->path = arena_string(&scanner->scratch, entry->mountpoint);
	if (!holder->path)
		return -ENOMEM;
	if (known->fd >= 0 || (known->asked && known->checked == scanner->pass))
		return 0;
	fd = open_mount(scanner, known, entry);
	if (fd < 0)
		return 0;
	known->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return ns_facts_ask(scanner, known, fd);
}

static int add_mounts(struct ns_scanner *scanner, const struct mount_table *mounts)
{
	const struct mount_entry *entries;
	const struct mount_ns_info *spaces;
	size_t n;
	int r = 0;

	entries = mount_table_entries(mounts, &n);
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_mount(scanner, &entries[i]);
	spaces = mount_table_spaces(mounts, &n);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (spaces[i].inode && !ns_known_touch(scanner, NS_MNT, spaces[i].inode))
			r = -ENOMEM;
	}
	return r;
}

static bool has_processes(const struct ns_known *known)
{
	return known->lowest || known->thread;
}

/* `above` has nobody in it: whatever has it as parent or owner keeps it. */
static int hold_by_child(struct ns_scanner *scanner, struct ns_known *above,
			 const struct ns_known *child)
{
	struct ns_holder *holder;

	if (!above || has_processes(above))
		return 0;
	holder = ns_known_hold(scanner, above, NS_HELD_CHILD);
	if (!holder)
		return -ENOMEM;
	holder->inode = child->inode;
	holder->child_type = child->type;
	return 0;
}

int ns_holders_finish(struct ns_scanner *scanner, const struct mount_table *mounts)
{
	int r = mounts ? add_mounts(scanner, mounts) : 0;

	if (r == 0)
		r = ns_facts_read(scanner);
	if (r == 0 && scanner->live)
		r = ns_members_settle(scanner, mounts);
	for (size_t i = 0; i < scanner->n_seen && r == 0; i++) {
		struct ns_known *known = scanner->seen[i];

		r = hold_by_child(scanner, known->parent, known);
		if (r == 0 && known->owner != known->parent)
			r = hold_by_child(scanner, known->owner, known);
	}
	for (size_t i = 0; i < scanner->n_seen && r == 0; i++) {
		struct ns_known *known = scanner->seen[i];

		if (!has_processes(known) && !known->holds &&
		    !ns_known_hold(scanner, known, NS_HELD_UNKNOWN))
			r = -ENOMEM;
	}
	return r;
}
