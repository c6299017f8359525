// SPDX-License-Identifier: MIT
/*
 * What the write path counts on, from the kernel itself, and what it makes of it: on v1 or v2,
 * whichever the machine has. A part that the kernel cannot do says so and is left out.
 */
#define _GNU_SOURCE
#include "live_knob_bench.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- CPU ------------------------------------------------------------------------------------- */

static int write_quota(struct bench *bench, const char *name, const char *quota, const char *period)
{
	char both[64];

	if (bench->live->v2) {
		snprintf(both, sizeof(both), "%s %s", quota, period);
		return live_write(bench->live, "", name, "cpu.max", both);
	}
	if (live_write(bench->live, "cpu", name, "cpu.cfs_period_us", period) < 0)
		return -EINVAL;
	return live_write(bench->live, "cpu", name, "cpu.cfs_quota_us", quota);
}

static void test_quota(void **state)
{
	struct knob_request request = { .knob = KNOB_CPU_QUOTA,
					.value = { .number = 500, .period = 100000 } };
	struct knob_result result;
	struct knob_value original;
	struct bench bench;

	begin(&bench, state);
	request.node = make(&bench, "a");
	assert_int_equal(write_quota(&bench, "a", "500", "100000"), -EINVAL);
	assert_int_equal(write_quota(&bench, "a", "1000", "100000"), 0);
	assert_int_equal(write_quota(&bench, "a", "1000", "1000001"), -EINVAL);
	assert_int_equal(write_quota(&bench, "a", "1000", "1000000"), 0);
	assert_int_equal(write_quota(&bench, "a", bench.live->v2 ? "max" : "-1", "100000"), 0);
	/* We do not send what is refused, and say so. */
	assert_int_equal(knob_write(&bench.context, &request, &result), 0);
	assert_true(result.adjusted);
	assert_int_equal(result.after.number, 1000);
	original = result.before;
	/* The same again and again: written once. */
	bench.writes = 0;
	for (int i = 0; i < 5; i++)
		assert_int_equal(set(&bench, (struct node *)request.node, "cpu.quota=20%", &result),
				 0);
	assert_int_equal(bench.writes, 1);
	expect_quota(&bench, "a", "20000", "20000 100000");
	/* Back to no limit, in either's word. */
	request.value = original;
	request.restore = true;
	assert_int_equal(knob_write(&bench.context, &request, &result), 0);
	expect_quota(&bench, "a", "-1", "max 100000");
	node_unref((struct node *)request.node);
	end(&bench);
}

/* v1: no child above its parent, no parent below anyone of its subtree. v2 takes everything. */
static void test_quota_of_a_subtree(void **state)
{
	struct knob_result result;
	struct bench bench;
	struct node *parent, *child, *grandchild;
	int refused;

	begin(&bench, state);
	refused = bench.live->v2 ? 0 : -EINVAL;
	parent = make(&bench, "p");
	pass_on(&bench, "p");
	child = make(&bench, "p/c");
	pass_on(&bench, "p/c");
	grandchild = make(&bench, "p/c/g");
	assert_int_equal(set(&bench, parent, "cpu.quota=60%", &result), 0);
	assert_int_equal(set(&bench, grandchild, "cpu.quota=50%", &result), 0);
	assert_int_equal(set(&bench, parent, "cpu.quota=20%", &result), refused);
	if (refused)
		assert_non_null(strstr(result.text, "its child \"c/g\" has"));
	assert_int_equal(set(&bench, grandchild, "cpu.quota=80%", &result), refused);
	assert_non_null(strstr(result.text, "allows less"));
	/* Down: children first; up again: parents first. */
	assert_int_equal(set(&bench, grandchild, "cpu.quota=10%", &result), 0);
	assert_int_equal(set(&bench, parent, "cpu.quota=20%", &result), 0);
	assert_int_equal(set(&bench, grandchild, "cpu.quota=50%", &result), refused);
	assert_int_equal(set(&bench, parent, "cpu.quota=60%", &result), 0);
	assert_int_equal(set(&bench, grandchild, "cpu.quota=50%", &result), 0);
	/* The period of a limited one: v1 checks at each of its two files. */
	assert_int_equal(set(&bench, grandchild, "cpu.quota=5000 10000", &result), 0);
	assert_int_equal(set(&bench, grandchild, "cpu.quota=100000 200000", &result), 0);
	expect_quota(&bench, "p/c/g", "100000", "100000 200000");
	node_unref(parent);
	node_unref(child);
	node_unref(grandchild);
	end(&bench);
}

