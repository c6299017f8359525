// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/jsonw.h"
#include "core/log.h"
#include "core/node.h"
#include "core/strpool.h"

static const char *fixed(uint64_t value, unsigned int digits)
{
	static char text[64];
	struct strbuf buffer;

	strbuf_init(&buffer);
	strbuf_add_fixed(&buffer, value, digits);
	assert_true(buffer.length < sizeof(text));
	memcpy(text, buffer.data, buffer.length + 1);
	strbuf_done(&buffer);
	return text;
}

static void test_fixed(void **state)
{
	(void)state;
	assert_string_equal(fixed(0, 0), "0");
	assert_string_equal(fixed(0, 6), "0");
	assert_string_equal(fixed(1, 6), "0.000001");
	assert_string_equal(fixed(10, 6), "0.00001");
	assert_string_equal(fixed(100000, 6), "0.1");
	assert_string_equal(fixed(999999, 6), "0.999999");
	assert_string_equal(fixed(1000000, 6), "1");
	assert_string_equal(fixed(1500000, 6), "1.5");
	assert_string_equal(fixed(1000001, 6), "1.000001");
	assert_string_equal(fixed(10100000, 6), "10.1");
	assert_string_equal(fixed(12345, 4), "1.2345");
	assert_string_equal(fixed(UINT64_MAX, 0), "18446744073709551615");
	assert_string_equal(fixed(UINT64_MAX, 6), "18446744073709.551615");
}

/* Against long division by hand: integer part, point, six digits less the trailing zeros. */
static void test_fixed_exact(void **state)
{
	uint64_t value = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char wanted[64];
		size_t n;

		value ^= value << 13;
		value ^= value >> 7;
		value ^= value << 17;
		n = (size_t)snprintf(wanted, sizeof(wanted), "%llu.%06llu",
				     (unsigned long long)(value / 1000000),
				     (unsigned long long)(value % 1000000));
		while (wanted[n - 1] == '0')
			n--;
		n -= wanted[n - 1] == '.';
		wanted[n] = '\0';
		assert_string_equal(fixed(value, 6), wanted);
	}
}

static const char *number(double value)
{
	static char text[64];
	struct strbuf buffer;

	strbuf_init(&buffer);
	strbuf_add_double(&buffer, value);
	assert_true(buffer.length < sizeof(text));
	memcpy(text, buffer.data, buffer.length + 1);
	strbuf_done(&buffer);
	return text;
}

static void test_double(void **state)
{
	static const double values[] = { 0.1,
					 1.0 / 3,
					 2.0 / 3,
					 1e-7,
					 123456.789,
					 1e15,
					 9e15,
					 1e16,
					 1e22,
					 1e300,
					 DBL_MAX,
					 DBL_MIN,
					 5e-324,
					 -0.5,
					 -1e9,
					 0.1 + 0.2,
					 9007199254740993.,
					 1e15 + 0.5,
					 4.35,
					 18446744073709551615. };

	(void)state;
	assert_string_equal(number(0), "0");
	assert_string_equal(number(1), "1");
	assert_string_equal(number(-1), "-1");
	assert_string_equal(number(0.1), "0.1");
	assert_string_equal(number(4.35), "4.35");
	assert_string_equal(number(1.5), "1.5");
	assert_string_equal(number(1e15), "1000000000000000");
	assert_string_equal(number(0.1 + 0.2), "0.30000000000000004");
	assert_string_equal(number((double)NAN), "NaN");
	assert_string_equal(number((double)INFINITY), "+Inf");
	assert_string_equal(number(-(double)INFINITY), "-Inf");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		assert_true(strtod(number(values[i]), NULL) == values[i]);
}

static void test_double_round_trip(void **state)
{
	uint64_t bits = 0x9e3779b97f4a7c15u;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		double value;

		bits = bits * 6364136223846793005u + 1442695040888963407u;
		memcpy(&value, &bits, sizeof(value));
		if (!isfinite(value))
			continue;
		if (strtod(number(value), NULL) != value)
			fail_msg("%.17g came back as %s", value, number(value));
	}
}

