// SPDX-License-Identifier: MIT
/*
 * Columns made from the inventory, on a process whose every answer the test knows: in a cgroup,
 * namespaces and an overlay mount of its own. And a policy that acts on what it wrote.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "live.h"

enum { WRITTEN = 3 << 20 };

/* For the process to be made: where it mounts, and how it says what came of it. */
static char disk[200];
static int answer[2];

/* What the process writes there once it is as it should be; else the errno of what failed. */
struct made {
	int error;
	const char *what;
	unsigned int names; /* in the upper directory, without it */
	unsigned long long blocks;
};

static void write_bytes(const char *path, size_t size)
{
	static const char zeros[65536];
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);

	for (size_t done = 0; fd >= 0 && done < size; done += sizeof(zeros)) {
		if (write(fd, zeros, sizeof(zeros)) < 0)
			break;
	}
	close(fd);
}

static int mount_overlay(void)
{
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", disk, "tmpfs", 0, NULL) < 0 || chdir(disk) < 0 ||
	    mkdir("lower", 0755) < 0 || mkdir("upper", 0755) < 0 || mkdir("work", 0755) < 0 ||
	    mkdir("merged", 0755) < 0 || mkdir("lower/dir", 0755) < 0)
		return -errno;
	write_bytes("lower/changed", 65536);
	write_bytes("lower/deleted", 65536);
	write_bytes("lower/dir/below", 65536);
	if (mount("none", "merged", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work") < 0)
		return -errno;
	return 0;
}

static void use_overlay(void)
{
	int fd = open("merged/changed", O_WRONLY | O_APPEND);

	if (write(fd, "x", 1) != 1 || unlink("merged/deleted") < 0 ||
	    symlink("new", "merged/link") < 0)
		_exit(1);
	close(fd);
	write_bytes("merged/new", WRITTEN);
	write_bytes("merged/dir/beside", 65536);
}

/* Counted by hand: upper has changed, deleted (a whiteout), link, new, dir, dir/beside. */
static void count_upper(struct made *made)
{
	static const char *const paths[] = { "upper",		"upper/changed", "upper/deleted",
					     "upper/link",	"upper/new",	 "upper/dir",
					     "upper/dir/beside" };
	struct stat info;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (lstat(paths[i], &info) < 0)
			_exit(1);
		made->names += i > 0;
		made->blocks += (unsigned long long)info.st_blocks;
	}
}

static void say(struct made made)
{
	if (write(answer[1], &made, sizeof(made)) != sizeof(made))
		_exit(1);
}

static void be_contained(void)
{
	struct made made = { 0 };

	if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWIPC) < 0 ||
	    sethostname("inventory-test", 14) < 0)
		made.error = -errno;
	if (made.error == 0)
		made.error = mount_overlay();
	if (made.error == 0) {
		use_overlay();
		count_upper(&made);
	}
	/* One that lives on the mount, and one from which its layers can be seen. */
	if (made.error == 0 && fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chroot("merged") < 0)
			made.error = -errno;
		say(made);
		live_sleep();
	}
	if (made.error)
		say(made);
	live_sleep();
}

static struct made start(struct live *live, const char *name)
{
	struct made made;

	snprintf(disk, sizeof(disk), "%s/%s.disk", live->state, name);
	assert_int_equal(mkdir(disk, 0755), 0);
	assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
	live_cgroup(live, name);
	live_start(live, name, be_contained);
	assert_int_equal(read(answer[0], &made, sizeof(made)), sizeof(made));
	close(answer[0]);
	close(answer[1]);
	return made;
}

static const char *attribute(json_t *cgroup, const char *name)
{
	const char *text = json_string_value(
		json_object_get(json_object_get(cgroup, "attributes"), name));

	if (!text)
		fail_msg("%s: not there", name);
	return text;
}

static const char *reason(json_t *cgroup, const char *name)
{
	const char *text = json_string_value(
		json_object_get(json_object_get(cgroup, "absent"), name));

	return text ? text : "";
}

