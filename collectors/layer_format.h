/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/overlays.h"

/* How a layer writes down what is special about its files. */
enum layer_format {
	LAYER_FORMAT_TRUSTED, /* trusted.overlay.* */
	LAYER_FORMAT_USER,    /* user.overlay.*: mounted with userxattr */
	LAYER_FORMAT_FUSE,    /* fuse-overlayfs: several xattrs, and names that begin with ".wh." */
};

/* Extended attributes of overlayfs (Documentation/filesystems/overlayfs.rst), bits. */
enum layer_xattrs {
	LAYER_XATTR_OPAQUE = 1 << 0,
	LAYER_XATTR_IMPURE = 1 << 1, /* there may be something with an origin in this directory */
	LAYER_XATTR_ORIGIN = 1 << 2,
	LAYER_XATTR_METACOPY = 1 << 3,
	LAYER_XATTR_REDIRECT = 1 << 4,
	LAYER_XATTR_WHITEOUT = 1 << 5,
	LAYER_XATTR_OTHER = 1 << 6, /* one that is not overlayfs' */
};

/* Longest value that matters, a redirect. */
enum { LAYER_XATTR_MAX = 4096 };

enum layer_format layer_format_of(const struct overlay *overlay);
/* Bits of what a list as of listxattr(2) has. */
unsigned int layer_xattrs_parse(enum layer_format format, const char *list, size_t length);
/* True if `name` is one of overlayfs' own in this format. */
bool layer_xattr_is_overlay(enum layer_format format, const char *name);
/*
 * Bits of an open directory. `ret_opaque` is 'y', 'x' (it holds whiteouts that are files with an
 * xattr) or 0. -errno; -EOPNOTSUPP if the filesystem has none.
 */
int layer_xattrs_of_fd(enum layer_format format, int fd, char *ret_opaque);
/*
 * Bits of `name` in the directory `fd`, links not followed. `here`: it is the current directory,
 * which saves a look through /proc. -errno.
 */
int layer_xattrs_of(enum layer_format format, int fd, bool here, const char *name);
/* Value of the attribute `bit` of `name` in `fd` (of fd itself for NULL), with a NUL. Length or
 * -errno. */
int layer_xattr_get(enum layer_format format, int fd, const char *name, unsigned int bit,
		    char value[LAYER_XATTR_MAX]);
/* Attributes "trusted.*" can be seen: they are hidden, not denied, without CAP_SYS_ADMIN. */
bool layer_can_see_trusted(void);

/* What a name of fuse-overlayfs' says: 0 nothing, 'w' whiteout, 'o' opaque directory, 'm' other
 * bookkeeping. */
char layer_wh_name(enum layer_format format, const char *name);

/* True if the answers of this filesystem (as in mountinfo) depend on no server or other process. */
bool layer_fstype_is_local(const char *fstype);
