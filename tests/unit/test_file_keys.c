// SPDX-License-Identifier: MIT
/* What a file of a hierarchy has: the root's, or that of the first cgroup below that has one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/file_keys.h"

static void put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void test_read(void **state)
{
	char top[] = "/tmp/cgwatch-keys-XXXXXX", path[64];
	struct hierarchy hierarchy = { .v2 = true };
	char *text;

	(void)state;
	assert_non_null(mkdtemp(top));
	hierarchy.fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(hierarchy.fd >= 0);
	assert_int_equal(mkdirat(hierarchy.fd, "a", 0700), 0);
	assert_int_equal(mkdirat(hierarchy.fd, "b", 0700), 0);
	put(hierarchy.fd, "x.stat", "of_root 1\n");
	put(hierarchy.fd, "b/x.stat", "below 1\n");
	put(hierarchy.fd, "b/y.stat", "below 1\n");

	text = file_keys_read(&hierarchy, "x.stat");
	assert_string_equal(text, "of_root 1\n");
	free(text);
	text = file_keys_read(&hierarchy, "y.stat");
	assert_string_equal(text, "below 1\n");
	free(text);
	assert_null(file_keys_read(&hierarchy, "z.stat"));

	close(hierarchy.fd);
	for (const char *const *name =
		     (const char *const[]){ "x.stat", "b/x.stat", "b/y.stat", NULL };
	     *name; name++) {
		snprintf(path, sizeof(path), "%s/%s", top, *name);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/a", top);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/b", top);
	rmdir(path);
	assert_int_equal(rmdir(top), 0);
}

static void test_has(void **state)
{
	static const char text[] = "usage_usec 12\nnice_usec 0\nlast 1";

	(void)state;
	assert_true(file_keys_has(text, "usage_usec", 10));
	assert_true(file_keys_has(text, "nice_usec", 9));
	assert_false(file_keys_has(text, "nice", 4));
	assert_false(file_keys_has(text, "usec", 4));
	assert_false(file_keys_has(text, "12", 2));
	/* The file's only value has no key. */
	assert_true(file_keys_has("0\n", NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_read),
					    cmocka_unit_test(test_has) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
