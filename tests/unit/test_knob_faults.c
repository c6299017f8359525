// SPDX-License-Identifier: MIT
/* Whatever the kernel answers: a clear text, and nothing left half done. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "fake_cgroupfs.h"
#include "policies/guards.h"
#include "policies/knob.h"

struct bench {
	struct fake_cgroupfs *fs;
	struct node *node;
	struct knob_context context;
	struct knob_result result;
};

static void begin(struct bench *bench, bool v2)
{
	memset(bench, 0, sizeof(*bench));
	bench->fs = fake_cgroupfs_new(v2);
	bench->node = fake_cgroupfs_add(bench->fs, "/a");
	bench->context = fake_cgroupfs_context(bench->fs);
	bench->context.timeout_ms = 200;
}

static void end(struct bench *bench)
{
	node_unref(bench->node);
	fake_cgroupfs_free(bench->fs);
}

static int put(struct bench *bench, enum knob_id knob, const char *text)
{
	struct knob_request request = { .knob = knob, .node = bench->node };
	const char *why;

	assert_int_equal(knob_parse(knob, text, &request.value, &why), 0);
	return knob_write(&bench->context, &request, &bench->result);
}

static const char *get(struct bench *bench, const char *file)
{
	return fake_cgroupfs_get(bench->fs, "/a", file);
}

/* Each knob with its file and a value that differs from what is there. */
static const struct {
	bool v2;
	enum knob_id knob;
	const char *file, *value;
} knobs[] = {
	{ true, KNOB_CPU_QUOTA, "cpu.max", "20%" },
	{ true, KNOB_CPU_WEIGHT, "cpu.weight", "50" },
	{ true, KNOB_CPU_BURST, "cpu.max.burst", "1ms" },
	{ true, KNOB_MEMORY_HIGH, "memory.high", "512M" },
	{ true, KNOB_MEMORY_MAX, "memory.max", "512M" },
	{ true, KNOB_MEMORY_LOW, "memory.low", "1M" },
	{ true, KNOB_PIDS_MAX, "pids.max", "7" },
	{ true, KNOB_CPUSET_CPUS, "cpuset.cpus", "1" },
	{ true, KNOB_IO_WEIGHT, "io.weight", "50" },
	{ true, KNOB_IO_MAX, "io.max", "8:0 rbps=1M" },
	{ true, KNOB_FREEZE, "cgroup.freeze", "frozen" },
	{ false, KNOB_CPU_QUOTA, "cpu.cfs_quota_us", "20%" },
	{ false, KNOB_CPU_QUOTA, "cpu.cfs_period_us", "20000 50000" },
	{ false, KNOB_CPU_SHARES, "cpu.shares", "50" },
	{ false, KNOB_CPU_BURST, "cpu.cfs_burst_us", "1ms" },
	{ false, KNOB_MEMORY_MAX, "memory.limit_in_bytes", "512M" },
	{ false, KNOB_MEMORY_MEMSW, "memory.memsw.limit_in_bytes", "512M" },
	{ false, KNOB_PIDS_MAX, "pids.max", "7" },
	{ false, KNOB_CPUSET_CPUS, "cpuset.cpus", "1" },
	{ false, KNOB_CPUSET_MEMS, "cpuset.mems", "1" },
	{ false, KNOB_IO_WEIGHT, "blkio.bfq.weight", "50" },
	{ false, KNOB_IO_MAX, "blkio.throttle.read_bps_device", "8:0 rbps=1M" },
	{ false, KNOB_FREEZE, "freezer.state", "frozen" },
};

static const int errors[] = { -EBUSY,  -ENODEV, -EINVAL, -EIO,	  -EPERM,
			      -EACCES, -ENOENT, -EROFS,	 -ENOSPC, -ERANGE };

