// SPDX-License-Identifier: MIT
/*
 * What `cgwatch overlay diff` says of things done through an overlay: kind, docker's letter, and in
 * what a file differs; compared with the tree that is visible without the upper layer.
 */
#define _GNU_SOURCE
#include "layer_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "collectors/layer_diff.h"

/* The entries as lines, "KD path what,what [xattrs] < from": kind, docker's letter. */
struct lines {
	char text[16384];
	size_t length;
	int stop_after;
};

static int add_line(void *argument, const struct layer_diff_entry *entry)
{
	struct lines *lines = argument;
	char *at = lines->text + lines->length;
	size_t left = sizeof(lines->text) - lines->length;
	int n = snprintf(at, left, "%c%c %s", layer_diff_kind_letter(entry->kind),
			 entry->docker ? entry->docker : '-', entry->path);

	for (unsigned int bit = 1; layer_diff_change_name(bit); bit <<= 1) {
		if (entry->changes & bit)
			n += snprintf(at + n, left - (size_t)n, " %s", layer_diff_change_name(bit));
	}
	if (entry->metacopy)
		n += snprintf(at + n, left - (size_t)n, " metacopy");
	if (entry->xattrs)
		n += snprintf(at + n, left - (size_t)n, " [%s]", entry->xattrs);
	if (entry->from)
		n += snprintf(at + n, left - (size_t)n, " < %s", entry->from);
	n += snprintf(at + n, left - (size_t)n, "\n");
	lines->length += (size_t)n;
	return lines->stop_after > 0 && --lines->stop_after == 0 ? 7 : 0;
}

static struct lines diff(struct scene *scene)
{
	struct lines lines = { 0 };
	int error = -1;

	assert_int_equal(layer_diff_run(&scene->overlay, NULL, add_line, &lines, &error), 0);
	assert_int_equal(error, 0);
	return lines;
}

static void assert_diff(struct scene *scene, const char *expected)
{
	struct lines lines = diff(scene);

	assert_string_equal(lines.text, expected);
}

static struct scene *begin(void **state)
{
	struct scene *scene = *state;

	scene_reset(scene);
	scene_mkdir(scene, "lower/d");
	scene_mkdir(scene, "lower/d/sub");
	scene_write(scene, "lower/d/a", "1");
	scene_write(scene, "lower/d/b", "1");
	scene_write(scene, "lower/d/sub/c", "1");
	scene_mkdir(scene, "lower2/deep");
	scene_write(scene, "lower2/deep/x", "1");
	return scene;
}

static void mount_plain(struct scene *scene)
{
	if (!scene_mount(scene, ""))
		fail();
}

static void nothing_done(void **state)
{
	struct scene *scene = begin(state);

	mount_plain(scene);
	assert_diff(scene, "");
}

static void added(void **state)
{
	struct scene *scene = begin(state);

	mount_plain(scene);
	scene_mkdir(scene, "merged/n");
	scene_mkdir(scene, "merged/n/n");
	scene_write(scene, "merged/n/n/f", "1");
	scene_write(scene, "merged/n-", "1");
	scene_write(scene, "merged/d/sub/new", "1");
	assert_diff(scene, "CC /d\n"
			   "CC /d/sub time\n"
			   "AA /d/sub/new\n"
			   "AA /n\n"
			   "AA /n/n\n"
			   "AA /n/n/f\n"
			   "AA /n-\n");
}

static void changed_content(void **state)
{
	struct scene *scene = begin(state);

	mount_plain(scene);
	scene_append(scene, "merged/d/a", "2");
	scene_append(scene, "merged/deep/x", "2");
	assert_diff(scene, "CC /d\n"
			   "CC /d/a content time\n"
			   "CC /deep\n"
			   "CC /deep/x content time\n");
}

/* A time apart from any that the test makes. */
static void set_time(const struct scene *scene, const char *name)
{
	struct timespec times[2] = { { 1000, 5 }, { 1000, 5 } };

	assert_int_equal(utimensat(AT_FDCWD, scene_path(scene, name), times, 0), 0);
}

