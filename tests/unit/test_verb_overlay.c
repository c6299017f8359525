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

#include "agent/field_filter.h"
#include "agent/verbs/overlay_view.h"
#include "core/cleanup.h"
#include "fake_golden.h"
#include "fake_inventory.h"
#include "test_verb_scene.h"

/* What `cgwatch overlay` prints of a machine made by hand (fake_inventory.h). */
struct scene {
	struct inventory *inventory;
	struct labels *labels;
	struct overlay_view view;
	struct strbuf out;
};

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct overlay_layer *layers;

	setlocale(LC_ALL, "C.UTF-8");
	assert_non_null(scene);
	scene->inventory = fake_inventory();
	/* Directories of their own, one of them not to be found. */
	layers = scene->inventory->overlays->list[1].layers;
	layers[0].inode = 9000;
	layers[1].device = 0;
	scene->labels = scene_labels();
	assert_int_equal(overlay_view_init(&scene->view, scene->inventory, scene->labels), 0);
	strbuf_init(&scene->out);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	strbuf_done(&scene->out);
	overlay_view_done(&scene->view);
	labels_free(scene->labels);
	inventory_unref(scene->inventory);
	free(scene);
	return 0;
}

static const char *table(struct scene *scene, const struct fields *fields, const char *columns,
			 uint32_t n, const struct field_format *format)
{
	static const uint32_t numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	struct field_list chosen = choose(fields, columns);
	struct field_rows rows = { .view = &scene->view, .rows = numbers, .n = n };

	assert_true(n <= ARRAY_SIZE(numbers));
	strbuf_clear(&scene->out);
	field_table(&scene->out, &chosen, &rows, format);
	assert_false(scene->out.failed);
	return scene->out.data;
}

static void test_tables(void **state)
{
	struct scene *scene = *state;
	const struct field_format plain = { 0 }, raw = { .raw = true }, flat = { .one_line = true };

	golden_compare("overlay.txt",
		       table(scene, &overlay_fields,
			     "CONTAINER,RUNTIME,NLAYERS,SHARED,NPROCS,NMNTNS,FLAGS,MOUNT", 2,
			     &plain));
	golden_compare("overlay-sizes.txt",
		       table(scene, &overlay_fields,
			     "CONTAINER,SIZE,INODES,CREATED,COPIED,DELETED,OPAQUE,GROWTH,STATE,"
			     "FRESHNESS,FLAGS,MOUNT",
			     2, &flat));
	golden_compare("overlay-raw.txt", table(scene, &overlay_fields, "all", 2, &raw));
	golden_compare("overlay-layers.txt",
		       table(scene, &overlay_layer_fields, "all", scene->view.n_layers, &plain));
	golden_compare("overlay-orphans.txt", table(scene, &overlay_orphan_fields, "all",
						    scene->view.containers->n_orphans, &plain));
	golden_compare("overlay-drivers.txt", table(scene, &overlay_driver_fields, "all",
						    scene->view.containers->n_drivers, &plain));
}

static void test_one(void **state)
{
	struct scene *scene = *state;
	const struct field_format format = { 0 };

	overlay_print_one(&scene->out, &scene->view, 0, &format);
	strbuf_add_string(&scene->out, "====\n");
	overlay_print_one(&scene->out, &scene->view, 1, &format);
	golden_compare("overlay-one.txt", scene->out.data);
}

