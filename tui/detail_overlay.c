// SPDX-License-Identifier: MIT
#include "tui/detail.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "core/overlay_text.h"
#include "core/units.h"

#define LISTED 64

static void add_identity(struct detail *detail, const struct snapshot *snapshot,
			 const struct overlay *overlay)
{
	uint32_t node = snapshot->join ? join_overlay_node(snapshot->join, overlay) : NODE_NONE;
	const struct container *container = NULL;
	struct strbuf value;

	strbuf_init(&value);
	detail_add_text(detail, "Mounted at", overlay_mountpoint(overlay));
	strbuf_printf(&value, "%s, device %u:%u", overlay->fstype, major(overlay->device),
		      minor(overlay->device));
	strbuf_add_string(&value,
			  overlay_upper(overlay) && !overlay->read_only ? "" : ", read-only");
	detail_take_fact(detail, "Filesystem", &value, ROLE_DEFAULT);
	if (node != NODE_NONE)
		container = join_container(snapshot->join, node);
	if (container && container->name)
		detail_add_text(detail, "Container", container->name);
	if (container)
		detail_add_text(detail, "Image", container->image);
	if (overlay->container_id)
		detail_add_text(detail, "Container id", overlay->container_id);
	detail_add_text(detail, "Runtime", overlay->runtime);
	if (node != NODE_NONE)
		detail_add_text(detail, "Cgroup", snapshot->tree->nodes[node]->path);
	else
		detail_add_text(detail, "Cgroup", overlay->cgroup);
	overlay_flags_text(&value, overlay->flags);
	if (value.length > 0)
		detail_take_fact(detail, "Flags", &value, ROLE_WARN);
	detail_add_text(detail, "Options", overlay->options);
	strbuf_done(&value);
}

static void add_count(struct detail *detail, const char *name, uint64_t count, const char *what)
{
	struct strbuf value;

	strbuf_init(&value);
	strbuf_add_u64(&value, count);
	strbuf_add_string(&value, what);
	detail_take_fact(detail, name, &value, count ? ROLE_DEFAULT : ROLE_ZERO);
}

static void add_sizes(struct detail *detail, const struct layer_usage *usage)
{
	struct strbuf value;

	strbuf_init(&value);
	format_human(&value, UNIT_BYTES, (double)usage->bytes, false);
	strbuf_add_string(&value, " allocated, ");
	format_human(&value, UNIT_BYTES, (double)usage->apparent_bytes, false);
	strbuf_add_string(&value, " of content");
	detail_take_fact(detail, "Size", &value, ROLE_DEFAULT);
	if (usage->growth_known) {
		double growth = usage->growth < 0 ? -usage->growth : usage->growth;

		strbuf_add_char(&value, usage->growth < 0 ? '-' : '+');
		format_human(&value, UNIT_BYTES, growth, false);
		strbuf_add_string(&value, "/s");
		detail_take_fact(detail, "Growth", &value, ROLE_DEFAULT);
	} else {
		detail_add_fact(detail, "Growth", "needs a second measurement", ROLE_MISSING);
	}
	strbuf_printf(&value, "%llu: %llu files, %llu directories, %llu symlinks, %llu others",
		      (unsigned long long)usage->inodes, (unsigned long long)usage->files,
		      (unsigned long long)usage->directories, (unsigned long long)usage->symlinks,
		      (unsigned long long)usage->specials);
	detail_take_fact(detail, "Inodes", &value, ROLE_DEFAULT);
}

static void add_changes(struct detail *detail, const struct layer_usage *usage)
{
	struct strbuf value;

	strbuf_init(&value);
	add_count(detail, "Created", usage->created, "");
	strbuf_add_u64(&value, usage->copied_up);
	strbuf_add_string(&value, ", ");
	format_human(&value, UNIT_BYTES, (double)usage->copied_up_bytes, false);
	strbuf_printf(&value, "; %llu of them without data", (unsigned long long)usage->metacopy);
	detail_take_fact(detail, "Copied up", &value, usage->copied_up ? ROLE_DEFAULT : ROLE_ZERO);
	strbuf_add_u64(&value, usage->whiteouts);
	if (usage->xattr_whiteouts)
		strbuf_printf(&value, ", %llu of them by attribute",
			      (unsigned long long)usage->xattr_whiteouts);
	detail_take_fact(detail, "Whiteouts", &value, usage->whiteouts ? ROLE_DEFAULT : ROLE_ZERO);
	add_count(detail, "Opaque", usage->opaque, " directories");
	add_count(detail, "Redirected", usage->redirected, "");
	if (usage->work_leftovers)
		add_count(detail, "Leftovers", usage->work_leftovers,
			  " interrupted copies in the work directory");
	if (usage->index_entries)
		add_count(detail, "Index", usage->index_entries, " entries");
	if (usage->volatile_dirty)
		detail_add_fact(detail, "Volatile", "not synced: of no use after a crash",
				ROLE_WARN);
}

