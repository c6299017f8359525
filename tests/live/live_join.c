// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "live_json.h"

/*
 * The join without a container runtime (with one: join.sh): processes in a plain cgroup, in a net
 * namespace made as `ip netns` makes it, in an overlay as root, and in one that is mounted nowhere
 * but in their own mount namespace. Every verb and /metrics say the same of each, and that is what
 * /proc and stat() say. All mounts are in mount namespaces of the test and vanish with it.
 */
static const char *const types[] = { "mnt", "net", "pid", "user", "uts", "ipc", "cgroup", "time" };

enum place { PLAIN, NETNS, ROOT, ALONE, N_PLACES };

static const char *const names[] = { "plain", "netns", "root", "alone" };

struct scene {
	struct live *live;
	uint64_t host[ARRAY_SIZE(types)]; /* the machine's namespaces; 0: the kernel has none */
	char dir[192];			  /* a tmpfs */
	char nsfs[256];			  /* where the net namespace is mounted */
	pid_t pids[N_PLACES];
	bool overlay; /* the kernel has overlayfs */
};

/* What processes need to know: set before they are forked. */
static char scene_dir[192];

static void must(bool done, const char *what)
{
	if (done)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(91);
}

static void touch(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", scene_dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	must(fd >= 0 && write(fd, "1", 1) == 1, path);
	close(fd);
}

static void make_dirs(const char *name)
{
	static const char *const parts[] = { "", "/lower", "/upper", "/work", "/merged" };
	char path[512];

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		snprintf(path, sizeof(path), "%s/%s%s", scene_dir, name, parts[i]);
		must(mkdir(path, 0755) == 0, path);
	}
	snprintf(path, sizeof(path), "%s/lower/old", name);
	touch(path);
}

/* The overlay of that name; false if the kernel has no such thing. */
static bool mount_overlay(const char *name)
{
	char merged[256], options[1024];

	snprintf(merged, sizeof(merged), "%s/%s/merged", scene_dir, name);
	snprintf(options, sizeof(options),
		 "lowerdir=%s/%s/lower,upperdir=%s/%s/upper,workdir=%s/%s/work", scene_dir, name,
		 scene_dir, name, scene_dir, name);
	return mount("overlay", merged, "overlay", 0, options) == 0;
}

