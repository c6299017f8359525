// SPDX-License-Identifier: MIT
#include "policies/unit_bus_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "collectors/root.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "policies/ownership.h"

#define SERVICE	  "org.freedesktop.systemd1"
#define MANAGER	  "org.freedesktop.systemd1.Manager"
#define OBJECT	  "/org/freedesktop/systemd1"
#define UNITS	  "/org/freedesktop/systemd1/unit"
#define NO_UNIT	  "org.freedesktop.systemd1.NoSuchUnit"
#define UNIT_FACE "org.freedesktop.systemd1.Unit"

struct unit_sd {
	struct unit_io io;
	sd_bus *bus;
	char *address; /* NULL: the system bus */
	uint64_t timeout_usec;
	struct root *root; /* names of devices; made when first needed */
};

/* One call with all that it takes and gives; run again on a new connection if the old one is lost.
 */
struct request {
	const char *unit, *path, *property, *text;
	uint64_t number;
	bool flag;
	sd_bus_error error;
	char *ret_unit, *ret_text;
	bool ret_delegated;
	uint64_t ret_number;
};

typedef int (*request_fn)(struct unit_sd *sd, struct request *request);

static void messagep(sd_bus_message **message)
{
	sd_bus_message_unref(*message);
}

/* ---- the connection ----------------------------------------------------------------------------
 */

static void sd_disconnect(struct unit_sd *sd)
{
	/* Not flushed: that could wait. */
	if (sd->bus)
		sd_bus_close(sd->bus);
	sd->bus = sd_bus_unref(sd->bus);
}

static int start_at(struct unit_sd *sd, const char *address, bool is_bus)
{
	int r = sd_bus_new(&sd->bus);

	if (r >= 0)
		r = sd_bus_set_address(sd->bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(sd->bus, is_bus);
	return r < 0 ? r : sd_bus_start(sd->bus);
}

static int start_given(struct unit_sd *sd)
{
	return start_at(sd, sd->address, true);
}

static int start_system(struct unit_sd *sd)
{
	return sd_bus_open_system(&sd->bus);
}

/* systemd's own socket, as systemctl uses it: where there is no bus, or it is not well. */
static int start_private(struct unit_sd *sd)
{
	return start_at(sd, "unix:path=/run/systemd/private", false);
}

/* sd-bus itself would wait for 90 s until the bus has said hello. */
static int sd_await_hello(struct unit_sd *sd)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC) / 1000, end = now + sd->timeout_usec;
	int r = sd_bus_set_method_call_timeout(sd->bus, sd->timeout_usec);

	while (r >= 0 && (r = sd_bus_is_ready(sd->bus)) == 0) {
		r = sd_bus_process(sd->bus, NULL);
		if (r != 0)
			continue;
		now = clock_ns(CLOCK_MONOTONIC) / 1000;
		if (now >= end)
			return -ETIMEDOUT;
		r = sd_bus_wait(sd->bus, end - now);
		if (r == -EINTR)
			r = 0;
	}
	return r < 0 ? r : 0;
}

static int sd_try(struct unit_sd *sd, int (*start)(struct unit_sd *sd))
{
	int r;

	sd_disconnect(sd);
	r = start(sd);
	if (r >= 0)
		r = sd_await_hello(sd);
	if (r < 0)
		sd_disconnect(sd);
	return r < 0 ? r : 0;
}

/*
 * -ENOENT only where systemd is not process 1. The connection of a process that forked us is none
 * of ours: sd-bus says -ECHILD.
 */
static int sd_connect(struct unit_sd *sd)
{
	int r;

	if (sd->bus && sd_bus_is_open(sd->bus) > 0)
		return 0;
	if (!sd->address && sd_booted() <= 0)
		return -ENOENT;
	r = sd_try(sd, sd->address ? start_given : start_system);
	if (r < 0 && !sd->address)
		r = sd_try(sd, start_private);
	return r == -ENOENT ? -ENOTCONN : r;
}

