// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "command.h"
#include "live_json.h"

/*
 * The verbs ns, overlay, show and ps on the real kernel: one process in a cgroup of its own, with
 * namespaces of its own and an overlay as root, and what else the tests make. Compared with the
 * kernel's files and, where it is there, with lsns. All mounts are in a mount namespace of this
 * program and vanish with it.
 */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const double deadline = 30;

struct scene {
	struct live *live;
	char dir[192];			  /* a tmpfs */
	char merged[256];		  /* mount point of the overlay, with a hostile name */
	char cgroup2[128], threaded[192]; /* where cgroup2 is mounted; a cgroup made there */
	pid_t web;			  /* the process */
	bool overlay;			  /* the kernel has overlayfs */
};

/* What the process needs to know: set before it is forked. */
static char merged_path[256], ready_path[256];
static bool in_overlay;

static void touch(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(90);
	close(fd);
}

/* The process of the scene: enters its namespaces and the overlay, changes it, says so, sleeps. */
static void live_in_overlay(void)
{
	int ready = open(ready_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (ready < 0 ||
	    unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP) < 0)
		_exit(91);
	if (access("/proc/self/ns/time_for_children", F_OK) == 0 && unshare(CLONE_NEWTIME) < 0)
		_exit(92);
	if (sethostname("verbs-test", 10) < 0 ||
	    (in_overlay && (chroot(merged_path) < 0 || chdir("/") < 0)))
		_exit(93);
	if (in_overlay) {
		touch("/old", "more");
		touch("/new", "new");
		if (unlink("/gone") < 0)
			_exit(94);
	}
	if (write(ready, "1", 1) != 1)
		_exit(95);
	close(ready);
	live_sleep();
}

static bool is_ready(void)
{
	struct stat info;

	return stat(ready_path, &info) == 0 && info.st_size > 0;
}

