// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/query.h"
#include "fake_snapshot.h"

static const char *const paths[] = { "/",  "/a",   "/a/1", "/a/1/deep", "/a/2",
				     "/b", "/b/3", "/c",   "/c/UPPER" };

static struct snapshot *new_snapshot(void)
{
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot;

	metric_set_add(&wanted, M_MEMORY_CURRENT);
	metric_set_add(&wanted, M_CPUSET_CPUS);
	snapshot = fake_snapshot(fake_tree(paths, ARRAY_SIZE(paths), NULL), &wanted, 1);
	fake_set_u64(snapshot, "/", M_MEMORY_CURRENT, 1000);
	fake_set_u64(snapshot, "/a", M_MEMORY_CURRENT, 10);
	fake_set_u64(snapshot, "/a/1", M_MEMORY_CURRENT, 5);
	fake_set_u64(snapshot, "/a/1/deep", M_MEMORY_CURRENT, 0);
	fake_set_u64(snapshot, "/a/2", M_MEMORY_CURRENT, 7);
	fake_set_state(snapshot, "/b", M_MEMORY_CURRENT, VALUE_DISABLED);
	fake_set_u64(snapshot, "/b/3", M_MEMORY_CURRENT, 10);
	fake_set_u64(snapshot, "/c", M_MEMORY_CURRENT, 300);
	fake_set_text(snapshot, "/a", M_CPUSET_CPUS, "0-3");
	fake_set_text(snapshot, "/b", M_CPUSET_CPUS, "0");
	return snapshot;
}

/* The rows as "path path", a '~' before those that only carry a match. */
static void check(const struct query *query, const char *wanted)
{
	struct snapshot *snapshot = new_snapshot();
	uint32_t rows[ARRAY_SIZE(paths)], n;
	bool matched[ARRAY_SIZE(paths)];
	struct strbuf text;

	strbuf_init(&text);
	strbuf_add_string(&text, "");
	n = query_run(query, snapshot, rows, matched);
	assert_true(n <= ARRAY_SIZE(paths));
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0)
			strbuf_add_char(&text, ' ');
		if (!matched[i])
			strbuf_add_char(&text, '~');
		strbuf_add_string(&text, paths[rows[i]]);
	}
	assert_string_equal(text.data, wanted);
	assert_int_equal(query_run(query, snapshot, rows, NULL), n);
	strbuf_done(&text);
	snapshot_unref(snapshot);
}

static void test_by_path(void **state)
{
	(void)state;
	check(&(struct query){ .by_path = true }, "/ /a /a/1 /a/1/deep /a/2 /b /b/3 /c /c/UPPER");
	check(&(struct query){ .by_path = true, .tree = true },
	      "/ /a /a/1 /a/1/deep /a/2 /b /b/3 /c /c/UPPER");
	/* The column is not looked at. */
	check(&(struct query){ .by_path = true, .column = M_MEMORY_CURRENT },
	      "/ /a /a/1 /a/1/deep /a/2 /b /b/3 /c /c/UPPER");
}

/* Cells without a value are last in both directions, equal ones in the order of the tree. */
static void test_sort(void **state)
{
	(void)state;
	check(&(struct query){ .column = M_MEMORY_CURRENT },
	      "/ /c /a /b/3 /a/2 /a/1 /a/1/deep /b /c/UPPER");
	check(&(struct query){ .column = M_MEMORY_CURRENT, .ascending = true },
	      "/a/1/deep /a/1 /a/2 /a /b/3 /c / /b /c/UPPER");
	check(&(struct query){ .column = M_CPUSET_CPUS },
	      "/a /b / /a/1 /a/1/deep /a/2 /b/3 /c /c/UPPER");
	check(&(struct query){ .column = M_CPUSET_CPUS, .ascending = true },
	      "/b /a / /a/1 /a/1/deep /a/2 /b/3 /c /c/UPPER");
	/* A column that is not in the snapshot. */
	check(&(struct query){ .column = M_PIDS_CURRENT },
	      "/ /a /a/1 /a/1/deep /a/2 /b /b/3 /c /c/UPPER");
}

