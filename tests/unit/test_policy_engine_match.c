// SPDX-License-Identifier: MIT
/* Which cgroups a policy looks at as trees and inventories change, columns of outcomes, explain. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/join.h"
#include "fake_engine.h"
#include "fake_inventory.h"
#include "fake_snapshot.h"

/* ---- the inventory ---- */

struct scene {
	struct engine *engine;
	struct tree *tree;
	struct inventory *inventory;
	struct join *join;
	struct decisions decisions;
	uint64_t sequence;
	char text[256];
};

static void scene_init(struct scene *scene, const char *policies)
{
	struct policy_set *set = fake_policies(policies);

	*scene = (struct scene){ .inventory = fake_inventory() };
	scene->tree = fake_tree(fake_inventory_paths, fake_inventory_n_paths, NULL);
	assert_int_equal(join_new(scene->tree, scene->inventory, &scene->join), 0);
	assert_int_equal(engine_new(1000000, &scene->engine), 0);
	assert_int_equal(engine_set_policies(scene->engine, set, 0, &scene->decisions), 0);
	policy_set_unref(set);
}

static struct snapshot *scene_sample(struct scene *scene, bool inventory, double cpu)
{
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot;

	metric_set_add(&wanted, M_CPU_USAGE_RATE);
	snapshot = fake_snapshot(tree_ref(scene->tree), &wanted, ++scene->sequence);
	for (uint32_t i = 0; i < scene->tree->n; i++)
		snapshot_set(snapshot, M_CPU_USAGE_RATE, i, (union value){ .number = cpu });
	if (inventory) {
		snapshot->inventory = inventory_ref(scene->inventory);
		snapshot->join = join_ref(scene->join);
	}
	return snapshot;
}

/* Signs and reasons: "+", "-the cgroup is gone". */
static const char *scene_tick(struct scene *scene, bool inventory, double cpu)
{
	struct snapshot *snapshot = scene_sample(scene, inventory, cpu);

	assert_int_equal(
		engine_tick(scene->engine, snapshot, scene->sequence * 1000000, &scene->decisions),
		0);
	snapshot_unref(snapshot);
	scene->text[0] = '\0';
	for (size_t i = 0; i < scene->decisions.n; i++) {
		const struct decision *decision = &scene->decisions.list[i];
		bool apply = decision->op == DECISION_APPLY;

		assert_string_equal(decision->node->path, FAKE_WEB_CGROUP);
		snprintf(scene->text + strlen(scene->text),
			 sizeof(scene->text) - strlen(scene->text), "%c%s", apply ? '+' : '-',
			 apply ? "" : decision->reason);
	}
	decisions_done(&scene->decisions);
	return scene->text;
}

static void scene_done(struct scene *scene)
{
	engine_free(scene->engine);
	join_unref(scene->join);
	inventory_unref(scene->inventory);
	tree_unref(scene->tree);
}

#define BY_CONTAINER(name)                                                   \
	"[policy p]\ncontainer = " name                                      \
	"\nwhen = cpu.usage.rate > 50%\nclear_when = cpu.usage.rate < 10%\n" \
	"action = cpu.quota 20%\ncooldown = 1s\nmode = enforce\n"

static void test_unknown(void **state)
{
	struct engine_policy_stats stats;
	struct scene scene;

	(void)state;
	scene_init(&scene, BY_CONTAINER("web"));
	assert_int_equal(engine_inventory(scene.engine), INVENTORY_CONTAINERS);
	/* Nobody knows its name yet: nothing is done. */
	assert_string_equal(scene_tick(&scene, false, 0.6), "");
	engine_policy_stats(scene.engine, "p", 0, &stats);
	assert_int_equal(stats.matches, 0);
	assert_true(stats.unknown > 0);
	assert_string_equal(scene_tick(&scene, true, 0.6), "+");
	engine_policy_stats(scene.engine, "p", 0, &stats);
	assert_int_equal(stats.matches, 1);
	assert_int_equal(stats.unknown, 0);
	/* Not known any more: it keeps what it has, and can still clear. */
	assert_string_equal(scene_tick(&scene, false, 0.6), "");
	assert_string_equal(scene_tick(&scene, false, 0.05), "-clear: cpu.usage.rate 5.0% < 10%: "
							     "true (for 0s)");
	/* But it starts nothing. */
	for (int i = 0; i < 3; i++)
		assert_string_equal(scene_tick(&scene, false, 0.6), "");
	assert_string_equal(scene_tick(&scene, true, 0.6), "+");
	scene_done(&scene);
}

