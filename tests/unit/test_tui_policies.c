// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <time.h>

#include "test_tui_browser.h"
#include "test_tui_golden.h"

/* The screen of policies: its views, why one is empty, the ways to the cgroups, freezing by hand.
 */

#define NOW 1764345600.0 /* 2025-11-28 16:00:00 UTC */

static const struct report_policy policies[] = {
	{ .name = "batch-gently",
	  .file = "/etc/cgwatch/policies.d/50-batch.ini",
	  .line = 12,
	  .mode = "enforce",
	  .priority = 10,
	  .selects = "match = /batch/**\nkind_not = container",
	  .when = "cpu.usage > 80% and psi.cpu.some > 20% for 10s",
	  .clear_when = "cpu.usage < 40% for 30s",
	  .ladder = "cpu.quota 50%\nthen cpu.quota 20% after 1m\nthen freeze lease=30s after 5m",
	  .schedule = "mon-fri 08:00-18:00",
	  .matches = 2,
	  .pending = 1,
	  .held = 1,
	  .blocked = 1,
	  .fired = 14,
	  .actions = 20,
	  .failed = 1,
	  .ineffective = 2,
	  .fired_last_hour = 3,
	  .last_fired = NOW - 312 },
	{ .name = "db-memory",
	  .file = "/etc/cgwatch/policies.d/60-db.ini",
	  .line = 3,
	  .mode = "shadow",
	  .selects = "unit = postgresql.service",
	  .when = "memory.current > 1500M for 5s",
	  .ladder = "memory.high 1G",
	  .matches = 1,
	  .held = 1,
	  .fired = 2,
	  .last_fired = NOW - 40 },
	{ .name = "night-only",
	  .file = "/etc/cgwatch/policies.d/60-db.ini",
	  .line = 20,
	  .mode = "enforce",
	  .selects = "user = 1000",
	  .when = "pids.current > 500",
	  .ladder = "pids.max 600",
	  .schedule = "22:00-06:00",
	  .asleep = true,
	  .matches = 1 },
	{ .name = "old-one", .mode = "off", .when = "cpu.usage > 1%", .ladder = "cpu.quota 1%" },
};

static const struct report_track tracks[] = {
	{ .policy = "batch-gently",
	  .path = "/batch/job-1",
	  .cgroup_id = 0,
	  .phase = "pending",
	  .breach_seconds = 3,
	  .breach_wanted = 10,
	  .of_rungs = 3,
	  .trigger = "cpu.usage 93% > 80% and psi.cpu.some 31% > 20%",
	  .blocked = "max_concurrent: 1 cgroup is held already" },
	{ .policy = "batch-gently",
	  .path = "/batch/job-2",
	  .phase = "held",
	  .rungs = 2,
	  .of_rungs = 3,
	  .clear_seconds = 4.5,
	  .clear_wanted = 30,
	  .held_since = NOW - 312,
	  .until = NOW + 24,
	  .trigger = "cpu.usage 91% > 80%",
	  .ineffective = true },
	{ .policy = "db-memory",
	  .path = "/system.slice/postgresql.service",
	  .phase = "held",
	  .shadow = true,
	  .rungs = 1,
	  .of_rungs = 1,
	  .held_since = NOW - 40,
	  .trigger = "memory.current 1.76G > 1.46G" },
	{ .policy = "batch-gently",
	  .path = "/batch",
	  .phase = "cooldown",
	  .until = NOW + 95,
	  .error = "cpu.quota: no space left: EBUSY" },
};

static const struct report_hold holds[] = {
	{ .policy = "batch-gently",
	  .path = "/batch/job-2",
	  .knob = "cpu.quota",
	  .step = 1,
	  .original = "max",
	  .wanted = "20%",
	  .in_force = "20% (20ms of 100ms)",
	  .effective = true,
	  .since = NOW - 312,
	  .uuid = "0f5e1d0c-1111-4222-8333-444455556666" },
	{ .policy = "night-only",
	  .path = "/batch/job-2",
	  .knob = "cpu.quota",
	  .original = "max",
	  .wanted = "50%",
	  .in_force = "20%",
	  .since = NOW - 7200 },
	{ .policy = "by hand",
	  .path = "/batch/job-2",
	  .knob = "freezer",
	  .original = "thawed",
	  .wanted = "frozen",
	  .in_force = "frozen",
	  .effective = true,
	  .since = NOW - 10,
	  .until = NOW + 290,
	  .by_hand = true },
	{ .policy = "db-memory",
	  .path = "/system.slice/nginx.service",
	  .knob = "memory.high",
	  .unit = "nginx.service",
	  .original = "max",
	  .wanted = "512.0M",
	  .in_force = "512.0M",
	  .effective = true,
	  .since = NOW - 90000 },
};

