// SPDX-License-Identifier: MIT
/* The audit log, and what is counted and kept of results. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "agent/audit.h"
#include "agent/recent.h"
#include "agent/tally.h"
#include "core/cleanup.h"

enum { PATIENCE_MS = 60000 };

static char directory[64], path[128], old_path[128];

static int setup(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/cgwatch-unit-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/audit.jsonl", directory);
	snprintf(old_path, sizeof(old_path), "%s.1", path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(old_path);
	return rmdir(directory);
}

/* A quota that a policy set. */
static struct enforcer_result make_result(void)
{
	struct enforcer_result result = {
		.op = DECISION_APPLY,
		.node_serial = 7,
		.path = (char *)"/batch/\"x\"\n\xff",
		.policy = (char *)"hot",
		.action = ACTION_CPU_QUOTA,
		.changed = true,
		.duration_usec = 2500,
		.text = (char *)"cpu.max: max -> 20000",
		.uuid = "0b0e7f0c-5a6b-4c1d-8e9f-001122334455",
		.line = 6,
		.file = (char *)"/etc/cgwatch/policies.d/hot.ini",
		.trigger = (char *)"cpu.usage.rate 63% > 50%: true",
		.cgroup_id = 4711,
		.breach_usec = 2250000,
		.lease_until = 101000000,
		.knob = KNOB_CPU_QUOTA,
		.has_before = true,
	};

	result.before.number = KNOB_UNLIMITED;
	result.before.period = 100000;
	result.requested.number = 20000;
	result.requested.period = 100000;
	result.after = result.requested;
	return result;
}

static const struct audit_moment moment = { .realtime_ns = UINT64_C(1795882800123456789),
					    .boottime_usec = 100000000 };

static json_t *format(const struct enforcer_result *result, const struct audit_moment *when)
{
	struct strbuf line;
	json_t *parsed;

	strbuf_init(&line);
	audit_format(result, when, &line);
	assert_false(line.failed);
	assert_ptr_equal(strchr(line.data, '\n'), line.data + line.length - 1);
	parsed = json_loadb(line.data, line.length, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(parsed);
	strbuf_done(&line);
	return parsed;
}

static const char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "(none)";
}

static void test_line(void **state)
{
	struct enforcer_result result = make_result();
	struct node *node = node_new("/batch", 1, 0);
	struct audit_moment here = moment;
	const json_t *value;
	json_t *line;

	(void)state;
	node->unit = strdup("batch.service");
	node->container_id = strdup("abc");
	here.node = node;
	line = format(&result, &here);
	assert_string_equal(text_at(line, "time"), "2026-11-28T16:20:00.123Z");
	assert_string_equal(text_at(line, "uuid"), result.uuid);
	assert_string_equal(text_at(line, "policy"), "hot");
	assert_string_equal(text_at(line, "file"), result.file);
	assert_int_equal(json_integer_value(json_object_get(line, "line")), 6);
	assert_string_equal(text_at(line, "mode"), "enforce");
	assert_string_equal(text_at(line, "op"), "apply");
	assert_string_equal(text_at(line, "action"), "cpu.quota");
	assert_string_equal(text_at(line, "trigger"), result.trigger);
	assert_string_equal(text_at(line, "result"), "done");
	assert_string_equal(text_at(line, "lease_until"), "2026-11-28T16:20:01.123Z");
	assert_null(json_object_get(line, "errno"));
	assert_null(json_object_get(line, "restore_of"));
	assert_true(json_number_value(json_object_get(line, "breach_seconds")) == 2.25);
	assert_true(json_number_value(json_object_get(line, "duration_seconds")) == 0.0025);
	value = json_object_get(line, "cgroup");
	assert_int_equal(json_integer_value(json_object_get(value, "id")), 4711);
	assert_string_equal(text_at(value, "path"), "/batch/\"x\"\n\\xff");
	assert_string_equal(text_at(value, "unit"), "batch.service");
	assert_string_equal(text_at(value, "container"), "abc");
	value = json_object_get(line, "before");
	assert_null(json_object_get(value, "number"));
	assert_non_null(strstr(text_at(value, "text"), "max"));
	value = json_object_get(line, "read_back");
	assert_true(json_number_value(json_object_get(value, "number")) == 0.2);
	assert_string_equal(text_at(value, "text"), "20000 100000");
	json_decref(line);
	node_unref(node);
}

