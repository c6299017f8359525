/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/strbuf.h"

/*
 * Asks the running agent over STATE_DIR/control: one line of request, the answer until the end of
 * the stream. 0; -ENOENT or -ECONNREFUSED if no agent runs; another -errno.
 */
int control_ask(const char *state_dir, const char *request, struct strbuf *ret_answer);
/* True for the errors that mean "no agent runs there". */
bool control_is_absent(int error);
