// SPDX-License-Identifier: MIT
/*
 * Overlays of other mount namespaces: found through a process, through a descriptor when no process
 * is left, and in the kernel's own list; and who lives on an overlay.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/syscall.h>

#include "overlay_scene.h"

/* A namespace with a tmpfs nobody else has, and an overlay of directories in it. */
static int mount_apart(const struct scene *scene)
{
	(void)scene;
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "apart", "tmpfs", 0, NULL) < 0 || chdir("apart") < 0 ||
	    mkdir("l", 0755) < 0 || mkdir("u", 0755) < 0 || mkdir("w", 0755) < 0 ||
	    mkdir("m", 0755) < 0)
		return -1;
	return mount("overlay", "m", "overlay", 0, "lowerdir=l,upperdir=u,workdir=w");
}

/* The overlay mounted at `name` of our directory in that namespace, or NULL. */
static const struct overlay *find_in(const struct scene *scene, uint64_t mount_ns, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", scene->dir, name);
	for (uint32_t i = 0; i < scene->set->n; i++) {
		const struct overlay *overlay = &scene->set->list[i];

		for (uint32_t m = 0; m < overlay->n_mounts; m++) {
			if (overlay->mounts[m].mount_ns == mount_ns &&
			    strcmp(overlay->mounts[m].mountpoint, path) == 0)
				return overlay;
		}
	}
	return NULL;
}

static const struct mount_ns_info *info_of(const struct scene *scene, uint64_t mount_ns)
{
	size_t n;
	const struct mount_ns_info *infos = mount_table_spaces(scene->table, &n);

	for (size_t i = 0; i < n; i++) {
		if (infos[i].inode == mount_ns)
			return &infos[i];
	}
	return NULL;
}

static int64_t count_lines(pid_t pid)
{
	char path[64];
	int64_t n = 0;
	FILE *file;
	int c;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while ((c = getc(file)) != EOF)
		n += c == '\n';
	fclose(file);
	return n;
}

static void test_foreign(void **state)
{
	struct scene *scene = *state;
	const struct overlay *overlay;
	char path[128];
	uint64_t mount_ns;
	pid_t pid;

	scene_mkdir("apart");
	pid = scene_start(scene, mount_apart);
	mount_ns = scene_ns_of(pid);
	scene->spaces[0] = (struct mount_ns){ mount_ns, 0, pid, -1 };
	scene->n_spaces = 1;
	scene_know(scene, &pid, 1);
	scene_scan(scene);
	overlay = find_in(scene, mount_ns, "apart/m");
	assert_non_null(overlay);
	assert_int_equal(overlay->flags, OVERLAY_FOREIGN);
	assert_int_equal(overlay->n_mounts, 1);
	assert_null(find_in(scene, scene->own_ns, "apart/m"));
	assert_int_equal(scene_count_set(scene), scene_count_mountinfo());
	/* The layers are on a tmpfs that only the child sees: looked at through its root. */
	snprintf(path, sizeof(path), "/proc/%d/root%s/apart/u", (int)pid, scene->dir);
	assert_string_equal(overlay->layers[0].resolved, path);
	scene_check_layer(overlay, 0, path);
	snprintf(path, sizeof(path), "/proc/%d/root%s/apart/l", (int)pid, scene->dir);
	scene_check_layer(overlay, 1, path);
	assert_non_null(info_of(scene, mount_ns));
	assert_int_equal(info_of(scene, mount_ns)->n_mounts, count_lines(pid));

	/* With the process all of it ends; our own is named, so the kernel's list is not walked. */
	scene_end_children(scene);
	scene->spaces[0] = (struct mount_ns){ scene->own_ns, 0, getpid(), -1 };
	for (int i = 0; i < 3000 && (i == 0 || info_of(scene, mount_ns)); i++) {
		scene_scan(scene);
		usleep(10000);
	}
	assert_null(info_of(scene, mount_ns));
	assert_null(find_in(scene, mount_ns, "apart/m"));
}

