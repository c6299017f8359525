// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tui/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "core/cleanup.h"

static const int handled[] = {
	SIGINT,
	SIGTERM,
	SIGHUP,
	SIGQUIT,
	SIGWINCH,
	SIGTSTP,
	/* fatal ones from here */
	SIGSEGV,
	SIGBUS,
	SIGFPE,
	SIGILL,
	SIGABRT,
};

#define N_ORDINARY 6

/* Signal handlers have no argument to carry these in. */
static int pipe_fds[2] = { -1, -1 };
static struct sigaction previous[ARRAY_SIZE(handled)];
static struct {
	int fd;
	size_t length;
	char bytes[256];
	struct termios modes;
	volatile sig_atomic_t armed;
} rescue;

static void on_signal(int number)
{
	int saved = errno;
	unsigned char byte = (unsigned char)number;

	/* A full pipe has signals enough in it. */
	if (write(pipe_fds[1], &byte, 1) < 0)
		errno = saved;
	errno = saved;
}

/* Only what signal-safety(7) allows. The old action takes place when this returns. */
static void on_fatal(int number)
{
	if (rescue.armed) {
		ssize_t ignored = write(rescue.fd, rescue.bytes, rescue.length);

		(void)ignored;
		tcsetattr(rescue.fd, TCSANOW, &rescue.modes);
		rescue.armed = 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(handled); i++) {
		if (handled[i] == number)
			sigaction(number, &previous[i], NULL);
	}
	raise(number);
}

int signals_open(int *ret_fd)
{
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(handled); i++) {
		struct sigaction action = {
			.sa_handler = i < N_ORDINARY ? on_signal : on_fatal,
			.sa_flags = SA_RESTART,
		};

		sigemptyset(&action.sa_mask);
		sigaction(handled[i], &action, &previous[i]);
	}
	*ret_fd = pipe_fds[0];
	return 0;
}

void signals_close(void)
{
	if (pipe_fds[0] < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
		sigaction(handled[i], &previous[i], NULL);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	pipe_fds[0] = pipe_fds[1] = -1;
}

void signals_set_rescue(int fd, const char *bytes, size_t length, const struct termios *modes)
{
	rescue.armed = 0;
	if (!bytes || length >= sizeof(rescue.bytes))
		return;
	rescue.fd = fd;
	rescue.length = length;
	memcpy(rescue.bytes, bytes, length);
	rescue.modes = *modes;
	rescue.armed = 1;
}

void signals_stop(void)
{
	struct sigaction ours, stop = { .sa_handler = SIG_DFL };
	sigset_t only, before;

	sigaction(SIGTSTP, &stop, &ours);
	/* The agent may have blocked it in this thread for others to take. */
	sigemptyset(&only);
	sigaddset(&only, SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &only, &before);
	raise(SIGTSTP);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	sigaction(SIGTSTP, &ours, NULL);
}
