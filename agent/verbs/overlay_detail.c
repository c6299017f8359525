// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "agent/verbs/overlay_view.h"
#include "core/cleanup.h"

/* The lists of one overlay: layers, mounts, processes. Rows are indices into each. */
struct one_view {
	const struct overlay_view *view;
	const struct overlay *overlay;
};

static const struct overlay_layer *get_layer(const void *one, uint32_t row)
{
	return &((const struct one_view *)one)->overlay->layers[row];
}

static bool layer_number(const void *one, uint32_t row, struct strbuf *out)
{
	(void)one;
	return field_add_u64(out, true, row);
}

static bool layer_kind(const void *one, uint32_t row, struct strbuf *out)
{
	static const char *const names[] = {
		[OVERLAY_UPPER] = "upper", [OVERLAY_LOWER] = "lower", [OVERLAY_DATA] = "data"
	};

	return field_add_text(out, names[get_layer(one, row)->kind]);
}

static bool layer_shared(const void *one, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_layer(one, row)->shared);
}

static bool layer_missing(const void *one, uint32_t row, struct strbuf *out)
{
	const struct overlay_layer *layer = get_layer(one, row);

	return field_add_bool(out, layer->missing || layer->device != 0, layer->missing);
}

static bool layer_device(const void *one, uint32_t row, struct strbuf *out)
{
	dev_t device = get_layer(one, row)->device;

	if (device)
		strbuf_printf(out, "%u:%u", major(device), minor(device));
	return device != 0;
}

static bool layer_inode(const void *one, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, get_layer(one, row)->device != 0, get_layer(one, row)->inode);
}

static bool layer_path(const void *one, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_layer(one, row)->path);
}

static bool layer_resolved(const void *one, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_layer(one, row)->resolved);
}

/* The last one is left out where it says nothing new. */
static const struct field layers[] = {
	{ "LAYER", "", FIELD_NUMBER, 0, layer_number },
	{ "KIND", "", FIELD_TEXT, 0, layer_kind },
	{ "SHARED", "", FIELD_NUMBER, 0, layer_shared },
	{ "MISSING", "", FIELD_BOOL, 0, layer_missing },
	{ "DEVICE", "", FIELD_TEXT, 0, layer_device },
	{ "INODE", "", FIELD_NUMBER, 0, layer_inode },
	{ "PATH", "", FIELD_TEXT, 0, layer_path },
	{ "RESOLVED", "", FIELD_TEXT, 0, layer_resolved },
};

static const struct overlay_mount *get_mount(const void *one, uint32_t row)
{
	return &((const struct one_view *)one)->overlay->mounts[row];
}

static bool mount_ns(const void *one, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_mount(one, row)->mount_ns);
}

static bool mount_id(const void *one, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_mount(one, row)->id);
}

static bool mount_read_only(const void *one, uint32_t row, struct strbuf *out)
{
	return field_add_bool(out, true, get_mount(one, row)->read_only);
}

static bool mount_propagation(const void *one, uint32_t row, struct strbuf *out)
{
	static const struct {
		char sign;
		const char *name;
	} names[] = {
		{ 's', "shared" }, { 'm', "slave" }, { 'p', "private" }, { 'u', "unbindable" }
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].sign == get_mount(one, row)->propagation)
			return field_add_text(out, names[i].name);
	}
	return false;
}

static bool mount_point(const void *one, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_mount(one, row)->mountpoint);
}

static bool mount_root(const void *one, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_mount(one, row)->root);
}

static const struct field mounts[] = {
	{ "MNTNS", "", FIELD_NUMBER, 0, mount_ns },
	{ "ID", "", FIELD_NUMBER, 0, mount_id },
	{ "READ-ONLY", "", FIELD_BOOL, 0, mount_read_only },
	{ "PROPAGATION", "", FIELD_TEXT, 0, mount_propagation },
	{ "MOUNTPOINT", "", FIELD_TEXT, 0, mount_point },
	{ "ROOT", "", FIELD_TEXT, 0, mount_root },
};

