// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "collectors/overlay_owner.h"
#include "core/cleanup.h"

#define ID1 "1111111111111111111111111111111111111111111111111111111111111111"
#define ID2 "2222222222222222222222222222222222222222222222222222222222222222"

static struct container known[] = {
	{ .id = ID1, .runtime = "podman", .mount = "/var/lib/containers/storage/overlay/x/merged" },
	{ .id = ID2, .runtime = "cri-o", .upper = "/var/lib/containers/storage/overlay/y/diff" },
};

static const struct {
	const char *mountpoint, *upper, *cgroups[3];
	const char *id, *runtime;
} cases[] = {
	/* By the runtime's state. */
	{ .mountpoint = "/var/lib/containers/storage/overlay/x/merged",
	  .id = ID1,
	  .runtime = "podman" },
	{ .mountpoint = "/",
	  .upper = "/var/lib/containers/storage/overlay/y/diff",
	  .id = ID2,
	  .runtime = "cri-o" },
	/* The state wins over a cgroup: somebody may have gone in from elsewhere. */
	{ .mountpoint = "/var/lib/containers/storage/overlay/x/merged",
	  .cgroups = { "/docker/" ID2 },
	  .id = ID1,
	  .runtime = "podman" },
	/* By cgroup: the first user that is in a container at all, the innermost one. */
	{ .mountpoint = "/m",
	  .cgroups = { "/system.slice/ssh.service", NULL, "/docker/" ID2 },
	  .id = ID2,
	  .runtime = "cri-o" /* as the state has it */ },
	{ .mountpoint = "/m",
	  .cgroups = { "/docker/" ID1 "/docker/3333333333333333333333333333333333333333333333333333"
		       "333333333333" },
	  .id = "3333333333333333333333333333333333333333333333333333333333333333",
	  .runtime = "docker" },
	{ .mountpoint = "/m",
	  .cgroups = { "/lxc.payload.web/init.scope" },
	  .id = "web",
	  .runtime = "lxc" },
	{ .mountpoint = "/m", .cgroups = { "/", "", "/a/b/c" } },
	/* By path. */
	{ .mountpoint = "/var/lib/docker/rootfs/overlayfs/" ID1, .id = ID1, .runtime = "docker" },
	{ .mountpoint = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID1 "/rootfs",
	  .id = ID1,
	  .runtime = "containerd" },
	{ .mountpoint = "/run/k3s/containerd/io.containerd.runtime.v2.task/default/web/rootfs",
	  .id = "web",
	  .runtime = "containerd" },
	{ .mountpoint = "/run/containerd/io.containerd.runtime.v2.task/moby/" ID1 "/rootfs",
	  .id = ID1,
	  .runtime = "docker" },
	{ .mountpoint = "/mnt", .upper = "/var/lib/lxc/web/delta0", .id = "web", .runtime = "lxc" },
	/* None: no id, no container; layers of graph drivers are no containers. */
	{ .mountpoint = "/var/lib/docker/rootfs/overlayfs/short" },
	{ .mountpoint = "/var/lib/docker/rootfs/overlayfs" },
	{ .mountpoint = "/var/lib/docker/overlay2/" ID1 "/merged" },
	{ .mountpoint = "/run/containerd/io.containerd.runtime.v2.task/default/" },
	{ .mountpoint = "/var/lib/lxc/" },
	{ .mountpoint = "/" },
};

static void test_find(void **state)
{
	struct containers set = { .list = known, .n = ARRAY_SIZE(known) };
	struct overlay_owners *owners;

	(void)state;
	assert_int_equal(overlay_owners_new(&set, &owners), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct overlay_mount mount = { .mountpoint = cases[i].mountpoint };
		struct overlay_layer layer = { .kind = OVERLAY_UPPER,
					       .path = "x",
					       .resolved = cases[i].upper };
		struct overlay overlay = {
			.mounts = &mount, .n_mounts = 1, .layers = &layer, .n_layers = 1
		};
		struct arena arena;

		arena_init(&arena);
		assert_int_equal(overlay_owners_find(owners, cases[i].cgroups,
						     ARRAY_SIZE(cases[i].cgroups), &arena,
						     &overlay),
				 0);
		if (!cases[i].id != !overlay.container_id ||
		    (cases[i].id && (strcmp(cases[i].id, overlay.container_id) != 0 ||
				     strcmp(cases[i].runtime, overlay.runtime) != 0)))
			fail_msg("case %zu: %s of %s", i,
				 overlay.container_id ? overlay.container_id : "none",
				 overlay.runtime ? overlay.runtime : "nobody");
		arena_done(&arena);
	}
	overlay_owners_free(owners);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_find) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
