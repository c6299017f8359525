// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "fake_inventory.h"
#include "fake_snapshot.h"
#include "core/join.h"
#include "policies/guards.h"
#include "policies/policy_file.h"

/* Stands in for the real one (the linker's --wrap): what it protects is its list of paths. */
static const char *const protected_paths[] = { "/system.slice", "/system.slice/ssh.service",
					       "/system.slice/dbus.service",
					       "/system.slice/getty@0.service" };

int __wrap_guards_check(struct guards *guards, int hierarchy, const char *path, char *reason,
			size_t size);

int __wrap_guards_check(struct guards *guards, int hierarchy, const char *path, char *reason,
			size_t size)
{
	assert_non_null(guards);
	assert_int_equal(hierarchy, -1);
	for (size_t i = 0; i < ARRAY_SIZE(protected_paths); i++) {
		if (strcmp(path, protected_paths[i]) != 0)
			continue;
		snprintf(reason, size, "somebody lives in it");
		return -EPERM;
	}
	return 0;
}

static int set_up(void **state)
{
	char *path = strdup("/tmp/cgwatch-test-check-XXXXXX");

	umask(022);
	*state = path;
	return mkdtemp(path) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
	free(*state);
	return system(command);
}

/* Loads texts as 0.ini, 1.ini, …; what was told is in `told`. */
static int load(void **state, const char *const *texts, size_t n, const struct policy_check *check,
		struct policy_set **set, struct strbuf *told)
{
	struct ini_errors list = { 0 };
	char *paths[4];
	int r;

	for (size_t i = 0; i < n; i++) {
		FILE *file;

		assert_true(asprintf(&paths[i], "%s/%zu.ini", (char *)*state, i) > 0);
		file = fopen(paths[i], "w");
		assert_non_null(file);
		fputs(texts[i], file);
		fclose(file);
	}
	r = policy_set_load((const char *const *)paths, n, check, &list, set);
	strbuf_init(told);
	strbuf_add_string(told, "");
	for (size_t i = 0; i < list.n; i++) {
		ini_errors_format(&list.list[i], told);
		strbuf_add_char(told, '\n');
	}
	ini_errors_done(&list);
	for (size_t i = 0; i < n; i++)
		free(paths[i]);
	return r;
}

#define P(name)                                                                               \
	"[policy " name "]\nmatch = /a/**\nwhen = pids.current > 5\naction = cpu.quota 20%\n" \
	"cooldown = 1m\n"

