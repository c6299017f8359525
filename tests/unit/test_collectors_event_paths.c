// SPDX-License-Identifier: MIT
/* Paths of cgroups that events are about: before, while and after they are in a tree. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
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

/* ---- any sequence ---- */

enum { CGROUPS = 600, STEPS = 40000, LAG = 5, RECENT = 200, REUSED = 1000 };

struct model {
	struct event_paths *paths;
	/* Cgroup i has id i in one hierarchy and i + 100 in the other one. */
	char path[CGROUPS][256];
	bool lives[CGROUPS];
	int above[CGROUPS];
	int went[CGROUPS]; /* in which step it ended last; 0: never */
	uint64_t state, generation;
	struct tree *waiting[LAG]; /* trees that were taken some steps ago */
	int step;
};

static unsigned int below(struct model *model, unsigned int limit)
{
	model->state = model->state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned int)(model->state >> 33) % limit;
}

static int pick(struct model *model, bool leaf)
{
	for (int tries = 0; tries < 50; tries++) {
		int i = 1 + (int)below(model, CGROUPS - 1);
		bool fits = model->lives[i] && (!leaf || i != 1);

		for (int j = 1; fits && leaf && j < CGROUPS; j++)
			fits = !model->lives[j] || model->above[j] != i;
		if (fits)
			return i;
	}
	return 0;
}

/* An id that is free, and not of one that went lately: ids come back only after very long. */
static void create(struct model *model)
{
	int above = pick(model, false), i = 2 + (int)below(model, CGROUPS - 2);
	char name[16];

	if (!above || model->lives[i] || strlen(model->path[above]) > 200 ||
	    (model->went[i] && model->step - model->went[i] < REUSED))
		return;
	/* Few names, so that paths come back as other cgroups. */
	snprintf(name, sizeof(name), "n%u", below(model, 4));
	for (int j = 1; j < CGROUPS; j++) {
		if (model->lives[j] && model->above[j] == above &&
		    strcmp(strrchr(model->path[j], '/') + 1, name) == 0)
			return;
	}
	snprintf(model->path[i], sizeof(model->path[i]), "%s/%s",
		 above == 1 ? "" : model->path[above], name);
	model->lives[i] = true;
	model->above[i] = above;
	for (unsigned int h = 0; h < 2; h++)
		event_paths_created(model->paths, h, (uint64_t)i + h * 100,
				    (uint64_t)above + h * 100, name);
}

static void destroy(struct model *model)
{
	int i = pick(model, true);

	if (!i)
		return;
	model->lives[i] = false;
	model->went[i] = model->step;
	/* Now and then nobody hears of it. */
	for (unsigned int h = 0; h < 2 && below(model, 20); h++)
		event_paths_removed(model->paths, h, (uint64_t)i + h * 100);
}

/* The tree as it is now arrives when some more has happened. */
static void sample(struct model *model)
{
	const char *paths[CGROUPS];
	uint64_t ids[CGROUPS];
	uint32_t n = 0;

	for (int i = 1; i < CGROUPS; i++) {
		if (!model->lives[i])
			continue;
		paths[n] = model->path[i];
		ids[n++] = (uint64_t)i;
	}
	if (model->waiting[LAG - 1]) {
		event_paths_set_tree(model->paths, model->waiting[LAG - 1]);
		tree_unref(model->waiting[LAG - 1]);
	}
	memmove(model->waiting + 1, model->waiting, sizeof(*model->waiting) * (LAG - 1));
	model->waiting[0] = make_tree(++model->generation, paths, n, ids);
}

static void compare(struct model *model)
{
	for (unsigned int h = 0; h < 2; h++) {
		for (int i = 1; i < CGROUPS; i++) {
			const char *path = event_paths_find(model->paths, h, (uint64_t)i + h * 100);
			bool known = model->lives[i] ||
				     (model->went[i] && model->step - model->went[i] < RECENT);

			if (known && (!path || strcmp(path, model->path[i]) != 0))
				fail_msg("step %d: %d is %s and not %s", model->step, i,
					 path ? path : "unknown", model->path[i]);
		}
	}
}

/* Who lives or went lately always has its own path, whatever the order of events and trees. */
static void test_any_sequence(void **state)
{
	struct model *model = calloc(1, sizeof(*model));

	(void)state;
	assert_non_null(model);
	model->paths = event_paths_new();
	model->state = 1;
	snprintf(model->path[1], sizeof(model->path[1]), "/");
	model->lives[1] = true;
	sample(model);
	event_paths_set_tree(model->paths, model->waiting[0]);
	for (model->step = 1; model->step <= STEPS; model->step++) {
		if (below(model, 100) < 55)
			create(model);
		else
			destroy(model);
		if (model->step % 40 == 0)
			sample(model);
		if (model->step % 50 == 0)
			compare(model);
	}
	for (int i = 0; i < LAG; i++)
		tree_unref(model->waiting[i]);
	event_paths_free(model->paths);
	free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),	     cmocka_unit_test(test_created),
		cmocka_unit_test(test_gone),	     cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_any_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
