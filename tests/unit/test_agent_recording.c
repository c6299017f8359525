// SPDX-License-Identifier: MIT
/* Recordings read back: the same snapshots, and so the same decisions as live. */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "agent/output.h"
#include "agent/recording.h"
#include "agent/simulation.h"
#include "core/cleanup.h"
#include "fake_engine.h"
#include "fake_snapshot.h"

enum { SAMPLES = 60 };

static const char policies[] = "[policy hot]\n"
			       "match = /**\n"
			       "when = cpu.usage.rate > 50% and memory.current > 1M\n"
			       "for = 2s\n"
			       "clear_when = cpu.usage.rate < 20%\n"
			       "clear_for = 3s\n"
			       "action = cpu.quota 20%\n"
			       "then = freeze lease=4s after=1s\n"
			       "cooldown = 2s\n"
			       "mode = enforce\n"
			       "[policy full]\n"
			       "match = /a/**\n"
			       "when = memory.limit.used >= 90%\n"
			       "action = memory.max 1G\n"
			       "cooldown = 1s\n"
			       "mode = shadow\n"
			       "[policy free]\n"
			       "match = /**\n"
			       "match_not = /a\n"
			       "when = not (pids.max <= 100) and psi.cpu.some.avg10 > 12.34%\n"
			       "action = cpu.quota 50%\n"
			       "cooldown = 1s\n"
			       "[policy killed]\n"
			       "match = /**\n"
			       "when = event oom_kill within 2s\n"
			       "action = cpu.quota 50%\n"
			       "clear_for = 1s\n"
			       "cooldown = 1s\n"
			       "[policy late]\n"
			       "match = /**\n"
			       "when = memory.current > 1M\n"
			       "schedule = 22:31-23:00\n"
			       "action = cpu.quota 50%\n"
			       "cooldown = 1s\n";

/* A machine in which cgroups come, go, and come again, with a number for everything looked at. */
static struct tree *tree_at(unsigned int at, struct tree *previous)
{
	static const char *const with[] = { "/", "/a", "/a/x", "/a-b", "/b.service" };
	static const char *const without[] = { "/", "/a", "/a-b", "/b.service" };
	bool gone = at % 20 == 13;

	return gone ? fake_tree(without, ARRAY_SIZE(without), previous)
		    : fake_tree(with, ARRAY_SIZE(with), previous);
}

static unsigned int noise(unsigned int at, uint32_t node)
{
	uint32_t x = at * 2654435761u + node * 40503u + 12345u;

	x ^= x >> 13;
	x *= 0x5bd1e995;
	return (x ^ x >> 15) % 1000;
}

static void fill(struct snapshot *snapshot, unsigned int at)
{
	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		const char *path = snapshot->tree->nodes[i]->path;
		unsigned int n = noise(at / 7, i);

		/* A rate that is no short decimal. */
		fake_set_number(snapshot, path, M_CPU_USAGE_RATE, n / 999.0 + 1e-9 * at);
		fake_set_u64(snapshot, path, M_MEMORY_CURRENT, UINT64_C(1) << (n % 33));
		fake_set_number(snapshot, path, M_MEMORY_LIMIT_USED, noise(at / 3, i) / 1000.0);
		if (n % 3 == 0)
			fake_set_state(snapshot, path, M_PIDS_MAX, VALUE_UNLIMITED);
		else
			fake_set_u64(snapshot, path, M_PIDS_MAX, n % 200);
		fake_set_u64(snapshot, path, M_MEMORY_EVENTS_OOM_KILL, (at + i) / 9);
		fake_set_u64(snapshot, path, M_PSI_CPU_SOME_AVG10, 1200 + n % 100);
		if (at % 11 == 7)
			fake_set_state(snapshot, path, M_MEMORY_CURRENT, VALUE_DENIED);
	}
}

/* A line as `cgwatch ls --json --watch` writes it; the rows from the last to the first if `back`.
 */
