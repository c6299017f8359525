// SPDX-License-Identifier: MIT
/* The namespace scanner on a /proc made by hand: what needs no kernel. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/ns_private.h"
#include "core/cleanup.h"

struct fake {
	char top[64];
	struct root *root;
	struct ns_scanner *scanner;
	struct mount_table *mounts;
	struct namespaces *set;
};

static void put(const struct fake *fake, const char *text, const char *path)
{
	char full[256], command[512];
	FILE *file;

	snprintf(full, sizeof(full), "%s/proc/%s", fake->top, path);
	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s')\"", full);
	assert_int_equal(system(command), 0);
	file = fopen(full, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

static void link_to(const struct fake *fake, const char *target, const char *path)
{
	char full[256], command[512];

	snprintf(full, sizeof(full), "%s/proc/%s", fake->top, path);
	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s')\"", full);
	assert_int_equal(system(command), 0);
	unlink(full);
	assert_int_equal(symlink(target, full), 0);
}

/* The links of one task; `net` is the number of its net namespace, the others are the host's. */
static void put_links(const struct fake *fake, const char *task, unsigned int net)
{
	for (unsigned int link = 0; link < NS_LINK_COUNT; link++) {
		char target[64], path[128];

		snprintf(target, sizeof(target), "%s:[%u]", ns_type_name(ns_link_type(link)),
			 link == NS_NET ? net : 100 + ns_link_type(link));
		snprintf(path, sizeof(path), "%s/ns/%s", task, ns_link_name(link));
		link_to(fake, target, path);
	}
}

static void put_process(const struct fake *fake, int pid, unsigned int net, const char *stat)
{
	char task[64], path[96];

	snprintf(task, sizeof(task), "%d", pid);
	put_links(fake, task, net);
	snprintf(path, sizeof(path), "%d/stat", pid);
	put(fake, stat, path);
	snprintf(task, sizeof(task), "%d/task/%d", pid, pid);
	put_links(fake, task, net);
}

static int setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	assert_non_null(fake);
	snprintf(fake->top, sizeof(fake->top), "/tmp/cgwatch-ns-XXXXXX");
	assert_non_null(mkdtemp(fake->top));
	put(fake, "1 0 0:1 / / rw - ext4 /dev/a rw\n", "1/mountinfo");
	put(fake, "1 0 0:1 / / rw - ext4 /dev/a rw\n", "self/mountinfo");
	put_process(fake, 1, 101, "1 (init) S 0 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 2 3 4\n");
	put_process(fake, 100, 777, "100 (a) b\n) S 1 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 200 3\n");
	assert_int_equal(root_new(fake->top, &fake->root), 0);
	assert_int_equal(ns_scanner_new(fake->root, NULL, &fake->scanner), 0);
	assert_int_equal(mount_table_new(fake->root, &fake->mounts), 0);
	*state = fake;
	return 0;
}

static int teardown(void **state)
{
	struct fake *fake = *state;
	char command[128];

	namespaces_unref(fake->set);
	ns_scanner_free(fake->scanner);
	mount_table_free(fake->mounts);
	root_free(fake->root);
	snprintf(command, sizeof(command), "rm -rf '%s'", fake->top);
	assert_int_equal(system(command), 0);
	free(fake);
	return 0;
}

static const struct namespaces *take(struct fake *fake, unsigned int flags)
{
	const struct mount_ns *spaces;
	size_t n;

	namespaces_unref(fake->set);
	fake->set = NULL;
	assert_int_equal(ns_scanner_read(fake->scanner, flags), 0);
	spaces = ns_scanner_mount_ns(fake->scanner, &n);
	assert_int_equal(mount_table_refresh(fake->mounts, spaces, n), 0);
	assert_int_equal(ns_scanner_finish(fake->scanner, fake->mounts, &fake->set), 0);
	return fake->set;
}

static const struct ns_namespace *find(const struct namespaces *set, enum ns_type type,
				       uint64_t inode)
{
	uint32_t index = namespaces_find(set, type, inode);

	assert_int_not_equal(index, NS_NONE);
	return &set->list[index];
}

