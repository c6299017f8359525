// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/state_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"

#define NSEC 1000000000

int64_t stat_mtime_ns(const struct stat *status)
{
	return (int64_t)status->st_mtim.tv_sec * NSEC + status->st_mtim.tv_nsec;
}

int64_t stat_ctime_ns(const struct stat *status)
{
	return (int64_t)status->st_ctim.tv_sec * NSEC + status->st_ctim.tv_nsec;
}

void file_stamp_set(struct file_stamp *stamp, const struct stat *status)
{
	/* Stamps are also compared and hashed as memory: no padding may stay undefined. */
	memset(stamp, 0, sizeof(*stamp));
	stamp->device = status->st_dev;
	stamp->inode = status->st_ino;
	stamp->size = status->st_size;
	stamp->mtime_ns = stat_mtime_ns(status);
	stamp->ctime_ns = stat_ctime_ns(status);
}

bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

void file_stamp_keep(struct file_stamp *kept, const struct file_stamp *seen, int64_t now_ns)
{
	if (now_ns - seen->mtime_ns < NSEC)
		memset(kept, 0, sizeof(*kept));
	else
		*kept = *seen;
}

int state_dir_open(const struct root *root, const char *path)
{
	return root_open_absolute(root, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
}

int state_dir_open_at(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A file that grows while it is read is cut off at the limit and fails. */
static int read_bounded(int fd, uint64_t limit, struct strbuf *buffer)
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
		if (buffer->length > limit)
			return -EFBIG;
		if (n == 0)
			return 0;
	}
}

int state_read_at(int dir_fd, const char *name, uint64_t limit, struct strbuf *buffer)
{
	/* Not blocking: a FIFO in the place of the file must not hold us up. */
	_cleanup_(closep) int fd = openat(
		dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if ((uint64_t)status.st_size > limit)
		return -EFBIG;
	return read_bounded(fd, limit, buffer);
}

ssize_t state_read_line_at(int dir_fd, const char *name, char *line, size_t size)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	size_t length;
	int r;

	r = state_read_at(dir_fd, name, STATE_FILE_MAX, &text);
	if (r < 0)
		return r;
	length = text.data ? strcspn(text.data, "\n") : 0;
	if (length == 0)
		return -ENODATA;
	if (length >= size)
		return -EFBIG;
	memcpy(line, text.data, length);
	line[length] = '\0';
	return (ssize_t)length;
}

json_t *state_read_json_at(int dir_fd, const char *name, uint64_t limit)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	if (state_read_at(dir_fd, name, limit, &text) < 0)
		return NULL;
	return json_loadb(text.data ? text.data : "", text.length, 0, NULL);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int state_dir_each(int dir_fd, int (*found)(void *data, const char *name, unsigned char type),
		   void *data)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	int r;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	for (uint32_t n = 0; n < STATE_DIR_MAX; n++) {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = found(data, entry->d_name, entry->d_type);
		if (r != 0)
			return r;
	}
	return -EFBIG;
}

const char *state_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && *text ? text : NULL;
}

const json_t *state_object(const json_t *object, const char *key)
{
	const json_t *below = json_object_get(object, key);

	return json_is_object(below) ? below : NULL;
}

bool state_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

char *arena_format(struct arena *arena, const char *format, ...)
{
	char *text = NULL, *copy = NULL;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (n < 0) {
		arena->failed = true;
		return NULL;
	}
	copy = arena_copy(arena, text, (size_t)n);
	free(text);
	return copy;
}

bool is_hex_id(const char *text)
{
	return strspn(text, "0123456789abcdef") == 64 && !text[64];
}

void container_copy(struct arena *arena, struct container *to, const struct container *from)
{
	*to = *from; /* runtime is static */
	to->id = arena_string(arena, from->id);
	to->name = arena_string(arena, from->name);
	to->image = arena_string(arena, from->image);
	to->image_id = arena_string(arena, from->image_id);
	to->state = arena_string(arena, from->state);
	to->pod = arena_string(arena, from->pod);
	to->pod_namespace = arena_string(arena, from->pod_namespace);
	to->pod_uid = arena_string(arena, from->pod_uid);
	to->mount = arena_string(arena, from->mount);
	to->upper = arena_string(arena, from->upper);
	to->source = arena_string(arena, from->source);
}

