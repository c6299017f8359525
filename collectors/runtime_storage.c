// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/config_text.h"
#include "collectors/orphans.h"
#include "core/cleanup.h"

/*
 * containers/storage, the store of podman, CRI-O and buildah (1.12 to 1.59, containers.go,
 * layers.go, drivers/overlay; metadata of CRI-O 1.20 to 1.34, internal/storage/runtime.go):
 *   GRAPHROOT/DRIVER-containers/{containers,volatile-containers}.json
 *       [{"id", "names", "image", "layer", "metadata": JSON in a string, "created"}]
 *   GRAPHROOT/overlay/LAYER/{diff,merged}
 *   RUNROOT/DRIVER-containers/ID/userdata/pidfile     written by conmon
 * The volatile list lies below RUNROOT where storage.conf says transient_store.
 */
enum { PODS_MAX = 4096 };

struct storage {
	struct runtime_pass *pass;
	const char *graph, *run; /* graph: without links */
	char driver[32];
	int graph_fd, run_fd; /* run_fd may be -1 */
	uint32_t n_containers;
};

/* Drivers with a list of containers of their own, the preferred first. */
static const struct {
	const char *name, *layers, *mount, *upper;
} drivers[] = {
	{ "overlay", "overlay", "merged", "diff" }, { "btrfs", "btrfs/subvolumes", "", "" },
	{ "zfs", "zfs/graph", "", NULL },	    { "vfs", "vfs/dir", "", "" },
	{ "aufs", "aufs/diff", NULL, "" },
};

static size_t find_driver(const struct storage *storage)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(drivers) - 1 && strcmp(drivers[i].name, storage->driver) != 0)
		i++;
	return i;
}

/* CRI-O says the namespace only of the pod itself, which has the pod's id as its own. */
static const json_t *find_pod(const json_t *list, const char *id)
{
	const json_t *entry;
	size_t i;

	if (json_array_size(list) > PODS_MAX)
		return NULL;
	json_array_foreach(list, i, entry)
	{
		const char *other = state_text(entry, "id");

		if (other && strcmp(other, id) == 0)
			return entry;
	}
	return NULL;
}

static json_t *metadata_of(const json_t *entry)
{
	const char *text = state_text(entry, "metadata");

	return text ? json_loads(text, 0, NULL) : NULL;
}

static void set_crio(struct state_file *file, struct container *container, const json_t *list,
		     const json_t *metadata)
{
	const char *pod_id = state_text(metadata, "pod-id");
	json_t *pod = metadata_of(find_pod(list, pod_id));
	const json_t *of_pod = pod ? pod : metadata;

	container->runtime = "cri-o";
	container->name = state_text(metadata, "metadata-name");
	if (strcmp(pod_id, container->id) == 0)
		container->name = "POD";
	container->pod = arena_string(&file->arena, state_text(of_pod, "metadata-name"));
	container->pod_namespace = arena_string(&file->arena, state_text(of_pod, "namespace"));
	container->pod_uid = arena_string(&file->arena, state_text(of_pod, "uid"));
	json_decref(pod);
}

static void set_layer(const struct storage *storage, struct state_file *file,
		      struct container *container, const char *layer)
{
	size_t i = find_driver(storage);
	const char *at;

	if (!layer || !is_hex_id(layer))
		return;
	at = arena_format(&file->arena, "%s/%s/%s", storage->graph, drivers[i].layers, layer);
	if (drivers[i].mount)
		container->mount = arena_format(&file->arena, "%s%s%s", at,
						*drivers[i].mount ? "/" : "", drivers[i].mount);
	if (drivers[i].upper)
		container->upper = arena_format(&file->arena, "%s%s%s", at,
						*drivers[i].upper ? "/" : "", drivers[i].upper);
}

static int add_entry(const struct storage *storage, struct state_file *file, const json_t *list,
		     const json_t *entry)
{
	json_t *metadata = metadata_of(entry);
	struct container container = { .id = state_text(entry, "id"),
				       .runtime = "podman",
				       .source = file->path };
	int r = 0;

	if (container.id && is_hex_id(container.id)) {
		container.name = json_string_value(
			json_array_get(json_object_get(entry, "names"), 0));
		container.image_id = state_text(entry, "image");
		container.image = state_text(metadata, "image-name");
		if (state_text(metadata, "pod-id"))
			set_crio(file, &container, list, metadata);
		set_layer(storage, file, &container, state_text(entry, "layer"));
		r = state_file_add(file, &container) ? 0 : -ENOMEM;
	}
	json_decref(metadata);
	return r;
}

static int parse_list(struct state_file *file, const char *text, size_t length, void *data)
{
	json_t *list = json_loadb(text, length, 0, NULL);
	const json_t *entry;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, entry)
	{
		r = add_entry(data, file, list, entry);
		if (r < 0)
			break;
	}
	json_decref(list);
	return r;
}

/* The process is told by another file, which comes and goes by itself. */
static int add_process(struct storage *storage, const struct container *listed)
{
	struct container container = { .id = listed->id, .state = "running" };
	char path[STATE_NAME_SIZE];

	if (storage->run_fd < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "%s-containers/%.64s/userdata/pidfile", storage->driver,
		       listed->id);
	container.pid = runtime_read_pid(storage->run_fd, path);
	if (!runtime_pid_valid(storage->pass->root, container.pid, container.id))
		return 0;
	return runtime_add(storage->pass, &container);
}

