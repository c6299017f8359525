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
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/privileges.h"
#include "collectors/capability.h"
#include "collectors/sampler.h"
#include "core/cleanup.h"

enum { PASSES, FAILS };

static const uint64_t admin = CAPABILITY_BIT(CAP_SYS_ADMIN), bpf = CAPABILITY_BIT(CAP_BPF),
		      loading = CAPABILITY_BIT(CAP_PERFMON) | CAPABILITY_BIT(CAP_SYSLOG);

/* The first pass makes the first map: it shows what growing takes. */
static int pass(const struct bpf_sample *sample)
{
	struct bpf_sample *used = (struct bpf_sample *)sample;
	uint32_t can = bpf_sample_can(used), read = bpf_sample_pass(used, NULL, can);
	struct bpf_sample_stats stats;

	bpf_sample_get_stats(used, &stats);
	return read == can && stats.failures == 0 && stats.records > 0 ? PASSES : FAILS;
}

/* In a child: loads, `give_up`s, goes over all cgroups. */
static int in_child(int (*give_up)(const struct root *root))
{
	const struct sampler_options options = { .bpf = true };
	const struct bpf_sample *sample;
	struct sampler *sampler;
	struct root *root;
	const char *reason;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (root_new(NULL, &root) < 0 || sampler_new(root, &options, &sampler) < 0)
			_exit(100);
		sample = sampler_bpf(sampler, &reason);
		if (!sample || give_up(root) < 0)
			_exit(101);
		_exit(pass(sample));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_rights),	       cmocka_unit_test(maps_by_admin),
		cmocka_unit_test(no_rights),	       cmocka_unit_test(agent_with_admin),
		cmocka_unit_test(agent_without_admin),
	};
	uint64_t wanted = admin | bpf | CAPABILITY_BIT(CAP_PERFMON);

	if ((capability_permitted() & wanted) != wanted) {
		printf("skipped: needs CAP_SYS_ADMIN, CAP_BPF and CAP_PERFMON\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
