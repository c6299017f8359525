// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/glob.h"
#include "core/join.h"
#include "fake_inventory.h"
#include "fake_snapshot.h"
#include "policies/selector.h"

static const char passwd[] = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";

/* The scene of fake_inventory.h. */
static struct snapshot *make(bool with_inventory)
{
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot = fake_snapshot(
		fake_tree(fake_inventory_paths, fake_inventory_n_paths, NULL), &wanted, 2);

	if (!with_inventory)
		return snapshot;
	snapshot->inventory = fake_inventory();
	assert_int_equal(user_names_parse(passwd, strlen(passwd), &snapshot->inventory->users), 0);
	assert_int_equal(join_new(snapshot->tree, snapshot->inventory, &snapshot->join), 0);
	return snapshot;
}

/* "match_not = /a" and so on, each line ended by '\n'. */
static struct selectors *parse(const char *lines)
{
	struct selectors *selectors;
	char reason[256] = "";

	assert_int_equal(selectors_new(&selectors), 0);
	while (*lines) {
		size_t length = strcspn(lines, "\n"), key = strcspn(lines, " ");
		_cleanup_(freep) char *value = strndup(lines + key + 3, length - key - 3);
		bool not = key > 4 && memcmp(lines + key - 4, "_not", 4) == 0;
		int kind = 0;

		key -= not ? 4 : 0;
		while (strlen(selector_name((enum selector_kind)kind)) != key ||
		       memcmp(selector_name((enum selector_kind)kind), lines, key) != 0)
			kind++;
		if (selectors_add(selectors, (enum selector_kind)kind, not, value, reason,
				  sizeof(reason)) < 0)
			fail_msg("%s: %s", value, reason);
		lines += length + (lines[length] == '\n');
	}
	return selectors;
}

#define WEB FAKE_WEB_CGROUP
#define ANN FAKE_ROOTLESS_CGROUP
#define GO  FAKE_GO_CGROUP
#define SSH "/system.slice/ssh.service"
#define T   OUTCOME_TRUE
#define F   OUTCOME_FALSE
#define U   OUTCOME_UNKNOWN

static const struct {
	const char *lines, *path;
	enum outcome with, without; /* the inventory */
} cases[] = {
	{ "match = /system.slice/*", SSH, T, T },
	{ "match = /system.slice", SSH, F, F },
	{ "match = /system.slice", "/system.slice", T, T },
	{ "match = /", "/", T, T },
	{ "match = /**", "/", F, F },
	{ "match = /system.slice/s[a-z]h.service", SSH, T, T },
	{ "match = ssh.service", SSH, T, T },
	{ "match = /system.slic*/**", SSH, T, T },
	{ "match = /user.slice/**\nmatch = /system.slice/**", SSH, T, T },
	{ "match = /**\nmatch_not = /system.slice/**", SSH, F, F },
	{ "match = /**\nmatch_not = /user.slice/**", SSH, T, T },
	/* Other selectors narrow it. */
	{ "match = /system.slice/**\nunit = ssh.service", SSH, T, T },
	{ "match = /user.slice/**\nunit = ssh.service", SSH, F, F },
	{ "unit = ssh*, cni.service", GO, T, T },
	{ "unit = ssh*", GO, F, F },
	{ "unit = *\nunit_not = ssh.*", SSH, F, F },
	{ "unit = *", "/system.slice", F, F },
	{ "kind = service", SSH, T, T },
	{ "kind = scope, service", SSH, T, T },
	{ "kind = slice", SSH, F, F },
	{ "kind = container", WEB, T, T },
	{ "kind_not = container\nmatch = /**", WEB, F, F },
	/* Containers: the id is in the path, names and images are the inventory's. */
	{ "container = web", WEB, T, U },
	{ "container = w*b", WEB, T, U },
	{ "container = other", WEB, F, U },
	{ "container = " FAKE_WEB_ID, WEB, T, T },
	{ "container = 5f0c3f6f2b1e", WEB, T, T },
	{ "container = 5f0c3f6f2b1", WEB, F, U }, /* too short for an id */
	{ "container = 5f0c3f6f2b1f", WEB, F, U },
	{ "container = 5f0c*", WEB, T, T },
	{ "container = other, web", WEB, T, U },
	{ "container = *", SSH, F, U },
	{ "container_not = web\nmatch = /**", WEB, F, U },
	{ "container_not = web\nmatch = /**", SSH, T, U },
	{ "image = nginx:*", WEB, T, U },
	{ "image = nginx", WEB, F, U },
	{ "image_not = nginx:*\nkind = container", WEB, F, U },
	{ "image = *", SSH, F, U },
	/* Users, processes, namespaces. */
	{ "user = ann", ANN, T, U },
	{ "user = 1000", ANN, T, U },
	{ "user = 1001, 1000", ANN, T, U },
	{ "user = 1000", SSH, F, U },
	{ "user = root", SSH, T, U },
	{ "user = 1000", WEB, F, U }, /* two users there */
	{ "user = no-such-user-here", ANN, F, U },
	{ "user_not = ann\nmatch = /**", ANN, F, U },
	{ "process = nginx", WEB, T, U },
	{ "process = ng*", WEB, T, U },
	{ "process = sshd", WEB, F, U },
	{ "process = nginx", "/system.slice", F, U }, /* of the cgroup itself only */
	{ "process_not = nginx\nmatch = /**", WEB, F, U },
	{ "namespace = net:own", WEB, T, U },
	{ "namespace = net:host", WEB, F, U },
	{ "namespace = net:host", SSH, T, U },
	{ "namespace = user:own", ANN, T, U },
	{ "namespace = net:several", GO, T, U },
	{ "namespace = net:several", "/system.slice", T, U },
	{ "namespace = mnt:4026532200", WEB, T, U },
	{ "namespace = mnt:4026532200", "/system.slice", T, U }, /* below it */
	{ "namespace = mnt:4026532200", SSH, F, U },
	{ "namespace = mnt:4026532200", ANN, F, U },
	{ "namespace = net:4026532200", WEB, F, U }, /* another type */
	{ "namespace = net:own, user:own", ANN, T, U },
	{ "namespace_not = net:own\nmatch = /**", WEB, F, U },
	{ "namespace_not = net:own\nmatch = /**", SSH, T, U },
	/* What is false stays false, whatever is unknown beside it. */
	{ "container = web\nmatch = /user.slice/**", WEB, F, F },
	{ "container = web\nkind = service", WEB, F, F },
	{ "user = ann\nmatch_not = " ANN, ANN, F, F },
	{ "container = web\nuser = ann", WEB, F, U },
};

