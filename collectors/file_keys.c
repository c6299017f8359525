// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/file_keys.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/keyed.h"
#include "core/cleanup.h"
#include "core/strbuf.h"

/* Cgroups that are looked at for a file that the root has not. */
enum { LOOK_MAX = 256 };

static int open_below(int dir, const char *file)
{
	int fd = -1, copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!list) {
		if (copy >= 0)
			close(copy);
		return -1;
	}
	for (int i = 0; fd < 0 && i < LOOK_MAX && (entry = readdir(list));) {
		_cleanup_(closep) int child = -1;

		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		child = openat(dir, entry->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			fd = openat(child, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		i++;
	}
	closedir(list);
	return fd;
}

char *file_keys_read(const struct hierarchy *hierarchy, const char *file)
{
	_cleanup_(closep) int dir = hierarchy_open(hierarchy, "/", O_PATH);
	_cleanup_(closep) int fd = dir < 0 ? -1 : openat(dir, file, O_RDONLY | O_CLOEXEC);
	struct strbuf text;
	ssize_t n = 1;

	if (fd < 0 && dir >= 0)
		fd = open_below(dir, file);
	strbuf_init(&text);
	while (fd >= 0 && n > 0 && strbuf_reserve(&text, 16384)) {
		n = read(fd, text.data + text.length, text.capacity - text.length - 1);
		text.length += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n != 0) {
		strbuf_done(&text);
		return NULL;
	}
	return strbuf_take(&text);
}

bool file_keys_has(const char *text, const char *key, size_t length)
{
	struct span rest = { text, text + strlen(text) }, line, word;

	if (length == 0)
		return true;
	while (span_line(&rest, &line)) {
		if (span_word(&line, &word) && span_length(word) == length &&
		    memcmp(word.at, key, length) == 0)
			return true;
	}
	return false;
}
