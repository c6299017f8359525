// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "core/cleanup.h"
#include "exporter/inventory_private.h"

static bool is_measured(const struct overlay *overlay)
{
	return overlay->usage.state == LAYER_COMPLETE;
}

static bool has_upper(const struct overlay *overlay)
{
	return overlay->usage.state != LAYER_NONE;
}

static bool any(const struct overlay *overlay)
{
	(void)overlay;
	return true;
}

static bool has_backing(const struct overlay *overlay)
{
	return overlay->backing_fstype != NULL;
}

static bool has_growth(const struct overlay *overlay)
{
	return is_measured(overlay) && overlay->usage.growth_known;
}

static double lower_layers(const struct inventory_render *render, const struct overlay *overlay)
{
	(void)render;
	return overlay->n_lower;
}

static double shared_layers(const struct inventory_render *render, const struct overlay *overlay)
{
	double n = 0;

	(void)render;
	for (uint32_t i = 0; i < overlay->n_layers; i++)
		n += overlay->layers[i].kind != OVERLAY_UPPER && overlay->layers[i].shared > 1;
	return n;
}

static double mount_namespaces(const struct inventory_render *render, const struct overlay *overlay)
{
	(void)render;
	return overlay->n_mount_ns;
}

static double backing_free(const struct inventory_render *render, const struct overlay *overlay)
{
	(void)render;
	return (double)overlay->backing_free_bytes;
}

static double upper_bytes(const struct inventory_render *render, const struct overlay *overlay)
{
	(void)render;
	return (double)overlay->usage.bytes;
}

static double apparent_bytes(const struct inventory_render *render, const struct overlay *overlay)
{
	(void)render;
	return (double)overlay->usage.apparent_bytes;
}

static double copied_up_bytes(const struct inventory_render *render, const struct overlay *overlay)
{
	(void)render;
	return (double)overlay->usage.copied_up_bytes;
}

static double upper_inodes(const struct inventory_render *render, const struct overlay *overlay)
{
	(void)render;
	return (double)overlay->usage.inodes;
}

static double growth(const struct inventory_render *render, const struct overlay *overlay)
{
	(void)render;
	return overlay->usage.growth;
}

/* What events keep up to date is as fresh as the inventory. */
static double scan_time(const struct inventory_render *render, const struct overlay *overlay)
{
	uint64_t then = overlay->usage.boottime_ns;

	if (overlay->usage.incremental && render->inventory->overlays->boottime_ns > then)
		then = render->inventory->overlays->boottime_ns;
	return inventory_render_time(render, then);
}

static double scan_duration(const struct inventory_render *render, const struct overlay *overlay)
{
	(void)render;
	return (double)overlay->usage.duration_ns / 1e9;
}

static double scan_complete(const struct inventory_render *render, const struct overlay *overlay)
{
	(void)render;
	return is_measured(overlay);
}

/*
 * Numbers of a layer that could only be measured in part are not here: they are too low, and a sum
 * would not show it. scan_complete is 0 instead.
 */
static const struct {
	const char *name, *help;
	bool (*has)(const struct overlay *overlay);
	double (*get)(const struct inventory_render *render, const struct overlay *overlay);
} families[] = {
	{ "cgwatch_overlay_lower_layers", "Lower layers of an overlay mount.", any, lower_layers },
	{ "cgwatch_overlay_shared_layers", "Lower layers that other mounts use too.", any,
	  shared_layers },
	{ "cgwatch_overlay_mount_namespaces", "Mount namespaces that see it.", any,
	  mount_namespaces },
	{ "cgwatch_overlay_backing_free_bytes",
	  "Free bytes of the filesystem that its writable layer lies on.", has_backing,
	  backing_free },
	{ "cgwatch_overlay_upper_bytes", "Bytes allocated by its writable layer.", is_measured,
	  upper_bytes },
	{ "cgwatch_overlay_upper_apparent_bytes",
	  "Sizes of the files of its writable layer together.", is_measured, apparent_bytes },
	{ "cgwatch_overlay_upper_copied_up_bytes",
	  "Sizes of the files whose data was copied up from a lower layer.", is_measured,
	  copied_up_bytes },
	{ "cgwatch_overlay_upper_inodes", "Inodes of its writable layer.", is_measured,
	  upper_inodes },
	{ "cgwatch_overlay_upper_growth_bytes_per_second",
	  "Growth of its writable layer between the last two walks.", has_growth, growth },
	{ "cgwatch_overlay_upper_scan_timestamp_seconds",
	  "When the numbers of its writable layer were true.", is_measured, scan_time },
	{ "cgwatch_overlay_upper_scan_duration_seconds", "Time the last walk took, with pauses.",
	  is_measured, scan_duration },
	{ "cgwatch_overlay_upper_scan_complete",
	  "1 if its writable layer was measured as a whole; else it has no such numbers.",
	  has_upper, scan_complete },
};

static const struct {
	const char *kind;
	size_t offset;
} entries[] = {
	{ "file", offsetof(struct layer_usage, files) },
	{ "directory", offsetof(struct layer_usage, directories) },
	{ "symlink", offsetof(struct layer_usage, symlinks) },
	{ "special", offsetof(struct layer_usage, specials) },
	{ "created", offsetof(struct layer_usage, created) },
	{ "copied_up", offsetof(struct layer_usage, copied_up) },
	{ "metacopy", offsetof(struct layer_usage, metacopy) },
	{ "whiteout", offsetof(struct layer_usage, whiteouts) },
	{ "opaque", offsetof(struct layer_usage, opaque) },
	{ "redirected", offsetof(struct layer_usage, redirected) },
	{ "work_leftover", offsetof(struct layer_usage, work_leftovers) },
};