static const struct ns_process *get_process(const void *data, uint32_t row)
{
	const struct one_view *one = data;

	return &one->view->namespaces->processes[one->overlay->processes[row]];
}

static bool process_pid(const void *one, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, (uint64_t)get_process(one, row)->pid);
}

static bool process_user(const void *data, uint32_t row, struct strbuf *out)
{
	uid_t uid = get_process(data, row)->uid;
	const char *name = labels_user(((const struct one_view *)data)->view->labels, uid);

	return name ? field_add_text(out, name) : field_add_u64(out, true, uid);
}

static bool process_cgroup(const void *one, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_process(one, row)->cgroup);
}

static bool process_command(const void *data, uint32_t row, struct strbuf *out)
{
	const struct ns_process *process = get_process(data, row);
	const char *command = labels_command(((const struct one_view *)data)->view->labels,
					     process->pid);

	return field_add_text(out, command ? command : process->comm);
}

static const struct field processes[] = {
	{ "PID", "", FIELD_NUMBER, 0, process_pid },
	{ "USER", "", FIELD_TEXT, 0, process_user },
	{ "CGROUP", "", FIELD_TEXT, 0, process_cgroup },
	{ "COMMAND", "", FIELD_TEXT, 0, process_command },
};

static const struct one_list {
	const char *name, *heading;
	struct fields fields;
} lists[] = {
	{ "layers", "Layers, from the top", { layers, ARRAY_SIZE(layers) } },
	{ "mounts", "Mounted at", { mounts, ARRAY_SIZE(mounts) } },
	{ "processes", "Root of", { processes, ARRAY_SIZE(processes) } },
};

static uint32_t list_length(const struct one_view *one, size_t list)
{
	const struct overlay *overlay = one->overlay;

	if (list == 0)
		return overlay->n_layers;
	if (list == 1)
		return overlay->n_mounts;
	return one->view->namespaces && overlay->processes ? overlay->n_processes : 0;
}

/* Paths as they were given say enough if they are the resolved ones. */
static bool is_plain(const struct overlay *overlay)
{
	for (uint32_t i = 0; i < overlay->n_layers; i++) {
		const struct overlay_layer *layer = &overlay->layers[i];

		if (layer->resolved && strcmp(layer->resolved, layer->path) != 0)
			return false;
	}
	return true;
}

static void print_list(struct strbuf *out, const struct one_view *one, size_t list,
		       const struct field_format *format)
{
	uint32_t n = list_length(one, list);
	_cleanup_(freep) uint32_t *numbers = malloc(((size_t)n + 1) * sizeof(*numbers));
	struct field_rows rows = { .view = one, .rows = numbers, .n = n };
	struct field_list chosen;

	if (!numbers) {
		out->failed = true;
		return;
	}
	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++)
		numbers[i] = i;
	field_choose_all(&lists[list].fields, &chosen);
	if (lists[list].fields.list == layers && is_plain(one->overlay))
		chosen.n--;
	strbuf_printf(out, "\n%s:\n", lists[list].heading);
	field_table(out, &chosen, &rows, format);
}

void overlay_print_one(struct strbuf *out, const struct overlay_view *view, uint32_t row,
		       const struct field_format *format)
{
	struct one_view one = { view, &view->set->list[row] };
	struct field_list all;

	field_choose_all(&overlay_fields, &all);
	field_card(out, &all, view, row, format);
	for (size_t list = 0; list < ARRAY_SIZE(lists); list++)
		print_list(out, &one, list, format);
}

void overlay_json_lists(struct jsonw *json, const struct overlay_view *view, uint32_t row)
{
	struct one_view one = { view, &view->set->list[row] };

	for (size_t list = 0; list < ARRAY_SIZE(lists); list++) {
		struct field_list all;

		field_choose_all(&lists[list].fields, &all);
		jsonw_begin(json, lists[list].name, '[');
		for (uint32_t i = 0; i < list_length(&one, list); i++) {
			jsonw_begin(json, NULL, '{');
			field_json(json, &all, &one, i);
			jsonw_end(json, '}');
		}
		jsonw_end(json, ']');
	}
}
