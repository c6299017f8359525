// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/sysmacros.h>

#include "collectors/mount_table.h"
#include "core/cleanup.h"
#include "core/strbuf.h"
#include "tests/unit/test_collectors_tree.h"

/* The table on recorded files: mountinfo in all its forms, and what counts as a change. */
struct world {
	struct fake_machine machine;
	struct root *root;
	struct mount_table *table;
};

#define OWN   UINT64_C(4026531840)
#define OTHER UINT64_C(4026532200)

#define ROOT_LINE "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
#define OVERLAY_LINE                                                         \
	"40 20 0:50 / /m\\040one rw,nosuid master:3 - overlay over\\040lay " \
	"rw,lowerdir=/a\\040b:/c,"                                           \
	"upperdir=/u,workdir=/w\n"
#define NSFS_LINE "41 20 0:4 net:[4026532008] /run/netns/blue rw shared:1 - nsfs nsfs rw\n"

static const struct mount_ns other = { OTHER, 0, 77, -1 };

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
	machine_mkdir(&world->machine, "proc/77/ns");
	link_to(world, "mnt:[4026531840]", "proc/self/ns/mnt");
	link_to(world, "mnt:[4026532200]", "proc/77/ns/mnt");
	machine_write(&world->machine, "proc/self/mountinfo", ROOT_LINE);
	assert_int_equal(root_new(world->machine.dir, &world->root), 0);
	assert_int_equal(mount_table_new(world->root, &world->table), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	mount_table_free(world->table);
	root_free(world->root);
	machine_done(&world->machine);
	free(world);
	return 0;
}

static size_t refresh(struct world *world, const struct mount_ns *spaces, size_t n)
{
	size_t entries;

	assert_int_equal(mount_table_refresh(world->table, spaces, n), 0);
	mount_table_entries(world->table, &entries);
	return entries;
}

static const struct mount_entry *entry(struct world *world, size_t index)
{
	size_t n;
	const struct mount_entry *entries = mount_table_entries(world->table, &n);

	assert_true(index < n);
	return &entries[index];
}

static void test_entry(void **state)
{
	struct world *world = *state;
	const struct mount_entry *one;

	machine_write(&world->machine, "proc/self/mountinfo",
		      ROOT_LINE
		      "30 20 0:30 / /tmp rw - tmpfs tmpfs rw\n" OVERLAY_LINE NSFS_LINE
		      "42 20 0:51 / /f rw unbindable - fuse.fuse-overlayfs fuse rw,user_id=0\n"
		      "43 20 0:52 / /g rw - fuse.sshfs fuse rw\n");
	assert_int_equal(refresh(world, NULL, 0), 3);
	one = entry(world, 0);
	assert_true(one->mount_ns == OWN);
	assert_true(one->id == 40 && one->parent_id == 20);
	assert_true(one->device == makedev(0, 50));
	assert_string_equal(one->root, "/");
	assert_string_equal(one->mountpoint, "/m one");
	assert_string_equal(one->fstype, "overlay");
	assert_string_equal(one->source, "over lay");
	assert_string_equal(one->options, "rw,nosuid");
	assert_string_equal(one->super_options, "rw,lowerdir=/a\\040b:/c,upperdir=/u,workdir=/w");
	assert_true(one->escaped);
	assert_null(one->option_array);
	assert_int_equal(one->propagation, 'm');
	assert_false(one->covered);
	assert_string_equal(entry(world, 1)->root, "net:[4026532008]");
	assert_int_equal(entry(world, 1)->propagation, 's');
	assert_string_equal(entry(world, 2)->fstype, "fuse.fuse-overlayfs");
	assert_int_equal(entry(world, 2)->propagation, 'u');
}

/* The generation grows when an entry came, went or changed, and only then. */
static void test_generation(void **state)
{
	static const struct {
		const char *text;
		bool changes;
	} steps[] = {
		{ ROOT_LINE OVERLAY_LINE, true },
		{ ROOT_LINE OVERLAY_LINE, false },
		/* Something else came. */
		{ ROOT_LINE "30 20 0:30 / /tmp rw - tmpfs tmpfs rw\n" OVERLAY_LINE, false },
		/* Remounted. */
		{ ROOT_LINE "40 20 0:50 / /m\\040one ro master:3 - overlay over\\040lay "
			    "rw,lowerdir=/a\n",
		  true },
		{ ROOT_LINE "40 20 0:50 / /m\\040one ro master:3 - overlay over\\040lay "
			    "ro,lowerdir=/a\n",
		  true },
		/* Propagation changed. */
		{ ROOT_LINE "40 20 0:50 / /m\\040one ro - overlay over\\040lay ro,lowerdir=/a\n",
		  true },
		/* Covered by another mount, but not by one that is only below. */
		{ ROOT_LINE "40 20 0:50 / /m\\040one ro - overlay over\\040lay ro,lowerdir=/a\n"
			    "50 40 0:60 / /m\\040one/below rw - tmpfs tmpfs rw\n",
		  false },
		{ ROOT_LINE "40 20 0:50 / /m\\040one ro - overlay over\\040lay ro,lowerdir=/a\n"
			    "50 40 0:60 / /m\\040one rw - tmpfs tmpfs rw\n",
		  true },
		{ ROOT_LINE "40 20 0:50 / /m\\040one ro - overlay over\\040lay ro,lowerdir=/a\n"
			    "50 40 0:60 / /m\\040one ro - tmpfs tmpfs rw\n",
		  false },
		{ ROOT_LINE, true },
		{ ROOT_LINE, false },
	};
	struct world *world = *state;

	refresh(world, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		uint64_t before = mount_table_generation(world->table);
		size_t n;
		const struct mount_entry *entries = mount_table_entries(world->table, &n);

		machine_write(&world->machine, "proc/self/mountinfo", steps[i].text);
		refresh(world, NULL, 0);
		if ((mount_table_generation(world->table) > before) != steps[i].changes)
			fail_msg("step %zu", i);
		/* The same generation: the same entries at the same addresses. */
		if (!steps[i].changes && n > 0) {
			assert_ptr_equal(entry(world, 0), entries);
			assert_string_equal(entries[0].fstype, "overlay");
		}
	}
}

