// SPDX-License-Identifier: MIT
/* Values that are written in several steps: each is announced, and a failure leaves nothing half.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "fake_cgroupfs.h"
#include "policies/knob.h"

enum { MIB = 1 << 20, MAX_STEPS = 200 };

struct bench {
	struct fake_cgroupfs *fs;
	struct node *node;
	struct knob_context context;
	struct knob_request request;
	struct knob_result result;
	/* What the journal was told. */
	struct knob_result steps[MAX_STEPS];
	unsigned int n_steps, n_back, refuse_at; /* 0: never */
	unsigned int slow_ms;			 /* each step takes so long */
};

static int announce(void *data, const struct knob_result *result)
{
	struct bench *bench = data;

	assert_in_range(bench->n_steps, 0, MAX_STEPS - 1);
	bench->steps[bench->n_steps++] = *result;
	usleep(bench->slow_ms * 1000);
	return bench->n_steps == bench->refuse_at ? -ENOSPC : 0;
}

static void back(void *data, const struct knob_result *result)
{
	struct bench *bench = data;

	(void)result;
	bench->n_back++;
}

static int set_up_version(void **state, bool v2)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	bench->fs = fake_cgroupfs_new(v2);
	bench->node = fake_cgroupfs_add(bench->fs, "/a");
	bench->context = fake_cgroupfs_context(bench->fs);
	*state = bench;
	return 0;
}

static int set_up_v1(void **state)
{
	return set_up_version(state, false);
}

static int set_up_v2(void **state)
{
	return set_up_version(state, true);
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	node_unref(bench->node);
	fake_cgroupfs_free(bench->fs);
	free(bench);
	return 0;
}

static int put(struct bench *bench, enum knob_id knob, const char *text)
{
	const char *why = NULL;

	bench->request.knob = knob;
	bench->request.node = bench->node;
	bench->request.about_to_write = announce;
	bench->request.put_back = back;
	bench->request.data = bench;
	bench->n_steps = bench->n_back = 0;
	bench->fs->writes = 0;
	assert_int_equal(knob_parse(knob, text, &bench->request.value, &why), 0);
	return knob_write(&bench->context, &bench->request, &bench->result);
}

static const char *get(struct bench *bench, const char *file)
{
	return fake_cgroupfs_get(bench->fs, "/a", file);
}

static void set_file(struct bench *bench, const char *file, const char *text)
{
	fake_cgroupfs_put(bench->fs, "/a", file, text);
}

static void stat_file(struct bench *bench, const char *text)
{
	fake_cgroupfs_create(bench->fs, "memory", "/a", "memory.stat", text);
}

static void fault(struct bench *bench, const char *file, bool on_write, int error,
		  unsigned int skip)
{
	bench->fs->faults[0] = (struct fake_fault){
		.file = file, .on_write = on_write, .error = error, .times = 1, .skip = skip
	};
}

static void expect_text(struct bench *bench, const char *part)
{
	if (!strstr(bench->result.text, part))
		fail_msg("\"%s\" is not in: %s", part, bench->result.text);
}

/* Every step of the knob follows on the one before, from what was there to what was asked. */
static void expect_chain(struct bench *bench, double share)
{
	uint64_t from = bench->result.before.number;

	assert_true(bench->n_steps > 0);
	for (unsigned int i = 0; i < bench->n_steps; i++) {
		const struct knob_result *step = &bench->steps[i];

		assert_int_equal(step->knob, bench->request.knob);
		assert_int_equal(step->before.number, from);
		if (from != KNOB_UNLIMITED && from < 100 * MIB)
			assert_true((double)step->requested.number >=
				    (double)from * (1 - share) - 4096);
		from = step->requested.number;
	}
	assert_int_equal(from, bench->request.value.number);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void test_v1_limit_steps(void **state)
{
	struct bench *bench = *state;

	bench->fs->v1_reclaims = true;
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), 0);
	assert_string_equal(get(bench, "memory.limit_in_bytes"), "52428800");
	assert_int_equal(bench->n_steps, 7); /* 0.9^7 of 100 MiB is below 50 */
	expect_chain(bench, 0.1);
	/* Larger steps if asked for. */
	set_file(bench, "memory.limit_in_bytes", "104857600");
	set_file(bench, "memory.usage_in_bytes", "104857600");
	bench->request.step = 0.5;
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), 0);
	assert_int_equal(bench->n_steps, 1);
	/* Nothing in the way: at once. And up at once. */
	bench->request.step = 0;
	set_file(bench, "memory.limit_in_bytes", "9223372036854771712");
	set_file(bench, "memory.usage_in_bytes", "1048576");
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), 0);
	assert_int_equal(bench->fs->writes, 1);
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "500M"), 0);
	assert_int_equal(bench->fs->writes, 1);
}

