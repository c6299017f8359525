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

/* ---- the files ------------------------------------------------------------------------------- */

/* The rest of the line that begins with the device, or NULL. `text` is changed. */
static char *find_device(char *text, const char *device)
{
	size_t length = strlen(device);
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, device, length) == 0 && line[length] == ' ')
			return line + length + 1;
	}
	return NULL;
}

static int read_number(const char *text, bool zero_is_none, uint64_t *ret_number)
{
	*ret_number = KNOB_UNLIMITED;
	if (strcmp(text, "max") == 0)
		return 0;
	if (parse_u64(text, ret_number) < 0)
		return -EBADMSG;
	if (zero_is_none && *ret_number == 0)
		*ret_number = KNOB_UNLIMITED;
	return 0;
}

/* "rbps=1048576 wbps=max riops=max wiops=max"; keys that are not known are for others. */
static int read_line_v2(char *line, struct knob_value *value)
{
	char *word;
	int r = 0;

	while (r == 0 && (word = strsep(&line, " "))) {
		char *number = strchr(word, '=');

		if (!number)
			continue;
		*number++ = '\0';
		for (size_t i = 0; i < KNOB_IO_COUNT && r == 0; i++) {
			if (strcmp(limits[i].name, word) == 0)
				r = read_number(number, false, &value->io[i]);
		}
	}
	return r;
}

static int read_file(const struct knob_access *access, const char *file, struct knob_value *value,
		     uint64_t *ret_number)
{
	struct strbuf text;
	char *line;
	int r;

	strbuf_init(&text);
	r = knob_read_text(access, file, &text);
	/* A text without its end is one that was not read to its end. */
	if (r == 0 && text.length > 0 && text.data[text.length - 1] != '\n')
		r = -EBADMSG;
	line = r == 0 && text.data ? find_device(text.data, value->text) : NULL;
	if (line)
		r = ret_number ? read_number(line, true, ret_number) : read_line_v2(line, value);
	strbuf_done(&text);
	return r;
}

/* A device without a line has no limits. */
int knob_read_throttle(const struct knob_access *access, const struct knob_value *place,
		       struct knob_value *ret_value)
{
	struct knob_value value = { 0 };
	int r = 0;

	if (!place || !place->text[0])
		return -EINVAL;
	memcpy(value.text, place->text, sizeof(value.text));
	for (size_t i = 0; i < KNOB_IO_COUNT; i++)
		value.io[i] = KNOB_UNLIMITED;
	if (access->hierarchy->v2)
		r = read_file(access, access->file, &value, NULL);
	for (size_t i = 0; i < KNOB_IO_COUNT && !access->hierarchy->v2 && r == 0; i++)
		r = read_file(access, limits[i].v1_file, &value, &value.io[i]);
	if (r == 0)
		*ret_value = value;
	return r;
}

static void write_text(const struct knob_value *present, const struct knob_value *next, char *text,
		       size_t size)
{
	int n = snprintf(text, size, "%s", next->text);

	for (size_t i = 0; i < KNOB_IO_COUNT && n > 0 && (size_t)n < size; i++) {
		if (next->io[i] == present->io[i])
			continue;
		if (next->io[i] == KNOB_UNLIMITED)
			n += snprintf(text + n, size - (size_t)n, " %s=max", limits[i].name);
		else
			n += snprintf(text + n, size - (size_t)n, " %s=%llu", limits[i].name,
				      (unsigned long long)next->io[i]);
	}
}

static int write_v1(const struct knob_access *access, size_t limit, const struct knob_value *value)
{
	uint64_t number = value->io[limit];
	char text[300];

	snprintf(text, sizeof(text), "%s %llu", value->text,
		 number == KNOB_UNLIMITED ? 0ULL : (unsigned long long)number);
	return knob_write_text(access, limits[limit].v1_file, text);
}

/* Four files; if one is refused, those before it go back. */
static int write_all_v1(const struct knob_access *access, struct knob_result *result)
{
	struct knob_value present = result->before;
	size_t i;
	int r = 0;

	for (i = 0; i < KNOB_IO_COUNT && r == 0; i++) {
		struct knob_value next = present;

		next.io[i] = result->requested.io[i];
		if (next.io[i] == present.io[i])
			continue;
		r = knob_announce(access, &present, &next, result);
		if (r == 0)
			r = write_v1(access, i, &next);
		if (r == 0)
			present = next;
		else if (!result->error)
			knob_fail(result, r, "%s: %s", limits[i].v1_file,
				  r == -ENODEV ? "there is no such disk (a partition has no "
						 "limits of its own)"
					       : strerror(-r));
	}
	for (i = 0; i < KNOB_IO_COUNT && r < 0; i++) {
		if (present.io[i] != result->before.io[i] &&
		    write_v1(access, i, &result->before) < 0)
			knob_append(result, "; AND %s COULD NOT BE PUT BACK", limits[i].v1_file);
	}
	return r;
}

int knob_write_throttle(const struct knob_access *access, struct knob_result *result)
{
	char text[600];
	int r;

	if (access->unit)
		return knob_step(access, &result->before, &result->requested, result);
	if (!access->hierarchy->v2)
		return write_all_v1(access, result);
	r = knob_announce(access, &result->before, &result->requested, result);
	if (r < 0)
		return r;
	write_text(&result->before, &result->requested, text, sizeof(text));
	r = knob_write_text(access, access->file, text);
	return r < 0 ? knob_explain(access, result, r) : 0;
}
