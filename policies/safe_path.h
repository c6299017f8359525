/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/*
 * Whether nobody but root and we can put something else at a path: every directory on the way, also
 * those that symbolic links lead through, belongs to root or to us and is not writable for group or
 * others (a sticky one may be, like /tmp: what is in it and ours nobody else can replace), and so
 * does every link. What we read commands from, and what we run, must be like that: CVE-2018-14348
 * was a rules file that others could write.
 */

/* For the directory `path` itself as well. 0, -EPERM or -errno with the reason in `reason`. */
int safe_path_check_directory(const char *path, char *reason, size_t size);
/*
 * The same for a program: an absolute path of a regular file that is executable, belongs to root or
 * to us and is not writable for group or others, in such directories.
 */
int safe_path_check_command(const char *path, char *reason, size_t size);
