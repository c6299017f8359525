/* SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/strbuf.h"

/*
 * Where the kernel's files are: this machine, or a recorded tree below a prefix. Every access to
 * /proc and /sys goes through here, so that all of the program runs on a fixture.
 */
struct root;

/*
 * True for errors that say that we are short of descriptors or memory: then nothing was learnt of
 * the thing itself, and it must not be taken for gone.
 */
static inline bool root_is_short(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

enum root_place { ROOT_PROC, ROOT_SYS };

/* `prefix` NULL or "" is this machine. -errno if it is not a directory with a proc in it. */
int root_new(const char *prefix, struct root **ret_root);
void root_free(struct root *root);
/* True for a recorded tree: then nothing may be written and no process be signalled. */
bool root_is_recorded(const struct root *root);
/* Opens a path relative to /proc or /sys; O_CLOEXEC is added. A descriptor or -errno. */
int root_open(const struct root *root, enum root_place place, const char *path, int flags);
/* Opens an absolute path of the machine, as a mount point from mountinfo. A descriptor or -errno.
 */
int root_open_absolute(const struct root *root, const char *path, int flags);
/* The whole file into `buffer` (appended). 0 or -errno. */
int root_read(const struct root *root, enum root_place place, const char *path,
	      struct strbuf *buffer);
/* The same relative to any directory descriptor. */
int read_file_at(int dir_fd, const char *path, struct strbuf *buffer);
/* Target of a symbolic link, NUL-terminated. Length or -errno. */
ssize_t root_readlink(const struct root *root, enum root_place place, const char *path,
		      char *target, size_t size);
/* The absolute path of a file of /proc or /sys as this process can open it, into `text` (appended).
 */
void root_path(const struct root *root, enum root_place place, const char *path,
	       struct strbuf *text);
/*
 * The path of one of this thread's own open files, or of `name` in it (may be NULL), for calls that
 * take no descriptor: /proc/thread-self/fd/…, always of this machine. 0 or -ENAMETOOLONG.
 */
int root_own_path(int fd, const char *name, char *path, size_t size);
/* Of whoever opens it: how readily it is killed when memory is short (proc_pid_oom_score_adj(5)).
 */
extern const char root_own_oom_score[];
/*
 * Opens an absolute path that may lead through the root of another process, as root_path() writes
 * it: whatever symbolic links are put there, they do not lead out of that root. A descriptor or
 * -errno.
 */
int root_open_foreign(const char *path, int flags);
