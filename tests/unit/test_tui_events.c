// SPDX-License-Identifier: MIT
/* The screen of kernel events: what is asked for, what is shown and kept, ways to the cgroups. */
#define _GNU_SOURCE
#include <time.h>

#include "test_tui_browser.h"
#include "test_tui_golden.h"
#include "tui/events_list.h"

#define NOW_NS (UINT64_C(1764345600) * 1000000000) /* 2025-11-28 16:00:00 UTC */

static const struct kernel_event some[] = {
	{ .kind = KERNEL_EVENT_CREATED, .path = "/batch/job-1", .comm = "systemd", .pid = 1 },
	{ .kind = KERNEL_EVENT_ATTACHED,
	  .path = "/batch/job-1",
	  .text = "/user.slice",
	  .comm = "sh",
	  .pid = 4100,
	  .parent_pid = 4000,
	  .uid = 1000 },
	{ .kind = KERNEL_EVENT_EXEC,
	  .path = "/batch/job-1",
	  .text = "/usr/bin/sort",
	  .comm = "sort",
	  .pid = 4100,
	  .parent_pid = 4000,
	  .uid = 1000 },
	{ .kind = KERNEL_EVENT_WRITE,
	  .path = "/batch/job-1",
	  .file = "memory.max",
	  .text = "512M",
	  .comm = "systemd",
	  .pid = 1 },
	{ .kind = KERNEL_EVENT_NS_CREATED,
	  .path = "/system.slice/docker-0123456789ab.scope",
	  .comm = "runc",
	  .pid = 4200,
	  .ns_type = NS_NET,
	  .ns_inode = 4026532201 },
	{ .kind = KERNEL_EVENT_FREEZE, .path = "/batch/job-2", .comm = "cgwatchd", .pid = 700 },
	{ .kind = KERNEL_EVENT_OOM_KILL,
	  .path = "/batch/job-1",
	  .hierarchy = "memory",
	  .comm = "sort",
	  .pid = 4100,
	  .victim = 4101,
	  .victim_comm = "sort",
	  .memory_bytes = UINT64_C(512) << 20,
	  .limit_bytes = UINT64_C(512) << 20,
	  .victim_bytes = UINT64_C(430) << 20 },
	{ .kind = KERNEL_EVENT_EXIT,
	  .path = "/batch/job-1",
	  .comm = "sort",
	  .pid = 4101,
	  .exit_signal = 9,
	  .lifetime_ns = 1250000000,
	  .cpu_ns = 930000000 },
	{ .kind = KERNEL_EVENT_REMOVED,
	  .path = "/batch/gone",
	  .hierarchy = "pids",
	  .comm = "systemd",
	  .pid = 1 },
	{ .kind = KERNEL_EVENT_NS_DESTROYED, .ns_type = NS_NET, .ns_inode = 4026532201 },
};

/* A list of these events, 137 ms apart, the first one `start` of them after the hour. */
static struct kernel_events *make_events(const struct kernel_event *list, size_t n, size_t start)
{
	struct kernel_events *events = calloc(1, sizeof(*events));

	assert_non_null(events);
	events->refs = 1;
	events->list = calloc(n, sizeof(*list));
	events->n = n;
	assert_non_null(events->list);
	for (size_t i = 0; i < n; i++) {
		events->list[i] = list[i];
		events->list[i].realtime_ns = NOW_NS + (start + i) * 137000000;
	}
	return events;
}

/* The wake-up that tells of events brings no snapshot. */
static void tell(struct scene *scene, struct kernel_events *events)
{
	scene->fake.event_state.ready = true;
	scene->fake.event_state.told = scene->fake.wanted_events;
	scene->fake.events = events;
	app_set_snapshot(&scene->app, NULL);
}

static void open_events(struct scene *scene, int width, int height)
{
	open_machine(scene, width, height);
	press(scene, K_SHIFT_TAB);
	assert_screen(scene, SCREEN_EVENTS);
}

static struct events_list *list_of(struct scene *scene)
{
	/* The list is the first thing in the screen's state. */
	return app_state(&scene->app, SCREEN_EVENTS);
}

static void test_golden(void **state)
{
	struct scene scene;

	(void)state;
	open_events(&scene, 80, 24);
	check_golden(&scene, "events-waiting");
	tell(&scene, make_events(some, ARRAY_SIZE(some), 0));
	scene.fake.event_state.lost = 12;
	tell(&scene, NULL);
	check_golden(&scene, "events-80x24");
	press(&scene, '/');
	type(&scene, "JOB-1 sort");
	press(&scene, K_ENTER);
	press(&scene, K_UP);
	check_golden(&scene, "events-filter");
	press(&scene, K_ESCAPE);
	press(&scene, 'v');
	scene.fake.event_state.told &= ~FEED_KIND(KERNEL_EVENT_WRITE);
	snprintf(scene.fake.event_state.missing[KERNEL_EVENT_WRITE],
		 sizeof(scene.fake.event_state.missing[0]), "no programs at functions");
	app_set_snapshot(&scene.app, NULL);
	check_golden(&scene, "events-kinds");
	press(&scene, '?');
	assert_screen(&scene, SCREEN_HELP);
	press(&scene, K_ESCAPE);
	press(&scene, K_ESCAPE);
	canvas_done(&scene.canvas);
	assert_int_equal(canvas_init(&scene.canvas, 200, 60, false), 0);
	press(&scene, K_HOME);
	for (int i = 0; i < 6; i++)
		press(&scene, K_DOWN);
	press(&scene, 'i');
	press(&scene, 't');
	check_golden(&scene, "events-200x60");
	press(&scene, '?');
	check_golden(&scene, "events-help");
	close_scene(&scene);
}

