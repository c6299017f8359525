// SPDX-License-Identifier: MIT
/*
 * Which rights sampling by programs takes once they are loaded, each tried by a process of its own:
 * the answer that privileges_drop() is built on.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/privileges.h"
#include "collectors/capability.h"
#include "collectors/sampler.h"
#include "core/cleanup.h"
#include "live_bpf.h"

enum { PASSES, FAILS }; /* FAILS: and the files take over */

static const uint64_t admin = CAPABILITY_BIT(CAP_SYS_ADMIN), bpf = CAPABILITY_BIT(CAP_BPF),
		      loading = CAPABILITY_BIT(CAP_PERFMON) | CAPABILITY_BIT(CAP_SYSLOG);

/* All of one column by programs, or (`by_files`) by files since they fail. */
static bool is_good(struct sampler *sampler, bool by_files)
{
	struct metric_set set = { 0 };
	struct snapshot *snapshot;
	struct sampler_stats stats;
	uint32_t n = 0;

	metric_set_add(&set, M_PIDS_CURRENT);
	if (sampler_sample(sampler, &set, &snapshot) < 0)
		return false;
	for (uint32_t i = 0; i < snapshot->tree->n; i++)
		n += snapshot_state(snapshot, M_PIDS_CURRENT, i) == VALUE_OK;
	sampler_get_stats(sampler, &stats);
	snapshot_unref(snapshot);
	if (n == 0 || !stats.bpf)
		return false;
	/* Pids of the root are nowhere, and the root itself is always read from files. */
	return by_files ? stats.bpf_stats.failures > 0 && stats.bpf_stats.by_files >= n
			: stats.bpf_stats.failures == 0 && stats.bpf_stats.records > 0;
}

/*
 * In a child: loads, gives up, samples. The first pass makes the first map: it shows what growing
 * takes.
 */
