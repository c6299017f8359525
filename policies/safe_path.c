// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/safe_path.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"

enum { LINKS_MAX = 40 /* as many as the kernel follows */ };

/* A walk along a path, component by component. */
struct walk {
	char *done; /* what was looked at: absolute, no links, "" for the root */
	char *rest; /* what is left */
	unsigned int links;
	char *reason;
	size_t size;
};

static int refuse(const struct walk *walk, int error, const char *path, const char *why)
{
	snprintf(walk->reason, walk->size, "%s: %s", *path ? path : "/", why);
	return error;
}

static const char *distrust(const struct stat *status)
{
	bool link = S_ISLNK(status->st_mode);
	bool sticky = S_ISDIR(status->st_mode) && (status->st_mode & S_ISVTX);

	if (status->st_uid != 0 && status->st_uid != geteuid())
		return "it belongs to another user: make it root's or your own";
	if (!link && !sticky && (status->st_mode & 022))
		return "group or others may write it: chmod go-w";
	return NULL;
}

/* Puts what a link says before the rest. */
static int follow(struct walk *walk, const char *link)
{
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	char *rest;

	if (n < 0)
		return refuse(walk, -errno, link, strerror(errno));
	if (++walk->links > LINKS_MAX)
		return refuse(walk, -ELOOP, link, "too many symbolic links");
	target[n] = '\0';
	if (asprintf(&rest, "%s/%s", target, walk->rest) < 0)
		return -ENOMEM;
	free(walk->rest);
	walk->rest = rest;
	if (target[0] == '/')
		walk->done[0] = '\0';
	return 0;
}

static int take(struct walk *walk, const char *next, struct stat *ret_status)
{
	const char *why;

	if (lstat(*next ? next : "/", ret_status) < 0)
		return refuse(walk, -errno, next, strerror(errno));
	why = distrust(ret_status);
	return why ? refuse(walk, -EPERM, next, why) : 0;
}

/* One component. `*ret_status` is that of what stands in `done` then. */
static int step(struct walk *walk, struct stat *ret_status)
{
	_cleanup_(freep) char *next = NULL;
	char *name = walk->rest + strspn(walk->rest, "/");
	size_t length = strcspn(name, "/");
	int r;

	if (length == 2 && memcmp(name, "..", 2) == 0) {
		char *slash = strrchr(walk->done, '/');

		if (slash)
			*slash = '\0';
		next = strdup(walk->done);
	} else if (length == 0 || (length == 1 && *name == '.')) {
		next = strdup(walk->done);
	} else if (asprintf(&next, "%s/%.*s", walk->done, (int)length, name) < 0) {
		next = NULL;
	}
	if (!next)
		return -ENOMEM;
	memmove(walk->rest, name + length, strlen(name + length) + 1);
	r = take(walk, next, ret_status);
	if (r < 0)
		return r;
	if (S_ISLNK(ret_status->st_mode))
		return follow(walk, next);
	free(walk->done);
	walk->done = TAKE_PTR(next);
	return 0;
}

/* `path` is absolute. */
static int check(const char *path, struct stat *ret_status, char *reason, size_t size)
{
	struct walk walk = { strdup(""), strdup(path), 0, reason, size };
	int r = walk.done && walk.rest ? take(&walk, "", ret_status) : -ENOMEM;

	while (r == 0 && walk.rest[strspn(walk.rest, "/")])
		r = step(&walk, ret_status);
	if (r == -ENOMEM)
		snprintf(reason, size, "no memory");
	free(walk.done);
	free(walk.rest);
	return r;
}

int safe_path_check_directory(const char *path, char *reason, size_t size)
{
	_cleanup_(freep) char *here = NULL, *absolute = NULL;
	struct stat status;
	int r;

	if (path[0] != '/') {
		here = getcwd(NULL, 0);
		if (!here || asprintf(&absolute, "%s/%s", here, path) < 0) {
			absolute = NULL;
			snprintf(reason, size, "%s: the working directory is not known", path);
			return -ENOENT;
		}
	}
	r = check(absolute ? absolute : path, &status, reason, size);
	if (r == 0 && !S_ISDIR(status.st_mode)) {
		snprintf(reason, size, "%s: it is not a directory", path);
		return -ENOTDIR;
	}
	return r;
}

int safe_path_check_command(const char *path, char *reason, size_t size)
{
	struct stat status;
	int r;

	if (path[0] != '/') {
		snprintf(reason, size, "%s: it is not an absolute path", path);
		return -EINVAL;
	}
	r = check(path, &status, reason, size);
	if (r < 0)
		return r;
	if (!S_ISREG(status.st_mode)) {
		snprintf(reason, size, "%s: it is not a regular file", path);
		return -EPERM;
	}
	if (!(status.st_mode & 0111)) {
		snprintf(reason, size, "%s: it is not executable", path);
		return -EACCES;
	}
	return 0;
}
