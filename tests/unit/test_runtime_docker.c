// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
/*
 * Docker's state as moby 20.10 (graph drivers) and 29 (containerd image store) write it, by hand:
 * daemon/container for config.v2.json, layer/filestore.go for layerdb, graphdriver/overlay2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collectors/runtime_private.h"
#include "state_tree.h"

#define WEB	HEX("a1")
#define DB	HEX("b2")
#define WEB_TOP HEX("c3")
#define DB_TOP	HEX("d4")
#define BASE	HEX("e5")
#define CHAIN	HEX("f6")
#define LOST	HEX("07")
#define ROOT	"/var/lib/docker"
#define LAYERS	ROOT "/overlay2/"
#define LAYERDB ROOT "/image/overlay2/layerdb/"
#define OLD	7200

static void put_config(const struct state_tree *tree, const char *id, const char *state,
		       const char *rest)
{
	char path[256], text[2048];

	(void)snprintf(path, sizeof(path), ROOT "/containers/%s/config.v2.json", id);
	(void)snprintf(text, sizeof(text),
		       "{\"ID\":\"%s\",\"State\":{%s},\"Driver\":\"overlay2\",%s}", id, state,
		       rest);
	tree_put(tree, path, text);
}

static void put_layer(const struct state_tree *tree, const char *id, const char *link,
		      const char *lower)
{
	char path[512], target[512];

	(void)snprintf(path, sizeof(path), LAYERS "%s/diff", id);
	tree_dir(tree, path);
	(void)snprintf(path, sizeof(path), LAYERS "%s/link", id);
	tree_put(tree, path, link);
	(void)snprintf(path, sizeof(path), LAYERS "%s/lower", id);
	if (lower)
		tree_put(tree, path, lower);
	tree_dir(tree, LAYERS "l");
	(void)snprintf(path, sizeof(path), LAYERS "l/%s", link);
	(void)snprintf(target, sizeof(target), "../%s/diff", id);
	tree_link(tree, path, target);
	tree_age(tree, path, OLD);
	(void)snprintf(path, sizeof(path), LAYERS "%s", id);
	tree_age(tree, path, OLD);
}

static void put_mount(const struct state_tree *tree, const char *container, const char *layer)
{
	char path[512], text[128];

	(void)snprintf(path, sizeof(path), LAYERDB "mounts/%s/mount-id", container);
	tree_put(tree, path, layer);
	(void)snprintf(path, sizeof(path), LAYERDB "mounts/%s/init-id", container);
	(void)snprintf(text, sizeof(text), "%s-init", layer);
	tree_put(tree, path, text);
	(void)snprintf(path, sizeof(path), LAYERDB "mounts/%s", container);
	tree_age(tree, path, OLD);
}

/* Two containers on one image. */
static void put_docker(const struct state_tree *tree)
{
	put_config(tree, WEB, "\"Running\":true,\"Pid\":200,\"StartedAt\":\"2024-01-01T00:00:00Z\"",
		   "\"Name\":\"/web\",\"Image\":\"sha256:0123\","
		   "\"Config\":{\"Image\":\"nginx:1.25\",\"Labels\":{"
		   "\"io.kubernetes.pod.name\":\"web-0\","
		   "\"io.kubernetes.pod.namespace\":\"shop\","
		   "\"io.kubernetes.pod.uid\":\"u-1\"}}");
	put_config(tree, DB, "\"Running\":false,\"Pid\":0,\"StartedAt\":\"0001-01-01T00:00:00Z\"",
		   "\"Name\":\"/db\",\"Config\":{\"Image\":\"db:1\"}");
	tree_put(tree, "/proc/200/cgroup", "0::/system.slice/docker-" WEB ".scope\n");
	tree_put(tree, LAYERDB "sha256/" CHAIN "/cache-id", BASE);
	tree_age(tree, LAYERDB "sha256/" CHAIN, OLD);
	put_mount(tree, WEB, WEB_TOP);
	put_mount(tree, DB, DB_TOP);
	put_layer(tree, BASE, "BASE", NULL);
	put_layer(tree, WEB_TOP "-init", "WEBINIT", "l/BASE");
	put_layer(tree, WEB_TOP, "WEBTOP", "l/WEBINIT:l/BASE");
	put_layer(tree, DB_TOP "-init", "DBINIT", "l/BASE");
	put_layer(tree, DB_TOP, "DBTOP", "l/DBINIT:l/BASE");
	tree_age(tree, ROOT "/containers/" WEB, OLD);
	tree_age(tree, ROOT "/containers/" DB, OLD);
}

