// SPDX-License-Identifier: MIT
#include "collectors/overlay_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/mountinfo.h"
#include "core/cleanup.h"

DEFINE_CLEANUP(struct overlays *, overlays_unref)

/* Of the layers' places and of how many use them. */
static uint64_t version_of(const struct overlay_body *body)
{
	uint64_t version = 1;

	for (size_t i = 0; body->places && i < body->options.n_layers; i++) {
		const struct overlay_place *place = body->places[i];
		struct overlay_share share = overlay_place_share(place);

		version = (version ^ (place ? place->version : 0)) * UINT64_C(0xff51afd7ed558ccd);
		version += (uint64_t)share.users[OVERLAY_AS_UPPER] << 32;
		version += share.users[OVERLAY_AS_LOWER];
		version ^= version >> 29;
	}
	return version;
}

static void make_layers(const struct overlay_body *body, struct overlays *texts,
			struct overlay *overlay)
{
	const struct overlay_options *options = &body->options;

	overlay->n_layers = (uint32_t)options->n_layers;
	overlay->layers = arena_array(&texts->arena, options->n_layers, sizeof(*overlay->layers));
	for (size_t i = 0; overlay->layers && i < options->n_layers; i++) {
		const struct overlay_place *place = body->places ? body->places[i] : NULL;
		struct overlay_share share = overlay_place_share(place);

		overlay->layers[i] = (struct overlay_layer){
			.kind = options->layers[i].kind,
			.path = arena_string(&texts->arena, options->layers[i].path),
			.resolved = arena_string(&texts->arena, place ? place->resolved : NULL),
			.device = place ? place->device : 0,
			.inode = place ? place->inode : 0,
			.shared = place ? share.users[OVERLAY_AS_UPPER] +
						  share.users[OVERLAY_AS_LOWER]
					: 1,
			.missing = overlay_body_missing(body, i),
		};
		overlay->n_lower += options->layers[i].kind != OVERLAY_UPPER;
		if (overlay->layers[i].missing && options->layers[i].kind != OVERLAY_UPPER)
			overlay->flags |= OVERLAY_LOWER_MISSING;
	}
}

static void make_flags(struct overlay_body *body, struct overlay_places *places,
		       struct overlay *overlay)
{
	struct overlay_share upper = overlay_place_share(overlay_body_upper(body));

	if (upper.users[OVERLAY_AS_UPPER] > 1)
		overlay->flags |= OVERLAY_UPPER_SHARED;
	if (upper.users[OVERLAY_AS_LOWER] > 0)
		overlay->flags |= OVERLAY_UPPER_AS_LOWER;
	if (!overlay_body_upper_deleted(body, places))
		return;
	overlay->flags |= OVERLAY_UPPER_DELETED;
	/* What is there now under that name is another directory. */
	overlay->layers[0].missing = true;
	overlay->layers[0].resolved = NULL;
	overlay->layers[0].device = body->upper_device;
	overlay->layers[0].inode = body->upper_inode;
}

static int make_texts(struct overlay_body *body, struct overlay_places *places)
{
	const struct mount_entry *first = body->entries[0];
	const struct overlay_options *options = &body->options;
	struct overlays *texts = overlays_new();
	struct overlay *overlay = texts ? arena_alloc(&texts->arena, sizeof(*overlay)) : NULL;

	overlays_unref(body->texts);
	body->texts = texts;
	if (!overlay)
		return -ENOMEM;
	texts->list = overlay;
	texts->n = 1;
	*overlay = (struct overlay){
		.device = body->device,
		.fstype = arena_string(&texts->arena, first->fstype),
		.source = arena_string(&texts->arena, first->source),
		.options = arena_string(&texts->arena, options->options),
		.work = arena_string(&texts->arena, options->work),
		.read_only = options->read_only,
		.userxattr = options->userxattr,
		.metacopy = options->metacopy,
		.redirect_dir = options->redirect_dir,
		.index = options->index,
		.is_volatile = options->is_volatile,
		.option_bytes = (uint32_t)options->option_bytes,
	};
	overlay->usage.state = options->n_layers > 0 && options->layers[0].kind == OVERLAY_UPPER
				       ? LAYER_PENDING
				       : LAYER_NONE;
	make_layers(body, texts, overlay);
	if (texts->arena.failed)
		return -ENOMEM;
	make_flags(body, places, overlay);
	body->texts_version = version_of(body);
	return 0;
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

static int fill(struct overlays *set, const struct overlay_set_source *source,
		struct overlay_body *body, struct overlay *overlay)
{
	if ((!body->texts || body->texts_version != version_of(body)) &&
	    make_texts(body, source->places) < 0) {
		overlays_unref(body->texts);
		body->texts = NULL;
		return -ENOMEM;
	}
	if (!overlays_hold(set, body->texts))
		return -ENOMEM;
	*overlay = body->texts->list[0];
	if (overlay_place_share(body->work).users[OVERLAY_AS_WORK] > 1)
		overlay->flags |= OVERLAY_WORK_SHARED;
	fill_mounts(set, body, source->host_ns, overlay);
	return set->arena.failed ? -ENOMEM : 0;
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
	_cleanup_(overlays_unrefp) struct overlays *set = overlays_new();

	if (!set)
		return -ENOMEM;
	set->list = arena_array(&set->arena, source->n, sizeof(*set->list));
	if (!set->list)
		return -ENOMEM;
	for (; set->n < source->n; set->n++) {
		if (fill(set, source, source->bodies[set->n], &set->list[set->n]) < 0)
			return -ENOMEM;
	}
	if (find_stacked(set) < 0)
		return -ENOMEM;
	*ret_base = TAKE_PTR(set);
	return 0;
}
