// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_inventory.h"

static void arena_keeps_what_it_gave(void **state)
{
	struct arena arena;
	char *texts[200];

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < 200; i++) {
		size_t length = i * 100; /* larger than the first block at the end */

		texts[i] = arena_alloc(&arena, length);
		assert_non_null(texts[i]);
		assert_int_equal((uintptr_t)texts[i] % alignof(max_align_t), 0);
		for (size_t at = 0; at < length; at++)
			assert_int_equal(texts[i][at], 0);
		memset(texts[i], (int)i, length);
	}
	for (size_t i = 0; i < 200; i++) {
		for (size_t at = 0; at < i * 100; at++)
			assert_int_equal((unsigned char)texts[i][at], i);
	}
	assert_true(arena.size >= 199 * 200 / 2 * 100);
	assert_false(arena.failed);
	arena_done(&arena);
	assert_null(arena.blocks);
}

static void arena_refuses_what_overflows(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena);
	assert_null(arena_alloc(&arena, SIZE_MAX - 4));
	assert_true(arena.failed);
	arena_done(&arena);
	arena_init(&arena);
	assert_null(arena_array(&arena, SIZE_MAX / 2, 4));
	assert_true(arena.failed);
	arena_done(&arena);
}

static void arena_copies_texts(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena);
	assert_string_equal(arena_string(&arena, "a\nb"), "a\nb");
	assert_string_equal(arena_copy(&arena, "abcdef", 3), "abc");
	assert_null(arena_string(&arena, NULL));
	assert_false(arena.failed);
	arena_done(&arena);
}

static void types_have_names_and_flags(void **state)
{
	(void)state;
	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		const char *name = ns_type_name((enum ns_type)type);

		assert_int_equal(ns_type_find(name, strlen(name)), type);
		for (int other = 0; other < type; other++)
			assert_int_not_equal(ns_type_flag((enum ns_type)type),
					     ns_type_flag((enum ns_type)other));
	}
	assert_int_equal(ns_type_find("mount", 5), NS_MNT);
	assert_int_equal(ns_type_find("netx", 3), NS_NET);
	assert_int_equal(ns_type_find("netx", 4), NS_TYPE_COUNT);
	assert_int_equal(ns_type_find("", 0), NS_TYPE_COUNT);
	assert_int_equal(ns_type_flag(NS_USER), CLONE_NEWUSER);
}

static void every_namespace_is_found(void **state)
{
	struct inventory *inventory = fake_inventory();
	const struct namespaces *set = inventory->namespaces;

	(void)state;
	for (uint32_t i = 0; i < set->n; i++)
		assert_int_equal(namespaces_find(set, set->list[i].type, set->list[i].inode), i);
	assert_int_equal(namespaces_find(set, NS_NET, 1), NS_NONE);
	assert_int_equal(namespaces_find(set, NS_NET, FAKE_HOST_NS + NS_MNT), NS_NONE);
	for (uint32_t i = 0; i < set->n_processes; i++)
		assert_int_equal(namespaces_find_process(set, set->processes[i].pid), i);
	assert_int_equal(namespaces_find_process(set, 2), NS_NONE);
	inventory_unref(inventory);
}

static void state_is_the_strongest_holder(void **state)
{
	struct ns_holder holders[] = { { .kind = NS_HELD_MOUNT }, { .kind = NS_HELD_FD } };
	struct ns_namespace ns = { .holders = holders };

	(void)state;
	assert_string_equal(ns_state_name(&ns), "unknown");
	ns.n_holders = 1;
	assert_string_equal(ns_state_name(&ns), "mount");
	ns.n_holders = 2;
	assert_string_equal(ns_state_name(&ns), "fd");
	ns.processes = 1;
	assert_string_equal(ns_state_name(&ns), "live");
}

static void ratio_of_a_limit(void **state)
{
	struct ns_limit limit = { .used = 95, .limit = 100, .limit_known = true };

	(void)state;
	assert_float_equal(ns_limit_ratio(&limit), 0.95, 1e-9);
	limit.limit = 0;
	assert_float_equal(ns_limit_ratio(&limit), 1, 1e-9);
	limit.used = 0;
	assert_float_equal(ns_limit_ratio(&limit), 0, 1e-9);
	limit.limit_known = false;
	limit.used = 5;
	assert_float_equal(ns_limit_ratio(&limit), 0, 1e-9);
}

static void overlays_by_device_and_path(void **state)
{
	struct inventory *inventory = fake_inventory();
	const struct overlays *set = inventory->overlays;

	(void)state;
	assert_ptr_equal(overlays_find_device(set, FAKE_WEB_OVERLAY), &set->list[0]);
	assert_ptr_equal(overlays_find_device(set, FAKE_ROOTLESS_OVERLAY), &set->list[1]);
	assert_null(overlays_find_device(set, 1));
	assert_null(overlays_find_device(NULL, 1));
	assert_ptr_equal(overlays_find_path(set, "/var/lib/docker/overlay2/aaaa/merged"),
			 &set->list[0]);
	assert_null(overlays_find_path(set, "/var/lib/docker"));
	assert_int_equal(overlay_upper(&set->list[0])->kind, OVERLAY_UPPER);
	inventory_unref(inventory);
}

static void containers_by_id(void **state)
{
	struct inventory *inventory = fake_inventory();

	(void)state;
	assert_string_equal(containers_find(inventory->containers, FAKE_WEB_ID)->name, "web");
	assert_string_equal(containers_find(inventory->containers, "stopped1")->name, "old");
	assert_null(containers_find(inventory->containers, "5f0c"));
	assert_null(containers_find(inventory->containers, NULL));
	assert_null(containers_find(NULL, "x"));
	inventory_unref(inventory);
}

static void parts_live_as_long_as_the_inventory(void **state)
{
	struct inventory *inventory = fake_inventory();
	struct namespaces *held = namespaces_ref(inventory->namespaces);

	(void)state;
	inventory_ref(inventory);
	inventory_unref(inventory);
	assert_int_equal(inventory->overlays->n, 2);
	inventory_unref(inventory);
	assert_int_equal(held->processes[0].pid, 1);
	namespaces_unref(held);
	inventory_unref(NULL);
	assert_null(inventory_ref(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_keeps_what_it_gave),
		cmocka_unit_test(arena_refuses_what_overflows),
		cmocka_unit_test(arena_copies_texts),
		cmocka_unit_test(types_have_names_and_flags),
		cmocka_unit_test(every_namespace_is_found),
		cmocka_unit_test(state_is_the_strongest_holder),
		cmocka_unit_test(ratio_of_a_limit),
		cmocka_unit_test(overlays_by_device_and_path),
		cmocka_unit_test(containers_by_id),
		cmocka_unit_test(parts_live_as_long_as_the_inventory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
