// SPDX-License-Identifier: MIT
#include "agent/verbs/overlay_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "core/cleanup.h"

/* One use of a layer by an overlay. */
struct use {
	const struct overlay_layer *layer;
	uint32_t overlay;
};

/* By directory where it was found, else by the path as it was given. */
static int compare_layers(const struct overlay_layer *x, const struct overlay_layer *y)
{
	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->device == 0 ? strcmp(x->path, y->path) : 0;
}

static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int order = compare_layers(x->layer, y->layer);

	return order ? order : (x->overlay > y->overlay) - (x->overlay < y->overlay);
}

static const char *layer_path(const struct overlay_layer *layer)
{
	return layer->resolved ? layer->resolved : layer->path;
}

static int compare_paths(const void *a, const void *b)
{
	const struct overlay_shared_layer *x = a, *y = b;

	return strcmp(layer_path(x->layer), layer_path(y->layer));
}

static int find_layers(struct overlay_view *view)
{
	_cleanup_(freep) struct use *uses = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < view->set->n; i++)
		n += view->set->list[i].n_layers;
	uses = malloc(((size_t)n + 1) * sizeof(*uses));
	view->layers = malloc(((size_t)n + 1) * sizeof(*view->layers));
	view->users = malloc(((size_t)n + 1) * sizeof(*view->users));
	if (!uses || !view->layers || !view->users)
		return -ENOMEM;
	n = 0;
	for (uint32_t i = 0; i < view->set->n; i++) {
		const struct overlay *overlay = &view->set->list[i];

		for (uint32_t l = 0; l < overlay->n_layers; l++)
			uses[n++] = (struct use){ &overlay->layers[l], i };
	}
	if (n > 1)
		qsort(uses, n, sizeof(*uses), compare_uses);
	for (uint32_t i = 0; i < n; i++) {
		view->users[i] = uses[i].overlay;
		if (i == 0 || compare_layers(uses[i - 1].layer, uses[i].layer) != 0)
			view->layers[view->n_layers++] =
				(struct overlay_shared_layer){ uses[i].layer, i, 0 };
		view->layers[view->n_layers - 1].n++;
	}
	if (view->n_layers > 1)
		qsort(view->layers, view->n_layers, sizeof(*view->layers), compare_paths);
	return 0;
}

int overlay_view_init(struct overlay_view *view, const struct inventory *inventory,
		      struct labels *labels)
{
	int r;

	*view = (struct overlay_view){ .set = inventory->overlays,
				       .namespaces = inventory->namespaces,
				       .containers = inventory->containers,
				       .labels = labels };
	if (!view->set)
		return -ENODATA;
	view->now_ns = view->set->boottime_ns;
	r = find_layers(view);
	if (r < 0)
		overlay_view_done(view);
	return r;
}

void overlay_view_done(struct overlay_view *view)
{
	free(view->layers);
	free(view->users);
	view->layers = NULL;
	view->users = NULL;
}

/* What a search found: the first, and how many different ones. */
struct found {
	const struct overlay *overlay;
	unsigned int n;
};

static void add_found(struct found *found, const struct overlay *overlay)
{
	found->overlay = overlay;
	found->n++;
}

static bool is_device(const struct overlay *overlay, const char *name)
{
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", major(overlay->device), minor(overlay->device));
	return strcmp(text, name) == 0;
}

static bool is_container(const struct overlay_view *view, const struct overlay *overlay,
			 const char *name)
{
	const struct container *container;
	size_t length = strlen(name);

	if (!overlay->container_id)
		return false;
	if (length >= 4 && strncmp(overlay->container_id, name, length) == 0)
		return true;
	container = view->containers ? containers_find(view->containers, overlay->container_id)
				     : NULL;
	return container && container->name && strcmp(container->name, name) == 0;
}

/* Its cgroup is `name` or lies below it; the leading '/' may be left out. */
static bool is_cgroup(const struct overlay *overlay, const char *name)
{
	size_t length = strlen(name);
	const char *cgroup = overlay->cgroup;

	if (!cgroup)
		return false;
	cgroup += *name != '/';
	while (length > 1 && name[length - 1] == '/')
		length--;
	return length > 0 && strncmp(cgroup, name, length) == 0 &&
	       (!cgroup[length] || cgroup[length] == '/');
}

/* The overlay whose mount point is the longest that leads to the path. */
static void find_above(const struct overlay_view *view, const char *path, struct found *found)
{
	size_t longest = 0;

	for (uint32_t i = 0; *path == '/' && i < view->set->n; i++) {
		const struct overlay *overlay = &view->set->list[i];

		for (uint32_t m = 0; m < overlay->n_mounts; m++) {
			const char *mountpoint = overlay->mounts[m].mountpoint;
			size_t length = strlen(mountpoint);

			if (length <= longest || length == 1 ||
			    strncmp(mountpoint, path, length) != 0 ||
			    (path[length] && path[length] != '/'))
				continue;
			longest = length;
			*found = (struct found){ overlay, 1 };
		}
	}
}

/* The path as it is without "..", symbolic links and, in front, the working directory. */
static void find_real(const struct overlay_view *view, const char *path, struct found *found)
{
	_cleanup_(freep) char *real = realpath(path, NULL);

	if (!real || strcmp(real, path) == 0)
		return;
	*found = (struct found){ overlays_find_path(view->set, real), 1 };
	if (!found->overlay) {
		found->n = 0;
		find_above(view, real, found);
	}
}

const struct overlay *overlay_view_find(const struct overlay_view *view, const char *name,
					const char **ret_reason)
{
	const struct overlay *by_path = overlays_find_path(view->set, name);
	struct found found = { 0 };

	if (by_path)
		return by_path;
	for (uint32_t i = 0; i < view->set->n; i++) {
		const struct overlay *overlay = &view->set->list[i];

		if (is_device(overlay, name) || is_container(view, overlay, name) ||
		    is_cgroup(overlay, name))
			add_found(&found, overlay);
	}
	if (found.n == 0)
		find_above(view, name, &found);
	if (found.n == 0)
		find_real(view, name, &found);
	if (found.n == 1)
		return found.overlay;
	*ret_reason = found.n > 1 ? "more than one overlay mount fits; 'cgwatch overlay' lists them"
				  : "no such overlay mount; 'cgwatch overlay' lists them";
	return NULL;
}
