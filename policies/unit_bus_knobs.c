// SPDX-License-Identifier: MIT
#include "policies/unit_bus_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

/*
 * Properties that are no number, by name (org.freedesktop.systemd1(5)). The device lists come in
 * the order of enum knob_io_limit in the table of unit_bus.c.
 */
static const struct {
	const char *name;
	enum unit_type type;
} types[] = {
	{ "FreezerState", UNIT_TYPE_TEXT },
	{ "AllowedCPUs", UNIT_TYPE_SET },
	{ "AllowedMemoryNodes", UNIT_TYPE_SET },
	{ "IOReadBandwidthMax", UNIT_TYPE_DEVICES },
	{ "IOWriteBandwidthMax", UNIT_TYPE_DEVICES },
	{ "IOReadIOPSMax", UNIT_TYPE_DEVICES },
	{ "IOWriteIOPSMax", UNIT_TYPE_DEVICES },
	{ "BlockIOReadBandwidth", UNIT_TYPE_DEVICES },
	{ "BlockIOWriteBandwidth", UNIT_TYPE_DEVICES },
};

enum unit_type unit_property_type(const char *property)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(types[i].name, property) == 0)
			return types[i].type;
	}
	return UNIT_TYPE_NUMBER;
}

/* One number of a list; moves on. -EINVAL, or -ERANGE. */
static int list_number(const char **at, unsigned int *ret_number)
{
	unsigned int number = 0;

	if (**at < '0' || **at > '9')
		return -EINVAL;
	for (; **at >= '0' && **at <= '9'; ++*at) {
		number = number * 10 + (unsigned int)(**at - '0');
		if (number >= UNIT_SET_MAX * 8)
			return -ERANGE;
	}
	*ret_number = number;
	return 0;
}

static int list_range(const char **at, unsigned int *ret_first, unsigned int *ret_last)
{
	int r = list_number(at, ret_first);

	*ret_last = *ret_first;
	if (r == 0 && **at == '-') {
		++*at;
		r = list_number(at, ret_last);
	}
	if (r < 0)
		return r;
	return *ret_last < *ret_first ? -EINVAL : 0;
}

int unit_set_parse(const char *list, uint8_t bytes[UNIT_SET_MAX])
{
	unsigned int first = 0, last = 0;
	int n = 0;

	memset(bytes, 0, UNIT_SET_MAX);
	while (*list) {
		int r = list_range(&list, &first, &last);

		if (r < 0)
			return r;
		for (unsigned int i = first; i <= last; i++)
			bytes[i / 8] |= (uint8_t)(1U << i % 8);
		n = (int)(last / 8) + 1 > n ? (int)(last / 8) + 1 : n;
		if (*list == ',' && list[1])
			list++;
		else if (*list)
			return -EINVAL;
	}
	return n;
}

static bool has_bit(const uint8_t *bytes, size_t n, size_t bit)
{
	return bit / 8 < n && bytes[bit / 8] & 1U << bit % 8;
}

int unit_set_format(const uint8_t *bytes, size_t n, char *list, size_t size)
{
	size_t length = 0;

	list[0] = '\0';
	for (size_t i = 0; i < n * 8; i++) {
		size_t last = i;
		int written;

		if (!has_bit(bytes, n, i))
			continue;
		while (has_bit(bytes, n, last + 1))
			last++;
		written = snprintf(list + length, size - length, last > i ? "%s%zu-%zu" : "%s%zu",
				   length ? "," : "", i, last);
		if (written < 0 || (size_t)written >= size - length)
			return -ERANGE;
		length += (size_t)written;
		i = last;
	}
	return 0;
}