/* Into it, which deletes a file of the lower layer and makes two. */
static void enter_overlay(const char *name)
{
	static const char *const made[] = { "/new", "/other" };
	char merged[256];

	snprintf(merged, sizeof(merged), "%s/%s/merged", scene_dir, name);
	must(chroot(merged) == 0 && chdir("/") == 0, merged);
	must(unlink("/old") == 0, "unlink");
	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		int fd = open(made[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		must(fd >= 0 && write(fd, "1234567", 7) == 7, "write");
		close(fd);
	}
}

static void live_plain(void)
{
	touch("plain.ready");
	live_sleep();
}

static void live_netns(void)
{
	must(unshare(CLONE_NEWNET) == 0, "unshare");
	touch("netns.ready");
	live_sleep();
}

static int ready_file(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.ready", scene_dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	must(fd >= 0, path);
	return fd;
}

static void stay(int ready)
{
	must(write(ready, "1", 1) == 1, "ready");
	close(ready);
	live_sleep();
}

static void live_root(void)
{
	int ready = ready_file("root");

	enter_overlay("root");
	stay(ready);
}

/* Nobody else sees the layers and the mount, and from its root this process does not reach them. */
static void live_alone(void)
{
	int ready = ready_file("alone");
	char path[256];

	must(unshare(CLONE_NEWNS) == 0, "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private");
	snprintf(path, sizeof(path), "%s/tmpfs", scene_dir);
	must(mkdir(path, 0755) == 0 && mount("cgwatch-test", path, "tmpfs", 0, NULL) == 0, path);
	make_dirs("tmpfs/alone");
	must(mount_overlay("tmpfs/alone"), "overlay");
	enter_overlay("tmpfs/alone");
	stay(ready);
}

static void start(struct scene *scene, enum place place, void (*work)(void))
{
	struct stat info;
	char path[256];

	live_cgroup(scene->live, names[place]);
	scene->pids[place] = live_start(scene->live, names[place], work);
	snprintf(path, sizeof(path), "%s/%s.ready", scene->dir, names[place]);
	for (double end = live_now() + LIVE_PATIENCE; live_now() < end; live_wait(0.05)) {
		if (stat(path, &info) == 0 && info.st_size > 0)
			return;
	}
	fail_msg("the process of %s is not there", names[place]);
}

/* As `ip netns add`: a file over which the namespace is mounted. */
static void mount_netns(struct scene *scene)
{
	char source[64];

	touch("blue");
	snprintf(scene->nsfs, sizeof(scene->nsfs), "%s/blue", scene->dir);
	snprintf(source, sizeof(source), "/proc/%d/ns/net", (int)scene->pids[NETNS]);
	assert_int_equal(mount(source, scene->nsfs, NULL, MS_BIND, NULL), 0);
}

static void set_scene(struct scene *scene)
{
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	snprintf(scene->dir, sizeof(scene->dir), "%s/t", scene->live->state);
	snprintf(scene_dir, sizeof(scene_dir), "%s", scene->dir);
	assert_int_equal(mkdir(scene->dir, 0755), 0);
	assert_int_equal(mount("cgwatch-test", scene->dir, "tmpfs", 0, "mode=0755"), 0);
	make_dirs("root");
	scene->overlay = mount_overlay("root");
	/* A small machine may have no such module: anything else is an error. */
	if (!scene->overlay)
		assert_int_equal(errno, ENODEV);
	start(scene, PLAIN, live_plain);
	start(scene, NETNS, live_netns);
	mount_netns(scene);
	if (scene->overlay) {
		start(scene, ROOT, live_root);
		start(scene, ALONE, live_alone);
	} else {
		printf("this kernel has no overlayfs: not tried\n");
	}
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	void *live = NULL;

	if (!scene || live_setup(&live) < 0)
		return -1;
	scene->live = live;
	*state = scene;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		scene->host[i] = live_ns_inode(getpid(), types[i]);
	set_scene(scene);
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;
	void *live;

	if (!scene)
		return 0;
	live = scene->live;
	for (size_t i = scene->live->n_children; i-- > 0;)
		live_end(scene->live, scene->live->children[i]);
	umount2(scene->dir, MNT_DETACH);
	rmdir(scene->dir);
	free(scene);
	return live_teardown(&live);
}

static bool in_overlay(enum place place)
{
	return place == ROOT || place == ALONE;
}

static bool tried(const struct scene *scene, enum place place)
{
	return scene->pids[place] > 0;
}

/* From the kernel: is the process where the machine is? */
static bool at_host(const struct scene *scene, enum place place, size_t type)
{
	return live_ns_inode(scene->pids[place], types[type]) == scene->host[type];
}

/* "0:43", as the kernel has the root of the process. */
static void device_of(pid_t pid, char *device, size_t size)
{
	char path[64];
	struct stat info;

	snprintf(path, sizeof(path), "/proc/%d/root/", (int)pid);
	assert_int_equal(stat(path, &info), 0);
	snprintf(device, size, "%u:%u", major(info.st_dev), minor(info.st_dev));
}

static const char *path_of(const struct scene *scene, enum place place)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", scene->live->top, names[place]);
	return path;
}

static void check_columns(const struct scene *scene, json_t *root, enum place place)
{
	json_t *cgroup = live_find(scene->live, root, names[place]);
	json_t *texts = json_object_get(cgroup, "attributes");
	unsigned int own = 0;
	char key[32];

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (!scene->host[i])
			continue;
		snprintf(key, sizeof(key), "ns.%s", types[i]);
		live_same_text(names[place], key, live_text(texts, key),
			       at_host(scene, place, i) ? "host" : "own");
		own += !at_host(scene, place, i);
	}
	assert_int_equal((int)live_metric(cgroup, "ns.count"), (int)own);
	assert_int_equal((int)live_metric(cgroup, "ns.host.net"), place != NETNS);
	assert_int_equal((int)live_metric(cgroup, "user.uid"), 0);
	if (in_overlay(place)) {
		assert_int_equal((int)live_metric(cgroup, "overlay.created"), 2);
		assert_int_equal((int)live_metric(cgroup, "overlay.whiteouts"), 1);
		assert_int_equal((int)live_metric(cgroup, "overlay.upper_apparent_bytes"), 14);
		assert_int_equal((int)live_metric(cgroup, "overlay.scan_complete"), 1);
	} else {
		assert_null(json_object_get(json_object_get(cgroup, "metrics"), "overlay.created"));
	}
}