static void test_link_texts(void **state)
{
	static const char *const bad[] = {
		"",	    "net",	"net:",	    "net:[",	"net:[]",
		"net:[1",   "net:1]",	"net:[1]x", "net:[-1]", "net:[x]",
		"net:[1 ]", "nets:[1]", "netx:[1]", "et:[1]",	"net:[18446744073709551616]",
		"net:[0]",  "net:[12",	"mnt:[1]",  "/net:[1]", "pid_for_children:[1]",
	};
	enum ns_type type;
	uint64_t inode;

	(void)state;
	assert_int_equal(ns_link_parse("net:[4026531840]", 16, NS_NET), 4026531840);
	assert_int_equal(ns_link_parse("cgroup:[1]", 10, NS_CGROUP), 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (ns_link_parse(bad[i], strlen(bad[i]), NS_NET) != 0)
			fail_msg("\"%s\" was taken", bad[i]);
	}
	assert_int_equal(ns_link_parse_any("time:[12]", &inode), NS_TIME);
	assert_int_equal(inode, 12);
	type = ns_link_parse_any("pipe:[12]", &inode);
	assert_int_equal(type, NS_TYPE_COUNT);
	/* A mount is called so on the command line only. */
	assert_int_equal(ns_link_parse_any("mount:[12]", &inode), NS_TYPE_COUNT);
}

static void test_interfaces(void **state)
{
	static const char text[] = "Inter-|   Receive                |  Transmit\n"
				   " face |bytes    packets|bytes    packets\n"
				   "    lo:       0       0    0\n"
				   "eth0.5: 1 2 3\n"
				   "  a:b: 1 2 3\n"
				   "x\xff:1 2\n";
	struct strbuf names;

	(void)state;
	strbuf_init(&names);
	assert_int_equal(ns_interfaces_parse(text, &names), 4);
	assert_string_equal(names.data, "lo eth0.5 a:b x\xff");
	strbuf_clear(&names);
	assert_int_equal(ns_interfaces_parse("", &names), 0);
	assert_int_equal(ns_interfaces_parse("junk\n:\n|:\n", &names), 0);
	assert_int_equal(names.length, 0);
	strbuf_done(&names);
}

