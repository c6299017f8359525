// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "collectors/layer_lower.h"
#include "collectors/layer_names.h"
#include "collectors/layer_open.h"
#include "core/cleanup.h"

enum { OPEN_FRAMES = 64 };

static const size_t TEXTS_SIZE = (size_t)1 << 30, ITEMS_SIZE = (size_t)1 << 30,
		    FRAMES_SIZE = (size_t)64 << 20, PATH_SIZE = (size_t)16 << 20;

/* A directory of the upper layer on the way down. */
struct frame {
	int fd;	     /* -1: closed to save descriptors */
	size_t path; /* length of its path */
	bool xwhiteouts;
	/*
	 * An entry that is kept back: a directory that looks the same is told of by docker all the
	 * same if something in it is.
	 */
	bool waiting;
	struct layer_diff_entry entry;
	struct layer_names names;
	size_t next;
};

struct tree {
	const struct layer_tree_job *job;
	struct layer_lower lower;
	struct layer_stack texts, items, frames;
	struct layer_stack path; /* of the present directory, and the name being looked at */
	size_t depth;
	int top, error;
};

/* One name, and what lies below it. */
struct found {
	const char *name;
	struct layer_thing is, was; /* was.fd: of the place it was found in */
	bool below;		    /* visible below */
};

static void note(struct tree *tree, int error)
{
	if (tree->error == 0)
		tree->error = error;
}

static struct frame *frame_at(const struct tree *tree, size_t depth)
{
	return (struct frame *)(void *)tree->frames.base + depth;
}

static struct frame *present(const struct tree *tree)
{
	return frame_at(tree, tree->depth - 1);
}

/* Makes the path that of `name` in the present directory. */
static bool set_path(struct tree *tree, const char *name)
{
	size_t n = present(tree)->path;

	layer_stack_cut(&tree->path, n);
	if (layer_stack_push_text(&tree->path, "/", 1) == SIZE_MAX)
		return false;
	tree->path.used--;
	return layer_stack_push_text(&tree->path, name, strlen(name)) != SIZE_MAX;
}

