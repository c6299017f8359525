// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/hook_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectors/root.h"
#include "core/cleanup.h"

struct launch {
	char *const *words, *const *environment;
	pid_t parent;
	int null_fd;
	bool oom_protected;
	volatile int error; /* of the child, which shares our memory */
};

static bool is_protected(void)
{
	_cleanup_(closep) int fd = open(root_own_oom_score, O_RDONLY | O_CLOEXEC);
	char sign = '0';

	return fd >= 0 && read(fd, &sign, 1) == 1 && sign == '-';
}

/* Who is to survive all others, or to run before them, is the agent alone. */
static void give_up_protection(const struct launch *launch)
{
	int fd = launch->oom_protected ? open(root_own_oom_score, O_WRONLY | O_CLOEXEC) : -1;

	if (fd >= 0 && write(fd, "0", 1) < 0)
		errno = 0;
	if (getpriority(PRIO_PROCESS, 0) < 0)
		setpriority(PRIO_PROCESS, 0, 0);
}

static void reset_signals(void)
{
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int signal = 1; signal < NSIG; signal++)
		sigaction(signal, &by_default, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Runs in our memory while we wait, beside other threads: system calls, and nothing else. */
static void __attribute__((noreturn)) execute(struct launch *launch)
{
	bool good = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
		    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;

	/* If it died before that was said, nobody ends us. */
	if (good && getppid() != launch->parent)
		_exit(EXIT_FAILURE);
	setsid();
	give_up_protection(launch);
	for (int fd = 0; fd <= 2 && good; fd++)
		good = dup2(launch->null_fd, fd) == fd && fcntl(fd, F_SETFD, 0) == 0;
	/* Before 5.9 it does not exist; all of ours are closed by execve() anyway. */
	syscall(SYS_close_range, 3, ~0U, 0);
	reset_signals();
	if (good)
		execve(launch->words[0], launch->words, launch->environment);
	launch->error = errno;
	_exit(EXIT_FAILURE);
}

int hook_spawn(char *const words[], char *const environment[], pid_t *ret_pid)
{
	_cleanup_(closep) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct launch launch = { .words = words,
				 .environment = environment,
				 .parent = getpid(),
				 .null_fd = null_fd,
				 .oom_protected = is_protected() };
	pid_t pid;

	if (null_fd < 0)
		return -errno;
	/*
	 * What posix_spawn() does, which knows nothing of prctl(). The child has a table of signal
	 * handlers of its own, and our signals are blocked.
	 */
	pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
	if (pid == 0)
		execute(&launch); /* NOLINT(clang-analyzer-unix.Vfork) */
	if (pid < 0)
		return -errno;
	if (launch.error) {
		waitpid(pid, NULL, 0);
		return -launch.error;
	}
	*ret_pid = pid;
	return 0;
}
