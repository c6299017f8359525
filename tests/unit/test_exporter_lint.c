// SPDX-License-Identifier: MIT
/*
 * Our own promlint: the rules of client_golang's promlint and the naming rules of OpenMetrics over
 * every row of the metric table, whether exported by default or not, so that a new row cannot bring
 * a bad name.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/join.h"
#include "exporter/family.h"
#include "exporter/prometheus.h"
#include "fake_distributions.h"
#include "fake_inventory.h"
#include "fake_snapshot.h"

static const char *const bad_segments[] = {
	/* units that are not base units */
	"minutes",
	"hours",
	"days",
	"weeks",
	"kelvins",
	"fahrenheit",
	"rankine",
	"inches",
	"yards",
	"miles",
	"bits",
	"calories",
	"pounds",
	"ounces",
	"percent",
	/* abbreviated units */
	"s",
	"ms",
	"us",
	"ns",
	"sec",
	"b",
	"kb",
	"mb",
	"gb",
	"tb",
	"pb",
	"m",
	"h",
	"d",
	/* types */
	"gauge",
	"counter",
	"histogram",
	"summary",
	"untyped",
	"info",
	"stateset",
};

static const char *const unit_prefixes[] = {
	"pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo",
	"kibi", "mega", "mibi",	 "giga",  "gibi",  "tera", "tebi", "peta",  "pebi",
};

static const char *const base_units[] = {
	"amperes", "bytes",  "celsius", "grams",   "joules",
	"kelvin",  "meters", "metres",	"seconds", "volts",
};

static const char *const bad_labels[] = { "le", "quantile", "job", "instance", "type", "cgroup" };

static bool is_prefixed_unit(const char *segment)
{
	for (size_t i = 0; i < ARRAY_SIZE(unit_prefixes); i++) {
		size_t length = strlen(unit_prefixes[i]);

		if (strncmp(segment, unit_prefixes[i], length) != 0)
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(base_units); j++) {
			if (strcmp(segment + length, base_units[j]) == 0)
				return true;
		}
	}
	return false;
}

static bool ends_with(const char *text, const char *suffix)
{
	size_t a = strlen(text), b = strlen(suffix);

	return a >= b && strcmp(text + a - b, suffix) == 0;
}

static void lint_name(const char *name, const char *type)
{
	_cleanup_(freep) char *copy = strdup(name);
	char *state = NULL, *before = NULL;

	for (const char *c = name; *c; c++) {
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_')
			fail_msg("%s: '%c' in the name", name, *c);
	}
	if (strstr(name, "__") || ends_with(name, "_"))
		fail_msg("%s: an empty word", name);
	if (ends_with(name, "_total") != (strcmp(type, "counter") == 0))
		fail_msg("%s: _total belongs to counters and only to them", name);
	if (ends_with(name, "_bucket") || ends_with(name, "_count") || ends_with(name, "_sum") ||
	    ends_with(name, "_created"))
		fail_msg("%s: a suffix that belongs to other types", name);
	for (char *word = strtok_r(copy, "_", &state); word; word = strtok_r(NULL, "_", &state)) {
		for (size_t i = 0; i < ARRAY_SIZE(bad_segments); i++) {
			if (strcmp(word, bad_segments[i]) == 0)
				fail_msg("%s: \"%s\" in the name", name, word);
		}
		if (is_prefixed_unit(word))
			fail_msg("%s: \"%s\" is no base unit", name, word);
		if (before && strcmp(before, word) == 0)
			fail_msg("%s: \"%s\" twice", name, word);
		before = word;
	}
}

static void lint_label(const char *metric, const char *label)
{
	if (!label)
		return;
	if (!islower((unsigned char)*label))
		fail_msg("%s: label %s", metric, label);
	for (const char *c = label; *c; c++) {
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_')
			fail_msg("%s: '%c' in label %s", metric, *c, label);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad_labels); i++) {
		/* Of waiting times it is what it is everywhere, though they are no summary. */
		if (strcmp(label, bad_labels[i]) == 0 &&
		    !(strcmp(label, "quantile") == 0 && strncmp(metric, "latency.", 8) == 0))
			fail_msg("%s: label %s is taken", metric, label);
	}
}

