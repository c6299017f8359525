// SPDX-License-Identifier: MIT
/* Policies on a live subtree: they act, they undo, and nothing stays when the agent is killed. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live.h"

/*
 * What a burner surely uses: on a busy machine its share of a core may be a small one. It is over
 * when the burner has gone, not when it uses nothing: where the kernel was late to stop it, it
 * stands still for seconds afterwards, until it has paid back what it used beyond its quota.
 */
static const char throttle[] = "[policy throttle]\n"
			       "match = %s/burner\n"
			       "when = cpu.usage.rate > 1%\n"
			       "for = 400ms\n"
			       "clear_when = pids.current < 1\n"
			       "clear_for = 400ms\n"
			       "action = cpu.quota 20%\n"
			       "cooldown = 1m\n"
			       "mode = enforce\n";

static const char limit[] = "[policy limit]\n"
			    "match = %s/allocator\n"
			    "when = memory.current > 16M\n"
			    "for = 400ms\n"
			    "action = memory.max 64M\n"
			    "cooldown = 1m\n"
			    "mode = enforce\n";

static const char freeze_short[] = "[policy freeze]\n"
				   "match = %s/forker\n"
				   "when = pids.current > 0\n"
				   "for = 400ms\n"
				   "action = freeze lease=10s\n"
				   "cooldown = 1m\n"
				   "mode = enforce\n";

static const char freeze_long[] = "[policy freeze]\n"
				  "match = %s/forker\n"
				  "when = pids.current > 0\n"
				  "for = 400ms\n"
				  "action = freeze lease=5m\n"
				  "cooldown = 1m\n"
				  "mode = enforce\n";

/* What the kernel says now. */
static bool is_frozen(const struct live *live)
{
	char *text;
	bool frozen;

	if (live->v2)
		return live_number(live, "", "forker", "cgroup.events", "frozen") == 1;
	text = live_read(live, "freezer", "forker", "freezer.state");
	frozen = text && strcmp(text, "FROZEN") == 0;
	free(text);
	return frozen;
}

static bool is_thawed(const struct live *live)
{
	char *text;
	bool thawed;

	if (live->v2)
		return live_number(live, "", "forker", "cgroup.freeze", NULL) == 0 &&
		       !is_frozen(live);
	text = live_read(live, "freezer", "forker", "freezer.state");
	thawed = text && strcmp(text, "THAWED") == 0;
	free(text);
	return thawed;
}

static bool has_quota(const struct live *live, const char *v2, const char *v1)
{
	char *text = live_read(live, "cpu", "burner", live->v2 ? "cpu.max" : "cpu.cfs_quota_us");
	bool same = text && strcmp(text, live->v2 ? v2 : v1) == 0;

	free(text);
	return same;
}

static bool is_throttled(const struct live *live)
{
	return has_quota(live, "20000 100000", "20000");
}

static bool is_unthrottled(const struct live *live)
{
	return has_quota(live, "max 100000", "-1");
}

static uint64_t memory_limit(const struct live *live)
{
	if (live->v2)
		return live_number(live, "memory", "allocator", "memory.max", NULL);
	return live_number(live, "memory", "allocator", "memory.limit_in_bytes", NULL);
}

static bool is_limited(const struct live *live)
{
	return memory_limit(live) == 64 << 20;
}

static bool is_unlimited(const struct live *live)
{
	return memory_limit(live) >= UINT64_C(0x7ffffffffffff000);
}

static bool all_held(const struct live *live)
{
	return is_throttled(live) && is_limited(live) && is_frozen(live);
}

static bool all_free(const struct live *live)
{
	return is_unthrottled(live) && is_unlimited(live) && is_thawed(live);
}

static void make_three(struct live *live)
{
	live_cgroup(live, "burner");
	live_cgroup(live, "allocator");
	live_cgroup(live, "forker");
	live_start(live, "burner", live_burn);
	live_start(live, "allocator", live_allocate);
	live_start(live, "forker", live_fork);
}

static void start_three(struct live *live)
{
	char policies[4096];

	make_three(live);
	assert_true(all_free(live));
	snprintf(policies, sizeof(policies), "%s%s%s", throttle, limit, freeze_long);
	live_agent(live, policies);
	assert_true(live_until(live, all_held, LIVE_PATIENCE));
}

static void test_throttle_and_clear(void **state)
{
	struct live *live = *state;
	double rate;
	pid_t pid;

	live_cgroup(live, "burner");
	pid = live_start(live, "burner", live_burn);
	live_agent(live, throttle);
	assert_true(live_until(live, is_throttled, LIVE_PATIENCE));
	live_wait(0.3);
	rate = live_cpu_rate(live, "burner", 4);
	printf("burner under the policy: %.4f of one core\n", rate);
	/* How much less it gets is up to what else runs on the machine. */
	assert_true(rate > 0 && rate < 0.23);
	live_end(live, pid);
	assert_true(live_until(live, is_unthrottled, LIVE_PATIENCE));
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
}

