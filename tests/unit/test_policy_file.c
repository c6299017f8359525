// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "policies/policy_file.h"

struct directory {
	char path[64];
};

static int set_up(void **state)
{
	struct directory *directory = calloc(1, sizeof(*directory));

	umask(022);
	snprintf(directory->path, sizeof(directory->path), "/tmp/cgwatch-test-policy-XXXXXX");
	*state = directory;
	return mkdtemp(directory->path) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct directory *directory = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory->path);
	free(TAKE_PTR(*state));
	return system(command);
}

static char *put(void **state, const char *name, const char *text)
{
	struct directory *directory = *state;
	char *path;
	FILE *file;

	assert_true(asprintf(&path, "%s/%s", directory->path, name) > 0);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static int load(const char *path, const struct policy_check *check, struct policy_set **set,
		struct strbuf *errors)
{
	struct ini_errors list = { 0 };
	int r = policy_set_load(&path, 1, check, &list, set);

	strbuf_init(errors);
	strbuf_add_string(errors, "");
	for (size_t i = 0; i < list.n; i++) {
		ini_errors_format(&list.list[i], errors);
		strbuf_add_char(errors, '\n');
	}
	ini_errors_done(&list);
	return r;
}

/* The example of the design, which is the contract. */
static const char example[] =
	"[policy batch-cpu]\n"
	"match      = /batch/**                  ; cgroup glob by path component; several lines "
	"are OR\n"
	"match_not  = /batch/keep\n"
	"when       = cpu.usage.rate > 50%       ; metric, operator, value with its unit\n"
	"for        = 2s\n"
	"clear_when = cpu.usage.rate < 10%\n"
	"clear_for  = 5s\n"
	"action     = cpu.quota 20%              ; also: memory.high 512M, memory.max 1G\n"
	"then       = freeze lease=20s after=1m\n"
	"cooldown   = 1m\n"
	"restore    = on-clear, on-exit\n"
	"mode       = enforce                    ; off, shadow (default), enforce\n";

static bool could_match(const struct policy *policy, const char *path)
{
	struct node *node = node_new(path, 1, 1);
	bool matches = selectors_could_match(policy->selectors, node);

	node_unref(node);
	return matches;
}

static void test_example(void **state)
{
	_cleanup_(freep) char *path = put(state, "a.ini", example);
	struct policy_set *set = NULL;
	const struct policy *policy;
	struct strbuf errors;

	assert_int_equal(load(path, NULL, &set, &errors), 0);
	assert_string_equal(errors.data, "");
	assert_int_equal(policy_set_size(set), 1);
	policy = policy_set_find(set, "batch-cpu");
	assert_non_null(policy);
	assert_int_equal(policy->line, 1);
	assert_true(could_match(policy, "/batch/a"));
	assert_true(could_match(policy, "/batch/a/b"));
	assert_false(could_match(policy, "/batch"));
	assert_false(could_match(policy, "/batch/keep"));
	assert_false(could_match(policy, "/batch2/a"));
	assert_int_equal(policy->for_usec, 2000000);
	assert_int_equal(policy->clear_for_usec, 5000000);
	assert_int_equal(policy->cooldown_usec, 60000000);
	assert_int_equal(policy->n_steps, 2);
	assert_int_equal(policy->steps[0].action.id, ACTION_CPU_QUOTA);
	assert_int_equal(policy->steps[0].action.value.number, 200000);
	assert_int_equal(policy->steps[1].action.id, ACTION_FREEZE);
	assert_int_equal(policy->steps[1].action.lease_usec, 20000000);
	assert_int_equal(policy->steps[1].after_usec, 60000000);
	assert_int_equal(policy->mode, POLICY_ENFORCE);
	assert_true(policy->restore_on_clear && policy->restore_on_exit);
	policy_set_unref(set);
	strbuf_done(&errors);
}

#define HEAD "[policy p]\nmatch = /a\nwhen = cpu.usage.rate > 50%\naction = cpu.quota 20%\n"

static void test_defaults(void **state)
{
	_cleanup_(freep) char *path = put(state, "a.ini", HEAD "cooldown = 1s\n");
	struct policy_set *set = NULL;
	struct strbuf errors;

	assert_int_equal(load(path, NULL, &set, &errors), 0);
	assert_int_equal(policy_set_get(set, 0)->mode, POLICY_SHADOW);
	assert_true(policy_set_get(set, 0)->restore_on_clear);
	assert_true(policy_set_get(set, 0)->restore_on_exit);
	assert_null(policy_set_get(set, 0)->clear_when);
	policy_set_unref(set);
	strbuf_done(&errors);
}

/* What is wrong, and what must be said of it (file name left off). */
static const struct {
	const char *text, *expected;
} wrong[] = {
	{ "[polcy p]\nmatch = /a\n", "a.ini:1: [polcy p]: unknown section" },
	{ "[policy]\n", "a.ini:1: [policy]: a policy needs a name" },
	{ "[policy a/b]\n", "a policy needs a name" },
	{ "match = /a\n", "a.ini:1: match: it stands before the first [policy NAME]" },
	{ HEAD "colour = red\n", "a.ini:5: colour: unknown key in policy p" },
	{ HEAD "when = cpu.usage.rate > 60%\n", "a.ini:5: when: it stands in line 3 already" },
	{ HEAD HEAD, "a.ini:5: policy p: the name is taken already" },
	{ "[policy p]\n", "a.ini:1: policy p: the key \"match\" is missing" },
	{ "[policy p]\n", "the key \"when\" is missing" },
	{ "[policy p]\n", "the key \"action\" is missing" },
	{ HEAD "for = 2\n", "a.ini:5: for: \"2\" has no unit: write 2s" },
	{ HEAD "for = soon\n", "a.ini:5: for: \"soon\" is not a time" },
	{ HEAD "for =\n", "a.ini:5: for: the value is missing" },
	{ HEAD "match = /a//b\n", "a.ini:5: match: \"/a//b\" matches nothing" },
	{ HEAD "mode = on\n", "a.ini:5: mode: \"on\" is none of off, shadow, enforce" },
	{ HEAD "restore = sometimes\n", "a.ini:5: restore: \"sometimes\" is none of" },
	{ HEAD "then = freeze lease=20s\n", "a.ini:5: then: it needs after=TIME" },
	{ HEAD "then = freeze lease=20s after=5\n", "a.ini:5: then: \"5\" has no unit" },
	{ HEAD "then = freeze after=5s\n", "a.ini:5: then: it needs a lease" },
	{ HEAD "then = frieze lease=1s after=5s\n", "a.ini:5: then: \"frieze\" is no action" },
	{ HEAD "then = freeze lease=1s speed=9 after=5s\n", "freeze has no option \"speed\"" },
	{ HEAD "then = memory.max 1 after=5s\n", "it is not a size with its unit" },
	{ HEAD "then = memory.max max after=5s\n", "\"max\" is no limit" },
	{ HEAD "then = memory.max 1G 2G after=5s\n", "\"2G\" is too much" },
	{ HEAD "then = cpu.quota 0.5% after=5s\n", "under 1 ms of the usual period" },
	{ HEAD "then = cpu.quota 20 after=5s\n", "not a percentage of one core" },
	{ HEAD "clear_when = cpu.usage.rate < 60%\n", "a.ini:5: clear_when: \"< 60%\" can hold" },
	{ HEAD "clear_when = cpu.usage.rate > 10%\n", "a.ini:5: clear_when: \"> 10%\" can hold" },
	{ HEAD "clear = cpu.usage.rate < 5%\nclear_when = cpu.usage.rate < 5%\n",
	  "a.ini:6: clear_when: \"clear\" and \"clear_when\" are the same" },
	{ "[policy p]\nmatch=/a\nwhen = cpu.usage > 50\naction = cpu.quota 5%\n",
	  "a.ini:3: when: \"50\" has no unit: write a time" },
	{ "[policy p]\nmatch=/a\nwhen = cpu.usge.rate > 50%\naction = cpu.quota 5%\n",
	  "did you mean \"cpu.usage.rate\"?" },
	{ "[policy p\n", "a.ini:1: section: the closing ']' is missing" },
	{ "[policy p] x\n", "a.ini:1: section: something stands behind the ']'" },
	{ HEAD "gibberish\n", "a.ini:5: line: neither [section] nor key = value" },
	{ HEAD "= 5\n", "a.ini:5: line: the key before the '=' is missing" },
};

static void test_wrong(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_(freep) char *path = put(state, "a.ini", wrong[i].text);
		struct policy_set *set = NULL;
		struct strbuf errors;

		assert_int_equal(load(path, NULL, &set, &errors), -EINVAL);
		assert_null(set);
		if (!strstr(errors.data, wrong[i].expected))
			fail_msg("\"%s\" expected, but \"%s\"", wrong[i].expected, errors.data);
		strbuf_done(&errors);
	}
}