/* No process is left, but a descriptor; it is in the kernel's list, too, where there is one. */
static void test_only_fd(void **state)
{
	struct scene *scene = *state;
	const struct overlay *overlay;
	char path[64];
	uint64_t mount_ns;
	pid_t pid;
	int fd;

	scene_mkdir("apart");
	pid = scene_start(scene, mount_apart);
	mount_ns = scene_ns_of(pid);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd);
	scene_end_children(scene);
	scene->spaces[0] = (struct mount_ns){ mount_ns, 0, 0, fd };
	scene->n_spaces = 1;
	scene_scan(scene);
	overlay = find_in(scene, mount_ns, "apart/m");
	assert_non_null(overlay);
	assert_true(overlay->flags & OVERLAY_FOREIGN);
	/* Nobody's root shows the layers: that is not to say that they are gone. */
	assert_int_equal(overlay->flags, OVERLAY_FOREIGN);
	assert_null(overlay->layers[0].resolved);
	assert_false(overlay->layers[0].missing);
	assert_int_equal(info_of(scene, mount_ns)->error, 0);
	if (!scene->by_mountinfo) {
		scene->spaces[0] = (struct mount_ns){ scene->own_ns, 0, getpid(), -1 };
		scene_scan(scene);
		assert_non_null(find_in(scene, mount_ns, "apart/m"));
		scene->n_spaces = 0;
		scene_scan(scene);
		assert_non_null(find_in(scene, mount_ns, "apart/m"));
	}
	close(fd);
}

/* One superblock seen in two namespaces: ours stands first. */
static int only_unshare(const struct scene *scene)
{
	(void)scene;
	return unshare(CLONE_NEWNS);
}

static void test_seen_twice(void **state)
{
	struct scene *scene = *state;
	const struct overlay *overlay;
	uint64_t mount_ns;
	pid_t pid;

	MKDIRS("l", "u", "w", "m");
	scene_overlay("m", "lowerdir=l,upperdir=u,workdir=w");
	pid = scene_start(scene, only_unshare);
	mount_ns = scene_ns_of(pid);
	scene->spaces[0] = (struct mount_ns){ mount_ns, 0, pid, -1 };
	scene->n_spaces = 1;
	scene_scan(scene);
	overlay = scene_find(scene, "m");
	assert_int_equal(overlay->n_mounts, 2);
	assert_int_equal(overlay->n_mount_ns, 2);
	assert_true(overlay->mounts[0].mount_ns == scene->own_ns);
	assert_true(overlay->mounts[1].mount_ns == mount_ns);
	assert_int_equal(overlay->flags, 0);
	/* Gone from ours, it lives on there: what keeps a directory busy after its container. */
	must(umount("m"));
	scene_scan(scene);
	overlay = find_in(scene, mount_ns, "m");
	assert_non_null(overlay);
	assert_int_equal(overlay->flags, OVERLAY_FOREIGN);
	assert_int_equal(overlay->n_mounts, 1);
	scene_check_layer(overlay, 0, "u");
}

static int chroot_there(const struct scene *scene)
{
	(void)scene;
	return chroot("m") < 0 || chdir("/") < 0 ? -1 : 0;
}

/* An initramfs cannot be pivoted away from: there the overlay is moved over it, as switch_root
 * does.
 */
static int pivot_there(const struct scene *scene)
{
	if (only_unshare(scene) < 0 || chdir("m") < 0)
		return -1;
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH);
	if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return -1;
	return chdir("/");
}