static void test_golden_hostile(void **state)
{
	struct kernel_event events[ARRAY_SIZE(hostile)];
	struct scene scene;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		events[i] = (struct kernel_event){ .kind = KERNEL_EVENT_EXEC,
						   .path = hostile[i],
						   .text = hostile[i],
						   .comm = hostile[ARRAY_SIZE(hostile) - 1 - i],
						   .pid = 1 };
	open_events(&scene, 80, 24);
	tell(&scene, make_events(events, ARRAY_SIZE(events), 0));
	check_golden(&scene, "events-hostile");
	canvas_done(&scene.canvas);
	assert_int_equal(canvas_init(&scene.canvas, 80, 24, true), 0);
	press(&scene, 'i');
	check_golden(&scene, "events-hostile-ascii");
	close_scene(&scene);
}

static void test_golden_reason(void **state)
{
	struct scene scene;

	(void)state;
	open_events(&scene, 80, 24);
	snprintf(scene.fake.event_state.why, sizeof(scene.fake.event_state.why),
		 "not permitted: it takes CAP_BPF and CAP_PERFMON");
	tell(&scene, NULL);
	check_golden(&scene, "events-reason");
	close_scene(&scene);
}

/* Off until somebody asks, and off again; a key keeps them on. */
static void test_asks_only_while_open(void **state)
{
	const uint32_t fork = FEED_KIND(KERNEL_EVENT_FORK), exec = FEED_KIND(KERNEL_EVENT_EXEC);
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	assert_int_equal(scene.fake.wanted_events, 0);
	press(&scene, K_SHIFT_TAB);
	assert_int_equal(scene.fake.wanted_events, FEED_ALL_KINDS & ~fork);
	press(&scene, '?');
	assert_int_equal(scene.fake.wanted_events, FEED_ALL_KINDS & ~fork);
	press(&scene, K_ESCAPE);
	press(&scene, 'x');
	assert_int_equal(scene.fake.wanted_events & (fork | exec), 0);
	press(&scene, K_TAB);
	assert_int_equal(scene.fake.wanted_events, 0);
	press(&scene, K_SHIFT_TAB);
	press(&scene, 'x');
	assert_int_equal(scene.fake.wanted_events, FEED_ALL_KINDS & ~fork);
	press(&scene, 'w');
	press(&scene, K_TAB);
	assert_int_equal(scene.fake.wanted_events, FEED_ALL_KINDS & ~fork);
	tell(&scene, make_events(some, ARRAY_SIZE(some), 0));
	press(&scene, K_SHIFT_TAB);
	assert_int_equal(list_of(&scene)->n, ARRAY_SIZE(some));
	/* Each kind by itself. */
	press(&scene, 'v');
	press(&scene, 'n');
	press(&scene, K_DOWN);
	press(&scene, ' ');
	assert_int_equal(scene.fake.wanted_events, FEED_KIND(KERNEL_EVENT_REMOVED));
	press(&scene, K_ESCAPE);
	assert_int_equal(list_of(&scene)->n, 1);
	close_scene(&scene);
}

/* The cursor follows the newest until it is moved away; then what it is on stays in its line. */
static void test_follows(void **state)
{
	struct scene scene;
	uint64_t selected;
	int64_t line;

	(void)state;
	open_events(&scene, 80, 24);
	for (int order = 0; order < 2; order++) {
		struct events_list *events = list_of(&scene);

		press(&scene, 'X');
		for (size_t i = 0; i < 10; i++)
			tell(&scene, make_events(some, ARRAY_SIZE(some), 10 * i));
		app_draw(&scene.app, &scene.canvas);
		assert_int_equal(events->selected, scene.app.feed.next - 1);
		for (int i = 0; i < 40; i++)
			press(&scene, order ? K_DOWN : K_UP);
		selected = events->selected;
		assert_int_equal(selected, scene.app.feed.next - 1 - 40);
		line = events->list.cursor - events->list.top;
		for (size_t i = 0; i < 10; i++) {
			tell(&scene, make_events(some, ARRAY_SIZE(some), 100 + 10 * i));
			app_draw(&scene.app, &scene.canvas);
		}
		assert_int_equal(events->selected, selected);
		assert_int_equal(events->list.cursor - events->list.top, line);
		press(&scene, 'F');
		tell(&scene, make_events(some, 1, 300));
		assert_int_equal(events->selected, scene.app.feed.next - 1);
		press(&scene, 't');
	}
	close_scene(&scene);
}

