// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "collectors/runtime_private.h"
#include "core/cleanup.h"
#include "core/log.h"

/*
 * Docker's own list over its socket, only where an option names it: GET /containers/json (Docker
 * Engine API, of every version since 1.24; podman's service answers it as well). HTTP/1.0, so that
 * the answer ends with the connection and has no chunks. Nothing waits longer than the deadline.
 */
enum { DEADLINE_MS = 1000 };

static const char request[] = "GET /containers/json?all=1 HTTP/1.0\r\nHost: docker\r\n"
			      "Accept: application/json\r\nConnection: close\r\n\r\n";

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the socket is ready. 0, or -ETIMEDOUT when the deadline is over. */
static int wait_for(int fd, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd watch = { .fd = fd, .events = events };
		int64_t left = deadline - now_ms();
		int n = left > 0 ? poll(&watch, 1, (int)left) : 0;

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN is a full backlog: the daemon does not accept, so it does not answer either. */
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int send_request(int fd, int64_t deadline)
{
	size_t sent = 0;

	while (sent < sizeof(request) - 1) {
		ssize_t n = send(fd, request + sent, sizeof(request) - 1 - sent, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_for(fd, POLLOUT, deadline);
		if (r < 0)
			return r;
	}
	return 0;
}

static int receive(int fd, int64_t deadline, struct strbuf *answer)
{
	for (;;) {
		ssize_t n;
		int r = wait_for(fd, POLLIN, deadline);

		if (r < 0)
			return r;
		if (!strbuf_reserve(answer, 16384))
			return -ENOMEM;
		n = recv(fd, answer->data + answer->length, answer->capacity - answer->length - 1,
			 0);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		answer->length += (size_t)n;
		answer->data[answer->length] = '\0';
		if (n == 0)
			return 0;
		if (answer->length > STATE_LIST_MAX)
			return -EFBIG;
	}
}

/* The list in an answer, or NULL. */
static json_t *parse_answer(const struct strbuf *answer)
{
	const char *body;

	if (!answer->data || strncmp(answer->data, "HTTP/1.", 7) != 0 || answer->length < 12 ||
	    strncmp(answer->data + 8, " 200", 4) != 0)
		return NULL;
	body = strstr(answer->data, "\r\n\r\n");
	if (!body)
		return NULL;
	body += 4;
	return json_loadb(body, answer->length - (size_t)(body - answer->data), 0, NULL);
}

static int add_entry(struct runtime_pass *pass, const json_t *entry, const char *source)
{
	struct arena *arena = &pass->set->arena;
	const json_t *labels = state_object(entry, "Labels");
	const char *name = json_string_value(json_array_get(json_object_get(entry, "Names"), 0));
	struct container container = { .id = arena_string(arena, state_text(entry, "Id")),
				       .runtime = "docker",
				       .source = source };

	if (!container.id || !is_hex_id(container.id))
		return arena->failed ? -ENOMEM : 0;
	container.name = arena_string(arena, name && *name == '/' ? name + 1 : name);
	container.image = arena_string(arena, state_text(entry, "Image"));
	container.image_id = arena_string(arena, state_text(entry, "ImageID"));
	container.state = arena_string(arena, state_text(entry, "State"));
	container.pod = arena_string(arena, state_text(labels, "io.kubernetes.pod.name"));
	container.pod_namespace = arena_string(arena,
					       state_text(labels, "io.kubernetes.pod.namespace"));
	container.pod_uid = arena_string(arena, state_text(labels, "io.kubernetes.pod.uid"));
	return arena->failed ? -ENOMEM : runtime_add(pass, &container);
}

int runtime_socket_read(struct runtime_pass *pass)
{
	const char *path = pass->scanner->options.docker_socket;
	int64_t deadline = now_ms() + DEADLINE_MS;
	_cleanup_(strbuf_done) struct strbuf answer = { 0 };
	_cleanup_(closep) int fd = path ? connect_to(path) : -1;
	const json_t *entry;
	json_t *list;
	size_t i;
	int r = fd < 0 ? fd : send_request(fd, deadline);

	if (!path)
		return 0;
	if (r == 0)
		r = receive(fd, deadline, &answer);
	list = r == 0 ? parse_answer(&answer) : NULL;
	if (!json_is_array(list)) {
		log_debug("%s: %s", path, r < 0 ? strerror(-r) : "no list of containers");
		json_decref(list);
		return r == -ENOMEM ? r : 0;
	}
	json_array_foreach(list, i, entry)
	{
		r = add_entry(pass, entry, path);
		if (r < 0)
			break;
	}
	json_decref(list);
	return r;
}
