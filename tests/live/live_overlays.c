// SPDX-License-Identifier: MIT
/*
 * Overlay mounts of the real kernel in all the forms their options take: what the library says must
 * be what the kernel says of the directories. In a mount namespace of the test's own.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "overlay_scene.h"

static void test_two_lowers(void **state)
{
	struct scene *scene = *state;
	const struct overlay *overlay;
	const char *options;
	char at[128];

	MKDIRS("top", "bottom", "u", "w", "m");
	snprintf(at, sizeof(at), "%s/m", scene->dir);
	options = "lowerdir=top:bottom,upperdir=u,workdir=w";
	scene_overlay("m", options);
	scene_scan(scene);
	overlay = scene_find(scene, "m");
	assert_string_equal(overlay->fstype, "overlay");
	assert_int_equal(overlay->n_layers, 3);
	assert_int_equal(overlay->n_lower, 2);
	assert_int_equal(overlay->layers[0].kind, OVERLAY_UPPER);
	assert_int_equal(overlay->layers[1].kind, OVERLAY_LOWER);
	scene_check_layer(overlay, 0, "u");
	scene_check_layer(overlay, 1, "top");
	scene_check_layer(overlay, 2, "bottom");
	assert_string_equal(overlay->work, "w");
	assert_string_equal(overlay_mountpoint(overlay), at);
	assert_int_equal(overlay->option_bytes, strlen(options));
	assert_int_equal(overlay->flags, 0);
	assert_false(overlay->read_only);
	assert_int_equal(overlay->n_mounts, 1);
	assert_true(overlay->mounts[0].mount_ns == scene->own_ns);
	assert_int_equal(overlay->mounts[0].propagation, 'p');
	assert_string_equal(overlay->backing_fstype, "tmpfs");
	assert_true(overlay->backing_free_bytes > 0);
	assert_int_equal(scene_count_set(scene), scene_count_mountinfo());
	scene_scan(scene);
	scene_check_layer(scene_find(scene, "m"), 2, "bottom");
}

/* More than a page in mountinfo: 128 layers with names of 40 bytes. */
static void test_128_layers(void **state)
{
	struct scene *scene = *state;
	const struct overlay *overlay;
	struct strbuf options;
	char name[64];

	MKDIRS("u", "w", "m");
	strbuf_init(&options);
	strbuf_add_string(&options, "upperdir=u,workdir=w,lowerdir=");
	for (int i = 0; i < 128; i++) {
		snprintf(name, sizeof(name), "layer-number-%03d-name", i);
		scene_mkdir(name);
		strbuf_printf(&options, "%s%s", i ? ":" : "", name);
	}
	assert_true(options.length < 4096);
	scene_overlay("m", options.data);
	scene_scan(scene);
	overlay = scene_find(scene, "m");
	assert_int_equal(overlay->n_lower, 128);
	for (uint32_t i = 0; i < 128; i++) {
		snprintf(name, sizeof(name), "layer-number-%03u-name", i);
		scene_check_layer(overlay, i + 1, name);
	}
	assert_int_equal(overlay->option_bytes, options.length);
	strbuf_done(&options);
}

static int set_option(int fs, const char *key, const char *value)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0);
}

/* fsconfig() has no page to fit into: 300 layers make a line of 20,000 bytes. */
static void test_300_layers(void **state)
{
	struct scene *scene = *state;
	const struct overlay *overlay;
	int fs = fsopen("overlay", FSOPEN_CLOEXEC), mount_fd;
	char path[256];

	must(fs);
	MKDIRS("u", "w", "m");
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "%s/one-of-many-layers-with-a-long-name-%03d",
			 scene->dir, i);
		scene_mkdir(path);
		if (set_option(fs, "lowerdir+", path) < 0) {
			printf("no lowerdir+ on this kernel: %s\n", strerror(errno));
			close(fs);
			return;
		}
	}
	snprintf(path, sizeof(path), "%s/u", scene->dir);
	must(set_option(fs, "upperdir", path));
	snprintf(path, sizeof(path), "%s/w", scene->dir);
	must(set_option(fs, "workdir", path));
	must(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	mount_fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	must(mount_fd);
	must(move_mount(mount_fd, "", AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH));
	close(mount_fd);
	close(fs);
	scene_scan(scene);
	overlay = scene_find(scene, "m");
	assert_int_equal(overlay->n_lower, 300);
	for (uint32_t i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "one-of-many-layers-with-a-long-name-%03u", i);
		scene_check_layer(overlay, i + 1, path);
	}
	assert_true(overlay->option_bytes > 15000);
	assert_int_equal(overlay->flags, 0);
}

