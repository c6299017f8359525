// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/unit_bus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/units.h"
#include "policies/unit_bus_private.h"

/*
 * systemd answers within milliseconds, but FreezeUnit answers only when all are frozen, and a bus
 * may be frozen or overrun: nobody who enforces may wait for it.
 */
enum { CALL_TIMEOUT_MS = 2000 };

/* A product of two numbers of 64 bits. */
__extension__ typedef unsigned __int128 wide;

struct unit_bus {
	const struct unit_io *io;
	bool ours; /* io is from unit_sd_new() */
};

/* One knob in systemd's words, on one version of cgroups. */
struct property {
	/* One; of KNOB_IO_MAX in the order of enum knob_io_limit. NULL: there is none. */
	const char *name[KNOB_IO_COUNT];
	/* What the kernel has while systemd says "not set"; 0: "not set" is no limit. */
	uint64_t unset;
};

/* org.freedesktop.systemd1(5); what v1 has is older and goes by other names. */
static const struct row {
	struct property v2, v1;
} rows[KNOB_COUNT] = {
	[KNOB_CPU_QUOTA] = { { { "CPUQuotaPerSecUSec" } }, { { "CPUQuotaPerSecUSec" } } },
	[KNOB_CPU_WEIGHT] = { .v2 = { { "CPUWeight" }, 100 } },
	[KNOB_CPU_SHARES] = { .v1 = { { "CPUShares" }, 1024 } },
	[KNOB_MEMORY_HIGH] = { .v2 = { { "MemoryHigh" } } },
	[KNOB_MEMORY_MAX] = { { { "MemoryMax" } }, { { "MemoryLimit" } } },
	[KNOB_MEMORY_LOW] = { .v2 = { { "MemoryLow" } } },
	[KNOB_MEMORY_MIN] = { .v2 = { { "MemoryMin" } } },
	[KNOB_MEMORY_SWAP_MAX] = { .v2 = { { "MemorySwapMax" } } },
	[KNOB_PIDS_MAX] = { { { "TasksMax" } }, { { "TasksMax" } } },
	[KNOB_CPUSET_CPUS] = { .v2 = { { "AllowedCPUs" } } },
	[KNOB_CPUSET_MEMS] = { .v2 = { { "AllowedMemoryNodes" } } },
	[KNOB_IO_WEIGHT] = { { { "IOWeight" }, 100 }, { { "BlockIOWeight" }, 500 } },
	[KNOB_FREEZE] = { .v2 = { { "FreezerState" } } },
	[KNOB_IO_MAX] = { { { "IOReadBandwidthMax", "IOWriteBandwidthMax", "IOReadIOPSMax",
			      "IOWriteIOPSMax" } },
			  { { "BlockIOReadBandwidth", "BlockIOWriteBandwidth" } } },
};

static const struct property *property_of(enum knob_id knob, bool v2)
{
	return v2 ? &rows[knob].v2 : &rows[knob].v1;
}

int unit_bus_new(const struct unit_io *io, struct unit_bus **ret_bus)
{
	struct unit_bus *bus = calloc(1, sizeof(*bus));
	int r = bus ? 0 : -ENOMEM;

	if (r == 0 && io)
		bus->io = io;
	else if (r == 0)
		r = unit_sd_new(NULL, CALL_TIMEOUT_MS, &bus->io);
	if (r < 0) {
		free(bus);
		return r;
	}
	bus->ours = !io;
	*ret_bus = bus;
	return 0;
}

void unit_bus_free(struct unit_bus *bus)
{
	if (bus && bus->ours)
		unit_sd_free(bus->io);
	free(bus);
}

/* Limits of these would be limits of the whole machine, and of process 1. */
static bool never(const char *unit)
{
	return strcmp(unit, "-.slice") == 0 || strcmp(unit, "init.scope") == 0;
}

int unit_bus_find(struct unit_bus *bus, const char *path, char **ret_unit)
{
	_cleanup_(freep) char *unit = NULL;
	bool delegated = false;
	int r = bus->io->find(bus->io->data, path, &unit, &delegated);

	if (r < 0)
		return r;
	if (delegated)
		return -ENOENT;
	if (never(unit))
		return -EPERM;
	*ret_unit = TAKE_PTR(unit);
	return 0;
}

