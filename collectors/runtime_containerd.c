// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/containerd_private.h"
#include "core/cleanup.h"

/*
 * containerd 1.4 to 2.x:
 *   STATE/io.containerd.runtime.v2.task/NAMESPACE/ID/{config.json,init.pid}   a running task: the
 *       OCI specification with the annotations of CRI (pkg/cri/annotations) and nerdctl
 *   ROOT/io.containerd.metadata.v1.bolt/meta.db    every container: see containerd_meta.c
 *   ROOT/io.containerd.snapshotter.v1.NAME/        layers
 * The namespace "moby" is Docker's: what Docker's own files say of those goes first.
 */
static const char tasks[] = "io.containerd.runtime.v2.task";

struct bundle {
	struct containerd *containerd;
	const char *id, *path;
	int fd; /* of the bundle */
};

/* Annotations in their order of preference. */
static const char *annotation(const json_t *annotations, const char *first, const char *second)
{
	const char *text = state_text(annotations, first);

	return text || !second ? text : state_text(annotations, second);
}

static void set_annotations(struct container *container, const json_t *annotations)
{
	const char *type = state_text(annotations, "io.kubernetes.cri.container-type");

	container->pod = annotation(annotations, "io.kubernetes.cri.sandbox-name",
				    "io.kubernetes.pod.name");
	container->pod_namespace = annotation(annotations, "io.kubernetes.cri.sandbox-namespace",
					      "io.kubernetes.pod.namespace");
	container->pod_uid = annotation(annotations, "io.kubernetes.cri.sandbox-uid",
					"io.kubernetes.pod.uid");
	container->name = annotation(annotations, "io.kubernetes.cri.container-name",
				     "nerdctl/name");
	/* The pod's own container has no name: kubelet's logs call it POD. */
	if (!container->name && type && strcmp(type, "sandbox") == 0)
		container->name = "POD";
	container->image = annotation(annotations, "io.kubernetes.cri.image-name", NULL);
}

static char *bundle_root_path(struct state_file *file, const struct bundle *bundle,
			      const json_t *json)
{
	const char *path = state_text(state_object(json, "root"), "path");

	if (!path)
		return NULL;
	return path[0] == '/' ? arena_string(&file->arena, path)
			      : arena_format(&file->arena, "%s/%s", bundle->path, path);
}

static int parse_bundle(struct state_file *file, const char *text, size_t length, void *data)
{
	const struct bundle *bundle = data;
	json_t *json = json_loadb(text, length, 0, NULL);
	struct container container = { .id = bundle->id,
				       .runtime = "containerd",
				       .source = file->path };
	int r = 0;

	if (json) {
		set_annotations(&container, state_object(json, "annotations"));
		container.mount = bundle_root_path(file, bundle, json);
		container.pid = runtime_read_pid(bundle->fd, "init.pid");
		if (!runtime_pid_valid(bundle->containerd->pass->root, container.pid, bundle->id))
			container.pid = 0;
		if (container.pid > 0)
			container.state = "running";
		r = state_file_add(file, &container) ? 0 : -ENOMEM;
	}
	json_decref(json);
	return r;
}

struct listing {
	struct containerd *containerd;
	int fd; /* of the namespace's directory */
	const char *name_space;
	int error;
};

static int read_bundle(void *data, const char *name, unsigned char type)
{
	struct listing *listing = data;
	struct containerd *containerd = listing->containerd;
	struct arena *arena = &containerd->pass->set->arena;
	_cleanup_(closep) int fd = -1;
	struct bundle bundle = { .containerd = containerd, .id = name };
	struct state_source source = { .name = "config.json",
				       .limit = STATE_FILE_MAX,
				       .parse = parse_bundle,
				       .data = &bundle };
	int r;

	if (type != DT_DIR && type != DT_UNKNOWN)
		return 0;
	fd = state_dir_open_at(listing->fd, name);
	if (fd < 0)
		return 0;
	bundle.fd = source.dir_fd = fd;
	bundle.path = arena_format(arena, "%s/%s/%s/%s", containerd->state, tasks,
				   listing->name_space, name);
	source.path = bundle.path ? arena_format(arena, "%s/config.json", bundle.path) : NULL;
	if (!source.path)
		return listing->error = -ENOMEM;
	r = runtime_add_source(containerd->pass, &source);
	listing->error = r < 0 ? r : 0;
	return listing->error;
}

