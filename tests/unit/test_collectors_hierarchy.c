// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/hierarchy.h"
#include "core/cleanup.h"
#include "tests/unit/test_collectors_tree.h"

#define MOUNTS "proc/self/mountinfo"

struct world {
	struct fake_machine machine;
	struct root *root;
	struct hierarchies *hierarchies;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	machine_init(&world->machine);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	hierarchies_free(world->hierarchies);
	root_free(world->root);
	machine_done(&world->machine);
	free(world);
	return 0;
}

static int discover(struct world *world)
{
	hierarchies_free(world->hierarchies);
	world->hierarchies = NULL;
	root_free(world->root);
	world->root = machine_root(&world->machine);
	return hierarchies_new(world->root, &world->hierarchies);
}

static void check_hierarchy(const struct hierarchies *hierarchies, unsigned int at, bool v2,
			    const char *name, const char *mountpoint)
{
	assert_true(at < hierarchies->n);
	assert_string_equal(hierarchies->list[at].name, name);
	assert_int_equal(hierarchies->list[at].v2, v2);
	assert_string_equal(hierarchies->list[at].mountpoint, mountpoint);
	assert_string_equal(hierarchies->list[at].mount_root, "/");
	assert_true(hierarchies->list[at].fd >= 0);
}

static const struct controller *controller(const struct hierarchies *hierarchies, const char *name)
{
	for (unsigned int i = 0; i < hierarchies->n_controllers; i++) {
		if (strcmp(hierarchies->controllers[i].name, name) == 0)
			return &hierarchies->controllers[i];
	}
	fail_msg("no controller %s", name);
	return NULL;
}

static void open_fixture(const char *name, struct root **ret_root, struct hierarchies **ret)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", CGWATCH_FIXTURE_DIR, name);
	assert_int_equal(root_new(path, ret_root), 0);
	assert_int_equal(hierarchies_new(*ret_root, ret), 0);
}

static void test_fixture_v2(void **state)
{
	static const char *const on[] = { "cpuset",  "cpu",  "io",   "memory",
					  "hugetlb", "pids", "rdma", "misc" };
	struct hierarchies *hierarchies;
	struct root *root;

	(void)state;
	open_fixture("v2-linux-6.1", &root, &hierarchies);
	assert_int_equal(hierarchies->n, 1);
	check_hierarchy(hierarchies, 0, true, "unified", "/sys/fs/cgroup");
	assert_ptr_equal(hierarchies_v2(hierarchies), &hierarchies->list[0]);
	for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
		assert_true(hierarchy_has(&hierarchies->list[0], on[i]));
		assert_ptr_equal(hierarchies_find(hierarchies, on[i]), &hierarchies->list[0]);
		assert_int_equal(controller(hierarchies, on[i])->hierarchy, 0);
		assert_true(controller(hierarchies, on[i])->enabled);
	}
	assert_null(hierarchies_find(hierarchies, "freezer"));
	assert_null(hierarchies_find(hierarchies, "blkio"));
	assert_null(hierarchies_find(hierarchies, "unified"));
	assert_int_equal(controller(hierarchies, "freezer")->hierarchy, -1);
	assert_int_equal(controller(hierarchies, "freezer")->n_cgroups, 31);
	hierarchies_free(hierarchies);
	root_free(root);
}