/* inih gives the first error's line alone; all are wanted. */
static void test_all_errors(void **state)
{
	_cleanup_(freep) char *path = put(
		state, "a.ini",
		"[policy a]\nnonsense\nfor = 1\n[policy b]\nwhen = x > 1\nmode = on\n");
	static const char *const all[] = {
		"a.ini:2: line:", "a.ini:3: for:",  "a.ini:1: policy a: the key \"match\"",
		"a.ini:5: when:", "a.ini:6: mode:", "a.ini:4: policy b: the key \"action\"",
	};
	struct policy_set *set = NULL;
	struct strbuf errors;

	assert_int_equal(load(path, NULL, &set, &errors), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_non_null(strstr(errors.data, all[i]));
	strbuf_done(&errors);
}

static void test_warnings(void **state)
{
	_cleanup_(freep) char *path = put(state, "a.ini", HEAD "for = 100ms\n");
	const struct policy_check check = { .interval_usec = 1000000 };
	struct policy_set *set = NULL;
	struct strbuf errors;

	assert_int_equal(load(path, &check, &set, &errors), 0);
	assert_non_null(strstr(errors.data,
			       "a.ini:5: warning: for: it is shorter than the sampling "
			       "interval of 1000 ms"));
	assert_non_null(strstr(errors.data, "a.ini:1: warning: policy p: without clear_when"));
	policy_set_unref(set);
	strbuf_done(&errors);
	/* What was told cannot be undone. */
	freep(&path);
	path = put(state, "a.ini",
		   "[policy p]\nmatch = /a\nwhen = event oom_kill\naction = notify look\n");
	assert_int_equal(load(path, NULL, &set, &errors), 0);
	assert_string_equal(errors.data ? errors.data : "", "");
	policy_set_unref(set);
	strbuf_done(&errors);
}

/* inih's own limit is 200 bytes a line, and what is above is cut in silence or taken for a new
 * line. */
static void test_long_lines(void **state)
{
	static const size_t lengths[] = { 196, 197, 198, 199, 200, 201, 399, 400, 4096, 100000 };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		_cleanup_(freep) char *glob = malloc(lengths[i] + 1), *text = NULL, *path = NULL;
		struct policy_set *set = NULL;
		struct strbuf errors;

		memset(glob, 'x', lengths[i]);
		glob[0] = '/';
		glob[lengths[i]] = '\0';
		assert_true(asprintf(&text, "%scooldown = 1s\nmatch=%s\nbad\n", HEAD, glob) > 0);
		path = put(state, "a.ini", text);
		assert_int_equal(load(path, NULL, &set, &errors), -EINVAL);
		assert_non_null(strstr(errors.data, "a.ini:7: line: neither"));
		strbuf_done(&errors);
		*strstr(text, "bad") = '\0';
		free(path);
		path = put(state, "a.ini", text);
		assert_int_equal(load(path, NULL, &set, &errors), 0);
		assert_string_equal(
			selectors_text(policy_set_get(set, 0)->selectors, SELECTOR_MATCH, false, 1),
			glob);
		policy_set_unref(set);
		strbuf_done(&errors);
	}
}

