// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/unit/test_collectors_world.h"

static void steady(struct world *world, unsigned int max_fds)
{
	struct sampler_stats stats;

	start(world, max_fds);
	sample(world);
	check_paths(world, "/ /a /a/x /b");
	check_state(world, "/a", M_CPU_USAGE_RATE, VALUE_FIRST);
	add(world, "/a", 400);
	sample(world);
	assert_ptr_equal(world->now->tree, world->before->tree);
	check_memory(world, "/a", 4000);
	check_memory(world, "/a/x", 100);
	check_state(world, "/a", M_CPU_USAGE_RATE, VALUE_OK);
	sampler_get_stats(world->sampler, &stats);
	assert_int_equal(stats.rebuilds, 1);
	assert_true(stats.kept_fds <= max_fds);
}

static void test_steady_kept(void **state)
{
	steady(*state, 1000);
}

static void test_steady_unkept(void **state)
{
	steady(*state, 1);
}

static void come_and_go(struct world *world, unsigned int max_fds)
{
	uint64_t b, x;

	start(world, max_fds);
	sample(world);
	b = serial(world, "/b");
	x = serial(world, "/a/x");
	add(world, "/a/new/deep", 7);
	add(world, "/a/new", 8);
	sample(world);
	check_paths(world, "/ /a /a/new /a/new/deep /a/x /b");
	check_memory(world, "/a/new/deep", 70);
	check_state(world, "/a/new", M_CPU_USAGE_RATE, VALUE_FIRST);
	/* All others went on. */
	assert_int_equal(serial(world, "/b"), b);
	assert_int_equal(serial(world, "/a/x"), x);
	check_state(world, "/b", M_CPU_USAGE_RATE, VALUE_OK);
	check_state(world, "/a/x", M_CPU_USAGE_RATE, VALUE_OK);
	assert_int_equal(world->now->tree->before[find(world, "/b")], 3);
	drop(world, "/a");
	sample(world);
	check_paths(world, "/ /b");
	assert_int_equal(serial(world, "/b"), b);
	check_state(world, "/b", M_CPU_USAGE_RATE, VALUE_OK);
	/* The snapshot before still shows what was. */
	assert_int_equal(world->before->tree->n, 6);
	sample(world);
	assert_ptr_equal(world->now->tree, world->before->tree);
}

static void test_come_and_go_kept(void **state)
{
	come_and_go(*state, 1000);
}

static void test_come_and_go_unkept(void **state)
{
	come_and_go(*state, 1);
}

/* The same path, another cgroup: another identity and no rate across the two. */
static void test_recreated(void **state)
{
	struct world *world = *state;
	uint64_t b, a;

	start(world, 1);
	sample(world);
	sample(world);
	a = serial(world, "/a");
	b = serial(world, "/b");
	check_state(world, "/b", M_CPU_USAGE_RATE, VALUE_OK);
	replace(world, "/b", 900);
	sample(world);
	check_paths(world, "/ /a /a/x /b");
	assert_true(serial(world, "/b") != b);
	assert_int_equal(serial(world, "/a"), a);
	check_memory(world, "/b", 9000);
	check_state(world, "/b", M_CPU_USAGE_RATE, VALUE_FIRST);
	check_state(world, "/a", M_CPU_USAGE_RATE, VALUE_OK);
	b = serial(world, "/b");
	sample(world);
	assert_int_equal(serial(world, "/b"), b);
	check_state(world, "/b", M_CPU_USAGE_RATE, VALUE_OK);
}

/* With what is below it: its children are others as well, or gone. */
static void test_recreated_subtree(void **state)
{
	struct world *world = *state;
	uint64_t a, x;

	start(world, 1);
	sample(world);
	a = serial(world, "/a");
	x = serial(world, "/a/x");
	fill(world, "staging/x", 77);
	replace(world, "/a", 900);
	sample(world);
	check_paths(world, "/ /a /a/x /b");
	assert_true(serial(world, "/a") != a);
	assert_true(serial(world, "/a/x") != x);
	check_memory(world, "/a/x", 770);
	check_state(world, "/a/x", M_CPU_USAGE_RATE, VALUE_FIRST);
	replace(world, "/a", 5);
	sample(world);
	check_paths(world, "/ /a /b");
}

