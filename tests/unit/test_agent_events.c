// SPDX-License-Identifier: MIT
/* The last look before a decision is carried out, on a tree of plain files. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_events.h"
#include "agent/agent_policies.h"
#include "tests/unit/test_collectors_world.h"

/* What agent_events.c needs of the agent. */
int agent_sample(struct agent *agent)
{
	(void)agent;
	return -EOPNOTSUPP;
}

void agent_policies_submit(struct agent *agent, struct decisions *decisions)
{
	(void)agent;
	decisions_done(decisions);
}

uint64_t agent_now_usec(void)
{
	return 1;
}

struct scene {
	struct world *world;
	struct agent agent;
	struct policy rule;
	struct decision decision;
	char reason[256];
};

static int scene_setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	void *world = NULL;

	assert_non_null(scene);
	assert_int_equal(setup(&world), 0);
	scene->world = world;
	add(scene->world, "/a", 1000);
	start(scene->world, 1);
	sample(scene->world);
	scene->agent = (struct agent){ .root = scene->world->root,
				       .sampler = scene->world->sampler,
				       .latest = scene->world->now };
	assert_int_equal(engine_new(0, &scene->agent.engine), 0);
	assert_true(sd_event_new(&scene->agent.event) >= 0);
	assert_int_equal(agent_events_start(&scene->agent), 0);
	scene->decision.node = scene->world->now->tree->nodes[find(scene->world, "/a")];
	scene->decision.rule = &scene->rule;
	*state = scene;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *scene = *state;
	void *world = scene->world;

	agent_events_stop(&scene->agent);
	agent_events_stop(&scene->agent);
	engine_free(scene->agent.engine);
	sd_event_unref(scene->agent.event);
	condition_free(scene->rule.when);
	free(scene);
	return teardown(&world);
}

/* What the last look says of a condition (that the rule keeps). */
static int recheck(struct scene *scene, const char *when)
{
	char reason[128];

	condition_free(scene->rule.when);
	scene->rule.when = NULL;
	if (condition_parse(when, &scene->rule.when, reason, sizeof(reason)) < 0)
		fail_msg("%s", reason);
	*scene->reason = '\0';
	return agent_recheck(&scene->agent, &scene->decision, scene->reason, sizeof(scene->reason));
}

static void test_nothing_known(void **state)
{
	struct scene *scene = *state;

	/* Before the first tick, and for a decision without its rule. */
	assert_int_equal(recheck(scene, "memory.current > 5K"), -EAGAIN);
	agent_events_tick(&scene->agent);
	scene->decision.rule = NULL;
	assert_int_equal(agent_recheck(&scene->agent, &scene->decision, scene->reason,
				       sizeof(scene->reason)),
			 -EOPNOTSUPP);
}

static void test_recheck(void **state)
{
	struct scene *scene = *state;

	agent_events_tick(&scene->agent);
	assert_int_equal(recheck(scene, "memory.current > 5K"), 0);
	assert_string_equal(scene->reason, "");
	/* The sample has what was; what counts is what is. */
	add(scene->world, "/a", 100);
	assert_int_equal(recheck(scene, "memory.current > 5K"), -ECANCELED);
	assert_non_null(strstr(scene->reason, "memory.current"));
	add(scene->world, "/a", 600);
	assert_int_equal(recheck(scene, "memory.current > 5K"), 0);
}

/* An event that happened does not happen again for the last look. */
static void test_events(void **state)
{
	struct scene *scene = *state;

	agent_events_tick(&scene->agent);
	/* What is negated had not happened then. */
	assert_int_equal(recheck(scene, "memory.current > 5K and not event oom_kill"), 0);
	scene->decision.events = 1;
	assert_int_equal(recheck(scene, "event oom_kill"), 0);
	assert_int_equal(recheck(scene, "event oom_kill and memory.current > 5K"), 0);
	add(scene->world, "/a", 100);
	assert_int_equal(recheck(scene, "event oom_kill and memory.current > 5K"), -ECANCELED);
}

static void test_cannot_tell(void **state)
{
	struct scene *scene = *state;

	agent_events_tick(&scene->agent);
	assert_int_equal(recheck(scene, "pids.current > 5"), -ENODATA);
	replace(scene->world, "/b", 1);
	scene->decision.node = scene->world->now->tree->nodes[find(scene->world, "/b")];
	assert_int_equal(recheck(scene, "memory.current > 5K"), -ESTALE);
	drop(scene->world, "/b");
	assert_int_equal(recheck(scene, "memory.current > 5K"), -ENOENT);
}

static void test_stats(void **state)
{
	struct scene *scene = *state;
	struct event_watch_stats stats = { .wanted = 7 };

	agent_events_tick(&scene->agent);
	assert_true(agent_events_stats(&scene->agent, &stats));
	assert_int_equal(stats.wanted, 0);
	agent_events_stop(&scene->agent);
	assert_false(agent_events_stats(&scene->agent, &stats));
	assert_int_equal(recheck(scene, "memory.current > 5K"), -EOPNOTSUPP);
}

#define in_scene(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scene(test_nothing_known), in_scene(test_recheck), in_scene(test_events),
		in_scene(test_cannot_tell),   in_scene(test_stats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
