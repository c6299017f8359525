// SPDX-License-Identifier: MIT
/* Buckets, quantiles, differences, and the columns that are made from them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdint.h>
#include <string.h>

#include "core/distribution.h"
#include "core/snapshot.h"

#include "fake_snapshot.h"

static void test_bounds(void **state)
{
	(void)state;
	assert_true(distribution_bound_ns(0) == 1000);
	assert_true(distribution_bound_ns(10) == 1024000);
	assert_true(distribution_bound_ns(DISTRIBUTION_BUCKETS - 2) == (UINT64_C(1000) << 30));
	assert_true(distribution_bound_ns(DISTRIBUTION_BUCKETS - 1) == UINT64_MAX);
}

static void test_quantiles(void **state)
{
	struct distribution distribution = { .count = 100 };
	double ns;

	(void)state;
	/* 90 of them took up to 1 ms, 10 up to 16 ms. */
	distribution.buckets[10] = 90;
	distribution.buckets[14] = 10;
	assert_true(distribution_quantile(&distribution, 0.5, &ns));
	assert_true(ns > 512e3 && ns < 1024e3);
	assert_true(distribution_quantile(&distribution, 0.9, &ns));
	assert_true(ns >= 1023e3 && ns <= 1025e3);
	assert_true(distribution_quantile(&distribution, 0.99, &ns));
	assert_true(ns > 8192e3 && ns <= 16384e3);
	/* Nothing happened: there is no such time. */
	distribution = (struct distribution){ .count = 0 };
	assert_false(distribution_quantile(&distribution, 0.5, &ns));
}

static void test_difference(void **state)
{
	struct distribution before = { .count = 3, .sum_ns = 30 };
	struct distribution now = { .count = 10, .sum_ns = 100 }, difference;

	(void)state;
	before.buckets[2] = 3;
	now.buckets[2] = 5;
	now.buckets[31] = 5;
	distribution_difference(&now, &before, &difference);
	assert_true(difference.count == 7 && difference.sum_ns == 70);
	assert_true(difference.buckets[2] == 2 && difference.buckets[31] == 5);
}

static struct snapshot *three_nodes(void)
{
	struct strpool *strings = strpool_new();
	struct tree *tree = tree_new(3, 1, strings);
	struct metric_set set = { 0 };
	struct snapshot *snapshot;
	static const char *const paths[] = { "/", "/a", "/b" };

	for (uint32_t i = 0; i < 3; i++) {
		tree->nodes[i] = node_new(paths[i], i > 0, 1);
		tree->parent[i] = i ? 0 : NODE_NONE;
		tree->end[i] = i ? i + 1 : 3;
	}
	metric_set_add(&set, M_LATENCY_RUNQUEUE_P99);
	metric_set_add(&set, M_LATENCY_RUNQUEUE_COUNT);
	metric_set_add(&set, M_LATENCY_THROTTLE_P50);
	metric_set_add(&set, M_NET_TCP_TX);
	snapshot = snapshot_new(tree, &set);
	tree_unref(tree);
	strpool_unref(strings);
	return snapshot;
}

static void test_columns(void **state)
{
	struct snapshot *snapshot = three_nodes();
	struct distributions *distributions = distributions_new(2);
	union value value = { 0 };

	(void)state;
	assert_true(metric_set_watched(&snapshot->wanted) ==
		    (1U << DISTRIBUTION_RUNQUEUE | 1U << DISTRIBUTION_THROTTLE | DISTRIBUTION_NET));
	distributions->missing = 1U << DISTRIBUTION_THROTTLE;
	distributions->list[0] = (struct distribution_entry){ 1, DISTRIBUTION_RUNQUEUE };
	distributions->list[0].interval.buckets[10] = distributions->list[0].interval.count = 4;
	distributions->list[0].total.count = 9;
	distributions->list[1] = (struct distribution_entry){ 2, DISTRIBUTION_RUNQUEUE };
	snapshot->distributions = distributions;
	distributions_fill(snapshot, VALUE_UNWATCHED);
	/* Nobody watches the root; one waited, one had nothing to wait for. */
	assert_int_equal(snapshot_state(snapshot, M_LATENCY_RUNQUEUE_P99, 0), VALUE_UNWATCHED);
	assert_int_equal(snapshot_get(snapshot, M_LATENCY_RUNQUEUE_P99, 1, &value), VALUE_OK);
	assert_true(value.u64 > 512 && value.u64 <= 1024);
	assert_int_equal(snapshot_get(snapshot, M_LATENCY_RUNQUEUE_COUNT, 1, &value), VALUE_OK);
	assert_true(value.u64 == 9);
	assert_int_equal(snapshot_state(snapshot, M_LATENCY_RUNQUEUE_P99, 2), VALUE_IDLE);
	/* The kernel cannot tell that at all. */
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(snapshot_state(snapshot, M_LATENCY_THROTTLE_P50, i), VALUE_ABSENT);
	assert_int_equal(snapshot_state(snapshot, M_NET_TCP_TX, 1), VALUE_UNWATCHED);
	/* Watched since now. */
	distributions->list[0].first = true;
	distributions_fill(snapshot, VALUE_UNWATCHED);
	assert_int_equal(snapshot_state(snapshot, M_LATENCY_RUNQUEUE_P99, 1), VALUE_FIRST);
	snapshot_unref(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_difference),
		cmocka_unit_test(test_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
