// SPDX-License-Identifier: MIT
/* What changes while a scanner goes on scanning: what it remembers is true, or not shown. */
#define _GNU_SOURCE
#include "live_ns.h"

#include "collectors/ns_private.h"
#include "core/cleanup.h"
#include "core/clock.h"

/* Every process may end between any two steps of a pass. */
static void test_vanishing(void **state)
{
	struct live *live = *state;
	struct scan scan;

	live_cgroup(live, "storm");
	live_start(live, "storm", live_fork);
	live_start(live, "storm", live_fork);
	scan_start(&scan);
	for (int i = 0; i < 30; i++) {
		const struct namespaces *set = scan_take(&scan, NS_TEST_FLAGS | NS_SCAN_PROCESSES |
									NS_SCAN_CGROUPS);

		assert_int_not_equal(namespaces_find_process(set, getpid()), NS_NONE);
	}
	scan_stop(&scan);
}

static void work_changing(struct actor *actor)
{
	for (;;) {
		actor_ready(actor);
		actor_wait(actor);
		ACTOR(unshare(CLONE_NEWNET) == 0);
	}
}

/* Whatever a scanner remembers: when a process has moved, its next pass says so. */
static void test_moving(void **state)
{
	struct live *live = *state;
	struct actor actor = actor_start(live, work_changing);
	struct scan scan;

	scan_start(&scan);
	for (int i = 0; i < 2; i++) {
		const struct namespaces *set;
		const struct ns_namespace *ns;

		/* Long enough to be taken for one that sleeps, see ns_links.c. */
		for (int pass = 0; i > 0 && pass < 3; pass++) {
			live_wait(2.2);
			scan_take(&scan, 0);
		}
		set = scan_take(&scan, 0);
		ns = find_ns(set, NS_NET, inode_of(actor.pid, "net"));
		assert_true(&set->list[find_process(set, actor.pid)->ns[NS_NET]] == ns);
		assert_true(i == 0 ? ns->host : ns->processes == 1);
		actor_go(&actor);
		actor_expect(&actor);
		set = scan_take(&scan, 0);
		ns = find_ns(set, NS_NET, inode_of(actor.pid, "net"));
		assert_true(&set->list[find_process(set, actor.pid)->ns[NS_NET]] == ns);
		assert_int_equal(ns->processes, 1);
	}
	scan_stop(&scan);
	actor_end(live, &actor);
}

static void work_owned(struct actor *actor)
{
	(void)actor;
	ACTOR(unshare(CLONE_NEWUSER | CLONE_NEWUTS) == 0);
}

static void work_reuse(struct actor *actor)
{
	for (;;) {
		actor_ready(actor);
		actor_wait(actor);
		ACTOR(unshare(CLONE_NEWUTS) == 0);
	}
}

/* The kernel gives inodes again: what was known of the one before is not true of the next. */
static void test_inode_again(void **state)
{
	struct live *live = *state;
	struct actor first, second;
	const struct namespaces *set;
	uint64_t inode;
	struct scan scan;
	bool again = false;

	second = actor_start(live, work_reuse);
	first = actor_start(live, work_owned);
	inode = inode_of(first.pid, "uts");
	scan_start(&scan);
	set = scan_take(&scan, 0);
	assert_false(set->list[find_ns(set, NS_UTS, inode)->owner].host);
	actor_end(live, &first);
	for (int i = 0; i < 100 && !again; i++) {
		actor_go(&second);
		actor_expect(&second);
		again = inode_of(second.pid, "uts") == inode;
	}
	set = scan_take(&scan, 0);
	if (again)
		assert_true(set->list[find_ns(set, NS_UTS, inode)->owner].host);
	else
		print_message("the inode was not given again\n");
	scan_stop(&scan);
	actor_end(live, &second);
}

static void work_apart(struct actor *actor)
{
	ACTOR(unshare(CLONE_NEWNS | CLONE_NEWUTS) == 0);
	actor_stay(actor);
}

static pid_t join_of;

static void work_joining(struct actor *actor)
{
	static const char *const types[] = { "mnt", "uts" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)join_of, types[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		ACTOR(fd >= 0 && setns(fd, 0) == 0 && close(fd) == 0);
	}
	actor_stay(actor);
}

static void work_changing_mnt(struct actor *actor)
{
	actor_ready(actor);
	actor_wait(actor);
	ACTOR(unshare(CLONE_NEWNS) == 0);
	actor_stay(actor);
}