bool unit_bus_has(enum knob_id knob, bool v2)
{
	return property_of(knob, v2)->name[0];
}

bool unit_bus_manages(enum knob_id knob, bool v2)
{
	static const bool v1_not[KNOB_COUNT] = {
		[KNOB_FREEZE] = true,
		[KNOB_CPUSET_CPUS] = true,
		[KNOB_CPUSET_MEMS] = true,
	};

	return v2 || !v1_not[knob];
}

/* ---- setting -----------------------------------------------------------------------------------
 */

/* Microseconds of CPU time a second. */
static uint64_t per_second(const struct knob_value *value)
{
	if (value->number == KNOB_UNLIMITED || value->period == 0)
		return value->number;
	return (uint64_t)(((wide)value->number * 1000000 + value->period / 2) / value->period);
}

void unit_bus_round(enum knob_id knob, struct knob_value *value)
{
	static const uint64_t percent = 10000; /* microseconds a second */
	uint64_t wanted = per_second(value), rounded = (wanted + percent - 1) / percent * percent;

	if (knob != KNOB_CPU_QUOTA || value->number == KNOB_UNLIMITED || rounded == wanted)
		return;
	value->number = value->period == 0 ? rounded : rounded * value->period / 1000000;
}

static int set_io(struct unit_bus *bus, const char *unit, const struct property *property,
		  const struct knob_value *value, char *reason, size_t size)
{
	const struct unit_io *io = bus->io;

	for (unsigned int i = 0; i < KNOB_IO_COUNT; i++) {
		if (value->io[i] == KNOB_IO_LEAVE || property->name[i])
			continue;
		/* To lift what cannot be there is no error. */
		if (value->io[i] == KNOB_UNLIMITED)
			continue;
		snprintf(reason, size,
			 "systemd knows no limit of operations a second on cgroup v1");
		return -EOPNOTSUPP;
	}
	for (unsigned int i = 0; i < KNOB_IO_COUNT; i++) {
		int r;

		if (value->io[i] == KNOB_IO_LEAVE || !property->name[i])
			continue;
		r = io->set(io->data, unit, property->name[i], value->io[i], value->text, reason,
			    size);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * FreezeUnit answers when all are frozen. If that takes too long, it is asked to thaw again: else
 * the kernel would freeze it after we said that it had failed.
 */
static int set_frozen(struct unit_bus *bus, const char *unit, bool freeze, char *reason,
		      size_t size)
{
	const struct unit_io *io = bus->io;
	int r = io->freeze(io->data, unit, freeze), undo;

	if (r == 0)
		return 0;
	snprintf(reason, size, "systemd could not %s %s: %s", freeze ? "freeze" : "thaw", unit,
		 strerror(-r));
	if (!freeze || r != -ETIMEDOUT)
		return r;
	undo = io->freeze(io->data, unit, false);
	if (undo < 0)
		snprintf(reason, size,
			 "%s did not freeze in time, and cannot be thawed: %s; see 'systemctl "
			 "thaw %s'",
			 unit, strerror(-undo), unit);
	else
		snprintf(reason, size, "%s did not freeze in time; it was thawed", unit);
	return r;
}

int unit_bus_set(struct unit_bus *bus, const char *unit, enum knob_id knob, bool v2,
		 const struct knob_value *value, char *reason, size_t size)
{
	const struct property *property = property_of(knob, v2);
	const struct unit_io *io = bus->io;
	char said[256] = "";
	int r;

	if (never(unit)) {
		snprintf(reason, size, "%s is never changed", unit);
		return -EPERM;
	}
	if (!property->name[0]) {
		snprintf(reason, size,
			 "systemd has no property for %s here, and %s belongs to it: nothing is "
			 "written behind its back",
			 knob_name(knob), unit);
		return -EOPNOTSUPP;
	}
	if (knob == KNOB_FREEZE)
		return set_frozen(bus, unit, value->number, reason, size);
	if (knob == KNOB_IO_MAX)
		r = set_io(bus, unit, property, value, said, sizeof(said));
	else
		r = io->set(io->data, unit, property->name[0],
			    knob == KNOB_CPU_QUOTA ? per_second(value) : value->number, value->text,
			    said, sizeof(said));
	if (r < 0)
		snprintf(reason, size, "systemd did not change %s of %s: %s", property->name[0],
			 unit, said[0] ? said : strerror(-r));
	return r;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

/*
 * As cpu.max has it: systemd keeps 100 ms unless told, and takes a longer period where the quota
 * would come below 1 ms (cgroup_cpu_adjust_period()).
 */
static int get_quota(struct unit_bus *bus, const char *unit, uint64_t number,
		     struct knob_value *value)
{
	static const uint64_t second = 1000000, least = 1000, usual = 100000;
	const struct unit_io *io = bus->io;
	_cleanup_(freep) char *text = NULL;
	uint64_t period = KNOB_UNLIMITED;
	int r = io->get(io->data, unit, "CPUQuotaPeriodUSec", &period, &text);

	if (r < 0)
		return r;
	if (period == KNOB_UNLIMITED || period == 0)
		period = usual;
	value->number = number;
	if (number != KNOB_UNLIMITED && number > 0) {
		uint64_t longest = (least * second + number - 1) / number;

		period = period < longest ? longest : period;
		period = period > second ? second : period;
		period = period < least ? least : period;
		value->number = (uint64_t)((wide)number * period / second);
		if (value->number < least)
			value->number = least;
	}
	value->period = period;
	return 0;
}

/* Of lines "8:0 LIMIT"; KNOB_UNLIMITED if the device has none. The last one counts, as for systemd.
 */
static uint64_t limit_of(const char *lines, const char *device)
{
	size_t length = strlen(device);
	uint64_t limit = KNOB_UNLIMITED;

	while (lines && *lines) {
		const char *end = strchrnul(lines, '\n');
		char number[32];

		if (strncmp(lines, device, length) == 0 && lines[length] == ' ' &&
		    (size_t)(end - lines) - length - 1 < sizeof(number)) {
			memcpy(number, lines + length + 1, (size_t)(end - lines) - length - 1);
			number[(size_t)(end - lines) - length - 1] = '\0';
			if (parse_u64(number, &limit) < 0)
				limit = KNOB_UNLIMITED;
		}
		lines = *end ? end + 1 : end;
	}
	return limit;
}

static int get_io(struct unit_bus *bus, const char *unit, const struct property *property,
		  struct knob_value *value)
{
	const struct unit_io *io = bus->io;

	for (unsigned int i = 0; i < KNOB_IO_COUNT; i++) {
		_cleanup_(freep) char *text = NULL;
		uint64_t number;
		int r;

		value->io[i] = KNOB_UNLIMITED;
		if (!property->name[i])
			continue;
		r = io->get(io->data, unit, property->name[i], &number, &text);
		if (r < 0)
			return r;
		value->io[i] = limit_of(text, value->text);
	}
	return 0;
}

static int get_text(enum knob_id knob, const char *text, struct knob_value *value)
{
	if (knob == KNOB_FREEZE) {
		value->number = text &&
				(strcmp(text, "frozen") == 0 || strcmp(text, "freezing") == 0);
		return 0;
	}
	if (!text || strlen(text) >= sizeof(value->text))
		return -ERANGE;
	memcpy(value->text, text, strlen(text) + 1);
	return 0;
}

int unit_bus_get(struct unit_bus *bus, const char *unit, enum knob_id knob, bool v2,
		 struct knob_value *ret_value)
{
	const struct property *property = property_of(knob, v2);
	const struct unit_io *io = bus->io;
	_cleanup_(freep) char *text = NULL;
	struct knob_value value = { 0 };
	uint64_t number = 0;
	int r;

	if (!property->name[0])
		return -EOPNOTSUPP;
	if (knob == KNOB_IO_MAX) {
		value = *ret_value;
		r = get_io(bus, unit, property, &value);
	} else {
		r = io->get(io->data, unit, property->name[0], &number, &text);
	}
	if (r < 0)
		return r;
	if (number == KNOB_UNLIMITED && property->unset)
		number = property->unset;
	if (knob == KNOB_CPU_QUOTA)
		r = get_quota(bus, unit, number, &value);
	else if (unit_property_type(property->name[0]) == UNIT_TYPE_NUMBER)
		value.number = number;
	else if (knob != KNOB_IO_MAX)
		r = get_text(knob, text, &value);
	if (r == 0)
		*ret_value = value;
	return r;
}
