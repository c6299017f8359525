// SPDX-License-Identifier: MIT
#include "policies/condition.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policies/condition_private.h"

const char *const condition_operators[OPERATOR_COUNT] = {
	[OPERATOR_GREATER_EQUAL] = ">=", [OPERATOR_LESS_EQUAL] = "<=", [OPERATOR_EQUAL] = "==",
	[OPERATOR_NOT_EQUAL] = "!=",	 [OPERATOR_GREATER] = ">",     [OPERATOR_LESS] = "<",
};

static const char *const outcome_names[] = {
	[OUTCOME_FALSE] = "false", [OUTCOME_TRUE] = "true", [OUTCOME_UNKNOWN] = "unknown"
};

void condition_free(struct condition *condition)
{
	if (!condition)
		return;
	for (unsigned int i = 0; i < condition->n; i++)
		free(condition->parts[i].text);
	free(condition->text);
	free(condition);
}

const char *condition_text(const struct condition *condition)
{
	return condition->text;
}

static bool compare_greater(double a, double b)
{
	return a > b;
}

static bool compare_greater_equal(double a, double b)
{
	return a >= b;
}

static bool compare_equal(double a, double b)
{
	return a >= b && a <= b;
}

/* Both ways round: "less" is "greater" with the sides changed. */
static const struct {
	bool (*compare)(double a, double b);
	bool swap, negate;
	int direction; /* 1: holds above the threshold, -1: below it, 0: neither */
	bool inclusive;
} operators[OPERATOR_COUNT] = {
	[OPERATOR_GREATER] = { compare_greater, false, false, 1, false },
	[OPERATOR_GREATER_EQUAL] = { compare_greater_equal, false, false, 1, true },
	[OPERATOR_LESS] = { compare_greater, true, false, -1, false },
	[OPERATOR_LESS_EQUAL] = { compare_greater_equal, true, false, -1, true },
	[OPERATOR_EQUAL] = { compare_equal, false, false, 0, true },
	[OPERATOR_NOT_EQUAL] = { compare_equal, false, true, 0, false },
};

/*
 * A limit that is not set is infinitely high. But "share of a limit that is not set" has no value:
 * were it infinite, every unlimited cgroup would look full.
 */
static bool unlimited_is_infinite(const struct metric *metric)
{
	return metric->kind == KIND_LIMIT ||
	       (metric->kind == KIND_DERIVED && metric->unit != UNIT_RATIO);
}

static enum value_state read_value(const struct condition_part *part,
				   const struct snapshot *snapshot, uint32_t index, double *ret)
{
	enum value_state state = snapshot_number(snapshot, part->metric, index, ret);

	if (state == VALUE_UNLIMITED && unlimited_is_infinite(metric_get(part->metric)))
		*ret = INFINITY;
	else if (state != VALUE_OK)
		*ret = NAN;
	return state;
}

static enum outcome compare(const struct condition_part *part, double value)
{
	bool holds;

	if (isnan(value))
		return OUTCOME_UNKNOWN;
	holds = operators[part->operator].swap ?
			operators[part->operator].compare(part->threshold, value) :
			operators[part->operator].compare(value, part->threshold);
	return holds != operators[part->operator].negate ? OUTCOME_TRUE : OUTCOME_FALSE;
}

static enum outcome evaluate(const struct condition *condition, unsigned int at,
			     const struct snapshot *snapshot, uint32_t index)
{
	const struct condition_part *part = &condition->parts[at];
	enum outcome left, right, decisive;
	double value;

	if (part->type == CONDITION_COMPARE) {
		read_value(part, snapshot, index, &value);
		return compare(part, value);
	}
	left = evaluate(condition, part->left, snapshot, index);
	if (part->type == CONDITION_NOT)
		return left == OUTCOME_UNKNOWN ? left
		       : left == OUTCOME_TRUE  ? OUTCOME_FALSE
					       : OUTCOME_TRUE;
	decisive = part->type == CONDITION_AND ? OUTCOME_FALSE : OUTCOME_TRUE;
	if (left == decisive)
		return decisive;
	right = evaluate(condition, part->right, snapshot, index);
	return right == decisive || left != OUTCOME_UNKNOWN ? right : OUTCOME_UNKNOWN;
}

enum outcome condition_evaluate(const struct condition *condition, const struct snapshot *snapshot,
				uint32_t index)
{
	return evaluate(condition, condition->root, snapshot, index);
}

enum outcome condition_evaluate_events(const struct condition *condition,
				       const struct snapshot *snapshot, uint32_t index,
				       uint64_t happened)
{
	(void)happened;
	return condition_evaluate(condition, snapshot, index);
}

const struct event_spec *condition_events(const struct condition *condition, size_t *ret_n)
{
	(void)condition;
	*ret_n = 0;
	return NULL;
}

uint64_t condition_event_within(const struct condition *condition, size_t at)
{
	(void)condition;
	(void)at;
	return 0;
}

