// SPDX-License-Identifier: MIT
/*
 * Policies that wait for events act without a tick: the agent samples every hour here, so that what
 * is done after the first sample is done because of an event.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "event_scene.h"

static bool has_quota(const struct live *live)
{
	char *text = live_read(live, "cpu", "a", live->v2 ? "cpu.max" : "cpu.cfs_quota_us");
	bool same = text && strncmp(text, "50000", 5) == 0;

	free(text);
	return same;
}

static bool is_limited(const struct live *live)
{
	return live_number(live, "memory", "a", live->v2 ? "memory.max" : "memory.limit_in_bytes",
			   NULL) == 1 << 30;
}

/* The first tick, which also begins to wait for the events, was there: not yet when it answers. */
static bool has_looked(const struct live *live)
{
	return live_cgwatch(live, NULL, "policy status --json | grep -Eq '\"matches\": ?1'") == 0;
}

/* The agent with these policies, after its first look at the cgroup. */
static void start_agent(struct scene *scene, const char *policies)
{
	live_config(scene->live, "interval = 1h\n");
	live_agent(scene->live, policies);
	assert_true(live_until(scene->live, has_looked, LIVE_PATIENCE));
	assert_false(has_quota(scene->live));
}

static void test_event(void **state)
{
	struct scene *scene = *state;

	cgroup(scene, "a");
	start_agent(scene, "[policy react]\nmatch = %s/a\nwhen = event oom\n"
			   "clear_when = cgroup.procs < 0\naction = cpu.quota 50%\n"
			   "mode = enforce\n");
	limit_memory(scene, "memory.max", "16M");
	start(scene, "a", live_allocate);
	assert_true(live_until(scene->live, has_quota, LIVE_PATIENCE));
	live_agent_end(scene->live, SIGTERM);
	assert_false(has_quota(scene->live));
}

/* At the only tick there were no tasks: the number that counts is the one at the event. */
static void test_event_and_number(void **state)
{
	struct scene *scene = *state;

	if (no_v2(scene))
		return;
	cgroup(scene, "a");
	start_agent(scene, "[policy never]\nmatch = %s/a\n"
			   "when = event populated and memory.current > 1T\n"
			   "action = memory.max 1G\nmode = enforce\npriority = 5\n"
			   "[policy react]\nmatch = %s/a\n"
			   "when = event populated and pids.current > 0\n"
			   "clear_when = cgroup.procs < 0\naction = cpu.quota 50%\n"
			   "mode = enforce\n");
	start(scene, "a", live_sleep);
	assert_true(live_until(scene->live, has_quota, LIVE_PATIENCE));
	assert_false(is_limited(scene->live));
}

/* Waits until it is in its cgroup everywhere. */
static void start_program(void)
{
	live_wait(0.1);
	execlp("sleep", "sleep", "60", NULL);
	_exit(1);
}

#define ON_EXEC                                                                             \
	"[policy react]\nmatch = %s/**\nwhen = event exec\nclear_when = cgroup.procs < 0\n" \
	"action = cpu.quota 50%\nmode = enforce\n"

/* Only programs in the kernel tell of it. */
static void test_exec(void **state)
{
	struct scene *scene = *state;

	cgroup(scene, "a");
	start_agent(scene, ON_EXEC);
	start(scene, "a", start_program);
	assert_true(live_until(scene->live, has_quota, LIVE_PATIENCE));
}

static bool answers(const struct live *live)
{
	return live_cgwatch(live, NULL, "policy status --json >/dev/null") == 0;
}

/* Containers start their program as soon as there is the cgroup: no sample has it by then. */
static void test_exec_in_new(void **state)
{
	struct scene *scene = *state;

	live_config(scene->live, "interval = 3s\n");
	live_agent(scene->live, ON_EXEC);
	assert_true(live_until(scene->live, answers, LIVE_PATIENCE));
	live_wait(0.5); /* after the first sample, and well before the next one */
	cgroup(scene, "a");
	start(scene, "a", start_program);
	assert_true(live_until(scene->live, has_quota, LIVE_PATIENCE));
}

#define in_scene(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scene(test_event),
		in_scene(test_event_and_number),
		in_scene(test_exec),
		in_scene(test_exec_in_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
