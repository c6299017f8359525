/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/overlays.h"

/* What a writable layer says about one path. */
enum layer_diff_kind {
	LAYER_DIFF_ADDED,   /* no lower layer has it */
	LAYER_DIFF_CHANGED, /* a lower layer has it too; `changes` says in what they differ */
	LAYER_DIFF_DELETED, /* a whiteout */
	LAYER_DIFF_HIDDEN,  /* a lower layer has it, in a directory that was replaced (opaque) */
	LAYER_DIFF_RENAMED, /* a directory of a lower layer that had the name `from` (redirect) */
	LAYER_DIFF_KIND_COUNT,
};

/* In what it differs from what lies below; bits. */
enum layer_diff_changes {
	LAYER_DIFF_CONTENT = 1 << 0, /* of a file or the target of a symbolic link */
	LAYER_DIFF_TYPE = 1 << 1,    /* it was of another kind, as a directory */
	LAYER_DIFF_MODE = 1 << 2,
	LAYER_DIFF_OWNER = 1 << 3,
	LAYER_DIFF_TIME = 1 << 4,	/* of the last modification */
	LAYER_DIFF_XATTRS = 1 << 5,	/* others than capabilities and overlayfs' own */
	LAYER_DIFF_CAPABILITY = 1 << 6, /* security.capability */
	LAYER_DIFF_DEVICE = 1 << 7,	/* number of a device node */
	LAYER_DIFF_REPLACED = 1 << 8,	/* the directory hides what was in the lower one */
};

/* How it was or is. */
struct layer_diff_side {
	uint32_t mode; /* st_mode; 0: there is none */
	uint32_t uid, gid;
	uint64_t size;
	int64_t mtime_ns;
};

struct layer_diff_entry {
	enum layer_diff_kind kind;
	char docker;	      /* what `docker diff` shows for it: 'A', 'C' or 'D'; 0: nothing */
	bool metacopy;	      /* only its metadata were copied up */
	unsigned int changes; /* enum layer_diff_changes, of CHANGED */
	struct layer_diff_side before, after;
	const char *path;   /* from the overlay's top, "/etc/passwd": bytes from outside */
	const char *from;   /* of RENAMED, else NULL */
	const char *xattrs; /* names of those that differ, with commas between, or NULL */
};

struct layer_diff_options {
	const atomic_bool *cancel; /* set by another thread; may be NULL */
	uint64_t stuck_ns;	   /* without an answer for so long: -ETIMEDOUT. 0: 15 s */
	bool no_content;	   /* do not read files of the same size to compare them */
};

/* Anything but 0 ends the run. Texts are only there during the call. */
typedef int layer_diff_report(void *argument, const struct layer_diff_entry *entry);

/*
 * Compares the upper layer of an overlay with the lower ones, through the resolved paths of its
 * layers. A directory comes before what is in it (but one in which only what docker does not show
 * was changed, as an xattr, comes after it), names in a directory sorted by bytes. All reading is
 * done in a child process, so that a filesystem that does not answer holds up nobody; memory is
 * bounded by the largest directory.
 *
 * 0; what `report` returned; -ECANCELED; -ETIMEDOUT: a filesystem does not answer; -ENOENT: it has
 * no upper layer, or it is not there; or -errno. `ret_error` (may be NULL) is 0, or the first
 * -errno of something that could not be read although the run went on.
 */
int layer_diff_run(const struct overlay *overlay, const struct layer_diff_options *options,
		   layer_diff_report *report, void *argument, int *ret_error);

/* "added", "changed", …: static text. */
const char *layer_diff_kind_name(enum layer_diff_kind kind);
/* 'A', 'C', 'D', 'H', 'R'. */
char layer_diff_kind_letter(enum layer_diff_kind kind);
/* Name of one bit of enum layer_diff_changes ("mode"); NULL for no such bit. */
const char *layer_diff_change_name(unsigned int bit);