/* In a tree siblings are sorted among themselves. */
static void test_sort_tree(void **state)
{
	(void)state;
	check(&(struct query){ .tree = true, .column = M_MEMORY_CURRENT },
	      "/ /c /c/UPPER /a /a/2 /a/1 /a/1/deep /b /b/3");
	check(&(struct query){ .tree = true, .column = M_MEMORY_CURRENT, .ascending = true },
	      "/ /a /a/1 /a/1/deep /a/2 /c /c/UPPER /b /b/3");
}

static void test_filters(void **state)
{
	(void)state;
	check(&(struct query){ .by_path = true, .glob = "/a/*" }, "/a/1 /a/2");
	check(&(struct query){ .by_path = true, .glob = "/a/**" }, "/a/1 /a/1/deep /a/2");
	check(&(struct query){ .by_path = true, .glob = "/" }, "/");
	check(&(struct query){ .by_path = true, .text = "upper" }, "/c/UPPER");
	check(&(struct query){ .by_path = true, .text = "A/1" }, "/a/1 /a/1/deep");
	check(&(struct query){ .by_path = true, .text = "" },
	      "/ /a /a/1 /a/1/deep /a/2 /b /b/3 /c /c/UPPER");
	check(&(struct query){ .by_path = true, .glob = "/a/**", .text = "deep" }, "/a/1/deep");
	check(&(struct query){ .by_path = true, .glob = "/nothing" }, "");
	check(&(struct query){ .column = M_MEMORY_CURRENT, .glob = "/*" }, "/c /a /b");
}

/* Ancestors of a match stay and are told apart. */
static void test_filter_tree(void **state)
{
	(void)state;
	check(&(struct query){ .tree = true, .by_path = true, .glob = "/a/1/deep" },
	      "~/ ~/a ~/a/1 /a/1/deep");
	check(&(struct query){ .tree = true, .by_path = true, .glob = "/a" }, "~/ /a");
	check(&(struct query){ .tree = true, .by_path = true, .text = "3" }, "~/ ~/b /b/3");
	check(&(struct query){ .tree = true, .by_path = true, .glob = "/" }, "/");
	check(&(struct query){ .tree = true, .by_path = true, .glob = "/nothing" }, "");
}

static bool folded(const struct node *node, void *data)
{
	return strcmp(node->path, data) == 0;
}

static void test_fold(void **state)
{
	struct query query = { .tree = true, .by_path = true, .folded = folded };

	(void)state;
	query.folded_data = (char[]){ "/a" };
	check(&query, "/ /a /b /b/3 /c /c/UPPER");
	query.folded_data = (char[]){ "/a/1" };
	check(&query, "/ /a /a/1 /a/2 /b /b/3 /c /c/UPPER");
	query.folded_data = (char[]){ "/" };
	check(&query, "/");
	/* A list has nothing to fold; a match inside a fold stays hidden. */
	query.tree = false;
	check(&query, "/ /a /a/1 /a/1/deep /a/2 /b /b/3 /c /c/UPPER");
	query.tree = true;
	query.folded_data = (char[]){ "/a" };
	query.glob = "/a/2";
	check(&query, "~/ ~/a");
}

static void test_empty(void **state)
{
	struct metric_set none = { 0 };
	struct snapshot *snapshot = fake_snapshot(fake_tree(paths, 0, NULL), &none, 1);
	struct query query = { .tree = true };
	uint32_t row;

	(void)state;
	assert_int_equal(query_run(&query, snapshot, &row, NULL), 0);
	query.tree = false;
	assert_int_equal(query_run(&query, snapshot, &row, NULL), 0);
	snapshot_unref(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_path),	    cmocka_unit_test(test_sort),
		cmocka_unit_test(test_sort_tree),   cmocka_unit_test(test_filters),
		cmocka_unit_test(test_filter_tree), cmocka_unit_test(test_fold),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
