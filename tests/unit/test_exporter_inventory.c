// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/join.h"
#include "exporter/prometheus.h"
#include "fake_golden.h"
#include "fake_inventory.h"
#include "fake_snapshot.h"

#ifndef CGWATCH_SOURCE_DIR
#define CGWATCH_SOURCE_DIR "."
#endif

static char *render(struct inventory *inventory, const struct prometheus_options *options,
		    struct prometheus_stats *stats)
{
	struct tree *tree = fake_tree(fake_inventory_paths, fake_inventory_n_paths, NULL);
	struct snapshot *snapshot = fake_snapshot(tree, &options->metrics, 1);
	struct prometheus *prometheus;
	struct strbuf out;

	snapshot->boottime_ns = FAKE_NOW_NS + UINT64_C(2000000000);
	snapshot->inventory = inventory;
	if (inventory)
		assert_int_equal(join_new(tree, inventory, &snapshot->join), 0);
	strbuf_init(&out);
	assert_int_equal(prometheus_new(options, &prometheus), 0);
	assert_int_equal(prometheus_render(prometheus, snapshot, &out, stats), 0);
	prometheus_unref(prometheus);
	snapshot_unref(snapshot);
	return strbuf_take(&out);
}

static const struct prometheus_options all = { .inventory = true, .namespace_info = true };

static void test_golden(void **state)
{
	struct prometheus_stats stats;
	_cleanup_(freep) char *text = render(fake_inventory(), &all, &stats);
	size_t lines = 0;

	(void)state;
	golden_compare("metrics-inventory.prom", text);
	for (const char *at = text; *at; at = strchr(at, '\n') + 1)
		lines += *at != '#';
	assert_int_equal(stats.series, lines);
	assert_int_equal(stats.dropped_series, 0);
}

/* What is not wanted, or not there, has no line. */
static void test_parts(void **state)
{
	struct prometheus_options options = { .inventory = true };
	struct prometheus_stats stats;
	struct inventory *inventory = fake_inventory();
	char *text = render(fake_inventory(), &(struct prometheus_options){ 0 }, &stats);

	(void)state;
	assert_null(strstr(text, "cgwatch_overlay"));
	assert_null(strstr(text, "cgwatch_namespace"));
	free(text);
	text = render(NULL, &options, &stats);
	assert_null(strstr(text, "cgwatch_overlay"));
	free(text);
	inventory->containers->orphans_searched = false;
	text = render(inventory, &options, &stats);
	assert_null(strstr(text, "cgwatch_namespace_info"));
	assert_null(strstr(text, "orphaned"));
	assert_non_null(strstr(text, "cgwatch_overlay_info{"));
	free(text);
	text = render(inventory_new(0, NULL, NULL, NULL), &options, &stats);
	assert_null(strstr(text, "cgwatch_overlay"));
	free(text);
}

/* A layer that was only measured in part has no sizes, but says so. */
static void test_partial(void **state)
{
	static const enum layer_state states[] = { LAYER_PARTIAL, LAYER_STUCK, LAYER_FAILED };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct inventory *inventory = fake_inventory();
		struct prometheus_stats stats;
		char *text;

		inventory->overlays->list[0].usage.state = states[i];
		text = render(inventory, &all, &stats);
		assert_null(strstr(text, "cgwatch_overlay_upper_bytes{"));
		assert_null(strstr(text, "cgwatch_overlay_upper_entries{"));
		assert_non_null(
			strstr(text, "cgwatch_overlay_upper_scan_complete{overlay=\"0:57\"} 0\n"));
		free(text);
	}
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
		n++;
	return n;
}

/* Whose owner is not to be seen is not namespace 0's. */
static void test_owner(void **state)
{
	struct inventory *inventory = fake_inventory();
	struct prometheus_stats stats;
	char *text;

	(void)state;
	for (uint32_t i = 0; i < inventory->namespaces->n; i++)
		inventory->namespaces->list[i].owner = NS_NONE;
	text = render(inventory, &all, &stats);
	assert_int_equal(count(text, "cgwatch_namespace_info{"),
			 count(text, ",userns=\"\",cgroup="));
	free(text);
}