static void record(FILE *file, const struct snapshot *snapshot, const struct column_list *columns,
		   bool back)
{
	struct jsonw json;

	jsonw_init(&json);
	output_json_begin(&json, snapshot);
	jsonw_begin(&json, "cgroups", '[');
	for (uint32_t i = 0; i < snapshot->tree->n; i++)
		output_json_node(&json, snapshot, back ? snapshot->tree->n - 1 - i : i, columns);
	jsonw_end(&json, ']');
	jsonw_end(&json, '}');
	strbuf_add_char(&json.out, '\n');
	fwrite(json.out.data, 1, json.out.length, file);
	jsonw_done(&json);
}

static void log_decision(void *data, uint64_t realtime_ns, const struct decision *decision)
{
	struct strbuf *text = data;

	strbuf_printf(text, "%llu %s %s %d %u %s\n", (unsigned long long)realtime_ns,
		      decision->policy, decision->node->path, (int)decision->op, decision->step,
		      decision->reason ? decision->reason : "");
}

static void all_columns(struct column_list *columns, struct metric_set *set)
{
	const char *bad;
	size_t length;

	*set = (struct metric_set){ 0 };
	columns->n = (size_t)metric_parse_list("all", set, columns->ids, ARRAY_SIZE(columns->ids),
					       &bad, &length);
}

/* The engine on the snapshots themselves, which are recorded meanwhile. */
static void run_live(struct policy_set *set, FILE *file, struct strbuf *text)
{
	struct simulation *simulation;
	struct snapshot *previous = NULL;
	struct column_list columns;
	struct metric_set wanted;

	all_columns(&columns, &wanted);
	assert_int_equal(simulation_new(set, log_decision, text, &simulation), 0);
	for (unsigned int at = 1; at <= SAMPLES; at++) {
		struct tree *tree = tree_at(at, previous ? previous->tree : NULL);
		/* A pause in which the machine slept. */
		struct snapshot *snapshot = fake_snapshot(tree, &wanted, at + (at > 40 ? 30 : 0));

		snapshot->interval_ns = 1000000000;
		fill(snapshot, at);
		assert_int_equal(simulation_step(simulation, snapshot, 1000000000), 0);
		record(file, snapshot, &columns, at % 2);
		snapshot_unref(previous);
		previous = snapshot;
	}
	snapshot_unref(previous);
	simulation_free(simulation);
}

static void run_recorded(struct policy_set *set, FILE *file, struct strbuf *text)
{
	struct simulation *simulation;
	struct recording *recording;
	struct recording_stats stats;
	struct metric_set needs = { 0 };
	struct snapshot *snapshot;
	const struct simulation_policy *results;
	size_t n;

	policy_set_needs(set, &needs);
	assert_int_equal(recording_new(file, &needs, &recording), 0);
	assert_int_equal(simulation_new(set, log_decision, text, &simulation), 0);
	while (recording_next(recording, &snapshot) == 1) {
		recording_get_stats(recording, &stats);
		assert_int_equal(stats.interval_ns, 1000000000);
		assert_int_equal(simulation_step(simulation, snapshot, stats.interval_ns), 0);
		snapshot_unref(snapshot);
	}
	recording_get_stats(recording, &stats);
	assert_int_equal(stats.snapshots, SAMPLES);
	assert_int_equal(stats.bad, 0);
	assert_int_equal(simulation_time(simulation).gaps, 1);
	results = simulation_policies(simulation, &n);
	assert_int_equal(n, 5);
	assert_true(results[0].fired > 0 && results[0].cgroups > 1);
	assert_true(results[0].actions[ACTION_FREEZE] > 0);
	assert_true(results[3].fired > 0 && results[3].cgroups > 1);
	/* The recording begins at 22:30:01. */
	assert_true(results[4].fired > 0);
	assert_true(results[4].first_fired / 1000000000 >= 1700001060);
	assert_true(results[0].longest_hold_usec > 0 && results[0].held_usec > 0);
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		if (metric_set_has(&needs, (enum metric_id)id))
			assert_true(recording_has(recording, (enum metric_id)id));
	}
	simulation_free(simulation);
	recording_free(recording);
}