static void test_memsw_steps(void **state)
{
	struct bench *bench = *state;

	bench->fs->v1_reclaims = true;
	set_file(bench, "memory.limit_in_bytes", "41943040");
	assert_int_equal(put(bench, KNOB_MEMORY_MEMSW, "50M"), 0);
	assert_string_equal(get(bench, "memory.memsw.limit_in_bytes"), "52428800");
	expect_chain(bench, 0.1);
	/* Memory is in the way. */
	assert_int_equal(put(bench, KNOB_MEMORY_MEMSW, "30M"), -EINVAL);
	expect_text(bench, "lower memory.max first");
	assert_string_equal(get(bench, "memory.memsw.limit_in_bytes"), "52428800");
}

/* All or nothing: what was reached goes back. */
static void test_v1_limit_not_reached(void **state)
{
	struct bench *bench = *state;

	bench->fs->v1_reclaims = true;
	bench->fs->unreclaimable = 70 * MIB;
	set_file(bench, "memory.limit_in_bytes", "209715200");
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), -EBUSY);
	assert_true(bench->n_steps >= 3);
	expect_text(bench, "70.0 MiB is in use");
	expect_text(bench, "the least reached was 70.0 MiB");
	expect_text(bench, "peak 200.0 MiB");
	assert_string_equal(get(bench, "memory.limit_in_bytes"), "209715200");
	assert_false(bench->result.changed);
	/* An error on the way: the same. */
	bench->fs->unreclaimable = 0;
	set_file(bench, "memory.usage_in_bytes", "104857600");
	fault(bench, "memory.limit_in_bytes", true, -EIO, 2);
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), -EIO);
	expect_text(bench, "input/output error");
	assert_string_equal(get(bench, "memory.limit_in_bytes"), "209715200");
	/* The journal cannot be written: the same. */
	set_file(bench, "memory.usage_in_bytes", "104857600");
	bench->refuse_at = 3;
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), -ENOSPC);
	expect_text(bench, "the journal could not be");
	assert_string_equal(get(bench, "memory.limit_in_bytes"), "209715200");
	assert_int_equal(bench->fs->writes, 3); /* two steps and the way back */
	/* And if that fails as well, it is said. */
	bench->refuse_at = 0;
	set_file(bench, "memory.usage_in_bytes", "104857600");
	fault(bench, "memory.limit_in_bytes", true, -EIO, 2);
	bench->fs->faults[0].times = UINT32_MAX;
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), -EIO);
	expect_text(bench, "AND THE OLD LIMIT COULD NOT BE PUT BACK");
	assert_true(bench->result.changed);
}

/* Every step goes well, but it takes too long. */
static void test_v1_limit_too_slow(void **state)
{
	struct bench *bench = *state;

	bench->fs->v1_reclaims = true;
	bench->context.timeout_ms = 20;
	bench->slow_ms = 25;
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), -EBUSY);
	assert_int_equal(bench->n_steps, 1);
	assert_int_equal(bench->fs->writes, 2);
	expect_text(bench, "the old limit stays");
	assert_string_equal(get(bench, "memory.limit_in_bytes"), "9223372036854771712");
	/* Where one step does, it does. */
	bench->request.step = 0.6;
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), 0);
}

/* Somebody writes between two steps: theirs stays. */
static void test_foreign_write_between_steps(void **state)
{
	struct bench *bench = *state;

	bench->fs->v1_reclaims = true;
	bench->fs->overwrite = "157286400";
	bench->fs->overwrite_file = "memory.limit_in_bytes";
	bench->fs->overwrite_skip = 1;
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), -ESTALE);
	expect_text(bench, "between two steps");
	assert_string_equal(get(bench, "memory.limit_in_bytes"), "157286400");
	assert_int_equal(bench->fs->writes, 2);
}