/* One goes, another comes: the link count of the parent says nothing. */
static void test_swapped(void **state)
{
	struct world *world = *state;

	start(world, 1);
	sample(world);
	drop(world, "/b");
	add(world, "/c", 300);
	sample(world);
	check_paths(world, "/ /a /a/x /c");
	check_memory(world, "/c", 3000);
	check_state(world, "/c", M_CPU_USAGE_RATE, VALUE_FIRST);
}

/* A file that is not there: off where the controller is, and back soon when it is on again. */
static void test_file_vanishes(void **state)
{
	struct world *world = *state;
	int n = 0;

	start(world, 1);
	sample(world);
	check_memory(world, "/b", 2000);
	drop(world, "/b/memory.current");
	sample(world);
	check_state(world, "/b", M_MEMORY_CURRENT, VALUE_ABSENT);
	check_state(world, "/b", M_CPU_USAGE_RATE, VALUE_OK);
	write_in(world, "sys/fs/cgroup/b", "cgroup.controllers", "cpu\n");
	do
		sample(world);
	while (snapshot_state(world->now, M_MEMORY_CURRENT, find(world, "/b")) == VALUE_ABSENT &&
	       n++ < 20);
	check_state(world, "/b", M_MEMORY_CURRENT, VALUE_DISABLED);
	add(world, "/b", 50);
	for (n = 0; n < 20; n++) {
		sample(world);
		if (snapshot_state(world->now, M_MEMORY_CURRENT, find(world, "/b")) == VALUE_OK)
			break;
	}
	assert_true(n <= 9);
	check_memory(world, "/b", 500);
}

/* As somebody who may not read everything. Runs in a child, which alone loses its rights. */
static void denied(struct world *world)
{
	char full[4096];
	int n = 0;

	start(world, 1000);
	sample(world);
	check_paths(world, "/ /a /b");
	check_state(world, "/b", M_MEMORY_CURRENT, VALUE_DENIED);
	check_state(world, "/a", M_MEMORY_CURRENT, VALUE_DENIED);
	check_memory(world, "/", 10000);
	sample(world);
	check_state(world, "/b", M_MEMORY_CURRENT, VALUE_DENIED);
	check_state(world, "/b", M_CPU_USAGE_RATE, VALUE_OK);
	check_state(world, "/", M_CPU_USAGE_RATE, VALUE_OK);
	machine_path(&world->machine, "sys/fs/cgroup/b/memory.current", full);
	assert_int_equal(chmod(full, 0644), 0);
	do
		sample(world);
	while (snapshot_state(world->now, M_MEMORY_CURRENT, find(world, "/b")) != VALUE_OK &&
	       n++ < 20);
	assert_true(n <= 9);
	check_memory(world, "/b", 2000);
}

static int own_one(const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
	(void)info;
	(void)flag;
	(void)ftw;
	return lchown(path, 65534, 65534);
}

