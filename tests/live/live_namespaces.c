// SPDX-License-Identifier: MIT
/*
 * The three ways into namespaces, clone, unshare and setns, for each of the eight types; threads,
 * what waits for children, zombies; from inside a pid namespace and without rights.
 */
#define _GNU_SOURCE
#include "live_ns.h"

#include <linux/sched.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/utsname.h>

static enum ns_type wanted; /* what the next actor works with */
static pid_t other;	    /* whom it works with */

static const struct ns_namespace *host_user(const struct namespaces *set)
{
	assert_int_not_equal(set->host[NS_USER], NS_NONE);
	return &set->list[set->host[NS_USER]];
}

/* What is true of a new namespace of a process of ours that root made. */
static void check_new(const struct namespaces *set, enum ns_type type, pid_t pid, uint32_t n)
{
	uint64_t inode = inode_of(pid, ns_type_name(type));
	const struct ns_namespace *ns;

	assert_true(inode != 0 && inode != inode_of(getpid(), ns_type_name(type)));
	ns = find_ns(set, type, inode);
	assert_int_equal(ns->processes, n);
	assert_int_equal(ns->threads, n);
	assert_int_equal(ns->pid, pid);
	assert_int_equal(ns->uid, 0);
	assert_non_null(ns->command);
	assert_false(ns->host);
	assert_true(ns->owner_known);
	assert_int_equal(ns->owner_uid, 0);
	assert_string_equal(ns_state_name(ns), "live");
	assert_true(ns->owner != NS_NONE && &set->list[ns->owner] == host_user(set));
	if (type == NS_PID || type == NS_USER) {
		assert_true(ns->parent != NS_NONE && set->list[ns->parent].host);
		assert_int_equal(ns->depth, 1);
	} else {
		assert_int_equal(ns->parent, NS_NONE);
	}
	assert_true(find_process(set, pid)->ns[type] == namespaces_find(set, type, inode));
}

static pid_t clone_into(enum ns_type type)
{
	struct clone_args args = { .flags = (uint64_t)ns_type_flag(type), .exit_signal = SIGCHLD };

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void work_clone(struct actor *actor)
{
	pid_t pid = clone_into(wanted);

	ACTOR(pid >= 0);
	if (pid == 0) {
		follow_parent();
		for (;;)
			pause();
	}
	actor->numbers[0] = pid;
}

static void test_clone(void **state)
{
	struct live *live = *state;

	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		struct actor actor;
		struct scan scan;

		if (!kernel_has(type)) {
			print_message("this kernel has no %s namespaces\n", ns_type_name(type));
			continue;
		}
		wanted = type;
		actor = actor_start(live, work_clone);
		check_new(scan_once(&scan, NS_TEST_FLAGS), type, (pid_t)actor.numbers[0], 1);
		scan_stop(&scan);
		actor_end(live, &actor);
	}
}

/* unshare() of pid and time namespaces is for children. */
static void work_unshare(struct actor *actor)
{
	pid_t pid;

	ACTOR(unshare(ns_type_flag(wanted)) == 0);
	actor->numbers[0] = getpid();
	if (wanted != NS_PID && wanted != NS_TIME)
		return;
	pid = fork();
	ACTOR(pid >= 0);
	if (pid == 0) {
		follow_parent();
		for (;;)
			pause();
	}
	actor->numbers[0] = pid;
}

static void work_setns(struct actor *actor)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)other, ns_type_name(wanted));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ACTOR(fd >= 0);
	ACTOR(setns(fd, ns_type_flag(wanted)) == 0);
	close(fd);
	actor->numbers[0] = getpid();
	if (wanted == NS_PID) {
		pid_t pid = fork();

		ACTOR(pid >= 0);
		if (pid == 0) {
			follow_parent();
			for (;;)
				pause();
		}
		actor->numbers[0] = pid;
	}
}

static void check_setns(struct live *live, enum ns_type type, const struct actor *first)
{
	struct actor second;
	struct scan scan;

	wanted = type;
	other = (pid_t)first->numbers[0];
	second = actor_start(live, work_setns);
	assert_true(inode_of((pid_t)second.numbers[0], ns_type_name(type)) ==
		    inode_of(other, ns_type_name(type)));
	check_new(scan_once(&scan, NS_TEST_FLAGS), type,
		  other < second.numbers[0] ? other : (pid_t)second.numbers[0], 2);
	scan_stop(&scan);
	actor_end(live, &second);
}

