// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "policies/condition_private.h"

/*
 * A condition over many cgroups at a time: comparison by comparison along the columns, in blocks
 * that stay in the first cache. The same answers as condition_evaluate() gives one by one.
 */
enum { BLOCK = 256 };

struct block {
	const struct condition *condition;
	const struct snapshot *snapshot;
	const uint32_t *indices;
	unsigned int n;
};

static double without_limit(const struct metric *metric)
{
	bool infinite = metric->kind == KIND_LIMIT ||
			(metric->kind == KIND_DERIVED && metric->unit != UNIT_RATIO);

	return infinite ? INFINITY : NAN;
}

/* NAN where nothing is known; `unlimited` where there is no limit. */
static void load_column(const struct block *block, enum metric_id id, double unlimited,
			double *values)
{
	const struct column *column = &block->snapshot->columns[id];
	bool is_double = metric_is_double(id), is_text = metric_get(id)->kind == KIND_TEXT;

	for (unsigned int i = 0; i < block->n; i++) {
		uint32_t index = block->indices[i];
		uint8_t state = column->states ? column->states[index] : VALUE_ABSENT;

		if (state != VALUE_OK || is_text)
			values[i] = state == VALUE_UNLIMITED ? unlimited : NAN;
		else
			values[i] = is_double ? column->values[index].number
					      : metric_to_double(id, column->values[index]);
	}
}

/* A share of nothing, or of a limit that is not set, has no value. */
static void load(const struct block *block, const struct condition_part *part, double *values)
{
	double divisors[BLOCK];

	load_column(block, part->metric, without_limit(metric_get(part->metric)), values);
	if (part->over == M_NONE)
		return;
	load_column(block, part->over, NAN, divisors);
	for (unsigned int i = 0; i < block->n; i++)
		values[i] = divisors[i] > 0 || divisors[i] < 0 ? values[i] / divisors[i] : NAN;
}

#define COMPARE_LOOP(name, expression)                                                     \
	static void compare_##name(const double *values, unsigned int n, double threshold, \
				   uint8_t *outcomes)                                      \
	{                                                                                  \
		for (unsigned int i = 0; i < n; i++) {                                     \
			double value = values[i];                                          \
			unsigned int unknown = (unsigned int)(value != value);             \
                                                                                           \
			outcomes[i] = (uint8_t)((unsigned int)(expression) |               \
						unknown * OUTCOME_UNKNOWN);                \
		}                                                                          \
	}

/* A comparison with NAN is false, so that `unknown` alone is left of it. */
COMPARE_LOOP(greater, value > threshold)
COMPARE_LOOP(greater_equal, value >= threshold)
COMPARE_LOOP(less, value < threshold)
COMPARE_LOOP(less_equal, value <= threshold)
COMPARE_LOOP(equal, (value >= threshold) & (value <= threshold))
COMPARE_LOOP(not_equal, (value < threshold) | (value > threshold))

static void (*const compares[OPERATOR_COUNT])(const double *values, unsigned int n,
					      double threshold, uint8_t *outcomes) = {
	[OPERATOR_GREATER_EQUAL] = compare_greater_equal,
	[OPERATOR_LESS_EQUAL] = compare_less_equal,
	[OPERATOR_EQUAL] = compare_equal,
	[OPERATOR_NOT_EQUAL] = compare_not_equal,
	[OPERATOR_GREATER] = compare_greater,
	[OPERATOR_LESS] = compare_less,
};

/* Kleene: what decides wins, then what is unknown. By left and right outcome. */
static const uint8_t and_table[3][3] = {
	[OUTCOME_FALSE] = { OUTCOME_FALSE, OUTCOME_FALSE, OUTCOME_FALSE },
	[OUTCOME_TRUE] = { OUTCOME_FALSE, OUTCOME_TRUE, OUTCOME_UNKNOWN },
	[OUTCOME_UNKNOWN] = { OUTCOME_FALSE, OUTCOME_UNKNOWN, OUTCOME_UNKNOWN },
};
static const uint8_t or_table[3][3] = {
	[OUTCOME_FALSE] = { OUTCOME_FALSE, OUTCOME_TRUE, OUTCOME_UNKNOWN },
	[OUTCOME_TRUE] = { OUTCOME_TRUE, OUTCOME_TRUE, OUTCOME_TRUE },
	[OUTCOME_UNKNOWN] = { OUTCOME_UNKNOWN, OUTCOME_TRUE, OUTCOME_UNKNOWN },
};
static const uint8_t not_table[3] = {
	[OUTCOME_FALSE] = OUTCOME_TRUE,
	[OUTCOME_TRUE] = OUTCOME_FALSE,
	[OUTCOME_UNKNOWN] = OUTCOME_UNKNOWN,
};

static bool all_are(const uint8_t *outcomes, unsigned int n, enum outcome outcome)
{
	static const uint8_t falses[BLOCK];
	unsigned int at = 0;

	if (outcome == OUTCOME_FALSE)
		return memcmp(outcomes, falses, n) == 0;
	while (at < n && outcomes[at] == (uint8_t)outcome)
		at++;
	return at == n;
}

static void evaluate_block(const struct block *block, unsigned int at, uint8_t *outcomes);

static void join_block(const struct block *block, const struct condition_part *part,
		       uint8_t *outcomes)
{
	bool both = part->type == CONDITION_AND;
	const uint8_t(*table)[3] = both ? and_table : or_table;
	uint8_t right[BLOCK];

	evaluate_block(block, part->left, outcomes);
	/* On a calm machine the first comparison says it all. */
	if (all_are(outcomes, block->n, both ? OUTCOME_FALSE : OUTCOME_TRUE))
		return;
	evaluate_block(block, part->right, right);
	for (unsigned int i = 0; i < block->n; i++)
		outcomes[i] = table[outcomes[i]][right[i]];
}

static void evaluate_block(const struct block *block, unsigned int at, uint8_t *outcomes)
{
	const struct condition_part *part = &block->condition->parts[at];
	double values[BLOCK];

	if (part->type == CONDITION_COMPARE) {
		load(block, part, values);
		compares[part->operator](values, block->n, part->threshold, outcomes);
	} else if (part->type == CONDITION_EVENT) {
		memset(outcomes, OUTCOME_FALSE, block->n);
	} else if (part->type == CONDITION_NOT) {
		evaluate_block(block, part->left, outcomes);
		for (unsigned int i = 0; i < block->n; i++)
			outcomes[i] = not_table[outcomes[i]];
	} else {
		join_block(block, part, outcomes);
	}
}

void condition_evaluate_column(const struct condition *condition, const struct snapshot *snapshot,
			       const uint32_t *indices, uint32_t n, uint8_t *outcomes)
{
	struct block block = { .condition = condition, .snapshot = snapshot };

	for (uint32_t at = 0; at < n; at += BLOCK) {
		block.indices = indices + at;
		block.n = n - at < BLOCK ? n - at : BLOCK;
		evaluate_block(&block, condition->root, outcomes + at);
	}
}
