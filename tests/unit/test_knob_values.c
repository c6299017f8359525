// SPDX-License-Identifier: MIT
/* What people write for knobs, and back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "policies/knob.h"

static const struct {
	enum knob_id knob;
	const char *text;
	int error;
	const char *formatted, *human; /* or, of an error, part of the reason */
} rows[] = {
	{ KNOB_CPU_BURST, "20ms", 0, "20000us", "20ms" },
	{ KNOB_CPU_BURST, "1500us", 0, "1500us", "1.5ms" },
	{ KNOB_CPU_BURST, "1s", 0, "1000000us", "1000ms" },
	{ KNOB_CPU_BURST, "0", 0, "0us", "0ms" },
	{ KNOB_CPU_BURST, "20", -EINVAL, "time with its unit", NULL },
	{ KNOB_CPU_BURST, "us", -EINVAL, "time with its unit", NULL },
	{ KNOB_CPU_BURST, "max", -EINVAL, "time with its unit", NULL },
	{ KNOB_CPU_BURST, "99999999999999999999us", -ERANGE, "", NULL },
	{ KNOB_CPU_BURST, "18000000000000000us", -ERANGE, "more than the kernel", NULL },
	{ KNOB_IO_MAX, "8:0 rbps=10M wiops=100", 0, "8:0 rbps=10485760B wiops=100",
	  "8:0 rbps=10.0M wiops=100" },
	{ KNOB_IO_MAX, "  8:16\twbps=max   riops=5 ", 0, "8:16 wbps=max riops=5",
	  "8:16 wbps=max riops=5" },
	{ KNOB_IO_MAX, "8:0 rbps=max wbps=max riops=max wiops=max", 0,
	  "8:0 rbps=max wbps=max riops=max wiops=max", "8:0 max" },
	{ KNOB_IO_MAX, "", -EINVAL, "a device and its limits", NULL },
	{ KNOB_IO_MAX, "8:0", -EINVAL, "a device and its limits", NULL },
	{ KNOB_IO_MAX, "8 rbps=1M", -EINVAL, "MAJOR:MINOR", NULL },
	{ KNOB_IO_MAX, "8:0x rbps=1M", -EINVAL, "MAJOR:MINOR", NULL },
	{ KNOB_IO_MAX, "8:9999999 rbps=1M", -EINVAL, "MAJOR:MINOR", NULL },
	{ KNOB_IO_MAX, "sda rbps=1M", -EINVAL, "MAJOR:MINOR", NULL },
	{ KNOB_IO_MAX, "/dev/there-is-no-such rbps=1M", -ENODEV, "no such device", NULL },
	{ KNOB_IO_MAX, "/dev/null rbps=1M", -ENODEV, "no block device", NULL },
	{ KNOB_IO_MAX, "/proc rbps=1M", -ENODEV, "no block device", NULL },
	{ KNOB_IO_MAX, "8:0 rbps=10", -EINVAL, "with their unit", NULL },
	{ KNOB_IO_MAX, "8:0 riops=10M", -EINVAL, "numbers a second", NULL },
	{ KNOB_IO_MAX, "8:0 rbps", -EINVAL, "the limits are", NULL },
	{ KNOB_IO_MAX, "8:0 rbpsx=1M", -EINVAL, "the limits are", NULL },
	{ KNOB_IO_MAX, "8:0 rbps=1M rbps=2M", -EINVAL, "given twice", NULL },
	{ KNOB_IO_MAX, "8:0 riops=0", -ERANGE, "nothing through", NULL },
	{ KNOB_IO_MAX, "8:0 riops=4294967295", -ERANGE, "outside", NULL },
};

static void check_text(void (*format)(enum knob_id knob, const struct knob_value *value,
				      struct strbuf *buffer),
		       enum knob_id knob, const struct knob_value *value, const char *expected)
{
	struct strbuf buffer;

