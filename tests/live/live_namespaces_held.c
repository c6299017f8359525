// SPDX-License-Identifier: MIT
/*
 * Namespaces without a process: kept by an open file, a socket, a bind mount or a child; what they
 * count against the limits; and the whole set beside that of lsns.
 */
#define _GNU_SOURCE
#include "live_ns.h"

#include <arpa/inet.h>
#include <sys/mount.h>
#include <sys/socket.h>

static char bind_path[256];

static int open_own(const char *link)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", link);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ACTOR(fd >= 0);
	return fd;
}

/* Each leaves for a net namespace of its own and comes back. */
static void work_fd(struct actor *actor)
{
	int home = open_own("net"), fd;

	ACTOR(unshare(CLONE_NEWNET) == 0);
	actor->numbers[0] = (int64_t)inode_of(getpid(), "net");
	fd = open_own("net");
	ACTOR(setns(home, CLONE_NEWNET) == 0);
	close(home);
	actor->numbers[1] = fd;
}

static void work_socket(struct actor *actor)
{
	int home = open_own("net"), fd;
	struct stat info;

	ACTOR(unshare(CLONE_NEWNET) == 0);
	actor->numbers[0] = (int64_t)inode_of(getpid(), "net");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ACTOR(fd >= 0 && fstat(fd, &info) == 0);
	ACTOR(setns(home, CLONE_NEWNET) == 0);
	close(home);
	actor->numbers[1] = fd;
	actor->numbers[2] = (int64_t)info.st_ino;
}

