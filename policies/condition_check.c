// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/hash.h"
#include "policies/condition_private.h"

/* What can be said of a condition without a machine, and how near one is to coming true. */

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
			.direction = condition_meanings[part->operator].direction * (negated ? -1 : 1),
			.inclusive = condition_meanings[part->operator].inclusive != negated,
		};
		return;
	}
	if (part->type == CONDITION_EVENT)
		return; /* a moment: it says nothing about levels */
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
			if (whens.list[i].part->metric != clears.list[j].part->metric ||
			    whens.list[i].part->over != clears.list[j].part->over)
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

/* ---- what a condition can do ------------------------------------------------------------------
 */

/* What it comes to when nothing is known but that no event without `within` happened. */
static enum outcome without_moments(const struct condition *condition, unsigned int at)
{
	const struct condition_part *part = &condition->parts[at];
	enum outcome left, right, decisive;

	if (part->type == CONDITION_COMPARE)
		return OUTCOME_UNKNOWN;
	if (part->type == CONDITION_EVENT)
		return condition->within[part->event] ? OUTCOME_UNKNOWN : OUTCOME_FALSE;
	left = without_moments(condition, part->left);
	if (part->type == CONDITION_NOT)
		return left == OUTCOME_FALSE  ? OUTCOME_TRUE
		       : left == OUTCOME_TRUE ? OUTCOME_FALSE
					      : OUTCOME_UNKNOWN;
	right = without_moments(condition, part->right);
	decisive = part->type == CONDITION_AND ? OUTCOME_FALSE : OUTCOME_TRUE;
	if (left == decisive || right == decisive)
		return decisive;
	return left == right ? left : OUTCOME_UNKNOWN;
}

bool condition_is_momentary(const struct condition *condition)
{
	return without_moments(condition, condition->root) == OUTCOME_FALSE;
}

static bool equal_parts(const struct condition *a, unsigned int at, const struct condition *b,
			unsigned int bt)
{
	const struct condition_part *x = &a->parts[at], *y = &b->parts[bt];

	if (x->type != y->type)
		return false;
	if (x->type == CONDITION_COMPARE)
		return x->metric == y->metric && x->over == y->over &&
		       x->operator== y->operator&& x->threshold >= y->threshold &&
		       x->threshold <= y->threshold;
	if (x->type == CONDITION_EVENT)
		return event_equal(&a->events[x->event], &b->events[y->event]) &&
		       a->within[x->event] == b->within[y->event];
	return equal_parts(a, x->left, b, y->left) &&
	       (x->type == CONDITION_NOT || equal_parts(a, x->right, b, y->right));
}

bool condition_equal(const struct condition *a, const struct condition *b)
{
	return equal_parts(a, a->root, b, b->root);
}

static uint64_t hash_part(const struct condition *condition, unsigned int at)
{
	const struct condition_part *part = &condition->parts[at];
	uint64_t words[5] = { part->type };

	if (part->type == CONDITION_COMPARE) {
		double threshold = part->threshold + 0.0; /* of -0 and 0 one */

		words[1] = part->metric;
		words[2] = part->over;
		words[3] = part->operator;
		memcpy(&words[4], &threshold, sizeof(words[4]));
	} else if (part->type == CONDITION_EVENT) {
		const struct event_spec *event = &condition->events[part->event];

		words[1] = event->kind;
		words[2] = event->stall_usec;
		words[3] = event->window_usec;
		words[4] = condition->within[part->event];
	} else {
		words[1] = hash_part(condition, part->left);
		if (part->type != CONDITION_NOT)
			words[2] = hash_part(condition, part->right);
	}
	return hash_bytes((const char *)words, sizeof(words));
}

uint64_t condition_hash(const struct condition *condition)
{
	return hash_part(condition, condition->root);
}

/* ---- how near it is ---------------------------------------------------------------------------
 */

/* What is looked at. */
struct place {
	const struct condition *condition;
	const struct snapshot *snapshot;
	uint32_t index;
};

/* As far as to the threshold of the way, 0..1. */
static double share(double part, double whole)
{
	double ratio = whole > 0 ? part / whole : NAN;

	return ratio < 0 ? 0 : ratio > 0.999 ? 0.999 : ratio;
}

static double leaf_nearness(const struct place *place, const struct condition_part *part,
			    bool negated)
{
	int direction = condition_meanings[part->operator].direction * (negated ? -1 : 1);
	bool wants_equal = condition_meanings[part->operator].inclusive != negated;
	enum outcome outcome;
	double value;

	condition_read(part, place->snapshot, place->index, &value);
	outcome = condition_compare(part, value);
	if (outcome == OUTCOME_UNKNOWN)
		return NAN;
	if ((outcome == OUTCOME_TRUE) != negated)
		return 1;
	if (direction > 0)
		return share(value, part->threshold);
	if (direction < 0)
		return share(part->threshold, value);
	if (!wants_equal)
		return 0;
	return value < part->threshold ? share(value, part->threshold)
				       : share(part->threshold, value);
}

/* False if it holds nothing but events. */
static bool nearness(const struct place *place, unsigned int at, bool negated, double *ret)
{
	const struct condition_part *part = &place->condition->parts[at];
	double left, right;
	bool has_left, has_right, both;

	if (part->type == CONDITION_EVENT)
		return false;
	if (part->type == CONDITION_COMPARE) {
		*ret = leaf_nearness(place, part, negated);
		return true;
	}
	if (part->type == CONDITION_NOT)
		return nearness(place, part->left, !negated, ret);
	has_left = nearness(place, part->left, negated, &left);
	has_right = nearness(place, part->right, negated, &right);
	if (!has_left || !has_right) {
		*ret = has_left ? left : has_right ? right : NAN;
		return has_left || has_right;
	}
	both = (part->type == CONDITION_AND) != negated;
	if (isnan(left) || isnan(right))
		*ret = both ? NAN : isnan(left) ? right : left;
	else
		*ret = (left < right) == both ? left : right;
	return true;
}

double condition_nearness(const struct condition *condition, const struct snapshot *snapshot,
			  uint32_t index)
{
	const struct place place = { condition, snapshot, index };
	double value;

	return nearness(&place, condition->root, false, &value) ? value : NAN;
}