static void test_limit_and_exit(void **state)
{
	struct live *live = *state;

	live_cgroup(live, "allocator");
	live_start(live, "allocator", live_allocate);
	live_agent(live, limit);
	assert_true(live_until(live, is_limited, LIVE_PATIENCE));
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
	assert_true(is_unlimited(live));
}

static void test_memory_high(void **state)
{
	struct live *live = *state;
	static const char policy[] = "[policy high]\n"
				     "match = %s/allocator\n"
				     "when = memory.current > 16M\n"
				     "action = memory.high 48M\n"
				     "mode = enforce\n";
	char *output;

	live_cgroup(live, "allocator");
	if (!live->v2) {
		char path[256];
		FILE *file;

		/* v1 has no such knob: the policy is refused, with the reason. */
		snprintf(path, sizeof(path), "%s/high.ini", live->state);
		file = fopen(path, "we");
		assert_non_null(file);
		fprintf(file, "[policy high]\nmatch = /x\nwhen = memory.current > 16M\n"
			      "action = memory.high 48M\n");
		fclose(file);
		assert_int_equal(live_cgwatch(live, &output, "policy check '%s' 2>&1", path), 1);
		assert_non_null(strstr(output, "high.ini:4:"));
		assert_non_null(strstr(output, "memory.high"));
		free(output);
		return;
	}
	live_start(live, "allocator", live_allocate);
	live_agent(live, policy);
	for (int i = 0; i < 200; i++) {
		if (live_number(live, "memory", "allocator", "memory.high", NULL) == 48 << 20)
			break;
		live_wait(0.1);
	}
	assert_int_equal(live_number(live, "memory", "allocator", "memory.high", NULL), 48 << 20);
	live_agent_end(live, SIGTERM);
	assert_true(live_number(live, "memory", "allocator", "memory.high", NULL) == UINT64_MAX);
}

static void test_freeze_with_lease(void **state)
{
	struct live *live = *state;

	live_cgroup(live, "forker");
	live_start(live, "forker", live_fork);
	live_agent(live, freeze_short);
	assert_true(live_until(live, is_frozen, LIVE_PATIENCE));
	/* Far from the end of the lease, or a machine that holds us up would be taken for a thaw.
	 */
	live_wait(0.5);
	assert_true(is_frozen(live));
	assert_true(live_until(live, is_thawed, LIVE_PATIENCE));
	live_wait(1);
	assert_true(is_thawed(live));
	live_agent_end(live, SIGTERM);
}

/* The agent has decided, and said that it would act. */
static bool is_shadowed(const struct live *live)
{
	char command[256];

	snprintf(command, sizeof(command), "grep -q 'shadow, nothing written' '%s/log'",
		 live->state);
	return system(command) == 0;
}

static void test_shadow_writes_nothing(void **state)
{
	struct live *live = *state;
	char policies[1024], *output;

	live_cgroup(live, "burner");
	live_start(live, "burner", live_burn);
	snprintf(policies, sizeof(policies), "%.*s", (int)(strstr(throttle, "mode =") - throttle),
		 throttle);
	live_agent(live, policies);
	assert_true(live_until(live, is_shadowed, LIVE_PATIENCE));
	live_wait(1);
	assert_true(is_unthrottled(live));
	assert_int_equal(live_cgwatch(live, &output, "policy explain %s/burner", live->top), 0);
	assert_non_null(strstr(output, "throttle"));
	free(output);
	live_agent_end(live, SIGTERM);
}

/* The forked watchdog puts everything back, without a restart. */
static void test_sigkill(void **state)
{
	struct live *live = *state;

	start_three(live);
	live_agent_end(live, SIGKILL);
	assert_true(live_until(live, all_free, LIVE_PATIENCE));
}

/* The agent's only child. */
static pid_t watchdog_of(pid_t agent)
{
	char path[64];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)agent, (int)agent);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	return pid;
}

static void kill_both(struct live *live)
{
	pid_t watchdog = watchdog_of(live->agent);

	kill(live->agent, SIGSTOP);
	kill(watchdog, SIGKILL);
	live_wait(0.2);
	live_agent_end(live, SIGKILL);
	live_wait(0.5);
	assert_true(all_held(live));
}

static void test_restart_restores(void **state)
{
	struct live *live = *state;

	start_three(live);
	kill_both(live);
	live_agent(live, "# nothing\n");
	assert_true(live_until(live, all_free, LIVE_PATIENCE));
	live_agent_end(live, SIGTERM);
	assert_true(all_free(live));
}

static void test_release_all_without_agent(void **state)
{
	struct live *live = *state;
	char *output;

	start_three(live);
	kill_both(live);
	assert_int_equal(live_cgwatch(live, &output, "policy release-all"), 0);
	printf("%s", output);
	free(output);
	assert_true(live_until(live, all_free, LIVE_PATIENCE));
}