static void test_containers(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;
	const struct container *web, *db;

	put_docker(tree);
	set = tree_scan(tree, false);
	assert_int_equal(set->n, 2);
	web = containers_find(set, WEB);
	db = containers_find(set, DB);
	assert_non_null(web);
	assert_non_null(db);
	assert_text(web->runtime, "docker");
	assert_text(web->name, "web");
	assert_text(web->image, "nginx:1.25");
	assert_text(web->image_id, "sha256:0123");
	assert_text(web->state, "running");
	assert_text(web->pod, "web-0");
	assert_text(web->pod_namespace, "shop");
	assert_text(web->pod_uid, "u-1");
	assert_int_equal(web->pid, 200);
	assert_text(web->mount, LAYERS WEB_TOP "/merged");
	assert_text(web->upper, LAYERS WEB_TOP "/diff");
	assert_text(web->source, ROOT "/containers/" WEB "/config.v2.json");
	assert_text(db->state, "created");
	assert_text(db->image_id, NULL);
	assert_int_equal(db->pid, 0);
	assert_int_equal(set->n_drivers, 1);
	assert_text(set->drivers[0].root, ROOT);
	assert_text(set->drivers[0].driver, "overlay2");
	assert_text(set->drivers[0].note, NULL);
	assert_text(set->drivers[0].fstype, "xfs");
	assert_true(set->drivers[0].project_quota);
	assert_true(set->drivers[0].d_type_known && set->drivers[0].d_type);
	assert_int_equal(set->drivers[0].n_layers, 5);
	assert_int_equal(set->drivers[0].n_containers, 2);
	containers_unref(set);
}

/* What did not change is not read again, and is told all the same. */
static void test_kept(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;
	uint64_t reads;

	put_docker(tree);
	tree_age(tree, ROOT "/containers/" WEB "/config.v2.json", OLD);
	containers_unref(tree_scan(tree, false));
	reads = tree->scanner->files.reads;
	tree_age(tree, ROOT "/containers/" DB "/config.v2.json", OLD);
	containers_unref(tree_scan(tree, false));
	assert_int_equal(tree->scanner->files.reads, reads + 1);
	set = tree_scan(tree, false);
	assert_int_equal(tree->scanner->files.reads, reads + 1);
	assert_int_equal(set->n, 2);
	assert_text(containers_find(set, WEB)->image, "nginx:1.25");
	containers_unref(set);
	assert_int_equal(tree->scanner->files.n, 2);
	tree_remove(tree, ROOT "/containers/" DB);
	containers_unref(tree_scan(tree, false));
	assert_int_equal(tree->scanner->files.n, 1);
}

static void check_state(struct state_tree *tree, const char *fields, const char *want)
{
	struct containers *set;

	put_config(tree, DB, fields, "\"Name\":\"/db\"");
	set = tree_scan(tree, false);
	assert_non_null(containers_find(set, DB));
	assert_text(containers_find(set, DB)->state, want);
	containers_unref(set);
}

/* Every change of a file is seen; a pid whose process is another container's is none. */
static void test_changes(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;

	put_docker(tree);
	containers_unref(tree_scan(tree, false));
	check_state(tree, "\"Running\":true,\"Paused\":true", "paused");
	check_state(tree, "\"Running\":true,\"Restarting\":true", "restarting");
	check_state(tree, "\"Running\":true", "running");
	check_state(tree, "\"RemovalInProgress\":true", "removing");
	check_state(tree, "\"Dead\":true", "dead");
	check_state(tree, "\"StartedAt\":\"2024-01-01T00:00:00Z\"", "exited");
	check_state(tree, "\"Running\":\"yes\"", "created");
	put_config(tree, DB, "\"Running\":true,\"Pid\":200", "\"Name\":\"/renamed\"");
	set = tree_scan(tree, false);
	assert_text(containers_find(set, DB)->name, "renamed");
	assert_int_equal(containers_find(set, DB)->pid, 0);
	assert_int_equal(containers_find(set, WEB)->pid, 200);
	containers_unref(set);
	tree_age(tree, ROOT "/containers/" WEB "/config.v2.json", 60);
	containers_unref(tree_scan(tree, false));
	/* Killed, and its number given to somebody else, while nobody wrote that down. */
	tree_put(tree, "/proc/200/cgroup", "0::/user.slice\n");
	set = tree_scan(tree, false);
	assert_int_equal(containers_find(set, WEB)->pid, 0);
	containers_unref(set);
	tree_remove(tree, ROOT "/containers/" DB);
	set = tree_scan(tree, false);
	assert_int_equal(set->n, 1);
	containers_unref(set);
}

