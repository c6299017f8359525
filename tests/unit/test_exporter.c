// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "exporter/prometheus.h"
#include "exporter/self.h"
#include "fake_golden.h"

#ifndef CGWATCH_SOURCE_DIR
#define CGWATCH_SOURCE_DIR "."
#endif

/* Paths of the scene in tree order. Nothing about them is friendly. */
enum { ROOT, QUOTE, ESCAPE, LITERAL, INVALID, NEWLINE, SLICE, SERVICE, CONTAINER, UTF8, SCENE };

static const struct {
	const char *path;
	uint32_t depth, parent, end;
	enum node_kind kind;
	const char *unit, *container_id, *runtime;
} scene[SCENE] = {
	[ROOT] = { "/", 0, NODE_NONE, SCENE, NODE_ROOT, NULL, NULL, NULL },
	[QUOTE] = { "/a \"quoted\" \\name", 1, 0, 2, NODE_CGROUP, NULL, NULL, NULL },
	[ESCAPE] = { "/esc\x1b[31m", 1, 0, 3, NODE_CGROUP, NULL, NULL, NULL },
	/* Looks exactly as the next one would after escaping. */
	[LITERAL] = { "/inv\\xffalid#1004", 1, 0, 4, NODE_CGROUP, NULL, NULL, NULL },
	[INVALID] = { "/inv\xff"
		      "alid",
		      1, 0, 5, NODE_CGROUP, NULL, NULL, NULL },
	[NEWLINE] = { "/new\nline#7", 1, 0, 6, NODE_CGROUP, NULL, NULL, NULL },
	[SLICE] = { "/system.slice", 1, 0, 9, NODE_SLICE, "system.slice", NULL, NULL },
	[SERVICE] = { "/system.slice/nginx.service", 2, SLICE, 8, NODE_SERVICE, "nginx.service",
		      NULL, NULL },
	[CONTAINER] = { "/system.slice/docker-0123abcd.scope", 2, SLICE, 9, NODE_CONTAINER,
			"docker-0123abcd.scope", "0123abcd", "docker" },
	[UTF8] = { "/\xc3\xbcn\xc3\xaf", 1, 0, SCENE, NODE_CGROUP, NULL, NULL, NULL },
};

static struct tree *make_tree(struct strpool *pool)
{
	struct tree *tree = tree_new(SCENE, 1, pool);

	for (uint32_t i = 0; i < SCENE; i++) {
		struct node *node = node_new(scene[i].path, scene[i].depth, 1);

		node->ids[0] = 1000 + i;
		node->kind = scene[i].kind;
		node->unit = scene[i].unit ? strdup(scene[i].unit) : NULL;
		node->container_id = scene[i].container_id ? strdup(scene[i].container_id) : NULL;
		node->runtime = scene[i].runtime;
		tree->nodes[i] = node;
		tree->parent[i] = scene[i].parent;
		tree->end[i] = scene[i].end;
		tree->before[i] = NODE_NONE;
	}
	return tree;
}

static const char list[] =
	"cpu.usage,cpu.usage.rate,cpu.weight.nice,cpu.limit.used,cpuset.cpus,memory.current,"
	"memory.max,memory.stat.anon,memory.stat.file,memory.failcnt,io.rbytes,io.wbytes,"
	"psi.cpu.some.avg10,psi.cpu.some.total,psi.cpu.full.total,pids.current,freezer.frozen";

static struct prometheus_options make_options(void)
{
	struct prometheus_options options = { 0 };
	const char *bad;
	size_t bad_length;

	assert_true(metric_parse_list(list, &options.metrics, NULL, 0, &bad, &bad_length) >= 0);
	return options;
}

static void set(struct snapshot *snapshot, enum metric_id id, uint32_t node, uint64_t value)
{
	snapshot_set(snapshot, id, node, (union value){ .u64 = value });
}

static void add_part(struct snapshot *snapshot, struct strpool *pool, uint32_t node,
		     enum metric_id id, const char *key, enum value_state state, uint64_t value)
{
	const struct part part = {
		node, id, strpool_add(pool, key, strlen(key)), state, { .u64 = value }
	};

	assert_true(snapshot_add_part(snapshot, &part));
}

static struct snapshot *make_snapshot(void)
{
	const struct prometheus_options options = make_options();
	struct strpool *pool = strpool_new();
	struct tree *tree = make_tree(pool);
	struct snapshot *s = snapshot_new(tree, &options.metrics);

