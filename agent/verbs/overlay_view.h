/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/field.h"
#include "agent/labels.h"
#include "core/inventory.h"

/* What has to be collected for a column, beside the mounts. */
enum overlay_needs { OVERLAY_NEEDS_USAGE = 1 << 0 };

/* A layer directory with all the overlays that have it. */
struct overlay_shared_layer {
	const struct overlay_layer *layer;
	uint32_t first, n; /* in overlay_view.users */
};

/* The overlays of an inventory with what belongs to them. Rows are indices. */
struct overlay_view {
	const struct overlays *set;
	const struct namespaces *namespaces; /* may be NULL */
	const struct containers *containers; /* may be NULL */
	struct labels *labels;
	uint64_t now_ns; /* CLOCK_BOOTTIME */
	struct overlay_shared_layer *layers;
	uint32_t n_layers;
	uint32_t *users; /* overlays, by layer */
};

/* Borrows both. -ENOMEM; -ENODATA if the inventory has no overlays. */
int overlay_view_init(struct overlay_view *view, const struct inventory *inventory,
		      struct labels *labels);
void overlay_view_done(struct overlay_view *view);

/* The columns of an overlay, of a layer, of what a runtime left behind, of a storage driver. */
extern const struct fields overlay_fields, overlay_layer_fields, overlay_orphan_fields,
	overlay_driver_fields;

/*
 * The overlay somebody means: by mount point, device ("0:57"), cgroup, container (name, or id from
 * 4 characters on), or a path below a mount point. NULL with the reason (static text) if there is
 * none or more than one.
 */
const struct overlay *overlay_view_find(const struct overlay_view *view, const char *name,
					const char **ret_reason);

/* Everything about one overlay: its columns, layers, mounts, processes. */
void overlay_print_one(struct strbuf *out, const struct overlay_view *view, uint32_t row,
		       const struct field_format *format);
/* The members that are lists of objects: layers, mounts, processes. */
void overlay_json_lists(struct jsonw *json, const struct overlay_view *view, uint32_t row);