static void test_write_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++) {
		struct bench bench;

		begin(&bench, knobs[i].v2);
		if (knobs[i].knob == KNOB_MEMORY_MEMSW)
			fake_cgroupfs_put(bench.fs, "/a", "memory.limit_in_bytes", "209715200");
		for (size_t j = 0; j < ARRAY_SIZE(errors); j++) {
			char before[256];
			int r;

			snprintf(before, sizeof(before), "%s", get(&bench, knobs[i].file));
			/* Only writing ours fails: undoing goes well. */
			bench.fs->faults[0] = (struct fake_fault){ .file = knobs[i].file,
								   .on_write = true,
								   .error = errors[j],
								   .times = 1 };
			/* EINVAL is tried the other way round, EBUSY again: for good. */
			if (errors[j] == -EINVAL || errors[j] == -EBUSY)
				bench.fs->faults[0].times = knobs[i].knob == KNOB_FREEZE
								    ? 1
								    : UINT32_MAX;
			r = put(&bench, knobs[i].knob, knobs[i].value);
			if (r != errors[j] || bench.result.error != r || bench.result.changed ||
			    strlen(bench.result.text) < 8)
				fail_msg("%s: %s: %d, \"%s\"", knobs[i].file, strerror(-errors[j]),
					 r, bench.result.text);
			bench.fs->faults[0].times = 0;
			assert_string_equal(get(&bench, knobs[i].file), before);
		}
		/* And without any it works. */
		assert_int_equal(put(&bench, knobs[i].knob, knobs[i].value), 0);
		assert_true(bench.result.changed);
		end(&bench);
	}
}

