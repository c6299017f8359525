// SPDX-License-Identifier: MIT
/* Events on a tree of plain files: inotify tells of a change as it does of the kernel's files. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/event_watch.h"
#include "collectors/node_sample.h"
#include "tests/unit/test_collectors_world.h"

static void set_events(struct world *world, const char *path, const char *file, const char *text)
{
	char full[4096];

	snprintf(full, sizeof(full), "sys/fs/cgroup%s", path);
	write_in(world, full, file, text);
}

static struct event_watch *watch(struct world *world, unsigned int max_fds)
{
	struct event_watch *watch = NULL;

	set_events(world, "/a", "memory.events", "low 0\nhigh 3\nmax 0\noom 0\noom_kill 1\n");
	set_events(world, "/a", "cgroup.events", "populated 1\nfrozen 0\n");
	set_events(world, "/b", "memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
	start(world, 1);
	sample(world);
	assert_int_equal(
		event_watch_new(world->root, sampler_hierarchies(world->sampler), max_fds, &watch),
		0);
	return watch;
}

static struct event_want want(struct world *world, const char *path, const char *text)
{
	struct event_want want = { .node = world->now->tree->nodes[find(world, path)] };
	char reason[128];

	assert_int_equal(event_parse(text, &want.spec, reason, sizeof(reason)), 0);
	return want;
}

static bool readable(const struct event_watch *watch)
{
	struct pollfd fd = { .fd = event_watch_fd(watch), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static uint32_t watched(const struct event_watch *watch)
{
	struct event_watch_stats stats;

	event_watch_get_stats(watch, &stats);
	return stats.watched;
}

static const char *path_of(struct world *world, uint64_t serial)
{
	uint32_t index = tree_find_serial(world->now->tree, serial);

	assert_int_not_equal(index, NODE_NONE);
	return world->now->tree->nodes[index]->path;
}

/* "PATH:EVENT*COUNT …" of one read, in the order of kinds. */
static char *take(struct world *world, struct event_watch *watch)
{
	struct event *list = NULL;
	struct strbuf text;
	size_t n = 0;

	strbuf_init(&text);
	strbuf_add_string(&text, "");
	assert_int_equal(event_watch_read(watch, &list, &n), 0);
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		for (size_t i = 0; i < n; i++) {
			if ((int)list[i].spec.kind != kind)
				continue;
			strbuf_printf(&text, "%s%s:", text.length ? " " : "",
				      path_of(world, list[i].serial));
			event_format(&list[i].spec, &text);
			strbuf_printf(&text, "*%llu", (unsigned long long)list[i].count);
			assert_true(list[i].boottime_ns > 0);
		}
	}
	free(list);
	return strbuf_take(&text);
}

static void check_events(struct world *world, struct event_watch *watch, const char *wanted)
{
	char *got = take(world, watch);

	assert_string_equal(got, wanted);
	free(got);
	assert_false(readable(watch));
}

static void test_counts(void **state)
{
	struct world *world = *state;
	struct event_watch *events = watch(world, 100);
	struct event_want list[] = { want(world, "/a", "oom_kill"),
				     want(world, "/a", "memory.high"),
				     want(world, "/b", "oom_kill") };
	struct event_watch_stats stats;

	assert_int_equal(event_watch_set(events, list, 3), 0);
	assert_int_equal(watched(events), 3);
	/* What was counted before does not count. */
	assert_false(readable(events));
	/* memory.max is not waited for. */
	set_events(world, "/a", "memory.events", "low 0\nhigh 5\nmax 9\noom 1\noom_kill 2\n");
	assert_true(readable(events));
	check_events(world, events, "/a:oom_kill*1 /a:memory.high*2");
	/* Told once; the same again is none. */
	set_events(world, "/a", "memory.events", "low 0\nhigh 5\nmax 9\noom 1\noom_kill 2\n");
	check_events(world, events, "");
	event_watch_get_stats(events, &stats);
	assert_int_equal(stats.events, 3);
	assert_int_equal(stats.spurious, 1);
	assert_int_equal(stats.wanted, 3);
	event_watch_free(events);
}

