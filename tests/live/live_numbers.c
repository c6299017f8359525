// SPDX-License-Identifier: MIT
/* What cgwatch says against what the kernel's files say, on a live subtree. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <grp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "live.h"

/* The kernel charges memory in batches of 64 pages a CPU (MEMCG_CHARGE_BATCH). */
static double page_batch(void)
{
	return 64.0 * (double)sysconf(_SC_PAGESIZE) * (double)sysconf(_SC_NPROCESSORS_ONLN);
}

/*
 * A quota, so that the burner uses the same all the time. What else runs may still take it away,
 * and differently in the two spans that are compared: one measurement may be blurred, not each of
 * them.
 */
static void test_cpu_rate(void **state)
{
	struct live *live = *state;
	bool same = false;

	live_cgroup(live, "burner");
	assert_int_equal(live->v2 ? live_write(live, "cpu", "burner", "cpu.max", "20000 100000")
				  : live_write(live, "cpu", "burner", "cpu.cfs_quota_us", "20000"),
			 0);
	live_start(live, "burner", live_burn);
	for (int attempt = 0; attempt < 15 && !same; attempt++) {
		double start = live_now(), before = live_cpu(live, "burner"), after, rate, ours;
		json_t *root = live_ls(live, "--columns cpu.usage,cpu.usage.rate,cpu.user,"
					     "cpu.system --interval 3s");
		json_t *cgroup = live_find(live, root, "burner");

		after = live_cpu(live, "burner");
		rate = (after - before) / (live_now() - start);
		ours = live_metric(cgroup, "cpu.usage.rate");
		printf("burner: kernel %.4f cores, cgwatch %.4f\n", rate, ours);
		assert_true(live_metric(cgroup, "cpu.usage") >= before);
		assert_true(live_metric(cgroup, "cpu.usage") <= after);
		same = rate > 0 && fabs(ours / rate - 1) < 0.05;
		json_decref(root);
	}
	assert_true(same);
}

/*
 * The kernel counts in batches, and adds them up every two seconds: what it said a moment ago it
 * may take back. So it is asked until both say the same; what is wrong in cgwatch stays different.
 */
static bool same_memory(const struct live *live, const char *columns, const char *column,
			const char *file, const char *key)
{
	for (double end = live_now() + LIVE_PATIENCE; live_now() < end; live_wait(0.5)) {
		json_t *root = live_ls(live, columns);
		double ours = live_metric(live_find(live, root, "allocator"), column);

		json_decref(root);
		if (ours >= 32 << 20 && fabs(ours - (double)live_number(live, "memory", "allocator",
									file, key)) <= page_batch())
			return true;
	}
	return false;
}

static void test_memory_and_tasks(void **state)
{
	struct live *live = *state;
	const char *usage = live->v2 ? "memory.current" : "memory.usage_in_bytes";
	const char *anon = live->v2 ? "anon" : "total_rss";
	json_t *root, *cgroup;

	live_cgroup(live, "allocator");
	live_cgroup(live, "sleepers");
	live_start(live, "allocator", live_allocate);
	for (int i = 0; i < 5; i++)
		live_start(live, "sleepers", live_sleep);
	assert_true(same_memory(live, "--columns memory.current", "memory.current", usage, NULL));
	assert_true(same_memory(live, "--columns memory.stat.anon", "memory.stat.anon",
				"memory.stat", anon));
	root = live_ls(live, "--columns pids.current,cgroup.procs,cgroup.threads,memory.peak");
	cgroup = live_find(live, root, "sleepers");
	assert_true(live_metric(cgroup, "pids.current") == 5);
	assert_true(live_metric(cgroup, "cgroup.procs") == 5);
	assert_true(live_metric(cgroup, "cgroup.threads") == 5);
	json_decref(root);
}

