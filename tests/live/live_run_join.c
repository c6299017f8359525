// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
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
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "live.h"

/* `cgwatch run --target`: joining each type of namespace of a process that the test made. */

static const struct {
	const char *name;
	int flag;
} types[] = {
	{ "mnt", CLONE_NEWNS },	       { "net", CLONE_NEWNET }, { "pid", CLONE_NEWPID },
	{ "user", CLONE_NEWUSER },     { "uts", CLONE_NEWUTS }, { "ipc", CLONE_NEWIPC },
	{ "cgroup", CLONE_NEWCGROUP }, { "time", 0x80 },
};
enum { N_TYPES = sizeof(types) / sizeof(types[0]) };

#define LOOK command_self(), "--probe", "look"

/* A process in namespaces of its own, which ends with the test. */
struct target {
	pid_t maker, pid; /* who has made them; the one that is in them */
	int end;	  /* closing it ends both */
	char text[16];	  /* pid */
};

struct plan {
	int flags;
	int root;	      /* who the maker is in its user namespace */
	void (*before)(void); /* in the maker, before it makes them, or NULL */
	bool (*inside)(void); /* in the target, or NULL; false: it failed */
};

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

static bool map_self(int inside, uid_t outside)
{
	char line[32];

	snprintf(line, sizeof(line), "%d %d 1", inside, (int)outside);
	return write_text("/proc/self/setgroups", "deny") &&
	       write_text("/proc/self/uid_map", line) && write_text("/proc/self/gid_map", line);
}

static int be_target(const struct plan *plan, int ready, int end)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (plan->inside && !plan->inside())
		return 1;
	if (write(ready, "r", 1) != 1)
		return 2;
	while (read(end, &byte, 1) < 0 && errno == EINTR)
		continue;
	return 0;
}

/* A process more, since whoever makes PID and time namespaces is not in them. */
static int make(const struct plan *plan, int report, int end)
{
	int ready[2];
	uid_t uid;
	pid_t pid;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (plan->before)
		plan->before();
	uid = geteuid();
	if (pipe2(ready, O_CLOEXEC) < 0 || unshare(plan->flags) < 0)
		return 1;
	if (plan->flags & CLONE_NEWUSER && !map_self(plan->root, uid))
		return 2;
	if (plan->flags & CLONE_NEWNS && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 3;
	pid = fork();
	if (pid == 0)
		_exit(be_target(plan, ready[1], end));
	close(ready[1]);
	if (pid < 0 || read(ready[0], &byte, 1) != 1 ||
	    write(report, &pid, sizeof(pid)) != sizeof(pid))
		return 4;
	close(report);
	waitpid(pid, NULL, 0);
	return 0;
}

static void target_start(struct target *target, const struct plan *plan)
{
	int report[2], end[2];

	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	fflush(NULL);
	target->maker = fork();
	assert_true(target->maker >= 0);
	if (target->maker == 0) {
		close(end[1]);
		_exit(make(plan, report[1], end[0]));
	}
	close(report[1]);
	close(end[0]);
	target->end = end[1];
	if (read(report[0], &target->pid, sizeof(target->pid)) != sizeof(target->pid)) {
		int status = -1;

		waitpid(target->maker, &status, 0);
		fail_msg("the target was not made: status %d", status);
	}
	close(report[0]);
	snprintf(target->text, sizeof(target->text), "%d", (int)target->pid);
}

static void target_end(struct target *target)
{
	close(target->end);
	assert_int_equal(waitpid(target->maker, NULL, 0), target->maker);
}

/* The types of the list are the target's, all others are ours. */
static void expect_joined(const struct command *command, const struct target *target,
			  const char *list)
{
	for (size_t i = 0; i < N_TYPES; i++) {
		char ours[64], its[64], inside[64];
		bool joined = strstr(list, types[i].name) != NULL;

		ns_link(0, types[i].name, ours);
		ns_link(target->pid, types[i].name, its);
		command_value(command, types[i].name, inside, sizeof(inside));
		if (joined && strcmp(ours, its) == 0)
			fail_msg("the target has no %s of its own", types[i].name);
		if (strcmp(inside, joined ? its : ours) != 0)
			fail_msg("%s: %s is %s inside, ours %s, its %s", list, types[i].name,
				 inside, ours, its);
	}
}

static void expect_seen(const struct command *command, const char *key, const char *want)
{
	char value[256];

	command_value(command, key, value, sizeof(value));
	if (strcmp(value, want) != 0)
		fail_msg("%s is '%s', not '%s'", key, value, want);
}

static void test_each_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_TYPES; i++) {
		const struct plan plan = { .flags = types[i].flag };
		struct target target;
		struct command command;

		target_start(&target, &plan);
		command_run(&command, NULL, "run", "--target", target.text, "--ns", types[i].name,
			    "--", LOOK);
		command_expect(&command, 0);
		expect_joined(&command, &target, types[i].name);
		/* The same without a list: it is the only one that differs. */
		command_run(&command, NULL, "run", "--target", target.text, "--", LOOK);
		command_expect(&command, 0);
		expect_joined(&command, &target, types[i].name);
		target_end(&target);
	}
}

