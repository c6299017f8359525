// SPDX-License-Identifier: MIT
/* Killed at any moment of a write that takes several steps, the journal brings everything back. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "fake_cgroupfs.h"
#include "policies/journal.h"

enum { MAX_STEPS = 12, MAX_FILES = 4 };

static const struct row {
	bool v2;
	enum knob_id knob;
	const char *value;
	/* Where it starts: file and text. */
	const char *files[MAX_FILES][2];
	bool cannot; /* it will be refused in the end */
} rows[] = {
	{ false,
	  KNOB_CPU_QUOTA,
	  "5000 50000",
	  { { "cpu.cfs_quota_us", "20000" }, { "cpu.cfs_period_us", "100000" } },
	  false },
	{ false,
	  KNOB_CPU_QUOTA,
	  "10%",
	  { { "cpu.cfs_quota_us", "50000" },
	    { "cpu.cfs_period_us", "100000" },
	    { "cpu.cfs_burst_us", "40000" } },
	  false },
	{ true,
	  KNOB_CPU_QUOTA,
	  "10%",
	  { { "cpu.max", "50000 100000" }, { "cpu.max.burst", "40000" } },
	  false },
	{ false,
	  KNOB_IO_MAX,
	  "8:0 rbps=1M wbps=2M riops=3 wiops=4",
	  { { "blkio.throttle.read_bps_device", "8:0 9999999" },
	    { "blkio.throttle.write_bps_device", "" },
	    { "blkio.throttle.read_iops_device", "8:0 77" },
	    { "blkio.throttle.write_iops_device", "" } },
	  false },
	{ true,
	  KNOB_IO_MAX,
	  "8:0 rbps=1M wiops=4",
	  { { "io.max", "8:0 rbps=max wbps=77 riops=max wiops=5" } },
	  false },
	{ false, KNOB_MEMORY_MAX, "50M", { { "memory.limit_in_bytes", "209715200" } }, false },
	{ false,
	  KNOB_MEMORY_MEMSW,
	  "50M",
	  { { "memory.memsw.limit_in_bytes", "209715200" },
	    { "memory.limit_in_bytes", "41943040" } },
	  false },
	{ true, KNOB_MEMORY_HIGH, "50M", { { "memory.high", "209715200" } }, false },
	{ true,
	  KNOB_MEMORY_MAX,
	  "50M",
	  { { "memory.max", "209715200" }, { "memory.high", "max" } },
	  true },
};

struct bench {
	struct fake_cgroupfs *fs;
	struct node *node;
	char state_dir[64];
	struct knob_context context;
	/* In the process that dies. */
	struct journal *journal;
	const struct row *row;
	struct knob_value original;
	uint64_t seq, other_seq;
	unsigned int step, die_at;
	bool die_before_journal;
	unsigned int die_at_write; /* of the restore; 0: not there */
	struct knob_io dying_io;
};

/* As the enforcer does it. */
static int announce(void *data, const struct knob_result *result)
{
	struct bench *bench = data;
	bool other = result->knob != bench->row->knob;
	uint64_t *seq = other ? &bench->other_seq : &bench->seq;
	struct journal_entry entry = {
		.seq = *seq,
		.knob = result->knob,
		.hierarchy = bench->fs->hierarchies.list[result->hierarchy].name,
		.cgroup_id = result->cgroup_id,
		.path = bench->node->path,
		.old = other ? result->before : bench->original,
		.written = result->requested,
		.before = result->before,
		.holders = (char *)"p",
	};

	bench->step++;
	if (bench->step == bench->die_at && bench->die_before_journal)
		_exit(1);
	if (journal_put(bench->journal, &entry) < 0)
		_exit(2);
	*seq = entry.seq;
	if (bench->step == bench->die_at)
		_exit(1);
	return 0;
}

static void back(void *data, const struct knob_result *result)
{
	struct bench *bench = data;

	(void)result;
	if (journal_remove(bench->journal, bench->other_seq) < 0)
		_exit(2);
	bench->other_seq = 0;
}

/* Dies when so much of the restore is written. */
static int write_some(void *data, int dir_fd, const char *file, const char *text, bool nonblock)
{
	struct bench *bench = data;
	int r = bench->fs->io.write(bench->fs->io.data, dir_fd, file, text, nonblock);

	if (bench->die_at_write > 0 && --bench->die_at_write == 0)
		_exit(1);
	return r;
}

static int read_all(void *data, int dir_fd, const char *file, struct strbuf *ret_text)
{
	struct bench *bench = data;

	return bench->fs->io.read(bench->fs->io.data, dir_fd, file, ret_text);
}