static void test_same_decisions(void **state)
{
	struct policy_set *set = fake_policies(policies);
	FILE *file = tmpfile();
	struct strbuf live, recorded;

	(void)state;
	/* For the schedule. */
	setenv("TZ", "UTC0", 1);
	tzset();
	strbuf_init(&live);
	strbuf_init(&recorded);
	run_live(set, file, &live);
	rewind(file);
	run_recorded(set, file, &recorded);
	assert_true(live.length > 500);
	assert_string_equal(live.data, recorded.data);
	strbuf_done(&live);
	strbuf_done(&recorded);
	fclose(file);
	policy_set_unref(set);
}

static void assert_near(double value, double expected)
{
	assert_true(fabs(value - expected) < 1e-12);
}

static FILE *file_of(const char *text)
{
	FILE *file = tmpfile();

	fputs(text, file);
	rewind(file);
	return file;
}

#define LINE(time, id, cells)                                                                \
	"{\"schema\":1,\"time\":" time ",\"interval\":1,\"cgroups\":[{\"path\":\"/g\","      \
	"\"id\":" id ",\"kind\":\"cgroup\",\"ids\":{\"unified\":" id "},\"metrics\":{" cells \
	"},\"absent\":{}}]}\n"

static struct recording *open_recording(FILE *file, enum metric_id id)
{
	struct metric_set wanted = { 0 };
	struct recording *recording;

	metric_set_add(&wanted, id);
	assert_int_equal(recording_new(file, &wanted, &recording), 0);
	return recording;
}

/* The value at "/g" in the next snapshot; NAN with a state that is not OK. */
static double next_value(struct recording *recording, enum metric_id id, enum value_state expected)
{
	struct snapshot *snapshot;
	double number = 0;
	uint32_t index;

	assert_int_equal(recording_next(recording, &snapshot), 1);
	index = tree_find(snapshot->tree, "/g");
	assert_int_not_equal(index, NODE_NONE);
	assert_int_equal(snapshot_number(snapshot, id, index, &number), expected);
	snapshot_unref(snapshot);
	return number;
}

/* Rates that were not recorded come from their counters; a path with another id begins anew. */
static void test_computed_rates(void **state)
{
	FILE *file = file_of(LINE("1000", "7", "\"cpu.usage\":1.5")
				     LINE("1002.5", "7", "\"cpu.usage\":2.75")
					     LINE("1003.5", "8", "\"cpu.usage\":9")
						     LINE("1004.5", "8", "\"cpu.usage\":9.25"));
	struct recording *recording = open_recording(file, M_CPU_USAGE_RATE);
	struct snapshot *snapshot;

	(void)state;
	next_value(recording, M_CPU_USAGE_RATE, VALUE_FIRST);
	assert_near(next_value(recording, M_CPU_USAGE_RATE, VALUE_OK), 0.5);
	next_value(recording, M_CPU_USAGE_RATE, VALUE_FIRST);
	assert_near(next_value(recording, M_CPU_USAGE_RATE, VALUE_OK), 0.25);
	assert_true(recording_has(recording, M_CPU_USAGE_RATE));
	assert_int_equal(recording_next(recording, &snapshot), 0);
	recording_free(recording);
	fclose(file);
}

/* What was recorded counts, also where it could be computed. */
static void test_recorded_rates(void **state)
{
	FILE *file = file_of(LINE("1000", "7", "\"cpu.usage\":1,\"cpu.usage.rate\":0.125")
				     LINE("1001", "7", "\"cpu.usage\":2,\"cpu.usage.rate\":0.5"));
	struct recording *recording = open_recording(file, M_CPU_USAGE_RATE);

	(void)state;
	assert_near(next_value(recording, M_CPU_USAGE_RATE, VALUE_OK), 0.125);
	assert_near(next_value(recording, M_CPU_USAGE_RATE, VALUE_OK), 0.5);
	recording_free(recording);
	fclose(file);
}