	for (uint32_t i = 0; i < SCENE; i++) {
		set(s, M_CPU_USAGE, i, 1500000 * (uint64_t)i + 7);
		snapshot_set(s, M_CPU_USAGE_RATE, i, (union value){ .number = 0.5 });
		set(s, M_MEMORY_CURRENT, i, UINT64_C(1) << (4 * i));
		set(s, M_MEMORY_STAT_ANON, i, 4096 * (uint64_t)i);
		snapshot_set_state(s, M_MEMORY_MAX, i, VALUE_UNLIMITED);
		snapshot_set_state(s, M_PIDS_CURRENT, i, VALUE_DENIED);
		snapshot_set_state(s, M_CPU_LIMIT_USED, i, VALUE_FIRST);
		snapshot_set(s, M_CPUSET_CPUS, i, (union value){ .text = "0-1" });
	}
	snapshot_set_state(s, M_MEMORY_STAT_ANON, QUOTE, VALUE_DISABLED);
	set(s, M_MEMORY_STAT_FILE, SERVICE, 123456789);
	set(s, M_MEMORY_MAX, SERVICE, 536870912);
	snapshot_set(s, M_CPU_WEIGHT_NICE, SERVICE, (union value){ .i64 = -5 });
	snapshot_set(s, M_CPU_LIMIT_USED, SERVICE, (union value){ .number = 1.0 / 3 });
	snapshot_set(s, M_CPU_LIMIT_USED, CONTAINER, (union value){ .number = 0 });
	set(s, M_PSI_CPU_SOME_AVG10, SERVICE, 1234);
	set(s, M_PSI_CPU_SOME_TOTAL, SERVICE, 1000001);
	set(s, M_PSI_CPU_FULL_TOTAL, SERVICE, 0);
	set(s, M_FREEZER_FROZEN, ROOT, 0);
	set(s, M_FREEZER_FROZEN, CONTAINER, 1);
	/* The sum is there too, and must not be exported beside its parts. */
	set(s, M_IO_RBYTES, SERVICE, 12);
	set(s, M_IO_WBYTES, INVALID, 0);
	add_part(s, pool, SERVICE, M_IO_RBYTES, "8:0", VALUE_OK, 4);
	add_part(s, pool, SERVICE, M_IO_RBYTES, "we\"ird", VALUE_OK, 8);
	add_part(s, pool, SERVICE, M_IO_WBYTES, "8:0", VALUE_OK, UINT64_MAX);
	add_part(s, pool, SERVICE, M_IO_WBYTES, "8:1", VALUE_DENIED, 1);
	assert_int_equal(snapshot_finish_parts(s), 0);
	tree_unref(tree);
	strpool_unref(pool);
	return s;
}

static char *render_with(const struct prometheus_options *options, struct prometheus_stats *stats)
{
	struct snapshot *snapshot = make_snapshot();
	struct prometheus *prometheus;
	struct strbuf out;

	strbuf_init(&out);
	assert_int_equal(prometheus_new(options, &prometheus), 0);
	assert_int_equal(prometheus_render(prometheus, snapshot, &out, stats), 0);
	assert_int_equal(strlen(out.data), out.length);
	prometheus_unref(prometheus);
	snapshot_unref(snapshot);
	return strbuf_take(&out);
}

static void test_golden(void **state)
{
	struct prometheus_options options = make_options();
	struct prometheus_stats stats;
	_cleanup_(freep) char *text = render_with(&options, &stats);
	size_t lines = 0;

	(void)state;
	golden_compare("metrics-scene.prom", text);
	for (const char *at = text; *at; at = strchr(at, '\n') + 1)
		lines += *at != '#';
	assert_int_equal(stats.series, lines);
	assert_int_equal(stats.cgroups, SCENE);
	assert_int_equal(stats.dropped_series, 0);
}

static void test_missing_is_left_out(void **state)
{
	struct prometheus_options options = make_options();
	struct prometheus_stats stats;
	_cleanup_(freep) char *text = render_with(&options, &stats);

	(void)state;
	assert_null(strstr(text, "pids_current"));   /* denied everywhere: no HELP either */
	assert_null(strstr(text, "memory_failcnt")); /* absent everywhere */
	assert_null(strstr(text, "cpuset_cpus"));    /* words */
	assert_null(strstr(text, "rate"));	     /* Prometheus makes its own */
	assert_null(strstr(text, "memory_max_bytes{cgroup=\"/\"}")); /* unlimited */
	assert_null(strstr(text, "device=\"8:1\""));
	assert_null(strstr(text, "} 12\n")); /* the sum of the parts */
	assert_non_null(strstr(text, "cgwatch_cgroup_cpu_weight_nice{cgroup=\"/system.slice/"
				     "nginx.service\"} -5\n"));
}