static void test_unshare_and_setns(void **state)
{
	struct live *live = *state;

	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		struct actor actor;
		struct scan scan;

		if (!kernel_has(type))
			continue;
		wanted = type;
		actor = actor_start(live, work_unshare);
		check_new(scan_once(&scan, NS_TEST_FLAGS), type, (pid_t)actor.numbers[0], 1);
		scan_stop(&scan);
		/* No process may leave its user namespace for one beside it: it owns that one. */
		check_setns(live, type, &actor);
		actor_end(live, &actor);
	}
}

/* A pid namespace whose process 1 has ended stays for as long as its maker remembers it. */
static void work_pid_for_children(struct actor *actor)
{
	pid_t pid;

	(void)actor;
	ACTOR(unshare(CLONE_NEWPID) == 0);
	pid = fork();
	ACTOR(pid >= 0);
	if (pid == 0)
		_exit(0);
	ACTOR(waitpid(pid, NULL, 0) == pid);
}

static void work_time_for_children(struct actor *actor)
{
	static const char text[] = "monotonic 1000 5\nboottime -7 0\n";
	int fd;

	(void)actor;
	ACTOR(unshare(CLONE_NEWTIME) == 0);
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	ACTOR(fd >= 0);
	/* Before boot no clock can be: then only the other one is moved. */
	if (write(fd, text, sizeof(text) - 1) < 0)
		ACTOR(write(fd, text, 17) == 17);
	close(fd);
}

static void check_for_children(struct live *live, enum ns_type type, const char *link,
			       void (*work)(struct actor *actor))
{
	struct actor actor = actor_start(live, work);
	uint64_t inode = inode_of(actor.pid, link);
	const struct namespaces *set;
	const struct ns_namespace *ns;
	const struct ns_process *process;
	struct scan scan;

	assert_true(inode != 0 && inode != inode_of(actor.pid, ns_type_name(type)));
	set = scan_once(&scan, NS_TEST_FLAGS);
	ns = find_ns(set, type, inode);
	assert_int_equal(ns->processes, 0);
	assert_int_equal(ns->threads, 0);
	assert_string_equal(ns_state_name(ns), "children");
	assert_int_equal(find_holder(ns, NS_HELD_CHILDREN)->pid, actor.pid);
	assert_int_equal(ns->pid, actor.pid);
	assert_true(&set->list[ns->owner] == host_user(set));
	process = find_process(set, actor.pid);
	assert_true(set->list[process->ns[type]].host);
	assert_true(&set->list[type == NS_PID ? process->pid_for_children
					      : process->time_for_children] == ns);
	if (type == NS_TIME) {
		assert_true(ns->offsets_known);
		assert_true(ns->monotonic_ns == INT64_C(1000000000005));
		assert_true(ns->boottime_ns == INT64_C(-7000000000) || ns->boottime_ns == 0);
	}
	scan_stop(&scan);
	actor_end(live, &actor);
}

static void test_for_children(void **state)
{
	check_for_children(*state, NS_PID, "pid_for_children", work_pid_for_children);
	if (kernel_has(NS_TIME))
		check_for_children(*state, NS_TIME, "time_for_children", work_time_for_children);
}

static void *thread_elsewhere(void *context)
{
	struct actor *actor = context;

	ACTOR(unshare(CLONE_NEWNET) == 0);
	actor->numbers[0] = (int64_t)syscall(SYS_gettid);
	actor_stay(actor);
	return NULL;
}

static void work_thread(struct actor *actor)
{
	pthread_t thread;

	ACTOR(pthread_create(&thread, NULL, thread_elsewhere, actor) == 0);
	for (;;)
		pause();
}

