// SPDX-License-Identifier: MIT
/* The sums, maps and decisions behind the numbers of writable layers: no file is touched here. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "collectors/layer_record.h"
#include "collectors/layer_refresh.h"
#include "collectors/layer_walk.h"

static struct layer_handle handle(unsigned char byte)
{
	return (struct layer_handle){ .type = 1, .length = 1, .bytes = { byte } };
}

static void sums_of_directories_are_replaced(void **state)
{
	struct layer_handle root = handle(1), one = handle(2), two = handle(3);
	struct layer_sum sum = { .bytes = 10, .files = 1, .inodes = 2 }, none = { 0 };
	struct layer_account account;
	uint32_t a, b, c;

	(void)state;
	assert_int_equal(layer_account_init(&account, true), 0);
	a = layer_account_enter(&account, LAYER_NO_NODE, 1, &root);
	assert_int_equal(layer_account_commit(&account, a, &sum, NULL, 0), 0);
	b = layer_account_enter(&account, a, 2, &one);
	assert_int_equal(layer_account_commit(&account, b, &sum, NULL, 0), 0);
	c = layer_account_enter(&account, b, 3, &two);
	assert_int_equal(layer_account_commit(&account, c, &sum, NULL, 0), 0);
	assert_int_equal(account.total.bytes, 30);
	sum.bytes = 25;
	assert_int_equal(layer_account_commit(&account, b, &sum, NULL, 0), 0);
	assert_int_equal(account.total.bytes, 45);
	assert_int_equal(layer_account_find(&account, &two), c);
	/* The top is read again and has no directory any more. */
	assert_int_equal(layer_account_enter(&account, LAYER_NO_NODE, 1, &root), a);
	assert_int_equal(layer_account_commit(&account, a, &none, NULL, 0), 0);
	layer_account_sweep(&account);
	assert_int_equal(account.total.bytes, 0);
	assert_int_equal(account.total.inodes, 0);
	assert_int_equal(layer_account_find(&account, &two), LAYER_NO_NODE);
	layer_account_done(&account);
}

static void a_moved_directory_keeps_its_sum(void **state)
{
	struct layer_handle root = handle(1), from = handle(2), moved = handle(3);
	struct layer_sum sum = { .bytes = 10 };
	struct layer_account account;
	uint32_t a, b, c;

	(void)state;
	assert_int_equal(layer_account_init(&account, true), 0);
	a = layer_account_enter(&account, LAYER_NO_NODE, 1, &root);
	b = layer_account_enter(&account, a, 2, &from);
	c = layer_account_enter(&account, b, 3, &moved);
	layer_account_commit(&account, c, &sum, NULL, 0);
	/* It is found in the top; the one it was in is read again after that. */
	layer_account_enter(&account, LAYER_NO_NODE, 1, &root);
	assert_true(layer_account_see(&account, a, 2));
	assert_true(layer_account_see(&account, a, 3));
	assert_false(layer_account_see(&account, a, 4));
	layer_account_enter(&account, a, 2, &from);
	layer_account_sweep(&account);
	assert_int_equal(account.total.bytes, 10);
	assert_int_equal(account.nodes[c].parent, a);
	layer_account_done(&account);
}

static void links_count_while_there_is_a_name(void **state)
{
	struct layer_link link = { .key = 77, .bytes = 100, .names = 1, .nlink = 2 };
	struct layer_handle root = handle(1), other = handle(2);
	struct layer_sum none = { 0 };
	struct layer_account account;
	uint32_t a, b;

	(void)state;
	assert_int_equal(layer_account_init(&account, true), 0);
	a = layer_account_enter(&account, LAYER_NO_NODE, 1, &root);
	assert_int_equal(layer_account_commit(&account, a, &none, &link, 1), 0);
	b = layer_account_enter(&account, a, 2, &other);
	assert_int_equal(layer_account_commit(&account, b, &none, &link, 1), 0);
	assert_int_equal(account.total.bytes, 100);
	assert_int_equal(account.total.inodes, 1);
	/* It grew, and is seen through one of its names. */
	link.bytes = 300;
	layer_account_enter(&account, a, 2, &other);
	layer_account_commit(&account, b, &none, &link, 1);
	assert_int_equal(account.total.bytes, 300);
	assert_false(account.incomplete);
	/* A name is gone: the other one still has it, and its count is another. */
	layer_account_enter(&account, LAYER_NO_NODE, 1, &root);
	layer_account_commit(&account, a, &none, NULL, 0);
	assert_int_equal(account.total.bytes, 300);
	layer_account_enter(&account, a, 2, &other);
	layer_account_commit(&account, b, &none, NULL, 0);
	assert_int_equal(account.total.bytes, 0);
	assert_int_equal(account.total.inodes, 0);
	/* A second name whose first one is in nobody's list. */
	layer_account_enter(&account, a, 2, &other);
	layer_account_commit(&account, b, &none, &link, 1);
	assert_true(account.incomplete);
	layer_account_done(&account);
}