/* Gone after it was opened, or read in halves: nothing is written. */
static void test_read_errors(void **state)
{
	static const struct fake_fault kinds[] = { { .error = -ENODEV },
						   { .error = -EIO },
						   { .cut = 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++) {
		/* One state of two files; an empty list has nothing to cut. */
		const char *file = strcmp(knobs[i].file, "freezer.state") == 0
					   ? "freezer.self_freezing"
					   : knobs[i].file;

		for (size_t j = 0; j < ARRAY_SIZE(kinds); j++) {
			struct bench bench;
			int r;

			begin(&bench, knobs[i].v2);
			if (kinds[j].cut && strlen(get(&bench, file)) < 1) {
				end(&bench);
				continue;
			}
			bench.fs->faults[0] = kinds[j];
			bench.fs->faults[0].file = file;
			bench.fs->faults[0].times = 1;
			r = put(&bench, knobs[i].knob, knobs[i].value);
			if (r != (kinds[j].cut ? -EBADMSG : kinds[j].error) ||
			    bench.fs->writes != 0 || !strstr(bench.result.text, "cannot be read"))
				fail_msg("%s: %d, %u writes, \"%s\"", file, r, bench.fs->writes,
					 bench.result.text);
			end(&bench);
		}
	}
}

static void test_read_back(void **state)
{
	struct bench bench;

	(void)state;
	begin(&bench, true);
	/* Once is nothing. */
	bench.fs->faults[0] =
		(struct fake_fault){ .file = "pids.max", .cut = 0, .times = 1, .skip = 1 };
	bench.fs->faults[0].error = -EIO;
	assert_int_equal(put(&bench, KNOB_PIDS_MAX, "7"), 0);
	/* For good: it is there, and the caller is told that it is to be undone. */
	bench.fs->faults[0].times = UINT32_MAX;
	bench.fs->faults[0].skip = 1;
	assert_int_equal(put(&bench, KNOB_PIDS_MAX, "8"), -EIO);
	assert_true(bench.result.changed);
	assert_int_equal(bench.result.after.number, 8);
	assert_non_null(strstr(bench.result.text, "written, but pids.max cannot be read back"));
	bench.fs->faults[0].times = 0;
	/* Somebody writes in between: theirs stays. */
	bench.fs->overwrite = "99";
	assert_int_equal(put(&bench, KNOB_PIDS_MAX, "9"), -ESTALE);
	assert_string_equal(get(&bench, "pids.max"), "99");
	assert_int_equal(bench.result.after.number, 99);
	end(&bench);
}

/* ---- freezing -------------------------------------------------------------------------------- */

static void test_freeze_errors(void **state)
{
	(void)state;
	for (int v2 = 0; v2 < 2; v2++) {
		const char *file = v2 ? "cgroup.freeze" : "freezer.self_freezing",
			   *outcome = v2 ? "cgroup.events" : "freezer.state";
		struct bench bench;

		begin(&bench, v2);
		/* Removed while it is waited for: over at once, not after the timeout. */
		bench.context.timeout_ms = 600000;
		bench.fs->never_freezes = true;
		bench.fs->faults[0] = (struct fake_fault){
			.file = outcome, .error = -ENODEV, .times = 1, .skip = 3
		};
		assert_int_equal(put(&bench, KNOB_FREEZE, "frozen"), -ENODEV);
		assert_non_null(strstr(bench.result.text, "it was thawed again"));
		assert_string_equal(get(&bench, file), "0");
		/* It freezes after a while. */
		bench.fs->never_freezes = false;
		bench.fs->freezing_reads = bench.fs->frozen_reads = 7;
		assert_int_equal(put(&bench, KNOB_FREEZE, "frozen"), 0);
		assert_int_equal(bench.fs->freezing_reads * !v2 + bench.fs->frozen_reads * v2, 0);
		assert_int_equal(put(&bench, KNOB_FREEZE, "frozen"), -EALREADY);
		/* A thaw that does not take is not called one. */
		bench.context.timeout_ms = 50;
		bench.fs->faults[0] =
			(struct fake_fault){ .file = file, .error = -EIO, .times = 1, .skip = 1 };
		{
			struct knob_request request = { .knob = KNOB_FREEZE, .node = bench.node };

			assert_int_equal(knob_write(&bench.context, &request, &bench.result), -EIO);
			assert_non_null(strstr(bench.result.text, "cannot be thawed"));
			assert_int_equal(knob_write(&bench.context, &request, &bench.result), 0);
		}
		/* Neither frozen nor to be thawed: that has to be shouted. */
		bench.fs->never_freezes = true;
		bench.fs->faults[0] = (struct fake_fault){ .file = v2 ? file : "freezer.state",
							   .on_write = true,
							   .error = -EIO,
							   .times = UINT32_MAX,
							   .skip = 1 };
		assert_true(put(&bench, KNOB_FREEZE, "frozen") < 0);
		assert_non_null(strstr(bench.result.text, "AND IT COULD NOT BE THAWED"));
		end(&bench);
	}
}

/* It sleeps between its looks: the time it takes is not CPU time. */
static void test_freeze_waits(void **state)
{
	(void)state;
	for (int v2 = 0; v2 < 2; v2++) {
		struct bench bench;

		begin(&bench, v2);
		bench.context.timeout_ms = 500;
		bench.fs->never_freezes = true;
		assert_int_equal(put(&bench, KNOB_FREEZE, "frozen"), -ETIMEDOUT);
		/* 500 ms: 1, 2, 4, 8, 16, 20, 20, ...; a busy loop would write thousands. */
		assert_in_range(bench.fs->writes, 2, 60);
		end(&bench);
	}
}

static void test_frozen_ancestor(void **state)
{
	struct bench bench;
	struct knob_request request;

	(void)state;
	begin(&bench, false);
	request = (struct knob_request){ .knob = KNOB_FREEZE, .node = bench.node };
	/* Frozen with its parent, not by itself: not frozen by somebody else. */
	fake_cgroupfs_put(bench.fs, "/a", "freezer.state", "FROZEN");
	fake_cgroupfs_put(bench.fs, "/a", "freezer.parent_freezing", "1");
	assert_int_equal(put(&bench, KNOB_FREEZE, "frozen"), 0);
	assert_int_equal(bench.result.before.number, 0);
	assert_int_equal(knob_write(&bench.context, &request, &bench.result), 0);
	assert_non_null(strstr(bench.result.text, "stays frozen with an ancestor"));
	assert_string_equal(get(&bench, "freezer.self_freezing"), "0");
	end(&bench);
	/* A kernel without these files. */
	begin(&bench, false);
	bench.fs->faults[0] = (struct fake_fault){ .file = "freezer.self_freezing",
						   .error = -ENOENT,
						   .times = UINT32_MAX };
	assert_int_equal(put(&bench, KNOB_FREEZE, "frozen"), 0);
	assert_int_equal(bench.result.after.number, 1);
	end(&bench);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void test_reasons(void **state)
{
	static const struct {
		enum knob_id knob;
		const char *file, *value;
		int error;
		const char *text;
	} rows[] = {
		{ KNOB_CPUSET_CPUS, "cpuset.cpus", "1", -ENOSPC, "without a CPU" },
		{ KNOB_CPUSET_MEMS, "cpuset.mems", "1", -ENOSPC, "without a memory node" },
		{ KNOB_CPUSET_CPUS, "cpuset.cpus", "1", -EBUSY, "a child uses" },
		{ KNOB_CPUSET_CPUS, "cpuset.cpus", "1", -EACCES, "the parent does not have" },
		{ KNOB_CPUSET_CPUS, "cpuset.cpus", "1", -EINVAL, "no such CPU" },
		{ KNOB_PIDS_MAX, "pids.max", "7", -EPERM, "nsdelegate" },
		{ KNOB_PIDS_MAX, "pids.max", "7", -ENODEV, "being removed" },
		{ KNOB_PIDS_MAX, "pids.max", "7", -ENOENT, "gone" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench bench;

		begin(&bench, false);
		bench.fs->faults[0] = (struct fake_fault){ rows[i].file, true, rows[i].error, 1 };
		assert_int_equal(put(&bench, rows[i].knob, rows[i].value), rows[i].error);
		if (!strstr(bench.result.text, rows[i].text))
			fail_msg("%s: %s", rows[i].file, bench.result.text);
		end(&bench);
	}
}

static void test_values_as_the_kernel_has_them(void **state)
{
	struct bench bench;

	(void)state;
	begin(&bench, true);
	/* Lists come back in ranges. */
	bench.fs->overwrite = "0-2,5";
	assert_int_equal(put(&bench, KNOB_CPUSET_CPUS, "5,0,1,2"), 0);
	assert_int_equal(put(&bench, KNOB_CPUSET_CPUS, "0-1,2,5"), 0);
	assert_false(bench.result.changed);
	bench.fs->overwrite = "0-2";
	assert_int_equal(put(&bench, KNOB_CPUSET_CPUS, "0-3"), -ESTALE);
	/* An empty list needs something to be written. */
	{
		struct knob_request request = { .knob = KNOB_CPUSET_CPUS, .node = bench.node };

		fake_cgroupfs_put(bench.fs, "/a", "cpuset.cpus", "0-2");
		bench.fs->writes = 0;
		assert_int_equal(knob_write(&bench.context, &request, &bench.result), 0);
		assert_string_equal(bench.fs->written[0], "cpuset.cpus \n");
		assert_string_equal(get(&bench, "cpuset.cpus"), "");
	}
	/* Sizes come back in pages. */
	bench.fs->overwrite = "536866816";
	assert_int_equal(put(&bench, KNOB_MEMORY_LOW, "536870000B"), 0);
	/* Fewer tasks than there are: legal, and said. */
	assert_int_equal(put(&bench, KNOB_PIDS_MAX, "3"), 0);
	assert_non_null(strstr(bench.result.text, "there are 5 tasks"));
	assert_int_equal(put(&bench, KNOB_PIDS_MAX, "5"), 0);
	assert_string_equal(bench.result.text, "");
	/* No limit, in the file's own word, with the period that was there. */
	fake_cgroupfs_put(bench.fs, "/a", "cpu.max", "20000 50000");
	assert_int_equal(put(&bench, KNOB_CPU_QUOTA, "max"), 0);
	assert_string_equal(get(&bench, "cpu.max"), "max 50000");
	end(&bench);
}

/* What was empty stands for all that the parent has, and cannot be emptied with tasks in it. */
static void test_empty_cpuset_goes_back(void **state)
{
	struct knob_request request = { .knob = KNOB_CPUSET_CPUS, .restore = true };
	struct node *child;
	struct bench bench;

	(void)state;
	begin(&bench, true);
	child = fake_cgroupfs_add(bench.fs, "/a/b");
	request.node = child;
	fake_cgroupfs_put(bench.fs, "/a/b", "cpuset.cpus", "0");
	fake_cgroupfs_create(bench.fs, "cpuset", "/a", "cpuset.cpus.effective", "0-3");
	bench.fs->faults[0] = (struct fake_fault){ "cpuset.cpus", true, -ENOSPC, 1 };
	assert_int_equal(knob_write(&bench.context, &request, &bench.result), 0);
	assert_true(bench.result.adjusted);
	assert_string_equal(fake_cgroupfs_get(bench.fs, "/a/b", "cpuset.cpus"), "0-3");
	/* Not where it is only wished for. */
	request.restore = false;
	bench.fs->faults[0].times = 1;
	assert_int_equal(knob_write(&bench.context, &request, &bench.result), -ENOSPC);
	assert_string_equal(fake_cgroupfs_get(bench.fs, "/a/b", "cpuset.cpus"), "0-3");
	/* At the top it is the root that is asked. */
	request.restore = true;
	request.node = bench.node;
	fake_cgroupfs_put(bench.fs, "/a", "cpuset.cpus", "0");
	bench.fs->faults[0].times = 1;
	assert_int_equal(knob_write(&bench.context, &request, &bench.result), -ENOSPC);
	assert_non_null(strstr(bench.result.text, "without a CPU"));
	node_unref(child);
	end(&bench);
}

/* Guards are asked for what is new, and not for what is put back or was permitted. */
static void test_guards(void **state)
{
	struct knob_request request = { .knob = KNOB_PIDS_MAX, .value = { .number = 7 } };
	struct guards *guards = NULL;
	struct node *slice, *sshd;
	struct bench bench;

	(void)state;
	begin(&bench, true);
	slice = fake_cgroupfs_add(bench.fs, "/system.slice");
	sshd = fake_cgroupfs_add(bench.fs, "/system.slice/ssh.service");
	assert_int_equal(guards_new(bench.fs->root, &bench.fs->hierarchies, &guards), 0);
	request.node = sshd;
	bench.context.guards = guards;
	assert_int_equal(knob_write(&bench.context, &request, &bench.result), -EPERM);
	assert_non_null(strstr(bench.result.text, "refused: "));
	bench.context.dry_run = true;
	assert_int_equal(knob_write(&bench.context, &request, &bench.result), -EPERM);
	bench.context.dry_run = false;
	assert_int_equal(bench.fs->writes, 0);
	request.allow_protected = true;
	assert_int_equal(knob_write(&bench.context, &request, &bench.result), 0);
	request.allow_protected = false;
	request.restore = true;
	request.value.number = KNOB_UNLIMITED;
	assert_int_equal(knob_write(&bench.context, &request, &bench.result), 0);
	/* Others are not meant, and without guards nobody is asked. */
	request = (struct knob_request){ .knob = KNOB_PIDS_MAX,
					 .node = bench.node,
					 .value = { .number = 7 } };
	assert_int_equal(knob_write(&bench.context, &request, &bench.result), 0);
	bench.context.guards = NULL;
	request.node = sshd;
	assert_int_equal(knob_write(&bench.context, &request, &bench.result), 0);
	guards_free(guards);
	node_unref(slice);
	node_unref(sshd);
	end(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_errors),
		cmocka_unit_test(test_read_errors),
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_freeze_errors),
		cmocka_unit_test(test_freeze_waits),
		cmocka_unit_test(test_frozen_ancestor),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_values_as_the_kernel_has_them),
		cmocka_unit_test(test_empty_cpuset_goes_back),
		cmocka_unit_test(test_guards),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
