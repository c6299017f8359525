/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/strbuf.h"

/* What a stored integer counts. The base unit (seconds, bytes, ratio) is what leaves the program.
 */
enum unit {
	UNIT_NONE,
	UNIT_BYTES,
	UNIT_USEC,	   /* stored in microseconds, shown in seconds */
	UNIT_CENTIPERCENT, /* stored in 1/100 of a percent, shown as a ratio */
	UNIT_RATIO,	   /* a double, 1.0 is the whole */
};

/* Decimal digits between the stored integer and the base unit: 6 for UNIT_USEC. */
unsigned int unit_digits(enum unit unit);
/* "bytes", "seconds", "ratio" or NULL: the suffix of a Prometheus family, the unit in tables. */
const char *unit_name(enum unit unit);
/* A stored integer in the base unit. */
double unit_to_base(enum unit unit, uint64_t value);

/*
 * Parsers of what people write. All reject trailing junk, overflow and, where a unit belongs, a
 * bare number: -EINVAL; -ERANGE where the number is too large. size      "512M", "1.5G", "4096B": K
 * M G T P (binary, with an optional iB or B), in bytes duration  "500ms", "2s", "1m", "1h30m",
 * "1d", in microseconds percent   "50%", "12.5%", as a ratio
 */
int parse_size(const char *text, uint64_t *ret_bytes);
int parse_duration(const char *text, uint64_t *ret_usec);
int parse_percent(const char *text, double *ret_ratio);
/* A plain non-negative decimal integer. */
int parse_u64(const char *text, uint64_t *ret_value);

/*
 * A number for people, at most 7 columns: "12.3M", "1.5h", "45.6%", "1234". `per_second` adds
 * nothing to the text but turns seconds per second into a percentage of one core.
 */
void format_human(struct strbuf *buffer, enum unit unit, double base_value, bool per_second);
/* How old something is, in whole units: "0s", "42s", "5m12s", "3d04h". */
void format_age(struct strbuf *buffer, double seconds);