struct container *state_file_add(struct state_file *file, const struct container *container)
{
	if (file->n == file->capacity) {
		uint32_t capacity = file->capacity ? 2 * file->capacity : 1;
		struct container *list = realloc(file->list, capacity * sizeof(*list));

		if (!list)
			return NULL;
		file->list = list;
		file->capacity = capacity;
	}
	container_copy(&file->arena, &file->list[file->n], container);
	return file->arena.failed ? NULL : &file->list[file->n++];
}

static void free_file(struct state_file *file)
{
	if (!file)
		return;
	arena_done(&file->arena);
	free(file->list);
	free(file->path);
	free(file);
}

void state_cache_done(struct state_cache *cache)
{
	for (uint32_t i = 0; i < cache->size; i++)
		free_file(cache->files[i]);
	free(cache->files);
	*cache = (struct state_cache){ 0 };
}

static uint32_t hash_path(const char *path)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	while (*path)
		hash = (hash ^ (unsigned char)*path++) * 16777619u;
	return hash;
}

/* Where the file of that path is, or would be. The table is never full. */
static struct state_file **find_slot(struct state_file **files, uint32_t size, const char *path)
{
	uint32_t at = hash_path(path) & (size - 1);

	while (files[at] && strcmp(files[at]->path, path) != 0)
		at = (at + 1) & (size - 1);
	return &files[at];
}

static int resize(struct state_cache *cache, uint32_t size)
{
	/* It has wrapped if it is 0. */
	struct state_file **files = size ? calloc(size, sizeof(struct state_file *)) : NULL;

	if (!files)
		return -ENOMEM;
	for (uint32_t i = 0; i < cache->size; i++) {
		if (cache->files[i])
			*find_slot(files, size, cache->files[i]->path) = cache->files[i];
	}
	free(cache->files);
	cache->files = files;
	cache->size = size;
	return 0;
}

static int add_file(struct state_cache *cache, const char *path, struct state_file ***ret_slot)
{
	struct state_file *file;

	if (2 * (cache->n + 1) > cache->size &&
	    resize(cache, cache->size ? 2 * cache->size : 16) < 0)
		return -ENOMEM;
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	arena_init(&file->arena);
	file->path = strdup(path);
	if (!file->path) {
		free_file(file);
		return -ENOMEM;
	}
	*ret_slot = find_slot(cache->files, cache->size, path);
	**ret_slot = file;
	cache->n++;
	return 0;
}

static int refill(struct state_cache *cache, struct state_file *file,
		  const struct state_source *source)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };
	int r;

	arena_done(&file->arena);
	arena_init(&file->arena);
	file->n = 0;
	cache->reads++;
	if (source->limit == 0)
		return source->parse(file, NULL, 0, source->data);
	r = state_read_at(source->dir_fd, source->name, source->limit, &text);
	if (root_is_short(r))
		return r;
	/* What cannot be read is kept too, as a file that says nothing: it is not tried again. */
	return r < 0 ? 0
		     : source->parse(file, text.data ? text.data : "", text.length, source->data);
}

int state_cache_get(struct state_cache *cache, const struct state_source *source,
		    const struct state_file **ret_file)
{
	struct state_file **slot = cache->size ? find_slot(cache->files, cache->size, source->path)
					       : NULL;
	struct file_stamp stamp;
	struct stat status;
	int r = 0;

	*ret_file = NULL;
	cache->stats++;
	if (fstatat(source->dir_fd, source->name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(status.st_mode))
		return 0;
	file_stamp_set(&stamp, &status);
	if (!slot || !*slot)
		r = add_file(cache, source->path, &slot);
	if (r < 0)
		return r;
	if (!file_stamp_same(&(*slot)->stamp, &stamp)) {
		r = refill(cache, *slot, source);
		if (r < 0)
			return r;
		file_stamp_keep(&(*slot)->stamp, &stamp, cache->now_ns);
	}
	(*slot)->seen = true;
	*ret_file = *slot;
	return 0;
}

void state_cache_sweep(struct state_cache *cache)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < cache->size; i++) {
		struct state_file *file = cache->files[i];

		if (file && file->seen) {
			file->seen = false;
			kept++;
		} else if (file) {
			free_file(file);
			cache->files[i] = NULL;
		}
	}
	/* Holes break the chains of the open addressing: put the rest in anew. */
	if (kept != cache->n && resize(cache, cache->size) < 0) {
		for (uint32_t i = 0; i < cache->size; i++) {
			free_file(cache->files[i]);
			cache->files[i] = NULL;
		}
		kept = 0;
	}
	cache->n = kept;
}