static void test_match(void **state)
{
	struct snapshot *with = make(true), *without = make(false);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct selectors *selectors = parse(cases[i].lines);
		uint32_t index = tree_find(with->tree, cases[i].path);
		enum outcome a, b;

		assert_int_not_equal(index, NODE_NONE);
		a = selectors_match(selectors, with, index);
		b = selectors_match(selectors, without, index);
		if (a != cases[i].with || b != cases[i].without)
			fail_msg("%s at %s: %d, %d", cases[i].lines, cases[i].path, (int)a, (int)b);
		selectors_free(selectors);
	}
	snapshot_unref(with);
	snapshot_unref(without);
}

/* A cgroup that was made after the inventory: nobody was seen in it yet. */
static void test_new_cgroup(void **state)
{
	static const char *const lines[] = { "process_not = nginx\nmatch = /**",
					     "user_not = ann\nmatch = /**",
					     "namespace_not = net:own\nmatch = /**" };
	const char *paths[] = { "/", "/system.slice", SSH, "/system.slice/new.service" };
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot = fake_snapshot(fake_tree(paths, ARRAY_SIZE(paths), NULL),
						  &wanted, 2);

	(void)state;
	snapshot->inventory = fake_inventory();
	assert_int_equal(user_names_parse(passwd, strlen(passwd), &snapshot->inventory->users), 0);
	assert_int_equal(join_new(snapshot->tree, snapshot->inventory, &snapshot->join), 0);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct selectors *selectors = parse(lines[i]);

		assert_int_equal(selectors_match(selectors, snapshot, 2), OUTCOME_TRUE);
		assert_int_equal(selectors_match(selectors, snapshot, 3), OUTCOME_UNKNOWN);
		selectors_free(selectors);
	}
	snapshot_unref(snapshot);
}

/* Where a process could not be looked into, nothing is claimed about its namespaces. */
static void test_denied(void **state)
{
	static const struct {
		const char *line;
		enum outcome outcome;
	} looks[] = {
		{ "namespace = net:own", OUTCOME_UNKNOWN },
		{ "namespace = net:host", OUTCOME_UNKNOWN },
		{ "namespace = net:several", OUTCOME_UNKNOWN },
		{ "namespace = mnt:4026532200", OUTCOME_TRUE }, /* the other one is in it */
		{ "namespace = mnt:4026531830", OUTCOME_UNKNOWN },
		{ "process = nginx", OUTCOME_TRUE },
	};
	struct snapshot *snapshot = make(false);
	struct namespaces *set;

	(void)state;
	snapshot->inventory = fake_inventory();
	set = snapshot->inventory->namespaces;
	for (uint32_t i = 0; i < set->n_processes; i++) {
		if (set->processes[i].pid != 201)
			continue;
		set->processes[i].denied = true;
		for (int type = 0; type < NS_TYPE_COUNT; type++)
			set->processes[i].ns[type] = NS_NONE;
	}
	assert_int_equal(join_new(snapshot->tree, snapshot->inventory, &snapshot->join), 0);
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		struct selectors *selectors = parse(looks[i].line);

		assert_int_equal(
			selectors_match(selectors, snapshot, tree_find(snapshot->tree, WEB)),
			looks[i].outcome);
		selectors_free(selectors);
	}
	snapshot_unref(snapshot);
}

