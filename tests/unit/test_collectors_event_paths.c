// SPDX-License-Identifier: MIT
/* Paths of cgroups that events are about: before, while and after they are in a tree. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "collectors/event_paths.h"

/* A tree of two hierarchies: "/" with ids 1 and 101, and the paths with ids from 2 and 102 on. */
static struct tree *make_tree(uint64_t generation, const char *const *paths, uint32_t n,
			      const uint64_t *ids)
{
	struct strpool *strings = strpool_new();
	struct tree *tree = tree_new(n, 2, strings);

	assert_non_null(tree);
	strpool_unref(strings);
	tree->generation = generation;
	for (uint32_t i = 0; i < n; i++) {
		tree->nodes[i] = node_new(paths[i], i > 0, 2);
		tree->nodes[i]->ids[0] = ids[i];
		tree->nodes[i]->ids[1] = ids[i] + 100;
	}
	return tree;
}

static const char *const two[] = { "/", "/a" };
static const uint64_t two_ids[] = { 1, 2 };

static void test_tree(void **state)
{
	struct event_paths *paths = event_paths_new();
	struct tree *tree = make_tree(1, two, 2, two_ids);

	(void)state;
	assert_null(event_paths_find(paths, 0, 1));
	event_paths_set_tree(paths, tree);
	tree_unref(tree);
	assert_string_equal(event_paths_find(paths, 0, 1), "/");
	assert_string_equal(event_paths_find(paths, 0, 2), "/a");
	assert_string_equal(event_paths_find(paths, 1, 102), "/a");
	assert_null(event_paths_find(paths, 1, 2));
	assert_null(event_paths_find(paths, 0, 3));
	event_paths_free(paths);
}

static void test_created(void **state)
{
	struct event_paths *paths = event_paths_new();
	struct tree *tree = make_tree(1, two, 2, two_ids);

	(void)state;
	event_paths_set_tree(paths, tree);
	tree_unref(tree);
	event_paths_created(paths, 0, 10, 1, "top");
	event_paths_created(paths, 0, 11, 2, "below");
	event_paths_created(paths, 0, 12, 11, "deeper");
	event_paths_created(paths, 0, 13, 99, "of nobody");
	assert_string_equal(event_paths_find(paths, 0, 10), "/top");
	assert_string_equal(event_paths_find(paths, 0, 11), "/a/below");
	assert_string_equal(event_paths_find(paths, 0, 12), "/a/below/deeper");
	assert_null(event_paths_find(paths, 0, 13));
	/* The other hierarchy has ids of its own. */
	assert_null(event_paths_find(paths, 1, 10));
	event_paths_removed(paths, 0, 12);
	assert_string_equal(event_paths_find(paths, 0, 12), "/a/below/deeper");
	event_paths_free(paths);
}

/* Late events of a cgroup that the latest tree no longer has. */
static void test_gone(void **state)
{
	static const uint64_t other_ids[] = { 1, 5 };
	struct event_paths *paths = event_paths_new();
	struct tree *tree = make_tree(1, two, 2, two_ids);

	(void)state;
	event_paths_set_tree(paths, tree);
	tree_unref(tree);
	event_paths_created(paths, 0, 7, 1, "short");
	event_paths_removed(paths, 0, 7);
	/* The path came back as another cgroup. */
	tree = make_tree(2, two, 2, other_ids);
	tree->previous = 1;
	tree->before[0] = NODE_NONE;
	tree->before[1] = NODE_NONE;
	event_paths_set_tree(paths, tree);
	assert_string_equal(event_paths_find(paths, 0, 2), "/a");
	assert_string_equal(event_paths_find(paths, 1, 102), "/a");
	assert_string_equal(event_paths_find(paths, 0, 5), "/a");
	assert_string_equal(event_paths_find(paths, 0, 7), "/short");
	event_paths_removed(paths, 0, 2);
	assert_string_equal(event_paths_find(paths, 0, 2), "/a");
	tree_unref(tree);
	event_paths_free(paths);
}

/* However many come and go, memory stays bounded, and the latest are known. */
static void test_bounded(void **state)
{
	struct event_paths *paths = event_paths_new();
	struct tree *tree = make_tree(1, two, 2, two_ids);
	char name[32];

	(void)state;
	event_paths_set_tree(paths, tree);
	tree_unref(tree);
	for (uint64_t i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "n%llu", (unsigned long long)i);
		event_paths_created(paths, 0, 1000 + i, 1, name);
		if (i % 2)
			event_paths_removed(paths, 0, 1000 + i);
	}
	assert_string_equal(event_paths_find(paths, 0, 100999), "/n99999");
	assert_string_equal(event_paths_find(paths, 0, 100998), "/n99998");
	assert_null(event_paths_find(paths, 0, 1001));
	assert_null(event_paths_find(paths, 0, 1000));
	event_paths_free(paths);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_created),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