/* In a mount namespace of its own, so that nobody else has the mount. */
static void work_bind(struct actor *actor)
{
	int home = open_own("net");

	ACTOR(unshare(CLONE_NEWNS) == 0);
	ACTOR(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	ACTOR(unshare(CLONE_NEWNET) == 0);
	actor->numbers[0] = (int64_t)inode_of(getpid(), "net");
	ACTOR(mount("/proc/self/ns/net", bind_path, NULL, MS_BIND, NULL) == 0);
	ACTOR(setns(home, CLONE_NEWNET) == 0);
	close(home);
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* The user namespace in the middle has no process any more. */
static void work_child(struct actor *actor)
{
	pid_t pid = fork();

	ACTOR(pid >= 0);
	if (pid > 0) {
		for (int i = 0; i < 3000 && actor->numbers[2] == 0; i++)
			usleep(10000);
		ACTOR(actor->numbers[2] != 0);
		ACTOR(waitpid(pid, NULL, 0) == pid);
		return;
	}
	ACTOR(unshare(CLONE_NEWUSER) == 0);
	/* Who is nobody in a namespace can make none below it. */
	ACTOR(write_text("/proc/self/uid_map", "0 0 1") == 0);
	ACTOR(write_text("/proc/self/setgroups", "deny") == 0);
	ACTOR(write_text("/proc/self/gid_map", "0 0 1") == 0);
	actor->numbers[0] = (int64_t)inode_of(getpid(), "user");
	pid = fork();
	ACTOR(pid >= 0);
	if (pid == 0) {
		ACTOR(unshare(CLONE_NEWUSER) == 0);
		actor->numbers[1] = (int64_t)inode_of(getpid(), "user");
		actor->numbers[2] = getpid();
		for (;;) /* ends with the test */
			pause();
	}
	_exit(0);
}

static void test_fd(void **state)
{
	struct live *live = *state;
	struct actor actor = actor_start(live, work_fd);
	const struct ns_holder *holder;
	const struct ns_namespace *ns;
	const struct namespaces *set;
	struct scan scan;

	set = scan_once(&scan, NS_TEST_FLAGS);
	assert_true(set->holders_searched);
	ns = find_ns(set, NS_NET, (uint64_t)actor.numbers[0]);
	assert_int_equal(ns->processes, 0);
	assert_string_equal(ns_state_name(ns), "fd");
	holder = find_holder(ns, NS_HELD_FD);
	assert_int_equal(holder->pid, actor.pid);
	assert_int_equal(holder->fd, actor.numbers[1]);
	assert_non_null(holder->comm);
	assert_int_equal(ns->pid, actor.pid);
	assert_true(ns->owner != NS_NONE && set->list[ns->owner].host);
	assert_int_equal(ns->n_interfaces, 1);
	assert_string_equal(ns->interfaces, "lo");
	assert_true(ns->netnsid_known);
	scan_stop(&scan);
	actor_end(live, &actor);
}

/* Shares its descriptors with another process, which can close them while it sleeps. */
static void work_shared_fd(struct actor *actor)
{
	pid_t pid;

	work_fd(actor);
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0UL, NULL, NULL, 0UL);
	ACTOR(pid >= 0);
	if (pid > 0) {
		actor_ready(actor);
		for (;;)
			pause();
	}
	follow_parent();
	actor_wait(actor);
	ACTOR(close((int)actor->numbers[1]) == 0);
	actor_stay(actor);
}

/* What is remembered of a process that sleeps is looked at again. */
static void test_fd_closed(void **state)
{
	struct live *live = *state;
	struct actor actor = actor_start(live, work_shared_fd);
	const struct namespaces *set;
	struct scan scan;

	scan_start(&scan);
	for (int pass = 0; pass < 4; pass++) {
		const struct ns_namespace *ns;

		set = scan_take(&scan, NS_TEST_FLAGS);
		ns = find_ns(set, NS_NET, (uint64_t)actor.numbers[0]);
		assert_int_equal(ns->n_holders, 2);
		assert_int_equal(find_holder(ns, NS_HELD_FD)->pid, actor.pid);
		live_wait(2.2);
	}
	actor_go(&actor);
	actor_expect(&actor);
	set = scan_take(&scan, NS_TEST_FLAGS);
	assert_false(has_ns(set, NS_NET, (uint64_t)actor.numbers[0]));
	scan_stop(&scan);
	actor_end(live, &actor);
}

static void test_socket(void **state)
{
	struct live *live = *state;
	struct actor actor = actor_start(live, work_socket);
	const struct ns_holder *holder;
	const struct ns_namespace *ns;
	const struct namespaces *set;
	struct scan scan;

	scan_start(&scan);
	/* The second pass remembers the socket. */
	for (int pass = 0; pass < 2; pass++) {
		set = scan_take(&scan, NS_TEST_FLAGS);
		ns = find_ns(set, NS_NET, (uint64_t)actor.numbers[0]);
		assert_int_equal(ns->processes, 0);
		assert_string_equal(ns_state_name(ns), "socket");
		holder = find_holder(ns, NS_HELD_SOCKET);
		assert_int_equal(holder->pid, actor.pid);
		assert_int_equal(holder->fd, actor.numbers[1]);
		assert_true(holder->inode == (uint64_t)actor.numbers[2]);
		assert_true(ns->owner != NS_NONE && set->list[ns->owner].host);
		assert_int_equal(ns->n_interfaces, 1);
	}
	scan_stop(&scan);
	actor_end(live, &actor);
}

/* Looking at a namespace must not be what keeps it, between two passes. */
static bool have_open(uint64_t inode)
{
	for (int fd = 0; fd < 1024; fd++) {
		struct stat info;

		if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_ino == inode)
			return true;
	}
	return false;
}

