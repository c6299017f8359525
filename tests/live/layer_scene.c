// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "layer_scene.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "collectors/layer_keeper.h"

int scene_setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	if (!scene || geteuid() != 0) {
		fprintf(stderr, "live tests need root\n");
		free(scene);
		return -1;
	}
	strcpy(scene->top, "/tmp/cgwatch-layers-XXXXXX");
	if (!mkdtemp(scene->top) || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		perror("scene");
		free(scene);
		return -1;
	}
	*state = scene;
	return 0;
}

int scene_teardown(void **state)
{
	struct scene *scene = *state;

	if (!scene)
		return 0;
	scene_unmount(scene);
	umount2(scene->top, MNT_DETACH);
	rmdir(scene->top);
	free(scene);
	return 0;
}

const char *scene_path(const struct scene *scene, const char *name)
{
	static char paths[4][512];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", scene->top, name);
	return path;
}

static void check(int r, const char *what, const char *name)
{
	if (r < 0)
		fail_msg("%s %s: %s", what, name, strerror(errno));
}

void scene_mkdir(const struct scene *scene, const char *name)
{
	check(mkdir(scene_path(scene, name), 0755), "mkdir", name);
}

void scene_reset(struct scene *scene)
{
	scene_unmount(scene);
	umount2(scene->top, MNT_DETACH);
	check(mount("cgwatch", scene->top, "tmpfs", 0, "mode=755"), "mount", scene->top);
	scene_mkdir(scene, "lower");
	scene_mkdir(scene, "lower2");
	scene_mkdir(scene, "upper");
	scene_mkdir(scene, "work");
	scene_mkdir(scene, "merged");
}

/* As the scanner would describe it. */
static void describe(struct scene *scene, const char *options)
{
	static const char *const names[] = { "upper", "lower", "lower2", "work" };

	for (size_t i = 0; i < 4; i++)
		snprintf(scene->paths[i], sizeof(scene->paths[i]), "%s/%s", scene->top, names[i]);
	for (size_t i = 0; i < 3; i++) {
		struct stat status;

		check(stat(scene->paths[i], &status), "stat", scene->paths[i]);
		scene->layers[i] = (struct overlay_layer){
			.kind = i == 0 ? OVERLAY_UPPER : OVERLAY_LOWER,
			.path = scene->paths[i],
			.device = status.st_dev,
			.inode = status.st_ino,
			.shared = 1,
		};
	}
	scene->overlay = (struct overlay){
		.device = 1000,
		.fstype = "overlay",
		.layers = scene->layers,
		.n_layers = 3,
		.n_lower = 2,
		.work = scene->paths[3],
		.userxattr = strstr(options, "userxattr") != NULL,
		.backing_fstype = "tmpfs",
	};
	scene->set = (struct overlays){ .list = &scene->overlay, .n = 1 };
}

static int age(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	struct timespec times[2] = { { 500, 7 }, { 500, 7 } };

	(void)status;
	(void)type;
	(void)ftw;
	return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

bool scene_mount(struct scene *scene, const char *options)
{
	/* What is done now must have another time than what was there, however coarse clocks are.
	 */
	check(nftw(scene_path(scene, "lower"), age, 16, FTW_PHYS | FTW_DEPTH), "age", "lower");
	check(nftw(scene_path(scene, "lower2"), age, 16, FTW_PHYS | FTW_DEPTH), "age", "lower2");
	snprintf(scene->option_text, sizeof(scene->option_text),
		 "lowerdir=%s/lower:%s/lower2,upperdir=%s/upper,workdir=%s/work%s", scene->top,
		 scene->top, scene->top, scene->top, options);
	describe(scene, options);
	if (mount("overlay", scene_path(scene, "merged"), "overlay", 0, scene->option_text) == 0)
		return true;
	scene->error = errno;
	fprintf(stderr, "overlay with %s: %s\n", scene->option_text, strerror(errno));
	return false;
}

void scene_mount_inner(struct scene *scene, const char *lower, const char *dir)
{
	char options[768];
	struct stat status;

	snprintf(scene->paths[0], sizeof(scene->paths[0]), "%s/%s/upper", scene->top, dir);
	snprintf(scene->paths[1], sizeof(scene->paths[1]), "%s/%s", scene->top, lower);
	snprintf(scene->paths[3], sizeof(scene->paths[3]), "%s/%s/work", scene->top, dir);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", scene->paths[1],
		 scene->paths[0], scene->paths[3]);
	check(mount("overlay", scene_path(scene, "inner/merged"), "overlay", 0, options), "mount",
	      options);
	check(stat(scene->paths[0], &status), "stat", scene->paths[0]);
	scene->layers[0].device = status.st_dev;
	scene->layers[0].inode = status.st_ino;
	scene->overlay.n_layers = 2;
	scene->overlay.n_lower = 1;
}

