// SPDX-License-Identifier: MIT
#include "agent/verbs/show_join.h"

#include <string.h>

#include "agent/output.h"
#include "agent/verbs/ns_view.h"
#include "agent/verbs/overlay_view.h"
#include "agent/verbs/ps_view.h"
#include "core/cleanup.h"
#include "core/escape.h"

/* Names stand in front of what is 14 columns in, as in the rest of `show`. */
enum { INDENT = 14, PROCESSES_SHOWN = 20 };

static void begin_line(struct strbuf *out, const char *name)
{
	output_pad(out, name, INDENT, false);
}

static void add_safe(struct strbuf *out, const char *text)
{
	escape_terminal_append(out, text, strlen(text));
}

static void add_line(struct strbuf *out, const char *name, const char *text)
{
	if (!text)
		return;
	begin_line(out, name);
	add_safe(out, text);
	strbuf_add_char(out, '\n');
}

static void print_container(struct strbuf *out, const struct show_join *show)
{
	const struct container *container = join_container(show->join, show->node);

	if (!container)
		return;
	add_line(out, "name", container->name);
	add_line(out, "image", container->image);
	add_line(out, "state", container->state);
	if (!container->pod)
		return;
	begin_line(out, "pod");
	if (container->pod_namespace) {
		add_safe(out, container->pod_namespace);
		strbuf_add_char(out, '/');
	}
	add_safe(out, container->pod);
	strbuf_add_char(out, '\n');
}

static void print_user(struct strbuf *out, const struct show_join *show)
{
	const char *name;
	uid_t uid;

	if (!join_user(show->join, show->node, &uid))
		return;
	begin_line(out, "user");
	name = labels_user(show->labels, uid);
	if (name) {
		add_safe(out, name);
		strbuf_printf(out, " (%u)\n", uid);
	} else {
		strbuf_printf(out, "%u\n", uid);
	}
}

static const char *const places[] = {
	[JOIN_UNKNOWN] = "unknown",
	[JOIN_HOST] = "host",
	[JOIN_OWN] = "own",
	[JOIN_SEVERAL] = "several",
};

/* "own      4026532201  2 processes, lo eth0" */
static void print_namespace(struct strbuf *out, const struct ns_view *view,
			    const struct join_ns *join, int type)
{
	uint32_t index = join->ns[type];
	struct strbuf text;

	output_pad(out, type == 0 ? "namespaces" : "", INDENT, false);
	output_pad(out, ns_type_name((enum ns_type)type), 7, false);
	output_pad(out, places[join->place[type]], 8, false);
	if (join->place[type] == JOIN_SEVERAL) {
		strbuf_printf(out, "%u of them%s", join->distinct[type],
			      join->with_host[type] ? ", one the machine's" : "");
	} else if (index < view->set->n) {
		strbuf_printf(out, "%llu  ", (unsigned long long)view->set->list[index].inode);
		strbuf_init(&text);
		ns_add_description(view, index, &text);
		escape_terminal_append(out, text.data ? text.data : "", text.length);
		strbuf_done(&text);
	}
	while (out->length > 0 && out->data[out->length - 1] == ' ')
		out->data[--out->length] = '\0';
	strbuf_add_char(out, '\n');
}

static void print_namespaces(struct strbuf *out, const struct show_join *show)
{
	struct join_ns join;
	struct ns_view view;

	join_namespaces(show->join, show->node, &join);
	if (join.processes == 0 || ns_view_init(&view, show->inventory, show->labels) < 0)
		return;
	for (int type = 0; type < NS_TYPE_COUNT; type++)
		print_namespace(out, &view, &join, type);
	if (join.denied > 0)
		strbuf_printf(out, "%*s%u of %u processes could not be looked into\n", INDENT, "",
			      join.denied, join.processes);
	ns_view_done(&view);
}

static void add_bytes(struct strbuf *out, uint64_t bytes)
{
	format_human(out, UNIT_BYTES, (double)bytes, false);
}