static void make_overlay(struct scene *scene)
{
	static const char *const dirs[] = { "l1", "l2", "up", "work" };
	char path[512], options[1024];

	assert_int_equal(mount("cgwatch-test", scene->dir, "tmpfs", 0, "mode=0755"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", scene->dir, dirs[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	snprintf(path, sizeof(path), "%s/l1/old", scene->dir);
	touch(path, "old");
	snprintf(path, sizeof(path), "%s/l2/gone", scene->dir);
	touch(path, "gone");
	snprintf(scene->merged, sizeof(scene->merged), "%s/m \x1b[31m\nx", scene->dir);
	assert_int_equal(mkdir(scene->merged, 0755), 0);
	snprintf(options, sizeof(options), "lowerdir=%s/l1:%s/l2,upperdir=%s/up,workdir=%s/work",
		 scene->dir, scene->dir, scene->dir, scene->dir);
	scene->overlay = mount("overlay", scene->merged, "overlay", 0, options) == 0;
	/* A small machine may have no such module: anything else is an error. */
	if (!scene->overlay)
		assert_int_equal(errno, ENODEV);
}

static bool has_overlay(const struct scene *scene)
{
	if (!scene->overlay)
		printf("this kernel has no overlayfs: not tried\n");
	return scene->overlay;
}

static void find_cgroup2(struct scene *scene)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs info;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (statfs(places[i], &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC)
			snprintf(scene->cgroup2, sizeof(scene->cgroup2), "%s", places[i]);
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
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	snprintf(scene->dir, sizeof(scene->dir), "%s/t", scene->live->state);
	assert_int_equal(mkdir(scene->dir, 0755), 0);
	make_overlay(scene);
	in_overlay = scene->overlay;
	find_cgroup2(scene);
	live_cgroup(scene->live, "web");
	snprintf(merged_path, sizeof(merged_path), "%s", scene->merged);
	snprintf(ready_path, sizeof(ready_path), "%s/ready", scene->dir);
	scene->web = live_start(scene->live, "web", live_in_overlay);
	for (double end = live_now() + deadline; !is_ready() && live_now() < end;)
		live_wait(0.05);
	assert_true(is_ready());
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;
	char path[256];
	void *live;

	if (!scene)
		return 0;
	live = scene->live;
	for (size_t i = scene->live->n_children; i-- > 0;)
		live_end(scene->live, scene->live->children[i]);
	if (*scene->threaded) {
		snprintf(path, sizeof(path), "%s/t", scene->threaded);
		rmdir(path);
		rmdir(scene->threaded);
	}
	if (scene->overlay)
		umount2(scene->merged, MNT_DETACH);
	umount2(scene->dir, MNT_DETACH);
	rmdir(scene->dir);
	free(scene);
	return live_teardown(&live);
}

static void test_ns(void **state)
{
	static const char *const own[] = { "mnt", "net", "uts", "ipc", "cgroup" };
	struct scene *scene = *state;
	json_t *object = live_json(scene->live, "ns --json"),
	       *list = json_object_get(object, "namespaces");
	char cgroup[128];

	snprintf(cgroup, sizeof(cgroup), "%s/web", scene->live->top);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		json_t *ns = live_find_number(list, "ns", live_ns_inode(scene->web, own[i]));

		assert_non_null(ns);
		assert_string_equal(live_text(ns, "type"), own[i]);
		assert_int_equal(json_integer_value(json_object_get(ns, "nprocs")), 1);
		assert_int_equal(json_integer_value(json_object_get(ns, "pid")), scene->web);
		assert_int_equal(json_integer_value(json_object_get(ns, "ppid")), getpid());
		assert_string_equal(live_text(ns, "state"), "live");
		assert_true(json_is_false(json_object_get(ns, "host")));
		assert_true(live_list_has(json_object_get(ns, "cgroups"), cgroup));
		assert_int_equal(json_integer_value(json_object_get(ns, "ons")),
				 live_ns_inode(getpid(), "user"));
	}
	assert_string_equal(
		live_text(live_find_number(list, "ns", live_ns_inode(scene->web, "uts")),
			  "hostname"),
		"verbs-test");
	assert_true(live_list_has(
		json_object_get(live_find_number(list, "ns", live_ns_inode(scene->web, "net")),
				"interfaces"),
		"lo"));
	json_decref(object);
}

/* All its links, with what its children will get. */
static void test_task(void **state)
{
	static const char *const links[] = { "mnt",    "net",  "pid",
					     "user",   "uts",  "ipc",
					     "cgroup", "time", "time_for_children" };
	struct scene *scene = *state;
	json_t *object, *list;
	char arguments[64];

	snprintf(arguments, sizeof(arguments), "ns --json -o NS,TYPE -p %d", (int)scene->web);
	object = live_json(scene->live, arguments);
	list = json_object_get(object, "namespaces");
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		uint64_t inode = live_ns_inode(scene->web, links[i]);

		/* A kernel without time namespaces has no such link. */
		if (inode && !live_find_number(list, "ns", inode))
			fail_msg("%s: %llu is missing", links[i], (unsigned long long)inode);
	}
	json_decref(object);
}

/*
 * Whatever lsns sees before and after is seen in between: others come and go at any time. The
 * kernel gives the inode of one that went to the next that comes: so it must be that of the same
 * process.
 */
static void test_like_lsns(void **state)
{
	struct scene *scene = *state;
	char *before = live_lsns(), *ours = NULL, *after, *rest, *line;
	unsigned int n = 0;

	if (!before) {
		printf("no lsns on this machine: not compared\n");
		return;
	}
	assert_int_equal(live_cgwatch(scene->live, &ours, "ns -n -r -o NS"), 0);
	after = live_lsns();
	assert_non_null(after);
	for (line = strtok_r(before, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		bool stayed = live_has_line(after, line);
		char *blank = strchr(line, ' ');

		if (!stayed || !blank || atoi(blank + 1) <= 0)
			continue;
		*blank = '\0';
		n++;
		if (!live_has_line(ours, line))
			fail_msg("lsns has %s, cgwatch not", line);
	}
	assert_true(n >= 8);
	free(before);
	free(ours);
	free(after);
}

static char blue_ready[256];

static void live_in_net(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		_exit(91);
	touch(blue_ready, "1");
	live_sleep();
}

/* A net namespace that only a bind mount keeps: found by what holds it, and by --persistent. */
/* Who may not see whether somebody is in a namespace calls none a leak, and counts nothing. */
static void check_as_nobody(uint64_t inode)
{
	struct command command;
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)inode);
	command_run(&command, become_nobody, "ns", "--leaks", "-n", "-r", "-o", "NS");
	command_expect(&command, 0);
	assert_null(strstr(command.text, text));
	assert_non_null(strstr(command.err, "none is called a leak"));
	command_run(&command, become_nobody, "ns", "-n", "-r", "-l", "-o", "NS,NPROCS");
	command_expect(&command, 0);
	strcat(text, " -\n");
	assert_non_null(strstr(command.text, text));
	command_run(&command, become_nobody, "ns", "--limits", "-n", "-r", "-o", "USED");
	command_expect(&command, 0);
	assert_memory_equal(command.text, "-\n", 2);
}

