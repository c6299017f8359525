// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/overlay_body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/hash.h"

/* Ways to look at a path are few: our own root, and that of each namespace that has the mount or of
 * a process in it. */
enum { VIEWS_MAX = 12, ANCHORS = 2, SAMPLE_MAX = 4 };

struct view {
	pid_t pid; /* as in struct overlay_place */
	uint64_t mount_ns;
	bool trusted;
};

struct views {
	struct view list[VIEWS_MAX];
	size_t n;
	bool sandboxed; /* our own root is the host's with some directories covered */
};

uint64_t overlay_entry_hash(const struct mount_entry *entry)
{
	uint64_t hash = hash_string(entry->super_options);

	for (size_t i = 0; entry->option_array && entry->option_array[i]; i++)
		hash = hash * 31 + hash_string(entry->option_array[i]);
	return hash;
}

static enum overlay_role role_of(const struct overlay_body *body, size_t layer)
{
	return body->options.layers[layer].kind == OVERLAY_UPPER ? OVERLAY_AS_UPPER
								 : OVERLAY_AS_LOWER;
}

static void drop_places(struct overlay_body *body, struct overlay_places *places)
{
	for (size_t i = 0; body->places && i < body->options.n_layers; i++)
		overlay_places_put(places, body->places[i], role_of(body, i));
	overlay_places_put(places, body->work, OVERLAY_AS_WORK);
	free(body->places);
	free(body->base);
	body->places = NULL;
	body->work = NULL;
	body->base = NULL;
}

void overlay_body_free(struct overlay_body *body, struct overlay_places *places)
{
	if (!body)
		return;
	drop_places(body, places);
	overlays_unref(body->texts);
	overlay_options_done(&body->options);
	free(body);
}

/*
 * A process in that namespace, if there is one whose root is not the overlay itself: from inside it
 * nothing of what it is made of can be seen. Of others the namespace's root is still of use.
 */
static pid_t process_in(const struct namespaces *namespaces, uint64_t mount_ns, dev_t device,
			bool *ret_inside)
{
	uint32_t index = namespaces_find(namespaces, NS_MNT, mount_ns);
	pid_t inside = 0;

	*ret_inside = false;
	for (uint32_t i = 0; index != NS_NONE && i < namespaces->n_processes; i++) {
		const struct ns_process *process = &namespaces->processes[i];

		if (process->ns[NS_MNT] != index)
			continue;
		if (process->root_device != device)
			return process->pid;
		if (inside == 0)
			inside = process->pid;
	}
	*ret_inside = inside > 0;
	return inside;
}

/* From the root of a namespace whose root it is, it is all that can be seen (pivot_root(2)). */
static bool is_root_of(const struct overlay_body *body, uint64_t mount_ns)
{
	for (size_t i = 0; i < body->n_entries; i++) {
		if (body->entries[i]->mount_ns == mount_ns &&
		    strcmp(body->entries[i]->mountpoint, "/") == 0)
			return true;
	}
	return false;
}

static void add_view(struct views *views, pid_t pid, uint64_t mount_ns, bool trusted)
{
	for (size_t i = 0; i < views->n; i++) {
		if (views->list[i].pid == pid)
			return;
	}
	if (views->n == VIEWS_MAX)
		return;
	views->list[views->n++] = (struct view){ pid, mount_ns, trusted };
}

/*
 * As a service with a sandbox we are in a mount namespace of our own, into which the host's mounts
 * come too; but /tmp, say, is not the host's. Those of the host are the first of the entries.
 */
static bool is_sandboxed(const struct overlay_body *body, const struct namespaces *namespaces)
{
	uint32_t host = namespaces ? namespaces->host[NS_MNT] : NS_NONE;

	return host != NS_NONE && body->own && body->own_ns != namespaces->list[host].inode &&
	       body->entries[0]->mount_ns == namespaces->list[host].inode;
}

static void find_views(const struct overlay_body *body, const struct namespaces *namespaces,
		       struct views *views)
{
	uint64_t last = 0;

