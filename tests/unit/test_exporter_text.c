// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/cleanup.h"
#include "exporter/encoding.h"
#include "exporter/exposition.h"
#include "exporter/number.h"
#include "exporter/page.h"

static void test_numbers(void **state)
{
	static const struct {
		enum metric_id id;
		union value value;
		const char *text;
	} cases[] = {
		{ M_MEMORY_CURRENT, { .u64 = 0 }, "0" },
		{ M_MEMORY_CURRENT, { .u64 = 9 }, "9" },
		{ M_MEMORY_CURRENT, { .u64 = 10 }, "10" },
		{ M_MEMORY_CURRENT, { .u64 = 100 }, "100" },
		{ M_MEMORY_CURRENT, { .u64 = UINT64_MAX }, "18446744073709551615" },
		{ M_CPU_USAGE, { .u64 = 1 }, "0.000001" },
		{ M_CPU_USAGE, { .u64 = 1500000 }, "1.5" },
		{ M_CPU_USAGE, { .u64 = UINT64_MAX }, "18446744073709.551615" },
		{ M_PSI_CPU_SOME_AVG10, { .u64 = 250 }, "0.025" },
		{ M_CPU_WEIGHT_NICE, { .i64 = -20 }, "-20" },
		{ M_CPU_WEIGHT_NICE, { .i64 = 19 }, "19" },
		{ M_CPU_WEIGHT_NICE, { .i64 = INT64_MIN }, "-9223372036854775808" },
		{ M_CPU_LIMIT_USED, { .number = 0 }, "0" },
		{ M_CPU_LIMIT_USED, { .number = 1 }, "1" },
		{ M_CPU_LIMIT_USED, { .number = 0.1 }, "0.1" },
		{ M_CPU_LIMIT_USED, { .number = 1.0 / 3 }, "0.333333333" },
		{ M_CPU_LIMIT_USED, { .number = 0.9999999999 }, "1" },
		{ M_CPU_LIMIT_USED, { .number = 1234.5 }, "1234.5" },
		{ M_CPU_LIMIT_USED, { .number = 1.25e-7 }, "1.25e-07" },
		{ M_CPU_LIMIT_USED, { .number = -0.5 }, "-0.5" },
		{ M_CPU_LIMIT_USED, { .number = 1e300 }, "1e+300" },
		{ M_CPU_LIMIT_USED, { .number = (double)INFINITY }, "+Inf" },
		{ M_CPU_LIMIT_USED, { .number = (double)NAN }, "NaN" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[NUMBER_MAX + 1];
		unsigned int digits = unit_digits(metric_get(cases[i].id)->unit);
		char *end = number_writer_of(cases[i].id)(text, cases[i].value, digits);

		*end = '\0';
		assert_string_equal(text, cases[i].text);
	}
}

static void test_filter_by_name(void **state)
{
	static const char text[] = "# HELP a A.\n# TYPE a gauge\na 1\n"
				   "# HELP ab B.\n# TYPE ab gauge\nab{x=\"# HELP a\"} 2\nab 3\n"
				   "# HELP c C.\n# TYPE c gauge\nc 4\n";
	static const char *const names[] = { "ab", "c", "nothing" };
	struct strbuf out;

	(void)state;
	strbuf_init(&out);
	exposition_filter(text, strlen(text), names, 1, &out);
	assert_string_equal(out.data,
			    "# HELP ab B.\n# TYPE ab gauge\nab{x=\"# HELP a\"} 2\nab 3\n");
	strbuf_clear(&out);
	exposition_filter(text, strlen(text), names, 3, &out);
	assert_string_equal(out.data, strstr(text, "# HELP ab"));
	strbuf_clear(&out);
	exposition_filter(text, strlen(text), names + 2, 1, &out);
	assert_int_equal(out.length, 0);
	strbuf_done(&out);
}

static void test_gzip(void **state)
{
	struct strbuf text;
	struct exposition *exposition;
	const char *packed, *plain;
	_cleanup_(freep) char *unpacked = NULL;
	size_t length, plain_length;
	z_stream stream = { 0 };

	(void)state;
	strbuf_init(&text);
	for (unsigned int i = 0; i < 20000; i++)
		strbuf_printf(&text, "family{cgroup=\"/a/%u\"} %u\n", i % 97, i * i);
	exposition = exposition_new(&text);
	assert_non_null(exposition);
	packed = exposition_gzip(exposition, &length);
	assert_non_null(packed);
	assert_ptr_equal(packed, exposition_gzip(exposition, &length));
	plain = exposition_text(exposition, &plain_length);
	assert_true(length < plain_length / 2);
	unpacked = malloc(plain_length + 1);
	stream.next_in = (Bytef *)packed;
	stream.avail_in = (uInt)length;
	stream.next_out = (Bytef *)unpacked;
	stream.avail_out = (uInt)plain_length + 1;
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK); /* gzip only */
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.total_out, plain_length);
	assert_memory_equal(unpacked, plain, plain_length);
	inflateEnd(&stream);
	exposition_unref(exposition);
}

static void test_accept_encoding(void **state)
{
	static const struct {
		const char *header;
		bool gzip;
	} cases[] = {
		{ NULL, false },
		{ "", false },
		{ "gzip", true },
		{ "GZIP", true },
		{ "x-gzip", true },
		{ "gzipped", false },
		{ "deflate, gzip", true },
		{ "deflate,\tgzip ; q=0.5", true },
		{ "gzip;q=0", false },
		{ "gzip; q=0.000", false },
		{ "gzip;q=0.001", true },
		{ "*", true },
		{ "*;q=0", false },
		{ "gzip;q=0, *", false },
		{ "identity", false },
		{ "identity, gzip", true },
		{ "identity;q=1, gzip;q=0.9", false },
		{ "identity;q=0.5, gzip;q=0.8", true },
		{ "gzip;q=", true },
		{ "gzip;q=x", false },
		{ ",,,gzip", true },
		{ "br;q=1.0, gzip;q=0.8, *;q=0.1", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (encoding_prefers_gzip(cases[i].header) != cases[i].gzip)
			fail_msg("Accept-Encoding: %s", cases[i].header);
	}
}

static void test_page(void **state)
{
	struct page page = { .version = "<1>", .telemetry_path = "/m\"&'" };
	struct strbuf out;

	(void)state;
	strbuf_init(&out);
	page_render(&page, &out);
	assert_non_null(strstr(out.data, "No sample was taken yet."));
	assert_non_null(strstr(out.data, "&lt;1&gt;"));
	assert_non_null(strstr(out.data, "href=\"/m&quot;&amp;&#39;\""));
	strbuf_clear(&out);
	page = (struct page){
		.telemetry_path = "/metrics", .ready = true, .cgroups = 1, .sample_age_ms = 1290
	};
	page_render(&page, &out);
	assert_non_null(strstr(out.data, "<strong>1 cgroup</strong>"));
	assert_non_null(strstr(out.data, "1.2 s old"));
	strbuf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_filter_by_name),
		cmocka_unit_test(test_gzip),	cmocka_unit_test(test_accept_encoding),
		cmocka_unit_test(test_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
