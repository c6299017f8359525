// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_lower.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "collectors/layer_open.h"
#include "core/cleanup.h"

enum { MAX_OPEN = 256, MAX_DEPTH = 1 << 20 };

static const size_t MEMORY_SIZE = (size_t)64 << 20;

int layer_lower_init(struct layer_lower *lower, const char *const *tops, size_t n,
		     enum layer_format format)
{
	int r;

	*lower = (struct layer_lower){ .tops = tops, .n_tops = n, .format = format };
	r = layer_stack_init(&lower->memory, MEMORY_SIZE);
	if (r < 0)
		return r;
	if (layer_stack_init(&lower->index, MAX_DEPTH * sizeof(struct layer_level *)) < 0) {
		layer_stack_done(&lower->memory);
		return -ENOMEM;
	}
	lower->max_depth = lower->index.size / sizeof(struct layer_level *);
	lower->levels = (struct layer_level **)(void *)lower->index.base;
	lower->top_fds = layer_stack_push(&lower->memory, (n + 1) * sizeof(int));
	if (!lower->top_fds) {
		layer_stack_done(&lower->index);
		layer_stack_done(&lower->memory);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		lower->top_fds[i] = -1;
	return 0;
}

static void close_level(struct layer_lower *lower, struct layer_level *level)
{
	for (uint32_t i = 0; i < level->n; i++) {
		if (level->places[i].fd < 0)
			continue;
		close(level->places[i].fd);
		level->places[i].fd = -1;
		lower->n_open--;
	}
}

void layer_lower_done(struct layer_lower *lower)
{
	if (!lower->memory.base)
		return;
	while (lower->depth > 0)
		layer_lower_leave(lower);
	for (size_t i = 0; i < lower->n_tops; i++) {
		if (lower->top_fds[i] >= 0)
			close(lower->top_fds[i]);
	}
	layer_stack_done(&lower->index);
	layer_stack_done(&lower->memory);
}

static void note(struct layer_lower *lower, int error)
{
	if (lower->error == 0)
		lower->error = error;
}

/* The top of a layer, or -errno. */
static int top_of(struct layer_lower *lower, uint32_t layer)
{
	if (lower->top_fds[layer] < 0) {
		int fd = lower->tops[layer] ? layer_open_top(lower->tops[layer]) : -ENOENT;

		if (fd < 0)
			return fd;
		lower->top_fds[layer] = fd;
	}
	return lower->top_fds[layer];
}

/* Far above, descriptors can be had again by path. */
static void close_far(struct layer_lower *lower)
{
	for (size_t i = 0; i + 1 < lower->depth && lower->n_open > MAX_OPEN; i++)
		close_level(lower, lower->levels[i]);
}

static int place_open(struct layer_lower *lower, struct layer_place *place)
{
	int fd;

	if (place->fd >= 0)
		return place->fd;
	fd = top_of(lower, place->layer);
	if (fd >= 0)
		fd = layer_open_below(fd, place->path);
	if (fd < 0)
		return fd;
	place->fd = fd;
	lower->n_open++;
	return fd;
}

int layer_lower_fd(struct layer_lower *lower, uint32_t place)
{
	struct layer_level *level = lower->levels[lower->depth - 1];

	return place < level->n ? place_open(lower, &level->places[place]) : -ENOENT;
}

/* Room for a level of at most `n` places. */
static struct layer_level *push_level(struct layer_lower *lower, size_t n)
{
	size_t memory = lower->memory.used;
	struct layer_level *level;

