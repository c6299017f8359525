// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "collectors/inventory_pass.h"

static void parts_bring_what_they_are_made_from(void **state)
{
	(void)state;
	assert_int_equal(inventory_expand(0), 0);
	assert_int_equal(inventory_expand(INVENTORY_NAMESPACES), INVENTORY_NAMESPACES);
	assert_int_equal(inventory_expand(INVENTORY_HOLDERS),
			 INVENTORY_HOLDERS | INVENTORY_NAMESPACES);
	assert_int_equal(inventory_expand(INVENTORY_CONTAINERS),
			 INVENTORY_CONTAINERS | INVENTORY_NAMESPACES);
	assert_int_equal(inventory_expand(INVENTORY_USAGE), INVENTORY_USAGE | INVENTORY_OVERLAYS |
								    INVENTORY_CONTAINERS |
								    INVENTORY_NAMESPACES);
	assert_int_equal(inventory_expand(INVENTORY_ORPHANS),
			 INVENTORY_ORPHANS | INVENTORY_OVERLAYS | INVENTORY_CONTAINERS |
				 INVENTORY_NAMESPACES);
}

static struct namespaces *make(const struct ns_namespace *list, uint32_t n)
{
	struct namespaces *set = namespaces_new();

	assert_non_null(set);
	set->list = arena_array(&set->arena, n ? n : 1, sizeof(*set->list));
	assert_non_null(set->list);
	for (uint32_t i = 0; i < n; i++)
		set->list[i] = list[i];
	set->n = n;
	return set;
}

static void what_came_and_went(void **state)
{
	static const struct ns_namespace before[] = { { .type = NS_MNT, .inode = 10 },
						      { .type = NS_NET, .inode = 5, .id = 50 },
						      { .type = NS_NET, .inode = 7 },
						      { .type = NS_TIME, .inode = 5 } };
	static const struct ns_namespace after[] = { { .type = NS_MNT, .inode = 10, .id = 3 },
						     { .type = NS_MNT, .inode = 11 },
						     { .type = NS_NET, .inode = 5, .id = 51 },
						     { .type = NS_NET, .inode = 9 },
						     { .type = NS_UTS, .inode = 2 } };
	uint64_t created[NS_TYPE_COUNT] = { 0 }, destroyed[NS_TYPE_COUNT] = { 0 };
	struct namespaces *a = make(before, 4), *b = make(after, 5), *none = make(NULL, 0);

	(void)state;
	inventory_count_changes(a, b, created, destroyed);
	assert_int_equal(created[NS_MNT], 1); /* 11; 10 without and with an id is one */
	assert_int_equal(destroyed[NS_MNT], 0);
	assert_int_equal(created[NS_NET], 2); /* 5 came back, 9 */
	assert_int_equal(destroyed[NS_NET], 2);
	assert_int_equal(created[NS_UTS], 1);
	assert_int_equal(destroyed[NS_TIME], 1);
	inventory_count_changes(b, none, created, destroyed);
	assert_int_equal(destroyed[NS_NET], 4);
	inventory_count_changes(b, b, created, destroyed);
	assert_int_equal(created[NS_NET], 2);
	namespaces_unref(a);
	namespaces_unref(b);
	namespaces_unref(none);
}

static struct root *machine(void)
{
	struct root *root;

	assert_int_equal(root_new(NULL, &root), 0);
	return root;
}

static void check_own(const struct inventory *inventory)
{
	uint32_t own;

	assert_non_null(inventory->namespaces);
	own = namespaces_find_process(inventory->namespaces, getpid());
	assert_int_not_equal(own, NS_NONE);
	assert_int_not_equal(inventory->namespaces->processes[own].ns[NS_NET], NS_NONE);
}

static void a_pass_in_the_callers_thread(void **state)
{
	struct root *root = machine();
	struct inventory_keeper *keeper;
	struct inventory *inventory;
	struct inventory_stats stats;

	(void)state;
	assert_int_equal(inventory_keeper_new(root, NULL, NULL, &keeper), 0);
	assert_null(inventory_keeper_latest(keeper));
	inventory_keeper_pass(keeper, INVENTORY_NAMESPACES, 0);
	inventory = inventory_keeper_latest(keeper);
	assert_non_null(inventory);
	assert_int_equal(inventory->parts, INVENTORY_NAMESPACES);
	assert_null(inventory->overlays);
	check_own(inventory);
	inventory_unref(inventory);
	inventory_keeper_get_stats(keeper, &stats);
	assert_int_equal(stats.passes, 1);
	inventory_keeper_free(keeper);
	root_free(root);
}

