/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "core/policy_report.h"

/*
 * Reads the agent's answer to "status", a JSON object with the names of core/policy_report.h. Names
 * that are not known are left out; what is missing or null is empty. 64-bit numbers may be texts,
 * as a JSON number holds 53 bits. A document without "agent" comes from one, too: only an agent
 * answers.
 *
 * 0 and the caller's reference in `ret_report`; -EINVAL for what is no such document, with one line
 * in `ret_error` (if that is not NULL; the caller frees it) that says where and why; -ENOMEM.
 */
int report_read(const char *text, size_t length, struct policy_report **ret_report,
		char **ret_error);
/* A report that only says that no agent answered, and why (copied). NULL if there is no memory. */
struct policy_report *report_of_no_agent(const char *why);
