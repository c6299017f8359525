/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/snapshot.h"
#include "tui/theme.h"

/* From where on a share of a limit is worth a look, and from where on it is bad. */
#define MEANING_WARN 0.7
#define MEANING_BAD  0.9

enum role meaning_of_ratio(double ratio);
/*
 * The state of a cell as the screens tell it: a column that this snapshot was not asked for is one
 * whose first value is still to come (VALUE_FIRST), not one that does not exist.
 */
enum value_state meaning_state(const struct snapshot *snapshot, enum metric_id id, uint32_t index,
			       union value *ret_value);
/* The role of one cell, and its text (safe for a terminal) appended to `buffer`. */
enum role meaning_cell(const struct snapshot *snapshot, enum metric_id id, uint32_t index,
		       struct strbuf *buffer);
/* The same for a value that is no cell: a part. */
enum role meaning_value(enum metric_id id, union value value, enum value_state state,
			struct strbuf *buffer);
