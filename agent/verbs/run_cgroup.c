// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/verbs/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "policies/manual.h"

/* A v1 cpuset takes no task before it has CPUs and memory nodes: those of its parent. */
static void inherit_cpuset(int parent_fd, int fd)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_(closep) int to = -1;
		struct strbuf text;

		strbuf_init(&text);
		to = openat(fd, files[i], O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		if (to >= 0 && read_file_at(parent_fd, files[i], &text) == 0 && text.length > 1) {
			ssize_t ignored = write(to, text.data, text.length);

			(void)ignored; /* if it failed, attaching will, with a reason of its own */
		}
		strbuf_done(&text);
	}
}

/*
 * Makes every missing component; *ret_there is the length of the path that was there before. A
 * directory fd or -errno.
 */
static int make_path(const struct hierarchy *hierarchy, const char *path, size_t *ret_there)
{
	_cleanup_(freep) char *copy = strdup(path);
	char *at = copy, *name;
	int fd = dup(hierarchy->fd);
	size_t there = 0;
	bool made = false;

	while (fd >= 0 && (name = strsep(&at, "/"))) {
		int next, error;
		bool mine;

		if (!*name)
			continue;
		error = mkdirat(fd, name, 0755) < 0 ? errno : 0;
		mine = error == 0;
		made |= mine;
		if (!made)
			there = (size_t)(name - copy) + strlen(name);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* Why it could not be made says more than that it is not there. */
		if (next < 0)
			next = error && error != EEXIST ? -error : -errno;
		else if (mine && !hierarchy->v2 && hierarchy_has(hierarchy, "cpuset"))
			inherit_cpuset(fd, next);
		close(fd);
		fd = next;
	}
	*ret_there = there;
	return fd;
}

static int make_everywhere(struct run *run, const struct hierarchies *hierarchies)
{
	/* Where we do not get to, nothing is ours to remove. */
	for (unsigned int h = 0; h < hierarchies->n; h++)
		run->there[h] = strlen(run->path);
	for (unsigned int h = 0; h < hierarchies->n; h++) {
		const struct hierarchy *hierarchy = &hierarchies->list[h];
		_cleanup_(closep) int fd = -1;
		int procs;

		if (hierarchy->fd < 0)
			continue;
		fd = make_path(hierarchy, run->path, &run->there[h]);
		if (fd < 0)
			return context_fail(run->context, EXIT_FAILED,
					    "%s: cannot be made in %s: %s", run->path,
					    hierarchy->name, strerror(-fd));
		procs = openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		if (procs < 0)
			return context_fail(run->context, EXIT_FAILED, "%s: cgroup.procs in %s: %s",
					    run->path, hierarchy->name, strerror(errno));
		run->procs[run->n_procs++] = procs;
	}
	return 0;
}

static int remove_directory(int fd, const char *path)
{
	struct timespec pause = { 0, 1000000 };

	for (int i = 0; i < 8; i++) {
		if (unlinkat(fd, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			break;
		nanosleep(&pause, NULL);
		pause.tv_nsec *= 2;
	}
	return -errno;
}

/* Of one hierarchy. 0, or -errno if the innermost one stays. */
static int remove_path(const struct run *run, const struct hierarchy *hierarchy, size_t there)
{
	_cleanup_(freep) char *path = strdup(run->path);
	size_t length = strlen(run->path);

	while (path && length > there) {
		int r = remove_directory(hierarchy->fd, path + 1);

		if (r < 0)
			return length == strlen(run->path) ? r : 0;
		while (length > 0 && path[length - 1] != '/')
			length--;
		length -= length > 0;
		path[length] = '\0';
	}
	return 0;
}

void run_cgroup_remove(struct run *run, const struct hierarchies *hierarchies)
{
	const char *where = NULL;
	unsigned int n = 0;
	int error = 0;

	for (unsigned int i = 0; i < run->n_procs; i++)
		close(run->procs[i]);
	run->n_procs = 0;
	for (unsigned int h = 0; h < hierarchies->n; h++) {
		int r = remove_path(run, &hierarchies->list[h], run->there[h]);

		if (r == 0)
			continue;
		if (n++ == 0) {
			where = hierarchies->list[h].name;
			error = r;
		}
	}
	/* The same processes keep it in every hierarchy: said once. */
	if (n > 0)
		context_fail(run->context, EXIT_FAILED, "%s: not removed from %s%s: %s%s",
			     run->path, where, n > 1 ? " and others" : "", strerror(-error),
			     error == -EBUSY ? ": the command left processes behind" : "");
}

int run_cgroup_enter(const struct run *run)
{
	for (unsigned int i = 0; i < run->n_procs; i++) {
		/* "0" is whoever writes it (cgroup-v2.rst, "Core Interface Files"). */
		if (write(run->procs[i], "0", 1) < 0)
			return context_fail(run->context, EXIT_FAILED, "%s: cannot enter: %s",
					    run->path, strerror(errno));
	}
	return 0;
}

static int set_limits(struct run *run, const struct sampler *sampler, const struct node *node)
{
	struct knob_context where = { .root = run->context->root,
				      .hierarchies = sampler_hierarchies(sampler) };
	struct knob_result results[ARRAY_SIZE(run->limits)] = { 0 };
	int r;

	if (run->n_limits == 0)
		return 0;
	r = manual_set_all(&where, node, (const char *const *)run->limits, run->n_limits, results);
	for (size_t i = 0; r < 0 && i < run->n_limits; i++) {
		if (results[i].error && results[i].error != -ECANCELED)
			return context_fail(
				run->context,
				results[i].error == -EOPNOTSUPP ? EXIT_HOST : EXIT_FAILED,
				"%s: %s: %s", run->path, run->limits[i], results[i].text);
	}
	return r < 0 ? EXIT_FAILED : 0;
}

int run_cgroup_make(struct run *run, struct sampler *sampler)
{
	const struct hierarchies *hierarchies = sampler_hierarchies(sampler);
	struct snapshot *snapshot = NULL;
	struct metric_set none = { 0 };
	uint32_t index = NODE_NONE;
	int r = make_everywhere(run, hierarchies);

	if (r == 0)
		r = context_sample(run->context, sampler, &none, 0, &snapshot);
	if (r == 0)
		index = context_find(run->context, snapshot, run->path, &r);
	if (r == 0 && index != NODE_NONE)
		r = set_limits(run, sampler, snapshot->tree->nodes[index]);
	snapshot_unref(snapshot);
	return r;
}
