// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <sys/stat.h>

#include "agent/verbs/diff_format.h"
#include "core/cleanup.h"
#include "fake_golden.h"

/* What `cgwatch overlay diff` prints, one of every kind of entry. */
#define SIDE(mode_, owner, size_)                                                 \
	{                                                                         \
		.mode = (mode_), .uid = (owner), .gid = (owner), .size = (size_), \
		.mtime_ns = 1500000000                                            \
	}

static const struct layer_diff_entry entries[] = {
	{ .kind = LAYER_DIFF_CHANGED,
	  .docker = 'C',
	  .path = "/etc",
	  .changes = LAYER_DIFF_TIME,
	  .before = SIDE(S_IFDIR | 0755, 0, 4096),
	  .after = SIDE(S_IFDIR | 0755, 0, 4096) },
	{ .kind = LAYER_DIFF_CHANGED,
	  .docker = 'C',
	  .path = "/etc/passwd",
	  .changes = LAYER_DIFF_CONTENT | LAYER_DIFF_MODE | LAYER_DIFF_OWNER,
	  .before = SIDE(S_IFREG | 0644, 0, 1200),
	  .after = SIDE(S_IFREG | 04600, 1000, 900) },
	{ .kind = LAYER_DIFF_CHANGED,
	  .docker = 'C',
	  .path = "/bin/ping",
	  .changes = LAYER_DIFF_CAPABILITY | LAYER_DIFF_XATTRS,
	  .xattrs = "user.a,user.\x1b[1m",
	  .metacopy = true,
	  .before = SIDE(S_IFREG | 0755, 0, 70000),
	  .after = SIDE(S_IFREG | 0755, 0, 70000) },
	{ .kind = LAYER_DIFF_CHANGED,
	  .docker = 'C',
	  .path = "/same",
	  .before = SIDE(S_IFREG | 0755, 0, 1),
	  .after = SIDE(S_IFREG | 0755, 0, 1) },
	{ .kind = LAYER_DIFF_CHANGED,
	  .docker = 'C',
	  .path = "/kind",
	  .changes = LAYER_DIFF_TYPE,
	  .before = SIDE(S_IFDIR | 0755, 0, 4096),
	  .after = SIDE(S_IFLNK | 0777, 0, 3) },
	{ .kind = LAYER_DIFF_ADDED,
	  .docker = 'A',
	  .path = "/new\n\xff\x1b]0;x\x07",
	  .after = SIDE(S_IFREG | 0600, 0, 5000000) },
	{ .kind = LAYER_DIFF_DELETED,
	  .docker = 'D',
	  .path = "/gone",
	  .before = SIDE(S_IFREG | 0600, 0, 77) },
	{ .kind = LAYER_DIFF_HIDDEN, .path = "/d/x", .before = SIDE(S_IFSOCK | 0600, 0, 0) },
	{ .kind = LAYER_DIFF_RENAMED,
	  .docker = 'A',
	  .path = "/to",
	  .from = "/from\t",
	  .before = SIDE(S_IFDIR | 0755, 0, 4096),
	  .after = SIDE(S_IFDIR | 0755, 0, 4096) },
};

static void test_docker(void **state)
{
	struct strbuf out;

	(void)state;
	strbuf_init(&out);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		diff_add_docker(&out, &entries[i]);
	golden_compare("overlay-diff.txt", out.data);
	strbuf_done(&out);
}

static void test_long(void **state)
{
	struct strbuf out;

	(void)state;
	strbuf_init(&out);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		diff_add_long(&out, &entries[i]);
	golden_compare("overlay-diff-long.txt", out.data);
	strbuf_done(&out);
}

static void test_summary(void **state)
{
	struct diff_summary summary = { 0 };
	struct strbuf out;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		diff_summary_add(&summary, &entries[i]);
	assert_int_equal(summary.growth, -300);
	assert_int_equal(summary.entries[LAYER_DIFF_CHANGED], 5);
	assert_int_equal(summary.bytes[LAYER_DIFF_DELETED], 77);
	strbuf_init(&out);
	diff_summary_print(&out, &summary);
	golden_compare("overlay-diff-summary.txt", out.data);
	strbuf_done(&out);
}

static void test_json(void **state)
{
	struct diff_summary summary = { 0 };
	struct jsonw json;
	json_t *object;

	(void)state;
	jsonw_init(&json);
	jsonw_begin(&json, NULL, '{');
	jsonw_begin(&json, "diff", '[');
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		diff_summary_add(&summary, &entries[i]);
		diff_json(&json, &entries[i]);
		strbuf_add_char(&json.out, '\n');
	}
	jsonw_end(&json, ']');
	diff_summary_json(&json, &summary);
	jsonw_end(&json, '}');
	golden_compare("overlay-diff.json", json.out.data);
	object = json_loads(json.out.data, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(object);
	assert_int_equal(json_array_size(json_object_get(object, "diff")), ARRAY_SIZE(entries));
	json_decref(object);
	jsonw_done(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_docker),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
