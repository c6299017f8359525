// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/glob.h"

struct match_case {
	const char *glob, *path;
	bool matches;
};

static void check(const struct match_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *reason;

		if (glob_match(cases[i].glob, cases[i].path) != cases[i].matches)
			fail_msg("\"%s\" must%s match \"%s\"", cases[i].glob,
				 cases[i].matches ? "" : " not", cases[i].path);
		if (glob_check(cases[i].glob, &reason) != 0)
			fail_msg("\"%s\" was refused: %s", cases[i].glob, reason);
		assert_null(reason);
	}
}

static void test_components(void **state)
{
	static const struct match_case cases[] = {
		{ "/", "/", true },
		{ "/", "/a", false },
		{ "/a", "/a", true },
		{ "/a", "/", false },
		{ "/a", "/ab", false },
		{ "/ab", "/a", false },
		{ "/a", "/a/b", false },
		{ "/a/b", "/a", false },
		{ "/a/b", "/a/b", true },
		{ "/A", "/a", false },
		{ "/?", "/a", true },
		{ "/?", "/ab", false },
		{ "/?", "/", false },
		{ "/a?b", "/a/b", false },
		{ "/*", "/a", true },
		{ "/*", "/", false },
		{ "/*", "/a/b", false },
		{ "/*/b", "/a/b", true },
		{ "/a*", "/a", true },
		{ "/a*", "/abc", true },
		{ "/a*c", "/abc", true },
		{ "/a*c", "/abcd", false },
		{ "/a*b*c", "/aXbYbZc", true },
		{ "/a*b*c", "/aXcYb", false },
		{ "/*.service", "/web.service", true },
		{ "/*.service", "/.service", true },
		{ "/*.service", "/web.service.d", false },
		{ "/a**b", "/aXXb", true },
		{ "/a**b", "/a/b", false },
		{ "/***", "/abc", true },
		{ "/***", "/a/b", false },
		/* Byte by byte: a UTF-8 letter is two, and an invalid byte is one like any other.
		 */
		{ "/caf??", "/caf\xc3\xa9", true },
		{ "/caf?", "/caf\xc3\xa9", false },
		{ "/bad\xff", "/bad\xff", true },
		{ "/bad?", "/bad\xff", true },
		{ "/\x1b[[]31mred", "/\x1b[31mred", true },
	};

	(void)state;
	check(cases, ARRAY_SIZE(cases));
}

static void test_sets(void **state)
{
	static const struct match_case cases[] = {
		{ "/[abc]", "/b", true },
		{ "/[abc]", "/d", false },
		{ "/[a-c]", "/b", true },
		{ "/[a-c]", "/-", false },
		{ "/[!a-c]", "/d", true },
		{ "/[!a-c]", "/b", false },
		{ "/[^a-c]", "/d", true },
		{ "/[^a-c]", "/b", false },
		{ "/[a!]", "/!", true },
		{ "/[]a]", "/]", true },
		{ "/[]a]", "/a", true },
		{ "/[!]a]", "/]", false },
		{ "/[!]a]", "/b", true },
		{ "/[a-]", "/-", true },
		{ "/[-a]", "/-", true },
		{ "/[\\]]", "/]", true },
		{ "/[\\a]", "/a", true },
		{ "/[\\a]", "/\\", false },
		{ "/[*?]", "/*", true },
		{ "/[*?]", "/x", false },
		{ "/[[]", "/[", true },
		{ "/[a-z0-9]*", "/x/y", false },
		{ "/x[0-9][0-9]", "/x42", true },
		{ "/x[0-9][0-9]", "/x4", false },
		{ "/*[0-9]", "/a1b2", true },
		{ "/*[0-9]", "/a1b", false },
		{ "/[\x80-\xff]", "/\xc3", true },
		{ "/[\x80-\xff]", "/a", false },
	};

	(void)state;
	check(cases, ARRAY_SIZE(cases));
}

/* "\x is x itself", at both ends of a range too. */
static void test_escaped_range_end(void **state)
{
	static const struct match_case cases[] = {
		{ "/[a-\\z]", "/m", true },
		{ "/[\\a-\\z]", "/m", true },
		{ "/[Z-\\]]", "/\\", true },
		{ "/[Z-\\]]", "/a", false },
	};

	(void)state;
	check(cases, ARRAY_SIZE(cases));
}

static void test_escapes(void **state)
{
	static const struct match_case cases[] = {
		{ "/\\*", "/*", true },	    { "/\\*", "/a", false },
		{ "/\\?", "/?", true },	    { "/\\?", "/a", false },
		{ "/\\[a]", "/[a]", true }, { "/\\[a]", "/a", false },
		{ "/\\\\", "/\\", true },   { "/back\\\\slash", "/back\\slash", true },
		{ "/\\a\\b", "/ab", true }, { "/dev-\\\\x2d", "/dev-\\x2d", true },
		{ "/*\\*", "/ab*", true },  { "/*\\*", "/ab", false },
		{ "/\\*\\*", "/**", true }, { "/\\*\\*", "/a/b", false },
	};

	(void)state;
	check(cases, ARRAY_SIZE(cases));
}