static void test_limits(void **state)
{
	struct live *live = *state;
	json_t *root, *cgroup;

	live_cgroup(live, "limited");
	live_cgroup(live, "limited/inner");
	assert_int_equal(live_cgwatch(live, NULL,
				      "set %s/limited cpu.quota=50%% memory.max=64M "
				      "pids.max=20 >/dev/null",
				      live->top),
			 0);
	if (live->v2) {
		char *text = live_read(live, "cpu", "limited", "cpu.max");

		assert_string_equal(text, "50000 100000");
		free(text);
		assert_int_equal(live_number(live, "memory", "limited", "memory.max", NULL),
				 64 << 20);
	} else {
		assert_int_equal(live_number(live, "cpu", "limited", "cpu.cfs_quota_us", NULL),
				 50000);
		assert_int_equal(
			live_number(live, "memory", "limited", "memory.limit_in_bytes", NULL),
			64 << 20);
	}
	assert_int_equal(live_number(live, "pids", "limited", "pids.max", NULL), 20);
	root = live_ls(live,
		       "--columns cpu.quota,cpu.period,cpu.limit.cores,memory.max,memory.limit,"
		       "pids.max,pids.limit");
	cgroup = live_find(live, root, "limited");
	assert_true(live_metric(cgroup, "cpu.quota") == 0.05);
	assert_true(live_metric(cgroup, "cpu.period") == 0.1);
	assert_true(live_metric(cgroup, "memory.max") == 64 << 20);
	assert_true(live_metric(cgroup, "pids.max") == 20);
	json_decref(root);
	if (live->v2)
		return;
	/* The child has no limit of its own, but its parent's binds. */
	root = live_ls(live, "--columns memory.max,memory.limit,cpu.limit.cores");
	cgroup = live_find(live, root, "limited/inner");
	assert_true(live_metric(cgroup, "memory.limit") == 64 << 20);
	assert_true(live_metric(cgroup, "cpu.limit.cores") == 0.5);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(cgroup, "absent"), "memory.max")),
		"unlimited");
	json_decref(root);
}

/* A cgroup made again under its old name is another one: no rate, no leftovers. */
static void test_recreated(void **state)
{
	struct live *live = *state;
	json_t *root;
	double id;
	pid_t pid;

	live_cgroup(live, "phoenix");
	pid = live_start(live, "phoenix", live_burn);
	live_wait(0.3);
	root = live_ls(live, "--columns pids.current");
	id = json_number_value(json_object_get(live_find(live, root, "phoenix"), "id"));
	json_decref(root);
	live_end(live, pid);
	live_remove(live, "phoenix");
	live_cgroup(live, "phoenix");
	root = live_ls(live, "--columns cpu.usage,pids.current");
	assert_true(json_number_value(json_object_get(live_find(live, root, "phoenix"), "id")) !=
		    id);
	assert_true(live_metric(live_find(live, root, "phoenix"), "cpu.usage") < 0.01);
	json_decref(root);
}

static void test_hostile_names(void **state)
{
	struct live *live = *state;
	static const char *const names[] = { "quo\"te",	   "back\\slash", "esc\033[31m",
					     "bad\377utf", "sp ace",	  "*glob?" };
	char command[512], *output;
	char longest[200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		live_cgroup(live, names[i]);
	memset(longest, 'n', sizeof(longest));
	longest[63 - 1] = '\0';
	live_cgroup(live, longest);
	json_decref(live_ls(live, "--columns pids.current"));
	snprintf(command, sizeof(command), "ls '%s/**' --list --columns pids.current", live->top);
	assert_int_equal(live_cgwatch(live, &output, "%s", command), 0);
	assert_null(strchr(output, '\033'));
	assert_null(strchr(output, '\377'));
	assert_non_null(strstr(output, "\\x1b"));
	assert_non_null(strstr(output, "\\xff"));
	free(output);
}

/* 1,000 cgroups come and go while `ls` runs: no crash, no error. */
static void churn(void)
{
	const char *dir = getenv("CGWATCH_TEST_CHURN");
	char path[600];

	for (unsigned int i = 0;; i++) {
		snprintf(path, sizeof(path), "%s/c%u", dir, i % 50);
		if (i / 50 % 2 == 0)
			mkdir(path, 0755);
		else
			rmdir(path);
	}
}

static void test_vanishing(void **state)
{
	struct live *live = *state;
	char dir[512], path[600];
	pid_t pid;

	live_cgroup(live, "churn");
	live_cgroup(live, "worker");
	live_dir(live, "memory", "churn", dir, sizeof(dir));
	setenv("CGWATCH_TEST_CHURN", dir, 1);
	pid = live_start(live, "worker", churn);
	for (int i = 0; i < 10; i++)
		json_decref(live_ls(live, "--columns default,memory.stat.anon --interval 50ms"));
	live_end(live, pid);
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "%s/c%d", dir, i);
		rmdir(path);
	}
}

