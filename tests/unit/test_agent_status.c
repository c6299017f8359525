// SPDX-License-Identifier: MIT
/* The agent's answer to "status": what it says is what its reader reads. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/report_read.h"
#include "agent/status.h"
#include "core/cleanup.h"
#include "fake_engine.h"
#include "fake_snapshot.h"

static const char policies[] = "[policy hot]\n"
			       "match = /a/**\n"
			       "when = cpu.usage.rate > 50%\n"
			       "for = 2s\n"
			       "clear_when = cpu.usage.rate < 20%\n"
			       "clear_for = 3s\n"
			       "action = cpu.quota 20%\n"
			       "then = freeze lease=4s after=3s\n"
			       "cooldown = 2s\n"
			       "priority = -3\n"
			       "mode = enforce\n"
			       "[policy off]\n"
			       "match = /b\n"
			       "when = memory.current > 1M\n"
			       "action = cpu.quota 20%\n"
			       "cooldown = 2s\n"
			       "mode = off\n";

/* An agent on a recorded tree, which therefore enforces nothing. */
static void make_agent(struct agent *agent)
{
	struct sampler_options options = { 0 };
	struct enforcer_options enforcing = { .dry_run = true };
	struct decisions decisions = { 0 };

	*agent = (struct agent){ .no_journal = "this is a \"recorded\" tree" };
	assert_int_equal(root_new(CGWATCH_FIXTURE_DIR "/v2-linux-6.1", &agent->root), 0);
	assert_int_equal(sampler_new(agent->root, &options, &agent->sampler), 0);
	agent->policies = fake_policies(policies);
	agent->tally = tally_new();
	assert_int_equal(engine_new(1000000, &agent->engine), 0);
	assert_int_equal(engine_set_policies(agent->engine, agent->policies, 1, &decisions), 0);
	decisions_done(&decisions);
	assert_int_equal(enforcer_new(agent->root, sampler_hierarchies(agent->sampler), NULL,
				      &enforcing, &agent->enforcer),
			 0);
}

static void free_agent(struct agent *agent)
{
	enforcer_free(agent->enforcer);
	engine_free(agent->engine);
	policy_set_unref(agent->policies);
	tally_free(agent->tally);
	recent_done(&agent->recent);
	snapshot_unref(agent->latest);
	sampler_free(agent->sampler);
	root_free(agent->root);
}

/* The CPU of /a/x in percent, at a moment of the machine's own clock. */
static void tick(struct agent *agent, struct tree *tree, unsigned int at, double percent,
		 uint64_t now, struct decisions *decisions)
{
	struct metric_set needs = { 0 };

	engine_needs(agent->engine, &needs);
	snapshot_unref(agent->latest);
	agent->latest = fake_snapshot(tree_ref(tree), &needs, at);
	fake_set_number(agent->latest, "/a/x", M_CPU_USAGE_RATE, percent / 100);
	assert_int_equal(engine_tick(agent->engine, agent->latest, now, decisions), 0);
}

static struct policy_report *read_status(struct agent *agent)
{
	struct policy_report *report = NULL;
	struct strbuf text;
	char *error = NULL;

	strbuf_init(&text);
	status_json(agent, &text);
	assert_false(text.failed);
	assert_int_equal(text.data[text.length - 1], '\n');
	if (report_read(text.data, text.length, &report, &error) < 0)
		fail_msg("%s: %s", error, text.data);
	strbuf_done(&text);
	return report;
}

static void check_policies(const struct policy_report *report)
{
	const struct report_policy *hot = &report->policies[0];

	assert_int_equal(report->n_policies, 2);
	assert_string_equal(hot->name, "hot");
	assert_string_equal(hot->mode, "enforce");
	assert_int_equal(hot->line, 1);
	assert_int_equal(hot->priority, -3);
	assert_string_equal(hot->when, "cpu.usage.rate > 50%");
	assert_string_equal(hot->clear_when, "cpu.usage.rate < 20%");
	assert_non_null(strstr(hot->selects, "/a/**"));
	assert_non_null(strstr(hot->ladder, "cpu.quota 20%"));
	assert_non_null(strstr(hot->ladder, "freeze lease=4s after=3s"));
	assert_int_equal(hot->matches, 1);
	assert_int_equal(hot->pending, 1);
	assert_int_equal(hot->held, 0);
	assert_int_equal(hot->fired, 0);
	assert_true(hot->last_fired == 0);
	assert_null(hot->schedule);
	assert_string_equal(report->policies[1].mode, "off");
	assert_int_equal(report->policies[1].matches, 0);
}