	views->n = 0;
	views->sandboxed = is_sandboxed(body, namespaces);
	if (body->own)
		add_view(views, 0, 0, !views->sandboxed);
	for (size_t i = 0; namespaces && i < body->n_entries; i++) {
		uint64_t mount_ns = body->entries[i]->mount_ns;
		bool inside;
		pid_t pid;

		if (mount_ns == last || views->n >= VIEWS_MAX - 2)
			continue;
		last = mount_ns;
		pid = process_in(namespaces, mount_ns, body->device, &inside);
		if (pid > 0 && !inside)
			add_view(views, pid, mount_ns, true);
		if (pid > 0 && !is_root_of(body, mount_ns))
			add_view(views, -pid, mount_ns, true);
	}
	/* Somebody who unshared his mounts may well have named paths that we have too. */
	add_view(views, 0, 0, false);
}

/* Names of the mounter's own descriptors: in our /proc they are somebody else's. */
static bool is_elusive(const char *path)
{
	return strstr(path, "/self/fd/") || strncmp(path, "self/fd/", 8) == 0 ||
	       strncmp(path, "/dev/fd/", 8) == 0;
}

static bool found(struct overlay_places *places, pid_t pid, const char *path)
{
	char *paths[1] = { (char *)path };
	int result;

	return overlay_places_try(places, pid, paths, 1, &result) == 0 && result == 0;
}

static char *join(const char *base, const char *path)
{
	char *joined;

	return asprintf(&joined, "%s/%s", strcmp(base, "/") == 0 ? "" : base, path) < 0 ? NULL
											: joined;
}

/* Every layer that has an absolute path is there. */
static bool shows_all(const struct overlay_body *body, struct overlay_places *places, pid_t pid)
{
	size_t n_layers = body->options.n_layers, n = 0;
	_cleanup_(freep) char **paths = calloc(n_layers + 1, sizeof(*paths));
	_cleanup_(freep) int *results = calloc(n_layers + 1, sizeof(*results));

	for (size_t i = 0; paths && i < n_layers; i++) {
		const char *path = body->options.layers[i].path;

		if (path[0] == '/' && !is_elusive(path))
			paths[n++] = (char *)path;
	}
	if (!paths || !results || overlay_places_try(places, pid, paths, n, results) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (results[i] != 0)
			return false;
	}
	return true;
}

/* The first absolute layers decide whose root it is. False if there are none. */
static bool choose_view(const struct overlay_body *body, struct overlay_places *places,
			const struct views *views, size_t *ret_view)
{
	size_t anchors = 0;

	for (size_t i = 0; i < body->options.n_layers && anchors < ANCHORS; i++) {
		const char *path = body->options.layers[i].path;

		if (path[0] != '/' || is_elusive(path))
			continue;
		anchors++;
		for (size_t v = 0; v < views->n; v++) {
			if (!found(places, views->list[v].pid, path) ||
			    (views->sandboxed && views->list[v].pid == 0 &&
			     !shows_all(body, places, 0)))
				continue;
			*ret_view = v;
			return true;
		}
	}
	return false;
}

/* A few of the relative paths: one alone may also be found where it was not meant. */
struct sample {
	const char *paths[SAMPLE_MAX];
	size_t n;
};

static bool is_relative(const char *path)
{
	return path && path[0] != '/' && !is_elusive(path);
}

static void take_sample(const struct overlay_body *body, struct sample *sample)
{
	const struct overlay_options *options = &body->options;

	sample->n = 0;
	for (size_t i = 0; i < options->n_layers && sample->n < SAMPLE_MAX - 2; i++) {
		if (is_relative(options->layers[i].path))
			sample->paths[sample->n++] = options->layers[i].path;
	}
	if (sample->n == SAMPLE_MAX - 2 && is_relative(options->layers[options->n_layers - 1].path))
		sample->paths[sample->n++] = options->layers[options->n_layers - 1].path;
	if (sample->n > 0 && is_relative(options->work))
		sample->paths[sample->n++] = options->work;
}

/* How many of them are below each of the directories. -errno. */
static int count_below(struct overlay_places *places, pid_t pid, char *const *dirs, size_t n,
		       const struct sample *sample, size_t *ret_found)
{
	size_t n_paths = n * sample->n;
	_cleanup_(freep) char **paths = calloc(n_paths + 1, sizeof(*paths));
	_cleanup_(freep) int *results = calloc(n_paths + 1, sizeof(*results));
	int r = paths && results ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n_paths; i++) {
		paths[i] = join(dirs[i / sample->n], sample->paths[i % sample->n]);
		r = paths[i] ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = overlay_places_try(places, pid, paths, n_paths, results);
	for (size_t i = 0; i < n; i++)
		ret_found[i] = 0;
	for (size_t i = 0; paths && i < n_paths; i++) {
		ret_found[i / sample->n] += r == 0 && results[i] == 0;
		free(paths[i]);
	}
	return r;
}

