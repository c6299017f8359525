// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "fake_cgroupfs.h"
#include "policies/manual.h"
#include "policies/ownership.h"

enum { MIB = 1 << 20, MANY = 1000 };

/* Writes by hand of one knob, with what must be in the file afterwards. */
static const struct {
	bool v2;
	const char *assignment;
	int error;
	const char *file, *content; /* afterwards */
	const char *text;	    /* part of the message, or NULL */
	unsigned int writes;	    /* MANY: step by step */
} rows[] = {
	{ true, "cpu.quota=20%", 0, "cpu.max", "20000 100000", NULL, 1 },
	{ true, "cpu.max=150%", 0, "cpu.max", "150000 100000", NULL, 1 },
	{ true, "cpu.quota=50000 200000", 0, "cpu.max", "50000 200000", NULL, 1 },
	{ true, "cpu.quota=max", 0, "cpu.max", "max 100000", "so already", 0 },
	{ true, "cpu.quota=20", -EINVAL, "cpu.max", "max 100000", "percentage of one core", 0 },
	{ true, "cpu.quota=500 100000", -EINVAL, "cpu.max", "max 100000", "1 ms", 0 },
	{ true, "cpu.quota=5000 2000000", -EINVAL, "cpu.max", "max 100000", "periods from", 0 },
	{ true, "cpu.weight=50", 0, "cpu.weight", "50", NULL, 1 },
	{ true, "cpu.weight=0", -EINVAL, "cpu.weight", "100", "outside", 0 },
	{ true, "cpu.shares=50", -EOPNOTSUPP, "cpu.weight", "100", "use cpu.weight", 0 },
	{ true, "memory.high=64M", 0, "memory.high", "67108864", NULL, MANY },
	{ true, "memory.low=64M", 0, "memory.low", "67108864", NULL, 1 },
	{ true, "memory.max=1G", 0, "memory.max", "1073741824", NULL, 1 },
	{ true, "memory.max=512", -EINVAL, "memory.max", "max", "size with its unit", 0 },
	{ true, "memory.swap.max=1G", -EOPNOTSUPP, "memory.max", "max", "is not there", 0 },
	{ true, "memory.memsw.max=1G", -EOPNOTSUPP, "memory.max", "max", "swap alone", 0 },
	{ true, "io.weight=50", 0, "io.weight", "50", NULL, 1 },
	{ true, "pids.max=7", 0, "pids.max", "7", NULL, 1 },
	{ true, "cpu.burst=5ms", 0, "cpu.max.burst", "5000", NULL, 1 },
	{ true, "io.max=8:0 rbps=10M wiops=100", 0, "io.max",
	  "8:0 rbps=10485760 wbps=max riops=max wiops=100", NULL, 1 },
	{ true, "io.max=8:0 rbps=10", -EINVAL, "io.max", "", "with their unit", 0 },
	{ true, "freezer=frozen", 0, "cgroup.freeze", "1", NULL, 1 },
	{ true, "nonsense=1", -EINVAL, "cpu.max", "max 100000", "no knob", 0 },
	{ true, "nonsense", -EINVAL, "cpu.max", "max 100000", "KNOB=VALUE", 0 },
	{ false, "cpu.quota=20%", 0, "cpu.cfs_quota_us", "20000", NULL, 1 },
	{ false, "cpu.quota=50000 200000", 0, "cpu.cfs_period_us", "200000", NULL, 2 },
	{ false, "cpu.quota=50000 200000", 0, "cpu.cfs_quota_us", "50000", NULL, 2 },
	{ false, "cpu.weight=50", -EOPNOTSUPP, "cpu.shares", "1024", "use cpu.shares", 0 },
	{ false, "cpu.shares=50", 0, "cpu.shares", "50", NULL, 1 },
	{ false, "cpu.shares=1", -EINVAL, "cpu.shares", "1024", "outside", 0 },
	{ false, "memory.max=512M", 0, "memory.limit_in_bytes", "536870912", NULL, 1 },
	{ false, "memory.limit_in_bytes=512M", 0, "memory.limit_in_bytes", "536870912", NULL, 1 },
	{ false, "memory.max=max", 0, "memory.limit_in_bytes", "9223372036854771712", "so already",
	  0 },
	{ false, "memory.max=64M", -EBUSY, "memory.limit_in_bytes", "9223372036854771712",
	  "100.0 MiB is in use and could not be reclaimed (peak 200.0 MiB)", MANY },
	{ false, "memory.high=64M", -EOPNOTSUPP, "memory.limit_in_bytes", "9223372036854771712",
	  "memory.high does not exist on cgroup v1; use memory.max", 0 },
	{ false, "memory.low=64M", -EOPNOTSUPP, "memory.limit_in_bytes", "9223372036854771712",
	  "does not exist on cgroup v1", 0 },
	{ false, "pids.max=7", 0, "pids.max", "7", NULL, 1 },
	{ false, "cpuset.cpus=1", 0, "cpuset.cpus", "1", NULL, 1 },
	{ false, "cpuset.cpus=a", -EINVAL, "cpuset.cpus", "0-1", "list of numbers", 0 },
	{ false, "freezer=frozen", 0, "freezer.state", "FROZEN", NULL, 1 },
	{ false, "freezer=ice", -EINVAL, "freezer.state", "THAWED", "neither", 0 },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fake_cgroupfs *fs = fake_cgroupfs_new(rows[i].v2);
		struct node *node = fake_cgroupfs_add(fs, "/a");
		struct knob_context context = fake_cgroupfs_context(fs);
		struct knob_result result;
		int r = manual_set(&context, node, rows[i].assignment, &result);

		if (r != rows[i].error || result.error != r ||
		    (rows[i].text && !strstr(result.text, rows[i].text)))
			fail_msg("%s: %d: %s", rows[i].assignment, r, result.text);
		assert_string_equal(fake_cgroupfs_get(fs, "/a", rows[i].file), rows[i].content);
		if (rows[i].writes != MANY ? fs->writes != rows[i].writes : fs->writes < 2)
			fail_msg("%s: %u writes", rows[i].assignment, fs->writes);
		node_unref(node);
		fake_cgroupfs_free(fs);
	}
}

