// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "agent/field_filter.h"
#include "agent/verbs/ns_view.h"
#include "core/cleanup.h"
#include "fake_golden.h"
#include "fake_inventory.h"
#include "test_verb_scene.h"

/* What `cgwatch ns` prints of a machine made by hand (fake_inventory.h). */
struct scene {
	struct inventory *inventory;
	struct labels *labels;
	struct ns_view view;
	uint32_t rows[64], depth[64];
	struct strbuf out;
};

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	setlocale(LC_ALL, "C.UTF-8");
	assert_non_null(scene);
	scene->inventory = fake_inventory();
	scene->labels = scene_labels();
	assert_int_equal(ns_view_init(&scene->view, scene->inventory, scene->labels), 0);
	strbuf_init(&scene->out);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	strbuf_done(&scene->out);
	ns_view_done(&scene->view);
	labels_free(scene->labels);
	inventory_unref(scene->inventory);
	free(scene);
	return 0;
}

static uint32_t all_rows(struct scene *scene)
{
	for (uint32_t i = 0; i < scene->view.set->n; i++)
		scene->rows[i] = i;
	return scene->view.set->n;
}

static const char *table(struct scene *scene, const char *columns, enum ns_tree tree,
			 const struct field_format *format)
{
	struct field_list chosen = choose(&ns_fields, columns);
	struct field_rows rows = { .view = &scene->view, .rows = scene->rows };

	rows.n = all_rows(scene);
	if (tree != NS_TREE_NONE) {
		int64_t n = ns_tree_order(&scene->view, tree, scene->rows, rows.n, scene->depth);

		assert_true(n > 0);
		rows.n = (uint32_t)n;
		rows.depth = scene->depth;
		rows.tree_field = chosen.list[tree == NS_TREE_PROCESS ? chosen.n - 1 : 0];
	}
	strbuf_clear(&scene->out);
	field_table(&scene->out, &chosen, &rows, format);
	assert_false(scene->out.failed);
	return scene->out.data;
}

static void test_tables(void **state)
{
	struct scene *scene = *state;
	const struct field_format plain = { 0 }, raw = { .raw = true },
				  flat = { .one_line = true, .no_headings = true };

	golden_compare("ns.txt",
		       table(scene, "NS,TYPE,NPROCS,PID,USER,COMMAND", NS_TREE_PROCESS, &plain));
	golden_compare("ns-owner.txt",
		       table(scene, "NS,TYPE,NPROCS,OUSER,ONS", NS_TREE_OWNER, &plain));
	golden_compare("ns-parent.txt",
		       table(scene, "NS,TYPE,NPROCS,DEPTH,PNS", NS_TREE_PARENT, &plain));
	golden_compare("ns-holders.txt",
		       table(scene, "NS,TYPE,STATE,AGE,PATH,HOLDERS,NSFS", NS_TREE_NONE, &plain));
	golden_compare("ns-join.txt",
		       table(scene, "NS,TYPE,CONTAINER,CGROUPS", NS_TREE_NONE, &flat));
	golden_compare("ns-raw.txt", table(scene, "all", NS_TREE_NONE, &raw));
}

/* A line that is cut keeps whole characters and its width. */
static void test_width(void **state)
{
	struct scene *scene = *state;
	const struct field_format narrow = { .width = 30 };
	const char *text = table(scene, "NS,TYPE,NPROCS,PID,USER,COMMAND", NS_TREE_PROCESS,
				 &narrow);

	golden_compare("ns-narrow.txt", text);
}

