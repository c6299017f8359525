/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/engine.h"
#include "policies/journal.h"

/*
 * Carries decisions out on a thread of its own: writes to a cgroup can block for seconds. For each
 * knob of a cgroup that is held it keeps the original value and who wants what; the tightest of
 * them all is in force, and the original returns with the last holder, if nobody else changed it
 * meanwhile.
 */
struct enforcer;

struct enforcer_options {
	bool dry_run;		 /* as if every policy were in shadow mode */
	pid_t watchdog;		 /* of ours, so that it is never frozen; 0: none */
	unsigned int timeout_ms; /* see struct knob_context */
	const struct knob_io *io;
};

/* What became of a decision, or of something the enforcer did by itself (a lease that ran out). */
struct enforcer_result {
	enum decision_op op;
	uint64_t node_serial;
	char *path, *policy;
	unsigned int step;
	enum action_id action;
	bool shadow;
	int error;     /* 0 or -errno */
	bool conflict; /* released, but somebody else had changed the value: left alone */
	bool changed;
	struct knob_value before, after;
	uint64_t duration_usec;
	char *text; /* for people; may hold bytes from outside */
};

/* One holder of one knob, for `cgwatch policy status`. */
struct enforcer_hold {
	char *path, *policy;
	uint64_t node_serial;
	enum knob_id knob;
	unsigned int step;
	struct knob_value original, wanted, written;
	bool effective;		     /* its value is the one in force */
	uint64_t since, lease_until; /* CLOCK_BOOTTIME microseconds */
};

struct enforcer_stats {
	uint64_t applied, released, failed, conflicts, leases_expired, shadowed;
	uint64_t held, frozen; /* now */
};

/*
 * Starts the thread. Borrows root, hierarchies and journal (NULL: none, for a dry run). The order
 * at start: journal_open(), journal_restore(), watchdog_start(), enforcer_new(). 0 or -errno.
 */
int enforcer_new(const struct root *root, const struct hierarchies *hierarchies,
		 struct journal *journal, const struct enforcer_options *options,
		 struct enforcer **ret_enforcer);
/* Queues a copy. Never blocks on a cgroup. 0 or -ENOMEM. */
int enforcer_submit(struct enforcer *enforcer, const struct decision *decision);
/* An eventfd, readable while results wait. Owned by the enforcer. */
int enforcer_fd(const struct enforcer *enforcer);
/* Takes all results so far and clears the eventfd. The caller frees with enforcer_results_free().
 */
int enforcer_collect(struct enforcer *enforcer, struct enforcer_result **ret_list, size_t *ret_n);
void enforcer_results_free(struct enforcer_result *list, size_t n);
/* A copy of what is held now. Free with enforcer_holds_free(). 0 or -ENOMEM. */
int enforcer_status(struct enforcer *enforcer, struct enforcer_hold **ret_list, size_t *ret_n);
void enforcer_holds_free(struct enforcer_hold *list, size_t n);
void enforcer_get_stats(struct enforcer *enforcer, struct enforcer_stats *ret_stats);
/* Queues the release of everything, whatever the policies say about on-exit. */
int enforcer_release_all(struct enforcer *enforcer);
/* Waits until the queue is empty and nothing is under way, at most `timeout_ms`. 0 or -ETIMEDOUT.
 */
int enforcer_drain(struct enforcer *enforcer, unsigned int timeout_ms);
/*
 * Finishes the queue, thaws and restores what is to be restored on exit (thaw first, then parents
 * before children), and ends the thread. Results can still be collected. 0, or the first -errno of
 * a restore that failed: its journal entry stays for journal_restore().
 */
int enforcer_stop(struct enforcer *enforcer);
/* Stops if need be. */
void enforcer_free(struct enforcer *enforcer);