struct spaces {
	struct containerd *containerd;
	int fd, error;
};

static int read_namespace(void *data, const char *name, unsigned char type)
{
	struct spaces *spaces = data;
	struct listing listing = { .containerd = spaces->containerd, .name_space = name };
	_cleanup_(closep) int fd = -1;

	if (type != DT_DIR && type != DT_UNKNOWN)
		return 0;
	fd = state_dir_open_at(spaces->fd, name);
	if (fd < 0)
		return 0;
	listing.fd = fd;
	(void)state_dir_each(fd, read_bundle, &listing);
	return spaces->error = listing.error;
}

static int read_tasks(struct containerd *containerd, const char *state)
{
	_cleanup_(closep) int fd = runtime_open(containerd->pass, state, &containerd->state);
	_cleanup_(closep) int tasks_fd = fd < 0 ? -1 : state_dir_open_at(fd, tasks);
	struct spaces spaces = { .containerd = containerd, .fd = tasks_fd };

	if (tasks_fd < 0)
		return root_is_short(fd) ? fd : 0;
	(void)state_dir_each(tasks_fd, read_namespace, &spaces);
	return spaces.error;
}

static int read_meta(struct containerd *containerd)
{
	static const char name[] = "io.containerd.metadata.v1.bolt/meta.db";
	struct state_source source = { .dir_fd = containerd->fd,
				       .name = name,
				       .parse = containerd_parse_meta,
				       .data = containerd };
	int r;

	source.path = arena_format(&containerd->pass->set->arena, "%s/%s", containerd->root, name);
	if (!source.path)
		return -ENOMEM;
	r = runtime_add_source(containerd->pass, &source);
	if (r > 0)
		containerd->n_containers = (uint32_t)r;
	return r < 0 ? r : 0;
}

static int read_root(struct containerd *containerd, const char *root)
{
	_cleanup_(closep) int fd = runtime_open(containerd->pass, root, &containerd->root);
	int r;

	if (fd < 0)
		return root_is_short(fd) ? fd : 0;
	containerd->fd = fd;
	r = read_meta(containerd);
	return r < 0 ? r : containerd_add_stores(containerd);
}

static int read_pair(struct runtime_pass *pass, const char *state, const char *root)
{
	struct containerd containerd = { .pass = pass, .fd = -1 };
	int r = state ? read_tasks(&containerd, state) : 0;

	return r < 0 || !root ? r : read_root(&containerd, root);
}

/* A containerd that Docker started for itself keeps its data below Docker's. */
static int read_dockers(struct runtime_pass *pass)
{
	const struct docker_roots *roots = &pass->scanner->docker;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < roots->n; i++) {
		const char *path = arena_format(&pass->set->arena, "%s/containerd/daemon",
						roots->paths[i]);

		r = path ? read_pair(pass, NULL, path) : -ENOMEM;
	}
	return r;
}

int runtime_containerd_read(struct runtime_pass *pass)
{
	static const struct {
		const char *state, *root;
	} places[] = {
		{ "/run/containerd", "/var/lib/containerd" },
		{ "/run/k3s/containerd", "/var/lib/rancher/k3s/agent/containerd" },
		{ NULL, "/var/lib/rancher/rke2/agent/containerd" }, /* its state is k3s's */
		{ "/var/snap/microk8s/common/run/containerd",
		  "/var/snap/microk8s/common/var/lib/containerd" },
	};
	const struct runtime_options *options = &pass->scanner->options;
	int r = 0;

	if (options->containerd_state || options->containerd_root)
		return read_pair(pass, options->containerd_state, options->containerd_root);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(places); i++)
		r = read_pair(pass, places[i].state, places[i].root);
	return r < 0 ? r : read_dockers(pass);
}
