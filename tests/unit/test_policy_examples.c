// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "policies/policy_private.h"

/* What people copy must load: the examples of the package, and those of the manual page. */

static int set_up(void **state)
{
	char *path = strdup("/tmp/cgwatch-test-examples-XXXXXX");

	umask(022);
	*state = path;
	return mkdtemp(path) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
	free(*state);
	return system(command);
}

static char *read_file(const char *path)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "r");
	char *text = malloc(1 << 20);
	size_t n;

	assert_non_null(file);
	assert_non_null(text);
	n = fread(text, 1, (1 << 20) - 1, file);
	text[n] = '\0';
	return text;
}

/* Loads a text that must be good and raise no warning. The caller unrefs. */
static struct policy_set *load(void **state, const char *text)
{
	/* Sampling every second; a machine with swap, whatever this one has. */
	const struct policy_check check = { .interval_usec = 1000000, .swap = 1 };
	_cleanup_(freep) char *path = NULL;
	struct ini_errors errors = { 0 };
	struct policy_set *set = NULL;
	FILE *file;
	int r;

	assert_true(asprintf(&path, "%s/a.ini", (char *)*state) > 0);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	r = policy_set_load((const char *const *)&path, 1, &check, &errors, &set);
	if (errors.n > 0)
		fail_msg("%s:%u: %s\n%s", errors.list[0].file, errors.list[0].line,
			 errors.list[0].text, text);
	assert_int_equal(r, 0);
	ini_errors_done(&errors);
	return set;
}

/* An action of a build that has not the knob (yet) is no fault of the example. */
static bool has_all_knobs(void)
{
	return knob_name(KNOB_IO_MAX) && knob_name(KNOB_CPU_BURST);
}

static void test_package(void **state)
{
	unsigned int policies = 0;
	glob_t files;

	assert_int_equal(
		glob(CGWATCH_SOURCE_DIR "/packaging/policies.d/*.ini.example", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		_cleanup_(freep) char *text = read_file(files.gl_pathv[i]);
		_cleanup_(freep) char *conffiles = read_file(CGWATCH_SOURCE_DIR
							     "/packaging/deb/conffiles");
		struct policy_set *set;

		/* The package must not overwrite what somebody changed. */
		assert_non_null(strstr(conffiles, strrchr(files.gl_pathv[i], '/')));
		if (strstr(text, "io.max") && !has_all_knobs())
			continue;
		set = load(state, text);
		for (size_t j = 0; j < policy_set_size(set); j++)
			assert_int_equal(policy_set_get(set, j)->mode, POLICY_SHADOW);
		policies += (unsigned int)policy_set_size(set);
		policy_set_unref(set);
	}
	assert_true(policies >= 5);
	globfree(&files);
}

/* Each ".Bd -literal" of the page that begins with a section. */
static void test_manual(void **state)
{
	_cleanup_(freep) char *page = read_file(CGWATCH_SOURCE_DIR
						"/packaging/man/cgwatch-policies.5");
	unsigned int found = 0;

	for (char *at = page; (at = strstr(at, "\n.Bd -literal"));) {
		char *start = strchr(at + 1, '\n') + 1, *end = strstr(start, "\n.Ed");
		_cleanup_(freep) char *text = NULL;

		assert_non_null(end);
		at = end;
		if (*start != '[')
			continue;
		text = strndup(start, (size_t)(end + 1 - start));
		found++;
		if (!strstr(text, "io.max") || has_all_knobs())
			policy_set_unref(load(state, text));
	}
	assert_int_equal(found, 6);
}

/* That the page has ".It Cm NAME" for it, also behind others in the same line. */
static void must_document(const char *page, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = page; (at = strstr(at, "\n.It ")); at++) {
		const char *end = strchr(at + 1, '\n'), *word = at;

		while ((word = strstr(word, name)) && word < end) {
			if (strchr(" ", word[-1]) && strchr(" \n,", word[length]))
				return;
			word++;
		}
	}
	fail_msg("cgwatch-policies(5) does not describe %s", name);
}

/* A list "a, b, c". */
static void must_document_all(const char *page, const char *list)
{
	_cleanup_(freep) char *names = strdup(list);
	char *save = NULL;

	for (char *name = strtok_r(names, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
		if (strcmp(name, "and") == 0)
			break; /* the sentence about pressure */
		must_document(page, name);
	}
}

static void test_complete(void **state)
{
	_cleanup_(freep) char *page = read_file(CGWATCH_SOURCE_DIR
						"/packaging/man/cgwatch-policies.5");

	(void)state;
	for (int key = 0; key < KEY_COUNT; key++) {
		if (key != KEY_CLEAR)
			must_document(page, policy_keys[key].name);
	}
	for (int key = 0; key < GLOBAL_COUNT; key++)
		must_document(page, policy_global_keys[key].name);
	for (int kind = 0; kind < SELECTOR_COUNT; kind++)
		must_document(page, selector_name((enum selector_kind)kind));
	must_document_all(page, action_names());
	must_document_all(page, event_names());
	must_document(page, "psi.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_package, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_manual, set_up, tear_down),
		cmocka_unit_test(test_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
