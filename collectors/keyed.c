// SPDX-License-Identifier: MIT
#include "collectors/keyed.h"

#include <string.h>

/*
 * v1 prints PAGE_COUNTER_MAX pages in bytes for "no limit": LONG_MAX rounded down to a page, for
 * hugetlb to a huge page (hugetlb_cgroup_init()). 64 GiB below 2^63 covers pages of 16 GiB.
 */
static const uint64_t v1_unlimited = UINT64_C(0x7ffffff000000000);

bool span_line(struct span *text, struct span *ret_line)
{
	const char *newline;

	if (text->at >= text->end)
		return false;
	newline = memchr(text->at, '\n', span_length(*text));
	*ret_line = (struct span){ text->at, newline ? newline : text->end };
	text->at = newline ? newline + 1 : text->end;
	return true;
}

bool span_word(struct span *text, struct span *ret_word)
{
	const char *at = text->at;

	while (at < text->end && (*at == ' ' || *at == '\t'))
		at++;
	ret_word->at = at;
	while (at < text->end && *at != ' ' && *at != '\t')
		at++;
	ret_word->end = text->at = at;
	return ret_word->end > ret_word->at;
}

bool span_is(struct span span, const char *text)
{
	size_t length = strlen(text);

	return span_length(span) == length && memcmp(span.at, text, length) == 0;
}

/* Decimal digits with up to `digits` of a fraction, as an integer scaled by 10^digits. */
static bool parse_scaled(struct span text, unsigned int digits, uint64_t *ret_value)
{
	bool point = false, any = false;
	uint64_t value = 0;

	for (; text.at < text.end; text.at++) {
		unsigned int c = (unsigned char)*text.at - '0';

		if (*text.at == '.' && digits > 0 && !point) {
			point = true;
			continue;
		}
		if (c > 9)
			return false;
		any = true;
		if (point && digits == 0)
			continue; /* finer than we keep */
		digits -= point;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, c, &value))
			return false;
	}
	while (digits-- > 0) {
		if (__builtin_mul_overflow(value, 10, &value))
			return false;
	}
	*ret_value = value;
	return any;
}

enum value_state keyed_number(const struct metric *metric, struct span text, uint32_t mul,
			      uint32_t div, union value *ret_value)
{
	bool limit = metric->kind == KIND_LIMIT;
	bool negative = text.at < text.end && *text.at == '-';
	uint64_t value;

	if (limit && span_is(text, "max"))
		return VALUE_UNLIMITED;
	text.at += negative;
	/* The kernel prints percentages with two decimals: 1/100 of a percent is exact. */
	if (!parse_scaled(text, metric->unit == UNIT_CENTIPERCENT ? 2 : 0, &value))
		return VALUE_ABSENT;
	if (limit && (negative || (metric->unit == UNIT_BYTES && value >= v1_unlimited)))
		return VALUE_UNLIMITED;
	if (negative && metric->kind != KIND_SIGNED)
		return VALUE_ABSENT;
	if (mul > 1 && __builtin_mul_overflow(value, mul, &value))
		return VALUE_ABSENT;
	if (div > 1)
		value /= div;
	if (metric->kind == KIND_SIGNED && value > INT64_MAX)
		return VALUE_ABSENT;
	if (negative)
		*ret_value = (union value){ .i64 = -(int64_t)value };
	else
		*ret_value = (union value){ .u64 = value };
	return VALUE_OK;
}

uint64_t keyed_list_count(struct span text)
{
	uint64_t count = 0;

	while (text.at < text.end) {
		uint64_t low = 0, high;

		while (text.at < text.end && *text.at >= '0' && *text.at <= '9')
			low = low * 10 + (uint64_t)(*text.at++ - '0');
		high = low;
		if (text.at < text.end && *text.at == '-') {
			high = 0;
			for (text.at++; text.at < text.end && *text.at >= '0' && *text.at <= '9';)
				high = high * 10 + (uint64_t)(*text.at++ - '0');
		}
		if (high >= low)
			count += high - low + 1;
		while (text.at < text.end && (*text.at < '0' || *text.at > '9'))
			text.at++;
	}
	return count;
}