static void add_usage(struct detail *detail, const struct overlay *overlay, uint64_t now_ns)
{
	const struct layer_usage *usage = &overlay->usage;
	struct strbuf value;

	detail_add_section(detail, "writable layer");
	if (!overlay_upper(overlay)) {
		detail_add_fact(detail, "none", "the mount is read-only", ROLE_MISSING);
		return;
	}
	strbuf_init(&value);
	layer_freshness_text(&value, usage, now_ns);
	detail_take_fact(detail, "Measured", &value,
			 usage->state == LAYER_COMPLETE	 ? ROLE_OK
			 : usage->state == LAYER_PENDING ? ROLE_MISSING
							 : ROLE_WARN);
	if (!layer_has_numbers(usage))
		return;
	add_sizes(detail, usage);
	add_changes(detail, usage);
	format_human(&value, UNIT_USEC, (double)usage->cpu_ns / 1e9, false);
	strbuf_add_string(&value, " of CPU in ");
	format_human(&value, UNIT_USEC, (double)usage->duration_ns / 1e9, false);
	detail_take_fact(detail, "Cost", &value, ROLE_ZERO);
}

static void add_layer(struct detail *detail, const struct overlay_layer *layer, uint32_t number)
{
	const char *path = layer->resolved ? layer->resolved : layer->path;
	struct strbuf value;
	char name[32];

	if (number == 0)
		snprintf(name, sizeof(name), "%s", layer_kind_name(layer->kind));
	else
		snprintf(name, sizeof(name), "%s %u", layer_kind_name(layer->kind), number);
	strbuf_init(&value);
	if (layer->missing)
		strbuf_add_string(&value, "missing: ");
	escape_terminal_append(&value, path, strlen(path));
	if (layer->shared > 1)
		strbuf_printf(&value, "  (in %u overlays)", layer->shared);
	detail_take_fact(detail, name, &value, layer->missing ? ROLE_BAD : ROLE_DEFAULT);
}

static void add_layers(struct detail *detail, const struct overlay *overlay)
{
	uint32_t number = 0;
	char heading[80];

	snprintf(heading, sizeof(heading), "layers from the top: %u lower, %u bytes of options",
		 overlay->n_lower, overlay->option_bytes);
	detail_add_section(detail, heading);
	for (uint32_t i = 0; i < overlay->n_layers; i++) {
		const struct overlay_layer *layer = &overlay->layers[i];

		add_layer(detail, layer, layer->kind == OVERLAY_UPPER ? 0 : ++number);
	}
	detail_add_text(detail, "work", overlay->work);
}

static void add_filesystem(struct detail *detail, const struct overlay *overlay)
{
	struct strbuf value;

	if (!overlay->backing_fstype)
		return;
	detail_add_section(detail, "filesystem of the writable layer");
	detail_add_text(detail, "Type", overlay->backing_fstype);
	strbuf_init(&value);
	format_human(&value, UNIT_BYTES, (double)overlay->backing_free_bytes, false);
	strbuf_printf(&value, ", %llu inodes", (unsigned long long)overlay->backing_free_inodes);
	detail_take_fact(detail, "Free", &value, ROLE_DEFAULT);
}

static const char *propagation_name(char propagation)
{
	return propagation == 's'   ? "shared"
	       : propagation == 'm' ? "follows another"
	       : propagation == 'u' ? "unbindable"
	       : propagation == 'p' ? "private"
				    : "";
}

static void add_mounts(struct detail *detail, const struct overlay *overlay)
{
	struct strbuf value;
	char heading[80];

	snprintf(heading, sizeof(heading), "mounts: %u in %u mount namespaces", overlay->n_mounts,
		 overlay->n_mount_ns);
	detail_add_section(detail, heading);
	strbuf_init(&value);
	for (uint32_t i = 0; i < overlay->n_mounts && i < LISTED; i++) {
		const struct overlay_mount *mount = &overlay->mounts[i];
		char name[32];

		snprintf(name, sizeof(name), "%llu", (unsigned long long)mount->mount_ns);
		escape_terminal_append(&value, mount->mountpoint, strlen(mount->mountpoint));
		strbuf_printf(&value, "  (%s%s)", propagation_name(mount->propagation),
			      mount->read_only ? ", read-only" : "");
		detail_take_fact(detail, name, &value, ROLE_DEFAULT);
	}
	strbuf_done(&value);
}

static void add_users(struct detail *detail, const struct snapshot *snapshot,
		      const struct overlay *overlay)
{
	const struct namespaces *set = snapshot_namespaces(snapshot);
	struct strbuf value;

	detail_add_section(detail, "processes with it as root");
	if (!overlay->processes || !set) {
		detail_add_fact(detail, "all", "not known", ROLE_MISSING);
		return;
	}
	if (overlay->n_processes == 0)
		detail_add_fact(detail, "none", "nobody uses it", ROLE_MISSING);
	strbuf_init(&value);
	for (uint32_t i = 0; i < overlay->n_processes && i < LISTED; i++) {
		const struct ns_process *process = &set->processes[overlay->processes[i]];
		char pid[16];

		snprintf(pid, sizeof(pid), "%d", (int)process->pid);
		escape_terminal_append(&value, process->comm, strlen(process->comm));
		strbuf_printf(&value, " (%s)", users_name(detail->users, process->uid));
		detail_take_fact(detail, pid, &value, ROLE_DEFAULT);
	}
	strbuf_done(&value);
}

void detail_build_overlay(struct detail *detail, const struct snapshot *snapshot,
			  const struct overlay *overlay)
{
	add_identity(detail, snapshot, overlay);
	add_usage(detail, overlay, snapshot->boottime_ns);
	add_layers(detail, overlay);
	add_filesystem(detail, overlay);
	add_mounts(detail, overlay);
	add_users(detail, snapshot, overlay);
}
