/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/field.h"

/*
 * A filter over rows of fields, for `--filter`: comparisons joined by and (&&), or (||), not (!)
 * and brackets.
 *   NAME               has a value, and that is neither 0 nor empty
 *   NAME == VALUE      also != < <= > >= and eq ne lt le gt ge; numbers with their unit (5G, 2h,
 * 90%) NAME = GLOB        a text by glob NAME =~ REGEX      a text by extended regular expression;
 * !~ if it does not match Of a list, one item that fits is enough. What has no value fits no
 * comparison. Values may stand in quotes. Pure.
 */
struct field_filter;

/* -EINVAL with "what: why" in `reason`; -ENOMEM. At most 64 comparisons and 32 levels. */
int field_filter_parse(const struct fields *fields, const char *text,
		       struct field_filter **ret_filter, char *reason, size_t size);
void field_filter_free(struct field_filter *filter);
bool field_filter_match(const struct field_filter *filter, const void *view, uint32_t row);
/* All the `needs` of the fields it looks at. */
unsigned int field_filter_needs(const struct field_filter *filter);