static void test_working_set(void **state)
{
	struct bench *bench = *state;
	bool v2 = bench->fs->hierarchies.list[0].v2;
	const char *file = v2 ? "memory.max" : "memory.limit_in_bytes";
	char old[64];

	bench->fs->v1_reclaims = true;
	snprintf(old, sizeof(old), "%s", get(bench, file));
	stat_file(bench, v2 ? "anon 73400320\ninactive_file 20971520"
			    : "rss 0\ntotal_rss 73400320\ntotal_inactive_file 20971520");
	/* 100 MiB, 20 of them inactive page cache. */
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "70M"), -EBUSY);
	expect_text(bench, "the working set of 80.0 MiB");
	assert_int_equal(bench->fs->writes, 0);
	assert_string_equal(get(bench, file), old);
	/* A rehearsal says so too, and touches nothing. */
	bench->context.dry_run = true;
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "70M"), -EBUSY);
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "90M"), 0);
	assert_true(bench->result.changed);
	assert_int_equal(bench->fs->writes, 0);
	bench->context.dry_run = false;
	bench->request.allow_below_working_set = true;
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "70M"), 0);
	assert_string_equal(get(bench, file), "73400320");
	assert_int_equal(bench->fs->oom_kills, 0);
	/* Back in any case. */
	bench->request.allow_below_working_set = false;
	bench->request.restore = true;
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "60M"), 0);
}

/* memory.high holds down what is reclaimed, is announced, and goes back whatever comes of it. */
static void test_v2_max(void **state)
{
	struct bench *bench = *state;
	const struct knob_result *high, *max;

	/* memory.reclaim alone does it. */
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), 0);
	assert_string_equal(get(bench, "memory.max"), "52428800");
	assert_int_equal(bench->n_steps, 1);
	assert_int_equal(bench->n_back, 0);
	assert_string_equal(bench->fs->written[0], "memory.reclaim 10485760");
	/* It does not: high is held for a time. */
	bench->fs->unreclaimable = 80 * MIB;
	set_file(bench, "memory.max", "209715200");
	set_file(bench, "memory.high", "max");
	set_file(bench, "memory.current", "104857600");
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), -EBUSY);
	expect_text(bench, "would kill");
	expect_text(bench, "80.0 MiB is in use");
	assert_string_equal(get(bench, "memory.max"), "209715200");
	assert_string_equal(get(bench, "memory.high"), "max");
	assert_int_equal(bench->n_steps, 1);
	assert_int_equal(bench->n_back, 1);
	high = &bench->steps[0];
	assert_int_equal(high->knob, KNOB_MEMORY_HIGH);
	assert_int_equal(high->before.number, KNOB_UNLIMITED);
	assert_int_equal(high->requested.number, 50 * MIB - 50 * MIB / 16);
	/* Permitted: the kernel kills, memory.events says so. */
	bench->request.allow_oom = true;
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), 0);
	assert_string_equal(get(bench, "memory.max"), "52428800");
	assert_string_equal(get(bench, "memory.high"), "max");
	assert_int_equal(bench->fs->oom_kills, 1);
	assert_int_equal(bench->n_steps, 2);
	max = &bench->steps[1];
	assert_int_equal(max->knob, KNOB_MEMORY_MAX);
	assert_int_equal(max->before.number, 200 * MIB);
	assert_int_equal(bench->n_back, 1);
}

/* While high is held somebody else sets it: theirs stays. */
static void test_v2_max_foreign_high(void **state)
{
	struct bench *bench = *state;

	bench->fs->unreclaimable = 80 * MIB;
	bench->fs->overwrite = "62914560";
	bench->fs->overwrite_file = "memory.high";
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), -EBUSY);
	assert_string_equal(get(bench, "memory.high"), "62914560");
	assert_int_equal(bench->n_back, 1);
	/* It cannot be put back: the journal's entry must stay. */
	fault(bench, "memory.high", true, -EIO, 1);
	set_file(bench, "memory.high", "max");
	assert_int_equal(put(bench, KNOB_MEMORY_MAX, "50M"), -EBUSY);
	expect_text(bench, "AND memory.high COULD NOT BE PUT BACK");
	assert_int_equal(bench->n_back, 0);
}

