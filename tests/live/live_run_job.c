// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "live.h"

/* `cgwatch run` as a job: exit codes, signals, the terminal, and what is left behind: nothing. */

#define LOOK command_self(), "--probe", "look"

/* With and without a PID namespace the same is expected: "pid" or one that changes nothing. */
static const char *const lists[] = { "uts", "pid", "user,pid,mnt" };
enum { N_LISTS = sizeof(lists) / sizeof(lists[0]) };

static void test_exit_codes(void **state)
{
	static const struct {
		const char *script;
		int code;
	} cases[] = {
		{ "exit 0", 0 },
		{ "exit 1", 1 },
		{ "exit 255", 255 },
		{ "kill -TERM $$", 128 + SIGTERM },
		{ "kill -KILL $$", 128 + SIGKILL },
		{ "kill -HUP $$", 128 + SIGHUP },
	};

	(void)state;
	for (size_t l = 0; l < N_LISTS; l++) {
		struct command command;

		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			command_run(&command, NULL, "run", "--unshare", lists[l], "--", "sh", "-c",
				    cases[i].script);
			command_expect(&command, cases[i].code);
			assert_string_equal(command.err, "");
		}
		command_run(&command, NULL, "run", "--unshare", lists[l], "--", "/");
		command_expect(&command, 126);
		command_run(&command, NULL, "run", "--unshare", lists[l], "--", "/nonexistent");
		command_expect(&command, 127);
		assert_string_equal(command.err,
				    "cgwatch: run: /nonexistent: No such file or directory\n");
	}
}

/* What is sent to cgwatch is sent on; the command may do with it what it likes. */
static void test_signals(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2 };

	(void)state;
	for (size_t l = 0; l < N_LISTS; l++) {
		struct command command;

		for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
			command_run(&command, NULL, "run", "--unshare", lists[l], "--", LOOK,
				    "stay");
			command_await(&command, "ready=1");
			kill(command.pid, signals[i]);
			command_drain(&command);
			command_expect(&command, 128 + signals[i]);
		}
		command_run(&command, NULL, "run", "--unshare", lists[l], "--", "sh", "-c",
			    "trap 'echo trapped; exit 9' USR1; echo ready; while read x; do :; "
			    "done; wait; exit 8");
		command_await(&command, "ready");
		kill(command.pid, SIGUSR1);
		command_await(&command, "trapped");
		command_expect(&command, 9);
	}
}

static void block_and_ignore(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGINT, SIG_IGN);
}

/* As env(1): the command gets masks and dispositions as we were given them. */
static int probe_signals(char **arguments)
{
	struct sigaction child, interrupt;
	sigset_t set;

	(void)arguments;
	sigprocmask(SIG_BLOCK, NULL, &set);
	sigaction(SIGCHLD, NULL, &child);
	sigaction(SIGINT, NULL, &interrupt);
	printf("usr1=%d term=%d chld=%d int=%d\n", sigismember(&set, SIGUSR1),
	       sigismember(&set, SIGTERM), child.sa_handler == SIG_IGN,
	       interrupt.sa_handler == SIG_IGN);
	return 5;
}

static void test_inherited_signals(void **state)
{
	(void)state;
	for (size_t l = 0; l < N_LISTS; l++) {
		struct command command;

		command_run(&command, block_and_ignore, "run", "--unshare", lists[l], "--",
			    command_self(), "--probe", "signals");
		command_expect(&command, 5);
		assert_string_equal(command.text, "usr1=1 term=0 chld=1 int=1\n");
		command_run(&command, NULL, "run", "--unshare", lists[l], "--", command_self(),
			    "--probe", "signals");
		command_expect(&command, 5);
		assert_string_equal(command.text, "usr1=0 term=0 chld=0 int=0\n");
	}
}