double condition_nearness(const struct condition *condition, const struct snapshot *snapshot,
			  uint32_t index)
{
	(void)condition;
	(void)snapshot;
	(void)index;
	return NAN;
}

void condition_needs(const struct condition *condition, struct metric_set *set)
{
	for (unsigned int i = 0; i < condition->n; i++) {
		if (condition->parts[i].type == CONDITION_COMPARE)
			metric_set_add(set, condition->parts[i].metric);
	}
}

size_t condition_operands(const struct condition *condition)
{
	return condition->n_comparisons;
}

static const struct condition_part *find_comparison(const struct condition *condition, size_t at)
{
	for (unsigned int i = 0; i < condition->n; i++) {
		if (condition->parts[i].type == CONDITION_COMPARE && at-- == 0)
			return &condition->parts[i];
	}
	return NULL;
}

void condition_operand(const struct condition *condition, size_t at,
		       const struct snapshot *snapshot, uint32_t index,
		       struct condition_operand *ret_operand)
{
	const struct condition_part *part = find_comparison(condition, at);

	*ret_operand = (struct condition_operand){
		.metric = part->metric,
		.operator= condition_operators[part->operator], .text = part->text,
					       .threshold = part->threshold, };
	ret_operand->state = read_value(part, snapshot, index, &ret_operand->value);
	ret_operand->outcome = compare(part, ret_operand->value);
}

void condition_explain(const struct condition *condition, const struct snapshot *snapshot,
		       uint32_t index, struct strbuf *buffer)
{
	for (size_t i = 0; i < condition->n_comparisons; i++) {
		struct condition_operand operand;

		condition_operand(condition, i, snapshot, index, &operand);
		if (i > 0)
			strbuf_add_string(buffer, ", ");
		metric_name(operand.metric, buffer);
		strbuf_add_char(buffer, ' ');
		if (operand.state == VALUE_OK)
			format_human(buffer, metric_get(operand.metric)->unit, operand.value,
				     metric_is_rate(operand.metric));
		else
			strbuf_add_string(buffer, value_state_name(operand.state));
		strbuf_printf(buffer, " %s %s: %s", operand.operator, operand.text,
			      outcome_names[operand.outcome]);
	}
}

/* The comparisons of a condition with every NOT above them worked in. */
struct leaf {
	const struct condition_part *part;
	int direction;
	bool inclusive;
};

struct leaves {
	struct leaf list[CONDITION_MAX_COMPARISONS];
	size_t n;
	bool only_and; /* all of them have to hold */
};

static void collect_leaves(const struct condition *condition, unsigned int at, bool negated,
			   struct leaves *leaves)
{
	const struct condition_part *part = &condition->parts[at];

	if (part->type == CONDITION_COMPARE) {
		leaves->list[leaves->n++] = (struct leaf){
			.part = part,
			.direction = operators[part->operator].direction * (negated ? -1 : 1),
			.inclusive = operators[part->operator].inclusive != negated,
		};
		return;
	}
	if (part->type == CONDITION_NOT) {
		collect_leaves(condition, part->left, !negated, leaves);
		return;
	}
	if ((part->type == CONDITION_OR) != negated)
		leaves->only_and = false;
	collect_leaves(condition, part->left, negated, leaves);
	collect_leaves(condition, part->right, negated, leaves);
}

/* True if the two exclude each other, as a trigger and its clear level should. */
static bool excludes(const struct leaf *when, const struct leaf *clear)
{
	double gap = (when->part->threshold - clear->part->threshold) * when->direction;

	if (when->direction == 0 || clear->direction == 0)
		return true; /* == and != : nothing to say */
	if (when->direction == clear->direction)
		return false;
	return gap > 0 || (gap >= 0 && !(when->inclusive && clear->inclusive));
}

int condition_check_clear(const struct condition *when, const struct condition *clear, char *reason,
			  size_t size)
{
	struct leaves whens = { .only_and = true }, clears = { .only_and = true };
	const struct leaf *bad_when = NULL, *bad_clear = NULL;
	bool some_good = false;

	collect_leaves(when, when->root, false, &whens);
	collect_leaves(clear, clear->root, false, &clears);
	for (size_t i = 0; i < whens.n; i++) {
		for (size_t j = 0; j < clears.n; j++) {
			if (whens.list[i].part->metric != clears.list[j].part->metric)
				continue;
			if (excludes(&whens.list[i], &clears.list[j])) {
				some_good = true;
			} else if (!bad_when) {
				bad_when = &whens.list[i];
				bad_clear = &clears.list[j];
			}
		}
	}
	if (!bad_when || (some_good && whens.only_and && clears.only_and))
		return 0;
	snprintf(reason, size, "\"%s %s\" can hold while the trigger \"%s %s\" does: it must lie %s it",
		 condition_operators[bad_clear->part->operator], bad_clear->part->text,
		 condition_operators[bad_when->part->operator], bad_when->part->text,
		 bad_when->direction > 0 ? "below" : "above");
	return -EINVAL;
}
