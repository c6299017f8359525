// SPDX-License-Identifier: MIT
#include "collectors/overlay_owner.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/containers.h"
#include "core/cleanup.h"
#include "core/node.h"

DEFINE_CLEANUP(struct node *, node_unref)

/* A path of a container's root, "…/merged", or of its writable layer. */
struct known_path {
	const char *path;
	const struct container *container;
};

struct overlay_owners {
	const struct containers *containers;
	struct known_path *paths; /* sorted */
	size_t n;
};

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct known_path *)a)->path, ((const struct known_path *)b)->path);
}

int overlay_owners_new(const struct containers *containers, struct overlay_owners **ret_owners)
{
	struct overlay_owners *owners = calloc(1, sizeof(*owners));

	if (!owners)
		return -ENOMEM;
	owners->containers = containers;
	owners->paths = calloc(containers ? 2 * (size_t)containers->n + 1 : 1,
			       sizeof(*owners->paths));
	if (!owners->paths) {
		free(owners);
		return -ENOMEM;
	}
	for (uint32_t i = 0; containers && i < containers->n; i++) {
		const struct container *container = &containers->list[i];

		if (container->mount && *container->mount)
			owners->paths[owners->n++] = (struct known_path){ container->mount,
									  container };
		if (container->upper && *container->upper)
			owners->paths[owners->n++] = (struct known_path){ container->upper,
									  container };
	}
	qsort(owners->paths, owners->n, sizeof(*owners->paths), compare_paths);
	*ret_owners = owners;
	return 0;
}

void overlay_owners_free(struct overlay_owners *owners)
{
	if (!owners)
		return;
	free(owners->paths);
	free(owners);
}

static const struct container *find_path(const struct overlay_owners *owners, const char *path)
{
	const struct known_path key = { .path = path }, *found = NULL;

	if (path && owners->n > 0)
		found = bsearch(&key, owners->paths, owners->n, sizeof(key), compare_paths);
	return found ? found->container : NULL;
}

/* The next mount at another path than the one before: copies in other namespaces tell no more. */
static uint32_t next_mount(const struct overlay *overlay, uint32_t index)
{
	const char *path = overlay->mounts[index].mountpoint;

	do {
		index++;
	} while (index < overlay->n_mounts && strcmp(overlay->mounts[index].mountpoint, path) == 0);
	return index;
}

static const struct container *find_state(const struct overlay_owners *owners,
					  const struct overlay *overlay)
{
	const struct overlay_layer *upper = overlay_upper(overlay);
	const struct container *container = upper ? find_path(owners, upper->resolved) : NULL;

	if (!container && upper)
		container = find_path(owners, upper->path);
	for (uint32_t i = 0; !container && i < overlay->n_mounts; i = next_mount(overlay, i))
		container = find_path(owners, overlay->mounts[i].mountpoint);
	return container;
}

static int set(struct arena *arena, struct overlay *overlay, const char *id, size_t length,
	       const char *runtime)
{
	overlay->container_id = arena_copy(arena, id, length);
	overlay->runtime = runtime;
	return overlay->container_id ? 1 : -ENOMEM;
}

/* The innermost container that a cgroup is in, as the tree of cgroups has it. */
static int classify(const char *path, struct node **ret_node)
{
	_cleanup_(node_unrefp) struct node *parent = node_new("/", 0, 0);
	uint32_t depth = 1;

	if (!parent || container_classify(parent, NULL) < 0)
		return -ENOMEM;
	for (const char *end = path; *end; depth++) {
		_cleanup_(freep) char *prefix = NULL;
		struct node *node;

		end += strspn(end, "/");
		if (!*end)
			break;
		end += strcspn(end, "/");
		prefix = strndup(path, (size_t)(end - path));
		node = prefix ? node_new(prefix, depth, 0) : NULL;
		if (!node || container_classify(node, parent) < 0) {
			node_unref(node);
			return -ENOMEM;
		}
		node_unref(parent);
		parent = node;
	}
	*ret_node = TAKE_PTR(parent);
	return 0;
}

static int find_cgroup(const struct overlay_owners *owners, const char *path, struct arena *arena,
		       struct overlay *overlay)
{
	_cleanup_(node_unrefp) struct node *node = NULL;
	const struct container *known;

	if (classify(path, &node) < 0)
		return -ENOMEM;
	if (!node->container_id)
		return 0;
	known = owners->containers ? containers_find(owners->containers, node->container_id) : NULL;
	return set(arena, overlay, node->container_id, strlen(node->container_id),
		   known ? known->runtime : node->runtime);
}

static size_t id_length(const char *text)
{
	size_t n = 0;

	while (isxdigit((unsigned char)text[n]) && !isupper((unsigned char)text[n]))
		n++;
	return n == 64 && (!text[n] || text[n] == '/') ? n : 0;
}

static size_t name_length(const char *text)
{
	return strcspn(text, "/");
}

/*
 * Paths that hold a container's id: behind `mark`, `skip` components on. The graph drivers of
 * Docker and podman name layers instead: there the runtime's state has to tell.
 */
static const struct {
	const char *mark;
	unsigned int skip;
	size_t (*length)(const char *text);
	const char *runtime;
} path_forms[] = {
	/* Docker with containerd's image store: rootfs/SNAPSHOTTER/ID. */
	{ "/docker/rootfs/", 1, id_length, "docker" },
	/* Tasks of containerd: NAMESPACE/ID/rootfs; Docker's own namespace is "moby". */
	{ "/io.containerd.runtime.v2.task/moby/", 0, id_length, "docker" },
	{ "/io.containerd.runtime.v2.task/", 1, name_length, "containerd" },
	{ "/io.containerd.runtime.v1.linux/moby/", 0, id_length, "docker" },
	{ "/io.containerd.runtime.v1.linux/", 1, name_length, "containerd" },
	{ "/var/lib/lxc/", 0, name_length, "lxc" },
	{ "/.local/share/lxc/", 0, name_length, "lxc" },
};

static int find_form(const char *path, struct arena *arena, struct overlay *overlay)
{
	for (size_t i = 0; path && i < ARRAY_SIZE(path_forms); i++) {
		const char *at = strstr(path, path_forms[i].mark);
		size_t length;

		if (!at)
			continue;
		at += strlen(path_forms[i].mark);
		for (unsigned int skip = path_forms[i].skip; skip > 0; skip--) {
			at += strcspn(at, "/");
			at += *at == '/';
		}
		length = path_forms[i].length(at);
		if (length > 0)
			return set(arena, overlay, at, length, path_forms[i].runtime);
	}
	return 0;
}

int overlay_owners_find(const struct overlay_owners *owners, const char *const *cgroups, size_t n,
			struct arena *arena, struct overlay *overlay)
{
	const struct container *container = find_state(owners, overlay);
	const struct overlay_layer *upper = overlay_upper(overlay);
	int r = 0;

	if (container)
		r = set(arena, overlay, container->id, strlen(container->id), container->runtime);
	for (size_t i = 0; r == 0 && i < n; i++) {
		/* Processes of one container stand together. */
		if (cgroups[i] && (i == 0 || !cgroups[i - 1] || strcmp(cgroups[i], cgroups[i - 1])))
			r = find_cgroup(owners, cgroups[i], arena, overlay);
	}
	for (uint32_t i = 0; r == 0 && i < overlay->n_mounts; i = next_mount(overlay, i))
		r = find_form(overlay->mounts[i].mountpoint, arena, overlay);
	if (r == 0 && upper)
		r = find_form(upper->resolved ? upper->resolved : upper->path, arena, overlay);
	return r < 0 ? r : 0;
}
