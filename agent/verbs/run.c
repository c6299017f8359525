// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/verbs/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "policies/manual.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080 /* 5.6 */
#endif

struct run {
	struct context *context;
	const char *path;
	const char *limits[4]; /* "cpu.quota=50%" */
	char *owned[4];
	size_t n_limits;
	int namespaces;
	char **command;
	size_t there[HIERARCHY_MAX]; /* how much of the path was there before, by hierarchy */
	int procs[HIERARCHY_MAX];
	unsigned int n_procs;
	struct rlimit files; /* as we were given it: sampling raises it */
};

static const struct {
	const char *name;
	int flag;
} namespaces[] = {
	{ "mnt", CLONE_NEWNS },	 { "mount", CLONE_NEWNS },	{ "user", CLONE_NEWUSER },
	{ "uts", CLONE_NEWUTS }, { "ipc", CLONE_NEWIPC },	{ "pid", CLONE_NEWPID },
	{ "net", CLONE_NEWNET }, { "cgroup", CLONE_NEWCGROUP }, { "time", CLONE_NEWTIME },
};

static int parse_namespaces(struct run *run, const char *list)
{
	while (*list) {
		size_t length = strcspn(list, ","), i;

		for (i = 0; i < ARRAY_SIZE(namespaces); i++) {
			if (strlen(namespaces[i].name) == length &&
			    strncmp(namespaces[i].name, list, length) == 0)
				break;
		}
		if (i == ARRAY_SIZE(namespaces))
			return context_usage(run->context,
					     "--unshare: %.*s: not one of mnt user uts ipc pid net "
					     "cgroup time",
					     (int)length, list);
		run->namespaces |= namespaces[i].flag;
		list += length;
		list += *list == ',';
	}
	return 0;
}

static int add_limit(struct run *run, const char *knob, const char *value)
{
	enum knob_id id;
	struct knob_value parsed;
	const char *reason = "not a value";
	char *text;

	if (knob_find(knob, &id) < 0 || knob_parse(id, value, &parsed, &reason) < 0)
		return context_usage(run->context, "%s: %s: %s", knob, value, reason);
	if (run->n_limits == ARRAY_SIZE(run->limits) || asprintf(&text, "%s=%s", knob, value) < 0)
		return context_fail(run->context, EXIT_USAGE, "%s: given too often", knob);
	run->owned[run->n_limits] = text;
	run->limits[run->n_limits++] = text;
	return 0;
}

static int parse_path(struct run *run, const char *path)
{
	size_t length = strlen(path);

	/* "..": the kernel has no such cgroup, but a path walk would leave the hierarchy. */
	if (path[0] != '/' || length < 2 || length > 3000 || path[length - 1] == '/' ||
	    strstr(path, "//") || strstr(path, "/../") || strstr(path, "/./") ||
	    strcmp(path + length - 2, "/.") == 0 ||
	    (length > 2 && strcmp(path + length - 3, "/..") == 0))
		return context_usage(run->context, "--cgroup: %s: give a path as in /batch/job-1",
				     path);
	run->path = path;
	return 0;
}

static int parse_arguments(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{ "cgroup", required_argument, NULL, 'g' },
		{ "cpu", required_argument, NULL, 'c' },
		{ "memory", required_argument, NULL, 'm' },
		{ "pids", required_argument, NULL, 'p' },
		{ "unshare", required_argument, NULL, 'u' },
		{ NULL },
	};
	static const char *const knobs[] = {
		['c'] = "cpu.quota", ['m'] = "memory.max", ['p'] = "pids.max"
	};
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
		if (option == 'g')
			r = parse_path(run, optarg);
		else if (option == 'u')
			r = parse_namespaces(run, optarg);
		else if (option == 'c' || option == 'm' || option == 'p')
			r = add_limit(run, knobs[option], optarg);
		else
			r = context_bad_option(run->context);
	}
	if (r == 0 && optind == argc)
		r = context_usage(run->context, "give a command, as in -- make -j8");
	run->command = argv + optind;
	return r;
}

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

static int make_cgroups(struct run *run, const struct hierarchies *hierarchies)
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

/*
 * What we made goes again, the innermost first. Processes that the command left behind keep it
 * busy: then it stays, and we say so. A parent that somebody else uses by now stays without a word.
 */
static void remove_cgroups(struct run *run, const struct hierarchies *hierarchies)
{
	for (unsigned int h = 0; h < hierarchies->n; h++) {
		_cleanup_(freep) char *path = strdup(run->path);
		size_t length = strlen(run->path);

		while (path && length > run->there[h]) {
			int r = remove_directory(hierarchies->list[h].fd, path + 1);

			if (r < 0) {
				if (length == strlen(run->path))
					context_fail(run->context, EXIT_FAILED,
						     "%s: not removed from %s: %s", run->path,
						     hierarchies->list[h].name, strerror(-r));
				break;
			}
			while (length > 0 && path[length - 1] != '/')
				length--;
			length -= length > 0;
			path[length] = '\0';
		}
	}
}

static int write_self(const struct root *root, const char *name, const char *text)
{
	_cleanup_(closep) int fd = root_open(root, ROOT_PROC, name, O_WRONLY);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
}

