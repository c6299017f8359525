// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "agent/verbs/ps_view.h"
#include "agent/verbs/show_join.h"
#include "agent/verbs/show_latency.h"
#include "core/cleanup.h"
#include "fake_distributions.h"
#include "fake_golden.h"
#include "fake_inventory.h"
#include "fake_snapshot.h"

/* What `cgwatch show` and `cgwatch ps` say of the machine of fake_inventory.h. */
struct scene {
	struct tree *tree;
	struct show_join show;
	struct strbuf out;
};

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	setlocale(LC_ALL, "C.UTF-8");
	assert_non_null(scene);
	scene->tree = fake_tree(fake_inventory_paths, fake_inventory_n_paths, NULL);
	scene->show.inventory = fake_inventory();
	scene->show.labels = labels_new(NULL);
	assert_non_null(scene->show.labels);
	assert_int_equal(labels_set_user(scene->show.labels, 0, "root"), 0);
	assert_int_equal(labels_set_user(scene->show.labels, 33, NULL), 0);
	assert_int_equal(labels_set_user(scene->show.labels, 1000, "ann\x1b[m"), 0);
	assert_int_equal(join_new(scene->tree, scene->show.inventory, &scene->show.join), 0);
	scene->show.now_ns = FAKE_NOW_NS;
	strbuf_init(&scene->out);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	strbuf_done(&scene->out);
	join_unref(scene->show.join);
	labels_free(scene->show.labels);
	inventory_unref(scene->show.inventory);
	tree_unref(scene->tree);
	free(scene);
	return 0;
}

static void test_text(void **state)
{
	struct scene *scene = *state;

	for (uint32_t i = 0; i < scene->tree->n; i++) {
		strbuf_printf(&scene->out, "==== %s\n", fake_inventory_paths[i]);
		scene->show.node = i;
		show_join_print(&scene->out, &scene->show);
	}
	golden_compare("show-join.txt", scene->out.data);
}

/* How long it waited: with distributions, and without. */
static void test_latency(void **state)
{
	static const char *const paths[] = { "/", "/a" };
	const struct metric_set none = { 0 };
	struct snapshot *snapshot = fake_snapshot(fake_tree(paths, ARRAY_SIZE(paths), NULL), &none,
						  1);
	struct strbuf out = { 0 };
	struct jsonw json;

	(void)state;
	show_latency_print(&out, snapshot, 1, "not permitted: it takes CAP_BPF");
	assert_string_equal(out.data, "waiting       unknown: not permitted: it takes CAP_BPF\n");
	strbuf_clear(&out);
	snapshot->distributions = fake_distributions(snapshot->tree, &paths[1], 1);
	jsonw_init(&json);
	jsonw_begin(&json, NULL, '{');
	show_latency_json(&json, snapshot, 1, "");
	jsonw_end(&json, '}');
	show_latency_print(&out, snapshot, 1, "");
	strbuf_printf(&out, "%s\n", json.out.data);
	golden_compare("show-latency.txt", out.data);
	jsonw_done(&json);
	strbuf_done(&out);
	snapshot_unref(snapshot);
}

static void test_json(void **state)
{
	struct scene *scene = *state;
	struct jsonw json;
	json_t *list, *one;

	jsonw_init(&json);
	jsonw_begin(&json, NULL, '[');
	for (uint32_t i = 0; i < scene->tree->n; i++) {
		jsonw_begin(&json, NULL, '{');
		jsonw_string(&json, "path", fake_inventory_paths[i]);
		scene->show.node = i;
		show_join_json(&json, &scene->show);
		jsonw_end(&json, '}');
		strbuf_add_char(&json.out, '\n');
	}
	jsonw_end(&json, ']');
	golden_compare("show-join.json", json.out.data);
	list = json_loads(json.out.data, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(list);
	one = json_array_get(list, tree_find(scene->tree, FAKE_WEB_CGROUP));
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(one, "container"), "name")),
		"web");
	assert_string_equal(json_string_value(json_object_get(one, "hostname")), "web-1");
	assert_int_equal(json_array_size(json_object_get(one, "processes")), 2);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(one, "overlay"), "size")),
		6442450944);
	json_decref(list);
	jsonw_done(&json);
}

