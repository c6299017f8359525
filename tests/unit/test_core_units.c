// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/units.h"

struct integer_case {
	const char *text;
	int result;
	uint64_t value;
};

static void check_integers(int (*parse)(const char *, uint64_t *), const struct integer_case *cases,
			   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = 0xdeadbeef;
		int r = parse(cases[i].text, &value);

		if (r != cases[i].result)
			fail_msg("\"%s\": result %d, wanted %d (value %llu)", cases[i].text, r,
				 cases[i].result, (unsigned long long)value);
		/* Outputs are written only on success. */
		if (value != (r == 0 ? cases[i].value : 0xdeadbeef))
			fail_msg("\"%s\": value %llu", cases[i].text, (unsigned long long)value);
	}
}

static void test_parse_u64(void **state)
{
	static const struct integer_case cases[] = {
		{ "0", 0, 0 },
		{ "7", 0, 7 },
		{ "007", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE },
		{ "18446744073709551620", -ERANGE },
		{ "99999999999999999999999999", -ERANGE },
		{ "", -EINVAL },
		{ " 1", -EINVAL },
		{ "1 ", -EINVAL },
		{ "1\n", -EINVAL },
		{ "-1", -EINVAL },
		{ "+1", -EINVAL },
		{ "1.0", -EINVAL },
		{ "0x10", -EINVAL },
		{ "1e3", -EINVAL },
		{ "max", -EINVAL },
		{ "\xd9\xa3", -EINVAL },
	};

	(void)state;
	check_integers(parse_u64, cases, ARRAY_SIZE(cases));
}

static void test_parse_size(void **state)
{
	static const struct integer_case cases[] = {
		{ "0B", 0, 0 },
		{ "4096B", 0, 4096 },
		{ "1K", 0, 1024 },
		{ "1k", 0, 1024 },
		{ "1KB", 0, 1024 },
		{ "1KiB", 0, 1024 },
		{ "512M", 0, UINT64_C(512) << 20 },
		{ "1.5G", 0, UINT64_C(3) << 29 },
		{ "0.5G", 0, UINT64_C(1) << 29 },
		{ "2T", 0, UINT64_C(2) << 40 },
		{ "3P", 0, UINT64_C(3) << 50 },
		{ "1E", 0, UINT64_C(1) << 60 },
		{ "00x10B", -EINVAL },
		{ "8E", -ERANGE },
		{ "16E", -ERANGE },
		{ "99999999999999999999P", -ERANGE },
		{ "", -EINVAL },
		{ "512", -EINVAL },
		{ "1.5", -EINVAL },
		{ "M", -EINVAL },
		{ ".5M", -EINVAL },
		{ "1.5.5M", -EINVAL },
		{ "-1M", -EINVAL },
		{ "+1M", -EINVAL },
		{ " 1M", -EINVAL },
		{ "1 M", -EINVAL },
		{ "1M ", -EINVAL },
		{ "1Mi", -EINVAL },
		{ "1MiBx", -EINVAL },
		{ "1BB", -EINVAL },
		{ "1BiB", -EINVAL },
		{ "1Z", -EINVAL },
		{ "1%", -EINVAL },
		{ "0x10M", -EINVAL },
		{ "0X1P3K", -EINVAL },
		{ "infB", -EINVAL },
		{ "nanB", -EINVAL },
	};

	(void)state;
	check_integers(parse_size, cases, ARRAY_SIZE(cases));
}

static void test_parse_duration(void **state)
{
	static const struct integer_case cases[] = {
		{ "0s", 0, 0 },
		{ "1us", 0, 1 },
		{ "500ms", 0, 500000 },
		{ "2s", 0, 2000000 },
		{ "1.5s", 0, 1500000 },
		{ "1m", 0, 60000000 },
		{ "1h", 0, UINT64_C(3600000000) },
		{ "1h30m", 0, UINT64_C(5400000000) },
		{ "1d", 0, UINT64_C(86400000000) },
		{ "1d2h3m4s5ms6us", 0, UINT64_C(93784005006) },
		{ "", -EINVAL },
		{ "1", -EINVAL },
		{ "s", -EINVAL },
		{ "1h30", -EINVAL },
		{ "1h 30m", -EINVAL },
		{ "1 s", -EINVAL },
		{ "1s ", -EINVAL },
		{ "-1s", -EINVAL },
		{ "1min", -EINVAL },
		{ "1sec", -EINVAL },
		{ "1mss", -EINVAL },
		{ "1S", -EINVAL },
		{ "1y", -EINVAL },
		{ "1s%", -EINVAL },
		{ "0x1s", -EINVAL },
		{ "infs", -EINVAL },
		{ "99999999999d", -ERANGE },
		{ "9999999999999999999999s", -ERANGE },
	};

	(void)state;
	check_integers(parse_duration, cases, ARRAY_SIZE(cases));
}

