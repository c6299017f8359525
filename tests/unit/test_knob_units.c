// SPDX-License-Identifier: MIT
/* Cgroups that systemd manages: changed by it, not behind its back. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "fake_cgroupfs.h"
#include "policies/knob.h"
#include "policies/unit_bus.h"

/* A systemd that writes the fake files, as the real one does. */
struct bench {
	struct fake_cgroupfs *fs;
	struct node *node;
	struct unit_io io;
	struct unit_bus *bus;
	struct knob_context context;
	const char *unit;
	int find_error, set_error;
	unsigned int sets, freezes, thaws, steps;
	char property[64];
	uint64_t number;
	struct knob_value announced; /* what the journal was told last */
	char announced_unit[256];
};

static int find(void *data, const char *path, char **ret_unit, bool *ret_delegated)
{
	struct bench *bench = data;

	assert_string_equal(path, "/a");
	if (bench->find_error)
		return bench->find_error;
	if (!bench->unit)
		return -ENOENT;
	*ret_unit = strdup(bench->unit);
	*ret_delegated = false;
	return 0;
}

static int set(void *data, const char *unit, const char *property, uint64_t number,
	       const char *text, char *reason, size_t size)
{
	struct bench *bench = data;
	char line[64];

	(void)text;
	assert_string_equal(unit, bench->unit);
	bench->sets++;
	bench->number = number;
	snprintf(bench->property, sizeof(bench->property), "%s", property);
	snprintf(reason, size, "%s", bench->set_error ? "because" : "");
	if (bench->set_error)
		return bench->set_error;
	snprintf(line, sizeof(line), "%llu", (unsigned long long)number);
	if (strcmp(property, "CPUQuotaPerSecUSec") == 0) {
		if (number == UINT64_MAX)
			snprintf(line, sizeof(line), "max 100000");
		else
			snprintf(line, sizeof(line), "%llu 100000",
				 (unsigned long long)number / 10);
		fake_cgroupfs_put(bench->fs, "/a", "cpu.max", line);
	} else if (strcmp(property, "TasksMax") == 0) {
		fake_cgroupfs_put(bench->fs, "/a", "pids.max", line);
	}
	return 0;
}

static int get(void *data, const char *unit, const char *property, uint64_t *ret_number,
	       char **ret_text)
{
	(void)data;
	(void)unit;
	(void)property;
	*ret_number = UINT64_MAX;
	*ret_text = NULL;
	return 0;
}

static int freeze(void *data, const char *unit, bool on)
{
	struct bench *bench = data;

	assert_string_equal(unit, bench->unit);
	*(on ? &bench->freezes : &bench->thaws) += 1;
	if (bench->set_error)
		return bench->set_error;
	fake_cgroupfs_put(bench->fs, "/a", "cgroup.freeze", on ? "1" : "0");
	fake_cgroupfs_put(bench->fs, "/a", "cgroup.events",
			  on ? "populated 1\nfrozen 1" : "populated 1\nfrozen 0");
	return 0;
}

static int announce(void *data, const struct knob_result *result)
{
	struct bench *bench = data;

	bench->steps++;
	bench->announced = result->requested;
	snprintf(bench->announced_unit, sizeof(bench->announced_unit), "%s", result->unit);
	return 0;
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	bench->fs = fake_cgroupfs_new(true);
	bench->node = fake_cgroupfs_add(bench->fs, "/a");
	bench->io = (struct unit_io){ find, set, get, freeze, bench };
	bench->unit = "a.service";
	assert_int_equal(unit_bus_new(&bench->io, &bench->bus), 0);
	bench->context = fake_cgroupfs_context(bench->fs);
	bench->context.units = bench->bus;
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	unit_bus_free(bench->bus);
	node_unref(bench->node);
	fake_cgroupfs_free(bench->fs);
	free(bench);
	return 0;
}

static int put(struct bench *bench, enum knob_id knob, const char *text, bool restore,
	       struct knob_result *result)
{
	struct knob_request request = { .knob = knob,
					.node = bench->node,
					.restore = restore,
					.about_to_write = announce,
					.data = bench };
	const char *why;

	assert_int_equal(knob_parse(knob, text, &request.value, &why), 0);
	return knob_write(&bench->context, &request, result);
}

static void test_quota(void **state)
{
	struct bench *bench = *state;
	struct knob_result result;

	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "20%", false, &result), 0);
	assert_string_equal(result.unit, "a.service");
	assert_string_equal(bench->announced_unit, "a.service");
	assert_string_equal(bench->property, "CPUQuotaPerSecUSec");
	assert_int_equal(bench->number, 200000);
	assert_false(result.adjusted);
	assert_int_equal(bench->fs->writes, 0);
	/* Unchanged: not asked again. */
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "20%", false, &result), 0);
	assert_int_equal(bench->sets, 1);
	/* Whole percents: the journal is told what will stand there. */
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "12.5%", false, &result), 0);
	assert_true(result.adjusted);
	assert_non_null(strstr(result.text, "raised to 13%"));
	assert_int_equal(result.after.number, 13000);
	assert_int_equal(bench->announced.number, 13000);
	/* Back by value. */
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "max 100000", true, &result), 0);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cpu.max"), "max 100000");
	assert_int_equal(bench->fs->writes, 0);
}

