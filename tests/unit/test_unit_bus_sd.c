// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "policies/unit_bus_private.h"

/* On a bus of our own, with a systemd of our own on it that says what it was asked for. */

enum { TIMEOUT_MS = 2000, SHORT_MS = 300 };

/* Shared with the process that plays systemd. */
struct seen {
	char unit[64], property[64], path[64];
	uint64_t number;
	uint8_t bytes[8];
	size_t n_bytes;
	int runtime;
	unsigned int n_set, n_freeze, n_thaw;
};

struct scene {
	char dir[64], address[128];
	pid_t daemon, systemd;
	struct seen *seen;
	const struct unit_io *io;
	struct unit_bus *bus;
};

/* ---- what systemd does -------------------------------------------------------------------------
 */

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

static int read_value(sd_bus_message *m, struct seen *seen)
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
	struct seen *seen = data;
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
	struct seen *seen = data;
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
	struct seen *seen = data;

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

/* Says by a byte that it is there, and serves until it is killed. */
static void play_systemd(const char *address, struct seen *seen, int ready)
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

/* ---- the scene ---------------------------------------------------------------------------------
 */

static pid_t fork_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void start_daemon(struct scene *scene)
{
	char config[128], option[160];
	FILE *file;

	snprintf(config, sizeof(config), "%s/bus.conf", scene->dir);
	snprintf(option, sizeof(option), "--config-file=%s", config);
	file = fopen(config, "we");
	assert_non_null(file);
	fprintf(file,
		"<busconfig><listen>%s</listen><auth>EXTERNAL</auth><policy context=\"default\">"
		"<allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>"
		"<allow own=\"*\"/></policy></busconfig>\n",
		scene->address);
	assert_int_equal(fclose(file), 0);
	scene->daemon = fork_child();
	assert_true(scene->daemon >= 0);
	if (scene->daemon == 0) {
		/* It complains of limits that it cannot raise. */
		if (!freopen("/dev/null", "w", stderr))
			_exit(127);
		execlp("dbus-daemon", "dbus-daemon", option, "--nofork", "--nopidfile",
		       (char *)NULL);
		_exit(127);
	}
}

static void await_socket(struct scene *scene)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/bus", scene->dir);
	while (access(path, F_OK) < 0) {
		assert_int_equal(waitpid(scene->daemon, NULL, WNOHANG), 0);
		usleep(10000);
	}
}