static void test_release_all_with_agent(void **state)
{
	struct live *live = *state;

	start_three(live);
	assert_int_equal(live_cgwatch(live, NULL, "policy release-all >/dev/null"), 0);
	assert_true(all_free(live));
	live_agent_end(live, SIGTERM);
	assert_true(all_free(live));
}

/* Somebody else's value is not fought over: it stays. */
static void test_conflict(void **state)
{
	struct live *live = *state;

	live_cgroup(live, "burner");
	live_start(live, "burner", live_burn);
	live_agent(live, throttle);
	assert_true(live_until(live, is_throttled, LIVE_PATIENCE));
	assert_int_equal(live->v2 ? live_write(live, "cpu", "burner", "cpu.max", "70000 100000")
				  : live_write(live, "cpu", "burner", "cpu.cfs_quota_us", "70000"),
			 0);
	live_agent_end(live, SIGTERM);
	assert_true(has_quota(live, "70000 100000", "70000"));
}

/* Two freezes at once: the cgroup thaws with the later lease, not with the first. */
static void test_two_freezes(void **state)
{
	struct live *live = *state;

	live_cgroup(live, "forker");
	live_start(live, "forker", live_fork);
	live_agent(live, "[policy short]\nmatch = %s/forker\nwhen = pids.current > 0\n"
			 "action = freeze lease=2s\ncooldown = 1m\nmode = enforce\n"
			 "[policy long]\nmatch = %s/forker\nwhen = pids.current > 0\n"
			 "action = freeze lease=20s\ncooldown = 1m\nmode = enforce\n");
	assert_true(live_until(live, is_frozen, LIVE_PATIENCE));
	live_wait(6);
	assert_true(is_frozen(live));
	assert_true(live_until(live, is_thawed, LIVE_PATIENCE));
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
}

/* A dry run that begins with a reload puts back what is held, and acts no more; its end does again.
 */
static void test_dry_run_by_reload(void **state)
{
	struct live *live = *state;

	live_cgroup(live, "burner");
	live_start(live, "burner", live_burn);
	live_agent(live, "[policy throttle]\nmatch = %s/burner\nwhen = cpu.usage.rate > 1%\n"
			 "clear_when = pids.current < 1\naction = cpu.quota 20%\ncooldown = 1s\n"
			 "mode = enforce\n");
	assert_true(live_until(live, is_throttled, LIVE_PATIENCE));
	live_config(live, "interval = 200ms\ndry_run = yes\n");
	kill(live->agent, SIGHUP);
	assert_true(live_until(live, is_unthrottled, LIVE_PATIENCE));
	live_wait(3);
	assert_true(is_unthrottled(live));
	live_config(live, "interval = 200ms\n");
	kill(live->agent, SIGHUP);
	assert_true(live_until(live, is_throttled, LIVE_PATIENCE));
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
	assert_true(is_unthrottled(live));
}

/* A longer interval by reload is no gap: `for` still comes to its end. */
static void test_interval_by_reload(void **state)
{
	struct live *live = *state;

	live_cgroup(live, "burner");
	live_start(live, "burner", live_burn);
	live_agent(live, "[policy throttle]\nmatch = %s/burner\nwhen = cpu.usage.rate > 1%\n"
			 "for = 5s\nclear_when = pids.current < 1\naction = cpu.quota 20%\n"
			 "cooldown = 1m\nmode = enforce\n");
	live_config(live, "interval = 1500ms\n");
	kill(live->agent, SIGHUP);
	assert_true(live_until(live, is_throttled, LIVE_PATIENCE));
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
}

/* A cgroup made anew under the path of one that was held is not "restored". */
static void test_recreated_is_not_restored(void **state)
{
	struct live *live = *state;
	pid_t pid;

	live_cgroup(live, "burner");
	pid = live_start(live, "burner", live_burn);
	live_agent(live, throttle);
	assert_true(live_until(live, is_throttled, LIVE_PATIENCE));
	kill(live->agent, SIGSTOP);
	live_end(live, pid);
	live_remove(live, "burner");
	live_cgroup(live, "burner");
	assert_int_equal(live->v2 ? live_write(live, "cpu", "burner", "cpu.max", "20000 100000")
				  : live_write(live, "cpu", "burner", "cpu.cfs_quota_us", "20000"),
			 0);
	kill(live->agent, SIGCONT);
	live_agent_end(live, SIGTERM);
	assert_true(is_throttled(live));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_throttle_and_clear, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_limit_and_exit, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_memory_high, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_freeze_with_lease, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_shadow_writes_nothing, live_setup,
						live_teardown),
		cmocka_unit_test_setup_teardown(test_sigkill, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_restart_restores, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_release_all_without_agent, live_setup,
						live_teardown),
		cmocka_unit_test_setup_teardown(test_release_all_with_agent, live_setup,
						live_teardown),
		cmocka_unit_test_setup_teardown(test_two_freezes, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_dry_run_by_reload, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_interval_by_reload, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_conflict, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_recreated_is_not_restored, live_setup,
						live_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
