// SPDX-License-Identifier: MIT
/* What was changed through systemd goes back through it, also after a crash. */
#define _GNU_SOURCE
#include "policies/unit_bus.h"
#include "test_enforce_bench.h"

/* A systemd that manages /a and writes its fake file, as the real one does. */
struct systemd {
	struct bench *bench;
	struct unit_io io;
	struct unit_bus *bus;
	int find_error, set_error;
	uint64_t says; /* CPUQuotaPerSecUSec; 0: no limit */
	unsigned int sets;
};

static int find(void *data, const char *path, char **ret_unit, bool *ret_delegated)
{
	const struct systemd *systemd = data;

	if (systemd->find_error)
		return systemd->find_error;
	if (strcmp(path, "/a") != 0)
		return -ENOENT;
	*ret_unit = strdup("a.service");
	*ret_delegated = false;
	return 0;
}

static int set(void *data, const char *unit, const char *property, uint64_t number,
	       const char *text, char *reason, size_t size)
{
	struct systemd *systemd = data;
	char line[64] = "max 100000";

	(void)text;
	assert_string_equal(unit, "a.service");
	snprintf(reason, size, "%s", systemd->set_error ? "no answer" : "");
	if (systemd->set_error)
		return systemd->set_error;
	systemd->sets++;
	if (strcmp(property, "CPUQuotaPerSecUSec") != 0)
		return 0;
	if (number != UINT64_MAX)
		snprintf(line, sizeof(line), "%llu 100000", (unsigned long long)number / 10);
	fake_cgroupfs_put(systemd->bench->fs, "/a", "cpu.max", line);
	return 0;
}

static int get(void *data, const char *unit, const char *property, uint64_t *ret_number,
	       char **ret_text)
{
	const struct systemd *systemd = data;

	(void)unit;
	*ret_number = UINT64_MAX;
	if (systemd->says && strcmp(property, "CPUQuotaPerSecUSec") == 0)
		*ret_number = systemd->says;
	*ret_text = NULL;
	return 0;
}

static int freeze(void *data, const char *unit, bool on)
{
	(void)data;
	(void)unit;
	(void)on;
	return -EOPNOTSUPP;
}

static void start_systemd(struct systemd *systemd, struct bench *bench)
{
	struct enforcer_options options = { .timeout_ms = 60000, .io = &bench->fs->io };

	*systemd = (struct systemd){ .bench = bench, .io = { find, set, get, freeze, systemd } };
	assert_int_equal(unit_bus_new(&systemd->io, &systemd->bus), 0);
	options.units = systemd->bus;
	enforcer_free(bench->enforcer);
	assert_int_equal(enforcer_new(bench->fs->root, &bench->fs->hierarchies, bench->journal,
				      &options, &bench->enforcer),
			 0);
}

static void test_unit(void **state)
{
	struct bench *bench = *state;
	struct systemd systemd;
	struct enforcer_hold *holds;
	size_t n;

	start_systemd(&systemd, bench);
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_int_equal(apply(bench, bench->b, "p", "cpu.quota 20%"), 0);
	assert_int_equal(systemd.sets, 1);
	assert_string_equal(cpu_max(bench, "/a"), "20000 100000");
	assert_int_equal(enforcer_status(bench->enforcer, &holds, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(holds[0].unit, "a.service");
	assert_null(holds[1].unit);
	enforcer_holds_free(holds, n);
	assert_int_equal(release(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_int_equal(systemd.sets, 2);
	assert_string_equal(cpu_max(bench, "/a"), "max 100000");
	enforcer_free(bench->enforcer);
	bench->enforcer = NULL;
	unit_bus_free(systemd.bus);
}

/* The journal of an agent that died while it held both; and the values as it left them. */
static void replay(struct bench *bench, struct systemd *systemd, struct journal_replay *ret)
{
	struct knob_context context = fake_cgroupfs_context(bench->fs);
	char command[300];

	crash(bench);
	enforcer_free(bench->enforcer);
	bench->enforcer = NULL;
	snprintf(command, sizeof(command), "cp -a %s.kept/held-* %s/", bench->state_dir,
		 bench->state_dir);
	assert_int_equal(system(command), 0);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "20000 100000");
	fake_cgroupfs_put(bench->fs, "/a/b", "cpu.max", "20000 100000");
	context.units = systemd->bus;
	systemd->sets = 0;
	assert_int_equal(journal_restore(bench->journal, &context, false, ret), 0);
	assert_int_equal(journal_count(bench->journal), 0);
	assert_string_equal(cpu_max(bench, "/a"), "max 100000");
	assert_string_equal(cpu_max(bench, "/a/b"), "max 100000");
	unit_bus_free(systemd->bus);
}

static void test_replay_through_systemd(void **state)
{
	struct bench *bench = *state;
	struct journal_replay result;
	struct systemd systemd;

	start_systemd(&systemd, bench);
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_int_equal(apply(bench, bench->b, "p", "cpu.quota 20%"), 0);
	replay(bench, &systemd, &result);
	assert_int_equal(result.restored, 2);
	assert_int_equal(systemd.sets, 1);
}

/* It does not answer: better its file than a service throttled for ever. */
static void test_replay_without_systemd(void **state)
{
	struct bench *bench = *state;
	struct journal_replay result;
	struct systemd systemd;

	start_systemd(&systemd, bench);
	assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
	assert_int_equal(apply(bench, bench->b, "p", "cpu.quota 20%"), 0);
	crash(bench);
	systemd.set_error = -ETIMEDOUT;
	replay(bench, &systemd, &result);
	assert_int_equal(result.restored, 2);
	assert_int_equal(result.failed, 0);
	assert_int_equal(systemd.sets, 0);
}

/* Killed after systemd's answer and before its write, which comes after our look. */
static void test_replay_too_early(void **state)
{
	struct bench *bench = *state;
	struct knob_context context = fake_cgroupfs_context(bench->fs);
	const uint64_t said[] = { 0, 500000, 200000 };
	char command[300];

	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		struct journal_replay result;
		struct systemd systemd;

		start_systemd(&systemd, bench);
		assert_int_equal(apply(bench, bench->a, "p", "cpu.quota 20%"), 0);
		crash(bench);
		assert_int_equal(release(bench, bench->a, "p", "cpu.quota 20%"), 0);
		snprintf(command, sizeof(command), "cp -a %s.kept/held-* %s/", bench->state_dir,
			 bench->state_dir);
		assert_int_equal(system(command), 0);
		systemd.says = said[i];
		systemd.sets = 0;
		context.units = systemd.bus;
		assert_int_equal(journal_restore(bench->journal, &context, false, &result), 0);
		/* Only what we told it is taken back. */
		assert_int_equal(result.restored, said[i] == 200000);
		assert_int_equal(systemd.sets, said[i] == 200000);
		assert_int_equal(journal_count(bench->journal), 0);
		enforcer_free(bench->enforcer);
		bench->enforcer = NULL;
		journal_free(bench->journal);
		unit_bus_free(systemd.bus);
		start(bench, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_unit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay_through_systemd, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay_without_systemd, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay_too_early, set_up, tear_down),
	};

	if (!getenv("CGWATCH_TEST_LOG"))
		log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
