/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/mount_table.h"
#include "core/arena.h"
#include "core/overlays.h"

/* Where the module's parameters differ from off; the kernel shows only what differs from them. */
struct overlay_defaults {
	bool redirect_dir, metacopy, index;
};

struct overlay_option_layer {
	enum overlay_layer_kind kind;
	const char *path; /* unescaped */
};

/* What the options of an overlay mount say. */
struct overlay_options {
	struct arena arena;		     /* all texts */
	struct overlay_option_layer *layers; /* from the top: upper, lowers, data-only; free() */
	size_t n_layers;
	const char *work;    /* or NULL */
	const char *options; /* all others, "rw,xino=off" */
	bool read_only, userxattr, metacopy, redirect_dir, index, is_volatile;
	size_t option_bytes; /* of the layers and the work directory, names and commas included */
};

/*
 * Reads an entry's options in all their forms: mountinfo's with octal escapes or statmount's array
 * without; lowerdir= with colons and backslashes, "::" before data-only layers, or lowerdir+= and
 * datadir+=, one path each. What is not known goes into `options`. `defaults` may be NULL. -ENOMEM.
 */
int overlay_options_parse(const struct mount_entry *entry, const struct overlay_defaults *defaults,
			  struct overlay_options *ret_options);
/*
 * The same of fuse-overlayfs, whose mount does not show layers: `cmdline` is the daemon's (NULs
 * between arguments). `entry` gives the other options. 0; -ENOENT if it mounts elsewhere than
 * `mountpoint`; -ENOMEM.
 */
int overlay_options_parse_fuse(const struct mount_entry *entry, const char *cmdline, size_t length,
			       struct overlay_options *ret_options);
void overlay_options_done(struct overlay_options *options);