static const struct report_action actions[] = {
	{ NOW - 10, "by hand", "/batch/job-2", "freezer", "apply", "done", "thawed -> frozen" },
	{ NOW - 40, "db-memory", "/system.slice/postgresql.service", "memory.high", "apply",
	  "shadow", "max -> 1.0G, not done" },
	{ NOW - 40, "batch-gently", "/batch/gone", "cpu.quota", "release", "conflict",
	  "somebody set 30% meanwhile: left alone" },
	{ NOW - 312, "batch-gently", "/batch/job-2", "cpu.quota", "apply", "failed",
	  "max -> 20%: Device or resource busy" },
};

#define COPY(report, field, list)                                                 \
	do {                                                                      \
		(report)->field = arena_array(&(report)->arena, ARRAY_SIZE(list), \
					      sizeof((list)[0]));                 \
		assert_non_null((report)->field);                                 \
		memcpy((report)->field, list, sizeof(list));                      \
		(report)->n_##field = ARRAY_SIZE(list);                           \
	} while (0)

static struct policy_report *empty_report(void)
{
	struct policy_report *report = policy_report_new();

	assert_non_null(report);
	report->agent = report->enforcing = true;
	report->time = NOW;
	return report;
}

static struct policy_report *full_report(void)
{
	struct policy_report *report = empty_report();

	report->conflicts = 1;
	report->failed = 3;
	report->frozen = 1;
	COPY(report, policies, policies);
	COPY(report, tracks, tracks);
	COPY(report, holds, holds);
	COPY(report, actions, actions);
	return report;
}

static void set_report(struct scene *scene, struct policy_report *report)
{
	policy_report_unref(scene->fake.report);
	scene->fake.report = report;
	app_set_snapshot(&scene->app, NULL);
}

static void open_policies(struct scene *scene, int width, int height, struct policy_report *report)
{
	open_machine(scene, width, height);
	set_report(scene, report);
	press(scene, K_SHIFT_TAB);
	press(scene, K_SHIFT_TAB);
	assert_screen(scene, SCREEN_POLICIES);
}

static void resize(struct scene *scene, int width, int height, bool ascii)
{
	canvas_done(&scene->canvas);
	assert_int_equal(canvas_init(&scene->canvas, width, height, ascii), 0);
}

static void test_golden_views(void **state)
{
	static const char *const names[] = { "armed", "tracks", "holds", "actions" };
	struct scene scene;

	(void)state;
	open_policies(&scene, 80, 24, full_report());
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char name[64];

		press(&scene, K_DOWN);
		resize(&scene, 80, 24, false);
		snprintf(name, sizeof(name), "policies-%s-80x24", names[i]);
		check_golden(&scene, name);
		press(&scene, 'i');
		resize(&scene, 200, 60, false);
		snprintf(name, sizeof(name), "policies-%s-200x60", names[i]);
		check_golden(&scene, name);
		press(&scene, 'i');
		press(&scene, 'v');
	}
	/* Round and back at the first, with the cursor where it was. */
	assert_selected(&scene, "db-memory");
	resize(&scene, 60, 20, true);
	press(&scene, 'i');
	check_golden(&scene, "policies-narrow-ascii");
	press(&scene, 'V');
	press(&scene, 'V');
	press(&scene, 't');
	press(&scene, 't');
	press(&scene, 'i');
	resize(&scene, 100, 16, false);
	check_golden(&scene, "policies-holds-tree");
	press(&scene, K_F(1));
	resize(&scene, 100, 70, false);
	check_golden(&scene, "policies-help");
	close_scene(&scene);
}

