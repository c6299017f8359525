/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/result.h"

/*
 * Counts what became of decisions, by policy, action and result. Bounded: when there are more
 * policies than it has room for, the rest is counted under the name "other".
 */
struct tally;

enum { TALLY_ROWS_MAX = 2048 };

struct tally_row {
	const char *policy; /* lives as long as the tally */
	enum action_id action;
	enum decision_op op;
	enum result_word word;
	int error; /* -errno, or 0 */
	uint64_t count;
};

/* Time that actions of one kind took. */
struct tally_duration {
	uint64_t count, usec;
};

/* Of one policy, over all its actions. */
struct tally_policy {
	uint64_t applied, failed, ineffective, conflicts;
};

/* NULL if there is no memory. */
struct tally *tally_new(void);
void tally_free(struct tally *tally);
/* Counts one. What cannot be kept for want of memory counts under "other". */
void tally_add(struct tally *tally, const struct enforcer_result *result);
/* The rows, in the order of their first time. */
const struct tally_row *tally_rows(const struct tally *tally, size_t *ret_n);
/* Of what was really done; `op` apply or release. */
struct tally_duration tally_duration(const struct tally *tally, enum action_id action,
				     enum decision_op op);
struct tally_policy tally_of(const struct tally *tally, const char *policy);