static void maps_and_stacks(void **state)
{
	struct layer_map map = { 0 };
	struct layer_stack stack;

	(void)state;
	for (uint32_t i = 1; i < 5000; i++)
		assert_int_equal(layer_map_set(&map, i * UINT64_C(4096), i), 0);
	for (uint32_t i = 1; i < 5000; i += 2)
		assert_int_equal(layer_map_set(&map, i * UINT64_C(4096), LAYER_MAP_NONE), 0);
	for (uint32_t i = 5000; i < 9000; i++)
		assert_int_equal(layer_map_set(&map, i * UINT64_C(4096), i), 0);
	for (uint32_t i = 1; i < 9000; i++)
		assert_int_equal(layer_map_get(&map, i * UINT64_C(4096)),
				 i < 5000 && i % 2 ? LAYER_MAP_NONE : i);
	layer_map_done(&map);
	assert_int_equal(layer_stack_init(&stack, 1 << 20), 0);
	assert_int_equal(layer_stack_push_text(&stack, "abc", 3), 0);
	assert_int_equal((char *)layer_stack_push(&stack, 8) - stack.base, 8);
	assert_null(layer_stack_push(&stack, 1 << 20));
	layer_stack_cut(&stack, 4);
	assert_int_equal(layer_stack_push_text(&stack, "d", 1), 4);
	layer_stack_done(&stack);
}

static void known_files(void **state)
{
	struct layer_known known = { 0 };
	struct stat status = { 0 };
	unsigned int bits = 0;

	(void)state;
	layer_known_begin(&known);
	status.st_ctim.tv_sec = time(NULL) - 100;
	for (uint64_t key = 1; key < 3000; key++)
		layer_known_put(&known, key, &status, (unsigned int)key);
	for (uint64_t key = 1; key < 3000; key++) {
		assert_true(layer_known_get(&known, key, &status, &bits));
		assert_int_equal(bits, key);
	}
	status.st_ctim.tv_nsec = 1;
	assert_false(layer_known_get(&known, 1, &status, &bits));
	/* It may change again within the same tick of the clock. */
	status.st_ctim.tv_sec = time(NULL);
	layer_known_put(&known, 5000, &status, 1);
	assert_false(layer_known_get(&known, 5000, &status, &bits));
	layer_known_done(&known);
}

static void lists_of_attributes(void **state)
{
	static const char list[] = "security.selinux\0trusted.overlay.origin\0"
				   "trusted.overlay.overlay.opaque\0user.overlay.redirect";

	(void)state;
	assert_int_equal(layer_xattrs_parse(LAYER_FORMAT_TRUSTED, list, sizeof(list)),
			 LAYER_XATTR_ORIGIN | LAYER_XATTR_OTHER);
	assert_int_equal(layer_xattrs_parse(LAYER_FORMAT_USER, list, sizeof(list)),
			 LAYER_XATTR_REDIRECT | LAYER_XATTR_OTHER);
	assert_int_equal(layer_xattrs_parse(LAYER_FORMAT_TRUSTED, "trusted.overlay.origin", 10),
			 LAYER_XATTR_OTHER);
	assert_true(layer_xattr_is_overlay(LAYER_FORMAT_TRUSTED, "trusted.overlay.origin"));
	assert_false(layer_xattr_is_overlay(LAYER_FORMAT_TRUSTED, "trusted.overlay.overlay.x"));
	assert_false(layer_xattr_is_overlay(LAYER_FORMAT_TRUSTED, "security.capability"));
}

static void lost_events_bring_the_next_walk_forward(void **state)
{
	const uint64_t second = UINT64_C(1000000000);
	struct layer_record record = { .watched = true,
				       .next_ns = 1000 * second,
				       .base_ns = 100 * second,
				       .last = { .incremental = true, .duration_ns = second } };

	(void)state;
	/* No sooner than 20 times what the walk took after it. */
	layer_refresh_lost(&record, 101 * second);
	assert_false(record.watched);
	assert_false(record.last.incremental);
	assert_int_equal(record.next_ns, 120 * second);
	record.next_ns = 1000 * second;
	layer_refresh_lost(&record, 500 * second);
	assert_int_equal(record.next_ns, 500 * second);
}

static void where_a_layer_is(void **state)
{
	struct overlay_layer layers[] = {
		{ .kind = OVERLAY_UPPER, .path = "/c/up", .resolved = "/proc/7/root/c/up" },
		{ .kind = OVERLAY_LOWER, .path = "relative" },
		{ .kind = OVERLAY_LOWER, .path = "l/X", .resolved = "/c/low" },
		{ .kind = OVERLAY_DATA, .path = "/c/data" },
	};
	struct overlay overlay = { .fstype = "overlay",
				   .layers = layers,
				   .n_layers = 4,
				   .work = "/c/wo",
				   .backing_fstype = "ext4" };
	struct layer_record *record = layer_record_new(&overlay);

	(void)state;
	assert_non_null(record);
	assert_string_equal(record->source.upper, "/proc/7/root/c/up");
	assert_string_equal(record->source.work, "/proc/7/root/c/wo");
	assert_int_equal(record->source.n_lower, 2);
	assert_null(record->source.lower[0]);
	assert_string_equal(record->source.lower[1], "/c/low");
	assert_true(record->local);
	assert_true(layer_record_is(record, &overlay));
	layers[0].inode = 5;
	assert_false(layer_record_is(record, &overlay));
	layer_record_free(record);
	overlay.backing_fstype = "nfs4";
	record = layer_record_new(&overlay);
	assert_false(record->local);
	layer_record_free(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_directories_are_replaced),
		cmocka_unit_test(a_moved_directory_keeps_its_sum),
		cmocka_unit_test(links_count_while_there_is_a_name),
		cmocka_unit_test(maps_and_stacks),
		cmocka_unit_test(known_files),
		cmocka_unit_test(lists_of_attributes),
		cmocka_unit_test(lost_events_bring_the_next_walk_forward),
		cmocka_unit_test(where_a_layer_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
