/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/policy_report.h"
#include "core/strbuf.h"

/*
 * Questions to the agent that somebody waits for: like control_ask(), but for at most `timeout_ms`,
 * and until `cancel_fd` (-1: none) is readable. 0 and the answer appended; -ENOENT or -ECONNREFUSED
 * if no agent runs; -ETIMEDOUT; -ECANCELED; -EMSGSIZE for an answer without end; another -errno.
 */
int report_ask(const char *state_dir, const char *request, int timeout_ms, int cancel_fd,
	       struct strbuf *ret_answer);
/*
 * The agent's status. Where there is none to be had, a report that says why. NULL if there is no
 * memory or it was cancelled.
 */
struct policy_report *report_fetch(const char *state_dir, int timeout_ms, int cancel_fd);