static void test_mount_keeps(void **state)
{
	struct scene *scene = *state;
	char path[256], source[64], arguments[128];
	json_t *object = NULL, *ns = NULL;
	struct stat info;
	uint64_t inode;
	pid_t pid;

	snprintf(blue_ready, sizeof(blue_ready), "%s/blue.ready", scene->dir);
	pid = live_start(scene->live, "web", live_in_net);
	for (double end = live_now() + deadline; stat(blue_ready, &info) < 0 && live_now() < end;)
		live_wait(0.05);
	inode = live_ns_inode(pid, "net");
	assert_true(inode != 0 && inode != live_ns_inode(getpid(), "net"));
	snprintf(path, sizeof(path), "%s/blue", scene->dir);
	touch(path, "");
	snprintf(source, sizeof(source), "/proc/%d/ns/net", (int)pid);
	assert_int_equal(mount(source, path, NULL, MS_BIND, NULL), 0);
	live_end(scene->live, pid);
	for (double end = live_now() + deadline; live_now() < end; live_wait(0.1)) {
		object = live_json(scene->live, "ns --leaks --json -t net");
		ns = live_find_number(json_object_get(object, "namespaces"), "ns", inode);
		if (ns && strcmp(live_text(ns, "state"), "mount") == 0)
			break;
		json_decref(object);
		ns = NULL;
	}
	assert_non_null(ns);
	assert_true(live_list_has(json_object_get(ns, "nsfs"), path));
	assert_int_equal(json_integer_value(json_object_get(ns, "nprocs")), 0);
	assert_true(json_is_array(json_object_get(ns, "holder_list")));
	json_decref(object);
	object = live_json(scene->live, "ns -P -o NS,NSFS --json");
	assert_non_null(live_find_number(json_object_get(object, "namespaces"), "ns", inode));
	json_decref(object);
	/* The plain list has it too, as lsns. */
	snprintf(arguments, sizeof(arguments), "ns --json -o NS,AGE -Q 'NS == %llu'",
		 (unsigned long long)inode);
	object = live_json(scene->live, arguments);
	ns = live_find_number(json_object_get(object, "namespaces"), "ns", inode);
	assert_non_null(ns);
	/* Nothing tells how old it is: that is not 0. */
	assert_true(json_is_null(json_object_get(ns, "age")));
	json_decref(object);
	check_as_nobody(inode);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
}

static void check_verdict(json_t *diff, const char *what, const char *verdict)
{
	json_t *one = live_find_text(diff, "what", what);

	if (!one || strcmp(live_text(one, "verdict"), verdict) != 0)
		fail_msg("%s: %s, not %s", what, one ? live_text(one, "verdict") : "missing",
			 verdict);
}

static void test_diff_of_processes(void **state)
{
	struct scene *scene = *state;
	json_t *object, *diff;
	char arguments[64];

	snprintf(arguments, sizeof(arguments), "ns --json --diff %d %d", (int)getpid(),
		 (int)scene->web);
	object = live_json(scene->live, arguments);
	diff = json_object_get(object, "diff");
	check_verdict(diff, "net", "differ");
	check_verdict(diff, "uts", "differ");
	check_verdict(diff, "user", "same");
	check_verdict(diff, "pid", "same");
	check_verdict(diff, "cgroup path", "differ");
	check_verdict(diff, "root filesystem", scene->overlay ? "differ" : "same");
	if (live_ns_inode(getpid(), "time")) {
		/* Only its children will be in another one. */
		check_verdict(diff, "time", "same");
		check_verdict(diff, "time_for_children", "differ");
	}
	json_decref(object);
}

