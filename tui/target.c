// SPDX-License-Identifier: MIT
#include "tui/target.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"

const struct namespaces *snapshot_namespaces(const struct snapshot *snapshot)
{
	return snapshot && snapshot->inventory ? snapshot->inventory->namespaces : NULL;
}

const struct overlays *snapshot_overlays(const struct snapshot *snapshot)
{
	return snapshot && snapshot->inventory ? snapshot->inventory->overlays : NULL;
}

const struct containers *snapshot_containers(const struct snapshot *snapshot)
{
	return snapshot && snapshot->inventory ? snapshot->inventory->containers : NULL;
}

struct target target_cgroup(const struct snapshot *snapshot, uint32_t node)
{
	if (!snapshot || node == NODE_NONE)
		return (struct target){ .kind = TARGET_NONE };
	return (struct target){ .kind = TARGET_CGROUP, .id = snapshot->tree->nodes[node]->serial };
}

struct target target_namespace(const struct ns_namespace *ns)
{
	return (struct target){ .kind = TARGET_NAMESPACE, .type = ns->type, .id = ns->inode };
}

struct target target_overlay(const struct overlay *overlay)
{
	return (struct target){ .kind = TARGET_OVERLAY, .id = overlay->device };
}

bool target_equal(const struct target *a, const struct target *b)
{
	return a->kind == b->kind && a->id == b->id &&
	       (a->kind != TARGET_NAMESPACE || a->type == b->type);
}

uint32_t target_find_node(const struct snapshot *snapshot, const struct target *target)
{
	if (!snapshot || target->kind != TARGET_CGROUP)
		return NODE_NONE;
	return tree_find_serial(snapshot->tree, target->id);
}

uint32_t target_find_namespace(const struct snapshot *snapshot, const struct target *target)
{
	const struct namespaces *set = snapshot_namespaces(snapshot);

	if (!set || target->kind != TARGET_NAMESPACE)
		return NS_NONE;
	return namespaces_find(set, target->type, target->id);
}

const struct overlay *target_find_overlay(const struct snapshot *snapshot,
					  const struct target *target)
{
	const struct overlays *set = snapshot_overlays(snapshot);

	if (!set || target->kind != TARGET_OVERLAY)
		return NULL;
	return overlays_find_device(set, target->id);
}

uint32_t target_find_process(const struct snapshot *snapshot, const struct target *target)
{
	const struct namespaces *set = snapshot_namespaces(snapshot);

	if (!set || target->kind != TARGET_PROCESS)
		return NS_NONE;
	return namespaces_find_process(set, (pid_t)target->id);
}

bool target_is_there(const struct snapshot *snapshot, const struct target *target)
{
	return target_find_node(snapshot, target) != NODE_NONE ||
	       target_find_namespace(snapshot, target) != NS_NONE ||
	       target_find_process(snapshot, target) != NS_NONE ||
	       target_find_overlay(snapshot, target);
}

static void add_escaped(struct strbuf *text, const char *what, const char *name)
{
	strbuf_add_string(text, what);
	escape_terminal_append(text, name, strlen(name));
}

void target_describe(const struct snapshot *snapshot, const struct target *target,
		     struct strbuf *text)
{
	const struct overlay *overlay = target_find_overlay(snapshot, target);
	uint32_t node = target_find_node(snapshot, target);
	uint32_t process = target_find_process(snapshot, target);
	const struct container *container = NULL;

	if (node != NODE_NONE && snapshot->join)
		container = join_container(snapshot->join, node);
	if (target->kind == TARGET_NAMESPACE)
		strbuf_printf(text, "%s %llu", ns_type_name(target->type),
			      (unsigned long long)target->id);
	else if (container && container->name &&
		 snapshot->tree->nodes[node]->kind == NODE_CONTAINER)
		add_escaped(text, "container ", container->name);
	else if (node != NODE_NONE)
		add_escaped(text, "cgroup ", snapshot->tree->nodes[node]->path);
	else if (overlay)
		add_escaped(text, "overlay ", overlay_mountpoint(overlay));
	else if (process != NS_NONE)
		add_escaped(text, "process ",
			    snapshot_namespaces(snapshot)->processes[process].comm);
	else if (target->kind == TARGET_PROCESS)
		strbuf_printf(text, "process %llu", (unsigned long long)target->id);
	else
		strbuf_add_string(text, target->kind == TARGET_CGROUP ? "a cgroup that is gone"
								      : "what is gone");
}