static void test_fixture_hybrid(void **state)
{
	static const char *const order[] = { "unified", "cpu",	       "cpuacct", "cpuset",
					     "memory",	"devices",     "freezer", "blkio",
					     "pids",	"name=systemd" };
	struct hierarchies *hierarchies;
	struct root *root;

	(void)state;
	open_fixture("hybrid-linux-6.18", &root, &hierarchies);
	assert_int_equal(hierarchies->n, ARRAY_SIZE(order));
	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++) {
		assert_string_equal(hierarchies->list[i].name, order[i]);
		assert_int_equal(hierarchies->list[i].v2, i == 0);
		assert_true(hierarchies->list[i].fd >= 0);
		if (i > 0)
			assert_ptr_equal(hierarchies_find(hierarchies, order[i]),
					 &hierarchies->list[i]);
	}
	assert_ptr_equal(hierarchies_find(hierarchies, "hugetlb"), &hierarchies->list[0]);
	assert_int_equal(controller(hierarchies, "memory")->hierarchy, 4);
	assert_int_equal(controller(hierarchies, "memory")->n_cgroups, 37);
	assert_int_equal(controller(hierarchies, "memory")->hierarchy_id, 4);
	assert_int_equal(controller(hierarchies, "perf_event")->hierarchy, -1);
	assert_int_equal(controller(hierarchies, "name=systemd")->hierarchy, 9);
	hierarchies_free(hierarchies);
	root_free(root);
}

/* Co-mounted controllers, mount points that do not say what is in them, v2 in the last line. */
static void test_comounted_and_renamed(void **state)
{
	struct world *world = *state;
	const struct hierarchy *cpu;

	machine_mkdir(&world->machine, "weird/place one");
	machine_mkdir(&world->machine, "cg/memory");
	machine_write(&world->machine, "cg/two/cgroup.controllers", "hugetlb rdma\n");
	machine_write(
		&world->machine, MOUNTS,
		"30 1 0:30 / /weird/place\\040one rw,noexec shared:9 - cgroup memory "
		"rw,xattr,cpu,cpuacct,release_agent=/bin/cpuset,clone_children\n"
		"31 1 0:31 / /cg/memory rw - cgroup cgroup rw,noprefix,net_cls,net_prio\n"
		"32 1 0:32 / /cg/two rw - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n");
	assert_int_equal(discover(world), 0);
	assert_int_equal(world->hierarchies->n, 3);
	check_hierarchy(world->hierarchies, 0, true, "unified", "/cg/two");
	check_hierarchy(world->hierarchies, 1, false, "cpu,cpuacct", "/weird/place one");
	check_hierarchy(world->hierarchies, 2, false, "net_cls,net_prio", "/cg/memory");
	cpu = hierarchies_find(world->hierarchies, "cpu");
	assert_ptr_equal(cpu, &world->hierarchies->list[1]);
	assert_ptr_equal(hierarchies_find(world->hierarchies, "cpuacct"), cpu);
	assert_ptr_equal(hierarchies_find(world->hierarchies, "net_prio"),
			 &world->hierarchies->list[2]);
	/* Neither the source's name nor the mount point's nor an option is a controller. */
	assert_null(hierarchies_find(world->hierarchies, "memory"));
	assert_null(hierarchies_find(world->hierarchies, "cpuset"));
	assert_null(hierarchies_find(world->hierarchies, "rw"));
	assert_null(hierarchies_find(world->hierarchies, "xattr"));
	assert_null(hierarchies_find(world->hierarchies, "release_agent=/bin/cpuset"));
	assert_ptr_equal(hierarchies_find(world->hierarchies, "rdma"),
			 &world->hierarchies->list[0]);
}

static void test_named(void **state)
{
	struct world *world = *state;

	machine_mkdir(&world->machine, "cg/systemd");
	machine_mkdir(&world->machine, "cg/elogind");
	machine_write(&world->machine, MOUNTS,
		      "30 1 0:30 / /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
		      "31 1 0:31 / /cg/elogind rw - cgroup cgroup rw,none,name=elogind\n");
	assert_int_equal(discover(world), 0);
	assert_int_equal(world->hierarchies->n, 2);
	check_hierarchy(world->hierarchies, 0, false, "name=systemd", "/cg/systemd");
	check_hierarchy(world->hierarchies, 1, false, "name=elogind", "/cg/elogind");
	assert_null(hierarchies_v2(world->hierarchies));
	assert_non_null(hierarchies_find(world->hierarchies, "name=elogind"));
	assert_null(hierarchies_find(world->hierarchies, "systemd"));
}