static void test_no_metrics_and_no_nodes(void **state)
{
	struct prometheus_options options = { 0 };
	struct prometheus_stats stats;
	_cleanup_(freep) char *text = render_with(&options, &stats);
	_cleanup_(freep) char *none = NULL;

	(void)state;
	assert_int_equal(stats.series, SCENE + 1); /* info and the count */
	assert_null(strstr(text, "cpu_usage"));
	options.include = (const char *const[]){ "/nothing/**" };
	options.n_include = 1;
	none = render_with(&options, &stats);
	assert_string_equal(none, "# HELP cgwatch_cgroups Cgroups in this exposition.\n"
				  "# TYPE cgwatch_cgroups gauge\ncgwatch_cgroups 0\n");
}

static void test_filters(void **state)
{
	struct prometheus_options options = make_options();
	struct prometheus_stats stats;
	_cleanup_(freep) char *a = NULL;
	_cleanup_(freep) char *b = NULL;

	(void)state;
	options.include = (const char *const[]){ "/system.slice", "/system.slice/**" };
	options.n_include = 2;
	options.exclude = (const char *const[]){ "docker-*" };
	options.n_exclude = 1;
	a = render_with(&options, &stats);
	assert_int_equal(stats.cgroups, 2);
	assert_null(strstr(a, "docker"));
	options = make_options();
	options.max_depth = 1;
	b = render_with(&options, &stats);
	assert_int_equal(stats.cgroups, SCENE - 2);
	assert_null(strstr(b, "nginx"));
}

/* Whole cgroups go, the deepest first and of those the last; what stays is complete. */
static void test_max_series(void **state)
{
	struct prometheus_options options = make_options();
	struct prometheus_stats all, stats;
	_cleanup_(freep) char *full = render_with(&options, &all);
	_cleanup_(freep) char *a = NULL;
	_cleanup_(freep) char *b = NULL;

	(void)state;
	options.max_series = (uint32_t)all.series - 1;
	a = render_with(&options, &stats);
	assert_string_equal(a, full); /* the count of cgroups is no series of a cgroup */
	options.max_series = (uint32_t)all.series - 2;
	b = render_with(&options, &stats);
	assert_int_equal(stats.dropped_cgroups, 1);
	assert_int_equal(stats.series + stats.dropped_series, all.series);
	assert_null(strstr(b, "docker-0123abcd"));
	assert_non_null(strstr(b, "nginx.service"));
	assert_non_null(strstr(b, "cgwatch_cgroups 9\n"));
	options.max_series = 1;
	free(TAKE_PTR(b));
	b = render_with(&options, &stats);
	assert_int_equal(stats.dropped_cgroups, SCENE);
	assert_int_equal(stats.cgroups, 0);
}

static void test_label_cap(void **state)
{
	struct prometheus_options options = make_options();
	struct prometheus_stats stats;
	_cleanup_(freep) char *text = NULL;

	(void)state;
	options.max_label = 8;
	text = render_with(&options, &stats);
	/* Three cgroups begin alike; the inode keeps them apart. */
	assert_non_null(strstr(text, "memory_current_bytes{cgroup=\"/system.#1006\"}"));
	assert_non_null(strstr(text, "memory_current_bytes{cgroup=\"/system.#1007\"}"));
	assert_non_null(strstr(text, "memory_current_bytes{cgroup=\"/system.#1008\"}"));
	/* Never half a character. */
	options.max_label = 5;
	free(TAKE_PTR(text));
	text = render_with(&options, &stats);
	assert_non_null(strstr(text, "memory_current_bytes{cgroup=\"/\xc3\xbcn#1009\"}"));
}

static void test_self(void **state)
{
	static const struct self_metric metrics[] = {
		{ .name = "cgwatch_build_info",
		  .help = "Build; \\ and\nlines are escaped.",
		  .labels = { { "version", "0.1 \"x\"" }, { "compiler", "gcc" } },
		  .value = 1 },
		{ .name = "cgwatch_system_calls_total",
		  .help = "System calls, by call.",
		  .type = SELF_COUNTER,
		  .labels = { { "call", "read" } },
		  .value = 12 },
		{ .name = "cgwatch_system_calls_total",
		  .labels = { { "call", "openat" } },
		  .value = 3 },
		{ .name = "process_cpu_seconds_total",
		  .help = "CPU time.",
		  .type = SELF_COUNTER,
		  .value = 0.25 },
	};
	struct strbuf out;

	(void)state;
	strbuf_init(&out);
	self_render(&(struct exporter_self){ metrics, ARRAY_SIZE(metrics) }, &out);
	golden_compare("metrics-self.prom", out.data);
	strbuf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_missing_is_left_out),
		cmocka_unit_test(test_no_metrics_and_no_nodes),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_max_series),
		cmocka_unit_test(test_label_cap),
		cmocka_unit_test(test_self),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
