// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/devices.h"
#include "collectors/plan.h"
#include "core/cleanup.h"
#include "tests/unit/test_collectors_tree.h"

struct bench {
	struct fake_machine machine;
	struct root *root;
	struct hierarchies *hierarchies;
	struct plan plan;
};

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	machine_init(&bench->machine);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	plan_done(&bench->plan);
	hierarchies_free(bench->hierarchies);
	root_free(bench->root);
	machine_done(&bench->machine);
	free(bench);
	return 0;
}

static void make(struct bench *bench, const char *mountinfo, const char *names)
{
	static char *const parts[] = { (char *)"2MB", (char *)"1GB" };
	enum metric_id ids[COLUMN_COUNT];
	struct metric_set wanted = { 0 };
	const char *bad;
	size_t length;

	plan_done(&bench->plan);
	hierarchies_free(bench->hierarchies);
	bench->hierarchies = NULL;
	root_free(bench->root);
	machine_write(&bench->machine, "proc/self/mountinfo", mountinfo);
	bench->root = machine_root(&bench->machine);
	assert_int_equal(hierarchies_new(bench->root, &bench->hierarchies), 0);
	assert_true(metric_parse_list(names, &wanted, ids, ARRAY_SIZE(ids), &bad, &length) > 0);
	metric_set_close(&wanted);
	assert_int_equal(plan_init(&bench->plan, bench->hierarchies, &wanted, parts, 2), 0);
}

static struct plan_file *file_of(struct bench *bench, const char *hierarchy, const char *name)
{
	for (size_t i = 0; i < bench->plan.n; i++) {
		struct plan_file *file = &bench->plan.files[i];

		if (strcmp(file->name, name) == 0 &&
		    strcmp(bench->hierarchies->list[file->hierarchy].name, hierarchy) == 0)
			return file;
	}
	return NULL;
}

static bool has_field(const struct plan_file *file, enum metric_id id)
{
	for (size_t i = 0; file && i < file->n_fields; i++) {
		if (file->fields[i].id == id)
			return true;
	}
	return false;
}

#define V2     "30 1 0:30 / /two rw - cgroup2 none rw\n"
#define MEMORY "31 1 0:31 / /memory rw - cgroup none rw,memory\n"
#define CPU    "32 1 0:32 / /cpu rw - cgroup none rw,cpu,cpuacct\n"
#define NAMED  "33 1 0:33 / /systemd rw - cgroup none rw,name=systemd\n"

static void make_mounts(struct bench *bench, const char *controllers)
{
	machine_write(&bench->machine, "two/cgroup.controllers", controllers);
	machine_mkdir(&bench->machine, "memory");
	machine_mkdir(&bench->machine, "cpu");
	machine_mkdir(&bench->machine, "systemd");
}

/* A file is in the plan once, however many metrics come from it. */
static void test_v2(void **state)
{
	struct bench *bench = *state;
	struct plan_file *file;

	make_mounts(bench, "cpu memory pids\n");
	make(bench, V2,
	     "memory.stat.anon,memory.stat.file,memory.current,cpu.limit.used,cgroup.procs");
	assert_int_equal(bench->plan.n, 5);
	file = file_of(bench, "unified", "memory.stat");
	assert_non_null(file);
	assert_int_equal(file->n_fields, 2);
	assert_true(has_field(file, M_MEMORY_STAT_ANON) && has_field(file, M_MEMORY_STAT_FILE));
	assert_true(has_field(file_of(bench, "unified", "cpu.stat"), M_CPU_USAGE));
	assert_true(has_field(file_of(bench, "unified", "cpu.max"), M_CPU_PERIOD));
	assert_non_null(file_of(bench, "unified", "cgroup.procs"));
	assert_true(metric_set_has(&bench->plan.raw, M_CPU_USAGE));
	assert_false(metric_set_has(&bench->plan.raw, M_CPU_LIMIT_USED));
	assert_false(metric_set_has(&bench->plan.raw, M_CPU_USAGE_RATE));
}

