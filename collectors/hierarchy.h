/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collectors/root.h"

enum { HIERARCHY_MAX = 32 };

/* One mounted cgroup hierarchy: a v1 one with its controllers, or the v2 tree. */
struct hierarchy {
	bool v2;
	char *name;	    /* "memory", "cpu,cpuacct", "name=systemd"; "unified" for v2 */
	char **controllers; /* NULL-terminated; what the kernel calls them. v2: cgroup.controllers
			     */
	char *mountpoint;
	char *mount_root; /* path of the mounted cgroup inside the hierarchy, "/" as a rule */
	dev_t device;	  /* of the superblock, which tells hierarchies apart */
	int fd;		  /* O_PATH directory, or -errno if it could not be opened */
};

/* A line of /proc/cgroups, or a controller that only the v2 tree lists. */
struct controller {
	char *name;
	uint32_t hierarchy_id; /* 0: not mounted as v1 */
	uint32_t n_cgroups;
	bool enabled;
	int hierarchy; /* index of the hierarchy it can be used in, or -1 */
};

struct hierarchies {
	unsigned int n;
	struct hierarchy list[HIERARCHY_MAX]; /* v2 first, then in the order of mountinfo */
	unsigned int n_controllers;
	struct controller *controllers;
};

/*
 * Finds every cgroup mount in /proc/self/mountinfo by filesystem type and superblock options (never
 * by the name of the mount point) and joins /proc/cgroups. A hierarchy mounted several times counts
 * once, with the mount that shows most of it. -ENOENT if no cgroup filesystem is mounted.
 */
int hierarchies_new(const struct root *root, struct hierarchies **ret_hierarchies);
void hierarchies_free(struct hierarchies *hierarchies);
/* Where a controller is ("memory", "name=systemd"); NULL if nowhere. */
const struct hierarchy *hierarchies_find(const struct hierarchies *hierarchies,
					 const char *controller);
/* The v2 tree, or NULL. */
const struct hierarchy *hierarchies_v2(const struct hierarchies *hierarchies);
bool hierarchy_has(const struct hierarchy *hierarchy, const char *controller);
/*
 * A node's path relative to the descriptor of any hierarchy that has it: without the leading '/',
 * "." for the top. Paths of nodes start at the top of the mounts.
 */
const char *hierarchy_relative(const char *path);
/*
 * Paths of a process in every hierarchy, by index into list, from /proc/PID/cgroup ("self" if pid
 * is 0), as paths of nodes. NULL where it has none or one that the mount does not show; free each.
 * 0 or -errno.
 */
int hierarchies_of_process(const struct hierarchies *hierarchies, const struct root *root,
			   pid_t pid, char *ret_paths[HIERARCHY_MAX]);
/* The same from that file's text, which it changes (NULL: no paths). */
void hierarchies_parse_paths(const struct hierarchies *hierarchies, char *text,
			     char *ret_paths[HIERARCHY_MAX]);
/*
 * The one path that names a process's cgroup: on a hybrid host v2 may say "/" for everything, then
 * the first v1 path that says more. Takes the paths over. The caller frees it; NULL if there is
 * none.
 */
char *hierarchies_choose_path(char *paths[HIERARCHY_MAX]);
/*
 * The same path first, and behind it those where other hierarchies of a v1 or hybrid host have the
 * process elsewhere; one that only leads to another ("/a" to "/a/b") says nothing new. Frees the
 * rest. Returns how many are left at the start of `paths`.
 */
unsigned int hierarchies_distinct_paths(char *paths[HIERARCHY_MAX]);
