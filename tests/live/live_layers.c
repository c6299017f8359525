// SPDX-License-Identifier: MIT
/*
 * What a writable layer holds after each thing that can be done through an overlay: the rules of
 * copy-up and deletion one by one, then the kinds of layer. Every number is compared with a plain
 * count of the upper directory.
 */
#define _GNU_SOURCE
#include "layer_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Starts over, with one file in each place. */
static struct scene *three_files(void **state)
{
	struct scene *scene = *state;

	scene_reset(scene);
	scene_mkdir(scene, "lower/d");
	scene_mkdir(scene, "upper/d");
	scene_write(scene, "lower/d/only-lower", "from below");
	scene_write(scene, "lower/d/both", "from below");
	scene_write(scene, "upper/d/both", "from above, longer");
	scene_write(scene, "upper/d/only-upper", "from above");
	if (!scene_mount(scene, ""))
		fail();
	return scene;
}

static void assert_reads(const struct scene *scene, const char *name, const char *text)
{
	char buffer[64] = "";
	int fd = open(scene_path(scene, name), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, buffer, sizeof(buffer) - 1), strlen(text));
	close(fd);
	assert_string_equal(buffer, text);
}

static void read_only_in_lower(void **state)
{
	struct scene *scene = three_files(state);
	struct layer_usage usage;

	assert_reads(scene, "merged/d/only-lower", "from below");
	usage = scene_measure(scene);
	assert_int_equal(usage.copied_up, 0);
	assert_int_equal(usage.files, 2);
}

static void read_only_in_upper(void **state)
{
	struct scene *scene = three_files(state);
	struct layer_usage usage;

	assert_reads(scene, "merged/d/only-upper", "from above");
	usage = scene_measure(scene);
	assert_int_equal(usage.created, 2);
	assert_int_equal(usage.apparent_bytes, 10 + 18);
}

static void read_in_both(void **state)
{
	struct scene *scene = three_files(state);
	struct layer_usage usage;

	assert_reads(scene, "merged/d/both", "from above, longer");
	usage = scene_measure(scene);
	assert_int_equal(usage.created, 2);
	assert_int_equal(usage.copied_up, 0);
}

static void first_write_copies_up_once(void **state)
{
	struct scene *scene = three_files(state);
	struct layer_usage usage;

	scene_append(scene, "merged/d/only-lower", "!");
	usage = scene_measure(scene);
	assert_int_equal(usage.copied_up, 1);
	assert_int_equal(usage.created, 2);
	assert_int_equal(usage.copied_up_bytes, 11);
	scene_append(scene, "merged/d/only-lower", "!!");
	usage = scene_measure(scene);
	assert_int_equal(usage.copied_up, 1);
	assert_int_equal(usage.copied_up_bytes, 13);
	assert_int_equal(usage.inodes, 1 + 1 + 3);
	assert_reads(scene, "lower/d/only-lower", "from below");
}

static void opened_read_then_written(void **state)
{
	struct scene *scene = three_files(state);
	struct layer_usage usage;
	char buffer[32];
	int reader = open(scene_path(scene, "merged/d/only-lower"), O_RDONLY | O_CLOEXEC);

	assert_true(reader >= 0);
	assert_int_equal(read(reader, buffer, 4), 4);
	usage = scene_measure(scene);
	assert_int_equal(usage.copied_up, 0);
	scene_append(scene, "merged/d/only-lower", " and above");
	usage = scene_measure(scene);
	assert_int_equal(usage.copied_up, 1);
	assert_int_equal(usage.copied_up_bytes, 20);
	close(reader);
}

static void delete_in_lower_makes_a_whiteout(void **state)
{
	struct scene *scene = three_files(state);
	struct layer_usage usage;

	scene_remove(scene, "merged/d/only-lower");
	assert_true(scene_is_whiteout(scene, "upper/d/only-lower"));
	usage = scene_measure(scene);
	assert_int_equal(usage.whiteouts, 1);
	assert_int_equal(usage.files, 2);
	assert_int_equal(usage.created, 2);
}

static void delete_in_upper_only_leaves_nothing(void **state)
{
	struct scene *scene = three_files(state);
	struct layer_usage usage;

	scene_remove(scene, "merged/d/only-upper");
	assert_false(scene_exists(scene, "upper/d/only-upper"));
	usage = scene_measure(scene);
	assert_int_equal(usage.whiteouts, 0);
	assert_int_equal(usage.files, 1);
}

