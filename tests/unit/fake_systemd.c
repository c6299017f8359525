// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tests/unit/fake_systemd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "core/cleanup.h"

struct fake_unit {
	const char *name, *cgroup;
	int delegate;
};

static struct fake_unit units[] = {
	{ "a.service", "/system.slice/a.service", 0 },
	{ "given.service", "/system.slice/given.service", 1 },
	{ "system.slice", "/system.slice", 0 },
	{ "-.slice", "/", 0 },
	{ "ended.scope", "", 0 },
};

static int by_cgroup(sd_bus_message *m, void *data, sd_bus_error *error)
{
	_cleanup_(freep) char *object = NULL;
	const struct fake_unit *best = NULL;
	const char *path;
	int r = sd_bus_message_read(m, "s", &path);

	(void)data;
	if (r < 0)
		return r;
	if (strcmp(path, "/silent") == 0)
		return 1;
	if (strcmp(path, "/ended") == 0)
		best = &units[4];
	for (size_t i = 0; i < 4 && !best; i++) {
		size_t length = strlen(units[i].cgroup);

		if (strncmp(path, units[i].cgroup, length) == 0 &&
		    (length == 1 || !path[length] || path[length] == '/'))
			best = &units[i];
	}
	if (strcmp(path, "/nosuch") == 0)
		return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit",
					"Control group '/nosuch' is not valid");
	if (strcmp(path, "/odd") == 0)
		return sd_bus_error_set(error, "org.freedesktop.DBus.Error.FileNotFound", "odd");
	if (strcmp(path, "/denied") == 0)
		return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "not you");
	r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", best->name, &object);
	return r < 0 ? r : sd_bus_reply_method_return(m, "o", object);
}

static int read_value(sd_bus_message *m, struct fake_systemd_seen *seen)
{
	const char *contents, *path;
	const void *bytes;
	char type;
	int r = sd_bus_message_peek_type(m, &type, &contents);

	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'v', contents);
	if (r >= 0 && strcmp(contents, "t") == 0)
		r = sd_bus_message_read(m, "t", &seen->number);
	if (r >= 0 && strcmp(contents, "ay") == 0) {
		r = sd_bus_message_read_array(m, 'y', &bytes, &seen->n_bytes);
		if (r >= 0 && seen->n_bytes > 0)
			memcpy(seen->bytes, bytes, seen->n_bytes < 8 ? seen->n_bytes : 8);
	}
	if (r >= 0 && strcmp(contents, "a(st)") == 0) {
		r = sd_bus_message_enter_container(m, 'a', "(st)");
		if (r >= 0)
			r = sd_bus_message_read(m, "(st)", &path, &seen->number);
		if (r > 0)
			snprintf(seen->path, sizeof(seen->path), "%s", path);
	}
	return r;
}

static int set_properties(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct fake_systemd_seen *seen = data;
	const char *unit, *property;
	int r = sd_bus_message_read(m, "sb", &unit, &seen->runtime);

	if (r < 0)
		return r;
	seen->n_set++;
	if (strcmp(unit, "nosuch.service") == 0)
		return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit",
					"Unit nosuch.service not found.");
	if (strcmp(unit, "denied.service") == 0)
		return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Permission denied");
	if (strcmp(unit, "silent.service") == 0)
		return 1;
	r = sd_bus_message_enter_container(m, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_read(m, "s", &property);
	if (r >= 0)
		r = read_value(m, seen);
	if (r < 0)
		return r;
	snprintf(seen->unit, sizeof(seen->unit), "%s", unit);
	snprintf(seen->property, sizeof(seen->property), "%s", property);
	return sd_bus_reply_method_return(m, NULL);
}