	strbuf_init(&buffer);
	format(knob, value, &buffer);
	assert_string_equal(buffer.data, expected);
	strbuf_done(&buffer);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct knob_value value, again;
		const char *why = NULL;
		int r = knob_parse(rows[i].knob, rows[i].text, &value, &why);

		if (r != rows[i].error || (r < 0 && !strstr(why, rows[i].formatted)))
			fail_msg("\"%s\": %d: %s", rows[i].text, r, why);
		if (r < 0)
			continue;
		check_text(knob_format, rows[i].knob, &value, rows[i].formatted);
		check_text(knob_format_human, rows[i].knob, &value, rows[i].human);
		assert_int_equal(knob_parse(rows[i].knob, rows[i].formatted, &again, &why), 0);
		assert_true(knob_equal(rows[i].knob, &value, &again));
	}
}

static struct knob_value parse(enum knob_id knob, const char *text)
{
	struct knob_value value;
	const char *why;

	assert_int_equal(knob_parse(knob, text, &value, &why), 0);
	return value;
}

static void test_io_order(void **state)
{
	const struct knob_value reads = parse(KNOB_IO_MAX, "8:0 rbps=10M wiops=100"),
				writes = parse(KNOB_IO_MAX, "8:0 rbps=20M wbps=1M wiops=max"),
				other = parse(KNOB_IO_MAX, "8:16 rbps=10M wiops=100"),
				none = parse(KNOB_IO_MAX,
					     "8:0 rbps=max wbps=max riops=max wiops=max");
	struct knob_value least;

	(void)state;
	assert_true(knob_same_place(KNOB_IO_MAX, &reads, &writes));
	assert_false(knob_same_place(KNOB_IO_MAX, &reads, &other));
	assert_true(knob_same_place(KNOB_CPU_QUOTA, &reads, &other));
	assert_false(knob_equal(KNOB_IO_MAX, &reads, &other));
	assert_false(knob_equal(KNOB_IO_MAX, &reads, &writes));
	/* Limit by limit; what one leaves alone the other says. */
	knob_tightest(KNOB_IO_MAX, &reads, &writes, &least);
	check_text(knob_format, KNOB_IO_MAX, &least, "8:0 rbps=10485760B wbps=1048576B wiops=100");
	knob_tightest(KNOB_IO_MAX, &writes, &reads, &least);
	check_text(knob_format, KNOB_IO_MAX, &least, "8:0 rbps=10485760B wbps=1048576B wiops=100");
	knob_tightest(KNOB_IO_MAX, &none, &reads, &least);
	check_text(knob_format, KNOB_IO_MAX, &least,
		   "8:0 rbps=10485760B wbps=max riops=max wiops=100");
	assert_true(knob_tighter(KNOB_IO_MAX, &reads, &none));
	assert_false(knob_tighter(KNOB_IO_MAX, &none, &reads));
	/* Each is tighter in something. */
	assert_true(knob_tighter(KNOB_IO_MAX, &reads, &writes));
	assert_false(knob_tighter(KNOB_IO_MAX, &reads, &reads));
}

static void test_tightest(void **state)
{
	const struct knob_value half = parse(KNOB_CPU_QUOTA, "50%"),
				fifth = parse(KNOB_CPU_QUOTA, "20%");
	struct knob_value least;

	(void)state;
	knob_tightest(KNOB_CPU_QUOTA, &half, &fifth, &least);
	assert_true(knob_equal(KNOB_CPU_QUOTA, &least, &fifth));
	knob_tightest(KNOB_CPU_QUOTA, &fifth, &half, &least);
	assert_true(knob_equal(KNOB_CPU_QUOTA, &least, &fifth));
	/* Weights have no order: the first. */
	knob_tightest(KNOB_CPU_WEIGHT, &half, &fifth, &least);
	assert_int_equal(least.number, half.number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_io_order),
		cmocka_unit_test(test_tightest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