/* A text, whether it is taken, and what is told of it: NULL for nothing at all. */
static const struct {
	const char *text;
	bool good;
	const char *told;
} cases[] = {
	{ P("p"), true, NULL },
	/* Every key. */
	{ P("p") "unit_not = x.service, y.service\ncontainer = web\nimage = *\nkind = container\n"
		 "user_not = root\nprocess = nginx\nnamespace_not = net:host\nfor = 2s\n"
		 "clear_when = pids.current < 3\nclear_for = 1s\nthen = freeze lease=1s after=5s\n"
		 "max_per_hour = 6\nmax_concurrent = 2\nmax_processes = 100\nmax_cgroups = 3\n"
		 "max_share = 25%\nschedule = Mon..Fri 08:00-20:00\nschedule = not 12:00-13:00\n"
		 "priority = -5\neffect_after = 30s\nineffective = escalate\n"
		 "allow_protected = yes\nrestore = on-exit\nmode = enforce\n"
		 "[global]\nallow_kill = yes\nmax_frozen = 2\nmax_held = 10\nmax_per_hour = 60\n"
		 "stop_file = /run/cgwatch/stop\n",
	  true, NULL },
	{ P("p") "max_per_hour = 0\n", false, "0.ini:6: max_per_hour: 0 would forbid everything" },
	{ P("p") "max_per_hour = many\n", false, "\"many\" is not a whole number" },
	{ P("p") "max_concurrent = 99999999999\n", false, "is too large" },
	{ P("p") "max_share = 25\n", false, "is not a share of the machine such as 25%" },
	{ P("p") "max_share = 101%\n", false, "is not a share of the machine" },
	{ P("p") "priority = high\n", false, "is not a whole number from" },
	{ P("p") "priority = --1\n", false, "is not a whole number from" },
	{ P("p") "allow_protected = maybe\n", false, "is neither yes nor no" },
	{ P("p") "schedule = weekends\n", false, "0.ini:6: schedule: \"weekends\": write days" },
	{ P("p") "ineffective = panic\n", false, "none of report, escalate, rollback" },
	{ P("p") "kind = services\n", false, "0.ini:6: kind: \"services\" is no kind" },
	{ P("p") "kinds = service\n", false, "0.ini:6: kinds: unknown key in policy p" },
	{ P("p") "unit_no = x\n", false, "unit_no: unknown key" },
	{ P("p") "unit =\n", false, "unit: the value is missing" },
	{ P("p") "when_not = pids.current > 5\n", false, "when_not: unknown key" },
	/* Any selector will do, but one that selects. */
	{ "[policy p]\nunit = a.service\nwhen = pids.current > 5\naction = kill\ncooldown = 1s\n"
	  "[global]\nallow_kill = yes\n",
	  true, NULL },
	{ "[policy p]\nunit_not = a.service\nwhen = pids.current > 5\naction = notify x\n", false,
	  "the key \"match\" is missing (or another" },
	/* [global] */
	{ "[global]\nallow_kill = maybe\n", false, "0.ini:2: allow_kill: \"maybe\" is neither" },
	{ "[global]\nmax_frozen = 0\n", false, "0.ini:2: max_frozen: 0 would forbid" },
	{ "[global]\nstop_file = stop\n", false,
	  "0.ini:2: stop_file: \"stop\" is not an absolute" },
	{ "[global]\nmode = off\n", false, "0.ini:2: mode: unknown key in [global]" },
	{ "[global]\nmax_held = 1\nmax_held = 2\n", false,
	  "max_held: it stands in line 2 already" },
	{ "[global]\nmax_held = 1\n[global]\nmax_held = 2\n", false,
	  "0.ini:1 already, and may stand there only" },
	{ P("p") "then = kill after=1m\n", false,
	  "0.ini:6: kill: it is not allowed: write allow_kill = yes in [global]" },
	{ P("p") "then = kill after=1m\n[global]\nallow_kill = no\n", false, "it is not allowed" },
	{ P("p") "then = kill after=1m\n[global]\nallow_kill = yes\n", true, NULL },
	/* What a hook must be. */
	{ P("p") "then = exec /no/such/hook after=1m\n", false,
	  "0.ini:6: then: /no: No such file" },
	{ P("p") "then = exec /etc/passwd after=1m\n", false, "it is not executable" },
	{ P("p") "then = exec /bin/true x after=1m\n", true, NULL },
	/* What can never hold, or is odd. */
	{ "[policy p]\nmatch = /a\nwhen = event oom\nfor = 5s\naction = notify x\ncooldown = 1m\n",
	  false, "0.ini:4: for: the condition holds only at the moment of an event" },
	{ "[policy p]\nmatch = /a\nwhen = event oom within 9s\nfor = 5s\naction = notify x\n"
	  "cooldown = 1m\n",
	  true, NULL },
	{ "[policy p]\nmatch = /a\nwhen = event oom\naction = notify x\ncooldown = 1m\n", true,
	  NULL },
	{ P("p") "clear_when = event thawed\nclear_for = 5s\n", false,
	  "0.ini:7: clear_for: the clear condition holds only at the moment" },
	{ P("p") "ineffective = rollback\n", false, "0.ini:6: ineffective: without effect_after" },
	{ P("p") "ineffective = escalate\neffect_after = 5s\n", true,
	  "0.ini:6: warning: ineffective: there is no further rung" },
	{ P("p") "then = cpu.quota 50% after=1m\n", true,
	  "0.ini:6: warning: then: it allows more than the rung of line 4" },
	{ P("p") "then = cpu.quota 10% after=1m\n", true, NULL },
	{ P("p") "then = pids.max 50 after=1m\n", true, NULL },
	{ P("p") "then = memory.high 1G after=1m\n", true,
	  "0.ini:6: warning: memory.high: this machine has no swap" },
	/* Two that do the same. */
	{ P("p") P("q"), true, "0.ini:6: warning: policy q: it adds nothing: policy p (" },
	{ P("p") P("q") "mode = off\n", true, NULL },
	{ P("p") P("q") "mode = enforce\n", true, "policy p: it adds nothing: policy q" },
	{ P("p") P("q") "priority = 1\n", true, "0.ini:1: warning: policy p: it adds nothing" },
	{ P("p") P("q") "unit = x\n", true, "policy q: it adds nothing" },
	{ P("p") "unit = x\n" P("q"), true, "0.ini:1: warning: policy p: it adds nothing" },
	{ P("p") P("q") "for = 5s\n", true, "policy q: it adds nothing" },
	{ P("p") "for = 5s\n" P("q") "unit = x\n", true, NULL },
	{ P("p") P("q") "then = freeze lease=5s after=1s\n", true,
	  "policy p: it adds nothing: policy q" },
	{ P("p") P("q") "schedule = Mon\n", true, "policy q: it adds nothing" },
	{ P("p") "schedule = Mon\n" P("q") "unit = x\n", true, NULL },
	{ P("p") "schedule = Mon\n" P("q") "schedule = Mon\n", true, "policy q: it adds nothing" },
	{ P("p") "[policy q]\nmatch = /a/**\nwhen = pids.current > 5\naction = cpu.quota "
		 "10%\ncooldown=1m\n",
	  true, "policy p: it adds nothing: policy q" },
	{ P("p") "[policy q]\nmatch = /a/**\nwhen = pids.current > 6\naction = cpu.quota "
		 "20%\ncooldown=1m\n",
	  true, NULL },
	{ P("p") "[policy q]\nmatch = /a/**\nwhen = pids.current > 5\naction = pids.max "
		 "20\ncooldown=1m\n",
	  true, NULL },
};

