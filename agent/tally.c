// SPDX-License-Identifier: MIT
#include "agent/tally.h"

#include <stdlib.h>
#include <string.h>

/* Beyond TALLY_ROWS_MAX rows there is room for what is counted under "other". */
enum { OTHER_ROWS_MAX = 512 };

static const char other[] = "other";

struct tally {
	struct tally_row rows[TALLY_ROWS_MAX + OTHER_ROWS_MAX];
	size_t n;
	struct tally_duration durations[ACTION_COUNT][DECISION_OP_COUNT];
};

struct tally *tally_new(void)
{
	return calloc(1, sizeof(struct tally));
}

void tally_free(struct tally *tally)
{
	if (!tally)
		return;
	for (size_t i = 0; i < tally->n; i++) {
		if (tally->rows[i].policy != other)
			free((char *)tally->rows[i].policy);
	}
	free(tally);
}

static struct tally_row *find(struct tally *tally, const struct tally_row *like)
{
	for (size_t i = 0; i < tally->n; i++) {
		struct tally_row *row = &tally->rows[i];

		if (row->action == like->action && row->op == like->op && row->word == like->word &&
		    row->error == like->error && strcmp(row->policy, like->policy) == 0)
			return row;
	}
	return NULL;
}

static struct tally_row *append(struct tally *tally, const struct tally_row *like, size_t limit,
				const char *name)
{
	struct tally_row *row;

	if (!name || tally->n >= limit)
		return NULL;
	row = &tally->rows[tally->n++];
	*row = *like;
	row->policy = name;
	return row;
}

void tally_add(struct tally *tally, const struct enforcer_result *result)
{
	struct tally_row like = { .policy = result->policy ? result->policy : other,
				  .action = result->action,
				  .op = result->op,
				  .word = result_word(result),
				  .error = result->error };
	struct tally_row *row;

	if (like.action >= ACTION_COUNT || like.op >= DECISION_OP_COUNT)
		return;
	row = find(tally, &like);
	if (!row && tally->n < TALLY_ROWS_MAX)
		row = append(tally, &like, TALLY_ROWS_MAX, strdup(like.policy));
	if (!row) {
		like.policy = other;
		row = find(tally, &like);
	}
	if (!row)
		row = append(tally, &like, TALLY_ROWS_MAX + OTHER_ROWS_MAX, other);
	if (row)
		row->count++;
	if (!result->shadow && !result->cancelled && like.op != DECISION_REPORT) {
		tally->durations[like.action][like.op].count++;
		tally->durations[like.action][like.op].usec += result->duration_usec;
	}
}

const struct tally_row *tally_rows(const struct tally *tally, size_t *ret_n)
{
	*ret_n = tally->n;
	return tally->rows;
}

struct tally_duration tally_duration(const struct tally *tally, enum action_id action,
				     enum decision_op op)
{
	return tally->durations[action][op];
}

struct tally_policy tally_of(const struct tally *tally, const char *policy)
{
	struct tally_policy sum = { 0 };

	for (size_t i = 0; i < tally->n; i++) {
		const struct tally_row *row = &tally->rows[i];

		if (strcmp(row->policy, policy) != 0)
			continue;
		if (row->op == DECISION_APPLY &&
		    (row->word == RESULT_DONE || row->word == RESULT_UNCHANGED))
			sum.applied += row->count;
		sum.failed += row->word == RESULT_FAILED ? row->count : 0;
		sum.conflicts += row->word == RESULT_CONFLICT ? row->count : 0;
		sum.ineffective += row->word == RESULT_INEFFECTIVE ? row->count : 0;
	}
	return sum;
}
