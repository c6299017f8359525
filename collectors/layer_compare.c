// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_compare.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "collectors/root.h"
#include "core/cleanup.h"

enum {
	BLOCK = 65536,
	LIST = 16384,
	VALUE = 65536,
};

/* Larger files of the same size and another time are taken to differ. */
static const int64_t MAX_COMPARED = (int64_t)64 << 20;

static int64_t mtime_of(const struct stat *status)
{
	return (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
}

static int open_file(const struct layer_thing *thing)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int fd = openat(thing->fd, thing->name, flags | O_NOATIME);

	if (fd < 0 && errno == EPERM)
		fd = openat(thing->fd, thing->name, flags);
	return fd < 0 ? -errno : fd;
}

static bool same_bytes(const struct layer_compare *how, int a, int b, int *error)
{
	char left[BLOCK], right[BLOCK];

	for (off_t at = 0;;) {
		ssize_t n = pread(a, left, sizeof(left), at),
			m = pread(b, right, sizeof(right), at);

		if (how->progress)
			atomic_fetch_add_explicit(how->progress, 1, memory_order_relaxed);
		if (n < 0 || m < 0) {
			*error = -errno;
			return true;
		}
		if (n != m || memcmp(left, right, (size_t)n) != 0)
			return false;
		if (n == 0)
			return true;
		at += n;
	}
}

/* Copying up keeps the time of the last modification, so most files need not be read. */
static bool same_file(const struct layer_compare *how, const struct layer_thing *before,
		      const struct layer_thing *after, int *error)
{
	_cleanup_(closep) int a = -1, b = -1;

	if (how->metacopy)
		return true;
	if (before->status.st_size != after->status.st_size)
		return false;
	if (mtime_of(&before->status) == mtime_of(&after->status))
		return true;
	if (how->no_content || after->status.st_size > MAX_COMPARED)
		return false;
	a = open_file(before);
	b = open_file(after);
	if (a < 0 || b < 0) {
		*error = a < 0 ? a : b;
		return true;
	}
	return same_bytes(how, a, b, error);
}

static bool same_link(const struct layer_thing *before, const struct layer_thing *after)
{
	char left[PATH_MAX], right[PATH_MAX];
	ssize_t n = readlinkat(before->fd, before->name, left, sizeof(left));
	ssize_t m = readlinkat(after->fd, after->name, right, sizeof(right));

	return n == m && (n <= 0 || memcmp(left, right, (size_t)n) == 0);
}

/* One's own fd is a link of /proc that has to be followed, a name in it must not be. */
static ssize_t list_of(const struct layer_thing *thing, char *list, int *error)
{
	char path[512];
	ssize_t n;

	if (root_own_path(thing->fd, thing->name, path, sizeof(path)) < 0)
		return 0;
	n = thing->name ? llistxattr(path, list, LIST) : listxattr(path, list, LIST);
	if (n < 0 && errno != ENOTSUP)
		*error = -errno;
	return n < 0 ? 0 : n;
}

static ssize_t value_of(const struct layer_thing *thing, const char *name, char *value)
{
	char path[512];

	if (root_own_path(thing->fd, thing->name, path, sizeof(path)) < 0)
		return -1;
	return thing->name ? lgetxattr(path, name, value, VALUE)
			   : getxattr(path, name, value, VALUE);
}

struct differing {
	const struct layer_compare *how;
	const struct layer_thing *before, *after;
	unsigned int bits;
	char *names;
	size_t length;
};

static void differs(struct differing *d, const char *name)
{
	size_t n = strlen(name);

	if (strcmp(name, "security.capability") == 0)
		d->bits |= LAYER_DIFF_CAPABILITY;
	else
		d->bits |= LAYER_DIFF_XATTRS;
	if (d->length + n + 2 > LAYER_COMPARE_XATTRS)
		return;
	if (d->length > 0)
		d->names[d->length++] = ',';
	memcpy(d->names + d->length, name, n + 1);
	d->length += n;
}

/* Each name of one list; with `only_new` those that the other thing has no value for. */
static void compare_list(struct differing *d, const struct layer_thing *one,
			 const struct layer_thing *other, bool only_new, int *error)
{
	char list[LIST], left[VALUE], right[VALUE];
	ssize_t length = list_of(one, list, error);

	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(list + at) + 1) {
		const char *name = list + at;
		ssize_t n, m;

		if (layer_xattr_is_overlay(d->how->format, name))
			continue;
		m = value_of(other, name, right);
		if (only_new) {
			if (m < 0 && errno == ENODATA)
				differs(d, name);
			continue;
		}
		n = value_of(one, name, left);
		if (n != m || (n > 0 && memcmp(left, right, (size_t)n) != 0))
			differs(d, name);
	}
}

unsigned int layer_compare(const struct layer_compare *how, const struct layer_thing *before,
			   const struct layer_thing *after, char ret_xattrs[LAYER_COMPARE_XATTRS],
			   int *ret_error)
{
	const struct stat *was = &before->status, *is = &after->status;
	struct differing d = { how, before, after, 0, ret_xattrs, 0 };

	ret_xattrs[0] = '\0';
	if ((was->st_mode & S_IFMT) != (is->st_mode & S_IFMT))
		return LAYER_DIFF_TYPE;
	if ((was->st_mode & 07777) != (is->st_mode & 07777))
		d.bits |= LAYER_DIFF_MODE;
	if (was->st_uid != is->st_uid || was->st_gid != is->st_gid)
		d.bits |= LAYER_DIFF_OWNER;
	if (mtime_of(was) != mtime_of(is))
		d.bits |= LAYER_DIFF_TIME;
	if (S_ISREG(is->st_mode) && !same_file(how, before, after, ret_error))
		d.bits |= LAYER_DIFF_CONTENT;
	if (S_ISLNK(is->st_mode) && !same_link(before, after))
		d.bits |= LAYER_DIFF_CONTENT;
	if ((S_ISCHR(is->st_mode) || S_ISBLK(is->st_mode)) && was->st_rdev != is->st_rdev)
		d.bits |= LAYER_DIFF_DEVICE;
	compare_list(&d, after, before, false, ret_error);
	compare_list(&d, before, after, true, ret_error);
	return d.bits;
}
