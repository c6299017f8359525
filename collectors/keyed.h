/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/metric.h"

/*
 * Pure parsers of the kernel's text forms. A text is a range that need not end with a NUL. They
 * never fail: what they do not understand they leave out, so that an unknown key or line costs
 * nothing but itself.
 */
struct span {
	const char *at, *end;
};

/* Takes the next line (without its newline) off `text`. False at the end. */
bool span_line(struct span *text, struct span *ret_line);
/* Takes the next word, separated by spaces or tabs, off `text`. False if there is none. */
bool span_word(struct span *text, struct span *ret_word);
static inline size_t span_length(struct span span)
{
	return (size_t)(span.end - span.at);
}
bool span_is(struct span span, const char *text);

/*
 * A number as the metric's row wants it: its kind, its unit and the scale of a v1 source. "max",
 * negative limits and v1's "no limit" become VALUE_UNLIMITED; anything that is not entirely a
 * number VALUE_ABSENT.
 */
enum value_state keyed_number(const struct metric *metric, struct span text, uint32_t mul,
			      uint32_t div, union value *ret_value);
/* How many members a list like "0-3,8" has. */
uint64_t keyed_list_count(struct span text);