static void test_burst(void **state)
{
	struct knob_request request = { .knob = KNOB_CPU_QUOTA, .restore = true };
	struct knob_result result;
	struct bench bench;
	struct node *node;
	const char *file;

	begin(&bench, state);
	file = bench.live->v2 ? "cpu.max.burst" : "cpu.cfs_burst_us";
	node = make(&bench, "b");
	if (set(&bench, node, "cpu.burst=0", &result) == -EOPNOTSUPP) {
		print_message("no %s in this kernel: left out\n", file);
	} else {
		assert_int_equal(set(&bench, node, "cpu.quota=50%", &result), 0);
		assert_int_equal(live_write(bench.live, "cpu", "b", file, "50001"), -EINVAL);
		assert_int_equal(set(&bench, node, "cpu.burst=80ms", &result), 0);
		assert_true(result.adjusted);
		expect(&bench, "cpu", "b", file, "50000");
		assert_int_equal(write_quota(&bench, "b", "20000", "100000"), -EINVAL);
		assert_int_equal(set(&bench, node, "cpu.quota=20%", &result), 0);
		expect(&bench, "cpu", "b", file, "20000");
		request.node = node;
		request.value = result.before;
		assert_int_equal(knob_write(&bench.context, &request, &result), 0);
		expect(&bench, "cpu", "b", file, "50000");
		expect_quota(&bench, "b", "50000", "50000 100000");
	}
	node_unref(node);
	end(&bench);
}

/*
 * Empty to begin with, which means all that the parent has. Some kernels do not let it be emptied
 * again while somebody is in it (6.1 does not): then it has to stand for the same.
 */
static void test_cpuset(void **state)
{
	struct knob_request request = { .knob = KNOB_CPUSET_CPUS, .restore = true };
	struct knob_result result;
	_cleanup_(freep) char *all = NULL;
	struct bench bench;
	struct node *node;

	begin(&bench, state);
	node = make(&bench, "cs");
	request.node = node;
	if (!bench.live->v2) {
		print_message("cpuset is tried on v2 only: left out\n");
	} else {
		live_start(bench.live, "cs", live_sleep);
		assert_int_equal(set(&bench, node, "cpuset.cpus=0,0-0", &result), 0);
		expect(&bench, "", "cs", "cpuset.cpus", "0");
		request.value = result.before;
		assert_int_equal(knob_write(&bench.context, &request, &result), 0);
		all = live_read(bench.live, "", "", "cpuset.cpus.effective");
		assert_non_null(all);
		expect(&bench, "", "cs", "cpuset.cpus.effective", all);
		assert_true(set(&bench, node, "cpuset.cpus=8190", &result) < 0);
		assert_true(strlen(result.text) > 0);
	}
	node_unref(node);
	end(&bench);
}

/* ---- who may come in, and who is gone -------------------------------------------------------- */

