/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/condition.h"

enum { CONDITION_MAX_COMPARISONS = 64, CONDITION_MAX_PARTS = 192, CONDITION_MAX_DEPTH = 32 };

enum condition_type { CONDITION_COMPARE, CONDITION_AND, CONDITION_OR, CONDITION_NOT };

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
	enum metric_id metric;
	enum condition_operator operator;
	double threshold;
	char *text;
};

struct condition {
	char *text;
	unsigned int n, n_comparisons, root;
	struct condition_part parts[CONDITION_MAX_PARTS];
};

/* ">", "<=", …; two-character ones come first, as the parser tries them in order. */
extern const char *const condition_operators[OPERATOR_COUNT];