/* Rewriting an unchanged quota unthrottles the group each time (sched-bwc.rst). */
static void test_unchanged_is_not_written(void **state)
{
	struct fake_cgroupfs *fs = fake_cgroupfs_new(false);
	struct node *node = fake_cgroupfs_add(fs, "/a");
	struct knob_context context = fake_cgroupfs_context(fs);
	struct knob_result result;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(manual_set(&context, node, "cpu.quota=20%", &result), 0);
	assert_int_equal(fs->writes, 1);
	assert_false(result.changed);
	/* A page is nothing. */
	fake_cgroupfs_put(fs, "/a", "memory.limit_in_bytes", "536870000");
	assert_int_equal(manual_set(&context, node, "memory.max=512M", &result), 0);
	assert_int_equal(fs->writes, 1);
	node_unref(node);
	fake_cgroupfs_free(fs);
}

static void test_quota_keeps_period(void **state)
{
	for (int v2 = 0; v2 < 2; v2++) {
		struct fake_cgroupfs *fs = fake_cgroupfs_new(v2);
		struct node *node = fake_cgroupfs_add(fs, "/a");
		struct knob_context context = fake_cgroupfs_context(fs);
		struct knob_result result;

		(void)state;
		fake_cgroupfs_put(fs, "/a", v2 ? "cpu.max" : "cpu.cfs_period_us",
				  v2 ? "max 50000" : "50000");
		assert_int_equal(manual_set(&context, node, "cpu.quota=20%", &result), 0);
		assert_string_equal(
			fake_cgroupfs_get(fs, "/a", v2 ? "cpu.max" : "cpu.cfs_quota_us"),
			v2 ? "10000 50000" : "10000");
		assert_int_equal(result.before.number, KNOB_UNLIMITED);
		assert_int_equal(result.after.number, 10000);
		/* Below 1 ms of a short period: the least there is, and it is said. */
		fake_cgroupfs_put(fs, "/a", v2 ? "cpu.max" : "cpu.cfs_period_us",
				  v2 ? "max 10000" : "10000");
		assert_int_equal(manual_set(&context, node, "cpu.quota=2%", &result), 0);
		assert_true(result.adjusted);
		assert_int_equal(result.after.number, 1000);
		assert_non_null(strstr(result.text, "raised to 1 ms"));
		node_unref(node);
		fake_cgroupfs_free(fs);
	}
}

/* v1 checks quota against period at each of the two writes. */
static void test_v1_order_of_quota_and_period(void **state)
{
	struct fake_cgroupfs *fs = fake_cgroupfs_new(false);
	struct node *node = fake_cgroupfs_add(fs, "/a");
	struct knob_context context = fake_cgroupfs_context(fs);
	struct knob_result result;

	(void)state;
	fs->faults[0] = (struct fake_fault){ "cpu.cfs_period_us", true, -EINVAL, 1 };
	assert_int_equal(manual_set(&context, node, "cpu.quota=5000 10000", &result), 0);
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "cpu.cfs_quota_us"), "5000");
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "cpu.cfs_period_us"), "10000");
	assert_int_equal(fs->writes, 3);
	node_unref(node);
	fake_cgroupfs_free(fs);
}