/* What an earlier agent left on a cgroup that turns out to be another container's. */
static void test_known_too_late(void **state)
{
	struct scene scene;
	struct snapshot *snapshot;
	uint64_t serial;

	(void)state;
	scene_init(&scene, BY_CONTAINER("other"));
	snapshot = scene_sample(&scene, false, 0.6);
	serial = scene.tree->nodes[tree_find(scene.tree, FAKE_WEB_CGROUP)]->serial;
	assert_int_equal(engine_adopt(scene.engine, snapshot, serial, "p", 0, 500000, 0, 1000000),
			 0);
	snapshot_unref(snapshot);
	assert_string_equal(scene_tick(&scene, false, 0.6), "");
	assert_string_equal(scene_tick(&scene, true, 0.6),
			    "-the policy is not for this cgroup any more");
	assert_string_equal(scene_tick(&scene, false, 0.6), "");
	scene_done(&scene);
}

/* ---- trees ---- */

#define SIMPLE                                                                           \
	"[policy p]\nmatch = /**\nwhen = cpu.usage.rate > 50%\naction = cpu.quota 20%\n" \
	"clear_when = cpu.usage.rate < 10%\nmode = enforce\n"

static void test_trees(void **state)
{
	struct fake_engine fake;

	(void)state;
	fake_engine_init(&fake, SIMPLE);
	assert_string_equal(fake_engine_do(&fake, 1, "x.cpu=60 c.cpu=60"), "+p:x0 +p:c0");
	/* Others come and go before them: they are found again. */
	assert_string_equal(fake_engine_do(&fake, 2, "b=gone"), "");
	assert_string_equal(fake_engine_do(&fake, 3, "b=back b.cpu=60"), "+p:b0");
	assert_string_equal(fake_engine_do(&fake, 4, "a=gone x=gone"), "-p:x0");
	assert_string_equal(fake_engine_do(&fake, 5, "a=back x=back x.cpu=0"), "");
	assert_string_equal(fake_engine_do(&fake, 6, "c.cpu=0"), "-p:c0");
	/* The same path is another cgroup. */
	assert_string_equal(fake_engine_do(&fake, 7, "b=new"), "-p:b0 +p:b0");
	fake_engine_done(&fake);
}

/* How long the breach had lasted when it was last looked at. */
static void test_breach_of_what_is_gone(void **state)
{
	struct fake_engine fake;

	(void)state;
	fake_engine_init(&fake, SIMPLE);
	assert_string_equal(fake_engine_do(&fake, 1, "b.cpu=60"), "+p:b0");
	assert_string_equal(fake_engine_do(&fake, 3, "b.cpu=60"), "");
	assert_string_equal(fake_engine_keep(&fake, 4, "b=gone"), "-p:b0");
	assert_int_equal(fake.decisions.list[0].breach_usec, 2000000);
	fake_engine_done(&fake);
}

/* Trees that know nothing of those before them, as of recordings: found by serial. */
static void test_strange_trees(void **state)
{
	static const char *const paths[][4] = { { "/", "/a", "/a/x", "/c" },
						{ "/", "/b", "/c", "/d" } };
	static const char *const expected[] = { "p:x:held:1 p:c:held:1", "p:c:held:1" };
	struct metric_set wanted = { 0 };
	struct fake_engine fake;

	(void)state;
	fake_engine_init(&fake, SIMPLE);
	assert_string_equal(fake_engine_do(&fake, 1, "x.cpu=60 c.cpu=60"), "+p:x0 +p:c0");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct tree *tree = fake_tree(paths[i], 4, fake.tree);
		struct snapshot *snapshot = fake_snapshot(tree, &wanted, 2 + i);

		/* The second one lies about its nodes only. */
		tree->previous = i ? 2 : 4711;
		tree->generation += i;
		memset(tree->before, 0, tree->n * sizeof(*tree->before));
		assert_int_equal(
			engine_tick(fake.engine, snapshot, (2 + i) * 1000000, &fake.decisions), 0);
		assert_int_equal(fake.decisions.n, i);
		decisions_done(&fake.decisions);
		snapshot_unref(snapshot);
		assert_string_equal(fake_engine_tracks(&fake), expected[i]);
	}
	fake_engine_done(&fake);
}

/* ---- many at a time ---- */

enum { MANY = 600 };

