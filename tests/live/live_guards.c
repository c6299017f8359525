// SPDX-License-Identifier: MIT
/*
 * Which processes protect the cgroup they are in, with real ones: a copy of this program under
 * another name, run by root, by a user, through a link, and in a PID namespace of its own.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
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
#include "policies/cgroup_act.h"
#include "policies/guards.h"

struct scene {
	struct live *live;
	char dir[64], program[128];
	struct root *root;
	struct hierarchies *hierarchies;
	struct guards *guards;
};

/* Where live_start()'s processes find the program: they take no arguments. */
#define PROGRAM_VARIABLE "CGWATCH_TEST_PROGRAM"

static void run_program(void)
{
	const char *program = getenv(PROGRAM_VARIABLE);

	execl(program, program, "sleep", (char *)NULL);
	_exit(1);
}

static void run_as_user(void)
{
	if (setgid(1234) == 0 && setuid(1234) == 0)
		run_program();
	_exit(1);
}

static void run_in_namespace(void)
{
	pid_t pid;

	if (unshare(CLONE_NEWPID) < 0)
		_exit(1);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_program();
	}
	waitpid(pid, NULL, 0);
	_exit(1);
}

static void copy_program(struct scene *scene, const char *name)
{
	_cleanup_(closep) int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = -1;
	char buffer[65536];
	ssize_t n;

	snprintf(scene->program, sizeof(scene->program), "%s/%s", scene->dir, name);
	to = open(scene->program, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	assert_true(from >= 0 && to >= 0);
	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(to, buffer, (size_t)n), n);
	assert_int_equal(n, 0);
	assert_int_equal(fchmod(to, 0755), 0);
	assert_int_equal(setenv(PROGRAM_VARIABLE, scene->program, 1), 0);
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	assert_int_equal(live_setup((void **)&scene->live), 0);
	strcpy(scene->dir, "/tmp/cgwatch-test-XXXXXX");
	assert_non_null(mkdtemp(scene->dir));
	assert_int_equal(chmod(scene->dir, 0755), 0);
	assert_int_equal(root_new(NULL, &scene->root), 0);
	assert_int_equal(hierarchies_new(scene->root, &scene->hierarchies), 0);
	assert_int_equal(guards_new(scene->root, scene->hierarchies, &scene->guards), 0);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;
	int r = live_teardown((void **)&scene->live);

	guards_free(scene->guards);
	hierarchies_free(scene->hierarchies);
	root_free(scene->root);
	unlink(scene->program);
	rmdir(scene->dir);
	free(scene);
	return r;
}

/* True once a process in the cgroup runs the program (and not only what forked it). */
static bool runs(const struct live *live, pid_t pid)
{
	char path[64], target[256];
	ssize_t n;

	(void)live;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	return strcmp(target, getenv(PROGRAM_VARIABLE)) == 0;
}

static void await(struct scene *scene, const char *name, pid_t pid, bool in_namespace)
{
	double end = live_now() + LIVE_PATIENCE;
	const char *controller = scene->live->hierarchies[0].controller;

	while (live_now() < end) {
		_cleanup_(freep) char *text = live_read(scene->live, controller, name,
							"cgroup.procs");
		const char *second = text ? strchr(text, '\n') : NULL;

		if (!in_namespace && runs(scene->live, pid))
			return;
		if (in_namespace && second && runs(scene->live, (pid_t)atoi(second + 1)))
			return;
		live_wait(0.05);
	}
	fail_msg("%s did not start", scene->program);
}

/* As before a write: only those are looked at who live there, wherever the cgroup is. */
static int check_there(struct scene *scene, const char *path)
{
	const struct knob_context context = { .root = scene->root,
					      .hierarchies = scene->hierarchies,
					      .guards = scene->guards };
	int found = 0;

	for (unsigned int i = 0; i < scene->hierarchies->n; i++) {
		struct cgroup_act act;
		int r;

		if (cgroup_act_open(&context, i, path, 0, &act) < 0)
			continue;
		r = cgroup_act_guard(&act);
		found = r < 0 ? r : found;
		cgroup_act_done(&act);
	}
	return found;
}

static int check(struct scene *scene, const char *name, char reason[256])
{
	char path[256];
	int r;

	snprintf(path, sizeof(path), "%s%s%s", scene->live->top, *name ? "/" : "", name);
	reason[0] = '\0';
	assert_int_equal(guards_refresh(scene->guards, 0), 0);
	r = guards_check(scene->guards, -1, path, reason, 256);
	assert_int_equal(check_there(scene, path), r);
	return r;
}

static void test_names(void **state)
{
	struct scene *scene = *state;
	char reason[256], want[128];
	pid_t pid;

	copy_program(scene, "sshd");
	live_cgroup(scene->live, "users");
	live_cgroup(scene->live, "container");
	live_cgroup(scene->live, "roots");

	pid = live_start(scene->live, "users", run_as_user);
	await(scene, "users", pid, false);
	assert_int_equal(check(scene, "users", reason), 0);

	pid = live_start(scene->live, "container", run_in_namespace);
	await(scene, "container", pid, true);
	assert_int_equal(check(scene, "container", reason), 0);
	assert_int_equal(check(scene, "", reason), 0);

	pid = live_start(scene->live, "roots", run_program);
	await(scene, "roots", pid, false);
	assert_int_equal(check(scene, "roots", reason), -EPERM);
	snprintf(want, sizeof(want), "sshd (the operator's way in, pid %d) lives in it", (int)pid);
	assert_string_equal(reason, want);
	/* And all above it. */
	assert_int_equal(check(scene, "", reason), -EPERM);
	live_end(scene->live, pid);
	assert_int_equal(check(scene, "roots", reason), 0);
}

/* What is replaced on disk while it runs is still what it was. */
static void test_upgraded(void **state)
{
	struct scene *scene = *state;
	char reason[256];
	pid_t pid;

	copy_program(scene, "containerd-shim-runc-v2");
	live_cgroup(scene->live, "shim");
	pid = live_start(scene->live, "shim", run_program);
	await(scene, "shim", pid, false);
	assert_int_equal(unlink(scene->program), 0);
	assert_int_equal(check(scene, "shim", reason), -EPERM);
	assert_non_null(strstr(reason, "containerd-shim* (a container"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_upgraded, setup, teardown),
	};

	if (argc == 2 && strcmp(argv[1], "sleep") == 0) {
		for (;;)
			pause();
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