static int all_flags(void)
{
	int flags = 0;

	for (size_t i = 0; i < N_TYPES; i++)
		flags |= types[i].flag;
	return flags;
}

static bool mount_proc(void)
{
	return mount("proc", "/proc", "proc", 0, NULL) == 0 && chdir("/tmp") == 0;
}

static void test_all_types(void **state)
{
	const struct plan plan = { .flags = all_flags(), .inside = mount_proc };
	struct target target;
	struct command command;

	(void)state;
	target_start(&target, &plan);
	command_run(&command, NULL, "run", "--target", target.text, "--ns", "all", "--", LOOK);
	command_expect(&command, 0);
	expect_joined(&command, &target, "mnt net pid user uts ipc cgroup time");
	expect_seen(&command, "cwd", "/tmp");
	expect_seen(&command, "uid", "0");
	expect_seen(&command, "parent", "0");
	/* Some of them. */
	command_run(&command, NULL, "run", "--target", target.text, "--ns", "uts,net", "--", LOOK);
	command_expect(&command, 0);
	expect_joined(&command, &target, "net uts");
	target_end(&target);
}

static void test_nothing_to_join(void **state)
{
	const struct plan plan = { 0 };
	struct target target;
	struct command command;

	(void)state;
	target_start(&target, &plan);
	command_run(&command, NULL, "run", "--target", target.text, "--", LOOK);
	command_expect(&command, 0);
	expect_joined(&command, &target, "");
	/* What we share already counts as joined: a second entry of a user namespace is EINVAL. */
	command_run(&command, NULL, "run", "--target", target.text, "--ns", "user,net,pid", "--",
		    LOOK);
	command_expect(&command, 0);
	expect_joined(&command, &target, "");
	target_end(&target);
}

/* A root of its own inside its mount namespace, with a directory that only that root has. */
static bool change_root(void)
{
	const char *dir = getenv("CGWATCH_TEST_ROOT");
	char path[64];

	snprintf(path, sizeof(path), "%s/mnt", dir);
	return mount("/", dir, NULL, MS_BIND | MS_REC, NULL) == 0 &&
	       mount("none", path, "tmpfs", 0, NULL) == 0 && chroot(dir) == 0 &&
	       mkdir("/mnt/only-here", 0755) == 0 && chdir("/mnt/only-here") == 0;
}

static void test_root(void **state)
{
	const struct plan plan = { .flags = CLONE_NEWNS, .inside = change_root };
	char dir[] = "/tmp/cgwatch-test-XXXXXX";
	struct target target;
	struct command command;

	(void)state;
	assert_non_null(mkdtemp(dir));
	setenv("CGWATCH_TEST_ROOT", dir, 1);
	target_start(&target, &plan);
	command_run(&command, NULL, "run", "--target", target.text, "--ns", "mnt", "--", "sh", "-c",
		    "pwd && cd /mnt/only-here");
	command_expect(&command, 0);
	assert_string_equal(command.text, "/mnt/only-here\n");
	target_end(&target);
	assert_int_equal(rmdir(dir), 0);
}

static void test_user_without_root(void **state)
{
	const struct plan plan = { .flags = CLONE_NEWUSER | CLONE_NEWUTS, .root = 5 };
	struct target target;
	struct command command;

	(void)state;
	target_start(&target, &plan);
	command_run(&command, NULL, "run", "--target", target.text, "--", LOOK);
	command_expect(&command, 0);
	expect_joined(&command, &target, "user uts");
	expect_seen(&command, "uid", "5");
	target_end(&target);
}

static void test_ordinary_user(void **state)
{
	const struct plan plan = { .flags = all_flags(),
				   .before = become_nobody,
				   .inside = mount_proc };
	const char *why = no_user_namespaces();
	struct target target;
	struct command command;

	(void)state;
	if (why) {
		printf("an ordinary user cannot make user namespaces here: %s\n", why);
		skip();
	}
	target_start(&target, &plan);
	command_run(&command, become_nobody, "run", "--target", target.text, "--", LOOK);
	command_expect(&command, 0);
	expect_joined(&command, &target, "mnt net pid user uts ipc cgroup time");
	expect_seen(&command, "uid", "0");
	command_run(&command, become_nobody, "run", "--target", target.text, "--ns", "uts", "--",
		    LOOK);
	command_expect(&command, 1);
	assert_string_equal(command.err, "cgwatch: run: --ns: uts: Operation not permitted: root "
					 "may, or whoever joins the user namespace that owns it: "
					 "--ns user,…\n");
	target_end(&target);
}