static const char *const texts[] = {
	"cpu.usage.rate > 50%",
	"cpu.usage.rate >= 50%",
	"cpu.usage.rate < 50%",
	"cpu.usage.rate <= 50%",
	"cpu.usage.rate == 50%",
	"cpu.usage.rate != 50%",
	"memory.max > 1G",
	"memory.current / memory.max > 50%",
	"memory.current / memory.current > 50%",
	"memory.limit.used > 50%",
	"not memory.current > 512M",
	"cpu.usage.rate > 50% and memory.current > 512M",
	"cpu.usage.rate > 50% or memory.current > 512M",
	"not (cpu.usage.rate > 50% or not memory.max > 1G) and pids.current != 5",
	"cpu.usage.rate > 50% and event oom_kill",
	"not event oom_kill or cpu.usage.rate > 50%",
	"pids.current > 500 and cpu.usage.rate > 1000%",
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

static struct snapshot *make_many(void)
{
	static const enum metric_id ids[] = { M_CPU_USAGE_RATE, M_MEMORY_CURRENT, M_MEMORY_MAX,
					      M_PIDS_CURRENT, M_MEMORY_LIMIT_USED };
	static char names[MANY][16];
	const char *paths[MANY];
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot;
	uint32_t seed = 1;

	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), i ? "/%d" : "/", i);
		paths[i] = names[i];
	}
	for (size_t j = 0; j < ARRAY_SIZE(ids); j++)
		metric_set_add(&wanted, ids[j]);
	snapshot = fake_snapshot(fake_tree(paths, MANY, NULL), &wanted, 1);
	for (uint32_t i = 0; i < MANY; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(ids); j++) {
			uint32_t random = next_random(&seed) % 8;
			union value value = { .u64 = (uint64_t)random << 28 };

			if (metric_is_double(ids[j]))
				value.number = random / 4.0;
			snapshot_set(snapshot, ids[j], i, value);
			/* Each state at its turn, a good value in most cells. */
			if (next_random(&seed) % 3 == 0)
				snapshot_set_state(
					snapshot, ids[j], i,
					(enum value_state)(next_random(&seed) % VALUE_STATE_COUNT));
		}
	}
	return snapshot;
}

static void test_columns(void **state)
{
	struct snapshot *snapshot = make_many();
	uint32_t indices[MANY], n = 0;
	uint8_t outcomes[MANY];
	unsigned int seen[3] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		if (i % 7 != 3)
			indices[n++] = i;
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct condition *condition;
		char reason[256];

		if (condition_parse(texts[i], &condition, reason, sizeof(reason)) < 0)
			fail_msg("%s: %s", texts[i], reason);
		condition_evaluate_column(condition, snapshot, indices, n, outcomes);
		for (uint32_t at = 0; at < n; at++) {
			enum outcome one = condition_evaluate(condition, snapshot, indices[at]);

			seen[one]++;
			if (outcomes[at] != (uint8_t)one)
				fail_msg("%s: node %u is %d, not %d", texts[i], indices[at], one,
					 outcomes[at]);
		}
		condition_free(condition);
	}
	assert_true(seen[OUTCOME_FALSE] > 100 && seen[OUTCOME_TRUE] > 100 &&
		    seen[OUTCOME_UNKNOWN] > 100);
	snapshot_unref(snapshot);
}

/* ---- explain ---- */

static const char explained[] =
	"[global]\nmax_per_hour = 30\n"
	"[policy p]\nmatch = /a\nwhen = cpu.usage.rate > 50%\nclear_when = cpu.usage.rate < 10%\n"
	"for = 2s\naction = cpu.quota 20%\nthen = freeze lease=20s after=1m\n"
	"max_per_hour = 6\nmax_concurrent = 2\nmax_processes = 10\nmax_cgroups = 2\n"
	"max_share = 25%\nschedule = 22:00-06:00\nmode = enforce\n"
	"[policy q]\nmatch = /**\nmatch_not = /a\nwhen = event oom_kill\naction = cpu.quota 20%\n"
	"[policy r]\nmatch = /b\nmatch = /c\nwhen = cpu.usage.rate > 1%\naction = cpu.quota 20%\n"
	"[policy e]\nmatch = /a\nwhen = event oom_kill within 1m\naction = cpu.quota 20%\n"
	"mode = off\n";