static void test_columns(void **state)
{
	struct live *live = *state;
	struct made made = start(live, "contained");
	json_t *list, *cgroup;

	if (made.error == -ENODEV) {
		print_message("this kernel has no overlay filesystem\n");
		skip();
	}
	assert_int_equal(made.error, 0);
	live_cgroup(live, "plain");
	live_start(live, "plain", live_sleep);
	live_cgroup(live, "empty");
	list = live_ls(live, "--columns user.uid,ns.mnt,ns.net,ns.uts,ns.pid,ns.user,ns.host.net,"
			     "ns.host.pid,ns.count,ns.hostname,ns.net.used,ns.net.limit,"
			     "ns.net.ratio,ns.ratio,container.name,overlay.upper_bytes,"
			     "overlay.upper_inodes,overlay.files,overlay.created,"
			     "overlay.copied_up,overlay.copied_up_bytes,overlay.whiteouts,"
			     "overlay.lower_layers,overlay.scan_age,overlay.scan_complete");
	cgroup = live_find(live, list, "contained");
	assert_string_equal(attribute(cgroup, "ns.mnt"), "own");
	assert_string_equal(attribute(cgroup, "ns.net"), "own");
	assert_string_equal(attribute(cgroup, "ns.uts"), "own");
	assert_string_equal(attribute(cgroup, "ns.pid"), "host");
	assert_string_equal(attribute(cgroup, "ns.user"), "host");
	assert_string_equal(attribute(cgroup, "ns.hostname"), "inventory-test");
	assert_int_equal(live_metric(cgroup, "ns.host.net"), 0);
	assert_int_equal(live_metric(cgroup, "ns.host.pid"), 1);
	assert_int_equal(live_metric(cgroup, "ns.count"), 4);
	assert_int_equal(live_metric(cgroup, "user.uid"), 0);
	/* At least the one that was just made counts. */
	assert_true(live_metric(cgroup, "ns.net.used") >= 1);
	assert_true(live_metric(cgroup, "ns.net.limit") >= live_metric(cgroup, "ns.net.used"));
	assert_true(live_metric(cgroup, "ns.ratio") >= live_metric(cgroup, "ns.net.ratio"));
	assert_string_equal(reason(cgroup, "container.name"), "absent");
	assert_int_equal(live_metric(cgroup, "overlay.upper_bytes"), made.blocks * 512);
	assert_int_equal(live_metric(cgroup, "overlay.upper_inodes"), made.names + 1);
	assert_int_equal(live_metric(cgroup, "overlay.files"), 3);   /* changed, new, beside */
	assert_int_equal(live_metric(cgroup, "overlay.created"), 3); /* link, new, beside */
	assert_int_equal(live_metric(cgroup, "overlay.copied_up"), 1);
	assert_int_equal(live_metric(cgroup, "overlay.copied_up_bytes"), 65537);
	assert_int_equal(live_metric(cgroup, "overlay.whiteouts"), 1);
	assert_int_equal(live_metric(cgroup, "overlay.lower_layers"), 1);
	assert_int_equal(live_metric(cgroup, "overlay.scan_complete"), 1);
	cgroup = live_find(live, list, "plain");
	assert_string_equal(attribute(cgroup, "ns.net"), "host");
	assert_int_equal(live_metric(cgroup, "ns.count"), 0);
	assert_string_equal(reason(cgroup, "ns.hostname"), "absent");
	cgroup = live_find(live, list, "empty");
	assert_string_equal(reason(cgroup, "ns.net"), "absent");
	assert_string_equal(reason(cgroup, "user.uid"), "absent");
	assert_string_equal(reason(cgroup, "overlay.upper_bytes"), "absent");
	json_decref(list);
}

static const char policy[] = "[policy full]\n"
			     "match = %s/*\n"
			     "when = overlay.upper_bytes > 2M and ns.host.net == 0\n"
			     "action = freeze lease=10m\n"
			     "cooldown = 1m\n"
			     "mode = enforce\n";

static bool is_frozen(const struct live *live, const char *name)
{
	char *text;
	bool frozen;

	if (live->v2)
		return live_number(live, "", name, "cgroup.events", "frozen") == 1;
	text = live_read(live, "freezer", name, "freezer.state");
	frozen = text && strcmp(text, "FROZEN") == 0;
	free(text);
	return frozen;
}

static bool is_stopped(const struct live *live)
{
	return is_frozen(live, "writer");
}

static void test_policy(void **state)
{
	struct live *live = *state;
	struct made made = start(live, "writer");

	if (made.error == -ENODEV) {
		print_message("this kernel has no overlay filesystem\n");
		skip();
	}
	assert_int_equal(made.error, 0);
	live_cgroup(live, "other");
	live_start(live, "other", live_sleep);
	live_agent(live, policy);
	/* Passes keep to a share of a CPU: on a busy machine they come seldom. */
	assert_true(live_until(live, is_stopped, 300));
	assert_false(is_frozen(live, "other"));
	live_agent_end(live, SIGTERM);
	assert_false(is_frozen(live, "writer"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_columns, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_policy, live_setup, live_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