static int freeze(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct fake_systemd_seen *seen = data;
	const char *unit;
	int r = sd_bus_message_read(m, "s", &unit);

	(void)error;
	seen->n_freeze++;
	if (r >= 0 && strcmp(unit, "silent.service") == 0)
		return 1;
	return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

static int thaw(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct fake_systemd_seen *seen = data;

	(void)error;
	seen->n_thaw++;
	return sd_bus_reply_method_return(m, NULL);
}

static int get_property(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *data, sd_bus_error *error)
{
	const struct fake_unit *unit = data;

	(void)bus;
	(void)path;
	(void)interface;
	(void)error;
	if (strcmp(property, "ControlGroup") == 0)
		return sd_bus_message_append(reply, "s", unit->cgroup);
	if (strcmp(property, "Delegate") == 0)
		return sd_bus_message_append(reply, "b", unit->delegate);
	if (strcmp(property, "FreezerState") == 0)
		return sd_bus_message_append(reply, "s", "frozen");
	if (strcmp(property, "AllowedCPUs") == 0)
		return sd_bus_message_append_array(reply, 'y', (uint8_t[]){ 0x0d, 0x01 }, 2);
	if (strcmp(property, "IOReadBandwidthMax") == 0)
		return sd_bus_message_append(reply, "a(st)", 2, "/dev/block/8:0", UINT64_C(1000),
					     "/nowhere", UINT64_C(2));
	/* This one's device file is a character device, but its name is none of a disk. */
	if (strcmp(property, "IOWriteBandwidthMax") == 0)
		return sd_bus_message_append(reply, "a(st)", 1, "/dev/null", UINT64_C(3));
	if (strstr(property, "IOPSMax"))
		return sd_bus_message_append(reply, "a(st)", 0);
	if (strcmp(property, "CPUQuotaPeriodUSec") == 0)
		return sd_bus_message_append(reply, "t", UINT64_MAX);
	return sd_bus_message_append(reply, "t", UINT64_C(200000));
}

static const sd_bus_vtable manager[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("GetUnitByControlGroup", "s", "o", by_cgroup, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("SetUnitProperties", "sba(sv)", "", set_properties,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("FreezeUnit", "s", "", freeze, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ThawUnit", "s", "", thaw, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END
};

static const sd_bus_vtable resources[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("ControlGroup", "s", get_property, 0, 0),
	SD_BUS_PROPERTY("Delegate", "b", get_property, 0, 0),
	SD_BUS_PROPERTY("AllowedCPUs", "ay", get_property, 0, 0),
	SD_BUS_PROPERTY("IOReadBandwidthMax", "a(st)", get_property, 0, 0),
	SD_BUS_PROPERTY("IOWriteBandwidthMax", "a(st)", get_property, 0, 0),
	SD_BUS_PROPERTY("IOReadIOPSMax", "a(st)", get_property, 0, 0),
	SD_BUS_PROPERTY("IOWriteIOPSMax", "a(st)", get_property, 0, 0),
	SD_BUS_PROPERTY("CPUQuotaPerSecUSec", "t", get_property, 0, 0),
	SD_BUS_PROPERTY("CPUQuotaPeriodUSec", "t", get_property, 0, 0),
	SD_BUS_VTABLE_END
};

/* As systemd has it: slices do not know Delegate. */
static const sd_bus_vtable slice_resources[] = {
	SD_BUS_VTABLE_START(0), SD_BUS_PROPERTY("ControlGroup", "s", get_property, 0, 0),
	SD_BUS_VTABLE_END
};

static const sd_bus_vtable unit_general[] = {
	SD_BUS_VTABLE_START(0), SD_BUS_PROPERTY("FreezerState", "s", get_property, 0, 0),
	SD_BUS_VTABLE_END
};

static int add_unit(sd_bus *bus, struct fake_unit *unit)
{
	static const char *const faces[][2] = {
		{ ".service", "org.freedesktop.systemd1.Service" },
		{ ".slice", "org.freedesktop.systemd1.Slice" },
		{ ".scope", "org.freedesktop.systemd1.Scope" },
	};
	_cleanup_(freep) char *object = NULL;
	int r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit->name, &object);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(faces); i++) {
		if (strcmp(strrchr(unit->name, '.'), faces[i][0]) == 0)
			r = sd_bus_add_object_vtable(bus, NULL, object, faces[i][1],
						     i == 1 ? slice_resources : resources, unit);
	}
	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, object, "org.freedesktop.systemd1.Unit",
					     unit_general, unit);
	return r;
}

void fake_systemd_play(const char *address, struct fake_systemd_seen *seen, int ready)
{
	sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(bus, 1);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/systemd1",
					     "org.freedesktop.systemd1.Manager", manager, seen);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(units); i++)
		r = add_unit(bus, &units[i]);
	if (r >= 0)
		r = sd_bus_request_name(bus, "org.freedesktop.systemd1", 0);
	if (r >= 0 && write(ready, "x", 1) != 1)
		r = -EIO;
	while (r >= 0) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	fprintf(stderr, "the fake systemd: %s\n", strerror(-r));
	_exit(1);
}
