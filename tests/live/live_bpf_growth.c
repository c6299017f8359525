// SPDX-License-Identifier: MIT
/*
 * The bpf backend's map follows the tree: 12,000 cgroups appear in one hierarchy and each has its
 * own numbers; they go, and the memory comes back; where no map can be made any more the rest comes
 * from the files and is counted. The system calls of a sample do not grow with the tree.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectors/sampler.h"

#include "put.h"

enum { PER_PARENT = 200, PARENTS = 60, SHRINKS_AFTER = 80 };

struct scene {
	struct root *root;
	struct sampler *sampler;
	const struct hierarchy *hierarchy;
	struct metric_set set;
	char name[64];
	int made; /* parents */
};

static void directory(const struct scene *scene, int parent, int child, char *path, size_t size)
{
	int length = snprintf(path, size, "%s/%s", scene->hierarchy->mountpoint, scene->name);

	if (parent >= 0)
		length += snprintf(path + length, size - (size_t)length, "/p%d", parent);
	if (child >= 0)
		snprintf(path + length, size - (size_t)length, "/c%d", child);
}

static void make_directory(const struct scene *scene, const char *path, bool inner)
{
	assert_int_equal(mkdir(path, 0755), 0);
	if (inner && scene->hierarchy->v2)
		assert_int_equal(put(path, "cgroup.subtree_control", "+pids"), 0);
}

/* Every tenth child has a limit of its own, by which its row is known. */
static int limit_of(int parent, int child)
{
	return child % 10 ? 0 : 1000 + parent * PER_PARENT + child;
}

static void grow(struct scene *scene, int parents)
{
	char path[256], limit[16];

	for (; scene->made < parents; scene->made++) {
		directory(scene, scene->made, -1, path, sizeof(path));
		make_directory(scene, path, true);
		for (int child = 0; child < PER_PARENT - 1; child++) {
			directory(scene, scene->made, child, path, sizeof(path));
			make_directory(scene, path, false);
			snprintf(limit, sizeof(limit), "%d", limit_of(scene->made, child));
			if (limit_of(scene->made, child))
				assert_int_equal(put(path, "pids.max", limit), 0);
		}
	}
}

static void cut(struct scene *scene, int parents)
{
	char path[256];

	while (scene->made > parents) {
		scene->made--;
		for (int child = 0; child < PER_PARENT - 1; child++) {
			directory(scene, scene->made, child, path, sizeof(path));
			rmdir(path);
		}
		directory(scene, scene->made, -1, path, sizeof(path));
		rmdir(path);
	}
}

static void sample(struct scene *scene, struct sampler_stats *ret_stats)
{
	struct snapshot *snapshot;

	assert_int_equal(sampler_sample(scene->sampler, &scene->set, &snapshot), 0);
	snapshot_unref(snapshot);
	sampler_get_stats(scene->sampler, ret_stats);
}

/* What the kernel was asked for, by sampler and backend. */
static uint64_t calls(const struct sampler_stats *stats)
{
	return stats->opens + stats->reads + stats->stats + 3 * stats->bpf_stats.passes;
}

/* The least of some: others may make cgroups here meanwhile, and then a directory is read. */
static uint64_t calls_of_a_sample(struct scene *scene)
{
	struct sampler_stats before, after;
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 4; i++)
		sample(scene, &before);
	for (int i = 0; i < 20; i++) {
		sample(scene, &after);
		if (calls(&after) - calls(&before) < least)
			least = calls(&after) - calls(&before);
		before = after;
		usleep(10000);
	}
	return least;
}

/* Every row of ours that the name says a limit for has it. */
static void check_limits(struct scene *scene)
{
	struct snapshot *snapshot;
	int found = 0;

	assert_int_equal(sampler_sample(scene->sampler, &scene->set, &snapshot), 0);
	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		const char *path = snapshot->tree->nodes[i]->path + 1;
		size_t length = strlen(scene->name);
		union value value;
		int parent, child;

		if (strncmp(path, scene->name, length) != 0 ||
		    sscanf(path + length, "/p%d/c%d", &parent, &child) != 2)
			continue;
		if (!limit_of(parent, child)) {
			assert_int_equal(snapshot_state(snapshot, M_PIDS_MAX, i), VALUE_UNLIMITED);
		} else {
			assert_int_equal(snapshot_get(snapshot, M_PIDS_MAX, i, &value), VALUE_OK);
			assert_int_equal(value.u64, limit_of(parent, child));
		}
		found++;
	}
	snapshot_unref(snapshot);
	assert_int_equal(found, scene->made * (PER_PARENT - 1));
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct sampler_options options = { .bpf = true, .max_fds = 4000 };
	const char *reason;
	char path[256];

	if (!scene || root_new(NULL, &scene->root) < 0 ||
	    sampler_new(scene->root, &options, &scene->sampler) < 0)
		return -1;
	*state = scene;
	if (!sampler_bpf(scene->sampler, &reason)) {
		printf("skipped: no bpf backend: %s\n", reason);
		exit(77);
	}
	scene->hierarchy = hierarchies_find(sampler_hierarchies(scene->sampler), "pids");
	if (!scene->hierarchy) {
		printf("skipped: no controller \"pids\" here\n");
		exit(77);
	}
	metric_set_add(&scene->set, M_PIDS_MAX);
	metric_set_add(&scene->set, M_PIDS_CURRENT);
	snprintf(scene->name, sizeof(scene->name), "cgwatch-test-%d", (int)getpid());
	if (scene->hierarchy->v2)
		put(scene->hierarchy->mountpoint, "cgroup.subtree_control", "+pids");
	directory(scene, -1, -1, path, sizeof(path));
	make_directory(scene, path, true);
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;
	char path[256];

	cut(scene, 0);
	directory(scene, -1, -1, path, sizeof(path));
	rmdir(path);
	sampler_free(scene->sampler);
	root_free(scene->root);
	free(scene);
	return 0;
}

