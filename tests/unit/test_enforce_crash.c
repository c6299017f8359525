// SPDX-License-Identifier: MIT
/* Agents that die, hang or say goodbye while they hold something, on the real hierarchies. */
#define _GNU_SOURCE
#include "test_enforce_live.h"

/* An agent that holds a quota and a freeze, and is killed in the middle of it. */
static void run_agent(const struct bench *bench, bool guarded, int ready_fd)
{
	struct knob_context context = context_of(bench);
	struct journal *journal = NULL;
	struct watchdog *watchdog = NULL;
	struct enforcer *enforcer;

	assert_int_equal(journal_open(bench->state_dir, 0, &journal, NULL), 0);
	if (guarded)
		assert_int_equal(watchdog_start(journal, &context, &watchdog), 0);
	enforcer = start(bench, journal);
	carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "cpu.quota 20%", NULL);
	carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "memory.max 512M", NULL);
	carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "freeze lease=60s", NULL);
	ready(ready_fd);
	kill(getpid(), SIGKILL);
}

static void kill_agent(struct bench *bench, bool guarded)
{
	int fds[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		run_agent(bench, guarded, fds[1]);
		_exit(1);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void assert_as_before(const struct bench *bench)
{
	const char *path = bench->inner->path;

	assert_string_equal(get(bench, "cpu", path, "cpu.cfs_quota_us"), "-1");
	assert_string_equal(get(bench, "memory", path, "memory.limit_in_bytes"),
			    "9223372036854771712");
	assert_string_equal(get(bench, "freezer", path, "freezer.state"), "THAWED");
}

static void test_killed_and_restarted(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct journal_replay replay;
	struct journal *journal = NULL;

	spawn(bench, fork_storm);
	kill_agent(bench, false);
	assert_string_equal(get(bench, "freezer", bench->inner->path, "freezer.state"), "FROZEN");
	assert_string_equal(get(bench, "cpu", bench->inner->path, "cpu.cfs_quota_us"), "20000");
	assert_int_equal(journal_open(bench->state_dir, PATIENCE_MS, &journal, NULL), 0);
	assert_int_equal(journal_count(journal), 3);
	assert_int_equal(journal_restore(journal, &context, false, &replay), 0);
	assert_int_equal(replay.restored, 3);
	assert_as_before(bench);
	assert_int_equal(journal_count(journal), 0);
	journal_free(journal);
}

/* Here nobody starts again: the watchdog does it, and the next agent waits for it. */
static void test_killed_and_guarded(void **state)
{
	struct bench *bench = *state;
	struct journal *journal = NULL;

	spawn(bench, fork_storm);
	for (int i = 0; i < 3; i++) {
		kill_agent(bench, true);
		assert_int_equal(journal_open(bench->state_dir, PATIENCE_MS, &journal, NULL), 0);
		assert_int_equal(journal_count(journal), 0);
		assert_as_before(bench);
		journal_free(journal);
	}
}

/* Applies and releases without end, until it is killed. */
static void run_busy_agent(const struct bench *bench, int ready_fd)
{
	static const char *const actions[] = { "cpu.quota 20%", "memory.max 512M",
					       "freeze lease=60s", "cpu.quota 10%" };
	struct knob_context context = context_of(bench);
	struct journal *journal = NULL;
	struct watchdog *watchdog = NULL;
	struct enforcer *enforcer;

	if (journal_open(bench->state_dir, 0, &journal, NULL) < 0 ||
	    watchdog_start(journal, &context, &watchdog) < 0)
		_exit(1);
	enforcer = start(bench, journal);
	ready(ready_fd);
	for (unsigned int i = 0;; i++) {
		const char *action = actions[i % ARRAY_SIZE(actions)];
		enum decision_op op = i / ARRAY_SIZE(actions) % 2 ? DECISION_RELEASE
								  : DECISION_APPLY;

		carry_out(enforcer, op, bench->inner, i % 4 == 3 ? "q" : "p", action, NULL);
	}
}

/* CGWATCH_TEST_KILLS times (20): killed wherever it is, everything is as before. */
static void test_killed_at_random(void **state)
{
	struct bench *bench = *state;
	const char *wanted = getenv("CGWATCH_TEST_KILLS");
	int kills = wanted ? atoi(wanted) : 20;

	spawn(bench, fork_storm);
	for (int i = 0; i < kills; i++) {
		struct journal *journal = NULL;
		int fds[2];
		char byte;
		pid_t pid;

		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		pid = fork();
		if (pid == 0) {
			close(fds[0]);
			run_busy_agent(bench, fds[1]);
		}
		close(fds[1]);
		assert_int_equal(read(fds[0], &byte, 1), 1);
		close(fds[0]);
		usleep((useconds_t)(rand() % 30000));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(journal_open(bench->state_dir, PATIENCE_MS, &journal, NULL), 0);
		assert_int_equal(journal_count(journal), 0);
		assert_as_before(bench);
		journal_free(journal);
	}
	print_message("%d kills, everything as before\n", kills);
}

/* Stopped (SIGSTOP), the agent cannot thaw: the watchdog does when the lease is over. */
static void test_hanging_agent(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	uint64_t lease_until = boottime_usec() + 2000000;
	int status;
	pid_t pid;

	spawn(bench, burn);
	pid = fork();
	if (pid == 0) {
		struct decision decision = { .op = DECISION_APPLY,
					     .node = bench->inner,
					     .policy = (char *)"p",
					     .lease_until = lease_until,
					     .reason = (char *)"" };
		struct journal *journal = NULL;
		struct watchdog *watchdog = NULL;
		struct enforcer *enforcer;
		char reason[64];

		if (journal_open(bench->state_dir, 0, &journal, NULL) < 0 ||
		    watchdog_start(journal, &context, &watchdog) < 0)
			_exit(1);
		enforcer = start(bench, journal);
		action_parse("freeze lease=1s", &decision.action, reason, sizeof(reason));
		enforcer_submit(enforcer, &decision);
		enforcer_drain(enforcer, PATIENCE_MS);
		raise(SIGSTOP);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	expect_frozen(bench, lease_until);
	assert_true(comes_to_thaw(bench));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void test_goodbye(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct journal *journal = NULL;
	struct watchdog *watchdog = NULL;
	pid_t pid;

	assert_int_equal(journal_open(bench->state_dir, 0, &journal, NULL), 0);
	assert_int_equal(watchdog_start(journal, &context, &watchdog), 0);
	pid = watchdog_pid(watchdog);
	/* It must outlive what ends the agent politely. */
	kill(pid, SIGTERM);
	kill(pid, SIGINT);
	/* What stops or aborts everybody around it. */
	kill(pid, SIGABRT);
	kill(pid, SIGTSTP);
	usleep(100000);
	assert_int_equal(waitpid(pid, NULL, WNOHANG | WUNTRACED), 0);
	watchdog_free(watchdog);
	assert_int_equal(kill(pid, 0), -1);
	journal_free(journal);
}

/* Removed and made again while held: the new one is not "restored". */
static void test_recreated(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct journal_replay replay;
	struct journal *journal = NULL;
	const char *path = bench->inner->path;

	kill_agent(bench, false);
	put(bench, "freezer", path, "freezer.state", "THAWED");
	for (unsigned int i = 0; i < bench->hierarchies->n; i++)
		unlinkat(bench->hierarchies->list[i].fd, path + 1, AT_REMOVEDIR);
	make_directories(bench, path);
	put(bench, "cpu", path, "cpu.cfs_quota_us", "20000");
	assert_int_equal(journal_open(bench->state_dir, PATIENCE_MS, &journal, NULL), 0);
	assert_int_equal(journal_restore(journal, &context, true, &replay), 0);
	assert_int_equal(replay.gone, 3);
	assert_int_equal(replay.restored, 0);
	assert_string_equal(get(bench, "cpu", path, "cpu.cfs_quota_us"), "20000");
	journal_free(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_killed_and_restarted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_and_guarded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_at_random, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hanging_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_goodbye, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_recreated, set_up, tear_down),
	};

	if (!can_run())
		return SKIP;
	if (!getenv("CGWATCH_TEST_LOG"))
		log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
