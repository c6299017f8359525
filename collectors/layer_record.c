// SPDX-License-Identifier: MIT
#include "collectors/layer_record.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

static const char *path_of(const struct overlay_layer *layer)
{
	if (layer->resolved)
		return layer->resolved;
	return layer->path && layer->path[0] == '/' ? layer->path : NULL;
}

/*
 * The work directory has to be on the upper one's filesystem and is named in the same mount
 * options: what it took to find the upper one (another namespace's root before its path) finds it
 * too.
 */
static char *work_path(const struct overlay *overlay, const struct overlay_layer *upper)
{
	size_t path = upper->path ? strlen(upper->path) : 0;
	size_t resolved = upper->resolved ? strlen(upper->resolved) : 0;
	size_t prefix = 0, length;
	char *work;

	if (!overlay->work || overlay->work[0] != '/')
		return NULL;
	if (path > 0 && resolved > path &&
	    strcmp(upper->resolved + resolved - path, upper->path) == 0)
		prefix = resolved - path;
	length = strlen(overlay->work);
	work = malloc(prefix + length + 1);
	if (!work)
		return NULL;
	if (prefix > 0)
		memcpy(work, upper->resolved, prefix);
	memcpy(work + prefix, overlay->work, length + 1);
	return work;
}

static bool copy_lower(struct layer_record *record, const struct overlay *overlay)
{
	size_t n = 0;

	record->lower = calloc(overlay->n_layers + 1, sizeof(*record->lower));
	if (!record->lower)
		return false;
	for (uint32_t i = 0; i < overlay->n_layers; i++) {
		const struct overlay_layer *layer = &overlay->layers[i];
		const char *path = path_of(layer);

		/* Data-only layers have contents but no names. */
		if (layer->kind != OVERLAY_LOWER)
			continue;
		record->source.n_lower = n + 1;
		if (path && !layer->missing && !(record->lower[n] = strdup(path)))
			return false;
		n++;
	}
	record->source.lower = (const char *const *)record->lower;
	return true;
}

struct layer_record *layer_record_new(const struct overlay *overlay)
{
	const struct overlay_layer *upper = overlay_upper(overlay);
	struct layer_record *record = calloc(1, sizeof(*record));
	const char *path = path_of(upper);

	if (!record)
		return NULL;
	record->device = overlay->device;
	record->source.format = layer_format_of(overlay);
	record->source.blind = record->source.format != LAYER_FORMAT_USER &&
			       !layer_can_see_trusted();
	record->source.device = upper->device;
	record->source.inode = upper->inode;
	record->local = layer_fstype_is_local(overlay->backing_fstype);
	record->seen.state = record->usage.state = record->last.state = LAYER_PENDING;
	record->upper = path ? strdup(path) : NULL;
	record->work = work_path(overlay, upper);
	if ((path && !record->upper) || !copy_lower(record, overlay)) {
		layer_record_free(record);
		return NULL;
	}
	record->source.upper = record->upper;
	record->source.work = record->work;
	return record;
}

void layer_record_free(struct layer_record *record)
{
	if (!record)
		return;
	layer_walk_free(record->walk);
	layer_child_leave(record->child);
	for (size_t i = 0; record->lower && i < record->source.n_lower; i++)
		free(record->lower[i]);
	free(record->lower);
	free(record->upper);
	free(record->work);
	layer_known_done(&record->known);
	free(record->dirty);
	free(record);
}

bool layer_record_is(const struct layer_record *record, const struct overlay *overlay)
{
	const struct overlay_layer *upper = overlay_upper(overlay);
	const char *path = path_of(upper);

	return record->device == overlay->device && record->source.inode == upper->inode &&
	       record->source.device == upper->device &&
	       record->source.format == layer_format_of(overlay) &&
	       (path && record->upper ? strcmp(path, record->upper) == 0 : !path == !record->upper);
}
