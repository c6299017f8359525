// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/unit_bus_private.h"

/* What was asked of systemd, and what it answers. */
struct fake {
	struct unit_io io;
	struct unit_bus *bus;
	char property[4][64], text[64], unit[64];
	uint64_t number[4];
	unsigned int n_set, n_freeze, n_thaw;
	int set_error, freeze_error, thaw_error, find_error;
	const char *found;
	bool delegated;
	uint64_t get_number, get_period;
	const char *get_text;
};

static int fake_find(void *data, const char *path, char **ret_unit, bool *ret_delegated)
{
	struct fake *fake = data;

	assert_string_equal(path, "/system.slice/a.service");
	if (fake->find_error)
		return fake->find_error;
	*ret_unit = strdup(fake->found);
	*ret_delegated = fake->delegated;
	return 0;
}

static int fake_set(void *data, const char *unit, const char *property, uint64_t number,
		    const char *text, char *reason, size_t size)
{
	struct fake *fake = data;

	assert_in_range(fake->n_set, 0, 3);
	snprintf(fake->unit, sizeof(fake->unit), "%s", unit);
	snprintf(fake->text, sizeof(fake->text), "%s", text);
	snprintf(fake->property[fake->n_set], 64, "%s", property);
	fake->number[fake->n_set++] = number;
	if (fake->set_error)
		snprintf(reason, size, "no, because");
	return fake->set_error;
}

static int fake_get(void *data, const char *unit, const char *property, uint64_t *ret_number,
		    char **ret_text)
{
	struct fake *fake = data;

	assert_string_equal(unit, "a.service");
	*ret_number = strcmp(property, "CPUQuotaPeriodUSec") == 0 ? fake->get_period
								  : fake->get_number;
	*ret_text = fake->get_text ? strdup(fake->get_text) : NULL;
	return 0;
}

static int fake_freeze(void *data, const char *unit, bool freeze)
{
	struct fake *fake = data;

	assert_string_equal(unit, "a.service");
	*(freeze ? &fake->n_freeze : &fake->n_thaw) += 1;
	return freeze ? fake->freeze_error : fake->thaw_error;
}

static int setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	if (!fake)
		return -1;
	fake->io = (struct unit_io){ fake_find, fake_set, fake_get, fake_freeze, fake };
	fake->found = "a.service";
	fake->get_number = fake->get_period = UINT64_MAX;
	*state = fake;
	return unit_bus_new(&fake->io, &fake->bus);
}

static int teardown(void **state)
{
	struct fake *fake = *state;

	unit_bus_free(fake->bus);
	free(fake);
	return 0;
}

static int set(struct fake *fake, enum knob_id knob, bool v2, const struct knob_value *value,
	       char reason[256])
{
	fake->n_set = 0;
	reason[0] = '\0';
	return unit_bus_set(fake->bus, "a.service", knob, v2, value, reason, 256);
}

static void test_find(void **state)
{
	static const struct {
		const char *found;
		bool delegated;
		int error, want;
	} cases[] = {
		{ "a.service", false, 0, 0 },
		/* Below a delegated unit: nobody's, whatever the unit is called. */
		{ "a.service", true, 0, -ENOENT },
		{ "a.service", false, -ENOENT, -ENOENT },
		{ "a.service", false, -ETIMEDOUT, -ETIMEDOUT },
		{ "-.slice", false, 0, -EPERM },
		{ "init.scope", false, 0, -EPERM },
	};
	struct fake *fake = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *unit = NULL;

		fake->found = cases[i].found;
		fake->delegated = cases[i].delegated;
		fake->find_error = cases[i].error;
		assert_int_equal(unit_bus_find(fake->bus, "/system.slice/a.service", &unit),
				 cases[i].want);
		if (cases[i].want == 0)
			assert_string_equal(unit, "a.service");
		else
			assert_null(unit);
	}
}