static void test_bind_mount(void **state)
{
	struct live *live = *state;
	const struct ns_holder *holder;
	const struct ns_namespace *ns;
	const struct namespaces *set;
	struct actor actor;
	struct scan scan;
	int fd;

	snprintf(bind_path, sizeof(bind_path), "%s/a name\nof two lines", live->state);
	fd = open(bind_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	actor = actor_start(live, work_bind);
	set = scan_once(&scan, NS_TEST_FLAGS);
	ns = find_ns(set, NS_NET, (uint64_t)actor.numbers[0]);
	assert_int_equal(ns->processes, 0);
	assert_string_equal(ns_state_name(ns), "mount");
	holder = find_holder(ns, NS_HELD_MOUNT);
	assert_string_equal(holder->path, bind_path);
	assert_true(holder->mount_ns == inode_of(actor.pid, "mnt"));
	assert_true(ns->owner != NS_NONE && set->list[ns->owner].host);
	assert_int_equal(ns->n_interfaces, 1);
	assert_false(have_open(ns->inode));
	scan_stop(&scan);
	actor_end(live, &actor);
}

static void test_child(void **state)
{
	struct live *live = *state;
	struct actor actor = actor_start(live, work_child);
	const struct ns_namespace *middle, *inner;
	const struct ns_holder *holder;
	const struct namespaces *set;
	struct scan scan;

	scan_start(&scan);
	for (int pass = 0; pass < 2; pass++) {
		set = scan_take(&scan, NS_TEST_FLAGS);
		inner = find_ns(set, NS_USER, (uint64_t)actor.numbers[1]);
		middle = find_ns(set, NS_USER, (uint64_t)actor.numbers[0]);
		assert_true(&set->list[inner->parent] == middle);
		assert_true(set->list[middle->parent].host);
		assert_int_equal(inner->depth, 2);
		assert_int_equal(middle->processes, 0);
		assert_string_equal(ns_state_name(middle), "child");
		holder = find_holder(middle, NS_HELD_CHILD);
		assert_true(holder->inode == inner->inode);
		assert_int_equal(holder->child_type, NS_USER);
	}
	scan_stop(&scan);
	kill((pid_t)actor.numbers[2], SIGKILL);
	actor_end(live, &actor);
}

/* Five uts namespaces are allowed below; each process has one. The kernel itself says when they are
 * used up. */
static void work_limits(struct actor *actor)
{
	ACTOR(unshare(CLONE_NEWUSER) == 0);
	ACTOR(write_text("/proc/sys/user/max_uts_namespaces", "5") == 0);
	for (int i = 0; i < 6; i++) {
		pid_t pid = fork();

		ACTOR(pid >= 0);
		if (pid == 0) {
			follow_parent();
			actor->numbers[i] = unshare(CLONE_NEWUTS) == 0 ? 1 : -errno;
			for (;;)
				pause();
		}
		for (int wait = 0; wait < 3000 && actor->numbers[i] == 0; wait++)
			usleep(10000);
		ACTOR(actor->numbers[i] != 0);
		if (i == 2) {
			actor_ready(actor);
			actor_wait(actor);
		}
	}
}

static const struct ns_limit *find_limit(const struct namespaces *set, enum ns_type type,
					 uint32_t user_ns, uid_t uid)
{
	for (uint32_t i = 0; i < set->n_limits; i++) {
		const struct ns_limit *limit = &set->limits[i];

		if (limit->type == type && limit->user_ns == user_ns && limit->uid == uid)
			return limit;
	}
	fail_msg("no limit of %s", ns_type_name(type));
	return NULL;
}

static void check_limits(const struct namespaces *set, const struct actor *actor, uint64_t used)
{
	uint32_t user = namespaces_find(set, NS_USER, inode_of(actor->pid, "user"));
	const struct ns_limit *limit;

	assert_int_not_equal(user, NS_NONE);
	limit = find_limit(set, NS_UTS, user, 0);
	assert_true(limit->limit_known);
	assert_int_equal(limit->limit, 5);
	assert_int_equal(limit->used, used);
	assert_true(ns_limit_ratio(limit) == (double)used / 5);
	/* Nothing on a machine is tighter than this. */
	assert_true(ns_limit_ratio(&set->limits[0]) >= ns_limit_ratio(limit));
	limit = find_limit(set, NS_UTS, set->host[NS_USER], 0);
	assert_true(limit->limit_known);
	assert_true(limit->used >= used);
	assert_true(find_limit(set, NS_USER, set->host[NS_USER], 0)->used >= 1);
}

static void test_limits(void **state)
{
	struct live *live = *state;
	struct actor actor = actor_start(live, work_limits);
	struct scan scan;

	check_limits(scan_once(&scan, NS_TEST_FLAGS), &actor, 3);
	actor_go(&actor);
	actor_expect(&actor);
	/* The kernel counts as we do: the sixth was too much. */
	assert_int_equal(actor.numbers[4], 1);
	assert_int_equal(actor.numbers[5], -ENOSPC);
	check_limits(scan_take(&scan, NS_TEST_FLAGS), &actor, 5);
	scan_stop(&scan);
	actor_end(live, &actor);
}

struct listed {
	enum ns_type type;
	uint64_t inode;
	unsigned int processes;
};

static size_t run_lsns(struct listed *list, size_t capacity)
{
	FILE *pipe = popen("lsns -n -r -o NS,TYPE,NPROCS", "re");
	char line[256];
	size_t n = 0;

	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		char type[16];
		unsigned long long inode;

		assert_true(n < capacity);
		assert_int_equal(sscanf(line, "%llu %15s %u", &inode, type, &list[n].processes), 3);
		list[n].type = ns_type_find(type, strlen(type));
		assert_int_not_equal(list[n].type, NS_TYPE_COUNT);
		list[n++].inode = inode;
	}
	assert_int_equal(pclose(pipe), 0);
	return n;
}