static bool is_lost(int r)
{
	static const int errors[] = { -ENOTCONN, -ECONNRESET, -EPIPE, -ESHUTDOWN };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		if (r == errors[i])
			return true;
	}
	return false;
}

/*
 * All calls can be made twice. After a timeout the connection is given up too: a late answer has
 * nobody to take it.
 */
static int sd_run(struct unit_sd *sd, request_fn fn, struct request *request)
{
	int r = -ENOTCONN;

	for (unsigned int try = 0; try < 2 && is_lost(r); try++) {
		sd_bus_error_free(&request->error);
		r = sd_connect(sd);
		if (r < 0)
			return r;
		r = fn(sd, request);
		if (is_lost(r) || r == -ETIMEDOUT)
			sd_disconnect(sd);
	}
	return r;
}

/* What is not a unit is no error of ours; but nothing else may look like that. */
static int sd_error(const struct request *request, int r)
{
	if (sd_bus_error_has_name(&request->error, NO_UNIT))
		return -ENOENT;
	return r == -ENOENT ? -EIO : r;
}

/* ---- units -------------------------------------------------------------------------------------
 */

/* The interface with a unit's resource properties; NULL: its type has no cgroup. */
static const char *unit_face(const char *unit)
{
	static const char *const faces[][2] = {
		{ ".service", SERVICE ".Service" }, { ".scope", SERVICE ".Scope" },
		{ ".slice", SERVICE ".Slice" },	    { ".socket", SERVICE ".Socket" },
		{ ".mount", SERVICE ".Mount" },	    { ".swap", SERVICE ".Swap" },
	};
	const char *suffix = strrchr(unit, '.');

	for (size_t i = 0; suffix && i < ARRAY_SIZE(faces); i++) {
		if (strcmp(suffix, faces[i][0]) == 0)
			return faces[i][1];
	}
	return NULL;
}

static int find_unit(struct unit_sd *sd, struct request *request)
{
	_cleanup_(messagep) sd_bus_message *reply = NULL;
	const char *object;
	int r = sd_bus_call_method(sd->bus, SERVICE, OBJECT, MANAGER, "GetUnitByControlGroup",
				   &request->error, &reply, "s", request->path);

	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &object);
	if (r < 0)
		return r;
	free(request->ret_unit);
	request->ret_unit = NULL;
	r = sd_bus_path_decode(object, UNITS, &request->ret_unit);
	return r < 0 ? r : r == 0 ? -EBADMSG : 0;
}

/* Slices and sockets cannot be delegated, and do not know the property (systemd.resource-control).
 */
static int read_delegate(struct unit_sd *sd, struct request *request)
{
	_cleanup_(freep) char *object = NULL;
	const char *face = unit_face(request->ret_unit);
	int delegate = 0, r = sd_bus_path_encode(UNITS, request->ret_unit, &object);

	if (r >= 0 &&
	    (strcmp(face, SERVICE ".Service") == 0 || strcmp(face, SERVICE ".Scope") == 0))
		r = sd_bus_get_property_trivial(sd->bus, SERVICE, object, face, "Delegate",
						&request->error, 'b', &delegate);
	request->ret_delegated = delegate;
	return r < 0 ? r : 0;
}

/*
 * systemd names the nearest unit above. Only the unit's own cgroup is changed by its properties:
 * what somebody made below it is that one's.
 */
static int find_fn(struct unit_sd *sd, struct request *request)
{
	_cleanup_(freep) char *own = NULL, *object = NULL;
	const char *face;
	int r = find_unit(sd, request);

	if (r < 0)
		return sd_error(request, r);
	face = unit_face(request->ret_unit);
	if (!face)
		return -EBADMSG;
	r = sd_bus_path_encode(UNITS, request->ret_unit, &object);
	if (r >= 0)
		r = sd_bus_get_property_string(sd->bus, SERVICE, object, face, "ControlGroup",
					       &request->error, &own);
	if (r < 0)
		return sd_error(request, r);
	if (strcmp(own, request->path) == 0)
		return 0;
	/* The unit went to another cgroup, or ended, while we asked. */
	if (!*own || !ownership_contains(own, request->path))
		return -EAGAIN;
	r = read_delegate(sd, request);
	if (r < 0)
		return sd_error(request, r);
	return request->ret_delegated ? 0 : -ENOENT;
}