static void test_v1_larger_child(void **state)
{
	struct fake_cgroupfs *fs = fake_cgroupfs_new(false);
	struct node *node = fake_cgroupfs_add(fs, "/a"), *child = fake_cgroupfs_add(fs, "/a/child");
	struct knob_context context = fake_cgroupfs_context(fs);
	struct knob_result result;

	(void)state;
	fake_cgroupfs_put(fs, "/a/child", "cpu.cfs_quota_us", "50000");
	fs->faults[0] = (struct fake_fault){ "cpu.cfs_quota_us", true, -EINVAL, 1 };
	assert_int_equal(manual_set(&context, node, "cpu.quota=20%", &result), -EINVAL);
	assert_non_null(strstr(result.text, "its child \"child\" has"));
	node_unref(node);
	node_unref(child);
	fake_cgroupfs_free(fs);
}

static void test_v1_memsw_order(void **state)
{
	struct fake_cgroupfs *fs = fake_cgroupfs_new(false);
	struct node *node = fake_cgroupfs_add(fs, "/a");
	struct knob_context context = fake_cgroupfs_context(fs);
	struct knob_result results[2];
	const char *const lower[] = { "memory.memsw.max=512M", "memory.max=256M" };
	const char *const raise[] = { "memory.max=1G", "memory.memsw.max=2G" };

	(void)state;
	assert_int_equal(manual_set_all(&context, node, lower, 2, results), 0);
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "memory.limit_in_bytes"), "268435456");
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "memory.memsw.limit_in_bytes"),
			    "536870912");
	/* The results stand in the order asked, not in the order done. */
	assert_int_equal(results[0].knob, KNOB_MEMORY_MEMSW);
	assert_int_equal(results[0].after.number, 512 * MIB);
	assert_int_equal(manual_set(&context, node, "memory.max=1G", results), -EINVAL);
	assert_non_null(strstr(results[0].text, "raise memory.memsw.max first"));
	assert_int_equal(manual_set(&context, node, "memory.memsw.max=128M", results), -EINVAL);
	assert_non_null(strstr(results[0].text, "lower memory.max first"));
	assert_int_equal(manual_set_all(&context, node, raise, 2, results), 0);
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "memory.limit_in_bytes"), "1073741824");
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "memory.memsw.limit_in_bytes"),
			    "2147483648");
	node_unref(node);
	fake_cgroupfs_free(fs);
}

/* A burst is no more than its quota, whichever is named first. */
static void test_burst_order(void **state)
{
	struct fake_cgroupfs *fs = fake_cgroupfs_new(true);
	struct node *node = fake_cgroupfs_add(fs, "/a");
	struct knob_context context = fake_cgroupfs_context(fs);
	const char *const raise[] = { "cpu.burst=30ms", "pids.max=9", "cpu.quota=40%" };
	const char *const lower[] = { "cpu.burst=5ms", "cpu.quota=10%" };
	struct knob_result results[3];

	(void)state;
	fake_cgroupfs_put(fs, "/a", "cpu.max", "20000 100000");
	assert_int_equal(manual_set_all(&context, node, raise, 3, results), 0);
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "cpu.max"), "40000 100000");
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "cpu.max.burst"), "30000");
	assert_int_equal(results[0].knob, KNOB_CPU_BURST);
	assert_int_equal(manual_set_all(&context, node, lower, 2, results), 0);
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "cpu.max"), "10000 100000");
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "cpu.max.burst"), "5000");
	node_unref(node);
	fake_cgroupfs_free(fs);
}

static void test_set_all_parses_first(void **state)
{
	struct fake_cgroupfs *fs = fake_cgroupfs_new(true);
	struct node *node = fake_cgroupfs_add(fs, "/a");
	struct knob_context context = fake_cgroupfs_context(fs);
	const char *const list[] = { "pids.max=5", "cpu.quota=rubbish", "memory.high=1G" };
	struct knob_result results[3];

	(void)state;
	assert_int_equal(manual_set_all(&context, node, list, 3, results), -EINVAL);
	assert_int_equal(fs->writes, 0);
	assert_int_equal(results[0].error, -ECANCELED);
	assert_int_equal(results[1].error, -EINVAL);
	assert_int_equal(results[2].error, -ECANCELED);
	node_unref(node);
	fake_cgroupfs_free(fs);
}

