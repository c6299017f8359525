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
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "policies/unit_bus_private.h"
#include "tests/unit/fake_systemd.h"

/* On a bus of our own, with a systemd of our own on it that says what it was asked for. */

enum { PATIENCE_MS = 60000, TIMEOUT_MS = 5000, SHORT_MS = 300 };

struct scene {
	char dir[64], address[128];
	pid_t daemon, systemd;
	struct fake_systemd_seen *seen;
	const struct unit_io *io;
	struct unit_bus *bus;
};

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
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/bus", scene->dir);
	/* Its file is there before it listens. */
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
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
		fake_systemd_play(scene->address, scene->seen, ready[1]);
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
	connect_anew(scene, PATIENCE_MS);
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
	connect_anew(scene, PATIENCE_MS);
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
	connect_anew(scene, PATIENCE_MS);
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
