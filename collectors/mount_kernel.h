/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * What Debian 12's headers do not have of listmount(2), statmount(2) and the ioctls on mount
 * namespaces; the numbers are the same on every architecture. Whether the kernel has them is found
 * out by calling them.
 *
 *   statmount()               46eae99ef733, 6.8
 *   listmount()               b4c2bea8ceaa, 6.8
 *   in a foreign namespace    0a3deb11858a and 71aacb4c8c3d, 6.11
 *   NS_GET_MNTNS_ID           e8e43a1fcc5c, 6.11
 *   NS_MNT_GET_NEXT, _PREV    a1d220d9dafa, 6.12
 *   subtype, source           ed9d95f691c2 and 44010543fc8b, 6.13
 *   unescaped option array    2f4d4503e9e5, 6.13
 */
#define KERNEL_NR_STATMOUNT 457
#define KERNEL_NR_LISTMOUNT 458

struct kernel_mount_request {
	uint32_t size; /* of this struct */
	uint32_t spare;
	uint64_t mount_id;
	uint64_t param;	   /* statmount: what is wanted; listmount: list what follows this id */
	uint64_t mount_ns; /* NS_GET_MNTNS_ID; 0: the caller's */
};

/* Instead of a mount id: everything from the namespace's root. */
#define KERNEL_MOUNT_ROOT UINT64_MAX

enum kernel_statmount_mask {
	KERNEL_SB_BASIC = 0x1,
	KERNEL_MNT_BASIC = 0x2,
	KERNEL_MNT_ROOT = 0x8,
	KERNEL_MNT_POINT = 0x10,
	KERNEL_FS_TYPE = 0x20,
	KERNEL_FS_SUBTYPE = 0x100,
	KERNEL_SB_SOURCE = 0x200,
	KERNEL_OPT_ARRAY = 0x400,
	KERNEL_SUPPORTED_MASK = 0x1000,
};

/* Texts are offsets into `text`, valid where `mask` says so. */
struct kernel_statmount {
	uint32_t size, mnt_opts;
	uint64_t mask;
	uint32_t sb_major, sb_minor;
	uint64_t sb_magic;
	uint32_t sb_flags, fs_type;
	uint64_t id, parent_id;
	uint32_t old_id, old_parent_id;
	uint64_t attributes, propagation, peer_group, master, propagate_from;
	uint32_t mnt_root, mnt_point;
	uint64_t mount_ns;
	uint32_t fs_subtype, sb_source, n_options, options, n_security, security;
	uint64_t supported;
	uint64_t spare[45];
	char text[];
};

_Static_assert(sizeof(struct kernel_statmount) == 512, "the kernel's size of struct statmount");

/* Bits of sb_flags, attributes and propagation. */
enum {
	KERNEL_SB_RDONLY = 0x1,
	KERNEL_ATTR_RDONLY = 0x1,
	KERNEL_ATTR_NOSUID = 0x2,
	KERNEL_ATTR_NODEV = 0x4,
	KERNEL_ATTR_NOEXEC = 0x8,
	KERNEL_ATTR_ATIME = 0x70, /* a field: 0 relatime, 0x10 noatime, 0x20 strictatime */
	KERNEL_ATTR_NOATIME = 0x10,
	KERNEL_ATTR_NODIRATIME = 0x80,
	KERNEL_ATTR_NOSYMFOLLOW = 0x200000,
	KERNEL_PROPAGATION_UNBINDABLE = 1 << 17,
	KERNEL_PROPAGATION_SLAVE = 1 << 19,
	KERNEL_PROPAGATION_SHARED = 1 << 20,
};

struct kernel_mount_ns_info {
	uint32_t size, n_mounts;
	uint64_t id;
};

#define KERNEL_NS_GET_MNTNS_ID _IOR(0xb7, 5, uint64_t)
#define KERNEL_NS_MNT_GET_INFO _IOR(0xb7, 10, struct kernel_mount_ns_info)
#define KERNEL_NS_MNT_GET_NEXT _IOR(0xb7, 11, struct kernel_mount_ns_info)
#define KERNEL_NS_MNT_GET_PREV _IOR(0xb7, 12, struct kernel_mount_ns_info)

/* How many ids it put into the array, or -1 with errno. */
static inline long kernel_listmount(const struct kernel_mount_request *request, uint64_t *ids,
				    size_t n)
{
	return syscall(KERNEL_NR_LISTMOUNT, request, ids, n, 0);
}

/* 0, or -1 with errno: EOVERFLOW if the texts do not fit. */
static inline long kernel_statmount(const struct kernel_mount_request *request,
				    struct kernel_statmount *result, size_t size)
{
	return syscall(KERNEL_NR_STATMOUNT, request, result, size, 0);
}
