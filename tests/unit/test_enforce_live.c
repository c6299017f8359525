// SPDX-License-Identifier: MIT
/* The enforcer's knobs on the real hierarchies of this machine. */
#define _GNU_SOURCE
#include "test_enforce_live.h"

static void test_cpu(void **state)
{
	struct bench *bench = *state;
	const char *path = bench->inner->path;
	struct journal *journal = NULL;
	struct enforcer *enforcer;
	pid_t burner = spawn(bench, burn);
	double share;

	assert_int_equal(journal_open(bench->state_dir, 0, &journal, NULL), 0);
	enforcer = start(bench, journal);
	assert_int_equal(
		carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "cpu.quota 20%", NULL), 0);
	assert_string_equal(get(bench, "cpu", path, "cpu.cfs_quota_us"), "20000");
	/* How much less it gets is up to what else runs on the machine. */
	share = share_of(burner, 2);
	if (share > 0.26)
		fail_msg("20%% of one core, but %.1f%%", share * 100);
	assert_int_equal(
		carry_out(enforcer, DECISION_RELEASE, bench->inner, "p", "cpu.quota 20%", NULL), 0);
	assert_string_equal(get(bench, "cpu", path, "cpu.cfs_quota_us"), "-1");
	enforcer_free(enforcer);
	journal_free(journal);
}

/* v1 refuses a parent below its child and a child above its parent. */
static void test_cpu_order(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct journal *journal = NULL;
	struct enforcer *enforcer;
	struct knob_result result;

	assert_int_equal(manual_set(&context, bench->inner, "cpu.quota=50%", &result), 0);
	assert_int_equal(manual_set(&context, bench->node, "cpu.quota=20%", &result), -EINVAL);
	assert_non_null(strstr(result.text, "its child \"inner\" has"));
	assert_int_equal(manual_set(&context, bench->node, "cpu.quota=60%", &result), 0);
	assert_int_equal(manual_set(&context, bench->inner, "cpu.quota=80%", &result), -EINVAL);
	assert_non_null(strstr(result.text, "an ancestor allows less"));
	/* Both lowered, children first; the stop raises parents first, or it would fail here. */
	assert_int_equal(journal_open(bench->state_dir, 0, &journal, NULL), 0);
	enforcer = start(bench, journal);
	assert_int_equal(
		carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "cpu.quota 10%", NULL), 0);
	assert_int_equal(
		carry_out(enforcer, DECISION_APPLY, bench->node, "p", "cpu.quota 20%", NULL), 0);
	assert_int_equal(enforcer_stop(enforcer), 0);
	assert_string_equal(get(bench, "cpu", bench->node->path, "cpu.cfs_quota_us"), "60000");
	assert_string_equal(get(bench, "cpu", bench->inner->path, "cpu.cfs_quota_us"), "50000");
	enforcer_free(enforcer);
	journal_free(journal);
}

static void test_cpu_bounds(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct knob_result result;

	assert_int_equal(manual_set(&context, bench->node, "cpu.quota=1000 100000", &result), 0);
	assert_int_equal(manual_set(&context, bench->node, "cpu.quota=100000 1000000", &result), 0);
	assert_string_equal(get(bench, "cpu", bench->path, "cpu.cfs_period_us"), "1000000");
	assert_int_equal(manual_set(&context, bench->node, "cpu.quota=1000 1000", &result), 0);
	assert_int_equal(manual_set(&context, bench->node, "cpu.quota=max", &result), 0);
	assert_string_equal(get(bench, "cpu", bench->path, "cpu.cfs_quota_us"), "-1");
	assert_string_equal(get(bench, "cpu", bench->path, "cpu.cfs_period_us"), "1000");
	assert_int_equal(manual_set(&context, bench->node, "cpu.shares=512", &result), 0);
	assert_string_equal(get(bench, "cpu", bench->path, "cpu.shares"), "512");
}