static void test_users(void **state)
{
	struct scene *scene = *state;
	const struct overlay *overlay;
	uint64_t pivoted;
	pid_t pids[3];

	MKDIRS("l", "u", "w", "m", "l2", "m2");
	scene_overlay("m", "lowerdir=l,upperdir=u,workdir=w");
	scene_overlay("m2", "lowerdir=l2:l");
	pids[0] = getpid();
	pids[1] = scene_start(scene, chroot_there);
	pids[2] = scene_start(scene, pivot_there);
	if (pids[2] < pids[1] || pids[1] < pids[0]) { /* the numbers went round */
		printf("pids do not rise: not looked at\n");
		return;
	}
	pivoted = scene_ns_of(pids[2]);
	scene->spaces[0] = (struct mount_ns){ pivoted, 0, pids[2], -1 };
	scene->spaces[1] = (struct mount_ns){ scene->own_ns, 0, pids[1], -1 };
	scene->n_spaces = 2;
	scene_know(scene, pids, 3);
	scene_scan(scene);
	overlay = scene_find(scene, "m");
	assert_int_equal(overlay->n_processes, 2);
	assert_int_equal(scene->namespaces->processes[overlay->processes[0]].pid, pids[1]);
	assert_int_equal(scene->namespaces->processes[overlay->processes[1]].pid, pids[2]);
	assert_string_equal(overlay->cgroup, "/other");
	/* In the namespace of the one who pivoted it is the root. */
	assert_int_equal(overlay->n_mount_ns, 2);
	assert_true(overlay->mounts[1].mount_ns == pivoted);
	assert_string_equal(overlay->mounts[1].mountpoint, "/");
	assert_int_equal(overlay->flags, 0);
	overlay = scene_find(scene, "m2");
	assert_int_equal(overlay->n_processes, 0);
	assert_non_null(overlay->processes);
	assert_null(overlay->cgroup);
}

/* Of a process below chroot() mountinfo shows only a part: the table shows all. */
static int unshare_and_chroot(const struct scene *scene)
{
	return only_unshare(scene) < 0 || chroot("d") < 0 || chdir("/") < 0 ? -1 : 0;
}

static void test_chrooted(void **state)
{
	struct scene *scene = *state;
	uint64_t mount_ns;
	pid_t pid;

	MKDIRS("l", "m", "d");
	scene_overlay("m", "lowerdir=l:d");
	pid = scene_start(scene, unshare_and_chroot);
	mount_ns = scene_ns_of(pid);
	scene->spaces[0] = (struct mount_ns){ mount_ns, 0, pid, -1 };
	scene->n_spaces = 1;
	scene_scan(scene);
	assert_non_null(find_in(scene, mount_ns, "m"));
	assert_int_equal(scene_find(scene, "m")->n_mounts, 2);
}

/* A net namespace kept by a bind mount is in the table for whoever looks for holders. */
static void test_nsfs(void **state)
{
	struct scene *scene = *state;
	const struct mount_entry *entries;
	char path[128], want[64];
	bool seen = false;
	struct stat info;
	size_t n;
	int fd;

	fd = open("pin", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	must(fd);
	close(fd);
	must(mount("/proc/self/ns/net", "pin", NULL, MS_BIND, NULL));
	must(stat("/proc/self/ns/net", &info));
	snprintf(path, sizeof(path), "%s/pin", scene->dir);
	snprintf(want, sizeof(want), "net:[%llu]", (unsigned long long)info.st_ino);
	scene_scan(scene);
	entries = mount_table_entries(scene->table, &n);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(entries[i].mountpoint, path) != 0 ||
		    entries[i].mount_ns != scene->own_ns)
			continue;
		seen = true;
		assert_string_equal(entries[i].fstype, "nsfs");
		assert_string_equal(entries[i].root, want);
	}
	assert_true(seen);
}

#define TESTS(mode)                                                              \
	SCENE_TEST(test_foreign, mode), SCENE_TEST(test_only_fd, mode),          \
		SCENE_TEST(test_seen_twice, mode), SCENE_TEST(test_users, mode), \
		SCENE_TEST(test_chrooted, mode), SCENE_TEST(test_nsfs, mode)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(statmount_mode), TESTS(mountinfo_mode) };

	return scene_run(tests, sizeof(tests) / sizeof(tests[0]));
}