/* The kernel takes a byte behind a backslash as it is. */
static void add_escaped(struct strbuf *options, const char *dir, const char *name)
{
	strbuf_printf(options, "%s/", dir);
	for (; *name; name++) {
		if (*name == ':' || *name == ',' || *name == '\\')
			strbuf_add_char(options, '\\');
		strbuf_add_char(options, *name);
	}
}

static void test_names(void **state)
{
	static const char *const names[] = { "col:on",	  "com,ma", "sp ace", "back\\slash",
					     "new\nline", "\ttab#", "\\040",  "all:of,them \\ \n" };
	const size_t n = sizeof(names) / sizeof(names[0]);
	struct scene *scene = *state;
	const struct overlay *overlay;
	struct strbuf options;
	char path[256];

	strbuf_init(&options);
	strbuf_add_string(&options, "lowerdir=");
	for (size_t i = 0; i < n; i++) {
		scene_mkdir(names[i]);
		add_escaped(&options, scene->dir, names[i]);
		strbuf_add_char(&options, i + 1 < n ? ':' : ',');
	}
	MKDIRS("up:per, \\one", "wo:rk, \\one", "mo:unt, \\\none");
	strbuf_add_string(&options, "upperdir=");
	add_escaped(&options, scene->dir, "up:per, \\one");
	strbuf_add_string(&options, ",workdir=");
	add_escaped(&options, scene->dir, "wo:rk, \\one");
	scene_overlay("mo:unt, \\\none", options.data);
	strbuf_done(&options);
	scene_scan(scene);
	overlay = scene_find(scene, "mo:unt, \\\none");
	assert_int_equal(overlay->n_lower, n);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", scene->dir, names[i]);
		assert_string_equal(overlay->layers[i + 1].path, path);
		assert_string_equal(overlay->layers[i + 1].resolved, path);
		scene_check_layer(overlay, i + 1, names[i]);
	}
	scene_check_layer(overlay, 0, "up:per, \\one");
	snprintf(path, sizeof(path), "%s/wo:rk, \\one", scene->dir);
	assert_string_equal(overlay->work, path);
	snprintf(path, sizeof(path), "%s/mo:unt, \\\none", scene->dir);
	assert_string_equal(overlay_mountpoint(overlay), path);
	assert_ptr_equal(overlays_find_path(scene->set, path), overlay);
	assert_int_equal(overlay->flags, 0);
}

static void test_upper_deleted(void **state)
{
	struct scene *scene = *state;
	const struct overlay *overlay;
	struct stat upper, top;

	MKDIRS("l", "u", "w", "m");
	must(stat("u", &upper));
	scene_overlay("m", "lowerdir=l,upperdir=u,workdir=w");
	scene_scan(scene);
	assert_int_equal(scene_find(scene, "m")->flags, 0);
	must(rmdir("u"));
	scene_scan(scene);
	overlay = scene_find(scene, "m");
	assert_int_equal(overlay->flags, OVERLAY_UPPER_DELETED);
	assert_true(overlay->layers[0].missing);
	assert_null(overlay->layers[0].resolved);
	/* Another one of that name is not the one that is mounted, if the kernel lets us see it. */
	scene_mkdir("u");
	scene_scan(scene);
	must(stat("m", &top));
	overlay = scene_find(scene, "m");
	if (top.st_ino == upper.st_ino)
		assert_int_equal(overlay->flags, OVERLAY_UPPER_DELETED);
	/* Mounted anew with it, all is well, also if the kernel gives the same numbers again. */
	must(umount("m"));
	scene_overlay("m", "lowerdir=l,upperdir=u,workdir=w");
	scene_scan(scene);
	overlay = scene_find(scene, "m");
	assert_int_equal(overlay->flags, 0);
	scene_check_layer(overlay, 0, "u");
}

