// SPDX-License-Identifier: MIT
/*
 * State of the other runtimes by hand, after the sources of podman 4 and containers/storage 1.12 to
 * 1.59, CRI-O 1.20 to 1.34, LXC 2 to 6, systemd 240 to 257, kubelet 1.14 and later, and containerd
 * 1.4 to 2 with nerdctl 1 and 2 (annotations only; its databases: test_runtime_containerd.c).
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "state_tree.h"

#define ONE	HEX("a1")
#define TWO	HEX("b2")
#define POD	HEX("c3")
#define LAYER	HEX("d4")
#define BASE	HEX("e5")
#define LOST	HEX("f6")
#define POD_UID "4f9c1e52-7b0a-4d3e-9c55-0a1b2c3d4e5f"
#define GRAPH	"/var/lib/containers/storage"
#define RUN	"/run/containers/storage"
#define OLD	7200

static void put_store(const struct state_tree *tree, const char *graph)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/overlay-containers/containers.json", graph);
	tree_put(tree, path,
		 "[{\"id\":\"" ONE "\",\"names\":[\"web\"],\"image\":\"0123\",\"layer\":\"" LAYER
		 "\",\"metadata\":\"{\\\"image-name\\\":\\\"docker.io/library/nginx:1\\\","
		 "\\\"name\\\":\\\"web\\\"}\"}]");
	(void)snprintf(path, sizeof(path), "%s/overlay-layers/layers.json", graph);
	tree_put(tree, path,
		 "[{\"id\":\"" BASE "\"},{\"id\":\"" LAYER "\",\"parent\":\"" BASE "\"}]");
	(void)snprintf(path, sizeof(path), "%s/overlay/" BASE "/link", graph);
	tree_put(tree, path, "BASE");
	(void)snprintf(path, sizeof(path), "%s/overlay/" LAYER "/lower", graph);
	tree_put(tree, path, "l/BASE");
	(void)snprintf(path, sizeof(path), "%s/overlay/l", graph);
	tree_dir(tree, path);
}

static void test_podman(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;

	put_store(tree, GRAPH);
	tree_put(tree, RUN "/overlay-containers/" ONE "/userdata/pidfile", "300");
	tree_put(tree, "/proc/300/cgroup", "0::/machine.slice/libpod-" ONE ".scope/container\n");
	set = tree_scan(tree, false);
	assert_int_equal(set->n, 1);
	assert_text(set->list[0].id, ONE);
	assert_text(set->list[0].runtime, "podman");
	assert_text(set->list[0].name, "web");
	assert_text(set->list[0].image, "docker.io/library/nginx:1");
	assert_text(set->list[0].image_id, "0123");
	assert_text(set->list[0].state, "running");
	assert_text(set->list[0].mount, GRAPH "/overlay/" LAYER "/merged");
	assert_text(set->list[0].upper, GRAPH "/overlay/" LAYER "/diff");
	assert_int_equal(set->list[0].pid, 300);
	assert_int_equal(set->n_drivers, 1);
	assert_text(set->drivers[0].runtime, "podman");
	assert_text(set->drivers[0].driver, "overlay");
	assert_text(set->drivers[0].fstype, "ext4");
	assert_text(set->drivers[0].note, NULL);
	assert_false(set->drivers[0].project_quota);
	assert_int_equal(set->drivers[0].n_layers, 2);
	assert_int_equal(set->drivers[0].n_containers, 1);
	containers_unref(set);
	/* The process ends: seen although no file changed. */
	tree_remove(tree, "/proc/300");
	set = tree_scan(tree, false);
	assert_int_equal(set->list[0].pid, 0);
	assert_text(set->list[0].state, NULL);
	containers_unref(set);
}