static void test_hostile(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;
	char *deep = malloc(200001), full[1024];

	assert_non_null(deep);
	memset(deep, '[', 200000);
	deep[200000] = '\0';
	put_docker(tree);
	tree_put(tree, ROOT "/containers/" HEX("01") "/config.v2.json", "");
	tree_put(tree, ROOT "/containers/" HEX("02") "/config.v2.json", "[]");
	tree_put(tree, ROOT "/containers/" HEX("03") "/config.v2.json", "{\"ID\":12,\"Name\":[]}");
	tree_put(tree, ROOT "/containers/" HEX("04") "/config.v2.json", deep);
	tree_put(tree, ROOT "/containers/" HEX("05") "/config.v2.json", "{\"ID\":\"../../x\"}");
	tree_put(tree, ROOT "/containers/short/config.v2.json", "{\"ID\":\"short\"}");
	tree_dir(tree, ROOT "/containers/" HEX("06"));
	tree_path(tree, ROOT "/containers/" HEX("06") "/config.v2.json", full, sizeof(full));
	assert_int_equal(mkfifo(full, 0600), 0);
	tree_dir(tree, ROOT "/containers/" HEX("07"));
	tree_link(tree, ROOT "/containers/" HEX("07") "/config.v2.json",
		  "../" WEB "/config.v2.json");
	/* A layer's name that would lead elsewhere. */
	tree_put(tree, LAYERDB "mounts/" DB "/mount-id", "../../../etc");
	set = tree_scan(tree, false);
	assert_int_equal(set->n, 2);
	assert_text(containers_find(set, DB)->upper, NULL);
	containers_unref(set);
	free(deep);
}

/* Docker 29: no graph driver's data, roots at rootfs/SNAPSHOTTER/ID. */
static void test_image_store(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;

	tree_put(tree, ROOT "/containers/" WEB "/config.v2.json",
		 "{\"ID\":\"" WEB "\",\"Name\":\"/web\",\"Driver\":\"overlayfs\","
		 "\"State\":{\"Running\":true},\"Config\":{\"Image\":\"nginx\"}}");
	tree_dir(tree, ROOT "/rootfs/overlayfs/" WEB);
	set = tree_scan(tree, true);
	assert_int_equal(set->n, 1);
	assert_text(set->list[0].mount, ROOT "/rootfs/overlayfs/" WEB);
	assert_text(set->list[0].upper, NULL);
	assert_int_equal(set->n_drivers, 1);
	assert_text(set->drivers[0].driver, "overlayfs");
	assert_text(set->drivers[0].note, "containerd image store");
	assert_int_equal(set->n_orphans, 0);
	containers_unref(set);
}

static void check_driver(struct state_tree *tree, const char *layers, const char *driver,
			 const char *note)
{
	char path[256];
	struct containers *set;

	(void)snprintf(path, sizeof(path), ROOT "/%s/x", layers);
	tree_dir(tree, path);
	(void)snprintf(path, sizeof(path), ROOT "/image/%s/layerdb", driver);
	tree_dir(tree, path);
	tree_dir(tree, ROOT "/containers");
	set = tree_scan(tree, false);
	assert_int_equal(set->n_drivers, 1);
	assert_text(set->drivers[0].driver, driver);
	assert_text(set->drivers[0].note, note);
	assert_int_equal(set->drivers[0].n_layers, 1);
	containers_unref(set);
	tree_remove(tree, ROOT);
	runtime_scanner_free(tree->scanner);
	tree->scanner = NULL;
}

