// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"

/* A copy whose end ASan guards: no function may look behind `length`. */
static char *guarded(const char *bytes, size_t length)
{
	char *copy = malloc(length ? length : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	return copy;
}

static void test_utf8(void **state)
{
	static const struct {
		const char *bytes;
		size_t length, result;
		uint32_t codepoint;
	} cases[] = {
		{ "a", 1, 1, 'a' },
		{ "\0", 1, 1, 0 },
		{ "\x7f", 1, 1, 0x7f },
		{ "\xc2\x80", 2, 2, 0x80 },
		{ "\xc3\xa9", 2, 2, 0xe9 },
		{ "\xdf\xbf", 2, 2, 0x7ff },
		{ "\xe0\xa0\x80", 3, 3, 0x800 },
		{ "\xe2\x82\xac", 3, 3, 0x20ac },
		{ "\xed\x9f\xbf", 3, 3, 0xd7ff },
		{ "\xee\x80\x80", 3, 3, 0xe000 },
		{ "\xef\xbf\xbf", 3, 3, 0xffff },
		{ "\xf0\x90\x80\x80", 4, 4, 0x10000 },
		{ "\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff },
		/* Overlong. */
		{ "\xc0\x80", 2, 0 },
		{ "\xc1\xbf", 2, 0 },
		{ "\xe0\x80\x80", 3, 0 },
		{ "\xe0\x9f\xbf", 3, 0 },
		{ "\xf0\x80\x80\x80", 4, 0 },
		{ "\xf0\x8f\xbf\xbf", 4, 0 },
		/* Surrogates. */
		{ "\xed\xa0\x80", 3, 0 },
		{ "\xed\xaf\xbf", 3, 0 },
		{ "\xed\xb0\x80", 3, 0 },
		{ "\xed\xbf\xbf", 3, 0 },
		/* Above U+10FFFF. */
		{ "\xf4\x90\x80\x80", 4, 0 },
		{ "\xf5\x80\x80\x80", 4, 0 },
		{ "\xf8\x88\x80\x80\x80", 5, 0 },
		{ "\xfe", 1, 0 },
		{ "\xff", 1, 0 },
		/* A continuation alone, and characters cut short. */
		{ "\x80", 1, 0 },
		{ "\xbf", 1, 0 },
		{ "\xc3", 1, 0 },
		{ "\xe2\x82", 2, 0 },
		{ "\xf0\x90\x80", 3, 0 },
		{ "\xc3"
		  "a",
		  2, 0 },
		{ "\xe2\x82"
		  "a",
		  3, 0 },
		{ "\xf0\x90\x80\xc0", 4, 0 },
		{ "\xc3\xc3", 2, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = guarded(cases[i].bytes, cases[i].length);
		uint32_t codepoint = 0x5a5a5a5a;
		size_t n = utf8_decode(text, cases[i].length, &codepoint);

		if (n != cases[i].result || (n && codepoint != cases[i].codepoint))
			fail_msg("case %zu: took %zu, U+%04x", i, n, codepoint);
		if (n == 0)
			assert_int_equal(codepoint, 0x5a5a5a5a);
		free(text);
	}
}

/* Every codepoint encoded by hand decodes to itself; every 2-byte pair agrees with the definition.
 */
static void test_utf8_exhaustive(void **state)
{
	(void)state;
	for (uint32_t c = 0x80; c < 0x110000; c++) {
		unsigned char b[4];
		size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		uint32_t codepoint = 0;
		size_t got;

		for (size_t i = n; i-- > 1;)
			b[i] = (unsigned char)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
		b[0] = (unsigned char)((0xf00 >> n) | c >> 6 * (n - 1));
		got = utf8_decode((const char *)b, n, &codepoint);
		if (c >= 0xd800 && c < 0xe000)
			assert_int_equal(got, 0);
		else if (got != n || codepoint != c)
			fail_msg("U+%04x: %zu bytes, U+%04x", c, got, codepoint);
		assert_int_equal(utf8_decode((const char *)b, n - 1, &codepoint), 0);
	}
}

static void test_utf8_empty(void **state)
{
	char *text = calloc(1, 1);
	uint32_t codepoint;

	(void)state;
	assert_int_equal(utf8_decode(text + 1, 0, &codepoint), 0);
	free(text);
}

static char *run(void (*escape)(struct strbuf *, const char *, size_t), const char *bytes,
		 size_t length)
{
	char *text = guarded(bytes, length), *result;
	struct strbuf buffer;

	strbuf_init(&buffer);
	escape(&buffer, text, length);
	result = strbuf_take(&buffer);
	free(text);
	assert_non_null(result);
	return result;
}

static void test_terminal(void **state)
{
	static const struct {
		const char *bytes;
		const char *escaped;
	} cases[] = {
		{ "", "" },
		{ "plain-name.service", "plain-name.service" },
		{ "back\\slash", "back\\\\slash" },
		{ "quote\"", "quote\"" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "\x1b[31mred", "\\x1b[31mred" },
		{ "a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd" },
		{ "\x7f", "\\x7f" },
		{ "\xc2\x9b"
		  "31m",
		  "\\x9b31m" },
		{ "bad\xff", "bad\\xff" },
		{ "\xe2\x80\xaetxt.exe", "\\u202etxt.exe" },
		{ "\xe2\x80\x8b", "\\u200b" },
		{ "\xe2\x81\xa6x\xe2\x81\xa9", "\\u2066x\\u2069" },
		{ "\xe2\x80\xa8", "\\u2028" },
		{ "\xef\xbb\xbf", "\\ufeff" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
		{ "\xf0\x9f\x90\xb3", "\xf0\x9f\x90\xb3" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = run(escape_terminal_append, cases[i].bytes, strlen(cases[i].bytes));
		char fixed[256];

		assert_string_equal(text, cases[i].escaped);
		escape_terminal(cases[i].bytes, strlen(cases[i].bytes), fixed, sizeof(fixed));
		assert_string_equal(fixed, cases[i].escaped);
		free(text);
	}
}

/* "At most size - 1 bytes and a NUL, never half a character." */
static void test_terminal_bounds(void **state)
{
	static const char name[] = "a\xc3\xa9\xf0\x9f\x90\xb3\x1b\xff\\z";
	char whole[64];
	size_t length = escape_terminal(name, sizeof(name) - 1, whole, sizeof(whole));

	(void)state;
	assert_int_equal(length, strlen(whole));
	for (size_t size = 1; size <= length + 1; size++) {
		char *target = malloc(size);
		size_t n = escape_terminal(name, sizeof(name) - 1, target, size);
		size_t whole_pieces[] = { 0, 1, 3, 7, 11, 15, 17, 18 }, k = 0;

		assert_true(n < size);
		assert_int_equal(target[n], 0);
		assert_memory_equal(target, whole, n);
		while (k < ARRAY_SIZE(whole_pieces) && whole_pieces[k] != n)
			k++;
		if (k == ARRAY_SIZE(whole_pieces))
			fail_msg("size %zu: cut inside a piece, at %zu", size, n);
		/* And as much as fits. */
		assert_true(k + 1 == ARRAY_SIZE(whole_pieces) || whole_pieces[k + 1] >= size);
		free(target);
	}
	assert_int_equal(escape_terminal(name, sizeof(name) - 1, whole, 0), 0);
}

static void test_json(void **state)
{
	static const struct {
		const char *bytes, *escaped;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "q\"b\\", "q\\\"b\\\\" },
		{ "\n\t\r", "\\n\\t\\r" },
		{ "\x01\x1b\x7f", "\\u0001\\u001b\\u007f" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "bad\xff!", "bad\\\\xff!" },
		{ "\xc3", "\\\\xc3" },
		{ "\xed\xa0\x80", "\\\\xed\\\\xa0\\\\x80" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = run(escape_json, cases[i].bytes, strlen(cases[i].bytes));

		assert_string_equal(text, cases[i].escaped);
		free(text);
	}
}

static json_t *parsed(const char *bytes, size_t length)
{
	char *text = run(escape_json, bytes, length);
	struct strbuf buffer;
	json_error_t error;
	json_t *value;

	strbuf_init(&buffer);
	strbuf_printf(&buffer, "\"%s\"", text);
	value = json_loadb(buffer.data, buffer.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (!value)
		fail_msg("\"%s\": %s", text, error.text);
	free(text);
	strbuf_done(&buffer);
	return value;
}

/* Another parser reads every byte back as what it was, invalid UTF-8 apart. */
static void test_json_every_byte(void **state)
{
	(void)state;
	for (unsigned int c = 0; c < 256; c++) {
		char bytes[3] = { 'a', (char)c, 'z' };
		json_t *value = parsed(bytes, 3);

		if (c < 0x80) {
			assert_int_equal(json_string_length(value), 3);
			assert_memory_equal(json_string_value(value), bytes, 3);
		} else {
			char wanted[8];

			snprintf(wanted, sizeof(wanted), "a\\x%02xz", c);
			assert_string_equal(json_string_value(value), wanted);
		}
		json_decref(value);
	}
}

/* "So that two different names stay different": a byte 0xff, and the four characters \xff. */
static void test_names_stay_different(void **state)
{
	char *a = run(escape_json, "bad\xff", 4), *b = run(escape_json, "bad\\xff", 7);

	(void)state;
	assert_string_not_equal(a, b);
	free(a);
	free(b);
	/* In Prometheus the two would be one series, and the scrape is refused. */
	a = run(escape_label, "bad\xff", 4);
	b = run(escape_label, "bad\\xff", 7);
	assert_string_not_equal(a, b);
	free(a);
	free(b);
}

static void test_label(void **state)
{
	static const struct {
		const char *bytes, *escaped;
	} cases[] = {
		{ "", "" },
		{ "/system.slice", "/system.slice" },
		{ "q\"b\\", "q\\\"b\\\\" },
		{ "a\nb", "a\\nb" },
		{ "tab\there", "tab\there" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "bad\xff", "bad\\\\xff" },
		{ "\xed\xa0\x80", "\\\\xed\\\\xa0\\\\x80" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = run(escape_label, cases[i].bytes, strlen(cases[i].bytes));

		assert_string_equal(text, cases[i].escaped);
		free(text);
	}
	/* Nothing that ends a line or the string is left, whatever the byte. */
	for (unsigned int c = 0; c < 256; c++) {
		char byte = (char)c;
		char *text = run(escape_label, &byte, 1);

		assert_null(strchr(text, '\n'));
		assert_true(text[0] != '"' && (text[0] != '\\' || text[1]));
		free(text);
	}
}

static void test_csv(void **state)
{
	static const struct {
		const char *bytes, *escaped;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "a,b", "\"a,b\"" },
		{ "q\"b", "\"q\"\"b\"" },
		{ "\"", "\"\"\"\"" },
		{ " lead", "\" lead\"" },
		{ "trail ", "\"trail \"" },
		{ "in side", "in side" },
		{ "a\r\nb", "a\\x0d\\x0ab" },
		{ "back\\slash", "back\\\\slash" },
		{ "bad\xff,", "\"bad\\xff,\"" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = run(escape_csv, cases[i].bytes, strlen(cases[i].bytes));

		assert_string_equal(text, cases[i].escaped);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_utf8_exhaustive),
		cmocka_unit_test(test_utf8_empty),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_terminal_bounds),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_every_byte),
		cmocka_unit_test(test_names_stay_different),
		cmocka_unit_test(test_label),
		cmocka_unit_test(test_csv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