static void test_storage_conf(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;

	tree_put(tree, "/usr/share/containers/storage.conf", "[storage]\ngraphroot = \"/wrong\"\n");
	tree_put(tree, "/etc/containers/storage.conf",
		 "# graphroot = \"/wrong\"\ngraphroot = \"/wrong\"\n[storage]\ndriver = 'overlay'\n"
		 "  graphroot=\"/srv/graph\" # a comment\n[storage.options]\n"
		 "graphroot = \"/wrong\"\n");
	put_store(tree, "/srv/graph");
	tree_put(tree, "/srv/graph/overlay/.has-mount-program", "true");
	set = tree_scan(tree, false);
	assert_int_equal(set->n, 1);
	assert_int_equal(set->n_drivers, 1);
	assert_text(set->drivers[0].root, "/srv/graph");
	assert_text(set->drivers[0].note, "mounted by a program (fuse-overlayfs)");
	containers_unref(set);
}

static void test_crio(void **state)
{
	struct state_tree *tree = *state;
	const struct container *one, *pod;
	struct containers *set;

	put_store(tree, GRAPH);
	tree_put(tree, GRAPH "/overlay-containers/volatile-containers.json",
		 "[{\"id\":\"" TWO "\",\"names\":[\"k8s_web_web-0_shop_u_0\"],\"layer\":\"" LAYER
		 "\",\"metadata\":\"{\\\"pod-name\\\":\\\"k8s_web-0_shop_u_0\\\",\\\"pod-id\\\":"
		 "\\\"" POD "\\\",\\\"image-name\\\":\\\"nginx:1\\\",\\\"metadata-name\\\":"
		 "\\\"web\\\"}\"},"
		 "{\"id\":\"" POD "\",\"metadata\":\"{\\\"pod-id\\\":\\\"" POD "\\\","
		 "\\\"metadata-name\\\":\\\"web-0\\\",\\\"namespace\\\":\\\"shop\\\","
		 "\\\"uid\\\":\\\"" POD_UID "\\\"}\"},"
		 "{\"id\":\"" LOST "\",\"metadata\":\"not json\"}, 12, null, {\"id\":[]}]");
	set = tree_scan(tree, false);
	assert_int_equal(set->n, 4);
	one = containers_find(set, TWO);
	pod = containers_find(set, POD);
	assert_text(one->runtime, "cri-o");
	assert_text(one->name, "web");
	assert_text(one->image, "nginx:1");
	assert_text(one->pod, "web-0");
	assert_text(one->pod_namespace, "shop");
	assert_text(one->pod_uid, POD_UID);
	assert_text(pod->runtime, "cri-o");
	assert_text(pod->name, "POD");
	assert_text(pod->upper, NULL);
	assert_text(containers_find(set, LOST)->name, NULL);
	containers_unref(set);
}

static void check_orphan(struct state_tree *tree, enum orphan_reason reason, const char *path)
{
	struct containers *set = tree_scan(tree, true);

	if (path && set->n_orphans == 1) {
		assert_string_equal(set->orphans[0].path, path);
		assert_int_equal(set->orphans[0].reason, reason);
		assert_text(set->orphans[0].runtime, "podman");
	}
	assert_int_equal(set->n_orphans, path ? 1 : 0);
	containers_unref(set);
}

static void test_storage_orphans(void **state)
{
	struct state_tree *tree = *state;

	put_store(tree, GRAPH);
	check_orphan(tree, 0, NULL);
	tree_put(tree, GRAPH "/overlay/" LOST "/link", "LOST");
	check_orphan(tree, 0, NULL); /* young */
	tree_age(tree, GRAPH "/overlay/" LOST, OLD);
	check_orphan(tree, ORPHAN_NO_RECORD, GRAPH "/overlay/" LOST);
	tree_mount(tree, NULL, GRAPH "/overlay/l/LOST");
	check_orphan(tree, 0, NULL);
	tree->overlays->n = 0;
	tree_mount(tree, GRAPH "/overlay/" LOST "/diff", NULL);
	check_orphan(tree, ORPHAN_MOUNTED, GRAPH "/overlay/" LOST);
	tree->overlays->n = 0;
	/* The list of a transient store, below the run root, names it. */
	tree_put(tree, RUN "/overlay-layers/volatile-layers.json", "[{\"id\":\"" LOST "\"}]");
	runtime_scanner_free(tree->scanner);
	tree->scanner = NULL;
	check_orphan(tree, 0, NULL);
	tree_remove(tree, RUN "/overlay-layers");
	/* A list that makes no sense: nothing is said. */
	tree_put(tree, GRAPH "/overlay-layers/volatile-layers.json", "{\"cut");
	check_orphan(tree, 0, NULL);
	tree_put(tree, GRAPH "/overlay-layers/volatile-layers.json", "");
	check_orphan(tree, ORPHAN_NO_RECORD, GRAPH "/overlay/" LOST);
	tree_remove(tree, GRAPH "/overlay/" LOST);
	/* Records without layers; one that is being made has none yet. */
	tree_put(tree, GRAPH "/overlay-layers/volatile-layers.json",
		 "[{\"id\":\"" TWO "\"},{\"id\":\"" POD "\",\"flags\":{\"incomplete\":true}}]");
	check_orphan(tree, ORPHAN_NO_LAYER, GRAPH "/overlay/" TWO);
	tree_put(tree, GRAPH "/overlay-layers/volatile-layers.json", "[]");
	tree_put(tree, GRAPH "/overlay-containers/volatile-containers.json",
		 "[{\"id\":\"" TWO "\",\"layer\":\"" LOST "\"}]");
	check_orphan(tree, ORPHAN_NO_LAYER, GRAPH "/overlay-containers/" TWO);
}

