/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/overlays.h"

/*
 * Overlays on a tmpfs of the test's own, in a mount namespace of its own: everything goes with the
 * test's process, and the empty directory that it is mounted on when the scene is done.
 */
struct scene {
	char top[64]; /* has lower, lower2, upper, work, merged */
	char option_text[512];
	char paths[4][128]; /* upper, lower, lower2, work */
	struct overlay overlay;
	struct overlay_layer layers[3];
	struct overlays set;
	int error; /* of mounting */
};

/* cmocka setup (the group's: enters the mount namespace) and teardown; *state is a struct scene. */
int scene_setup(void **state);
int scene_teardown(void **state);

/* Starts over: empty layers, nothing mounted. */
void scene_reset(struct scene *scene);
/* Mounts the overlay with further options ("" or ",redirect_dir=on"). False, with the reason
 * printed, if this kernel does not want to. */
bool scene_mount(struct scene *scene, const char *options);
/*
 * Mounts another overlay in `dir` (which has upper, work, merged) over the directory `lower`, and
 * makes it the one that is described and counted.
 */
void scene_mount_inner(struct scene *scene, const char *lower, const char *dir);
void scene_unmount(struct scene *scene);
/*
 * Mounts a FUSE filesystem at `name` whose server never answers. Its descriptor, or -1 if this
 * kernel has none; closing it lets go everybody who waits.
 */
int scene_mount_dead(const struct scene *scene, const char *name);
/* The path of a name below the top; static memory for the last four. */
const char *scene_path(const struct scene *scene, const char *name);

/* Things to do with names below the top; they fail the test if they fail. */
void scene_write(const struct scene *scene, const char *name, const char *text);
void scene_append(const struct scene *scene, const char *name, const char *text);
void scene_mkdir(const struct scene *scene, const char *name);
void scene_remove(const struct scene *scene, const char *name);
void scene_rename(const struct scene *scene, const char *from, const char *to);
bool scene_exists(const struct scene *scene, const char *name);
/* It is a whiteout (in the upper layer). */
bool scene_is_whiteout(const struct scene *scene, const char *name);
/* It has that attribute of overlayfs ("origin") in either name space. */
bool scene_has(const struct scene *scene, const char *name, const char *attribute);

/* What a plain walk by paths counts in the upper layer: names, blocks and attributes. */
struct layer_usage scene_count(const struct scene *scene);
/* Both say the same; but `created` and `copied_up` are the caller's to check. */
void scene_assert_same(const struct layer_usage *usage, const struct layer_usage *counted);
/* Measures the scene's upper layer to the end, and compares it with scene_count(). */
struct layer_usage scene_measure(struct scene *scene);
/*
 * Waits (at most two minutes) until this process has no thread but its own: one of the idle class
 * may be let go by its keeper before it had a chance to end on a busy machine, and frees what is
 * its own afterwards.
 */
void scene_wait_threads(void);