/* v2 sets memory.max whatever is in use, and kills. */
static void test_v2_memory_max(void **state)
{
	struct fake_cgroupfs *fs = fake_cgroupfs_new(true);
	struct node *node = fake_cgroupfs_add(fs, "/a");
	struct knob_context context = fake_cgroupfs_context(fs);
	struct knob_request request = { .knob = KNOB_MEMORY_MAX,
					.node = node,
					.value = { .number = 64 * MIB } };
	struct knob_result result;

	(void)state;
	/* 100 MiB in use of which 80 stay: refused, nothing changed. */
	fs->unreclaimable = 80 * MIB;
	assert_int_equal(knob_write(&context, &request, &result), -EBUSY);
	assert_non_null(strstr(result.text, "would kill"));
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "memory.max"), "max");
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "memory.high"), "max");
	assert_int_equal(fs->oom_kills, 0);
	/* Reclaimable: brought down, then limited; memory.high is back where it was. */
	fs->unreclaimable = 0;
	fake_cgroupfs_put(fs, "/a", "memory.high", "99614720");
	fake_cgroupfs_put(fs, "/a", "memory.current", "104857600");
	assert_int_equal(knob_write(&context, &request, &result), 0);
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "memory.max"), "67108864");
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "memory.high"), "99614720");
	assert_int_equal(fs->oom_kills, 0);
	/* Asked for, and only where reclaim does not get there. */
	fake_cgroupfs_put(fs, "/a", "memory.current", "104857600");
	fs->unreclaimable = 80 * MIB;
	request.value.number = 32 * MIB;
	request.allow_oom = true;
	assert_int_equal(knob_write(&context, &request, &result), 0);
	assert_int_equal(fs->oom_kills, 1);
	assert_string_equal(fake_cgroupfs_get(fs, "/a", "memory.max"), "33554432");
	node_unref(node);
	fake_cgroupfs_free(fs);
}

static void test_freeze(void **state)
{
	for (int v2 = 0; v2 < 2; v2++) {
		struct fake_cgroupfs *fs = fake_cgroupfs_new(v2);
		struct node *node = fake_cgroupfs_add(fs, "/a");
		struct knob_context context = fake_cgroupfs_context(fs);
		const char *file = v2 ? "cgroup.freeze" : "freezer.self_freezing";
		struct knob_request request = { .knob = KNOB_FREEZE,
						.node = node,
						.value = { .number = 1 } };
		struct knob_result result;

		(void)state;
		fs->freezing_reads = 60;
		assert_int_equal(knob_write(&context, &request, &result), 0);
		assert_string_equal(fake_cgroupfs_get(fs, "/a", file), "1");
		/* Frozen already, and not by us. */
		assert_int_equal(knob_write(&context, &request, &result), -EALREADY);
		assert_int_equal(manual_freeze(&context, node, true, &result), 0);
		assert_int_equal(manual_freeze(&context, node, false, &result), 0);
		assert_string_equal(fake_cgroupfs_get(fs, "/a", file), "0");
		/* A fork in the wrong moment: only letting it run helps. */
		fs->freezes_after_thaw = !v2;
		assert_int_equal(knob_write(&context, &request, &result), 0);
		assert_int_equal(manual_freeze(&context, node, false, &result), 0);
		/* It does not freeze: it must not be left freezing. */
		fs->never_freezes = true;
		context.timeout_ms = 500;
		assert_int_equal(knob_write(&context, &request, &result), -ETIMEDOUT);
		assert_non_null(strstr(result.text, "it was thawed again"));
		assert_string_equal(fake_cgroupfs_get(fs, "/a", file), "0");
		node_unref(node);
		fake_cgroupfs_free(fs);
	}
}

