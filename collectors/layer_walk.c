// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collectors/layer_open.h"
#include "collectors/layer_walk_private.h"
#include "collectors/root.h"
#include "core/cleanup.h"

enum {
	OPEN_FRAMES = 32, /* deeper trees close what is far above */
};

static const size_t FRAMES_SIZE = (size_t)64 << 20, NAMES_SIZE = (size_t)256 << 20,
		    LINKS_SIZE = (size_t)128 << 20;

int layer_walk_new(const struct layer_source *source, const struct layer_walk_options *options,
		   struct layer_walk **ret_walk)
{
	struct layer_walk *walk = mmap(NULL, sizeof(*walk), PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (walk == MAP_FAILED)
		return -ENOMEM;
	walk->source = source;
	walk->options = *options;
	walk->top = -1;
	for (size_t i = 0; i < LAYER_HOT_MAX; i++)
		walk->hot[i].node = LAYER_NO_NODE;
	if (layer_account_init(&walk->account, options->keep_nodes) < 0 ||
	    layer_stack_init(&walk->frames, FRAMES_SIZE) < 0 ||
	    layer_stack_init(&walk->names, NAMES_SIZE) < 0 ||
	    layer_stack_init(&walk->links, LINKS_SIZE) < 0 ||
	    layer_lower_init(&walk->lower, source->lower, source->n_lower, source->format) < 0) {
		layer_walk_free(walk);
		return -ENOMEM;
	}
	*ret_walk = walk;
	return 0;
}

void layer_walk_free(struct layer_walk *walk)
{
	if (!walk)
		return;
	for (size_t i = 0; i < walk->depth; i++)
		closep(&layer_frame_at(walk, i)->fd);
	if (walk->account.links.base)
		closep(&walk->top);
	layer_lower_done(&walk->lower);
	layer_account_done(&walk->account);
	layer_stack_done(&walk->frames);
	layer_stack_done(&walk->names);
	layer_stack_done(&walk->links);
	munmap(walk, sizeof(*walk));
}

static void progress(const struct layer_walk *walk)
{
	if (walk->options.progress)
		atomic_fetch_add_explicit(walk->options.progress, 1, memory_order_relaxed);
}

static struct layer_handle handle_of(int fd)
{
	struct {
		struct file_handle head;
		unsigned char room[LAYER_HANDLE_MAX];
	} handle = { .head.handle_bytes = LAYER_HANDLE_MAX };
	struct layer_handle result = { 0 };
	int mount_id;