static void test_cases(void **state)
{
	const struct policy_check check = { .interval_usec = 500000, .swap = -1 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct policy_set *set = NULL;
		struct strbuf told;
		int r = load(state, &cases[i].text, 1, &check, &set, &told);

		if (r != (cases[i].good ? 0 : -EINVAL) ||
		    (cases[i].told ? !strstr(told.data, cases[i].told) : told.length > 0))
			fail_msg("%s: %d, \"%s\"", cases[i].text, r, told.data);
		assert_true((set != NULL) == cases[i].good);
		/* Of two that do the same one is told, never both. */
		if (cases[i].told && strstr(cases[i].told, "adds nothing"))
			assert_null(strstr(strstr(told.data, "adds nothing") + 1, "adds nothing"));
		policy_set_unref(set);
		strbuf_done(&told);
	}
}

/* The values of all keys arrive where they belong. */
static void test_values(void **state)
{
	struct policy_set *set = NULL;
	const struct policy_global *global;
	const struct policy *policy;
	struct strbuf told, text;

	assert_int_equal(load(state, &cases[1].text, 1, NULL, &set, &told), 0);
	policy = policy_set_get(set, 0);
	assert_int_equal(policy->for_usec, 2000000);
	assert_int_equal(policy->clear_for_usec, 1000000);
	assert_int_equal(policy->cooldown_usec, 60000000);
	assert_int_equal(policy->effect_after_usec, 30000000);
	assert_int_equal(policy->limits.max_per_hour, 6);
	assert_int_equal(policy->limits.max_concurrent, 2);
	assert_int_equal(policy->limits.max_processes, 100);
	assert_int_equal(policy->limits.max_cgroups, 3);
	assert_true(policy->limits.max_share > 0.24 && policy->limits.max_share < 0.26);
	assert_int_equal(policy->priority, -5);
	assert_int_equal(policy->ineffective, INEFFECTIVE_ESCALATE);
	assert_true(policy->allow_protected && policy->restore_on_exit);
	assert_false(policy->restore_on_clear);
	assert_int_equal(policy->mode, POLICY_ENFORCE);
	assert_int_equal(policy->n_steps, 2);
	assert_int_equal(policy_set_inventory(set), INVENTORY_NAMESPACES | INVENTORY_CONTAINERS);
	strbuf_init(&text);
	selectors_format(policy->selectors, &text);
	assert_string_equal(text.data,
			    "match = /a/**, unit_not = x.service, y.service, container = web, "
			    "image = *, kind = container, user_not = root, process = nginx, "
			    "namespace_not = net:host");
	strbuf_clear(&text);
	schedule_format(policy->schedule, &text);
	assert_string_equal(text.data, "Mon..Fri 08:00-20:00, not 12:00-13:00");
	strbuf_done(&text);
	global = policy_set_global(set);
	assert_true(global->allow_kill);
	assert_int_equal(global->max_frozen, 2);
	assert_int_equal(global->max_held, 10);
	assert_int_equal(global->max_per_hour, 60);
	assert_string_equal(global->stop_file, "/run/cgwatch/stop");
	policy_set_unref(set);
	strbuf_done(&told);
}

