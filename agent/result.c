// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/result.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[RESULT_WORD_COUNT] = {
	[RESULT_DONE] = "done",
	[RESULT_UNCHANGED] = "unchanged",
	[RESULT_FAILED] = "failed",
	[RESULT_SHADOW] = "shadow",
	[RESULT_CONFLICT] = "conflict",
	[RESULT_CANCELLED] = "cancelled",
	[RESULT_INEFFECTIVE] = "ineffective",
};

static const char *const ops[DECISION_OP_COUNT] = {
	[DECISION_APPLY] = "apply",
	[DECISION_RELEASE] = "release",
	[DECISION_REPORT] = "report",
};

enum result_word result_word(const struct enforcer_result *result)
{
	if (result->op == DECISION_REPORT)
		return RESULT_INEFFECTIVE;
	if (result->cancelled)
		return RESULT_CANCELLED;
	if (result->conflict)
		return RESULT_CONFLICT;
	if (result->error)
		return RESULT_FAILED;
	if (result->shadow)
		return RESULT_SHADOW;
	/* What is done once changes no value. */
	if (!result->changed && action_kind(result->action) == ACTION_KIND_KNOB)
		return RESULT_UNCHANGED;
	return RESULT_DONE;
}

const char *result_word_name(enum result_word word)
{
	return words[word];
}

const char *result_op_name(enum decision_op op)
{
	return ops[op];
}

const char *result_errno_name(int error)
{
	const char *name = error ? strerrorname_np(abs(error)) : "";

	return name ? name : "unknown";
}