static void delete_directory_in_lower(void **state)
{
	struct scene *scene = three_files(state);
	struct layer_usage usage;

	scene_unmount(scene);
	scene_mkdir(scene, "lower/gone");
	scene_write(scene, "lower/gone/file", "x");
	if (!scene_mount(scene, ""))
		fail();
	scene_remove(scene, "merged/gone");
	assert_true(scene_is_whiteout(scene, "upper/gone"));
	usage = scene_measure(scene);
	assert_int_equal(usage.whiteouts, 1);
	assert_int_equal(usage.directories, 1);
	assert_int_equal(usage.opaque, 0);
}

static void directory_in_both_made_again_is_opaque(void **state)
{
	struct scene *scene = three_files(state);
	struct layer_usage usage;

	scene_remove(scene, "merged/d");
	assert_true(scene_is_whiteout(scene, "upper/d"));
	scene_mkdir(scene, "merged/d");
	scene_write(scene, "merged/d/new", "1");
	usage = scene_measure(scene);
	assert_int_equal(usage.opaque, 1);
	assert_int_equal(usage.whiteouts, 0);
	assert_int_equal(usage.directories, 1);
	assert_int_equal(usage.created, 1);
}

static void whiteouts_are_names_of_one_inode(void **state)
{
	struct scene *scene = *state;
	struct layer_usage usage;
	char name[64];

	scene_reset(scene);
	scene_mkdir(scene, "lower/a");
	scene_mkdir(scene, "lower/b");
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "lower/%c/%d", i % 2 ? 'a' : 'b', i);
		scene_write(scene, name, "");
	}
	if (!scene_mount(scene, ""))
		fail();
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "merged/%c/%d", i % 2 ? 'a' : 'b', i);
		scene_remove(scene, name);
	}
	usage = scene_measure(scene);
	assert_int_equal(usage.whiteouts, 200);
	assert_int_equal(usage.files, 0);
	assert_int_equal(usage.work_leftovers, 0);
}

static void hard_links_count_once(void **state)
{
	struct scene *scene = *state;
	struct layer_usage usage;

	scene_reset(scene);
	if (!scene_mount(scene, ""))
		fail();
	scene_mkdir(scene, "merged/a");
	scene_write(scene, "merged/a/one", "12345");
	assert_int_equal(link(scene_path(scene, "merged/a/one"), scene_path(scene, "merged/a/two")),
			 0);
	assert_int_equal(link(scene_path(scene, "merged/a/one"), scene_path(scene, "merged/three")),
			 0);
	usage = scene_measure(scene);
	assert_int_equal(usage.files, 3);
	assert_int_equal(usage.created, 3);
	assert_int_equal(usage.inodes, 3);
	assert_int_equal(usage.apparent_bytes, 5);
}

/* Copying up breaks the link and leaves no origin behind: the lower layer has to be asked. */
static void a_linked_file_of_the_lower_layer(void **state)
{
	struct scene *scene = *state;
	struct layer_usage usage;

	scene_reset(scene);
	scene_mkdir(scene, "lower/d");
	scene_write(scene, "lower/d/a", "12345");
	assert_int_equal(link(scene_path(scene, "lower/d/a"), scene_path(scene, "lower/d/b")), 0);
	scene_write(scene, "lower/d/c", "1");
	if (!scene_mount(scene, ""))
		fail();
	scene_append(scene, "merged/d/a", "6");
	scene_write(scene, "merged/d/new", "7");
	usage = scene_measure(scene);
	assert_int_equal(usage.copied_up, 1);
	assert_int_equal(usage.created, 1);
	assert_int_equal(usage.copied_up_bytes, 6);
}

static void a_moved_file_is_still_copied_up(void **state)
{
	struct scene *scene = *state;
	struct layer_usage usage;

	scene_reset(scene);
	scene_write(scene, "lower/file", "12345");
	if (!scene_mount(scene, ""))
		fail();
	scene_mkdir(scene, "merged/new");
	scene_write(scene, "merged/new/own", "1");
	scene_rename(scene, "merged/file", "merged/new/file");
	assert_true(scene_has(scene, "upper/new/file", "origin"));
	usage = scene_measure(scene);
	assert_int_equal(usage.copied_up, 1);
	assert_int_equal(usage.created, 1);
	assert_int_equal(usage.whiteouts, 1);
}