static struct layer_diff_side side_of(const struct stat *status)
{
	return (struct layer_diff_side){
		.mode = status->st_mode,
		.uid = status->st_uid,
		.gid = status->st_gid,
		.size = (uint64_t)status->st_size,
		.mtime_ns = (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec,
	};
}

/* The entry of a directory on the way, whose path is the beginning of the present one. */
static int report_waiting(struct tree *tree, struct frame *frame, char docker)
{
	char *end = tree->path.base + frame->path, saved = *end;
	int r;

	frame->waiting = false;
	frame->entry.docker = docker;
	frame->entry.path = tree->path.base;
	*end = '\0';
	r = tree->job->report(tree->job->argument, &frame->entry);
	*end = saved;
	return r;
}

static int report(struct tree *tree, struct layer_diff_entry *entry)
{
	int r = 0;

	for (size_t i = 0; entry->docker && i < tree->depth && r == 0; i++) {
		if (frame_at(tree, i)->waiting)
			r = report_waiting(tree, frame_at(tree, i), 'C');
	}
	entry->path = tree->path.base;
	return r == 0 ? tree->job->report(tree->job->argument, entry) : r;
}

/*
 * `docker diff` compares what is visible without and with the upper layer (moby pkg/archive,
 * statDifferent()): for directories neither size nor time says that they changed, as for all whose
 * mode has that bit set.
 */
static bool docker_changed(const struct stat *was, const struct stat *is, unsigned int changes)
{
	if (was->st_mode != is->st_mode || was->st_uid != is->st_uid || was->st_gid != is->st_gid ||
	    was->st_rdev != is->st_rdev || changes & LAYER_DIFF_CAPABILITY)
		return true;
	if ((was->st_mode & S_IFDIR) == S_IFDIR)
		return false;
	return was->st_size != is->st_size || was->st_mtim.tv_sec != is->st_mtim.tv_sec ||
	       (was->st_mtim.tv_nsec != is->st_mtim.tv_nsec && was->st_mtim.tv_nsec != 0 &&
		is->st_mtim.tv_nsec != 0);
}

static unsigned int compare(struct tree *tree, const struct found *found, bool metacopy,
			    char xattrs[LAYER_COMPARE_XATTRS])
{
	struct layer_compare how = {
		.format = tree->job->source->format,
		.no_content = tree->job->no_content,
		.metacopy = metacopy,
		.progress = tree->job->progress,
	};
	int error = 0;
	unsigned int bits = layer_compare(&how, &found->was, &found->is, xattrs, &error);

	if (error < 0 && error != -ENOENT)
		note(tree, error);
	return bits;
}

/* A descriptor of the layer's directory that a name was found in. */
static int place_fd(struct layer_lower *lower, uint32_t layer)
{
	const struct layer_level *level = layer_lower_level(lower);

	for (uint32_t i = 0; i < level->n; i++) {
		if (level->places[i].layer == layer)
			return layer_lower_fd(lower, i);
	}
	return -ENOENT;
}

static void look_below(struct tree *tree, struct found *found)
{
	uint32_t layer;
	int r = layer_lower_find(&tree->lower, found->name, &found->was.status, &layer);

	if (r < 0)
		note(tree, r);
	found->below = r == 1;
	found->was.name = found->name;
	found->was.fd = found->below ? place_fd(&tree->lower, layer) : -1;
}

static int report_deleted(struct tree *tree, struct found *found, const char *name)
{
	struct layer_diff_entry entry = { .kind = LAYER_DIFF_DELETED, .docker = 'D' };

	found->name = name;
	look_below(tree, found);
	/* One that deletes nothing: what it was for is gone from the lower layers. */
	if (!found->below)
		return 0;
	entry.before = side_of(&found->was.status);
	if (!set_path(tree, name))
		return -ENOMEM;
	return report(tree, &entry);
}

static int report_hidden(struct tree *tree, struct found *found)
{
	struct layer_diff_entry entry = { .kind = LAYER_DIFF_HIDDEN, .docker = 'D' };

	look_below(tree, found);
	/* One that an upper one of the lower layers deleted was not visible before either. */
	if (!found->below)
		return 0;
	entry.before = side_of(&found->was.status);
	return report(tree, &entry);
}

/* Where a redirect says that it was: a path, or a name in the same directory, whose path is the
 * first `n` bytes of the present one. */
static const char *origin_of(struct tree *tree, const char *redirect, size_t n)
{
	size_t at = tree->texts.used;

	if (*redirect == '/')
		return redirect;
	if (layer_stack_push_text(&tree->texts, tree->path.base, n) == SIZE_MAX)
		return redirect;
	tree->texts.base[at + n] = '/';
	if (layer_stack_push_text(&tree->texts, redirect, strlen(redirect)) == SIZE_MAX)
		return redirect;
	return tree->texts.base + at;
}

static int report_file(struct tree *tree, struct found *found)
{
	char xattrs[LAYER_COMPARE_XATTRS], redirect[LAYER_XATTR_MAX];
	enum layer_format format = tree->job->source->format;
	struct layer_diff_entry entry = { .after = side_of(&found->is.status) };
	size_t texts = tree->texts.used;
	int bits = 0, r;

	if (S_ISREG(found->is.status.st_mode))
		bits = layer_xattrs_of(format, found->is.fd, false, found->name);
	if (bits < 0 && bits != -EOPNOTSUPP && bits != -ENOENT)
		note(tree, bits);
	bits = bits < 0 ? 0 : bits;
	entry.metacopy = bits & LAYER_XATTR_METACOPY;
	entry.docker = 'A';
	if (found->below) {
		entry.kind = LAYER_DIFF_CHANGED;
		entry.before = side_of(&found->was.status);
		entry.changes = compare(tree, found, entry.metacopy, xattrs);
		entry.xattrs = xattrs[0] ? xattrs : NULL;
		entry.docker = docker_changed(&found->was.status, &found->is.status, entry.changes)
				       ? 'C'
				       : 0;
		if (entry.changes == 0)
			return 0;
	} else if (bits & LAYER_XATTR_REDIRECT &&
		   layer_xattr_get(format, found->is.fd, found->name, LAYER_XATTR_REDIRECT,
				   redirect) > 0) {
		entry.kind = LAYER_DIFF_RENAMED;
		entry.from = origin_of(tree, redirect, present(tree)->path);
	}
	r = report(tree, &entry);
	layer_stack_cut(&tree->texts, texts);
	return r;
}

static bool is_whiteout(const struct tree *tree, const struct frame *frame, const char *name,
			const struct stat *status)
{
	int bits;

	if (S_ISCHR(status->st_mode) && status->st_rdev == 0)
		return true;
	if (!frame->xwhiteouts || !S_ISREG(status->st_mode) || status->st_size != 0)
		return false;
	bits = layer_xattrs_of(tree->job->source->format, frame->fd, false, name);
	return bits > 0 && bits & LAYER_XATTR_WHITEOUT;
}

/* What an upper directory is: its attributes. */
struct attributes {
	char opaque;
	bool has_redirect;
	char redirect[LAYER_XATTR_MAX];
};

static void read_attributes(struct tree *tree, int fd, struct attributes *attributes)
{
	enum layer_format format = tree->job->source->format;
	int bits = layer_xattrs_of_fd(format, fd, &attributes->opaque);

	if (bits < 0) {
		attributes->opaque = 0;
		if (bits != -EOPNOTSUPP)
			note(tree, bits);
	}
	if (format == LAYER_FORMAT_FUSE &&
	    faccessat(fd, ".wh..wh..opq", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		attributes->opaque = 'y';
	attributes->has_redirect = bits > 0 && bits & LAYER_XATTR_REDIRECT &&
				   layer_xattr_get(format, fd, NULL, LAYER_XATTR_REDIRECT,
						   attributes->redirect) > 0;
}

/* Goes into a directory, whose descriptor it takes over. */
static int enter(struct tree *tree, int fd, const char *name, const struct attributes *attributes)
{
	struct layer_above above = { .name = name };
	struct frame *frame = layer_stack_push(&tree->frames, sizeof(*frame));
	int r;

	if (!frame) {
		close(fd);
		return -ENOMEM;
	}
	tree->depth++;
	frame->fd = fd;
	frame->path = tree->path.used > 0 ? tree->path.used - 1 : 0;
	frame->xwhiteouts = attributes->opaque == 'x';
	above.redirect = attributes->has_redirect ? attributes->redirect : NULL;
	/* As if it hid nothing: what it hides is what is to be told. */
	r = name ? layer_lower_enter(&tree->lower, &above) : layer_lower_top(&tree->lower);
	layer_names_begin(&frame->names, &tree->texts, &tree->items);
	if (r >= 0)
		r = layer_names_read(&frame->names, &tree->texts, &tree->items, fd, false);
	for (uint32_t i = 0;
	     r >= 0 && attributes->opaque == 'y' && i < layer_lower_level(&tree->lower)->n; i++) {
		int place = layer_lower_fd(&tree->lower, i);

		if (place >= 0)
			r = layer_names_read(&frame->names, &tree->texts, &tree->items, place,
					     true);
	}
	if (tree->depth > OPEN_FRAMES + 1) {
		struct frame *far = frame_at(tree, tree->depth - OPEN_FRAMES - 1);

		closep(&far->fd);
		far->fd = -1;
	}
	return r;
}

static int leave(struct tree *tree)
{
	struct frame *frame = present(tree);
	int r = 0;

	if (frame->waiting && frame->entry.changes != 0)
		r = report_waiting(tree, frame, 0);
	closep(&frame->fd);
	layer_names_end(&frame->names, &tree->texts, &tree->items);
	if (tree->lower.depth == tree->depth)
		layer_lower_leave(&tree->lower);
	tree->depth--;
	layer_stack_cut(&tree->frames, tree->frames.used - sizeof(*frame));
	return r;
}

/* Needs a descriptor of the present directory. */
static int reopen(struct tree *tree)
{
	struct frame *frame = present(tree);
	char saved;

	if (frame->fd >= 0)
		return 0;
	saved = tree->path.base[frame->path];
	tree->path.base[frame->path] = '\0';
	frame->fd = layer_open_below(tree->top, frame->path > 0 ? tree->path.base + 1 : "");
	tree->path.base[frame->path] = saved;
	return frame->fd < 0 ? frame->fd : 0;
}

/* A directory that was just gone into. */
static int report_directory(struct tree *tree, struct found *found,
			    const struct attributes *attributes)
{
	struct frame *frame = present(tree);
	struct layer_diff_entry *entry = &frame->entry;
	char xattrs[LAYER_COMPARE_XATTRS] = "";

	*entry = (struct layer_diff_entry){ .kind = LAYER_DIFF_ADDED,
					    .docker = 'A',
					    .after = side_of(&found->is.status) };
	if (attributes->has_redirect) {
		int fd = layer_lower_level(&tree->lower)->n > 0 ? layer_lower_fd(&tree->lower, 0)
								: -1;
		struct stat status;

		entry->kind = LAYER_DIFF_RENAMED;
		entry->from = origin_of(tree, attributes->redirect,
					frame_at(tree, tree->depth - 2)->path);
		if (fd >= 0 && fstat(fd, &status) == 0)
			entry->before = side_of(&status);
	}
	if (!found->below)
		return report(tree, entry);
	entry->docker = 0;
	if (!attributes->has_redirect) {
		entry->kind = LAYER_DIFF_CHANGED;
		entry->before = side_of(&found->was.status);
		entry->changes = compare(tree, found, false, xattrs);
		if (attributes->opaque == 'y' && S_ISDIR(found->was.status.st_mode))
			entry->changes |= LAYER_DIFF_REPLACED;
	}
	if (docker_changed(&found->was.status, &found->is.status, entry->changes))
		entry->docker = 'C';
	if (xattrs[0]) {
		size_t at = layer_stack_push_text(&tree->texts, xattrs, strlen(xattrs));

		entry->xattrs = at == SIZE_MAX ? NULL : tree->texts.base + at;
	}
	if (entry->docker || attributes->has_redirect)
		return report(tree, entry);
	frame->waiting = true;
	return 0;
}

/* The lower layer's descriptor of a directory may be closed by going into it. */
static int hold_below(struct found *found)
{
	int fd;

	if (!found->below || !S_ISDIR(found->was.status.st_mode))
		return -1;
	fd = layer_open_directory(found->was.fd, found->name);
	found->was.fd = fd;
	found->was.name = NULL;
	return fd;
}

static int directory(struct tree *tree, struct found *found)
{
	_cleanup_(closep) int below = -1;
	struct attributes attributes = { 0 };
	int fd = layer_open_directory(found->is.fd, found->name), r;

	if (fd < 0) {
		if (fd != -ENOENT && fd != -ENOTDIR && fd != -EXDEV)
			note(tree, fd);
		return 0;
	}
	look_below(tree, found);
	below = hold_below(found);
	read_attributes(tree, fd, &attributes);
	r = enter(tree, fd, found->name, &attributes);
	found->is = (struct layer_thing){ .fd = fd, .status = found->is.status };
	if (r < 0)
		note(tree, r);
	return report_directory(tree, found, &attributes);
}

static int one(struct tree *tree, const struct layer_name *item)
{
	struct frame *frame = present(tree);
	struct found found = { .name = tree->texts.base + item->text };
	char wh = layer_wh_name(tree->job->source->format, found.name);
	int r = reopen(tree);

	if (r < 0) {
		note(tree, r);
		return 0;
	}
	if (!set_path(tree, found.name))
		return -ENOMEM;
	if (item->hidden)
		return wh ? 0 : report_hidden(tree, &found);
	if (wh)
		return wh == 'w' ? report_deleted(tree, &found, found.name + 4) : 0;
	found.is = (struct layer_thing){ .fd = frame->fd, .name = found.name };
	if (fstatat(frame->fd, found.name, &found.is.status,
		    AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
		if (errno != ENOENT)
			note(tree, -errno);
		return 0;
	}
	if (S_ISDIR(found.is.status.st_mode))
		return directory(tree, &found);
	if (is_whiteout(tree, frame, found.name, &found.is.status))
		return report_deleted(tree, &found, found.name);
	look_below(tree, &found);
	return report_file(tree, &found);
}

/* The top has no name: it is only told of where more than what is in it changed. */
static int report_top(struct tree *tree)
{
	struct layer_diff_entry entry = { .kind = LAYER_DIFF_CHANGED, .path = "/" };
	struct found found = { .is.fd = tree->top };
	char xattrs[LAYER_COMPARE_XATTRS];

	if (layer_lower_level(&tree->lower)->n == 0)
		return 0;
	found.was.fd = layer_lower_fd(&tree->lower, 0);
	if (found.was.fd < 0 || fstat(found.was.fd, &found.was.status) < 0 ||
	    fstat(found.is.fd, &found.is.status) < 0)
		return 0;
	entry.changes = compare(tree, &found, false, xattrs) & ~(unsigned int)LAYER_DIFF_TIME;
	if (entry.changes == 0)
		return 0;
	entry.before = side_of(&found.was.status);
	entry.after = side_of(&found.is.status);
	entry.xattrs = xattrs[0] ? xattrs : NULL;
	return tree->job->report(tree->job->argument, &entry);
}

static int run(struct tree *tree)
{
	struct attributes attributes = { 0 };
	int fd = layer_open_directory(tree->top, "."), r;

	if (fd < 0)
		return fd;
	layer_stack_push_text(&tree->path, "", 0);
	r = enter(tree, fd, NULL, &attributes);
	if (r == 0)
		r = report_top(tree);
	while (r == 0 && tree->depth > 0) {
		struct frame *frame = present(tree);

		atomic_fetch_add_explicit(tree->job->progress, 1, memory_order_relaxed);
		if (frame->next < frame->names.n)
			r = one(tree, &frame->names.list[frame->next++]);
		else
			r = leave(tree);
	}
	while (tree->depth > 0) {
		present(tree)->waiting = false;
		leave(tree);
	}
	return r;
}

int layer_tree_compare(const struct layer_tree_job *job, int *ret_error)
{
	const struct layer_source *source = job->source;
	struct tree tree = { .job = job, .top = layer_open_top(source->upper) };
	struct stat status;
	int r = tree.top < 0 ? tree.top : 0;

	if (r == 0 && fstat(tree.top, &status) < 0)
		r = -errno;
	if (r == 0 && ((source->device && status.st_dev != source->device) ||
		       (source->inode && status.st_ino != source->inode)))
		r = -ESTALE;
	if (r == 0 &&
	    (layer_stack_init(&tree.texts, TEXTS_SIZE) < 0 ||
	     layer_stack_init(&tree.items, ITEMS_SIZE) < 0 ||
	     layer_stack_init(&tree.frames, FRAMES_SIZE) < 0 ||
	     layer_stack_init(&tree.path, PATH_SIZE) < 0 ||
	     layer_lower_init(&tree.lower, source->lower, source->n_lower, source->format) < 0))
		r = -ENOMEM;
	if (r == 0)
		r = run(&tree);
	if (tree.error == 0)
		tree.error = tree.lower.error;
	*ret_error = tree.error;
	layer_lower_done(&tree.lower);
	layer_stack_done(&tree.texts);
	layer_stack_done(&tree.items);
	layer_stack_done(&tree.frames);
	layer_stack_done(&tree.path);
	closep(&tree.top);
	return r;
}
