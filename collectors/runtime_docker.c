// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/orphans.h"
#include "core/cleanup.h"
#include "core/log.h"

/*
 * Docker's state below its data root, as moby 20.10 to 29 write it:
 *   containers/ID/config.v2.json              daemon/container: State, Name, Config.Image, Driver
 *   image/DRIVER/layerdb/mounts/ID/mount-id   which directory of the graph driver is its layer
 *   rootfs/SNAPSHOTTER/ID                     with the containerd image store: its root
 */
struct docker {
	struct runtime_pass *pass;
	const char *path; /* of the data root, without links */
	int fd, containers_fd;
	uint32_t n_containers;
	int error;
};

/* As State.StateString() of moby's container/state.go says it. */
static const char *state_name(const json_t *state)
{
	static const char never[] = "0001-01-01T00:00:00Z";
	const char *started = state_text(state, "StartedAt");

	if (state_flag(state, "Running")) {
		if (state_flag(state, "Paused"))
			return "paused";
		return state_flag(state, "Restarting") ? "restarting" : "running";
	}
	if (state_flag(state, "RemovalInProgress"))
		return "removing";
	if (state_flag(state, "Dead"))
		return "dead";
	return started && strcmp(started, never) != 0 ? "exited" : "created";
}

/* A name that can be put into a path: no slashes, and no dots alone. */
static bool is_plain_name(const char *name)
{
	return name && *name && *name != '.' && !strchr(name, '/') &&
	       strlen(name) < STATE_NAME_SIZE;
}

static char *layer_path(struct state_file *file, const char *layers, const char *id,
			const char *below)
{
	return below ? arena_format(&file->arena, "%s/%s%s%s", layers, id, *below ? "/" : "", below)
		     : NULL;
}

/* Where its root is: in the graph driver's directories, or where the snapshot is mounted. */
static void set_places(struct docker *docker, struct state_file *file, struct container *container,
		       const char *driver)
{
	const struct driver_form *form = docker_driver_find(driver);
	char path[3 * STATE_NAME_SIZE], id[STATE_NAME_SIZE];
	const char *layers;

	if (!form) {
		if (is_plain_name(driver))
			container->mount = arena_format(&file->arena, "%s/rootfs/%s/%s",
							docker->path, driver, container->id);
		return;
	}
	(void)snprintf(path, sizeof(path), "image/%s/layerdb/mounts/%s/mount-id", form->name,
		       container->id);
	if (state_read_line_at(docker->fd, path, id, sizeof(id)) < 0 || !is_plain_name(id))
		return;
	layers = arena_format(&file->arena, "%s/%s", docker->path, form->layers);
	if (!layers)
		return;
	container->mount = layer_path(file, layers, id, form->mount);
	container->upper = layer_path(file, layers, id, form->upper);
}

static int parse_config(struct state_file *file, const char *text, size_t length, void *data)
{
	struct docker *docker = data;
	json_t *json = json_loadb(text, length, 0, NULL);
	const json_t *state = state_object(json, "State"), *config = state_object(json, "Config");
	const json_t *labels = state_object(config, "Labels");
	const char *name = state_text(json, "Name"), *id = state_text(json, "ID");
	struct container container = { .runtime = "docker", .source = file->path };
	int r = 0;

	if (id && is_hex_id(id)) {
		container.id = id;
		container.name = name && *name == '/' ? name + 1 : name;
		container.image = state_text(config, "Image");
		container.image_id = state_text(json, "Image");
		container.state = state ? state_name(state) : NULL;
		container.pod = state_text(labels, "io.kubernetes.pod.name");
		container.pod_namespace = state_text(labels, "io.kubernetes.pod.namespace");
		container.pod_uid = state_text(labels, "io.kubernetes.pod.uid");
		container.pid = runtime_pid(json_integer_value(json_object_get(state, "Pid")));
		if (!runtime_pid_valid(docker->pass->root, container.pid, id))
			container.pid = 0;
		set_places(docker, file, &container, state_text(json, "Driver"));
		r = state_file_add(file, &container) ? 0 : -ENOMEM;
	}
	json_decref(json);
	return r;
}

static int read_container(void *data, const char *name, unsigned char type)
{
	struct docker *docker = data;
	char relative[STATE_NAME_SIZE + 32];
	struct state_source source = { .dir_fd = docker->containers_fd,
				       .name = relative,
				       .limit = STATE_FILE_MAX,
				       .parse = parse_config,
				       .data = docker };
	int r;

	(void)type;
	if (!is_hex_id(name))
		return 0;
	(void)snprintf(relative, sizeof(relative), "%s/config.v2.json", name);
	source.path = arena_format(&docker->pass->set->arena, "%s/containers/%s", docker->path,
				   relative);
	if (!source.path)
		return docker->error = -ENOMEM;
	r = runtime_add_source(docker->pass, &source);
	if (r > 0)
		docker->n_containers++;
	docker->error = r < 0 ? r : 0;
	return docker->error;
}