enum { DEPTH_MAX = 32 };

/* `from` and every directory above it, the longest first. Free each. */
static size_t ancestors(const char *from, char *dirs[DEPTH_MAX])
{
	size_t n = 0;

	for (size_t length = strlen(from); from[0] == '/' && n < DEPTH_MAX;) {
		dirs[n] = strndup(from, length > 0 ? length : 1);
		if (!dirs[n] || length <= 1)
			return n + (dirs[n] != NULL);
		n++;
		while (length > 0 && from[length - 1] != '/')
			length--;
		while (length > 0 && from[length - 1] == '/')
			length--;
	}
	return n;
}

static bool is_above(const char *dir, const char *path)
{
	size_t length = strlen(dir);

	return strncmp(dir, path, length) == 0 && (path[length] == '/' || !path[length]);
}

/* What was right for the last one, as a rule is for this one too: few lookups instead of many. */
static char *base_of_last(struct overlay_places *places, const struct overlay_hint *hint, pid_t pid,
			  const char *from, const struct sample *sample)
{
	size_t found_there;

	if (!hint->base || hint->pid != pid || !is_above(hint->base, from) ||
	    count_below(places, pid, &hint->base, 1, sample, &found_there) < 0)
		return NULL;
	return found_there == sample->n ? strdup(hint->base) : NULL;
}

/* The directory at or above `from` that has most of them below it, the longest of these. */
static char *search_base(struct overlay_places *places, pid_t pid, const char *from,
			 const struct sample *sample)
{
	char *dirs[DEPTH_MAX], *base = NULL;
	size_t found_there[DEPTH_MAX], n = ancestors(from, dirs), best = 0;

	if (n > 0 && count_below(places, pid, dirs, n, sample, found_there) == 0) {
		for (size_t i = 1; i < n; i++)
			best = found_there[i] > found_there[best] ? i : best;
		if (found_there[best] > 0)
			base = TAKE_PTR(dirs[best]);
	}
	for (size_t i = 0; i < n; i++)
		free(dirs[i]);
	return base;
}

static char *base_above(struct overlay_places *places, struct overlay_hint *hint, pid_t pid,
			const char *from, const struct sample *sample)
{
	char *base = base_of_last(places, hint, pid, from, sample);

	if (base)
		return base;
	base = search_base(places, pid, from, sample);
	if (base) {
		free(hint->base);
		hint->base = strdup(base);
		hint->pid = pid;
	}
	return base;
}

/*
 * Docker, containerd and podman change their directory to shorten options that would pass a page:
 * to one above the mount point, the upper layer or the work directory.
 */
static char *choose_base(const struct overlay_body *body, struct overlay_places *places,
			 struct overlay_hint *hint, const struct view *view,
			 const struct sample *sample)
{
	char *base = NULL;

	for (size_t i = 0; !base && i < body->options.n_layers; i++) {
		const struct overlay_option_layer *layer = &body->options.layers[i];

		if (layer->path[0] == '/' && !is_elusive(layer->path)) {
			base = base_above(places, hint, view->pid, layer->path, sample);
			break;
		}
	}
	if (!base && body->options.work)
		base = base_above(places, hint, view->pid, body->options.work, sample);
	for (size_t i = 0; !base && i < body->n_entries; i++) {
		const struct mount_entry *entry = body->entries[i];

		/* A mount point is a path of its own namespace. */
		if (view->pid == 0 || entry->mount_ns == view->mount_ns)
			base = base_above(places, hint, view->pid, entry->mountpoint, sample);
	}
	return base;
}

static struct overlay_place *place_of(const struct overlay_body *body,
				      struct overlay_places *places, const char *path,
				      enum overlay_role role, bool *ret_failed)
{
	_cleanup_(freep) char *joined = NULL;
	struct overlay_place *place;

	if (!path || is_elusive(path) || (path[0] != '/' && !body->base))
		return NULL;
	if (path[0] != '/')
		joined = join(body->base, path);
	if (path[0] != '/' && !joined) {
		*ret_failed = true;
		return NULL;
	}
	place = overlay_places_get(places, body->pid, joined ? joined : path, role);
	*ret_failed |= !place;
	return place;
}

