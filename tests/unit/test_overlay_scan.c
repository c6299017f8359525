// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "collectors/overlay_scan.h"
#include "core/cleanup.h"
#include "core/strbuf.h"
#include "tests/unit/fake_inventory.h"
#include "tests/unit/test_collectors_tree.h"

/* The scanner on a machine of plain files with the namespaces and containers of fake_inventory().
 */
struct world {
	struct fake_machine machine;
	struct root *root;
	struct mount_table *table;
	struct overlay_scanner *scanner;
	struct inventory *inventory;
	struct overlays *set;
	bool no_namespaces, no_containers;
};

#define HOST	     (FAKE_HOST_NS + NS_MNT)
#define ROOTLESS_MNT (FAKE_OWN_NS + 7)
#define DOCKER	     "/var/lib/docker/overlay2/"

static void link_to(const struct world *world, const char *target, const char *path)
{
	char full[4096];

	machine_path(&world->machine, path, full);
	assert_int_equal(symlink(target, full), 0);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	machine_init(&world->machine);
	machine_mkdir(&world->machine, "proc/self/ns");
	link_to(world, "mnt:[4026531830]", "proc/self/ns/mnt");
	machine_write(&world->machine, "proc/300/mountinfo", "");
	machine_mkdir(&world->machine, "proc/300/root");
	world->inventory = fake_inventory();
	world->root = machine_root(&world->machine);
	assert_int_equal(mount_table_new(world->root, &world->table), 0);
	assert_int_equal(overlay_scanner_new(world->root, &world->scanner), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	overlays_unref(world->set);
	overlay_scanner_free(world->scanner);
	mount_table_free(world->table);
	root_free(world->root);
	inventory_unref(world->inventory);
	machine_done(&world->machine);
	free(world);
	return 0;
}

static void scan(struct world *world)
{
	const struct mount_ns rootless = { ROOTLESS_MNT, 0, 300, -1 };

	overlays_unref(world->set);
	world->set = NULL;
	assert_int_equal(mount_table_refresh(world->table, &rootless, 1), 0);
	assert_int_equal(
		overlay_scanner_build(world->scanner, world->table,
				      world->no_namespaces ? NULL : world->inventory->namespaces,
				      world->no_containers ? NULL : world->inventory->containers,
				      &world->set),
		0);
}

static const struct overlay *find(const struct world *world, unsigned int minor)
{
	const struct overlay *overlay = overlays_find_device(world->set, makedev(0, minor));

	if (!overlay)
		fail_msg("no overlay 0:%u", minor);
	return overlay;
}

static uint64_t inode_of(const struct world *world, const char *path)
{
	char full[4096];
	struct stat info;

	machine_path(&world->machine, path, full);
	assert_int_equal(stat(full, &info), 0);
	return info.st_ino;
}

/* Docker's overlay, mounted with relative paths from its directory; short links for the lowers. */
static void make_docker(struct world *world)
{
	static const char *const dirs[] = { "aaaa/diff",      "aaaa/work", "aaaa/merged",
					    "aaaa-init/diff", "bbbb/diff", "l" };
	char path[256];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s%s", &DOCKER[1], dirs[i]);
		machine_mkdir(&world->machine, path);
	}
	link_to(world, "../aaaa-init/diff", "var/lib/docker/overlay2/l/INIT");
	link_to(world, "../bbbb/diff", "var/lib/docker/overlay2/l/BBBB");
	machine_write(&world->machine, "proc/self/mountinfo",
		      "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
		      "40 20 0:57 / " DOCKER "aaaa/merged rw shared:9 - overlay overlay "
		      "rw,lowerdir=l/INIT:l/BBBB,upperdir=aaaa/diff,workdir=aaaa/work,xino=off\n");
}

static void test_docker(void **state)
{
	struct world *world = *state;
	const struct overlay *web;

	make_docker(world);
	scan(world);
	web = find(world, 57);
	assert_string_equal(web->fstype, "overlay");
	assert_string_equal(web->options, "rw,xino=off");
	assert_int_equal(web->n_layers, 3);
	assert_int_equal(web->n_lower, 2);
	assert_int_equal(web->layers[0].kind, OVERLAY_UPPER);
	assert_string_equal(web->layers[0].path, "aaaa/diff");
	assert_string_equal(web->layers[0].resolved, DOCKER "aaaa/diff");
	assert_string_equal(web->layers[1].resolved, DOCKER "l/INIT");
	assert_true(web->layers[0].inode == inode_of(world, "var/lib/docker/overlay2/aaaa/diff"));
	/* Through the short link. */
	assert_true(web->layers[2].inode == inode_of(world, "var/lib/docker/overlay2/bbbb/diff"));
	assert_string_equal(web->work, "aaaa/work");
	assert_int_equal(web->flags, 0);
	assert_int_equal(web->n_mounts, 1);
	assert_true(web->mounts[0].mount_ns == HOST);
	assert_int_equal(web->mounts[0].propagation, 's');
	assert_string_equal(overlay_mountpoint(web), DOCKER "aaaa/merged");
	assert_int_equal(web->usage.state, LAYER_PENDING);
	assert_int_equal(web->option_bytes,
			 strlen("lowerdir=l/INIT:l/BBBB,upperdir=aaaa/diff,workdir=aaaa/work"));
	assert_non_null(web->backing_fstype);
	assert_true(web->backing_free_bytes > 0);
}