/* Every knob in systemd's words, on both versions. */
static void test_set(void **state)
{
	static const struct {
		enum knob_id knob;
		const char *v2, *v1;
		struct knob_value value;
		uint64_t number;
	} cases[] = {
		{ KNOB_CPU_QUOTA,
		  "CPUQuotaPerSecUSec",
		  "CPUQuotaPerSecUSec",
		  { 20000, 100000 },
		  200000 },
		{ KNOB_CPU_QUOTA,
		  "CPUQuotaPerSecUSec",
		  "CPUQuotaPerSecUSec",
		  { 75000, 50000 },
		  1500000 },
		{ KNOB_CPU_QUOTA,
		  "CPUQuotaPerSecUSec",
		  "CPUQuotaPerSecUSec",
		  { 200000, 0 },
		  200000 },
		{ KNOB_CPU_QUOTA,
		  "CPUQuotaPerSecUSec",
		  "CPUQuotaPerSecUSec",
		  { KNOB_UNLIMITED, 100000 },
		  UINT64_MAX },
		/* What was there is put back exactly. */
		{ KNOB_CPU_QUOTA,
		  "CPUQuotaPerSecUSec",
		  "CPUQuotaPerSecUSec",
		  { 20500, 100000 },
		  205000 },
		{ KNOB_CPU_WEIGHT, "CPUWeight", NULL, { 50 }, 50 },
		{ KNOB_CPU_SHARES, NULL, "CPUShares", { 512 }, 512 },
		{ KNOB_MEMORY_HIGH, "MemoryHigh", NULL, { 1 << 30 }, 1 << 30 },
		{ KNOB_MEMORY_MAX, "MemoryMax", "MemoryLimit", { 1 << 30 }, 1 << 30 },
		{ KNOB_MEMORY_MAX, "MemoryMax", "MemoryLimit", { KNOB_UNLIMITED }, UINT64_MAX },
		{ KNOB_MEMORY_LOW, "MemoryLow", NULL, { 1 << 20 }, 1 << 20 },
		{ KNOB_MEMORY_MIN, "MemoryMin", NULL, { 1 << 20 }, 1 << 20 },
		{ KNOB_MEMORY_SWAP_MAX, "MemorySwapMax", NULL, { 0 }, 0 },
		{ KNOB_MEMORY_MEMSW, NULL, NULL, { 1 << 30 }, 0 },
		{ KNOB_PIDS_MAX, "TasksMax", "TasksMax", { 100 }, 100 },
		{ KNOB_CPUSET_CPUS, "AllowedCPUs", NULL, { .text = "0-1" }, 0 },
		{ KNOB_CPUSET_MEMS, "AllowedMemoryNodes", NULL, { .text = "0" }, 0 },
		{ KNOB_IO_WEIGHT, "IOWeight", "BlockIOWeight", { 20 }, 20 },
		{ KNOB_CPU_BURST, NULL, NULL, { 1000 }, 0 },
	};
	struct fake *fake = *state;
	char reason[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
		const char *want = i % 2 ? cases[i / 2].v1 : cases[i / 2].v2;
		int r = set(fake, cases[i / 2].knob, i % 2 == 0, &cases[i / 2].value, reason);

		assert_int_equal(unit_bus_has(cases[i / 2].knob, i % 2 == 0), want != NULL);
		assert_int_equal(r, want ? 0 : -EOPNOTSUPP);
		assert_int_equal(fake->n_set, want ? 1 : 0);
		if (!want) {
			assert_non_null(strstr(reason, "a.service"));
			continue;
		}
		assert_string_equal(fake->property[0], want);
		assert_string_equal(fake->unit, "a.service");
		assert_string_equal(fake->text, cases[i / 2].value.text);
		assert_true(fake->number[0] == cases[i / 2].number);
	}
}

static void test_set_io(void **state)
{
	struct knob_value value = {
		.text = "8:0",
		.io = { 1000, KNOB_IO_LEAVE, KNOB_UNLIMITED, 5 },
	};
	struct fake *fake = *state;
	char reason[256];

	assert_int_equal(set(fake, KNOB_IO_MAX, true, &value, reason), 0);
	assert_int_equal(fake->n_set, 3);
	assert_string_equal(fake->property[0], "IOReadBandwidthMax");
	assert_string_equal(fake->property[1], "IOReadIOPSMax");
	assert_string_equal(fake->property[2], "IOWriteIOPSMax");
	assert_true(fake->number[0] == 1000 && fake->number[1] == UINT64_MAX &&
		    fake->number[2] == 5);
	assert_string_equal(fake->text, "8:0");
	/* Half of it is not set: all is refused before anything is written. */
	assert_int_equal(set(fake, KNOB_IO_MAX, false, &value, reason), -EOPNOTSUPP);
	assert_int_equal(fake->n_set, 0);
	assert_non_null(strstr(reason, "operations a second"));
	value.io[KNOB_IO_WIOPS] = KNOB_UNLIMITED;
	assert_int_equal(set(fake, KNOB_IO_MAX, false, &value, reason), 0);
	assert_int_equal(fake->n_set, 1);
	assert_string_equal(fake->property[0], "BlockIOReadBandwidth");
}