static void test_v2_high(void **state)
{
	struct bench *bench = *state;

	/* No swap, and more anonymous memory than that: throttled for ever. */
	fake_cgroupfs_create(bench->fs, "memory", "/a", "memory.swap.max", "0");
	stat_file(bench, "anon 94371840\ninactive_file 0");
	assert_int_equal(put(bench, KNOB_MEMORY_HIGH, "50M"), -EBUSY);
	expect_text(bench, "throttle it for ever");
	assert_int_equal(bench->fs->writes, 0);
	/* Page cache can always go. */
	stat_file(bench, "anon 41943040\ninactive_file 0");
	assert_int_equal(put(bench, KNOB_MEMORY_HIGH, "50M"), 0);
	assert_string_equal(get(bench, "memory.high"), "52428800");
	assert_int_equal(bench->n_steps, 7);
	expect_chain(bench, 0.1);
	assert_string_equal(bench->result.text, "");
	/* Asked for: the limit is soft, and set though the use stays above. */
	stat_file(bench, "anon 94371840\ninactive_file 0");
	set_file(bench, "memory.high", "max");
	set_file(bench, "memory.current", "104857600");
	bench->fs->unreclaimable = 90 * MIB;
	bench->request.allow_below_working_set = true;
	assert_int_equal(put(bench, KNOB_MEMORY_HIGH, "80M"), 0);
	assert_string_equal(get(bench, "memory.high"), "83886080");
	expect_text(bench, "90.0 MiB is in use: it is throttled");
	/* An error on the way puts back. */
	set_file(bench, "memory.high", "max");
	fault(bench, "memory.high", true, -EIO, 1);
	assert_int_equal(put(bench, KNOB_MEMORY_HIGH, "50M"), -EIO);
	assert_string_equal(get(bench, "memory.high"), "max");
}

/* ---- CPU ------------------------------------------------------------------------------------- */

static void test_burst(void **state)
{
	struct bench *bench = *state;
	bool v2 = bench->fs->hierarchies.list[0].v2;
	const char *quota = v2 ? "cpu.max" : "cpu.cfs_quota_us",
		   *burst = v2 ? "cpu.max.burst" : "cpu.cfs_burst_us";
	struct knob_value original;

	set_file(bench, quota, v2 ? "50000 100000" : "50000");
	assert_int_equal(put(bench, KNOB_CPU_BURST, "20ms"), 0);
	assert_string_equal(get(bench, burst), "20000");
	/* No more than the quota. */
	assert_int_equal(put(bench, KNOB_CPU_BURST, "60ms"), 0);
	assert_true(bench->result.adjusted);
	expect_text(bench, "lowered to the quota");
	assert_string_equal(get(bench, burst), "50000");
	/* The quota takes it along, both announced, and brings it back. */
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "10%"), 0);
	assert_int_equal(bench->n_steps, 2);
	assert_int_equal(bench->steps[0].knob, KNOB_CPU_BURST);
	assert_int_equal(bench->steps[0].before.number, 50000);
	assert_int_equal(bench->steps[0].requested.number, 10000);
	assert_int_equal(bench->steps[1].knob, KNOB_CPU_QUOTA);
	assert_int_equal(bench->n_back, 1);
	assert_string_equal(get(bench, burst), "10000");
	expect_text(bench, "the burst of 50000 us was lowered");
	original = bench->result.before;
	assert_int_equal(original.burst, 50000);
	bench->request.value = original;
	bench->request.restore = true;
	assert_int_equal(knob_write(&bench->context, &bench->request, &bench->result), 0);
	assert_string_equal(get(bench, quota), v2 ? "50000 100000" : "50000");
	assert_string_equal(get(bench, burst), "50000");
	/* Refused after all: the burst stays what it was. */
	bench->request.restore = false;
	fault(bench, quota, true, -EPERM, 0);
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "10%"), -EPERM);
	assert_string_equal(get(bench, burst), "50000");
	assert_string_equal(get(bench, quota), v2 ? "50000 100000" : "50000");
	assert_int_equal(bench->n_back, 1);
	assert_false(bench->result.changed);
}