/* One superblock is one hierarchy; the mount that shows most of it stands for it. */
static void test_mounted_twice(void **state)
{
	struct world *world = *state;

	machine_mkdir(&world->machine, "part");
	machine_mkdir(&world->machine, "whole");
	machine_mkdir(&world->machine, "again");
	machine_write(&world->machine, MOUNTS,
		      "30 1 0:30 /docker/x /part rw - cgroup cgroup rw,memory\n"
		      "31 1 0:30 / /whole rw - cgroup cgroup rw,memory\n"
		      "32 1 0:30 / /again rw - cgroup cgroup rw,memory\n");
	assert_int_equal(discover(world), 0);
	assert_int_equal(world->hierarchies->n, 1);
	check_hierarchy(world->hierarchies, 0, false, "memory", "/whole");
}

/* A mount that cannot be opened (hidden under another, no right) gives way to one that can. */
static void test_mounted_twice_one_hidden(void **state)
{
	struct world *world = *state;

	machine_mkdir(&world->machine, "part");
	machine_write(&world->machine, MOUNTS,
		      "30 1 0:30 / /hidden rw - cgroup cgroup rw,memory\n"
		      "31 1 0:30 /docker/x /part rw - cgroup cgroup rw,memory\n");
	assert_int_equal(discover(world), 0);
	assert_int_equal(world->hierarchies->n, 1);
	assert_string_equal(world->hierarchies->list[0].mountpoint, "/part");
	assert_true(world->hierarchies->list[0].fd >= 0);
	/* In the other order too: what is open is not given up for what is not. */
	machine_write(&world->machine, MOUNTS,
		      "31 1 0:30 /docker/x /part rw - cgroup cgroup rw,memory\n"
		      "30 1 0:30 / /hidden rw - cgroup cgroup rw,memory\n");
	assert_int_equal(discover(world), 0);
	assert_int_equal(world->hierarchies->n, 1);
	assert_true(world->hierarchies->list[0].fd >= 0);
	assert_string_equal(world->hierarchies->list[0].mountpoint, "/part");
}

static void test_nothing_mounted(void **state)
{
	struct world *world = *state;

	/* No mountinfo at all, an empty one, one without cgroups. */
	assert_int_equal(discover(world), -ENOENT);
	machine_write(&world->machine, MOUNTS, "");
	assert_int_equal(discover(world), -ENOENT);
	machine_write(&world->machine, MOUNTS,
		      "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
		      "31 23 0:28 / /sys/fs/cgroup rw - tmpfs cgroup rw,mode=755\n"
		      "32 23 0:29 / /x rw - cgroup3 cgroup2 rw,memory\n");
	assert_int_equal(discover(world), -ENOENT);
	assert_null(world->hierarchies);
}

/* /proc/cgroups is gone on some kernels: the mounts alone must do. */
static void test_no_proc_cgroups(void **state)
{
	struct world *world = *state;

	machine_write(&world->machine, "cg/cgroup.controllers", "cpu memory pids\n");
	machine_mkdir(&world->machine, "v1");
	machine_write(&world->machine, MOUNTS,
		      "31 1 0:31 / /v1 rw - cgroup cgroup rw,freezer\n"
		      "30 1 0:30 / /cg rw - cgroup2 none rw\n");
	assert_int_equal(discover(world), 0);
	assert_int_equal(world->hierarchies->n_controllers, 4);
	assert_int_equal(controller(world->hierarchies, "memory")->hierarchy, 0);
	assert_true(controller(world->hierarchies, "memory")->enabled);
	assert_int_equal(controller(world->hierarchies, "freezer")->hierarchy, 1);
}

