// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "collectors/mount_space.h"
#include "collectors/mountinfo.h"
#include "core/cleanup.h"
#include "core/hash.h"

/* A process that does nothing but be in that namespace, until its pipe closes. */
struct visitor {
	pid_t pid;
	int pipe; /* closing it ends the process */
};

/* Only calls that are safe between fork() and exec() in a program with threads. */
static void visit(int ns_fd, int ready, int end)
{
	char byte = 0;

	if (setns(ns_fd, CLONE_NEWNS) < 0 || write(ready, &byte, 1) != 1)
		_exit(1);
	close(ready);
	while (read(end, &byte, 1) < 0 && errno == EINTR)
		continue;
	_exit(0);
}

static void visitor_end(struct visitor *visitor)
{
	if (visitor->pid <= 0)
		return;
	close(visitor->pipe);
	kill(visitor->pid, SIGKILL);
	while (waitpid(visitor->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	visitor->pid = 0;
}

/* setns() to a mount namespace is refused to a process whose threads share fs: so in a child. */
static int visitor_start(int ns_fd, struct visitor *visitor)
{
	int ready[2], end[2];
	ssize_t n;
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(end, O_CLOEXEC) < 0) {
		close(ready[0]);
		close(ready[1]);
		return -errno;
	}
	visitor->pid = fork();
	if (visitor->pid == 0) {
		close(end[1]);
		close(ready[0]);
		visit(ns_fd, ready[1], end[0]);
	}
	close(ready[1]);
	close(end[0]);
	visitor->pipe = end[1];
	if (visitor->pid < 0) {
		close(ready[0]);
		close(end[1]);
		return -EAGAIN;
	}
	do {
		n = read(ready[0], &byte, 1);
	} while (n < 0 && errno == EINTR);
	close(ready[0]);
	if (n == 1)
		return 0;
	visitor_end(visitor);
	return -EPERM;
}

static int read_of(const struct root *root, pid_t pid, struct strbuf *text)
{
	char path[64];

	strbuf_clear(text);
	snprintf(path, sizeof(path), "%d/mountinfo", (int)pid);
	return root_read(root, ROOT_PROC, path, text);
}

static int read_by_fd(const struct root *root, int ns_fd, struct strbuf *text)
{
	struct visitor visitor = { 0 };
	int r = visitor_start(ns_fd, &visitor);

	if (r < 0)
		return r;
	r = read_of(root, visitor.pid, text);
	visitor_end(&visitor);
	return r;
}

/* False if the process has gone elsewhere since; true also where that cannot be read. */
static bool still_there(const struct root *root, pid_t pid, uint64_t inode)
{
	char path[64], link[64], want[64];

	snprintf(path, sizeof(path), "%d/ns/mnt", (int)pid);
	snprintf(want, sizeof(want), "mnt:[%llu]", (unsigned long long)inode);
	return root_readlink(root, ROOT_PROC, path, link, sizeof(link)) < 0 ||
	       strcmp(link, want) == 0;
}

/*
 * A process below chroot() shows only what is below its root, as seen from there. Where that root
 * is in its own namespace, it is no secret to us.
 */
static bool shows_all(const struct root *root, pid_t pid)
{
	char path[64], link[8];

	snprintf(path, sizeof(path), "%d/root", (int)pid);
	return root_readlink(root, ROOT_PROC, path, link, sizeof(link)) < 0 ||
	       strcmp(link, "/") == 0;
}

static int read_by_pid(const struct root *root, const struct mount_space *space,
		       struct strbuf *text)
{
	_cleanup_(closep) int ns_fd = -1;
	char path[64];
	int r = read_of(root, space->pid, text);

	if (r < 0)
		return r;
	if (!still_there(root, space->pid, space->inode))
		return -ESRCH;
	if (root_is_recorded(root) || shows_all(root, space->pid))
		return 0;
	snprintf(path, sizeof(path), "%d/ns/mnt", (int)space->pid);
	ns_fd = root_open(root, ROOT_PROC, path, O_RDONLY);
	/* What the process sees is better than nothing. */
	if (ns_fd < 0 || read_by_fd(root, ns_fd, text) < 0)
		return read_of(root, space->pid, text);
	return 0;
}

static int read_text(const struct root *root, const struct mount_space *space, struct strbuf *text)
{
	int r = -ESRCH;

	if (space->own)
		return root_read(root, ROOT_PROC, "self/mountinfo", text);
	if (space->pid > 0)
		r = read_by_pid(root, space, text);
	if (r < 0 && space->fd >= 0 && !root_is_recorded(root))
		r = read_by_fd(root, space->fd, text);
	return r;
}

static void add_line(const struct mount_space *space, const struct mount_line *line,
		     struct mount_draft *draft)
{
	struct mount_record *record;
	const struct mount_entry entry = {
		.mount_ns = space->inode,
		.id = line->id,
		.parent_id = line->parent_id,
		.device = line->device,
		.root = line->root,
		.mountpoint = line->mountpoint,
		.fstype = line->fstype,
		.source = line->source,
		.options = line->options,
		.super_options = line->super_options,
		.escaped = true,
		.propagation = line->propagation,
	};

	mount_draft_add_brief(draft, line->id, line->parent_id, line->mountpoint);
	if (!mount_type_matters(line->fstype))
		return;
	record = mount_record_new(&entry);
	if (!record)
		draft->failed = true;
	else if (!mount_draft_add_record(draft, record))
		free(record);
}

int mount_text_read(const struct root *root, struct mount_space *space, uint64_t *count)
{
	_cleanup_(strbuf_done) struct strbuf text;
	struct mount_draft draft = { 0 };
	struct mount_line line;
	uint64_t hash;
	size_t length;
	char *at;
	int r = space->own ? mount_space_poll(space, root) : 1;

	strbuf_init(&text);
	if (r == 0 && space->text_known)
		return 0;
	r = r < 0 ? r : read_text(root, space, &text);
	if (r < 0)
		return r;
	length = text.length;
	hash = text.data ? hash_bytes(text.data, length) : 0;
	if (space->text_known && space->text_hash == hash && space->text_length == length)
		return 0;
	at = text.data;
	while (at && mountinfo_next(&at, &line)) {
		++*count;
		add_line(space, &line, &draft);
	}
	space->text_known = false;
	r = mount_space_take(space, &draft);
	if (r < 0)
		return r;
	space->text_known = true;
	space->text_hash = hash;
	space->text_length = length;
	return r;
}
