/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/arena.h"

/*
 * A container as its runtime's state on disk describes it, without asking the runtime. Texts are
 * bytes from outside; NULL where the state does not say.
 */
struct container {
	const char *id;	     /* as in cgroup paths: 64 hex digits, or a name (LXC, nspawn) */
	const char *runtime; /* "docker", "containerd", "cri-o", "podman", "lxc", "systemd-nspawn",
				"libvirt-lxc"; "kubernetes": only its logs tell: static */
	const char *name;    /* "web-1" */
	const char *image;   /* "nginx:1.25" */
	const char *image_id;
	const char *state; /* "running", "exited", "paused", …: as the runtime has it */
	const char *pod, *pod_namespace, *pod_uid; /* Kubernetes */
	pid_t pid;	    /* its first process, in our pid namespace; 0: none */
	const char *mount;  /* where its root filesystem is mounted ("…/merged") */
	const char *upper;  /* its writable layer */
	const char *source; /* the file or socket all this is from */
};

/* A container runtime's store on this machine. */
struct storage_driver {
	const char *runtime; /* "docker", "containerd", "podman": static */
	const char *root;    /* "/var/lib/docker" */
	const char *driver;  /* "overlay2", "fuse-overlayfs", "btrfs", "zfs", "vfs", "aufs",
				"devicemapper", "overlay", "overlayfs", …; NULL: not known */
	const char *note;   /* what is odd about it ("several drivers: …", "no longer in Docker"),
			       or NULL */
	const char *fstype; /* of the filesystem below it, or NULL */
	bool d_type, d_type_known; /* names carry their type: overlay needs it */
	bool project_quota;
	uint64_t fs_bytes, fs_free_bytes, fs_inodes, fs_free_inodes;
	uint32_t n_layers, n_containers;
};

enum orphan_reason {
	ORPHAN_NO_RECORD, /* a layer that no record of the runtime names and nobody mounts */
	ORPHAN_NO_LAYER,  /* a record whose layer is not there */
	ORPHAN_REMOVING,  /* a "-removing" directory left behind */
	ORPHAN_INIT,	  /* an "-init" layer whose container is gone */
	ORPHAN_LINK,	  /* a short link that points nowhere, or at a layer another one names */
	ORPHAN_MOUNTED,	  /* still mounted somewhere, although its container is gone */
	ORPHAN_REASON_COUNT,
};

/* Something a runtime left behind. Nothing is ever removed by cgwatch. */
struct orphan {
	enum orphan_reason reason;
	const char *runtime; /* static */
	const char *path;    /* the layer, link or record */
	uint64_t bytes;	     /* allocated below it; valid with bytes_known */
	bool bytes_known;
};

/* What runtimes keep on this machine. Immutable and shared once returned. */
struct containers {
	atomic_int refs;
	struct arena arena;
	uint64_t boottime_ns;	/* when reading began */
	struct container *list; /* by id */
	uint32_t n;
	struct storage_driver *drivers;
	uint32_t n_drivers;
	struct orphan *orphans;
	uint32_t n_orphans;
	bool orphans_searched;
};

struct containers *containers_new(void);
struct containers *containers_ref(struct containers *set);
void containers_unref(struct containers *set);
/* The container of that id (exact), or NULL. */
const struct container *containers_find(const struct containers *set, const char *id);
/* "no record", "dangling link", …: static text, as in JSON and Prometheus with '_' for ' '. */
const char *orphan_reason_name(enum orphan_reason reason);