static void test_ls(void **state)
{
	static const char columns[] =
		"--interval 10ms --columns ns.mnt,ns.net,ns.pid,ns.user,ns.uts,ns.ipc,ns.cgroup,"
		"ns.time,ns.count,ns.host.net,user.uid,overlay.created,overlay.whiteouts,"
		"overlay.upper_apparent_bytes,overlay.scan_complete";
	struct scene *scene = *state;
	json_t *root = live_ls(scene->live, columns);

	for (enum place place = 0; place < N_PLACES; place++) {
		if (tried(scene, place))
			check_columns(scene, root, place);
	}
	json_decref(root);
}

/* An object of namespaces by type, as `show` and `ps` have it, agrees with /proc. */
static void check_namespaces(const struct scene *scene, json_t *namespaces, enum place place)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		json_t *one = json_object_get(namespaces, types[i]);

		if (!scene->host[i])
			continue;
		live_same_number(names[place], types[i], json_object_get(one, "ns"),
				 live_ns_inode(scene->pids[place], types[i]));
		if (json_object_get(one, "place"))
			live_same_text(names[place], types[i], live_text(one, "place"),
				       at_host(scene, place, i) ? "host" : "own");
		else
			assert_true(json_is_true(json_object_get(one, "host")) ==
				    at_host(scene, place, i));
	}
}

static void check_overlay(const struct scene *scene, json_t *overlay, enum place place)
{
	char device[32], mount[256];

	device_of(scene->pids[place], device, sizeof(device));
	snprintf(mount, sizeof(mount), "%s/%s%s/merged", scene->dir, place == ALONE ? "tmpfs/" : "",
		 names[place]);
	live_same_text(names[place], "device", live_text(overlay, "device"), device);
	live_same_text(names[place], "cgroup", live_text(overlay, "cgroup"), path_of(scene, place));
	live_same_text(names[place], "mount", live_text(overlay, "mount"), mount);
	live_same_text(names[place], "state", live_text(overlay, "state"), "complete");
	live_same_number(names[place], "nprocs", json_object_get(overlay, "nprocs"), 1);
	live_same_number(names[place], "created", json_object_get(overlay, "created"), 2);
	live_same_number(names[place], "deleted", json_object_get(overlay, "deleted"), 1);
	live_same_number(names[place], "apparent", json_object_get(overlay, "apparent"), 14);
}

static void test_show(void **state)
{
	struct scene *scene = *state;

	for (enum place place = 0; place < N_PLACES; place++) {
		json_t *object, *cgroup;
		char arguments[256];

		if (!tried(scene, place))
			continue;
		snprintf(arguments, sizeof(arguments), "show --json --interval 10ms '%s'",
			 path_of(scene, place));
		object = live_json(scene->live, arguments);
		cgroup = json_array_get(json_object_get(object, "cgroups"), 0);
		live_same_text(names[place], "path", live_text(cgroup, "path"),
			       path_of(scene, place));
		assert_null(json_object_get(cgroup, "container"));
		live_same_number(names[place], "uid",
				 json_object_get(json_object_get(cgroup, "user"), "uid"), 0);
		check_namespaces(scene, json_object_get(cgroup, "namespaces"), place);
		assert_int_equal(json_array_size(json_object_get(cgroup, "processes")), 1);
		assert_non_null(live_find_number(json_object_get(cgroup, "processes"), "pid",
						 (uint64_t)scene->pids[place]));
		if (in_overlay(place))
			check_overlay(scene, json_object_get(cgroup, "overlay"), place);
		else
			assert_null(json_object_get(cgroup, "overlay"));
		json_decref(object);
	}
}

