// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collectors/root.h"
#include "core/cleanup.h"

enum { FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC, CHUNK = 2048 };

/* For where openat2() is not allowed (sandboxes): the device tells most mounts. */
static int open_checked(int fd, const char *name, int flags)
{
	struct stat above, below;
	int r = openat(fd, name, flags | O_NOFOLLOW);

	if (r < 0)
		return errno == ELOOP ? -ENOTDIR : -errno;
	if (fstat(fd, &above) < 0 || fstat(r, &below) < 0 || above.st_dev != below.st_dev) {
		close(r);
		return -EXDEV;
	}
	return r;
}

static int open_flags(int fd, const char *name, int flags)
{
	struct open_how how = {
		.flags = (unsigned int)(flags | O_NOFOLLOW),
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};
	int r = (int)syscall(SYS_openat2, fd, name, &how, sizeof(how));

	if (r >= 0)
		return r;
	if (errno == ENOSYS || errno == EPERM)
		return open_checked(fd, name, flags);
	return errno == ELOOP ? -ENOTDIR : -errno;
}

int layer_open_directory(int fd, const char *name)
{
	int r = open_flags(fd, name, FLAGS | O_NOATIME);

	/* O_NOATIME is for the owner and CAP_FOWNER. */
	return r == -EPERM ? open_flags(fd, name, FLAGS) : r;
}

/* The next piece of the path that fits: whole components. Its length. */
static size_t piece_of(const char *path, char piece[CHUNK])
{
	size_t n = strlen(path);

	if (n >= CHUNK) {
		for (n = CHUNK - 1; n > 0 && path[n] != '/'; n--)
			continue;
	}
	memcpy(piece, path, n);
	piece[n] = '\0';
	return n;
}

int layer_open_below(int fd, const char *path)
{
	_cleanup_(closep) int held = -1;
	int r;

	if (!*path)
		return layer_open_directory(fd, ".");
	while (*path) {
		char piece[CHUNK];
		size_t n = piece_of(path, piece);
		int next;

		if (n == 0)
			return -ENAMETOOLONG;
		next = layer_open_directory(held >= 0 ? held : fd, piece);
		if (next < 0)
			return next;
		if (held >= 0)
			close(held);
		held = next;
		for (path += n; *path == '/'; path++)
			continue;
	}
	r = held;
	held = -1;
	return r;
}

int layer_open_top(const char *path)
{
	int fd = root_open_foreign(path, FLAGS | O_NOATIME);

	return fd == -EPERM ? root_open_foreign(path, FLAGS) : fd;
}