static bool exists(int dir_fd, const char *path)
{
	return faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Two names of the snapshotters that Docker knows, and the first other directory. */
static int first_name(void *data, const char *name, unsigned char type)
{
	if (type != DT_DIR && type != DT_UNKNOWN)
		return 0;
	(void)snprintf(data, STATE_NAME_SIZE, "%s", name);
	return 1;
}

static void find_snapshotter(struct docker *docker, char *name)
{
	_cleanup_(closep) int fd = state_dir_open_at(docker->fd, "rootfs");

	name[0] = '\0';
	if (fd >= 0)
		(void)state_dir_each(fd, first_name, name);
}

/*
 * The driver in use. dockerd takes the first of its list that has data in this root (vfs does not
 * count beside another), and the containerd image store where none has.
 */
static int find_driver(struct docker *docker, struct storage_driver *driver, char *snapshotter,
		       const struct driver_form **ret_form)
{
	struct strbuf others;
	char path[STATE_NAME_SIZE];

	*ret_form = NULL;
	strbuf_init(&others);
	for (const struct driver_form *form = docker_drivers; form->name; form++) {
		(void)snprintf(path, sizeof(path), "image/%s/layerdb", form->name);
		if (!exists(docker->fd, form->layers) || !exists(docker->fd, path))
			continue;
		if (*ret_form && strcmp(form->name, "vfs") != 0)
			strbuf_printf(&others, ", %s", form->name);
		if (!*ret_form)
			*ret_form = form;
	}
	find_snapshotter(docker, snapshotter);
	if (*ret_form && *snapshotter)
		strbuf_printf(&others, ", containerd's %s", snapshotter);
	driver->driver = *ret_form ? (*ret_form)->name : NULL;
	if (!driver->driver && *snapshotter)
		driver->driver = snapshotter;
	driver->note = *ret_form ? (*ret_form)->note : NULL;
	if (!*ret_form && *snapshotter)
		driver->note = "containerd image store";
	if (others.length > 0)
		driver->note = arena_format(&docker->pass->set->arena, "several drivers: %s%s",
					    driver->driver, others.data);
	strbuf_done(&others);
	return docker->pass->set->arena.failed ? -ENOMEM : 0;
}

static void count_layers(struct docker *docker, struct runtime_store *store,
			 const struct driver_form *form)
{
	static const char *const but[] = { "l", NULL };
	_cleanup_(closep) int fd = form ? state_dir_open_at(docker->fd, form->layers) : -1;
	struct file_stamp stamp;
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return;
	file_stamp_set(&stamp, &status);
	if (file_stamp_same(&stamp, &store->layers_stamp))
		return;
	store->n_layers = storage_count_directories(fd, but);
	file_stamp_keep(&store->layers_stamp, &stamp, docker->pass->now_ns);
}

/* Only of the drivers that share this layout; others keep their layers in other ways. */
static int find_orphans(struct docker *docker, struct runtime_store *store,
			const struct driver_form *form)
{
	char paths[3][64];
	const char *watched[] = { form->layers, paths[0], paths[1], paths[2], "containers", NULL };
	struct orphan_kind kind = { .runtime = "docker",
				    .root = docker->path,
				    .layers = form->layers,
				    .watched = watched,
				    .search = orphans_search_docker,
				    .data = (void *)form };

	if (strcmp(form->name, "overlay2") != 0 && strcmp(form->name, "fuse-overlayfs") != 0)
		return 0;
	(void)snprintf(paths[0], sizeof(paths[0]), "%s/l", form->layers);
	(void)snprintf(paths[1], sizeof(paths[1]), "image/%s/layerdb/sha256", form->name);
	(void)snprintf(paths[2], sizeof(paths[2]), "image/%s/layerdb/mounts", form->name);
	return orphans_find(docker->pass, store, docker->fd, &kind);
}

static int add_driver(struct docker *docker)
{
	struct runtime_store *store = runtime_store(docker->pass, "docker", docker->path);
	struct storage_driver driver = { .runtime = "docker",
					 .root = docker->path,
					 .n_containers = docker->n_containers };
	char snapshotter[STATE_NAME_SIZE];
	const struct driver_form *form;
	int r = find_driver(docker, &driver, snapshotter, &form);

	if (r < 0 || !store)
		return r;
	count_layers(docker, store, form);
	driver.n_layers = store->n_layers;
	storage_probe(&store->facts, &docker->pass->scanner->mounts, docker->fd, &driver);
	r = runtime_add_driver(docker->pass, &driver);
	return r < 0 || !form ? r : find_orphans(docker, store, form);
}

static int add_untouched(struct runtime_pass *pass, const char *path)
{
	struct storage_driver driver = { .runtime = "docker",
					 .root = path,
					 .note = "on a filesystem that may not answer: not "
						 "looked into" };

	return runtime_add_driver(pass, &driver);
}

static int read_root(struct runtime_pass *pass, const char *path)
{
	struct docker docker = { .pass = pass };
	_cleanup_(closep) int fd = runtime_open(pass, path, &docker.path);
	_cleanup_(closep) int containers_fd = -1;

	if (fd == -EREMOTE)
		return add_untouched(pass, path);
	if (fd < 0)
		return root_is_short(fd) ? fd : 0;
	docker.fd = fd;
	containers_fd = state_dir_open_at(fd, "containers");
	if (containers_fd < 0) {
		log_debug("docker: %s has no containers: %s", path, strerror(-containers_fd));
		return root_is_short(containers_fd) ? containers_fd : 0;
	}
	docker.containers_fd = containers_fd;
	(void)state_dir_each(containers_fd, read_container, &docker);
	return docker.error < 0 ? docker.error : add_driver(&docker);
}

int runtime_docker_read(struct runtime_pass *pass)
{
	struct docker_roots *roots = &pass->scanner->docker;
	int r = docker_roots_find(roots, pass->root, pass->scanner->options.docker_root);

	for (uint32_t i = 0; r == 0 && i < roots->n; i++)
		r = read_root(pass, roots->paths[i]);
	return r;
}