static void renamed_directories(void **state)
{
	struct scene *scene = *state;
	struct layer_usage usage;

	scene_reset(scene);
	scene_mkdir(scene, "lower/old");
	scene_write(scene, "lower/old/file", "1");
	if (!scene_mount(scene, ",redirect_dir=on"))
		fail();
	scene_rename(scene, "merged/old", "merged/new");
	assert_true(scene_has(scene, "upper/new", "redirect"));
	usage = scene_measure(scene);
	assert_int_equal(usage.redirected, 1);
	assert_int_equal(usage.whiteouts, 1);
	assert_int_equal(usage.directories, 1);
}

static void only_metadata_copied_up(void **state)
{
	struct scene *scene = *state;
	struct layer_usage usage;

	scene_reset(scene);
	scene_write(scene, "lower/meta", "some content");
	scene_write(scene, "lower/data", "some content");
	if (!scene_mount(scene, ",metacopy=on,redirect_dir=on"))
		fail();
	assert_int_equal(chmod(scene_path(scene, "merged/meta"), 0600), 0);
	scene_append(scene, "merged/data", ".");
	usage = scene_measure(scene);
	assert_int_equal(usage.copied_up, 2);
	assert_int_equal(usage.metacopy, 1);
	assert_int_equal(usage.copied_up_bytes, 13);
}

static void an_index(void **state)
{
	struct scene *scene = *state;
	struct layer_usage usage;

	scene_reset(scene);
	scene_write(scene, "lower/a", "12345");
	assert_int_equal(link(scene_path(scene, "lower/a"), scene_path(scene, "lower/b")), 0);
	if (!scene_mount(scene, ",index=on"))
		fail();
	scene_append(scene, "merged/a", "6");
	usage = scene_measure(scene);
	assert_int_equal(usage.index_entries, 1);
	assert_true(usage.copied_up >= 1);
}

static void a_volatile_overlay(void **state)
{
	struct scene *scene = *state;
	struct layer_usage usage;

	scene_reset(scene);
	if (!scene_mount(scene, ",volatile"))
		fail();
	usage = scene_measure(scene);
	assert_true(usage.volatile_dirty);
	scene_write(scene, "work/work/#1f", "left behind");
	usage = scene_measure(scene);
	assert_int_equal(usage.work_leftovers, 1);
}

static void special_files(void **state)
{
	struct scene *scene = *state;
	struct layer_usage usage;

	scene_reset(scene);
	scene_write(scene, "lower/below", "1");
	if (!scene_mount(scene, ""))
		fail();
	assert_int_equal(symlink("target", scene_path(scene, "merged/link")), 0);
	assert_int_equal(mkfifo(scene_path(scene, "merged/fifo"), 0600), 0);
	assert_int_equal(mknod(scene_path(scene, "merged/null"), S_IFCHR | 0600, 0x103), 0);
	usage = scene_measure(scene);
	assert_int_equal(usage.symlinks, 1);
	assert_int_equal(usage.specials, 2);
	assert_int_equal(usage.whiteouts, 0);
	assert_int_equal(usage.created, 3);
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

/* In a user namespace of its own, as rootless containers do. The exit code says how far it came. */
static int rootless(const struct scene *scene)
{
	struct stat status;
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    !write_file("/proc/self/uid_map", "0 0 1") ||
	    !write_file("/proc/self/setgroups", "deny") ||
	    !write_file("/proc/self/gid_map", "0 0 1"))
		return 1;
	if (mount("overlay", scene_path(scene, "merged"), "overlay", 0, scene->option_text) < 0)
		return 2;
	fd = open(scene_path(scene, "merged/file"), O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 || write(fd, "!", 1) != 1 || close(fd) < 0)
		return 3;
	if (unlink(scene_path(scene, "merged/gone")) < 0 ||
	    rmdir(scene_path(scene, "merged/dir")) < 0 ||
	    mkdir(scene_path(scene, "merged/dir"), 0755) < 0)
		return 4;
	return lstat(scene_path(scene, "upper/file"), &status) < 0 ? 5 : 0;
}