static void test_golden_hostile(void **state)
{
	static const struct report_policy bad = {
		.name = "\x1b[2J%s\xff",
		.file = "/a\nb",
		.mode = "\x1b]0;owned\x07",
		.selects = "match = /\xe2\x80\xae/**",
		.when = "\n\n",
		.ladder = "freeze\n\n\nthen kill",
		.last_fired = 1e300,
		.matches = UINT64_MAX,
	};
	static const struct report_track track = { .phase = "\x1b[31mheld",
						   .policy = "\x1b[2J%s\xff",
						   .path = "/\x1b[2J\x1b]0;owned\x07",
						   .held_since = -5,
						   .until = 1e18,
						   .trigger = "%n\r\t" };
	struct policy_report *report = empty_report();
	struct scene scene;

	(void)state;
	report->policies = (struct report_policy *)&bad;
	report->tracks = (struct report_track *)&track;
	report->n_policies = report->n_tracks = 1;
	report->enforcing = false;
	report->not_enforcing = "no journal: \x1b[7m/var/lib\ncgwatch";
	open_policies(&scene, 100, 30, report);
	press(&scene, 'i');
	check_golden(&scene, "policies-hostile");
	press(&scene, 'v');
	resize(&scene, 100, 24, true);
	check_golden(&scene, "policies-hostile-ascii");
	close_scene(&scene);
}

/* ---- why there is nothing ---------------------------------------------------------------- */

static void test_empty_says_why(void **state)
{
	struct policy_report *report = policy_report_new();
	struct scene scene;

	(void)state;
	open_policies(&scene, 80, 24, NULL);
	assert_true(is_drawn(&scene, "asking the agent"));
	report->why = "no agent runs here: start cgwatchd (looked in /run/x)";
	set_report(&scene, report);
	assert_true(is_drawn(&scene, "no agent runs here: start cgwatchd"));
	check_golden(&scene, "policies-no-agent");
	set_report(&scene, empty_report());
	assert_true(is_drawn(&scene, "no policy is loaded: see cgwatch-policies(5)"));
	press(&scene, 'v');
	assert_true(is_drawn(&scene, "all is quiet"));
	press(&scene, 'v');
	assert_true(is_drawn(&scene, "nothing is held: every value is as it was"));
	press(&scene, 'v');
	assert_true(is_drawn(&scene, "nothing was done"));
	close_scene(&scene);
}

static void test_says_why_nothing_is_done(void **state)
{
	struct policy_report *report = full_report();
	struct scene scene;

	(void)state;
	report->enforcing = false;
	report->not_enforcing = "--dry-run";
	open_policies(&scene, 80, 24, report);
	assert_true(is_drawn(&scene, "not enforcing"));
	assert_true(is_drawn(&scene, "--dry-run"));
	report = full_report();
	report->stopped = true;
	set_report(&scene, report);
	press(&scene, 'i');
	assert_true(is_drawn(&scene, "stopped by the stop file"));
	check_golden(&scene, "policies-stopped");
	/* Clicks go to the row that is under them, two lines of words above. */
	press(&scene, 'i');
	click(&scene, 3, 3 + 2 + 1 + 1);
	assert_selected(&scene, "db-memory");
	click(&scene, 14, 3);
	assert_true(is_drawn(&scene, "PROGRESS"));
	close_scene(&scene);
}

/* The agent is asked only while somebody looks at what it says. */
static void test_asks_only_while_seen(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	assert_true(scene.fake.wants_policies); /* marks in the tree */
	press(&scene, K_TAB);
	assert_false(scene.fake.wants_policies);
	press(&scene, K_TAB);
	press(&scene, K_TAB);
	assert_screen(&scene, SCREEN_POLICIES);
	assert_true(scene.fake.wants_policies);
	press(&scene, '?');
	assert_false(scene.fake.wants_policies);
	close_scene(&scene);
}

/* ---- rows -------------------------------------------------------------------------------- */

static void test_filter_sort_fold(void **state)
{
	struct scene scene;

	(void)state;
	open_policies(&scene, 80, 24, full_report());
	press(&scene, '/');
	type(&scene, "shadow");
	press(&scene, K_ENTER);
	assert_int_equal(top(&scene)->n_rows, 1);
	assert_selected(&scene, "db-memory");
	press(&scene, K_ESCAPE);
	assert_int_equal(top(&scene)->n_rows, 4);
	/* By FIRED: most first; what never fired comes last by LAST. */
	for (int i = 0; i < 7; i++)
		press(&scene, '>');
	press(&scene, K_HOME);
	assert_selected(&scene, "batch-gently");
	press(&scene, '>');
	press(&scene, '>');
	press(&scene, K_HOME);
	assert_selected(&scene, "db-memory");
	press(&scene, 't'); /* by mode: enforce, off, shadow */
	assert_int_equal(top(&scene)->n_rows, 7);
	press(&scene, K_HOME);
	press(&scene, ' ');
	assert_int_equal(top(&scene)->n_rows < 7, true);
	/* Groups are no policies. */
	assert_int_equal(top(&scene)->n_matched, 4);
	close_scene(&scene);
}

