// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/cgroup_name.h"
#include "core/cleanup.h"

#define UID	  "4f9c1e52-7b0a-4d3e-9c55-0a1b2c3d4e5f"
#define SLICE_UID "4f9c1e52_7b0a_4d3e_9c55_0a1b2c3d4e5f"

static void test_users(void **state)
{
	static const struct {
		const char *path;
		bool found;
		uid_t uid;
	} cases[] = {
		{ "/", false, 0 },
		{ "/user.slice", false, 0 },
		{ "/user.slice/user-1000.slice", true, 1000 },
		{ "/user.slice/user-0.slice/session-1.scope", true, 0 },
		{ "/user.slice/user-1000.slice/user@1001.service/app.slice", true, 1001 },
		{ "/user.slice/user-.slice", false, 0 },
		{ "/user.slice/user-1000.service", false, 0 },
		{ "/user.slice/user@1000.slice", false, 0 },
		{ "/user.slice/user-1000.slicex", false, 0 },
		{ "/user.slice/user-4294967295.slice", false, 0 }, /* (uid_t)-1 is nobody's */
		{ "/user.slice/user-4294967294.slice", true, 4294967294U },
		{ "/user.slice/user-99999999999999999999.slice", false, 0 },
		{ "/xuser-1000.slice", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uid_t uid = 0;

		assert_int_equal(cgroup_user(cases[i].path, &uid), cases[i].found);
		assert_int_equal(uid, cases[i].uid);
	}
}

static void test_pods(void **state)
{
	static const struct {
		const char *path, *uid;
	} cases[] = {
		{ "/kubepods/besteffort/pod" UID, UID },
		{ "/kubepods/pod" UID "/0123", UID },
		{ "/kubepods.slice/kubepods-burstable-pod" SLICE_UID ".slice/x.scope", UID },
		{ "/kubepods.slice/kubepods-pod" SLICE_UID ".slice", UID },
		{ "/kubepods/burstable/pod0123456789abcdef0123456789abcdef",
		  "0123456789abcdef0123456789abcdef" },
		{ "/kubepods", NULL },
		{ "/pod" UID, NULL },
		{ "/kubepods/pod" UID "0", NULL },
		{ "/kubepods/pod" UID ".x", NULL },
		{ "/kubepods.slice/kubepods-pod" UID ".slice", NULL },
		{ "/kubepods.slice/kubepods-pod" SLICE_UID ".scope", NULL },
		{ "/kubepods/podium", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char uid[POD_UID_SIZE] = "";

		assert_int_equal(cgroup_pod_uid(cases[i].path, uid), cases[i].uid != NULL);
		assert_string_equal(uid, cases[i].uid ? cases[i].uid : "");
	}
}

static void check_unescape(const char *name, const char *want)
{
	char text[64];

	assert_int_equal(unit_unescape(name, strlen(name), text, sizeof(text)), strlen(want));
	assert_string_equal(text, want);
}

static void test_unescape(void **state)
{
	char text[4];

	(void)state;
	check_unescape("plain", "plain");
	check_unescape("my\\x2dbox", "my-box");
	check_unescape("\\x2d\\x2D", "--");
	check_unescape("a\\x2", "a\\x2");
	check_unescape("a\\xzz", "a\\xzz");
	check_unescape("a\\x00b", "a\\x00b");
	check_unescape("", "");
	assert_int_equal(unit_unescape("abcd", 4, text, sizeof(text)), -ENAMETOOLONG);
	assert_int_equal(unit_unescape("abc", 3, text, sizeof(text)), 3);
	assert_string_equal(unit_of_directory("_cpu.service"), "cpu.service");
	assert_string_equal(unit_of_directory("_"), "_");
	assert_string_equal(unit_of_directory("a_b"), "a_b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_pods),
		cmocka_unit_test(test_unescape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