/* Whole mounts, containers and namespaces fall out, never a part of one; counts stay. */
static void test_budget(void **state)
{
	struct prometheus_options options = all;
	struct prometheus_stats full, stats;
	_cleanup_(freep) char *text = render(fake_inventory(), &all, &full);
	size_t of_web = count(text, "overlay=\"0:57\"");
	size_t of_rootless = count(text, "overlay=\"0:61\"");

	(void)state;
	assert_true(of_web > of_rootless && of_rootless > 3);
	/* 10 cgroup series (9 and the count), the container, the first mount. */
	options.max_series = (uint32_t)(10 + 1 + of_web);
	free(text);
	text = render(fake_inventory(), &options, &stats);
	assert_int_equal(count(text, "cgwatch_container_info{"), 1);
	assert_int_equal(count(text, "overlay=\"0:57\""), of_web);
	assert_int_equal(count(text, "overlay=\"0:61\""), 0);
	assert_int_equal(count(text, "cgwatch_namespace_info{"), 0);
	assert_int_equal(stats.dropped_series, of_rootless + 13); /* own namespaces */
	assert_int_equal(stats.series + stats.dropped_series, full.series);
	assert_non_null(strstr(text, "cgwatch_overlays{runtime=\"docker\",state=\"complete\"} 1"));
	options.max_series -= 1;
	free(text);
	text = render(fake_inventory(), &options, &stats);
	assert_int_equal(count(text, "overlay=\"0:"), 0); /* not the smaller one instead */
	options.max_series = 5;
	free(text);
	text = render(fake_inventory(), &options, &stats);
	assert_int_equal(count(text, "cgwatch_container_info{"), 0);
	assert_non_null(strstr(text, "cgwatch_namespaces{ns_type=\"net\",state=\"live\"} 3"));
}

/* A cgroup that is not exported stands nowhere. */
static void test_filters(void **state)
{
	static const char *const exclude[] = { "/system.slice/**" };
	struct prometheus_options options = all;
	struct prometheus_stats stats;
	_cleanup_(freep) char *text = NULL;

	(void)state;
	options.exclude = exclude;
	options.n_exclude = 1;
	text = render(fake_inventory(), &options, &stats);
	assert_null(strstr(text, "/system.slice/"));
	assert_null(strstr(text, "cgwatch_container_info{"));
	assert_non_null(strstr(text, "cgwatch_overlay_info{overlay=\"0:57\""));
	assert_non_null(strstr(text, "cgroup=\"" FAKE_ROOTLESS_CGROUP "\""));
}

/* What is gone has no line in the next text. */
static void test_stale(void **state)
{
	struct inventory *inventory = fake_inventory();
	struct prometheus_stats stats;
	_cleanup_(freep) char *text = NULL;

	(void)state;
	inventory->overlays->list++;
	inventory->overlays->n = 1;
	inventory->containers->n = 0;
	text = render(inventory, &all, &stats);
	assert_null(strstr(text, "0:57"));
	assert_null(strstr(text, "cgwatch_container_info"));
	assert_null(strstr(text, "runtime=\"docker\",state="));
	assert_non_null(strstr(text, "overlay=\"0:61\""));
}

/* Names come from outside. */
static void test_escapes(void **state)
{
	static struct container list[] = { { .id = FAKE_WEB_ID,
					     .runtime = "docker",
					     .name = "a\"b\\c\nd",
					     .image = "0123456789",
					     .state = "no such word" } };
	struct prometheus_options options = all;
	struct inventory *inventory = fake_inventory();
	struct prometheus_stats stats;
	_cleanup_(freep) char *text = NULL;

	(void)state;
	inventory->containers->list = list;
	inventory->containers->n = 1;
	options.max_label = 8;
	text = render(inventory, &options, &stats);
	assert_non_null(strstr(text, "name=\"a\\\"b\\\\c\\nd\",image=\"01234567\""));
	assert_non_null(strstr(text, "cgwatch_containers{runtime=\"docker\",state=\"other\"} 1\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden), cmocka_unit_test(test_parts),
		cmocka_unit_test(test_owner),  cmocka_unit_test(test_partial),
		cmocka_unit_test(test_budget), cmocka_unit_test(test_filters),
		cmocka_unit_test(test_stale),  cmocka_unit_test(test_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