static void test_users(void **state)
{
	struct world *world = *state;
	const struct overlay *web;

	make_docker(world);
	scan(world);
	web = find(world, 57);
	assert_int_equal(web->n_processes, 2);
	assert_int_equal(world->inventory->namespaces->processes[web->processes[0]].pid, 200);
	assert_int_equal(world->inventory->namespaces->processes[web->processes[1]].pid, 201);
	assert_string_equal(web->cgroup, FAKE_WEB_CGROUP);
	assert_string_equal(web->container_id, FAKE_WEB_ID);
	assert_string_equal(web->runtime, "docker");

	/* Without the runtime's state the cgroup says it; without processes nobody is known. */
	world->no_containers = true;
	scan(world);
	web = find(world, 57);
	assert_string_equal(web->container_id, FAKE_WEB_ID);
	assert_string_equal(web->runtime, "docker");
	world->no_namespaces = true;
	scan(world);
	web = find(world, 57);
	assert_null(web->processes);
	assert_int_equal(web->n_processes, 0);
	assert_null(web->cgroup);
	assert_null(web->container_id);
	assert_null(web->runtime);
	/* The state alone, by the mount point. */
	world->no_containers = false;
	scan(world);
	assert_string_equal(find(world, 57)->container_id, FAKE_WEB_ID);
}

/* A set stays as it was, whatever comes later. */
static void test_immutable(void **state)
{
	struct world *world = *state;
	struct overlays *before;

	make_docker(world);
	scan(world);
	before = overlays_ref(world->set);
	machine_write(&world->machine, "proc/self/mountinfo", "");
	machine_remove(&world->machine, "var/lib/docker");
	scan(world);
	assert_int_equal(world->set->n, 0);
	assert_int_equal(before->n, 1);
	assert_string_equal(before->list[0].layers[2].path, "l/BBBB");
	assert_string_equal(before->list[0].layers[0].resolved, DOCKER "aaaa/diff");
	assert_string_equal(before->list[0].mounts[0].mountpoint, DOCKER "aaaa/merged");
	assert_string_equal(before->list[0].container_id, FAKE_WEB_ID);
	overlays_unref(before);
}

static void test_missing(void **state)
{
	struct world *world = *state;
	const struct overlay *web;

	make_docker(world);
	scan(world);
	assert_int_equal(find(world, 57)->flags, 0);
	machine_remove(&world->machine, "var/lib/docker/overlay2/bbbb");
	scan(world);
	web = find(world, 57);
	assert_int_equal(web->flags, OVERLAY_LOWER_MISSING);
	assert_true(web->layers[2].missing);
	assert_false(web->layers[1].missing);
	assert_null(web->layers[2].resolved);
	machine_remove(&world->machine, "var/lib/docker/overlay2/aaaa/diff");
	scan(world);
	web = find(world, 57);
	assert_int_equal(web->flags, OVERLAY_LOWER_MISSING | OVERLAY_UPPER_DELETED);
	assert_true(web->layers[0].missing);
	/* They come back: the lower is found again. */
	machine_mkdir(&world->machine, "var/lib/docker/overlay2/bbbb/diff");
	scan(world);
	assert_int_equal(find(world, 57)->flags, OVERLAY_UPPER_DELETED);
}

