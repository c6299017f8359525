// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/units.h"

int knob_fail(struct knob_result *result, int error, const char *format, ...)
{
	va_list arguments;

	/* The first failure says it best; a remark on a value that was adjusted gives way to it. */
	if (!result->text[0] || result->error == 0) {
		va_start(arguments, format);
		vsnprintf(result->text, sizeof(result->text), format, arguments);
		va_end(arguments);
	}
	result->error = error;
	return error;
}

void knob_append(struct knob_result *result, const char *format, ...)
{
	size_t length = strlen(result->text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result->text + length, sizeof(result->text) - length, format, arguments);
	va_end(arguments);
}

uint64_t knob_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t knob_deadline_ms(const struct knob_access *access)
{
	unsigned int timeout = access->context->timeout_ms;

	return knob_clock_ms() + (timeout ? timeout : KNOB_TIMEOUT_MS);
}

/* ---- files -------------------------------------------------------------------------------------
 */

static int kernel_read(void *data, int dir_fd, const char *file, struct strbuf *ret_text)
{
	(void)data;
	return read_file_at(dir_fd, file, ret_text);
}

/* Neither O_CREAT nor O_TRUNC: a knob that is not there must not come to be. */
static int kernel_write(void *data, int dir_fd, const char *file, const char *text, bool nonblock)
{
	int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (nonblock ? O_NONBLOCK : 0);
	_cleanup_(closep) int fd = openat(dir_fd, file, flags);
	size_t length = strlen(text);
	ssize_t n;

	(void)data;
	if (fd < 0)
		return -errno;
	do
		n = write(fd, text, length);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == length ? 0 : -EIO;
}

static const struct knob_io kernel_io = { kernel_read, kernel_write, NULL };

const struct knob_io *knob_context_io(const struct knob_context *context)
{
	return context->io ? context->io : &kernel_io;
}

int knob_read_text(const struct knob_access *access, const char *file, struct strbuf *ret_text)
{
	const struct knob_io *io = knob_context_io(access->context);
	int r = io->read(io->data, access->fd, file, ret_text);

	return r == 0 && ret_text->failed ? -ENOMEM : r;
}

int knob_read_line(const struct knob_access *access, const char *file, char *line, size_t size)
{
	struct strbuf text;
	size_t length;
	int r;

	strbuf_init(&text);
	r = knob_read_text(access, file, &text);
	length = r == 0 && text.data ? strcspn(text.data, "\n") : 0;
	/* A line without an end is one that was not read to its end. */
	if (r == 0 && (length >= size || (length > 0 && text.data[length] != '\n')))
		r = -EBADMSG;
	if (r == 0) {
		if (length > 0)
			memcpy(line, text.data, length);
		line[length] = '\0';
	}
	strbuf_done(&text);
	return r;
}

int knob_read_number(const struct knob_access *access, const char *file, uint64_t *ret_number)
{
	/* v1 has no word for "no limit": it is LONG_MAX rounded down to a page of up to 64K. */
	const uint64_t v1_unlimited = (uint64_t)INT64_MAX - 65535;
	uint64_t number = KNOB_UNLIMITED;
	char line[64];
	const char *at = line;
	int r = knob_read_line(access, file, line, sizeof(line));

	if (r < 0)
		return r;
	if (strncmp(line, "default ", 8) == 0) /* io.weight */
		at += 8;
	if (strcmp(at, "max") != 0 && at[0] != '-') {
		r = parse_u64(at, &number);
		if (r < 0)
			return -EBADMSG;
		if (number >= v1_unlimited)
			number = KNOB_UNLIMITED;
	}
	*ret_number = number;
	return 0;
}

int knob_read_key(const struct knob_access *access, const char *file, const char *key,
		  uint64_t *ret_number)
{
	size_t length = strlen(key);
	struct strbuf text;
	char *line, *rest;
	int r, found = -ENODATA;

	strbuf_init(&text);
	r = knob_read_text(access, file, &text);
	rest = r == 0 ? text.data : NULL;
	/* What has no end of line was not read to its end. */
	while (found == -ENODATA && (line = strsep(&rest, "\n")) && rest) {
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			found = parse_u64(line + length + 1, ret_number) < 0 ? -EBADMSG : 0;
	}
	strbuf_done(&text);
	return r < 0 ? r : found;
}

int knob_write_text(const struct knob_access *access, const char *file, const char *text)
{
	const struct knob_io *io = knob_context_io(access->context);
	bool nonblock = access->hierarchy->v2 && access->row->nonblock;

	return io->write(io->data, access->fd, file, text, nonblock);
}

/* ---- finding the cgroup
 * -------------------------------------------------------------------------- */