static void test_levels(void **state)
{
	struct world *world = *state;
	struct event_watch *events = watch(world, 100);
	struct event_want list[] = { want(world, "/a", "populated"), want(world, "/a", "empty"),
				     want(world, "/a", "frozen"), want(world, "/a", "thawed") };

	assert_int_equal(event_watch_set(events, list, 4), 0);
	set_events(world, "/a", "cgroup.events", "populated 0\nfrozen 0\n");
	check_events(world, events, "/a:empty*1");
	set_events(world, "/a", "cgroup.events", "populated 1\nfrozen 1\n");
	check_events(world, events, "/a:populated*1 /a:frozen*1");
	set_events(world, "/a", "cgroup.events", "populated 1\nfrozen 0\n");
	check_events(world, events, "/a:thawed*1");
	event_watch_free(events);
}

/* What happens between two settings is not lost for what is in both, and gone for what is not. */
static void test_set_again(void **state)
{
	struct world *world = *state;
	struct event_watch *events = watch(world, 100);
	struct event_want both[] = { want(world, "/b", "oom_kill"), want(world, "/a", "oom_kill") };
	struct event_want more[] = { want(world, "/a", "memory.max"), want(world, "/a", "oom_kill"),
				     want(world, "/a/x", "oom_kill") };

	assert_int_equal(event_watch_set(events, both, 2), 0);
	set_events(world, "/a", "memory.events", "low 0\nhigh 3\nmax 4\noom 0\noom_kill 2\n");
	set_events(world, "/b", "memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 2\n");
	assert_int_equal(event_watch_set(events, more, 3), 0);
	/* /a/x has no such file. */
	assert_int_equal(watched(events), 2);
	check_events(world, events, "/a:oom_kill*1 /a:memory.max*4");
	/* It comes later: the next setting finds it. */
	set_events(world, "/a/x", "memory.events", "low 0\noom_kill 7\n");
	assert_int_equal(event_watch_set(events, more, 3), 0);
	assert_int_equal(watched(events), 3);
	set_events(world, "/a/x", "memory.events", "low 0\noom_kill 9\n");
	check_events(world, events, "/a/x:oom_kill*2");
	assert_int_equal(event_watch_set(events, NULL, 0), 0);
	assert_int_equal(watched(events), 0);
	set_events(world, "/a", "memory.events", "low 0\nhigh 9\nmax 9\noom 9\noom_kill 9\n");
	check_events(world, events, "");
	event_watch_free(events);
}