static void test_grows_and_shrinks(void **state)
{
	struct scene *scene = *state;
	struct sampler_stats small, large, stats;
	uint64_t few, many;

	grow(scene, 1);
	few = calls_of_a_sample(scene);
	sample(scene, &small);
	grow(scene, PARENTS);
	check_limits(scene);
	many = calls_of_a_sample(scene);
	check_limits(scene);
	sample(scene, &large);
	printf("%llu cgroups: %llu calls a sample, %llu KiB; %llu cgroups: %llu calls, %llu KiB\n",
	       (unsigned long long)small.nodes, (unsigned long long)few,
	       (unsigned long long)small.bpf_stats.memory_bytes / 1024,
	       (unsigned long long)large.nodes, (unsigned long long)many,
	       (unsigned long long)large.bpf_stats.memory_bytes / 1024);
	assert_int_equal(large.bpf_stats.failures, 0);
	assert_true(large.bpf_stats.grown > 0);
	assert_true(large.bpf_stats.by_files <= 1); /* the root */
	assert_int_equal(few, many);
	cut(scene, 1);
	for (int i = 0; i < SHRINKS_AFTER; i++)
		sample(scene, &stats);
	check_limits(scene);
	printf("%llu cgroups: %llu KiB\n", (unsigned long long)stats.nodes,
	       (unsigned long long)stats.bpf_stats.memory_bytes / 1024);
	assert_true(stats.bpf_stats.shrunk > 0);
	assert_true(stats.bpf_stats.memory_bytes < large.bpf_stats.memory_bytes / 4);
}

/* Takes CAP_BPF and CAP_SYS_ADMIN away: from then on no map can be made. */
static void drop_rights(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &header, data), 0);
	data[CAP_BPF / 32].effective &= ~(1U << CAP_BPF % 32);
	data[CAP_BPF / 32].permitted &= ~(1U << CAP_BPF % 32);
	data[CAP_SYS_ADMIN / 32].effective &= ~(1U << CAP_SYS_ADMIN % 32);
	data[CAP_SYS_ADMIN / 32].permitted &= ~(1U << CAP_SYS_ADMIN % 32);
	assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

/* In a child, which gives up its rights. */
static void outgrow(struct scene *scene)
{
	struct sampler_stats stats;

	grow(scene, 1);
	for (int i = 0; i < 4; i++)
		sample(scene, &stats);
	drop_rights();
	grow(scene, 12);
	check_limits(scene);
	check_limits(scene);
	cut(scene, 10);
	check_limits(scene);
	sampler_get_stats(scene->sampler, &stats);
	printf("%llu cgroups in a map of %llu KiB: %llu by files, %llu passes not to the end, "
	       "grown "
	       "%llu times\n",
	       (unsigned long long)stats.nodes,
	       (unsigned long long)stats.bpf_stats.memory_bytes / 1024,
	       (unsigned long long)stats.bpf_stats.by_files,
	       (unsigned long long)stats.bpf_stats.failures,
	       (unsigned long long)stats.bpf_stats.grown);
	if (stats.bpf_stats.grown > 0)
		printf("maps can be made without rights here "
		       "(kernel.unprivileged_bpf_disabled is 0)\n");
	else
		assert_true(stats.bpf_stats.by_files > 100 && stats.bpf_stats.failures > 0);
	cut(scene, 0);
}

static void test_outgrown_without_rights(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		outgrow(*state);
		fflush(stdout);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		/* What it left behind is for teardown. */
		((struct scene *)*state)->made = 12;
		fail();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_grows_and_shrinks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_outgrown_without_rights, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
