// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collectors/containerd_private.h"
#include "core/cleanup.h"

static const char prefix[] = "io.containerd.snapshotter.v1.";

struct snapshotters {
	struct containerd *containerd;
	int error;
};

static int find_orphans(struct containerd *containerd, struct runtime_store *store,
			const char *directory)
{
	char layers[STATE_NAME_SIZE + 16], database[STATE_NAME_SIZE + 16];
	const char *watched[] = { layers, database, NULL };
	struct orphan_kind kind = { .runtime = "containerd",
				    .root = containerd->root,
				    .layers = layers,
				    .watched = watched,
				    .search = orphans_search_containerd,
				    .data = (void *)directory };

	(void)snprintf(layers, sizeof(layers), "%s/snapshots", directory);
	(void)snprintf(database, sizeof(database), "%s/metadata.db", directory);
	return orphans_find(containerd->pass, store, containerd->fd, &kind);
}

/* Layers are counted again only when one came or went. */
static void count(struct runtime_store *store, int fd, int64_t now_ns)
{
	struct file_stamp stamp;
	struct stat status;

	if (fstat(fd, &status) < 0)
		return;
	file_stamp_set(&stamp, &status);
	if (file_stamp_same(&stamp, &store->layers_stamp))
		return;
	store->n_layers = storage_count_directories(fd, NULL);
	file_stamp_keep(&store->layers_stamp, &stamp, now_ns);
}

/* containerd makes the directories of all snapshotters it knows: those without a layer are none. */
static int add_store(struct containerd *containerd, const char *directory)
{
	char path[STATE_NAME_SIZE + 16];
	struct storage_driver driver = { .runtime = "containerd",
					 .root = containerd->root,
					 .driver = directory + strlen(prefix),
					 .n_containers = containerd->n_containers };
	struct runtime_store *store;
	_cleanup_(closep) int fd = -1;
	const char *key;
	int r;

	(void)snprintf(path, sizeof(path), "%s/snapshots", directory);
	fd = state_dir_open_at(containerd->fd, path);
	if (fd < 0)
		return 0;
	key = arena_format(&containerd->pass->set->arena, "%s/%s", containerd->root, path);
	store = key ? runtime_store(containerd->pass, "containerd", key) : NULL;
	if (!store)
		return 0;
	count(store, fd, containerd->pass->now_ns);
	if (store->n_layers == 0)
		return 0;
	driver.n_layers = store->n_layers;
	storage_probe(&store->facts, &containerd->pass->scanner->mounts, fd, &driver);
	r = runtime_add_driver(containerd->pass, &driver);
	if (r < 0 || strcmp(driver.driver, "overlayfs") != 0)
		return r;
	return find_orphans(containerd, store, directory);
}

static int found_entry(void *data, const char *name, unsigned char type)
{
	struct snapshotters *snapshotters = data;

	if (strncmp(name, prefix, strlen(prefix)) != 0 || !name[strlen(prefix)] ||
	    (type != DT_DIR && type != DT_UNKNOWN))
		return 0;
	return snapshotters->error = add_store(snapshotters->containerd, name);
}

int containerd_add_stores(struct containerd *containerd)
{
	struct snapshotters snapshotters = { .containerd = containerd };

	(void)state_dir_each(containerd->fd, found_entry, &snapshotters);
	return snapshotters.error;
}