static void test_attach(void **state)
{
	const struct sched_param priority = { .sched_priority = 1 };
	struct bench bench;
	struct node *node;
	struct stat status;
	char path[512], name[32] = "", text[16];
	FILE *comm;
	pid_t pid;

	begin(&bench, state);
	node = make(&bench, "r");
	live_dir(bench.live, "cpu", "r", path, 400);
	strcat(path, "/cpu.rt_runtime_us");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		live_sleep();
	snprintf(text, sizeof(text), "%d", (int)pid);
	if (bench.live->v2 || stat(path, &status) != 0)
		print_message("no cpu.rt_runtime_us: attaching a real-time task left out\n");
	else if (sched_setscheduler(pid, SCHED_FIFO, &priority) < 0)
		print_message("no real-time task can be had (%s): left out\n", strerror(errno));
	else
		assert_int_equal(live_write(bench.live, "cpu", "r", "cgroup.procs", text), -EINVAL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* kthreadd never moves (no_cgroup_migration), so that asking does no harm. */
	comm = fopen("/proc/2/comm", "re");
	if (!comm || !fgets(name, sizeof(name), comm) || strcmp(name, "kthreadd\n") != 0)
		print_message("no kthreadd to be seen: left out\n");
	else
		assert_int_equal(live_write(bench.live, "cpu", "r", "cgroup.procs", "2"), -EINVAL);
	if (comm)
		fclose(comm);
	node_unref(node);
	end(&bench);
}

static void test_gone(void **state)
{
	struct knob_result result;
	struct bench bench;
	struct node *node;
	char path[512], text[64];
	int fd;

	begin(&bench, state);
	node = make(&bench, "g");
	live_dir(bench.live, "pids", "g", path, 400);
	strcat(path, "/pids.max");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && read(fd, text, sizeof(text)) > 0);
	live_remove(bench.live, "g");
	assert_int_equal(pread(fd, text, sizeof(text), 0), -1);
	assert_int_equal(errno, ENODEV);
	close(fd);
	assert_int_equal(set(&bench, node, "pids.max=7", &result), -ENOENT);
	node_unref(node);
	/* Removed after it was opened. */
	node = make(&bench, "g");
	bench.vanish = "g";
	bench.writes = 0;
	assert_true(set(&bench, node, "pids.max=7", &result) < 0);
	assert_true(result.error == -ENOENT || result.error == -ENODEV);
	assert_int_equal(bench.writes, 0);
	assert_true(strlen(result.text) > 0);
	node_unref(node);
	/* Made anew: another one. */
	node = make(&bench, "g");
	live_remove(bench.live, "g");
	node_unref(make(&bench, "g"));
	assert_int_equal(set(&bench, node, "pids.max=7", &result), -ESTALE);
	node_unref(node);
	end(&bench);
}

static void test_pids(void **state)
{
	struct knob_result result;
	struct bench bench;
	struct node *node;

	begin(&bench, state);
	node = make(&bench, "n");
	live_start(bench.live, "n", live_sleep);
	live_start(bench.live, "n", live_sleep);
	assert_int_equal(set(&bench, node, "pids.max=1", &result), 0);
	assert_non_null(strstr(result.text, "there are 2 tasks"));
	expect(&bench, "pids", "n", "pids.max", "1");
	assert_int_equal(live_number(bench.live, "pids", "n", "pids.current", NULL), 2);
	/* Who comes from outside is not stopped by it. */
	live_start(bench.live, "n", live_sleep);
	assert_int_equal(live_number(bench.live, "pids", "n", "pids.current", NULL), 3);
	node_unref(node);
	end(&bench);
}

/* ---- freezing -------------------------------------------------------------------------------- */