	if (name_to_handle_at(fd, "", &handle.head, &mount_id, AT_EMPTY_PATH) < 0)
		return result;
	result.type = handle.head.handle_type;
	result.length = handle.head.handle_bytes;
	memcpy(result.bytes, handle.head.f_handle, result.length);
	return result;
}

/* What the directory's own attributes say. */
static void read_attributes(struct layer_walk *walk, struct layer_frame *frame)
{
	char value[LAYER_XATTR_MAX], opaque = 0;
	int bits = walk->no_xattrs ? 0
				   : layer_xattrs_of_fd(walk->source->format, frame->fd, &opaque);

	if (bits == -EOPNOTSUPP)
		walk->no_xattrs = true;
	else if (bits < 0)
		layer_walk_note(walk, bits);
	if (bits < 0)
		bits = 0;
	frame->opaque = opaque == 'y';
	frame->xwhiteouts = opaque == 'x';
	/* fuse-overlayfs marks no directory that holds something copied up. */
	frame->impure = bits & LAYER_XATTR_IMPURE || walk->source->format == LAYER_FORMAT_FUSE;
	frame->redirect = SIZE_MAX;
	if (bits & LAYER_XATTR_REDIRECT) {
		int n = layer_xattr_get(walk->source->format, frame->fd, NULL, LAYER_XATTR_REDIRECT,
					value);

		if (n > 0)
			frame->redirect = layer_stack_push_text(&walk->names, value, (size_t)n);
	}
}

/* Goes into an open directory, which it takes over. */
static int enter(struct layer_walk *walk, int fd, size_t name, bool passing)
{
	struct layer_frame *parent = walk->depth > 0 ? layer_frame_at(walk, walk->depth - 1) : NULL,
			   *frame;
	struct stat status;
	uint64_t key;

	if (fstat(fd, &status) < 0 || !(frame = layer_stack_push(&walk->frames, sizeof(*frame)))) {
		int r = errno ? -errno : -ENOMEM;

		close(fd);
		return r;
	}
	walk->depth++;
	*frame = (struct layer_frame){ .fd = fd,
				       .device = status.st_dev,
				       .inode = status.st_ino,
				       .node = LAYER_NO_NODE,
				       .reading = !passing,
				       .passing = passing,
				       .base = walk->names.used,
				       .name = name };
	if (parent)
		parent->here = false;
	else
		walk->device = status.st_dev;
	read_attributes(walk, frame);
	frame->next = walk->names.used;
	key = layer_walk_key(walk, status.st_dev, status.st_ino);
	if (passing) {
		if (walk->account.keeps_nodes)
			frame->node = layer_map_get(&walk->account.by_key, key);
		return 0;
	}
	if (walk->account.keeps_nodes) {
		struct layer_handle handle = handle_of(fd);

		frame->node = layer_account_enter(
			&walk->account, parent ? parent->node : LAYER_NO_NODE, key, &handle);
	}
	frame->sum.bytes = (uint64_t)status.st_blocks * 512;
	frame->sum.inodes = 1;
	if (name != SIZE_MAX) {
		frame->sum.opaque = frame->opaque;
		frame->sum.redirected = frame->redirect != SIZE_MAX;
	}
	walk->at = walk->filled = 0;
	layer_stack_cut(&walk->links, 0);
	if (walk->depth > OPEN_FRAMES + 1) {
		struct layer_frame *far = layer_frame_at(walk, walk->depth - OPEN_FRAMES - 1);

		closep(&far->fd);
		far->fd = -1;
	}
	return 0;
}

/* A directory by the names on the way to it, for one whose ".." leads elsewhere. */
static int reopen_by_names(struct layer_walk *walk, size_t depth)
{
	int fd = layer_open_directory(walk->top, ".");

	for (size_t i = 1; i < depth && fd >= 0; i++) {
		int next = layer_open_directory(fd,
						walk->names.base + layer_frame_at(walk, i)->name);

		close(fd);
		fd = next;
	}
	return fd;
}

static bool is_it(int fd, const struct layer_frame *frame)
{
	struct stat status;

	return fd >= 0 && fstat(fd, &status) == 0 && status.st_dev == frame->device &&
	       status.st_ino == frame->inode;
}

/* Opens the directory above again, if it was closed. */
static void reopen_parent(struct layer_walk *walk, const struct layer_frame *frame)
{
	struct layer_frame *parent = layer_frame_at(walk, walk->depth - 2);
	int fd = openat(frame->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!is_it(fd, parent)) {
		closep(&fd);
		fd = reopen_by_names(walk, walk->depth - 1);
	}
	if (!is_it(fd, parent)) {
		/* It was moved or removed: what is left in it cannot be reached. */
		closep(&fd);
		fd = -1;
		if (parent->next < frame->base)
			layer_walk_note(walk, -ESTALE);
	}
	parent->fd = fd;
}

static void leave(struct layer_walk *walk)
{
	struct layer_frame *frame = layer_frame_at(walk, walk->depth - 1);

	if (walk->depth > 1 && layer_frame_at(walk, walk->depth - 2)->fd < 0)
		reopen_parent(walk, frame);
	closep(&frame->fd);
	if (walk->lower.depth == walk->depth)
		layer_lower_leave(&walk->lower);
	layer_stack_cut(&walk->names, frame->base);
	layer_stack_cut(&walk->frames, walk->frames.used - sizeof(*frame));
	walk->depth--;
}

/* Goes into the next of the directories found. What vanished or has a mount on it is passed over.
 */
static void descend(struct layer_walk *walk, struct layer_frame *frame)
{
	size_t name = frame->next;
	int fd;

	frame->next += strlen(walk->names.base + name) + 1;
	if (frame->fd < 0)
		return;
	fd = layer_open_directory(frame->fd, walk->names.base + name);
	if (fd >= 0)
		fd = enter(walk, fd, name, false);
	if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR && fd != -EXDEV)
		layer_walk_note(walk, fd);
}

