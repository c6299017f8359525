// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/event.h"

static const struct {
	const char *text, *back; /* NULL: the same */
	enum event_kind kind;
	enum metric_id column;
	enum event_sign sign;
} good[] = {
	{ "oom_kill", NULL, EVENT_OOM_KILL, M_MEMORY_EVENTS_OOM_KILL, EVENT_SIGN_COUNT },
	{ "oom", NULL, EVENT_OOM, M_MEMORY_EVENTS_OOM, EVENT_SIGN_COUNT },
	{ "memory.low", NULL, EVENT_MEMORY_LOW, M_MEMORY_EVENTS_LOW, EVENT_SIGN_COUNT },
	{ "memory.high", NULL, EVENT_MEMORY_HIGH, M_MEMORY_EVENTS_HIGH, EVENT_SIGN_COUNT },
	{ "memory.max", NULL, EVENT_MEMORY_MAX, M_MEMORY_EVENTS_MAX, EVENT_SIGN_COUNT },
	{ "pids.max", NULL, EVENT_PIDS_MAX, M_PIDS_EVENTS_MAX, EVENT_SIGN_COUNT },
	{ "populated", NULL, EVENT_POPULATED, M_CGROUP_POPULATED, EVENT_SIGN_SET },
	{ "empty", NULL, EVENT_EMPTY, M_CGROUP_POPULATED, EVENT_SIGN_CLEARED },
	{ "frozen", NULL, EVENT_FROZEN, M_FREEZER_FROZEN, EVENT_SIGN_SET },
	{ "thawed", NULL, EVENT_THAWED, M_FREEZER_FROZEN, EVENT_SIGN_CLEARED },
	{ "fork", NULL, EVENT_FORK, M_NONE, EVENT_SIGN_COUNT },
	{ "exec", NULL, EVENT_EXEC, M_NONE, EVENT_SIGN_COUNT },
	{ "exit", NULL, EVENT_EXIT, M_NONE, EVENT_SIGN_COUNT },
	{ "attached", NULL, EVENT_ATTACHED, M_NONE, EVENT_SIGN_COUNT },
	{ "write", NULL, EVENT_WRITE, M_NONE, EVENT_SIGN_COUNT },
	{ "ns_created", NULL, EVENT_NS_CREATED, M_NONE, EVENT_SIGN_COUNT },
	{ "ns_destroyed", NULL, EVENT_NS_DESTROYED, M_NONE, EVENT_SIGN_COUNT },
	{ "psi.memory.some 150ms/1s", "psi.memory.some 150ms/1000ms", EVENT_PSI,
	  M_PSI_MEMORY_SOME_TOTAL, EVENT_SIGN_STALL },
	{ "psi.io.full  500us/500ms", "psi.io.full 500us/500ms", EVENT_PSI, M_PSI_IO_FULL_TOTAL,
	  EVENT_SIGN_STALL },
	{ "psi.cpu.some 9999ms/10s", "psi.cpu.some 9999ms/10000ms", EVENT_PSI, M_PSI_CPU_SOME_TOTAL,
	  EVENT_SIGN_STALL },
};

static void test_good(void **state)
{
	bool seen[EVENT_KIND_COUNT] = { false };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct event_spec spec, again;
		enum event_sign sign;
		struct strbuf text;
		char reason[256] = "";

		if (event_parse(good[i].text, &spec, reason, sizeof(reason)) < 0)
			fail_msg("%s: %s", good[i].text, reason);
		assert_int_equal(spec.kind, good[i].kind);
		assert_int_equal(event_column(&spec, &sign), good[i].column);
		assert_int_equal(sign, good[i].sign);
		strbuf_init(&text);
		event_format(&spec, &text);
		assert_string_equal(text.data, good[i].back ? good[i].back : good[i].text);
		assert_int_equal(event_parse(text.data, &again, reason, sizeof(reason)), 0);
		assert_true(event_equal(&spec, &again));
		strbuf_done(&text);
		/* And it is named where people are told what there is. */
		if (spec.kind != EVENT_PSI)
			assert_non_null(strstr(event_names(), good[i].text));
		seen[spec.kind] = true;
	}
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
		assert_true(seen[kind]);
}

static void test_equal(void **state)
{
	const struct event_spec base = { EVENT_PSI, PSI_IO, true, 1000, 1000000 };
	struct event_spec other[5] = { base, base, base, base, base };

	(void)state;
	other[0].kind = EVENT_OOM;
	other[1].resource = PSI_CPU;
	other[2].full = false;
	other[3].stall_usec = 2000;
	other[4].window_usec = 2000000;
	assert_true(event_equal(&base, &base));
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		assert_false(event_equal(&base, &other[i]));
}

static const char *const wrong[][2] = {
	{ "", "\"\" is no event: there are oom_kill" },
	{ "oom_kil", "is no event" },
	{ "oom_kill ", "is no event" },
	{ "OOM", "is no event" },
	{ "psi", "is no event" },
	{ "psi.", "write psi.cpu, psi.memory or psi.io" },
	{ "psi.memory", "with .some or .full" },
	{ "psi.memory.all 1ms/1s", "with .some or .full" },
	{ "psi.disk.some 1ms/1s", "write psi.cpu" },
	{ "psi.memory.some", "it needs the time stalled and the window" },
	{ "psi.memory.some 150ms", "it needs the time stalled and the window" },
	{ "psi.memory.some 150/1000", "it needs the time stalled and the window" },
	{ "psi.memory.some 150ms/1s/1s", "it needs the time stalled and the window" },
	{ "psi.memory.some 150ms/1s x", "it needs the time stalled and the window" },
	{ "psi.memory.some 1s/1s", "the window must be from 500ms to 10s" },
	{ "psi.memory.some 0s/1s", "the window must be" },
	{ "psi.memory.some 1ms/499ms", "the window must be" },
	{ "psi.memory.some 1ms/11s", "the window must be" },
	{ "psi.memory.some 1ms/2h", "the window must be" },
};

static void test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct event_spec spec = { .kind = EVENT_KIND_COUNT };
		char reason[512] = "";

		assert_int_equal(event_parse(wrong[i][0], &spec, reason, sizeof(reason)), -EINVAL);
		assert_int_equal(spec.kind, EVENT_KIND_COUNT);
		if (!strstr(reason, wrong[i][1]))
			fail_msg("%s: \"%s\"", wrong[i][0], reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
