// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "core/overlays.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

struct overlays *overlays_new(void)
{
	struct overlays *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	atomic_init(&set->refs, 1);
	arena_init(&set->arena);
	return set;
}

bool overlays_hold(struct overlays *set, struct overlays *other)
{
	/* Room for a power of 2: nothing more to remember than how many there are. */
	if ((set->n_held & (set->n_held - 1)) == 0) {
		size_t capacity = set->n_held ? 2 * (size_t)set->n_held : 1;
		struct overlays **grown = reallocarray(set->held, capacity,
						       sizeof(struct overlays *));

		if (!grown)
			return false;
		set->held = grown;
	}
	set->held[set->n_held++] = overlays_ref(other);
	return true;
}

struct overlays *overlays_ref(struct overlays *set)
{
	if (set)
		atomic_fetch_add(&set->refs, 1);
	return set;
}

void overlays_unref(struct overlays *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	arena_done(&set->arena);
	for (uint32_t i = 0; i < set->n_held; i++)
		overlays_unref(set->held[i]);
	free(set->held);
	free(set);
}

const struct overlay *overlays_find_device(const struct overlays *set, dev_t device)
{
	uint32_t low = 0, high = set ? set->n : 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (set->list[middle].device == device)
			return &set->list[middle];
		if (set->list[middle].device < device)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct overlay *overlays_find_path(const struct overlays *set, const char *mountpoint)
{
	const struct overlay *other = NULL;

	for (uint32_t i = 0; set && i < set->n; i++) {
		const struct overlay *overlay = &set->list[i];

		for (uint32_t m = 0; m < overlay->n_mounts; m++) {
			if (strcmp(overlay->mounts[m].mountpoint, mountpoint) != 0)
				continue;
			if (m == 0)
				return overlay;
			other = overlay;
		}
	}
	return other;
}

const struct overlay_layer *overlay_upper(const struct overlay *overlay)
{
	return overlay->n_layers > 0 && overlay->layers[0].kind == OVERLAY_UPPER
		       ? &overlay->layers[0]
		       : NULL;
}

const char *overlay_mountpoint(const struct overlay *overlay)
{
	return overlay->n_mounts > 0 ? overlay->mounts[0].mountpoint : "?";
}

const char *layer_state_name(enum layer_state state)
{
	static const char *const names[LAYER_STATE_COUNT] = {
		[LAYER_NONE] = "none",	       [LAYER_PENDING] = "pending",
		[LAYER_COMPLETE] = "complete", [LAYER_PARTIAL] = "partial",
		[LAYER_STUCK] = "stuck",       [LAYER_FAILED] = "failed",
	};

	return names[state];
}

const char *overlay_flag_name(unsigned int flag)
{
	static const struct {
		unsigned int flag;
		const char *name;
	} names[] = {
		{ OVERLAY_UPPER_DELETED, "upper deleted" },
		{ OVERLAY_UPPER_SHARED, "upper shared" },
		{ OVERLAY_WORK_SHARED, "work shared" },
		{ OVERLAY_LOWER_MISSING, "lower missing" },
		{ OVERLAY_STACKED, "stacked" },
		{ OVERLAY_FOREIGN, "foreign" },
		{ OVERLAY_UPPER_AS_LOWER, "upper is a lower" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].flag == flag)
			return names[i].name;
	}
	return NULL;
}