static bool is_text(const char *path)
{
	/* D-Bus takes no other bytes, and systemd gives its cgroups no other names. */
	for (; *path; path++) {
		if ((unsigned char)*path < ' ' || (unsigned char)*path >= 0x7f)
			return false;
	}
	return true;
}

static int sd_find(void *data, const char *path, char **ret_unit, bool *ret_delegated)
{
	struct unit_sd *sd = data;
	struct request request = { .path = path };
	int r;

	if (!is_text(path))
		return -ENOENT;
	r = sd_run(sd, find_fn, &request);
	sd_bus_error_free(&request.error);
	if (r < 0) {
		free(request.ret_unit);
		return r;
	}
	*ret_unit = request.ret_unit;
	*ret_delegated = request.ret_delegated;
	return 0;
}

/* ---- properties --------------------------------------------------------------------------------
 */

static const char *const signatures[] = {
	[UNIT_TYPE_NUMBER] = "t",
	[UNIT_TYPE_TEXT] = "s",
	[UNIT_TYPE_SET] = "ay",
	[UNIT_TYPE_DEVICES] = "a(st)",
};

static int property_read(struct unit_sd *sd, struct request *request, enum unit_type type,
			 sd_bus_message **ret_reply)
{
	_cleanup_(freep) char *object = NULL;
	const char *face = type == UNIT_TYPE_TEXT ? UNIT_FACE : unit_face(request->unit);
	int r;

	if (!face)
		return -EINVAL;
	r = sd_bus_path_encode(UNITS, request->unit, &object);
	if (r < 0)
		return r;
	r = sd_bus_get_property(sd->bus, SERVICE, object, face, request->property, &request->error,
				ret_reply, signatures[type]);
	return r < 0 ? sd_error(request, r) : 0;
}

static int append_set(sd_bus_message *message, struct request *request)
{
	uint8_t bytes[UNIT_SET_MAX];
	int n = unit_set_parse(request->text, bytes);

	return n < 0 ? n : sd_bus_message_append_array(message, 'y', bytes, (size_t)n);
}

static int append_device(struct unit_sd *sd, sd_bus_message *message, struct request *request)
{
	_cleanup_(messagep) sd_bus_message *present = NULL;
	char path[512];
	int r = property_read(sd, request, UNIT_TYPE_DEVICES, &present);

	if (r >= 0)
		r = unit_devices_path(&sd->root, present, request->text, path, sizeof(path));
	if (r >= 0)
		r = sd_bus_message_append(message, "a(st)", 1, path, request->number);
	return r;
}

static int append_value(struct unit_sd *sd, sd_bus_message *message, struct request *request)
{
	enum unit_type type = unit_property_type(request->property);
	int r = sd_bus_message_open_container(message, 'v', signatures[type]);

	if (r < 0)
		return r;
	if (type == UNIT_TYPE_NUMBER)
		r = sd_bus_message_append(message, "t", request->number);
	else if (type == UNIT_TYPE_SET)
		r = append_set(message, request);
	else if (type == UNIT_TYPE_DEVICES)
		r = append_device(sd, message, request);
	else
		r = -EINVAL;
	return r < 0 ? r : sd_bus_message_close_container(message);
}

