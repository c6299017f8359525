// SPDX-License-Identifier: MIT
/* What changes while a scanner goes on scanning: what it remembers is true, or not shown. */
#define _GNU_SOURCE
#include "live_ns.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vanishing, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_moving, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_inode_again, live_setup, live_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
