// SPDX-License-Identifier: MIT
/*
 * Cgroups nested so deep that their path is longer than the kernel takes in one call (4,095 bytes):
 * they are seen, read and written all the same.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/processes.h"
#include "collectors/sampler.h"
#include "command.h"
#include "live.h"

enum { DEPTH = 24, NAME_LENGTH = 200 };

static int open_top(const struct live *live)
{
	char path[512];

	live_dir(live, "freezer", "", path, sizeof(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void name_at(int depth, char *name)
{
	memset(name, 'x', NAME_LENGTH);
	snprintf(name, 4, "d%02d", depth);
	name[3] = 'x';
	name[NAME_LENGTH] = '\0';
}

/* From the innermost outwards. */
static void remove_below(int fd, int depth)
{
	char name[NAME_LENGTH + 1];
	int next;

	name_at(depth, name);
	next = depth < DEPTH ? openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (next < 0)
		return;
	remove_below(next, depth + 1);
	close(next);
	unlinkat(fd, name, AT_REMOVEDIR);
}

static int setup(void **state)
{
	char name[NAME_LENGTH + 1];
	int fd, r = live_setup(state);

	fd = r == 0 ? open_top(*state) : -1;
	for (int depth = 0; fd >= 0 && depth < DEPTH; depth++) {
		int next;

		name_at(depth, name);
		mkdirat(fd, name, 0755);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	int fd = open_top(*state);

	remove_below(fd, 0);
	close(fd);
	return live_teardown(state);
}

/* Path of the cgroup at that depth below the top of the test. */
static char *path_at(const struct live *live, int depth)
{
	char *path = malloc(64 + (size_t)depth * (NAME_LENGTH + 1)), name[NAME_LENGTH + 1];

	assert_non_null(path);
	strcpy(path, live->top);
	for (int i = 0; i < depth; i++) {
		name_at(i, name);
		strcat(path, "/");
		strcat(path, name);
	}
	return path;
}

/* With descriptors to keep and without: then every file is opened by its path each time. */
static void test_seen(void **state)
{
	static const struct sampler_options options[] = { { .max_fds = 4096 }, { .max_fds = 1 } };
	struct live *live = *state;
	struct metric_set set = { 0 };
	struct root *root;

	metric_set_add(&set, M_FREEZER_FROZEN);
	assert_int_equal(root_new(NULL, &root), 0);
	for (size_t i = 0; i < 2; i++) {
		struct snapshot *snapshot = NULL;
		struct sampler *sampler;

		assert_int_equal(sampler_new(root, &options[i], &sampler), 0);
		for (int sample = 0; sample < 3; sample++) {
			snapshot_unref(snapshot);
			assert_int_equal(sampler_sample(sampler, &set, &snapshot), 0);
		}
		for (int depth = 0; depth <= DEPTH; depth++) {
			char *path = path_at(live, depth);
			uint32_t index = tree_find(snapshot->tree, path);
			struct process_list processes = { 0 };

			if (index == NODE_NONE)
				fail_msg("not seen at depth %d, %zu bytes", depth, strlen(path));
			if (snapshot_state(snapshot, M_FREEZER_FROZEN, index) != VALUE_OK)
				fail_msg("not read at depth %d, %zu bytes", depth, strlen(path));
			assert_int_equal(processes_of_cgroup(root, sampler_hierarchies(sampler),
							     snapshot->tree->nodes[index],
							     &processes),
					 0);
			process_list_done(&processes);
			free(path);
		}
		snapshot_unref(snapshot);
		sampler_free(sampler);
	}
	root_free(root);
}

static void test_written(void **state)
{
	struct live *live = *state;
	char *path = path_at(live, DEPTH);
	struct command command;

	assert_true(strlen(path) > 4096);
	command_run(&command, NULL, "freeze", path);
	command_expect(&command, 0);
	command_run(&command, NULL, "thaw", path);
	command_expect(&command, 0);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
