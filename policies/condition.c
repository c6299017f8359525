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

const struct condition_meaning condition_meanings[OPERATOR_COUNT] = {
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

static enum value_state read_one(enum metric_id metric, const struct snapshot *snapshot,
				 uint32_t index, double *ret)
{
	enum value_state state = snapshot_number(snapshot, metric, index, ret);

	if (state == VALUE_UNLIMITED && unlimited_is_infinite(metric_get(metric)))
		*ret = INFINITY;
	else if (state != VALUE_OK)
		*ret = NAN;
	return state;
}

enum value_state condition_read(const struct condition_part *part, const struct snapshot *snapshot,
				uint32_t index, double *ret)
{
	enum value_state state = read_one(part->metric, snapshot, index, ret), under;
	double divisor;

	if (part->over == M_NONE)
		return state;
	/* A share of nothing, or of a limit that is not set, has no value. */
	under = read_one(part->over, snapshot, index, &divisor);
	*ret = under == VALUE_OK && (divisor > 0 || divisor < 0) ? *ret / divisor : NAN;
	return under == VALUE_OK ? state : under;
}

enum outcome condition_compare(const struct condition_part *part, double value)
{
	const struct condition_meaning *meaning = &condition_meanings[part->operator];
	bool holds;

	if (isnan(value))
		return OUTCOME_UNKNOWN;
	holds = meaning->swap ? meaning->compare(part->threshold, value)
			      : meaning->compare(value, part->threshold);
	return holds != meaning->negate ? OUTCOME_TRUE : OUTCOME_FALSE;
}

/* What an evaluation looks at. */
struct scene {
	const struct condition *condition;
	const struct snapshot *snapshot;
	uint32_t index;
	uint64_t happened;
};

static enum outcome evaluate(const struct scene *scene, unsigned int at)
{
	const struct condition_part *part = &scene->condition->parts[at];
	enum outcome left, right, decisive;
	double value;

	if (part->type == CONDITION_COMPARE) {
		condition_read(part, scene->snapshot, scene->index, &value);
		return condition_compare(part, value);
	}
	if (part->type == CONDITION_EVENT)
		return scene->happened >> part->event & 1 ? OUTCOME_TRUE : OUTCOME_FALSE;
	left = evaluate(scene, part->left);
	if (part->type == CONDITION_NOT)
		return left == OUTCOME_UNKNOWN ? left
		       : left == OUTCOME_TRUE  ? OUTCOME_FALSE
					       : OUTCOME_TRUE;
	decisive = part->type == CONDITION_AND ? OUTCOME_FALSE : OUTCOME_TRUE;
	if (left == decisive)
		return decisive;
	right = evaluate(scene, part->right);
	return right == decisive || left != OUTCOME_UNKNOWN ? right : OUTCOME_UNKNOWN;
}

enum outcome condition_evaluate(const struct condition *condition, const struct snapshot *snapshot,
				uint32_t index)
{
	return condition_evaluate_events(condition, snapshot, index, 0);
}

enum outcome condition_evaluate_events(const struct condition *condition,
				       const struct snapshot *snapshot, uint32_t index,
				       uint64_t happened)
{
	const struct scene scene = { condition, snapshot, index, happened };

	return evaluate(&scene, condition->root);
}

const struct event_spec *condition_events(const struct condition *condition, size_t *ret_n)
{
	*ret_n = condition->n_events;
	return condition->n_events ? condition->events : NULL;
}

uint64_t condition_event_within(const struct condition *condition, size_t at)
{
	return condition->within[at];
}

/* The column in which a sample shows an event: of a stall the rate. */
static enum metric_id event_needs(const struct event_spec *spec)
{
	enum event_sign sign;
	enum metric_id column = event_column(spec, &sign);

	return column != M_NONE && sign == EVENT_SIGN_STALL ? metric_rate(column) : column;
}

void condition_needs(const struct condition *condition, struct metric_set *set)
{
	for (unsigned int i = 0; i < condition->n; i++) {
		const struct condition_part *part = &condition->parts[i];

		if (part->type != CONDITION_COMPARE)
			continue;
		metric_set_add(set, part->metric);
		if (part->over != M_NONE)
			metric_set_add(set, part->over);
	}
	for (unsigned int i = 0; i < condition->n_events; i++) {
		enum metric_id column = event_needs(&condition->events[i]);

		if (column != M_NONE)
			metric_set_add(set, column);
	}
}

size_t condition_operands(const struct condition *condition)
{
	return condition->n_comparisons;
}

static void fill_operand(const struct condition_part *part, const struct snapshot *snapshot,
			 uint32_t index, struct condition_operand *ret_operand)
{
	struct condition_operand operand = { .metric = part->metric,
					     .over = part->over,
					     .text = part->text,
					     .threshold = part->threshold };

	operand.operator= condition_operators[part->operator];
	operand.state = condition_read(part, snapshot, index, &operand.value);
	operand.outcome = condition_compare(part, operand.value);
	*ret_operand = operand;
}

void condition_operand(const struct condition *condition, size_t at,
		       const struct snapshot *snapshot, uint32_t index,
		       struct condition_operand *ret_operand)
{
	for (unsigned int i = 0; i < condition->n; i++) {
		if (condition->parts[i].type == CONDITION_COMPARE && at-- == 0) {
			fill_operand(&condition->parts[i], snapshot, index, ret_operand);
			return;
		}
	}
}

/* ---- for people -------------------------------------------------------------------------------
 */

void condition_operand_name(const struct condition_operand *operand, struct strbuf *buffer)
{
	metric_name(operand->metric, buffer);
	if (operand->over == M_NONE)
		return;
	strbuf_add_string(buffer, " / ");
	metric_name(operand->over, buffer);
}

void condition_operand_value(const struct condition_operand *operand, struct strbuf *buffer)
{
	if (isnan(operand->value) && operand->state == VALUE_OK)
		strbuf_add_string(buffer, "of nothing");
	else if (operand->state != VALUE_OK || isinf(operand->value))
		strbuf_add_string(buffer, value_state_name(operand->state));
	else if (operand->over != M_NONE)
		format_human(buffer, UNIT_RATIO, operand->value, false);
	else
		format_human(buffer, metric_get(operand->metric)->unit, operand->value,
			     metric_is_rate(operand->metric));
}

void condition_format_event(const struct condition *condition, size_t at, struct strbuf *buffer)
{
	strbuf_add_string(buffer, "event ");
	event_format(&condition->events[at], buffer);
	if (!condition->within[at])
		return;
	strbuf_add_string(buffer, " within ");
	strbuf_add_fixed(buffer, condition->within[at], 6);
	strbuf_add_char(buffer, 's');
}

static void explain_event(const struct scene *scene, unsigned int at, struct strbuf *buffer)
{
	const struct event_spec *spec = &scene->condition->events[at];
	enum metric_id column = event_needs(spec);
	bool happened = scene->happened >> at & 1;
	enum event_sign sign;
	double value;

	condition_format_event(scene->condition, at, buffer);
	event_column(spec, &sign);
	/* What was told a moment ago is not counted yet: none is no number of what happened. */
	if (column != M_NONE && sign == EVENT_SIGN_COUNT &&
	    read_one(column, scene->snapshot, scene->index, &value) == VALUE_OK &&
	    (value > 0 || !happened))
		strbuf_printf(buffer, " (%.0f so far)", value);
	strbuf_add_string(buffer, happened ? ": happened" : ": not now");
}

void condition_explain_events(const struct condition *condition, const struct snapshot *snapshot,
			      uint32_t index, uint64_t happened, struct strbuf *buffer)
{
	const struct scene scene = { condition, snapshot, index, happened };
	const char *between = "";

	for (unsigned int i = 0; i < condition->n; i++) {
		const struct condition_part *part = &condition->parts[i];
		struct condition_operand operand;

		if (part->type != CONDITION_COMPARE && part->type != CONDITION_EVENT)
			continue;
		strbuf_add_string(buffer, between);
		between = ", ";
		if (part->type == CONDITION_EVENT) {
			explain_event(&scene, part->event, buffer);
			continue;
		}
		fill_operand(part, snapshot, index, &operand);
		condition_operand_name(&operand, buffer);
		strbuf_add_char(buffer, ' ');
		condition_operand_value(&operand, buffer);
		strbuf_printf(buffer, " %s %s: %s", operand.operator, operand.text,
			      outcome_names[operand.outcome]);
	}
}

void condition_explain(const struct condition *condition, const struct snapshot *snapshot,
		       uint32_t index, struct strbuf *buffer)
{
	condition_explain_events(condition, snapshot, index, 0, buffer);
}