static void changed_bytes_of_the_same_size(void **state)
{
	struct scene *scene = begin(state);
	struct layer_diff_options options = { .no_content = true };
	struct lines lines = { 0 };

	mount_plain(scene);
	scene_write(scene, "merged/d/a", "2");
	set_time(scene, "merged/d/a");
	set_time(scene, "merged/d/b");
	assert_diff(scene, "CC /d\n"
			   "CC /d/a content time\n"
			   "CC /d/b time\n");
	assert_int_equal(layer_diff_run(&scene->overlay, &options, add_line, &lines, NULL), 0);
	assert_non_null(strstr(lines.text, "/d/b content time\n"));
}

static void changed_metadata(void **state)
{
	/* An empty set of capabilities, VFS_CAP_REVISION_2. */
	static const char capability[20] = { 0, 0, 0, 2, 0, 0x20 };
	struct scene *scene = begin(state);

	mount_plain(scene);
	assert_int_equal(chmod(scene_path(scene, "merged/d/a"), 0600), 0);
	assert_int_equal(chown(scene_path(scene, "merged/d/b"), 5, 6), 0);
	assert_int_equal(chmod(scene_path(scene, "merged/d/sub"), 0700), 0);
	assert_int_equal(setxattr(scene_path(scene, "merged/deep/x"), "security.capability",
				  capability, sizeof(capability), 0),
			 0);
	assert_diff(scene, "CC /d\n"
			   "CC /d/a mode\n"
			   "CC /d/b owner\n"
			   "CC /d/sub mode\n"
			   "CC /deep\n"
			   "CC /deep/x capability [security.capability]\n");
}

/* Docker does not look at these. */
static void changed_xattrs(void **state)
{
	struct scene *scene = begin(state);

	scene_write(scene, "lower/d/has", "1");
	assert_int_equal(setxattr(scene_path(scene, "lower/d/has"), "trusted.gone", "1", 1, 0), 0);
	mount_plain(scene);
	assert_int_equal(setxattr(scene_path(scene, "merged/d/a"), "trusted.mine", "1", 1, 0), 0);
	assert_int_equal(removexattr(scene_path(scene, "merged/d/has"), "trusted.gone"), 0);
	assert_diff(scene, "C- /d/a xattrs [trusted.mine]\n"
			   "C- /d/has xattrs [trusted.gone]\n");
}

static void deleted(void **state)
{
	struct scene *scene = begin(state);

	mount_plain(scene);
	scene_remove(scene, "merged/d/a");
	scene_remove(scene, "merged/deep");
	assert_diff(scene, "CC /d time\n"
			   "DD /d/a\n"
			   "DD /deep\n");
}

static void made_and_deleted_leaves_nothing(void **state)
{
	struct scene *scene = begin(state);
	struct lines lines;

	mount_plain(scene);
	scene_write(scene, "merged/d/temporary", "1");
	scene_remove(scene, "merged/d/temporary");
	lines = diff(scene);
	assert_string_equal(lines.text, "C- /d time\n");
}

static void replaced_directory_hides(void **state)
{
	struct scene *scene = begin(state);

	mount_plain(scene);
	scene_remove(scene, "merged/d");
	scene_mkdir(scene, "merged/d");
	scene_write(scene, "merged/d/a", "12");
	scene_write(scene, "merged/d/aa", "1");
	assert_diff(scene, "CC /d time replaced\n"
			   "CC /d/a content time\n"
			   "AA /d/aa\n"
			   "HD /d/b\n"
			   "HD /d/sub\n");
}

static void of_another_kind(void **state)
{
	struct scene *scene = begin(state);

	scene_write(scene, "lower/f", "1");
	mount_plain(scene);
	scene_remove(scene, "merged/d/sub");
	scene_write(scene, "merged/d/sub", "1");
	scene_remove(scene, "merged/f");
	scene_mkdir(scene, "merged/f");
	scene_write(scene, "merged/f/in", "1");
	assert_diff(scene, "CC /d time\n"
			   "CC /d/sub type\n"
			   "CC /f type\n"
			   "AA /f/in\n");
}

/* What a middle layer deleted is new if it is there again. */
static void deleted_by_a_middle_layer(void **state)
{
	struct scene *scene = begin(state);

	assert_int_equal(mknod(scene_path(scene, "lower/deep"), S_IFCHR, 0), 0);
	mount_plain(scene);
	scene_mkdir(scene, "merged/deep");
	scene_write(scene, "merged/deep/x", "1");
	assert_diff(scene, "AA /deep\n"
			   "AA /deep/x\n");
}