static void test_covered(void **state)
{
	struct world *world = *state;

	machine_write(&world->machine, "proc/self/mountinfo",
		      ROOT_LINE "40 20 0:50 / /m rw - overlay o rw,lowerdir=/a\n"
				"41 40 0:51 / /m rw - overlay o rw,lowerdir=/b\n"
				"42 20 0:52 / /n rw - overlay o rw,lowerdir=/b\n");
	assert_int_equal(refresh(world, NULL, 0), 3);
	assert_true(entry(world, 0)->covered);
	assert_false(entry(world, 1)->covered);
	assert_false(entry(world, 2)->covered);
}

static void test_spaces(void **state)
{
	struct world *world = *state;
	const struct mount_ns given[] = { other, { OWN, 0, 1, -1 }, other, { 0, 0, 5, -1 } };
	const struct mount_ns_info *infos;
	uint64_t generation;
	size_t n;

	machine_write(&world->machine, "proc/77/mountinfo", ROOT_LINE OVERLAY_LINE NSFS_LINE);
	machine_write(&world->machine, "proc/self/mountinfo", ROOT_LINE NSFS_LINE);
	/* Twice the same, our own by another name, one without an inode: two namespaces. */
	assert_int_equal(refresh(world, given, ARRAY_SIZE(given)), 3);
	infos = mount_table_spaces(world->table, &n);
	assert_int_equal(n, 2);
	assert_true(infos[0].inode == OWN && infos[1].inode == OTHER);
	assert_int_equal(infos[0].n_mounts, 2);
	assert_int_equal(infos[1].n_mounts, 3);
	assert_true(entry(world, 0)->mount_ns == OWN);
	assert_true(entry(world, 1)->mount_ns == OTHER);
	assert_string_equal(entry(world, 1)->fstype, "overlay");

	/* One that is no longer named is gone with its entries. */
	generation = mount_table_generation(world->table);
	assert_int_equal(refresh(world, NULL, 0), 1);
	assert_true(mount_table_generation(world->table) > generation);
	mount_table_spaces(world->table, &n);
	assert_int_equal(n, 1);
}

/* One that cannot be read is no error of the whole. */
static void test_unreadable(void **state)
{
	struct world *world = *state;
	const struct mount_ns given[] = { { OTHER + 1, 0, 78, -1 },
					  { OTHER + 2, 0, 0, -1 },
					  other };
	const struct mount_ns_info *infos;
	size_t n;

	machine_write(&world->machine, "proc/77/mountinfo", ROOT_LINE OVERLAY_LINE);
	assert_int_equal(refresh(world, given, ARRAY_SIZE(given)), 1);
	infos = mount_table_spaces(world->table, &n);
	assert_int_equal(n, 4);
	assert_int_equal(infos[1].error, 0);
	assert_int_equal(infos[2].error, -ENOENT);
	assert_int_equal(infos[2].n_mounts, -1);
	assert_int_equal(infos[3].error, -ESRCH);

	/* The process went into another namespace: what it sees now is not what was asked for. */
	machine_remove(&world->machine, "proc/77/ns/mnt");
	link_to(world, "mnt:[4026539999]", "proc/77/ns/mnt");
	assert_int_equal(refresh(world, &other, 1), 0);
	infos = mount_table_spaces(world->table, &n);
	assert_int_equal(infos[1].error, -ESRCH);
}

static void test_long_line(void **state)
{
	struct world *world = *state;
	struct strbuf text;

	strbuf_init(&text);
	strbuf_add_string(&text, "40 20 0:50 / /m rw - overlay overlay rw");
	for (int i = 0; i < 500; i++)
		strbuf_printf(&text, ",lowerdir+=/var/lib/some/rather/long/name/of/a/layer/%d", i);
	strbuf_add_string(&text, "\n" NSFS_LINE);
	machine_write(&world->machine, "proc/self/mountinfo", text.data);
	assert_int_equal(refresh(world, NULL, 0), 2);
	assert_true(strlen(entry(world, 0)->super_options) > 25000);
	assert_string_equal(strrchr(entry(world, 0)->super_options, '/'), "/499");
	strbuf_done(&text);
}

static void test_stats(void **state)
{
	struct world *world = *state;
	struct mount_table_stats stats;

	machine_write(&world->machine, "proc/77/mountinfo", ROOT_LINE OVERLAY_LINE);
	refresh(world, &other, 1);
	refresh(world, &other, 1);
	mount_table_get_stats(world->table, &stats);
	assert_false(stats.by_statmount);
	assert_int_equal(stats.refreshes, 2);
	/* Text that is the same is not parsed again. */
	assert_int_equal(stats.mounts_read, 3);
	assert_int_equal(stats.namespaces_read, 1);
	assert_int_equal(stats.namespaces_same, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_generation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_covered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spaces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stats, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