static void test_json(void **state)
{
	struct scene *scene = *state;
	struct field_list all = choose(&overlay_fields, "all");
	json_t *list, *one;
	struct jsonw json;

	jsonw_init(&json);
	jsonw_begin(&json, NULL, '[');
	for (uint32_t i = 0; i < 2; i++) {
		jsonw_begin(&json, NULL, '{');
		field_json(&json, &all, &scene->view, i);
		overlay_json_lists(&json, &scene->view, i);
		jsonw_end(&json, '}');
		strbuf_add_char(&json.out, '\n');
	}
	jsonw_end(&json, ']');
	golden_compare("overlay.json", json.out.data);
	list = json_loads(json.out.data, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(list);
	one = json_array_get(list, 0);
	assert_int_equal(json_integer_value(json_object_get(one, "size")), 6442450944);
	assert_int_equal(json_array_size(json_object_get(one, "layers")), 4);
	assert_int_equal(json_array_size(json_object_get(one, "processes")), 2);
	/* Not measured is not nothing. */
	one = json_array_get(list, 1);
	assert_true(json_is_null(json_object_get(one, "size")));
	assert_string_equal(json_string_value(json_object_get(one, "state")), "pending");
	json_decref(list);
	jsonw_done(&json);
}

/* Partial numbers are shown with their state; those of a failed walk are none. */
static void test_states(void **state)
{
	struct scene *scene = *state;
	struct layer_usage *usage = &scene->inventory->overlays->list[0].usage;
	const struct field_format raw = { .raw = true, .no_headings = true };

	usage->state = LAYER_PARTIAL;
	usage->error = -EACCES;
	assert_string_equal(table(scene, &overlay_fields, "SIZE,STATE,ERROR", 1, &raw),
			    "6442450944 partial Permission\\x20denied\n");
	usage->state = LAYER_STUCK;
	usage->error = 0;
	assert_string_equal(table(scene, &overlay_fields, "SIZE,STATE,ERROR", 1, &raw),
			    "- stuck -\n");
	usage->state = LAYER_FAILED;
	usage->error = -EIO;
	assert_string_equal(table(scene, &overlay_fields, "SIZE,STATE,ERROR", 1, &raw),
			    "- failed Input/output\\x20error\n");
}

static void find(struct scene *scene, const char *name, int index)
{
	const char *reason = NULL;
	const struct overlay *overlay = overlay_view_find(&scene->view, name, &reason);

	if (index < 0 ? overlay != NULL || !reason : overlay != &scene->view.set->list[index])
		fail_msg("%s: %s", name, overlay ? overlay_mountpoint(overlay) : reason);
}

static void test_find(void **state)
{
	struct scene *scene = *state;

	find(scene, "/var/lib/docker/overlay2/aaaa/merged", 0);
	find(scene, "/var/lib/docker/overlay2/aaaa/merged/etc/passwd", 0);
	find(scene, "/var/lib/docker/overlay2/aaaa/mergedx", -1);
	find(scene, "/home/ann/merged, with\nodd name", 1);
	find(scene, "0:57", 0);
	find(scene, "0:61", 1);
	find(scene, "web", 0);
	find(scene, "5f0c3f6f2b1e", 0);
	find(scene, FAKE_WEB_ID, 0);
	find(scene, "5f0", -1);
	find(scene, "we", -1);
	find(scene, FAKE_WEB_CGROUP, 0);
	find(scene, "system.slice", 0);
	find(scene, "/system.slice/", 0);
	find(scene, "/system", -1);
	find(scene, FAKE_ROOTLESS_CGROUP, 1);
	find(scene, "/", -1);
	find(scene, "", -1);
}

static void test_filter(void **state)
{
	static const struct {
		const char *text;
		unsigned int n;
	} filters[] = {
		{ "SIZE > 5G", 1 },	   { "SIZE <= 5G", 0 },
		{ "STATE == pending", 1 }, { "FLAGS = \"foreign*\" or CONTAINER == web", 2 },
		{ "GROWTH > 1K", 1 },	   { "FRESHNESS < 1m", 1 },
		{ "USERXATTR", 1 }
	};
	struct scene *scene = *state;

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		struct field_filter *filter = NULL;
		char reason[256] = "";
		unsigned int n = 0;

		if (field_filter_parse(&overlay_fields, filters[i].text, &filter, reason,
				       sizeof(reason)) < 0)
			fail_msg("%s: %s", filters[i].text, reason);
		for (uint32_t row = 0; row < 2; row++)
			n += field_filter_match(filter, &scene->view, row);
		field_filter_free(filter);
		if (n != filters[i].n)
			fail_msg("%s: %u", filters[i].text, n);
	}
}

/* A layer that two overlays have stands once, with both. */
static void test_shared(void **state)
{
	struct scene *scene = *state;
	struct overlay_layer *layers = scene->inventory->overlays->list[1].layers;
	const struct field_format raw = { .raw = true, .no_headings = true };
	uint32_t before = scene->view.n_layers;

	overlay_view_done(&scene->view);
	/* Another path, the same directory. */
	layers[1].device = scene->inventory->overlays->list[0].layers[2].device;
	layers[1].inode = scene->inventory->overlays->list[0].layers[2].inode;
	assert_int_equal(overlay_view_init(&scene->view, scene->inventory, scene->labels), 0);
	assert_int_equal(scene->view.n_layers, before - 1);
	assert_non_null(strstr(
		table(scene, &overlay_layer_fields, "USERS,USED-BY", scene->view.n_layers, &raw),
		"2 web,/home/ann/merged,\\x20with\\x0aodd\\x20name\n"));
}

/* A layer that was not to be looked up is neither there nor missing. */
static void test_not_looked_up(void **state)
{
	struct scene *scene = *state;
	struct overlay_layer *layer = &scene->inventory->overlays->list[1].layers[1];
	const struct field_format raw = { .raw = true, .no_headings = true };
	const char *lines;

	overlay_view_done(&scene->view);
	layer->device = 0;
	layer->missing = false;
	layer->path = layer->resolved = "/not/to/be/read";
	assert_int_equal(overlay_view_init(&scene->view, scene->inventory, scene->labels), 0);
	lines = table(scene, &overlay_layer_fields, "MISSING,PATH", scene->view.n_layers, &raw);
	assert_non_null(strstr(lines, "- /not/to/be/read\n"));
	assert_non_null(strstr(lines, "no /"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_states, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_filter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_looked_up, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
