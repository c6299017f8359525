/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/strbuf.h"

enum { CONTROL_ANSWER_MAX = 64 << 20 };

/*
 * Asks the running agent over STATE_DIR/control: one line of request, the answer until the end of
 * the stream, -EMSGSIZE if that is too far off. 0; -ENOENT or -ECONNREFUSED if no agent runs;
 * another -errno.
 */
int control_ask(const char *state_dir, const char *request, struct strbuf *ret_answer);
/* The same with another patience than 30 s for each step: then -ETIMEDOUT. */
int control_ask_within(const char *state_dir, const char *request, unsigned int timeout_ms,
		       struct strbuf *ret_answer);
/* For questions that an agent in good health answers within a moment. */
enum { CONTROL_QUICK_MS = 10000 };
/* True for the errors that mean "no agent runs there". */
bool control_is_absent(int error);
/* What an error of control_ask() means, for people; valid until the next strerror(). */
const char *control_error_text(int error);
