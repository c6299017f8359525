/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/unit_bus.h"

/* How a property of a unit travels. */
enum unit_type {
	UNIT_TYPE_NUMBER,  /* t: `number` */
	UNIT_TYPE_TEXT,	   /* s: `text`, read only */
	UNIT_TYPE_SET,	   /* ay, a bit a CPU or node: `text` is a list like "0-3,8" */
	UNIT_TYPE_DEVICES, /* a(st), a limit a device: set by `number` and `text` "8:0" */
};

/* The type of a property that we know. */
enum unit_type unit_property_type(const char *property);

enum { UNIT_SET_MAX = 1024 }; /* bytes of a bit set: 8192 CPUs */
/* "0-3,8" as systemd wants it, and back. The number of bytes, or -EINVAL, -ERANGE. */
int unit_set_parse(const char *list, uint8_t bytes[UNIT_SET_MAX]);
/* 0 or -ERANGE if it does not fit. */
int unit_set_format(const uint8_t *bytes, size_t n, char *list, size_t size);

/*
 * The real thing, on sd-bus. `address` NULL: the system bus, and only where systemd is process 1.
 * No call takes longer than `timeout_ms`. 0 or -ENOMEM. A list of devices is read as lines
 * "8:0 LIMIT". unit_sd_free() takes what unit_sd_new() gave.
 */
int unit_sd_new(const char *address, unsigned int timeout_ms, const struct unit_io **ret_io);
void unit_sd_free(const struct unit_io *io);

struct sd_bus_message;
/*
 * The path by which systemd has the device `number` ("8:0") in the list a(st) already, or one by
 * which it finds it. `*root` is made when it is needed. -errno.
 */
int unit_devices_path(struct root **root, struct sd_bus_message *list, const char *number,
		      char *path, size_t size);
/* The list as lines "8:0 LIMIT"; what is no device of this machine is left out. -errno. */
int unit_devices_read(struct root **root, struct sd_bus_message *list, char **ret_text);
