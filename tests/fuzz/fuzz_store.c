// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include "collectors/store.h"

/*
 * The first byte picks a file of the v1 and v2 tables, the rest is its text: twice, so that the
 * hints about lines are used too.
 */
static const struct cgroup_file *pick(uint8_t byte, bool *ret_v2)
{
	size_t n1 = 0, n2 = 0, at;

	while (cgroup_files_v1[n1].name)
		n1++;
	while (cgroup_files_v2[n2].name)
		n2++;
	at = byte % (n1 + n2);
	*ret_v2 = at >= n1;
	return *ret_v2 ? &cgroup_files_v2[at - n1] : &cgroup_files_v1[at];
}

static void add_fields(struct plan_file *file, bool v2, struct metric_set *wanted)
{
	file->fields = calloc(METRIC_COUNT, sizeof(*file->fields));
	must(file->fields);
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		const struct metric *metric = metric_get((enum metric_id)id);
		const char *from = v2 ? metric->v2.file : metric->v1.file;
		const char *key = v2 ? metric->v2.key : metric->v1.key;
		uint32_t mul = v2 ? 0 : metric->v1_mul, div = v2 ? 0 : metric->v1_div;

		if (!from || strcmp(from, file->file->name) != 0 ||
		    (file->file->shape == SHAPE_FLAT && !key))
			continue;
		file->fields[file->n_fields++] = (struct plan_field){
			(enum metric_id)id, key,	   key ? strlen(key) : 0,
			mul ? mul : 1,	    div ? div : 1,
		};
		metric_set_add(wanted, (enum metric_id)id);
	}
}

static void check(const struct snapshot *snapshot)
{
	for (int id = M_NONE + 1; id < METRIC_COUNT; id++) {
		enum value_state state = snapshot_state(snapshot, (enum metric_id)id, 0);
		struct strbuf text;
		union value value;

		must(state == VALUE_ABSENT || state == VALUE_OK || state == VALUE_UNLIMITED);
		if (snapshot_get(snapshot, (enum metric_id)id, 0, &value) != VALUE_OK)
			continue;
		strbuf_init(&text);
		metric_add_human((enum metric_id)id, value, VALUE_OK, &text);
		if (metric_get((enum metric_id)id)->kind != KIND_TEXT)
			metric_add_number((enum metric_id)id, value, &text);
		strbuf_done(&text);
	}
	for (uint32_t i = 0; i < snapshot->n_parts; i++)
		must(snapshot->parts[i].key && snapshot->parts[i].node == 0);
}

static void store_twice(struct plan_file *file, const struct metric_set *wanted,
			struct devices *devices, const uint8_t *data, size_t size)
{
	struct strpool *strings = devices_strings(devices);

	for (int round = 0; round < 2; round++) {
		struct tree *tree = tree_new(1, 1, strings);
		struct snapshot *snapshot;
		struct store store = { .devices = devices };

		must(tree);
		tree->nodes[0] = node_new("/", 0, 1);
		tree->parent[0] = NODE_NONE;
		tree->end[0] = 1;
		snapshot = snapshot_new(tree, wanted);
		tree_unref(tree);
		must(snapshot);
		store.snapshot = snapshot;
		store_file(&store, file,
			   (struct span){ (const char *)data, (const char *)data + size });
		must(store.n_missing <= file->n_fields);
		check(snapshot);
		snapshot_unref(snapshot);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct root *root;
	struct metric_set wanted = { 0 };
	struct strpool *strings = strpool_new();
	struct devices *devices;
	struct plan plan = { .n = 1 };
	bool v2;

	/* Names of devices are looked up where there are none. */
	if (!root)
		must(root_new(NULL, &root) == 0);
	plan.files = calloc(1, sizeof(*plan.files));
	must(strings && plan.files && devices_new(root, strings, &devices) == 0);
	plan.files->file = pick(size ? data[0] : 0, &v2);
	plan.files->name = strdup(plan.files->file->name);
	plan.files->part = strchr(plan.files->name, '*') ? strdup("2MB") : NULL;
	add_fields(plan.files, v2, &wanted);
	store_twice(plan.files, &wanted, devices, data + !!size, size - !!size);
	plan_done(&plan);
	devices_free(devices);
	strpool_unref(strings);
	return 0;
}