/* How much, and how far that can be relied on. */
static void print_usage(struct strbuf *out, const struct layer_usage *usage, uint64_t now_ns)
{
	begin_line(out, "writable");
	if (usage->state != LAYER_COMPLETE && usage->state != LAYER_PARTIAL) {
		strbuf_add_string(out, layer_state_name(usage->state));
		if (usage->error < 0) {
			strbuf_add_string(out, ": ");
			strbuf_add_string(out, strerror(-usage->error));
		}
		strbuf_add_char(out, '\n');
		return;
	}
	add_bytes(out, usage->bytes);
	strbuf_printf(out, " in %llu inodes: %llu created, %llu copied up, %llu deleted",
		      (unsigned long long)usage->inodes, (unsigned long long)usage->created,
		      (unsigned long long)usage->copied_up, (unsigned long long)usage->whiteouts);
	if (usage->opaque > 0)
		strbuf_printf(out, ", %llu replaced", (unsigned long long)usage->opaque);
	strbuf_printf(out, " (%s", layer_state_name(usage->state));
	if (usage->state == LAYER_PARTIAL && usage->error < 0)
		strbuf_printf(out, ": %s", strerror(-usage->error));
	if (now_ns > usage->boottime_ns) {
		strbuf_add_string(out, ", ");
		format_human(out, UNIT_USEC, (double)(now_ns - usage->boottime_ns) / 1e9, false);
		strbuf_add_string(out, " ago");
	}
	strbuf_add_string(out, ")\n");
}

static void print_overlay(struct strbuf *out, const struct show_join *show)
{
	const struct overlay *overlay = join_overlay(show->join, show->node);
	const struct overlay_layer *upper;
	uint32_t shared = 0;

	if (!overlay)
		return;
	for (uint32_t i = 0; i < overlay->n_layers; i++)
		shared += overlay->layers[i].shared > 1;
	begin_line(out, "overlay");
	add_safe(out, overlay_mountpoint(overlay));
	strbuf_printf(out, " (%u layers, %u shared)\n", overlay->n_layers, shared);
	upper = overlay_upper(overlay);
	if (upper) {
		add_line(out, "upper", upper->resolved ? upper->resolved : upper->path);
		print_usage(out, &overlay->usage, show->now_ns);
	}
	for (unsigned int bit = 1; bit && bit <= overlay->flags; bit <<= 1) {
		if (overlay->flags & bit)
			add_line(out, "overlay flag", overlay_flag_name(bit));
	}
}

static void print_process(struct strbuf *out, const struct show_join *show, uint32_t index)
{
	const struct namespaces *set = show->inventory->namespaces;
	const struct ns_process *process = &set->processes[index];
	const char *command = labels_command(show->labels, process->pid);
	const char *user = labels_user(show->labels, process->uid);
	struct strbuf cell;

	strbuf_printf(out, "%*s%7d ", INDENT, "", (int)process->pid);
	strbuf_init(&cell);
	if (user)
		add_safe(&cell, user);
	else
		strbuf_add_u64(&cell, process->uid);
	output_pad(out, cell.data ? cell.data : "", 10, false);
	strbuf_done(&cell);
	strbuf_add_char(out, ' ');
	ps_add_flags(set, process, out);
	strbuf_add_string(out, "  ");
	add_safe(out, command ? command : process->comm ? process->comm : "");
	strbuf_add_char(out, '\n');
}

static void print_processes(struct strbuf *out, const struct show_join *show)
{
	const uint32_t *here, *below;
	uint32_t n = join_processes(show->join, show->node, false, &here);
	uint32_t all = join_processes(show->join, show->node, true, &below);

	/* A recorded tree may have none. */
	if (!show->inventory->namespaces || show->inventory->namespaces->n_processes == 0)
		return;
	begin_line(out, "processes");
	strbuf_printf(out, "%u", n);
	if (all > n)
		strbuf_printf(out, ", %u with those below", all);
	strbuf_add_char(out, '\n');
	for (uint32_t i = 0; i < n && i < PROCESSES_SHOWN; i++)
		print_process(out, show, here[i]);
	if (n > PROCESSES_SHOWN)
		strbuf_printf(out, "%*s… %u more: cgwatch ps lists all\n", INDENT, "",
			      n - PROCESSES_SHOWN);
}

