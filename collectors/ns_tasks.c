// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/ns_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "collectors/proc_stat.h"
#include "collectors/processes.h"
#include "core/cleanup.h"

/* struct pidfd_info of Linux 6.13, its first version: Debian 12's headers do not have it. */
struct pidfd_info_v0 {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
#define PIDFD_GET_INFO_V0 _IOWR(0xFF, 11, struct pidfd_info_v0)
enum { PIDFD_INFO_CREDS_BIT = 1 << 1 };

static bool uid_by_pidfd(struct ns_scanner *scanner, pid_t pid, uid_t *ret_uid)
{
	struct pidfd_info_v0 info = { .mask = PIDFD_INFO_CREDS_BIT };
	_cleanup_(closep) int pidfd = -1;

	if (!scanner->live || scanner->no_pidfd_info)
		return false;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return false;
	if (ioctl(pidfd, PIDFD_GET_INFO_V0, &info) < 0) {
		scanner->no_pidfd_info = errno == ENOTTY || errno == EINVAL;
		return false;
	}
	if (!(info.mask & PIDFD_INFO_CREDS_BIT))
		return false;
	*ret_uid = info.euid;
	return true;
}

/* "Uid:	real	effective	saved	fs" */
static bool uid_by_status(struct ns_scanner *scanner, pid_t pid, uid_t *ret_uid)
{
	char path[32], *line, *end;
	unsigned long uid;

	snprintf(path, sizeof(path), "%d/status", (int)pid);
	strbuf_clear(&scanner->text);
	if (root_read(scanner->root, ROOT_PROC, path, &scanner->text) < 0 || !scanner->text.data)
		return false;
	line = strstr(scanner->text.data, "\nUid:\t");
	if (!line)
		return false;
	strtoul(line + 6, &end, 10);
	uid = strtoul(end, &end, 10);
	*ret_uid = (uid_t)uid;
	return true;
}

uid_t ns_task_uid(struct ns_scanner *scanner, struct ns_task *task)
{
	uid_t uid;

	if (task->uid_told || task->uid != 0)
		return task->uid;
	if (uid_by_pidfd(scanner, task->pid, &uid) || uid_by_status(scanner, task->pid, &uid))
		task->uid = uid;
	task->uid_told = true;
	return task->uid;
}

static void tell_stat(struct ns_scanner *scanner, int dir_fd, struct ns_task *task)
{
	struct proc_stat stat;

	strbuf_clear(&scanner->text);
	if (read_file_at(dir_fd, "stat", &scanner->text) < 0 || !scanner->text.data ||
	    proc_stat_parse(scanner->text.data, &stat) < 0)
		return;
	task->ppid = (pid_t)stat.ppid;
	task->start_ns = stat.start_ticks * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
	if (task->record)
		task->start_ns = task->born_ns; /* more exactly */
	free(task->comm);
	task->comm = strdup(stat.comm);
}

/*
 * A parent can only be lost to another when it ends: then its number is free, or belongs to a
 * process younger than its supposed child.
 */
static bool has_its_parent(const struct ns_scanner *scanner, const struct ns_task *task)
{
	const struct ns_task *parent = ns_task_find(scanner, task->ppid);

	return task->ppid == 0 || (parent && parent->pid == task->ppid && parent->start_ns &&
				   parent->start_ns <= task->start_ns);
}

/* Whether the process with that directory is the one that the record is of. */
static bool is_recorded(struct ns_scanner *scanner, int dir_fd, const struct ns_task *task)
{
	uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	struct proc_stat stat;

	strbuf_clear(&scanner->text);
	return read_file_at(dir_fd, "stat", &scanner->text) == 0 && scanner->text.data &&
	       proc_stat_parse(scanner->text.data, &stat) == 0 &&
	       stat.start_ticks == task->born_ns / tick_ns;
}

static void tell(struct ns_scanner *scanner, struct ns_task *task, bool command)
{
	_cleanup_(closep) int dir_fd = -1;
	bool known = task->told == scanner->pass || (task->told && has_its_parent(scanner, task));
	char name[16];

	if (known && (!command || task->command))
		return;
	snprintf(name, sizeof(name), "%d", (int)task->pid);
	dir_fd = root_open(scanner->root, ROOT_PROC, name, O_PATH | O_DIRECTORY);
	if (task->record && (dir_fd < 0 || !is_recorded(scanner, dir_fd, task)))
		ns_task_untell(task); /* it has ended since the record was made */
	else if (dir_fd >= 0 && !(task->record && known))
		tell_stat(scanner, dir_fd, task);
	if (dir_fd < 0)
		return;
	if (command && !task->command && task->comm)
		task->command = process_read_command(dir_fd, task->comm);
	task->told = scanner->pass;
}

void ns_task_tell(struct ns_scanner *scanner, struct ns_task *task)
{
	tell(scanner, task, true);
}

void ns_task_name(struct ns_scanner *scanner, struct ns_task *task)
{
	tell(scanner, task, false);
}

/* FNV-1a: one path of all hierarchies together is some hundred bytes. */
static uint64_t hash_text(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

static struct ns_cgroup *add_cgroup(struct ns_scanner *scanner, uint64_t key, char *text)
{
	struct ns_cgroup *cgroup = calloc(1, sizeof(*cgroup));
	char *paths[HIERARCHY_MAX];
	unsigned int n;

	if (!cgroup)
		return NULL;
	cgroup->node.key = key;
	cgroup->text = strdup(text);
	if (!cgroup->text || ns_hash_add(&scanner->cgroups, &cgroup->node) < 0) {
		free(cgroup->text);
		free(cgroup);
		return NULL;
	}
	hierarchies_parse_paths(scanner->hierarchies, text, paths);
	n = hierarchies_distinct_paths(paths);
	cgroup->path = n > 0 ? paths[0] : NULL;
	if (n > 1)
		cgroup->others = calloc(n, sizeof(*cgroup->others));
	for (unsigned int i = 1; i < n; i++) {
		if (cgroup->others)
			cgroup->others[i - 1] = paths[i];
		else
			free(paths[i]);
	}
	return cgroup;
}

/* What a text of /proc/PID/cgroup stands for, worked out once. NULL if there is no memory. */
static struct ns_cgroup *cgroup_of_text(struct ns_scanner *scanner, char *text)
{
	uint64_t key = hash_text(text);
	struct ns_cgroup *cgroup;

	/* Another text may have the same hash: then the next number is free or is it. */
	for (;; key++) {
		cgroup = (struct ns_cgroup *)ns_hash_find(&scanner->cgroups, key);
		if (!cgroup)
			cgroup = add_cgroup(scanner, key, text);
		else if (strcmp(cgroup->text, text) != 0)
			continue;
		if (cgroup)
			cgroup->pass = scanner->pass;
		return cgroup;
	}
}

int ns_task_ask_cgroup(struct ns_scanner *scanner, struct ns_task *task)
{
	char path[32];

	task->cgroup = NULL;
	snprintf(path, sizeof(path), "%d/cgroup", (int)task->pid);
	strbuf_clear(&scanner->text);
	if (!scanner->hierarchies ||
	    root_read(scanner->root, ROOT_PROC, path, &scanner->text) < 0 || !scanner->text.data)
		return 0;
	task->cgroup = cgroup_of_text(scanner, scanner->text.data);
	return task->cgroup ? 0 : -ENOMEM;
}

void ns_task_ask_root(struct ns_scanner *scanner, struct ns_task *task)
{
	struct statx info;
	char path[32];

	task->root_device = 0;
	if (task->denied || !scanner->live)
		return;
	snprintf(path, sizeof(path), "%d/root", (int)task->pid);
	/* Never ask the server of a file system: it may be dead. */
	if (statx(scanner->proc_fd, path, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_TYPE,
		  &info) == 0)
		task->root_device = makedev(info.stx_dev_major, info.stx_dev_minor);
}

static int place(struct ns_scanner *scanner, struct ns_task *task)
{
	if (task->record)
		return ns_records_place(scanner, task);
	ns_task_ask_root(scanner, task);
	return ns_task_ask_cgroup(scanner, task);
}

int ns_tasks_place(struct ns_scanner *scanner)
{
	int r = 0;

	for (size_t i = 0; i < scanner->n_current && r == 0; i++) {
		r = ns_stopped(scanner);
		if (r == 0 && scanner->current[i]->pid == scanner->current[i]->tid)
			r = place(scanner, scanner->current[i]);
	}
	return r;
}
