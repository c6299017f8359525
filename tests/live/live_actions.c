// SPDX-License-Identifier: MIT
/* Actions that are done once, by the real agent: kill, move, memory.reclaim, exec. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "live.h"
#include "live_loop.h"

enum { MIB = 1 << 20 };

/* The hierarchy that says who is in a cgroup. */
static size_t count_processes(const struct live *live, const char *name)
{
	char *text = live_read(live, "pids", name, "cgroup.procs");
	size_t n = 0;

	for (const char *at = text; at && *at; at += strcspn(at, "\n"), at += *at == '\n')
		n++;
	free(text);
	return n;
}

static bool is_thawed(const struct live *live, const char *name)
{
	char *text = live_read(live, live->v2 ? "" : "freezer", name,
			       live->v2 ? "cgroup.freeze" : "freezer.state");
	bool thawed = text && (strcmp(text, "0") == 0 || strcmp(text, "THAWED") == 0);

	free(text);
	return thawed;
}

static bool is_alive(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static void named(void)
{
	prctl(PR_SET_NAME, "cgw-victim");
	live_sleep();
}

static bool victims_are_gone(const struct live *live)
{
	return count_processes(live, "victims") == 0;
}

/* ---- kill ---- */

/* A storm of forks, one asleep and one that spins, in the cgroup and below it: all go. */
static void test_kill(void **state)
{
	struct live *live = *state;
	pid_t bystander;

	live_cgroup(live, "victims");
	live_cgroup(live, "others");
	live_start(live, "victims", live_fork);
	live_start(live, "victims", live_sleep);
	live_start(live, "victims", live_burn);
	bystander = live_start(live, "others", live_sleep);
	live_agent(live, "[global]\nallow_kill = yes\n[policy k]\nmatch = %s/victims\n"
			 "when = pids.current > 0\nfor = 300ms\naction = kill timeout=60s\n"
			 "cooldown = 10m\nmode = enforce\n");
	assert_true(live_until(live, victims_are_gone, LIVE_PATIENCE));
	assert_true(is_alive(bystander));
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
	assert_true(is_thawed(live, "victims"));
}

static bool one_is_left(const struct live *live)
{
	return count_processes(live, "victims") == 1;
}

static void test_kill_by_name(void **state)
{
	struct live *live = *state;
	pid_t spared;

	live_cgroup(live, "victims");
	spared = live_start(live, "victims", live_sleep);
	live_start(live, "victims", named);
	live_start(live, "victims", named);
	live_agent(live, "[global]\nallow_kill = yes\n[policy k]\nmatch = %s/victims\n"
			 "when = pids.current > 2\nfor = 300ms\n"
			 "action = kill process=cgw-vic* timeout=60s\n"
			 "cooldown = 10m\nmode = enforce\n");
	assert_true(live_until(live, one_is_left, LIVE_PATIENCE));
	live_agent_end(live, SIGTERM);
	assert_true(is_alive(spared));
	assert_true(is_thawed(live, "victims"));
}

/* Frozen on v1 they would not die: what holds them frozen is undone by the kill. */
static void test_kill_frozen(void **state)
{
	struct live *live = *state;

	live_cgroup(live, "victims");
	live_start(live, "victims", live_fork);
	live_agent(live, "[global]\nallow_kill = yes\n"
			 "[policy f]\nmatch = %s/victims\nwhen = pids.current > 0\n"
			 "action = freeze lease=10m\ncooldown = 10m\nmode = enforce\n"
			 "[policy k]\nmatch = %s/victims\nwhen = pids.current > 0\nfor = 1s\n"
			 "action = kill timeout=60s\ncooldown = 10m\nmode = enforce\n");
	assert_true(live_until(live, victims_are_gone, LIVE_PATIENCE));
	live_agent_end(live, SIGTERM);
	assert_true(is_thawed(live, "victims"));
}

static void test_kill_not_allowed(void **state)
{
	struct live *live = *state;
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/kill.ini", live->state);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "[policy k]\nmatch = %s/victims\nwhen = pids.current > 0\naction = kill\n",
		live->top);
	fclose(file);
	chmod(path, 0600);
	assert_int_equal(live_cgwatch(live, NULL, "policy check %s >/dev/null 2>&1", path), 1);
}