static void test_guards(void **state)
{
	struct fake_cgroupfs *fs = fake_cgroupfs_new(false);
	struct node *node = fake_cgroupfs_add(fs, "/a"), *top = node_new("/", 0, fs->hierarchies.n);
	struct knob_context context = fake_cgroupfs_context(fs);
	struct knob_result result;
	char reason[128];

	(void)state;
	for (unsigned int i = 0; i < fs->hierarchies.n; i++)
		top->ids[i] = 1;
	assert_int_equal(
		ownership_check(fs->root, &fs->hierarchies, 0, "/", 0, reason, sizeof(reason)),
		-EPERM);
	assert_int_equal(
		ownership_check(fs->root, &fs->hierarchies, 0, "/a", 0, reason, sizeof(reason)), 0);
	assert_true(ownership_contains("/", "/a"));
	assert_true(ownership_contains("/a", "/a"));
	assert_true(ownership_contains("/a", "/a/b"));
	assert_false(ownership_contains("/a", "/ab"));
	assert_false(ownership_contains("/a/b", "/a"));
	/* The id at the path is another one. */
	fake_cgroupfs_recreate(fs, "/a");
	assert_int_equal(manual_set(&context, node, "cpu.quota=20%", &result), -ESTALE);
	assert_non_null(strstr(result.text, "another cgroup has the path now"));
	fake_cgroupfs_remove(fs, "/a");
	assert_int_equal(manual_set(&context, node, "cpu.quota=20%", &result), -ENOENT);
	assert_int_equal(fs->writes, 0);
	node_unref(node);
	node_unref(top);
	fake_cgroupfs_free(fs);
}

/* A symbolic link or ".." on the way is no cgroup. */
static void test_links(void **state)
{
	struct fake_cgroupfs *fs = fake_cgroupfs_new(true);
	struct node *real = fake_cgroupfs_add(fs, "/real"), *link, *dots;
	struct knob_context context = fake_cgroupfs_context(fs);
	struct knob_result result;

	(void)state;
	assert_int_equal(symlinkat("real", fs->hierarchies.list[0].fd, "link"), 0);
	link = node_new("/link", 1, 1);
	link->ids[0] = real->ids[0];
	assert_true(manual_set(&context, link, "cpu.quota=20%", &result) < 0);
	dots = node_new("/../unified/real", 1, 1);
	dots->ids[0] = real->ids[0];
	assert_true(manual_set(&context, dots, "cpu.quota=20%", &result) < 0);
	assert_int_equal(fs->writes, 0);
	assert_int_equal(manual_set(&context, real, "cpu.quota=20%", &result), 0);
	node_unref(real);
	node_unref(link);
	node_unref(dots);
	fake_cgroupfs_free(fs);
}

static int refuse(void *data, const struct knob_result *result)
{
	(void)data;
	(void)result;
	return -ENOSPC;
}

static void test_errors(void **state)
{
	struct fake_cgroupfs *fs = fake_cgroupfs_new(true);
	struct node *node = fake_cgroupfs_add(fs, "/a");
	struct knob_context context = fake_cgroupfs_context(fs);
	const struct knob_value other = { .number = 5 };
	struct knob_request request = { .knob = KNOB_PIDS_MAX,
					.node = node,
					.value = { .number = 9 } };
	struct knob_result result;

	(void)state;
	/* Gone between open and read. */
	fs->faults[0] = (struct fake_fault){ "pids.max", false, -ENODEV, 1 };
	assert_int_equal(knob_write(&context, &request, &result), -ENODEV);
	fs->faults[0] = (struct fake_fault){ "pids.max", true, -EACCES, 1 };
	assert_int_equal(knob_write(&context, &request, &result), -EACCES);
	/* No journal, no write. */
	request.about_to_write = refuse;
	fs->writes = 0;
	assert_int_equal(knob_write(&context, &request, &result), -ENOSPC);
	assert_int_equal(fs->writes, 0);
	request.about_to_write = NULL;
	/* Compare and set. */
	request.expected = &other;
	assert_int_equal(knob_write(&context, &request, &result), -ESTALE);
	assert_int_equal(fs->writes, 0);
	request.expected = NULL;
	/* Rubbish in the file is not a number. */
	fake_cgroupfs_put(fs, "/a", "pids.max", "12 apples");
	assert_int_equal(knob_write(&context, &request, &result), -EBADMSG);
	fake_cgroupfs_put(fs, "/a", "pids.max", "12");
	context.dry_run = true;
	assert_int_equal(knob_write(&context, &request, &result), 0);
	assert_true(result.changed);
	assert_int_equal(result.after.number, 9);
	assert_int_equal(fs->writes, 0);
	node_unref(node);
	fake_cgroupfs_free(fs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_unchanged_is_not_written),
		cmocka_unit_test(test_quota_keeps_period),
		cmocka_unit_test(test_v1_order_of_quota_and_period),
		cmocka_unit_test(test_v1_larger_child),
		cmocka_unit_test(test_v1_memsw_order),
		cmocka_unit_test(test_burst_order),
		cmocka_unit_test(test_set_all_parses_first),
		cmocka_unit_test(test_v2_memory_max),
		cmocka_unit_test(test_freeze),
		cmocka_unit_test(test_guards),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_errors),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