/* Paths that cannot be looked up are unknown, not missing. */
static void test_unresolved(void **state)
{
	struct world *world = *state;
	const struct overlay *overlay;

	machine_write(&world->machine, "proc/self/mountinfo",
		      "40 20 0:70 / /m rw - overlay o rw,lowerdir=l/A:l/B,upperdir=u/diff\n"
		      "41 20 0:71 / /n rw - overlay o rw,lowerdir=/proc/self/fd/7:/dev/fd/8\n");
	machine_mkdir(&world->machine, "proc/self/fd/7");
	scan(world);
	overlay = find(world, 70);
	assert_int_equal(overlay->flags, 0);
	for (uint32_t i = 0; i < overlay->n_layers; i++) {
		assert_null(overlay->layers[i].resolved);
		assert_false(overlay->layers[i].missing);
		assert_int_equal(overlay->layers[i].inode, 0);
	}
	overlay = find(world, 71);
	assert_int_equal(overlay->flags, 0);
	assert_null(overlay->layers[0].resolved);
	assert_null(overlay->layers[1].resolved);
	assert_int_equal(overlay->usage.state, LAYER_NONE);
}

/* Only in another namespace: seen through a process there, unless the overlay is its root. */
static void test_foreign(void **state)
{
	struct world *world = *state;
	const struct overlay *overlay;

	machine_write(&world->machine, "proc/300/mountinfo",
		      "50 1 0:61 / / rw - overlay o rw,lowerdir=/home/l,upperdir=/home/u\n"
		      "51 50 0:62 / /m rw - overlay o rw,lowerdir=/srv/l:/srv/gone,"
		      "upperdir=/srv/u,workdir=/srv/w\n");
	machine_mkdir(&world->machine, "proc/300/root/srv/l");
	machine_mkdir(&world->machine, "proc/300/root/srv/u");
	machine_mkdir(&world->machine, "srv/l");
	scan(world);
	overlay = find(world, 62);
	assert_int_equal(overlay->flags, OVERLAY_FOREIGN | OVERLAY_LOWER_MISSING);
	assert_string_equal(overlay->layers[0].resolved, "/proc/300/root/srv/u");
	assert_string_equal(overlay->layers[1].resolved, "/proc/300/root/srv/l");
	assert_true(overlay->layers[1].inode == inode_of(world, "proc/300/root/srv/l"));
	assert_true(overlay->layers[2].missing);
	/* From inside an overlay one does not see what it is made of; the host has no such path. */
	overlay = find(world, 61);
	assert_int_equal(overlay->flags, OVERLAY_FOREIGN);
	assert_null(overlay->layers[0].resolved);
	assert_false(overlay->layers[0].missing);
	assert_int_equal(overlay->n_processes, 1);
	assert_string_equal(overlay->cgroup, FAKE_ROOTLESS_CGROUP);
	assert_null(overlay->container_id);
}

static void test_foreign_by_host(void **state)
{
	struct world *world = *state;
	const struct overlay *overlay;

	machine_write(&world->machine, "proc/300/mountinfo",
		      "50 1 0:61 / / rw - overlay o rw,lowerdir=/home/l,upperdir=/home/u\n");
	machine_mkdir(&world->machine, "home/l");
	machine_mkdir(&world->machine, "home/u");
	scan(world);
	overlay = find(world, 61);
	assert_string_equal(overlay->layers[0].resolved, "/home/u");
	assert_string_equal(overlay->layers[1].resolved, "/home/l");
	/* What was there and is no longer was deleted. */
	machine_remove(&world->machine, "home/u");
	scan(world);
	assert_int_equal(find(world, 61)->flags, OVERLAY_FOREIGN | OVERLAY_UPPER_DELETED);
}

static void test_flags(void **state)
{
	static const char *const dirs[] = { "u1", "u2", "w1", "w2", "l1", "l2" };
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		machine_mkdir(&world->machine, dirs[i]);
	link_to(world, "u1", "again");
	machine_write(
		&world->machine, "proc/self/mountinfo",
		"40 20 0:70 / /m1 rw - overlay o rw,lowerdir=/l1:/l2,upperdir=/u1,workdir=/w1\n"
		/* The same directory by another name. */
		"41 20 0:71 / /m2 rw - overlay o rw,lowerdir=/l2,upperdir=/again,workdir=/w1\n"
		"42 20 0:72 / /m3 rw - overlay o rw,lowerdir=/u2,upperdir=/l1,workdir=/w2\n"
		"43 42 0:73 / /m3 rw - overlay o ro,lowerdir=/l2\n"
		"44 20 0:73 /sub /m4 ro - overlay o ro,lowerdir=/l2\n");
	scan(world);
	assert_int_equal(world->set->n, 4);
	assert_int_equal(find(world, 70)->flags, OVERLAY_UPPER_SHARED | OVERLAY_WORK_SHARED);
	assert_int_equal(find(world, 71)->flags, OVERLAY_UPPER_SHARED | OVERLAY_WORK_SHARED);
	assert_int_equal(find(world, 72)->flags, OVERLAY_UPPER_AS_LOWER | OVERLAY_STACKED);
	assert_int_equal(find(world, 73)->flags, OVERLAY_STACKED);
	assert_int_equal(find(world, 70)->layers[0].shared, 2);
	assert_int_equal(find(world, 70)->layers[1].shared, 2);
	assert_int_equal(find(world, 70)->layers[2].shared, 3);
	assert_int_equal(find(world, 72)->layers[1].shared, 1);
	assert_int_equal(find(world, 73)->n_mounts, 2);
	assert_int_equal(find(world, 73)->n_mount_ns, 1);
	assert_true(find(world, 73)->read_only);
	assert_true(find(world, 73)->mounts[1].read_only);
	assert_string_equal(find(world, 73)->mounts[1].root, "/sub");

	/* The counts follow when one goes. */
	machine_write(
		&world->machine, "proc/self/mountinfo",
		"41 20 0:71 / /m2 rw - overlay o rw,lowerdir=/l2,upperdir=/again,workdir=/w1\n"
		"42 20 0:72 / /m3 rw - overlay o rw,lowerdir=/u2,upperdir=/l1,workdir=/w2\n");
	scan(world);
	assert_int_equal(find(world, 71)->flags, 0);
	assert_int_equal(find(world, 71)->layers[1].shared, 1);
	assert_int_equal(find(world, 72)->flags, 0);
}