static void test_new_report_keeps_the_place(void **state)
{
	struct scene scene;
	struct policy_report *report;

	(void)state;
	open_policies(&scene, 80, 24, full_report());
	press(&scene, 'V');
	press(&scene, K_DOWN);
	press(&scene, K_DOWN);
	assert_selected(&scene, "/batch/gone");
	/* Two more came: the same one is still selected. */
	report = full_report();
	report->actions = arena_array(&report->arena, ARRAY_SIZE(actions) + 2, sizeof(actions[0]));
	memcpy(&report->actions[2], actions, sizeof(actions));
	report->actions[0] = report->actions[1] = actions[0];
	report->actions[0].time = report->actions[1].time = NOW - 1;
	report->n_actions += 2;
	set_report(&scene, report);
	assert_int_equal(top(&scene)->n_rows, 6);
	assert_selected(&scene, "/batch/gone");
	close_scene(&scene);
}

static void test_jumps(void **state)
{
	struct scene scene;

	(void)state;
	open_policies(&scene, 80, 24, full_report());
	/* A policy leads to its cgroups under way. */
	select_row(&scene, "batch-gently");
	press(&scene, K_ENTER);
	assert_int_equal(top(&scene)->n_rows, 3);
	select_row(&scene, "/batch/job-2");
	press(&scene, K_ENTER);
	assert_screen(&scene, SCREEN_CGROUPS);
	assert_string_equal(selected_path(&scene), "/batch/job-2");
	assert_true(is_drawn(&scene, "job-2 ◆"));
	press(&scene, K_ENTER);
	assert_true(is_drawn(&scene, "max before, now 20% (20ms of 100ms), by policy"));
	press(&scene, K_ESCAPE);
	press(&scene, K_ESCAPE);
	assert_screen(&scene, SCREEN_POLICIES);
	assert_selected(&scene, "/batch/job-2");
	press(&scene, 'z');
	assert_screen(&scene, SCREEN_PROCESSES);
	press(&scene, K_ESCAPE);
	/* What is gone leads nowhere. */
	press(&scene, 'v');
	press(&scene, 'v');
	select_row(&scene, "/batch/gone");
	press(&scene, K_ENTER);
	assert_screen(&scene, SCREEN_POLICIES);
	assert_non_null(strstr(scene.app.status, "gone"));
	close_scene(&scene);
}

/* The same path with another id is another cgroup. */
static void test_made_anew(void **state)
{
	struct policy_report *report = full_report();
	struct scene scene;

	(void)state;
	for (uint32_t i = 0; i < report->n_holds; i++)
		report->holds[i].cgroup_id = 77777;
	open_policies(&scene, 80, 24, report);
	press(&scene, 'v');
	press(&scene, 'v');
	press(&scene, K_ENTER);
	assert_screen(&scene, SCREEN_POLICIES);
	assert_non_null(strstr(scene.app.status, "made anew"));
	press(&scene, K_TAB);
	press(&scene, K_TAB);
	assert_screen(&scene, SCREEN_CGROUPS);
	assert_false(is_drawn(&scene, "◆"));
	/* With its own id it is that one. */
	report = full_report();
	report->holds[0].cgroup_id = node_id(
		scene.tree->nodes[tree_find(scene.tree, report->holds[0].path)]);
	report->n_holds = 1;
	set_report(&scene, report);
	assert_true(is_drawn(&scene, "job-2 ◆"));
	close_scene(&scene);
}

/* ---- freezing ---------------------------------------------------------------------------- */