static void test_drivers(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;

	check_driver(tree, "overlay2", "overlay2", NULL);
	check_driver(tree, "fuse-overlayfs", "fuse-overlayfs", NULL);
	check_driver(tree, "btrfs/subvolumes", "btrfs", NULL);
	check_driver(tree, "zfs/graph", "zfs", NULL);
	check_driver(tree, "aufs/diff", "aufs", "no longer in Docker (since 24.0)");
	check_driver(tree, "overlay", "overlay", "no longer in Docker (since 24.0)");
	check_driver(tree, "devicemapper/metadata", "devicemapper",
		     "no longer in Docker (since 25.0)");
	check_driver(tree, "vfs/dir", "vfs", "no sharing of layers: each is a full copy");
	tree_dir(tree, ROOT "/containers");
	tree_dir(tree, ROOT "/overlay2/l");
	tree_dir(tree, ROOT "/image/overlay2/layerdb");
	tree_dir(tree, ROOT "/btrfs/subvolumes");
	tree_dir(tree, ROOT "/image/btrfs/layerdb");
	tree_dir(tree, ROOT "/vfs/dir");
	tree_dir(tree, ROOT "/image/vfs/layerdb");
	set = tree_scan(tree, false);
	assert_text(set->drivers[0].driver, "overlay2");
	assert_text(set->drivers[0].note, "several drivers: overlay2, btrfs");
	assert_int_equal(set->drivers[0].n_layers, 0);
	containers_unref(set);
}

static void check_root(struct state_tree *tree, const char *root)
{
	struct containers *set;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/containers", root);
	tree_dir(tree, path);
	runtime_scanner_free(tree->scanner);
	tree->scanner = NULL;
	set = tree_scan(tree, false);
	assert_int_equal(set->n_drivers, 1);
	assert_text(set->drivers[0].root, root);
	containers_unref(set);
}

static void put_daemon(struct state_tree *tree, const char *words, size_t size)
{
	tree_put(tree, "/proc/77/comm", "dockerd\n");
	tree_put_bytes(tree, "/proc/77/cmdline", words, size);
}

/* A configuration is found out before the default, a running daemon's command line before both. */
static void test_roots(void **state)
{
	struct state_tree *tree = *state;
	static const char by_equals[] = "dockerd\0--data-root=/srv/a";
	static const char by_word[] = "dockerd\0-g\0/srv/b";
	static const char by_file[] = "dockerd\0--config-file\0/srv/daemon.json";
	static const char cut[] = "dockerd\0--data-root";

	check_root(tree, ROOT);
	tree_put(tree, "/etc/docker/daemon.json", "{\"data-root\":\"/srv/etc\"}");
	check_root(tree, "/srv/etc");
	put_daemon(tree, by_equals, sizeof(by_equals));
	check_root(tree, "/srv/a");
	put_daemon(tree, by_word, sizeof(by_word));
	check_root(tree, "/srv/b");
	tree_put(tree, "/srv/daemon.json", "{\"graph\":\"/srv/c\"}");
	put_daemon(tree, by_file, sizeof(by_file));
	check_root(tree, "/srv/c");
	put_daemon(tree, cut, sizeof(cut));
	check_root(tree, "/srv/etc");
	tree_put(tree, "/etc/docker/daemon.json", "{\"data-root\":");
	check_root(tree, ROOT);
}

/* A data root on NFS is named and not touched. */
static void test_remote(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;

	tree_put(tree, "/etc/docker/daemon.json", "{\"data-root\":\"/srv/net/docker\"}");
	tree_put(tree, "/srv/net/docker/containers/" WEB "/config.v2.json",
		 "{\"ID\":\"" WEB "\",\"Name\":\"/web\"}");
	set = tree_scan(tree, false);
	assert_int_equal(set->n, 0);
	assert_int_equal(set->n_drivers, 1);
	assert_text(set->drivers[0].root, "/srv/net/docker");
	assert_text(set->drivers[0].note, "on a filesystem that may not answer: not looked into");
	containers_unref(set);
}

