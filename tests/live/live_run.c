// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

/* `cgwatch run --unshare`: every type seen from inside, as root and as an ordinary user. */

static const char *const types[] = { "mnt", "net", "pid", "user", "uts", "ipc", "cgroup", "time" };
enum { N_TYPES = sizeof(types) / sizeof(types[0]) };

#define LOOK command_self(), "--probe", "look"

/* Exactly the types of the list differ from ours. */
static void expect_fresh(const struct command *command, const char *list)
{
	for (size_t i = 0; i < N_TYPES; i++) {
		char outside[64], inside[64];
		bool fresh = strstr(list, types[i]) != NULL;

		ns_link(0, types[i], outside);
		command_value(command, types[i], inside, sizeof(inside));
		if (fresh == (strcmp(outside, inside) == 0))
			fail_msg("--unshare %s: %s is %s inside, %s outside", list, types[i],
				 inside, outside);
	}
}

static void expect_seen(const struct command *command, const char *key, const char *want)
{
	char value[256];

	command_value(command, key, value, sizeof(value));
	if (strcmp(value, want) != 0)
		fail_msg("%s is '%s', not '%s'", key, value, want);
}

static long long number(const struct command *command, const char *key)
{
	char value[64];

	command_value(command, key, value, sizeof(value));
	return strtoll(value, NULL, 10);
}

static void test_each_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_TYPES; i++) {
		struct command command;

		command_run(&command, NULL, "run", "--unshare", types[i], "--", LOOK);
		command_expect(&command, 0);
		expect_fresh(&command, types[i]);
	}
}

static void test_all_types(void **state)
{
	struct command command;

	(void)state;
	command_run(&command, NULL, "run", "--unshare", "mnt,net,pid,user,uts,ipc,cgroup,time",
		    "--", LOOK);
	command_expect(&command, 0);
	expect_fresh(&command, "mnt net pid user uts ipc cgroup time");
	expect_seen(&command, "lo", "1");
	expect_seen(&command, "cgroups", "0");
	expect_seen(&command, "uid_map", "0 0 1");
	expect_seen(&command, "setgroups", "deny");
}

static void test_none(void **state)
{
	struct command command;

	(void)state;
	command_run(&command, NULL, "run", "--", LOOK);
	command_expect(&command, 0);
	expect_fresh(&command, "");
}

static void test_names(void **state)
{
	char before[256], after[256];
	struct command command;

	(void)state;
	assert_int_equal(gethostname(before, sizeof(before)), 0);
	command_run(&command, NULL, "run", "--unshare=uts", "--hostname", "a.b-1", "--domainname",
		    "inside", "--", LOOK);
	command_expect(&command, 0);
	expect_seen(&command, "host", "a.b-1");
	expect_seen(&command, "domain", "inside");
	assert_int_equal(gethostname(after, sizeof(after)), 0);
	assert_string_equal(after, before);
}

static void test_net(void **state)
{
	struct command command;

	(void)state;
	command_run(&command, NULL, "run", "--unshare=net", "--", LOOK);
	command_expect(&command, 0);
	expect_seen(&command, "lo", "1");
}

static void share_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		_exit(96);
}

static void test_mounts_are_private(void **state)
{
	struct command command;

	(void)state;
	command_run(&command, share_mounts, "run", "--", LOOK);
	command_expect(&command, 0);
	assert_true(number(&command, "shared") > 0);
	command_run(&command, share_mounts, "run", "--unshare=mnt", "--", LOOK);
	command_expect(&command, 0);
	expect_seen(&command, "shared", "0");
}

static void test_time(void **state)
{
	struct timespec monotonic, boottime;
	long long seconds, nanoseconds;
	struct command command;
	const char *line;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_BOOTTIME, &boottime);
	command_run(&command, NULL, "run", "--unshare=time", "--monotonic", "10d", "--boottime",
		    "1000000", "--", LOOK);
	command_expect(&command, 0);
	expect_fresh(&command, "time");
	/* An hour for a machine that is slow. */
	assert_in_range(number(&command, "monotonic") - monotonic.tv_sec, 864000, 867600);
	assert_in_range(number(&command, "boottime") - boottime.tv_sec, 1000000, 1003600);
	/* Half a second back; and a clock below 0 is no clock. */
	command_run(&command, NULL, "run", "--unshare=time", "--boottime", "-500ms", "--", "cat",
		    "/proc/self/timens_offsets");
	command_expect(&command, 0);
	line = strstr(command.text, "boottime");
	assert_non_null(line);
	assert_int_equal(sscanf(line, "boottime %lld %lld", &seconds, &nanoseconds), 2);
	assert_int_equal(seconds, -1);
	assert_int_equal(nanoseconds, 500000000);
	command_run(&command, NULL, "run", "--unshare=time", "--monotonic", "-9999d", "--", LOOK);
	command_expect(&command, 1);
	assert_non_null(strstr(command.err, "run: --monotonic: -9999d: "));
	assert_string_equal(command.text, "");
}