/* An inventory without the part that would say it. */
static void test_part_missing(void **state)
{
	static const char *const lines[] = { "user = 0", "process = x", "namespace = net:own",
					     "container = x", "image = x" };
	struct snapshot *snapshot = make(false);

	(void)state;
	snapshot->inventory = inventory_new(0, NULL, NULL, NULL);
	assert_int_equal(join_new(snapshot->tree, snapshot->inventory, &snapshot->join), 0);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct selectors *selectors = parse(lines[i]);

		assert_int_equal(
			selectors_match(selectors, snapshot, tree_find(snapshot->tree, WEB)),
			OUTCOME_UNKNOWN);
		selectors_free(selectors);
	}
	snapshot_unref(snapshot);
}

/* Only the cgroup of the unit or container itself, not those below it. */
static void test_own_cgroup(void **state)
{
	static const char *const paths[] = { "/",
					     "/a.service",
					     "/a.service/sub",
					     "/_b.service",
					     "/docker-0123456789abcdef.scope",
					     "/docker-0123456789abcdef.scope/in" };
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot = fake_snapshot(fake_tree(paths, ARRAY_SIZE(paths), NULL),
						  &wanted, 1);
	struct selectors *unit = parse("unit = *.service"),
			 *container = parse("container = 0123456789abcdef");
	struct node *const *nodes = snapshot->tree->nodes;

	(void)state;
	free(nodes[2]->unit);
	free(nodes[3]->unit);
	nodes[2]->unit = strdup("a.service");
	nodes[3]->unit = strdup("b.service"); /* systemd escapes names that mean something else */
	free(nodes[5]->container_id);
	nodes[5]->container_id = strdup(nodes[4]->container_id);
	assert_int_equal(selectors_match(unit, snapshot, 1), OUTCOME_TRUE);
	assert_int_equal(selectors_match(unit, snapshot, 2), OUTCOME_FALSE);
	assert_int_equal(selectors_match(unit, snapshot, 3), OUTCOME_TRUE);
	assert_int_equal(selectors_match(container, snapshot, 4), OUTCOME_TRUE);
	assert_int_equal(selectors_match(container, snapshot, 5), OUTCOME_FALSE);
	selectors_free(unit);
	selectors_free(container);
	snapshot_unref(snapshot);
}

static void test_could_match(void **state)
{
	struct selectors *selectors = parse("match = /a/**\nuser = ann\nimage_not = x\n"
					    "match_not = /a/keep\nkind = cgroup");
	static const struct {
		const char *path;
		bool could;
	} nodes[] = { { "/a/b", true }, { "/a/keep", false }, { "/b", false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		struct node *node = node_new(nodes[i].path, 1, 1);

		assert_int_equal(selectors_could_match(selectors, node), nodes[i].could);
		node_unref(node);
	}
	selectors_free(selectors);
}

static const struct {
	enum selector_kind kind;
	const char *value, *reason;
} wrong[] = {
	{ SELECTOR_MATCH, "/a//b", "\"/a//b\" matches nothing" },
	{ SELECTOR_MATCH, "/a[", "a '[' is not closed" },
	{ SELECTOR_UNIT, "/a.service", "no unit name does: use match" },
	{ SELECTOR_UNIT, "a.service,,b", "a value is missing" },
	{ SELECTOR_UNIT, "a.service,", "a value is missing" },
	{ SELECTOR_UNIT, " , a", "a value is missing" },
	{ SELECTOR_CONTAINER, "[", "a '[' is not closed" },
	{ SELECTOR_KIND, "services", "\"services\" is no kind of cgroup: there are cgroup, root" },
	{ SELECTOR_USER, "a b", "neither a user's name nor a uid" },
	{ SELECTOR_NAMESPACE, "net", "write TYPE:host" },
	{ SELECTOR_NAMESPACE, "disk:own", "write TYPE:host" },
	{ SELECTOR_NAMESPACE, "net:", "behind the colon stands host, own, several or an inode" },
	{ SELECTOR_NAMESPACE, "net:0", "behind the colon" },
	{ SELECTOR_NAMESPACE, "net:foreign", "behind the colon" },
};

static void test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct selectors *selectors;
		char reason[256] = "";

		assert_int_equal(selectors_new(&selectors), 0);
		assert_int_equal(selectors_add(selectors, wrong[i].kind, false, wrong[i].value,
					       reason, sizeof(reason)),
				 -EINVAL);
		if (!strstr(reason, wrong[i].reason))
			fail_msg("%s: \"%s\"", wrong[i].value, reason);
		/* Not even a part of the line stays. */
		assert_true(selectors_is_empty(selectors));
		assert_int_equal(selectors_count(selectors, wrong[i].kind, false), 0);
		selectors_free(selectors);
	}
}