static void test_lower_missing(void **state)
{
	struct scene *scene = *state;
	const struct overlay *overlay;

	MKDIRS("a", "b", "m");
	scene_overlay("m", "lowerdir=a:b");
	scene_scan(scene);
	overlay = scene_find(scene, "m");
	assert_int_equal(overlay->flags, 0);
	assert_null(overlay_upper(overlay));
	assert_null(overlay->work);
	assert_null(overlay->backing_fstype);
	assert_int_equal(overlay->usage.state, LAYER_NONE);
	must(rename("b", "elsewhere"));
	scene_scan(scene);
	overlay = scene_find(scene, "m");
	assert_int_equal(overlay->flags, OVERLAY_LOWER_MISSING);
	assert_false(overlay->layers[0].missing);
	assert_true(overlay->layers[1].missing);
	assert_null(overlay->layers[1].resolved);
	must(rename("elsewhere", "b"));
	scene_scan(scene);
	assert_int_equal(scene_find(scene, "m")->flags, 0);
}

static const struct overlay *find_by_upper(const struct scene *scene, const char *name)
{
	struct stat info;

	must(stat(name, &info));
	for (uint32_t i = 0; i < scene->set->n; i++) {
		const struct overlay_layer *upper = overlay_upper(&scene->set->list[i]);

		if (upper && upper->device == info.st_dev && upper->inode == info.st_ino)
			return &scene->set->list[i];
	}
	fail_msg("no overlay with the upper %s", name);
	return NULL;
}

static void test_stacked(void **state)
{
	struct scene *scene = *state;
	const struct overlay *above, *below;

	MKDIRS("l", "u1", "w1", "u2", "w2", "m");
	scene_overlay("m", "lowerdir=l,upperdir=u1,workdir=w1");
	scene_scan(scene);
	assert_int_equal(scene_find(scene, "m")->flags, 0);
	scene_overlay("m", "lowerdir=l,upperdir=u2,workdir=w2");
	scene_scan(scene);
	below = find_by_upper(scene, "u1");
	above = find_by_upper(scene, "u2");
	assert_int_equal(below->flags, OVERLAY_STACKED);
	assert_int_equal(above->flags, OVERLAY_STACKED);
	assert_ptr_equal(above, scene_find(scene, "m"));
	assert_int_equal(above->layers[1].shared, 2);
	assert_int_equal(scene_count_set(scene), scene_count_mountinfo());
	must(umount("m"));
	scene_scan(scene);
	assert_int_equal(scene_find(scene, "m")->flags, 0);
	assert_int_equal(scene_find(scene, "m")->layers[1].shared, 1);
}

static void test_shared(void **state)
{
	struct scene *scene = *state;

	MKDIRS("l1", "l2", "u", "w", "m1", "m2", "m3");
	scene_overlay("m1", "lowerdir=l1:l2,upperdir=u,workdir=w,index=off");
	scene_overlay("m2", "lowerdir=l2,upperdir=u,workdir=w,index=off");
	scene_overlay("m3", "lowerdir=u:l2");
	scene_scan(scene);
	for (int i = 1; i <= 2; i++) {
		const struct overlay *overlay = scene_find(scene, i == 1 ? "m1" : "m2");

		assert_int_equal(overlay->flags, OVERLAY_UPPER_SHARED | OVERLAY_WORK_SHARED |
							 OVERLAY_UPPER_AS_LOWER);
		assert_int_equal(overlay->layers[0].shared, 3);
	}
	assert_int_equal(scene_find(scene, "m3")->flags, 0);
	assert_int_equal(scene_find(scene, "m1")->layers[1].shared, 1);
	assert_int_equal(scene_find(scene, "m1")->layers[2].shared, 3);
	must(umount("m2"));
	must(umount("m3"));
	scene_scan(scene);
	assert_int_equal(scene_find(scene, "m1")->flags, 0);
	assert_int_equal(scene_find(scene, "m1")->layers[2].shared, 1);
}