static void test_memory(void **state)
{
	struct bench *bench = *state;
	const char *path = bench->inner->path;
	struct journal *journal = NULL;
	struct enforcer *enforcer;
	char text[384];

	spawn(bench, allocate);
	assert_int_equal(journal_open(bench->state_dir, 0, &journal, NULL), 0);
	enforcer = start(bench, journal);
	/* Below what is in use: refused, the old limit stays, nobody dies. */
	assert_int_equal(
		carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "memory.max 32M", text),
		-EBUSY);
	assert_non_null(strstr(text, "is in use and could not be reclaimed"));
	assert_string_equal(get(bench, "memory", path, "memory.limit_in_bytes"),
			    "9223372036854771712");
	assert_int_equal(journal_count(journal), 0);
	assert_int_equal(kill(bench->children[0], 0), 0);
	assert_int_equal(
		carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "memory.max 128M", text), 0);
	assert_string_equal(get(bench, "memory", path, "memory.limit_in_bytes"), "134217728");
	assert_int_equal(
		carry_out(enforcer, DECISION_APPLY, bench->inner, "p", "memory.high 128M", text),
		-EOPNOTSUPP);
	enforcer_free(enforcer);
	assert_string_equal(get(bench, "memory", path, "memory.limit_in_bytes"),
			    "9223372036854771712");
	journal_free(journal);
}

static void test_memsw(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	const char *const lower[] = { "memory.memsw.max=512M", "memory.max=256M" };
	const char *const raise[] = { "memory.max=1G", "memory.memsw.max=2G" };
	struct knob_result results[2];

	if (manual_set(&context, bench->node, "memory.memsw.max=max", results) == -EOPNOTSUPP)
		skip();
	assert_int_equal(manual_set_all(&context, bench->node, lower, 2, results), 0);
	assert_int_equal(manual_set(&context, bench->node, "memory.max=1G", results), -EINVAL);
	assert_non_null(strstr(results[0].text, "raise memory.memsw.max first"));
	assert_int_equal(manual_set_all(&context, bench->node, raise, 2, results), 0);
	assert_string_equal(get(bench, "memory", bench->path, "memory.limit_in_bytes"),
			    "1073741824");
}

static void test_freeze(void **state)
{
	struct bench *bench = *state;
	const char *path = bench->inner->path;
	struct journal *journal = NULL;
	struct enforcer *enforcer;
	struct decision decision = { .op = DECISION_APPLY,
				     .node = bench->inner,
				     .policy = (char *)"p",
				     .reason = (char *)"" };
	char reason[128];
	pid_t burner = spawn(bench, burn);

	spawn(bench, fork_storm);
	assert_int_equal(journal_open(bench->state_dir, 0, &journal, NULL), 0);
	enforcer = start(bench, journal);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(carry_out(enforcer, DECISION_APPLY, bench->inner, "p",
					   "freeze lease=30s", NULL),
				 0);
		assert_string_equal(get(bench, "freezer", path, "freezer.state"), "FROZEN");
		assert_true(share_of(burner, 0.2) < 0.01);
		assert_int_equal(carry_out(enforcer, DECISION_RELEASE, bench->inner, "p",
					   "freeze lease=30s", NULL),
				 0);
		assert_string_equal(get(bench, "freezer", path, "freezer.state"), "THAWED");
	}
	assert_true(gets_on(burner));
	/* The lease ends by itself. */
	assert_int_equal(action_parse("freeze lease=1s", &decision.action, reason, sizeof(reason)),
			 0);
	decision.lease_until = boottime_usec() + 1000000;
	assert_int_equal(enforcer_submit(enforcer, &decision), 0);
	assert_int_equal(enforcer_drain(enforcer, PATIENCE_MS), 0);
	expect_frozen(bench, decision.lease_until);
	assert_true(comes_to_thaw(bench));
	enforcer_free(enforcer);
	journal_free(journal);
}