static void test_no_match(void **state)
{
	struct live *live = *state;

	assert_int_equal(live_cgwatch(live, NULL, "ls '%s/nothing-*' 2>/dev/null", live->top), 1);
	assert_int_equal(live_cgwatch(live, NULL, "show %s/nothing 2>/dev/null", live->top), 1);
}

/* Without root: what may be read is shown, what may not says so, nothing fails. */
static void test_unprivileged(void **state)
{
	struct live *live = *state;
	char dir[512], command[4096];

	live_cgroup(live, "secret");
	live_dir(live, "memory", "secret", dir, sizeof(dir));
	strcat(dir, live->v2 ? "/memory.current" : "/memory.usage_in_bytes");
	assert_int_equal(chmod(dir, 0600), 0);
	/* A copy: the build directory may be closed to others. */
	snprintf(command, sizeof(command),
		 "cp '%s' /tmp/cgwatch-unpriv-%d && /proc/%d/exe --as-nobody "
		 "/tmp/cgwatch-unpriv-%d ls '%s/secret' --json --columns "
		 "memory.current,pids.current "
		 "| grep -q '\"memory.current\":\"denied\"'; r=$?; rm -f /tmp/cgwatch-unpriv-%d; "
		 "exit $r",
		 getenv("CGWATCH"), (int)getpid(), (int)getpid(), (int)getpid(), live->top,
		 (int)getpid());
	assert_int_equal(system(command), 0);
}

static void test_run(void **state)
{
	struct live *live = *state;
	char dir[512], *output;

	assert_int_equal(
		live_cgwatch(live, &output,
			     "run --cgroup %s/job --cpu 50%% --memory 64M --pids 10 -- cat "
			     "/proc/self/cgroup",
			     live->top),
		0);
	assert_non_null(strstr(output, live->v2 ? "0::" : "memory:"));
	assert_non_null(strstr(output, "/job\n"));
	free(output);
	live_dir(live, "memory", "job", dir, sizeof(dir));
	assert_int_not_equal(access(dir, F_OK), 0);
	assert_int_equal(
		live_cgwatch(live, NULL, "run --cgroup %s/job -- sh -c 'exit 7'", live->top), 7);
	/* Ended by a signal it hands it on, and cleans up: once it runs, before it would do
	 * neither. */
	assert_int_equal(
		live_cgwatch(live, NULL,
			     "run --cgroup %s/job -- sh -c 'echo >%s/runs; exec sleep 100' "
			     "& p=$!; until test -e %s/runs || ! kill -0 $p; "
			     "do sleep 0.1; done; "
			     "kill -TERM $p; wait $p; exit $?",
			     live->top, live->state, live->state),
		143);
	assert_int_not_equal(access(dir, F_OK), 0);
	/* Parents that it made go too, in every hierarchy; those that were there stay. */
	assert_int_equal(live_cgwatch(live, NULL, "run --cgroup %s/a/b/c -- true", live->top), 0);
	assert_int_equal(live_cgwatch(live, NULL, "ls '%s/a' 2>/dev/null", live->top), 1);
	live_dir(live, "memory", "", dir, sizeof(dir));
	assert_int_equal(access(dir, F_OK), 0);
}

/* The test program again, to run another one without rights. */
static int run_as_nobody(char **argv)
{
	if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
	    setresuid(65534, 65534, 65534) < 0)
		return 99;
	execv(argv[0], argv);
	return 98;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cpu_rate, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_memory_and_tasks, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_limits, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_recreated, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_hostile_names, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_vanishing, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_no_match, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_unprivileged, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_run, live_setup, live_teardown),
	};

	if (argc > 2 && strcmp(argv[1], "--as-nobody") == 0)
		return run_as_nobody(argv + 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
