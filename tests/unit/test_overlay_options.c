// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/overlay_options.h"
#include "core/cleanup.h"
#include "core/strbuf.h"

/* Layers as "U:path", "L:path", "D:path", one a line: what a test can compare at once. */
static void describe(const struct overlay_options *options, struct strbuf *text)
{
	static const char kinds[] = {
		[OVERLAY_UPPER] = 'U', [OVERLAY_LOWER] = 'L', [OVERLAY_DATA] = 'D'
	};

	for (size_t i = 0; i < options->n_layers; i++)
		strbuf_printf(text, "%c:%s|", kinds[options->layers[i].kind],
			      options->layers[i].path);
	strbuf_printf(text, "W:%s|%s", options->work ? options->work : "", options->options);
}

static const struct {
	const char *text; /* of mountinfo */
	const char *want;
} texts[] = {
	{ "rw,lowerdir=/a,upperdir=/u,workdir=/w", "U:/u|L:/a|W:/w|rw" },
	{ "rw,lowerdir=/top:/middle:/bottom,upperdir=/u,workdir=/w,xino=off",
	  "U:/u|L:/top|L:/middle|L:/bottom|W:/w|rw,xino=off" },
	{ "ro,lowerdir=/a:/b", "L:/a|L:/b|W:|ro" },
	/* Octal first, then the colons. */
	{ "rw,lowerdir=a\\040b:c\\134:d", "L:a b|L:c:d|W:|rw" },
	{ "rw,lowerdir=/t\\011ab:/n\\012l", "L:/t\tab|L:/n\nl|W:|rw" },
	{ "rw,lowerdir=/a\\134\\134b:/c", "L:/a\\b|L:/c|W:|rw" },
	/* A backslash and a colon that separates: "\\" then ":". */
	{ "rw,lowerdir=/a\\134\\134:/b", "L:/a\\|L:/b|W:|rw" },
	{ "rw,lowerdir=/a\\134\\054b,upperdir=/u\\134\\054x,workdir=/w", "U:/u,x|L:/a,b|W:/w|rw" },
	/* Colons in upper and work are only names. */
	{ "rw,lowerdir=/a,upperdir=/u:x,workdir=/w\\134:y", "U:/u:x|L:/a|W:/w:y|rw" },
	/* "::" and what follows is data-only. */
	{ "rw,lowerdir=/a:/b::/d1::/d2,metacopy=on", "L:/a|L:/b|D:/d1|D:/d2|W:|rw,metacopy=on" },
	{ "rw,lowerdir=/a::/d", "L:/a|D:/d|W:|rw" },
	/* One option a layer: nothing in it is special any more. */
	{ "rw,lowerdir+=/a\\072b,lowerdir+=/c:d,lowerdir+=/e\\134f,datadir+=/g\\054h",
	  "L:/a:b|L:/c:d|L:/e\\f|D:/g,h|W:|rw" },
	{ "rw,datadir+=/d,upperdir=/u,lowerdir+=/a,workdir=/w", "U:/u|L:/a|D:/d|W:/w|rw" },
	/* Relative ones, as Docker's and podman's. */
	{ "rw,lowerdir=l/ABC:l/DEF,upperdir=12/diff,workdir=12/work",
	  "U:12/diff|L:l/ABC|L:l/DEF|W:12/work|rw" },
	/* What is not known stays as it is; words that only begin like ours do. */
	{ "rw,lowerdirs=/x,upperdirectory=/y,novelty=5,seclabel",
	  "W:|rw,lowerdirs=/x,upperdirectory=/y,novelty=5,seclabel" },
	{ "", "W:|" },
	{ ",,rw,,", "W:|rw" },
	{ "rw,lowerdir=", "W:|rw" },
	{ "rw,lowerdir=:", "W:|rw" },
	{ "rw,lowerdir=/a:", "L:/a|W:|rw" },
	{ "rw,lowerdir=\\134", "L:\\|W:|rw" },
	{ "rw,upperdir=,workdir=", "U:|W:|rw" },
};

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const struct mount_entry entry = { .super_options = texts[i].text,
						   .escaped = true };
		struct overlay_options options;
		struct strbuf got;

		strbuf_init(&got);
		assert_int_equal(overlay_options_parse(&entry, NULL, &options), 0);
		describe(&options, &got);
		if (strcmp(got.data, texts[i].want) != 0)
			fail_msg("%s:\n  is     %s\n  wanted %s", texts[i].text, got.data,
				 texts[i].want);
		strbuf_done(&got);
		overlay_options_done(&options);
	}
}

