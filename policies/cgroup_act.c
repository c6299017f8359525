// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/cgroup_act.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/glob.h"
#include "core/log.h"
#include "core/units.h"
#include "policies/guards.h"
#include "policies/knob_private.h"
#include "policies/ownership.h"

enum { DEPTH_MAX = 512 };

/* ---- opening and writing -----------------------------------------------------------------------
 */

static int check_identity(struct cgroup_act *act, uint64_t id)
{
	struct stat status, top;

	if (fstat(act->fd, &status) < 0 || fstat(act->hierarchy->fd, &top) < 0)
		return -errno;
	snprintf(act->reason, sizeof(act->reason), "the path leads out of the hierarchy");
	if (status.st_dev != top.st_dev)
		return -EXDEV;
	snprintf(act->reason, sizeof(act->reason),
		 "another cgroup has the path now (id %llu, not %llu)",
		 (unsigned long long)status.st_ino, (unsigned long long)id);
	return id && status.st_ino != id ? -ESTALE : 0;
}

int cgroup_act_open(const struct knob_context *context, unsigned int index, const char *path,
		    uint64_t id, struct cgroup_act *ret_act)
{
	int r;

	*ret_act = (struct cgroup_act){ .context = context,
					.path = path,
					.index = index,
					.hierarchy = &context->hierarchies->list[index] };
	ret_act->fd = hierarchy_open(ret_act->hierarchy, path, O_RDONLY);
	if (ret_act->fd < 0) {
		r = ret_act->fd;
		ret_act->fd = -1;
		snprintf(ret_act->reason, sizeof(ret_act->reason),
			 "cannot be opened in the hierarchy of %s: %s", ret_act->hierarchy->name,
			 strerror(-r));
		return r;
	}
	r = check_identity(ret_act, id);
	if (r < 0)
		cgroup_act_done(ret_act);
	return r;
}

void cgroup_act_done(struct cgroup_act *act)
{
	if (act->fd >= 0)
		close(act->fd);
	act->fd = -1;
}

int cgroup_act_check(struct cgroup_act *act, bool restore, bool allow_protected)
{
	const size_t size = sizeof(act->reason);
	char *reason = act->reason;
	const struct knob_context *context = act->context;
	int r = 0;

	if (root_is_recorded(context->root) && !context->dry_run) {
		snprintf(reason, size, "a recorded tree cannot be written");
		return -EROFS;
	}
	if (!restore)
		r = ownership_check(context->root, context->hierarchies, act->index, act->path,
				    context->watchdog, reason, size);
	if (r == 0 && !restore && !allow_protected)
		r = cgroup_act_guard(act);
	act->checked = r == 0;
	return r;
}

int cgroup_act_write(const struct cgroup_act *act, const char *file, const char *text)
{
	const struct knob_io *io = knob_context_io(act->context);
	bool dry_run = act->context->dry_run;
	int r = 0;

	if (!act->checked)
		return -EPERM;
	if (!dry_run)
		r = io->write(io->data, act->fd, file, text, false);
	log_debug("%s: %s (%s): wrote %s: %s", act->path, file, act->hierarchy->name, text,
		  dry_run ? "not done: dry run"
		  : r < 0 ? strerror(-r)
			  : "done");
	return r;
}

/* ---- processes ---------------------------------------------------------------------------------
 */

void cgroup_processes_done(struct cgroup_processes *processes)
{
	for (size_t i = 0; i < processes->n; i++)
		free(processes->list[i].path);
	free(processes->list);
	*processes = (struct cgroup_processes){ 0 };
}

static int add_process(struct cgroup_processes *processes, const struct cgroup_process *process)
{
	char *path = strdup(process->path);

	if (processes->n == processes->capacity) {
		size_t capacity = processes->capacity ? 2 * processes->capacity : 64;
		struct cgroup_process *grown = path ? realloc(processes->list,
							      capacity * sizeof(*grown))
						    : NULL;

		if (!grown) {
			free(path);
			return -ENOMEM;
		}
		processes->list = grown;
		processes->capacity = capacity;
	}
	if (!path)
		return -ENOMEM;
	processes->list[processes->n] = *process;
	processes->list[processes->n++].path = path;
	return 0;
}

struct walk {
	unsigned int index;
	bool threads; /* of threaded cgroups these are listed */
	struct cgroup_processes *processes;
};

