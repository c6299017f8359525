// SPDX-License-Identifier: MIT
/*
 * The parts that know what a writable layer holds, on directories made by hand: no overlay is
 * mounted here. What needs "trusted" attributes is left out where the test may not set them.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "collectors/layer_lower.h"
#include "collectors/layer_walk.h"

static char top[] = "/tmp/cgwatch-unit-layers-XXXXXX";

static int make_top(void **state)
{
	(void)state;
	return mkdtemp(top) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_top(void **state)
{
	(void)state;
	return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *path(const char *name)
{
	static char paths[4][256];
	static unsigned int next;
	char *one = paths[next++ % 4];

	snprintf(one, sizeof(paths[0]), "%s/%s", top, name);
	return one;
}

static void dir(const char *name)
{
	assert_int_equal(mkdir(path(name), 0755), 0);
}

static void file(const char *name, const char *text)
{
	FILE *stream = fopen(path(name), "we");

	assert_non_null(stream);
	assert_true(fputs(text, stream) >= 0);
	assert_int_equal(fclose(stream), 0);
}

static void mark(const char *name, const char *attribute, const char *value)
{
	assert_int_equal(lsetxattr(path(name), attribute, value, strlen(value), 0), 0);
}

/* Whiteouts and trusted attributes need root, and a filesystem that keeps them. */
static bool may_mark(void)
{
	if (geteuid() == 0 && setxattr(top, "trusted.cgwatch", "1", 1, 0) == 0)
		return true;
	print_message("no trusted attributes here\n");
	return false;
}

static struct layer_usage walk_all(const struct layer_source *source, uint64_t slice)
{
	struct layer_walk_options options = { 0 };
	struct layer_usage usage;
	struct layer_walk *walk;
	int r;

	assert_int_equal(layer_walk_new(source, &options, &walk), 0);
	do {
		uint64_t left = slice;

		r = layer_walk_step(walk, &left);
	} while (r > 0);
	assert_int_equal(r, 0);
	layer_walk_result(walk, &usage);
	layer_walk_free(walk);
	return usage;
}

static struct layer_usage walk_of(const char *name)
{
	struct layer_source source = { .upper = path(name) };

	return walk_all(&source, 7);
}

static void marks_of_the_kernel(void **state)
{
	struct layer_usage usage;

	(void)state;
	if (!may_mark())
		return;
	dir("k");
	file("k/new", "1234567");
	file("k/up", "12345");
	mark("k/up", "trusted.overlay.origin", "x");
	file("k/meta", "");
	mark("k/meta", "trusted.overlay.origin", "x");
	mark("k/meta", "trusted.overlay.metacopy", "");
	mark("k/meta", "trusted.overlay.redirect", "/other");
	mark("k", "trusted.overlay.impure", "y");
	dir("k/opaque");
	mark("k/opaque", "trusted.overlay.opaque", "y");
	dir("k/moved");
	mark("k/moved", "trusted.overlay.redirect", "old");
	dir("k/nested");
	mark("k/nested", "trusted.overlay.overlay.opaque", "y");
	assert_int_equal(mknod(path("k/gone"), S_IFCHR, 0), 0);
	assert_int_equal(link(path("k/gone"), path("k/moved/gone")), 0);
	usage = walk_of("k");
	assert_int_equal(usage.state, LAYER_COMPLETE);
	assert_int_equal(usage.files, 3);
	assert_int_equal(usage.directories, 3);
	assert_int_equal(usage.created, 1);
	assert_int_equal(usage.copied_up, 2);
	assert_int_equal(usage.copied_up_bytes, 5);
	assert_int_equal(usage.apparent_bytes, 12);
	assert_int_equal(usage.metacopy, 1);
	assert_int_equal(usage.redirected, 2);
	assert_int_equal(usage.opaque, 1);
	assert_int_equal(usage.whiteouts, 2);
	assert_int_equal(usage.specials, 0);
	assert_int_equal(usage.inodes, 1 + 3 + 3 + 1);
}

/* Without the mark on their directory nobody asks: the kernel sets it with the first copy. */
static void pure_directories_cost_no_questions(void **state)
{
	struct layer_usage usage;

	(void)state;
	if (!may_mark())
		return;
	dir("pure");
	file("pure/up", "12345");
	mark("pure/up", "trusted.overlay.origin", "x");
	usage = walk_of("pure");
	assert_int_equal(usage.created, 1);
	assert_int_equal(usage.copied_up, 0);
}