static void test_end_of_target(void **state)
{
	const struct plan plan = { .flags = CLONE_NEWPID };
	struct target target;
	struct command command;

	(void)state;
	target_start(&target, &plan);
	command_run(&command, NULL, "run", "--target", target.text, "--ns", "pid", "--", LOOK,
		    "stay");
	command_await(&command, "ready=1");
	/* The first process of the namespace: with it all others are killed. */
	target_end(&target);
	command_expect(&command, 128 + SIGKILL);
}

static void enter(const struct live *live, const char *name, const struct target *target)
{
	for (size_t i = 0; i < live->n_hierarchies; i++)
		assert_int_equal(live_write(live, live->hierarchies[i].controller, name,
					    "cgroup.procs", target->text),
				 0);
}

static bool remove_cgroup(void *path)
{
	return rmdir(path) == 0;
}

static void test_by_cgroup(void **state)
{
	const struct plan plan = { .flags = CLONE_NEWUTS };
	struct live *live = *state;
	struct target target;
	struct command command;
	char path[200];

	live_cgroup(live, "c");
	target_start(&target, &plan);
	enter(live, "c", &target);
	snprintf(path, sizeof(path), "%s/c", live->top);
	command_run(&command, NULL, "run", "--target", path, "--ns", "uts", "--", LOOK);
	command_expect(&command, 0);
	expect_joined(&command, &target, "uts");
	/* No process is in the cgroup above, but below it. */
	command_run(&command, NULL, "run", "--target", live->top, "--", LOOK);
	command_expect(&command, 0);
	expect_joined(&command, &target, "uts");
	target_end(&target);

	command_run(&command, NULL, "run", "--target", path, "--", LOOK);
	command_expect(&command, 1);
	assert_non_null(strstr(command.err, ": no process is in it\n"));
	command_run(&command, NULL, "run", "--target", "/cgwatch-test/none", "--", LOOK);
	command_expect(&command, 1);
	assert_non_null(strstr(command.err, "no such cgroup"));
}

/* By the id in the name of its cgroup; half of the id is of this process, to be nobody else's. */
static void test_by_container(void **state)
{
	const struct plan plan = { .flags = CLONE_NEWUTS };
	struct live *live = *state;
	struct target target;
	struct command command;
	char id[65], name[96], path[256];

	snprintf(id, sizeof(id), "%08x%056x", 0xc9a7c000u ^ (unsigned int)getpid(), 1);
	snprintf(name, sizeof(name), "docker-%s.scope", id);
	live_dir(live, live->hierarchies[0].controller, name, path, sizeof(path));
	assert_int_equal(mkdir(path, 0755), 0);
	target_start(&target, &plan);
	assert_int_equal(live_write(live, live->hierarchies[0].controller, name, "cgroup.procs",
				    target.text),
			 0);
	command_run(&command, NULL, "run", "--target", id, "--ns", "uts", "--", LOOK);
	command_end(&command);
	expect_joined(&command, &target, "uts");
	id[12] = '\0';
	command_run(&command, NULL, "run", "--target", id, "--ns", "uts", "--", LOOK);
	command_end(&command);
	expect_joined(&command, &target, "uts");
	target_end(&target);
	assert_true(until(remove_cgroup, path));
}

static void test_errors(void **state)
{
	struct command command;

	(void)state;
	/* More than kernel.pid_max can be: one that has ended may be somebody else's by now. */
	command_run(&command, NULL, "run", "--target", "4194304", "--", LOOK);
	command_expect(&command, 1);
	assert_string_equal(command.err, "cgwatch: run: --target: 4194304: No such process\n");
	command_run(&command, NULL, "run", "--target", "zzzz", "--", LOOK);
	command_expect(&command, 1);
	assert_non_null(strstr(command.err, "zzzz: no such container"));
}

int main(int argc, char **argv)
{
	static const struct probe probes[] = { { NULL, NULL } };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_type),
		cmocka_unit_test(test_all_types),
		cmocka_unit_test(test_nothing_to_join),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_user_without_root),
		cmocka_unit_test(test_ordinary_user),
		cmocka_unit_test(test_end_of_target),
		cmocka_unit_test_setup_teardown(test_by_cgroup, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_by_container, live_setup, live_teardown),
		cmocka_unit_test(test_errors),
	};
	int code;

	if (command_probe(argc, argv, probes, &code))
		return code;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