/* In the child. We become root in the new user namespace, mapped to whom we were. */
static int enter_namespaces(const struct run *run)
{
	const struct root *root = run->context->root;
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(run->namespaces) < 0)
		return -errno;
	if (run->namespaces & CLONE_NEWUSER) {
		write_self(root, "self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", (unsigned int)uid);
		if (write_self(root, "self/uid_map", map) < 0)
			return -errno;
		snprintf(map, sizeof(map), "0 %u 1", (unsigned int)gid);
		if (write_self(root, "self/gid_map", map) < 0)
			return -errno;
	}
	if ((run->namespaces & CLONE_NEWNS) &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return 0;
}

static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A new PID namespace takes the children of whoever made it: one more fork, and /proc anew. */
static void enter_pid_namespace(const struct run *run)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		_exit(EXIT_FAILED);
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pid > 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
		_exit(exit_code(status));
	}
	if (run->namespaces & CLONE_NEWNS)
		mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
}

static void child(const struct run *run)
{
	int r;

	for (unsigned int i = 0; i < run->n_procs; i++) {
		/* "0" is whoever writes it (cgroup-v2.rst, "Core Interface Files"). */
		if (write(run->procs[i], "0", 1) < 0) {
			context_fail(run->context, EXIT_FAILED, "%s: cannot enter: %s", run->path,
				     strerror(errno));
			_exit(EXIT_FAILED);
		}
	}
	r = run->namespaces ? enter_namespaces(run) : 0;
	if (r < 0) {
		context_fail(run->context, EXIT_FAILED, "--unshare: %s", strerror(-r));
		_exit(EXIT_FAILED);
	}
	if (run->namespaces & CLONE_NEWPID)
		enter_pid_namespace(run);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	setrlimit(RLIMIT_NOFILE, &run->files);
	execvp(run->command[0], run->command);
	context_fail(run->context, EXIT_FAILED, "%s: %s", run->command[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Passes on what was sent to us until the child has ended; we stay to clean up. */
static int wait_for(pid_t pid, const sigset_t *signals)
{
	int status;

	for (;;) {
		int signo = sigwaitinfo(signals, NULL);

		if (signo == SIGTERM || signo == SIGHUP)
			kill(pid, signo);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return exit_code(status);
	}
}

static int spawn(const struct run *run, const sigset_t *signals)
{
	pid_t pid;

	/* The terminal's own signals reach the child by themselves. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	pid = fork();
	if (pid < 0)
		return context_fail(run->context, EXIT_FAILED, "fork: %s", strerror(errno));
	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, signals, NULL);
		child(run);
	}
	return wait_for(pid, signals);
}

static int set_limits(struct run *run, const struct sampler *sampler, const struct node *node)
{
	struct knob_context where = { .root = run->context->root,
				      .hierarchies = sampler_hierarchies(sampler) };
	struct knob_result results[ARRAY_SIZE(run->limits)] = { 0 };
	int r;

	if (run->n_limits == 0)
		return 0;
	r = manual_set_all(&where, node, run->limits, run->n_limits, results);
	for (size_t i = 0; r < 0 && i < run->n_limits; i++) {
		if (results[i].error && results[i].error != -ECANCELED)
			return context_fail(
				run->context,
				results[i].error == -EOPNOTSUPP ? EXIT_HOST : EXIT_FAILED,
				"%s: %s: %s", run->path, run->limits[i], results[i].text);
	}
	return r < 0 ? EXIT_FAILED : 0;
}

static int run_in(struct run *run, struct sampler *sampler)
{
	const struct hierarchies *hierarchies = sampler_hierarchies(sampler);
	struct snapshot *snapshot = NULL;
	struct metric_set none = { 0 };
	uint32_t index = NODE_NONE;
	sigset_t signals;
	int r;

	/* From here on an end by signal cleans up too. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	r = make_cgroups(run, hierarchies);

	if (r == 0)
		r = context_sample(run->context, sampler, &none, 0, &snapshot);
	if (r == 0)
		index = context_find(run->context, snapshot, run->path, &r);
	if (r == 0 && index != NODE_NONE)
		r = set_limits(run, sampler, snapshot->tree->nodes[index]);
	if (r == 0)
		r = spawn(run, &signals);
	for (unsigned int i = 0; i < run->n_procs; i++)
		close(run->procs[i]);
	remove_cgroups(run, hierarchies);
	snapshot_unref(snapshot);
	return r;
}

int verb_run(struct context *context, int argc, char **argv)
{
	struct run run = { .context = context };
	struct sampler *sampler = NULL;
	char own[64];
	int r = parse_arguments(&run, argc, argv);

	getrlimit(RLIMIT_NOFILE, &run.files);
	if (!run.path) {
		snprintf(own, sizeof(own), "/cgwatch-run-%d", (int)getpid());
		run.path = own;
	}
	if (r == 0)
		r = context_sampler(context, &sampler);
	if (r == 0 && root_is_recorded(context->root))
		r = context_fail(context, EXIT_FAILED, "--root: nothing runs in a recorded tree");
	if (r == 0)
		r = run_in(&run, sampler);
	for (size_t i = 0; i < run.n_limits; i++)
		free(run.owned[i]);
	sampler_free(sampler);
	return r;
}
