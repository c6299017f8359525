// SPDX-License-Identifier: MIT
/* What a new start makes of the journal of an agent that died. */
#define _GNU_SOURCE
#include <sys/resource.h>

#include "test_enforce_bench.h"

/*
 * What a killed agent leaves: journal and values as they were while it held. `change` may disturb
 * them. Then a new one replays.
 */
static void replay_after(struct bench *bench, bool force, struct journal_replay *replay)
{
	struct knob_context context = fake_cgroupfs_context(bench->fs);
	char command[300];

	snprintf(command, sizeof(command), "rm -rf %s/held-* && cp -a %s.kept/. %s/",
		 bench->state_dir, bench->state_dir, bench->state_dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(journal_open(bench->state_dir, 0, &bench->journal, NULL), 0);
	assert_int_equal(journal_restore(bench->journal, &context, force, replay), 0);
	/* What is kept is for the next agent to take over. */
	assert_int_equal(journal_count(bench->journal), replay->kept);
}

static void die(struct bench *bench)
{
	crash(bench);
	enforcer_free(bench->enforcer);
	bench->enforcer = NULL;
	journal_free(bench->journal);
	bench->journal = NULL;
}

static void test_replay(void **state)
{
	struct bench *bench = *state;
	struct journal_replay replay;

	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "90000 100000");
	fake_cgroupfs_put(bench->fs, "/a/b", "memory.high", "838860800");
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 40%"), 0);
	assert_int_equal(apply(bench, bench->a, "q", "cpu.quota 20%"), 0);
	assert_int_equal(apply(bench, bench->b, "p", "freeze lease=30s"), 0);
	assert_int_equal(apply(bench, bench->b, "p", "memory.high 64M"), 0);
	die(bench);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "20000 100000");
	fake_cgroupfs_put(bench->fs, "/a/b", "cgroup.freeze", "1");
	fake_cgroupfs_put(bench->fs, "/a/b", "memory.high", "67108864");
	replay_after(bench, false, &replay);
	assert_int_equal(replay.restored, 3);
	assert_string_equal(cpu_max(bench, "/a"), "90000 100000");
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a/b", "cgroup.freeze"), "0");
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a/b", "memory.high"), "838860800");
}

/* Killed between the journal and the write, at every place where that can be. */
static void test_replay_between(void **state)
{
	struct bench *bench = *state;
	struct journal_replay replay;

	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 40%"), 0);
	assert_int_equal(apply(bench, bench->a, "q", "cpu.quota 20%"), 0);
	die(bench);
	/* Entry for 20% on disk, 40% still there. */
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "40000 100000");
	replay_after(bench, false, &replay);
	assert_int_equal(replay.restored, 1);
	assert_string_equal(cpu_max(bench, "/a"), "max 100000");
	journal_free(bench->journal);
	/* Entry on disk, nothing written, or restored already. */
	replay_after(bench, false, &replay);
	assert_int_equal(replay.unchanged, 1);
}

static void test_replay_conflict_and_gone(void **state)
{
	struct bench *bench = *state;
	struct journal_replay replay;

	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 40%"), 0);
	assert_int_equal(apply(bench, bench->b, "p", "cpu.quota 40%"), 0);
	die(bench);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "55000 100000");
	/* The same path and the same value, but another cgroup. */
	fake_cgroupfs_recreate(bench->fs, "/a/b");
	fake_cgroupfs_put(bench->fs, "/a/b", "cpu.max", "40000 100000");
	replay_after(bench, false, &replay);
	assert_int_equal(replay.conflicts, 1);
	assert_int_equal(replay.gone, 1);
	assert_int_equal(replay.restored, 0);
	assert_string_equal(cpu_max(bench, "/a"), "55000 100000");
	assert_string_equal(cpu_max(bench, "/a/b"), "40000 100000");
}

static void spoil(const struct bench *bench, const char *command_format)
{
	char command[300];

	snprintf(command, sizeof(command), "cd %s.kept && %s", bench->state_dir, command_format);
	assert_int_equal(system(command), 0);
}

static void test_replay_broken_entry(void **state)
{
	struct bench *bench = *state;
	struct journal_replay replay;
	char path[128];

	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 40%"), 0);
	assert_int_equal(apply(bench, bench->b, "p", "cpu.quota 40%"), 0);
	die(bench);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "40000 100000");
	fake_cgroupfs_put(bench->fs, "/a/b", "cpu.max", "40000 100000");
	spoil(bench, "truncate -s 20 held-1 && echo '{\"version\":9}' > held-77 && : > held-78");
	replay_after(bench, false, &replay);
	assert_int_equal(replay.broken, 3);
	assert_int_equal(replay.restored, 1);
	assert_string_equal(cpu_max(bench, "/a/b"), "max 100000");
	snprintf(path, sizeof(path), "%s/broken-1", bench->state_dir);
	assert_int_equal(access(path, F_OK), 0);
}

/* Nothing is wrong with an entry that cannot be read for want of descriptors. */
static void test_replay_unreadable(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = fake_cgroupfs_context(bench->fs);
	struct journal_replay replay;
	struct rlimit before, none;
	int fd, error;

	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 40%"), 0);
	die(bench);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "40000 100000");
	spoil(bench, "cp held-1 ../$(basename $PWD .kept)/");
	assert_int_equal(journal_open(bench->state_dir, 0, &bench->journal, NULL), 0);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "40000 100000");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	fd = dup(0);
	assert_true(fd >= 0);
	close(fd);
	/* Room for the directory, and no more. */
	none = (struct rlimit){ .rlim_cur = (rlim_t)fd + 1, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	error = journal_restore(bench->journal, &context, false, &replay);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(error, -EIO);
	assert_int_equal(replay.broken, 0);
	assert_int_equal(replay.failed, 1);
	assert_int_equal(journal_restore(bench->journal, &context, false, &replay), 0);
	assert_int_equal(replay.restored, 1);
	assert_string_equal(cpu_max(bench, "/a"), "max 100000");
}