static int in_child(int (*give_up)(const struct root *root))
{
	const struct sampler_options options = { .bpf = true };
	struct sampler *sampler;
	struct root *root;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (root_new(NULL, &root) < 0 || sampler_new(root, &options, &sampler) < 0)
			_exit(100);
		if (give_up(root) < 0)
			_exit(101);
		if (is_good(sampler, false))
			_exit(PASSES);
		_exit(is_good(sampler, true) ? FAILS : 102);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool free_for_all(void)
{
	_cleanup_(fclosep) FILE *file = fopen("/proc/sys/kernel/unprivileged_bpf_disabled", "r");

	return file && fgetc(file) == '0';
}

static int give_up_loading(const struct root *root)
{
	(void)root;
	return capability_drop(loading | bpf);
}

static int give_up_all(const struct root *root)
{
	(void)root;
	return capability_drop(loading | bpf | admin);
}

/* As the agent does, in the packaged unit. */
static int with_admin(const struct root *root)
{
	int r = privileges_drop(root, true);
	uint64_t left = capability_permitted() | capability_effective();

	return r < 0 ? r : left & (loading | bpf) ? -1 : 0;
}

/* As the agent does without CAP_SYS_ADMIN. */
static int without_admin(const struct root *root)
{
	int r = capability_drop(admin);

	if (r == 0)
		r = privileges_drop(root, true);
	if (r == 0 &&
	    (capability_effective() & (loading | bpf) || capability_permitted() & loading))
		r = -1;
	/* Kept for maps, if they need it. */
	if (r == 0 && !!(capability_permitted() & bpf) == free_for_all())
		r = -1;
	return r;
}

static int nothing(const struct root *root)
{
	(void)root;
	return 0;
}

static void all_rights(void **state)
{
	(void)state;
	assert_int_equal(in_child(nothing), PASSES);
}

static void maps_by_admin(void **state)
{
	(void)state;
	assert_int_equal(in_child(give_up_loading), PASSES);
}

/* Iterators go by descriptors; maps are another matter. The pass fails, and nothing else. */
static void no_rights(void **state)
{
	(void)state;
	assert_int_equal(in_child(give_up_all), free_for_all() ? PASSES : FAILS);
}

static void agent_with_admin(void **state)
{
	(void)state;
	assert_int_equal(in_child(with_admin), PASSES);
}

static void agent_without_admin(void **state)
{
	(void)state;
	assert_int_equal(in_child(without_admin), PASSES);
}

/* ---- a tree that outgrows its map when there can be no larger one ---- */

enum { MANY = 1500, CROWDED = 105 };

static char top[128];

static void find_top(void)
{
	bool v1 = access("/sys/fs/cgroup/pids/cgroup.procs", F_OK) == 0;

	snprintf(top, sizeof(top), "/sys/fs/cgroup%s/cgwatch-test-%d", v1 ? "/pids" : "",
		 (int)getpid());
}

static int many_teardown(void **state)
{
	char command[256];

	(void)state;
	snprintf(command, sizeof(command), "find %s -depth -type d -exec rmdir {} +", top);
	return access(top, F_OK) == 0 ? system(command) : 0;
}

static int many_make(void)
{
	char path[256];
	int fd;

	if (mkdir(top, 0755) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", top);
	fd = open(path, O_WRONLY);
	if (fd >= 0 && write(fd, "+pids", 5) < 0)
		perror(path);
	if (fd >= 0)
		close(fd);
	for (int i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "%s/%d", top, i);
		if (mkdir(path, 0755) < 0)
			return -1;
	}
	return 0;
}

/* Cgroups of ours that have a value; -1 if the sample failed. */
static int count_ours(struct sampler *sampler)
{
	const char *name = strrchr(top, '/');
	struct metric_set set = { 0 };
	struct snapshot *snapshot;
	int n = 0;

	metric_set_add(&set, M_PIDS_CURRENT);
	if (sampler_sample(sampler, &set, &snapshot) < 0)
		return -1;
	for (uint32_t i = 0; i < snapshot->tree->n; i++) {
		const char *path = snapshot->tree->nodes[i]->path;

		union value value;

		n += strncmp(path, name, strlen(name)) == 0 && path[strlen(name)] == '/' &&
		     snapshot_get(snapshot, M_PIDS_CURRENT, i, &value) == VALUE_OK &&
		     value.u64 == 0;
	}
	snapshot_unref(snapshot);
	return n;
}

static int outgrow(void)
{
	const struct sampler_options options = { .bpf = true };
	struct sampler_stats before, stats;
	struct sampler *sampler;
	struct root *root;

	if (root_new(NULL, &root) < 0 || sampler_new(root, &options, &sampler) < 0)
		return 100;
	if (count_ours(sampler) != 0)
		return 104;
	sampler_get_stats(sampler, &before);
	/* Then the map has room for ours as well. */
	if (before.nodes > MANY)
		return CROWDED;
	if (give_up_all(root) < 0 || many_make() < 0)
		return 101;
	for (int i = 0; i < 3; i++) {
		if (count_ours(sampler) != MANY)
			return 102;
	}
	sampler_get_stats(sampler, &stats);
	return free_for_all() || (stats.bpf_stats.failures > 0 &&
				  stats.bpf_stats.grown == before.bpf_stats.grown)
		       ? PASSES
		       : 103;
}

static void no_room(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(outgrow());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == CROWDED) {
		print_message("skipped: this machine has too many cgroups already\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), PASSES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_rights),
		cmocka_unit_test(maps_by_admin),
		cmocka_unit_test(no_rights),
		cmocka_unit_test(agent_with_admin),
		cmocka_unit_test(agent_without_admin),
		cmocka_unit_test_teardown(no_room, many_teardown),
	};
	uint64_t wanted = admin | bpf | CAPABILITY_BIT(CAP_PERFMON);

	if ((capability_permitted() & wanted) != wanted) {
		printf("skipped: needs CAP_SYS_ADMIN, CAP_BPF and CAP_PERFMON\n");
		return 77;
	}
	if (!live_bpf_samples())
		return 77;
	find_top();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