static void renamed(void **state)
{
	struct scene *scene = begin(state);

	if (!scene_mount(scene, ",redirect_dir=on"))
		fail();
	scene_rename(scene, "merged/d/sub", "merged/d/moved");
	scene_append(scene, "merged/d/moved/c", "2");
	scene_rename(scene, "merged/deep", "merged/d/deeper");
	assert_diff(scene, "CC /d time\n"
			   "RA /d/deeper < /deep\n"
			   "RA /d/moved < /d/sub\n"
			   "CC /d/moved/c content time\n"
			   "DD /d/sub\n"
			   "DD /deep\n");
}

static void metadata_only(void **state)
{
	struct scene *scene = begin(state);

	if (!scene_mount(scene, ",redirect_dir=on,metacopy=on"))
		fail();
	assert_int_equal(chmod(scene_path(scene, "merged/d/a"), 0600), 0);
	assert_diff(scene, "CC /d\n"
			   "CC /d/a mode metacopy\n");
}

static void the_report_can_end_it(void **state)
{
	struct scene *scene = begin(state);
	struct lines lines = { .stop_after = 2 };

	mount_plain(scene);
	for (int i = 0; i < 500; i++) {
		char name[64];

		snprintf(name, sizeof(name), "merged/file-%d", i);
		scene_write(scene, name, "");
	}
	assert_int_equal(layer_diff_run(&scene->overlay, NULL, add_line, &lines, NULL), 7);
	assert_string_equal(lines.text, "AA /file-0\nAA /file-1\n");
}

static void cancelled(void **state)
{
	struct scene *scene = begin(state);
	atomic_bool cancel = true;
	struct layer_diff_options options = { .cancel = &cancel };
	struct lines lines = { 0 };

	mount_plain(scene);
	scene_write(scene, "merged/new", "1");
	assert_int_equal(layer_diff_run(&scene->overlay, &options, add_line, &lines, NULL),
			 -ECANCELED);
	assert_int_equal(lines.length, 0);
}

static void no_upper_layer(void **state)
{
	struct scene *scene = begin(state);
	struct lines lines = { 0 };

	mount_plain(scene);
	scene->overlay.layers++;
	scene->overlay.n_layers--;
	assert_int_equal(layer_diff_run(&scene->overlay, NULL, add_line, &lines, NULL), -ENOENT);
	scene_reset(scene);
	mount_plain(scene);
	scene_unmount(scene);
	scene_remove(scene, "upper");
	assert_int_equal(layer_diff_run(&scene->overlay, NULL, add_line, &lines, NULL), -ENOENT);
}

/* Nobody answers at the other end. */
static void a_dead_server(void **state)
{
	struct scene *scene = begin(state);
	struct layer_diff_options options = { .stuck_ns = 300000000 };
	struct lines lines = { 0 };
	int fuse;

	mount_plain(scene);
	fuse = scene_mount_dead(scene, "dead");
	if (fuse < 0) {
		print_message("no FUSE here\n");
		return;
	}
	scene->layers[0].path = scene->layers[0].resolved = scene_path(scene, "dead/upper");
	scene->layers[0].device = 0;
	scene->layers[0].inode = 0;
	assert_int_equal(layer_diff_run(&scene->overlay, &options, add_line, &lines, NULL),
			 -ETIMEDOUT);
	close(fuse);
	umount2(scene_path(scene, "dead"), MNT_DETACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_done),
		cmocka_unit_test(added),
		cmocka_unit_test(changed_content),
		cmocka_unit_test(changed_bytes_of_the_same_size),
		cmocka_unit_test(changed_metadata),
		cmocka_unit_test(changed_xattrs),
		cmocka_unit_test(deleted),
		cmocka_unit_test(made_and_deleted_leaves_nothing),
		cmocka_unit_test(replaced_directory_hides),
		cmocka_unit_test(of_another_kind),
		cmocka_unit_test(deleted_by_a_middle_layer),
		cmocka_unit_test(renamed),
		cmocka_unit_test(metadata_only),
		cmocka_unit_test(the_report_can_end_it),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(no_upper_layer),
		cmocka_unit_test(a_dead_server),
	};

	return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