static void test_ps(void **state)
{
	struct scene *scene = *state;
	json_t *object = live_json(scene->live, "ps --json");

	for (enum place place = 0; place < N_PLACES; place++) {
		json_t *process;

		if (!tried(scene, place))
			continue;
		process = live_find_number(json_object_get(object, "processes"), "pid",
					   (uint64_t)scene->pids[place]);
		assert_non_null(process);
		live_same_text(names[place], "cgroup", live_text(process, "cgroup"),
			       path_of(scene, place));
		check_namespaces(scene, json_object_get(process, "namespaces"), place);
	}
	json_decref(object);
}

/* The net namespace is its cgroup's alone, and is known by its file, also without its process. */
static void test_ns(void **state)
{
	struct scene *scene = *state;
	json_t *object = live_json(scene->live, "ns --json"), *ns;

	ns = live_find_number(json_object_get(object, "namespaces"), "ns",
			      live_ns_inode(scene->pids[NETNS], "net"));
	assert_non_null(ns);
	live_same_number("netns", "nprocs", json_object_get(ns, "nprocs"), 1);
	live_same_number("netns", "pid", json_object_get(ns, "pid"), (uint64_t)scene->pids[NETNS]);
	live_same_number("netns", "cgroups", json_object_get(ns, "ncgroups"), 1);
	assert_true(live_list_has(json_object_get(ns, "cgroups"), path_of(scene, NETNS)));
	assert_true(live_list_has(json_object_get(ns, "nsfs"), scene->nsfs));
	assert_true(live_list_has(json_object_get(ns, "interfaces"), "lo"));
	assert_true(json_is_false(json_object_get(ns, "host")));
	for (enum place place = 0; place < N_PLACES; place++) {
		if (!tried(scene, place))
			continue;
		ns = live_find_number(json_object_get(object, "namespaces"), "ns",
				      live_ns_inode(scene->pids[place], "mnt"));
		assert_non_null(ns);
		assert_true(live_list_has(json_object_get(ns, "cgroups"), path_of(scene, place)));
		assert_true(json_is_false(json_object_get(ns, "host")));
	}
	json_decref(object);
}

static void test_overlay(void **state)
{
	struct scene *scene = *state;
	json_t *object;

	if (!scene->overlay)
		return;
	object = live_json(scene->live, "overlay --sizes --json");
	for (enum place place = ROOT; place < N_PLACES; place++) {
		json_t *overlay = live_find_text(json_object_get(object, "overlays"), "cgroup",
						 path_of(scene, place));
		char *output = NULL;

		if (!overlay)
			fail_msg("no overlay of %s", path_of(scene, place));
		check_overlay(scene, overlay, place);
		assert_int_equal(live_cgwatch(scene->live, &output, "overlay diff '%s'",
					      path_of(scene, place)),
				 0);
		live_same_text(names[place], "diff", output, "A /new\nD /old\nA /other\n");
		free(output);
	}
	json_decref(object);
}

/* True when all that there is to say of the place is in it. */
static bool says_all(const struct scene *scene, const char *text, enum place place)
{
	char start[256], value[16], device[32];

	snprintf(start, sizeof(start), "cgwatch_cgroup_info{cgroup=\"%s\",", path_of(scene, place));
	if (!live_has_series(text, start, "kind=\"cgroup\""))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		snprintf(start, sizeof(start),
			 "cgwatch_cgroup_namespace_host{cgroup=\"%s\",ns_type=\"%s\"}",
			 path_of(scene, place), types[i]);
		snprintf(value, sizeof(value), "} %d", at_host(scene, place, i));
		if (scene->host[i] && !live_has_series(text, start, value))
			return false;
	}
	if (!in_overlay(place))
		return true;
	device_of(scene->pids[place], device, sizeof(device));
	snprintf(start, sizeof(start), "cgwatch_overlay_info{overlay=\"%s\",", device);
	if (!live_has_series(text, start, path_of(scene, place)))
		return false;
	snprintf(start, sizeof(start),
		 "cgwatch_overlay_upper_entries{overlay=\"%s\",kind=\"created\"}", device);
	return live_has_series(text, start, "} 2");
}

