// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/verbs/run.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container_find.h"
#include "core/cleanup.h"
#include "core/units.h"

DEFINE_CLEANUP(struct sampler *, sampler_free)
DEFINE_CLEANUP(struct snapshot *, snapshot_unref)

/* A process of the cgroup or of one below it: all of a container are in the same namespaces. */
static int first_process(struct run *run, const struct hierarchies *hierarchies,
			 const struct tree *tree, uint32_t index, pid_t *ret_pid)
{
	for (uint32_t i = index; i < tree->end[index]; i++) {
		struct process_list processes = { 0 };
		int r = processes_of_cgroup(run->context->root, hierarchies, tree->nodes[i],
					    &processes);
		pid_t pid = r == 0 && processes.n > 0 ? processes.list[0].pid : 0;

		process_list_done(&processes);
		if (pid > 0) {
			*ret_pid = pid;
			return 0;
		}
	}
	return context_fail(run->context, EXIT_FAILED, "--target: %s: no process is in it",
			    run->target);
}

static int find_container(struct run *run, const struct tree *tree, uint32_t *ret_index)
{
	int r = container_find(run->context->root, tree, run->target, ret_index);

	if (r == -ENOTUNIQ)
		return context_fail(
			run->context, EXIT_FAILED,
			"--target: %s: several containers are called or begin like that",
			run->target);
	if (r < 0)
		return context_fail(run->context, EXIT_FAILED,
				    "--target: %s: no such container; give a pid, the path of a "
				    "cgroup or the name or id of a container",
				    run->target);
	return 0;
}

static int find_in_tree(struct run *run, pid_t *ret_pid)
{
	_cleanup_(sampler_freep) struct sampler *sampler = NULL;
	_cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	struct metric_set none = { 0 };
	uint32_t index = NODE_NONE;
	int r = context_sampler(run->context, &sampler);

	if (r == 0)
		r = context_sample(run->context, sampler, &none, 0, &snapshot);
	if (r != 0)
		return r;
	if (run->target[0] == '/')
		index = context_find(run->context, snapshot, run->target, &r);
	else
		r = find_container(run, snapshot->tree, &index);
	if (r != 0)
		return r;
	return first_process(run, sampler_hierarchies(sampler), snapshot->tree, index, ret_pid);
}

static int read_ns(const struct run *run, const char *who, enum ns_type type, char *ret_link,
		   size_t size)
{
	char path[40];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/ns/%s", who, ns_type_name(type));
	n = root_readlink(run->context->root, ROOT_PROC, path, ret_link, size);
	return n < 0 ? (int)n : 0;
}

/* Leaves in `join` what there is to join: entering one's own user namespace is an error (EINVAL).
 */
static int compare(struct run *run, const char *pid)
{
	for (int i = 0; i < NS_TYPE_COUNT; i++) {
		enum ns_type type = (enum ns_type)i;
		char own[64], other[64];
		int r;

		if (!run->join_all && !run_has(run->join, type))
			continue;
		r = read_ns(run, "self", type, own, sizeof(own));
		if (r == -ENOENT && !run_has(run->join, type))
			continue;
		if (r == -ENOENT)
			return context_fail(run->context, EXIT_HOST,
					    "--ns: %s: this kernel has no such namespaces",
					    ns_type_name(type));
		if (r == 0)
			r = read_ns(run, pid, type, other, sizeof(other));
		if (r < 0)
			return context_fail(run->context, EXIT_FAILED,
					    "--target: %s: its namespaces cannot be seen: %s",
					    run->target, strerror(-r));
		run->join |= 1u << type;
		if (strcmp(own, other) == 0)
			run->join &= ~(1u << type);
	}
	return 0;
}

static int open_of(const struct run *run, const char *pid, const char *name, int *ret_fd)
{
	char path[32];

	snprintf(path, sizeof(path), "%s/%s", pid, name);
	*ret_fd = root_open(run->context->root, ROOT_PROC, path, O_PATH | O_DIRECTORY);
	if (*ret_fd >= 0)
		return 0;
	return context_fail(run->context, EXIT_FAILED, "--target: %s: its %s cannot be opened: %s",
			    run->target, name, strerror(-*ret_fd));
}

