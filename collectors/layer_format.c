// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_format.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "collectors/root.h"
#include "core/cleanup.h"

enum { LIST_MAX = 65536, LIST_USUAL = 1024 };

static const char *const prefixes[][4] = {
	[LAYER_FORMAT_TRUSTED] = { "trusted.overlay." },
	[LAYER_FORMAT_USER] = { "user.overlay." },
	[LAYER_FORMAT_FUSE] = { "user.fuseoverlayfs.", "trusted.overlay.", "user.overlay." },
};

static const struct {
	const char *name;
	unsigned int bit;
} attributes[] = {
	{ "opaque", LAYER_XATTR_OPAQUE },     { "impure", LAYER_XATTR_IMPURE },
	{ "origin", LAYER_XATTR_ORIGIN },     { "metacopy", LAYER_XATTR_METACOPY },
	{ "redirect", LAYER_XATTR_REDIRECT }, { "whiteout", LAYER_XATTR_WHITEOUT },
};

enum layer_format layer_format_of(const struct overlay *overlay)
{
	if (overlay->fstype && strcmp(overlay->fstype, "overlay") != 0)
		return LAYER_FORMAT_FUSE;
	return overlay->userxattr ? LAYER_FORMAT_USER : LAYER_FORMAT_TRUSTED;
}

/* What follows the prefix, or NULL if it is another's. */
static const char *own_name(enum layer_format format, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefixes[format]) && prefixes[format][i]; i++) {
		size_t length = strlen(prefixes[format][i]);

		if (strncmp(name, prefixes[format][i], length) == 0)
			return name + length;
	}
	return NULL;
}

bool layer_xattr_is_overlay(enum layer_format format, const char *name)
{
	const char *own = own_name(format, name);

	/* "overlay.overlay.opaque" belongs to an overlay inside this one: content to us. */
	return own && strncmp(own, "overlay.", 8) != 0;
}

unsigned int layer_xattrs_parse(enum layer_format format, const char *list, size_t length)
{
	unsigned int bits = 0;

	for (size_t at = 0; at < length;) {
		size_t n = strnlen(list + at, length - at);
		const char *own = n < length - at ? own_name(format, list + at) : NULL;

		if (!own)
			bits |= LAYER_XATTR_OTHER;
		for (size_t i = 0; own && i < ARRAY_SIZE(attributes); i++) {
			if (strcmp(own, attributes[i].name) == 0)
				bits |= attributes[i].bit;
		}
		at += n + 1;
	}
	return bits;
}

static ssize_t list(int fd, bool here, const char *name, char *buffer, size_t size)
{
	char path[512];

	if (!name)
		return flistxattr(fd, buffer, size);
	if (here)
		return llistxattr(name, buffer, size);
	if (root_own_path(fd, name, path, sizeof(path)) < 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return llistxattr(path, buffer, size);
}

static int bits_of(enum layer_format format, int fd, bool here, const char *name)
{
	char usual[LIST_USUAL], most[LIST_MAX];
	ssize_t n = list(fd, here, name, usual, sizeof(usual));

	if (n >= 0)
		return (int)layer_xattrs_parse(format, usual, (size_t)n);
	if (errno != ERANGE)
		return -errno;
	n = list(fd, here, name, most, sizeof(most));
	return n < 0 ? -errno : (int)layer_xattrs_parse(format, most, (size_t)n);
}

int layer_xattr_get(enum layer_format format, int fd, const char *name, unsigned int bit,
		    char value[LAYER_XATTR_MAX])
{
	const char *own = NULL;
	char path[512];
	int r = -ENODATA;

	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
		own = attributes[i].bit == bit ? attributes[i].name : own;
	if (!own)
		return -EINVAL;
	if (name && root_own_path(fd, name, path, sizeof(path)) < 0)
		return -ENAMETOOLONG;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes[format]) && prefixes[format][i]; i++) {
		char full[64];
		ssize_t n;

		snprintf(full, sizeof(full), "%s%s", prefixes[format][i], own);
		n = name ? lgetxattr(path, full, value, LAYER_XATTR_MAX - 1)
			 : fgetxattr(fd, full, value, LAYER_XATTR_MAX - 1);
		if (n >= 0) {
			value[n] = '\0';
			return (int)n;
		}
		r = -errno;
		if (r != -ENODATA)
			break;
	}
	return r;
}

int layer_xattrs_of_fd(enum layer_format format, int fd, char *ret_opaque)
{
	int bits = bits_of(format, fd, false, NULL);
	char value[LAYER_XATTR_MAX];

	if (bits < 0)
		return bits;
	*ret_opaque = 0;
	if (bits & LAYER_XATTR_OPAQUE &&
	    layer_xattr_get(format, fd, NULL, LAYER_XATTR_OPAQUE, value) >= 1 &&
	    (value[0] == 'y' || value[0] == 'x'))
		*ret_opaque = value[0];
	return bits;
}

int layer_xattrs_of(enum layer_format format, int fd, bool here, const char *name)
{
	return bits_of(format, fd, here, name);
}

/* "0 0 4294967295": the user namespace that has all users as they are. */
static bool is_first_map(const char *text)
{
	static const unsigned long long expected[] = { 0, 0, UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		char *end;

		if (strtoull(text, &end, 10) != expected[i] || end == text)
			return false;
		text = end;
	}
	return true;
}

bool layer_can_see_trusted(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	struct root *root;
	struct strbuf map;
	bool first = true;

	if (syscall(SYS_capget, &header, data) < 0 || !(data[0].effective & (1u << CAP_SYS_ADMIN)))
		return false;
	/* It must be a capability of the first user namespace, not of one below. */
	if (root_new(NULL, &root) < 0)
		return true;
	strbuf_init(&map);
	if (root_read(root, ROOT_PROC, "self/uid_map", &map) >= 0 && map.data)
		first = is_first_map(map.data);
	strbuf_done(&map);
	root_free(root);
	return first;
}

char layer_wh_name(enum layer_format format, const char *name)
{
	if (format != LAYER_FORMAT_FUSE || strncmp(name, ".wh.", 4) != 0)
		return 0;
	if (strcmp(name, ".wh..wh..opq") == 0)
		return 'o';
	return strncmp(name + 4, ".wh.", 4) == 0 ? 'm' : 'w';
}

bool layer_fstype_is_local(const char *fstype)
{
	static const char *const local[] = { "ext2",  "ext3",	"ext4",	    "xfs",   "btrfs",
					     "tmpfs", "ramfs",	"bcachefs", "f2fs",  "zfs",
					     "jfs",   "nilfs2", "reiserfs", "rootfs" };

	for (size_t i = 0; fstype && i < ARRAY_SIZE(local); i++) {
		if (strcmp(fstype, local[i]) == 0)
			return true;
	}
	return false;
}