/* [global] may come last, and in one file only. */
static void test_files(void **state)
{
	static const char *const texts[] = { P("p") "then = kill after=1m\n",
					     "[global]\nallow_kill = yes\n",
					     "[global]\nmax_held = 5\n" };
	struct policy_set *set = NULL;
	struct strbuf told;

	assert_int_equal(load(state, texts, 2, NULL, &set, &told), 0);
	assert_string_equal(told.data, "");
	policy_set_unref(set);
	strbuf_done(&told);
	set = NULL;
	assert_int_equal(load(state, texts, 3, NULL, &set, &told), -EINVAL);
	assert_null(set);
	assert_non_null(strstr(told.data, "2.ini:1: [global]: it stands in "));
	assert_non_null(strstr(told.data, "1.ini:1 already"));
	strbuf_done(&told);
}

/* Limits of one device say nothing about another. */
static void test_devices(void **state)
{
	static const char *const texts[] = {
		P("p") "then = io.max 8:0 wbps=10M after=1m\nthen = io.max 8:16 wbps=20M "
		       "after=1m\n",
		P("p") "then = io.max 8:0 wbps=10M after=1m\nthen = io.max 8:0 wbps=20M after=1m\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct policy_set *set = NULL;
		struct strbuf told;

		if (!knob_name(KNOB_IO_MAX))
			skip();
		assert_int_equal(load(state, &texts[i], 1, NULL, &set, &told), 0);
		assert_true((strstr(told.data, "allows more than the rung of line 6") != NULL) ==
			    (i == 1));
		policy_set_unref(set);
		strbuf_done(&told);
	}
}

/* What metrics of the inventory a condition looks at counts as well. */
static void test_inventory(void **state)
{
	static const char *const text =
		"[policy p]\nmatch = /a\nwhen = overlay.upper_bytes > 5G\naction = notify x\n"
		"cooldown = 1m\n";
	struct policy_set *set = NULL;
	struct strbuf told;

	assert_int_equal(load(state, &text, 1, NULL, &set, &told), 0);
	assert_true(policy_set_inventory(set) & INVENTORY_USAGE);
	policy_set_unref(set);
	strbuf_done(&told);
}

#define SLICE(rest) \
	"[policy p]\nwhen = pids.current > 5\naction = cpu.quota 20%\ncooldown = 1m\n" rest