/* The host's mounts stand first, wherever we are. */
static void test_mounts(void **state)
{
	struct world *world = *state;
	const struct overlay *overlay;

	machine_write(&world->machine, "proc/self/mountinfo",
		      "40 20 0:70 / /host rw - overlay o rw,lowerdir=/l\n");
	machine_write(&world->machine, "proc/300/mountinfo",
		      "50 1 0:70 / /there rw - overlay o rw,lowerdir=/l\n"
		      "51 1 0:70 / /there2 rw - overlay o rw,lowerdir=/l\n");
	scan(world);
	overlay = find(world, 70);
	assert_int_equal(overlay->n_mounts, 3);
	assert_int_equal(overlay->n_mount_ns, 2);
	assert_string_equal(overlay->mounts[0].mountpoint, "/host");
	assert_string_equal(overlay->mounts[1].mountpoint, "/there");
	assert_int_equal(world->set->n_mount_ns, 2);
	assert_int_equal(world->set->n_denied, 0);
	assert_ptr_equal(overlays_find_path(world->set, "/there2"), overlay);

	/* We are in a namespace of our own now, and the host's is another. */
	machine_remove(&world->machine, "proc/self/ns/mnt");
	link_to(world, "mnt:[4026539999]", "proc/self/ns/mnt");
	scan(world);
	overlay = find(world, 70);
	assert_true(overlay->flags & OVERLAY_FOREIGN);
}

static void test_fuse(void **state)
{
	static const char cmdline[] = "fuse-overlayfs\0-o\0lowerdir=/l,upperdir=/u\0/f";
	struct world *world = *state;
	struct ns_process *cni = &world->inventory->namespaces->processes[5];
	const struct overlay *overlay;

	machine_write(&world->machine, "proc/self/mountinfo",
		      "40 20 0:70 / /f rw - fuse.fuse-overlayfs fuse-overlayfs rw,user_id=0\n");
	machine_write_bytes(&world->machine, "proc/400/cmdline", cmdline, sizeof(cmdline));
	cni->comm = "fuse-overlayfs";
	scan(world);
	overlay = find(world, 70);
	assert_string_equal(overlay->fstype, "fuse.fuse-overlayfs");
	assert_int_equal(overlay->n_layers, 2);
	assert_string_equal(overlay->layers[0].path, "/u");
	assert_string_equal(overlay->options, "rw,user_id=0");
}

static void test_module_defaults(void **state)
{
	struct world *world = *state;

	machine_write(&world->machine, "sys/module/overlay/parameters/metacopy", "Y\n");
	machine_write(&world->machine, "sys/module/overlay/parameters/index", "N\n");
	machine_write(&world->machine, "proc/self/mountinfo",
		      "40 20 0:70 / /m rw - overlay o rw,lowerdir=/l\n");
	scan(world);
	assert_true(find(world, 70)->metacopy);
	assert_false(find(world, 70)->index);
	assert_false(find(world, 70)->redirect_dir);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_docker),     TEST(test_users),	   TEST(test_immutable),
		TEST(test_missing),    TEST(test_foreign),	   TEST(test_foreign_by_host),
		TEST(test_unresolved), TEST(test_flags),	   TEST(test_mounts),
		TEST(test_fuse),       TEST(test_module_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