static void test_proc(void **state)
{
	struct command command;

	(void)state;
	command_run(&command, NULL, "run", "--unshare=pid,mnt", "--", LOOK);
	command_expect(&command, 0);
	expect_seen(&command, "own_pid", "2");
	expect_seen(&command, "parent", "1");
	expect_seen(&command, "self", "2");
	command_run(&command, NULL, "run", "--unshare=pid,mnt", "--as-pid1", "--", LOOK);
	command_expect(&command, 0);
	expect_seen(&command, "own_pid", "1");
	expect_seen(&command, "parent", "0");
	expect_seen(&command, "self", "1");
	command_run(&command, NULL, "run", "--unshare=pid,mnt", "--keep-proc", "--", LOOK);
	command_expect(&command, 0);
	expect_seen(&command, "own_pid", "2");
	assert_true(number(&command, "self") > 2);
}

static bool is_orphan(void *data)
{
	(void)data;
	return getppid() == 1;
}

static bool is_gone(void *data)
{
	return kill(*(pid_t *)data, 0) < 0 && errno == ESRCH;
}

/* In the namespace: a process whose parent ends goes to pid 1, and when it ends, pid 1 reaps it. */
static int probe_orphan(char **arguments)
{
	int pipe_fds[2];
	pid_t parent, orphan;

	(void)arguments;
	if (pipe(pipe_fds) < 0)
		return 10;
	parent = fork();
	if (parent == 0) {
		if (fork() != 0)
			_exit(0);
		orphan = until(is_orphan, NULL) ? getpid() : 0;
		_exit(write(pipe_fds[1], &orphan, sizeof(orphan)) != sizeof(orphan));
	}
	close(pipe_fds[1]);
	if (waitpid(parent, NULL, 0) != parent)
		return 11;
	if (read(pipe_fds[0], &orphan, sizeof(orphan)) != sizeof(orphan) || orphan == 0)
		return 12;
	/* A zombie is still there for kill(2). */
	return until(is_gone, &orphan) ? 42 : 13;
}

static void test_init_reaps(void **state)
{
	struct command command;

	(void)state;
	command_run(&command, NULL, "run", "--unshare=pid", "--", command_self(), "--probe",
		    "orphan");
	command_expect(&command, 42);
}

static void test_maps(void **state)
{
	struct command command;

	(void)state;
	command_run(&command, NULL, "run", "--unshare=user", "--map-user", "1000:100", "--", LOOK);
	command_expect(&command, 0);
	expect_seen(&command, "uid_map", "1000 0 1");
	expect_seen(&command, "gid_map", "100 0 1");
	expect_seen(&command, "uid", "1000");
	expect_seen(&command, "gid", "100");
	command_run(&command, NULL, "run", "--unshare=user", "--map-user", "7", "--", LOOK);
	command_expect(&command, 0);
	expect_seen(&command, "uid_map", "7 0 1");
	expect_seen(&command, "gid_map", "0 0 1");
}

static void write_text(const char *directory, const char *name, const char *text, mode_t mode)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* A directory of the test is /etc, and the programs in it come first. */
static void replace_etc(void)
{
	const char *dir = getenv("CGWATCH_TEST_ETC");
	char path[512];

	snprintf(path, sizeof(path), "/etc:%s", getenv("PATH") ? getenv("PATH") : "/bin:/usr/bin");
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(dir, "/etc", NULL, MS_BIND, NULL) < 0 || setenv("PATH", path, 1) < 0)
		_exit(95);
}