static void check_track(const struct policy_report *report)
{
	const struct report_track *track = &report->tracks[0];

	assert_int_equal(report->n_tracks, 1);
	assert_string_equal(track->policy, "hot");
	assert_string_equal(track->path, "/a/x");
	assert_string_equal(track->phase, "pending");
	assert_int_equal(track->of_rungs, 2);
	assert_true(track->shadow);
	/* Begun a second before the last tick, which was just now. */
	assert_true(track->breach_seconds >= 1);
	assert_true(track->breach_wanted == 2);
	assert_true(track->clear_wanted == 3);
	assert_non_null(strstr(track->trigger, "cpu.usage.rate 80.0% > 50%"));
	assert_null(track->blocked);
	assert_null(track->error);
}

static void test_pending(void **state)
{
	static const char *const paths[] = { "/", "/a", "/a/x", "/b" };
	uint64_t now = agent_now_usec();
	struct decisions decisions = { 0 };
	struct policy_report *report;
	struct tree *tree = fake_tree(paths, ARRAY_SIZE(paths), NULL);
	struct agent agent;

	(void)state;
	make_agent(&agent);
	tick(&agent, tree, 1, 80, now - 1000000, &decisions);
	tick(&agent, tree, 2, 80, now, &decisions);
	assert_int_equal(decisions.n, 0);
	report = read_status(&agent);
	assert_true(report->agent);
	assert_false(report->enforcing);
	assert_string_equal(report->not_enforcing, agent.no_journal);
	assert_false(report->stopped);
	assert_true(report->time > 1.6e9);
	check_policies(report);
	check_track(report);
	assert_int_equal(report->n_holds, 0);
	assert_int_equal(report->n_actions, 0);
	policy_report_unref(report);
	tree_unref(tree);
	free_agent(&agent);
}

static void test_held_and_done(void **state)
{
	static const char *const paths[] = { "/", "/a", "/a/x", "/b" };
	uint64_t now = agent_now_usec();
	struct decisions decisions = { 0 };
	struct enforcer_result result = { .op = DECISION_APPLY,
					  .path = (char *)"/a/x\n\xff",
					  .policy = (char *)"hot",
					  .action = ACTION_CPU_QUOTA,
					  .changed = true,
					  .text = (char *)"20%" };
	struct policy_report *report;
	struct tree *tree = fake_tree(paths, ARRAY_SIZE(paths), NULL);
	struct agent agent;

	(void)state;
	make_agent(&agent);
	for (unsigned int at = 0; at < 3; at++)
		tick(&agent, tree, at + 1, 80, now - 2000000 + at * 1000000, &decisions);
	assert_int_equal(decisions.n, 1);
	tally_add(agent.tally, &result);
	recent_add(&agent.recent, &result, UINT64_C(1700000000500000000));
	result.op = DECISION_RELEASE;
	result.error = -EIO;
	tally_add(agent.tally, &result);
	recent_add(&agent.recent, &result, UINT64_C(1700000001500000000));
	report = read_status(&agent);
	assert_int_equal(report->policies[0].held, 1);
	assert_int_equal(report->policies[0].fired, 1);
	assert_int_equal(report->policies[0].fired_last_hour, 1);
	assert_int_equal(report->policies[0].actions, 1);
	assert_int_equal(report->policies[0].failed, 1);
	/* Both clocks are looked at one after the other. */
	assert_true(report->policies[0].last_fired > report->time - 60);
	assert_true(report->policies[0].last_fired <= report->time + 1);
	assert_string_equal(report->tracks[0].phase, "held");
	assert_int_equal(report->tracks[0].rungs, 1);
	assert_int_equal(report->n_actions, 2);
	assert_string_equal(report->actions[0].op, "release");
	assert_string_equal(report->actions[0].result, "failed");
	assert_string_equal(report->actions[1].result, "done");
	assert_string_equal(report->actions[1].action, "cpu.quota");
	assert_string_equal(report->actions[1].path, "/a/x\n\\xff");
	assert_true(report->actions[1].time == 1700000000.5);
	policy_report_unref(report);
	decisions_done(&decisions);
	tree_unref(tree);
	free_agent(&agent);
}

static void test_explain(void **state)
{
	static const char *const paths[] = { "/", "/a", "/a/x", "/b" };
	struct tree *tree = fake_tree(paths, ARRAY_SIZE(paths), NULL);
	struct decisions decisions = { 0 };
	struct strbuf text;
	struct agent agent;

	(void)state;
	make_agent(&agent);
	tick(&agent, tree, 1, 80, agent_now_usec(), &decisions);
	strbuf_init(&text);
	status_explain(&agent, "/a/x", &text);
	assert_non_null(strstr(text.data, "hot"));
	strbuf_clear(&text);
	status_explain(&agent, "/none", &text);
	assert_string_equal(text.data, "/none: no such cgroup\n");
	strbuf_done(&text);
	decisions_done(&decisions);
	tree_unref(tree);
	free_agent(&agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_held_and_done),
		cmocka_unit_test(test_explain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