static int read_processes(const struct walk *walk, int fd, char *path)
{
	struct cgroup_process process = { .index = walk->index, .path = path };
	struct strbuf text;
	struct stat status;
	char *at, *line;
	int r;

	strbuf_init(&text);
	r = read_file_at(fd, "cgroup.procs", &text);
	if (r == -EOPNOTSUPP && walk->threads)
		r = read_file_at(fd, "cgroup.threads", &text);
	if (r == 0 && fstat(fd, &status) < 0)
		r = -errno;
	if (r == 0)
		process.cgroup_id = status.st_ino;
	/* The kernel's list of numbers, one a line. */
	at = text.data;
	while (r == 0 && (line = strsep(&at, "\n"))) {
		uint64_t pid;

		if (parse_u64(line, &pid) < 0 || pid > INT32_MAX)
			continue;
		process.pid = (pid_t)pid;
		if (pid == 0)
			walk->processes->foreign++;
		else
			r = add_process(walk->processes, &process);
	}
	strbuf_done(&text);
	return r == -EOPNOTSUPP || r == -ENODEV || r == -ENOENT ? 0 : r;
}

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

/* Takes the descriptor over. */
static int walk_cgroup(const struct walk *walk, int fd, char *path, unsigned int depth)
{
	_cleanup_(closedirp) DIR *directory = fdopendir(fd);
	struct dirent *entry;
	int r;

	if (!directory) {
		r = -errno;
		close(fd);
		return r;
	}
	r = depth > DEPTH_MAX ? -ELOOP : read_processes(walk, fd, path);
	while (r == 0 && (entry = readdir(directory))) {
		_cleanup_(freep) char *below = NULL;
		int child;

		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (asprintf(&below, "%s/%s", path, entry->d_name) < 0) {
			below = NULL;
			return -ENOMEM;
		}
		child = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			r = walk_cgroup(walk, child, below, depth + 1);
		else if (errno != ENOENT && errno != ENODEV)
			r = -errno;
	}
	return r;
}

static int list_processes(const struct cgroup_act *act, bool threads,
			  struct cgroup_processes *processes)
{
	const struct walk walk = { act->index, threads, processes };
	_cleanup_(freep) char *path = strdup(act->path);
	int fd = openat(act->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	if (!path) {
		close(fd);
		return -ENOMEM;
	}
	return walk_cgroup(&walk, fd, path, 0);
}

int cgroup_act_processes(const struct cgroup_act *act, struct cgroup_processes *processes)
{
	return list_processes(act, false, processes);
}

/*
 * Those that live there now, and nobody else: a look over all processes of a big machine takes
 * longer than an action that is to come in time may take.
 */
int cgroup_act_guard(struct cgroup_act *act)
{
	const struct guards *guards = act->context->guards;
	struct cgroup_processes found = { 0 };
	int r;

	if (!guards)
		return 0;
	r = guards_check_path(act->path, act->reason, sizeof(act->reason));
	if (r < 0)
		return r;
	r = list_processes(act, true, &found);
	if (r < 0)
		snprintf(act->reason, sizeof(act->reason),
			 "it cannot be told whether it holds a protected process: %s",
			 strerror(-r));
	for (size_t i = 0; i < found.n && r == 0; i++)
		r = guards_check_process(guards, found.list[i].pid, act->reason,
					 sizeof(act->reason));
	cgroup_processes_done(&found);
	return r;
}

bool cgroup_act_contains(const struct cgroup_act *act, pid_t pid)
{
	char *paths[HIERARCHY_MAX];
	bool inside;

	if (hierarchies_of_process(act->context->hierarchies, act->context->root, pid, paths) < 0)
		return false;
	inside = paths[act->index] && ownership_contains(act->path, paths[act->index]);
	for (unsigned int i = 0; i < HIERARCHY_MAX; i++)
		free(paths[i]);
	return inside;
}

/* Behind the name, which may hold anything, also brackets: field 22 (proc_pid_stat(5)). */
static int parse_start_time(char *text, uint64_t *ret_start)
{
	char *at = strrchr(text, ')'), *field = NULL;
	unsigned int number = 2;

	if (!at || at[1] != ' ')
		return -EBADMSG;
	at += 2;
	while (number < 22 && (field = strsep(&at, " \n")))
		number++;
	return field && parse_u64(field, ret_start) == 0 ? 0 : -EBADMSG;
}

int process_start_time(const struct root *root, pid_t pid, uint64_t *ret_start)
{
	char path[64];
	struct strbuf text;
	int r;

	snprintf(path, sizeof(path), "%d/stat", (int)pid);
	strbuf_init(&text);
	r = root_read(root, ROOT_PROC, path, &text);
	if (r == 0)
		r = text.data ? parse_start_time(text.data, ret_start) : -ESRCH;
	strbuf_done(&text);
	return r;
}

bool process_is_named(const struct root *root, pid_t pid, const char *glob)
{
	char path[64];
	struct strbuf text;
	bool matches = false;

	if (!glob)
		return true;
	snprintf(path, sizeof(path), "%d/comm", (int)pid);
	strbuf_init(&text);
	if (root_read(root, ROOT_PROC, path, &text) == 0 && text.data) {
		text.data[strcspn(text.data, "\n")] = '\0';
		matches = glob_match(glob, text.data);
	}
	strbuf_done(&text);
	return matches;
}
