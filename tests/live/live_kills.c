// SPDX-License-Identifier: MIT
/*
 * The real agent, killed by SIGKILL at random moments while it applies and releases all the time:
 * whoever cleans up (the watchdog; the next agent; release-all without an agent), no cgroup stays
 * frozen and no limit is another one than before. The number of kills: argument, or
 * CGWATCH_TEST_KILLS, or 200 (20 in an emulated machine).
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "live.h"

enum { CGROUPS = 4, KILLS = 200, KILLS_V2 = 20, VALUE = 128 };

/*
 * What is set before, and compared afterwards. Not the kernel's defaults, so that a restore by
 * blanking would be seen.
 */
struct setting {
	const char *controller, *v2_file, *v2_value, *v1_file, *v1_value;
};

static const struct setting settings[] = {
	{ "cpu", "cpu.max", "90000 100000", "cpu.cfs_quota_us", "90000" },
	{ "cpu", "cpu.weight", "77", "cpu.shares", "777" },
	{ "memory", "memory.max", "1073741824", "memory.limit_in_bytes", "1073741824" },
	{ "memory", "memory.high", "838860800", NULL, NULL },
	{ "pids", "pids.max", "4000", "pids.max", "4000" },
	{ "", "cgroup.freeze", "0", NULL, NULL },
	{ "freezer", NULL, NULL, "freezer.self_freezing", "0" },
};

static const char *const names[CGROUPS] = { "one", "two", "three", "four" };

/*
 * A process comes and goes in each of them, so that these act and undo at almost every tick, on
 * their own and on top of each other.
 */
static const char policies[] = "[policy quota]\n"
			       "match = %s/*\n"
			       "when = pids.current > 1\n"
			       "action = cpu.quota 50%\n"
			       "then = memory.max 768M after=50ms\n"
			       "mode = enforce\n"
			       "[policy tighter]\n"
			       "match = %s/one\n"
			       "match = %s/two\n"
			       "when = pids.current > 1\n"
			       "for = 50ms\n"
			       "action = cpu.quota 20%\n"
			       "mode = enforce\n"
			       "[policy frozen]\n"
			       "match = %s/two\n"
			       "match = %s/three\n"
			       "match = %s/four\n"
			       "when = pids.current > 0\n"
			       "action = freeze lease=100ms\n"
			       "cooldown = 150ms\n"
			       "mode = enforce\n";

static const char more_v2[] = "[policy high]\n"
			      "match = %s/*\n"
			      "when = pids.current > 1\n"
			      "action = memory.high 700M\n"
			      "mode = enforce\n";

static const char more_knobs[] = "[policy weight]\n"
				 "match = %s/*\n"
				 "when = pids.current > 1\n"
				 "action = pids.max 500\n"
				 "then = cpu.weight 33 after=50ms\n"
				 "mode = enforce\n";

static const char idle[] = "[policy none]\n"
			   "match = %s/*\n"
			   "when = pids.current > 1000\n"
			   "action = cpu.quota 50%\n"
			   "mode = off\n";

static const char *file_of(const struct live *live, const struct setting *setting)
{
	return live->v2 ? setting->v2_file : setting->v1_file;
}

struct state {
	char value[CGROUPS][ARRAY_SIZE(settings)][VALUE];
};

static void read_state(const struct live *live, struct state *state)
{
	memset(state, 0, sizeof(*state));
	for (size_t i = 0; i < CGROUPS; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(settings); j++) {
			const char *file = file_of(live, &settings[j]);
			char *text = file ? live_read(live, settings[j].controller, names[i], file)
					  : NULL;

			snprintf(state->value[i][j], VALUE, "%s", text ? text : "");
			free(text);
		}
	}
}

/* How many values differ; each is said. */
static unsigned int compare_state(const struct live *live, const struct state *before,
				  unsigned int *ret_frozen)
{
	unsigned int different = 0;
	struct state now;

	read_state(live, &now);
	for (size_t i = 0; i < CGROUPS; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(settings); j++) {
			const char *file = file_of(live, &settings[j]);
			bool freezer = file && strstr(file, "freez");

			if (strcmp(now.value[i][j], before->value[i][j]) == 0)
				continue;
			printf("%s: %s: %s, but %s before\n", names[i], file ? file : "?",
			       now.value[i][j], before->value[i][j]);
			if (freezer)
				(*ret_frozen)++;
			else
				different++;
		}
	}
	return different;
}

/* ---- the scene ---- */

/* Now one process, now two; a little CPU time and memory in between. */
static void come_and_go(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			usleep(60000);
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
		for (volatile unsigned int i = 0; i < 1000000; i++)
			;
		usleep(60000);
	}
}

static void set_values(const struct live *live, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const struct setting *setting = &settings[i];
		const char *value = live->v2 ? setting->v2_value : setting->v1_value;

		if (file_of(live, setting) && !strstr(file_of(live, setting), "freez"))
			assert_int_equal(live_write(live, setting->controller, name,
						    file_of(live, setting), value),
					 0);
	}
}

static void write_policies(const struct live *live, const char *const *parts, size_t n)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/policies.ini", live->state);
	file = fopen(path, "w");
	assert_non_null(file);
	for (size_t i = 0; i < n; i++) {
		for (const char *at = parts[i]; *at; at++) {
			if (strncmp(at, "%s", 2) == 0) {
				fputs(live->top, file);
				at++;
			} else {
				fputc(*at, file);
			}
		}
	}
	fclose(file);
	chmod(path, 0600);
}