/* Stopped between the journal and the write for longer than the lease: it will go on and freeze. */
static void test_expire_early(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = fake_cgroupfs_context(bench->fs);
	struct decision freeze = decide(DECISION_APPLY, bench->b, "p", "freeze lease=30s");
	struct journal_replay replay;

	freeze.lease_until = UINT64_C(1) << 60;
	assert_int_equal(carry_out(bench, &freeze, NULL), 0);
	fake_cgroupfs_put(bench->fs, "/a/b", "cgroup.freeze", "0");
	assert_int_equal(journal_expire(bench->journal, &context, UINT64_C(1) << 61, &replay), 0);
	assert_int_equal(replay.unchanged, 1);
	assert_int_equal(journal_count(bench->journal), 1);
	fake_cgroupfs_put(bench->fs, "/a/b", "cgroup.freeze", "1");
	assert_int_equal(journal_expire(bench->journal, &context, UINT64_C(1) << 61, &replay), 0);
	assert_int_equal(replay.restored, 1);
	assert_int_equal(journal_count(bench->journal), 0);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a/b", "cgroup.freeze"), "0");
}

static void test_replay_other_boot(void **state)
{
	struct bench *bench = *state;
	struct journal_replay replay;

	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 40%"), 0);
	die(bench);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "40000 100000");
	spoil(bench, "sed -i 's/\"boot_id\":\"[^\"]*\"/\"boot_id\":\"other\"/' held-1");
	replay_after(bench, false, &replay);
	assert_int_equal(replay.other_boot, 1);
	assert_string_equal(cpu_max(bench, "/a"), "40000 100000");
}

static void test_replay_keep(void **state)
{
	struct bench *bench = *state;
	struct decision keep = decide(DECISION_APPLY, bench->a, "k", "cpu.quota 40%");
	struct journal_replay replay;

	keep.restore_on_exit = false;
	assert_int_equal(carry_out(bench, &keep, NULL), 0);
	die(bench);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "40000 100000");
	replay_after(bench, false, &replay);
	assert_int_equal(replay.kept, 1);
	assert_string_equal(cpu_max(bench, "/a"), "40000 100000");
	journal_free(bench->journal);
	replay_after(bench, true, &replay);
	assert_int_equal(replay.restored, 1);
	assert_string_equal(cpu_max(bench, "/a"), "max 100000");
}

/* Of several holders only some keep it: theirs stays after a crash as after a polite exit. */
static void test_replay_mixed(void **state)
{
	struct bench *bench = *state;
	struct decision keep = decide(DECISION_APPLY, bench->a, "k", "cpu.quota 40%");
	struct journal_entry *list;
	struct journal_replay replay;
	size_t n;

	keep.restore_on_exit = false;
	assert_int_equal(carry_out(bench, &keep, NULL), 0);
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	die(bench);
	assert_string_equal(cpu_max(bench, "/a"), "40000 100000");
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "20000 100000");
	replay_after(bench, false, &replay);
	assert_int_equal(replay.kept, 1);
	assert_string_equal(cpu_max(bench, "/a"), "40000 100000");
	assert_int_equal(journal_list(bench->journal, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_true(list[0].keep);
	assert_int_equal(list[0].n_list, 1);
	assert_string_equal(list[0].list[0].policy, "k");
	assert_int_equal(list[0].written.number, 40000);
	assert_int_equal(list[0].old.number, KNOB_UNLIMITED);
	journal_list_free(list, n);
	journal_free(bench->journal);
	/* Killed once more before it was written, or after: the same. */
	replay_after(bench, false, &replay);
	assert_int_equal(replay.kept, 1);
	assert_string_equal(cpu_max(bench, "/a"), "40000 100000");
	journal_free(bench->journal);
	replay_after(bench, true, &replay);
	assert_int_equal(replay.restored, 1);
	assert_string_equal(cpu_max(bench, "/a"), "max 100000");
}

static void test_hostile_path(void **state)
{
	struct bench *bench = *state;
	struct node *node = fake_cgroupfs_add(bench->fs, "/a/\"\\\x01\xff\xc3\xa9 b");
	struct journal_replay replay;

	assert_int_equal(apply(bench, node, "p", "cpu.quota 40%"), 0);
	die(bench);
	fake_cgroupfs_put(bench->fs, node->path, "cpu.max", "40000 100000");
	replay_after(bench, false, &replay);
	assert_int_equal(replay.restored, 1);
	assert_string_equal(cpu_max(bench, node->path), "max 100000");
	node_unref(node);
}

static void test_lock(void **state)
{
	struct bench *bench = *state;
	struct journal *second = NULL;
	pid_t holder = 0;

	assert_int_equal(journal_open(bench->state_dir, 50, &second, &holder), -EBUSY);
	assert_int_equal(holder, getpid());
	assert_null(second);
	die(bench);
	assert_int_equal(journal_open(bench->state_dir, 0, &second, &holder), 0);
	journal_free(second);
	assert_int_equal(chmod(bench->state_dir, 0777), 0);
	assert_int_equal(journal_open(bench->state_dir, 0, &second, &holder), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_replay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay_between, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay_conflict_and_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay_broken_entry, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay_unreadable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_expire_early, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay_other_boot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay_keep, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay_mixed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hostile_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lock, set_up, tear_down),
	};

	if (!getenv("CGWATCH_TEST_LOG"))
		log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