static const struct {
	const char *text;
	int present; /* with the cgroups of the scene: -EINVAL, 0, or 1 for a warning */
	int alone;   /* without a snapshot */
	const char *told;
} guarded[] = {
	{ SLICE("match = /batch/**\n"), 0, 0, NULL },
	{ SLICE("match = /system.slice/ssh.service\n"), -EINVAL, -EINVAL,
	  "policy p: it could match /system.slice/ssh.service, which is protected: somebody lives "
	  "in it" },
	{ SLICE("match = /**\n"), -EINVAL, -EINVAL, "it could match /system.slice" },
	{ SLICE("match = /system.slice/getty@*\n"), -EINVAL, -EINVAL, "getty@0.service" },
	{ SLICE("match = /**\nallow_protected = yes\n"), 0, 0, NULL },
	{ SLICE("match = /**\nmode = off\n"), 0, 0, NULL },
	{ SLICE("unit = ssh.service\n"), -EINVAL, -EINVAL, "ssh.service" },
	/* Not there now, but a machine with systemd has it. */
	{ SLICE("unit = dbus.service\n"), -EINVAL, -EINVAL, "/system.slice/dbus.service" },
	{ SLICE("match = /system.slice/**\nunit_not = ssh.service, dbus.service, getty@*\n"), 0, 0,
	  NULL },
	{ SLICE("match = /system.slice/**\nkind_not = service\n"), 0, 0, NULL },
	/* What the inventory says is known with it only; the guards refuse when it comes to it. */
	{ SLICE("process = sshd\n"), -EINVAL, 0, "/system.slice/ssh.service" },
	{ SLICE("process = nginx\n"), 0, 0, NULL },
	{ SLICE("user = root\n"), -EINVAL, 0, "it could match" },
	/* Only telling touches nobody. */
	{ "[policy p]\nwhen = pids.current > 5\naction = notify x\ncooldown = 1m\nmatch = /**\n", 0,
	  0, NULL },
	{ "[policy p]\nwhen = pids.current > 5\naction = notify x\ncooldown = 1m\nmatch = /**\n"
	  "then = cpu.quota 50% after=1m\n",
	  -EINVAL, -EINVAL, "it could match" },
};

static void test_guards(void **state)
{
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot = fake_snapshot(
		fake_tree(fake_inventory_paths, fake_inventory_n_paths, NULL), &wanted, 1);
	struct policy_check check = { .guards = (struct guards *)(void *)state };

	snapshot->inventory = fake_inventory();
	assert_int_equal(join_new(snapshot->tree, snapshot->inventory, &snapshot->join), 0);
	for (size_t i = 0; i < ARRAY_SIZE(guarded) * 2; i++) {
		size_t at = i / 2;
		int expected = i % 2 ? guarded[at].alone : guarded[at].present;
		struct policy_set *set = NULL;
		struct strbuf told;
		int r;

		check.snapshot = i % 2 ? NULL : snapshot;
		r = load(state, &guarded[at].text, 1, &check, &set, &told);
		if (r != expected || (r == 0 && told.length > 0) ||
		    (r < 0 && !strstr(told.data, guarded[at].told)))
			fail_msg("%s: %d, \"%s\"", guarded[at].text, r, told.data);
		policy_set_unref(set);
		strbuf_done(&told);
	}
	snapshot_unref(snapshot);
}

/* A cgroup of which it cannot be said whether the policy is for it: loaded, with a warning. */
static void test_doubtful(void **state)
{
	static const char *const text = SLICE("container = web\n");
	struct metric_set wanted = { 0 };
	struct snapshot *snapshot = fake_snapshot(
		fake_tree(fake_inventory_paths, fake_inventory_n_paths, NULL), &wanted, 1);
	struct policy_check check = { .guards = (struct guards *)(void *)state,
				      .snapshot = snapshot };
	struct policy_set *set = NULL;
	struct strbuf told;

	snapshot->inventory = inventory_new(0, NULL, NULL, NULL);
	assert_int_equal(join_new(snapshot->tree, snapshot->inventory, &snapshot->join), 0);
	assert_int_equal(load(state, &text, 1, &check, &set, &told), 0);
	assert_non_null(strstr(told.data,
			       "0.ini:1: warning: policy p: it could come to match /system.slice, "
			       "which is protected"));
	policy_set_unref(set);
	strbuf_done(&told);
	snapshot_unref(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cases, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_devices, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_inventory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_guards, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_doubtful, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