/* Without a handler: all of the namespace goes when cgwatch is killed. The input stays open. */
static void test_killed(void **state)
{
	struct command command;

	(void)state;
	command_run(&command, NULL, "run", "--unshare=pid", "--", "sh", "-c",
		    "(read x) & echo ready; read x");
	command_await(&command, "ready");
	kill(command.pid, SIGKILL);
	command_drain(&command);
	command_expect(&command, -SIGKILL);
}

/* Every mounted hierarchy: cgwatch makes the cgroup in all of them. Lines of /proc/self/mountinfo.
 */
static int for_each_mount(const char *path, int (*act)(const char *directory))
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, mountpoint[256], directory[512];
	size_t size = 0;
	int n = 0;

	assert_non_null(file);
	while (getline(&line, &size, file) > 0) {
		if (!strstr(line, " - cgroup") ||
		    sscanf(line, "%*s %*s %*s %*s %255s", mountpoint) != 1)
			continue;
		snprintf(directory, sizeof(directory), "%s%s", mountpoint, path);
		n += act(directory) == 0;
	}
	free(line);
	fclose(file);
	return n;
}

static int is_there(const char *directory)
{
	return access(directory, F_OK);
}

static bool remove_everywhere(void *path)
{
	for_each_mount(path, rmdir);
	return for_each_mount(path, is_there) == 0;
}

static void test_cgroup_goes(void **state)
{
	static const struct {
		const char *script;
		int code;
	} cases[] = {
		{ "exit 3", 3 },
		{ "kill -KILL $$", 128 + SIGKILL },
		/* With a PID namespace what is left behind ends with the command. */
		{ "(read x) & kill -KILL $$", 128 + SIGKILL },
	};
	struct command command;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/cgwatch-test-run-%d", (int)getpid());
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		command_run(&command, NULL, "run", "--cgroup", path, "--unshare=pid,cgroup", "--",
			    "sh", "-c", cases[i].script);
		command_expect(&command, cases[i].code);
		assert_string_equal(command.err, "");
		assert_int_equal(for_each_mount(path, is_there), 0);
	}
	command_run(&command, NULL, "run", "--cgroup", path, "--", LOOK, "stay");
	command_await(&command, "ready=1");
	assert_true(for_each_mount(path, is_there) > 0);
	kill(command.pid, SIGTERM);
	/* Its input stays open until it has ended: otherwise it might end by that. */
	command_drain(&command);
	command_expect(&command, 128 + SIGTERM);
	assert_int_equal(for_each_mount(path, is_there), 0);
	/* It never started: nothing stays either. */
	command_run(&command, NULL, "run", "--cgroup", path, "--", "/nonexistent");
	command_expect(&command, 127);
	assert_int_equal(for_each_mount(path, is_there), 0);
}

/* In the cgroup first, then the namespace: it is the root of what is seen. */
static void test_cgroup_namespace(void **state)
{
	struct command command;
	char path[64], value[16];

	(void)state;
	snprintf(path, sizeof(path), "/cgwatch-test-run-%d", (int)getpid());
	command_run(&command, NULL, "run", "--cgroup", path, "--", LOOK);
	command_expect(&command, 0);
	command_value(&command, "cgroups", value, sizeof(value));
	assert_true(atoi(value) > 0);
	command_run(&command, NULL, "run", "--cgroup", path, "--unshare=cgroup", "--", LOOK);
	command_expect(&command, 0);
	command_value(&command, "cgroups", value, sizeof(value));
	assert_string_equal(value, "0");
}

/* Said once, not once a hierarchy; and the exit code is the command's all the same. */
static void test_left_behind(void **state)
{
	struct command command;
	char path[64], *line;
	int pid;

	(void)state;
	snprintf(path, sizeof(path), "/cgwatch-test-run-%d", (int)getpid());
	command_run(&command, NULL, "run", "--cgroup", path, "--", "sh", "-c",
		    "sleep 10000 >/dev/null 2>&1 & echo $!; exit 4");
	command_drain(&command);
	pid = atoi(command.text);
	assert_true(pid > 1);
	command_end(&command);
	kill(pid, SIGKILL);
	assert_true(until(remove_everywhere, path));
	line = strstr(command.err, "not removed");
	assert_non_null(line);
	assert_null(strstr(line + 1, "not removed"));
	assert_non_null(strstr(line, "the command left processes behind\n"));
}