static void test_bind(void **state)
{
	struct scene *scene = *state;
	const struct overlay *overlay;
	char path[128];
	bool seen_sub = false;

	MKDIRS("l", "u", "w", "m", "b", "s");
	scene_overlay("m", "lowerdir=l,upperdir=u,workdir=w");
	scene_mkdir("m/sub");
	must(mount("m", "b", NULL, MS_BIND, NULL));
	must(mount("m/sub", "s", NULL, MS_BIND, NULL));
	must(mount(NULL, "s", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	scene_scan(scene);
	overlay = scene_find(scene, "m");
	assert_int_equal(overlay->n_mounts, 3);
	assert_int_equal(overlay->n_mount_ns, 1);
	assert_int_equal(overlay->flags, 0);
	snprintf(path, sizeof(path), "%s/s", scene->dir);
	for (uint32_t i = 0; i < overlay->n_mounts; i++) {
		const struct overlay_mount *place = &overlay->mounts[i];
		bool sub = strcmp(place->mountpoint, path) == 0;

		seen_sub |= sub;
		assert_string_equal(place->root, sub ? "/sub" : "/");
		assert_true(place->read_only == sub);
	}
	assert_true(seen_sub);
	assert_int_equal(scene_count_set(scene), scene_count_mountinfo());
}

static void test_changes(void **state)
{
	struct scene *scene = *state;
	uint64_t generation;
	char path[128];

	MKDIRS("l", "u", "w", "m", "moved", "other", "p");
	scene_overlay("m", "lowerdir=l,upperdir=u,workdir=w");
	scene_scan(scene);
	generation = mount_table_generation(scene->table);
	scene_scan(scene);
	must(mount("tmpfs", "other", "tmpfs", 0, NULL));
	scene_scan(scene);
	/* With statmount() all namespaces are looked into, and others may mount something. */
	if (scene->by_mountinfo)
		assert_true(mount_table_generation(scene->table) == generation);

	generation = mount_table_generation(scene->table);
	must(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL));
	scene_scan(scene);
	assert_true(mount_table_generation(scene->table) > generation);
	assert_true(scene_find(scene, "m")->mounts[0].read_only);
	assert_false(scene_find(scene, "m")->read_only);

	generation = mount_table_generation(scene->table);
	must(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID, NULL));
	scene_scan(scene);
	assert_true(mount_table_generation(scene->table) > generation);
	assert_true(scene_find(scene, "m")->read_only);

	generation = mount_table_generation(scene->table);
	must(mount("m", "moved", NULL, MS_MOVE, NULL));
	scene_scan(scene);
	assert_true(mount_table_generation(scene->table) > generation);
	snprintf(path, sizeof(path), "%s/moved", scene->dir);
	assert_string_equal(overlay_mountpoint(scene_find(scene, "moved")), path);

	must(umount("moved"));
	scene_scan(scene);
	assert_null(overlays_find_path(scene->set, path));
	assert_int_equal(scene_count_set(scene), scene_count_mountinfo());
}