static void start_systemd(struct scene *scene)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	scene->systemd = fork_child();
	assert_true(scene->systemd >= 0);
	if (scene->systemd == 0)
		play_systemd(scene->address, scene->seen, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

static void stop(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static void stop_bus(struct scene *scene)
{
	char path[128];

	stop(&scene->systemd);
	stop(&scene->daemon);
	snprintf(path, sizeof(path), "%s/bus", scene->dir);
	unlink(path);
}

static void start_bus(struct scene *scene)
{
	start_daemon(scene);
	await_socket(scene);
	start_systemd(scene);
}

static void connect_anew(struct scene *scene, unsigned int timeout_ms)
{
	unit_bus_free(scene->bus);
	scene->bus = NULL;
	unit_sd_free(scene->io);
	scene->io = NULL;
	assert_int_equal(unit_sd_new(scene->address, timeout_ms, &scene->io), 0);
	assert_int_equal(unit_bus_new(scene->io, &scene->bus), 0);
}

static int teardown(void **state)
{
	struct scene *scene = *state;
	char config[128];

	unit_bus_free(scene->bus);
	unit_sd_free(scene->io);
	stop_bus(scene);
	snprintf(config, sizeof(config), "%s/bus.conf", scene->dir);
	unlink(config);
	rmdir(scene->dir);
	munmap(scene->seen, sizeof(*scene->seen));
	free(scene);
	return 0;
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	strcpy(scene->dir, "/tmp/cgwatch-test-XXXXXX");
	assert_non_null(mkdtemp(scene->dir));
	snprintf(scene->address, sizeof(scene->address), "unix:path=%s/bus", scene->dir);
	scene->seen = mmap(NULL, sizeof(*scene->seen), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(scene->seen != MAP_FAILED);
	*state = scene;
	start_bus(scene);
	connect_anew(scene, TIMEOUT_MS);
	return 0;
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void test_find(void **state)
{
	static const struct {
		const char *path, *unit;
		int want;
	} cases[] = {
		{ "/system.slice/a.service", "a.service", 0 },
		{ "/system.slice/given.service", "given.service", 0 },
		{ "/system.slice", "system.slice", 0 },
		/* Below a unit that gave it away, and below one that knows nothing of it. */
		{ "/system.slice/given.service/own", NULL, -ENOENT },
		{ "/system.slice/a.service/own", NULL, -ENOENT },
		{ "/system.slice/made-by-hand", NULL, -ENOENT },
		{ "/docker/1234", NULL, -ENOENT },
		{ "/system.slice/a\xff", NULL, -ENOENT },
		{ "/nosuch", NULL, -ENOENT },
		{ "/", NULL, -EPERM },
		/* Nothing of this says that it is nobody's. */
		{ "/denied", NULL, -EACCES },
		{ "/odd", NULL, -EIO },
		{ "/ended", NULL, -EAGAIN },
	};
	struct scene *scene = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *unit = NULL;

		assert_int_equal(unit_bus_find(scene->bus, cases[i].path, &unit), cases[i].want);
		if (cases[i].unit)
			assert_string_equal(unit, cases[i].unit);
	}
}

static int set(struct scene *scene, const char *unit, enum knob_id knob,
	       const struct knob_value *value, char reason[256])
{
	reason[0] = '\0';
	return unit_bus_set(scene->bus, unit, knob, true, value, reason, 256);
}

static void test_set(void **state)
{
	struct knob_value quota = { 20000, 100000 }, cpus = { .text = "0,2-3,8" }, none = { 0 };
	struct scene *scene = *state;
	char reason[256];

	assert_int_equal(set(scene, "a.service", KNOB_CPU_QUOTA, &quota, reason), 0);
	assert_string_equal(scene->seen->unit, "a.service");
	assert_string_equal(scene->seen->property, "CPUQuotaPerSecUSec");
	assert_true(scene->seen->number == 200000);
	assert_int_equal(scene->seen->runtime, 1);
	assert_int_equal(set(scene, "a.service", KNOB_CPUSET_CPUS, &cpus, reason), 0);
	assert_string_equal(scene->seen->property, "AllowedCPUs");
	assert_int_equal(scene->seen->n_bytes, 2);
	assert_int_equal(scene->seen->bytes[0], 0x0d);
	assert_int_equal(scene->seen->bytes[1], 0x01);
	assert_int_equal(set(scene, "a.service", KNOB_CPUSET_CPUS, &none, reason), 0);
	assert_int_equal(scene->seen->n_bytes, 0);
	strcpy(cpus.text, "0-x");
	assert_int_equal(set(scene, "a.service", KNOB_CPUSET_CPUS, &cpus, reason), -EINVAL);
	assert_int_equal(scene->seen->n_set, 3);
}

/* What systemd has for a device is changed, not doubled under another name. */
static void test_set_device(void **state)
{
	struct knob_value value = {
		.text = "8:0",
		.io = { 5000, KNOB_IO_LEAVE, KNOB_IO_LEAVE, KNOB_IO_LEAVE },
	};
	struct scene *scene = *state;
	char reason[256];

	assert_int_equal(set(scene, "a.service", KNOB_IO_MAX, &value, reason), 0);
	assert_string_equal(scene->seen->property, "IOReadBandwidthMax");
	assert_string_equal(scene->seen->path, "/dev/block/8:0");
	assert_true(scene->seen->number == 5000);
	value.io[KNOB_IO_RBPS] = KNOB_IO_LEAVE;
	value.io[KNOB_IO_WBPS] = KNOB_UNLIMITED;
	assert_int_equal(set(scene, "a.service", KNOB_IO_MAX, &value, reason), 0);
	assert_string_equal(scene->seen->property, "IOWriteBandwidthMax");
	assert_string_equal(scene->seen->path, "/dev/block/8:0");
	assert_true(scene->seen->number == UINT64_MAX);
	value.io[KNOB_IO_RIOPS] = 1;
	assert_int_not_equal(set(scene, "ended.service", KNOB_IO_MAX, &value, reason), 0);
}

static void test_get(void **state)
{
	struct scene *scene = *state;
	struct knob_value value = { 0 };

	assert_int_equal(unit_bus_get(scene->bus, "a.service", KNOB_CPU_QUOTA, true, &value), 0);
	assert_true(value.number == 20000 && value.period == 100000);
	assert_int_equal(unit_bus_get(scene->bus, "a.service", KNOB_CPUSET_CPUS, true, &value), 0);
	assert_string_equal(value.text, "0,2-3,8");
	assert_int_equal(unit_bus_get(scene->bus, "a.service", KNOB_FREEZE, true, &value), 0);
	assert_int_equal(value.number, 1);
	strcpy(value.text, "8:0");
	assert_int_equal(unit_bus_get(scene->bus, "a.service", KNOB_IO_MAX, true, &value), 0);
	assert_true(value.io[KNOB_IO_RBPS] == 1000 && value.io[KNOB_IO_WBPS] == UINT64_MAX);
	/* No such property there: an error, and not "no limit". */
	assert_true(unit_bus_get(scene->bus, "a.service", KNOB_MEMORY_MAX, true, &value) < 0);
	assert_true(unit_bus_get(scene->bus, "a.timer", KNOB_MEMORY_MAX, true, &value) < 0);
}

static void test_refused(void **state)
{
	struct knob_value value = { 100 };
	struct scene *scene = *state;
	char reason[256];

	assert_int_equal(set(scene, "denied.service", KNOB_PIDS_MAX, &value, reason), -EACCES);
	assert_string_equal(reason,
			    "systemd did not change TasksMax of denied.service: Permission denied");
	assert_int_equal(set(scene, "nosuch.service", KNOB_PIDS_MAX, &value, reason), -ENOENT);
	assert_non_null(strstr(reason, "Unit nosuch.service not found."));
}

static void test_freeze(void **state)
{
	struct knob_value frozen = { 1 }, thawed = { 0 };
	struct scene *scene = *state;
	char reason[256];

	assert_int_equal(set(scene, "a.service", KNOB_FREEZE, &frozen, reason), 0);
	assert_int_equal(scene->seen->n_freeze, 1);
	assert_int_equal(set(scene, "a.service", KNOB_FREEZE, &thawed, reason), 0);
	assert_int_equal(scene->seen->n_thaw, 1);
}

static void test_timeout(void **state)
{
	_cleanup_(freep) char *unit = NULL;
	struct knob_value value = { 1 };
	struct scene *scene = *state;
	char reason[256];

	connect_anew(scene, SHORT_MS);
	assert_int_equal(unit_bus_find(scene->bus, "/silent", &unit), -ETIMEDOUT);
	assert_int_equal(set(scene, "silent.service", KNOB_PIDS_MAX, &value, reason), -ETIMEDOUT);
	/* What may freeze later is thawed. */
	connect_anew(scene, TIMEOUT_MS);
	assert_int_equal(set(scene, "silent.service", KNOB_FREEZE, &value, reason), -ETIMEDOUT);
	assert_int_equal(scene->seen->n_thaw, 1);
	assert_string_equal(reason, "silent.service did not freeze in time; it was thawed");
	assert_int_equal(unit_bus_find(scene->bus, "/system.slice/a.service", &unit), 0);
}

/* A bus that is stopped takes connections, but never says hello. */
static void test_bus_stands_still(void **state)
{
	_cleanup_(freep) char *unit = NULL;
	struct scene *scene = *state;

	connect_anew(scene, SHORT_MS);
	assert_int_equal(kill(scene->daemon, SIGSTOP), 0);
	assert_int_equal(unit_bus_find(scene->bus, "/system.slice/a.service", &unit), -ETIMEDOUT);
	assert_int_equal(kill(scene->daemon, SIGCONT), 0);
	connect_anew(scene, TIMEOUT_MS);
	assert_int_equal(unit_bus_find(scene->bus, "/system.slice/a.service", &unit), 0);
}

static void test_bus_gone(void **state)
{
	_cleanup_(freep) char *unit = NULL;
	struct scene *scene = *state;
	int r;

	assert_int_equal(unit_bus_find(scene->bus, "/system.slice/a.service", &unit), 0);
	stop_bus(scene);
	free(TAKE_PTR(unit));
	/* It must not look as if the cgroup were nobody's. */
	r = unit_bus_find(scene->bus, "/system.slice/a.service", &unit);
	assert_true(r < 0 && r != -ENOENT);
	start_bus(scene);
	assert_int_equal(unit_bus_find(scene->bus, "/system.slice/a.service", &unit), 0);
	/* Started anew between two calls, it is not noticed at all. */
	stop_bus(scene);
	start_bus(scene);
	free(TAKE_PTR(unit));
	assert_int_equal(unit_bus_find(scene->bus, "/system.slice/a.service", &unit), 0);
	/* On the bus, but no systemd. */
	stop(&scene->systemd);
	free(TAKE_PTR(unit));
	r = unit_bus_find(scene->bus, "/system.slice/a.service", &unit);
	assert_true(r < 0 && r != -ENOENT);
}

/* The watchdog has a copy of what its parent had open. */
static void test_forked(void **state)
{
	_cleanup_(freep) char *unit = NULL;
	struct scene *scene = *state;
	int status;
	pid_t pid;

	assert_int_equal(unit_bus_find(scene->bus, "/system.slice/a.service", &unit), 0);
	pid = fork_child();
	assert_true(pid >= 0);
	if (pid == 0) {
		char *copy = NULL;

		_exit(unit_bus_find(scene->bus, "/system.slice/a.service", &copy) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	free(TAKE_PTR(unit));
	assert_int_equal(unit_bus_find(scene->bus, "/system.slice/a.service", &unit), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_get, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_freeze, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bus_stands_still, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bus_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forked, setup, teardown),
	};

	if (system("dbus-daemon --version >/dev/null 2>&1") != 0) {
		printf("skipped: no dbus-daemon here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