static void test_lxc(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;

	tree_put(tree, "/var/lib/lxc/c1/config",
		 "# comment\nlxc.uts.name = c1\nlxc.rootfs.path = dir:/var/lib/lxc/c1/rootfs\n");
	tree_put(tree, "/var/lib/lxc/c2/config",
		 "lxc.rootfs = overlayfs:/var/lib/lxc/c1/rootfs:/var/lib/lxc/c2/delta0\n");
	tree_put(tree, "/var/lib/lxc/c3/config", "");
	tree_dir(tree, "/var/lib/lxc/c4");
	set = tree_scan(tree, false);
	assert_int_equal(set->n, 3);
	assert_text(set->list[0].id, "c1");
	assert_text(set->list[0].runtime, "lxc");
	assert_text(set->list[0].mount, "/var/lib/lxc/c1/rootfs");
	assert_text(set->list[1].upper, "/var/lib/lxc/c2/delta0");
	assert_text(set->list[1].mount, NULL);
	assert_text(set->list[2].name, "c3");
	containers_unref(set);
	tree_put(tree, "/etc/lxc/lxc.conf", "lxc.lxcpath = /srv/lxc\n");
	tree_put(tree, "/srv/lxc/c9/config", "lxc.rootfs.path = /srv/c9\n");
	set = tree_scan(tree, false);
	assert_int_equal(set->n, 1);
	assert_text(set->list[0].mount, "/srv/c9");
	containers_unref(set);
}

static void test_nspawn(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;

	tree_put(tree, "/run/systemd/machines/deb",
		 "# This is private data. Do not parse.\nNAME=deb\nSCOPE=machine-deb.scope\n"
		 "SERVICE=systemd-nspawn\nROOT=/var/lib/machines/"
		 "deb\nLEADER=400\nCLASS=container\n");
	tree_put(tree, "/run/systemd/machines/vm",
		 "NAME=vm\nSCOPE=machine-qemu.scope\nLEADER=400\nCLASS=vm\n");
	tree_link(tree, "/run/systemd/machines/unit:machine-deb.scope", "deb");
	tree_put(tree, "/proc/400/cgroup", "0::/machine.slice/machine-deb.scope/payload\n");
	/* An LXC container of the same name is another one. */
	tree_put(tree, "/var/lib/lxc/deb/config", "lxc.rootfs.path = /var/lib/lxc/deb/rootfs\n");
	set = tree_scan(tree, false);
	assert_int_equal(set->n, 2);
	for (uint32_t i = 0; i < 2; i++) {
		const struct container *container = &set->list[i];

		assert_text(container->id, "deb");
		if (strcmp(container->runtime, "lxc") == 0)
			continue;
		assert_text(container->runtime, "systemd-nspawn");
		assert_text(container->mount, "/var/lib/machines/deb");
		assert_text(container->state, "running");
		assert_int_equal(container->pid, 400);
	}
	containers_unref(set);
}