static void end_reading(struct layer_walk *walk, struct layer_frame *frame)
{
	int r = layer_account_commit(&walk->account, frame->node, &frame->sum,
				     (struct layer_link *)(void *)walk->links.base,
				     walk->links.used / sizeof(struct layer_link));

	if (r < 0)
		layer_walk_note(walk, r);
	frame->reading = false;
}

static void read_some(struct layer_walk *walk, struct layer_frame *frame, uint64_t *entries)
{
	if (walk->at == walk->filled) {
		ssize_t n = getdents64(frame->fd, walk->buffer, sizeof(walk->buffer));

		/* A directory that is removed while it is read ends with ENOENT. */
		if (n < 0 && errno != ENOENT)
			layer_walk_note(walk, -errno);
		if (n <= 0) {
			end_reading(walk, frame);
			return;
		}
		walk->at = 0;
		walk->filled = (size_t)n;
	}
	while (walk->at<walk->filled && * entries> 0) {
		const struct dirent64 *entry = (void *)(walk->buffer + walk->at);

		layer_walk_found(walk, frame, entry);
		walk->at += entry->d_reclen;
		(*entries)--;
	}
}

static int start(struct layer_walk *walk)
{
	const struct layer_source *source = walk->source;
	struct stat status;
	int top = layer_open_top(source->upper), fd;

	if (top < 0)
		return top;
	walk->top = top;
	walk->now = (int64_t)time(NULL);
	if (walk->options.known)
		layer_known_begin(walk->options.known);
	if (fstat(top, &status) < 0)
		return -errno;
	if ((source->device && status.st_dev != source->device) ||
	    (source->inode && status.st_ino != source->inode))
		return -ESTALE;
	fd = layer_open_directory(top, ".");
	if (fd >= 0)
		fd = enter(walk, fd, SIZE_MAX, false);
	if (fd >= 0 && source->work)
		layer_work_read(source->work, &walk->work);
	return fd < 0 ? fd : 0;
}

int layer_walk_step(struct layer_walk *walk, uint64_t *entries)
{
	if (walk->top < 0) {
		int r = start(walk);

		if (r < 0)
			return r;
	}
	while (*entries > 0 && walk->depth > 0) {
		struct layer_frame *frame = layer_frame_at(walk, walk->depth - 1);

		progress(walk);
		if (frame->reading) {
			read_some(walk, frame, entries);
		} else if (frame->next < walk->names.used && !frame->passing) {
			descend(walk, frame);
			(*entries)--;
		} else {
			leave(walk);
		}
	}
	return walk->depth > 0;
}

/* Goes down the way to `path` without counting. -errno. */
static int pass(struct layer_walk *walk, char *path)
{
	char *name;

	while ((name = strsep(&path, "/"))) {
		size_t at;
		int fd;

		if (!*name)
			continue;
		at = layer_stack_push_text(&walk->names, name, strlen(name));
		if (at == SIZE_MAX)
			return -ENOMEM;
		fd = layer_open_directory(layer_frame_at(walk, walk->depth - 1)->fd, name);
		if (fd >= 0)
			fd = enter(walk, fd, at, true);
		if (fd < 0)
			return fd;
	}
	return 0;
}

