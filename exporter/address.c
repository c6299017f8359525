// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "exporter/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/cleanup.h"
#include "core/units.h"

#define BACKLOG 64

/* Fills `ret_error`; returns `r` for the caller to return. */
static int fail(const char *address, int r, const char *why, char **ret_error)
{
	if (asprintf(ret_error, "%s: %s", address, why) < 0)
		*ret_error = NULL;
	return r;
}

static int fail_errno(const char *address, char **ret_error)
{
	int error = errno;
	char text[128];

	return fail(address, -error, strerror_r(error, text, sizeof(text)), ret_error);
}

const char *address_unix_path(const char *address)
{
	static const char prefix[] = "unix:";
	size_t length = sizeof(prefix) - 1;

	return strncmp(address, prefix, length) == 0 ? address + length : NULL;
}

/* True for a socket file whose owner is gone. */
static bool is_stale(const struct sockaddr_un *name)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	return fd >= 0 && lstat(name->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       connect(fd, (const struct sockaddr *)name, sizeof(*name)) < 0 &&
	       errno == ECONNREFUSED;
}

static int bind_unix(int fd, const struct sockaddr_un *name)
{
	if (bind(fd, (const struct sockaddr *)name, sizeof(*name)) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return -1;
	if (!is_stale(name)) {
		errno = EADDRINUSE;
		return -1;
	}
	if (unlink(name->sun_path) < 0)
		return -1;
	return bind(fd, (const struct sockaddr *)name, sizeof(*name));
}

static int listen_unix(const char *address, const char *path, int *ret_fd, char **ret_error)
{
	_cleanup_(closep) int fd = -1;
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	if (path[0] != '/')
		return fail(address, -EINVAL, "the path of a socket must be absolute", ret_error);
	if (strlen(path) >= sizeof(name.sun_path))
		return fail(address, -ENAMETOOLONG, "the path of a socket has at most 107 bytes",
			    ret_error);
	memcpy(name.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind_unix(fd, &name) < 0)
		return fail_errno(address, ret_error);
	/* Nobody can connect before listen(), so there is no moment with a wider mode. */
	if (chmod(path, 0660) < 0 || listen(fd, BACKLOG) < 0) {
		int r = fail_errno(address, ret_error);

		unlink(path);
		return r;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* Splits "[::1]:9753" and the like. The copies are the caller's. */
static int split(const char *address, char **ret_host, char **ret_port)
{
	const char *colon = strrchr(address, ':'), *start = address, *end = colon;
	uint64_t port;

	if (!colon || parse_u64(colon + 1, &port) < 0 || port > UINT16_MAX)
		return -EINVAL;
	if (*start == '[') {
		if (end < start + 3 || end[-1] != ']')
			return -EINVAL;
		start++;
		end--;
	} else if (memchr(start, ':', (size_t)(end - start))) {
		return -EINVAL;
	}
	*ret_host = strndup(start, (size_t)(end - start));
	*ret_port = strdup(colon + 1);
	return *ret_host && *ret_port ? 0 : -ENOMEM;
}

static int listen_on(const struct addrinfo *info)
{
	const int on = 1, off = 0;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (info->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int listen_tcp(const char *address, int *ret_fd, char **ret_error)
{
	_cleanup_(freep) char *host = NULL;
	_cleanup_(freep) char *port = NULL;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list;
	int r, fd = -1;

	r = split(address, &host, &port);
	if (r == -EINVAL)
		return fail(address, r, "not HOST:PORT, [IPV6]:PORT, :PORT or unix:/PATH",
			    ret_error);
	if (r < 0)
		return fail(address, r, "out of memory", ret_error);
	/* "::" takes IPv4 too; a kernel without IPv6 is left with 0.0.0.0. */
	r = getaddrinfo(*host ? host : "::", port, &hints, &list);
	if (r != 0)
		return fail(address, -EADDRNOTAVAIL, gai_strerror(r), ret_error);
	for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
		fd = listen_on(info);
	freeaddrinfo(list);
	if (fd < 0 && !*host && errno == EAFNOSUPPORT) {
		const struct sockaddr_in any = { .sin_family = AF_INET,
						 .sin_port = htons((uint16_t)atoi(port)) };

		fd = listen_on(&(struct addrinfo){ .ai_family = AF_INET,
						   .ai_addr = (struct sockaddr *)&any,
						   .ai_addrlen = sizeof(any) });
	}
	if (fd < 0)
		return fail_errno(address, ret_error);
	*ret_fd = fd;
	return 0;
}

int address_listen(const char *address, int *ret_fd, char **ret_error)
{
	const char *path = address_unix_path(address);

	return path ? listen_unix(address, path, ret_fd, ret_error)
		    : listen_tcp(address, ret_fd, ret_error);
}
