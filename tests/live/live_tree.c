// SPDX-License-Identifier: MIT
/*
 * A sampler that goes on sampling sees at its next sample what came, went or was made again,
 * whether the kernel tells (fanotify, 6.6 and later) or every directory is looked at.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/sampler.h"
#include "live.h"

struct watcher {
	struct root *root;
	struct sampler *sampler;
	struct metric_set set;
	struct snapshot *latest;
};

static void take(struct watcher *watcher)
{
	snapshot_unref(watcher->latest);
	assert_int_equal(sampler_sample(watcher->sampler, &watcher->set, &watcher->latest), 0);
}

static void start(struct watcher *watcher)
{
	*watcher = (struct watcher){ 0 };
	metric_set_add(&watcher->set, M_PIDS_CURRENT);
	metric_set_add(&watcher->set, M_CPU_USAGE_RATE);
	assert_int_equal(root_new(NULL, &watcher->root), 0);
	assert_int_equal(sampler_new(watcher->root, NULL, &watcher->sampler), 0);
	/* The third sample is the first that a watch helps. */
	for (int i = 0; i < 5; i++)
		take(watcher);
}

static void stop(struct watcher *watcher)
{
	snapshot_unref(watcher->latest);
	sampler_free(watcher->sampler);
	root_free(watcher->root);
}

static uint32_t find(const struct watcher *watcher, const struct live *live, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", live->top, name);
	return tree_find(watcher->latest->tree, path);
}

static void test_come_and_go(void **state)
{
	struct live *live = *state;
	struct watcher watcher;
	uint64_t serial, generation;

	live_cgroup(live, "there");
	start(&watcher);
	assert_int_not_equal(find(&watcher, live, "there"), NODE_NONE);
	generation = watcher.latest->tree->generation;
	take(&watcher);
	/* Nothing changed below our tree: others may have, so only ask that it is still good. */
	assert_true(watcher.latest->tree->generation >= generation);

	live_cgroup(live, "new");
	live_cgroup(live, "new/inner");
	take(&watcher);
	assert_int_not_equal(find(&watcher, live, "new"), NODE_NONE);
	assert_int_not_equal(find(&watcher, live, "new/inner"), NODE_NONE);

	live_remove(live, "new/inner");
	take(&watcher);
	assert_int_equal(find(&watcher, live, "new/inner"), NODE_NONE);
	assert_int_not_equal(find(&watcher, live, "new"), NODE_NONE);

	serial = watcher.latest->tree->nodes[find(&watcher, live, "there")]->serial;
	live_remove(live, "there");
	live_cgroup(live, "there");
	take(&watcher);
	take(&watcher);
	assert_int_not_equal(find(&watcher, live, "there"), NODE_NONE);
	assert_true(watcher.latest->tree->nodes[find(&watcher, live, "there")]->serial != serial);
	stop(&watcher);
}

/* In a hierarchy that nothing is read from: the ids must be right all the same. */
static void test_unread_hierarchy(void **state)
{
	struct live *live = *state;
	struct watcher watcher;
	const struct hierarchy *freezer;
	const struct node *node;
	char dir[512];
	struct stat info;

	if (live->v2) {
		printf("one tree: no hierarchy is left unread\n");
		return;
	}
	live_cgroup(live, "half");
	live_dir(live, "freezer", "half", dir, sizeof(dir));
	assert_int_equal(rmdir(dir), 0);
	start(&watcher);
	freezer = hierarchies_find(sampler_hierarchies(watcher.sampler), "freezer");
	assert_non_null(freezer);
	node = watcher.latest->tree->nodes[find(&watcher, live, "half")];
	assert_true(node->ids[freezer - sampler_hierarchies(watcher.sampler)->list] == 0);
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(stat(dir, &info), 0);
	take(&watcher);
	node = watcher.latest->tree->nodes[find(&watcher, live, "half")];
	assert_true(node->ids[freezer - sampler_hierarchies(watcher.sampler)->list] == info.st_ino);
	stop(&watcher);
}

/* The lines of a table, without its heading. */
static size_t count_rows(const struct live *live, const char *arguments)
{
	char *output = NULL;
	size_t n = 0;

	assert_int_equal(live_cgwatch(live, &output, "ps -n %s", arguments), 0);
	for (const char *at = output; *at; at++)
		n += *at == '\n';
	free(output);
	return n;
}

/* Processes of a cgroup are also those below it, unless only its own are wanted. */
static void test_ps(void **state)
{
	struct live *live = *state;
	char arguments[512], *output = NULL;
	pid_t pids[2];

	live_cgroup(live, "up");
	live_cgroup(live, "up/down");
	pids[0] = live_start(live, "up/down", live_sleep);
	snprintf(arguments, sizeof(arguments), "%s/up", live->top);
	assert_int_equal(count_rows(live, arguments), 1);
	snprintf(arguments, sizeof(arguments), "--own %s/up", live->top);
	assert_int_equal(count_rows(live, arguments), 0);
	assert_int_equal(live_cgwatch(live, &output, "ps %s/up", live->top), 0);
	assert_null(strstr(output, "CGROUP"));
	free(output);
	pids[1] = live_start(live, "up", live_sleep);
	assert_int_equal(count_rows(live, arguments), 1);
	assert_int_equal(live_cgwatch(live, &output, "ps %s/up", live->top), 0);
	assert_non_null(strstr(output, " CGROUP "));
	assert_non_null(strstr(output, "/up/down "));
	free(output);
	assert_int_equal(live_cgwatch(live, &output, "ps --own %s/up", live->top), 0);
	assert_null(strstr(output, "CGROUP"));
	free(output);
	live_end(live, pids[0]);
	live_end(live, pids[1]);
	live_remove(live, "up/down");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_come_and_go, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_unread_hierarchy, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_ps, live_setup, live_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