static void test_too_long_line(void **state)
{
	_cleanup_(freep) char *text = malloc((2 << 20) + 200), *path = NULL;
	struct policy_set *set = NULL;
	struct strbuf errors;
	size_t length;

	strcpy(text, HEAD "match = /");
	length = strlen(text);
	memset(text + length, 'y', 2 << 20);
	strcpy(text + length + (2 << 20), "\nbad\n");
	path = put(state, "a.ini", text);
	assert_int_equal(load(path, NULL, &set, &errors), -EINVAL);
	assert_non_null(strstr(errors.data, "a.ini:5: line: it is longer than 1 MiB"));
	assert_non_null(strstr(errors.data, "a.ini:6: line: neither"));
	strbuf_done(&errors);
}

/* One error, however many lines it seems to have. */
static void test_no_text(void **state)
{
	static const char text[] = HEAD "for = 2s\n\0\0\nbad\n\0\n";
	_cleanup_(freep) char *path = put(state, "a.ini", "");
	struct policy_set *set = NULL;
	struct strbuf errors;
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, sizeof(text) - 1, file), sizeof(text) - 1);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(load(path, NULL, &set, &errors), -EINVAL);
	assert_non_null(strstr(errors.data, "a.ini:6: line: it holds a NUL byte"));
	assert_null(strstr(errors.data, "a.ini:7:"));
	assert_null(strstr(errors.data, "a.ini:8:"));
	strbuf_done(&errors);
}

