/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/condition.h"

/* Comparisons and events are at most 64 together: a NOT for each and what joins them is room. */
enum { CONDITION_MAX_COMPARISONS = 64, CONDITION_MAX_PARTS = 192, CONDITION_MAX_DEPTH = 32 };

enum condition_type {
	CONDITION_COMPARE,
	CONDITION_EVENT,
	CONDITION_AND,
	CONDITION_OR,
	CONDITION_NOT,
};

enum condition_operator {
	OPERATOR_GREATER_EQUAL,
	OPERATOR_LESS_EQUAL,
	OPERATOR_EQUAL,
	OPERATOR_NOT_EQUAL,
	OPERATOR_GREATER,
	OPERATOR_LESS,
	OPERATOR_COUNT,
};

/* A node of the expression; `left` and `right` are indices of parts before it. */
struct condition_part {
	enum condition_type type;
	unsigned int left, right;
	enum metric_id metric, over; /* over: what it is divided by, or M_NONE */
	unsigned int event;	     /* its number */
	enum condition_operator operator;
	double threshold;
	char *text;
};

struct condition {
	char *text;
	unsigned int n, n_comparisons, n_events, root;
	struct event_spec events[CONDITION_MAX_COMPARISONS];
	uint64_t within[CONDITION_MAX_COMPARISONS];
	struct condition_part parts[CONDITION_MAX_PARTS];
};

/* ">", "<=", …; two-character ones come first, as the parser tries them in order. */
extern const char *const condition_operators[OPERATOR_COUNT];

/* What an operator means. */
struct condition_meaning {
	bool (*compare)(double a, double b);
	bool swap, negate; /* "less" is "greater" with the sides changed */
	int direction;	   /* 1: holds above the threshold, -1: below it, 0: neither */
	bool inclusive;
};
extern const struct condition_meaning condition_meanings[OPERATOR_COUNT];

/* The value a comparison looks at: NAN where there is none. Its state. */
enum value_state condition_read(const struct condition_part *part, const struct snapshot *snapshot,
				uint32_t index, double *ret);
enum outcome condition_compare(const struct condition_part *part, double value);
