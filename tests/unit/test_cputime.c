// SPDX-License-Identifier: MIT
/* The split of CPU time that the programs for the kernel make, against plain 128-bit arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "collectors/bpf/cputime.h"

static uint64_t random_bits(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> (*state & 63);
}

static void test_mul_div(void **state)
{
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

	(void)state;
	for (int i = 0; i < 2000000; i++) {
		uint64_t d = random_bits(&seed), a = random_bits(&seed), b = random_bits(&seed);

		if (d == 0)
			continue;
		a %= d;
		assert_true(cputime_mul_div(a, b, d) == (uint64_t)((unsigned __int128)a * b / d));
	}
	assert_true(cputime_mul_div(UINT64_MAX, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
	assert_true(cputime_mul_div(UINT64_MAX - 1, UINT64_MAX, UINT64_MAX) == UINT64_MAX - 1);
}

static void test_split(void **state)
{
	static const struct {
		struct cputime now;
		uint64_t user, system, want_user, want_system;
	} cases[] = {
		{ { 100, 0, 0 }, 0, 0, 100, 0 },     /* no tick yet: all of it user time */
		{ { 100, 0, 8 }, 0, 0, 0, 100 },     /* ticks of one kind only */
		{ { 100, 30, 10 }, 0, 0, 75, 25 },   /* by proportion */
		{ { 100, 30, 10 }, 0, 40, 60, 40 },  /* system time does not go back */
		{ { 100, 10, 30 }, 50, 10, 50, 50 }, /* nor does user time */
		{ { 100, 10, 30 }, 60, 40, 60, 40 }, /* nothing used since */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cputime split = cputime_adjust(&cases[i].now, cases[i].user,
						      cases[i].system);

		assert_true(split.user == cases[i].want_user);
		assert_true(split.system == cases[i].want_system);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_mul_div),
						   cmocka_unit_test(test_split) };

	return cmocka_run_group_tests_name("cputime", tests, NULL, NULL);
}
