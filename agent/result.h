/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/enforce.h"

/* In one word what became of a decision: in the audit log, the status and the metrics. */
enum result_word {
	RESULT_DONE,
	RESULT_UNCHANGED, /* it was so already */
	RESULT_FAILED,
	RESULT_SHADOW,	  /* only told */
	RESULT_CONFLICT,  /* somebody else had changed the value: left alone */
	RESULT_CANCELLED, /* not wanted any more at the last look */
	RESULT_INEFFECTIVE,
	RESULT_WORD_COUNT,
};

enum result_word result_word(const struct enforcer_result *result);
/* "done", "unchanged", …: static text, also the label of the metric. */
const char *result_word_name(enum result_word word);
/* "apply", "release", "report": static text. */
const char *result_op_name(enum decision_op op);
/* The name of an errno: "EBUSY"; "" for 0, "unknown" for one without a name. Static text. */
const char *result_errno_name(int error);