static int restore_and_die(struct bench *bench, const struct knob_result *written)
{
	struct knob_request request = { .knob = bench->row->knob,
					.node = bench->node,
					.value = bench->original,
					.restore = true,
					.expected = &written->after };
	struct knob_result result;

	bench->dying_io = (struct knob_io){ read_all, write_some, bench };
	bench->context.io = &bench->dying_io;
	if (knob_write(&bench->context, &request, &result) < 0)
		return 5;
	journal_remove(bench->journal, bench->seq);
	return 0;
}

static void write_and_die(struct bench *bench)
{
	struct knob_request request = { .knob = bench->row->knob,
					.node = bench->node,
					.allow_below_working_set = true,
					.about_to_write = announce,
					.put_back = back,
					.data = bench };
	struct knob_result result;
	const char *why;

	if (journal_open(bench->state_dir, 0, &bench->journal, NULL) < 0 ||
	    knob_parse(request.knob, bench->row->value, &request.value, &why) < 0 ||
	    knob_read_at(&bench->context, request.knob, bench->node, &request.value, &result) < 0)
		_exit(3);
	bench->original = result.before;
	if (knob_write(&bench->context, &request, &result) < 0)
		_exit(4);
	_exit(bench->die_at_write ? restore_and_die(bench, &result) : 0);
}

static void begin(struct bench *bench, const struct row *row)
{
	*bench = (struct bench){ .row = row };
	snprintf(bench->state_dir, sizeof(bench->state_dir), "/tmp/cgwatch-test-state-XXXXXX");
	assert_non_null(mkdtemp(bench->state_dir));
	bench->fs = fake_cgroupfs_new(row->v2);
	bench->fs->v1_reclaims = true;
	bench->fs->unreclaimable = row->cannot ? 80 << 20 : 0;
	bench->node = fake_cgroupfs_add(bench->fs, "/a");
	bench->context = fake_cgroupfs_context(bench->fs);
	for (size_t i = 0; i < MAX_FILES && row->files[i][0]; i++)
		fake_cgroupfs_put(bench->fs, "/a", row->files[i][0], row->files[i][1]);
}

static void end(struct bench *bench)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", bench->state_dir);
	node_unref(bench->node);
	fake_cgroupfs_free(bench->fs);
	assert_int_equal(system(command), 0);
}

enum where { AFTER_JOURNAL, BEFORE_JOURNAL, IN_RESTORE };

/* Dies at that step, is restored, and everything is as it was. True if it got to that step. */
static bool die_and_replay(const struct row *row, unsigned int step, enum where where)
{
	struct journal_replay replay;
	struct journal *journal;
	struct bench bench;
	int status;
	pid_t pid;

	begin(&bench, row);
	bench.die_at = where == IN_RESTORE ? 0 : step;
	bench.die_at_write = where == IN_RESTORE ? step : 0;
	bench.die_before_journal = where == BEFORE_JOURNAL;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		write_and_die(&bench);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != 1)
		assert_int_equal(WEXITSTATUS(status), row->cannot ? 4 : 0);
	assert_int_equal(journal_open(bench.state_dir, 0, &journal, NULL), 0);
	assert_int_equal(journal_restore(journal, &bench.context, true, &replay), 0);
	assert_int_equal(replay.conflicts + replay.failed + replay.gone + replay.broken, 0);
	assert_int_equal(journal_count(journal), 0);
	journal_free(journal);
	for (size_t i = 0; i < MAX_FILES && row->files[i][0]; i++) {
		const char *text = fake_cgroupfs_get(bench.fs, "/a", row->files[i][0]);

		if (strcmp(text, row->files[i][1]) != 0)
			fail_msg("%s: killed at %s %u: \"%s\", was \"%s\"", row->files[i][0],
				 where == IN_RESTORE ? "write" : "step", step, text,
				 row->files[i][1]);
	}
	end(&bench);
	return WEXITSTATUS(status) == 1;
}

static void test_replay(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned int step = 1;

		while (step < MAX_STEPS && die_and_replay(&rows[i], step, AFTER_JOURNAL)) {
			die_and_replay(&rows[i], step, BEFORE_JOURNAL);
			step++;
		}
		print_message("%s: %s: killed at %u steps\n", knob_name(rows[i].knob),
			      rows[i].value, step - 1);
		assert_true(step > 1);
	}
}

/* On the way back nothing is announced: what the journal said last has to be enough. */
static void test_replay_of_restore(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned int step = 1;

		if (rows[i].cannot)
			continue;
		while (step < MAX_STEPS && die_and_replay(&rows[i], step, IN_RESTORE))
			step++;
		print_message("%s: %s: killed at %u writes of the restore\n",
			      knob_name(rows[i].knob), rows[i].value, step - 1);
		assert_true(step > 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_replay_of_restore),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