/* Numbers that are too low, or none, say so. */
static void test_usage_states(void **state)
{
	struct scene *scene = *state;
	struct layer_usage *usage = &scene->show.inventory->overlays->list[0].usage;

	scene->show.node = tree_find(scene->tree, FAKE_WEB_CGROUP);
	usage->state = LAYER_PARTIAL;
	usage->error = -EACCES;
	show_join_print(&scene->out, &scene->show);
	assert_non_null(strstr(scene->out.data, "(partial: Permission denied, 3.00s ago)\n"));
	strbuf_clear(&scene->out);
	usage->state = LAYER_STUCK;
	usage->error = 0;
	show_join_print(&scene->out, &scene->show);
	assert_non_null(strstr(scene->out.data, "writable      stuck\n"));
	assert_null(strstr(scene->out.data, "6.00G"));
}

static struct process people[] = {
	{ .pid = 1, .state = 'S', .threads = 1, .comm = "systemd", .command = "/sbin/init" },
	{ .pid = 200,
	  .ppid = 1,
	  .state = 'S',
	  .threads = 3,
	  .cpu_usec = 61500000,
	  .rss_bytes = 5 << 20,
	  .comm = "nginx",
	  .command = "nginx: master\n\xff",
	  .cgroup = FAKE_WEB_CGROUP },
	{ .pid = 300,
	  .ppid = 1,
	  .uid = 1000,
	  .state = 'R',
	  .threads = 1,
	  .comm = "sleep",
	  .command = "sleep infinity",
	  .cgroup = "/../elsewhere" },
	{ .pid = 9999, .state = 'Z', .threads = 1, .comm = "new", .command = "[new]" },
};

static void test_ps(void **state)
{
	static const uint32_t numbers[] = { 0, 1, 2, 3 };
	struct scene *scene = *state;
	struct process_list processes = { people, ARRAY_SIZE(people) };
	struct ps_view view = { .processes = &processes,
				.namespaces = scene->show.inventory->namespaces,
				.containers = scene->show.inventory->containers,
				.labels = scene->show.labels };
	struct field_rows rows = { .view = &view, .rows = numbers, .n = ARRAY_SIZE(numbers) };
	const struct field_format format = { .one_line = true };
	struct field_list all;

	field_choose_all(&ps_fields, &all);
	field_table(&scene->out, &all, &rows, &format);
	golden_compare("ps.txt", scene->out.data);
}

static void test_outside(void **state)
{
	(void)state;
	assert_true(ps_is_outside("/.."));
	assert_true(ps_is_outside("/../.."));
	assert_true(ps_is_outside("/../a"));
	assert_false(ps_is_outside("/"));
	assert_false(ps_is_outside("/..a"));
	assert_false(ps_is_outside("/a/.."));
}

/* What could not be read is no namespace of its own. */
static void test_flags(void **state)
{
	struct scene *scene = *state;
	struct namespaces *set = scene->show.inventory->namespaces;
	struct ns_process process = set->processes[namespaces_find_process(set, 200)];

	process.ns[NS_USER] = NS_NONE;
	ps_add_flags(set, &process, &scene->out);
	assert_string_equal(scene->out.data, "mnp?uiC-");
	set->host[NS_MNT] = NS_NONE;
	strbuf_clear(&scene->out);
	ps_add_flags(set, &process, &scene->out);
	assert_string_equal(scene->out.data, "?np?uiC-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test(test_latency),
		cmocka_unit_test_setup_teardown(test_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_usage_states, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ps, setup, teardown),
		cmocka_unit_test(test_outside),
		cmocka_unit_test_setup_teardown(test_flags, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