static void test_metrics(void **state)
{
	struct scene *scene = *state;
	struct live *live = scene->live;
	double end = live_now() + LIVE_PATIENCE;
	char socket[128], *text = NULL;
	bool all = false;

	snprintf(socket, sizeof(socket), "%s/web", live->state);
	snprintf(live->listen, sizeof(live->listen), "unix:%s", socket);
	live_config(live, "interval = 200ms\n[export]\nmetrics = export, ns.host.mnt, ns.host.net, "
			  "ns.host.pid, ns.host.user, ns.host.uts, ns.host.ipc, ns.host.cgroup, "
			  "ns.host.time\n");
	live_agent(live, "");
	/* The first sample may be without the inventory. */
	while (!all && live_now() < end) {
		free(text);
		text = live_scrape(socket);
		all = text != NULL;
		for (enum place place = 0; all && place < N_PLACES; place++)
			all = !tried(scene, place) || says_all(scene, text, place);
		if (!all)
			live_wait(0.1);
	}
	if (!all)
		fail_msg("/metrics does not say all:\n%s", text ? text : "nothing");
	free(text);
	assert_int_equal(live_agent_end(live, SIGTERM), 0);
}

/* A mount point is found by whatever path leads there, or to something in it. */
static void test_paths(void **state)
{
	static const char *const paths[] = { "root/merged/", "root/../root/merged", "link",
					     "link/new" };
	struct scene *scene = *state;
	char target[256], path[256];

	if (!scene->overlay)
		return;
	snprintf(target, sizeof(target), "%s/root/merged", scene->dir);
	snprintf(path, sizeof(path), "%s/link", scene->dir);
	assert_int_equal(symlink(target, path), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char *output = NULL;

		assert_int_equal(live_cgwatch(scene->live, &output, "overlay diff '%s/%s'",
					      scene->dir, paths[i]),
				 0);
		live_same_text(paths[i], "diff", output, "A /new\nD /old\nA /other\n");
		free(output);
	}
}

/* On a real machine, by root, all of these can be seen, if not of every process. */
static void test_doctor(void **state)
{
	static const char *const wanted[] = { "see namespaces", "ask namespaces", "see overlays",
					      "watch layers", "see containers" };
	struct scene *scene = *state;
	json_t *object, *check;
	char *output = NULL;

	assert_int_equal(live_cgwatch(scene->live, &output, "doctor --json"), 0);
	object = json_loads(output, 0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		check = live_find_text(json_object_get(object, "checks"), "name", wanted[i]);
		if (!check || strcmp(live_text(check, "verdict"), "no") == 0)
			fail_msg("%s: %s", wanted[i], check ? live_text(check, "why") : "missing");
	}
	json_decref(object);
	free(output);
}

/* The process goes, its cgroup is empty, the namespace stays: its file keeps it. */
static void test_ended(void **state)
{
	struct scene *scene = *state;
	uint64_t inode = live_ns_inode(scene->pids[NETNS], "net");
	json_t *object = NULL, *ns = NULL;

	live_end(scene->live, scene->pids[NETNS]);
	for (double end = live_now() + LIVE_PATIENCE; !ns && live_now() < end; live_wait(0.1)) {
		json_decref(object);
		object = live_json(scene->live, "ns --json -t net");
		ns = live_find_number(json_object_get(object, "namespaces"), "ns", inode);
		if (ns && json_integer_value(json_object_get(ns, "nprocs")) > 0)
			ns = NULL;
	}
	assert_non_null(ns);
	live_same_text("netns", "state", live_text(ns, "state"), "mount");
	assert_true(live_list_has(json_object_get(ns, "nsfs"), scene->nsfs));
	live_same_number("netns", "cgroups", json_object_get(ns, "ncgroups"), 0);
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ls),	cmocka_unit_test(test_show),
		cmocka_unit_test(test_ps),	cmocka_unit_test(test_ns),
		cmocka_unit_test(test_overlay), cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_paths),	cmocka_unit_test(test_doctor),
		cmocka_unit_test(test_ended),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
