// SPDX-License-Identifier: MIT
/* Events from the kernel as people and programs read them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/kernel_event.h"

static const struct {
	struct kernel_event event;
	const char *text;
} rows[] = {
	{ { .kind = KERNEL_EVENT_CREATED, .pid = 1, .comm = "systemd", .path = "/a", .cgroup = 5 },
	  "by systemd (1)" },
	{ { .kind = KERNEL_EVENT_REMOVED, .pid = 1 }, "by ? (1)" },
	{ { .kind = KERNEL_EVENT_ATTACHED, .pid = 7, .comm = "sh", .text = "/old\nline" },
	  "sh (7) from /old\\x0aline" },
	{ { .kind = KERNEL_EVENT_ATTACHED, .pid = 7, .comm = "sh" }, "sh (7)" },
	{ { .kind = KERNEL_EVENT_FORK, .pid = 8, .parent_pid = 7, .comm = "sh" },
	  "sh (8), child of 7" },
	{ { .kind = KERNEL_EVENT_EXEC, .pid = 8, .parent_pid = 7, .comm = "ls", .text = "/bin/ls" },
	  "/bin/ls, ls (8), child of 7" },
	{ { .kind = KERNEL_EVENT_EXIT,
	    .pid = 8,
	    .comm = "ls",
	    .exit_code = 2,
	    .lifetime_ns = 1500000000,
	    .cpu_ns = 250000000 },
	  "ls (8), code 2, CPU 250ms in 1.50s" },
	{ { .kind = KERNEL_EVENT_EXIT, .pid = 8, .comm = "ls", .exit_signal = 9 },
	  "ls (8), SIGKILL, CPU 0 in 0" },
	{ { .kind = KERNEL_EVENT_OOM_KILL,
	    .path = "/a",
	    .pid = 3,
	    .comm = "cc",
	    .victim = 4,
	    .victim_comm = "ld",
	    .victim_path = "/a/b",
	    .victim_bytes = 1 << 20,
	    .memory_bytes = 16 << 20,
	    .limit_bytes = 16 << 20 },
	  "killed ld (4) with 1.00M in /a/b, memory 16.0M of 16.0M, asked for by cc (3)" },
	{ { .kind = KERNEL_EVENT_OOM_KILL,
	    .path = "/a",
	    .pid = 3,
	    .comm = "cc",
	    .victim = 4,
	    .victim_comm = "ld",
	    .victim_path = "/a" },
	  "killed ld (4), the machine was out of memory, asked for by cc (3)" },
	{ { .kind = KERNEL_EVENT_NS_CREATED,
	    .pid = 9,
	    .comm = "runc",
	    .ns_type = NS_NET,
	    .ns_inode = 4026531840 },
	  "net:[4026531840], by runc (9)" },
	{ { .kind = KERNEL_EVENT_NS_DESTROYED, .ns_type = NS_NET, .ns_inode = 4026531840 },
	  "net:[4026531840]" },
	{ { .kind = KERNEL_EVENT_WRITE,
	    .pid = 1,
	    .comm = "systemd",
	    .file = "memory.max",
	    .text = "512M" },
	  "memory.max 512M, by systemd (1)" },
	{ { .kind = KERNEL_EVENT_WRITE,
	    .pid = 1,
	    .comm = "x\033[2J",
	    .file = "memory.max",
	    .text = "x",
	    .error = EINVAL },
	  "memory.max x (refused: EINVAL), by x\\x1b[2J (1)" },
};

static void test_describe(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct strbuf text;

		strbuf_init(&text);
		kernel_event_describe(&rows[i].event, &text);
		assert_string_equal(text.data, rows[i].text);
		strbuf_done(&text);
	}
}

static void test_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct strbuf text;
		json_t *object;

		strbuf_init(&text);
		kernel_event_json(&rows[i].event, &text);
		assert_int_equal(text.data[text.length - 1], '\n');
		object = json_loads(text.data, 0, NULL);
		assert_non_null(object);
		assert_string_equal(json_string_value(json_object_get(object, "kind")),
				    kernel_event_name(rows[i].event.kind));
		if (rows[i].event.text)
			assert_string_equal(json_string_value(json_object_get(object, "text")),
					    rows[i].event.text);
		json_decref(object);
		strbuf_done(&text);
	}
}

static void test_kinds(void **state)
{
	uint32_t kinds = 77;

	(void)state;
	for (int kind = 0; kind < KERNEL_EVENT_KIND_COUNT; kind++)
		assert_int_equal(kernel_event_find(kernel_event_name((enum kernel_event_kind)kind)),
				 kind);
	assert_int_equal(kernel_event_find("nothing"), KERNEL_EVENT_KIND_COUNT);
	assert_int_equal(kernel_events_parse_kinds("oom_kill", &kinds), 0);
	assert_int_equal(kinds, 1 << KERNEL_EVENT_OOM_KILL);
	assert_int_equal(kernel_events_parse_kinds("oom_kill, write ,exec", &kinds), 0);
	assert_int_equal(kinds, 1 << KERNEL_EVENT_OOM_KILL | 1 << KERNEL_EVENT_WRITE |
					1 << KERNEL_EVENT_EXEC);
	assert_int_equal(kernel_events_parse_kinds("", &kinds), -EINVAL);
	assert_int_equal(kernel_events_parse_kinds(",", &kinds), -EINVAL);
	assert_int_equal(kernel_events_parse_kinds("oom_kill,,exec", &kinds), -EINVAL);
	assert_int_equal(kernel_events_parse_kinds("oom_kills", &kinds), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