/* As fast as it can, from several at once. */
static void fork_storm(void)
{
	for (int i = 0; i < 3; i++) {
		if (fork() == 0)
			break;
	}
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

static bool reads_frozen(struct bench *bench, const char *name)
{
	_cleanup_(freep) char *text = live_read(
		bench->live, "freezer", name, bench->live->v2 ? "cgroup.events" : "freezer.state");

	assert_non_null(text);
	return strcmp(text, "FROZEN") == 0 || strstr(text, "frozen 1") != NULL;
}

/* All of a storm: also those that are no children of ours, so that nothing stays behind. */
static void kill_all(struct bench *bench, const char *name)
{
	for (double until = live_now() + LIVE_PATIENCE; live_now() < until; live_wait(0.01)) {
		_cleanup_(freep) char *text = live_read(bench->live, "freezer", name,
							"cgroup.procs");
		char *rest = text, *line;
		bool any = false;

		while (rest && (line = strsep(&rest, "\n"))) {
			long pid = strtol(line, NULL, 10);

			any |= pid > 0;
			if (pid > 0)
				kill((pid_t)pid, SIGKILL);
		}
		if (!any)
			return;
	}
}

static void test_freeze_storm(void **state)
{
	struct knob_result result;
	struct bench bench;
	struct node *node;
	double took;

	begin(&bench, state);
	bench.context.timeout_ms = LIVE_PATIENCE * 1000;
	node = make(&bench, "storm");
	live_start(bench.live, "storm", fork_storm);
	took = live_now();
	if (manual_freeze(&bench.context, node, true, &result) < 0)
		fail_msg("%s", result.text);
	took = live_now() - took;
	print_message("a storm of forks froze in %.1f ms\n", took * 1e3);
	assert_true(reads_frozen(&bench, "storm"));
	/* Whatever the clock says: frozen, or thawed and said to be. */
	assert_int_equal(manual_freeze(&bench.context, node, false, &result), 0);
	assert_false(reads_frozen(&bench, "storm"));
	bench.context.timeout_ms = 1;
	for (int i = 0; i < 20; i++) {
		int r = manual_freeze(&bench.context, node, true, &result);

		if (r == 0) {
			assert_true(reads_frozen(&bench, "storm"));
			manual_freeze(&bench.context, node, false, &result);
			continue;
		}
		assert_int_equal(r, -ETIMEDOUT);
		assert_non_null(strstr(result.text, "it was thawed again"));
		expect(&bench, "freezer", "storm",
		       bench.live->v2 ? "cgroup.freeze" : "freezer.self_freezing", "0");
	}
	kill_all(&bench, "storm");
	node_unref(node);
	end(&bench);
}

static void test_frozen_parent(void **state)
{
	struct knob_result result;
	struct bench bench;
	struct node *parent, *child;

	begin(&bench, state);
	parent = make(&bench, "fp");
	assert_int_equal(manual_freeze(&bench.context, parent, true, &result), 0);
	/* Born frozen: not by itself, so that it can be ours too. */
	child = make(&bench, "fp/c");
	assert_true(reads_frozen(&bench, "fp/c"));
	assert_int_equal(knob_read(&bench.context, KNOB_FREEZE, child, &result), 0);
	assert_int_equal(result.before.number, 0);
	assert_int_equal(manual_freeze(&bench.context, child, true, &result), 0);
	assert_int_equal(manual_freeze(&bench.context, child, false, &result), 0);
	assert_non_null(strstr(result.text, "stays frozen with an ancestor"));
	assert_true(reads_frozen(&bench, "fp/c"));
	/* Ours goes on when the parent thaws. */
	assert_int_equal(manual_freeze(&bench.context, child, true, &result), 0);
	assert_int_equal(manual_freeze(&bench.context, parent, false, &result), 0);
	assert_true(reads_frozen(&bench, "fp/c"));
	assert_int_equal(manual_freeze(&bench.context, child, false, &result), 0);
	assert_string_equal(result.text, "done");
	assert_false(reads_frozen(&bench, "fp/c"));
	node_unref(parent);
	node_unref(child);
	end(&bench);
}

/* Recursive, and on the frozen too. */
static void test_kill_recursive(void **state)
{
	struct knob_result result;
	struct bench bench;
	struct node *parent, *child;
	pid_t pids[2];

	begin(&bench, state);
	parent = make(&bench, "k");
	child = make(&bench, "k/c");
	pids[0] = live_start(bench.live, "k", live_sleep);
	pids[1] = live_start(bench.live, "k/c", live_sleep);
	assert_int_equal(manual_freeze(&bench.context, parent, true, &result), 0);
	if (!bench.live->v2) {
		print_message("cgroup.kill is of v2: left out\n");
		assert_int_equal(manual_freeze(&bench.context, parent, false, &result), 0);
	} else {
		assert_int_equal(live_write(bench.live, "", "k", "cgroup.kill", "1"), 0);
		for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
			int status;

			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		}
		bench.live->n_children -= 2;
		for (double until = live_now() + LIVE_PATIENCE;
		     live_number(bench.live, "", "k", "cgroup.events", "populated") != 0 &&
		     live_now() < until;)
			live_wait(0.01);
		assert_int_equal(live_number(bench.live, "", "k", "cgroup.events", "populated"), 0);
	}
	node_unref(parent);
	node_unref(child);
	end(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_quota, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_quota_of_a_subtree, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_burst, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_cpuset, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_attach, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_gone, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_pids, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_freeze_storm, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_frozen_parent, live_setup, live_teardown),
		cmocka_unit_test_setup_teardown(test_kill_recursive, live_setup, live_teardown),
	};

	if (!getenv("CGWATCH_TEST_LOG"))
		log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
