// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/cleanup.h"
#include "core/units.h"

/*
 * KNOB_IO_MAX: one device's line of io.max (cgroup-v2.rst, "IO Interface Files"), or its lines in
 * the four blkio.throttle files (cgroup-v1/blkio-controller.rst).
 */
static const struct {
	const char *name, *v1_file;
	bool bytes;
} limits[KNOB_IO_COUNT] = {
	[KNOB_IO_RBPS] = { "rbps", "blkio.throttle.read_bps_device", true },
	[KNOB_IO_WBPS] = { "wbps", "blkio.throttle.write_bps_device", true },
	[KNOB_IO_RIOPS] = { "riops", "blkio.throttle.read_iops_device", false },
	[KNOB_IO_WIOPS] = { "wiops", "blkio.throttle.write_iops_device", false },
};

DEFINE_CLEANUP(struct root *, root_free)

/* ---- what people write ----------------------------------------------------------------------- */

static int parse_numbers(const char *text, unsigned int *ret_major, unsigned int *ret_minor)
{
	_cleanup_(freep) char *copy = strdup(text);
	char *minor_text = copy ? strchr(copy, ':') : NULL;
	uint64_t major, minor;

	if (!minor_text)
		return copy ? -EINVAL : -ENOMEM;
	*minor_text++ = '\0';
	if (parse_u64(copy, &major) < 0 || parse_u64(minor_text, &minor) < 0 || major > 0xfff ||
	    minor > 0xfffff)
		return -EINVAL;
	*ret_major = (unsigned int)major;
	*ret_minor = (unsigned int)minor;
	return 0;
}

/* Throttling is by whole disks: the kernel answers ENODEV to a partition (blkg_conf_open_bdev()).
 */
static void whole_disk(unsigned int *major, unsigned int *minor)
{
	_cleanup_(root_freep) struct root *root = NULL;
	struct strbuf text;
	char path[96];

	snprintf(path, sizeof(path), "dev/block/%u:%u/partition", *major, *minor);
	strbuf_init(&text);
	if (root_new(NULL, &root) == 0 && root_read(root, ROOT_SYS, path, &text) == 0) {
		strbuf_clear(&text);
		snprintf(path, sizeof(path), "dev/block/%u:%u/../dev", *major, *minor);
		if (root_read(root, ROOT_SYS, path, &text) == 0 && text.data) {
			text.data[strcspn(text.data, "\n")] = '\0';
			parse_numbers(text.data, major, minor);
		}
	}
	strbuf_done(&text);
}

/* "8:0", a device file, or a path on the device. */
static int parse_device(const char *text, struct knob_value *value, const char **ret_reason)
{
	unsigned int device_major, device_minor;
	struct stat status;

	*ret_reason = "the device is neither MAJOR:MINOR (8:0) nor an absolute path (/dev/sda)";
	if (text[0] != '/') {
		if (parse_numbers(text, &device_major, &device_minor) < 0)
			return -EINVAL;
	} else {
		dev_t device;

		*ret_reason = "there is no such device or path";
		if (stat(text, &status) < 0)
			return -ENODEV;
		*ret_reason = "the path is on no block device";
		device = S_ISBLK(status.st_mode) ? status.st_rdev : status.st_dev;
		if (S_ISCHR(status.st_mode) || major(device) == 0)
			return -ENODEV;
		device_major = major(device);
		device_minor = minor(device);
		whole_disk(&device_major, &device_minor);
	}
	snprintf(value->text, sizeof(value->text), "%u:%u", device_major, device_minor);
	return 0;
}

static int parse_limit(const char *word, struct knob_value *value, const char **ret_reason)
{
	size_t length = strcspn(word, "="), i = 0;
	const char *text = word + length + (word[length] == '=');
	int r;

	while (i < KNOB_IO_COUNT &&
	       (strlen(limits[i].name) != length || strncmp(limits[i].name, word, length) != 0))
		i++;
	*ret_reason =
		"the limits are rbps, wbps, riops and wiops, as in \"8:0 wbps=10M wiops=100\"";
	if (i == KNOB_IO_COUNT || word[length] != '=')
		return -EINVAL;
	*ret_reason = "a limit is given twice";
	if (value->io[i] != KNOB_IO_LEAVE)
		return -EINVAL;
	value->io[i] = KNOB_UNLIMITED;
	if (strcmp(text, "max") == 0)
		return 0;
	*ret_reason = limits[i].bytes
			      ? "rbps and wbps are sizes a second with their unit (10M) or \"max\""
			      : "riops and wiops are numbers a second or \"max\"";
	r = limits[i].bytes ? parse_size(text, &value->io[i]) : parse_u64(text, &value->io[i]);
	if (r < 0)
		return r;
	*ret_reason = "a limit of 0 would let nothing through: the kernel refuses it";
	if (value->io[i] == 0)
		return -ERANGE;
	*ret_reason = "it is outside what the kernel takes";
	/* Operations are 32 bits wide in the kernel. */
	return value->io[i] > (limits[i].bytes ? (uint64_t)INT64_MAX : UINT32_MAX - 1) ? -ERANGE
										       : 0;
}

