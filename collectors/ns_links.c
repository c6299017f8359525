// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/ns_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collectors/keyed.h"
#include "core/cleanup.h"

static const struct {
	const char *name;
	enum ns_type type;
} links[NS_LINK_COUNT] = {
	[NS_MNT] = { "mnt", NS_MNT },
	[NS_NET] = { "net", NS_NET },
	[NS_PID] = { "pid", NS_PID },
	[NS_USER] = { "user", NS_USER },
	[NS_UTS] = { "uts", NS_UTS },
	[NS_IPC] = { "ipc", NS_IPC },
	[NS_CGROUP] = { "cgroup", NS_CGROUP },
	[NS_TIME] = { "time", NS_TIME },
	[NS_LINK_PID_CHILDREN] = { "pid_for_children", NS_PID },
	[NS_LINK_TIME_CHILDREN] = { "time_for_children", NS_TIME },
};

/*
 * What the threads of a process have in common by the kernel's own rules: a process with several
 * threads can enter neither a user nor a time namespace, and a pid namespace is for its children.
 */
static const unsigned int shared_by_threads = 1U << NS_PID | 1U << NS_USER | 1U << NS_TIME;
static const unsigned int all_links = (1U << NS_LINK_COUNT) - 1;

/* Longer than any tick, also the one a second of a CPU without ticks (nohz_full). */
static const uint64_t rest_ns = UINT64_C(2000000000);

enum ns_type ns_link_type(unsigned int link)
{
	return links[link].type;
}

const char *ns_link_name(unsigned int link)
{
	return links[link].name;
}

uint64_t ns_link_parse(const char *text, size_t length, enum ns_type type)
{
	const char *name = links[type].name;
	size_t at = strlen(name);
	uint64_t inode = 0;

	if (length < at + 4 || memcmp(text, name, at) != 0 || text[at] != ':' ||
	    text[at + 1] != '[' || text[length - 1] != ']')
		return 0;
	for (at += 2; at < length - 1; at++) {
		unsigned int digit = (unsigned int)(unsigned char)text[at] - '0';

		if (digit > 9 || __builtin_mul_overflow(inode, 10, &inode) ||
		    __builtin_add_overflow(inode, digit, &inode))
			return 0;
	}
	return inode;
}

enum ns_type ns_link_parse_any(const char *text, uint64_t *ret_inode)
{
	size_t length = strlen(text);
	enum ns_type type = ns_type_find(text, strcspn(text, ":"));
	uint64_t inode = type < NS_TYPE_COUNT ? ns_link_parse(text, length, type) : 0;

	if (!inode)
		return NS_TYPE_COUNT;
	*ret_inode = inode;
	return type;
}

/* "PID" and what follows it. `out` has room for both: 64 bytes are enough for all we ask. */
static void join(char *out, const char *pid, const char *rest)
{
	size_t length = strlen(pid);

	memcpy(out, pid, length);
	memcpy(out + length, rest, strlen(rest) + 1);
}

/*
 * Whether the links have to be read, or the task certainly did not run since they were. Only a task
 * itself can change its namespaces, and /proc/PID/schedstat counts each time it was put on a CPU
 * and the nanoseconds it ran there. One reading does not tell whether it is running at that moment,
 * uncounted; two equal ones further apart than any tick do: it was not. Links read after the second
 * are true as long as the counters stay. What the kernel does not count ("0 0 0") is always read.
 */
static bool task_rested(int proc_fd, const char *path, struct ns_task *task)
{
	_cleanup_(closep) int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	uint64_t counts[3] = { 0 };
	struct timespec now;
	char text[96], *at = text;
	uint64_t now_ns;
	ssize_t n;

	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		counts[i] = strtoull(at, &at, 10);
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
	if (counts[0] == 0 || counts[2] == 0 || counts[0] != task->run_ns ||
	    counts[2] != task->slices) {
		task->run_ns = counts[0];
		task->slices = counts[2];
		task->rested_since_ns = now_ns;
		task->rests = false;
		return false;
	}
	if (task->rests)
		return true;
	task->rests = now_ns - task->rested_since_ns >= rest_ns;
	return false;
}

/* The namespaces of a task that rested are the same ones as before, not others with their inodes.
 */
static int confirm(struct ns_scanner *scanner, const struct ns_task *task)
{
	for (unsigned int link = 0; link < NS_LINK_COUNT; link++) {
		struct ns_known *known = task->ns[link];

		if (!known)
			continue;
		if (!ns_known_touch(scanner, known->type, known->inode))
			return -ENOMEM;
		known->checked = scanner->pass;
	}
	return 0;
}

