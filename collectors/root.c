// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"

struct root {
	int place_fd[2];
	int prefix_fd; /* -1 for this machine */
};

static const char *const place_paths[] = { [ROOT_PROC] = "/proc", [ROOT_SYS] = "/sys" };

static int open_places(struct root *root)
{
	for (size_t i = 0; i < ARRAY_SIZE(place_paths); i++) {
		const char *path = place_paths[i];
		int fd = root->prefix_fd < 0 ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)
					     : openat(root->prefix_fd, path + 1,
						      O_PATH | O_DIRECTORY | O_CLOEXEC);

		root->place_fd[i] = fd < 0 ? -errno : fd;
	}
	return root->place_fd[ROOT_PROC] < 0 ? root->place_fd[ROOT_PROC] : 0;
}

int root_new(const char *prefix, struct root **ret_root)
{
	struct root *root = calloc(1, sizeof(*root));
	int r;

	if (!root)
		return -ENOMEM;
	*root = (struct root){ { -1, -1 }, -1 };
	if (prefix && *prefix) {
		root->prefix_fd = open(prefix, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (root->prefix_fd < 0) {
			r = -errno;
			root_free(root);
			return r;
		}
	}
	r = open_places(root);
	if (r < 0) {
		root_free(root);
		return r;
	}
	*ret_root = root;
	return 0;
}

void root_free(struct root *root)
{
	if (!root)
		return;
	closep(&root->place_fd[ROOT_PROC]);
	closep(&root->place_fd[ROOT_SYS]);
	closep(&root->prefix_fd);
	free(root);
}

bool root_is_recorded(const struct root *root)
{
	return root->prefix_fd >= 0;
}

int root_open(const struct root *root, enum root_place place, const char *path, int flags)
{
	int fd;

	if (root->place_fd[place] < 0)
		return root->place_fd[place];
	fd = openat(root->place_fd[place], path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int root_open_absolute(const struct root *root, const char *path, int flags)
{
	int fd;

	if (root->prefix_fd < 0) {
		fd = open(path, flags | O_CLOEXEC);
	} else {
		path += strspn(path, "/");
		fd = openat(root->prefix_fd, *path ? path : ".", flags | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

static int read_all(int fd, struct strbuf *buffer)
{
	for (;;) {
		ssize_t n;

		if (!strbuf_reserve(buffer, 4096))
			return -ENOMEM;
		n = read(fd, buffer->data + buffer->length, buffer->capacity - buffer->length - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buffer->length += (size_t)n;
		buffer->data[buffer->length] = '\0';
		if (n == 0)
			return 0;
	}
}

int root_read(const struct root *root, enum root_place place, const char *path,
	      struct strbuf *buffer)
{
	_cleanup_(closep) int fd = root_open(root, place, path, O_RDONLY);

	return fd < 0 ? fd : read_all(fd, buffer);
}

int read_file_at(int dir_fd, const char *path, struct strbuf *buffer)
{
	_cleanup_(closep) int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : read_all(fd, buffer);
}

ssize_t root_readlink(const struct root *root, enum root_place place, const char *path,
		      char *target, size_t size)
{
	ssize_t n;

	if (root->place_fd[place] < 0)
		return root->place_fd[place];
	n = readlinkat(root->place_fd[place], path, target, size - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	return n;
}

void root_path(const struct root *root, enum root_place place, const char *path,
	       struct strbuf *text)
{
	(void)root; /* of a recorded tree it is what the path would have been */
	strbuf_add_string(text, place_paths[place]);
	strbuf_add_char(text, '/');
	strbuf_add_string(text, path);
}

const char root_own_oom_score[] = "/proc/self/oom_score_adj";

int root_own_path(int fd, const char *name, char *path, size_t size)
{
	int n = snprintf(path, size, "/proc/thread-self/fd/%d%s%s", fd, name ? "/" : "",
			 name ? name : "");

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/*
 * How much of a path is "/proc/PID/root", with the "/.." behind it that lead from there to the root
 * of its mount namespace; 0 if it does not begin like that.
 */
static size_t foreign_root(const char *path)
{
	size_t proc = strlen(place_paths[ROOT_PROC]), n;

	if (strncmp(path, place_paths[ROOT_PROC], proc) != 0 || path[proc] != '/')
		return 0;
	n = strspn(path + proc + 1, "0123456789");
	if (n == 0 || strncmp(path + proc + 1 + n, "/root/", 6) != 0)
		return 0;
	n += proc + 1 + strlen("/root");
	while (strncmp(path + n, "/../", 4) == 0)
		n += strlen("/..");
	return n;
}

int root_open_foreign(const char *path, int flags)
{
	size_t length = foreign_root(path);
	_cleanup_(closep) int root_fd = -1;
	const struct open_how how = { .flags = (unsigned int)flags | O_CLOEXEC,
				      .resolve = RESOLVE_IN_ROOT };
	char root[PATH_MAX];
	int fd;

	if (length == 0 || length >= sizeof(root)) {
		fd = open(path, flags | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	memcpy(root, path, length);
	root[length] = '\0';
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, root_fd, path + length, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}