static void test_denied(void **state)
{
	struct world *world = *state;
	char full[4096];
	int status;
	pid_t pid;

	machine_path(&world->machine, "sys/fs/cgroup/b/memory.current", full);
	assert_int_equal(chmod(full, 0), 0);
	if (geteuid() == 0)
		assert_int_equal(nftw(world->machine.dir, own_one, 16, FTW_PHYS), 0);
	machine_path(&world->machine, "sys/fs/cgroup/a", full);
	assert_int_equal(chmod(full, 0), 0);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 &&
		    (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
			_exit(99);
		denied(world);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chmod(full, 0755), 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the child without rights ended with status 0x%x", status);
}

/* A tree that grows past the budget gives descriptors back, and is read all the same. */
static void test_grows_past_budget(void **state)
{
	struct world *world = *state;
	struct sampler_stats stats;
	char path[64];

	start(world, 40);
	sample(world);
	sample(world);
	sampler_get_stats(world->sampler, &stats);
	assert_true(stats.kept_fds > 8 && stats.kept_fds <= 40);
	for (unsigned int i = 0; i < 60; i++) {
		snprintf(path, sizeof(path), "/b/n%02u", i);
		add(world, path, i);
	}
	for (int round = 0; round < 3; round++) {
		sample(world);
		assert_int_equal(world->now->tree->n, 64);
		for (unsigned int i = 0; i < 60; i++) {
			snprintf(path, sizeof(path), "/b/n%02u", i);
			check_memory(world, path, i * 10);
		}
		check_memory(world, "/a/x", 100);
		sampler_get_stats(world->sampler, &stats);
		assert_true(stats.kept_fds <= 40);
	}
	drop(world, "/b");
	sample(world);
	sample(world);
	check_paths(world, "/ /a /a/x");
	sampler_get_stats(world->sampler, &stats);
	assert_true(stats.kept_fds <= 40);
}

/* Names are bytes; what is no directory of the tree is not entered. */
static void test_names(void **state)
{
	struct world *world = *state;
	char longest[300] = "/", full[4096];

	memset(longest + 1, 'n', 255);
	add(world, longest, 1);
	add(world, "/sp ace", 2);
	add(world, "/quote\"back\\slash", 3);
	add(world, "/\x1b[31mred", 4);
	add(world, "/bad\xff", 5);
	add(world, "/.hidden", 6);
	add(world, "/..x", 7);
	machine_path(&world->machine, "sys/fs/cgroup/link", full);
	assert_int_equal(symlink("a", full), 0);
	machine_path(&world->machine, "sys/fs/cgroup/loop", full);
	assert_int_equal(symlink("..", full), 0);
	/* A file of a cgroup that is a link elsewhere is not followed. */
	drop(world, "/b/memory.current");
	machine_path(&world->machine, "sys/fs/cgroup/b/memory.current", full);
	assert_int_equal(symlink("../a/memory.current", full), 0);
	start(world, 1000);
	for (int round = 0; round < 2; round++) {
		sample(world);
		assert_int_equal(world->now->tree->n, 11);
		check_memory(world, longest, 10);
		check_memory(world, "/sp ace", 20);
		check_memory(world, "/quote\"back\\slash", 30);
		check_memory(world, "/\x1b[31mred", 40);
		check_memory(world, "/bad\xff", 50);
		check_memory(world, "/.hidden", 60);
		check_memory(world, "/..x", 70);
		check_gone(world, "/link");
		check_state(world, "/b", M_MEMORY_CURRENT, VALUE_FAILED);
	}
}

/* Deeper than a path may be long: what cannot be reached is left out. */
static void test_deep(void **state)
{
	struct world *world = *state;
	char name[201], command[200], full[4096];
	int fd, home = open(".", O_RDONLY | O_DIRECTORY);

	memset(name, 'd', 200);
	name[200] = '\0';
	machine_path(&world->machine, "sys/fs/cgroup/b", full);
	assert_int_equal(chdir(full), 0);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(mkdir(name, 0755), 0);
		assert_int_equal(chdir(name), 0);
		fd = open("memory.current", O_WRONLY | O_CREAT, 0644);
		assert_int_equal(write(fd, "7\n", 2), 2);
		close(fd);
	}
	assert_int_equal(fchdir(home), 0);
	close(home);
	start(world, 1000);
	for (int round = 0; round < 3; round++) {
		sample(world);
		assert_true(world->now->tree->n > 20 && world->now->tree->n <= 44);
		check_memory(world, "/a/x", 100);
	}
	assert_int_equal(world->now->tree->n, world->before->tree->n);
	snprintf(command, sizeof(command), "rm -rf '%s/sys/fs/cgroup/b'", world->machine.dir);
	assert_int_equal(system(command), 0);
	sample(world);
	check_paths(world, "/ /a /a/x");
}

int main(void)
{
#define in_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		in_world(test_steady_kept),
		in_world(test_steady_unkept),
		in_world(test_come_and_go_kept),
		in_world(test_come_and_go_unkept),
		in_world(test_recreated),
		in_world(test_recreated_subtree),
		in_world(test_swapped),
		in_world(test_file_vanishes),
		in_world(test_denied),
		in_world(test_grows_past_budget),
		in_world(test_names),
		in_world(test_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