/* The socket is another source: what does not answer costs its deadline and nothing else. */
static void test_dead_socket(void **state)
{
	struct state_tree *tree = *state;
	const struct runtime_options options = { .docker_socket = "/tmp/cgwatch-no-such.sock" };
	struct containers *set = NULL;

	put_docker(tree);
	assert_int_equal(runtime_scanner_new(tree->root, &options, &tree->scanner), 0);
	assert_int_equal(runtime_scanner_scan(tree->scanner, NULL, &set), 0);
	assert_int_equal(set->n, 2);
	containers_unref(set);
}

static void check_orphan(struct state_tree *tree, enum orphan_reason reason, const char *path)
{
	struct containers *set = tree_scan(tree, true);

	assert_true(set->orphans_searched);
	if (path && set->n_orphans == 1) {
		assert_string_equal(set->orphans[0].path, path);
		assert_int_equal(set->orphans[0].reason, reason);
		assert_text(set->orphans[0].runtime, "docker");
	}
	assert_int_equal(set->n_orphans, path ? 1 : 0);
	containers_unref(set);
}

static void test_no_orphans(void **state)
{
	struct state_tree *tree = *state;

	put_docker(tree);
	check_orphan(tree, 0, NULL);
	/* BuildKit's layers, and what is not understood. */
	put_layer(tree, "wvn6k2nccfa3x1cefhofksd51", "BUILD", NULL);
	put_layer(tree, "README", "README", NULL);
	check_orphan(tree, 0, NULL);
	/* A young one. */
	put_layer(tree, LOST, "LOST", NULL);
	tree_age(tree, LAYERS LOST, 5);
	check_orphan(tree, 0, NULL);
	/* An old one while an image is being written since then. */
	tree_age(tree, LAYERS LOST, OLD);
	tree_dir(tree, LAYERDB "tmp/write-set-1");
	tree_age(tree, LAYERDB "tmp/write-set-1", OLD);
	check_orphan(tree, 0, NULL);
	tree_remove(tree, LAYERDB "tmp");
	/* The layer below a mount, by its long name and by its short one. */
	tree_mount(tree, NULL, LAYERS LOST "/diff");
	check_orphan(tree, 0, NULL);
	tree->overlays->n = 0;
	tree_mount(tree, NULL, "l/LOST");
	check_orphan(tree, 0, NULL);
}

static void test_unreadable(void **state)
{
	struct state_tree *tree = *state;

	put_docker(tree);
	put_layer(tree, LOST, "LOST", NULL);
	/* A record without its id: nobody knows whose layer it speaks of. */
	tree_dir(tree, LAYERDB "sha256/" HEX("aa"));
	check_orphan(tree, 0, NULL);
	tree_put(tree, LAYERDB "sha256/" HEX("aa") "/cache-id", BASE);
	check_orphan(tree, ORPHAN_NO_RECORD, LAYERS LOST);
	tree_remove(tree, LAYERDB "sha256");
	check_orphan(tree, 0, NULL);
}

static void test_no_record(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;
	char text[5000];

	memset(text, 'x', sizeof(text));
	put_docker(tree);
	put_layer(tree, LOST, "LOST", NULL);
	tree_put_bytes(tree, LAYERS LOST "/diff/data", text, sizeof(text));
	check_orphan(tree, ORPHAN_NO_RECORD, LAYERS LOST);
	set = tree_scan(tree, true);
	assert_true(set->orphans[0].bytes_known);
	assert_in_range(set->orphans[0].bytes, sizeof(text), 1 << 20);
	containers_unref(set);
	/* The same, mounted: found out although no file changed. */
	tree_mount(tree, LAYERS LOST "/diff", NULL);
	check_orphan(tree, ORPHAN_MOUNTED, LAYERS LOST);
	/* Used after all. */
	tree_put(tree, LAYERDB "sha256/" HEX("ab") "/cache-id", LOST);
	check_orphan(tree, 0, NULL);
}