/* ---- move ---- */

static const char mover[] = "[policy m]\nmatch = %s/source\nwhen = pids.current > 0\nfor = 300ms\n"
			    "clear_for = 5m\naction = move %s/target back=yes\ncooldown = 10m\n"
			    "mode = enforce\n";

static const char short_mover[] =
	"[policy m]\nmatch = %s/source\nwhen = pids.current > 0\nfor = 300ms\n"
	"clear_for = 1s\naction = move %s/target back=yes\ncooldown = 10m\n"
	"mode = enforce\n";

static bool is_moved(const struct live *live)
{
	return count_processes(live, "target") == 2 && count_processes(live, "source") == 0;
}

static bool is_back(const struct live *live)
{
	return count_processes(live, "target") == 0 && count_processes(live, "source") == 2;
}

static void start_move(struct live *live, const char *policy)
{
	live_cgroup(live, "source");
	live_cgroup(live, "target");
	live_start(live, "source", live_sleep);
	live_start(live, "source", live_burn);
	live_agent(live, policy);
	assert_true(live_until(live, is_moved, LIVE_PATIENCE));
}

static void test_move_and_back(void **state)
{
	start_move(*state, short_mover);
	assert_true(live_until(*state, is_back, LIVE_PATIENCE));
}

static void test_move_exit(void **state)
{
	struct live *live = *state;

	start_move(live, mover);
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
	assert_true(is_back(live));
}

static void test_move_sigkill(void **state)
{
	struct live *live = *state;

	start_move(live, mover);
	live_agent_end(live, SIGKILL);
	assert_true(live_until(live, is_back, LIVE_PATIENCE));
}

/* ---- memory.reclaim ---- */

static bool is_reclaimed(const struct live *live)
{
	return live_number(live, "memory", "cache", "memory.current", NULL) < 24 * MIB;
}

static bool is_full(const struct live *live)
{
	return live_number(live, "memory", "cache", "memory.current", NULL) > 40 * MIB;
}

/* The whole device in the page cache, which can be reclaimed without swap. */
static void test_reclaim(void **state)
{
	struct live *live = *state;
	struct loop loop;

	if (!live->v2) {
		print_message("memory.reclaim: cgroup v1 has none\n");
		skip();
	}
	if (!loop_open(live, &loop)) {
		print_message("memory.reclaim: no loop device can be had\n");
		skip();
	}
	snprintf(used_device, sizeof(used_device), "%s", loop.device);
	live_cgroup(live, "cache");
	live_start(live, "cache", read_device);
	assert_true(live_until(live, is_full, LIVE_PATIENCE));
	live_agent(live, "[policy r]\nmatch = %s/cache\nwhen = memory.current > 24M\nfor = 300ms\n"
			 "action = memory.reclaim 256M\ncooldown = 2s\nmode = enforce\n");
	assert_true(live_until(live, is_reclaimed, LIVE_PATIENCE));
	loop_close(&loop);
}

/* ---- exec ---- */

static bool hook_has_run(const struct live *live)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/hook.done", live->state);
	return access(path, F_OK) == 0;
}

static void write_hook(const struct live *live, const char *name, const char *body)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", live->state, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\ncd '%s'\n%s", live->state, body);
	fclose(file);
	assert_int_equal(chmod(path, 0700), 0);
}

