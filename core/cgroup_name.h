/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What the names in a cgroup's path say beyond its kind. Pure; paths are bytes from outside. */

enum { POD_UID_SIZE = 37 };

/*
 * The user whose cgroup it is or lives in, by the last user-UID.slice or user@UID.service of the
 * path (user@.service(5)): also the owner of rootless containers. False: the system's.
 */
bool cgroup_user(const char *path, uid_t *ret_uid);
/*
 * The uid of the Kubernetes pod it is or lives in: "4f9c1e52-7b0a-…" for both of kubelet's cgroup
 * drivers, or the 32 digits of a static pod's hash.
 */
bool cgroup_pod_uid(const char *path, char ret_uid[POD_UID_SIZE]);
/* Undoes \x2d and its like of unit names (systemd-escape(1)). The length, or -ENAMETOOLONG. */
ssize_t unit_unescape(const char *name, size_t length, char *text, size_t size);
/* The name of the unit behind a directory's name: without the "_" of names the kernel could use. */
const char *unit_of_directory(const char *name);