/* A frozen ancestor: ours can be thawed and restored, though it stays frozen with the ancestor. */
static void test_frozen_parent(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct knob_result result;

	spawn(bench, burn);
	assert_int_equal(manual_freeze(&context, bench->inner, true, &result), 0);
	put(bench, "freezer", bench->path, "freezer.state", "FROZEN");
	assert_int_equal(manual_freeze(&context, bench->inner, false, &result), 0);
	assert_string_equal(get(bench, "freezer", bench->inner->path, "freezer.self_freezing"),
			    "0");
	assert_string_equal(get(bench, "freezer", bench->inner->path, "freezer.state"), "FROZEN");
	assert_int_equal(manual_freeze(&context, bench->inner, true, &result), 0);
	assert_int_equal(result.before.number, 0);
}

/* The v2 tree of a hybrid host can freeze as well, where a cgroup is only there. */
static void test_freeze_v2(void **state)
{
	struct bench *bench = *state;
	const struct hierarchy *v2 = hierarchies_v2(bench->hierarchies);
	struct knob_context context = context_of(bench);
	_cleanup_(closep) int procs = -1;
	struct node *only_v2;
	struct knob_result result;
	char name[128];
	pid_t burner;

	if (!v2)
		skip();
	burner = spawn(bench, burn);
	snprintf(name, sizeof(name), "%s/cgroup.procs", bench->inner->path + 1);
	procs = openat(v2->fd, name, O_WRONLY);
	assert_true(procs >= 0 && dprintf(procs, "%d", (int)burner) > 0);
	only_v2 = node_new(bench->inner->path, 2, bench->hierarchies->n);
	only_v2->ids[0] = bench->inner->ids[0];
	assert_int_equal(manual_freeze(&context, only_v2, true, &result), 0);
	assert_string_equal(result.file, "cgroup.freeze");
	assert_true(share_of(burner, 0.2) < 0.01);
	assert_int_equal(manual_freeze(&context, only_v2, false, &result), 0);
	assert_true(gets_on(burner));
	node_unref(only_v2);
}

static void test_guards(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = context_of(bench);
	struct knob_result result;
	char *paths[HIERARCHY_MAX];
	const struct hierarchy *memory = hierarchies_find(bench->hierarchies, "memory");
	struct node *top = node_new("/", 0, bench->hierarchies->n), *own;
	pid_t child;
	int status;

	for (unsigned int i = 0; i < bench->hierarchies->n; i++) {
		struct stat there;

		assert_int_equal(fstat(bench->hierarchies->list[i].fd, &there), 0);
		top->ids[i] = there.st_ino;
	}
	/* A dry run: even if the guard were broken, nothing would be touched. */
	context.dry_run = true;
	assert_int_equal(manual_set(&context, top, "memory.max=1G", &result), -EPERM);
	assert_non_null(strstr(result.text, "root of a hierarchy"));
	node_unref(top);
	assert_int_equal(hierarchies_of_process(bench->hierarchies, bench->root, 0, paths), 0);
	if (paths[memory - bench->hierarchies->list] &&
	    strcmp(paths[memory - bench->hierarchies->list], "/") != 0) {
		own = make_node(bench, paths[memory - bench->hierarchies->list], 1);
		assert_int_equal(manual_set(&context, own, "memory.max=1G", &result), -EPERM);
		assert_non_null(strstr(result.text, "cgwatch itself lives in it"));
		node_unref(own);
	}
	for (unsigned int i = 0; i < HIERARCHY_MAX; i++)
		free(paths[i]);
	/* In the cpu hierarchy only, a level below: refused there, not elsewhere. */
	child = fork();
	if (child == 0) {
		join_cgroup(bench, "cpu", bench->inner->path);
		_exit(manual_set(&context, bench->node, "cpu.quota=20%", &result) == -EPERM &&
				      manual_set(&context, bench->inner, "cpu.quota=20%",
						 &result) == -EPERM &&
				      manual_set(&context, bench->node, "pids.max=100", &result) ==
					      0
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cpu, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cpu_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cpu_bounds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_memsw, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_freeze, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_frozen_parent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_freeze_v2, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_guards, set_up, tear_down),
	};

	if (!can_run())
		return SKIP;
	if (!getenv("CGWATCH_TEST_LOG"))
		log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