static char *name_of(enum metric_id id)
{
	struct strbuf name;

	strbuf_init(&name);
	family_add_name(&name, id);
	return strbuf_take(&name);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void test_names(void **state)
{
	(void)state;
	for (int i = M_NONE + 1; i < METRIC_COUNT; i++) {
		enum metric_id id = (enum metric_id)i;
		const struct metric *metric = metric_get(id);
		_cleanup_(freep) char *name = NULL;
		const char *help;

		if (!family_exists(id)) {
			assert_int_equal(metric->kind, KIND_TEXT);
			continue;
		}
		name = name_of(id);
		help = family_help(id);
		lint_name(name, family_type(id));
		if (!help || strlen(help) < 8 || !ends_with(help, "."))
			fail_msg("%s: HELP is not a sentence", name);
		lint_label(metric->name, metric->key_label);
		lint_label(metric->name, metric->label);
		lint_label(metric->name, metric->label2);
		if (!metric->family && (metric->label || metric->family_help))
			fail_msg("%s: a label without a family", metric->name);
		if (!metric->label != !metric->label_value ||
		    !metric->label2 != !metric->label2_value)
			fail_msg("%s: half a label", metric->name);
		if (unit_name(metric->unit) && !strstr(name, unit_name(metric->unit)))
			fail_msg("%s: no unit in %s", metric->name, name);
	}
	assert_false(family_exists(M_CPU_USAGE_RATE));
	assert_false(family_exists(M_NONE));
}

/* Two rows of one family agree on everything but the label values, and differ in those. */
static void check_pair(enum metric_id a, enum metric_id b)
{
	const struct metric *x = metric_get(a), *y = metric_get(b);

	if (!x->family || !y->family)
		fail_msg("%s and %s have the same family", x->name, y->name);
	if (!same(family_type(a), family_type(b)) || !same(family_help(a), family_help(b)) ||
	    !same(x->label, y->label) || !same(x->label2, y->label2) ||
	    !same(x->key_label, y->key_label) || x->unit != y->unit)
		fail_msg("%s and %s share a family but are not alike", x->name, y->name);
	if (!x->label ||
	    (same(x->label_value, y->label_value) && same(x->label2_value, y->label2_value)))
		fail_msg("%s and %s are the same series", x->name, y->name);
}

/* OpenMetrics: the name of a family must not be what a suffix makes of another one. */
static void check_clash(const char *a, const char *b)
{
	static const char *const suffixes[] = { "_total", "_created", "_bucket", "_count",
						"_sum",	  "_info",    "_gcount", "_gsum" };
	size_t length = strlen(a);

	length -= ends_with(a, "_total") ? strlen("_total") : 0;
	if (strncmp(a, b, length) != 0)
		return;
	if (!b[length] && a[length])
		fail_msg("%s and %s clash", a, b);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (strcmp(b + length, suffixes[i]) == 0)
			fail_msg("%s and %s clash", a, b);
	}
}

static void test_families(void **state)
{
	char *names[METRIC_COUNT] = { NULL };

	(void)state;
	for (int i = M_NONE + 1; i < METRIC_COUNT; i++) {
		if (!family_exists((enum metric_id)i))
			continue;
		names[i] = name_of((enum metric_id)i);
		check_clash(names[i], "cgwatch_cgroup_info");
		for (int j = M_NONE + 1; j < i; j++) {
			if (!names[j])
				continue;
			if (strcmp(names[i], names[j]) == 0) {
				check_pair((enum metric_id)i, (enum metric_id)j);
			} else {
				check_clash(names[i], names[j]);
				check_clash(names[j], names[i]);
			}
		}
	}
	for (int i = 0; i < METRIC_COUNT; i++)
		free(names[i]);
}

/* A snapshot of one cgroup that has every metric there is. */
static struct snapshot *make_full(const struct metric_set *all)
{
	struct strpool *pool = strpool_new();
	struct tree *tree = tree_new(1, 1, pool);
	const char *key = strpool_add(pool, "8:0", 3);
	struct snapshot *snapshot;

	tree->nodes[0] = node_new("/", 0, 1);
	tree->parent[0] = NODE_NONE;
	tree->end[0] = 1;
	snapshot = snapshot_new(tree, all);
	for (int i = M_NONE + 1; i < METRIC_COUNT; i++) {
		const struct part part = { 0, (enum metric_id)i, key, VALUE_OK, { .u64 = 1 } };

		if (metric_get(part.metric)->kind == KIND_TEXT)
			snapshot_set(snapshot, part.metric, 0, (union value){ .text = key });
		else
			snapshot_set(snapshot, part.metric, 0, (union value){ .u64 = 1 });
		if (metric_get(part.metric)->key_label)
			assert_true(snapshot_add_part(snapshot, &part));
	}
	assert_int_equal(snapshot_finish_parts(snapshot), 0);
	tree_unref(tree);
	strpool_unref(pool);
	return snapshot;
}

/* A text as a whole: families in one piece, every series once, no timestamp. Counts its samples. */
static size_t check_text(char *text)
{
	char *line, *position = NULL, *seen = strdup(text), *family = NULL;
	size_t samples = 0;

	for (line = strtok_r(text, "\n", &position); line; line = strtok_r(NULL, "\n", &position)) {
		char *brace = strchr(line, '{'), *end;

		if (strncmp(line, "# HELP ", 7) == 0) {
			free(family);
			family = strndup(line + 7, strcspn(line + 7, " "));
			assert_null(strstr(strstr(seen, line) + 1, line));
			continue;
		}
		if (strncmp(line, "# TYPE ", 7) == 0) {
			assert_memory_equal(line + 7, family, strlen(family));
			continue;
		}
		samples++;
		assert_memory_equal(line, family, strlen(family));
		end = brace ? strrchr(line, '}') + 1 : strchr(line, ' ');
		assert_int_equal(*end, ' ');
		assert_null(strchr(end + 1, ' '));
		*end = '\0';
		if (brace)
			assert_null(strstr(strstr(seen, line) + 1, line));
	}
	free(family);
	free(seen);
	return samples;
}