/* Lines that nobody knows, a controller that is off, "blkio" that is "io" on v2. */
static void test_proc_cgroups(void **state)
{
	struct world *world = *state;

	machine_write(&world->machine, "cg/cgroup.controllers", "io\n");
	machine_write(&world->machine, MOUNTS, "30 1 0:30 / /cg rw - cgroup2 none rw\n");
	machine_write(&world->machine, "proc/cgroups",
		      "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
		      "blkio\t0\t12\t1\n"
		      "memory\t0\t1\t0\n"
		      "junk\n"
		      "\n"
		      "a\tb\tc\td\n"
		      "short\t1\t2\n"
		      "new\t3\t4\t1\textra\n"
		      "last\t0\t5\t1");
	assert_int_equal(discover(world), 0);
	assert_int_equal(controller(world->hierarchies, "io")->hierarchy, 0);
	assert_int_equal(controller(world->hierarchies, "io")->n_cgroups, 12);
	assert_false(controller(world->hierarchies, "memory")->enabled);
	assert_int_equal(controller(world->hierarchies, "memory")->hierarchy, -1);
	assert_int_equal(controller(world->hierarchies, "new")->n_cgroups, 4);
	assert_int_equal(controller(world->hierarchies, "last")->n_cgroups, 5);
	assert_int_equal(world->hierarchies->n_controllers, 4);
}

static char *path_of(struct world *world, const char *text, unsigned int hierarchy)
{
	char *paths[HIERARCHY_MAX], *result;

	machine_write(&world->machine, "proc/77/cgroup", text);
	assert_int_equal(hierarchies_of_process(world->hierarchies, world->root, 77, paths), 0);
	result = paths[hierarchy];
	for (unsigned int i = 0; i < HIERARCHY_MAX; i++) {
		if (i != hierarchy)
			free(paths[i]);
	}
	return result;
}

static void check_path(struct world *world, const char *text, unsigned int hierarchy,
		       const char *wanted)
{
	char *path = path_of(world, text, hierarchy);

	if (wanted)
		assert_string_equal(path, wanted);
	else
		assert_null(path);
	free(path);
}

/* In a container without a cgroup namespace only a part is mounted: paths start at its top. */
static void test_container_view(void **state)
{
	struct world *world = *state;

	machine_mkdir(&world->machine, "cg/memory");
	machine_write(&world->machine, MOUNTS,
		      "30 1 0:30 /docker/x /cg/memory ro - cgroup cgroup rw,memory\n");
	assert_int_equal(discover(world), 0);
	assert_string_equal(world->hierarchies->list[0].mount_root, "/docker/x");
	check_path(world, "4:memory:/docker/x\n", 0, "/");
	check_path(world, "4:memory:/docker/x/sub\n", 0, "/sub");
	check_path(world, "4:memory:/docker/xy\n", 0, NULL);
	check_path(world, "4:memory:/docker\n", 0, NULL);
	check_path(world, "4:memory:/\n", 0, NULL);
}

/* A mount from outside of our cgroup namespace says "/../..": its top is all that can be named. */
static void test_namespace_view(void **state)
{
	struct world *world = *state;

	machine_mkdir(&world->machine, "cg/memory");
	machine_write(&world->machine, MOUNTS,
		      "30 1 0:30 /../../.. /cg/memory ro - cgroup cgroup rw,memory\n");
	assert_int_equal(discover(world), 0);
	assert_string_equal(world->hierarchies->list[0].mount_root, "/");
	check_path(world, "4:memory:/a\n", 0, "/a");
}