static void test_overlay(void **state)
{
	struct scene *scene = *state;
	json_t *object, *overlay;
	char cgroup[128], arguments[256];

	if (!has_overlay(scene))
		return;
	object = live_json(scene->live, "overlay --sizes --json");
	overlay = live_find_text(json_object_get(object, "overlays"), "mount", scene->merged);
	assert_non_null(overlay);
	snprintf(cgroup, sizeof(cgroup), "%s/web", scene->live->top);
	assert_string_equal(live_text(overlay, "cgroup"), cgroup);
	assert_string_equal(live_text(overlay, "state"), "complete");
	assert_int_equal(json_integer_value(json_object_get(overlay, "nlayers")), 3);
	assert_int_equal(json_integer_value(json_object_get(overlay, "created")), 1);
	assert_int_equal(json_integer_value(json_object_get(overlay, "copied")), 1);
	assert_int_equal(json_integer_value(json_object_get(overlay, "deleted")), 1);
	assert_int_equal(json_integer_value(json_object_get(overlay, "nprocs")), 1);
	assert_non_null(live_find_number(json_object_get(overlay, "processes"), "pid",
					 (uint64_t)scene->web));
	json_decref(object);
	/* The same by its cgroup. */
	snprintf(arguments, sizeof(arguments), "overlay --json '%s'", cgroup);
	object = live_json(scene->live, arguments);
	assert_int_equal(json_array_size(json_object_get(object, "overlays")), 1);
	overlay = json_array_get(json_object_get(object, "overlays"), 0);
	assert_string_equal(live_text(overlay, "mount"), scene->merged);
	json_decref(object);
	/* Without sizes they are not there, and not 0. */
	object = live_json(scene->live, "overlay --json");
	overlay = live_find_text(json_object_get(object, "overlays"), "mount", scene->merged);
	assert_true(json_is_null(json_object_get(overlay, "size")));
	json_decref(object);
}

static void test_overlay_diff(void **state)
{
	struct scene *scene = *state;
	char *output = NULL, arguments[512];
	json_t *object;

	if (!has_overlay(scene))
		return;
	assert_int_equal(live_cgwatch(scene->live, &output, "overlay diff '%s'", scene->merged), 0);
	assert_string_equal(output, "D /gone\nA /new\nC /old\n");
	free(output);
	snprintf(arguments, sizeof(arguments), "overlay diff --json '%s/web'", scene->live->top);
	object = live_json(scene->live, arguments);
	assert_int_equal(json_array_size(json_object_get(object, "diff")), 3);
	assert_true(json_is_true(json_object_get(object, "complete")));
	json_decref(object);
}

/* No byte of a name from outside moves the cursor, whatever the verb. */
static void test_hostile(void **state)
{
	static const char *const verbs[] = { "overlay -u", "overlay -r", "overlay --layers" };
	struct scene *scene = *state;

	for (size_t i = 0; has_overlay(scene) && i < ARRAY_SIZE(verbs); i++) {
		char *output = NULL;

		assert_int_equal(live_cgwatch(scene->live, &output, "%s", verbs[i]), 0);
		assert_null(strchr(output, '\x1b'));
		assert_non_null(strstr(output, "\\x1b[31m\\x0ax"));
		free(output);
	}
}

static void test_show(void **state)
{
	struct scene *scene = *state;
	json_t *object, *cgroup, *namespaces, *overlay;
	char arguments[256], *output = NULL;

	snprintf(arguments, sizeof(arguments), "show --json --interval 10ms --budget 10m '%s/web'",
		 scene->live->top);
	object = live_json(scene->live, arguments);
	cgroup = json_array_get(json_object_get(object, "cgroups"), 0);
	assert_string_equal(live_text(cgroup, "hostname"), "verbs-test");
	namespaces = json_object_get(cgroup, "namespaces");
	assert_string_equal(live_text(json_object_get(namespaces, "net"), "place"), "own");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(namespaces, "net"), "ns")),
		live_ns_inode(scene->web, "net"));
	assert_string_equal(live_text(json_object_get(namespaces, "user"), "place"), "host");
	overlay = json_object_get(cgroup, "overlay");
	if (scene->overlay) {
		assert_string_equal(live_text(overlay, "mount"), scene->merged);
		assert_string_equal(live_text(overlay, "state"), "complete");
		assert_int_equal(json_integer_value(json_object_get(overlay, "copied")), 1);
	}
	assert_non_null(live_find_number(json_object_get(cgroup, "processes"), "pid",
					 (uint64_t)scene->web));
	json_decref(object);
	assert_int_equal(live_cgwatch(scene->live, &output,
				      "show --interval 10ms --budget 10m '%s/web'",
				      scene->live->top),
			 0);
	assert_non_null(strstr(output, "hostname      verbs-test\n"));
	if (has_overlay(scene))
		assert_non_null(strstr(output, "1 created, 1 copied up, 1 deleted (complete"));
	assert_null(strchr(output, '\x1b'));
	free(output);
}

