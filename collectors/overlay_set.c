// SPDX-License-Identifier: MIT
#include "collectors/overlay_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/mountinfo.h"
#include "collectors/overlay_share.h"
#include "core/cleanup.h"

DEFINE_CLEANUP(struct overlay_shares *, overlay_shares_free)
DEFINE_CLEANUP(struct overlays *, overlays_unref)

static void fill_layers(struct overlays *set, const struct overlay_body *body,
			const struct overlay_shares *shares, struct overlay *overlay)
{
	const struct overlay_options *options = &body->options;

	overlay->n_layers = (uint32_t)options->n_layers;
	overlay->layers = arena_array(&set->arena, options->n_layers, sizeof(*overlay->layers));
	for (size_t i = 0; overlay->layers && i < options->n_layers; i++) {
		const struct overlay_place *place = body->places ? body->places[i] : NULL;
		uint32_t users = overlay_shares_of(shares, place).users;

		overlay->layers[i] = (struct overlay_layer){
			.kind = options->layers[i].kind,
			.path = arena_string(&set->arena, options->layers[i].path),
			.resolved = arena_string(&set->arena, place ? place->resolved : NULL),
			.device = place ? place->device : 0,
			.inode = place ? place->inode : 0,
			.shared = users > 0 ? users : 1,
			.missing = overlay_body_missing(body, i),
		};
		overlay->n_lower += options->layers[i].kind != OVERLAY_UPPER;
		if (overlay->layers[i].missing && options->layers[i].kind != OVERLAY_UPPER)
			overlay->flags |= OVERLAY_LOWER_MISSING;
	}
}

static void fill_mounts(struct overlays *set, const struct overlay_body *body, uint64_t host_ns,
			struct overlay *overlay)
{
	uint64_t last = 0;

	overlay->mounts = arena_array(&set->arena, body->n_entries, sizeof(*overlay->mounts));
	overlay->flags |= OVERLAY_FOREIGN;
	for (size_t i = 0; overlay->mounts && i < body->n_entries; i++) {
		const struct mount_entry *entry = body->entries[i];

		overlay->mounts[overlay->n_mounts++] = (struct overlay_mount){
			.mount_ns = entry->mount_ns,
			.id = entry->id,
			.mountpoint = arena_string(&set->arena, entry->mountpoint),
			.root = arena_string(&set->arena, entry->root),
			.read_only = mount_has_option(entry->options, "ro"),
			.propagation = entry->propagation,
		};
		/* Those of one namespace stand together. */
		overlay->n_mount_ns += i == 0 || entry->mount_ns != last;
		last = entry->mount_ns;
		if (entry->mount_ns == host_ns)
			overlay->flags &= ~(unsigned int)OVERLAY_FOREIGN;
	}
}

static void fill_flags(const struct overlay_set_source *source, struct overlay_body *body,
		       const struct overlay_shares *shares, struct overlay *overlay)
{
	struct overlay_share upper = overlay_shares_of(shares, overlay_body_upper(body));

	if (upper.uppers > 1)
		overlay->flags |= OVERLAY_UPPER_SHARED;
	if (upper.lowers > 0)
		overlay->flags |= OVERLAY_UPPER_AS_LOWER;
	if (overlay_shares_of(shares, body->work).works > 1)
		overlay->flags |= OVERLAY_WORK_SHARED;
	if (overlay_body_upper_deleted(body, source->places)) {
		overlay->flags |= OVERLAY_UPPER_DELETED;
		/* What is there now under that name is another directory. */
		overlay->layers[0].missing = true;
		overlay->layers[0].resolved = NULL;
		overlay->layers[0].device = body->upper_device;
		overlay->layers[0].inode = body->upper_inode;
	}
}

static void fill(struct overlays *set, const struct overlay_set_source *source,
		 struct overlay_body *body, const struct overlay_shares *shares,
		 struct overlay *overlay)
{
	const struct mount_entry *first = body->entries[0];
	const struct overlay_options *options = &body->options;

	*overlay = (struct overlay){
		.device = body->device,
		.fstype = arena_string(&set->arena, first->fstype),
		.source = arena_string(&set->arena, first->source),
		.options = arena_string(&set->arena, options->options),
		.work = arena_string(&set->arena, options->work),
		.read_only = options->read_only,
		.userxattr = options->userxattr,
		.metacopy = options->metacopy,
		.redirect_dir = options->redirect_dir,
		.index = options->index,
		.is_volatile = options->is_volatile,
		.option_bytes = (uint32_t)options->option_bytes,
	};
	fill_layers(set, body, shares, overlay);
	fill_mounts(set, body, source->host_ns, overlay);
	if (set->arena.failed)
		return;
	fill_flags(source, body, shares, overlay);
	overlay->usage.state = overlay_upper(overlay) ? LAYER_PENDING : LAYER_NONE;
}

/* One mount of one overlay, to find those on one mount point. */
struct spot {
	const struct overlay_mount *mount;
	struct overlay *overlay;
};

static int compare_spots(const void *a, const void *b)
{
	const struct overlay_mount *x = ((const struct spot *)a)->mount;
	const struct overlay_mount *y = ((const struct spot *)b)->mount;

	if (x->mount_ns != y->mount_ns)
		return x->mount_ns < y->mount_ns ? -1 : 1;
	return strcmp(x->mountpoint, y->mountpoint);
}

static int find_stacked(struct overlays *set)
{
	_cleanup_(freep) struct spot *spots = NULL;
	size_t n = 0;

	for (uint32_t i = 0; i < set->n; i++)
		n += set->list[i].n_mounts;
	spots = calloc(n + 1, sizeof(*spots));
	if (!spots)
		return -ENOMEM;
	n = 0;
	for (uint32_t i = 0; i < set->n; i++) {
		for (uint32_t m = 0; m < set->list[i].n_mounts; m++)
			spots[n++] = (struct spot){ &set->list[i].mounts[m], &set->list[i] };
	}
	qsort(spots, n, sizeof(*spots), compare_spots);
	for (size_t i = 1; i < n; i++) {
		if (spots[i].overlay == spots[i - 1].overlay ||
		    compare_spots(&spots[i], &spots[i - 1]) != 0)
			continue;
		spots[i].overlay->flags |= OVERLAY_STACKED;
		spots[i - 1].overlay->flags |= OVERLAY_STACKED;
	}
	return 0;
}

int overlay_set_new(const struct overlay_set_source *source, struct overlays **ret_base)
{
	_cleanup_(overlay_shares_freep) struct overlay_shares *shares = NULL;
	_cleanup_(overlays_unrefp) struct overlays *set = overlays_new();

	if (!set || overlay_shares_new(source->bodies, source->n, &shares) < 0)
		return -ENOMEM;
	set->list = arena_array(&set->arena, source->n, sizeof(*set->list));
	for (size_t i = 0; set->list && i < source->n; i++)
		fill(set, source, source->bodies[i], shares, &set->list[i]);
	set->n = (uint32_t)source->n;
	if (set->arena.failed || find_stacked(set) < 0)
		return -ENOMEM;
	*ret_base = TAKE_PTR(set);
	return 0;
}