static void test_any_depth(void **state)
{
	static const struct match_case cases[] = {
		/* Alone and at the end: at least one component. */
		{ "/**", "/", false },
		{ "/**", "/a", true },
		{ "/**", "/a/b/c", true },
		{ "/batch/**", "/batch", false },
		{ "/batch/**", "/batch/a", true },
		{ "/batch/**", "/batch/a/b", true },
		{ "/batch/**", "/batchx/a", false },
		/* In front and in the middle: none will do. */
		{ "/**/x", "/x", true },
		{ "/**/x", "/a/x", true },
		{ "/**/x", "/a/b/x", true },
		{ "/**/x", "/a/x/b", false },
		{ "/**/x", "/", false },
		{ "/a/**/b", "/a/b", true },
		{ "/a/**/b", "/a/x/b", true },
		{ "/a/**/b", "/a/b/b/b", true },
		{ "/a/**/b", "/a/x/y/bb", false },
		{ "/a/**/b", "/a", false },
		{ "/a/**/b/c", "/a/b/b/c", true },
		{ "/a/**/b/c", "/a/b/c/b", false },
		/* Several. */
		{ "/**/**", "/", false },
		{ "/**/**", "/a", true },
		{ "/**/a/**", "/a", false },
		{ "/**/a/**", "/a/a", true },
		{ "/**/a/**", "/x/a/y", true },
		{ "/**/a/**", "/x/a", false },
		{ "/**/a/**/b", "/a/b", true },
		{ "/**/a/**/b", "/b/a", false },
		{ "/**/a/**/b", "/x/a/y/a/z/b", true },
		{ "/**/*/b", "/b", false },
		{ "/**/*/b", "/a/b", true },
		{ "/*/**", "/a", false },
		{ "/*/**", "/a/b", true },
		{ "/**/*.scope", "/x/y.slice/z.scope", true },
		{ "/**/[ab]/?", "/x/a/1", true },
	};

	(void)state;
	check(cases, ARRAY_SIZE(cases));
}

static void test_relative(void **state)
{
	static const struct match_case cases[] = {
		{ "web.service", "/web.service", true },
		{ "web.service", "/a/web.service", true },
		{ "web.service", "/a/web.service/b", false },
		{ "web.service", "/a/xweb.service", false },
		{ "*.service", "/a/b/c.service", true },
		{ "a/b", "/a/b", true },
		{ "a/b", "/x/a/b", true },
		{ "a/b", "/x/a/b/c", false },
		{ "a/**", "/x/a/b/c", true },
		{ "a/**", "/x/a", false },
		{ "**", "/", false },
		{ "**", "/a", true },
		{ "**/a", "/x/a", true },
		{ "*", "/", false },
		{ "*", "/x/y", true },
	};

	(void)state;
	check(cases, ARRAY_SIZE(cases));
}

static void test_check(void **state)
{
	static const char *const bad[] = {
		"",	  "/a/",    "a/",   "//", "/a//b",  "a//",  "/[a",    "/a[",
		"/[a/b]", "/[!a/]", "/a\\", "\\", "/a\\/b", "/[\\", "/[a\\]", "/a/[b-c/d",
	};
	static const char *const good[] = { "/",   "/a",    "a",     "**",  "/**",
					    "/a]", "/[]a]", "/[!a]", "/\\[" };
	const char *reason;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		reason = NULL;
		if (glob_check(bad[i], &reason) != -EINVAL || !reason || !*reason)
			fail_msg("\"%s\" was taken", bad[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		reason = "x";
		if (glob_check(good[i], &reason) != 0)
			fail_msg("\"%s\" was refused: %s", good[i], reason);
		assert_null(reason);
	}
}

/* The first ']' of a set is one of its members for glob_match(): glob_check() must see it so too.
 */
static void test_check_first_bracket(void **state)
{
	static const char *const bad[] = { "/[]", "/[!]", "/[^]", "/[]/x]", "/[!]/x]" };
	const char *reason;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (glob_check(bad[i], &reason) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

/* What glob_check() refuses must still do no harm: globs on the heap, so that ASan sees their end.
 */
static void test_hostile_forms(void **state)
{
	static const char *const globs[] = {
		"[",  "[!",  "[]",  "[a-",   "[a-\\",  "[\\",	 "\\",
		"*[", "**[", "/[/", "[/]/x", "a[b/c]", "**/[**", "[]-"
	};
	static const char *const paths[] = { "/", "/a", "/[", "/]", "/\\", "/a/b", "/[/]", "/-" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(globs); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(paths); j++) {
			char *glob = strdup(globs[i]), *path = strdup(paths[j]);

			glob_match(glob, path);
			free(glob);
			free(path);
		}
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Stars that would make a naive matcher exponential; a generous bound, as 2^40 steps take days. */
static void test_hostile_stars(void **state)
{
	char glob[2048] = "/", path[4200] = "/";
	double before = seconds();

	(void)state;
	for (size_t i = 0; i < 60; i++)
		strcat(glob, "*a");
	strcat(glob, "b");
	memset(path + 1, 'a', 255);
	assert_false(glob_match(glob, path));
	strcpy(glob, "");
	for (size_t i = 0; i < 60; i++)
		strcat(glob, "/**/a");
	strcat(glob, "/b");
	strcpy(path, "");
	for (size_t i = 0; i < 1500; i++)
		strcat(path, "/a");
	assert_false(glob_match(glob, path));
	assert_false(glob_match(glob + 1, path));
	assert_true(seconds() - before < 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_components),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_escaped_range_end),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_any_depth),
		cmocka_unit_test(test_relative),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_first_bracket),
		cmocka_unit_test(test_hostile_forms),
		cmocka_unit_test(test_hostile_stars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
