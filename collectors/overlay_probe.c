// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/overlay_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include "collectors/proc_stat.h"
#include "core/cleanup.h"
#include "core/strbuf.h"

/* How long a child may sleep without an answer, and how often that is forgiven if it only waits for
 * a processor: a busy machine must not look like a dead server. */
enum { PATIENCE_MS = 3000, FORGIVEN = 10, CHILDREN_A_RUN = 2, ABANDONED_MAX = 4 };

/* How often we look whether we are to stop; how long ended children may take to be gone. */
enum { LOOK_MS = 100, GONE_MS = 200 };

struct prober {
	const struct root *root;
	const atomic_bool *stop; /* NULL: nobody stops us */
	pid_t abandoned[ABANDONED_MAX];
	struct prober_stats stats;
};

/* What the child says of one probe; smaller than PIPE_BUF, so it arrives whole. */
struct answer {
	uint32_t index;
	int result;
	dev_t device;
	uint64_t inode, magic, free_bytes, free_inodes;
	bool statfs_known;
};

int prober_new(const struct root *root, struct prober **ret_prober)
{
	struct prober *prober = calloc(1, sizeof(*prober));

	if (!prober)
		return -ENOMEM;
	prober->root = root;
	*ret_prober = prober;
	return 0;
}

void prober_heed(struct prober *prober, const atomic_bool *stop)
{
	prober->stop = stop;
}

static bool is_stopped(const struct prober *prober)
{
	return prober->stop && atomic_load_explicit(prober->stop, memory_order_relaxed);
}

/* True if none is left. */
static bool reap(struct prober *prober)
{
	bool none = true;

	for (size_t i = 0; i < ABANDONED_MAX; i++) {
		if (prober->abandoned[i] > 0 && waitpid(prober->abandoned[i], NULL, WNOHANG) != 0)
			prober->abandoned[i] = 0;
		none &= prober->abandoned[i] == 0;
	}
	return none;
}

void prober_free(struct prober *prober)
{
	if (!prober)
		return;
	/* Most only were slow to die. Whoever is reaped by nobody stays a zombie as long as we
	 * live. */
	for (int i = 0; i < GONE_MS && !reap(prober); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	free(prober);
}

void prober_get_stats(const struct prober *prober, struct prober_stats *ret_stats)
{
	*ret_stats = prober->stats;
}

void probe_done(struct probe *probe)
{
	closep(&probe->fd);
	probe->fd = -1;
}

static int open_below(const struct probe *probe, uint64_t resolve)
{
	const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				      .resolve = RESOLVE_IN_ROOT | resolve };
	long fd = syscall(SYS_openat2, probe->root_fd, *probe->path ? probe->path : ".", &how,
			  sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Never asks a server: the numbers are the cache's. */
static int identify(int fd, dev_t *ret_device, uint64_t *ret_inode)
{
	struct statx info;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &info) < 0)
		return -errno;
	*ret_device = makedev(info.stx_dev_major, info.stx_dev_minor);
	*ret_inode = info.stx_ino;
	return 0;
}

/* True if there is an answer: the directory, or that it is not there. */
static bool look_in_cache(struct prober *prober, struct probe *probe)
{
	int fd = open_below(probe, RESOLVE_CACHED);

	/* EINVAL: RESOLVE_CACHED came with 5.12. */
	if (fd == -EAGAIN || fd == -EINVAL || fd == -ENOSYS)
		return false;
	probe->result = fd < 0 ? fd : identify(fd, &probe->device, &probe->inode);
	if (probe->result == 0)
		probe->fd = fd;
	else if (fd >= 0)
		close(fd);
	prober->stats.cached++;
	return true;
}

/* The child's part; what it calls is safe in a copy of a program with threads. */
static void answer(const struct probe *probe, uint32_t index, int pipe_fd)
{
	struct answer answer = { .index = index };
	struct statfs info;
	int fd = open_below(probe, 0);

	if (fd == -ENOSYS)
		fd = openat(probe->root_fd, probe->path + strspn(probe->path, "/"),
			    O_PATH | O_DIRECTORY | O_CLOEXEC);
	answer.result = fd < 0 ? fd : identify(fd, &answer.device, &answer.inode);
	if (answer.result == 0 && probe->want_statfs && fstatfs(fd, &info) == 0) {
		answer.statfs_known = true;
		answer.magic = (uint64_t)info.f_type;
		answer.free_bytes = info.f_bavail * (uint64_t)info.f_bsize;
		answer.free_inodes = info.f_ffree;
	}
	if (fd >= 0)
		close(fd);
	if (write(pipe_fd, &answer, sizeof(answer)) != sizeof(answer))
		_exit(1);
}

/* A child that stays behind must not hold the program's sockets and locks with it. */
static void close_others(const struct probe *probes, const uint32_t *which, size_t n, int pipe_fd)
{
	int at = 0;

	for (;;) {
		int keep = pipe_fd >= at ? pipe_fd : -1;

		for (size_t i = 0; i < n; i++) {
			int fd = probes[which[i]].root_fd;

			if (fd >= at && (keep < 0 || fd < keep))
				keep = fd;
		}
		if (keep < 0)
			break;
		if (keep > at)
			syscall(SYS_close_range, at, keep - 1, 0);
		at = keep + 1;
	}
	syscall(SYS_close_range, at, ~0U, 0);
}