static void test_kubernetes_links(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;
	static const char *const nonsense[] = {
		"web-0_shop_web-" HEX("g0") ".log",
		"_" ONE ".log",
		"web-0_shop_-" ONE ".log",
		"web-0-" ONE ".log",
		ONE ".log",
		"x.log",
	};
	char path[512];

	tree_dir(tree, "/var/log/containers");
	tree_link(tree, "/var/log/containers/web-0_shop_web-" ONE ".log",
		  "/var/log/pods/shop_web-0_" POD_UID "/web/0.log");
	tree_link(tree, "/var/log/containers/db-0_shop_my-db-" TWO ".log", "/elsewhere");
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		(void)snprintf(path, sizeof(path), "/var/log/containers/%s", nonsense[i]);
		tree_link(tree, path, "/var/log/pods/a_b_c/web/0.log");
	}
	/* The runtime knows one of them, and less. */
	tree_put(tree, "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ONE "/config.json",
		 "{\"root\":{\"path\":\"rootfs\"}}");
	set = tree_scan(tree, false);
	assert_int_equal(set->n, 2);
	assert_text(set->list[0].id, ONE);
	assert_text(set->list[0].runtime, "containerd");
	assert_text(set->list[0].name, "web");
	assert_text(set->list[0].pod, "web-0");
	assert_text(set->list[0].pod_namespace, "shop");
	assert_text(set->list[0].pod_uid, POD_UID);
	assert_text(set->list[1].runtime, "kubernetes");
	assert_text(set->list[1].name, "my-db");
	assert_text(set->list[1].pod_uid, NULL);
	containers_unref(set);
}

static void test_containerd_tasks(void **state)
{
	static const char bundle[] = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ONE;
	struct state_tree *tree = *state;
	struct containers *set;
	const struct container *one;
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/config.json", bundle);
	tree_put(tree, path,
		 "{\"root\":{\"path\":\"rootfs\"},\"annotations\":{"
		 "\"io.kubernetes.cri.container-type\":\"container\","
		 "\"io.kubernetes.cri.container-name\":\"web\","
		 "\"io.kubernetes.cri.image-name\":\"nginx:1\","
		 "\"io.kubernetes.cri.sandbox-name\":\"web-0\","
		 "\"io.kubernetes.cri.sandbox-namespace\":\"shop\","
		 "\"io.kubernetes.cri.sandbox-uid\":\"" POD_UID "\"}}");
	(void)snprintf(path, sizeof(path), "%s/init.pid", bundle);
	tree_put(tree, path, "500");
	tree_put(tree, "/proc/500/cgroup", "0::/kubepods.slice/cri-containerd-" ONE ".scope\n");
	tree_put(tree, "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" POD "/config.json",
		 "{\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\"}}");
	tree_put(tree, "/run/containerd/io.containerd.runtime.v2.task/default/c/config.json",
		 "{\"root\":{\"path\":\"/abs/rootfs\"},\"annotations\":{\"nerdctl/name\":\"n\"}}");
	tree_put(tree, "/run/containerd/io.containerd.runtime.v2.task/default/bad/config.json",
		 "{");
	set = tree_scan(tree, false);
	assert_int_equal(set->n, 3);
	one = containers_find(set, ONE);
	assert_text(one->name, "web");
	assert_text(one->image, "nginx:1");
	assert_text(one->pod, "web-0");
	assert_text(one->pod_namespace, "shop");
	assert_text(one->pod_uid, POD_UID);
	assert_text(one->state, "running");
	assert_int_equal(one->pid, 500);
	(void)snprintf(path, sizeof(path), "%s/rootfs", bundle);
	assert_text(one->mount, path);
	assert_text(containers_find(set, POD)->name, "POD");
	assert_text(containers_find(set, "c")->name, "n");
	assert_text(containers_find(set, "c")->mount, "/abs/rootfs");
	assert_int_equal(set->n_drivers, 0);
	containers_unref(set);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_podman),
		TEST(test_storage_conf),
		TEST(test_crio),
		TEST(test_storage_orphans),
		TEST(test_lxc),
		TEST(test_nspawn),
		TEST(test_kubernetes_links),
		TEST(test_containerd_tasks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
