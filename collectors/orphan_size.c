// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/orphan_size.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/state_file.h"
#include "core/cleanup.h"

enum { DEPTH_MAX = 256 };

struct sizing {
	uint64_t *budget;
	uint64_t bytes;
	dev_t device;
	int fd, depth; /* of the directory that is being read */
	ino_t *linked; /* inodes with several names that were counted */
	uint32_t n_linked, capacity;
	int error;
};

/* True if that inode was not counted before. Few have more than one name: a plain list does. */
static bool is_first(struct sizing *sizing, ino_t inode)
{
	for (uint32_t i = 0; i < sizing->n_linked; i++) {
		if (sizing->linked[i] == inode)
			return false;
	}
	if (sizing->n_linked == sizing->capacity) {
		uint32_t capacity = sizing->capacity ? 2 * sizing->capacity : 32;
		ino_t *linked = capacity > 8192
					? NULL
					: realloc(sizing->linked, capacity * sizeof(*linked));

		if (!linked) {
			sizing->error = -E2BIG;
			return false;
		}
		sizing->linked = linked;
		sizing->capacity = capacity;
	}
	sizing->linked[sizing->n_linked++] = inode;
	return true;
}

static int size_entry(void *data, const char *name, unsigned char type);

static int size_directory(struct sizing *sizing, const char *name)
{
	int above = sizing->fd, fd = state_dir_open_at(above, name), r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (++sizing->depth > DEPTH_MAX) {
		close(fd);
		return -E2BIG;
	}
	sizing->fd = fd;
	r = state_dir_each(fd, size_entry, sizing);
	sizing->fd = above;
	sizing->depth--;
	close(fd);
	return r;
}

static int size_entry(void *data, const char *name, unsigned char type)
{
	struct sizing *sizing = data;
	struct stat status;

	(void)type;
	if (*sizing->budget == 0)
		return -E2BIG;
	--*sizing->budget;
	if (fstatat(sizing->fd, name, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (status.st_dev != sizing->device)
		return 0; /* another filesystem is mounted there */
	if (S_ISDIR(status.st_mode) || status.st_nlink == 1 || is_first(sizing, status.st_ino))
		sizing->bytes += (uint64_t)status.st_blocks * 512;
	if (sizing->error < 0)
		return sizing->error;
	return S_ISDIR(status.st_mode) ? size_directory(sizing, name) : 0;
}

int orphan_size(int dir_fd, const char *path, uint64_t *budget, uint64_t *ret_bytes)
{
	struct sizing sizing = { .budget = budget, .fd = dir_fd };
	struct stat status;
	int r;

	if (fstatat(dir_fd, path, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return -errno;
	sizing.device = status.st_dev;
	r = size_entry(&sizing, path, 0);
	free(sizing.linked);
	if (r < 0)
		return r;
	*ret_bytes = sizing.bytes;
	return 0;
}
