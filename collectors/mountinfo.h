/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "core/strbuf.h"

/* One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)), unescaped. Points into the caller's
 * text. */
struct mount_line {
	unsigned long id, parent_id;
	dev_t device;
	char *root, *mountpoint, *options, *fstype, *source, *super_options;
};

/*
 * Takes the next line off `*text`, which it changes in place (NULs, octal escapes undone). Returns
 * 1 with a line, 0 at the end. A line of another form is skipped.
 */
int mountinfo_next(char **text, struct mount_line *ret_line);
/* True if `options` (comma-separated) holds `word` alone. */
int mount_has_option(const char *options, const char *word);