static void test_set_refused(void **state)
{
	struct knob_value value = { 100 };
	struct fake *fake = *state;
	char reason[256];

	fake->set_error = -EACCES;
	assert_int_equal(set(fake, KNOB_PIDS_MAX, true, &value, reason), -EACCES);
	assert_string_equal(reason, "systemd did not change TasksMax of a.service: no, because");
	fake->n_set = 0;
	assert_int_equal(unit_bus_set(fake->bus, "-.slice", KNOB_PIDS_MAX, true, &value, reason,
				      sizeof(reason)),
			 -EPERM);
	assert_int_equal(fake->n_set, 0);
}

static void test_freeze(void **state)
{
	struct knob_value frozen = { 1 }, thawed = { 0 };
	struct fake *fake = *state;
	char reason[256];

	assert_int_equal(set(fake, KNOB_FREEZE, true, &frozen, reason), 0);
	assert_int_equal(fake->n_freeze, 1);
	assert_int_equal(fake->n_thaw, 0);
	assert_int_equal(set(fake, KNOB_FREEZE, true, &thawed, reason), 0);
	assert_int_equal(fake->n_thaw, 1);
	/* What did not freeze in time must not freeze later. */
	fake->freeze_error = -ETIMEDOUT;
	assert_int_equal(set(fake, KNOB_FREEZE, true, &frozen, reason), -ETIMEDOUT);
	assert_int_equal(fake->n_thaw, 2);
	assert_string_equal(reason, "a.service did not freeze in time; it was thawed");
	fake->thaw_error = -ENOTCONN;
	assert_int_equal(set(fake, KNOB_FREEZE, true, &frozen, reason), -ETIMEDOUT);
	assert_non_null(strstr(reason, "cannot be thawed"));
	fake->freeze_error = -EOPNOTSUPP;
	assert_int_equal(set(fake, KNOB_FREEZE, true, &frozen, reason), -EOPNOTSUPP);
	assert_int_equal(fake->n_thaw, 3);
	/* v1's freezer is not systemd's. */
	assert_int_equal(set(fake, KNOB_FREEZE, false, &frozen, reason), -EOPNOTSUPP);
	assert_false(unit_bus_manages(KNOB_FREEZE, false));
	assert_false(unit_bus_manages(KNOB_CPUSET_CPUS, false));
	assert_true(unit_bus_manages(KNOB_FREEZE, true));
	assert_true(unit_bus_manages(KNOB_CPU_QUOTA, false));
}

static void test_get(void **state)
{
	static const struct {
		enum knob_id knob;
		bool v2;
		uint64_t number, period;
		const char *text;
		struct knob_value want;
	} cases[] = {
		{ KNOB_CPU_QUOTA, true, UINT64_MAX, UINT64_MAX, NULL, { KNOB_UNLIMITED, 100000 } },
		{ KNOB_CPU_QUOTA, true, 200000, UINT64_MAX, NULL, { 20000, 100000 } },
		{ KNOB_CPU_QUOTA, true, 200000, 50000, NULL, { 10000, 50000 } },
		/* The kernel takes no quota below 1 ms: systemd makes the period longer. */
		{ KNOB_CPU_QUOTA, true, 5000, UINT64_MAX, NULL, { 1000, 200000 } },
		{ KNOB_CPU_WEIGHT, true, UINT64_MAX, 0, NULL, { 100 } },
		{ KNOB_CPU_WEIGHT, true, 7, 0, NULL, { 7 } },
		{ KNOB_CPU_SHARES, false, UINT64_MAX, 0, NULL, { 1024 } },
		{ KNOB_IO_WEIGHT, false, UINT64_MAX, 0, NULL, { 500 } },
		{ KNOB_MEMORY_MAX, true, UINT64_MAX, 0, NULL, { KNOB_UNLIMITED } },
		{ KNOB_MEMORY_MAX, false, 4096, 0, NULL, { 4096 } },
		{ KNOB_CPUSET_CPUS, true, 0, 0, "0-3", { .text = "0-3" } },
		{ KNOB_FREEZE, true, 0, 0, "running", { 0 } },
		{ KNOB_FREEZE, true, 0, 0, "frozen", { 1 } },
		{ KNOB_FREEZE, true, 0, 0, "freezing", { 1 } },
	};
	struct fake *fake = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct knob_value value = { 9, 9 };

		fake->get_number = cases[i].number;
		fake->get_period = cases[i].period;
		fake->get_text = cases[i].text;
		assert_int_equal(
			unit_bus_get(fake->bus, "a.service", cases[i].knob, cases[i].v2, &value),
			0);
		assert_true(value.number == cases[i].want.number);
		assert_true(value.period == cases[i].want.period);
		assert_string_equal(value.text, cases[i].want.text);
	}
}

