// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_walk_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* So many of a directory's latest links a name is compared with. */
enum { LINKS_NEAR = 4 };

/* The lower layers of the directory being read. False if they cannot be told. */
static bool lower_here(struct layer_walk *walk)
{
	if (walk->source->n_lower == 0)
		return false;
	if (walk->lower.depth == 0 && layer_lower_top(&walk->lower) < 0)
		return false;
	while (walk->lower.depth < walk->depth) {
		const struct layer_frame *frame = layer_frame_at(walk, walk->lower.depth);
		struct layer_above above = {
			.name = walk->names.base + frame->name,
			.opaque = frame->opaque,
			.redirect = frame->redirect != SIZE_MAX ? walk->names.base + frame->redirect
								: NULL,
		};

		if (layer_lower_enter(&walk->lower, &above) < 0)
			return false;
	}
	return true;
}

/*
 * Without an origin. Where attributes can be seen it was made here, but for a file that has other
 * names in its lower layer: copying up breaks the link and leaves no origin (ovl_do_copy_up()).
 */
static bool came_from_below(struct layer_walk *walk, const char *name, mode_t mode)
{
	bool blind = walk->no_xattrs || walk->source->blind;
	struct stat below;

	if (!blind && (!S_ISREG(mode) || walk->source->format == LAYER_FORMAT_FUSE))
		return false;
	if (!lower_here(walk) || layer_lower_find(&walk->lower, name, &below, NULL) != 1)
		return false;
	if ((below.st_mode & S_IFMT) != (mode & S_IFMT))
		return false;
	return blind || below.st_nlink > 1;
}

static bool enter_cwd(const struct layer_walk *walk, struct layer_frame *frame)
{
	if (!frame->here && walk->options.own_cwd)
		frame->here = fchdir(frame->fd) == 0;
	return frame->here;
}

/* Asks the filesystem, and the lower layers. */
static unsigned int find_attributes(struct layer_walk *walk, struct layer_frame *frame,
				    const char *name, mode_t mode)
{
	unsigned int bits = 0;

	if (frame->impure && !walk->no_xattrs) {
		int r = layer_xattrs_of(walk->source->format, frame->fd, enter_cwd(walk, frame),
					name);

		if (r < 0 && r != -ENOENT && r != -EOPNOTSUPP)
			layer_walk_note(walk, r);
		bits = r < 0 ? 0 : (unsigned int)r;
	}
	if (!(bits & LAYER_XATTR_ORIGIN) && came_from_below(walk, name, mode))
		bits |= LAYER_XATTR_ORIGIN;
	return bits;
}

/* Bits of enum layer_xattrs of a name, as far as they matter in its directory. */
static unsigned int attributes_of(struct layer_walk *walk, struct layer_frame *frame,
				  const char *name, const struct stat *status)
{
	bool blind = walk->no_xattrs || walk->source->blind;
	struct layer_known *known = blind ? NULL : walk->options.known;
	uint64_t key = layer_walk_key(walk, status->st_dev, status->st_ino);
	unsigned int bits;

	/* Whatever came from below makes its directory impure. */
	if (!frame->impure && !blind)
		return 0;
	if (known && layer_known_get(known, key, status, &bits))
		return bits;
	bits = find_attributes(walk, frame, name, status->st_mode);
	if (known)
		layer_known_put(known, key, status, bits);
	return bits;
}

/* An inode with several names goes into the directory's list of links instead of its sum. */
static void add_inode(struct layer_walk *walk, struct layer_sum *sum, const struct layer_link *one)
{
	struct layer_link *list = (struct layer_link *)(void *)walk->links.base, *link;
	size_t n = walk->links.used / sizeof(*list);

	if (one->nlink < 2 && !one->whiteout) {
		sum->inodes++;
		sum->bytes += one->bytes;
		sum->apparent_bytes += one->apparent_bytes;
		sum->copied_up_bytes += one->copied_up_bytes;
		return;
	}
	for (size_t i = n; i > 0 && i + LINKS_NEAR > n; i--) {
		if (list[i - 1].key == one->key) {
			list[i - 1].names++;
			return;
		}
	}
	link = layer_stack_push(&walk->links, sizeof(*link));
	if (!link) {
		layer_walk_note(walk, -ENOMEM);
		return;
	}
	*link = *one;
	link->names = 1;
}

static void count_kind(struct layer_sum *sum, mode_t mode)
{
	if (S_ISREG(mode))
		sum->files++;
	else if (S_ISLNK(mode))
		sum->symlinks++;
	else
		sum->specials++;
}