/* What nobody can say: off (the kernel has it), or not in this kernel at all. */
static void test_missing(void **state)
{
	struct bench *bench = *state;

	make_mounts(bench, "cpu\n");
	machine_write(&bench->machine, "proc/cgroups",
		      "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t1\t1\n"
		      "freezer\t0\t1\t1\n");
	make(bench, V2, "memory.current,rdma.hca_handle,cpu.usage,memory.failcnt,freezer.parent");
	assert_int_equal(bench->plan.missing[M_MEMORY_CURRENT], VALUE_DISABLED);
	assert_int_equal(bench->plan.missing[M_RDMA_HCA_HANDLE], VALUE_ABSENT);
	assert_int_equal(bench->plan.missing[M_CPU_USAGE], VALUE_DISABLED);
	/* Metrics that only v1 has do not exist on a host without v1. */
	assert_int_equal(bench->plan.missing[M_MEMORY_FAILCNT], VALUE_ABSENT);
	assert_int_equal(bench->plan.missing[M_FREEZER_PARENT], VALUE_ABSENT);
	assert_int_equal(bench->plan.n, 1);
}

static void test_v1(void **state)
{
	struct bench *bench = *state;
	struct plan_file *file;

	make_mounts(bench, "");
	make(bench, MEMORY CPU,
	     "cpu.usage,cpu.throttled,memory.stat.anon,memory.stat.slab,memory.max");
	assert_int_equal(bench->plan.n, 4);
	file = file_of(bench, "cpu,cpuacct", "cpuacct.usage");
	assert_non_null(file);
	assert_int_equal(file->fields[0].div, 1000);
	file = file_of(bench, "memory", "memory.stat");
	assert_int_equal(file->n_fields, 1);
	assert_string_equal(file->fields[0].key, "total_rss");
	assert_non_null(file_of(bench, "memory", "memory.limit_in_bytes"));
	assert_int_equal(bench->plan.missing[M_MEMORY_STAT_SLAB], VALUE_ABSENT);
}

/* Hybrid: v1 before v2; v2 only for controllers it has, and for core files. */
static void test_hybrid(void **state)
{
	struct bench *bench = *state;

	make_mounts(bench, "hugetlb\n");
	make(bench, V2 MEMORY CPU NAMED,
	     "memory.current,memory.high,cpu.usage,psi.memory.some.total,hugetlb.current,cgroup."
	     "procs,"
	     "pids.current");
	assert_non_null(file_of(bench, "memory", "memory.usage_in_bytes"));
	assert_null(file_of(bench, "unified", "memory.current"));
	assert_null(file_of(bench, "unified", "memory.high"));
	assert_non_null(file_of(bench, "unified", "memory.pressure"));
	assert_null(file_of(bench, "unified", "pids.current"));
	/* cpu.stat is on v2 without the controller too: the second choice behind cpuacct. */
	assert_non_null(file_of(bench, "cpu,cpuacct", "cpuacct.usage"));
	assert_true(file_of(bench, "cpu,cpuacct", "cpuacct.usage") <
		    file_of(bench, "unified", "cpu.stat"));
	assert_true(file_of(bench, "unified", "cpu.stat")->any);
	assert_non_null(file_of(bench, "unified", "hugetlb.2MB.current"));
	assert_non_null(file_of(bench, "unified", "hugetlb.1GB.current"));
	assert_string_equal(file_of(bench, "unified", "hugetlb.1GB.current")->part, "1GB");
	/* Where processes are is asked of systemd's hierarchy first, then of the others. */
	assert_non_null(file_of(bench, "memory", "cgroup.procs"));
	assert_true(file_of(bench, "name=systemd", "cgroup.procs") <
		    file_of(bench, "memory", "cgroup.procs"));
	assert_true(file_of(bench, "name=systemd", "cgroup.procs")->any);
}

