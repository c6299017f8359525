// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/overlay_backing.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statfs.h>

#include "core/cleanup.h"
#include "core/clock.h"

#define SERVER_PERIOD_NS (60 * UINT64_C(1000000000))

/* By statfs.f_type; `local`: statfs() never waits for a server. */
static const struct {
	uint64_t magic;
	const char *name;
	bool local;
} types[] = {
	{ 0xef53, "ext4", true },	  { 0x58465342, "xfs", true },
	{ 0x9123683e, "btrfs", true },	  { 0x01021994, "tmpfs", true },
	{ 0xf2f52010, "f2fs", true },	  { 0x2fc12fc1, "zfs", true },
	{ 0xca451a4e, "bcachefs", true }, { 0x858458f6, "ramfs", true },
	{ 0x4d44, "vfat", true },	  { 0x3153464a, "jfs", true },
	{ 0x5265, "reiserfs", true },	  { 0x73717368, "squashfs", true },
	{ 0xe0f5e1e2, "erofs", true },	  { 0x9660, "iso9660", true },
	{ 0x794c7630, "overlay", false }, { 0x65735546, "fuse", false },
	{ 0x6969, "nfs", false },	  { 0xff534d42, "cifs", false },
	{ 0xfe534d42, "smb2", false },	  { 0x01021997, "9p", false },
	{ 0x00c36400, "ceph", false },	  { 0x5346414f, "afs", false },
	{ 0x0bd00bd0, "lustre", false },  { 0x47504653, "gpfs", false },
	{ 0x01161970, "gfs2", false },	  { 0x7461636f, "ocfs2", false },
	{ 0x786f4256, "vboxsf", false },  { 0x20030528, "orangefs", false },
};

struct filesystem {
	dev_t device;
	bool known, local, fresh; /* fresh: asked in this pass */
	bool used;		  /* in this pass */
	uint64_t asked_ns;
	struct overlay_backing_info info;
};

struct overlay_backing {
	struct filesystem *list;
	size_t n;
};

int overlay_backing_new(struct overlay_backing **ret_backing)
{
	*ret_backing = calloc(1, sizeof(**ret_backing));
	return *ret_backing ? 0 : -ENOMEM;
}

void overlay_backing_free(struct overlay_backing *backing)
{
	if (!backing)
		return;
	free(backing->list);
	free(backing);
}

void overlay_backing_begin(struct overlay_backing *backing)
{
	size_t n = 0;

	/* A number that nobody uses may be given to another filesystem, which asks a server. */
	for (size_t i = 0; i < backing->n; i++) {
		if (!backing->list[i].used)
			continue;
		backing->list[n] = backing->list[i];
		backing->list[n].fresh = backing->list[n].used = false;
		n++;
	}
	backing->n = n;
}

static struct filesystem *find(struct overlay_backing *backing, dev_t device)
{
	struct filesystem *grown;

	for (size_t i = 0; i < backing->n; i++) {
		if (backing->list[i].device == device)
			return &backing->list[i];
	}
	grown = reallocarray(backing->list, backing->n + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	backing->list = grown;
	grown[backing->n] = (struct filesystem){ .device = device };
	return &grown[backing->n++];
}

static void set(struct filesystem *filesystem, uint64_t magic, uint64_t free_bytes,
		uint64_t free_inodes)
{
	filesystem->known = true;
	filesystem->local = false;
	filesystem->info = (struct overlay_backing_info){ NULL, free_bytes, free_inodes };
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i].magic != magic)
			continue;
		filesystem->info.fstype = types[i].name;
		filesystem->local = types[i].local;
	}
}

/* What is not known to be local is asked by a child: the kernel would wait for the server. */
static void ask(struct overlay_places *places, const struct overlay_place *place,
		struct filesystem *filesystem)
{
	struct probe probe;
	struct statfs info;

	overlay_places_probe(places, place->pid, place->path, !filesystem->local, &probe);
	if (probe.result == 0 && probe.device == filesystem->device) {
		if (probe.statfs_known)
			set(filesystem, probe.magic, probe.free_bytes, probe.free_inodes);
		else if (filesystem->local && probe.fd >= 0 && fstatfs(probe.fd, &info) == 0)
			set(filesystem, (uint64_t)info.f_type,
			    info.f_bavail * (uint64_t)info.f_bsize, info.f_ffree);
	}
	probe_done(&probe);
}

struct overlay_backing_info overlay_backing_get(struct overlay_backing *backing,
						struct overlay_places *places,
						const struct overlay_place *place)
{
	struct filesystem *filesystem = find(backing, place->device);
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (!filesystem)
		return (struct overlay_backing_info){ 0 };
	filesystem->used = true;
	if (!filesystem->fresh && (filesystem->local || filesystem->asked_ns == 0 ||
				   now_ns - filesystem->asked_ns >= SERVER_PERIOD_NS)) {
		filesystem->fresh = true;
		filesystem->asked_ns = now_ns;
		ask(places, place, filesystem);
	}
	return filesystem->info;
}
