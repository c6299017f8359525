// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/containers.h"
#include "core/cleanup.h"

#define ID	   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID63	   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
#define UPPER	   "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD_UID	   "4f9c1e52_7b0a_4d3e_9c55_0a1b2c3d4e5f"
#define POD_DASHES "4f9c1e52-7b0a-4d3e-9c55-0a1b2c3d4e5f"
#define STATIC_UID "0123456789abcdef0123456789abcdef"

struct form {
	const char *path;
	enum node_kind kind;
	const char *unit, *id, *runtime;
};

/* The node of a path as the walker makes it: every ancestor classified first. */
static struct node *classify(const char *path)
{
	struct node *parent = node_new("/", 0, 1);
	uint32_t depth = 0;

	assert_int_equal(container_classify(parent, NULL), 0);
	assert_int_equal(parent->kind, NODE_ROOT);
	for (const char *at = path + 1; at[-1] && *at;) {
		const char *end = at + strcspn(at, "/");
		char *prefix = strndup(path, (size_t)(end - path));
		struct node *node = node_new(prefix, ++depth, 1);

		assert_int_equal(container_classify(node, parent), 0);
		node_unref(parent);
		free(prefix);
		parent = node;
		at = *end ? end + 1 : end;
	}
	return parent;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static const char *shown(const char *text)
{
	return text ? text : "none";
}

static void check(const struct form *forms, size_t n)
{
	unsigned int faults = 0;

	for (size_t i = 0; i < n; i++) {
		struct node *node = classify(forms[i].path);

		if (node->kind != forms[i].kind || !same(node->unit, forms[i].unit) ||
		    !same(node->container_id, forms[i].id) ||
		    !same(node->runtime, forms[i].runtime)) {
			print_error(
				"%s: %s, unit %s, container %s of %s; wanted %s, %s, %s of %s\n",
				forms[i].path, node_kind_name(node->kind), shown(node->unit),
				shown(node->container_id), shown(node->runtime),
				node_kind_name(forms[i].kind), shown(forms[i].unit),
				shown(forms[i].id), shown(forms[i].runtime));
			faults++;
		}
		node_unref(node);
	}
	assert_int_equal(faults, 0);
}

static void test_systemd(void **state)
{
	static const struct form forms[] = {
		{ "/", NODE_ROOT },
		{ "/system.slice", NODE_SLICE, "system.slice" },
		{ "/system.slice/web.service", NODE_SERVICE, "web.service" },
		{ "/system.slice/web.service/worker", NODE_CGROUP, "web.service" },
		{ "/system.slice/getty@tty1.service", NODE_SERVICE, "getty@tty1.service" },
		{ "/system.slice/tmp.mount", NODE_UNIT, "tmp.mount" },
		{ "/system.slice/a.socket", NODE_UNIT, "a.socket" },
		{ "/system.slice/dev-sda2.swap", NODE_UNIT, "dev-sda2.swap" },
		{ "/init.scope", NODE_SCOPE, "init.scope" },
		{ "/user.slice", NODE_SLICE, "user.slice" },
		{ "/user.slice/user-1000.slice", NODE_USER, "user-1000.slice" },
		{ "/user.slice/user-1000.slice/user@1000.service", NODE_USER, "user@1000.service" },
		{ "/user.slice/user-1000.slice/session-3.scope", NODE_SCOPE, "session-3.scope" },
		{ "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", NODE_SERVICE,
		  "x.service" },
		{ "/system.slice/_cpu.service", NODE_SERVICE, "cpu.service" },
		{ "/system.slice/dev-disk-by\\x2duuid-1.swap", NODE_UNIT,
		  "dev-disk-by\\x2duuid-1.swap" },
		{ "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", NODE_SCOPE,
		  "machine-qemu\\x2d1\\x2dvm.scope" },
		{ "/machine.slice/machine-.scope", NODE_SCOPE, "machine-.scope" },
		/* Near misses. */
		{ "/slice", NODE_CGROUP },
		{ "/.slice", NODE_CGROUP },
		{ "/.service", NODE_CGROUP },
		{ "/web.service.d", NODE_CGROUP },
		{ "/a.timer", NODE_CGROUP },
		{ "/user.slice/user-.slice", NODE_SLICE, "user-.slice" },
		{ "/user.slice/user-10x.slice", NODE_SLICE, "user-10x.slice" },
		{ "/user.slice/user-1000-a.slice", NODE_SLICE, "user-1000-a.slice" },
		{ "/user@1000.serviceX", NODE_CGROUP },
		{ "/batch", NODE_CGROUP },
	};

	(void)state;
	check(forms, ARRAY_SIZE(forms));
}

static void test_engines(void **state)
{
	static const struct form forms[] = {
		{ "/docker", NODE_CGROUP },
		{ "/docker/" ID, NODE_CONTAINER, NULL, ID, "docker" },
		{ "/docker/" ID "/init", NODE_CGROUP, NULL, ID, "docker" },
		{ "/actions_job/" ID, NODE_CONTAINER, NULL, ID, "docker" },
		{ "/system.slice/docker-" ID ".scope", NODE_CONTAINER, "docker-" ID ".scope", ID,
		  "docker" },
		{ "/system.slice/docker-" ID ".scope/init.scope", NODE_SCOPE, "init.scope", ID,
		  "docker" },
		{ "/k/cri-containerd-" ID ".scope", NODE_CONTAINER, "cri-containerd-" ID ".scope",
		  ID, "containerd" },
		{ "/k/containerd-" ID ".scope", NODE_CONTAINER, "containerd-" ID ".scope", ID,
		  "containerd" },
		{ "/user.slice/nerdctl-" ID ".scope", NODE_CONTAINER, "nerdctl-" ID ".scope", ID,
		  "containerd" },
		{ "/k/crio-" ID ".scope", NODE_CONTAINER, "crio-" ID ".scope", ID, "cri-o" },
		{ "/machine.slice/libpod-" ID ".scope", NODE_CONTAINER, "libpod-" ID ".scope", ID,
		  "podman" },
		{ "/machine.slice/libpod-" ID ".scope/container", NODE_CGROUP,
		  "libpod-" ID ".scope", ID, "podman" },
		{ "/libpod_parent/libpod-" ID, NODE_CONTAINER, NULL, ID, "podman" },
		{ "/libpod_parent/" ID, NODE_CONTAINER, NULL, ID, "podman" },
		{ "/machine.slice/buildah-" ID ".scope", NODE_CONTAINER, "buildah-" ID ".scope", ID,
		  "buildah" },
		{ "/ecs/task/" ID, NODE_CONTAINER, NULL, ID, "oci" },
		{ "/lxc/c1", NODE_CONTAINER, NULL, "c1", "lxc" },
		{ "/lxc/c1/system.slice/a.service", NODE_SERVICE, "a.service", "c1", "lxc" },
		{ "/lxc.payload.c1", NODE_CONTAINER, NULL, "c1", "lxc" },
		{ "/lxc.payload.c1/init.scope", NODE_SCOPE, "init.scope", "c1", "lxc" },
		{ "/machine.slice/systemd-nspawn@deb.service", NODE_CONTAINER,
		  "systemd-nspawn@deb.service", "deb", "systemd-nspawn" },
		{ "/machine.slice/systemd-nspawn@deb.service/payload", NODE_CGROUP,
		  "systemd-nspawn@deb.service", "deb", "systemd-nspawn" },
		{ "/machine.slice/machine-deb.scope", NODE_CONTAINER, "machine-deb.scope", "deb",
		  "systemd-nspawn" },
		{ "/machine.slice/machine-my\\x2dbox.scope/payload", NODE_CGROUP,
		  "machine-my\\x2dbox.scope", "my-box", "systemd-nspawn" },
		{ "/machine.slice/machine-lxc\\x2d12\\x2dweb.scope", NODE_CONTAINER,
		  "machine-lxc\\x2d12\\x2dweb.scope", "lxc-12-web", "libvirt-lxc" },
		{ "/machine.slice/systemd-nspawn@my\\x2dbox.service", NODE_CONTAINER,
		  "systemd-nspawn@my\\x2dbox.service", "my-box", "systemd-nspawn" },
		{ "/lxc.payload/c1", NODE_CONTAINER, NULL, "c1", "lxc" },
		{ "/lxc/c1/lxc/c2", NODE_CONTAINER, NULL, "c2", "lxc" },
		{ "/lxc.payload.c1/lxc.payload.c2", NODE_CONTAINER, NULL, "c2", "lxc" },
		{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
		  ".scope/container",
		  NODE_CGROUP, "libpod-" ID ".scope", ID, "podman" },
		{ "/system.slice/web.service/libpod-payload-" ID, NODE_CONTAINER, "web.service", ID,
		  "podman" },
		{ "/machine.slice/machine-libpod_pod_" ID ".slice", NODE_POD,
		  "machine-libpod_pod_" ID ".slice" },
		{ "/libpod_parent/libpod_pod_" ID, NODE_POD },
		{ "/nomad.slice/share.slice/" POD_DASHES ".web.scope", NODE_CONTAINER,
		  POD_DASHES ".web.scope", POD_DASHES ".web", "nomad" },
		{ "/nomad/" POD_DASHES ".web", NODE_CONTAINER, NULL, POD_DASHES ".web", "nomad" },
		{ "/garden/0b1a2c3d-4e5f-6071-8293-a4b5", NODE_CONTAINER, NULL,
		  "0b1a2c3d-4e5f-6071-8293-a4b5", "garden" },
		{ "/system.slice/gdn.service/garden/bad/" POD_DASHES, NODE_CONTAINER, "gdn.service",
		  POD_DASHES, "garden" },
		{ "/docker/buildkit/wvn6k2nccfa3x1cefhofksd51", NODE_CONTAINER, NULL,
		  "wvn6k2nccfa3x1cefhofksd51", "buildkit" },
		{ "/ecs/0123456789abcdef0123456789abcdef/"
		  "0123456789abcdef0123456789abcdef-3061012345",
		  NODE_CONTAINER, NULL, "0123456789abcdef0123456789abcdef-3061012345", "ecs" },
		{ "/system.slice/containerd.service/kubepods-burstable-pod" POD_UID
		  ".slice:cri-containerd:" ID,
		  NODE_CONTAINER, "containerd.service", ID, "containerd" },
		{ "/system.slice:docker:" ID, NODE_CONTAINER, NULL, ID, "docker" },
		/* Docker in Docker of a CI runner. */
		{ "/actions_job/" ID "/docker/f" ID63, NODE_CONTAINER, NULL, "f" ID63, "docker" },
		/* A container in a container: the inner one counts. */
		{ "/docker/" ID "/docker/f" ID63, NODE_CONTAINER, NULL, "f" ID63, "docker" },
	};

	(void)state;
	check(forms, ARRAY_SIZE(forms));
}

static void test_kubernetes(void **state)
{
	static const struct form forms[] = {
		{ "/kubepods.slice", NODE_SLICE, "kubepods.slice" },
		{ "/kubepods.slice/kubepods-burstable.slice", NODE_SLICE,
		  "kubepods-burstable.slice" },
		{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_UID
		  ".slice",
		  NODE_POD, "kubepods-burstable-pod" POD_UID ".slice" },
		{ "/kubepods.slice/kubepods-pod" POD_UID ".slice", NODE_POD,
		  "kubepods-pod" POD_UID ".slice" },
		{ "/kubepods.slice/kubepods-pod" POD_UID ".slice/cri-containerd-" ID ".scope",
		  NODE_CONTAINER, "cri-containerd-" ID ".scope", ID, "containerd" },
		{ "/kubepods", NODE_CGROUP },
		{ "/kubepods/besteffort", NODE_CGROUP },
		{ "/kubepods/besteffort/pod" POD_DASHES, NODE_POD },
		{ "/kubepods/pod" POD_DASHES "/" ID, NODE_CONTAINER, NULL, ID, "kubernetes" },
		{ "/kubepods/burstable/pod" POD_DASHES "/crio-" ID, NODE_CONTAINER, NULL, ID,
		  "cri-o" },
		{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" POD_UID
		  ".slice/crio-" ID ".scope",
		  NODE_CONTAINER, "crio-" ID ".scope", ID, "cri-o" },
		{ "/kubepods/burstable/pod" STATIC_UID, NODE_POD },
		{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" STATIC_UID
		  ".slice",
		  NODE_POD, "kubepods-burstable-pod" STATIC_UID ".slice" },
		{ "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" POD_UID ".slice",
		  NODE_POD, "kubelet-kubepods-pod" POD_UID ".slice" },
		{ "/kubelet/kubepods/besteffort/pod" POD_DASHES, NODE_POD },
		{ "/kubepods/pod" POD_DASHES "/volume", NODE_CGROUP },
		/* Near misses. */
		{ "/kubepods.slice/kubepods-burstable-pod12.slice", NODE_SLICE,
		  "kubepods-burstable-pod12.slice" },
		{ "/kubepods/pod" POD_UID, NODE_CGROUP },
		{ "/batch/pod" POD_DASHES, NODE_CGROUP },
		{ "/kubepods/podium", NODE_CGROUP },
	};

	(void)state;
	check(forms, ARRAY_SIZE(forms));
}

static void test_near_misses(void **state)
{
	static const struct form forms[] = {
		{ "/docker/" ID63, NODE_CGROUP },
		{ "/docker/" ID "0", NODE_CGROUP },
		{ "/docker/" UPPER, NODE_CGROUP },
		{ "/docker/g" ID63, NODE_CGROUP },
		{ "/docker/" ID63 "/" ID63, NODE_CGROUP },
		{ "/system.slice/docker-" ID63 ".scope", NODE_SCOPE, "docker-" ID63 ".scope" },
		{ "/system.slice/docker-" ID ".service", NODE_SERVICE, "docker-" ID ".service" },
		{ "/system.slice/docker-" ID ".scope.x", NODE_CGROUP, "system.slice" },
		{ "/system.slice/docker-" UPPER ".scope", NODE_SCOPE, "docker-" UPPER ".scope" },
		{ "/system.slice/docker.service", NODE_SERVICE, "docker.service" },
		{ "/system.slice/mydocker-" ID ".scope", NODE_SCOPE, "mydocker-" ID ".scope" },
		/* The monitors of a container are not the container. */
		{ "/machine.slice/libpod-conmon-" ID ".scope", NODE_SCOPE,
		  "libpod-conmon-" ID ".scope" },
		{ "/k/crio-conmon-" ID ".scope", NODE_SCOPE, "crio-conmon-" ID ".scope" },
		{ "/lxc.monitor.c1", NODE_CGROUP },
		{ "/lxc.payload.", NODE_CGROUP },
		{ "/nomad.slice/web.scope", NODE_SCOPE, "web.scope" },
		{ "/batch/" POD_DASHES ".web", NODE_CGROUP },
		{ "/garden/tools", NODE_CGROUP },
		{ "/docker/buildkit/WVN6k2nccfa3x1cefhofksd51", NODE_CGROUP },
		{ "/a.slice:docker:" ID63, NODE_CGROUP },
		{ "/a.slice:mydocker:" ID, NODE_CGROUP },
		{ "/batch/lxc/c1", NODE_CGROUP },
		{ "/lxc.payload", NODE_CGROUP },
		{ "/lxcfs/c1", NODE_CGROUP },
		{ "/lxc", NODE_CGROUP },
		{ "/machine.slice/systemd-nspawn@.service", NODE_SERVICE,
		  "systemd-nspawn@.service" },
		{ "/machine.slice/systemd-nspawn@deb", NODE_CGROUP, "machine.slice" },
		{ "/system.slice/containerd.service", NODE_SERVICE, "containerd.service" },
	};

	(void)state;
	check(forms, ARRAY_SIZE(forms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_systemd),
		cmocka_unit_test(test_engines),
		cmocka_unit_test(test_kubernetes),
		cmocka_unit_test(test_near_misses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