/* A pass in steps, so that a process can end between any two of them. */
static void begin_pass(struct scan *scan)
{
	struct ns_scanner *scanner = scan->scanner;

	ns_begin_pass(scanner);
	scanner->flags = NS_TEST_FLAGS;
	scanner->boottime_ns = clock_ns(CLOCK_BOOTTIME);
	assert_int_equal(ns_links_read(scanner), 0);
}

static const struct namespaces *end_pass(struct scan *scan)
{
	assert_int_equal(mount_table_refresh(scan->mounts, NULL, 0), 0);
	assert_int_equal(ns_scanner_finish(scan->scanner, scan->mounts, &scan->set), 0);
	return scan->set;
}

/* The lowest process in a namespace ends during the pass: another one stands for it. */
static void check_lowest(struct live *live, bool facts_first)
{
	struct actor actors[2], *lower = &actors[0], *higher = &actors[1];
	struct scan scan;

	actors[0] = actor_start(live, work_apart);
	join_of = actors[0].pid;
	actors[1] = actor_start(live, work_joining);
	if (lower->pid > higher->pid) {
		lower = &actors[1];
		higher = &actors[0];
	}
	scan_start(&scan);
	begin_pass(&scan);
	if (facts_first)
		assert_int_equal(ns_facts_read(scan.scanner), 0);
	actor_end(live, lower);
	if (!facts_first)
		assert_int_equal(ns_facts_read(scan.scanner), 0);
	end_pass(&scan);
	for (int type = NS_MNT; type <= NS_UTS; type += NS_UTS - NS_MNT) {
		const struct ns_namespace *ns = find_ns(
			scan.set, (enum ns_type)type,
			inode_of(higher->pid, ns_type_name((enum ns_type)type)));

		assert_int_equal(ns->pid, higher->pid);
		assert_non_null(ns->command);
		assert_int_not_equal(ns->owner, NS_NONE);
		assert_int_not_equal(ns->n_mounts, type == NS_MNT ? -1 : 0);
	}
	scan_stop(&scan);
	actor_end(live, higher);
}

static void test_lowest_ends(void **state)
{
	check_lowest(*state, false);
	check_lowest(*state, true);
}

/* A namespace that ends with its last process during the pass is not there any more. */
static bool check_end(struct live *live, bool facts_first)
{
	bool gone;

	struct actor actor = actor_start(live, work_apart);
	uint64_t mnt = inode_of(actor.pid, "mnt"), uts = inode_of(actor.pid, "uts");
	struct scan scan;

	scan_start(&scan);
	begin_pass(&scan);
	if (facts_first)
		assert_int_equal(ns_facts_read(scan.scanner), 0);
	actor_end(live, &actor);
	if (!facts_first)
		assert_int_equal(ns_facts_read(scan.scanner), 0);
	end_pass(&scan);
	gone = !has_ns(scan.set, NS_MNT, mnt) && !has_ns(scan.set, NS_UTS, uts);
	/* What was forgotten is not missed by the next pass. */
	scan_take(&scan, NS_TEST_FLAGS);
	scan_stop(&scan);
	return gone;
}

/* Whoever else looks at namespaces at that moment keeps them a little longer. */
static void until_end(struct live *live, bool facts_first)
{
	bool gone = false;

	for (int i = 0; i < 20 && !gone; i++)
		gone = check_end(live, facts_first);
	assert_true(gone);
}

static void test_namespace_ends(void **state)
{
	until_end(*state, false);
	until_end(*state, true);
}

/* One that was made after its maker was looked at is not one that nobody is in. */
static void test_namespace_begins(void **state)
{
	struct live *live = *state;
	struct actor actor = actor_start(live, work_changing_mnt);
	struct scan scan;
	uint64_t mnt;

	scan_start(&scan);
	begin_pass(&scan);
	actor_go(&actor);
	actor_expect(&actor);
	mnt = inode_of(actor.pid, "mnt");
	assert_int_equal(ns_facts_read(scan.scanner), 0);
	end_pass(&scan);
	assert_false(has_ns(scan.set, NS_MNT, mnt));
	assert_int_equal(find_ns(scan_take(&scan, NS_TEST_FLAGS), NS_MNT, mnt)->processes, 1);
	scan_stop(&scan);
	actor_end(live, &actor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vanishing, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_moving, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_inode_again, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_lowest_ends, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_namespace_ends, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_namespace_begins, live_setup, live_teardown),
	};

	if (scan_lacks_records())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