int layer_walk_open(const struct layer_walk *walk, uint32_t node)
{
	const struct layer_handle *handle = &walk->account.nodes[node].handle;
	struct {
		struct file_handle head;
		unsigned char room[LAYER_HANDLE_MAX];
	} copy = { .head.handle_type = handle->type, .head.handle_bytes = handle->length };
	int fd;

	memcpy(copy.head.f_handle, handle->bytes, handle->length);
	fd = open_by_handle_at(walk->top, &copy.head,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The path of an open directory below the top, in `path`. */
static char *path_below(const struct layer_walk *walk, int fd, char path[PATH_MAX])
{
	char link[64], top[PATH_MAX];
	ssize_t n, length;

	if (root_own_path(walk->top, NULL, link, sizeof(link)) < 0)
		return NULL;
	n = readlink(link, top, sizeof(top));
	if (root_own_path(fd, NULL, link, sizeof(link)) < 0)
		return NULL;
	length = readlink(link, path, PATH_MAX);
	if (n <= 0 || length < n || length >= PATH_MAX || memcmp(path, top, (size_t)n) != 0)
		return NULL;
	path[length] = '\0';
	return path[n] == '\0' || path[n] == '/' ? path + n : NULL;
}

/* Makes the frame at the end of the way the one that is read. */
static int read_again(struct layer_walk *walk, uint32_t node)
{
	struct layer_frame *frame = layer_frame_at(walk, walk->depth - 1);
	struct stat status;

	if (frame->node != node)
		return -ESTALE;
	if (fstat(frame->fd, &status) < 0)
		return -errno;
	walk->account.nodes[node].reads++;
	frame->passing = false;
	frame->reading = true;
	frame->sum.bytes = (uint64_t)status.st_blocks * 512;
	frame->sum.inodes = 1;
	if (frame->name != SIZE_MAX) {
		frame->sum.opaque = frame->opaque;
		frame->sum.redirected = frame->redirect != SIZE_MAX;
	}
	walk->at = walk->filled = 0;
	layer_stack_cut(&walk->links, 0);
	return 0;
}

int layer_walk_again(struct layer_walk *walk, uint32_t node)
{
	_cleanup_(closep) int fd = layer_walk_open(walk, node);
	char buffer[PATH_MAX], *path;
	int r = fd < 0 ? fd : 0;

	if (r < 0)
		return r;
	path = path_below(walk, fd, buffer);
	if (!path)
		return -ESTALE;
	r = layer_open_directory(walk->top, ".");
	if (r >= 0)
		r = enter(walk, r, SIZE_MAX, true);
	if (r >= 0)
		r = pass(walk, path);
	if (r >= 0)
		r = read_again(walk, node);
	while (r < 0 && walk->depth > 0)
		leave(walk);
	return r;
}

int layer_walk_top(const struct layer_walk *walk)
{
	return walk->top;
}

dev_t layer_walk_device(const struct layer_walk *walk)
{
	return walk->device;
}

struct layer_account *layer_walk_account(struct layer_walk *walk)
{
	return &walk->account;
}

void layer_walk_result(const struct layer_walk *walk, struct layer_usage *ret_usage)
{
	const struct layer_sum *total = &walk->account.total;
	int error = walk->error;

	if (error == 0 && walk->source->format == LAYER_FORMAT_TRUSTED && walk->source->blind)
		error = -EPERM;
	*ret_usage = (struct layer_usage){
		.state = error ? LAYER_PARTIAL : LAYER_COMPLETE,
		.error = error,
		.bytes = total->bytes,
		.apparent_bytes = total->apparent_bytes,
		.inodes = total->inodes,
		.files = total->files,
		.directories = total->directories,
		.symlinks = total->symlinks,
		.specials = total->specials,
		.created = total->created,
		.copied_up = total->copied_up,
		.copied_up_bytes = total->copied_up_bytes,
		.metacopy = total->metacopy,
		.whiteouts = total->whiteouts,
		.xattr_whiteouts = total->xattr_whiteouts,
		.opaque = total->opaque,
		.redirected = total->redirected,
		.work_leftovers = walk->work.leftovers,
		.index_entries = walk->work.index_entries,
		.volatile_dirty = walk->work.volatile_dirty,
	};
}