/* A small shell on a terminal of its own: starts the job in the foreground, tells how it fares. */
static void be_shell(int master, int report, const char *list)
{
	const char *argv[] = { "cgwatch", "run", "--unshare",	       list, "--",
			       "sh",	  "-c",	 "echo ready; read x", NULL };
	int slave, status;
	char *name;
	pid_t job;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	name = ptsname(master);
	slave = name ? open(name, O_RDWR) : -1;
	if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		_exit(1);
	close(master);
	signal(SIGTTOU, SIG_IGN);
	job = fork();
	if (job == 0) {
		setpgid(0, 0);
		tcsetpgrp(slave, getpid());
		signal(SIGTTOU, SIG_DFL);
		for (int fd = 0; fd < 3; fd++)
			dup2(slave, fd);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		execv(getenv("CGWATCH"), (char *const *)argv);
		_exit(99);
	}
	while (waitpid(job, &status, WUNTRACED) == job) {
		char code = 'S';

		if (!WIFSTOPPED(status))
			code = WIFEXITED(status) ? (char)WEXITSTATUS(status) : 'K';
		if (write(report, &code, 1) != 1 || !WIFSTOPPED(status))
			_exit(0);
		tcsetpgrp(slave, job);
		kill(-job, SIGCONT);
	}
	_exit(2);
}

/* The next byte, -1 at the end, -2 if there is none for too long. */
static int next_byte(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	unsigned char byte;

	if (poll(&poll_fd, 1, COMMAND_PATIENCE * 1000) != 1)
		return -2;
	return read(fd, &byte, 1) == 1 ? byte : -1;
}

static void await_on_terminal(int master, const char *text)
{
	for (size_t at = 0; text[at];) {
		int byte = next_byte(master);

		if (byte < 0)
			fail_msg("no '%s' on the terminal", text);
		at = byte == text[at] ? at + 1 : byte == text[0];
	}
}

static void test_terminal(void **state)
{
	(void)state;
	for (size_t l = 0; l < N_LISTS; l++) {
		int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), report[2], stopped, ended;
		pid_t shell;

		assert_true(master >= 0);
		assert_int_equal(grantpt(master), 0);
		assert_int_equal(unlockpt(master), 0);
		assert_int_equal(pipe2(report, O_CLOEXEC), 0);
		fflush(NULL);
		shell = fork();
		if (shell == 0)
			be_shell(master, report[1], lists[l]);
		close(report[1]);
		await_on_terminal(master, "ready");
		assert_int_equal(write(master, "\032", 1), 1); /* Ctrl-Z */
		stopped = next_byte(report[0]);
		assert_int_equal(write(master, "\003", 1), 1); /* Ctrl-C */
		ended = next_byte(report[0]);
		kill(shell, SIGKILL);
		waitpid(shell, NULL, 0);
		close(report[0]);
		close(master);
		if (stopped != 'S' || ended != 128 + SIGINT)
			fail_msg("%s: after Ctrl-Z %d, after Ctrl-C %d", lists[l], stopped, ended);
	}
}

int main(int argc, char **argv)
{
	static const struct probe probes[] = { { "signals", probe_signals }, { NULL, NULL } };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_codes),	  cmocka_unit_test(test_signals),
		cmocka_unit_test(test_inherited_signals), cmocka_unit_test(test_killed),
		cmocka_unit_test(test_cgroup_goes),	  cmocka_unit_test(test_cgroup_namespace),
		cmocka_unit_test(test_left_behind),	  cmocka_unit_test(test_terminal),
	};
	int code;

	if (command_probe(argc, argv, probes, &code))
		return code;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