void show_join_print(struct strbuf *out, const struct show_join *show)
{
	print_container(out, show);
	print_user(out, show);
	add_line(out, "hostname", join_hostname(show->join, show->node));
	print_namespaces(out, show);
	print_overlay(out, show);
	print_processes(out, show);
}

static void json_text(struct jsonw *json, const char *key, const char *text)
{
	if (text)
		jsonw_string(json, key, text);
}

static void json_container(struct jsonw *json, const struct show_join *show)
{
	const struct container *container = join_container(show->join, show->node);

	if (!container)
		return;
	jsonw_begin(json, "container", '{');
	jsonw_string(json, "id", container->id);
	json_text(json, "runtime", container->runtime);
	json_text(json, "name", container->name);
	json_text(json, "image", container->image);
	json_text(json, "image_id", container->image_id);
	json_text(json, "state", container->state);
	json_text(json, "pod", container->pod);
	json_text(json, "pod_namespace", container->pod_namespace);
	json_text(json, "pod_uid", container->pod_uid);
	if (container->pid > 0)
		jsonw_u64(json, "pid", (uint64_t)container->pid);
	json_text(json, "source", container->source);
	jsonw_end(json, '}');
}

static void json_user(struct jsonw *json, const struct show_join *show)
{
	uid_t uid;

	if (!join_user(show->join, show->node, &uid))
		return;
	jsonw_begin(json, "user", '{');
	jsonw_u64(json, "uid", uid);
	json_text(json, "name", labels_user(show->labels, uid));
	jsonw_end(json, '}');
}

static void json_namespaces(struct jsonw *json, const struct show_join *show)
{
	const struct namespaces *set = show->inventory->namespaces;
	struct join_ns join;

	join_namespaces(show->join, show->node, &join);
	if (!set || join.processes == 0)
		return;
	jsonw_begin(json, "namespaces", '{');
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		jsonw_begin(json, ns_type_name((enum ns_type)type), '{');
		jsonw_string(json, "place", places[join.place[type]]);
		if (join.ns[type] < set->n)
			jsonw_u64(json, "ns", set->list[join.ns[type]].inode);
		jsonw_u64(json, "distinct", join.distinct[type]);
		jsonw_end(json, '}');
	}
	if (join.denied > 0)
		jsonw_u64(json, "denied", join.denied);
	jsonw_end(json, '}');
}

static void json_overlay(struct jsonw *json, const struct show_join *show)
{
	const struct overlay *overlay = join_overlay(show->join, show->node);
	struct overlay_view view;
	struct field_list all;

	if (!overlay || overlay_view_init(&view, show->inventory, show->labels) < 0)
		return;
	view.now_ns = show->now_ns;
	field_choose_all(&overlay_fields, &all);
	jsonw_begin(json, "overlay", '{');
	field_json(json, &all, &view, (uint32_t)(overlay - view.set->list));
	jsonw_end(json, '}');
	overlay_view_done(&view);
}

static void json_processes(struct jsonw *json, const struct show_join *show)
{
	const struct namespaces *set = show->inventory->namespaces;
	const uint32_t *list;
	uint32_t n = join_processes(show->join, show->node, false, &list);

	if (!set || set->n_processes == 0)
		return;
	jsonw_begin(json, "processes", '[');
	for (uint32_t i = 0; i < n; i++) {
		const struct ns_process *process = &set->processes[list[i]];

		jsonw_begin(json, NULL, '{');
		jsonw_u64(json, "pid", (uint64_t)process->pid);
		jsonw_u64(json, "uid", process->uid);
		json_text(json, "comm", process->comm);
		json_text(json, "command", labels_command(show->labels, process->pid));
		ps_json_namespaces(json, set, process);
		jsonw_end(json, '}');
	}
	jsonw_end(json, ']');
}

void show_join_json(struct jsonw *json, const struct show_join *show)
{
	json_container(json, show);
	json_user(json, show);
	json_text(json, "hostname", join_hostname(show->join, show->node));
	json_namespaces(json, show);
	json_overlay(json, show);
	json_processes(json, show);
}
