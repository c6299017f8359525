// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/verbs/run.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"

void run_signals(sigset_t *ret_signals)
{
	static const int list[] = { SIGCHLD, SIGTERM, SIGHUP,  SIGINT,
				    SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT };

	sigemptyset(ret_signals);
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		sigaddset(ret_signals, list[i]);
}

/*
 * A terminal sends to every process of its foreground group, the command too: those have si_code
 * SI_KERNEL and would arrive twice. What somebody sent by kill(2) was meant for the command.
 */
void run_pass_on(pid_t pid, const sigset_t *signals)
{
	siginfo_t info;
	int signo = sigwaitinfo(signals, &info);

	if (signo > 0 && signo != SIGCHLD && info.si_code <= 0)
		kill(pid, signo);
}

int run_exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

pid_t run_fork_sibling(void)
{
	unsigned long flags = CLONE_PARENT | SIGCHLD;

#if defined(__s390__) || defined(__CRIS__)
	return (pid_t)syscall(SYS_clone, 0ul, flags, 0ul, 0ul, 0ul);
#else
	return (pid_t)syscall(SYS_clone, flags, 0ul, 0ul, 0ul, 0ul);
#endif
}

void run_exec(const struct run *run)
{
	int error;

	signal(SIGPIPE, SIG_DFL);
	sigaction(SIGCHLD, &run->on_child, NULL);
	setrlimit(RLIMIT_NOFILE, &run->files);
	sigprocmask(SIG_SETMASK, &run->mask, NULL);
	execvp(run->command[0], run->command);
	error = errno;
	context_fail(run->context, EXIT_FAILED, "%s: %s", run->command[0], strerror(error));
	_exit(error == ENOENT ? 127 : 126);
}

/* The kernel hides a fresh /proc from whoever sees only parts of the one that is there. */
static void mount_proc(const struct run *run)
{
	if (!run_has(run->unshare, NS_MNT) || run->keep_proc)
		return;
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) == 0)
		return;
	context_fail(run->context, EXIT_FAILED,
		     "--unshare: pid: no new /proc: %s: --keep-proc does without", strerror(errno));
	_exit(EXIT_FAILED);
}

/* Orphans of the whole namespace end up here. Their end is not ours, only the command's. */
static void reap(pid_t command)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == command)
			_exit(run_exit_code(status));
	}
}

/*
 * A command that is pid 1 itself would get no signal that it has no handler for, and nobody would
 * reap what it leaves behind: so there is an init in front of it. When that ends, the kernel ends
 * the rest of the namespace.
 */
void run_init(const struct run *run)
{
	sigset_t signals;
	pid_t command;

	mount_proc(run);
	if (run->as_pid1)
		run_exec(run);
	command = fork();
	if (command == 0)
		run_exec(run);
	if (command < 0) {
		context_fail(run->context, EXIT_FAILED, "fork: %s", strerror(errno));
		_exit(EXIT_FAILED);
	}
	/* Others in the namespace could get at our descriptors of the host through /proc/1/fd. */
	close_range(STDERR_FILENO + 1, ~0u, 0);
	prctl(PR_SET_NAME, "cgwatch-init");
	run_signals(&signals);
	for (;;) {
		run_pass_on(command, &signals);
		reap(command);
	}
}
