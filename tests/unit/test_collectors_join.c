// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/processes.h"
#include "collectors/sampler.h"
#include "core/cleanup.h"
#include "tests/unit/test_collectors_tree.h"

/* A hybrid machine of plain files: memory and cpu on v1, hugetlb on v2, systemd's own hierarchy. */
struct world {
	struct fake_machine machine;
	struct root *root;
	struct sampler *sampler;
	struct snapshot *now;
};

#define CG "sys/fs/cgroup/"

static void put(struct world *world, const char *hierarchy, const char *path, const char *file,
		const char *text)
{
	char name[4096];

	snprintf(name, sizeof(name), CG "%s%s/%s", hierarchy, path, file);
	machine_write(&world->machine, name, text);
}

static void add(struct world *world, const char *path)
{
	put(world, "memory", path, "memory.usage_in_bytes", "1000\n");
	put(world, "memory", path, "cgroup.procs", "");
	put(world, "cpu", path, "cpuacct.usage", "5000000\n");
	put(world, "cpu", path, "cpuacct.stat", "user 3\nsystem 2\n");
	put(world, "cpu", path, "cgroup.procs", "");
	put(world, "systemd", path, "cgroup.procs", "");
	put(world, "unified", path, "cpu.stat",
	    "usage_usec 9\nuser_usec 8\nsystem_usec 1\nnice_usec 4\n");
	put(world, "unified", path, "cgroup.controllers", "hugetlb\n");
	put(world, "unified", path, "cgroup.procs", "");
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	machine_init(&world->machine);
	machine_write(&world->machine, "proc/self/mountinfo",
		      "30 1 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		      "31 1 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
		      "32 1 0:32 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
		      "33 1 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	machine_mkdir(&world->machine, "sys/kernel/mm/hugepages/hugepages-2048kB");
	machine_mkdir(&world->machine, "sys/kernel/mm/hugepages/hugepages-1048576kB");
	machine_mkdir(&world->machine, "sys/kernel/mm/hugepages/hugepages-64kB");
	machine_mkdir(&world->machine, "sys/kernel/mm/hugepages/other");
	add(world, "");
	add(world, "/a");
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	snapshot_unref(world->now);
	sampler_free(world->sampler);
	root_free(world->root);
	machine_done(&world->machine);
	free(world);
	return 0;
}

static void sample(struct world *world)
{
	struct sampler_options options = { 1 };
	struct metric_set all = { 0 };

	if (!world->sampler) {
		world->root = machine_root(&world->machine);
		assert_int_equal(sampler_new(world->root, &options, &world->sampler), 0);
	}
	snapshot_unref(world->now);
	world->now = NULL;
	metric_set_add_all(&all);
	assert_int_equal(sampler_sample(world->sampler, &all, &world->now), 0);
}

static void check(struct world *world, const char *path, enum metric_id id, uint64_t wanted)
{
	uint32_t index = tree_find(world->now->tree, path);
	union value value = { .u64 = 0xdead };
	enum value_state state;

	assert_true(index != NODE_NONE);
	state = snapshot_get(world->now, id, index, &value);
	if (state != VALUE_OK || value.u64 != wanted)
		fail_msg("%s %s: %s, %llu; wanted %llu", path, metric_get(id)->name,
			 value_state_name(state), (unsigned long long)value.u64,
			 (unsigned long long)wanted);
}

static void check_state(struct world *world, const char *path, enum metric_id id,
			enum value_state wanted)
{
	uint32_t index = tree_find(world->now->tree, path);

	assert_true(index != NODE_NONE);
	assert_string_equal(value_state_name(snapshot_state(world->now, id, index)),
			    value_state_name(wanted));
}

static unsigned int n_ids(struct world *world, const char *path)
{
	const struct node *node = world->now->tree->nodes[tree_find(world->now->tree, path)];
	unsigned int n = 0;

	for (uint32_t h = 0; h < node->n_ids; h++)
		n += node->ids[h] != 0;
	return n;
}

/* One path in four hierarchies is one node; v1 counts before v2, key by key. */
static void test_joined(void **state)
{
	struct world *world = *state;

	sample(world);
	assert_int_equal(world->now->tree->n, 2);
	assert_int_equal(n_ids(world, "/a"), 4);
	assert_string_equal(world->now->tree->hierarchies[0], "unified");
	assert_string_equal(world->now->tree->hierarchies[2], "cpu,cpuacct");
	check(world, "/a", M_MEMORY_CURRENT, 1000);
	check(world, "/a", M_CPU_USAGE, 5000);
	check(world, "/a", M_CPU_USER, 30000);
	check(world, "/a", M_CPU_SYSTEM, 20000);
	/* Only v2 has it. */
	check(world, "/a", M_CPU_NICE, 4);
}

/* In one hierarchy only: what the others would say is off there. */
static void test_partly_there(void **state)
{
	struct world *world = *state;
	uint64_t serial;

	put(world, "memory", "/only", "memory.usage_in_bytes", "7\n");
	sample(world);
	assert_int_equal(world->now->tree->n, 3);
	assert_int_equal(n_ids(world, "/only"), 1);
	check(world, "/only", M_MEMORY_CURRENT, 7);
	check_state(world, "/only", M_CPU_USAGE, VALUE_DISABLED);
	/* It comes in a second one: the same cgroup. It goes from the first: still the same. */
	serial = world->now->tree->nodes[tree_find(world->now->tree, "/only")]->serial;
	put(world, "cpu", "/only", "cpuacct.usage", "2000\n");
	sample(world);
	assert_int_equal(n_ids(world, "/only"), 2);
	check(world, "/only", M_CPU_USAGE, 2);
	machine_remove(&world->machine, CG "memory/only");
	sample(world);
	assert_int_equal(n_ids(world, "/only"), 1);
	check_state(world, "/only", M_MEMORY_CURRENT, VALUE_DISABLED);
	check(world, "/only", M_CPU_USAGE, 2);
	assert_int_equal(world->now->tree->nodes[tree_find(world->now->tree, "/only")]->serial,
			 serial);
	machine_remove(&world->machine, CG "cpu/only");
	sample(world);
	assert_int_equal(tree_find(world->now->tree, "/only"), NODE_NONE);
}

/* Processes are counted where they are: systemd's hierarchy first, then whichever has any. */
static void test_processes_anywhere(void **state)
{
	struct world *world = *state;

	sample(world);
	check(world, "/a", M_CGROUP_PROCS, 0);
	put(world, "memory", "/a", "cgroup.procs", "1\n2\n3\n");
	sample(world);
	check(world, "/a", M_CGROUP_PROCS, 3);
	put(world, "systemd", "/a", "cgroup.procs", "1\n2\n");
	sample(world);
	check(world, "/a", M_CGROUP_PROCS, 2);
	put(world, "systemd", "/a", "cgroup.procs", "");
	put(world, "memory", "/a", "cgroup.procs", "");
	put(world, "unified", "/a", "cgroup.procs", "9\n");
	sample(world);
	check(world, "/a", M_CGROUP_PROCS, 1);
}

/* Every page size counts: the cell is the sum, of limits the tightest. */
static void test_huge_pages(void **state)
{
	static const char *const keys[] = { "1GB", "2MB", "64KB" };
	struct world *world = *state;
	const struct part *parts;
	uint32_t n, at = 0;

	put(world, "unified", "/a", "hugetlb.2MB.current", "4194304\n");
	put(world, "unified", "/a", "hugetlb.1GB.current", "1073741824\n");
	put(world, "unified", "/a", "hugetlb.64KB.current", "65536\n");
	put(world, "unified", "/a", "hugetlb.2MB.max", "8388608\n");
	put(world, "unified", "/a", "hugetlb.1GB.max", "2147483648\n");
	put(world, "unified", "/a", "hugetlb.64KB.max", "max\n");
	put(world, "unified", "/a", "hugetlb.2MB.events", "max 5\n");
	put(world, "unified", "/a", "hugetlb.1GB.events", "max 7\n");
	sample(world);
	check(world, "/a", M_HUGETLB_CURRENT, 1073741824 + 4194304 + 65536);
	check(world, "/a", M_HUGETLB_MAX, 8388608);
	check(world, "/a", M_HUGETLB_EVENTS_MAX, 12);
	n = snapshot_parts(world->now, tree_find(world->now->tree, "/a"), &parts);
	/* Their order does not hang on the order of a directory. */
	for (uint32_t i = 0; i < n; i++) {
		if (parts[i].metric == M_HUGETLB_CURRENT) {
			assert_true(at < ARRAY_SIZE(keys));
			assert_string_equal(parts[i].key, keys[at++]);
		}
	}
	assert_int_equal(at, ARRAY_SIZE(keys));
}

static void put_process(struct world *world, int pid, const char *stat, const char *command,
			size_t length)
{
	char name[64];

	snprintf(name, sizeof(name), "proc/%d/stat", pid);
	machine_write(&world->machine, name, stat);
	snprintf(name, sizeof(name), "proc/%d/cmdline", pid);
	machine_write_bytes(&world->machine, name, command, length);
	snprintf(name, sizeof(name), "proc/%d/cgroup", pid);
	machine_write(&world->machine, name, "4:memory:/a\n1:name=systemd:/\n0::/\n");
}

static const char stat_77[] =
	"77 (a) b) (c) S 1 77 77 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 3 0 12345 1000 10 "
	"18446744073709551615 1 1 0 0 0\n";

static void check_77(const struct process *process)
{
	assert_int_equal(process->pid, 77);
	assert_int_equal(process->ppid, 1);
	assert_string_equal(process->comm, "a) b) (c");
	assert_int_equal(process->state, 'S');
	assert_int_equal(process->threads, 3);
	assert_int_equal(process->start_time, 12345);
	assert_int_equal(process->cpu_usec, 4000000);
	assert_int_equal(process->rss_bytes, 10 * sysconf(_SC_PAGESIZE));
	assert_string_equal(process->command, "prog -x a b");
}

/* Names with brackets, arguments, kernel threads, processes that end in the middle. */
static void test_processes(void **state)
{
	struct process_list list = { 0 };
	struct world *world = *state;
	struct node *node;

	put_process(world, 77, stat_77, "prog\0-x\0a b\0", 12);
	put_process(world, 5, "5 (kworker) I 2 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9 0 0\n", "", 0);
	put_process(world, 6, "6 (cut", "x", 1);
	put_process(world, 7, "", "x", 1);
	put(world, "memory", "/a", "cgroup.procs", "77\n5\n0\n4040\n6\n7\njunk\n-3\n");
	sample(world);
	node = world->now->tree->nodes[tree_find(world->now->tree, "/a")];
	assert_int_equal(
		processes_of_cgroup(world->root, sampler_hierarchies(world->sampler), node, &list),
		0);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.list[0].pid, 5);
	assert_string_equal(list.list[0].command, "[kworker]");
	check_77(&list.list[1]);
	process_list_done(&list);
	assert_int_equal(processes_all(world->root, sampler_hierarchies(world->sampler), &list), 0);
	assert_int_equal(list.n, 2);
	check_77(&list.list[1]);
	/* v2 and systemd say "/": the v1 path says more. */
	assert_string_equal(list.list[1].cgroup, "/a");
	process_list_done(&list);
	process_list_done(NULL);
}

int main(void)
{
#define in_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		in_world(test_joined),
		in_world(test_partly_there),
		in_world(test_processes_anywhere),
		in_world(test_huge_pages),
		in_world(test_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
