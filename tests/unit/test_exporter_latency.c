// SPDX-License-Identifier: MIT
/* Distributions of watched cgroups as histograms of the text format. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "exporter/latency.h"
#include "exporter/prometheus.h"
#include "fake_distributions.h"
#include "fake_golden.h"
#include "fake_snapshot.h"

static const char *const paths[] = { "/", "/a", "/a/\"b\"", "/a/c", "/d" };
static const char *const watched[] = { "/a", "/a/\"b\"" };

static char *render_with(const struct prometheus_options *options, struct prometheus_stats *stats)
{
	struct snapshot *snapshot = fake_snapshot(fake_tree(paths, ARRAY_SIZE(paths), NULL),
						  &options->metrics, 1);
	struct prometheus *prometheus;
	struct strbuf out;

	snapshot->distributions = fake_distributions(snapshot->tree, watched, ARRAY_SIZE(watched));
	strbuf_init(&out);
	assert_int_equal(prometheus_new(options, &prometheus), 0);
	assert_int_equal(prometheus_render(prometheus, snapshot, &out, stats), 0);
	prometheus_unref(prometheus);
	snapshot_unref(snapshot);
	return strbuf_take(&out);
}

static void test_golden(void **state)
{
	struct prometheus_options options = { 0 };
	struct prometheus_stats stats;
	_cleanup_(freep) char *text = render_with(&options, &stats);
	size_t lines = 0;

	(void)state;
	golden_compare("metrics-latency.prom", text);
	for (const char *at = text; *at; at = strchr(at, '\n') + 1)
		lines += *at != '#';
	assert_int_equal(stats.series, lines);
	assert_int_equal(stats.series, 1 + 5 + 2 * 4 * LATENCY_SERIES);
}

/* What a histogram has to be: buckets that rise in bound and count, the last one the count. */
static void test_shape(void **state)
{
	struct prometheus_options options = { 0 };
	struct prometheus_stats stats;
	_cleanup_(freep) char *text = render_with(&options, &stats);
	char *position = NULL;
	double bound = -1, below = -1;
	unsigned int buckets = 0, histograms = 0;

	(void)state;
	for (char *line = strtok_r(text, "\n", &position); line;
	     line = strtok_r(NULL, "\n", &position)) {
		char *le = strstr(line, ",le=\""), *value = strrchr(line, ' ');

		if (strncmp(line, "cgwatch_cgroup_latency_seconds", 30) != 0)
			continue;
		if (le) {
			double next = strtod(le + 5, NULL), count = strtod(value, NULL);

			assert_true(next > bound && count >= below);
			bound = next;
			below = count;
			buckets++;
		} else if (strncmp(line + 30, "_count", 6) == 0) {
			assert_true(isinf(bound));
			assert_true(strtod(value, NULL) >= below && strtod(value, NULL) <= below);
			assert_int_equal(buckets, DISTRIBUTION_BUCKETS);
			bound = below = -1;
			buckets = 0;
			histograms++;
		}
	}
	assert_int_equal(histograms, 8);
}

/* A cgroup with all its buckets, or without any line. */
static void test_budget(void **state)
{
	struct prometheus_options options = { .max_series = 200 };
	struct prometheus_stats stats;
	_cleanup_(freep) char *text = render_with(&options, &stats);

	(void)state;
	assert_non_null(strstr(text, "_count{cgroup=\"/a\",kind=\"runqueue\"} 72401\n"));
	assert_null(strstr(text, "b\\\""));
	assert_int_equal(stats.series + stats.dropped_series, 1 + 5 + 2 * 4 * LATENCY_SERIES);
	options = (struct prometheus_options){ .exclude = (const char *const[]){ "/a/**", "/a" },
					       .n_exclude = 2 };
	free(TAKE_PTR(text));
	text = render_with(&options, &stats);
	assert_null(strstr(text, "latency")); /* no HELP either */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
