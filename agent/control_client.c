// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/control_client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cleanup.h"

/* For what the agent answers once the enforcer is done. */
enum { PATIENCE_MS = 30000 };

static int connect_to(const char *state_dir, unsigned int timeout_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { timeout_ms / 1000, (suseconds_t)(timeout_ms % 1000) * 1000 };
	int fd, n;

	n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", state_dir);
	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	/* Also bounds connect(), which waits while the queue of one that hangs is full. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno == EAGAIN ? -ETIMEDOUT : -errno;

		close(fd);
		return error;
	}
	return fd;
}

int control_ask(const char *state_dir, const char *request, struct strbuf *ret_answer)
{
	return control_ask_within(state_dir, request, PATIENCE_MS, ret_answer);
}

int control_ask_within(const char *state_dir, const char *request, unsigned int timeout_ms,
		       struct strbuf *ret_answer)
{
	_cleanup_(closep) int fd = connect_to(state_dir, timeout_ms);
	size_t length = strlen(request);

	if (fd < 0)
		return fd;
	if (send(fd, request, length, MSG_NOSIGNAL) != (ssize_t)length ||
	    send(fd, "\n", 1, MSG_NOSIGNAL) != 1)
		return -EIO;
	for (;;) {
		char chunk[4096];
		ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n == 0)
			return ret_answer->failed ? -ENOMEM : 0;
		if (ret_answer->length > CONTROL_ANSWER_MAX)
			return -EMSGSIZE;
		strbuf_add(ret_answer, chunk, (size_t)n);
	}
}

bool control_is_absent(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED || error == -ENOTDIR;
}

const char *control_error_text(int error)
{
	if (control_is_absent(error))
		return "no agent runs here (start cgwatchd)";
	if (error == -ETIMEDOUT)
		return "the agent does not answer: it hangs or is very busy; 'cgwatch policy "
		       "release-all --force' ends it and puts everything back";
	return strerror(-error);
}
