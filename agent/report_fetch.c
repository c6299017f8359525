// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/report_fetch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "agent/control_client.h"
#include "agent/report_read.h"
#include "core/cleanup.h"

/* Ten thousand cgroups under way are a few megabytes. */
#define ANSWER_MAX (64u << 20)

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Does not wait: -EAGAIN if more than the agent takes at once stand in its queue. */
static int connect_to(const char *state_dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = -1;
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", state_dir);

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	n = fd;
	fd = -1;
	return n;
}

static int wait_for(int fd, short events, int64_t until_ms, int cancel_fd)
{
	struct pollfd fds[] = { { fd, events, 0 }, { cancel_fd, POLLIN, 0 } };
	int r;

	do {
		int64_t left = until_ms - now_ms();

		r = poll(fds, ARRAY_SIZE(fds), left > 0 ? (int)left : 0);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (fds[1].revents)
		return -ECANCELED;
	return r == 0 ? -ETIMEDOUT : 0;
}

static int send_all(int fd, const char *text, size_t length, int64_t until_ms, int cancel_fd)
{
	while (length > 0) {
		ssize_t n = send(fd, text, length, MSG_NOSIGNAL);
		int r = 0;

		if (n < 0 && errno == EAGAIN)
			r = wait_for(fd, POLLOUT, until_ms, cancel_fd);
		else if (n < 0)
			r = -errno;
		if (r < 0)
			return r;
		text += n > 0 ? n : 0;
		length -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int report_ask(const char *state_dir, const char *request, int timeout_ms, int cancel_fd,
	       struct strbuf *ret_answer)
{
	_cleanup_(closep) int fd = connect_to(state_dir);
	_cleanup_(strbuf_done) struct strbuf line = { 0 };
	int64_t until_ms = now_ms() + timeout_ms;
	char chunk[16384];
	int r;

	if (fd < 0)
		return fd == -EAGAIN ? -ETIMEDOUT : fd;
	strbuf_add_string(&line, request);
	strbuf_add_char(&line, '\n');
	r = line.failed ? -ENOMEM : send_all(fd, line.data, line.length, until_ms, cancel_fd);
	while (r == 0) {
		ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

		if (n == 0)
			return ret_answer->failed ? -ENOMEM : 0;
		if (n > 0)
			strbuf_add(ret_answer, chunk, (size_t)n);
		else if (errno == EAGAIN)
			r = wait_for(fd, POLLIN, until_ms, cancel_fd);
		else if (errno != EINTR)
			r = -errno;
		if (ret_answer->length > ANSWER_MAX)
			r = -EMSGSIZE;
	}
	return r;
}

static struct policy_report *without(const char *state_dir, int error, int timeout_ms)
{
	char why[512];

	if (control_is_absent(error))
		snprintf(why, sizeof(why), "no agent runs here: start cgwatchd (looked in %s)",
			 state_dir);
	else if (error == -EACCES || error == -EPERM)
		snprintf(why, sizeof(why), "%s/control: only root may ask the agent", state_dir);
	else if (error == -ECONNRESET || error == -EPIPE)
		snprintf(why, sizeof(why), "the agent hung up: only root and its own user may ask");
	else if (error == -ETIMEDOUT)
		snprintf(why, sizeof(why), "the agent did not answer within %d ms", timeout_ms);
	else
		snprintf(why, sizeof(why), "%s/control: %s", state_dir, strerror(-error));
	return report_of_no_agent(why);
}

struct policy_report *report_fetch(const char *state_dir, int timeout_ms, int cancel_fd)
{
	_cleanup_(strbuf_done) struct strbuf answer = { 0 };
	_cleanup_(freep) char *error = NULL;
	struct policy_report *report = NULL;
	int r = report_ask(state_dir, "status", timeout_ms, cancel_fd, &answer);

	if (r == -ECANCELED)
		return NULL;
	if (r == 0 && answer.length == 0)
		r = -ECONNRESET;
	if (r < 0)
		return without(state_dir, r, timeout_ms);
	r = report_read(answer.data, answer.length, &report, &error);
	if (r == -EINVAL && error)
		return report_of_no_agent(error);
	return r < 0 ? NULL : report;
}