static void test_results(void **state)
{
	static const struct {
		const char *word;
		enum decision_op op;
		int error;
		bool shadow, conflict, changed, cancelled;
		const char *error_name;
	} rows[] = {
		{ "done", DECISION_APPLY, 0, false, false, true, false, "(none)" },
		{ "unchanged", DECISION_APPLY, 0, false, false, false, false, "(none)" },
		{ "failed", DECISION_APPLY, -EBUSY, false, false, false, false, "EBUSY" },
		{ "shadow", DECISION_APPLY, 0, true, false, true, false, "(none)" },
		{ "conflict", DECISION_RELEASE, 0, false, true, false, false, "(none)" },
		{ "cancelled", DECISION_APPLY, -ECANCELED, false, false, false, true, "ECANCELED" },
		{ "ineffective", DECISION_REPORT, 0, false, false, false, false, "(none)" },
		{ "failed", DECISION_APPLY, -5000, false, false, false, false, "unknown" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct enforcer_result result = make_result();
		json_t *line;

		result.op = rows[i].op;
		result.error = rows[i].error;
		result.shadow = rows[i].shadow;
		result.conflict = rows[i].conflict;
		result.changed = rows[i].changed;
		result.cancelled = rows[i].cancelled;
		line = format(&result, &moment);
		assert_string_equal(text_at(line, "result"), rows[i].word);
		assert_string_equal(text_at(line, "errno"), rows[i].error_name);
		assert_int_equal(json_object_get(line, "read_back") != NULL,
				 rows[i].error == 0 && !rows[i].shadow && !rows[i].cancelled);
		json_decref(line);
	}
}

static unsigned int lines_of(const char *name)
{
	unsigned int n = 0;
	FILE *file = fopen(name, "r");
	int c;

	while (file && (c = fgetc(file)) != EOF)
		n += c == '\n';
	if (file)
		fclose(file);
	return n;
}

static struct audit *start(const char *name, uint64_t max_size)
{
	struct audit *audit;

	assert_int_equal(audit_new(&audit), 0);
	assert_int_equal(audit_configure(audit, name, max_size), 0);
	return audit;
}

static void add(struct audit *audit, unsigned int n)
{
	struct enforcer_result result = make_result();

	for (unsigned int i = 0; i < n; i++)
		audit_add(audit, &result, &moment);
	assert_int_equal(audit_flush(audit, PATIENCE_MS), 0);
}

static void test_file(void **state)
{
	struct audit *audit = start(path, 1 << 20);
	struct audit_stats stats;
	struct stat status;

	(void)state;
	umask(0);
	add(audit, 3);
	assert_int_equal(lines_of(path), 3);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	/* Rotated away by somebody else: made anew after a reload, not before. */
	assert_int_equal(rename(path, old_path), 0);
	add(audit, 1);
	assert_int_equal(lines_of(old_path), 4);
	assert_int_equal(audit_configure(audit, path, 1 << 20), 0);
	add(audit, 2);
	assert_int_equal(lines_of(path), 2);
	audit_get_stats(audit, &stats);
	assert_int_equal(stats.written, 6);
	assert_int_equal(stats.lost, 0);
	audit_free(audit);
}

static void test_rotation(void **state)
{
	struct strbuf line;
	struct enforcer_result result = make_result();
	struct audit *audit;
	struct stat status;

	(void)state;
	strbuf_init(&line);
	audit_format(&result, &moment, &line);
	audit = start(path, 3 * line.length);
	add(audit, 3);
	assert_int_equal(access(old_path, F_OK), -1);
	add(audit, 4);
	/* Seven lines, three a file: the first three went with the first old file. */
	assert_int_equal(lines_of(old_path), 3);
	assert_int_equal(lines_of(path), 1);
	assert_int_equal(stat(old_path, &status), 0);
	assert_true((uint64_t)status.st_size <= 3 * line.length);
	audit_free(audit);
	strbuf_done(&line);
}

/* Neither a link nor a pipe is written to, and none of them holds the agent up. */
static void test_refused(void **state)
{
	struct audit_stats stats;
	struct audit *audit;

	(void)state;
	assert_int_equal(symlink(old_path, path), 0);
	audit = start(path, 1 << 20);
	add(audit, 2);
	audit_get_stats(audit, &stats);
	assert_int_equal(stats.lost, 2);
	assert_int_equal(stats.error, -ELOOP);
	assert_int_equal(access(old_path, F_OK), -1);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	add(audit, 1);
	audit_get_stats(audit, &stats);
	assert_int_equal(stats.lost, 3);
	/* When it is good again, so is the log. */
	unlink(path);
	add(audit, 1);
	audit_get_stats(audit, &stats);
	assert_int_equal(stats.written, 1);
	assert_int_equal(stats.error, 0);
	/* Turned off: nothing is written, nothing is lost. */
	assert_int_equal(audit_configure(audit, NULL, 0), 0);
	add(audit, 5);
	audit_get_stats(audit, &stats);
	assert_int_equal(stats.written, 1);
	assert_int_equal(stats.lost, 3);
	audit_free(audit);
}

static void test_tally(void **state)
{
	struct enforcer_result result = make_result();
	struct tally *tally = tally_new();
	const struct tally_row *rows;
	struct tally_policy sum;
	size_t n;

	(void)state;
	tally_add(tally, &result);
	tally_add(tally, &result);
	result.error = -EBUSY;
	tally_add(tally, &result);
	result.error = 0;
	result.shadow = true;
	tally_add(tally, &result);
	result.shadow = false;
	result.op = DECISION_REPORT;
	tally_add(tally, &result);
	rows = tally_rows(tally, &n);
	assert_int_equal(n, 4);
	assert_int_equal(rows[0].count, 2);
	assert_int_equal(rows[1].error, -EBUSY);
	sum = tally_of(tally, "hot");
	assert_int_equal(sum.applied, 2);
	assert_int_equal(sum.failed, 1);
	assert_int_equal(sum.ineffective, 1);
	/* What was only told took no time. */
	assert_int_equal(tally_duration(tally, ACTION_CPU_QUOTA, DECISION_APPLY).count, 3);
	assert_int_equal(tally_duration(tally, ACTION_CPU_QUOTA, DECISION_APPLY).usec, 7500);
	assert_int_equal(tally_of(tally, "cold").applied, 0);
	tally_free(tally);
}

static void test_tally_bound(void **state)
{
	struct enforcer_result result = make_result();
	struct tally *tally = tally_new();
	char name[32];
	size_t n;

	(void)state;
	result.policy = name;
	for (int i = 0; i < TALLY_ROWS_MAX + 500; i++) {
		snprintf(name, sizeof(name), "policy-%d", i);
		tally_add(tally, &result);
	}
	tally_rows(tally, &n);
	assert_int_equal(n, TALLY_ROWS_MAX + 1);
	assert_int_equal(tally_of(tally, "other").applied, 500);
	/* Those that have a row keep it. */
	strcpy(name, "policy-3");
	tally_add(tally, &result);
	assert_int_equal(tally_of(tally, "policy-3").applied, 2);
	tally_free(tally);
}

static void test_recent(void **state)
{
	struct enforcer_result result = make_result();
	struct recent recent = { 0 };

	(void)state;
	assert_null(recent_get(&recent, 0));
	for (uint64_t i = 1; i <= RECENT_MAX + 10; i++)
		recent_add(&recent, &result, i);
	assert_int_equal(recent_get(&recent, 0)->realtime_ns, RECENT_MAX + 10);
	assert_int_equal(recent_get(&recent, RECENT_MAX - 1)->realtime_ns, 11);
	assert_null(recent_get(&recent, RECENT_MAX));
	assert_string_equal(recent_get(&recent, 5)->policy, "hot");
	recent_done(&recent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_results),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test(test_tally),
		cmocka_unit_test(test_tally_bound),
		cmocka_unit_test(test_recent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