/* What a refused line began to exclude is not excluded. */
static void test_half_a_line(void **state)
{
	struct selectors *selectors = parse("match = /a.service");
	struct node *node = node_new("/a.service", 1, 1);
	char reason[64];

	(void)state;
	node->unit = strdup("a.service");
	assert_int_equal(selectors_add(selectors, SELECTOR_UNIT, true, "a.service,,b", reason,
				       sizeof(reason)),
			 -EINVAL);
	assert_true(selectors_could_match(selectors, node));
	assert_int_equal(selectors_add(selectors, SELECTOR_UNIT, true, "b, a.service", reason,
				       sizeof(reason)),
			 0);
	assert_false(selectors_could_match(selectors, node));
	node_unref(node);
	selectors_free(selectors);
}

static void test_text(void **state)
{
	struct selectors *selectors = parse("unit_not = a, b\nmatch = /x\nmatch = /y\nuser = 0");
	struct selectors *none = parse("match_not = /x");
	struct strbuf text;

	(void)state;
	strbuf_init(&text);
	selectors_format(selectors, &text);
	assert_string_equal(text.data, "match = /x, match = /y, unit_not = a, b, user = 0");
	strbuf_done(&text);
	assert_int_equal(selectors_count(selectors, SELECTOR_MATCH, false), 2);
	assert_string_equal(selectors_text(selectors, SELECTOR_MATCH, false, 1), "/y");
	assert_string_equal(selectors_text(selectors, SELECTOR_UNIT, true, 0), "a, b");
	assert_false(selectors_is_empty(selectors));
	assert_true(selectors_is_empty(none));
	assert_int_equal(selectors_inventory(selectors), INVENTORY_NAMESPACES);
	assert_int_equal(selectors_inventory(none), 0);
	selectors_free(selectors);
	selectors_free(none);
}

static const struct {
	const char *wide, *narrow;
	bool covers;
} covers[] = {
	{ "match = /a", "match = /a", true },
	{ "match = /a\nmatch = /b", "match = /b", true },
	{ "match = /b", "match = /a\nmatch = /b", false },
	{ "match = /a", "match = /a\nuser = 0", true },
	{ "match = /a\nuser = 0", "match = /a", false },
	{ "match = /a", "match = /a\nmatch_not = /c", true },
	{ "match = /a\nmatch_not = /c", "match = /a", false },
	{ "unit = a, b", "unit = b", true },
	{ "unit = a", "match = /a", false },
};

static void test_cover(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(covers); i++) {
		struct selectors *wide = parse(covers[i].wide), *narrow = parse(covers[i].narrow);

		if (selectors_cover(wide, narrow) != covers[i].covers)
			fail_msg("%s / %s", covers[i].wide, covers[i].narrow);
		selectors_free(wide);
		selectors_free(narrow);
	}
}

/* In a text a '/' is a byte like the others. */
static void test_glob_text(void **state)
{
	(void)state;
	assert_true(glob_match_text("kworker*", "kworker/0:1"));
	assert_false(glob_match_text("kworker", "kworker/0:1"));
	assert_true(glob_match_text("a/b", "a/b"));
	assert_true(glob_match_text("*/b?", "a/bc"));
	assert_false(glob_match_text("b", "a/b"));
	assert_true(glob_match_text("*", ""));
	assert_false(glob_match_text("?", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),	    cmocka_unit_test(test_new_cgroup),
		cmocka_unit_test(test_denied),	    cmocka_unit_test(test_part_missing),
		cmocka_unit_test(test_own_cgroup),  cmocka_unit_test(test_could_match),
		cmocka_unit_test(test_wrong),	    cmocka_unit_test(test_text),
		cmocka_unit_test(test_half_a_line), cmocka_unit_test(test_cover),
		cmocka_unit_test(test_glob_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