static void test_full_exposition(void **state)
{
	struct prometheus_options options = { 0 };
	struct prometheus *prometheus;
	struct prometheus_stats stats;
	struct snapshot *snapshot;
	struct strbuf out;
	size_t samples, exported = 0;

	(void)state;
	metric_set_add_all(&options.metrics);
	snapshot = make_full(&options.metrics);
	strbuf_init(&out);
	assert_int_equal(prometheus_new(&options, &prometheus), 0);
	assert_int_equal(prometheus_render(prometheus, snapshot, &out, &stats), 0);
	samples = check_text(out.data);
	for (int i = M_NONE + 1; i < METRIC_COUNT; i++)
		exported += family_exists((enum metric_id)i);
	assert_int_equal(samples, stats.series);
	assert_int_equal(samples, exported + 2); /* the count and the info */
	strbuf_done(&out);
	prometheus_unref(prometheus);
	snapshot_unref(snapshot);
}

/* The families of the inventory have no table: what they print is linted. */
static void test_inventory(void **state)
{
	struct prometheus_options options = { .inventory = true, .namespace_info = true };
	struct tree *tree = fake_tree(fake_inventory_paths, fake_inventory_n_paths, NULL);
	struct prometheus *prometheus;
	struct prometheus_stats stats;
	struct snapshot *snapshot = fake_snapshot(tree, &options.metrics, 1);
	struct strbuf out;
	char *copy, *position = NULL;
	size_t families = 0;

	(void)state;
	snapshot->inventory = fake_inventory();
	assert_int_equal(join_new(tree, snapshot->inventory, &snapshot->join), 0);
	strbuf_init(&out);
	assert_int_equal(prometheus_new(&options, &prometheus), 0);
	assert_int_equal(prometheus_render(prometheus, snapshot, &out, &stats), 0);
	copy = strdup(out.data);
	assert_int_equal(check_text(out.data), stats.series);
	for (char *line = strtok_r(copy, "\n", &position); line;
	     line = strtok_r(NULL, "\n", &position)) {
		char *help = strncmp(line, "# HELP ", 7) == 0 ? strchr(line + 7, ' ') : NULL;

		if (!help)
			continue;
		*help = '\0';
		families++;
		if (!ends_with(line, "_info"))
			lint_name(line + 7, "gauge");
		if (!ends_with(help + 1, "."))
			fail_msg("%s: HELP is not a sentence", line + 7);
		for (int i = M_NONE + 1; i < METRIC_COUNT; i++) {
			_cleanup_(freep) char *name = NULL;

			if (!family_exists((enum metric_id)i))
				continue;
			name = name_of((enum metric_id)i);
			check_clash(line + 7, name);
			check_clash(name, line + 7);
		}
	}
	assert_true(families > 30);
	free(copy);
	strbuf_done(&out);
	prometheus_unref(prometheus);
	snapshot_unref(snapshot);
}

/* Histograms: the suffixes are theirs, so no other family may end up with such a name. */
static void test_latency(void **state)
{
	static const char family[] = "cgwatch_cgroup_latency_seconds";
	static const char *const paths[] = { "/", "/a" };
	struct prometheus_options options = { 0 };
	struct prometheus *prometheus;
	struct prometheus_stats stats;
	struct snapshot *snapshot = fake_snapshot(fake_tree(paths, ARRAY_SIZE(paths), NULL),
						  &options.metrics, 1);
	struct strbuf out;

	(void)state;
	snapshot->distributions = fake_distributions(snapshot->tree, paths, ARRAY_SIZE(paths));
	strbuf_init(&out);
	assert_int_equal(prometheus_new(&options, &prometheus), 0);
	assert_int_equal(prometheus_render(prometheus, snapshot, &out, &stats), 0);
	assert_non_null(strstr(out.data, "# TYPE cgwatch_cgroup_latency_seconds histogram\n"));
	assert_int_equal(check_text(out.data), stats.series);
	lint_name(family, "histogram");
	for (int i = M_NONE + 1; i < METRIC_COUNT; i++) {
		_cleanup_(freep) char *name = NULL;

		if (!family_exists((enum metric_id)i))
			continue;
		name = name_of((enum metric_id)i);
		check_clash(family, name);
		check_clash(name, family);
	}
	strbuf_done(&out);
	prometheus_unref(prometheus);
	snapshot_unref(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),		cmocka_unit_test(test_families),
		cmocka_unit_test(test_full_exposition), cmocka_unit_test(test_inventory),
		cmocka_unit_test(test_latency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
