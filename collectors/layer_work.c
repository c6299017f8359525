// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_work.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/layer_open.h"
#include "core/cleanup.h"

/* The whiteout that the next deletion will link to lies there all the time (ovl_whiteout()). */
static bool is_leftover(int fd, const char *name)
{
	struct stat status;

	return name[0] == '#' && fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       !(S_ISCHR(status.st_mode) && status.st_rdev == 0);
}

static uint64_t count(int top, const char *name, bool leftovers)
{
	_cleanup_(closep) int fd = layer_open_directory(top, name);
	char buffer[16384] __attribute__((aligned(8)));
	uint64_t n = 0;
	ssize_t length;

	while (fd >= 0 && (length = getdents64(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < length;) {
			const struct dirent64 *entry = (void *)(buffer + at);

			at += entry->d_reclen;
			if (entry->d_name[0] == '.')
				continue;
			n += !leftovers || is_leftover(fd, entry->d_name);
		}
	}
	return n;
}

void layer_work_read(const char *path, struct layer_work *ret_work)
{
	_cleanup_(closep) int top = layer_open_top(path);

	*ret_work = (struct layer_work){ 0 };
	if (top < 0)
		return;
	ret_work->leftovers = count(top, "work", true);
	ret_work->index_entries = count(top, "index", false);
	ret_work->volatile_dirty = faccessat(top, "work/incompat/volatile/dirty", F_OK,
					     AT_SYMLINK_NOFOLLOW) == 0;
}