/* What could not be looked for is missing: it is not there with nothing in it. */
static void a_pass_without_descriptors(void **state)
{
	const unsigned int all = INVENTORY_NAMESPACES | INVENTORY_HOLDERS | INVENTORY_OVERLAYS |
				 INVENTORY_CONTAINERS;
	struct root *root = machine();
	struct inventory_keeper *keeper;
	struct inventory *inventory;
	struct rlimit before, none;
	int first, r;

	(void)state;
	assert_int_equal(inventory_keeper_new(root, NULL, NULL, &keeper), 0);
	first = dup(STDIN_FILENO);
	assert_true(first >= 0);
	close(first);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)first;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = inventory_keeper_pass(keeper, all, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(r, -EMFILE);
	inventory = inventory_keeper_latest(keeper);
	assert_non_null(inventory);
	assert_int_equal(inventory->parts, 0);
	inventory_unref(inventory);
	inventory_keeper_free(keeper);
	root_free(root);
}

/* Whoever ends the agent does not wait until all of a large machine has been looked at. */
static void a_stopped_pass_claims_nothing(void **state)
{
	const struct inventory_options options = { 0 };
	struct inventory_stats stats = { 0 };
	struct root *root = machine();
	struct inventory_pass *pass;
	struct inventory *inventory;

	(void)state;
	assert_int_equal(inventory_pass_new(root, NULL, &options, &pass), 0);
	inventory_pass_stop(pass);
	inventory_pass_run(pass, INVENTORY_NAMESPACES | INVENTORY_CONTAINERS | INVENTORY_OVERLAYS,
			   0, &stats, &inventory);
	assert_non_null(inventory);
	assert_int_equal(inventory->parts, 0);
	inventory_unref(inventory);
	inventory_pass_free(pass);
	root_free(root);
}

/* Waits, for as long as it takes, until the keeper has all these parts. */
static struct inventory *await(struct inventory_keeper *keeper, unsigned int parts)
{
	const struct timespec pause = { 0, 10000000 };

	for (;;) {
		struct inventory *inventory = inventory_keeper_latest(keeper);

		if (inventory && (inventory->parts & parts) == parts)
			return inventory;
		inventory_unref(inventory);
		nanosleep(&pause, NULL);
	}
}

static void a_thread_makes_what_is_wanted(void **state)
{
	/* No second pass comes by itself within the life of this test. */
	const struct inventory_options options = { .period_ns = UINT64_C(3600000000000),
						   .thread = true };
	struct root *root = machine();
	struct inventory_keeper *keeper;
	struct inventory *inventory, *more;

	(void)state;
	assert_int_equal(inventory_keeper_new(root, NULL, &options, &keeper), 0);
	assert_int_equal(inventory_keeper_pass(keeper, INVENTORY_NAMESPACES, 0), -EBUSY);
	inventory_keeper_want(keeper, INVENTORY_NAMESPACES);
	inventory = await(keeper, INVENTORY_NAMESPACES);
	assert_int_equal(inventory->parts & ~INVENTORY_NAMESPACES, 0);
	check_own(inventory);
	/* A new part does not wait for its time. */
	inventory_keeper_want(keeper, INVENTORY_NAMESPACES | INVENTORY_CONTAINERS);
	more = await(keeper, INVENTORY_NAMESPACES | INVENTORY_CONTAINERS);
	assert_ptr_not_equal(more, inventory);
	assert_non_null(more->containers);
	/* What was handed out stays. */
	inventory_keeper_free(keeper);
	check_own(inventory);
	inventory_unref(inventory);
	inventory_unref(more);
	root_free(root);
}

static void a_keeper_that_nobody_asked(void **state)
{
	const struct inventory_options options = { .thread = true };
	struct root *root = machine();
	struct inventory_keeper *keeper;

	(void)state;
	assert_int_equal(inventory_keeper_new(root, NULL, &options, &keeper), 0);
	inventory_keeper_want(keeper, 0);
	assert_null(inventory_keeper_latest(keeper));
	inventory_keeper_free(keeper);
	inventory_keeper_free(NULL);
	root_free(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_bring_what_they_are_made_from),
		cmocka_unit_test(what_came_and_went),
		cmocka_unit_test(a_pass_in_the_callers_thread),
		cmocka_unit_test(a_pass_without_descriptors),
		cmocka_unit_test(a_stopped_pass_claims_nothing),
		cmocka_unit_test(a_thread_makes_what_is_wanted),
		cmocka_unit_test(a_keeper_that_nobody_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
