// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/metric.h"

/*
 * The program `cgwatch` on recorded machines: what it prints is compared byte by byte with
 * tests/golden, after what differs from run to run (inodes, time, host) is masked.
 * UPDATE_GOLDEN=1 writes the files anew: look at the difference before it is committed.
 */
#define V2     CGWATCH_FIXTURE_DIR "/v2-linux-6.1"
#define HYBRID CGWATCH_FIXTURE_DIR "/hybrid-linux-6.18"
#define DOCKER "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct result {
	int status; /* exit code, or -signal */
	char *out, *err;
};

static char *slurp(FILE *file)
{
	struct strbuf text;
	char block[4096];
	size_t n;

	strbuf_init(&text);
	rewind(file);
	while ((n = fread(block, 1, sizeof(block), file)) > 0)
		strbuf_add(&text, block, n);
	fclose(file);
	return strbuf_take(&text);
}

/* Runs cgwatch with these arguments, ended by NULL; stdout goes to `out` (-1: to a file of ours).
 */
static struct result run_to(int out, const char *const *arguments)
{
	const char *program = getenv("CGWATCH"), *argv[32] = { "cgwatch" };
	FILE *files[2] = { tmpfile(), tmpfile() };
	struct result result;
	int status;
	pid_t pid;

	if (!program)
		fail_msg("CGWATCH is not set to the path of the program");
	for (size_t i = 0; arguments[i]; i++)
		argv[i + 1] = arguments[i];
	pid = fork();
	if (pid == 0) {
		if (out == -2)
			close(STDOUT_FILENO);
		else
			dup2(out < 0 ? fileno(files[0]) : out, STDOUT_FILENO);
		dup2(fileno(files[1]), STDERR_FILENO);
		/* As a shell starts it: a test runner may have SIGPIPE ignored. */
		signal(SIGPIPE, SIG_DFL);
		execv(program, (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
	result.out = slurp(files[0]);
	result.err = slurp(files[1]);
	return result;
}

#define run(...) run_to(-1, (const char *const[]){ __VA_ARGS__, NULL })

static void done(struct result *result)
{
	free(result->out);
	free(result->err);
}

/* "id":123 and (id 123): any number behind one of these words becomes N. */
static bool mask_number(struct strbuf *masked, const char **at)
{
	static const char *const words[] = { "\"id\":", "(id ", "\"time\":", "\"interval\":" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t length = strlen(words[i]);

		if (strncmp(*at, words[i], length) != 0)
			continue;
		strbuf_add(masked, *at, length);
		strbuf_add_char(masked, 'N');
		*at += length;
		*at += strspn(*at, "0123456789.");
		return true;
	}
	return false;
}

static char *mask(const char *text)
{
	static const char ids[] = "\"ids\":{", host[] = "\"host\":\"";
	struct strbuf masked;
	bool in_ids = false;

	strbuf_init(&masked);
	strbuf_add_string(&masked, "");
	while (*text) {
		if (mask_number(&masked, &text))
			continue;
		in_ids = (in_ids && *text != '}') || strncmp(text, ids, strlen(ids)) == 0;
		if (strncmp(text, host, strlen(host)) == 0) {
			strbuf_add_string(&masked, "\"host\":\"H");
			text += strlen(host);
			text += strcspn(text, "\"");
		} else if (in_ids && text[0] == ':' && isdigit((unsigned char)text[1])) {
			strbuf_add_string(&masked, ":N");
			text += 1 + strspn(text + 1, "0123456789");
		} else {
			/* A line a cgroup and a line a part, so that a difference can be read. */
			if (strncmp(text, "{\"path\"", 7) == 0 ||
			    strncmp(text, "\"metrics\"", 9) == 0 ||
			    strncmp(text, "\"parts\"", 7) == 0 ||
			    strncmp(text, "\"absent\"", 8) == 0)
				strbuf_add_char(&masked, '\n');
			strbuf_add_char(&masked, *text++);
		}
	}
	return strbuf_take(&masked);
}

/* The second field of every line but the first. */
static char *mask_csv(const char *text)
{
	struct strbuf masked;
	bool first = true;

	strbuf_init(&masked);
	while (*text) {
		size_t length = strcspn(text, "\n") + 1;
		const char *comma = *text == '"' ? strstr(text + 1, "\",") + 1 : strchr(text, ',');

		if (first) {
			strbuf_add(&masked, text, length);
		} else {
			strbuf_add(&masked, text, (size_t)(comma - text) + 1);
			strbuf_add_char(&masked, 'N');
			comma += 1 + strspn(comma + 1, "0123456789");
			strbuf_add(&masked, comma, (size_t)(text + length - comma));
		}
		first = false;
		text += length;
	}
	return strbuf_take(&masked);
}

static void compare(const char *name, const char *text)
{
	const char *update = getenv("UPDATE_GOLDEN");
	char path[512], *golden;
	FILE *file;

	snprintf(path, sizeof(path), "%s/tests/golden/%s", CGWATCH_SOURCE_DIR, name);
	if (update && *update && strcmp(update, "0") != 0) {
		file = fopen(path, "w");
		assert_non_null(file);
		fputs(text, file);
		assert_int_equal(fclose(file), 0);
		return;
	}
	file = fopen(path, "r");
	if (!file)
		fail_msg("%s: %s; UPDATE_GOLDEN=1 makes it", path, strerror(errno));
	golden = slurp(file);
	if (strcmp(golden, text) != 0) {
		size_t at = 0, line = 1;

		for (; golden[at] && golden[at] == text[at]; at++)
			line += golden[at] == '\n';
		fail_msg("%s differs from line %zu on, at \"%.60s\", which is now \"%.60s\"", path,
			 line, golden + at, text + at);
	}
	free(golden);
}

/* What was printed without an error, masked, is the golden file. */
static void golden(const char *name, struct result result)
{
	char *masked;

	if (result.status != 0 || *result.err)
		fail_msg("%s: exit %d: %s", name, result.status, result.err);
	masked = strstr(name, ".csv") ? mask_csv(result.out) : mask(result.out);
	compare(name, masked);
	free(masked);
	done(&result);
}

static void test_ls(void **state)
{
	(void)state;
	golden("ls-v2.txt", run("--root", V2, "ls"));
	golden("ls-hybrid.txt", run("--root", HYBRID, "ls"));
	golden("ls-list-v2.txt",
	       run("--root", V2, "ls", "--list", "--columns",
		   "cpu.usage,memory.current,memory.max,memory.limit,pids.current,pids.limit,"
		   "cpuset.cpus.effective,freezer.frozen,cgroup.type",
		   "--sort", "memory.current"));
	golden("ls-list-hybrid.txt",
	       run("--root", HYBRID, "ls", "--list", "--columns",
		   "cpu.usage,cpu.limit.cores,memory.current,memory.max,memory.limit,pids.limit,"
		   "freezer.state,cgroup.procs.subtree,devices.list",
		   "--sort", "path"));
	golden("ls-glob-v2.txt",
	       run("--root", V2, "ls", "/batch/*", "--columns", "memory.current"));
	golden("ls-glob-list-v2.txt",
	       run("--root", V2, "ls", "*.scope", "--list", "--columns", "memory.limit"));
}

static void test_ls_machine(void **state)
{
	(void)state;
	golden("ls-csv-v2.csv", run("--root", V2, "ls", "--csv", "--columns",
				    "cpu.usage,memory.current,memory.max,psi.memory.some.avg10,"
				    "cpuset.cpus.effective,cgroup.controllers,cgroup.type"));
	golden("ls-csv-hybrid.csv", run("--root", HYBRID, "ls", "--csv"));
	golden("ls-json-v2.json",
	       run("--root", V2, "ls", "--json", "--columns", "all", "/kubepods.slice/**"));
	golden("ls-json-hybrid.json", run("--root", HYBRID, "ls", "--json", "--columns", "all",
					  "/cgwatch-fixture/docker/*"));
	golden("ls-json-default-v2.json", run("--root", V2, "ls", "--json"));
}

static void test_show(void **state)
{
	(void)state;
	golden("show-v2.txt", run("--root", V2, "show", DOCKER));
	golden("show-hybrid.txt", run("--root", HYBRID, "show", "/cgwatch-fixture" DOCKER "/"));
	golden("show-hostile-v2.txt", run("--root", V2, "show", "batch/\x1b[31mred"));
	golden("show-controllers-v2.txt", run("--root", V2, "controllers"));
	golden("show-controllers-hybrid.txt", run("--root", HYBRID, "controllers"));
	golden("show-controllers-m-hybrid.txt", run("--root", HYBRID, "controllers", "-m"));
	golden("show-controllers-a-hybrid.txt", run("--root", HYBRID, "controllers", "-a"));
	golden("show-controllers-hybrid.json", run("--root", HYBRID, "controllers", "--json"));
}

static void test_metrics(void **state)
{
	(void)state;
	golden("metrics-verb-table.txt", run("metrics"));
	golden("metrics-verb-table.md", run("metrics", "--markdown"));
}

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!value)
		fail_msg("line %d, column %d: %s", error.line, error.column, error.text);
	return value;
}

/* Every metric is in one place: a number, an attribute, or absent with its reason. */
static void check_complete(const json_t *cgroup)
{
	static const char *const reasons[] = { "absent",    "disabled", "denied",
					       "unlimited", "first",	"gone" };
	json_t *metrics = json_object_get(cgroup, "metrics"),
	       *absent = json_object_get(cgroup, "absent");
	json_t *attributes = json_object_get(cgroup, "attributes"), *value;
	size_t n = json_object_size(metrics) + json_object_size(attributes) +
		   json_object_size(absent);
	size_t wanted = 0;
	const char *name;

	for (int id = M_NONE + 1; id < METRIC_COUNT; id++)
		wanted += 1 + (metric_rate((enum metric_id)id) != M_NONE);
	assert_int_equal(n, wanted);
	json_object_foreach(metrics, name, value)
	{
		assert_true(json_is_number(value));
		assert_true(metric_find(name) != M_NONE);
		assert_null(json_object_get(absent, name));
	}
	json_object_foreach(attributes, name, value)
	{
		assert_true(json_is_string(value));
	}
	json_object_foreach(absent, name, value)
	{
		size_t i = 0;

		while (i < ARRAY_SIZE(reasons) && strcmp(reasons[i], json_string_value(value)) != 0)
			i++;
		assert_true(i < ARRAY_SIZE(reasons));
		assert_true(metric_find(name) != M_NONE);
	}
}

static void test_json(void **state)
{
	static const char *const roots[] = { V2, HYBRID };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		struct result result = run("--root", roots[i], "ls", "--json", "--columns", "all");
		json_t *object = parse(result.out), *list = json_object_get(object, "cgroups"),
		       *cgroup;
		size_t at;

		assert_int_equal(result.status, 0);
		assert_int_equal(json_integer_value(json_object_get(object, "schema")), 1);
		assert_true(json_number_value(json_object_get(object, "time")) > 1e9);
		assert_true(json_is_string(json_object_get(object, "host")));
		assert_true(json_array_size(list) >= 25);
		json_array_foreach(list, at, cgroup)
		{
			assert_int_equal(json_string_value(json_object_get(cgroup, "path"))[0],
					 '/');
			assert_true(json_integer_value(json_object_get(cgroup, "id")) > 0);
			assert_true(json_is_string(json_object_get(cgroup, "kind")));
			check_complete(cgroup);
		}
		json_decref(object);
		/* One line: that is what --watch writes, and what a recording is. */
		assert_ptr_equal(strchr(result.out, '\n'), result.out + strlen(result.out) - 1);
		done(&result);
	}
}