/* For kernels before 5.6 and filters without openat2(): each component by itself, links refused. */
static int walk(int base_fd, const char *path)
{
	int fd = openat(base_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	while (fd >= 0 && *path) {
		char name[NAME_MAX + 1];
		size_t length = strcspn(path, "/");
		int next = -1;

		if (length == 0 || length > NAME_MAX) {
			errno = ENAMETOOLONG;
		} else {
			memcpy(name, path, length);
			name[length] = '\0';
			if (strcmp(name, "..") == 0)
				errno = EXDEV;
			else
				next = openat(fd, name,
					      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		}
		if (next < 0) {
			int error = errno;

			close(fd);
			return -error;
		}
		close(fd);
		fd = next;
		path += length;
		path += strspn(path, "/");
	}
	return fd < 0 ? -errno : fd;
}

int knob_open_beneath(int base_fd, const char *path)
{
	const struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, base_fd, path, &how, sizeof(how));

	if (fd >= 0)
		return (int)fd;
	/* Cgroups can be nested deeper than a path may be long. */
	if (errno == ENOSYS || errno == EPERM || errno == ENAMETOOLONG)
		return walk(base_fd, path);
	return -errno;
}

static bool node_in(const struct node *node, const struct hierarchies *hierarchies,
		    const struct hierarchy *hierarchy)
{
	size_t index = hierarchy ? (size_t)(hierarchy - hierarchies->list) : 0;

	return hierarchy && index < node->n_ids && node->ids[index] != 0;
}

/*
 * On a hybrid host a cgroup may be in the freezer hierarchy, in the v2 tree, or in both: freeze
 * where it is; if in both, in the v1 freezer, as container runtimes do there.
 */
static const struct hierarchy *find_hierarchy(const struct knob_access *access)
{
	const struct hierarchies *hierarchies = access->context->hierarchies;
	const struct knob_row *row = access->row;
	const struct hierarchy *found = NULL;

	if (row->v1_controller)
		found = hierarchies_find(hierarchies, row->v1_controller);
	if (row->v2_controller && !*row->v2_controller) {
		const struct hierarchy *v2 = hierarchies_v2(hierarchies);

		return node_in(access->node, hierarchies, found) || !v2 ? found : v2;
	}
	if (!found && row->v2_controller)
		found = hierarchies_find(hierarchies, row->v2_controller);
	return found;
}

static int choose_file(struct knob_access *access, struct knob_result *result)
{
	const char *why;
	int r;

	access->hierarchy = find_hierarchy(access);
	if (!access->hierarchy) {
		r = knob_check_host(access->knob, access->context->hierarchies, &why);
		return knob_fail(result, r < 0 ? r : -ENODEV, "%s: %s", access->row->name, why);
	}
	access->index = (unsigned int)(access->hierarchy - access->context->hierarchies->list);
	access->file = access->hierarchy->v2 ? access->row->v2_file : access->row->v1_file;
	result->hierarchy = (int)access->index;
	if (access->file)
		return 0;
	why = access->hierarchy->v2 ? access->row->why_not_v2 : access->row->why_not_v1;
	return knob_fail(result, -EOPNOTSUPP, "%s", why);
}

/* Some v1 files have two names; a missing one says that the controller is not on there. */
static int choose_present_file(struct knob_access *access, struct knob_result *result)
{
	const char *other = access->hierarchy->v2 ? NULL : access->row->v1_other_file;

	if (faccessat(access->fd, access->file, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		if (!other || faccessat(access->fd, other, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return knob_fail(
				result, -EOPNOTSUPP,
				"%s is not there: this kernel has it not, or the controller "
				"is not on for this cgroup (cgroup.subtree_control above it)",
				access->file);
		access->file = other;
	}
	result->file = access->file;
	return 0;
}

static int check_identity(const struct knob_access *access, struct knob_result *result)
{
	struct stat status, top;

	if (fstat(access->fd, &status) < 0 || fstat(access->hierarchy->fd, &top) < 0)
		return knob_fail(result, -errno, "cannot be looked at: %s", strerror(errno));
	if (status.st_dev != top.st_dev)
		return knob_fail(result, -EXDEV, "the path leads out of the hierarchy");
	if (status.st_ino != access->node->ids[access->index])
		return knob_fail(result, -ESTALE,
				 "another cgroup has the path now (id %llu, not %llu)",
				 (unsigned long long)status.st_ino,
				 (unsigned long long)access->node->ids[access->index]);
	result->cgroup_id = status.st_ino;
	return 0;
}

int knob_access_open(const struct knob_context *context, enum knob_id knob, const struct node *node,
		     struct knob_access *ret_access, struct knob_result *result)
{
	struct knob_access access = {
		.context = context, .knob = knob, .row = &knob_rows[knob], .node = node, .fd = -1
	};
	int r = choose_file(&access, result);

	if (r < 0)
		return r;
	if (!node_in(node, context->hierarchies, access.hierarchy))
		return knob_fail(result, -ENOENT, "the cgroup is not in the hierarchy of %s",
				 access.hierarchy->name);
	access.fd = knob_open_beneath(access.hierarchy->fd, hierarchy_relative(node->path));
	if (access.fd < 0)
		return knob_fail(result, access.fd, "cannot be opened in the hierarchy of %s: %s",
				 access.hierarchy->name, strerror(-access.fd));
	r = check_identity(&access, result);
	if (r == 0)
		r = choose_present_file(&access, result);
	if (r < 0) {
		knob_access_done(&access);
		return r;
	}
	*ret_access = access;
	return 0;
}

void knob_access_done(struct knob_access *access)
{
	if (access->fd >= 0)
		close(access->fd);
	access->fd = -1;
	free(access->unit);
	access->unit = NULL;
}