/* A FUSE server that never answers: whoever asks it waits for ever, but for us. */
static int mount_dead_fuse(const char *at)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];

	if (fd < 0)
		return -1;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (mount("dead", at, "fuse.dead", 0, options) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void test_dead_server(void **state)
{
	struct scene *scene = *state;
	const struct overlay *overlay;
	int fd;

	MKDIRS("l", "dir", "dir/u", "dir/w", "m", "l2", "m2");
	scene_overlay("m", "lowerdir=l,upperdir=dir/u,workdir=dir/w");
	scene_scan(scene);
	scene_check_layer(scene_find(scene, "m"), 0, "dir/u");
	fd = mount_dead_fuse("dir");
	if (fd < 0) {
		printf("no FUSE here: %s\n", strerror(errno));
		return;
	}
	/* That this comes back is the test; what the server hides is unknown, not missing. */
	scene_scan(scene);
	overlay = scene_find(scene, "m");
	assert_int_equal(overlay->flags, 0);
	assert_null(overlay->layers[0].resolved);
	assert_false(overlay->layers[0].missing);
	assert_null(overlay->backing_fstype);
	scene_check_layer(overlay, 1, "l");
	/* Others are seen as ever. */
	scene_overlay("m2", "lowerdir=l:l2");
	scene_scan(scene);
	scene_check_layer(scene_find(scene, "m2"), 0, "l");
	must(umount2("dir", MNT_DETACH));
	close(fd);
}

/* Mounts are compared in turn where there are many, but a move is seen at once. */
static void test_move_among_many(void **state)
{
	struct scene *scene = *state;
	char name[64], path[128];
	uint32_t seen = 0;

	MKDIRS("l", "d", "m", "moved");
	scene_overlay("m", "lowerdir=l:d");
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		scene_mkdir(name);
		must(mount("m", name, NULL, MS_BIND, NULL));
	}
	scene_scan(scene);
	assert_int_equal(scene_find(scene, "m")->n_mounts, 301);
	must(mount("b177", "moved", NULL, MS_MOVE, NULL));
	scene_scan(scene);
	snprintf(path, sizeof(path), "%s/moved", scene->dir);
	for (uint32_t i = 0; i < scene_find(scene, "m")->n_mounts; i++)
		seen += strcmp(scene_find(scene, "m")->mounts[i].mountpoint, path) == 0;
	assert_int_equal(seen, 1);
	must(mount(NULL, "b250", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	scene_scan(scene);
	seen = 0;
	for (uint32_t i = 0; i < scene_find(scene, "m")->n_mounts; i++)
		seen += scene_find(scene, "m")->mounts[i].read_only;
	assert_int_equal(seen, 1);
}

/* Many at once come and go: the set follows, whatever was kept. */
static void test_come_and_go(void **state)
{
	struct scene *scene = *state;
	char name[64], options[128];

	scene_mkdir("l");
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		scene_mkdir(name);
		snprintf(name, sizeof(name), "d%d/m", i);
		scene_mkdir(name);
		snprintf(name, sizeof(name), "d%d/l", i);
		scene_mkdir(name);
		snprintf(options, sizeof(options), "lowerdir=l:d%d/l", i);
		snprintf(name, sizeof(name), "d%d/m", i);
		scene_overlay(name, options);
		if (i % 7 == 0)
			scene_scan(scene);
	}
	for (int i = 0; i < 40; i += 3) {
		snprintf(name, sizeof(name), "d%d/m", i);
		must(umount(name));
	}
	scene_scan(scene);
	assert_int_equal(scene_count_set(scene), scene_count_mountinfo());
	for (int i = 0; i < 40; i++) {
		char lower[64];

		if (i % 3 == 0)
			continue;
		snprintf(name, sizeof(name), "d%d/m", i);
		snprintf(lower, sizeof(lower), "d%d/l", i);
		scene_check_layer(scene_find(scene, name), 0, "l");
		scene_check_layer(scene_find(scene, name), 1, lower);
		assert_int_equal(scene_find(scene, name)->layers[0].shared, 26);
		assert_int_equal(scene_find(scene, name)->layers[1].shared, 1);
	}
}

#define TESTS(mode)                                                                         \
	SCENE_TEST(test_two_lowers, mode), SCENE_TEST(test_128_layers, mode),               \
		SCENE_TEST(test_300_layers, mode), SCENE_TEST(test_names, mode),            \
		SCENE_TEST(test_upper_deleted, mode), SCENE_TEST(test_lower_missing, mode), \
		SCENE_TEST(test_stacked, mode), SCENE_TEST(test_shared, mode),              \
		SCENE_TEST(test_bind, mode), SCENE_TEST(test_changes, mode),                \
		SCENE_TEST(test_dead_server, mode), SCENE_TEST(test_come_and_go, mode),     \
		SCENE_TEST(test_move_among_many, mode)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(statmount_mode), TESTS(mountinfo_mode) };

	return scene_run(tests, sizeof(tests) / sizeof(tests[0]));
}
