/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/policy_report.h"

/*
 * The terminal's word with the agent, on a thread of its own: keys never wait for an answer. Its
 * report is asked for only while somebody looks, once an interval.
 */
struct terminal_agent;

/*
 * `notify_fd` (an eventfd, the caller's) is written to when there is something new. 0 or -errno.
 */
int terminal_agent_new(const char *state_dir, int notify_fd, struct terminal_agent **ret_agent);
/* Does not wait for an agent that does not answer. */
void terminal_agent_free(struct terminal_agent *agent);
void terminal_agent_want(struct terminal_agent *agent, bool wanted);
void terminal_agent_set_interval(struct terminal_agent *agent, uint64_t usec);
void terminal_agent_set_paused(struct terminal_agent *agent, bool paused);
/* A reference to the latest report, or NULL. */
struct policy_report *terminal_agent_latest(struct terminal_agent *agent);
/*
 * Has it frozen for that many seconds, or (0) thawed. 0 if it is on its way; -EBUSY while another
 * order is; -EINVAL for a path that a request cannot hold.
 */
int terminal_agent_order(struct terminal_agent *agent, const char *path, unsigned int seconds);
/* What became of the order: true once, with the agent's words (caller frees; may be NULL). */
bool terminal_agent_outcome(struct terminal_agent *agent, bool *ret_failed, char **ret_message);