static int set_fn(struct unit_sd *sd, struct request *request)
{
	_cleanup_(messagep) sd_bus_message *message = NULL;
	int r = sd_bus_message_new_method_call(sd->bus, &message, SERVICE, OBJECT, MANAGER,
					       "SetUnitProperties");

	if (r >= 0)
		r = sd_bus_message_append(message, "sb", request->unit, 1);
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(message, "s", request->property);
	if (r >= 0)
		r = append_value(sd, message, request);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	if (r >= 0)
		r = sd_bus_call(sd->bus, message, 0, &request->error, NULL);
	return r < 0 ? sd_error(request, r) : 0;
}

static int sd_set(void *data, const char *unit, const char *property, uint64_t number,
		  const char *text, char *reason, size_t size)
{
	struct request request = {
		.unit = unit, .property = property, .number = number, .text = text
	};
	int r = sd_run(data, set_fn, &request);

	if (r < 0 && request.error.message)
		snprintf(reason, size, "%s", request.error.message);
	sd_bus_error_free(&request.error);
	return r;
}

static int get_fn(struct unit_sd *sd, struct request *request)
{
	enum unit_type type = unit_property_type(request->property);
	_cleanup_(messagep) sd_bus_message *reply = NULL;
	const void *bytes;
	const char *text;
	size_t n;
	int r = property_read(sd, request, type, &reply);

	if (r < 0)
		return r;
	free(request->ret_text);
	request->ret_text = NULL;
	if (type == UNIT_TYPE_NUMBER)
		return sd_bus_message_read(reply, "t", &request->ret_number);
	if (type == UNIT_TYPE_DEVICES)
		return unit_devices_read(&sd->root, reply, &request->ret_text);
	if (type == UNIT_TYPE_TEXT) {
		r = sd_bus_message_read(reply, "s", &text);
		request->ret_text = r < 0 ? NULL : strdup(text);
	} else {
		r = sd_bus_message_read_array(reply, 'y', &bytes, &n);
		request->ret_text = r < 0 ? NULL
					  : calloc(1, sizeof(((struct knob_value *)0)->text));
		if (request->ret_text)
			r = unit_set_format(bytes, n, request->ret_text,
					    sizeof(((struct knob_value *)0)->text));
	}
	return r < 0 ? r : request->ret_text ? 0 : -ENOMEM;
}

static int sd_get(void *data, const char *unit, const char *property, uint64_t *ret_number,
		  char **ret_text)
{
	struct request request = { .unit = unit, .property = property };
	int r = sd_run(data, get_fn, &request);

	sd_bus_error_free(&request.error);
	if (r < 0) {
		free(request.ret_text);
		return r;
	}
	*ret_number = request.ret_number;
	*ret_text = request.ret_text;
	return 0;
}

static int freeze_fn(struct unit_sd *sd, struct request *request)
{
	int r = sd_bus_call_method(sd->bus, SERVICE, OBJECT, MANAGER,
				   request->flag ? "FreezeUnit" : "ThawUnit", &request->error, NULL,
				   "s", request->unit);

	return r < 0 ? sd_error(request, r) : 0;
}

static int sd_freeze(void *data, const char *unit, bool freeze)
{
	struct request request = { .unit = unit, .flag = freeze };
	int r = sd_run(data, freeze_fn, &request);

	sd_bus_error_free(&request.error);
	return r;
}

int unit_sd_new(const char *address, unsigned int timeout_ms, const struct unit_io **ret_io)
{
	struct unit_sd *sd = calloc(1, sizeof(*sd));

	if (!sd)
		return -ENOMEM;
	sd->io = (struct unit_io){ sd_find, sd_set, sd_get, sd_freeze, sd };
	sd->timeout_usec = (uint64_t)timeout_ms * 1000;
	sd->address = address ? strdup(address) : NULL;
	if (address && !sd->address) {
		free(sd);
		return -ENOMEM;
	}
	*ret_io = &sd->io;
	return 0;
}

void unit_sd_free(const struct unit_io *io)
{
	struct unit_sd *sd = io ? io->data : NULL;

	if (!sd)
		return;
	sd_disconnect(sd);
	root_free(sd->root);
	free(sd->address);
	free(sd);
}
