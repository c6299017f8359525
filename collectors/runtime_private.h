/* SPDX-License-Identifier: MIT */
#pragma once

#include <limits.h>

#include "collectors/runtime_scan.h"
#include "collectors/state_file.h"
#include "collectors/storage_driver.h"

/* What the files of collectors/runtime_*.c share; nobody else includes it. */

enum { RUNTIME_STORES = 32, RUNTIME_ROOTS = 8 };

/* What is kept about a store between passes. */
struct runtime_store {
	const char *runtime; /* static */
	char *root;
	struct storage_facts facts;
	struct file_stamp layers_stamp;
	uint32_t n_layers;
	struct orphans_kept *orphans; /* NULL: not looked for yet */
	bool seen;
};

/* Where dockerd keeps its data: see docker_root.c. */
struct docker_roots {
	char *paths[RUNTIME_ROOTS];
	uint32_t n;
	uint32_t passes; /* since the processes were looked at; 0: never */
	struct file_stamp pidfile, config;
};

struct runtime_scanner {
	const struct root *root;
	struct runtime_options options; /* texts are ours */
	struct state_cache files;
	struct storage_mounts mounts;
	struct runtime_store stores[RUNTIME_STORES];
	uint32_t n_stores;
	struct docker_roots docker;
};

struct found_container {
	struct container container;
	uint32_t order;
};

/* One pass. Texts that are made in it go into the arena of `set`. */
struct runtime_pass {
	struct runtime_scanner *scanner;
	const struct root *root;
	const struct overlays *overlays;
	int64_t now_ns; /* CLOCK_REALTIME: to be compared with times of files */
	struct containers *set;
	struct found_container *found; /* texts are the kept files' or the arena's */
	uint32_t n_found, found_capacity;
	uint32_t drivers_capacity, orphans_capacity;
};

/* A container, whose texts live as long as the pass. 0 or -ENOMEM. */
int runtime_add(struct runtime_pass *pass, const struct container *container);
int runtime_add_file(struct runtime_pass *pass, const struct state_file *file);
/* What state_cache_get() does, and adds what the file says. The number of containers or -ENOMEM. */
int runtime_add_source(struct runtime_pass *pass, const struct state_source *source);
int runtime_add_driver(struct runtime_pass *pass, const struct storage_driver *driver);
/* The path is copied. */
int runtime_add_orphan(struct runtime_pass *pass, const struct orphan *orphan);
/* What is kept for a store, made if it is new. NULL: no memory, or too many. */
struct runtime_store *runtime_store(struct runtime_pass *pass, const char *runtime,
				    const char *root);
/*
 * Opens a store's directory, unless it is on a filesystem that may not answer. *ret_real is its
 * path without links, as mounts show it. A descriptor; -EREMOTE for such a filesystem; -errno.
 */
int runtime_open(struct runtime_pass *pass, const char *path, const char **ret_real);
/* True if that process lives and is in a cgroup that names the container. */
bool runtime_pid_valid(const struct root *root, pid_t pid, const char *id);
/* Process id in JSON or text; 0 for none. */
pid_t runtime_pid(json_int_t number);
pid_t runtime_read_pid(int dir_fd, const char *name);

/* The readers, each for its own runtime. 0 or -ENOMEM; everything else is a runtime not there. */
int runtime_docker_read(struct runtime_pass *pass);
int runtime_containerd_read(struct runtime_pass *pass);
int runtime_storage_read(struct runtime_pass *pass);
int runtime_lxc_read(struct runtime_pass *pass);
int runtime_nspawn_read(struct runtime_pass *pass);
int runtime_kubernetes_read(struct runtime_pass *pass);
int runtime_socket_read(struct runtime_pass *pass);

/* Fills the roots of all Docker daemons. 0 or -ENOMEM. */
int docker_roots_find(struct docker_roots *roots, const struct root *root, const char *option);
void docker_roots_done(struct docker_roots *roots);