static void test_show_json(void **state)
{
	struct result result = run("--root", V2, "show", "--json", DOCKER);
	json_t *object = parse(result.out), *list = json_object_get(object, "cgroups");
	json_t *cgroup = json_array_get(list, 0), *binding = json_object_get(cgroup, "binding");

	(void)state;
	assert_int_equal(result.status, 0);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_object_get(cgroup, "path")), DOCKER);
	assert_string_equal(json_string_value(json_object_get(cgroup, "runtime")), "docker");
	assert_string_equal(json_string_value(json_object_get(cgroup, "kind")), "container");
	assert_string_equal(json_string_value(json_object_get(binding, "memory.limit")), DOCKER);
	check_complete(cgroup);
	json_decref(object);
	done(&result);
	result = run("metrics", "--json");
	object = parse(result.out);
	assert_int_equal(json_array_size(json_object_get(object, "metrics")), METRIC_COUNT - 1);
	json_decref(object);
	done(&result);
}

/* RFC 4180 by hand: every record has as many fields as the header, whatever the names hold. */
static void test_csv(void **state)
{
	struct result result = run("--root", V2, "ls", "--csv", "--columns", "all");
	size_t fields = 0, header = 0, records = 0;

	(void)state;
	assert_int_equal(result.status, 0);
	for (const char *at = result.out; *at;) {
		if (*at == '"') {
			for (at++; *at != '"' || at[1] == '"'; at++) {
				at += *at == '"';
				assert_true(*at != '\0');
			}
			at++;
		} else {
			at += strcspn(at, ",\r\"");
		}
		fields++;
		assert_true(*at == ',' || strncmp(at, "\r\n", 2) == 0);
		if (*at++ == ',')
			continue;
		at++;
		header = header ? header : fields;
		assert_int_equal(fields, header);
		fields = 0;
		records++;
	}
	assert_true(records > 25 && header > 300);
	done(&result);
}

