// SPDX-License-Identifier: MIT
#include <string.h>
#include <sys/sysmacros.h>

#include "agent/path_container.h"
#include "agent/verbs/overlay_view.h"
#include "core/cleanup.h"

static const struct overlay *get_overlay(const void *view, uint32_t row)
{
	return &((const struct overlay_view *)view)->set->list[row];
}

static const struct container *get_record(const void *data, uint32_t row)
{
	const struct overlay_view *view = data;
	const char *id = get_overlay(data, row)->container_id;

	return id && view->containers ? containers_find(view->containers, id) : NULL;
}

static bool get_mount(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, overlay_mountpoint(get_overlay(view, row)));
}

static bool get_device(const void *view, uint32_t row, struct strbuf *out)
{
	dev_t device = get_overlay(view, row)->device;

	strbuf_printf(out, "%u:%u", major(device), minor(device));
	return true;
}

static bool get_fstype(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_overlay(view, row)->fstype);
}

static bool get_container(const void *view, uint32_t row, struct strbuf *out)
{
	const char *id = get_overlay(view, row)->container_id;

	if (id)
		container_add_name(((const struct overlay_view *)view)->containers, id, out);
	return id != NULL;
}

static bool get_container_id(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_overlay(view, row)->container_id);
}

static bool get_runtime(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_overlay(view, row)->runtime);
}

static bool get_image(const void *view, uint32_t row, struct strbuf *out)
{
	const struct container *record = get_record(view, row);

	return record && field_add_text(out, record->image);
}

static bool get_pod(const void *view, uint32_t row, struct strbuf *out)
{
	const struct container *record = get_record(view, row);

	if (!record || !record->pod)
		return false;
	if (record->pod_namespace) {
		strbuf_add_string(out, record->pod_namespace);
		strbuf_add_char(out, '/');
	}
	return field_add_text(out, record->pod);
}

static bool get_cgroup(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_overlay(view, row)->cgroup);
}

static bool get_nprocs(const void *view, uint32_t row, struct strbuf *out)
{
	const struct overlay *overlay = get_overlay(view, row);

	return field_add_u64(out, overlay->processes != NULL || overlay->n_processes == 0,
			     overlay->n_processes);
}

static bool get_nlayers(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, get_overlay(view, row)->n_layers > 0,
			     get_overlay(view, row)->n_layers);
}

static bool get_nlower(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, get_overlay(view, row)->n_layers > 0,
			     get_overlay(view, row)->n_lower);
}

static bool get_shared(const void *view, uint32_t row, struct strbuf *out)
{
	const struct overlay *overlay = get_overlay(view, row);
	uint64_t n = 0;

	for (uint32_t i = 0; i < overlay->n_layers; i++)
		n += overlay->layers[i].shared > 1;
	return field_add_u64(out, overlay->n_layers > 0, n);
}

static bool get_flags(const void *view, uint32_t row, struct strbuf *out)
{
	unsigned int flags = get_overlay(view, row)->flags;
	size_t start = out->length;

	for (unsigned int bit = 1; bit && bit <= flags; bit <<= 1) {
		const char *name = flags & bit ? overlay_flag_name(bit) : NULL;

		if (!name)
			continue;
		if (out->length > start)
			strbuf_add_char(out, '\0');
		strbuf_add_string(out, name);
	}
	return out->length > start;
}

static bool get_state(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, layer_state_name(get_overlay(view, row)->usage.state));
}

static bool get_error(const void *view, uint32_t row, struct strbuf *out)
{
	int error = get_overlay(view, row)->usage.error;

	return error < 0 && field_add_text(out, strerror(-error));
}

/* The numbers of a walk that ended: those of a partial one are too low, and its state says so. */
static const struct layer_usage *get_usage(const void *view, uint32_t row)
{
	const struct layer_usage *usage = &get_overlay(view, row)->usage;

	return usage->state == LAYER_COMPLETE || usage->state == LAYER_PARTIAL ? usage : NULL;
}

#define USAGE_NUMBER(member)                                                         \
	static bool get_##member(const void *view, uint32_t row, struct strbuf *out) \
	{                                                                            \
		const struct layer_usage *usage = get_usage(view, row);              \
                                                                                     \
		return usage && field_add_u64(out, true, usage->member);             \
	}