static int take_places(struct overlay_body *body, struct overlay_places *places)
{
	bool failed = false;

	body->places = calloc(body->options.n_layers + 1, sizeof(struct overlay_place *));
	if (!body->places)
		return -ENOMEM;
	for (size_t i = 0; i < body->options.n_layers; i++)
		body->places[i] = place_of(body, places, body->options.layers[i].path,
					   role_of(body, i), &failed);
	body->work = place_of(body, places, body->options.work, OVERLAY_AS_WORK, &failed);
	return failed ? -ENOMEM : 0;
}

static void choose(struct overlay_body *body, struct overlay_places *places,
		   struct overlay_hint *hint, const struct views *views)
{
	struct sample sample;
	size_t view = 0;
	bool known = choose_view(body, places, views, &view);

	take_sample(body, &sample);
	for (size_t v = known ? view : 0; sample.n > 0 && v < (known ? view + 1 : views->n); v++) {
		body->base = choose_base(body, places, hint, &views->list[v], &sample);
		if (!body->base)
			continue;
		view = v;
		known = true;
		break;
	}
	body->resolved = known;
	body->pid = views->list[view].pid;
	body->mount_ns = views->list[view].mount_ns;
	body->trusted = views->list[view].trusted;
}

/* A pid may be another process by now, which lives elsewhere. */
static bool still_good(const struct overlay_body *body, const struct namespaces *namespaces)
{
	uint32_t process, index;

	if (!body->places || (!body->resolved && !body->trusted))
		return false;
	if (body->pid == 0)
		return true;
	process = namespaces ? namespaces_find_process(namespaces, abs(body->pid)) : NS_NONE;
	if (process == NS_NONE)
		return false;
	index = namespaces->processes[process].ns[NS_MNT];
	return index != NS_NONE && namespaces->list[index].inode == body->mount_ns;
}

int overlay_body_resolve(struct overlay_body *body, struct overlay_places *places,
			 const struct namespaces *namespaces, struct overlay_hint *hint)
{
	struct views views;
	int r;

	if (still_good(body, namespaces))
		return 0;
	find_views(body, namespaces, &views);
	/* Nothing new to look through. */
	if (body->places && !body->resolved && views.n == 1 && views.list[0].pid == body->pid)
		return 0;
	drop_places(body, places);
	overlays_unref(body->texts);
	body->texts = NULL;
	choose(body, places, hint, &views);
	r = take_places(body, places);
	return r < 0 ? r : 1;
}

struct overlay_place *overlay_body_upper(const struct overlay_body *body)
{
	return body->places && body->options.n_layers > 0 &&
			       body->options.layers[0].kind == OVERLAY_UPPER
		       ? body->places[0]
		       : NULL;
}

bool overlay_body_missing(const struct overlay_body *body, size_t layer)
{
	const struct overlay_place *place = body->places ? body->places[layer] : NULL;

	return place && (place->state == -ENOENT || place->state == -ENOTDIR) &&
	       (body->trusted || body->resolved);
}

/*
 * Of layers on one filesystem, the root of an overlay has the inode of its upper layer. Looked up
 * by a child: below the mount there may be layers on a server.
 */
static bool root_has_inode(const struct overlay_body *body, struct overlay_places *places,
			   uint64_t inode)
{
	for (size_t i = 0; body->own && i < body->n_entries; i++) {
		struct probe probe;
		bool same;

		if (body->entries[i]->mount_ns != body->own_ns || body->entries[i]->covered ||
		    strcmp(body->entries[i]->root, "/") != 0)
			continue;
		overlay_places_probe(places, 0, body->entries[i]->mountpoint, true, &probe);
		same = probe.result == 0 && probe.device == body->device && probe.inode == inode;
		probe_done(&probe);
		return same;
	}
	return false;
}

bool overlay_body_upper_deleted(struct overlay_body *body, struct overlay_places *places)
{
	const struct overlay_place *upper = overlay_body_upper(body);

	body->replaced = false;
	if (!upper)
		return false;
	if (upper->state != 0)
		return overlay_body_missing(body, 0);
	if (body->upper_seen &&
	    (upper->device != body->upper_device || upper->inode != body->upper_inode) &&
	    root_has_inode(body, places, body->upper_inode)) {
		body->replaced = true;
		return true;
	}
	/* Also if it was unmounted, made anew and mounted again under the same numbers. */
	body->upper_seen = true;
	body->upper_device = upper->device;
	body->upper_inode = upper->inode;
	return false;
}