static void test_freeze_through_the_agent(void **state)
{
	struct scene scene;

	(void)state;
	open_policies(&scene, 80, 24, full_report());
	press(&scene, 'f');
	assert_string_equal(scene.app.status, "no cgroup is selected"); /* a policy */
	press(&scene, 'v');
	select_row(&scene, "/batch/job-1");
	press(&scene, 'f');
	assert_string_equal(scene.app.prompt.label, "Freeze it for 5m (y/n)? /batch/job-1");
	check_golden(&scene, "policies-freeze");
	press(&scene, 'n');
	assert_int_equal(scene.fake.freezes, 0);
	press(&scene, 'f');
	press(&scene, 'y');
	assert_int_equal(scene.fake.freezes, 1);
	assert_int_equal(scene.fake.lease_seconds, 300);
	assert_string_equal(scene.app.status, "the agent was asked to");
	/* Its answer, a refusal of the guard, comes later. */
	scene.fake.outcome = "protected: \x1b[7msshd";
	scene.fake.outcome_failed = true;
	app_set_snapshot(&scene.app, NULL);
	assert_string_equal(scene.app.status, "protected: \\x1b[7msshd");
	assert_int_equal(scene.app.status_role, ROLE_ERROR);
	/* What the agent froze it thaws; of a policy's it is said whose. */
	select_row(&scene, "/batch/job-2");
	press(&scene, 'f');
	assert_string_equal(scene.app.prompt.label, "Thaw it (y/n)? /batch/job-2");
	press(&scene, 'y');
	assert_false(scene.fake.frozen);
	assert_int_equal(scene.fake.lease_seconds, 300);
	close_scene(&scene);
}

static void test_freeze_without_the_agent(void **state)
{
	struct policy_report *report = policy_report_new();
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	set_report(&scene, report);
	select_cgroup(&scene, "/batch/job-1");
	press(&scene, 'f');
	assert_string_equal(scene.app.prompt.label,
			    "Freeze it for good, as no agent would thaw it (y/n)? /batch/job-1");
	press(&scene, 'y');
	assert_int_equal(scene.fake.freezes, 1);
	assert_int_equal(scene.fake.lease_seconds, 0);
	/* An agent that does not hold it could not thaw it. */
	set_report(&scene, empty_report());
	select_cgroup(&scene, "/batch/job-2");
	press(&scene, 'f');
	press(&scene, 'y');
	assert_int_equal(scene.fake.freezes, 2);
	assert_int_equal(scene.fake.lease_seconds, 0);
	/* That of a policy. */
	report = full_report();
	report->holds[2].by_hand = false;
	report->holds[2].policy = "batch-gently";
	set_report(&scene, report);
	press(&scene, 'f');
	assert_string_equal(scene.app.prompt.label,
			    "Thaw it, which policy batch-gently froze (y/n)? /batch/job-2");
	press(&scene, 'n');
	close_scene(&scene);
}

/* ---- the header -------------------------------------------------------------------------- */

static bool host_memory(void *data, uint64_t *ret_used, uint64_t *ret_total)
{
	(void)data;
	*ret_used = UINT64_C(2) << 30;
	*ret_total = UINT64_C(16) << 30;
	return true;
}

static void fill_v2(struct snapshot *snapshot, uint64_t sequence)
{
	fill_machine(snapshot, sequence);
	fake_set_state(snapshot, "/", M_MEMORY_CURRENT, VALUE_ABSENT);
}

/* The root of v2 has no memory.current. */
static void test_host_memory(void **state)
{
	struct scene scene;

	(void)state;
	open_machine(&scene, 80, 24);
	scene.source.host_memory = host_memory;
	feed(&scene);
	assert_true(is_drawn(&scene, "2.93G of 8.00G]")); /* what the root has counts */
	close_scene(&scene);
	open_scene(&scene, machine, ARRAY_SIZE(machine), 80, 24, fill_v2);
	assert_false(is_drawn(&scene, "Mem["));
	scene.source.host_memory = host_memory;
	assert_true(is_drawn(&scene, "Mem[|"));
	assert_true(is_drawn(&scene, "2.00G of 16.0G]"));
	close_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_views),
		cmocka_unit_test(test_golden_hostile),
		cmocka_unit_test(test_empty_says_why),
		cmocka_unit_test(test_says_why_nothing_is_done),
		cmocka_unit_test(test_asks_only_while_seen),
		cmocka_unit_test(test_filter_sort_fold),
		cmocka_unit_test(test_new_report_keeps_the_place),
		cmocka_unit_test(test_jumps),
		cmocka_unit_test(test_made_anew),
		cmocka_unit_test(test_freeze_through_the_agent),
		cmocka_unit_test(test_freeze_without_the_agent),
		cmocka_unit_test(test_host_memory),
	};

	/* Widths of characters come from the locale, moments from the zone. */
	setenv("TZ", "UTC", 1);
	tzset();
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