/* A whiteout that is a file: with an xattr in a directory that may have such, or by its name. */
static bool is_file_whiteout(struct layer_walk *walk, struct layer_frame *frame, const char *name,
			     const struct stat *status)
{
	int bits;

	if (layer_wh_name(walk->source->format, name) == 'w')
		return true;
	if (!frame->xwhiteouts || !S_ISREG(status->st_mode) || status->st_size != 0)
		return false;
	bits = layer_xattrs_of(walk->source->format, frame->fd, enter_cwd(walk, frame), name);
	if (bits < 0 || !(bits & LAYER_XATTR_WHITEOUT))
		return false;
	frame->sum.xattr_whiteouts++;
	return true;
}

static void count_entry(struct layer_walk *walk, struct layer_frame *frame, const char *name,
			const struct stat *status)
{
	struct layer_sum *sum = &frame->sum;
	struct layer_link inode = {
		.key = layer_walk_key(walk, status->st_dev, status->st_ino),
		.bytes = (uint64_t)status->st_blocks * 512,
		.apparent_bytes = (uint64_t)status->st_size,
		.nlink = (uint32_t)status->st_nlink,
	};

	if (S_ISCHR(status->st_mode) && status->st_rdev == 0) {
		inode.whiteout = true;
		sum->whiteouts++;
	} else if (is_file_whiteout(walk, frame, name, status)) {
		sum->whiteouts++;
	} else {
		unsigned int bits = attributes_of(walk, frame, name, status);

		count_kind(sum, status->st_mode);
		sum->copied_up += (bits & LAYER_XATTR_ORIGIN) != 0;
		sum->created += !(bits & LAYER_XATTR_ORIGIN);
		sum->metacopy += (bits & LAYER_XATTR_METACOPY) != 0;
		sum->redirected += (bits & LAYER_XATTR_REDIRECT) != 0;
		if (bits & LAYER_XATTR_ORIGIN && !(bits & LAYER_XATTR_METACOPY))
			inode.copied_up_bytes = inode.apparent_bytes;
	}
	if (S_ISREG(status->st_mode) && frame->node != LAYER_NO_NODE)
		layer_hot_note(walk, frame->node, name, status);
	add_inode(walk, sum, &inode);
}

/* The kernel makes all whiteouts of an overlay names of one inode: known by its number alone. */
static bool is_known_whiteout(struct layer_walk *walk, const struct layer_frame *frame,
			      const struct dirent64 *entry)
{
	struct layer_link *list = (struct layer_link *)(void *)walk->links.base;
	size_t n = walk->links.used / sizeof(*list);
	uint64_t key = layer_walk_key(walk, frame->device, entry->d_ino);

	for (size_t i = n; i > 0 && i + LINKS_NEAR > n; i--) {
		if (list[i - 1].key == key && list[i - 1].whiteout) {
			list[i - 1].names++;
			return true;
		}
	}
	return false;
}

static void found_directory(struct layer_walk *walk, struct layer_frame *frame,
			    const struct dirent64 *entry)
{
	frame->sum.directories++;
	if (layer_account_see(&walk->account, frame->node,
			      layer_walk_key(walk, frame->device, entry->d_ino)))
		return;
	if (layer_stack_push_text(&walk->names, entry->d_name, strlen(entry->d_name)) == SIZE_MAX)
		layer_walk_note(walk, -ENOMEM);
}

void layer_walk_found(struct layer_walk *walk, struct layer_frame *frame,
		      const struct dirent64 *entry)
{
	const char *name = entry->d_name;
	struct stat status;
	char wh;

	if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0')))
		return;
	if (entry->d_type == DT_DIR) {
		found_directory(walk, frame, entry);
		return;
	}
	if (entry->d_type == DT_CHR && is_known_whiteout(walk, frame, entry)) {
		frame->sum.whiteouts++;
		return;
	}
	wh = layer_wh_name(walk->source->format, name);
	if (wh == 'o' && !frame->opaque) {
		frame->opaque = true;
		frame->sum.opaque += frame->name != SIZE_MAX;
	}
	if (wh == 'o' || wh == 'm')
		return;
	if (fstatat(frame->fd, name, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
		if (errno != ENOENT)
			layer_walk_note(walk, -errno);
		return;
	}
	if (S_ISDIR(status.st_mode))
		found_directory(walk, frame, entry);
	else
		count_entry(walk, frame, name, &status);
}