static void test_another_cgroup(void **state)
{
	struct world *world = *state;
	struct event_watch *events = watch(world, 100);
	struct event_want list[] = { want(world, "/b", "oom_kill") };

	replace(world, "/b", 5);
	set_events(world, "/b", "memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
	assert_int_equal(event_watch_set(events, list, 1), 0);
	assert_int_equal(watched(events), 0);
	event_watch_free(events);
}

/* Found out when it is read; the file of the old one was told of by its removal or before it. */
static void test_removed(void **state)
{
	struct world *world = *state;
	struct event_watch *events = watch(world, 100);
	struct event_want list[] = { want(world, "/b", "oom_kill"), want(world, "/a", "oom_kill") };

	assert_int_equal(event_watch_set(events, list, 2), 0);
	set_events(world, "/b", "memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 3\n");
	replace(world, "/b", 5);
	set_events(world, "/b", "memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 8\n");
	check_events(world, events, "");
	assert_int_equal(watched(events), 1);
	set_events(world, "/a", "memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 3\n");
	check_events(world, events, "/a:oom_kill*2");
	event_watch_free(events);
}

/* Nothing is written to a recorded tree; and there are no pids here. */
static void test_impossible(void **state)
{
	struct world *world = *state;
	struct event_watch *events = watch(world, 100);
	struct event_want list[] = { want(world, "/a", "psi.cpu.some 100ms/1s"),
				     want(world, "/a", "psi.cpu.some 200ms/1s"),
				     want(world, "/a", "pids.max"), want(world, "/a", "oom") };
	struct event_watch_stats stats;
	char *text;

	set_events(world, "/a", "cpu.pressure", "some avg10=0.00\n");
	assert_int_equal(event_watch_set(events, list, 4), 0);
	event_watch_get_stats(events, &stats);
	assert_int_equal(stats.wanted, 4);
	assert_int_equal(stats.watched, 1);
	assert_int_equal(stats.absent, 3);
	text = take(world, events);
	assert_string_equal(text, "");
	free(text);
	event_watch_free(events);
}

static double number(const struct snapshot *snapshot, enum metric_id id)
{
	double number = -1;

	assert_int_equal(snapshot_state(snapshot, id, 0), VALUE_OK);
	snapshot_number(snapshot, id, 0, &number);
	return number;
}

static struct snapshot *again(struct world *world, const char *path)
{
	struct snapshot *fresh = NULL;

	assert_int_equal(node_sample(world->root, sampler_hierarchies(world->sampler), world->now,
				     find(world, path), &world->wanted, &fresh),
			 0);
	assert_int_equal(fresh->tree->n, 1);
	assert_int_equal(fresh->tree->nodes[0]->serial, serial(world, path));
	return fresh;
}

/* Gauges anew; rates as they were, as no time went by; limits of ancestors as they were. */
static void test_node_sample(void **state)
{
	struct world *world = *state;
	struct snapshot *fresh;

	metric_set_add(&world->wanted, M_MEMORY_LIMIT_USED);
	set_events(world, "/a", "memory.max", "100000\n");
	start(world, 1);
	sample(world);
	add(world, "/a/x", 2000);
	sample(world);
	add(world, "/a/x", 5000);
	fresh = again(world, "/a/x");
	assert_float_equal(number(fresh, M_MEMORY_CURRENT), 50000, 0);
	assert_float_equal(number(fresh, M_MEMORY_LIMIT), 100000, 0);
	assert_float_equal(number(fresh, M_MEMORY_LIMIT_USED), 0.5, 1e-9);
	assert_int_equal(fresh->columns[M_CPU_USAGE].values[0].u64, 5000);
	if (fresh->boottime_ns - world->now->boottime_ns < 200000000)
		assert_true(
			number(fresh, M_CPU_USAGE_RATE) ==
			world->now->columns[M_CPU_USAGE_RATE].values[find(world, "/a/x")].number);
	assert_int_equal(snapshot_state(fresh, M_PIDS_CURRENT, 0), VALUE_ABSENT);
	snapshot_unref(fresh);
}

/* Older numbers make a rate with the new ones. */
static void test_node_sample_rate(void **state)
{
	struct world *world = *state;
	struct snapshot *fresh;

	start(world, 1);
	sample(world);
	world->now->boottime_ns -= 2000000000;
	add(world, "/b", 200 + 1000000);
	fresh = again(world, "/b");
	assert_true(number(fresh, M_CPU_USAGE_RATE) > 0);
	assert_true(number(fresh, M_CPU_USAGE_RATE) <= 0.5);
	assert_true(fresh->interval_ns >= 2000000000);
	snapshot_unref(fresh);
}

static void test_node_sample_gone(void **state)
{
	struct world *world = *state;
	struct snapshot *fresh = NULL;

	start(world, 1);
	sample(world);
	drop(world, "/a/x");
	assert_int_equal(node_sample(world->root, sampler_hierarchies(world->sampler), world->now,
				     find(world, "/a/x"), &world->wanted, &fresh),
			 -ENOENT);
	replace(world, "/b", 5);
	assert_int_equal(node_sample(world->root, sampler_hierarchies(world->sampler), world->now,
				     find(world, "/b"), &world->wanted, &fresh),
			 -ESTALE);
	assert_null(fresh);
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(test_counts),		 in_world(test_levels),
		in_world(test_set_again),	 in_world(test_another_cgroup),
		in_world(test_removed),		 in_world(test_impossible),
		in_world(test_node_sample),	 in_world(test_node_sample_rate),
		in_world(test_node_sample_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