static int parse_throttle(enum knob_id knob, const char *text, struct knob_value *value,
			  const char **ret_reason)
{
	_cleanup_(freep) char *copy = strdup(text);
	char *rest = copy, *word;
	int r = 0, n = 0;

	(void)knob;
	*ret_reason = "no memory";
	if (!copy)
		return -ENOMEM;
	for (int i = 0; i < KNOB_IO_COUNT; i++)
		value->io[i] = KNOB_IO_LEAVE;
	while (r == 0 && (word = strsep(&rest, " \t"))) {
		if (!*word)
			continue;
		r = n++ == 0 ? parse_device(word, value, ret_reason)
			     : parse_limit(word, value, ret_reason);
	}
	if (r == 0 && n < 2) {
		*ret_reason = "it is not a device and its limits, as in \"8:0 wbps=10M wiops=100\"";
		r = -EINVAL;
	}
	return r;
}

/* ---- how it is shown and compared ------------------------------------------------------------ */

static void add_limits(const struct knob_value *value, bool human, struct strbuf *buffer)
{
	strbuf_add_string(buffer, value->text);
	for (size_t i = 0; i < KNOB_IO_COUNT; i++) {
		if (value->io[i] == KNOB_IO_LEAVE)
			continue;
		strbuf_printf(buffer, " %s=", limits[i].name);
		if (value->io[i] == KNOB_UNLIMITED) {
			strbuf_add_string(buffer, "max");
		} else if (limits[i].bytes && human) {
			format_human(buffer, UNIT_BYTES, (double)value->io[i], false);
		} else {
			strbuf_add_u64(buffer, value->io[i]);
			if (limits[i].bytes)
				strbuf_add_char(buffer, 'B');
		}
	}
}

static void format_throttle(const struct knob_value *value, struct strbuf *buffer)
{
	add_limits(value, false, buffer);
}

static bool is_unlimited(const struct knob_value *value)
{
	for (size_t i = 0; i < KNOB_IO_COUNT; i++) {
		if (value->io[i] != KNOB_UNLIMITED)
			return false;
	}
	return true;
}

static void human_throttle(const struct knob_value *value, struct strbuf *buffer)
{
	if (is_unlimited(value))
		strbuf_printf(buffer, "%s max", value->text);
	else
		add_limits(value, true, buffer);
}

/* What is left as it is differs from nothing. */
static bool equal_throttle(const struct knob_value *a, const struct knob_value *b)
{
	for (size_t i = 0; i < KNOB_IO_COUNT; i++) {
		if (a->io[i] != b->io[i] && a->io[i] != KNOB_IO_LEAVE && b->io[i] != KNOB_IO_LEAVE)
			return false;
	}
	return strcmp(a->text, b->text) == 0;
}

static bool tighter_throttle(const struct knob_value *a, const struct knob_value *b)
{
	for (size_t i = 0; i < KNOB_IO_COUNT; i++) {
		if (a->io[i] < b->io[i] && a->io[i] != KNOB_IO_LEAVE && b->io[i] != KNOB_IO_LEAVE)
			return true;
	}
	return false;
}

const struct knob_form knob_form_throttle = { parse_throttle, format_throttle, human_throttle,
					      equal_throttle, tighter_throttle };

void knob_throttle_tightest(const struct knob_value *a, const struct knob_value *b,
			    struct knob_value *ret_value)
{
	struct knob_value value = *a;

	for (size_t i = 0; i < KNOB_IO_COUNT; i++) {
		if (a->io[i] == KNOB_IO_LEAVE || (b->io[i] != KNOB_IO_LEAVE && b->io[i] < a->io[i]))
			value.io[i] = b->io[i];
	}
	*ret_value = value;
}

void knob_throttle_resolve(const struct knob_value *before, struct knob_value *value)
{
	for (size_t i = 0; i < KNOB_IO_COUNT; i++) {
		if (value->io[i] == KNOB_IO_LEAVE)
			value->io[i] = before->io[i];
	}
}