static void test_ps(void **state)
{
	struct scene *scene = *state;
	json_t *object, *process, *net;
	char arguments[256], *output = NULL;

	snprintf(arguments, sizeof(arguments), "ps --json '%s/web'", scene->live->top);
	object = live_json(scene->live, arguments);
	process = live_find_number(json_object_get(object, "processes"), "pid",
				   (uint64_t)scene->web);
	assert_non_null(process);
	net = json_object_get(json_object_get(process, "namespaces"), "net");
	assert_int_equal(json_integer_value(json_object_get(net, "ns")),
			 live_ns_inode(scene->web, "net"));
	assert_true(json_is_false(json_object_get(net, "host")));
	json_decref(object);
	assert_int_equal(
		live_cgwatch(scene->live, &output, "ps -n -r -o NS '%s/web'", scene->live->top), 0);
	/* The last letter depends on whether the kernel has time namespaces. */
	assert_int_equal(strncmp(output, "mn--uiC", 7), 0);
	free(output);
}

/* A threaded cgroup has no list of processes: those with a thread in it are listed. */
static void test_threaded(void **state)
{
	struct scene *scene = *state;
	char path[256], arguments[256], text[32];
	json_t *object;
	pid_t pid;

	if (!*scene->cgroup2) {
		printf("no cgroup2 here: nothing is threaded\n");
		return;
	}
	snprintf(scene->threaded, sizeof(scene->threaded), "%s/cgwatch-test-%d-thr", scene->cgroup2,
		 (int)getpid());
	assert_int_equal(mkdir(scene->threaded, 0755), 0);
	snprintf(path, sizeof(path), "%s/t", scene->threaded);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/t/cgroup.type", scene->threaded);
	touch(path, "threaded");
	pid = live_start(scene->live, "web", live_sleep);
	snprintf(text, sizeof(text), "%d", (int)pid);
	snprintf(path, sizeof(path), "%s/cgroup.procs", scene->threaded);
	touch(path, text);
	snprintf(path, sizeof(path), "%s/t/cgroup.threads", scene->threaded);
	touch(path, text);
	snprintf(arguments, sizeof(arguments), "ps --json /cgwatch-test-%d-thr/t", (int)getpid());
	object = live_json(scene->live, arguments);
	assert_int_equal(json_array_size(json_object_get(object, "processes")), 1);
	assert_non_null(
		live_find_number(json_object_get(object, "processes"), "pid", (uint64_t)pid));
	json_decref(object);
	live_end(scene->live, pid);
}

/* Seen from inside a cgroup namespace, this program is outside. */
static void test_outside(void **state)
{
	struct scene *scene = *state;
	char command[512], *line = NULL;
	size_t size = 0;
	FILE *pipe;

	snprintf(command, sizeof(command),
		 "nsenter --cgroup=/proc/%d/ns/cgroup true 2>/dev/null && nsenter "
		 "--cgroup=/proc/%d/ns/cgroup '%s' ps -n -r -Q 'PID == %d' -o CGROUP",
		 (int)scene->web, (int)scene->web, getenv("CGWATCH"), (int)getpid());
	pipe = popen(command, "re");
	assert_non_null(pipe);
	if (getline(&line, &size, pipe) < 0) {
		free(line);
		pclose(pipe);
		printf("no nsenter --cgroup on this machine: not tried\n");
		return;
	}
	assert_int_equal(pclose(pipe), 0);
	assert_string_equal(line, "(outside\\x20of\\x20this\\x20cgroup\\x20namespace)\n");
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ns),
		cmocka_unit_test(test_task),
		cmocka_unit_test(test_like_lsns),
		cmocka_unit_test(test_mount_keeps),
		cmocka_unit_test(test_diff_of_processes),
		cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_overlay_diff),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_ps),
		cmocka_unit_test(test_threaded),
		cmocka_unit_test(test_outside),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
