/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A mount namespace of the test's own with a tmpfs in it, and the library's table and scanner. Each
 * test runs twice where the kernel has statmount(): with it and with mountinfo. Nothing is left
 * behind: all mounts are the namespace's, and it ends with the test.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectors/mount_space.h"
#include "collectors/overlay_scan.h"

enum { SCENE_CHILDREN = 8 };

struct scene {
	bool by_mountinfo;
	char dir[64];
	uint64_t own_ns;
	struct root *root;
	struct mount_table *table;
	struct overlay_scanner *scanner;
	struct overlays *set;
	struct mount_ns spaces[SCENE_CHILDREN]; /* to look into beside our own */
	size_t n_spaces;
	struct namespaces *namespaces; /* NULL, or made by scene_know() */
	pid_t children[SCENE_CHILDREN];
	size_t n_children;
};

#define must(call)                                                                             \
	do {                                                                                   \
		if ((call) < 0)                                                                \
			fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, #call, strerror(errno)); \
	} while (0)

static inline uint64_t scene_ns_of(pid_t pid)
{
	char path[64];
	struct stat info;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	must(stat(path, &info));
	return info.st_ino;
}

/* Once a program: from here on nothing it mounts is seen outside. */
static inline int scene_group_setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		fprintf(stderr, "a mount namespace of our own: %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

static inline int scene_setup(void **state)
{
	const bool *by_mountinfo = *state;
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	scene->by_mountinfo = *by_mountinfo;
	strcpy(scene->dir, "/tmp/cgwatch-test-XXXXXX");
	assert_non_null(mkdtemp(scene->dir));
	must(mount("tmpfs", scene->dir, "tmpfs", 0, NULL));
	must(chdir(scene->dir));
	scene->own_ns = scene_ns_of(getpid());
	must(root_new(NULL, &scene->root));
	must(mount_table_new(scene->root, &scene->table));
	must(overlay_scanner_new(scene->root, &scene->scanner));
	if (scene->by_mountinfo)
		mount_table_use_mountinfo(scene->table);
	*state = scene;
	return 0;
}

static inline void scene_end_children(struct scene *scene)
{
	for (size_t i = 0; i < scene->n_children; i++) {
		kill(scene->children[i], SIGKILL);
		waitpid(scene->children[i], NULL, 0);
	}
	scene->n_children = 0;
}

static inline int scene_teardown(void **state)
{
	struct scene *scene = *state;

	scene_end_children(scene);
	overlays_unref(scene->set);
	namespaces_unref(scene->namespaces);
	overlay_scanner_free(scene->scanner);
	mount_table_free(scene->table);
	root_free(scene->root);
	if (chdir("/") < 0 || umount2(scene->dir, MNT_DETACH) < 0 || rmdir(scene->dir) < 0)
		fprintf(stderr, "%s was not removed: %s\n", scene->dir, strerror(errno));
	free(scene);
	return 0;
}

static inline void scene_mkdir(const char *path)
{
	must(mkdir(path, 0755));
}

/* Directories by name, up to a NULL. */
static inline void scene_mkdirs(const char *const *paths)
{
	for (; *paths; paths++)
		scene_mkdir(*paths);
}
#define MKDIRS(...) scene_mkdirs((const char *const[]){ __VA_ARGS__, NULL })

/* index=off: some tests do what an index would refuse. */
static inline void scene_overlay(const char *at, const char *options)
{
	if (mount("overlay", at, "overlay", 0, options) < 0)
		fail_msg("overlay at %s with %s: %s", at, options, strerror(errno));
}

static inline void scene_scan(struct scene *scene)
{
	overlays_unref(scene->set);
	scene->set = NULL;
	assert_int_equal(mount_table_refresh(scene->table, scene->spaces, scene->n_spaces), 0);
	assert_int_equal(overlay_scanner_build(scene->scanner, scene->table, scene->namespaces,
					       NULL, &scene->set),
			 0);
	assert_true(scene->set->by_statmount == !scene->by_mountinfo);
}

/* The overlay that is to be seen at that path. */
static inline const struct overlay *scene_find(const struct scene *scene, const char *path)
{
	const struct overlay *overlay;
	struct stat info;

	must(stat(path, &info));
	overlay = overlays_find_device(scene->set, info.st_dev);
	if (!overlay)
		fail_msg("the overlay at %s is not in the set", path);
	return overlay;
}

/* A layer is the directory that it should be: by the kernel's own word. */
static inline void scene_check_layer(const struct overlay *overlay, uint32_t index,
				     const char *name)
{
	const struct overlay_layer *layer;
	struct stat info;

	assert_true(index < overlay->n_layers);
	layer = &overlay->layers[index];
	must(stat(name, &info));
	assert_false(layer->missing);
	if (layer->device != info.st_dev || layer->inode != info.st_ino)
		fail_msg("layer %u is %s, not %s", index, layer->path, name);
	assert_non_null(layer->resolved);
	must(stat(layer->resolved, &info));
	assert_true(layer->inode == info.st_ino);
}

/* Overlay mounts of our own namespace: what mountinfo says, read in the simplest way. */
static inline uint32_t scene_count_mountinfo(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	size_t size = 0;
	uint32_t n = 0;
	char *line = NULL;

	assert_non_null(file);
	while (getline(&line, &size, file) > 0)
		n += strstr(line, " - overlay ") != NULL;
	free(line);
	fclose(file);
	return n;
}

static inline uint32_t scene_count_set(const struct scene *scene)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < scene->set->n; i++) {
		for (uint32_t m = 0; m < scene->set->list[i].n_mounts; m++)
			n += scene->set->list[i].mounts[m].mount_ns == scene->own_ns;
	}
	return n;
}