static void test_paths_of_process(void **state)
{
	static const char text[] = "12:cpu,cpuacct:/a:b/c\n"
				   "5:name=systemd:/system.slice/x.service\n"
				   "junk\n"
				   "3:unknown:/zzz\n"
				   "0::/b c\n";
	struct world *world = *state;
	char *paths[HIERARCHY_MAX];

	machine_mkdir(&world->machine, "cg/cpu");
	machine_mkdir(&world->machine, "cg/systemd");
	machine_mkdir(&world->machine, "cg/two");
	machine_write(&world->machine, MOUNTS,
		      "30 1 0:30 / /cg/cpu rw - cgroup cgroup rw,cpuacct,cpu\n"
		      "31 1 0:31 / /cg/systemd rw - cgroup cgroup rw,name=systemd\n"
		      "32 1 0:32 / /cg/two rw - cgroup2 cgroup rw\n");
	assert_int_equal(discover(world), 0);
	/* The order of co-mounted controllers may differ between the two files. */
	check_path(world, text, 1, "/a:b/c");
	check_path(world, text, 2, "/system.slice/x.service");
	check_path(world, text, 0, "/b c");
	check_path(world, "", 0, NULL);
	machine_write(&world->machine, "proc/self/cgroup", "0::/self\n");
	assert_int_equal(hierarchies_of_process(world->hierarchies, world->root, 0, paths), 0);
	assert_string_equal(paths[0], "/self");
	free(paths[0]);
	assert_int_equal(hierarchies_of_process(world->hierarchies, world->root, 4242, paths),
			 -ENOENT);
	for (unsigned int i = 0; i < HIERARCHY_MAX; i++)
		assert_null(paths[i]);
}

static void test_many_hierarchies(void **state)
{
	struct world *world = *state;
	struct strbuf text;

	strbuf_init(&text);
	machine_mkdir(&world->machine, "cg");
	for (int i = 0; i < HIERARCHY_MAX + 8; i++)
		strbuf_printf(&text, "%d 1 0:%d / /cg rw - cgroup cgroup rw,name=n%d\n", i, 100 + i,
			      i);
	machine_write(&world->machine, MOUNTS, text.data);
	strbuf_done(&text);
	assert_int_equal(discover(world), 0);
	assert_int_equal(world->hierarchies->n, HIERARCHY_MAX);
}

static void test_relative(void **state)
{
	(void)state;
	assert_string_equal(hierarchy_relative("/"), ".");
	assert_string_equal(hierarchy_relative("/a"), "a");
	assert_string_equal(hierarchy_relative("/a/b"), "a/b");
}

static void check_distinct(const char *const *given, const char *expected)
{
	char *paths[HIERARCHY_MAX] = { NULL };
	struct strbuf text;
	unsigned int n;

	for (unsigned int i = 0; given[i]; i++)
		paths[i] = *given[i] ? strdup(given[i]) : NULL;
	n = hierarchies_distinct_paths(paths);
	strbuf_init(&text);
	strbuf_add_string(&text, "");
	for (unsigned int i = 0; i < n; i++) {
		strbuf_printf(&text, "%s ", paths[i]);
		free(paths[i]);
	}
	assert_string_equal(text.data ? text.data : "", expected);
	strbuf_done(&text);
}

/* "" stands for a hierarchy that does not show the process. */
static void test_distinct_paths(void **state)
{
	(void)state;
	check_distinct((const char *const[]){ NULL }, "");
	check_distinct((const char *const[]){ "", "", NULL }, "");
	check_distinct((const char *const[]){ "/", "/", "/", NULL }, "/ ");
	check_distinct((const char *const[]){ "/a/b", "/a/b", "", "/a/b", NULL }, "/a/b ");
	check_distinct((const char *const[]){ "/", "/a/b", "/", "/c", "/a", NULL }, "/a/b /c ");
	check_distinct((const char *const[]){ "/a", "/a/b", "/ab", NULL }, "/a /a/b /ab ");
	check_distinct((const char *const[]){ "/x", "/c", "/c/d", "/c/d", "/c/e", NULL },
		       "/x /c/d /c/e ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixture_v2),
		cmocka_unit_test(test_fixture_hybrid),
		cmocka_unit_test_setup_teardown(test_comounted_and_renamed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_named, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mounted_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mounted_twice_one_hidden, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_mounted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_proc_cgroups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_proc_cgroups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_container_view, setup, teardown),
		cmocka_unit_test_setup_teardown(test_namespace_view, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths_of_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_hierarchies, setup, teardown),
		cmocka_unit_test(test_relative),
		cmocka_unit_test(test_distinct_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