static void test_json(void **state)
{
	struct scene *scene = *state;
	struct field_list all = choose(&ns_fields, "all");
	uint32_t n = all_rows(scene);
	struct jsonw json;
	json_t *list, *one;
	size_t at;

	jsonw_init(&json);
	jsonw_begin(&json, NULL, '[');
	for (uint32_t i = 0; i < n; i++) {
		jsonw_begin(&json, NULL, '{');
		field_json(&json, &all, &scene->view, i);
		ns_json_holders(&json, &scene->view, i);
		jsonw_end(&json, '}');
		strbuf_add_char(&json.out, '\n');
	}
	jsonw_end(&json, ']');
	golden_compare("ns.json", json.out.data);
	list = json_loads(json.out.data, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(list);
	json_array_foreach(list, at, one)
	{
		/* The keys of lsns, with its types. */
		assert_true(json_is_integer(json_object_get(one, "ns")));
		assert_true(json_is_string(json_object_get(one, "type")));
		assert_true(json_is_integer(json_object_get(one, "nprocs")));
		assert_non_null(json_object_get(one, "path"));
		assert_non_null(json_object_get(one, "nsfs"));
		assert_non_null(json_object_get(one, "netnsid"));
		assert_non_null(json_object_get(one, "pns"));
		assert_non_null(json_object_get(one, "ons"));
	}
	json_decref(list);
	jsonw_done(&json);
}

static void test_one(void **state)
{
	struct scene *scene = *state;
	struct field_list chosen = choose(&ns_process_fields, "PID,PPID,USER,CONTAINER,COMMAND");
	const struct field_format format = { 0 };
	uint32_t index = namespaces_find(scene->view.set, NS_NET, FAKE_OWN_NS + 1);

	assert_int_not_equal(index, NS_NONE);
	ns_print_one(&scene->out, &scene->view, index, &chosen, &format);
	golden_compare("ns-one.txt", scene->out.data);
}

/* Of a namespace without a process: what holds it, not an empty table. */
static void test_nobody(void **state)
{
	struct scene *scene = *state;
	struct field_list chosen = choose(&ns_process_fields, "PID,COMMAND");
	const struct field_format format = { 0 };
	uint32_t index = namespaces_find(scene->view.set, NS_NET, FAKE_OWN_NS + 10);

	ns_print_one(&scene->out, &scene->view, index, &chosen, &format);
	assert_null(strstr(scene->out.data, "\nPID COMMAND"));
	assert_non_null(
		strstr(scene->out.data, "\n\nNo process is in it. It is held by: mount /run/"));
	strbuf_clear(&scene->out);
	scene->inventory->namespaces->n_denied_others = 1;
	ns_print_one(&scene->out, &scene->view, index, &chosen, &format);
	assert_non_null(strstr(scene->out.data, "\nNo process that may be looked into is in it."));
}

/* A number that is not known is none, not 0. */
static void test_not_known(void **state)
{
	struct scene *scene = *state;
	uint32_t index = namespaces_find(scene->view.set, NS_NET, FAKE_OWN_NS + 10);
	struct namespaces *set = scene->inventory->namespaces;
	struct field_list chosen = choose(&ns_fields, "NS,NPROCS,NTHREADS,AGE");
	struct field_list limits = choose(&ns_limit_fields, "TYPE,USED,RATIO");
	const struct field_format raw = { .raw = true, .no_headings = true };
	struct field_rows rows = { .view = &scene->view, .rows = &index, .n = 1 };

	set->list[index].oldest_ns = set->boottime_ns;
	field_table(&scene->out, &chosen, &rows, &raw);
	assert_non_null(strstr(scene->out.data, " 0 0 -\n"));
	strbuf_clear(&scene->out);
	set->list[index].oldest_ns--;
	set->n_denied_others = 1;
	field_table(&scene->out, &chosen, &rows, &raw);
	assert_non_null(strstr(scene->out.data, " - - 0"));
	strbuf_clear(&scene->out);
	index = 0;
	field_table(&scene->out, &limits, &rows, &raw);
	assert_non_null(strstr(scene->out.data, " - -\n"));
}

static void test_diff(void **state)
{
	struct scene *scene = *state;
	uint32_t processes[2] = { namespaces_find_process(scene->view.set, 1),
				  namespaces_find_process(scene->view.set, 200) };
	const struct field_format format = { 0 };
	struct jsonw json;
	json_t *object, *diff;

	/* Only its children go elsewhere: the process itself does not tell. */
	scene->inventory->namespaces->processes[processes[1]].time_for_children = NS_NONE;
	ns_print_diff(&scene->out, &scene->view, processes, &format);
	golden_compare("ns-diff.txt", scene->out.data);
	jsonw_init(&json);
	jsonw_begin(&json, NULL, '{');
	ns_json_diff(&json, &scene->view, processes);
	jsonw_end(&json, '}');
	object = json_loads(json.out.data, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(object);
	diff = json_object_get(object, "diff");
	assert_int_equal(json_array_size(diff), 13);
	assert_string_equal(json_string_value(json_object_get(json_array_get(diff, 0), "verdict")),
			    "differ");
	assert_string_equal(json_string_value(json_object_get(json_array_get(diff, 9), "verdict")),
			    "?");
	json_decref(object);
	jsonw_done(&json);
}

static void test_limits(void **state)
{
	struct scene *scene = *state;
	struct field_list all = choose(&ns_limit_fields, "all");
	const struct field_format format = { 0 };
	uint32_t numbers[] = { 0, 1, 2 };
	struct field_rows rows = { .view = &scene->view, .rows = numbers, .n = 3 };

	assert_int_equal(scene->view.set->n_limits, 3);
	field_table(&scene->out, &all, &rows, &format);
	golden_compare("ns-limits.txt", scene->out.data);
}

static unsigned int count(const struct scene *scene, const char *text)
{
	struct field_filter *filter = NULL;
	char reason[256] = "";
	unsigned int n = 0;
	int r = field_filter_parse(&ns_fields, text, &filter, reason, sizeof(reason));

	if (r < 0)
		fail_msg("%s: %s", text, reason);
	for (uint32_t i = 0; i < scene->view.set->n; i++)
		n += field_filter_match(filter, &scene->view, i);
	field_filter_free(filter);
	return n;
}

static void test_filter(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(count(scene, "TYPE == \"net\""), 6);
	assert_int_equal(count(scene, "type eq 'net' && NPROCS > 0"), 2);
	assert_int_equal(count(scene, "TYPE=net and NPROCS==0"), 4);
	assert_int_equal(count(scene, "TYPE=n* and not NPROCS"), 4);
	assert_int_equal(count(scene, "(TYPE == uts or TYPE == ipc) and HOST"), 2);
	assert_int_equal(count(scene, "TYPE == uts or TYPE == ipc and HOST"), 3);
	assert_int_equal(count(scene, "COMMAND =~ '^nginx'"), 6);
	assert_int_equal(count(scene, "COMMAND !~ '^nginx' and TYPE == mnt"), 2);
	assert_int_equal(count(scene, "AGE > 10h and AGE <= 24h"), 3);
	assert_int_equal(count(scene, "CONTAINER == web"), 8);
	assert_int_equal(count(scene, "CONTAINER != web"), 0);
	assert_int_equal(count(scene, "NSFS =~ netns"), 1);
	assert_int_equal(count(scene, "HOST == no and OUID == 1000"), 2);
	assert_int_equal(count(scene, "!HOST"), 13);
	assert_int_equal(count(scene, "not CONTAINER == web"), 13);
	/* What has no value fits no comparison, not even "is not". */
	assert_int_equal(count(scene, "HOSTNAME != nothing"), 2);
}

static void test_filter_errors(void **state)
{
	static const char *const wrong[][2] = {
		{ "", "missing" },
		{ "NOPE == 1", "no such column" },
		{ "NS ==", "missing" },
		{ "NS == abc", "not a number" },
		{ "AGE > 10", "" },
		{ "AGE > 10x", "not a number" },
		{ "(TYPE == net", "bracket" },
		{ "TYPE == 'net", "quote" },
		{ "TYPE =~ '['", "regular" },
		{ "NS =~ 4", "pattern" },
		{ "TYPE net", "expected" },
		{ "HOST == maybe", "yes or no" },
		{ "TYPE == net or", "missing" },
		{ "%s%n", "expected" },
	};
	char reason[256], deep[2048] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct field_filter *filter = NULL;
		int r = field_filter_parse(&ns_fields, wrong[i][0], &filter, reason,
					   sizeof(reason));

		if (*wrong[i][1] && (r != -22 || !strstr(reason, wrong[i][1])))
			fail_msg("\"%s\": %d: %s", wrong[i][0], r, reason);
		field_filter_free(filter);
	}
	memset(deep, '(', sizeof(deep) - 1);
	assert_int_equal(field_filter_parse(&ns_fields, deep, &(struct field_filter *){ NULL },
					    reason, sizeof(reason)),
			 -22);
	for (size_t i = 0; i + 10 < sizeof(deep); i += 10)
		memcpy(deep + i, "NS || HOST", 10);
	memcpy(deep, "NS or NS ", 9);
	for (size_t i = 0; i + 6 < sizeof(deep); i += 6)
		memcpy(deep + i, "NS or ", 6);
	assert_int_equal(field_filter_parse(&ns_fields, deep, &(struct field_filter *){ NULL },
					    reason, sizeof(reason)),
			 -22);
	assert_non_null(strstr(reason, "too long"));
}

static void test_sort(void **state)
{
	struct scene *scene = *state;
	const struct field *age = field_find(&ns_fields, "age", 3);
	uint32_t n = all_rows(scene);

	assert_non_null(age);
	assert_int_equal(field_sort(age, false, &scene->view, scene->rows, n), 0);
	assert_true(scene->view.set->list[scene->rows[0]].host);
	assert_int_equal(scene->view.set->list[scene->rows[n - 1]].inode, FAKE_OWN_NS + 9);
	assert_int_equal(field_sort(age, true, &scene->view, scene->rows, n), 0);
	assert_int_equal(scene->view.set->list[scene->rows[0]].inode, FAKE_OWN_NS + 9);
}

/* Names from outside reach no terminal and no JSON as they are. */
static void test_hostile(void **state)
{
	struct scene *scene = *state;
	uint32_t index = namespaces_find(scene->view.set, NS_NET, FAKE_OWN_NS + 10);
	struct ns_namespace *ns = &scene->inventory->namespaces->list[index];
	struct field_list all = choose(&ns_fields, "NS,NSFS,HOLDERS,INTERFACES,HOSTNAME");
	const struct field_format plain = { 0 }, raw = { .raw = true };
	struct field_rows rows = { .view = &scene->view, .rows = &index, .n = 1 };
	struct jsonw json;

	ns->holders[0].path = "/run/\x1b[31mred\n\xff b";
	ns->interfaces = "lo e\"th\x7f";
	ns->nodename = "a\tb \xe2\x80\xae";
	field_table(&scene->out, &all, &rows, &plain);
	field_table(&scene->out, &all, &rows, &raw);
	golden_compare("ns-hostile.txt", scene->out.data);
	jsonw_init(&json);
	jsonw_begin(&json, NULL, '{');
	field_json(&json, &all, &scene->view, index);
	jsonw_end(&json, '}');
	golden_compare("ns-hostile.json", json.out.data);
	jsonw_done(&json);
}

/* Processes that move while they are read may make a circle: every namespace still comes once. */
static void test_circle(void **state)
{
	struct scene *scene = *state;
	struct namespaces *set = scene->inventory->namespaces;
	uint32_t a = set->first[NS_USER], b = a + 1, n = all_rows(scene);
	bool seen[64] = { false };

	set->list[a].owner = b;
	set->list[b].owner = a;
	assert_int_equal(ns_tree_order(&scene->view, NS_TREE_OWNER, scene->rows, n, scene->depth),
			 set->n);
	for (uint32_t i = 0; i < set->n; i++) {
		assert_false(seen[scene->rows[i]]);
		seen[scene->rows[i]] = true;
	}
}

static void test_lists(void **state)
{
	struct field_list chosen = choose(&ns_fields, "NS,type");
	const char *bad;
	size_t length;

	(void)state;
	assert_int_equal(chosen.n, 2);
	assert_int_equal(field_parse_list(&ns_fields, "+PID,NS", &chosen, &bad, &length), 0);
	assert_int_equal(chosen.n, 3);
	assert_string_equal(chosen.list[2]->name, "PID");
	assert_int_equal(field_parse_list(&ns_fields, "NS,,PID", &chosen, &bad, &length), -22);
	assert_int_equal(length, 0);
	assert_int_equal(field_parse_list(&ns_fields, "NSX", &chosen, &bad, &length), -22);
	assert_int_equal(chosen.n, 3);
	/* What costs nothing asks for nothing. */
	assert_int_equal(field_needs(&chosen), 0);
	chosen = choose(&ns_fields, "HOLDERS");
	assert_int_equal(field_needs(&chosen), NS_NEEDS_HOLDERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_width, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_diff, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_filter, setup, teardown),
		cmocka_unit_test(test_filter_errors),
		cmocka_unit_test_setup_teardown(test_sort, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_circle, setup, teardown),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