/* Bounded, however much comes; what one is on may fall out, then it is the oldest. */
static void test_bound(void **state)
{
	struct kernel_event *many = calloc(3 * FEED_KEPT, sizeof(*many));
	struct scene scene;

	(void)state;
	assert_non_null(many);
	for (size_t i = 0; i < 3 * FEED_KEPT; i++)
		many[i] = some[i % ARRAY_SIZE(some)];
	open_events(&scene, 80, 24);
	tell(&scene, make_events(some, ARRAY_SIZE(some), 0));
	press(&scene, K_HOME);
	tell(&scene, make_events(many, FEED_KEPT - 1, 10));
	assert_int_equal(list_of(&scene)->n, FEED_KEPT);
	assert_int_equal(list_of(&scene)->selected, scene.app.feed.first);
	app_draw(&scene.app, &scene.canvas);
	tell(&scene, make_events(many, 3 * FEED_KEPT, 10));
	assert_int_equal(list_of(&scene)->n, FEED_KEPT);
	assert_int_equal(scene.app.feed.next - scene.app.feed.first, FEED_KEPT);
	app_draw(&scene.app, &scene.canvas);
	assert_int_equal(list_of(&scene)->selected, scene.app.feed.first);
	free(many);
	close_scene(&scene);
}

/* Nothing moves while it is paused; what waited comes afterwards. */
static void test_pause(void **state)
{
	struct scene scene;

	(void)state;
	open_events(&scene, 80, 24);
	tell(&scene, make_events(some, 3, 0));
	press(&scene, 'p');
	tell(&scene, make_events(some, 4, 3));
	assert_int_equal(list_of(&scene)->n, 3);
	press(&scene, 'p');
	app_set_snapshot(&scene.app, NULL);
	assert_int_equal(list_of(&scene)->n, 7);
	close_scene(&scene);
}

/* From a cgroup to its events, from an event to its cgroup, and back. */
static void test_jumps(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	select_cgroup(&scene, "/batch/job-1");
	press(&scene, 'E');
	assert_screen(&scene, SCREEN_EVENTS);
	tell(&scene, make_events(some, ARRAY_SIZE(some), 0));
	assert_int_equal(list_of(&scene)->n, 6);
	/* What left it has to do with it, too. */
	press(&scene, K_ESCAPE);
	select_cgroup(&scene, "/user.slice");
	press(&scene, 'E');
	assert_int_equal(list_of(&scene)->n, 1);
	press(&scene, 'a');
	assert_int_equal(list_of(&scene)->n, ARRAY_SIZE(some));
	press(&scene, K_HOME);
	press(&scene, K_ENTER);
	assert_screen(&scene, SCREEN_CGROUPS);
	assert_string_equal(selected_path(&scene), "/batch/job-1");
	press(&scene, K_ESCAPE);
	assert_screen(&scene, SCREEN_EVENTS);
	assert_int_equal(list_of(&scene)->list.cursor, 0);
	/* A removed one leads nowhere. */
	press(&scene, K_END);
	press(&scene, K_UP);
	press(&scene, K_ENTER);
	assert_screen(&scene, SCREEN_EVENTS);
	close_scene(&scene);
}

/* A path that was made anew is another cgroup: the id decides. */
static void test_identity(void **state)
{
	struct kernel_event event = { .kind = KERNEL_EVENT_EXEC, .path = "/batch/job-1" };
	const struct snapshot *snapshot;
	struct scene scene;
	uint32_t node;

	(void)state;
	open_machine(&scene, 80, 24);
	snapshot = scene.app.snapshot;
	node = tree_find(snapshot->tree, "/batch/job-1");
	assert_int_equal(events_find_node(snapshot, &event), node);
	event.cgroup = snapshot->tree->nodes[node]->ids[0];
	assert_int_equal(events_find_node(snapshot, &event), node);
	event.hierarchy = "elsewhere";
	assert_int_equal(events_find_node(snapshot, &event), NODE_NONE);
	event.hierarchy = snapshot->tree->hierarchies[0];
	assert_int_equal(events_find_node(snapshot, &event), node);
	event.cgroup = 99999;
	assert_int_equal(events_find_node(snapshot, &event), NODE_NONE);
	close_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),	      cmocka_unit_test(test_golden_hostile),
		cmocka_unit_test(test_golden_reason), cmocka_unit_test(test_asks_only_while_open),
		cmocka_unit_test(test_follows),	      cmocka_unit_test(test_bound),
		cmocka_unit_test(test_pause),	      cmocka_unit_test(test_jumps),
		cmocka_unit_test(test_identity),
	};

	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 77;
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