static void test_thread(void **state)
{
	struct live *live = *state;
	struct actor actor = actor_start(live, work_thread);
	pid_t tid = (pid_t)actor.numbers[0];
	uint64_t inode = inode_of(tid, "net");
	const struct namespaces *set;
	const struct ns_namespace *ns;
	const struct ns_holder *holder;
	struct scan scan;
	uint32_t found = 0;

	assert_true(inode != inode_of(actor.pid, "net"));
	set = scan_once(&scan, NS_TEST_FLAGS);
	ns = find_ns(set, NS_NET, inode);
	assert_int_equal(ns->processes, 0);
	assert_int_equal(ns->threads, 1);
	assert_string_equal(ns_state_name(ns), "live");
	holder = find_holder(ns, NS_HELD_THREAD);
	assert_int_equal(holder->pid, actor.pid);
	assert_int_equal(holder->tid, tid);
	assert_int_equal(ns->pid, actor.pid);
	assert_string_equal(ns->interfaces, "lo");
	assert_int_equal(find_process(set, actor.pid)->threads, 2);
	for (uint32_t i = 0; i < set->n_threads; i++) {
		if (set->threads[i].tid != tid)
			continue;
		found++;
		assert_int_equal(set->threads[i].pid, actor.pid);
		assert_true(&set->list[set->threads[i].ns[NS_NET]] == ns);
		assert_true(set->list[set->threads[i].ns[NS_UTS]].host);
	}
	assert_int_equal(found, 1);
	scan_stop(&scan);
	actor_end(live, &actor);
}