/* "cgwatch: VERB: what: why" and at most the usage behind it; nothing on stdout. */
static void check_error(struct result result, int status, const char *start)
{
	size_t length = strcspn(result.err, "\n");

	if (result.status != status)
		fail_msg("exit %d, wanted %d: %s", result.status, status, result.err);
	assert_string_equal(result.out, "");
	if (strncmp(result.err, start, strlen(start)) != 0)
		fail_msg("\"%s\" does not start with \"%s\"", result.err, start);
	assert_int_equal(result.err[length], '\n');
	if (result.err[length + 1]) {
		const char *second = result.err + length + 1;

		assert_int_equal(status, 2);
		assert_int_equal(strncmp(second, "usage: cgwatch ", 15), 0);
		assert_string_equal(strchr(second, '\n'), "\n");
	}
	done(&result);
}

static void test_usage_errors(void **state)
{
	(void)state;
	check_error(run("bogus"), 2, "cgwatch: bogus: ");
	check_error(run("--bogus"), 2, "cgwatch: --bogus: ");
	check_error(run("--max-fds", "x", "ls"), 2, "cgwatch: --max-fds: x: ");
	check_error(run("--max-fds", "-1", "ls"), 2, "cgwatch: --max-fds: -1: ");
	check_error(run("--backend", "kernel", "ls"), 2, "cgwatch: --backend: kernel: ");
	check_error(run("ls", "--backend", "files"), 2,
		    "cgwatch: ls: --backend: this option stands ");
	check_error(run("ls", "--root=/x"), 2, "cgwatch: ls: --root=/x: this option stands ");
	check_error(run("--root"), 2, "cgwatch: --root: ");
	check_error(run("ls", "--bogus"), 2, "cgwatch: ls: --bogus: ");
	check_error(run("ls", "--columns"), 2, "cgwatch: ls: --columns: ");
	check_error(run("ls", "--columns", "nope.nope"), 2, "cgwatch: ls: --columns: nope.nope: ");
	check_error(run("ls", "--columns", "memory.current,x,pids.max"), 2,
		    "cgwatch: ls: --columns: x: ");
	check_error(run("ls", "--columns", ""), 2, "cgwatch: ls: --columns: ");
	check_error(run("ls", "--sort", "nope"), 2, "cgwatch: ls: --sort: nope: ");
	check_error(run("ls", "a", "b"), 2, "cgwatch: ls: b: ");
	check_error(run("ls", "[a"), 2, "cgwatch: ls: [a: ");
	check_error(run("ls", ""), 2, "cgwatch: ls: ");
	check_error(run("ls", "/a/"), 2, "cgwatch: ls: /a/: ");
	check_error(run("show"), 2, "cgwatch: show: ");
	check_error(run("show", "/a", "/b"), 2, "cgwatch: show: ");
	check_error(run("show", "--interval", "1", "/"), 2, "cgwatch: show: --interval: 1: ");
	check_error(run("controllers", "x"), 2, "cgwatch: controllers: x: ");
	check_error(run("controllers", "-x"), 2, "cgwatch: controllers: -x: ");
	check_error(run("controllers", "-xm"), 2, "cgwatch: controllers: -");
	check_error(run("metrics", "x"), 2, "cgwatch: metrics: x: ");
	check_error(run("metrics", "--yaml"), 2, "cgwatch: metrics: --yaml: ");
}