static int read_list(struct storage *storage, int dir_fd, const char *dir, const char *name)
{
	char relative[STATE_NAME_SIZE];
	struct state_source source = { .dir_fd = dir_fd,
				       .name = relative,
				       .limit = STATE_LIST_MAX,
				       .parse = parse_list,
				       .data = storage };
	const struct state_file *file;
	int r;

	(void)snprintf(relative, sizeof(relative), "%s-containers/%s", storage->driver, name);
	source.path = arena_format(&storage->pass->set->arena, "%s/%s", dir, relative);
	if (dir_fd < 0 || !source.path)
		return dir_fd < 0 ? 0 : -ENOMEM;
	r = state_cache_get(&storage->pass->scanner->files, &source, &file);
	if (r < 0 || !file)
		return r;
	storage->n_containers += file->n;
	r = runtime_add_file(storage->pass, file);
	for (uint32_t i = 0; r == 0 && i < file->n; i++)
		r = add_process(storage, &file->list[i]);
	return r;
}

static int find_orphans(struct storage *storage, struct runtime_store *store)
{
	static const char *const watched[] = {
		"overlay",
		"overlay/l",
		"overlay-layers/layers.json",
		"overlay-layers/volatile-layers.json",
		"overlay-containers/containers.json",
		"overlay-containers/volatile-containers.json",
		NULL,
	};
	const struct orphan_kind kind = { .runtime = "podman",
					  .root = storage->graph,
					  .layers = "overlay",
					  .watched = watched,
					  .search = orphans_search_storage,
					  .data = &storage->run_fd };

	return orphans_find(storage->pass, store, storage->graph_fd, &kind);
}

static void count_layers(const struct storage *storage, struct runtime_store *store)
{
	static const char *const but[] = { "l", "staging", "tempdirs", NULL };
	_cleanup_(closep) int fd = state_dir_open_at(storage->graph_fd,
						     drivers[find_driver(storage)].layers);
	struct file_stamp stamp;
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return;
	file_stamp_set(&stamp, &status);
	if (!file_stamp_same(&stamp, &store->layers_stamp))
		store->n_layers = storage_count_directories(fd, but);
	file_stamp_keep(&store->layers_stamp, &stamp, storage->pass->now_ns);
}

static int add_store(struct storage *storage)
{
	struct runtime_store *store = runtime_store(storage->pass, "podman", storage->graph);
	struct storage_driver driver = { .runtime = "podman",
					 .root = storage->graph,
					 .driver = storage->driver,
					 .n_containers = storage->n_containers };
	char line[8];
	int r;

	if (!store)
		return 0;
	count_layers(storage, store);
	driver.n_layers = store->n_layers;
	if (state_read_line_at(storage->graph_fd, "overlay/.has-mount-program", line,
			       sizeof(line)) > 0 &&
	    strcmp(line, "true") == 0)
		driver.note = "mounted by a program (fuse-overlayfs)";
	storage_probe(&store->facts, &storage->pass->scanner->mounts, storage->graph_fd, &driver);
	r = runtime_add_driver(storage->pass, &driver);
	return r < 0 || strcmp(storage->driver, "overlay") != 0 ? r : find_orphans(storage, store);
}

/* The configured driver, unless the store was made with another. */
static bool detect_driver(struct storage *storage, const char *configured)
{
	char path[64];

	for (size_t i = 0; i <= ARRAY_SIZE(drivers); i++) {
		const char *name = i == 0 ? configured : drivers[i - 1].name;

		if (!name || !*name || strchr(name, '/') || strlen(name) >= sizeof(storage->driver))
			continue;
		(void)snprintf(path, sizeof(path), "%s-layers", name);
		if (faccessat(storage->graph_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		(void)snprintf(storage->driver, sizeof(storage->driver), "%s", name);
		return true;
	}
	return false;
}

static int read_store(struct runtime_pass *pass, const char *graph, const char *run,
		      const char *driver)
{
	struct storage storage = { .pass = pass, .run_fd = -1 };
	_cleanup_(closep) int graph_fd = runtime_open(pass, graph, &storage.graph);
	_cleanup_(closep) int run_fd = -1;
	int r;

	if (graph_fd < 0)
		return root_is_short(graph_fd) ? graph_fd : 0;
	storage.graph_fd = graph_fd;
	if (!detect_driver(&storage, driver))
		return 0;
	run_fd = runtime_open(pass, run, &storage.run);
	storage.run_fd = run_fd < 0 ? -1 : run_fd;
	r = read_list(&storage, graph_fd, storage.graph, "containers.json");
	if (r == 0)
		r = read_list(&storage, graph_fd, storage.graph, "volatile-containers.json");
	if (r == 0 && run_fd >= 0)
		r = read_list(&storage, run_fd, storage.run, "volatile-containers.json");
	return r < 0 ? r : add_store(&storage);
}

int runtime_storage_read(struct runtime_pass *pass)
{
	static const char *const configs[] = { "/etc/containers", "/usr/share/containers" };
	char graph[PATH_MAX] = "/var/lib/containers/storage";
	char run[PATH_MAX] = "/run/containers/storage";
	char driver[32] = "";
	const struct config_wanted wanted[] = {
		{ "storage", "graphroot", graph, sizeof(graph) },
		{ "storage", "runroot", run, sizeof(run) },
		{ "storage", "driver", driver, sizeof(driver) },
		{ 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
		_cleanup_(closep) int fd = state_dir_open(pass->root, configs[i]);

		if (fd >= 0 && config_read_at(fd, "storage.conf", wanted) == 0)
			break;
	}
	if (pass->scanner->options.podman_root)
		return read_store(pass, pass->scanner->options.podman_root, run, driver);
	return read_store(pass, graph, run, driver);
}
