/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/journal.h"

/*
 * A small forked process that puts everything back when the agent dies without a word, also by
 * SIGKILL, and thaws what is frozen longer than its lease when the agent hangs. It shares the
 * journal's lock, so that a restarted agent waits until it is done.
 */
struct watchdog;

/*
 * Forks; call before any thread is started and after journal_restore(). The child closes every
 * descriptor but those it needs (`keep_fds` none), ignores SIGINT, SIGTERM, SIGHUP, and lives in
 * the same cgroup and session. Borrows the context. 0 or -errno.
 */
int watchdog_start(struct journal *journal, const struct knob_context *context,
		   struct watchdog **ret_watchdog);
/* The child's pid, for SIGCHLD: it ends only with the agent. */
pid_t watchdog_pid(const struct watchdog *watchdog);
/* Says goodbye: the child ends and is reaped; nothing is restored. Call after enforcer_stop(). */
void watchdog_free(struct watchdog *watchdog);
