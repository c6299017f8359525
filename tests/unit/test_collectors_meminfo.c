// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "collectors/meminfo.h"
#include "core/cleanup.h"

static int parse(const char *text, struct meminfo *ret_meminfo)
{
	return meminfo_parse((struct span){ text, text + strlen(text) }, ret_meminfo);
}

static void test_parse(void **state)
{
	struct meminfo meminfo = { 0 };

	(void)state;
	/* Linux 6.18, shortened; later lines may be of any form. */
	assert_int_equal(
		parse("MemTotal:       24612312 kB\nMemFree:         9134216 kB\n"
		      "MemAvailable:   20123456 kB\nBuffers: -1 pages\n\nHugePages_Total: 0",
		      &meminfo),
		0);
	assert_int_equal(meminfo.total, UINT64_C(24612312) * 1024);
	assert_int_equal(meminfo.available, UINT64_C(20123456) * 1024);
	assert_int_equal(parse("MemAvailable: 0 kB\nMemTotal: 1 kB", &meminfo), 0);
	assert_int_equal(meminfo.available, 0);
}

static void test_what_makes_no_sense(void **state)
{
	static const char *const texts[] = {
		"",
		"MemTotal: 8 kB\n",
		"MemTotal: 8 kB\nMemFree: 4 kB\n",
		"MemTotal: 8 kB\nMemAvailable: 9 kB\n",
		"MemTotal: 8\nMemAvailable: 4\n",
		"MemTotal: 8 MB\nMemAvailable: 4 MB\n",
		"MemTotal: -8 kB\nMemAvailable: 4 kB\n",
		"MemTotal: 8x kB\nMemAvailable: 4 kB\n",
		"MemTotal: 18014398509481984 kB\nMemAvailable: 4 kB\n",
		"MemTotal: 99999999999999999999 kB\nMemAvailable: 4 kB\n",
		"MemTotal:\nMemAvailable:\n",
	};
	struct meminfo meminfo;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(parse(texts[i], &meminfo), -EINVAL);
}

/* On the machine, whatever it is: there is some. */
static void test_read(void **state)
{
	struct meminfo meminfo = { 0 };
	struct root *root = NULL;

	(void)state;
	assert_int_equal(root_new(NULL, &root), 0);
	assert_int_equal(meminfo_read(root, &meminfo), 0);
	assert_true(meminfo.total > 0 && meminfo.available <= meminfo.total);
	root_free(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_what_makes_no_sense),
		cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
