/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "core/strbuf.h"

/*
 * One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). Points into the caller's text.
 * Unescaped, but for super_options: there an octal escape may stand for a comma that separates
 * nothing.
 */
struct mount_line {
	unsigned long id, parent_id;
	dev_t device;
	char propagation; /* 's'hared, 'm'aster (a slave), 'u'nbindable, 'p'rivate */
	char *root, *mountpoint, *options, *fstype, *source, *super_options;
};

/*
 * Takes the next line off `*text`, which it changes in place (NULs, octal escapes undone). Returns
 * 1 with a line, 0 at the end. A line of another form is skipped.
 */
int mountinfo_next(char **text, struct mount_line *ret_line);
/* Undoes \040 and its like in place: the kernel escapes space, tab, newline, backslash and more. */
void mountinfo_unescape(char *text);
/* True if `options` (comma-separated) holds `word` alone. */
int mount_has_option(const char *options, const char *word);