static void work_details(struct actor *actor)
{
	int fd;

	(void)actor;
	ACTOR(unshare(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWNS) == 0);
	ACTOR(sethostname("a \xff host", 8) == 0);
	ACTOR(setdomainname("its.domain", 10) == 0);
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	ACTOR(fd >= 0 && write(fd, "0 0 1", 5) == 5);
	close(fd);
	ACTOR(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

static void test_details(void **state)
{
	struct live *live = *state;
	struct actor actor = actor_start(live, work_details);
	const struct ns_namespace *ns, *user;
	const struct namespaces *set;
	struct utsname names;
	struct scan scan;

	set = scan_once(&scan, NS_TEST_FLAGS);
	user = find_ns(set, NS_USER, inode_of(actor.pid, "user"));
	assert_int_equal(user->n_uid_map, 1);
	assert_int_equal(user->uid_map[0].count, 1);
	assert_int_equal(user->n_gid_map, 0);
	ns = find_ns(set, NS_UTS, inode_of(actor.pid, "uts"));
	assert_string_equal(ns->nodename, "a \xff host");
	assert_string_equal(ns->domainname, "its.domain");
	assert_true(&set->list[ns->owner] == user);
	ns = find_ns(set, NS_NET, inode_of(actor.pid, "net"));
	assert_int_equal(ns->n_interfaces, 1);
	assert_string_equal(ns->interfaces, "lo");
	assert_true(ns->netnsid_known);
	assert_int_equal(ns->netnsid, -1);
	ns = find_ns(set, NS_MNT, inode_of(actor.pid, "mnt"));
	assert_true(ns->n_mounts > 0);
	assert_string_equal(ns->root, "/");
	assert_true(ns->root_device != 0);
	/* Our own did not change while a thread of ours was elsewhere. */
	assert_int_equal(uname(&names), 0);
	ns = find_ns(set, NS_UTS, inode_of(getpid(), "uts"));
	assert_string_equal(ns->nodename, names.nodename);
	scan_stop(&scan);
	actor_end(live, &actor);
}

/* The number 1 of a pid namespace, also as it is seen from inside. */
static void work_inside(struct actor *actor)
{
	pid_t pid;
	int status;

	(void)actor;
	ACTOR(unshare(CLONE_NEWPID | CLONE_NEWNS) == 0);
	pid = fork();
	ACTOR(pid >= 0);
	if (pid == 0) {
		const struct ns_namespace *ns;
		struct scan scan;

		follow_parent();
		ACTOR(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		ACTOR(mount("proc", "/proc", "proc", 0, NULL) == 0);
		scan_start(&scan);
		ACTOR(ns_scanner_read(scan.scanner, NS_TEST_FLAGS) == 0);
		ACTOR(ns_scanner_finish(scan.scanner, NULL, &scan.set) == 0);
		ACTOR(scan.set->n_processes == 1 && scan.set->processes[0].pid == 1);
		ns = &scan.set->list[scan.set->processes[0].ns[NS_PID]];
		ACTOR(ns->host && ns->init == 1 && ns->parent == NS_NONE && ns->depth == 0);
		ns = &scan.set->list[scan.set->processes[0].ns[NS_NET]];
		ACTOR(ns->host && ns->processes == 1 && ns->owner != NS_NONE);
		scan_stop(&scan);
		_exit(0);
	}
	ACTOR(waitpid(pid, &status, 0) == pid);
	ACTOR(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_in_pid_namespace(void **state)
{
	struct live *live = *state;
	struct actor actor = actor_start(live, work_inside);

	actor_end(live, &actor);
}

static void test_init(void **state)
{
	struct live *live = *state;
	const struct namespaces *set;
	struct actor actor;
	struct scan scan;
	uint64_t inode;

	wanted = NS_PID;
	actor = actor_start(live, work_unshare);
	inode = inode_of((pid_t)actor.numbers[0], "pid");
	set = scan_once(&scan, NS_TEST_FLAGS);
	assert_int_equal(find_ns(set, NS_PID, inode)->init, actor.numbers[0]);
	assert_int_equal(set->list[set->host[NS_PID]].init, 1);
	scan_stop(&scan);
	actor_end(live, &actor);
}

/* Without rights: its own namespaces, and the truth about all others. */
static void work_nobody(struct actor *actor)
{
	const struct namespaces *set;
	struct scan scan;

	(void)actor;
	ACTOR(setresgid(65534, 65534, 65534) == 0);
	ACTOR(setresuid(65534, 65534, 65534) == 0);
	ACTOR(prctl(PR_SET_DUMPABLE, 1) == 0);
	scan_start(&scan);
	ACTOR(ns_scanner_read(scan.scanner, NS_TEST_FLAGS | NS_SCAN_CGROUPS) == 0);
	ACTOR(ns_scanner_finish(scan.scanner, NULL, &scan.set) == 0);
	set = scan.set;
	ACTOR(set->n_denied > 0 && set->n_denied < set->n_processes);
	ACTOR(set->n_denied_others > 0 && set->n_denied_others <= set->n_denied);
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		uint64_t inode = inode_of(getpid(), ns_type_name(type));

		ACTOR(!inode || has_ns(set, type, inode));
	}
	ACTOR(find_process(set, 1)->denied && find_process(set, 1)->ns[NS_NET] == NS_NONE);
	ACTOR(!find_process(set, getpid())->denied);
	scan_stop(&scan);
}

static void test_without_rights(void **state)
{
	struct live *live = *state;
	struct actor actor = actor_start(live, work_nobody);

	actor_end(live, &actor);
}

static void work_zombie(struct actor *actor)
{
	pid_t pid = fork();
	siginfo_t info;

	ACTOR(pid >= 0);
	if (pid == 0)
		_exit(0);
	/* Until it has ended, without burying it. */
	ACTOR(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
	actor->numbers[0] = pid;
}

static void test_zombie(void **state)
{
	struct live *live = *state;
	struct actor actor = actor_start(live, work_zombie);
	const struct ns_process *process;
	struct scan scan;

	process = find_process(scan_once(&scan, NS_TEST_FLAGS), (pid_t)actor.numbers[0]);
	assert_int_equal(process->ns[NS_NET], NS_NONE);
	assert_int_equal(process->ns[NS_MNT], NS_NONE);
	assert_false(process->denied);
	scan_stop(&scan);
	actor_end(live, &actor);
}

static void test_cgroups(void **state)
{
	struct live *live = *state;
	const struct ns_process *process;
	struct stat info;
	struct scan scan;
	char path[128];
	pid_t pid;

	live_cgroup(live, "placed");
	pid = live_start(live, "placed", live_sleep);
	snprintf(path, sizeof(path), "%s/placed", live->top);
	scan_start(&scan);
	process = find_process(scan_take(&scan, NS_SCAN_CGROUPS | NS_SCAN_PROCESSES), pid);
	assert_non_null(process->cgroup);
	assert_string_equal(process->cgroup, path);
	assert_int_equal(stat("/", &info), 0);
	assert_true(process->root_device == info.st_dev);
	assert_int_equal(process->ppid, getpid());
	assert_true(process->start_ns > 0 && process->start_ns <= scan.set->boottime_ns);
	assert_true(strlen(process->comm) > 0);
	scan_stop(&scan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_clone, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_unshare_and_setns, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_for_children, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_thread, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_details, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_in_pid_namespace, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_init, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_without_rights, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_zombie, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_cgroups, live_setup, live_teardown),
	};

	if (scan_lacks_records())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