/* newuidmap(1) may not be installed: ours say what they were called with, and do it for root. */
static void test_map_auto(void **state)
{
	char dir[] = "/tmp/cgwatch-test-XXXXXX", path[64];
	static const char *const files[] = { "subuid", "subgid", "newuidmap", "newgidmap" };
	struct command command;

	(void)state;
	assert_non_null(mkdtemp(dir));
	setenv("CGWATCH_TEST_ETC", dir, 1);
	write_text(dir, "subuid", "joe:100000:65536\n0:200000:65536\n0:300000:1\n", 0644);
	write_text(dir, "subgid", "x\n::\n0:1:2:3\n0:400000:70000\n", 0644);
	write_text(dir, "newuidmap",
		   "#!/bin/sh\nprintf '%s %s %s\\n' $2 $3 $4 $5 $6 $7 >/proc/$1/uid_map\n", 0755);
	write_text(dir, "newgidmap",
		   "#!/bin/sh\nprintf '%s %s %s\\n' $2 $3 $4 $5 $6 $7 >/proc/$1/gid_map\n", 0755);
	command_run(&command, replace_etc, "run", "--unshare=user,pid", "--map-auto", "--", LOOK);
	command_expect(&command, 0);
	expect_seen(&command, "uid_map", "0 0 1 1 200000 65536");
	expect_seen(&command, "gid_map", "0 0 1 1 400000 70000");
	expect_seen(&command, "uid", "0");
	write_text(dir, "newgidmap", "#!/bin/sh\nexit 1\n", 0755);
	command_run(&command, replace_etc, "run", "--unshare=user", "--map-auto", "--", LOOK);
	command_expect(&command, 1);
	assert_string_equal(command.err, "cgwatch: run: --map-auto: newgidmap failed\n");
	write_text(dir, "subuid", "joe:100000:65536\n", 0644);
	command_run(&command, replace_etc, "run", "--unshare=user", "--map-auto", "--", LOOK);
	command_expect(&command, 1);
	assert_non_null(strstr(command.err, "/etc/subuid: no line for the user"));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(dir), 0);
}

static void test_ordinary_user(void **state)
{
	const char *why = no_user_namespaces();
	struct command command;

	(void)state;
	if (why) {
		printf("an ordinary user cannot make user namespaces here: %s\n", why);
		skip();
	}
	/* Without a cgroup and without a namespace no right is needed. */
	command_run(&command, become_nobody, "run", "--", LOOK);
	command_expect(&command, 0);
	expect_fresh(&command, "");
	expect_seen(&command, "uid", "65534");

	command_run(&command, become_nobody, "run", "--unshare",
		    "time,cgroup,ipc,uts,pid,net,mnt,user", "--hostname", "nobody's", "--boottime",
		    "1h", "--", LOOK);
	command_expect(&command, 0);
	expect_fresh(&command, "mnt net pid user uts ipc cgroup time");
	expect_seen(&command, "uid", "0");
	expect_seen(&command, "uid_map", "0 65534 1");
	expect_seen(&command, "gid_map", "0 65534 1");
	expect_seen(&command, "setgroups", "deny");
	expect_seen(&command, "host", "nobody's");
	expect_seen(&command, "lo", "1");
	expect_seen(&command, "self", "2");

	command_run(&command, become_nobody, "run", "--unshare=user", "--map-user", "5", "--",
		    LOOK);
	command_expect(&command, 0);
	expect_seen(&command, "uid", "5");
	expect_seen(&command, "gid", "65534");
}

static void test_denied(void **state)
{
	static const char *const alone[] = { "mnt", "net", "pid", "uts", "ipc", "cgroup", "time" };

	(void)state;
	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++) {
		struct command command;
		char want[256];

		snprintf(want, sizeof(want),
			 "cgwatch: run: --unshare: %s: Operation not permitted: root may, others "
			 "with 'user' in the list\n",
			 alone[i]);
		command_run(&command, become_nobody, "run", "--unshare", alone[i], "--", LOOK);
		command_expect(&command, 1);
		assert_string_equal(command.err, want);
		assert_string_equal(command.text, "");
	}
}

/* Limits are per user namespace: one of our own has none of the host's at stake. */
static void test_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_TYPES; i++) {
		struct command command;
		char script[256], want[128];

		snprintf(script, sizeof(script),
			 "echo 0 >/proc/sys/user/max_%s_namespaces && exec \"$0\" run --unshare %s "
			 "-- echo in",
			 types[i], types[i]);
		snprintf(want, sizeof(want),
			 "%s: No space left on device: the limit "
			 "/proc/sys/user/max_%s_namespaces (here 0) is reached",
			 types[i], types[i]);
		command_run(&command, NULL, "run", "--unshare=user", "--", "sh", "-c", script,
			    getenv("CGWATCH"));
		command_expect(&command, 1);
		if (!strstr(command.err, want))
			fail_msg("%s: it says: %s", want, command.err);
		assert_string_equal(command.text, "");
	}
}

int main(int argc, char **argv)
{
	static const struct probe probes[] = { { "orphan", probe_orphan }, { NULL, NULL } };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),	   cmocka_unit_test(test_each_type),
		cmocka_unit_test(test_all_types),  cmocka_unit_test(test_names),
		cmocka_unit_test(test_net),	   cmocka_unit_test(test_mounts_are_private),
		cmocka_unit_test(test_time),	   cmocka_unit_test(test_proc),
		cmocka_unit_test(test_init_reaps), cmocka_unit_test(test_maps),
		cmocka_unit_test(test_map_auto),   cmocka_unit_test(test_ordinary_user),
		cmocka_unit_test(test_denied),	   cmocka_unit_test(test_limits),
	};
	int code;

	if (command_probe(argc, argv, probes, &code))
		return code;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