static void whiteouts_that_are_files(void **state)
{
	struct layer_usage usage;

	(void)state;
	if (!may_mark())
		return;
	dir("x");
	mark("x", "trusted.overlay.opaque", "x");
	file("x/gone", "");
	mark("x/gone", "trusted.overlay.whiteout", "");
	file("x/empty", "");
	file("x/full", "1");
	mark("x/full", "trusted.overlay.whiteout", "");
	dir("x/plain");
	file("x/plain/empty", "");
	mark("x/plain/empty", "trusted.overlay.whiteout", "");
	usage = walk_of("x");
	assert_int_equal(usage.whiteouts, 1);
	assert_int_equal(usage.xattr_whiteouts, 1);
	assert_int_equal(usage.files, 3);
	assert_int_equal(usage.opaque, 0);
}

static void names_of_fuse_overlayfs(void **state)
{
	struct layer_source source = { .format = LAYER_FORMAT_FUSE };
	struct layer_usage usage;

	(void)state;
	dir("f");
	file("f/new", "1");
	file("f/.wh.gone", "");
	dir("f/again");
	file("f/again/.wh..wh..opq", "");
	file("f/again/new", "1");
	source.upper = path("f");
	usage = walk_all(&source, 3);
	assert_int_equal(usage.whiteouts, 1);
	assert_int_equal(usage.opaque, 1);
	assert_int_equal(usage.files, 2);
	assert_int_equal(usage.created, 2);
	assert_int_equal(layer_wh_name(LAYER_FORMAT_FUSE, ".wh..wh.aufs"), 'm');
	assert_int_equal(layer_wh_name(LAYER_FORMAT_TRUSTED, ".wh.gone"), 0);
}