/* inih keeps 49 bytes of a section's name: two policies must not become one. */
static void test_long_names(void **state)
{
	_cleanup_(freep) char *path = put(
		state, "a.ini",
		"[policy aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1]\nmatch=/a\n"
		"when = pids.current > 5\naction = cpu.quota 5%\ncooldown=1s\n"
		"[policy aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-2]\nmatch=/a\n"
		"when = pids.current > 5\naction = cpu.quota 5%\ncooldown=1s\n");
	struct policy_set *set = NULL;
	struct strbuf errors;

	assert_int_equal(load(path, NULL, &set, &errors), 0);
	assert_int_equal(policy_set_size(set), 2);
	policy_set_unref(set);
	strbuf_done(&errors);
}

static void test_directory(void **state)
{
	struct directory *directory = *state;
	__attribute__((unused))
	_cleanup_(freep) char *b = put(state, "20-b.ini",
				       "[policy b]\nmatch=/b\nwhen=pids.current > "
				       "1\naction=cpu.quota 9%\ncooldown=1s\n");
	__attribute__((unused))
	_cleanup_(freep) char *a = put(state, "10-a.ini",
				       "[policy a]\nmatch=/a\nwhen=pids.current > "
				       "1\naction=cpu.quota 9%\ncooldown=1s\n");
	__attribute__((unused)) _cleanup_(freep) char *no = put(state, "30-c.ini.bak", "rubbish\n");
	__attribute__((unused)) _cleanup_(freep) char *same = NULL;
	struct policy_set *set = NULL;
	struct strbuf errors;

	assert_int_equal(load(directory->path, NULL, &set, &errors), 0);
	assert_int_equal(policy_set_size(set), 2);
	assert_string_equal(policy_set_get(set, 0)->name, "a");
	assert_string_equal(policy_set_get(set, 1)->name, "b");
	policy_set_unref(set);
	strbuf_done(&errors);
	/* The same name in another file is told with its place. */
	same = put(state, "40-d.ini", HEAD "[policy a]\nmatch=/a\n");
	assert_int_equal(load(directory->path, NULL, &set, &errors), -EINVAL);
	assert_non_null(strstr(errors.data, "policy a: the name is taken already ("));
	assert_non_null(strstr(errors.data, "10-a.ini:1)"));
	strbuf_done(&errors);
}

