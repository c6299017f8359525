/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/inventory.h"
#include "core/snapshot.h"

/*
 * An inventory made by hand, with one of everything that a screen or a format has to show. Nothing
 * here fails: without memory the test ends.
 *
 * The machine: pid 1 systemd and 100 sshd on the host; 200 and 201 nginx of the Docker container
 * "web" (own mnt, net, pid, uts, ipc, cgroup; an overlay of 3 layers, measured); 300 of user 1000
 * in a user namespace of its own (rootless, host net; a foreign overlay not measured yet) with a
 * child user namespace that only its parent link keeps; 400, a Go program with a thread in another
 * net namespace. Net namespaces without processes: one bind mounted at /run/netns/blue, one held by
 * an fd of 100, one by a socket of 100. The user namespace limit of user 1000 is nearly reached.
 */
#define FAKE_WEB_ID	     "5f0c3f6f2b1e4d5a9c8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e2d1c0b9a8f7e6d"
#define FAKE_WEB_CGROUP	     "/system.slice/docker-" FAKE_WEB_ID ".scope"
#define FAKE_ROOTLESS_CGROUP "/user.slice/user-1000.slice/user@1000.service"
#define FAKE_GO_CGROUP	     "/system.slice/cni.service"
#define FAKE_NOW_NS	     UINT64_C(1000000000000000) /* CLOCK_BOOTTIME of the inventory */

/* Inodes of the machine's own namespaces: FAKE_HOST_NS + type. Others are FAKE_OWN_NS + n. */
#define FAKE_HOST_NS	      UINT64_C(4026531830)
#define FAKE_OWN_NS	      UINT64_C(4026532200)
#define FAKE_WEB_OVERLAY      ((dev_t)57) /* 0:57 */
#define FAKE_ROOTLESS_OVERLAY ((dev_t)61) /* 0:61 */

/* All parts. The caller owns the reference. */
struct inventory *fake_inventory(void);
/* The cgroups of the scene, for fake_tree(). */
extern const char *const fake_inventory_paths[];
extern const uint32_t fake_inventory_n_paths;