static uint32_t mark(bool *marks, uint32_t index)
{
	if (index == NS_NONE || marks[index])
		return 0;
	marks[index] = true;
	return 1;
}

static uint32_t mark_processes_of_ns(const struct namespaces *set, uint32_t ns, bool *marks)
{
	enum ns_type type;
	uint32_t n = 0;

	if (ns == NS_NONE)
		return 0;
	type = set->list[ns].type;
	for (uint32_t i = 0; i < set->n_processes; i++) {
		if (set->processes[i].ns[type] == ns)
			n += mark(marks, i);
	}
	for (uint32_t i = 0; i < set->n_threads; i++) {
		if (set->threads[i].ns[type] == ns)
			n += mark(marks, namespaces_find_process(set, set->threads[i].pid));
	}
	return n;
}

uint32_t target_mark_processes(const struct snapshot *snapshot, const struct target *target,
			       bool *marks)
{
	const struct namespaces *set = snapshot_namespaces(snapshot);
	const struct overlay *overlay = target_find_overlay(snapshot, target);
	uint32_t node = target_find_node(snapshot, target), n = 0, count;
	const uint32_t *processes = NULL;

	if (!set)
		return 0;
	if (node != NODE_NONE && snapshot->join) {
		count = join_processes(snapshot->join, node, true, &processes);
		for (uint32_t i = 0; i < count; i++)
			n += mark(marks, processes[i]);
	}
	for (uint32_t i = 0; overlay && overlay->processes && i < overlay->n_processes; i++)
		n += mark(marks, overlay->processes[i]);
	n += mark(marks, target_find_process(snapshot, target));
	return n + mark_processes_of_ns(set, target_find_namespace(snapshot, target), marks);
}

static uint32_t mark_process_ns(const struct namespaces *set, uint32_t process, bool *marks)
{
	const struct ns_process *at = &set->processes[process];
	uint32_t n = 0;

	for (int type = 0; type < NS_TYPE_COUNT; type++)
		n += mark(marks, at->ns[type]);
	n += mark(marks, at->pid_for_children);
	return n + mark(marks, at->time_for_children);
}

static uint32_t mark_mount_ns(const struct namespaces *set, const struct overlay *overlay,
			      bool *marks)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < overlay->n_mounts; i++)
		n += mark(marks, namespaces_find(set, NS_MNT, overlay->mounts[i].mount_ns));
	return n;
}

uint32_t target_mark_namespaces(const struct snapshot *snapshot, const struct target *target,
				bool *marks)
{
	const struct namespaces *set = snapshot_namespaces(snapshot);
	const struct overlay *overlay = target_find_overlay(snapshot, target);
	_cleanup_(freep) bool *processes = NULL;
	uint32_t n = 0;

	if (!set)
		return 0;
	if (overlay)
		return mark_mount_ns(set, overlay, marks);
	processes = calloc(set->n_processes + 1, sizeof(*processes));
	if (!processes)
		return 0;
	target_mark_processes(snapshot, target, processes);
	n = mark(marks, target_find_namespace(snapshot, target));
	for (uint32_t i = 0; i < set->n_processes; i++) {
		if (processes[i])
			n += mark_process_ns(set, i, marks);
	}
	for (uint32_t i = 0; i < set->n_threads; i++) {
		uint32_t process = namespaces_find_process(set, set->threads[i].pid);

		if (process == NS_NONE || !processes[process])
			continue;
		for (int type = 0; type < NS_TYPE_COUNT; type++)
			n += mark(marks, set->threads[i].ns[type]);
	}
	return n;
}

