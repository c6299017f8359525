// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "core/cleanup.h"
#include "core/ns_text.h"
#include "core/overlay_text.h"
#include "core/units.h"
#include "fake_inventory.h"

/* Facts about namespaces and overlays in words. */

static void assert_text(struct strbuf *text, const char *expected)
{
	assert_false(text->failed);
	assert_string_equal(text->data ? text->data : "", expected);
	strbuf_clear(text);
}

static void test_holders(void **state)
{
	static const struct {
		struct ns_holder holder;
		const char *text;
	} cases[] = {
		{ { .kind = NS_HELD_PROCESS, .pid = 5 }, "process 5" },
		{ { .kind = NS_HELD_THREAD, .pid = 5, .tid = 6, .comm = "a\x1b" },
		  "thread 6 of a\\x1b (5)" },
		{ { .kind = NS_HELD_CHILDREN, .pid = 5 }, "for future children of process 5" },
		{ { .kind = NS_HELD_FD, .pid = 5, .fd = 0, .comm = "x" }, "fd 0 of x (5)" },
		{ { .kind = NS_HELD_SOCKET, .pid = 5, .fd = 3, .inode = 77, .comm = "x" },
		  "socket 77, fd 3 of x (5)" },
		{ { .kind = NS_HELD_MOUNT, .mount_ns = 12, .path = "/run/a\nb" },
		  "mounted at /run/a\\x0ab in mnt 12" },
		{ { .kind = NS_HELD_CHILD, .child_type = NS_PID, .inode = 9 }, "child pid 9" },
		{ { .kind = NS_HELD_UNKNOWN }, "nothing that could be found" },
	};
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ns_holder_text(&text, &cases[i].holder);
		assert_text(&text, cases[i].text);
	}
}

static void test_maps_and_offsets(void **state)
{
	const struct ns_map maps[] = { { 0, 1000, 1 }, { 1, 100000, 65536 }, { 0, 0, UINT32_MAX } };
	struct ns_namespace ns = { .type = NS_TIME, .inode = 4 };
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	ns_maps_text(&text, NULL, 0);
	assert_text(&text, "none set");
	ns_maps_text(&text, maps, 2);
	assert_text(&text, "0 is 1000 outside, 1-65536 is 100000-165535 outside");
	ns_maps_text(&text, maps + 2, 1);
	assert_text(&text, "0-4294967294 is 0-4294967294 outside");
	ns_offsets_text(&text, &ns);
	assert_text(&text, "not known");
	ns.offsets_known = true;
	ns.monotonic_ns = INT64_C(7200000000000);
	ns.boottime_ns = -INT64_C(60000000000);
	ns_offsets_text(&text, &ns);
	assert_text(&text, "monotonic +2h00m, boot -1m00s");
	ns_name_text(&text, &ns);
	assert_text(&text, "time 4");
}

static void test_flags(void **state)
{
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	overlay_flags_text(&text, 0);
	assert_text(&text, "");
	overlay_flags_text(&text, OVERLAY_STACKED);
	assert_text(&text, "stacked");
	overlay_flags_text(&text, OVERLAY_UPPER_DELETED | OVERLAY_FOREIGN | 1u << 31);
	assert_text(&text, "upper deleted, foreign");
}

static void test_freshness(void **state)
{
	const uint64_t second = 1000000000;
	struct layer_usage usage = { .state = LAYER_PENDING };
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	layer_freshness_text(&text, &usage, 100 * second);
	assert_text(&text, "pending");
	assert_false(layer_has_numbers(&usage));
	usage = (struct layer_usage){ .state = LAYER_COMPLETE, .boottime_ns = 10 * second };
	layer_freshness_text(&text, &usage, 100 * second);
	assert_text(&text, "complete, 1m30s old");
	assert_true(layer_has_numbers(&usage));
	/* A clock read before the walk ended. */
	layer_freshness_text(&text, &usage, 9 * second);
	assert_text(&text, "complete, 0s old");
	usage.incremental = true;
	layer_freshness_text(&text, &usage, 11 * second);
	assert_text(&text, "complete, 1s old, kept up to date");
	usage = (struct layer_usage){ .state = LAYER_PARTIAL,
				      .boottime_ns = second,
				      .error = -EACCES };
	layer_freshness_text(&text, &usage, 2 * second);
	assert_text(&text, "partial, 1s old: Permission denied");
	usage = (struct layer_usage){ .state = LAYER_STUCK };
	assert_false(layer_has_numbers(&usage));
	layer_freshness_text(&text, &usage, 2 * second);
	assert_text(&text, "stuck");
	usage = (struct layer_usage){ .state = LAYER_FAILED, .error = -EIO };
	assert_false(layer_has_numbers(&usage));
	assert_string_equal(layer_kind_name(OVERLAY_DATA), "data only");
}

static void test_ages(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {
		{ -1, "0s" },	 { 0, "0s" },	    { 59.99, "59s" },
		{ 60, "1m00s" }, { 3700, "1h01m" }, { 90000, "1d01h" },
	};
	_cleanup_(strbuf_done) struct strbuf text = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		format_age(&text, cases[i].seconds);
		assert_text(&text, cases[i].text);
	}
}

static void test_process_parent(void **state)
{
	struct inventory *inventory = fake_inventory();
	struct namespaces *set = inventory->namespaces;
	uint32_t web = namespaces_find(set, NS_MNT, FAKE_OWN_NS);
	uint32_t process = namespaces_find_process(set, 200);

	(void)state;
	assert_int_equal(namespaces_process_parent(set, web, NULL), set->host[NS_MNT]);
	assert_int_equal(namespaces_process_parent(set, set->host[NS_MNT], NULL), NS_NONE);
	/* Nobody is in it. */
	assert_int_equal(namespaces_process_parent(
				 set, namespaces_find(set, NS_NET, FAKE_OWN_NS + 10), NULL),
			 NS_NONE);
	/* Parents that go round in a circle, all in one namespace. */
	set->processes[process].ppid = 201;
	assert_int_equal(namespaces_process_parent(set, web, NULL), NS_NONE);
	inventory_unref(inventory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holders), cmocka_unit_test(test_maps_and_offsets),
		cmocka_unit_test(test_flags),	cmocka_unit_test(test_freshness),
		cmocka_unit_test(test_ages),	cmocka_unit_test(test_process_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
