/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Opening directories of layers: without following symbolic links or entering other mounts
 * (openat2(2)), and without leaving an access time behind.
 */

/* A directory in `fd`. A descriptor or -errno: -ENOTDIR for what is none, -EXDEV for a mount point.
 */
int layer_open_directory(int fd, const char *name);
/* `path` below the directory `fd`, of any length, "" for itself. A descriptor or -errno. */
int layer_open_below(int fd, const char *path);
/* The top of a layer by its absolute path; here symbolic links are followed. */
int layer_open_top(const char *path);
