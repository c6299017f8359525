// SPDX-License-Identifier: MIT
#include "core/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/cleanup.h"

static const struct {
	const char *name;
	unsigned int digits;
} unit_table[] = {
	[UNIT_NONE] = { NULL, 0 },	[UNIT_BYTES] = { "bytes", 0 },
	[UNIT_USEC] = { "seconds", 6 }, [UNIT_CENTIPERCENT] = { "ratio", 4 },
	[UNIT_RATIO] = { "ratio", 0 },
};

unsigned int unit_digits(enum unit unit)
{
	return unit_table[unit].digits;
}

const char *unit_name(enum unit unit)
{
	return unit_table[unit].name;
}

double unit_to_base(enum unit unit, uint64_t value)
{
	static const double scale[] = { 1, 10, 1e2, 1e3, 1e4, 1e5, 1e6 };

	return (double)value / scale[unit_table[unit].digits];
}

/* A decimal number with an optional fraction at the start of `text`; the rest is left to the
 * caller. */
static int parse_number(const char *text, double *ret_value, const char **ret_rest)
{
	size_t length = strspn(text, "0123456789");
	char *end;

	if (length == 0)
		return -EINVAL;
	if (text[length] == '.')
		length += 1 + strspn(text + length + 1, "0123456789");
	errno = 0;
	*ret_value = strtod(text, &end);
	/* strtod() also takes hexadecimal and exponents: digits and one point only. */
	if (end != text + length)
		return -EINVAL;
	if (errno == ERANGE)
		return -ERANGE;
	*ret_rest = end;
	return 0;
}

int parse_u64(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return -ERANGE;
	}
	if (*text)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char prefixes[] = "BKMGTPE";
	const char *rest, *prefix;
	double number, bytes;
	int r;

	r = parse_number(text, &number, &rest);
	if (r < 0)
		return r;
	if (!*rest || !(prefix = strchr(prefixes, toupper((unsigned char)*rest))))
		return -EINVAL;
	rest++;
	if (*prefix != 'B') {
		if (strcmp(rest, "iB") != 0 && strcmp(rest, "B") != 0 && *rest)
			return -EINVAL;
	} else if (*rest) {
		return -EINVAL;
	}
	bytes = ldexp(number, (int)(10 * (prefix - prefixes)));
	if (bytes >= 9.2e18)
		return -ERANGE;
	*ret_bytes = (uint64_t)llround(bytes);
	return 0;
}

int parse_duration(const char *text, uint64_t *ret_usec)
{
	static const struct {
		const char *name;
		double usec;
	} units[] = {
		{ "ms", 1e3 }, { "us", 1 },    { "s", 1e6 },
		{ "m", 6e7 },  { "h", 3.6e9 }, { "d", 8.64e10 },
	};
	double total = 0;

	if (!*text)
		return -EINVAL;
	while (*text) {
		size_t i, length = 0;
		double number;
		int r = parse_number(text, &number, &text);

		if (r < 0)
			return r;
		for (i = 0; i < ARRAY_SIZE(units); i++) {
			length = strlen(units[i].name);
			if (strncmp(text, units[i].name, length) == 0 &&
			    !isalpha((unsigned char)text[length]))
				break;
		}
		if (i == ARRAY_SIZE(units))
			return -EINVAL;
		text += length;
		total += number * units[i].usec;
	}
	if (total >= 9.2e18)
		return -ERANGE;
	*ret_usec = (uint64_t)llround(total);
	return 0;
}

int parse_percent(const char *text, double *ret_ratio)
{
	const char *rest;
	double number;
	int r = parse_number(text, &number, &rest);

	if (r < 0)
		return r;
	if (strcmp(rest, "%") != 0)
		return -EINVAL;
	*ret_ratio = number / 100;
	return 0;
}

/* Three significant digits are enough for a glance; `show` and JSON have them all. */
static void format_scaled(struct strbuf *buffer, double value, double step, const char *prefixes)
{
	size_t i = 0;

	while (fabs(value) >= step * 0.9995 && prefixes[i + 1]) {
		value /= step;
		i++;
	}
	if (i == 0)
		strbuf_printf(buffer, "%.0f", value);
	else
		strbuf_printf(buffer, "%.*f%c",
			      fabs(value) < 9.995   ? 2
			      : fabs(value) < 99.95 ? 1
						    : 0,
			      value, prefixes[i]);
}

static void format_seconds(struct strbuf *buffer, double seconds)
{
	if (seconds < 0.0000005)
		strbuf_add_string(buffer, "0");
	else if (seconds < 0.001)
		strbuf_printf(buffer, "%.0fus", seconds * 1e6);
	else if (seconds < 1)
		strbuf_printf(buffer, "%.0fms", seconds * 1e3);
	else if (seconds < 60)
		strbuf_printf(buffer, "%.2fs", seconds);
	else if (seconds < 3600)
		strbuf_printf(buffer, "%dm%02ds", (int)seconds / 60, (int)seconds % 60);
	else if (seconds < 86400)
		strbuf_printf(buffer, "%dh%02dm", (int)(seconds / 3600), (int)seconds / 60 % 60);
	else if (seconds >= 86400.0 * 1000)
		strbuf_printf(buffer, "%.0fd", floor(seconds / 86400));
	else
		strbuf_printf(buffer, "%.0fd%02dh", floor(seconds / 86400),
			      (int)(fmod(seconds, 86400) / 3600));
}

void format_human(struct strbuf *buffer, enum unit unit, double value, bool per_second)
{
	if (unit == UNIT_BYTES)
		format_scaled(buffer, value, 1024, " KMGTPE");
	else if (unit == UNIT_RATIO || unit == UNIT_CENTIPERCENT ||
		 (unit == UNIT_USEC && per_second))
		strbuf_printf(buffer, value < 9.995 ? "%.1f%%" : "%.0f%%", value * 100);
	else if (unit == UNIT_USEC)
		format_seconds(buffer, value);
	else if (value == floor(value) && value < 100000)
		strbuf_printf(buffer, "%.0f", value);
	else if (value < 100)
		strbuf_printf(buffer, "%.*f", value < 10 ? 2 : 1, value);
	else
		format_scaled(buffer, value, 1000, " kMGTPE");
}

void format_age(struct strbuf *buffer, double seconds)
{
	if (seconds < 60)
		strbuf_printf(buffer, "%ds", seconds > 0 ? (int)seconds : 0);
	else
		format_seconds(buffer, seconds);
}