static uint64_t count_series(const struct overlay *overlay)
{
	uint64_t n = 1; /* the info */

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		n += families[i].has(overlay);
	return is_measured(overlay) ? n + ARRAY_SIZE(entries) : n;
}

static void begin(struct inventory_render *render, const struct overlay *overlay)
{
	char device[32];

	(void)snprintf(device, sizeof(device), "%u:%u", major(overlay->device),
		       minor(overlay->device));
	series_begin(&render->series);
	series_label(&render->series, "overlay", device);
}

/* "docker", "containerd", …: what overlays of a runtime are stored by. */
static const char *driver_of(const struct inventory_render *render, const char *runtime)
{
	const struct containers *set = render->inventory->containers;

	for (uint32_t i = 0; set && runtime && i < set->n_drivers; i++) {
		if (set->drivers[i].runtime && strcmp(set->drivers[i].runtime, runtime) == 0)
			return set->drivers[i].driver;
	}
	return NULL;
}

static void add_info(struct inventory_render *render, const bool *kept)
{
	const struct overlays *set = render->inventory->overlays;
	struct series *series = &render->series;

	series_family(series, "cgwatch_overlay_info",
		      "An overlay mount, by the numbers of its device; the value is always 1.");
	for (uint32_t i = 0; i < set->n; i++) {
		const struct overlay *overlay = &set->list[i];
		uint32_t node = join_overlay_node(render->snapshot->join, overlay);

		if (!kept[i])
			continue;
		begin(render, overlay);
		series_label(series, "mountpoint", overlay_mountpoint(overlay));
		series_label(series, "container_id", overlay->container_id);
		series_label_cgroup(series, inventory_render_node(render, node));
		series_label(series, "runtime", overlay->runtime);
		series_label(series, "driver", driver_of(render, overlay->runtime));
		series_label(series, "fstype", overlay->fstype);
		series_label(series, "backing_fstype", overlay->backing_fstype);
		series_end(series, 1);
	}
}

static void add_values(struct inventory_render *render, const bool *kept)
{
	const struct overlays *set = render->inventory->overlays;
	struct series *series = &render->series;

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		series_family(series, families[f].name, families[f].help);
		for (uint32_t i = 0; i < set->n; i++) {
			if (!kept[i] || !families[f].has(&set->list[i]))
				continue;
			begin(render, &set->list[i]);
			series_end(series, families[f].get(render, &set->list[i]));
		}
	}
	series_family(series, "cgwatch_overlay_upper_entries",
		      "Entries of its writable layer, by kind; kinds overlap.");
	for (uint32_t i = 0; i < set->n; i++) {
		const char *usage = (const char *)&set->list[i].usage;

		for (size_t e = 0; kept[i] && is_measured(&set->list[i]) && e < ARRAY_SIZE(entries);
		     e++) {
			begin(render, &set->list[i]);
			series_label(series, "kind", entries[e].kind);
			series_end(series, (double)*(const uint64_t *)(usage + entries[e].offset));
		}
	}
}

/* True if an earlier mount of the list has that runtime: then it was counted with it. */
static bool seen(const struct overlays *set, uint32_t before, const char *runtime)
{
	for (uint32_t i = 0; i < before; i++) {
		const char *other = set->list[i].runtime;

		if (other == runtime || (other && runtime && strcmp(other, runtime) == 0))
			return true;
	}
	return false;
}

static void count_states(const struct overlays *set, const char *runtime, uint64_t *counts)
{
	for (uint32_t i = 0; i < set->n; i++) {
		const char *other = set->list[i].runtime;

		if (other == runtime || (other && runtime && strcmp(other, runtime) == 0))
			counts[set->list[i].usage.state]++;
	}
}

static void add_counts(struct inventory_render *render)
{
	const struct overlays *set = render->inventory->overlays;
	struct series *series = &render->series;

	series_family(series, "cgwatch_overlays",
		      "Overlay mounts, by how far their writable layer is measured.");
	for (uint32_t i = 0; i < set->n; i++) {
		uint64_t counts[LAYER_STATE_COUNT] = { 0 };

		if (seen(set, i, set->list[i].runtime))
			continue;
		count_states(set, set->list[i].runtime, counts);
		for (int state = 0; state < LAYER_STATE_COUNT; state++) {
			series_begin(series);
			series_label(series, "runtime", set->list[i].runtime);
			series_label(series, "state", layer_state_name((enum layer_state)state));
			series_end(series, (double)counts[state]);
		}
	}
	series_family(series, "cgwatch_overlays_suspect",
		      "Overlay mounts with something odd about them, by what it is.");
	for (unsigned int flag = 1; overlay_flag_name(flag); flag <<= 1) {
		double n = 0;

		for (uint32_t i = 0; i < set->n; i++)
			n += (set->list[i].flags & flag) != 0;
		series_begin(series);
		series_label_word(series, "reason", overlay_flag_name(flag));
		series_end(series, n);
	}
	series_family(series, "cgwatch_overlays_scan_timestamp_seconds",
		      "When overlay mounts were looked for.");
	series_begin(series);
	series_end(series, inventory_render_time(render, set->boottime_ns));
	series_family(series, "cgwatch_overlays_scan_complete",
		      "1 if every mount namespace could be looked into.");
	series_begin(series);
	series_end(series, set->n_denied == 0);
}

int inventory_render_overlays(struct inventory_render *render)
{
	const struct overlays *set = render->inventory->overlays;
	_cleanup_(freep) bool *kept = calloc((size_t)set->n + 1, sizeof(*kept));

	if (!kept)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->n; i++)
		kept[i] = inventory_render_take(render, count_series(&set->list[i]));
	add_counts(render);
	add_info(render, kept);
	add_values(render, kept);
	return 0;
}