void scene_unmount(struct scene *scene)
{
	umount2(scene_path(scene, "merged"), MNT_DETACH);
}

int scene_mount_dead(const struct scene *scene, const char *name)
{
	char options[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	scene_mkdir(scene, name);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (mount("dead", scene_path(scene, name), "fuse.dead", 0, options) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void put(const struct scene *scene, const char *name, const char *text, int flags)
{
	int fd = open(scene_path(scene, name), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
	size_t length = strlen(text);

	check(fd, "open", name);
	assert_int_equal(write(fd, text, length), length);
	check(close(fd), "close", name);
}

void scene_write(const struct scene *scene, const char *name, const char *text)
{
	put(scene, name, text, O_TRUNC);
}

void scene_append(const struct scene *scene, const char *name, const char *text)
{
	put(scene, name, text, O_APPEND);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

void scene_remove(const struct scene *scene, const char *name)
{
	check(nftw(scene_path(scene, name), remove_one, 16, FTW_DEPTH | FTW_PHYS), "remove", name);
}

void scene_rename(const struct scene *scene, const char *from, const char *to)
{
	check(rename(scene_path(scene, from), scene_path(scene, to)), "rename", from);
}

bool scene_exists(const struct scene *scene, const char *name)
{
	struct stat status;

	return lstat(scene_path(scene, name), &status) == 0;
}

bool scene_is_whiteout(const struct scene *scene, const char *name)
{
	struct stat status;

	return lstat(scene_path(scene, name), &status) == 0 && S_ISCHR(status.st_mode) &&
	       status.st_rdev == 0;
}

static bool path_has(const char *path, const char *attribute)
{
	char name[64];

	snprintf(name, sizeof(name), "trusted.overlay.%s", attribute);
	if (lgetxattr(path, name, NULL, 0) >= 0)
		return true;
	snprintf(name, sizeof(name), "user.overlay.%s", attribute);
	return lgetxattr(path, name, NULL, 0) >= 0;
}

bool scene_has(const struct scene *scene, const char *name, const char *attribute)
{
	return path_has(scene_path(scene, name), attribute);
}

/* The inodes seen so far, in the plainest way there is. */
struct seen {
	ino_t list[8192];
	size_t n;
};

static bool seen_before(struct seen *seen, ino_t inode)
{
	for (size_t i = 0; i < seen->n; i++) {
		if (seen->list[i] == inode)
			return true;
	}
	if (seen->n < sizeof(seen->list) / sizeof(seen->list[0]))
		seen->list[seen->n++] = inode;
	return false;
}

static void count_name(const char *path, const struct stat *status, struct layer_usage *usage)
{
	char value[8] = "";

	if (S_ISCHR(status->st_mode) && status->st_rdev == 0) {
		usage->whiteouts++;
		return;
	}
	if (S_ISREG(status->st_mode) && status->st_size == 0 && path_has(path, "whiteout")) {
		usage->whiteouts++;
		usage->xattr_whiteouts++;
		return;
	}
	usage->files += S_ISREG(status->st_mode);
	usage->symlinks += S_ISLNK(status->st_mode);
	usage->directories += S_ISDIR(status->st_mode);
	usage->specials += !S_ISREG(status->st_mode) && !S_ISLNK(status->st_mode) &&
			   !S_ISDIR(status->st_mode);
	if (S_ISDIR(status->st_mode))
		usage->opaque +=
			(lgetxattr(path, "trusted.overlay.opaque", value, sizeof(value)) == 1 ||
			 lgetxattr(path, "user.overlay.opaque", value, sizeof(value)) == 1) &&
			value[0] == 'y';
	else
		usage->copied_up += path_has(path, "origin");
	usage->metacopy += !S_ISDIR(status->st_mode) && path_has(path, "metacopy");
	usage->redirected += path_has(path, "redirect");
}

static void count_below(const char *dir, struct layer_usage *usage, struct seen *seen)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;

	assert_non_null(stream);
	while ((entry = readdir(stream))) {
		char path[4096];
		struct stat status;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		check(lstat(path, &status), "lstat", path);
		count_name(path, &status, usage);
		if (!seen_before(seen, status.st_ino)) {
			usage->inodes++;
			usage->bytes += (uint64_t)status.st_blocks * 512;
			if (!S_ISDIR(status.st_mode))
				usage->apparent_bytes += (uint64_t)status.st_size;
		}
		if (S_ISDIR(status.st_mode))
			count_below(path, usage, seen);
	}
	closedir(stream);
}

struct layer_usage scene_count(const struct scene *scene)
{
	static struct seen seen;
	struct layer_usage usage = { 0 };
	struct stat status;

	seen.n = 0;
	check(stat(scene->paths[0], &status), "stat", scene->paths[0]);
	usage.inodes = 1;
	usage.bytes = (uint64_t)status.st_blocks * 512;
	count_below(scene->paths[0], &usage, &seen);
	return usage;
}

void scene_assert_same(const struct layer_usage *usage, const struct layer_usage *counted)
{
	assert_int_equal(usage->bytes, counted->bytes);
	assert_int_equal(usage->apparent_bytes, counted->apparent_bytes);
	assert_int_equal(usage->inodes, counted->inodes);
	assert_int_equal(usage->files, counted->files);
	assert_int_equal(usage->directories, counted->directories);
	assert_int_equal(usage->symlinks, counted->symlinks);
	assert_int_equal(usage->specials, counted->specials);
	assert_int_equal(usage->whiteouts, counted->whiteouts);
	assert_int_equal(usage->xattr_whiteouts, counted->xattr_whiteouts);
	assert_int_equal(usage->opaque, counted->opaque);
	assert_int_equal(usage->redirected, counted->redirected);
	assert_int_equal(usage->metacopy, counted->metacopy);
}

struct layer_usage scene_measure(struct scene *scene)
{
	struct layer_keeper_options options = { .no_thread = true };
	struct layer_usage counted = scene_count(scene);
	struct layer_keeper *keeper;

	assert_int_equal(layer_keeper_new(&options, &keeper), 0);
	assert_int_equal(layer_keeper_run(keeper, &scene->set, 0), 0);
	layer_keeper_free(keeper);
	assert_int_equal(scene->overlay.usage.state, LAYER_COMPLETE);
	assert_int_equal(scene->overlay.usage.error, 0);
	scene_assert_same(&scene->overlay.usage, &counted);
	assert_int_equal(scene->overlay.usage.created + scene->overlay.usage.copied_up,
			 counted.files + counted.symlinks + counted.specials);
	return scene->overlay.usage;
}

static int count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	int n = -2; /* "." and ".." */

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

void scene_wait_threads(void)
{
	for (int i = 0; i < 1200 && count_threads() > 1; i++)
		usleep(100000);
}
