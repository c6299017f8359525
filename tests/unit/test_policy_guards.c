// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/guards.h"
#include "policies/guards_table.h"
#include "policies/ownership.h"
#include "tests/unit/test_collectors_tree.h"

/* A hybrid machine: v2, and memory as v1. */
struct world {
	struct fake_machine machine;
	struct root *root;
	struct hierarchies *hierarchies;
	struct guards *guards;
	char reason[256];
};

struct fake_process {
	pid_t pid;
	const char *comm, *exe;
	unsigned int real_uid, effective_uid;
	const char *pids;   /* of NSpid; NULL: one */
	const char *cgroup; /* in both hierarchies; the v1 one may differ */
	const char *v1_cgroup;
	bool kernel;
};

static void add(struct world *world, const struct fake_process *process)
{
	char path[64], text[512], target[4096];

	snprintf(path, sizeof(path), "proc/%d/status", (int)process->pid);
	snprintf(text, sizeof(text),
		 "Name:\t%s\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t%d\nUid:\t%u\t%u\t%u\t%u\n"
		 "NSpid:\t%s\n%sThreads:\t1\n",
		 process->comm, (int)process->pid, process->real_uid, process->effective_uid,
		 process->effective_uid, process->effective_uid,
		 process->pids ? process->pids : "17",
		 process->kernel ? "" : "VmSize:\t    4 kB\n");
	machine_write(&world->machine, path, text);
	snprintf(path, sizeof(path), "proc/%d/cgroup", (int)process->pid);
	snprintf(text, sizeof(text), "2:memory:%s\n0::%s\n",
		 process->v1_cgroup ? process->v1_cgroup : process->cgroup, process->cgroup);
	machine_write(&world->machine, path, text);
	if (!process->exe)
		return;
	snprintf(path, sizeof(path), "proc/%d/exe", (int)process->pid);
	machine_path(&world->machine, path, target);
	unlink(target);
	assert_int_equal(symlink(process->exe, target), 0);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	machine_init(&world->machine);
	machine_write(&world->machine, "proc/self/mountinfo",
		      "25 20 0:22 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		      "26 20 0:23 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
	machine_mkdir(&world->machine, "sys/fs/cgroup/unified");
	machine_mkdir(&world->machine, "sys/fs/cgroup/memory");
	world->root = machine_root(&world->machine);
	assert_int_equal(hierarchies_new(world->root, &world->hierarchies), 0);
	assert_int_equal(world->hierarchies->n, 2);
	assert_int_equal(guards_new(world->root, world->hierarchies, &world->guards), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	guards_free(world->guards);
	hierarchies_free(world->hierarchies);
	root_free(world->root);
	machine_done(&world->machine);
	free(world);
	return 0;
}

static int check(struct world *world, int hierarchy, const char *path)
{
	world->reason[0] = '\0';
	return guards_check(world->guards, hierarchy, path, world->reason, sizeof(world->reason));
}

/* Which processes protect their cgroup. */
static void test_who_counts(void **state)
{
	static const struct {
		struct fake_process process;
		bool counts;
	} cases[] = {
		{ { .comm = "sshd", .exe = "/usr/sbin/sshd" }, true },
		{ { .comm = "x", .exe = "/usr/sbin/sshd" }, true },
		{ { .comm = "sshd", .exe = "/usr/sbin/sshd (deleted)" }, true },
		{ { .comm = "containerd-shim", .exe = "/usr/bin/containerd-shim-runc-v2" }, true },
		{ { .comm = "rpc.statd", .exe = "/usr/sbin/rpc.statd" }, true },
		/* systemd-udevd is a link to udevadm. */
		{ { .comm = "systemd-udevd", .exe = "/usr/bin/udevadm" }, true },
		/* A comm is cut to 15 bytes; without CAP_SYS_PTRACE it is all there is. */
		{ { .comm = "systemd-network" }, true },
		{ { .comm = "systemd-networ" }, false },
		{ { .comm = "bash", .exe = "/bin/bash" }, false },
		{ { .comm = "sshd-agent", .exe = "/usr/bin/sshd-agent" }, false },
		/* A user's own, whatever it is called, whoever owns the file. */
		{ { .comm = "sshd", .exe = "/home/eve/sshd", 1000, 1000 }, false },
		{ { .comm = "sshd", .exe = "/usr/sbin/sshd", 1000, 1000 }, false },
		{ { .comm = "sshd", .real_uid = 1000, .effective_uid = 1000 }, false },
		/* A link called sshd to a setuid program. */
		{ { .comm = "sshd", .exe = "/usr/bin/su", 1000, 0 }, false },
		/* A container's. */
		{ { .comm = "sshd", .exe = "/usr/sbin/sshd", .pids = "17\t1" }, false },
		{ { .comm = "sshd", .exe = "/usr/sbin/sshd", 100000, 100000 }, false },
		/* A service's account has no business with sshd; the bus has its own. */
		{ { .comm = "sshd", .exe = "/usr/sbin/sshd", 33, 33 }, false },
		/* A kernel thread may be called anything. */
		{ { .comm = "sshd", .kernel = true }, false },
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_process process = cases[i].process;

		process.pid = 17;
		process.cgroup = "/web/one";
		add(world, &process);
		assert_int_equal(guards_refresh(world->guards, 0), 0);
		if (check(world, -1, "/web/one") != (cases[i].counts ? -EPERM : 0))
			fail_msg("case %zu: %s (%s): %s", i, process.comm,
				 process.exe ? process.exe : "", world->reason);
		machine_remove(&world->machine, "proc/17");
	}
}

/* What runs as an account of its own: the executable has to be root's. */
static void test_accounts(void **state)
{
	struct fake_process process = { 17, "dbus-daemon", NULL, 101, 101, .cgroup = "/bus" };
	struct world *world = *state;
	char exe[4096];

	if (geteuid() != 0)
		skip();
	machine_write(&world->machine, "bin/dbus-daemon", "");
	machine_path(&world->machine, "bin/dbus-daemon", exe);
	process.exe = exe;
	add(world, &process);
	assert_int_equal(guards_refresh(world->guards, 0), 0);
	assert_int_equal(check(world, -1, "/bus"), -EPERM);
	assert_int_equal(chmod(exe, 0666), 0);
	assert_int_equal(guards_refresh(world->guards, 0), 0);
	assert_int_equal(check(world, -1, "/bus"), 0);
	assert_int_equal(chmod(exe, 0644), 0);
	assert_int_equal(chown(exe, 101, 0), 0);
	assert_int_equal(guards_refresh(world->guards, 0), 0);
	assert_int_equal(check(world, -1, "/bus"), 0);
	assert_int_equal(chown(exe, 0, 0), 0);
	process.real_uid = process.effective_uid = 1000;
	add(world, &process);
	assert_int_equal(guards_refresh(world->guards, 0), 0);
	assert_int_equal(check(world, -1, "/bus"), 0);
}

static void test_places(void **state)
{
	static const struct fake_process processes[] = {
		{ 20, "sshd", "/usr/sbin/sshd",
		  .cgroup = "/user.slice/user-0.slice/session-3.scope", .v1_cgroup = "/old" },
		{ 812, "containerd-shim", "/usr/bin/containerd-shim-runc-v2",
		  .cgroup = "/system.slice/engine", .v1_cgroup = "/system.slice/engine" },
		{ 811, "containerd-shim", "/usr/bin/containerd-shim-runc-v2",
		  .cgroup = "/system.slice/engine", .v1_cgroup = "/system.slice/engine" },
		/* Roots hold all of the machine: that is no reason to say sshd. */
		{ 30, "sshd", "/usr/sbin/sshd", .cgroup = "/" },
	};
	static const struct {
		int hierarchy;
		const char *path;
		int want;
	} cases[] = {
		{ -1, "/user.slice/user-0.slice/session-3.scope", -EPERM },
		{ -1, "/user.slice/user-0.slice", -EPERM },
		{ -1, "/user.slice", -EPERM },
		{ -1, "/user.slice/user-0.slice/session-3.scope/below", 0 },
		{ -1, "/user.slice/user-0.slice/session-31.scope", 0 },
		{ -1, "/user.slice/user-0.slice/session-3", 0 },
		{ -1, "/old", -EPERM },
		{ 0, "/old", 0 },
		{ 1, "/old", -EPERM },
		{ 0, "/user.slice", -EPERM },
		{ 1, "/user.slice", 0 },
		{ -1, "/system.slice/engine", -EPERM },
		/* By name, though nothing runs there. */
		{ -1, "/system.slice/ssh.service", -EPERM },
		{ -1, "/system.slice/system-sshd.slice/sshd@1-2.service", -EPERM },
		{ -1, "/system.slice/dbus.service", -EPERM },
		{ -1, "/system.slice/containerd.service", -EPERM },
		{ -1, "/system.slice/containerd.service/kubepods-pod1.slice:cri:2", 0 },
		{ -1, "/system.slice/apache2.service", 0 },
		{ -1, "/user.slice/user-1000.slice/ssh.service", 0 },
		{ -1, "/ssh.service", 0 },
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_SIZE(processes); i++)
		add(world, &processes[i]);
	/* Nobody looked yet: nothing is taken for harmless. */
	assert_int_equal(check(world, -1, "/elsewhere"), -EPERM);
	assert_non_null(strstr(world->reason, "not known yet"));
	assert_int_equal(guards_refresh(world->guards, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (check(world, cases[i].hierarchy, cases[i].path) != cases[i].want)
			fail_msg("%s in %d: %s", cases[i].path, cases[i].hierarchy, world->reason);
	}
	check(world, -1, "/system.slice/engine");
	assert_string_equal(world->reason, "containerd-shim* (a container, pid 811) lives in it");
	check(world, -1, "/system.slice/ssh.service");
	assert_string_equal(world->reason, "it is the place of sshd (the operator's way in)");
}

static void test_age(void **state)
{
	struct fake_process process = { 17, "sshd", "/usr/sbin/sshd", .cgroup = "/a" };
	struct world *world = *state;

	assert_int_equal(guards_refresh(world->guards, 0), 0);
	add(world, &process);
	/* An hour has not passed. */
	assert_int_equal(guards_refresh(world->guards, 3600000), 0);
	assert_int_equal(check(world, -1, "/a"), 0);
	assert_int_equal(guards_refresh(world->guards, 0), 0);
	assert_int_equal(check(world, -1, "/a"), -EPERM);
	machine_remove(&world->machine, "proc/17");
	assert_int_equal(guards_refresh(world->guards, 0), 0);
	assert_int_equal(check(world, -1, "/a"), 0);
}

/* What is broken or half gone says nothing, and does not hide the others. */
static void test_broken(void **state)
{
	struct fake_process process = { 17, "sshd", "/usr/sbin/sshd", .cgroup = "/a" };
	struct world *world = *state;

	add(world, &process);
	machine_mkdir(&world->machine, "proc/18");
	machine_write(&world->machine, "proc/19/status", "");
	machine_write(&world->machine, "proc/20/status", "Name:\tsshd\nUid:\tx\nVmSize:\t1\n");
	machine_write(&world->machine, "proc/21/status", "Name:\tsshd\nUid:\t0\t0\nVmSize:\t1\n");
	machine_write(&world->machine, "proc/99999999999999999999/status", "Name:\tsshd\n");
	assert_int_equal(guards_refresh(world->guards, 0), 0);
	assert_int_equal(check(world, -1, "/a"), -EPERM);
}

struct asker {
	struct world *world;
	atomic_bool stop;
};

static void *refresh_again(void *data)
{
	struct asker *asker = data;

	while (!atomic_load(&asker->stop))
		(void)guards_refresh(asker->world->guards, 0);
	return NULL;
}

static void test_threads(void **state)
{
	struct fake_process process = { 17, "sshd", "/usr/sbin/sshd", .cgroup = "/a" };
	struct asker asker = { .world = *state };
	pthread_t threads[2];

	add(asker.world, &process);
	assert_int_equal(guards_refresh(asker.world->guards, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, refresh_again, &asker), 0);
	/* At no moment is there no table. */
	for (unsigned int i = 0; i < 20000; i++) {
		char reason[128];

		assert_int_equal(
			guards_check(asker.world->guards, -1, "/a", reason, sizeof(reason)),
			-EPERM);
	}
	atomic_store(&asker.stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void test_table(void **state)
{
	static const char *const protected[] = {
		"systemd-journald", "systemd-udevd",
		"dbus-daemon",	    "dbus-broker-launch",
		"systemd-logind",   "sshd",
		"sshd-session",	    "login",
		"conmon",	    "dockerd",
		"containerd",	    "crio",
		"podman",	    "kubelet",
		"lxc-start",	    "systemd-nspawn",
		"NetworkManager",   "systemd-networkd",
		"systemd-resolved", "rpc.gssd",
		"iscsid",	    "multipathd",
		"ceph-osd",	    "containerd-shim",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(protected); i++)
		assert_non_null(guard_of_program(protected[i]));
	assert_null(guard_of_program("systemd-journal"));
	assert_non_null(guard_of_comm("systemd-journal"));
	assert_null(guard_of_comm("systemd-journa"));
	assert_null(guard_of_program("nginx"));
	assert_null(guard_of_program(""));
	assert_null(guard_of_path(""));
	assert_null(guard_of_path("/system.slice"));
}

static void write_ancestor(struct world *world, const char *name, int parent, const char *cgroup)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "proc/%s/stat", name);
	snprintf(text, sizeof(text),
		 "1 (a b) S %d 1 1 0 -1 4194304 1 1 1 1 1 1 1 1 20 0 1 0 1 1 1 1 1\n", parent);
	machine_write(&world->machine, path, text);
	snprintf(path, sizeof(path), "proc/%s/cgroup", name);
	snprintf(text, sizeof(text), "2:memory:%s\n0::%s\n", cgroup, cgroup);
	machine_write(&world->machine, path, text);
}

/* Ourselves, who started us, and process 1; but not their brothers and sisters. */
static void test_ownership(void **state)
{
	static const struct {
		const char *path;
		int want;
	} cases[] = {
		{ "/", -EPERM },	 { "/self", -EPERM },
		{ "/self/below", 0 },	 { "/shell/session", -EPERM },
		{ "/shell", -EPERM },	 { "/shell2", 0 },
		{ "/sudo", -EPERM },	 { "/init.scope", -EPERM },
		{ "/watchdog", -EPERM }, { "/other", 0 },
	};
	struct world *world = *state;

	write_ancestor(world, "self", 40, "/self");
	write_ancestor(world, "40", 50, "/sudo");
	write_ancestor(world, "50", 1, "/shell/session");
	write_ancestor(world, "60", 1, "/watchdog");
	write_ancestor(world, "70", 1, "/other");
	write_ancestor(world, "1", 0, "/init.scope");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (ownership_check(world->root, world->hierarchies, 1, cases[i].path, 60,
				    world->reason, sizeof(world->reason)) != cases[i].want)
			fail_msg("%s: %s", cases[i].path, world->reason);
	}
	ownership_check(world->root, world->hierarchies, 1, "/shell", 0, world->reason,
			sizeof(world->reason));
	assert_string_equal(world->reason,
			    "pid 50, which started cgwatch, lives in it (hierarchy memory)");
	/* One of them ended: the others still count. */
	machine_remove(&world->machine, "proc/50");
	assert_int_equal(ownership_check(world->root, world->hierarchies, 1, "/shell", 0,
					 world->reason, sizeof(world->reason)),
			 0);
	assert_int_equal(ownership_check(world->root, world->hierarchies, 1, "/sudo", 0,
					 world->reason, sizeof(world->reason)),
			 -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_accounts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_age, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test(test_table),
		cmocka_unit_test_setup_teardown(test_ownership, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
