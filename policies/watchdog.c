// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "policies/journal_private.h"

enum { KEEP_MAX = HIERARCHY_MAX + 5, LOOK_MS = 300, RESTORE_TRIES = 10 };

/* How long after a lease ended the agent may still be about to thaw by itself. */
static const uint64_t grace_usec = 500000;

static const char goodbye = 'q';

struct watchdog {
	pid_t pid;
	int fd; /* our end of a socket pair: its closing is what the child waits for */
};

struct child {
	struct journal *journal;
	const struct knob_context *context;
	int fd;
};

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_between(int first, int last)
{
	if (first > last)
		return;
	if (syscall(SYS_close_range, first, last, 0) == 0)
		return;
	for (int fd = first; fd <= last && fd < sysconf(_SC_OPEN_MAX); fd++)
		close(fd);
}

/* Sockets and ring buffers of the agent must end with the agent. */
static void close_others(const struct child *child)
{
	int keep[KEEP_MAX] = { STDERR_FILENO, child->fd }, last = STDERR_FILENO;
	size_t n = 4;

	journal_fds(child->journal, keep + 2);
	for (unsigned int i = 0; i < child->context->hierarchies->n; i++) {
		int fd = child->context->hierarchies->list[i].fd;

		if (fd >= 0)
			keep[n++] = fd;
	}
	qsort(keep, n, sizeof(keep[0]), compare_fds);
	for (size_t i = 0; i < n; i++) {
		close_between(last + 1, keep[i] - 1);
		last = keep[i] > last ? keep[i] : last;
	}
	close_between(last + 1, INT32_MAX);
}

static void detach_input(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/*
 * Whatever ends or stops the agent must not do so to us: only EOF or SIGKILL does. systemd's own
 * watchdog aborts all processes of the service, and Ctrl-Z stops all of the terminal's.
 */
static void ignore_signals(void)
{
	static const int signals[] = { SIGINT,	SIGTERM, SIGHUP,    SIGQUIT, SIGPIPE, SIGUSR1,
				       SIGUSR2, SIGABRT, SIGALRM,   SIGTSTP, SIGTTIN, SIGTTOU,
				       SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF };
	sigset_t none;

	setsid();

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void thaw_expired(const struct child *child)
{
	struct journal_replay replay;
	struct timespec time;
	uint64_t now;

	clock_gettime(CLOCK_BOOTTIME, &time);
	now = (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
	if (now > grace_usec &&
	    journal_expire(child->journal, child->context, now - grace_usec, &replay) == 0 &&
	    replay.restored > 0)
		log_warning("watchdog: %u frozen longer than the lease: thawed, the agent hangs",
			    replay.restored);
}

static void restore_everything(const struct child *child)
{
	for (int i = 0; i < RESTORE_TRIES; i++) {
		struct journal_replay replay = { 0 };
		int r = journal_restore(child->journal, child->context, false, &replay);

		if (replay.restored || replay.conflicts || replay.broken || replay.failed)
			log_warning("watchdog: the agent is gone: restored %u, conflicts %u, "
				    "unreadable %u, failed %u",
				    replay.restored, replay.conflicts, replay.broken,
				    replay.failed);
		if (r == 0)
			return;
		usleep(500000);
	}
}

/* The agent's own descriptors of /proc are closed with the others. */
static void open_root(struct child *child, struct knob_context *context)
{
	struct root *root = NULL;

	if (root_is_recorded(child->context->root) || root_new(NULL, &root) < 0)
		return;
	*context = *child->context;
	context->root = root;
	child->context = context;
}

static void __attribute__((noreturn)) run(struct child *child)
{
	struct knob_context context;
	struct pollfd wait = { .fd = child->fd, .events = POLLIN };

	prctl(PR_SET_NAME, "cgwatchd-guard");
	ignore_signals();
	detach_input();
	close_others(child);
	open_root(child, &context);
	for (;;) {
		int n = poll(&wait, 1, LOOK_MS);
		ssize_t length;
		char byte;

		if (n == 0)
			thaw_expired(child);
		if (n <= 0)
			continue;
		length = read(child->fd, &byte, 1);
		if (length < 0 && errno == EINTR)
			continue;
		if (length != 1 || byte != goodbye)
			restore_everything(child);
		_exit(EXIT_SUCCESS);
	}
}

int watchdog_start(struct journal *journal, const struct knob_context *context,
		   struct watchdog **ret_watchdog)
{
	struct watchdog *watchdog = calloc(1, sizeof(*watchdog));
	sigset_t all, before;
	int fds[2], r;

	if (!watchdog)
		return -ENOMEM;
	/* Not a pipe: that would need SIGPIPE ignored to say goodbye to a child that is gone. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		r = -errno;
		free(watchdog);
		return r;
	}
	/* A signal must not find the child before it ignores it. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	watchdog->pid = fork();
	if (watchdog->pid == 0) {
		struct child child = { journal, context, fds[0] };

		close(fds[1]);
		run(&child);
	}
	r = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(fds[0]);
	if (watchdog->pid < 0) {
		close(fds[1]);
		free(watchdog);
		return r;
	}
	watchdog->fd = fds[1];
	*ret_watchdog = watchdog;
	return 0;
}

pid_t watchdog_pid(const struct watchdog *watchdog)
{
	return watchdog->pid;
}

void watchdog_free(struct watchdog *watchdog)
{
	if (!watchdog)
		return;
	/* Should the word not get through, it restores first: nothing is lost by waiting for that.
	 */
	if (send(watchdog->fd, &goodbye, 1, MSG_NOSIGNAL) < 0)
		log_debug("watchdog: %s", strerror(errno));
	close(watchdog->fd);
	while (waitpid(watchdog->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(watchdog);
}