static void test_match(void **state)
{
	struct bench *bench = *state;
	struct plan_file *file;

	make_mounts(bench, "cpu\n");
	make(bench, V2, "cpu.usage,cpu.user");
	file = file_of(bench, "unified", "cpu.stat");
	for (int round = 0; round < 3; round++) {
		assert_int_equal(plan_match(file, 0, "usage_usec", 10)->id, M_CPU_USAGE);
		assert_int_equal(plan_match(file, 1, "user_usec", 9)->id, M_CPU_USER);
		assert_null(plan_match(file, 2, "system_usec", 11));
		assert_null(plan_match(file, 0, "usage_use", 9));
		assert_null(plan_match(file, 0, "", 0));
		assert_int_equal(plan_match(file, 7, "user_usec_and_more", 9)->id, M_CPU_USER);
	}
	/* Lines beyond all reason are looked up and not remembered. */
	assert_int_equal(plan_match(file, 1u << 30, "usage_usec", 10)->id, M_CPU_USAGE);
	assert_true(file->n_hints <= 512);
}

/* A NUL in a key, as a recorded file can hold it: what is remembered is as long as it says. */
static void test_match_nul(void **state)
{
	static const char key[] = "a\0bcdefgh";
	struct bench *bench = *state;
	struct plan_file *file;

	make_mounts(bench, "cpu\n");
	make(bench, V2, "cpu.usage");
	file = file_of(bench, "unified", "cpu.stat");
	for (int round = 0; round < 3; round++)
		assert_null(plan_match(file, 0, key, sizeof(key) - 1));
	assert_int_equal(plan_match(file, 0, "usage_usec", 10)->id, M_CPU_USAGE);
}

static void test_list_count(void **state)
{
	static const struct {
		const char *text;
		uint64_t count;
	} cases[] = {
		{ "", 0 },    { "0", 1 },   { "0-3", 4 },	{ "0-3,8", 5 },	  { "7,9,11", 3 },
		{ "5-5", 1 }, { "3-1", 0 }, { "0-1023", 1024 }, { "0-0,2-2", 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span text = { cases[i].text, cases[i].text + strlen(cases[i].text) };

		assert_int_equal(keyed_list_count(text), cases[i].count);
	}
}

/* Block devices by their names, slashes restored; anything else as the kernel prints it. */
static void test_devices(void **state)
{
	static const struct {
		const char *word, *name;
	} cases[] = {
		{ "254:0", "vda" },
		{ "104:1", "cciss/c0d0p1" },
		{ "9:9", "9:9" },
		{ "2MB", "2MB" },
		{ "mlx4_0", "mlx4_0" },
		{ "254:", "254:" },
		{ ":0", ":0" },
		{ "254:0x", "254:0x" },
		{ "../254:0", "../254:0" },
		{ "99999999999999999999999999999999999999999999999999999999999999999999:0",
		  "99999999999999999999999999999999999999999999999999999999999999999999:0" },
	};
	struct bench *bench = *state;
	struct strpool *strings = strpool_new();
	struct devices *devices;
	char path[4096];

	machine_mkdir(&bench->machine, "sys/dev/block");
	machine_path(&bench->machine, "sys/dev/block/254:0", path);
	assert_int_equal(symlink("../../devices/pci0/virtio1/block/vda", path), 0);
	machine_path(&bench->machine, "sys/dev/block/104:1", path);
	assert_int_equal(symlink("../../devices/cciss!c0d0p1", path), 0);
	bench->root = machine_root(&bench->machine);
	assert_int_equal(devices_new(bench->root, strings, &devices), 0);
	assert_ptr_equal(devices_strings(devices), strings);
	for (size_t round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			struct span word = { cases[i].word, cases[i].word + strlen(cases[i].word) };

			assert_string_equal(devices_name(devices, word), cases[i].name);
		}
	}
	devices_free(devices);
	strpool_unref(strings);
}

int main(void)
{
#define with_bench(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		with_bench(test_v2),
		with_bench(test_missing),
		with_bench(test_v1),
		with_bench(test_hybrid),
		with_bench(test_match),
		with_bench(test_match_nul),
		cmocka_unit_test(test_list_count),
		with_bench(test_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