static bool is_listed(const struct listed *list, size_t n, const struct ns_namespace *ns)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].type == ns->type && list[i].inode == ns->inode)
			return true;
	}
	return false;
}

/* Others work on this machine, too: what is there before and after must be there in between. */
static bool agree(const struct namespaces *before, const struct namespaces *after,
		  const struct listed *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!has_ns(before, list[i].type, list[i].inode) &&
		    !has_ns(after, list[i].type, list[i].inode)) {
			print_message("only lsns has %s:[%llu]\n", ns_type_name(list[i].type),
				      (unsigned long long)list[i].inode);
			return false;
		}
	}
	for (uint32_t i = 0; i < before->n; i++) {
		const struct ns_namespace *ns = &before->list[i];
		uint32_t now = namespaces_find(after, ns->type, ns->inode);

		/* lsns looks at processes only. */
		if (!ns->processes || now == NS_NONE || !after->list[now].processes ||
		    is_listed(list, n, ns))
			continue;
		print_message("lsns has no %s:[%llu]\n", ns_type_name(ns->type),
			      (unsigned long long)ns->inode);
		return false;
	}
	return true;
}

/* 30 processes with namespaces of every mixture. */
static void work_busy(struct actor *actor)
{
	for (unsigned int i = 0; i < 30; i++) {
		pid_t pid = fork();

		ACTOR(pid >= 0);
		if (pid > 0) {
			for (int wait = 0; wait < 3000 && actor->numbers[i] == 0; wait++)
				usleep(10000);
			ACTOR(actor->numbers[i] != 0);
			continue;
		}
		follow_parent();
		for (int type = 0; type < NS_TYPE_COUNT; type++) {
			if ((i + 1) >> (type % 5) & 1 && kernel_has(type))
				ACTOR(unshare(ns_type_flag(type)) == 0);
		}
		pid = fork();
		ACTOR(pid >= 0);
		if (pid == 0)
			follow_parent();
		else
			actor->numbers[i] = pid;
		for (;;)
			pause();
	}
}

static void test_as_lsns(void **state)
{
	struct live *live = *state;
	struct scan before, after;
	static struct listed list[8192];
	struct actor actor;
	bool good = false;
	size_t n;

	if (system("command -v lsns >/dev/null") != 0) {
		print_message("no lsns here\n");
		skip();
	}
	actor = actor_start(live, work_busy);
	for (int i = 0; i < 20 && !good; i++) {
		scan_once(&before, 0);
		n = run_lsns(list, sizeof(list) / sizeof(list[0]));
		scan_once(&after, 0);
		good = agree(before.set, after.set, list, n);
		if (good)
			print_message("%zu namespaces as lsns has them\n", n);
		scan_stop(&before);
		scan_stop(&after);
	}
	assert_true(good);
	actor_end(live, &actor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fd, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_fd_closed, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_socket, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_bind_mount, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_child, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_limits, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_as_lsns, live_setup, live_teardown),
	};

	if (scan_lacks_records())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