static void test_bad_intervals(void **state)
{
	static const char *const bad[] = { "",	  "1",	"0s", "-1s",  "1us",
					   "9ms", "2h", "1x", "1e0s", "999999999999999999999d",
					   "s" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check_error(run("ls", "--interval", bad[i]), 2, "cgwatch: ls: --interval: ");
}

static void test_failures(void **state)
{
	(void)state;
	check_error(run("--root", V2, "ls", "/nothing*"), 1, "cgwatch: ls: /nothing*: no cgroup");
	check_error(run("--root", V2, "ls", "/nothing*", "--json"), 1, "cgwatch: ls: /nothing*: ");
	check_error(run("--root", V2, "show", "/nothing"), 1, "cgwatch: show: /nothing: ");
	check_error(run("--root", "/nonexistent", "ls"), 1, "cgwatch: ls: /nonexistent: ");
	check_error(run("--root", "/dev/null", "ls"), 1, "cgwatch: ls: /dev/null: ");
	check_error(run("--root", "/etc", "ls"), 1, "cgwatch: ls: /etc: ");
	/* What comes from outside is escaped in the message too. */
	check_error(run("--root", V2, "show", "/\x1b[2J\n\xff"), 1,
		    "cgwatch: show: /\\x1b[2J\\x0a\\xff: ");
}

/* A machine without cgroups: 77, and what to do. */
static void test_no_cgroups(void **state)
{
	char dir[] = "/tmp/cgwatch-test-XXXXXX", path[128];
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/proc", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	check_error(run("--root", dir, "ls"), 77, "cgwatch: ls: cgroups: ");
	snprintf(path, sizeof(path), "%s/proc/self", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", dir);
	file = fopen(path, "w");
	fputs("22 27 0:21 / /proc rw - proc proc rw\n", file);
	fclose(file);
	check_error(run("--root", dir, "controllers"), 77, "cgwatch: controllers: cgroups: ");
	unlink(path);
	snprintf(path, sizeof(path), "%s/proc/self", dir);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/proc", dir);
	rmdir(path);
	rmdir(dir);
}

/* Nobody reads, no room, no stdout at all: an exit code, not a signal and not a silent success. */
static void test_output(void **state)
{
	static const char *const ls[] = { "--root", V2, "ls", "--json", "--columns", "all", NULL };
	struct result result;
	int pipes[2], full = open("/dev/full", O_WRONLY);

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	close(pipes[0]);
	result = run_to(pipes[1], ls);
	close(pipes[1]);
	assert_int_equal(result.status, 1);
	assert_string_equal(result.err, "");
	done(&result);
	result = run_to(full, ls);
	close(full);
	check_error(result, 1, "cgwatch: ls: output: No space left on device");
	check_error(run_to(-2, ls), 1, "cgwatch: ls: output: ");
}

static void test_help(void **state)
{
	static const char *const verbs[] = { "ls",     "show",	  "ps",	    "ns",   "overlay",
					     "run",    "set",	  "freeze", "thaw", "controllers",
					     "policy", "metrics", "doctor" };
	struct result result = run("--help");

	(void)state;
	assert_int_equal(result.status, 0);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		struct result one = run(verbs[i], "--help");
		char start[64];

		if (!strstr(result.out, verbs[i]))
			fail_msg("--help does not name %s", verbs[i]);
		snprintf(start, sizeof(start), "usage: cgwatch %s ", verbs[i]);
		assert_int_equal(one.status, 0);
		assert_int_equal(strncmp(one.out, start, strlen(start)), 0);
		assert_string_equal(one.err, "");
		done(&one);
	}
	done(&result);
	result = run("--version");
	assert_int_equal(result.status, 0);
	assert_int_equal(strncmp(result.out, "cgwatch ", 8), 0);
	done(&result);
}

/* Few descriptors make no other output. */
static void test_max_fds(void **state)
{
	(void)state;
	golden("ls-hybrid.txt", run("--root", HYBRID, "--max-fds", "1", "ls"));
	golden("ls-hybrid.txt", run("--root", HYBRID, "--max-fds", "100", "ls"));
	golden("ls-hybrid.txt", run("--root", HYBRID, "--backend", "auto", "ls"));
	golden("ls-hybrid.txt", run("--root", HYBRID, "--backend", "files", "ls"));
	golden("ls-v2.txt", run("--root", V2, "--max-fds", "0", "ls", "--tree"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ls),
		cmocka_unit_test(test_ls_machine),
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_show_json),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_usage_errors),
		cmocka_unit_test(test_bad_intervals),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_no_cgroups),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_max_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