static void test_security(void **state)
{
	struct directory *directory = *state;
	_cleanup_(freep) char *path = put(state, "a.ini", HEAD "cooldown=1s\n"), *link_path = NULL;
	_cleanup_(freep) char *inner = NULL, *deep = NULL;
	struct policy_set *set = NULL;
	struct strbuf errors;

	assert_int_equal(chmod(path, 0664), 0);
	assert_true(load(path, NULL, &set, &errors) < 0);
	assert_non_null(strstr(errors.data, "group or others may write it"));
	strbuf_done(&errors);
	assert_int_equal(chmod(path, 0644), 0);
	assert_true(asprintf(&link_path, "%s/l.ini", directory->path) > 0);
	assert_int_equal(symlink(path, link_path), 0);
	assert_true(load(link_path, NULL, &set, &errors) < 0);
	assert_non_null(strstr(errors.data, "it is a symbolic link"));
	strbuf_done(&errors);
	assert_int_equal(unlink(link_path), 0);
	assert_int_equal(mkfifo(link_path, 0600), 0);
	assert_true(load(link_path, NULL, &set, &errors) < 0);
	assert_non_null(strstr(errors.data, "not a regular file"));
	strbuf_done(&errors);
	assert_int_equal(unlink(link_path), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 12345), 0);
		assert_true(load(path, NULL, &set, &errors) < 0);
		assert_non_null(strstr(errors.data, "belongs to another user"));
		strbuf_done(&errors);
		assert_int_equal(chown(path, 0, 0), 0);
	}
	/* One above the directory: who can write there can put another in its place. */
	assert_true(asprintf(&inner, "%s/inner", directory->path) > 0);
	assert_int_equal(mkdir(inner, 0755), 0);
	deep = put(state, "inner/a.ini", HEAD "cooldown=1s\n");
	assert_int_equal(load(deep, NULL, &set, &errors), 0);
	policy_set_unref(set);
	strbuf_done(&errors);
	assert_int_equal(load(inner, NULL, &set, &errors), 0);
	policy_set_unref(set);
	strbuf_done(&errors);
	assert_int_equal(chmod(directory->path, 0777), 0);
	assert_true(load(deep, NULL, &set, &errors) < 0);
	assert_non_null(strstr(errors.data, "directory is not safe"));
	strbuf_done(&errors);
	assert_true(load(inner, NULL, &set, &errors) < 0);
	assert_non_null(strstr(errors.data, "directory is not safe"));
	strbuf_done(&errors);
	assert_true(load(path, NULL, &set, &errors) < 0);
	assert_non_null(strstr(errors.data, "directory is not safe"));
	strbuf_done(&errors);
	assert_true(load(directory->path, NULL, &set, &errors) < 0);
	strbuf_done(&errors);
	assert_true(load("/tmp/cgwatch-no-such-file.ini", NULL, &set, &errors) < 0);
	assert_non_null(strstr(errors.data, "No such file"));
	strbuf_done(&errors);
}

/* memory.high on a machine whose memory controller is v1. */
static void test_host(void **state)
{
	char *controllers[] = { (char *)"memory", NULL };
	struct hierarchies hierarchies = {
		.n = 1,
		.list = { { .name = (char *)"memory", .controllers = controllers } },
	};
	const struct policy_check check = { .hierarchies = &hierarchies, .swap = 1 };
	_cleanup_(freep) char *path = put(
		state, "a.ini",
		"[policy p]\nmatch=/a\nwhen=pids.current > 1\naction=memory.high 512M\n"
		"then=cpu.quota 9% after=1s\ncooldown=1s\n");
	struct policy_set *set = NULL;
	struct strbuf errors;

	assert_int_equal(load(path, &check, &set, &errors), -EINVAL);
	assert_non_null(strstr(errors.data, "a.ini:4: action: "));
	assert_non_null(
		strstr(errors.data, "memory.high does not exist on cgroup v1; use memory.max"));
	assert_non_null(strstr(errors.data, "a.ini:5: then: "));
	strbuf_done(&errors);
	hierarchies.list[0].v2 = true;
	assert_int_equal(load(path, &check, &set, &errors), -EINVAL);
	assert_null(strstr(errors.data, "a.ini:4"));
	strbuf_done(&errors);
}

static void test_empty(void **state)
{
	struct ini_errors errors = { 0 };
	struct policy_set *set = NULL;

	(void)state;
	assert_int_equal(policy_set_load(NULL, 0, NULL, &errors, &set), 0);
	assert_int_equal(policy_set_size(set), 0);
	policy_set_unref(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_example, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_defaults, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_all_errors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_warnings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_long_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_security, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_host, set_up, tear_down),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