/* Those this build and machine know. */
static void write_busy_policies(const struct live *live)
{
	const char *parts[3] = { policies };
	size_t n = 1;

	if (live->v2)
		parts[n++] = more_v2;
	parts[n++] = more_knobs;
	write_policies(live, parts, n);
	if (live_cgwatch(live, NULL, "policy check %s/policies.ini >/dev/null 2>&1", live->state) ==
	    0)
		return;
	print_message("pids.max and cpu.weight are left out: no such actions here\n");
	write_policies(live, parts, n - 1);
}

/* ---- one kill ---- */

static void start_agent(struct live *live)
{
	char path[256], state[256], config[256], log[256];

	snprintf(path, sizeof(path), "%s/policies.ini", live->state);
	snprintf(state, sizeof(state), "%s/state", live->state);
	snprintf(config, sizeof(config), "%s/config.ini", live->state);
	snprintf(log, sizeof(log), "%s/log", live->state);
	fflush(NULL);
	live->agent = fork();
	assert_true(live->agent >= 0);
	if (live->agent > 0)
		return;
	if (!freopen(log, "a", stdout) || dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
		_exit(98);
	execl(getenv("CGWATCHD"), "cgwatchd", "--config", config, "--state", state, "--policies",
	      path, "--web.listen-address", "none", (char *)NULL);
	_exit(97);
}

static unsigned int count_held(const struct live *live)
{
	char pattern[256];
	unsigned int n = 0;
	FILE *list;

	snprintf(pattern, sizeof(pattern), "ls '%s/state' 2>/dev/null | grep -c '^held-'",
		 live->state);
	list = popen(pattern, "r");
	assert_non_null(list);
	if (fscanf(list, "%u", &n) != 1)
		n = 0;
	pclose(list);
	return n;
}

/* Nobody has the lock: who was to clean up has done so. */
static bool is_free(const struct live *live)
{
	char path[256];
	_cleanup_(closep) int fd = -1;

	snprintf(path, sizeof(path), "%s/state/lock", live->state);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* The watchdog: the agent's only child. 0 if it has none (yet). */
static pid_t find_watchdog(pid_t agent)
{
	char path[64];
	_cleanup_(fclosep) FILE *file = NULL;
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)agent, (int)agent);
	file = fopen(path, "r");
	return file && fscanf(file, "%d", &pid) == 1 ? pid : 0;
}

static void kill_somewhere(struct live *live, bool with_watchdog, bool early,
			   unsigned int *ret_held)
{
	double end = live_now() + LIVE_PATIENCE;
	pid_t watchdog = 0;
	unsigned int held = 0;

	start_agent(live);
	while (!early && held == 0 && live_now() < end) {
		live_wait(0.01);
		held = count_held(live);
		if (waitpid(live->agent, NULL, WNOHANG) == live->agent) {
			live->agent = 0;
			fail_msg("cgwatchd ended by itself");
		}
	}
	live_wait((early ? 0.08 : 0.12) * rand() / RAND_MAX);
	if (with_watchdog)
		watchdog = find_watchdog(live->agent);
	if (watchdog > 0)
		kill(watchdog, SIGKILL);
	live_agent_end(live, SIGKILL);
	*ret_held += count_held(live) > 0;
}

static void clean_up_by_watchdog(struct live *live)
{
	(void)live;
}

static void clean_up_by_release_all(struct live *live)
{
	assert_int_equal(live_cgwatch(live, NULL, "policy release-all >/dev/null"), 0);
}

static void clean_up_by_next_agent(struct live *live)
{
	live_agent(live, idle);
	live_agent_end(live, SIGTERM);
	write_busy_policies(live);
}

/* Who puts everything back; without the watchdog where somebody else is to. */
static const struct {
	const char *name;
	void (*run)(struct live *live);
	bool with_watchdog; /* is killed too */
} ways[] = {
	{ "the watchdog", clean_up_by_watchdog, false },
	{ "release-all", clean_up_by_release_all, true },
	{ "the watchdog", clean_up_by_watchdog, false },
	{ "the next agent", clean_up_by_next_agent, true },
};

static unsigned int wanted_kills(const struct live *live)
{
	const char *text = getenv("CGWATCH_TEST_KILLS");
	int kills = text ? atoi(text) : 0;

	return kills > 0 ? (unsigned int)kills : live->v2 ? KILLS_V2 : KILLS;
}

static void test_kills(void **state)
{
	struct live *live = *state;
	unsigned int frozen = 0, different = 0, held = 0, kills = wanted_kills(live);
	struct state before;

	for (size_t i = 0; i < CGROUPS; i++) {
		live_cgroup(live, names[i]);
		set_values(live, names[i]);
		live_start(live, names[i], come_and_go);
	}
	live_config(live, "interval = 100ms\n");
	write_busy_policies(live);
	read_state(live, &before);
	srand((unsigned int)getpid());
	for (unsigned int i = 0; i < kills; i++) {
		size_t way = i % ARRAY_SIZE(ways);
		unsigned int bad = frozen + different;

		kill_somewhere(live, ways[way].with_watchdog, i % 5 == 4, &held);
		/* Without it the lock is free at once. */
		assert_true(live_until(live, is_free, LIVE_PATIENCE));
		ways[way].run(live);
		different += compare_state(live, &before, &frozen);
		if (bad != frozen + different)
			printf("kill %u, cleaned up by %s\n", i + 1, ways[way].name);
	}
	print_message("%u kills (%u while something was held): %u frozen, %u different\n", kills,
		      held, frozen, different);
	assert_int_equal(frozen, 0);
	assert_int_equal(different, 0);
	assert_true(held > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kills, live_setup, live_teardown),
	};

	if (argc > 1)
		setenv("CGWATCH_TEST_KILLS", argv[1], true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