static void test_bad_lines(void **state)
{
	FILE *file = file_of(LINE(
		"1000", "7",
		"\"memory.current\":4096") "\n{\"schema\":1\n[1]\n"
					   "{\"schema\":1,\"time\":5,\"cgroups\":[{\"path\":\"g\"}]"
					   "}\n" LINE(
						   "1001", "7",
						   "\"memory.current\":8192") "{\"schema\":1,\"ti");
	struct recording *recording = open_recording(file, M_MEMORY_CURRENT);
	struct recording_stats stats;
	struct snapshot *snapshot;

	(void)state;
	assert_near(next_value(recording, M_MEMORY_CURRENT, VALUE_OK), 4096);
	assert_near(next_value(recording, M_MEMORY_CURRENT, VALUE_OK), 8192);
	assert_int_equal(recording_next(recording, &snapshot), 0);
	recording_get_stats(recording, &stats);
	assert_int_equal(stats.snapshots, 2);
	assert_int_equal(stats.bad, 3);
	assert_int_equal(stats.first_bad, 3);
	assert_non_null(strstr(stats.reason, "JSON"));
	assert_true(stats.cut_short);
	recording_free(recording);
	fclose(file);
}

static void test_clock_set_back(void **state)
{
	FILE *file = file_of(LINE("1000", "7", "\"memory.current\":1") LINE(
		"900", "7", "\"memory.current\":2") LINE("901", "7", "\"memory.current\":3"));
	struct recording *recording = open_recording(file, M_MEMORY_CURRENT);
	struct recording_stats stats;
	struct snapshot *snapshot;
	uint64_t last = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(recording_next(recording, &snapshot), 1);
		if (last)
			assert_int_equal(snapshot->boottime_ns - last, 1000000000);
		last = snapshot->boottime_ns;
		snapshot_unref(snapshot);
	}
	recording_get_stats(recording, &stats);
	assert_int_equal(stats.backwards, 1);
	recording_free(recording);
	fclose(file);
}

/* Made with a GLOB: the root is there all the same, and everything hangs below what is there. */
static void test_tree(void **state)
{
	static const char line[] =
		"{\"schema\":1,\"time\":10,\"cgroups\":["
		"{\"path\":\"/x-y\",\"id\":4,\"kind\":\"slice\",\"ids\":{\"a\":4}},"
		"{\"path\":\"/x/d/"
		"e\",\"id\":3,\"kind\":\"service\",\"unit\":\"e\",\"ids\":{\"b\":3}},"
		"{\"path\":\"/x\",\"id\":2,\"kind\":\"cgroup\",\"ids\":{\"a\":2,\"b\":9}},"
		"{\"path\":\"/x\",\"id\":5,\"kind\":\"cgroup\",\"ids\":{\"a\":5}}]}\n";
	static const char *const order[] = { "/", "/x", "/x/d/e", "/x-y" };
	FILE *file = file_of(line);
	struct recording *recording = open_recording(file, M_MEMORY_CURRENT);
	struct snapshot *snapshot;

	(void)state;
	assert_int_equal(recording_next(recording, &snapshot), 1);
	assert_int_equal(snapshot->tree->n, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_string_equal(snapshot->tree->nodes[i]->path, order[i]);
	assert_int_equal(snapshot->tree->parent[2], 1);
	assert_int_equal(snapshot->tree->end[0], 4);
	assert_int_equal(snapshot->tree->end[1], 3);
	assert_int_equal(node_id(snapshot->tree->nodes[1]), 2);
	assert_int_equal(snapshot->tree->nodes[2]->kind, NODE_SERVICE);
	assert_string_equal(snapshot->tree->nodes[2]->unit, "e");
	assert_int_equal(snapshot_state(snapshot, M_MEMORY_CURRENT, 1), VALUE_ABSENT);
	assert_false(recording_has(recording, M_MEMORY_CURRENT));
	snapshot_unref(snapshot);
	recording_free(recording);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_decisions), cmocka_unit_test(test_computed_rates),
		cmocka_unit_test(test_recorded_rates), cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_clock_set_back), cmocka_unit_test(test_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
