// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/verbs/run.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/verbs/verbs.h"
#include "core/cleanup.h"

/*
 * The processes: we stay to pass signals on and to clean up. A child enters the cgroup and the
 * namespaces and becomes the command. With a PID namespace, which takes only children of whoever
 * entered it, the child makes a sibling of itself in there, tells us its pid, and ends: then that
 * one is our child, the init of a fresh namespace or the command in a joined one.
 */

static bool needs_sibling(const struct run *run)
{
	return run_has(run->unshare, NS_PID) || run_has(run->join, NS_PID);
}

/* In the sibling: not before our parent knows us. */
static _Noreturn void sibling(const struct run *run, int channel)
{
	char go;

	if (recv(channel, &go, 1, 0) != 1)
		_exit(EXIT_FAILED);
	if (!run_has(run->unshare, NS_PID))
		run_exec(run);
	/* If cgwatch is killed, the namespace goes too. It may have been just now. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (recv(channel, &go, 1, MSG_DONTWAIT) == 0)
		_exit(EXIT_FAILED);
	run_init(run);
}

static _Noreturn void child(const struct run *run, int channel)
{
	int r = run_cgroup_enter(run);
	pid_t pid;

	if (r == 0 && run->unshare)
		r = run_unshare(run, channel);
	if (r == 0 && run->target)
		r = run_target_join(run);
	if (r != 0)
		_exit(r);
	if (!needs_sibling(run))
		run_exec(run);
	pid = run_fork_sibling();
	if (pid == 0)
		sibling(run, channel);
	if (pid < 0 || send(channel, &pid, sizeof(pid), MSG_NOSIGNAL) != sizeof(pid)) {
		/* ENOMEM is how the kernel says that nobody can come into a dead PID namespace. */
		context_fail(run->context, EXIT_FAILED, "pid: %s%s", strerror(errno),
			     errno == ENOMEM && run->target ? ": its first process has ended" : "");
		_exit(EXIT_FAILED);
	}
	_exit(EXIT_GOOD);
}

/* Answers what the child asks for until it is the command, or its sibling is. Whom to wait for. */
static pid_t attend(const struct run *run, pid_t pid, int channel)
{
	union {
		char what;
		pid_t pid;
	} message;
	ssize_t n;

	while ((n = recv(channel, &message, sizeof(message), 0)) > 0) {
		if (n == sizeof(message.pid)) {
			while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
				continue;
			send(channel, "g", 1, MSG_NOSIGNAL);
			return message.pid;
		} else {
			int answer = run_map_answer(run, pid);

			send(channel, &answer, sizeof(answer), MSG_NOSIGNAL);
			if (!needs_sibling(run))
				break;
		}
	}
	return pid;
}

static int wait_for(pid_t pid, const sigset_t *signals)
{
	int status;

	for (;;) {
		pid_t ended = waitpid(pid, &status, WNOHANG);

		if (ended == pid)
			return run_exit_code(status);
		if (ended < 0 && errno != EINTR)
			return EXIT_FAILED;
		run_pass_on(pid, signals);
	}
}

/*
 * A shell that ran as the command has made its own group the terminal's foreground one. Whoever
 * started us as a job takes it back; a script, which does not, could read no more.
 */
static void take_terminal_back(bool ours)
{
	sigset_t block, before;

	if (!ours)
		return;
	sigemptyset(&block);
	sigaddset(&block, SIGTTOU);
	sigprocmask(SIG_BLOCK, &block, &before);
	tcsetpgrp(STDIN_FILENO, getpgrp());
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static int spawn(const struct run *run, const sigset_t *signals)
{
	bool foreground = tcgetpgrp(STDIN_FILENO) == getpgrp();
	int channel[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
		return context_fail(run->context, EXIT_FAILED, "socketpair: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(channel[0]);
		child(run, channel[1]);
	}
	close(channel[1]);
	if (pid < 0) {
		r = context_fail(run->context, EXIT_FAILED, "fork: %s", strerror(errno));
	} else {
		if (needs_sibling(run) || run->map == RUN_MAP_AUTO)
			pid = attend(run, pid, channel[0]);
		r = wait_for(pid, signals);
		take_terminal_back(foreground);
	}
	/* Not earlier: by its end the init sees that we are gone. */
	close(channel[0]);
	return r;
}

static int run_in_cgroup(struct run *run, const sigset_t *signals)
{
	struct sampler *sampler = NULL;
	int r = context_sampler(run->context, &sampler);

	if (r != 0)
		return r;
	r = run_cgroup_make(run, sampler);
	if (r == 0)
		r = spawn(run, signals);
	run_cgroup_remove(run, sampler_hierarchies(sampler));
	sampler_free(sampler);
	return r;
}

/* From here on an end by signal cleans up too. */
static void catch_signals(struct run *run, sigset_t *ret_signals)
{
	/* Where it is ignored the kernel reaps, and nobody could wait for the command. */
	const struct sigaction by_default = { .sa_handler = SIG_DFL };

	sigaction(SIGCHLD, &by_default, &run->on_child);
	run_signals(ret_signals);
	sigprocmask(SIG_BLOCK, ret_signals, &run->mask);
}

int verb_run(struct context *context, int argc, char **argv)
{
	struct run run = { .context = context,
			   .uid = geteuid(),
			   .gid = getegid(),
			   .pidfd = -1,
			   .root_fd = -1,
			   .cwd_fd = -1 };
	sigset_t signals;
	int r = run_options(&run, argc, argv);

	getrlimit(RLIMIT_NOFILE, &run.files);
	if (r == 0)
		r = context_root(context);
	if (r == 0 && root_is_recorded(context->root))
		r = context_fail(context, EXIT_FAILED, "--root: nothing runs in a recorded tree");
	if (r == 0 && run.target)
		r = run_target_find(&run);
	if (r == 0) {
		catch_signals(&run, &signals);
		r = run.path ? run_in_cgroup(&run, &signals) : spawn(&run, &signals);
	}
	run_target_done(&run);
	run_options_done(&run);
	return r;
}