/* -ESRCH if the task has gone: then the kernel may also say that it may not be looked into. */
static int read_error(int dir_fd, unsigned int link, int error, struct ns_task *task)
{
	struct stat info;

	if (error == ESRCH)
		return -ESRCH;
	if (error != EACCES && error != EPERM)
		return 0;
	if (fstatat(dir_fd, links[link].name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return -ESRCH;
	task->denied = true;
	return 0;
}

static int read_links(struct ns_scanner *scanner, int dir_fd, struct ns_task *task,
		      unsigned int wanted)
{
	task->denied = false;
	for (unsigned int link = 0; link < NS_LINK_COUNT; link++) {
		struct ns_known *last = scanner->last[link];
		uint64_t inode;
		char text[64];
		ssize_t n;

		if (!(wanted & 1U << link))
			continue;
		task->ns[link] = NULL;
		if (task->denied)
			continue;
		n = readlinkat(dir_fd, links[link].name, text, sizeof(text));
		if (n < 0 && read_error(dir_fd, link, errno, task) < 0)
			return -ESRCH;
		inode = n > 0 ? ns_link_parse(text, (size_t)n, links[link].type) : 0;
		if (!inode)
			continue; /* a zombie has left most of its own */
		if (!last || last->inode != inode)
			last = ns_known_touch(scanner, links[link].type, inode);
		if (!last)
			return -ENOMEM;
		task->ns[link] = scanner->last[link] = last;
	}
	return 0;
}

void ns_task_untell(struct ns_task *task)
{
	task->told = 0;
	task->uid_told = false;
	task->start_ns = 0;
	task->ppid = 0;
	free(task->comm);
	free(task->command);
	task->comm = task->command = NULL;
}

/* 1: it rested, 0: its links were read anew, -ESRCH: it has gone. */
static int read_task(struct ns_scanner *scanner, int proc_fd, const char *prefix,
		     struct ns_task *task, bool new)
{
	_cleanup_(closep) int dir_fd = -1;
	unsigned int wanted = all_links;
	char path[64];

	task->idle = false;
	task->record = NULL;
	if (new) {
		task->fds_known = false;
		task->rests = false;
		task->run_ns = task->slices = 0;
	} else if (scanner->live) {
		join(path, prefix, "/schedstat");
		if (task_rested(proc_fd, path, task))
			return confirm(scanner, task) < 0 ? -ENOMEM : 1;
	}
	ns_task_untell(task);
	join(path, prefix, "/ns");
	dir_fd = openat(proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return root_is_short(-errno) ? -errno : -ESRCH;
	if (task->tid != task->pid) {
		for (unsigned int link = 0; link < NS_TYPE_COUNT; link++) {
			if (shared_by_threads & 1U << link && task->ns[link])
				wanted &= ~(1U << link);
		}
	}
	return read_links(scanner, dir_fd, task, wanted);
}

static int add_thread(struct ns_scanner *scanner, int proc_fd, struct ns_task *leader,
		      const char *tid)
{
	char prefix[48];
	struct ns_task *task;
	uint64_t number = strtoull(tid, NULL, 10);
	bool new;
	int r;

	if (number == 0 || number > INT32_MAX || (pid_t)number == leader->tid)
		return 0;
	task = ns_task_touch(scanner, leader->pid, (pid_t)number, &new);
	if (!task)
		return -ENOMEM;
	for (unsigned int link = 0; link < NS_TYPE_COUNT; link++) {
		if (shared_by_threads & 1U << link)
			task->ns[link] = leader->ns[link];
	}
	snprintf(prefix, sizeof(prefix), "%d/task/%d", (int)leader->pid, (int)number);
	r = read_task(scanner, proc_fd, prefix, task, new);
	if (r == -ESRCH) {
		ns_task_drop(scanner);
		return 0;
	}
	leader->idle &= r == 1;
	return r < 0 ? r : 0;
}

static bool is_number(const char *name)
{
	size_t length = strspn(name, "0123456789");

	return length > 0 && length <= 10 && !name[length];
}

static int read_threads(struct ns_scanner *scanner, int proc_fd, const char *pid,
			struct ns_task *leader)
{
	char path[64];
	struct dirent *entry;
	uint32_t n = 0;
	DIR *dir;
	int fd, r = 0;

	join(path, pid, "/task");
	fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = root_is_short(-errno) ? -errno : 0; /* else it has gone */
		closep(&fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (!is_number(entry->d_name))
			continue;
		n++;
		r = add_thread(scanner, proc_fd, leader, entry->d_name);
	}
	closedir(dir);
	/* One that ended did so after it ran. */
	leader->idle &= leader->threads == n;
	leader->threads = n ? n : 1;
	return r;
}

/* The kernel's own count of threads is the link count of the directory, less its own two. */
int ns_links_read_process(struct ns_scanner *scanner, int proc_fd, const char *pid)
{
	struct ns_task *task;
	struct stat info;
	char path[64];
	bool new;
	int r;

	task = ns_task_touch(scanner, (pid_t)strtol(pid, NULL, 10), (pid_t)strtol(pid, NULL, 10),
			     &new);
	if (!task)
		return -ENOMEM;
	r = read_task(scanner, proc_fd, pid, task, new);
	task->idle = r == 1;
	/* Whoever has one thread and did not run has made no other. */
	if (r == 1 && task->threads == 1)
		return 0;
	if (r >= 0) {
		join(path, pid, "/task");
		if (fstatat(proc_fd, path, &info, 0) < 0)
			r = -ESRCH;
	}
	if (r < 0) {
		ns_task_drop(scanner);
		return r == -ESRCH ? 0 : r;
	}
	if (r == 0)
		task->uid = info.st_uid;
	if (info.st_nlink != 3)
		return read_threads(scanner, proc_fd, pid, task);
	task->idle = false; /* where there were more, one has run and ended */
	task->threads = 1;
	return 0;
}

/* Threads are in the list right behind their process. */
static void count(const struct ns_scanner *scanner, size_t at, const struct ns_task *leader)
{
	struct ns_task *task = scanner->current[at];

	for (unsigned int link = 0; link < NS_TYPE_COUNT; link++) {
		struct ns_known *known = task->ns[link];

		if (!known)
			continue;
		known->threads++;
		if (task == leader) {
			known->processes++;
			if (!known->lowest || known->lowest->pid > task->pid) {
				known->lowest = task;
				known->lowest_at = at;
			}
		}
	}
}

static int hold_by(struct ns_scanner *scanner, struct ns_known *known, enum ns_holder_kind kind,
		   const struct ns_task *task)
{
	struct ns_holder *holder = ns_known_hold(scanner, known, kind);

	if (!holder)
		return -ENOMEM;
	holder->pid = task->pid;
	holder->tid = task->tid;
	return 0;
}

/* Namespaces that a thread has and its process has not, and those that wait for children. */
static int find_odd(struct ns_scanner *scanner, size_t at, const struct ns_task *leader)
{
	struct ns_task *task = scanner->current[at];
	int r = 0;

	for (unsigned int link = 0; link < NS_LINK_COUNT && r == 0; link++) {
		struct ns_known *known = task->ns[link];

		if (!known || (task != leader && known == leader->ns[link]))
			continue;
		if (link < NS_TYPE_COUNT && task != leader) {
			if (!known->thread)
				known->thread_at = at;
			known->thread = known->thread ? known->thread : task;
			r = hold_by(scanner, known, NS_HELD_THREAD, task);
		} else if (link >= NS_TYPE_COUNT && known != task->ns[links[link].type]) {
			known->maker = known->maker ? known->maker : task;
			r = hold_by(scanner, known, NS_HELD_CHILDREN, task);
		}
	}
	return r;
}

static int count_all(struct ns_scanner *scanner)
{
	const struct ns_task *leader = NULL;
	int r = 0;

	for (size_t i = 0; i < scanner->n_current && r == 0; i++) {
		struct ns_task *task = scanner->current[i];

		if (task->pid == task->tid)
			leader = task;
		if (!leader || leader->pid != task->pid) {
			/* Its process vanished in between: it will, too. */
			memset(task->ns, 0, sizeof(task->ns));
			task->rests = false;
			continue;
		}
		count(scanner, i, leader);
		r = find_odd(scanner, i, leader);
	}
	return r;
}

/* A task that ended while its links were read may have left some that nobody is in. */
static void drop_unclaimed(struct ns_scanner *scanner)
{
	size_t n = 0;

	for (size_t i = 0; i < scanner->n_seen; i++) {
		struct ns_known *known = scanner->seen[i];

		if (known->threads > 0 || known->maker)
			scanner->seen[n++] = known;
		else
			known->pass = 0;
	}
	scanner->n_seen = n;
}

static int read_proc(struct ns_scanner *scanner)
{
	int fd = root_open(scanner->root, ROOT_PROC, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		closep(&fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (is_number(entry->d_name))
			r = ns_stopped(scanner)
				    ?: ns_links_read_process(scanner, fd, entry->d_name);
	}
	closedir(dir);
	return r;
}

int ns_links_read(struct ns_scanner *scanner)
{
	int r = scanner->records ? ns_records_read(scanner) : -ENOSYS;

	if (r < 0 && scanner->n_current == 0)
		r = read_proc(scanner);
	if (r == 0)
		r = count_all(scanner);
	if (r == 0)
		drop_unclaimed(scanner);
	return r;
}
