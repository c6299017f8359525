// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "collectors/mountinfo.h"
#include "core/cleanup.h"

static void test_line(void **state)
{
	char text[] =
		"36 35 98:5 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n";
	char *at = text;
	struct mount_line line;

	(void)state;
	assert_int_equal(mountinfo_next(&at, &line), 1);
	assert_int_equal(line.id, 36);
	assert_int_equal(line.parent_id, 35);
	assert_true(line.device == makedev(98, 5));
	assert_string_equal(line.root, "/mnt1");
	assert_string_equal(line.mountpoint, "/mnt2");
	assert_string_equal(line.options, "rw,noatime");
	assert_string_equal(line.fstype, "ext3");
	assert_string_equal(line.source, "/dev/root");
	assert_string_equal(line.super_options, "rw,errors=continue");
	assert_int_equal(mountinfo_next(&at, &line), 0);
	assert_int_equal(mountinfo_next(&at, &line), 0);
}

static void test_optional_fields(void **state)
{
	char text[] = "1 1 0:1 / /none rw - a b c\n"
		      "2 1 0:2 / /one rw shared:7 - a b c\n"
		      "3 1 0:3 / /many rw shared:7 master:1 propagate_from:2 unbindable - a b c\n"
		      "4 1 0:4 / /nosource rw -  cgroup2  rw\n"
		      "5 1 0:5 / /emptysource rw - cgroup2  rw\n";
	static const char *const points[] = { "/none", "/one", "/many" };
	struct mount_line line;
	char *at = text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		assert_int_equal(mountinfo_next(&at, &line), 1);
		assert_string_equal(line.mountpoint, points[i]);
		assert_string_equal(line.fstype, "a");
		assert_string_equal(line.super_options, "c");
	}
	/* `mount -t cgroup2 "" DIR`: the source is empty, two spaces follow each other. */
	assert_int_equal(mountinfo_next(&at, &line), 1);
	assert_int_equal(mountinfo_next(&at, &line), 1);
	assert_string_equal(line.fstype, "cgroup2");
	assert_string_equal(line.source, "");
	assert_string_equal(line.super_options, "rw");
}

static void test_octal(void **state)
{
	static const struct {
		const char *escaped, *plain;
	} cases[] = {
		{ "/a\\040b", "/a b" },
		{ "/a\\011b\\012c", "/a\tb\nc" },
		{ "/back\\134slash", "/back\\slash" },
		{ "/hash\\043", "/hash#" },
		{ "/\\134040", "/\\040" },
		{ "/bytes\\303\\251\\377", "/bytes\xc3\xa9\xff" },
		/* No escapes: too short, not octal, above a byte. */
		{ "/a\\04", "/a\\04" },
		{ "/a\\", "/a\\" },
		{ "/a\\089", "/a\\089" },
		{ "/a\\777", "/a\\777" },
		{ "/a\\x20", "/a\\x20" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mount_line line;
		struct strbuf text;
		char *at;

		strbuf_init(&text);
		strbuf_printf(&text, "1 2 0:3 %s %s rw - t s o", cases[i].escaped,
			      cases[i].escaped);
		at = text.data;
		assert_int_equal(mountinfo_next(&at, &line), 1);
		assert_string_equal(line.mountpoint, cases[i].plain);
		assert_string_equal(line.root, cases[i].plain);
		strbuf_done(&text);
	}
}

/* Lines have no maximum length: overlay mounts pass a page with ease. */
static void test_long_lines(void **state)
{
	struct mount_line line;
	struct strbuf text;
	char *at;

	(void)state;
	strbuf_init(&text);
	strbuf_add_string(&text, "1 2 0:3 / /merged rw - overlay overlay rw,lowerdir=");
	for (int i = 0; i < 2000; i++)
		strbuf_printf(&text, "%s/var/lib/layers/%d", i ? ":" : "", i);
	strbuf_add_string(&text, ",upperdir=/u\n2 2 0:4 / /");
	for (int i = 0; i < 5000; i++)
		strbuf_add_string(&text, "\\040x");
	strbuf_add_string(&text, " rw - cgroup2 cgroup2 rw");
	at = text.data;
	assert_int_equal(mountinfo_next(&at, &line), 1);
	assert_true(strlen(line.super_options) > 30000);
	assert_string_equal(strrchr(line.super_options, ','), ",upperdir=/u");
	assert_int_equal(mountinfo_next(&at, &line), 1);
	assert_int_equal(strlen(line.mountpoint), 10001);
	assert_string_equal(line.fstype, "cgroup2");
	assert_int_equal(mountinfo_next(&at, &line), 0);
	strbuf_done(&text);
}

/* A line of another form is skipped, and what follows it is still found. */
static void test_junk(void **state)
{
	static const char *const junk[] = {
		"",
		" ",
		"junk",
		"1",
		"1 2",
		"1 2 0:3",
		"1 2 0:3 / /x rw",
		"1 2 0:3 / /x rw -",
		"1 2 0:3 / /x rw - t",
		"1 2 0:3 / /x rw - t s",
		"1 2 0:3 / /x rw shared:1 t s o",
		"1 2 03 / /x rw - t s o",
		"1 2 / /x rw - t s o",
		"1 2 x:3 / /x rw - t s o",
		"1 2 0x3:4 / /x rw - t s o",
		"1 2 0:4junk / /x rw - t s o",
		"1 2 : / /x rw - t s o",
		"- - - - - - - - -",
		"\xff\xfe\xfd",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(junk); i++) {
		struct mount_line line;
		struct strbuf text;
		char *at;

		strbuf_init(&text);
		strbuf_printf(&text, "%s\n9 1 0:7 / /good rw - t s o\n", junk[i]);
		at = text.data;
		assert_int_equal(mountinfo_next(&at, &line), 1);
		if (strcmp(line.mountpoint, "/good") != 0)
			fail_msg("\"%s\" was taken for a mount", junk[i]);
		assert_int_equal(mountinfo_next(&at, &line), 0);
		strbuf_done(&text);
	}
}

static void test_options(void **state)
{
	(void)state;
	assert_true(mount_has_option("rw,cpu,cpuacct", "cpu"));
	assert_true(mount_has_option("rw,cpu,cpuacct", "rw"));
	assert_true(mount_has_option("rw,cpu,cpuacct", "cpuacct"));
	assert_true(mount_has_option("cpu", "cpu"));
	assert_false(mount_has_option("rw,cpuacct", "cpu"));
	assert_false(mount_has_option("rw,cpu", "cpuacct"));
	assert_false(mount_has_option("", "cpu"));
	assert_false(mount_has_option("rw", "r"));
	assert_true(mount_has_option("rw,name=systemd", "name=systemd"));
	assert_true(mount_has_option(",,cpu,", "cpu"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),  cmocka_unit_test(test_optional_fields),
		cmocka_unit_test(test_octal), cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_junk),  cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