static void test_get_io(void **state)
{
	struct knob_value value = { .text = "8:0" };
	struct fake *fake = *state;

	fake->get_text = "8:01 3\n8:0 100\n8:16 200\n8:0 300\n";
	assert_int_equal(unit_bus_get(fake->bus, "a.service", KNOB_IO_MAX, true, &value), 0);
	assert_string_equal(value.text, "8:0");
	assert_true(value.io[KNOB_IO_RBPS] == 300);
	fake->get_text = "8:16 200\n";
	assert_int_equal(unit_bus_get(fake->bus, "a.service", KNOB_IO_MAX, true, &value), 0);
	assert_true(value.io[KNOB_IO_RBPS] == KNOB_UNLIMITED);
	assert_int_equal(unit_bus_get(fake->bus, "a.service", KNOB_CPU_BURST, true, &value),
			 -EOPNOTSUPP);
}

static void test_round(void **state)
{
	static const struct {
		struct knob_value from, to;
	} cases[] = {
		{ { 20500, 100000 }, { 21000, 100000 } },
		{ { 20000, 100000 }, { 20000, 100000 } },
		{ { 1, 100000 }, { 1000, 100000 } },
		{ { 33333, 0 }, { 40000, 0 } },
		{ { KNOB_UNLIMITED, 100000 }, { KNOB_UNLIMITED, 100000 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct knob_value value = cases[i].from;

		unit_bus_round(KNOB_CPU_QUOTA, &value);
		assert_true(value.number == cases[i].to.number);
		assert_true(value.period == cases[i].to.period);
		value = cases[i].from;
		unit_bus_round(KNOB_MEMORY_MAX, &value);
		assert_true(value.number == cases[i].from.number);
	}
}

static void test_bit_sets(void **state)
{
	static const struct {
		const char *list, *again;
		int n;
		uint8_t first;
	} cases[] = {
		{ "", "", 0, 0 },
		{ "0", "0", 1, 1 },
		{ "0-3,8", "0-3,8", 2, 0x0f },
		{ "8,1,0-2", "0-2,8", 2, 0x07 },
		{ "8191", "8191", 1024, 0 },
		{ "8192", NULL, -ERANGE, 0 },
		{ "99999999999999999999", NULL, -ERANGE, 0 },
		{ "3-1", NULL, -EINVAL, 0 },
		{ "1,", NULL, -EINVAL, 0 },
		{ "1-", NULL, -EINVAL, 0 },
		{ " 1", NULL, -EINVAL, 0 },
		{ "0-6:2/3", NULL, -EINVAL, 0 },
	};
	uint8_t bytes[UNIT_SET_MAX];
	char list[256], small[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int n = unit_set_parse(cases[i].list, bytes);

		assert_int_equal(n, cases[i].n);
		if (n < 0)
			continue;
		assert_int_equal(bytes[0], cases[i].first);
		assert_int_equal(unit_set_format(bytes, (size_t)n, list, sizeof(list)), 0);
		assert_string_equal(list, cases[i].again);
	}
	assert_int_equal(unit_set_format((uint8_t[]){ 0x55 }, 1, small, sizeof(small)), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_io, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_freeze, setup, teardown),
		cmocka_unit_test_setup_teardown(test_get, setup, teardown),
		cmocka_unit_test_setup_teardown(test_get_io, setup, teardown),
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_bit_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