/* Runs `work` in a child, which says when it is done and then waits for its end. */
static inline pid_t scene_start(struct scene *scene, int (*work)(const struct scene *scene))
{
	int ready[2];
	char byte = 1;
	pid_t pid;

	must(pipe2(ready, O_CLOEXEC));
	fflush(NULL);
	pid = fork();
	must(pid);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		if (work(scene) < 0) {
			fprintf(stderr, "child: %s\n", strerror(errno));
			_exit(1);
		}
		byte = 0;
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(scene->n_children < SCENE_CHILDREN);
	scene->children[scene->n_children++] = pid;
	close(ready[1]);
	while (read(ready[0], &byte, 1) < 0 && errno == EINTR)
		continue;
	close(ready[0]);
	if (byte != 0)
		fail_msg("the child could not set its scene");
	return pid;
}

static inline int scene_compare_ns(const void *a, const void *b)
{
	const struct ns_namespace *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

/* Processes as the namespace scanner would tell of them; pids must rise. */
static inline void scene_know(struct scene *scene, const pid_t *pids, uint32_t n)
{
	struct namespaces *set = namespaces_new();

	assert_non_null(set);
	namespaces_unref(scene->namespaces);
	scene->namespaces = set;
	set->list = arena_array(&set->arena, n + 1, sizeof(*set->list));
	set->processes = arena_array(&set->arena, n, sizeof(*set->processes));
	set->list[set->n++] = (struct ns_namespace){ .inode = scene->own_ns, .host = true };
	for (uint32_t i = 0; i < n; i++) {
		uint64_t inode = scene_ns_of(pids[i]);
		bool known = false;

		for (uint32_t k = 0; k < set->n; k++)
			known |= set->list[k].inode == inode;
		if (!known)
			set->list[set->n++] = (struct ns_namespace){ .inode = inode };
	}
	qsort(set->list, set->n, sizeof(*set->list), scene_compare_ns);
	set->first[NS_MNT] = 0;
	for (int type = NS_MNT + 1; type <= NS_TYPE_COUNT; type++)
		set->first[type] = set->n;
	for (int type = 0; type < NS_TYPE_COUNT; type++)
		set->host[type] = NS_NONE;
	set->host[NS_MNT] = namespaces_find(set, NS_MNT, scene->own_ns);
	for (uint32_t i = 0; i < n; i++) {
		struct ns_process *process = &set->processes[set->n_processes++];
		char path[64];
		struct stat info;

		snprintf(path, sizeof(path), "/proc/%d/root", (int)pids[i]);
		must(stat(path, &info));
		*process = (struct ns_process){ .pid = pids[i],
						.root_device = info.st_dev,
						.cgroup = i == 0 ? "/first" : "/other" };
		process->ns[NS_MNT] = namespaces_find(set, NS_MNT, scene_ns_of(pids[i]));
	}
}

static bool scene_modes[] = { false, true };

/* One test in one way of reading; the first half is for kernels that have statmount(). */
#define SCENE_TEST(function, mode)                                               \
	{                                                                        \
#function " (" #mode ")", function, scene_setup, scene_teardown, \
			&scene_modes[mode]                                       \
	}
enum { statmount_mode, mountinfo_mode };

/* Runs the tests, which are listed for statmount first and then, as many, for mountinfo. */
static inline int scene_run(const struct CMUnitTest *tests, size_t n)
{
	struct mount_statmount *reader = NULL;
	struct root *root;
	int r = root_new(NULL, &root);
	size_t first = n / 2;

	if (r < 0)
		return 1;
	if (mount_statmount_new(root, &reader) == 0)
		first = 0;
	else
		printf("no statmount() with all we need here: by mountinfo only\n");
	mount_statmount_free(reader);
	root_free(root);
	return _cmocka_run_group_tests("overlays", tests + first, n - first, scene_group_setup,
				       NULL);
}
