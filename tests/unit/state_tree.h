/* SPDX-License-Identifier: MIT */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collectors/root.h"
#include "collectors/runtime_scan.h"

/*
 * A machine's state files below a temporary directory. Include after cmocka.h. Nothing here fails:
 * what goes wrong ends the test.
 */
#define HEX8(digits)	digits digits digits digits digits digits digits digits
#define HEX(two_digits) HEX8(two_digits) HEX8(two_digits) HEX8(two_digits) HEX8(two_digits)

struct state_tree {
	char top[64];
	struct root *root;
	struct runtime_scanner *scanner;
	struct overlays *overlays;
};

static inline void tree_path(const struct state_tree *tree, const char *path, char *full,
			     size_t size)
{
	assert_in_range(snprintf(full, size, "%s%s", tree->top, path), 1, size - 1);
}

/* A directory with all above it. */
static inline void tree_dir(const struct state_tree *tree, const char *path)
{
	char full[1024];

	tree_path(tree, path, full, sizeof(full));
	for (char *at = full + strlen(tree->top); at && *at;) {
		at = strchr(at + 1, '/');
		if (at)
			*at = '\0';
		(void)mkdir(full, 0755);
		if (at)
			*at = '/';
	}
}

/* Sets the time of change to `seconds` ago. */
static inline void tree_age(const struct state_tree *tree, const char *path, time_t seconds)
{
	struct timespec times[2] = { { time(NULL) - seconds, 0 }, { time(NULL) - seconds, 0 } };
	char full[1024];

	tree_path(tree, path, full, sizeof(full));
	assert_int_equal(utimensat(AT_FDCWD, full, times, AT_SYMLINK_NOFOLLOW), 0);
}

static inline void tree_put_bytes(const struct state_tree *tree, const char *path,
				  const void *bytes, size_t size)
{
	char full[1024], parent[1024];
	FILE *file;

	(void)snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	tree_dir(tree, parent);
	tree_path(tree, path, full, sizeof(full));
	/* As runtimes do it: a new file in the place of the old. */
	(void)unlink(full);
	file = fopen(full, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static inline void tree_put(const struct state_tree *tree, const char *path, const char *text)
{
	tree_put_bytes(tree, path, text, strlen(text));
}

static inline void tree_link(const struct state_tree *tree, const char *path, const char *target)
{
	char full[1024];

	tree_path(tree, path, full, sizeof(full));
	assert_int_equal(symlink(target, full), 0);
}

static inline int tree_remove_one(const char *path, const struct stat *status, int type,
				  struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static inline void tree_remove(const struct state_tree *tree, const char *path)
{
	char full[1024];

	tree_path(tree, path, full, sizeof(full));
	assert_int_equal(nftw(full, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline int tree_setup(void **state)
{
	struct state_tree *tree = calloc(1, sizeof(*tree));

	assert_non_null(tree);
	strcpy(tree->top, "/tmp/cgwatch-state-XXXXXX");
	assert_non_null(mkdtemp(tree->top));
	tree_put(tree, "/proc/self/mountinfo",
		 "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
		 "21 20 8:2 / /var/lib/docker rw - xfs /dev/sda2 rw,prjquota\n"
		 "22 20 0:40 / /srv/net rw - nfs4 server:/ rw\n");
	assert_int_equal(root_new(tree->top, &tree->root), 0);
	tree->overlays = overlays_new();
	assert_non_null(tree->overlays);
	*state = tree;
	return 0;
}

static inline int tree_teardown(void **state)
{
	struct state_tree *tree = *state;

	runtime_scanner_free(tree->scanner);
	root_free(tree->root);
	overlays_unref(tree->overlays);
	tree_remove(tree, "");
	free(tree);
	return 0;
}

/* An overlay with these layers, the upper (may be NULL) first. */
static inline void tree_mount(struct state_tree *tree, const char *upper, const char *lower)
{
	struct overlays *set = tree->overlays;
	struct overlay *list = arena_array(&set->arena, set->n + 1, sizeof(*list));
	struct overlay_layer *layers = arena_array(&set->arena, 2, sizeof(*layers));
	uint32_t n = 0;

	assert_true(list && layers);
	if (set->n)
		memcpy(list, set->list, set->n * sizeof(*list));
	if (upper)
		layers[n++] = (struct overlay_layer){ .kind = OVERLAY_UPPER, .path = upper };
	if (lower)
		layers[n++] = (struct overlay_layer){ .kind = OVERLAY_LOWER, .path = lower };
	list[set->n] = (struct overlay){ .layers = layers, .n_layers = n };
	set->list = list;
	set->n++;
}

/* A pass; the scanner is made at the first. The caller owns the reference. */
static inline struct containers *tree_scan(struct state_tree *tree, bool orphans)
{
	const struct runtime_options options = { .orphans = orphans };
	struct containers *set = NULL;

	if (!tree->scanner)
		assert_int_equal(runtime_scanner_new(tree->root, &options, &tree->scanner), 0);
	assert_int_equal(runtime_scanner_scan(tree->scanner, tree->overlays, &set), 0);
	return set;
}

static inline void assert_text(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_non_null(got);
	if (want)
		assert_string_equal(got, want);
}