/* Of two files the second fails: the first goes back, and the journal knew of what was between. */
static void test_v1_period(void **state)
{
	struct bench *bench = *state;

	set_file(bench, "cpu.cfs_quota_us", "20000");
	fault(bench, "cpu.cfs_quota_us", true, -EPERM, 0);
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "5000 50000"), -EPERM);
	assert_string_equal(get(bench, "cpu.cfs_period_us"), "100000");
	assert_string_equal(get(bench, "cpu.cfs_quota_us"), "20000");
	assert_int_equal(bench->n_steps, 2);
	assert_int_equal(bench->steps[0].requested.number, 20000);
	assert_int_equal(bench->steps[0].requested.period, 50000);
	assert_int_equal(bench->steps[1].before.period, 50000);
	/* The period is refused in between: quota first. */
	fault(bench, "cpu.cfs_period_us", true, -EINVAL, 0);
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "5000 50000"), 0);
	assert_string_equal(get(bench, "cpu.cfs_period_us"), "50000");
	assert_string_equal(get(bench, "cpu.cfs_quota_us"), "5000");
	/* Both ways refused. */
	fault(bench, "cpu.cfs_period_us", true, -EINVAL, 0);
	bench->fs->faults[0].times = UINT32_MAX;
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "20000 100000"), -EINVAL);
	assert_string_equal(get(bench, "cpu.cfs_quota_us"), "5000");
	assert_string_equal(get(bench, "cpu.cfs_period_us"), "50000");
}

/* A grandchild counts as well, if the child between has no quota of its own. */
static void test_v1_who_is_in_the_way(void **state)
{
	struct bench *bench = *state;
	struct node *child = fake_cgroupfs_add(bench->fs, "/a/b"),
		    *grandchild = fake_cgroupfs_add(bench->fs, "/a/b/c"), *a = bench->node;

	fake_cgroupfs_put(bench->fs, "/a/b/c", "cpu.cfs_quota_us", "50000");
	fault(bench, "cpu.cfs_quota_us", true, -EINVAL, 0);
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "20%"), -EINVAL);
	expect_text(bench, "its child \"b/c\" has");
	set_file(bench, "cpu.cfs_quota_us", "60000");
	fault(bench, "cpu.cfs_quota_us", true, -EINVAL, 0);
	bench->node = grandchild;
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "80%"), -EINVAL);
	expect_text(bench, "the ancestor \"a\" has");
	bench->node = a;
	node_unref(child);
	node_unref(grandchild);
}

static void test_v2_ancestor(void **state)
{
	struct bench *bench = *state;
	struct node *child = fake_cgroupfs_add(bench->fs, "/a/b"), *a = bench->node;

	set_file(bench, "cpu.max", "20000 100000");
	bench->node = child;
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "50%"), 0);
	expect_text(bench, "the ancestor \"a\" allows less");
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "10%"), 0);
	assert_string_equal(bench->result.text, "");
	bench->node = a;
	node_unref(child);
}

/* ---- I/O ------------------------------------------------------------------------------------- */

static void test_v2_io_max(void **state)
{
	struct bench *bench = *state;
	const struct knob_value place = { .text = "8:0" }, other = { .text = "8:16" };

	assert_int_equal(put(bench, KNOB_IO_MAX, "8:0 wbps=10M wiops=100"), 0);
	assert_string_equal(bench->fs->written[0], "io.max 8:0 wbps=10485760 wiops=100");
	assert_string_equal(get(bench, "io.max"), "8:0 rbps=max wbps=10485760 riops=max wiops=100");
	assert_int_equal(bench->result.before.io[KNOB_IO_WBPS], KNOB_UNLIMITED);
	/* Said in full to the journal: what was left alone too. */
	assert_int_equal(bench->steps[0].requested.io[KNOB_IO_RBPS], KNOB_UNLIMITED);
	/* Only what differs is written; nothing if nothing does. */
	assert_int_equal(put(bench, KNOB_IO_MAX, "8:0 rbps=1M wiops=100"), 0);
	assert_string_equal(bench->fs->written[0], "io.max 8:0 rbps=1048576");
	assert_int_equal(put(bench, KNOB_IO_MAX, "8:0 rbps=1M"), 0);
	assert_int_equal(bench->fs->writes, 0);
	assert_int_equal(
		knob_read_at(&bench->context, KNOB_IO_MAX, bench->node, &place, &bench->result), 0);
	assert_int_equal(bench->result.before.io[KNOB_IO_RBPS], MIB);
	assert_int_equal(bench->result.before.io[KNOB_IO_RIOPS], KNOB_UNLIMITED);
	assert_int_equal(
		knob_read_at(&bench->context, KNOB_IO_MAX, bench->node, &other, &bench->result), 0);
	assert_int_equal(bench->result.before.io[KNOB_IO_RBPS], KNOB_UNLIMITED);
	assert_int_equal(knob_read(&bench->context, KNOB_IO_MAX, bench->node, &bench->result),
			 -EINVAL);
	/* Back, and no such disk. */
	assert_int_equal(put(bench, KNOB_IO_MAX, "8:0 rbps=max wbps=max wiops=max"), 0);
	assert_string_equal(get(bench, "io.max"), "");
	fault(bench, "io.max", true, -ENODEV, 0);
	assert_int_equal(put(bench, KNOB_IO_MAX, "8:1 rbps=1M"), -ENODEV);
	expect_text(bench, "no such disk");
	set_file(bench, "io.max", "8:0 rbps=apples");
	assert_int_equal(put(bench, KNOB_IO_MAX, "8:0 rbps=1M"), -EBADMSG);
}