static void test_parse_percent(void **state)
{
	static const struct {
		const char *text;
		int result;
		double value;
	} cases[] = {
		{ "0%", 0, 0 },	       { "50%", 0, 0.5 },   { "12.5%", 0, 0.125 },
		{ "250%", 0, 2.5 },    { "", -EINVAL },	    { "%", -EINVAL },
		{ "50", -EINVAL },     { "0.5", -EINVAL },  { "50%%", -EINVAL },
		{ "50% ", -EINVAL },   { "50 %", -EINVAL }, { "-50%", -EINVAL },
		{ "0x1%", -EINVAL },   { "1e", -EINVAL },   { "nan%", -EINVAL },
		{ "1.2.3%", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		double value = -77;
		int r = parse_percent(cases[i].text, &value);

		if (r != cases[i].result || value != (r == 0 ? cases[i].value : -77))
			fail_msg("\"%s\": result %d, value %g", cases[i].text, r, value);
	}
}

/* "Only digits and one point": strtod() takes exponents too. */
static void test_no_exponents(void **state)
{
	uint64_t value;
	double ratio;

	(void)state;
	assert_int_equal(parse_size("1e3K", &value), -EINVAL);
	assert_int_equal(parse_size("1E2B", &value), -EINVAL);
	assert_int_equal(parse_size("1e-3M", &value), -EINVAL);
	assert_int_equal(parse_duration("1e3s", &value), -EINVAL);
	assert_int_equal(parse_duration("1h1e1m", &value), -EINVAL);
	assert_int_equal(parse_percent("1e1%", &ratio), -EINVAL);
	/* The exabyte is no exponent. */
	assert_int_equal(parse_size("1EB", &value), 0);
	assert_int_equal(parse_size("1EiB", &value), 0);
	assert_true(value == UINT64_C(1) << 60);
}

/* A number of digits beyond all reason is out of range or junk, and nothing is read past its end.
 */
static void test_hostile_lengths(void **state)
{
	char text[5000];
	uint64_t value;
	double ratio;

	(void)state;
	memset(text, '9', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(parse_u64(text, &value), -ERANGE);
	text[sizeof(text) - 2] = 's';
	assert_int_equal(parse_duration(text, &value), -ERANGE);
	text[sizeof(text) - 2] = 'K';
	assert_int_equal(parse_size(text, &value), -ERANGE);
	text[sizeof(text) - 2] = '%';
	assert_int_equal(parse_percent(text, &ratio), -ERANGE);
	memset(text, '.', sizeof(text) - 1);
	text[0] = '1';
	assert_int_equal(parse_size(text, &value), -EINVAL);
}

static void test_unit_table(void **state)
{
	(void)state;
	assert_null(unit_name(UNIT_NONE));
	assert_string_equal(unit_name(UNIT_BYTES), "bytes");
	assert_string_equal(unit_name(UNIT_USEC), "seconds");
	assert_string_equal(unit_name(UNIT_CENTIPERCENT), "ratio");
	assert_string_equal(unit_name(UNIT_RATIO), "ratio");
	assert_int_equal(unit_digits(UNIT_USEC), 6);
	assert_int_equal(unit_digits(UNIT_CENTIPERCENT), 4);
	assert_int_equal(unit_digits(UNIT_BYTES), 0);
	assert_true(unit_to_base(UNIT_USEC, 1500000) == 1.5);
	assert_true(unit_to_base(UNIT_CENTIPERCENT, 2550) == 0.255);
	assert_true(unit_to_base(UNIT_BYTES, 4096) == 4096);
}

static const char *human(enum unit unit, double value, bool per_second)
{
	static char text[64];
	struct strbuf buffer;

	strbuf_init(&buffer);
	format_human(&buffer, unit, value, per_second);
	assert_true(buffer.length < sizeof(text));
	memcpy(text, buffer.data, buffer.length + 1);
	strbuf_done(&buffer);
	return text;
}

static void test_format_human(void **state)
{
	static const struct {
		enum unit unit;
		double value;
		bool per_second;
		const char *text;
	} cases[] = {
		{ UNIT_BYTES, 0, false, "0" },
		{ UNIT_BYTES, 1, false, "1" },
		{ UNIT_BYTES, 1023, false, "1023" },
		{ UNIT_BYTES, 1024, false, "1.00K" },
		{ UNIT_BYTES, 1536, true, "1.50K" },
		{ UNIT_BYTES, 10240, false, "10.0K" },
		{ UNIT_BYTES, 102400, false, "100K" },
		{ UNIT_BYTES, 1048575, false, "1.00M" },
		{ UNIT_BYTES, 67108864, false, "64.0M" },
		{ UNIT_BYTES, 18446744073709551615.0, false, "16.0E" },
		{ UNIT_USEC, 0, false, "0" },
		{ UNIT_USEC, 0.000001, false, "1us" },
		{ UNIT_USEC, 0.0015, false, "2ms" },
		{ UNIT_USEC, 1.5, false, "1.50s" },
		{ UNIT_USEC, 61, false, "1m01s" },
		{ UNIT_USEC, 5400, false, "1h30m" },
		{ UNIT_USEC, 90000, false, "1d01h" },
		{ UNIT_USEC, 0.5, true, "50.0%" },
		{ UNIT_USEC, 12, true, "1200%" },
		{ UNIT_RATIO, 0.255, false, "25.5%" },
		{ UNIT_RATIO, 1, false, "100.0%" },
		{ UNIT_CENTIPERCENT, 0.0001, false, "0.0%" },
		{ UNIT_NONE, 0, false, "0" },
		{ UNIT_NONE, 1234, false, "1234" },
		{ UNIT_NONE, 99999, false, "99999" },
		{ UNIT_NONE, 100000, false, "100k" },
		{ UNIT_NONE, 1234567, false, "1.23M" },
		{ UNIT_NONE, 0.5, false, "0.50" },
		{ UNIT_NONE, 12.34, true, "12.3" },
		{ UNIT_NONE, 345.6, true, "346" },
		{ UNIT_NONE, -20, false, "-20" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *text = human(cases[i].unit, cases[i].value, cases[i].per_second);

		if (strcmp(text, cases[i].text) != 0)
			fail_msg("unit %d, %g: \"%s\", wanted \"%s\"", (int)cases[i].unit,
				 cases[i].value, text, cases[i].text);
	}
}

/* "At most 7 columns" for all that can occur: up to 2^64 bytes or events, a century of CPU time. */
static void test_format_human_width(void **state)
{
	static const struct {
		enum unit unit;
		bool per_second;
		double most;
	} units[] = {
		{ UNIT_BYTES, false, 18446744073709551615.0 },
		{ UNIT_NONE, false, 18446744073709551615.0 },
		{ UNIT_NONE, true, 18446744073709551615.0 },
		{ UNIT_USEC, false, 1000.0 * 86400 * 365 },
		{ UNIT_USEC, true, 4096 },
		{ UNIT_RATIO, false, 999 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		for (double value = 1e-9; value < units[i].most; value *= 1.0137) {
			const char *text = human(units[i].unit, value, units[i].per_second);

			if (strlen(text) > 7)
				fail_msg("unit %d, %.17g: \"%s\" has %zu columns",
					 (int)units[i].unit, value, text, strlen(text));
			text = human(units[i].unit, floor(value), units[i].per_second);
			if (strlen(text) > 7)
				fail_msg("unit %d, %.17g: \"%s\" has %zu columns",
					 (int)units[i].unit, floor(value), text, strlen(text));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_u64),	   cmocka_unit_test(test_parse_size),
		cmocka_unit_test(test_parse_duration),	   cmocka_unit_test(test_parse_percent),
		cmocka_unit_test(test_no_exponents),	   cmocka_unit_test(test_hostile_lengths),
		cmocka_unit_test(test_unit_table),	   cmocka_unit_test(test_format_human),
		cmocka_unit_test(test_format_human_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