USAGE_NUMBER(bytes)
USAGE_NUMBER(apparent_bytes)
USAGE_NUMBER(inodes)
USAGE_NUMBER(files)
USAGE_NUMBER(directories)
USAGE_NUMBER(symlinks)
USAGE_NUMBER(specials)
USAGE_NUMBER(created)
USAGE_NUMBER(copied_up)
USAGE_NUMBER(copied_up_bytes)
USAGE_NUMBER(metacopy)
USAGE_NUMBER(whiteouts)
USAGE_NUMBER(xattr_whiteouts)
USAGE_NUMBER(opaque)
USAGE_NUMBER(redirected)
USAGE_NUMBER(work_leftovers)
USAGE_NUMBER(index_entries)

static bool get_dirty(const void *view, uint32_t row, struct strbuf *out)
{
	const struct layer_usage *usage = get_usage(view, row);

	return usage && field_add_bool(out, true, usage->volatile_dirty);
}

static bool get_growth(const void *view, uint32_t row, struct strbuf *out)
{
	const struct layer_usage *usage = get_usage(view, row);

	if (!usage || !usage->growth_known)
		return false;
	strbuf_add_double(out, usage->growth);
	return true;
}

static bool get_freshness(const void *data, uint32_t row, struct strbuf *out)
{
	const struct layer_usage *usage = get_usage(data, row);
	uint64_t now = ((const struct overlay_view *)data)->now_ns;

	/* A walk that this program made itself ended after the mounts were read. */
	return usage && field_add_seconds(out, true,
					  now > usage->boottime_ns ? now - usage->boottime_ns : 0);
}

static bool get_walk(const void *data, uint32_t row, struct strbuf *out)
{
	const struct layer_usage *usage = get_usage(data, row);

	return usage && field_add_seconds(out, true, usage->duration_ns);
}

static bool get_readonly(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_bool(out, true, get_overlay(view, row)->read_only);
}

static bool get_userxattr(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_bool(out, true, get_overlay(view, row)->userxattr);
}

static bool get_volatile(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_bool(out, true, get_overlay(view, row)->is_volatile);
}

static bool get_upper(const void *view, uint32_t row, struct strbuf *out)
{
	const struct overlay_layer *upper = overlay_upper(get_overlay(view, row));

	return upper && field_add_text(out, upper->resolved ? upper->resolved : upper->path);
}

static bool get_work(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_overlay(view, row)->work);
}

static bool get_options(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_overlay(view, row)->options);
}

static bool get_option_bytes(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_overlay(view, row)->option_bytes);
}

static bool get_nmounts(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_overlay(view, row)->n_mounts);
}

static bool get_nmntns(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_u64(out, true, get_overlay(view, row)->n_mount_ns);
}

static bool get_backing(const void *view, uint32_t row, struct strbuf *out)
{
	return field_add_text(out, get_overlay(view, row)->backing_fstype);
}

static bool get_free(const void *view, uint32_t row, struct strbuf *out)
{
	const struct overlay *overlay = get_overlay(view, row);

	return field_add_u64(out, overlay->backing_fstype != NULL, overlay->backing_free_bytes);
}

static bool get_free_inodes(const void *view, uint32_t row, struct strbuf *out)
{
	const struct overlay *overlay = get_overlay(view, row);

	return field_add_u64(out, overlay->backing_fstype != NULL, overlay->backing_free_inodes);
}

#define USAGE OVERLAY_NEEDS_USAGE