	if (lower->depth == lower->max_depth)
		return NULL;
	level = layer_stack_push(&lower->memory, sizeof(*level) + n * sizeof(struct layer_place));
	if (!level)
		return NULL;
	level->memory = memory;
	lower->levels[lower->depth++] = level;
	return level;
}

/* Its opaque attribute: 'y' ends the merging, 'x' is kept for lookups. */
static char opaque_of(const struct layer_lower *lower, int fd, int *ret_bits)
{
	char opaque = 0;
	int bits = layer_xattrs_of_fd(lower->format, fd, &opaque);

	*ret_bits = bits < 0 ? 0 : bits;
	if (lower->format == LAYER_FORMAT_FUSE && opaque != 'y' &&
	    faccessat(fd, ".wh..wh..opq", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		opaque = 'y';
	return opaque;
}

int layer_lower_top(struct layer_lower *lower)
{
	struct layer_level *level = push_level(lower, lower->n_tops);

	if (!level)
		return -ENOMEM;
	for (uint32_t i = 0; i < lower->n_tops; i++) {
		struct layer_place *place = &level->places[level->n];
		int bits, fd;

		*place = (struct layer_place){ .layer = i, .fd = -1, .path = "" };
		fd = place_open(lower, place);
		if (fd < 0) {
			note(lower, fd);
			continue;
		}
		place->whiteouts = opaque_of(lower, fd, &bits);
		level->n++;
	}
	return 0;
}

/* "dir/name", or what a redirect makes of it: "/abs/path", or another name in the same place. */
static const char *child_path(struct layer_lower *lower, const char *parent, const char *name)
{
	size_t n = strlen(parent), length = strlen(name);
	char *path;

	if (*name == '/')
		return layer_stack_push(&lower->memory, length) && length > 0
			       ? memcpy(lower->memory.base + lower->memory.used - length, name + 1,
					length)
			       : NULL;
	path = layer_stack_push(&lower->memory, n + length + 2);
	if (!path)
		return NULL;
	memcpy(path, parent, n);
	if (n > 0)
		path[n++] = '/';
	memcpy(path + n, name, length + 1);
	return path;
}

/* True if fuse-overlayfs' whiteout of that name is there. */
static bool has_wh(const struct layer_lower *lower, int fd, const char *name)
{
	char wh[300];
	size_t n = strlen(name);

	if (lower->format != LAYER_FORMAT_FUSE || n + 5 > sizeof(wh))
		return false;
	memcpy(wh, ".wh.", 4);
	memcpy(wh + 4, name, n + 1);
	return faccessat(fd, wh, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Opens a directory of a lower layer for the level being made. 1: merged, 0: not there, go on;
 * -ENOTDIR: something else is there. */
static int try_place(struct layer_lower *lower, const struct layer_place *parent, const char *name,
		     struct layer_place *place)
{
	int fd;

	if (*name == '/') {
		int top = top_of(lower, place->layer);

		fd = top < 0 ? top : layer_open_below(top, name + 1);
	} else if (!parent) {
		return 0;
	} else {
		int in = place_open(lower, (struct layer_place *)parent);

		if (in >= 0 && has_wh(lower, in, name))
			return -ENOTDIR;
		fd = in < 0 ? in : layer_open_directory(in, name);
	}
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	place->fd = fd;
	lower->n_open++;
	place->path = child_path(lower, parent ? parent->path : "", name);
	return place->path ? 1 : -ENOMEM;
}

/* A redirect of a layer holds for those below it. */
static const char *redirect_of(struct layer_lower *lower, int fd, const char *name)
{
	char value[LAYER_XATTR_MAX];
	int n = layer_xattr_get(lower->format, fd, NULL, LAYER_XATTR_REDIRECT, value);
	size_t at;

	if (n <= 0)
		return name;
	at = layer_stack_push_text(&lower->memory, value, (size_t)n);
	return at == SIZE_MAX ? name : lower->memory.base + at;
}

int layer_lower_enter(struct layer_lower *lower, const struct layer_above *above)
{
	struct layer_level *parent = lower->levels[lower->depth - 1], *level;
	const char *name = above->redirect ? above->redirect : above->name;
	uint32_t at = 0;

	level = push_level(lower, lower->n_tops);
	if (!level)
		return -ENOMEM;
	for (uint32_t layer = 0; !above->opaque && layer < lower->n_tops; layer++) {
		struct layer_place *place = &level->places[level->n];
		const struct layer_place *in = NULL;
		int r, bits;

		while (at < parent->n && parent->places[at].layer < layer)
			at++;
		if (at < parent->n && parent->places[at].layer == layer)
			in = &parent->places[at];
		if (!in && *name != '/')
			continue;
		*place = (struct layer_place){ .layer = layer, .fd = -1 };
		r = try_place(lower, in, name, place);
		if (r == 0)
			continue;
		if (r < 0) {
			if (r != -ENOTDIR)
				note(lower, r);
			break;
		}
		level->n++;
		place->whiteouts = opaque_of(lower, place->fd, &bits);
		if (place->whiteouts == 'y')
			break;
		if (bits & LAYER_XATTR_REDIRECT)
			name = redirect_of(lower, place->fd, name);
	}
	close_far(lower);
	return 0;
}

void layer_lower_leave(struct layer_lower *lower)
{
	struct layer_level *level = lower->levels[--lower->depth];

	close_level(lower, level);
	layer_stack_cut(&lower->memory, level->memory);
}

const struct layer_level *layer_lower_level(const struct layer_lower *lower)
{
	return lower->levels[lower->depth - 1];
}

static bool is_whiteout(const struct layer_lower *lower, const struct layer_place *place,
			const char *name, const struct stat *status)
{
	if (S_ISCHR(status->st_mode) && status->st_rdev == 0)
		return true;
	if (place->whiteouts != 'x' || !S_ISREG(status->st_mode) || status->st_size != 0)
		return false;
	return layer_xattrs_of(lower->format, place->fd, false, name) > 0 &&
	       layer_xattrs_of(lower->format, place->fd, false, name) & LAYER_XATTR_WHITEOUT;
}

int layer_lower_find(struct layer_lower *lower, const char *name, struct stat *ret_status,
		     uint32_t *ret_layer)
{
	struct layer_level *level = lower->levels[lower->depth - 1];

	for (uint32_t i = 0; i < level->n; i++) {
		struct layer_place *place = &level->places[i];
		int fd = place_open(lower, place);

		if (fd < 0)
			return fd;
		if (has_wh(lower, fd, name))
			return 0;
		if (fstatat(fd, name, ret_status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
			if (errno == ENOENT || errno == ENOTDIR)
				continue;
			return -errno;
		}
		if (is_whiteout(lower, place, name, ret_status))
			return 0;
		if (ret_layer)
			*ret_layer = place->layer;
		return 1;
	}
	return 0;
}
