/* SPDX-License-Identifier: MIT */
#pragma once

/* What the tests of the enforcer and its journal on a fake cgroup tree share. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "fake_cgroupfs.h"
#include "policies/enforce.h"

/* Patience: for what has to come, on a machine that has other things to do. */
enum { MIB = 1 << 20, PATIENCE_MS = 120000 };

/* An enforcer on a fake cgroupfs with a journal of its own. */
struct bench {
	struct fake_cgroupfs *fs;
	struct node *a, *b; /* /a and /a/b */
	char state_dir[64];
	struct journal *journal;
	struct enforcer *enforcer;
};

static inline void start(struct bench *bench, bool dry_run)
{
	const struct enforcer_options options = { .timeout_ms = 60000,
						  .io = &bench->fs->io,
						  .dry_run = dry_run };

	assert_int_equal(journal_open(bench->state_dir, 0, &bench->journal, NULL), 0);
	assert_int_equal(enforcer_new(bench->fs->root, &bench->fs->hierarchies, bench->journal,
				      &options, &bench->enforcer),
			 0);
}

/* The agent dies: nothing is released, what is on disk stays. */
static inline void crash(struct bench *bench)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s.kept; cp -a %s %s.kept", bench->state_dir,
		 bench->state_dir, bench->state_dir);
	assert_int_equal(system(command), 0);
	/* What the stop restores would not have been restored: undone by the caller. */
}

static inline int set_up_version(void **state, bool v2)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	snprintf(bench->state_dir, sizeof(bench->state_dir), "/tmp/cgwatch-test-state-XXXXXX");
	assert_non_null(mkdtemp(bench->state_dir));
	bench->fs = fake_cgroupfs_new(v2);
	bench->a = fake_cgroupfs_add(bench->fs, "/a");
	bench->b = fake_cgroupfs_add(bench->fs, "/a/b");
	start(bench, false);
	*state = bench;
	return 0;
}

static inline int set_up(void **state)
{
	return set_up_version(state, true);
}

static inline int set_up_v1(void **state)
{
	return set_up_version(state, false);
}

static inline int tear_down(void **state)
{
	struct bench *bench = *state;
	char command[256];

	enforcer_free(bench->enforcer);
	journal_free(bench->journal);
	node_unref(bench->a);
	node_unref(bench->b);
	fake_cgroupfs_free(bench->fs);
	snprintf(command, sizeof(command), "rm -rf %s %s.kept", bench->state_dir, bench->state_dir);
	free(bench);
	return system(command);
}

static inline struct decision decide(enum decision_op op, struct node *node, const char *policy,
				     const char *action)
{
	struct decision decision = { .op = op,
				     .node = node,
				     .policy = (char *)policy,
				     .restore_on_exit = true,
				     .reason = (char *)"test" };
	char reason[128];

	assert_int_equal(action_parse(action, &decision.action, reason, sizeof(reason)), 0);
	return decision;
}

/* Submits one decision and gives its result's error; the text of the result into `text`. */
static inline int carry_out(struct bench *bench, const struct decision *decision, char text[256])
{
	struct enforcer_result *results;
	size_t n;
	int error;

	assert_int_equal(enforcer_submit(bench->enforcer, decision), 0);
	assert_int_equal(enforcer_drain(bench->enforcer, PATIENCE_MS), 0);
	assert_int_equal(enforcer_collect(bench->enforcer, &results, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(results[0].op, decision->op);
	assert_string_equal(results[0].policy, decision->policy);
	assert_string_equal(results[0].path, decision->node->path);
	error = results[0].error;
	if (text)
		snprintf(text, 256, "%s%s", results[0].conflict ? "conflict: " : "",
			 results[0].text);
	enforcer_results_free(results, n);
	return error;
}

static inline int apply(struct bench *bench, struct node *node, const char *policy,
			const char *action)
{
	struct decision decision = decide(DECISION_APPLY, node, policy, action);

	return carry_out(bench, &decision, NULL);
}

static inline int release(struct bench *bench, struct node *node, const char *policy,
			  const char *action)
{
	struct decision decision = decide(DECISION_RELEASE, node, policy, action);

	return carry_out(bench, &decision, NULL);
}

static const char *cpu_max(struct bench *bench, const char *path)
{
	return fake_cgroupfs_get(bench->fs, path, "cpu.max");
}