static const struct field columns[] = {
	{ "CONTAINER", "name of the container it belongs to", FIELD_TEXT, 0, get_container },
	{ "CONTAINER-ID", "its whole id", FIELD_TEXT, 0, get_container_id },
	{ "RUNTIME", "docker, containerd, podman, …", FIELD_TEXT, 0, get_runtime },
	{ "IMAGE", "of the container", FIELD_TEXT, 0, get_image },
	{ "POD", "of the container, with its Kubernetes namespace", FIELD_TEXT, 0, get_pod },
	{ "CGROUP", "of the lowest process that has it as root", FIELD_TEXT, 0, get_cgroup },
	{ "DEVICE", "of its superblock, as in mountinfo", FIELD_TEXT, 0, get_device },
	{ "FSTYPE", "overlay or fuse.fuse-overlayfs", FIELD_TEXT, 0, get_fstype },
	{ "NPROCS", "processes that have it as root", FIELD_NUMBER, 0, get_nprocs },
	{ "NLAYERS", "layers, with the upper one", FIELD_NUMBER, 0, get_nlayers },
	{ "NLOWER", "lower layers", FIELD_NUMBER, 0, get_nlower },
	{ "SHARED", "layers that other overlays have too", FIELD_NUMBER, 0, get_shared },
	{ "NMOUNTS", "places where it is mounted", FIELD_NUMBER, 0, get_nmounts },
	{ "NMNTNS", "mount namespaces that see it", FIELD_NUMBER, 0, get_nmntns },
	{ "FLAGS", "what is wrong with it", FIELD_LIST, 0, get_flags },
	{ "SIZE", "allocated in its upper layer", FIELD_BYTES, USAGE, get_bytes },
	{ "APPARENT", "size of the files there, as docker ps -s", FIELD_BYTES, USAGE,
	  get_apparent_bytes },
	{ "INODES", "there", FIELD_NUMBER, USAGE, get_inodes },
	{ "FILES", "regular files there", FIELD_NUMBER, USAGE, get_files },
	{ "DIRECTORIES", "there", FIELD_NUMBER, USAGE, get_directories },
	{ "SYMLINKS", "there", FIELD_NUMBER, USAGE, get_symlinks },
	{ "SPECIALS", "devices, sockets, pipes there", FIELD_NUMBER, USAGE, get_specials },
	{ "CREATED", "files that no lower layer had", FIELD_NUMBER, USAGE, get_created },
	{ "COPIED", "files copied up from a lower layer", FIELD_NUMBER, USAGE, get_copied_up },
	{ "COPIED-BYTES", "of them", FIELD_BYTES, USAGE, get_copied_up_bytes },
	{ "METACOPY", "of them, without data", FIELD_NUMBER, USAGE, get_metacopy },
	{ "DELETED", "whiteouts", FIELD_NUMBER, USAGE, get_whiteouts },
	{ "XATTR-WHITEOUTS", "of them, by xattr", FIELD_NUMBER, USAGE, get_xattr_whiteouts },
	{ "OPAQUE", "directories that hide what is below them", FIELD_NUMBER, USAGE, get_opaque },
	{ "REDIRECTED", "renamed directories and metacopies", FIELD_NUMBER, USAGE, get_redirected },
	{ "LEFTOVERS", "interrupted copies in the work directory", FIELD_NUMBER, USAGE,
	  get_work_leftovers },
	{ "INDEX", "entries of the index", FIELD_NUMBER, USAGE, get_index_entries },
	{ "DIRTY", "volatile and not synced: not to be mounted after a crash", FIELD_BOOL, USAGE,
	  get_dirty },
	{ "GROWTH", "bytes a second", FIELD_BYTES, USAGE, get_growth },
	{ "STATE", "of the measuring: none pending complete partial stuck failed", FIELD_TEXT,
	  USAGE, get_state },
	{ "ERROR", "why it is partial or failed", FIELD_TEXT, USAGE, get_error },
	{ "FRESHNESS", "age of the measurement", FIELD_SECONDS, USAGE, get_freshness },
	{ "WALK", "time it took", FIELD_SECONDS, USAGE, get_walk },
	{ "BACKING", "filesystem of the upper layer", FIELD_TEXT, 0, get_backing },
	{ "FREE", "on it", FIELD_BYTES, 0, get_free },
	{ "FREE-INODES", "on it", FIELD_NUMBER, 0, get_free_inodes },
	{ "READ-ONLY", "", FIELD_BOOL, 0, get_readonly },
	{ "USERXATTR", "its xattrs are in user., not trusted.", FIELD_BOOL, 0, get_userxattr },
	{ "VOLATILE", "mounted without syncs", FIELD_BOOL, 0, get_volatile },
	{ "OPTION-BYTES", "length of the layers in its options; a page is 4096", FIELD_NUMBER, 0,
	  get_option_bytes },
	{ "OPTIONS", "but the layers", FIELD_TEXT, 0, get_options },
	{ "UPPER", "upper layer", FIELD_TEXT, 0, get_upper },
	{ "WORK", "work directory", FIELD_TEXT, 0, get_work },
	{ "MOUNT", "mount point, in the machine's namespace if it is there", FIELD_TEXT, 0,
	  get_mount },
};
const struct fields overlay_fields = { columns, ARRAY_SIZE(columns) };