static void deeper_than_a_path_may_be_long(void **state)
{
	enum { DEPTH = 300 };
	char name[64];
	int fd, r = 0;
	struct layer_usage usage;

	(void)state;
	memset(name, 'd', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	dir("deep");
	fd = open(path("deep"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < DEPTH; i++) {
		int next;

		assert_int_equal(mkdirat(fd, name, 0755), 0);
		assert_int_equal(mkdirat(fd, "side", 0755), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	usage = walk_of("deep");
	assert_int_equal(usage.state, LAYER_COMPLETE);
	assert_int_equal(usage.directories, 2 * DEPTH);
	/* nftw() could not remove it. */
	for (int i = 0; i < DEPTH && r == 0; i++) {
		int above = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = unlinkat(above, name, AT_REMOVEDIR) | unlinkat(above, "side", AT_REMOVEDIR);
		close(fd);
		fd = above;
	}
	close(fd);
	assert_int_equal(r, 0);
}

static void directories_that_vanish_are_no_error(void **state)
{
	struct layer_source source = { 0 };
	struct layer_walk_options options = { 0 };
	struct layer_usage usage;
	struct layer_walk *walk;
	uint64_t left = 4;

	(void)state;
	dir("v");
	dir("v/a");
	dir("v/b");
	source.upper = path("v");
	assert_int_equal(layer_walk_new(&source, &options, &walk), 0);
	/* ".", "..", "a" and "b". */
	assert_int_equal(layer_walk_step(walk, &left), 1);
	assert_int_equal(rmdir(path("v/a")), 0);
	assert_int_equal(rmdir(path("v/b")), 0);
	left = 100;
	assert_int_equal(layer_walk_step(walk, &left), 0);
	layer_walk_result(walk, &usage);
	assert_int_equal(usage.state, LAYER_COMPLETE);
	layer_walk_free(walk);
}

/* In another process, as somebody who may not look into one directory. */
static int walk_without_rights(void)
{
	struct layer_source source = { .upper = path("r"), .format = LAYER_FORMAT_USER };
	struct layer_usage usage;

	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 1;
	usage = walk_all(&source, 100);
	return usage.state == LAYER_PARTIAL && usage.error == -EACCES && usage.files == 1 ? 0 : 2;
}

static void what_may_not_be_read_makes_it_partial(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("only root can become somebody else\n");
		return;
	}
	assert_int_equal(chmod(top, 0755), 0);
	dir("r");
	file("r/file", "1");
	dir("r/closed");
	assert_int_equal(chmod(path("r/closed"), 0700), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(walk_without_rights());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_layer_that_is_not_there(void **state)
{
	struct layer_source source = { .upper = path("nowhere") };
	struct layer_walk_options options = { 0 };
	struct layer_walk *walk;
	uint64_t left = 1;

	(void)state;
	assert_int_equal(layer_walk_new(&source, &options, &walk), 0);
	assert_int_equal(layer_walk_step(walk, &left), -ENOENT);
	layer_walk_free(walk);
}

static int find_in(struct layer_lower *lower, const char *name)
{
	struct stat status;
	uint32_t layer = 99;
	int r = layer_lower_find(lower, name, &status, &layer);

	return r == 1 ? (int)layer : r == 0 ? -1 : r;
}

static void lower_layers_as_one(void **state)
{
	const char *tops[3];
	struct layer_lower lower;
	struct layer_above d = { .name = "d" }, nowhere = { .name = "nowhere" };
	struct layer_above hidden = { .name = "d", .opaque = true };
	struct layer_above moved = { .name = "new", .redirect = "/d/sub" };

	(void)state;
	if (!may_mark())
		return;
	dir("l0");
	dir("l1");
	dir("l0/d");
	dir("l1/d");
	dir("l1/d/sub");
	file("l1/d/sub/x", "1");
	file("l0/d/above", "1");
	file("l1/d/above", "1");
	file("l1/d/below", "1");
	file("l1/d/gone", "1");
	assert_int_equal(mknod(path("l0/d/gone"), S_IFCHR, 0), 0);
	dir("l0/o");
	dir("l1/o");
	mark("l0/o", "trusted.overlay.opaque", "y");
	file("l1/o/x", "1");
	tops[0] = path("l0");
	tops[1] = NULL;
	tops[2] = path("l1");
	assert_int_equal(layer_lower_init(&lower, tops, 3, LAYER_FORMAT_TRUSTED), 0);
	assert_int_equal(layer_lower_top(&lower), 0);
	assert_int_equal(layer_lower_level(&lower)->n, 2);
	assert_int_equal(layer_lower_enter(&lower, &d), 0);
	assert_int_equal(find_in(&lower, "above"), 0);
	assert_int_equal(find_in(&lower, "below"), 2);
	assert_int_equal(find_in(&lower, "gone"), -1);
	assert_int_equal(find_in(&lower, "none"), -1);
	layer_lower_leave(&lower);
	assert_int_equal(layer_lower_enter(&lower, &hidden), 0);
	assert_int_equal(layer_lower_level(&lower)->n, 0);
	layer_lower_leave(&lower);
	assert_int_equal(layer_lower_enter(&lower, &nowhere), 0);
	assert_int_equal(layer_lower_level(&lower)->n, 0);
	layer_lower_leave(&lower);
	assert_int_equal(layer_lower_enter(&lower, &moved), 0);
	assert_int_equal(find_in(&lower, "x"), 2);
	layer_lower_leave(&lower);
	d.name = "o";
	assert_int_equal(layer_lower_enter(&lower, &d), 0);
	assert_int_equal(layer_lower_level(&lower)->n, 1);
	assert_int_equal(find_in(&lower, "x"), -1);
	assert_int_equal(lower.error, -ENOENT);
	layer_lower_done(&lower);
}

/* A process whose root is `root`, until `end` is closed. */
static pid_t live_below(const char *root, int *ret_end)
{
	int ready[2], end[2];
	char byte = 1;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(end), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(end[1]);
		byte = chroot(root) == 0;
		if (write(ready[1], &byte, 1) != 1 || read(end[0], &byte, 1) != 0)
			_exit(1);
		_exit(0);
	}
	close(ready[1]);
	close(end[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_int_equal(byte, 1);
	*ret_end = end[1];
	return pid;
}

/* Whoever lives there may put a link in the place of a layer at any time. */
static void links_do_not_lead_out_of_a_foreign_root(void **state)
{
	struct layer_walk_options options = { 0 };
	struct layer_source source = { 0 };
	char place[128];
	struct layer_walk *walk;
	uint64_t left = 100;
	int end, status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("only root can change its root\n");
		return;
	}
	dir("jail");
	dir("jail/layer");
	dir("outside");
	assert_int_equal(symlink(path("outside"), path("jail/link")), 0);
	pid = live_below(path("jail"), &end);
	snprintf(place, sizeof(place), "/proc/%d/root/layer", (int)pid);
	source.upper = place;
	assert_int_equal(walk_all(&source, 7).inodes, 1);
	snprintf(place, sizeof(place), "/proc/%d/root/link", (int)pid);
	assert_int_equal(layer_walk_new(&source, &options, &walk), 0);
	assert_int_equal(layer_walk_step(walk, &left), -ENOENT);
	layer_walk_free(walk);
	close(end);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_of_the_kernel),
		cmocka_unit_test(pure_directories_cost_no_questions),
		cmocka_unit_test(whiteouts_that_are_files),
		cmocka_unit_test(names_of_fuse_overlayfs),
		cmocka_unit_test(deeper_than_a_path_may_be_long),
		cmocka_unit_test(directories_that_vanish_are_no_error),
		cmocka_unit_test(what_may_not_be_read_makes_it_partial),
		cmocka_unit_test(a_layer_that_is_not_there),
		cmocka_unit_test(lower_layers_as_one),
		cmocka_unit_test(links_do_not_lead_out_of_a_foreign_root),
	};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}