static bool is_mounted_in(const struct overlay *overlay, const struct target *target)
{
	if (target->kind != TARGET_NAMESPACE || target->type != NS_MNT)
		return false;
	for (uint32_t i = 0; i < overlay->n_mounts; i++) {
		if (overlay->mounts[i].mount_ns == target->id)
			return true;
	}
	return false;
}

/* A root may stand on one although the mount itself cannot be seen: the device says so. */
static bool has_marked_user(const struct overlay *overlay, const struct namespaces *set,
			    const bool *processes)
{
	for (uint32_t i = 0; set && i < set->n_processes; i++) {
		if (processes[i] && set->processes[i].root_device == overlay->device)
			return true;
	}
	return false;
}

uint32_t target_mark_overlays(const struct snapshot *snapshot, const struct target *target,
			      bool *marks)
{
	const struct namespaces *set = snapshot_namespaces(snapshot);
	const struct overlays *overlays = snapshot_overlays(snapshot);
	uint32_t node = target_find_node(snapshot, target), n = 0;
	_cleanup_(freep) bool *processes = calloc((set ? set->n_processes : 0) + 1,
						  sizeof(*processes));

	if (!overlays || !processes)
		return 0;
	target_mark_processes(snapshot, target, processes);
	for (uint32_t i = 0; i < overlays->n; i++) {
		const struct overlay *overlay = &overlays->list[i];
		bool is = is_mounted_in(overlay, target) ||
			  has_marked_user(overlay, set, processes) ||
			  (target->kind == TARGET_OVERLAY && overlay->device == target->id);

		if (node != NODE_NONE && snapshot->join) {
			uint32_t of = join_overlay_node(snapshot->join, overlay);

			is = is || join_overlay(snapshot->join, node) == overlay ||
			     (of != NODE_NONE && of >= node && of < snapshot->tree->end[node]);
		}
		if (is)
			n += mark(marks, i);
	}
	return n;
}

static uint32_t mark_pid_node(const struct snapshot *snapshot, pid_t pid, bool *marks)
{
	const struct namespaces *set = snapshot_namespaces(snapshot);
	uint32_t process = pid > 0 ? namespaces_find_process(set, pid) : NS_NONE;

	if (process == NS_NONE || !snapshot->join)
		return 0;
	return mark(marks, join_process_node(snapshot->join, process));
}

static uint32_t mark_nodes_of_ns(const struct snapshot *snapshot, uint32_t ns, bool *marks)
{
	const struct namespaces *set = snapshot_namespaces(snapshot);
	const uint32_t *nodes = NULL;
	uint32_t n = 0, count = join_ns_nodes(snapshot->join, ns, &nodes);

	for (uint32_t i = 0; i < count; i++)
		n += mark(marks, nodes[i]);
	for (uint32_t i = 0; n == 0 && i < set->list[ns].n_holders; i++)
		n += mark_pid_node(snapshot, set->list[ns].holders[i].pid, marks);
	return n;
}

uint32_t target_mark_nodes(const struct snapshot *snapshot, const struct target *target,
			   bool *marks)
{
	const struct overlay *overlay = target_find_overlay(snapshot, target);
	uint32_t node = target_find_node(snapshot, target);
	uint32_t ns = target_find_namespace(snapshot, target), n = 0;
	uint32_t process = target_find_process(snapshot, target);

	if (node != NODE_NONE)
		return mark(marks, node);
	if (!snapshot || !snapshot->join)
		return 0;
	if (ns != NS_NONE)
		return mark_nodes_of_ns(snapshot, ns, marks);
	if (process != NS_NONE)
		return mark(marks, join_process_node(snapshot->join, process));
	if (!overlay)
		return 0;
	n = mark(marks, join_overlay_node(snapshot->join, overlay));
	for (uint32_t i = 0; overlay->processes && i < overlay->n_processes; i++)
		n += mark(marks, join_process_node(snapshot->join, overlay->processes[i]));
	return n;
}