/* systemd has a period of its own: the same share, and the journal knows what stands there. */
static void test_period(void **state)
{
	struct bench *bench = *state;
	struct knob_result result;

	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "max 50000");
	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "20%", false, &result), 0);
	assert_true(result.adjusted);
	assert_int_equal(result.after.number, 20000);
	assert_int_equal(result.after.period, 100000);
	assert_int_equal(bench->announced.number, 20000);
	assert_int_equal(bench->announced.period, 100000);
}

static void test_refusals(void **state)
{
	struct bench *bench = *state;
	struct knob_result result;

	/* No property: not behind its back. */
	assert_int_equal(put(bench, KNOB_CPU_BURST, "1ms", false, &result), -EOPNOTSUPP);
	assert_non_null(strstr(result.text, "a.service belongs to systemd"));
	assert_int_equal(bench->fs->writes, 0);
	/* It cannot be told. */
	bench->find_error = -ETIMEDOUT;
	assert_int_equal(put(bench, KNOB_PIDS_MAX, "7", false, &result), -ETIMEDOUT);
	assert_non_null(strstr(result.text, "cannot be told"));
	assert_int_equal(bench->fs->writes + bench->sets, 0);
	bench->find_error = 0;
	bench->set_error = -EACCES;
	assert_int_equal(put(bench, KNOB_PIDS_MAX, "7", false, &result), -EACCES);
	assert_non_null(strstr(result.text, "because"));
	assert_false(result.changed);
	assert_int_equal(bench->fs->writes, 0);
	/* Nobody's. */
	bench->unit = NULL;
	assert_int_equal(put(bench, KNOB_PIDS_MAX, "7", false, &result), 0);
	assert_string_equal(result.unit, "");
	assert_int_equal(bench->fs->writes, 1);
}

static void test_container_scopes(void **state)
{
	static const char *const scopes[] = { "docker-0123.scope", "libpod-0123.scope",
					      "cri-containerd-0123.scope", "crio-0123.scope" };
	struct bench *bench = *state;
	struct knob_result result;

	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "50000 100000");
	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++) {
		char text[16];

		bench->unit = scopes[i];
		snprintf(text, sizeof(text), "%zums", i + 1);
		assert_int_equal(put(bench, KNOB_CPU_BURST, text, false, &result), 0);
		assert_string_equal(result.unit, "");
	}
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cpu.max.burst"), "4000");
	assert_int_equal(bench->sets, 0);
	/* What it knows goes through it all the same. */
	assert_int_equal(put(bench, KNOB_PIDS_MAX, "7", false, &result), 0);
	assert_int_equal(bench->sets, 1);
	bench->unit = "session-docker-1.scope";
	assert_int_equal(put(bench, KNOB_CPU_BURST, "9ms", false, &result), -EOPNOTSUPP);
}

static void test_freeze(void **state)
{
	struct bench *bench = *state;
	struct knob_result result;

	assert_int_equal(put(bench, KNOB_FREEZE, "frozen", false, &result), 0);
	assert_int_equal(bench->freezes, 1);
	assert_int_equal(put(bench, KNOB_FREEZE, "thawed", true, &result), 0);
	assert_int_equal(bench->thaws, 1);
	assert_int_equal(bench->fs->writes, 0);
	/* A bus that does not answer keeps nobody frozen: neither in the search nor in the call. */
	assert_int_equal(put(bench, KNOB_FREEZE, "frozen", false, &result), 0);
	bench->set_error = -ETIMEDOUT;
	assert_int_equal(put(bench, KNOB_FREEZE, "thawed", true, &result), 0);
	assert_int_equal(result.error, 0);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cgroup.freeze"), "0");
	bench->set_error = 0;
	assert_int_equal(put(bench, KNOB_FREEZE, "frozen", false, &result), 0);
	bench->find_error = -ENOTCONN;
	assert_int_equal(put(bench, KNOB_FREEZE, "thawed", true, &result), 0);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cgroup.freeze"), "0");
	/* It cannot be frozen behind its back, though. */
	assert_int_equal(put(bench, KNOB_FREEZE, "frozen", false, &result), -ENOTCONN);
	bench->find_error = 0;
	bench->set_error = -EIO;
	assert_int_equal(put(bench, KNOB_FREEZE, "frozen", false, &result), -EIO);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cgroup.freeze"), "0");
}

/* Somebody else writes the file in the moment that systemd needs. */
static void test_conflict(void **state)
{
	struct bench *bench = *state;
	const struct knob_value expected = { .number = 20000, .period = 100000 };
	struct knob_request request = { .knob = KNOB_CPU_QUOTA,
					.node = bench->node,
					.value = { .number = KNOB_UNLIMITED, .period = 100000 },
					.restore = true,
					.expected = &expected };
	struct knob_result result;

	assert_int_equal(put(bench, KNOB_CPU_QUOTA, "20%", false, &result), 0);
	fake_cgroupfs_put(bench->fs, "/a", "cpu.max", "40000 100000");
	assert_int_equal(knob_write(&bench->context, &request, &result), -ESTALE);
	assert_int_equal(bench->sets, 1);
	assert_string_equal(fake_cgroupfs_get(bench->fs, "/a", "cpu.max"), "40000 100000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_quota, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_period, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_container_scopes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_freeze, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_conflict, set_up, tear_down),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