static void test_maps(void **state)
{
	static const char *const bad[] = { "1\n", "1 2\n", "1 2 x\n", "1 2 3 4\n", "a b c\n" };
	struct ns_map *map = NULL;
	struct arena arena;
	uint32_t n = 9;

	(void)state;
	arena_init(&arena);
	assert_true(ns_map_parse("         0     100000      65536\n 65536 4294967294 1\n", &arena,
				 &map, &n));
	assert_int_equal(n, 2);
	assert_int_equal(map[0].inside, 0);
	assert_int_equal(map[0].outside, 100000);
	assert_int_equal(map[0].count, 65536);
	assert_int_equal(map[1].outside, 4294967294U);
	assert_true(ns_map_parse("", &arena, &map, &n));
	assert_int_equal(n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(ns_map_parse(bad[i], &arena, &map, &n));
	arena_done(&arena);
}

static void test_offsets(void **state)
{
	int64_t monotonic = 1, boottime = 1;

	(void)state;
	assert_true(ns_offsets_parse("monotonic           0         0\nboottime   -5  100\n",
				     &monotonic, &boottime));
	assert_int_equal(monotonic, 0);
	assert_true(boottime == INT64_C(-4999999900));
	assert_false(ns_offsets_parse("monotonic 0 0\n", &monotonic, &boottime));
	assert_false(ns_offsets_parse("monotonic 0\nboottime 0 0\n", &monotonic, &boottime));
	assert_false(ns_offsets_parse("monotonic 0 0\nboottime x 0\n", &monotonic, &boottime));
	assert_false(ns_offsets_parse("monotonic 9223372036854775807 0\nboottime 0 0\n", &monotonic,
				      &boottime));
	assert_false(ns_offsets_parse("", &monotonic, &boottime));
}

static void test_processes(void **state)
{
	struct fake *fake = *state;
	const struct namespaces *set = take(fake, NS_SCAN_PROCESSES);
	const struct ns_namespace *ns = find(set, NS_NET, 777);

	assert_int_equal(set->n, NS_TYPE_COUNT + 1);
	assert_int_equal(set->n_processes, 2);
	assert_int_equal(ns->processes, 1);
	assert_int_equal(ns->pid, 100);
	assert_int_equal(ns->ppid, 1);
	assert_false(ns->host);
	assert_string_equal(ns->command, "[a) b\n]");
	assert_string_equal(set->processes[1].comm, "a) b\n");
	assert_true(set->processes[1].start_ns == UINT64_C(2000000000));
	assert_true(ns->oldest_ns == UINT64_C(2000000000));
	ns = find(set, NS_NET, 101);
	assert_true(ns->host);
	assert_int_equal(ns->processes, 1);
	ns = find(set, NS_MNT, 100);
	assert_int_equal(ns->processes, 2);
	assert_int_equal(ns->pid, 1);
	/* A recorded tree has no namespaces to open: what is not known is not made up. */
	assert_int_equal(ns->owner, NS_NONE);
	assert_false(ns->owner_known);
	assert_int_equal(set->n_limits, 0);
	for (int type = 0; type < NS_TYPE_COUNT; type++)
		assert_int_equal(set->host[type], set->processes[0].ns[type]);
}

static void test_threads(void **state)
{
	struct fake *fake = *state;
	const struct namespaces *set;

	put_links(fake, "100/task/101", 777);
	put_links(fake, "100/task/102", 888);
	link_to(fake, "pid:[555]", "100/task/102/ns/pid_for_children");
	set = take(fake, 0);
	assert_int_equal(find(set, NS_NET, 777)->processes, 1);
	assert_int_equal(find(set, NS_NET, 777)->threads, 2);
	assert_int_equal(find(set, NS_NET, 888)->processes, 0);
	assert_int_equal(find(set, NS_NET, 888)->threads, 1);
	assert_int_equal(find(set, NS_NET, 888)->holders[0].kind, NS_HELD_THREAD);
	assert_int_equal(find(set, NS_NET, 888)->holders[0].tid, 102);
	assert_string_equal(ns_state_name(find(set, NS_NET, 888)), "live");
	assert_int_equal(find(set, NS_PID, 555)->holders[0].kind, NS_HELD_CHILDREN);
	assert_int_equal(find(set, NS_PID, 555)->holders[0].tid, 102);
	assert_int_equal(set->n_threads, 1);
	assert_int_equal(set->threads[0].tid, 102);
	assert_int_equal(set->processes[1].threads, 3);
	assert_int_equal(set->processes[0].threads, 1);
}

/* What a process was in that ended while it was looked at is not "kept by nobody knows what". */
static void test_ended(void **state)
{
	struct fake *fake = *state;
	const struct namespaces *set;

	put_links(fake, "50", 999); /* no task: it has gone since */
	set = take(fake, NS_SCAN_HOLDERS);
	assert_int_equal(set->n_processes, 2);
	assert_int_equal(namespaces_find(set, NS_NET, 999), NS_NONE);
	put_process(fake, 50, 999, "50 (x) S 1 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 200 3\n");
	set = take(fake, NS_SCAN_HOLDERS);
	assert_int_equal(find(set, NS_NET, 999)->processes, 1);
}

static void test_stop(void **state)
{
	struct fake *fake = *state;
	atomic_bool stop = false;

	ns_scanner_heed(fake->scanner, &stop);
	assert_int_equal(ns_scanner_read(fake->scanner, 0), 0);
	stop = true;
	assert_int_equal(ns_scanner_finish(fake->scanner, NULL, &fake->set), -ECANCELED);
	assert_int_equal(ns_scanner_read(fake->scanner, 0), -ECANCELED);
	stop = false;
	assert_int_equal(take(fake, NS_SCAN_HOLDERS)->n_processes, 2);
	ns_scanner_heed(fake->scanner, NULL);
}

/* Out of descriptors, nothing can be seen: that is an error, not an empty machine. */
static void test_short_of_descriptors(void **state)
{
	struct fake *fake = *state;
	struct rlimit before, low;
	int first = dup(STDIN_FILENO), r = 0;

	assert_true(first >= 0);
	close(first);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	/* One more each time: it fails at another place, and in the end it works. */
	for (rlim_t more = 0; more == 0 || r < 0; more++) {
		const struct mount_ns *spaces;
		size_t n;

		low.rlim_cur = (rlim_t)first + more;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
		r = ns_scanner_read(fake->scanner, NS_SCAN_HOLDERS);
		assert_true(r == 0 || r == -EMFILE);
		assert_true(more < 16);
		if (r < 0)
			continue;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		spaces = ns_scanner_mount_ns(fake->scanner, &n);
		assert_int_equal(mount_table_refresh(fake->mounts, spaces, n), 0);
		assert_int_equal(ns_scanner_finish(fake->scanner, fake->mounts, &fake->set), 0);
	}
	assert_int_equal(fake->set->n_processes, 2);
	assert_int_equal(fake->set->n, NS_TYPE_COUNT + 1);
}

/* A process may be in any state of going away; links may say anything. */
static void test_hostile(void **state)
{
	struct fake *fake = *state;
	const struct namespaces *set;
	char path[128];

	put(fake, "x", "200/stat"); /* no ns, no task: it has gone */
	put_process(fake, 300, 101, "300 (zombie) Z 1");
	for (unsigned int link = 0; link < NS_LINK_COUNT; link++) {
		snprintf(path, sizeof(path), "%s/proc/300/ns/%s", fake->top, ns_link_name(link));
		if (link != NS_PID && link != NS_USER)
			assert_int_equal(unlink(path), 0);
	}
	put_process(fake, 400, 101, "");
	link_to(fake, "net:[x]", "400/ns/net");
	link_to(fake, "a target longer than any the kernel has for a namespace, and then some more",
		"400/ns/uts");
	link_to(fake, "mnt:[101]", "400/ns/ipc");
	put(fake, "", "99999999999999/ns/net");
	put(fake, "", "12x/ns/net");
	set = take(fake, NS_SCAN_HOLDERS | NS_SCAN_DETAILS | NS_SCAN_PROCESSES | NS_SCAN_CGROUPS);
	assert_int_equal(set->n_processes, 4);
	assert_int_equal(namespaces_find_process(set, 200), NS_NONE);
	assert_int_equal(set->processes[2].pid, 300);
	assert_int_equal(set->processes[2].ns[NS_NET], NS_NONE);
	assert_int_not_equal(set->processes[2].ns[NS_PID], NS_NONE);
	assert_int_equal(set->processes[2].pid_for_children, NS_NONE);
	assert_int_equal(set->processes[3].ns[NS_NET], NS_NONE);
	assert_int_equal(set->processes[3].ns[NS_UTS], NS_NONE);
	assert_int_equal(set->processes[3].ns[NS_IPC], NS_NONE);
	assert_int_not_equal(set->processes[3].ns[NS_MNT], NS_NONE);
	assert_int_equal(find(set, NS_PID, 102)->processes, 4);
	assert_int_equal(find(set, NS_MNT, 100)->processes, 3);
	assert_int_equal(set->n_denied, 0);
}

static void test_holders(void **state)
{
	struct fake *fake = *state;
	const struct namespaces *set;
	const struct ns_namespace *ns;

	link_to(fake, "net:[901]", "100/fd/7");
	link_to(fake, "net:[901]", "100/fd/5");
	link_to(fake, "uts:[902]", "1/fd/3");
	link_to(fake, "/tmp/net:[903]", "1/fd/4");
	link_to(fake, "socket:[904]", "1/fd/5");
	put(fake,
	    "1 0 0:1 / / rw - ext4 /dev/a rw\n"
	    "2 1 0:4 net:[901] /run/netns/two\\040words rw - nsfs nsfs rw\n"
	    "3 1 0:4 user:[905] /run/user rw - nsfs nsfs rw\n"
	    "4 1 0:5 net:[906] /tmp rw - ext4 /dev/b rw\n",
	    "1/mountinfo");
	set = take(fake, 0);
	assert_false(set->holders_searched);
	assert_int_equal(namespaces_find(set, NS_UTS, 902), NS_NONE);
	ns = find(set, NS_NET, 901);
	assert_string_equal(ns_state_name(ns), "mount");
	set = take(fake, NS_SCAN_HOLDERS);
	assert_true(set->holders_searched);
	ns = find(set, NS_NET, 901);
	assert_int_equal(ns->n_holders, 3);
	assert_int_equal(ns->holders[0].kind, NS_HELD_FD);
	assert_int_equal(ns->holders[0].pid, 100);
	assert_int_equal(ns->holders[0].fd, 5);
	assert_string_equal(ns->holders[0].comm, "a) b\n");
	assert_int_equal(ns->holders[1].fd, 7);
	assert_int_equal(ns->holders[2].kind, NS_HELD_MOUNT);
	assert_string_equal(ns->holders[2].path, "/run/netns/two words");
	assert_int_equal(ns->holders[2].mount_ns, 100);
	assert_int_equal(ns->pid, 100);
	assert_string_equal(ns_state_name(ns), "fd");
	assert_string_equal(ns_state_name(find(set, NS_UTS, 902)), "fd");
	assert_string_equal(ns_state_name(find(set, NS_USER, 905)), "mount");
	assert_int_equal(namespaces_find(set, NS_NET, 903), NS_NONE);
	assert_int_equal(namespaces_find(set, NS_NET, 906), NS_NONE);
}

/* What a scanner remembers is what is there. */
static void test_changes(void **state)
{
	struct fake *fake = *state;
	const struct namespaces *set;
	char command[128];

	take(fake, 0);
	link_to(fake, "net:[778]", "100/ns/net");
	put_process(fake, 150, 101, "150 (new) S 1");
	set = take(fake, 0);
	assert_int_equal(namespaces_find(set, NS_NET, 777), NS_NONE);
	assert_int_equal(find(set, NS_NET, 778)->pid, 100);
	assert_int_equal(set->n_processes, 3);
	snprintf(command, sizeof(command), "rm -r '%s/proc/100'", fake->top);
	assert_int_equal(system(command), 0);
	set = take(fake, 0);
	assert_int_equal(namespaces_find(set, NS_NET, 778), NS_NONE);
	assert_int_equal(set->n_processes, 2);
	assert_int_equal(set->processes[1].pid, 150);
}

static void test_details(void **state)
{
	struct fake *fake = *state;
	const struct namespaces *set;

	put(fake, "a|b\n c|d\n  lo: 1 2\n", "100/net/dev");
	put(fake, "0 1000 1\n", "1/uid_map");
	put(fake, "junk", "1/gid_map");
	put(fake, "deny\n", "1/setgroups");
	put(fake, "Name:\tx\nNSpid:\t1\n", "1/status");
	/* That file is about the namespace children will get. */
	link_to(fake, "time:[200]", "1/ns/time_for_children");
	put(fake, "monotonic 7 0\nboottime 0 0\n", "1/timens_offsets");
	put(fake, "monotonic 5 0\nboottime 0 0\n", "100/timens_offsets");
	link_to(fake, "/a root", "1/root");
	set = take(fake, NS_SCAN_DETAILS);
	assert_int_equal(find(set, NS_NET, 777)->n_interfaces, 1);
	assert_string_equal(find(set, NS_NET, 777)->interfaces, "lo");
	assert_int_equal(find(set, NS_NET, 101)->n_interfaces, -1);
	assert_null(find(set, NS_NET, 101)->interfaces);
	assert_int_equal(find(set, NS_USER, 103)->n_uid_map, 1);
	assert_int_equal(find(set, NS_USER, 103)->n_gid_map, 0);
	assert_true(find(set, NS_USER, 103)->setgroups_denied);
	assert_int_equal(find(set, NS_PID, 102)->init, 1);
	assert_string_equal(find(set, NS_MNT, 100)->root, "/a root");
	assert_int_equal(find(set, NS_MNT, 100)->n_mounts, 1);
	assert_true(find(set, NS_TIME, 107)->offsets_known);
	assert_true(find(set, NS_TIME, 107)->monotonic_ns == INT64_C(5000000000));
	assert_true(find(set, NS_TIME, 200)->monotonic_ns == INT64_C(7000000000));
	assert_null(find(set, NS_UTS, 104)->nodename);
}

/* Whoever is looked at may put any file in the place of a namespace, with its inode, too. */
static void test_what_is_a_namespace(void **state)
{
	_cleanup_(closep) int own = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	_cleanup_(closep) int path = open("/proc/self/ns/uts", O_PATH | O_CLOEXEC);
	_cleanup_(closep) int file = memfd_create("no namespace", MFD_CLOEXEC);
	struct ns_scanner *scanner;
	struct ns_known known = { .type = NS_UTS };
	struct root *root;
	struct stat info;
	int fd;

	(void)state;
	assert_int_equal(root_new(NULL, &root), 0);
	assert_int_equal(ns_scanner_new(root, NULL, &scanner), 0);
	assert_int_equal(fstat(own, &info), 0);
	assert_int_equal(ns_inode_of(scanner, own), info.st_ino);
	assert_int_equal(ns_inode_of(scanner, path), info.st_ino);
	assert_int_equal(ns_inode_of(scanner, file), 0);
	known.inode = info.st_ino;
	fd = ns_reopen(scanner, &known, path);
	assert_true(fd >= 0);
	assert_int_equal(ns_inode_of(scanner, fd), info.st_ino);
	close(fd);
	assert_int_equal(fstat(file, &info), 0);
	known.inode = info.st_ino;
	assert_int_equal(ns_reopen(scanner, &known, file), -ESRCH);
	ns_scanner_free(scanner);
	root_free(root);
}

/* Of a thread with descriptors of its own, the process has others under the same numbers. */
static void test_copied_sockets(void **state)
{
	_cleanup_(closep) int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct stat info;
	int copy;

	(void)state;
	assert_int_equal(fstat(socket_fd, &info), 0);
	assert_int_equal(ns_copy_socket(getpid(), getpid(), socket_fd, info.st_ino + 1), -ESRCH);
	assert_int_equal(ns_copy_socket(getpid(), getpid(), STDIN_FILENO, info.st_ino), -ESRCH);
	copy = ns_copy_socket(getpid(), getpid(), socket_fd, info.st_ino);
	assert_true(copy >= 0);
	close(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link_texts),
		cmocka_unit_test(test_what_is_a_namespace),
		cmocka_unit_test(test_copied_sockets),
		cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_offsets),
		cmocka_unit_test_setup_teardown(test_processes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short_of_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_holders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_details, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