static char *read_output(const struct live *live)
{
	static char text[4096];
	char path[256];
	_cleanup_(fclosep) FILE *file = NULL;

	snprintf(path, sizeof(path), "%s/hook.out", live->state);
	file = fopen(path, "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	return text;
}

static bool has_quota(const struct live *live)
{
	char *text = live_read(live, "cpu", "busy", live->v2 ? "cpu.max" : "cpu.cfs_quota_us");
	bool has = text && strcmp(text, live->v2 ? "20000 100000" : "20000") == 0;

	free(text);
	return has;
}

/* Hooks that hang do not hold up what is decided meanwhile, and are ended. */
static void test_exec(void **state)
{
	struct live *live = *state;
	char policies[4096], path[256], *out;

	live_cgroup(live, "busy");
	live_start(live, "busy", live_burn);
	write_hook(live, "hang", "trap '' TERM\necho $$ > hang.pid\nwhile :; do sleep 1; done\n");
	write_hook(live, "hook",
		   "{ for word; do echo \"word=$word\"; done; env; } > hook.out\n"
		   /* Nothing of the shell's that is open only while this is done. */
		   "ls /proc/$$/fd > hook.fds\n"
		   "echo fds $(cat hook.fds) . >> hook.out\n"
		   "touch hook.done\n");
	snprintf(policies, sizeof(policies),
		 "[policy hang]\nmatch = %%s/busy\nwhen = pids.current > 0\n"
		 "action = exec %s/hang timeout=1s\ncooldown = 10m\nmode = enforce\n"
		 "[policy tell]\nmatch = %%s/busy\nwhen = pids.current > 0\nfor = 200ms\n"
		 "action = exec %s/hook one \"two  words\" timeout=60s\n"
		 "then = cpu.quota 20%% after=100ms\n"
		 "then = notify too busy after=100ms\n"
		 "cooldown = 10m\nmode = enforce\n",
		 live->state, live->state);
	setenv("CGWATCH_TEST_SECRET", "must not be seen", true);
	live_agent(live, policies);
	unsetenv("CGWATCH_TEST_SECRET");
	assert_true(live_until(live, has_quota, LIVE_PATIENCE));
	assert_true(live_until(live, hook_has_run, LIVE_PATIENCE));
	out = read_output(live);
	assert_non_null(strstr(out, "word=one\nword=two  words\n"));
	assert_non_null(strstr(out, "CGWATCH_POLICY=tell\n"));
	snprintf(path, sizeof(path), "CGWATCH_CGROUP=%s/busy\n", live->top);
	assert_non_null(strstr(out, path));
	assert_non_null(strstr(out, "CGWATCH_ACTION=exec\n"));
	assert_non_null(strstr(out, "CGWATCH_UUID="));
	assert_null(strstr(out, "CGWATCH_TEST_SECRET"));
	/* Only what the shell opened itself. */
	out = strstr(out, "\nfds ");
	assert_non_null(out);
	assert_null(strstr(out, " 3 "));
}

static bool hang_has_ended(const struct live *live)
{
	char path[256];
	_cleanup_(fclosep) FILE *file = NULL;
	int pid = 0;

	snprintf(path, sizeof(path), "%s/hang.pid", live->state);
	file = fopen(path, "r");
	return file && fscanf(file, "%d", &pid) == 1 && pid > 0 && kill(pid, 0) < 0;
}

static void test_exec_timeout(void **state)
{
	struct live *live = *state;
	char policies[1024], *output;

	live_cgroup(live, "busy");
	live_start(live, "busy", live_sleep);
	write_hook(live, "hang", "trap '' TERM\necho $$ > hang.pid\nwhile :; do sleep 1; done\n");
	snprintf(policies, sizeof(policies),
		 "[policy hang]\nmatch = %%s/busy\nwhen = pids.current > 0\n"
		 "action = exec %s/hang timeout=1s\ncooldown = 10m\nmode = enforce\n",
		 live->state);
	live_agent(live, policies);
	assert_true(live_until(live, hang_has_ended, LIVE_PATIENCE));
	/* What was done once is nothing that was put back. */
	assert_int_equal(live_cgwatch(live, &output, "policy release-all"), 0);
	assert_non_null(strstr(output, "restored 0, "));
	free(output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kill, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_kill_by_name, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_kill_frozen, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_kill_not_allowed, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_move_and_back, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_move_exit, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_move_sigkill, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_reclaim, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_exec, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_exec_timeout, live_setup, live_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
