// SPDX-License-Identifier: MIT
#include <string.h>

#include "agent/path_container.h"
#include "agent/verbs/overlay_view.h"
#include "core/cleanup.h"

static const struct overlay_shared_layer *get_shared(const void *view, uint32_t row)
{
	return &((const struct overlay_view *)view)->layers[row];
}

static bool layer_kind(const void *view, uint32_t row, struct strbuf *out)
{
	static const char *const names[] = {
		[OVERLAY_UPPER] = "upper", [OVERLAY_LOWER] = "lower", [OVERLAY_DATA] = "data"
	};

	return field_add_text(out, names[get_shared(view, row)->layer->kind]);
}

static bool layer_users(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_shared(view, row)->n);
}

static bool layer_missing(const void *view, uint32_t row, struct strbuf *out)
{
	const struct overlay_layer *layer = get_shared(view, row)->layer;

	return field_add_bool(out, layer->missing || layer->device != 0, layer->missing);
}

static bool layer_inode(const void *view, uint32_t row, struct strbuf *out)
{
	const struct overlay_layer *layer = get_shared(view, row)->layer;

	return field_add_u64(out, layer->device != 0, layer->inode);
}

/* Containers by name, other overlays by their mount point. */
static bool layer_used_by(const void *data, uint32_t row, struct strbuf *out)
{
	const struct overlay_view *view = data;
	const struct overlay_shared_layer *layer = get_shared(data, row);

	for (uint32_t i = 0; i < layer->n; i++) {
		const struct overlay *overlay = &view->set->list[view->users[layer->first + i]];

		if (i > 0)
			strbuf_add_char(out, '\0');
		if (overlay->container_id)
			container_add_name(view->containers, overlay->container_id, out);
		else
			strbuf_add_string(out, overlay_mountpoint(overlay));
	}
	return layer->n > 0;
}

static bool layer_path(const void *view, uint32_t row, struct strbuf *out)
{
	const struct overlay_layer *layer = get_shared(view, row)->layer;

	return field_add_text(out, layer->resolved ? layer->resolved : layer->path);
}

static const struct field layer_columns[] = {
	{ "KIND", "upper, lower, or data (data-only)", FIELD_TEXT, 0, layer_kind },
	{ "USERS", "overlays that have it", FIELD_NUMBER, 0, layer_users },
	{ "MISSING", "not there any more", FIELD_BOOL, 0, layer_missing },
	{ "INODE", "of the directory", FIELD_NUMBER, 0, layer_inode },
	{ "PATH", "of the directory", FIELD_TEXT, 0, layer_path },
	{ "USED-BY", "which", FIELD_LIST, 0, layer_used_by },
};
const struct fields overlay_layer_fields = { layer_columns, ARRAY_SIZE(layer_columns) };

static const struct orphan *get_orphan(const void *view, uint32_t row)
{
	return &((const struct overlay_view *)view)->containers->orphans[row];
}

static bool orphan_reason(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, orphan_reason_name(get_orphan(view, row)->reason));
}

static bool orphan_runtime(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_orphan(view, row)->runtime);
}

static bool orphan_size(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, get_orphan(view, row)->bytes_known, get_orphan(view, row)->bytes);
}

static bool orphan_path(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_orphan(view, row)->path);
}

static const struct field orphan_columns[] = {
	{ "REASON", "why it is taken for left behind", FIELD_TEXT, 0, orphan_reason },
	{ "RUNTIME", "who left it", FIELD_TEXT, 0, orphan_runtime },
	{ "SIZE", "allocated below it", FIELD_BYTES, 0, orphan_size },
	{ "PATH", "the layer, link or record", FIELD_TEXT, 0, orphan_path },
};
const struct fields overlay_orphan_fields = { orphan_columns, ARRAY_SIZE(orphan_columns) };

static const struct storage_driver *get_driver(const void *view, uint32_t row)
{
	return &((const struct overlay_view *)view)->containers->drivers[row];
}

static bool driver_runtime(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_driver(view, row)->runtime);
}

static bool driver_driver(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_driver(view, row)->driver);
}

static bool driver_layers(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_driver(view, row)->n_layers);
}

static bool driver_containers(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_driver(view, row)->n_containers);
}

static bool driver_backing(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_driver(view, row)->fstype);
}

static bool driver_d_type(const void *view, uint32_t row, struct strbuf *out)
{
	const struct storage_driver *driver = get_driver(view, row);

	return field_add_bool(out, driver->d_type_known, driver->d_type);
}

static bool driver_quota(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_bool(out, true, get_driver(view, row)->project_quota);
}

static bool driver_size(const void *view, uint32_t row, struct strbuf *out)
{
	const struct storage_driver *driver = get_driver(view, row);

	return field_add_u64(out, driver->fs_bytes > 0, driver->fs_bytes);
}

static bool driver_free(const void *view, uint32_t row, struct strbuf *out)
{
	const struct storage_driver *driver = get_driver(view, row);

	return field_add_u64(out, driver->fs_bytes > 0, driver->fs_free_bytes);
}

/* A filesystem without a table of inodes (btrfs) has 0 of them. */
static bool driver_inodes(const void *view, uint32_t row, struct strbuf *out)
{
	const struct storage_driver *driver = get_driver(view, row);

	return field_add_u64(out, driver->fs_inodes > 0, driver->fs_inodes);
}

static bool driver_free_inodes(const void *view, uint32_t row, struct strbuf *out)
{
	const struct storage_driver *driver = get_driver(view, row);

	return field_add_u64(out, driver->fs_inodes > 0, driver->fs_free_inodes);
}

static bool driver_note(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_driver(view, row)->note);
}

static bool driver_root(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_driver(view, row)->root);
}

static const struct field driver_columns[] = {
	{ "RUNTIME", "docker, containerd, podman", FIELD_TEXT, 0, driver_runtime },
	{ "DRIVER", "overlay2, overlayfs, fuse-overlayfs, btrfs, zfs, vfs, …", FIELD_TEXT, 0,
	  driver_driver },
	{ "LAYERS", "in its store", FIELD_NUMBER, 0, driver_layers },
	{ "CONTAINERS", "in its store", FIELD_NUMBER, 0, driver_containers },
	{ "BACKING", "filesystem below it", FIELD_TEXT, 0, driver_backing },
	{ "D-TYPE", "names carry their type there: overlay needs it", FIELD_BOOL, 0,
	  driver_d_type },
	{ "QUOTA", "project quota is on there", FIELD_BOOL, 0, driver_quota },
	{ "SIZE", "of that filesystem", FIELD_BYTES, 0, driver_size },
	{ "FREE", "on it", FIELD_BYTES, 0, driver_free },
	{ "INODES", "of that filesystem", FIELD_NUMBER, 0, driver_inodes },
	{ "FREE-INODES", "on it", FIELD_NUMBER, 0, driver_free_inodes },
	{ "ROOT", "where the store is", FIELD_TEXT, 0, driver_root },
	{ "NOTE", "what is odd about it", FIELD_TEXT, 0, driver_note },
};
const struct fields overlay_driver_fields = { driver_columns, ARRAY_SIZE(driver_columns) };