static void assert_explained(struct fake_engine *fake, const char *expected)
{
	struct strbuf text;

	strbuf_init(&text);
	engine_explain(fake->engine, fake->latest, tree_find(fake->tree, "/a"), fake->now, &text);
	assert_string_equal(text.data, expected);
	strbuf_done(&text);
}

#define OTHERS                                                    \
	"e (off): idle\n"                                         \
	"  when: event oom_kill within 60s (0 so far): not now\n" \
	"  action: cpu.quota 20%\n"                               \
	"q (shadow): not for this cgroup: match_not = /a\n"       \
	"r (shadow): not for this cgroup: match = /b, /c\n"

static void test_explain(void **state)
{
	struct fake_engine fake;

	(void)state;
	fake_engine_init(&fake, explained);
	fake_engine_do(&fake, 1,
		       "at=2026-06-10T21:00:00 root.mem=1000 root.ncpu=4 a.mem=100 "
		       "a.procs=3 a.cpu=60");
	fake_engine_do(&fake, 4, "");
	assert_explained(&fake, "p (enforce): pending, breach for 3s of 2s\n"
				"  when: cpu.usage.rate 60.0% > 50%: true\n"
				"  trigger: 100% of the way\n"
				"  clear_when: cpu.usage.rate 60.0% < 10%: false\n"
				"  action: cpu.quota 20%\n"
				"  then: freeze lease=20s after 60s\n"
				"  blocked by: schedule, for another 3597s\n"
				"  budgets: 0 of 6 this hour, 0 of 30 this hour by all policies, "
				"0 of 2 cgroups at a time, 2 of 2 cgroups, 3 of 10 processes, "
				"15.0% of 25.0% of the machine\n"
				"  schedule: 22:00-06:00: off, on in 3597s\n" OTHERS);
	fake_engine_do(&fake, 5, "at=2026-06-10T22:00:00 a.procs=?");
	fake_engine_do(&fake, 6, "a.procs=4");
	fake_engine_do(&fake, 10, "a.procs=? a.mem=-");
	assert_explained(&fake, "p (enforce): held, breach for 9s of 2s\n"
				"  when: cpu.usage.rate 60.0% > 50%: true\n"
				"  trigger: 100% of the way\n"
				"  clear_when: cpu.usage.rate 60.0% < 10%: false\n"
				"  holds: cpu.quota 20%\n"
				"  then: freeze lease=20s after 60s\n"
				"  budgets: 1 of 6 this hour, 1 of 30 this hour by all policies, "
				"1 of 2 cgroups at a time, 2 of 2 cgroups, number of processes "
				"unknown, share of the machine unknown\n"
				"  schedule: 22:00-06:00: on, off in 28795s\n" OTHERS);
	fake_engine_do(&fake, 11, "!stop");
	fake_engine_do(&fake, 12, "a.cpu=25");
	assert_explained(&fake, "stopped by the kill-switch: nothing new is done\n"
				"p (enforce): cooldown for another 9s\n"
				"  when: cpu.usage.rate 25.0% > 50%: false\n"
				"  trigger: 50% of the way\n"
				"  clear_when: cpu.usage.rate 25.0% < 10%: false\n"
				"  action: cpu.quota 20%\n"
				"  then: freeze lease=20s after 60s\n"
				"  budgets: 1 of 6 this hour, 1 of 30 this hour by all policies, "
				"0 of 2 cgroups at a time, 2 of 2 cgroups, number of processes "
				"unknown, share of the machine unknown\n"
				"  schedule: 22:00-06:00: on, off in 28793s\n" OTHERS);
	fake_engine_done(&fake);
}

/* Without a tick before: all idle. */
static void test_explain_first(void **state)
{
	struct metric_set wanted = { 0 };
	struct fake_engine fake;

	(void)state;
	fake_engine_init(&fake, "[policy p]\nmatch = /a\nwhen = event oom_kill\n"
				"action = cpu.quota 20%\n");
	fake.latest = fake_snapshot(tree_ref(fake.tree), &wanted, 1);
	assert_explained(&fake, "p (shadow): idle\n  when: event oom_kill: not now\n"
				"  action: cpu.quota 20%\n");
	fake_engine_done(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown),	      cmocka_unit_test(test_known_too_late),
		cmocka_unit_test(test_trees),	      cmocka_unit_test(test_breach_of_what_is_gone),
		cmocka_unit_test(test_strange_trees), cmocka_unit_test(test_columns),
		cmocka_unit_test(test_explain),	      cmocka_unit_test(test_explain_first),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
