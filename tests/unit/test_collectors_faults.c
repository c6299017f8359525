// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/unit/test_collectors_world.h"

/* Every openat() of the program comes by here: the next ones may fail, or something happen first.
 */
static struct {
	int countdown; /* fail when it reaches 0; -1: never */
	int error;
	const char *suffix; /* run `action` once before a path that ends so is opened */
	void (*action)(void *data);
	void *data;
} fault = { .countdown = -1 };

static int faulty_openat(int dir_fd, const char *path, int flags, mode_t mode)
{
	size_t length = strlen(path), tail = fault.suffix ? strlen(fault.suffix) : 0;

	if (fault.suffix && length >= tail && strcmp(path + length - tail, fault.suffix) == 0) {
		fault.suffix = NULL;
		fault.action(fault.data);
	}
	if (fault.countdown >= 0 && fault.countdown-- == 0) {
		errno = fault.error;
		return -1;
	}
	return (int)syscall(SYS_openat, dir_fd, path, flags, mode);
}

#undef openat
int openat(int dir_fd, const char *path, int flags, ...);
int openat(int dir_fd, const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return faulty_openat(dir_fd, path, flags, mode);
}

/* What _FORTIFY_SOURCE makes of it. */
int __openat_2(int dir_fd, const char *path, int flags);
int __openat_2(int dir_fd, const char *path, int flags)
{
	return faulty_openat(dir_fd, path, flags, 0);
}

static int end_faults(void **state)
{
	fault.countdown = -1;
	fault.suffix = NULL;
	return teardown(state);
}

static void drop_b(void *data)
{
	drop(data, "/b");
}

/* Between the walk and the reading: the value says so, the next sample is without it. */
static void test_vanishes_while_read(void **state)
{
	struct world *world = *state;

	start(world, 1);
	sample(world);
	fault.suffix = "b/memory.current";
	fault.action = drop_b;
	fault.data = world;
	sample(world);
	check_state(world, "/b", M_MEMORY_CURRENT, VALUE_GONE);
	check_memory(world, "/a", 1000);
	sample(world);
	check_paths(world, "/ /a /a/x");
}

static void test_vanishes_in_first_sample(void **state)
{
	struct world *world = *state;

	start(world, 1000);
	fault.suffix = "b/memory.current";
	fault.action = drop_b;
	fault.data = world;
	sample(world);
	check_state(world, "/b", M_MEMORY_CURRENT, VALUE_GONE);
	sample(world);
	check_paths(world, "/ /a /a/x");
}

/* No descriptor left for the first walk: an error, and the next try starts anew. */
static void test_no_descriptor_at_first(void **state)
{
	struct world *world = *state;

	start(world, 1);
	fault.error = EMFILE;
	for (int at = 0; at < 4; at++) {
		fault.countdown = at;
		assert_int_equal(try_sample(world), -EMFILE);
	}
	fault.countdown = -1;
	sample(world);
	check_paths(world, "/ /a /a/x /b");
}

/* A directory that could not be read is read again: what came meanwhile is not lost for good. */
static void test_no_descriptor_for_new(void **state)
{
	struct world *world = *state;

	start(world, 1);
	sample(world);
	add(world, "/b/new", 5);
	fault.error = EMFILE;
	fault.countdown = 0;
	assert_int_equal(try_sample(world), -EMFILE);
	fault.countdown = -1;
	sample(world);
	check_paths(world, "/ /a /a/x /b /b/new");
}

/* At whichever open it fails while cgroups come and go: what is kept stays whole. */
static void test_no_descriptor_anywhere(void **state)
{
	struct world *world = *state;

	start(world, 1);
	sample(world);
	for (int at = 0; at < 60; at++) {
		add(world, "/b/y", 5);
		add(world, "/b/y/z", 5);
		drop(world, "/a/x");
		fault.error = EMFILE;
		fault.countdown = at;
		try_sample(world);
		fault.countdown = -1;
		sample(world);
		check_paths(world, "/ /a /b /b/y /b/y/z");
		drop(world, "/b/y");
		add(world, "/a/x", 10);
		fault.countdown = at;
		try_sample(world);
		fault.countdown = -1;
		sample(world);
		check_paths(world, "/ /a /a/x /b");
		check_memory(world, "/a/x", 100);
	}
}

int main(void)
{
#define in_world(test) cmocka_unit_test_setup_teardown(test, setup, end_faults)
	const struct CMUnitTest tests[] = {
		in_world(test_vanishes_while_read),    in_world(test_vanishes_in_first_sample),
		in_world(test_no_descriptor_at_first), in_world(test_no_descriptor_for_new),
		in_world(test_no_descriptor_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