static void test_init_and_container_gone(void **state)
{
	struct state_tree *tree = *state;
	struct containers *set;

	put_docker(tree);
	put_layer(tree, LOST "-init", "LOSTINIT", NULL);
	check_orphan(tree, ORPHAN_INIT, LAYERS LOST "-init");
	tree_remove(tree, LAYERS LOST "-init");
	tree_remove(tree, LAYERS "l/LOSTINIT");
	/* Its container is gone: both layers are left. */
	tree_remove(tree, ROOT "/containers/" DB);
	set = tree_scan(tree, true);
	assert_int_equal(set->n_orphans, 2);
	for (uint32_t i = 0; i < 2; i++) {
		bool init = set->orphans[i].reason == ORPHAN_INIT;

		assert_text(set->orphans[i].path, init ? LAYERS DB_TOP "-init" : LAYERS DB_TOP);
		assert_true(init || set->orphans[i].reason == ORPHAN_NO_RECORD);
	}
	assert_int_not_equal(set->orphans[0].reason, set->orphans[1].reason);
	containers_unref(set);
}

static void test_no_layer(void **state)
{
	struct state_tree *tree = *state;

	put_docker(tree);
	tree_put(tree, LAYERDB "sha256/" HEX("ac") "/cache-id", LOST);
	tree_age(tree, LAYERDB "sha256/" HEX("ac"), OLD);
	check_orphan(tree, ORPHAN_NO_LAYER, LAYERDB "sha256/" HEX("ac"));
}

static void test_links(void **state)
{
	struct state_tree *tree = *state;

	put_docker(tree);
	tree_link(tree, LAYERS "l/DANGLING", "../" LOST "/diff");
	check_orphan(tree, 0, NULL);
	tree_age(tree, LAYERS "l/DANGLING", OLD);
	check_orphan(tree, ORPHAN_LINK, LAYERS "l/DANGLING");
	tree_remove(tree, LAYERS "l/DANGLING");
	tree_link(tree, LAYERS "l/SECOND", "../" BASE "/diff");
	tree_age(tree, LAYERS "l/SECOND", OLD);
	check_orphan(tree, ORPHAN_LINK, LAYERS "l/SECOND");
	/* Somebody stands on it by that name. */
	tree_mount(tree, NULL, LAYERS "l/SECOND");
	check_orphan(tree, 0, NULL);
}

static void test_removing(void **state)
{
	struct state_tree *tree = *state;
	const struct runtime_options options = { .orphans = true, .orphan_grace_ns = 1 };

	put_docker(tree);
	put_layer(tree, LOST, "LOST", NULL);
	tree_put(tree, LAYERDB "sha256/" CHAIN "-1234567-removing/cache-id", LOST);
	/* Renaming is what begins a removal, and it sets the ctime: too young. */
	tree_age(tree, LAYERDB "sha256/" CHAIN "-1234567-removing", OLD);
	check_orphan(tree, 0, NULL);
	runtime_scanner_free(tree->scanner);
	assert_int_equal(runtime_scanner_new(tree->root, &options, &tree->scanner), 0);
	check_orphan(tree, ORPHAN_REMOVING, LAYERS LOST);
	tree_remove(tree, LAYERS LOST);
	tree_remove(tree, LAYERS "l/LOST");
	check_orphan(tree, ORPHAN_REMOVING, LAYERDB "sha256/" CHAIN "-1234567-removing");
}

/* Without the mounts nobody knows what is in use. */
static void test_without_overlays(void **state)
{
	struct state_tree *tree = *state;
	const struct runtime_options options = { .orphans = true };
	struct containers *set = NULL;

	put_docker(tree);
	put_layer(tree, LOST, "LOST", NULL);
	assert_int_equal(runtime_scanner_new(tree->root, &options, &tree->scanner), 0);
	assert_int_equal(runtime_scanner_scan(tree->scanner, NULL, &set), 0);
	assert_int_equal(set->n_orphans, 0);
	assert_false(set->orphans_searched);
	containers_unref(set);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_containers),
		TEST(test_changes),
		TEST(test_kept),
		TEST(test_hostile),
		TEST(test_image_store),
		TEST(test_drivers),
		TEST(test_roots),
		TEST(test_remote),
		TEST(test_dead_socket),
		TEST(test_no_orphans),
		TEST(test_unreadable),
		TEST(test_no_record),
		TEST(test_init_and_container_gone),
		TEST(test_no_layer),
		TEST(test_links),
		TEST(test_removing),
		TEST(test_without_overlays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
