/* SPDX-License-Identifier: MIT */
#pragma once

#include <poll.h>

#include "collectors/root.h"
#include "core/container.h"

/*
 * What is below a runtime's store: the filesystem and its abilities. Paths on filesystems whose
 * server may not answer (network, FUSE) are told apart before they are touched.
 */

/* A mount of our own namespace that may hold a store. */
struct storage_mount {
	char *mountpoint, *fstype, *options; /* options: the superblock's */
	bool remote;			     /* its server may not answer */
};

/* The mounts, read again when the kernel says that they changed. */
struct storage_mounts {
	struct storage_mount *list;
	uint32_t n, capacity;
	struct pollfd watch; /* of mountinfo: POLLPRI tells of a change */
	bool opened;
};

void storage_mounts_done(struct storage_mounts *mounts);
/* 0 or -errno; then what was known stays. */
int storage_mounts_refresh(struct storage_mounts *mounts, const struct root *root);
/* The mount that an absolute path is on (its last if several are stacked), or NULL. */
const struct storage_mount *storage_mount_of(const struct storage_mounts *mounts, const char *path);

/* What does not change as long as the filesystem is the same. */
struct storage_facts {
	dev_t device;	 /* 0: not looked at yet */
	char fstype[32]; /* "": not known */
	bool d_type, d_type_known, project_quota;
};

/* A driver's name, and what a layer's directories are below the store's root. */
struct driver_form {
	const char *name;
	const char *layers;	   /* the directory with an entry a layer */
	const char *mount, *upper; /* below layers/ID/, "" for the layer itself; NULL: elsewhere */
	const char *note;	   /* or NULL */
};

/* Docker's graph drivers, the preferred first. The last has no name. */
extern const struct driver_form docker_drivers[];
/* The driver of that name, or NULL. */
const struct driver_form *docker_driver_find(const char *name);

/*
 * Fills the filesystem's part of `driver` for the store in that directory, whose real path is
 * driver->root. Never fails: what cannot
 * be found out stays unknown.
 */
void storage_probe(struct storage_facts *facts, const struct storage_mounts *mounts, int dir_fd,
		   struct storage_driver *driver);
/* Directories in it, without those named in `but` (a list with NULL at its end). */
uint32_t storage_count_directories(int dir_fd, const char *const *but);