/* statmount's array has no octal escapes, so none may be undone. */
static void test_array(void **state)
{
	const char *array[] = { "lowerdir=/a b:/l\\:c:/x\\\\040",
				"upperdir=/u,x\\040",
				"workdir=/w",
				"uuid=on",
				"lowerdir+=/odd\\054:one",
				NULL };
	const struct mount_entry entry = { .super_options = "ro", .option_array = array };
	struct overlay_options options;
	struct strbuf got;

	(void)state;
	strbuf_init(&got);
	assert_int_equal(overlay_options_parse(&entry, NULL, &options), 0);
	describe(&options, &got);
	assert_string_equal(got.data,
			    "U:/u,x040|L:/a b|L:/l:c|L:/x\\040|L:/odd\\054:one|W:/w|ro,uuid=on");
	assert_true(options.read_only);
	strbuf_done(&got);
	overlay_options_done(&options);
}

static void test_flags(void **state)
{
	static const struct {
		const char *text;
		bool ro, userxattr, metacopy, redirect, index, is_volatile;
	} cases[] = {
		{ "rw", 0, 0, 0, 0, 0, 0 },
		{ "ro", 1, 0, 0, 0, 0, 0 },
		{ "rw,userxattr", 0, 1, 0, 0, 0, 0 },
		{ "rw,metacopy=on", 0, 0, 1, 0, 0, 0 },
		{ "rw,metacopy=off", 0, 0, 0, 0, 0, 0 },
		{ "rw,redirect_dir=on", 0, 0, 0, 1, 0, 0 },
		{ "rw,redirect_dir=follow", 0, 0, 0, 0, 0, 0 },
		{ "rw,redirect_dir=nofollow", 0, 0, 0, 0, 0, 0 },
		{ "rw,index=on", 0, 0, 0, 0, 1, 0 },
		{ "rw,volatile", 0, 0, 0, 0, 0, 1 },
		{ "rw,fsync=volatile", 0, 0, 0, 0, 0, 1 },
		{ "rw,fsync=strict", 0, 0, 0, 0, 0, 0 },
		{ "rw,nouserxattr,xro", 0, 0, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct mount_entry entry = { .super_options = cases[i].text,
						   .escaped = true };
		struct overlay_options options;

		assert_int_equal(overlay_options_parse(&entry, NULL, &options), 0);
		if (options.read_only != cases[i].ro || options.userxattr != cases[i].userxattr ||
		    options.metacopy != cases[i].metacopy ||
		    options.redirect_dir != cases[i].redirect || options.index != cases[i].index ||
		    options.is_volatile != cases[i].is_volatile)
			fail_msg("%s", cases[i].text);
		overlay_options_done(&options);
	}
}

/* The kernel shows what differs from the module's parameters only. */
static void test_defaults(void **state)
{
	const struct overlay_defaults on = { true, true, true };
	struct mount_entry entry = { .super_options = "rw", .escaped = true };
	struct overlay_options options;

	(void)state;
	assert_int_equal(overlay_options_parse(&entry, &on, &options), 0);
	assert_true(options.redirect_dir && options.metacopy && options.index);
	overlay_options_done(&options);
	entry.super_options = "rw,index=off,metacopy=off,redirect_dir=nofollow";
	assert_int_equal(overlay_options_parse(&entry, &on, &options), 0);
	assert_false(options.redirect_dir || options.metacopy || options.index);
	overlay_options_done(&options);
}

static void test_option_bytes(void **state)
{
	const char *array[] = { "lowerdir=/a b:/c", "upperdir=/u", "workdir=/w", "uuid=on", NULL };
	const struct mount_entry by_text = {
		.super_options = "rw,lowerdir=/a\\040b:/c,upperdir=/u,workdir=/w,uuid=on",
		.escaped = true
	};
	const struct mount_entry by_array = { .super_options = "rw", .option_array = array };
	struct overlay_options options;

	(void)state;
	assert_int_equal(overlay_options_parse(&by_text, NULL, &options), 0);
	assert_int_equal(options.option_bytes, strlen("lowerdir=/a b:/c,upperdir=/u,workdir=/w"));
	overlay_options_done(&options);
	assert_int_equal(overlay_options_parse(&by_array, NULL, &options), 0);
	assert_int_equal(options.option_bytes, strlen("lowerdir=/a b:/c,upperdir=/u,workdir=/w"));
	overlay_options_done(&options);
}

/* 500 is the kernel's limit; nothing here knows it. */
static void test_many(void **state)
{
	struct mount_entry entry = { .escaped = true };
	struct overlay_options options;
	struct strbuf text;
	char name[64];

	(void)state;
	strbuf_init(&text);
	strbuf_add_string(&text, "rw");
	for (int i = 0; i < 700; i++)
		strbuf_printf(&text, ",lowerdir+=/var/lib/layers/%d", i);
	entry.super_options = text.data;
	assert_int_equal(overlay_options_parse(&entry, NULL, &options), 0);
	assert_int_equal(options.n_layers, 700);
	for (int i = 0; i < 700; i++) {
		snprintf(name, sizeof(name), "/var/lib/layers/%d", i);
		assert_string_equal(options.layers[i].path, name);
	}
	overlay_options_done(&options);
	strbuf_done(&text);
}

static void test_fuse(void **state)
{
	static const struct {
		const char *cmdline;
		size_t length;
		const char *want; /* NULL: another mount's */
	} cases[] = {
#define CMDLINE(text) text, sizeof(text)
		{ CMDLINE("fuse-overlayfs\0-o\0lowerdir=/a:/b\\:c,upperdir=/u,workdir=/w\0/m"),
		  "U:/u|L:/a|L:/b:c|W:/w|rw,user_id=0" },
		{ CMDLINE("/usr/bin/fuse-overlayfs\0-olowerdir=l/A,squash_to_uid=0\0/m"),
		  "L:l/A|W:|rw,user_id=0" },
		{ CMDLINE("fuse-overlayfs\0-f\0-o\0lowerdir=/a\0-o\0upperdir=/u\0/m"),
		  "U:/u|L:/a|W:|rw,user_id=0" },
		{ CMDLINE("fuse-overlayfs\0-o\0lowerdir=/a\0/elsewhere"), NULL },
		{ CMDLINE("fuse-overlayfs"), NULL },
		{ CMDLINE("fuse-overlayfs\0-o"), NULL },
	};
	const struct mount_entry entry = { .super_options = "rw,user_id=0",
					   .escaped = true,
					   .mountpoint = "/m" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct overlay_options options;
		struct strbuf got;
		int r = overlay_options_parse_fuse(&entry, cases[i].cmdline, cases[i].length,
						   &options);

		assert_int_equal(r, cases[i].want ? 0 : -ENOENT);
		if (r < 0)
			continue;
		strbuf_init(&got);
		describe(&options, &got);
		assert_string_equal(got.data, cases[i].want);
		strbuf_done(&got);
		overlay_options_done(&options);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),	     cmocka_unit_test(test_array),
		cmocka_unit_test(test_flags),	     cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_option_bytes), cmocka_unit_test(test_many),
		cmocka_unit_test(test_fuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