/* tmpfs has user attributes only since Linux 6.6. */
static bool has_user_xattrs(const struct scene *scene)
{
	return setxattr(scene->top, "user.cgwatch", "1", 1, 0) == 0;
}

static void userxattr_in_a_user_namespace(void **state)
{
	struct scene *scene = *state;
	struct layer_usage usage;
	int status;
	pid_t pid;

	scene_reset(scene);
	if (!has_user_xattrs(scene)) {
		print_message("tmpfs has no user attributes on this kernel\n");
		return;
	}
	scene_write(scene, "lower/file", "12345");
	scene_write(scene, "lower/gone", "12345");
	scene_mkdir(scene, "lower/dir");
	if (!scene_mount(scene, ",userxattr"))
		fail();
	scene_unmount(scene);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(rootless(scene));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	usage = scene_measure(scene);
	assert_int_equal(usage.copied_up, 1);
	assert_int_equal(usage.whiteouts, 1);
	assert_int_equal(usage.opaque, 1);
}

/* The lower layer of one is the merged tree of another. */
static void an_overlay_on_an_overlay(void **state)
{
	struct scene *scene = *state;
	struct layer_usage usage;

	scene_reset(scene);
	scene_mkdir(scene, "lower/outer");
	scene_write(scene, "lower/outer/file", "12345");
	scene_write(scene, "lower/outer/gone", "1");
	if (!scene_mount(scene, ""))
		fail();
	scene_append(scene, "merged/outer/file", "6");
	scene_mkdir(scene, "inner");
	for (const char *const *name = (const char *const[]){ "upper", "work", "merged", NULL };
	     *name; name++) {
		char path[32];

		snprintf(path, sizeof(path), "inner/%s", *name);
		scene_mkdir(scene, path);
	}
	scene_mount_inner(scene, "merged/outer", "inner");
	scene_append(scene, "inner/merged/file", "7");
	scene_write(scene, "inner/merged/new", "8");
	scene_remove(scene, "inner/merged/gone");
	usage = scene_measure(scene);
	assert_int_equal(usage.copied_up, 1);
	assert_int_equal(usage.copied_up_bytes, 7);
	assert_int_equal(usage.created, 1);
	assert_int_equal(usage.whiteouts, 1);
	umount2(scene_path(scene, "inner/merged"), MNT_DETACH);
}

/* From Linux 6.7 on what an inner overlay writes down is kept beside the outer one's own. */
static void attributes_of_an_inner_overlay(void **state)
{
	struct scene *scene = *state;
	struct layer_usage usage;

	scene_reset(scene);
	if (!scene_mount(scene, ""))
		fail();
	scene_mkdir(scene, "merged/inner");
	if (setxattr(scene_path(scene, "merged/inner"), "trusted.overlay.opaque", "y", 1, 0) < 0)
		print_message("not kept on this kernel: %s\n", strerror(errno));
	usage = scene_measure(scene);
	assert_int_equal(usage.directories, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_only_in_lower),
		cmocka_unit_test(read_only_in_upper),
		cmocka_unit_test(read_in_both),
		cmocka_unit_test(first_write_copies_up_once),
		cmocka_unit_test(opened_read_then_written),
		cmocka_unit_test(delete_in_lower_makes_a_whiteout),
		cmocka_unit_test(delete_in_upper_only_leaves_nothing),
		cmocka_unit_test(delete_directory_in_lower),
		cmocka_unit_test(directory_in_both_made_again_is_opaque),
		cmocka_unit_test(whiteouts_are_names_of_one_inode),
		cmocka_unit_test(hard_links_count_once),
		cmocka_unit_test(a_linked_file_of_the_lower_layer),
		cmocka_unit_test(a_moved_file_is_still_copied_up),
		cmocka_unit_test(renamed_directories),
		cmocka_unit_test(only_metadata_copied_up),
		cmocka_unit_test(an_index),
		cmocka_unit_test(a_volatile_overlay),
		cmocka_unit_test(special_files),
		cmocka_unit_test(userxattr_in_a_user_namespace),
		cmocka_unit_test(an_overlay_on_an_overlay),
		cmocka_unit_test(attributes_of_an_inner_overlay),
	};

	return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