static void test_strbuf(void **state)
{
	struct strbuf buffer;
	char *text;

	(void)state;
	strbuf_init(&buffer);
	text = strbuf_take(&buffer);
	assert_string_equal(text, "");
	free(text);
	for (int i = 0; i < 1000; i++)
		strbuf_printf(&buffer, "%d,", i % 10);
	assert_int_equal(buffer.length, 2000);
	assert_int_equal(strlen(buffer.data), 2000);
	strbuf_clear(&buffer);
	assert_int_equal(buffer.length, 0);
	assert_string_equal(buffer.data, "");
	strbuf_add_u64(&buffer, UINT64_MAX);
	strbuf_add_char(&buffer, ' ');
	strbuf_add(&buffer, "abc", 2);
	strbuf_add_string(&buffer, "");
	assert_string_equal(buffer.data, "18446744073709551615 ab");
	text = strbuf_take(&buffer);
	assert_null(buffer.data);
	assert_int_equal(buffer.length, 0);
	free(text);
	strbuf_done(&buffer);
	strbuf_done(NULL);
}

/* Once failed, appends do nothing and the text is not given away. */
static void test_strbuf_failed(void **state)
{
	struct strbuf buffer;

	(void)state;
	strbuf_init(&buffer);
	strbuf_add_string(&buffer, "x");
	buffer.failed = true;
	strbuf_add_string(&buffer, "yyyy");
	strbuf_printf(&buffer, "%d", 7);
	assert_string_equal(buffer.data, "x");
	assert_null(strbuf_take(&buffer));
	assert_false(buffer.failed);
	strbuf_done(&buffer);
}

static void test_json(void **state)
{
	struct jsonw json;

	(void)state;
	jsonw_init(&json);
	jsonw_begin(&json, NULL, '{');
	jsonw_begin(&json, "empty", '{');
	jsonw_end(&json, '}');
	jsonw_u64(&json, "u", UINT64_MAX);
	jsonw_begin(&json, "list", '[');
	jsonw_u64(&json, NULL, 1);
	jsonw_string(&json, NULL, "two\n");
	jsonw_begin(&json, NULL, '[');
	jsonw_end(&json, ']');
	jsonw_begin(&json, NULL, '{');
	jsonw_bool(&json, "t", true);
	jsonw_bool(&json, "f", false);
	jsonw_end(&json, '}');
	jsonw_end(&json, ']');
	jsonw_double(&json, "d", 0.5);
	jsonw_double(&json, "nan", (double)NAN);
	jsonw_double(&json, "inf", -(double)INFINITY);
	jsonw_null(&json, "n");
	jsonw_raw(&json, "raw", "1.000001");
	jsonw_string(&json, "k\"\x01", "\xff");
	jsonw_end(&json, '}');
	assert_string_equal(
		json.out.data,
		"{\"empty\":{},\"u\":18446744073709551615,\"list\":[1,\"two\\n\",[],"
		"{\"t\":true,\"f\":false}],\"d\":0.5,\"nan\":null,\"inf\":null,\"n\":null,"
		"\"raw\":1.000001,\"k\\\"\\u0001\":\"\\\\xff\"}");
	assert_int_equal(json.depth, 0);
	jsonw_done(&json);
}

/* What stood in one object says nothing about the next one of the same depth. */
static void test_json_siblings(void **state)
{
	struct jsonw json;

	(void)state;
	jsonw_init(&json);
	jsonw_begin(&json, NULL, '[');
	for (int i = 0; i < 2; i++) {
		jsonw_begin(&json, NULL, '{');
		jsonw_u64(&json, "a", 1);
		jsonw_begin(&json, "b", '[');
		jsonw_u64(&json, NULL, 2);
		jsonw_end(&json, ']');
		jsonw_end(&json, '}');
	}
	jsonw_begin(&json, NULL, '{');
	jsonw_end(&json, '}');
	jsonw_end(&json, ']');
	assert_string_equal(json.out.data, "[{\"a\":1,\"b\":[2]},{\"a\":1,\"b\":[2]},{}]");
	jsonw_done(&json);
}

/* "At most 63 levels": commas are right at every one of them. */
static void test_json_depth(void **state)
{
	struct strbuf wanted;
	struct jsonw json;

	(void)state;
	jsonw_init(&json);
	strbuf_init(&wanted);
	for (int i = 0; i < 63; i++) {
		jsonw_begin(&json, NULL, '[');
		jsonw_u64(&json, NULL, (uint64_t)i);
		strbuf_printf(&wanted, "%s[%d", i ? "," : "", i);
	}
	for (int i = 0; i < 63; i++) {
		jsonw_u64(&json, NULL, 7);
		jsonw_end(&json, ']');
		strbuf_add_string(&wanted, ",7]");
	}
	assert_string_equal(json.out.data, wanted.data);
	strbuf_done(&wanted);
	jsonw_done(&json);
}

