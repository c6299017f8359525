// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/cgroup_file.h"
#include "core/cleanup.h"
#include "core/metric.h"

#define for_each_id(id) for (int id = M_NONE + 1; id < METRIC_COUNT; id++)

/* All faults of the table are told at once: one run shows what is to be mended. */
static unsigned int faults;

#define fault(...)                        \
	do {                              \
		print_error(__VA_ARGS__); \
		print_error("\n");        \
		faults++;                 \
	} while (0)

static int reset_faults(void **state)
{
	(void)state;
	faults = 0;
	return 0;
}

static const struct metric *row(int id)
{
	return metric_get((enum metric_id)id);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Every file a row names is in the reader's tables, and its shape suits the row. */
static void check_source(const struct metric *metric, bool v2, const char *name, const char *key)
{
	const struct cgroup_file *file = name ? cgroup_file_find(v2, name) : NULL;
	bool star = name && strchr(name, '*');

	if (!name)
		return;
	if (!file) {
		fault("%s: %s is not in the v%d table", metric->name, name, v2 ? 2 : 1);
		return;
	}
	if (star && !metric->key_label)
		fault("%s: a '*' in %s, but no key label", metric->name, name);
	if ((metric->kind == KIND_TEXT || (metric->flags & METRIC_LIST)) &&
	    file->shape != SHAPE_TEXT)
		fault("%s: %s is no text", metric->name, name);
	switch (file->shape) {
	case SHAPE_SINGLE:
	case SHAPE_LINES:
		if (key)
			fault("%s: key %s in %s, which has none", metric->name, key, name);
		break;
	case SHAPE_NESTED:
	case SHAPE_BLKIO:
		if (!key || !metric->key_label)
			fault("%s: %s needs a key and a key label", metric->name, name);
		break;
	case SHAPE_PARTS:
	case SHAPE_LIST:
		if (key || !metric->key_label)
			fault("%s: %s needs a key label and no key", metric->name, name);
		break;
	case SHAPE_PAIR:
		if (!same(key, "0") && !same(key, "1"))
			fault("%s: key of %s must be 0 or 1", metric->name, name);
		break;
	case SHAPE_PRESSURE:
		if (!key || !strchr(key, '.'))
			fault("%s: key of %s must be share.what", metric->name, name);
		break;
	case SHAPE_FLAT:
		/* Keys that only v2 has leave the v1 key out. */
		if (!key && v2)
			fault("%s: %s needs a key", metric->name, name);
		break;
	case SHAPE_TEXT:
		break;
	}
}

static void test_sources(void **state)
{
	(void)state;
	for_each_id(id)
	{
		const struct metric *metric = row(id);

		check_source(metric, true, metric->v2.file, metric->v2.key);
		check_source(metric, false, metric->v1.file, metric->v1.key);
		if (metric->v1.file && !metric->v1.controller)
			fault("%s: a v1 file without a controller", metric->name);
	}
	assert_int_equal(faults, 0);
}

/* The reader looks a key up once: two rows for one key of one keyed file would leave one empty. */
static void test_sources_differ(void **state)
{
	(void)state;
	for_each_id(id)
	{
		const struct metric *a = row(id);

		for (int other = id + 1; other < METRIC_COUNT; other++) {
			const struct metric *b = row(other);

			if (a->v2.key && same(a->v2.file, b->v2.file) && same(a->v2.key, b->v2.key))
				fault("%s, %s: both are %s %s", a->name, b->name, a->v2.file,
				      a->v2.key);
			if (a->v1.key && same(a->v1.file, b->v1.file) && same(a->v1.key, b->v1.key))
				fault("%s, %s: both are v1 %s %s", a->name, b->name, a->v1.file,
				      a->v1.key);
		}
	}
	assert_int_equal(faults, 0);
}

static void check_table(const struct cgroup_file *files, bool v2)
{
	for (const struct cgroup_file *file = files; file->name; file++) {
		bool used = false;

		for_each_id(id)
		{
			used |= same(v2 ? row(id)->v2.file : row(id)->v1.file, file->name);
		}
		if (!used)
			fault("v%d table: no metric is read from %s", v2 ? 2 : 1, file->name);
		if (file > files && strcmp(file[-1].name, file->name) >= 0)
			fault("v%d table: %s is not in order", v2 ? 2 : 1, file->name);
		if (v2 && !file->core && !file->controller)
			fault("v2 table: %s belongs to nobody", file->name);
		assert_ptr_equal(cgroup_file_find(v2, file->name), file);
	}
}

static void test_file_tables(void **state)
{
	(void)state;
	check_table(cgroup_files_v2, true);
	check_table(cgroup_files_v1, false);
	assert_null(cgroup_file_find(true, "memory.usage_in_bytes"));
	assert_null(cgroup_file_find(false, "memory.current"));
	assert_null(cgroup_file_find(true, ""));
	assert_int_equal(faults, 0);
}

/* "Every memory.stat key of 6.1 and 6.18 under one name on v1 and v2": io.stat and blkio as well.
 */
static void test_promised(void **state)
{
	static const char *const names[] = {
		"cpu.usage",
		"cpu.user",
		"cpu.system",
		"cpu.nr_periods",
		"cpu.nr_throttled",
		"cpu.throttled",
		"cpu.nr_bursts",
		"cpu.burst_time",
		"cpu.weight",
		"cpu.shares",
		"cpu.quota",
		"cpu.period",
		"cpu.idle",
		"cpuset.cpus",
		"cpuset.mems",
		"cpuset.cpus.effective",
		"cpuset.mems.effective",
		"memory.current",
		"memory.peak",
		"memory.min",
		"memory.low",
		"memory.high",
		"memory.max",
		"memory.soft_limit",
		"memory.memsw.limit",
		"memory.memsw.usage",
		"memory.memsw.max_usage",
		"memory.swap.current",
		"memory.zswap.current",
		"memory.failcnt",
		"memory.memsw.failcnt",
		"memory.stat.anon",
		"memory.events.low",
		"memory.events.high",
		"memory.events.max",
		"memory.events.oom",
		"memory.events.oom_kill",
		"memory.oom_control.under_oom",
		"pids.current",
		"pids.peak",
		"pids.max",
		"pids.events.max",
		"io.rbytes",
		"io.wbytes",
		"io.dbytes",
		"io.rios",
		"io.wios",
		"io.dios",
		"psi.cpu.some.avg10",
		"psi.memory.full.avg300",
		"psi.io.some.total",
		"freezer.frozen",
		"freezer.self",
		"hugetlb.current",
		"rdma.hca_handle",
		"misc.current",
		"devices.list",
		"net_cls.classid",
		"net_prio.prioidx",
		"cgroup.stat.nr_descendants",
		"cgroup.stat.nr_dying_descendants",
		"cgroup.procs",
		"cgroup.threads",
		"cpu.limit.used",
		"memory.limit",
		"memory.working_set",
		"cpu.throttled.ratio",
		"pids.limit.used",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (metric_find(names[i]) == M_NONE)
			fault("%s is missing", names[i]);
	}
	assert_int_equal(faults, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sources, reset_faults),
		cmocka_unit_test_setup(test_sources_differ, reset_faults),
		cmocka_unit_test_setup(test_file_tables, reset_faults),
		cmocka_unit_test_setup(test_promised, reset_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