static void test_v1_throttle(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(put(bench, KNOB_IO_MAX, "8:0 rbps=2M wiops=100"), 0);
	assert_string_equal(get(bench, "blkio.throttle.read_bps_device"), "8:0 2097152");
	assert_string_equal(get(bench, "blkio.throttle.write_iops_device"), "8:0 100");
	assert_string_equal(get(bench, "blkio.throttle.write_bps_device"), "");
	assert_int_equal(bench->fs->writes, 2);
	assert_int_equal(bench->n_steps, 2);
	assert_int_equal(bench->steps[0].requested.io[KNOB_IO_RBPS], 2 * MIB);
	assert_int_equal(bench->steps[0].requested.io[KNOB_IO_WIOPS], KNOB_UNLIMITED);
	assert_int_equal(bench->steps[1].before.io[KNOB_IO_RBPS], 2 * MIB);
	/* The third file fails: the others go back. */
	fault(bench, "blkio.throttle.read_iops_device", true, -EIO, 0);
	assert_int_equal(put(bench, KNOB_IO_MAX, "8:0 rbps=1M wbps=1M riops=7"), -EIO);
	expect_text(bench, "blkio.throttle.read_iops_device");
	assert_string_equal(get(bench, "blkio.throttle.read_bps_device"), "8:0 2097152");
	assert_string_equal(get(bench, "blkio.throttle.write_bps_device"), "");
	assert_false(bench->result.changed);
	assert_int_equal(put(bench, KNOB_IO_MAX, "8:0 rbps=max wiops=max"), 0);
	assert_string_equal(bench->fs->written[0], "blkio.throttle.read_bps_device 8:0 0");
	assert_string_equal(get(bench, "blkio.throttle.write_iops_device"), "");
	/* Its weight is bfq's. */
	assert_int_equal(put(bench, KNOB_IO_WEIGHT, "50"), 0);
	assert_string_equal(get(bench, "blkio.bfq.weight"), "50");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_v1_limit_steps, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(test_memsw_steps, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(test_v1_limit_not_reached, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(test_v1_limit_too_slow, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(test_foreign_write_between_steps, set_up_v1,
						tear_down),
		cmocka_unit_test_setup_teardown(test_working_set, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(test_working_set, set_up_v2, tear_down),
		cmocka_unit_test_setup_teardown(test_v2_max, set_up_v2, tear_down),
		cmocka_unit_test_setup_teardown(test_v2_max_foreign_high, set_up_v2, tear_down),
		cmocka_unit_test_setup_teardown(test_v2_high, set_up_v2, tear_down),
		cmocka_unit_test_setup_teardown(test_burst, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(test_burst, set_up_v2, tear_down),
		cmocka_unit_test_setup_teardown(test_v1_period, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(test_v1_who_is_in_the_way, set_up_v1, tear_down),
		cmocka_unit_test_setup_teardown(test_v2_ancestor, set_up_v2, tear_down),
		cmocka_unit_test_setup_teardown(test_v2_io_max, set_up_v2, tear_down),
		cmocka_unit_test_setup_teardown(test_v1_throttle, set_up_v1, tear_down),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