static void test_strpool(void **state)
{
	struct strpool *pool = strpool_new();
	const char *first, *addresses[2000];
	char word[16];
	size_t size;

	(void)state;
	first = strpool_add(pool, "memory.max", 6);
	assert_string_equal(first, "memory");
	assert_ptr_equal(strpool_add(pool, "memory", 6), first);
	assert_ptr_not_equal(strpool_add(pool, "memor", 5), first);
	assert_string_equal(strpool_add(pool, "", 0), "");
	assert_ptr_not_equal(strpool_add(pool, "a\0b", 3), strpool_add(pool, "a\0c", 3));
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		int n = snprintf(word, sizeof(word), "word%zu", i);

		addresses[i] = strpool_add(pool, word, (size_t)n);
	}
	size = strpool_size(pool);
	/* Growing the table moves no string. */
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		int n = snprintf(word, sizeof(word), "word%zu", i);

		assert_ptr_equal(strpool_add(pool, word, (size_t)n), addresses[i]);
		assert_string_equal(addresses[i], word);
	}
	assert_int_equal(strpool_size(pool), size);
	assert_true(size > 2000 * 8);
	assert_ptr_equal(strpool_ref(pool), pool);
	strpool_unref(pool);
	assert_string_equal(first, "memory");
	strpool_unref(pool);
	strpool_unref(NULL);
}

static void test_node(void **state)
{
	struct node *node = node_new("/a/\x1b[31mred", 2, 3);

	(void)state;
	assert_string_equal(node->path, "/a/\x1b[31mred");
	assert_ptr_equal(node->name, node->path + 3);
	assert_string_equal(node->label, "\\x1b[31mred");
	assert_int_equal(node->depth, 2);
	assert_int_equal(node_id(node), 0);
	node->ids[2] = 30;
	assert_int_equal(node_id(node), 30);
	node->ids[1] = 20;
	assert_int_equal(node_id(node), 20);
	assert_ptr_equal(node_ref(node), node);
	node_unref(node);
	assert_string_equal(node->name, "\x1b[31mred");
	node_unref(node);
	node = node_new("/", 0, 0);
	assert_string_equal(node->name, "/");
	assert_string_equal(node->label, "/");
	assert_int_equal(node_id(node), 0);
	node_unref(node);
	node_unref(NULL);
}

static void test_node_kinds(void **state)
{
	(void)state;
	for (int kind = 0; kind < NODE_KIND_COUNT; kind++) {
		const char *name = node_kind_name((enum node_kind)kind);

		assert_non_null(name);
		assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz") == strlen(name) && *name);
		assert_int_equal(node_kind_find(name), kind);
	}
	assert_string_equal(node_kind_name(NODE_CGROUP), "cgroup");
	assert_string_equal(node_kind_name(NODE_CONTAINER), "container");
	assert_int_equal(node_kind_find(""), NODE_KIND_COUNT);
	assert_int_equal(node_kind_find("Slice"), NODE_KIND_COUNT);
	assert_int_equal(node_kind_find("slices"), NODE_KIND_COUNT);
}

/* Text from outside cannot forge a second line, and errno is kept. */
static void test_log(void **state)
{
	char line[512];
	int pipes[2], saved = dup(STDERR_FILENO);
	enum log_level level;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	dup2(pipes[1], STDERR_FILENO);
	log_set_level(LOG_LEVEL_INFO);
	log_set_journal(true);
	errno = ENOTTY;
	log_warning("%s: %d", "a\n<0>forged\x1b[2J", 7);
	log_debug("not at this level");
	log_set_journal(false);
	assert_int_equal(errno, ENOTTY);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipes[1]);
	n = read(pipes[0], line, sizeof(line) - 1);
	close(pipes[0]);
	assert_true(n > 0);
	line[n] = '\0';
	assert_string_equal(line, "<4>a\\x0a<0>forged\\x1b[2J: 7\n");
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("warn", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed),	      cmocka_unit_test(test_fixed_exact),
		cmocka_unit_test(test_double),	      cmocka_unit_test(test_double_round_trip),
		cmocka_unit_test(test_strbuf),	      cmocka_unit_test(test_strbuf_failed),
		cmocka_unit_test(test_json),	      cmocka_unit_test(test_json_depth),
		cmocka_unit_test(test_json_siblings), cmocka_unit_test(test_strpool),
		cmocka_unit_test(test_node),	      cmocka_unit_test(test_node_kinds),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