int run_target_find(struct run *run)
{
	uint64_t number;
	char pid_text[16];
	pid_t pid = 0;
	int r;

	/* A container's id may be digits alone, but no pid is that long. */
	if (parse_u64(run->target, &number) == 0 && number > 0 && number <= INT32_MAX)
		pid = (pid_t)number;
	r = pid ? 0 : find_in_tree(run, &pid);
	if (r != 0)
		return r;
	run->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (run->pidfd < 0)
		return context_fail(run->context, EXIT_FAILED, "--target: %s: %s", run->target,
				    errno == EINVAL || errno == ENOENT ? "a thread, not a process"
								       : strerror(errno));
	snprintf(pid_text, sizeof(pid_text), "%d", (int)pid);
	r = compare(run, pid_text);
	if (r == 0 && run_has(run->join, NS_MNT))
		r = open_of(run, pid_text, "root", &run->root_fd);
	if (r == 0 && run_has(run->join, NS_MNT))
		r = open_of(run, pid_text, "cwd", &run->cwd_fd);
	/* If it still lives, no other process had its number when we looked. */
	if (r == 0 && syscall(SYS_pidfd_send_signal, run->pidfd, 0, NULL, 0) < 0 && errno == ESRCH)
		r = context_fail(run->context, EXIT_FAILED, "--target: %s: %s", run->target,
				 strerror(ESRCH));
	return r;
}

void run_target_done(struct run *run)
{
	closep(&run->pidfd);
	closep(&run->root_fd);
	closep(&run->cwd_fd);
}

static int explain(const struct run *run, enum ns_type type, int error)
{
	const char *why = "";

	if (error == EPERM && type != NS_USER && !run_has(run->join, NS_USER))
		why = ": root may, or whoever joins the user namespace that owns it: --ns user,…";
	if (error == EINVAL && type == NS_PID)
		why = ": it is not below our own";
	return context_fail(run->context, EXIT_FAILED, "--ns: %s: %s%s", ns_type_name(type),
			    strerror(error), why);
}

/*
 * All at once first: the kernel then takes the rights over each namespace from who we were, and the
 * user namespace need not own the others. One by one only says which it was that failed.
 */
static int enter(const struct run *run)
{
	int flags = 0;

	for (int type = 0; type < NS_TYPE_COUNT; type++)
		flags |= run_has(run->join, (enum ns_type)type) ? ns_type_flag((enum ns_type)type)
								: 0;
	if (flags == 0 || setns(run->pidfd, flags) == 0)
		return 0;
	for (size_t i = 0; i < NS_TYPE_COUNT; i++) {
		enum ns_type type = run_order[i];

		if (run_has(run->join, type) && setns(run->pidfd, ns_type_flag(type)) < 0)
			return explain(run, type, errno);
	}
	return 0;
}

/* Root of the user namespace, if it has a root; otherwise we stay who we are, seen from inside. */
static int become_root(const struct run *run)
{
	/* -EPERM where setgroups is denied: then there is nothing to leave. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return context_fail(run->context, EXIT_FAILED, "--ns: user: setgroups: %s",
				    strerror(errno));
	if ((setresgid(0, 0, 0) < 0 && errno != EINVAL) ||
	    (setresuid(0, 0, 0) < 0 && errno != EINVAL))
		return context_fail(run->context, EXIT_FAILED, "--ns: user: %s", strerror(errno));
	return 0;
}

int run_target_join(const struct run *run)
{
	int r;

	/* Until the command takes our place: root in there must not reach the host through us. */
	prctl(PR_SET_DUMPABLE, 0);
	r = enter(run);
	/* A namespace has a root of its own, but the process may have another (chroot). */
	if (r == 0 && run_has(run->join, NS_MNT) && (fchdir(run->root_fd) < 0 || chroot(".") < 0))
		r = context_fail(run->context, EXIT_FAILED, "--ns: mnt: its root: %s",
				 strerror(errno));
	if (r == 0 && run_has(run->join, NS_USER))
		r = become_root(run);
	/* After that: it may be a directory for the root inside only. */
	if (r == 0 && run_has(run->join, NS_MNT) && fchdir(run->cwd_fd) < 0 && chdir("/") < 0)
		r = context_fail(run->context, EXIT_FAILED, "--ns: mnt: its directory: %s",
				 strerror(errno));
	return r;
}