static void child(const struct probe *probes, const uint32_t *which, size_t n, int pipe_fd)
{
	close_others(probes, which, n, pipe_fd);
	for (size_t i = 0; i < n; i++)
		answer(&probes[which[i]], which[i], pipe_fd);
	_exit(0);
}

static void take_answer(struct prober *prober, struct probe *probe, const struct answer *answer)
{
	/* Now it is in the cache, as a rule: then there is a descriptor, too. */
	if (answer->result != 0 || !look_in_cache(prober, probe) || probe->result != 0) {
		probe->result = answer->result;
		probe->device = answer->device;
		probe->inode = answer->inode;
	}
	probe->statfs_known = answer->statfs_known;
	probe->magic = answer->magic;
	probe->free_bytes = answer->free_bytes;
	probe->free_inodes = answer->free_inodes;
}

/* True if it would go on if it were let; also in a recorded tree, where nobody knows. */
static bool is_runnable(const struct prober *prober, pid_t pid)
{
	_cleanup_(strbuf_done) struct strbuf text;
	struct proc_stat stat;
	char path[64];

	strbuf_init(&text);
	snprintf(path, sizeof(path), "%d/stat", (int)pid);
	return root_is_recorded(prober->root) ||
	       (root_read(prober->root, ROOT_PROC, path, &text) == 0 && text.data &&
		proc_stat_parse(text.data, &stat) == 0 && stat.state == 'R');
}

/* As poll(), for as long as we have patience and are not to stop. */
static int wait_for(const struct prober *prober, int pipe_fd)
{
	struct pollfd ready = { .fd = pipe_fd, .events = POLLIN };
	int r = 0;

	for (int waited = 0; r == 0 && waited < PATIENCE_MS && !is_stopped(prober);
	     waited += LOOK_MS)
		r = poll(&ready, 1, LOOK_MS);
	return r;
}

/* How many of the `n` that the child was given it answered, in their order. */
static size_t collect(struct prober *prober, struct probe *probes, size_t n, int pipe_fd, pid_t pid)
{
	size_t done = 0;

	for (int forgiven = 0; done < n && !is_stopped(prober);) {
		struct answer answer;
		int r = wait_for(prober, pipe_fd);

		if (r < 0 && errno == EINTR)
			continue;
		if (r == 0 && forgiven++ < FORGIVEN && is_runnable(prober, pid))
			continue;
		if (r <= 0 || read(pipe_fd, &answer, sizeof(answer)) != sizeof(answer))
			break;
		take_answer(prober, &probes[answer.index], &answer);
		done++;
		forgiven = 0;
	}
	return done;
}

static void end_child(struct prober *prober, pid_t pid, bool answered)
{
	size_t free_slot = 0;

	if (!answered)
		kill(pid, SIGKILL);
	while (free_slot < ABANDONED_MAX && prober->abandoned[free_slot] > 0)
		free_slot++;
	/* One that answered everything ends at once; one that did not may never do. */
	if (waitpid(pid, NULL, answered ? 0 : WNOHANG) == 0 && free_slot < ABANDONED_MAX)
		prober->abandoned[free_slot] = pid;
}

static bool may_start(const struct prober *prober)
{
	for (size_t i = 0; i < ABANDONED_MAX; i++) {
		if (prober->abandoned[i] == 0)
			return true;
	}
	return false;
}

static int ask_child(struct prober *prober, struct probe *probes, const uint32_t *which, size_t n,
		     size_t *ret_done)
{
	int pipe_fds[2];
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		child(probes, which, n, pipe_fds[1]);
	close(pipe_fds[1]);
	if (pid < 0) {
		close(pipe_fds[0]);
		return -EAGAIN;
	}
	prober->stats.children++;
	*ret_done = collect(prober, probes, n, pipe_fds[0], pid);
	close(pipe_fds[0]);
	end_child(prober, pid, *ret_done == n);
	return 0;
}

int prober_run(struct prober *prober, struct probe *probes, size_t n)
{
	_cleanup_(freep) uint32_t *which = calloc(n + 1, sizeof(*which));
	size_t left = 0, at = 0;
	int r = 0;

	if (!which)
		return -ENOMEM;
	reap(prober);
	for (size_t i = 0; i < n; i++) {
		probes[i].fd = -1;
		probes[i].statfs_known = false;
		probes[i].result = -EAGAIN;
		if (probes[i].want_statfs || !look_in_cache(prober, &probes[i]))
			which[left++] = (uint32_t)i;
	}
	for (int run = 0;
	     at < left && run < CHILDREN_A_RUN && may_start(prober) && !is_stopped(prober); run++) {
		size_t done = 0;

		r = ask_child(prober, probes, which + at, left - at, &done);
		if (r < 0)
			return r;
		at += done;
		if (at < left) {
			prober->stats.stuck++;
			probes[which[at++]].result = -ETIMEDOUT;
		}
	}
	for (; at < left; at++)
		probes[which[at]].result = -ETIMEDOUT;
	return 0;
}
