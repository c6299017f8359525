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

enum { ENFORCER_UUID_SIZE = 37 };

struct enforcer_options {
	bool dry_run;		 /* as if every policy were in shadow mode */
	pid_t watchdog;		 /* of ours, so that it is never frozen; 0: none */
	unsigned int timeout_ms; /* see struct knob_context */
	const struct knob_io *io;
	struct guards *guards;
	struct unit_bus *units; /* used on the enforcer's thread alone from now on */
	/*
	 * The last look before something is done, on the enforcer's thread: 0 if the condition
	 * still holds, -ECANCELED if not (the reason in `reason`), another -errno if it cannot be
	 * told (then the decision stands). NULL: decisions are believed.
	 */
	int (*recheck)(void *data, const struct decision *decision, char *reason, size_t size);
	void *recheck_data;
	unsigned int max_hooks; /* hooks (exec) at a time; 0 means 4 */
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
	/* For the audit log. */
	char uuid[ENFORCER_UUID_SIZE];
	char restore_of[ENFORCER_UUID_SIZE]; /* of the change that this one undoes, or empty */
	unsigned int line;		     /* of the rung in the policy's file */
	char *file;			     /* of the policy, or NULL */
	char *trigger;			     /* the condition with its values when it was decided */
	char *unit;			     /* of systemd, if it was asked to do it, or NULL */
	uint64_t cgroup_id, breach_usec, lease_until;
	enum knob_id knob; /* KNOB_COUNT: the action has none */
	struct knob_value requested;
	bool has_before;
	bool taken;	    /* thawed by hand, or changed by somebody else: for engine_taken() */
	bool cancelled;	    /* the last look said that it is not wanted any more */
	uint32_t processes; /* kill, move: how many */
};

/* One holder of one knob, for `cgwatch policy status`. */
struct enforcer_hold {
	char *path, *policy;
	uint64_t node_serial;
	enum knob_id knob;
	unsigned int step;
	struct knob_value original, wanted, written;
	char uuid[ENFORCER_UUID_SIZE];
	uint64_t cgroup_id;
	char *unit; /* or NULL */
	bool by_hand;
	bool effective;		     /* its value is the one in force */
	uint64_t since, lease_until; /* CLOCK_BOOTTIME microseconds */
};

struct enforcer_stats {
	uint64_t applied, released, failed, conflicts, leases_expired, shadowed;
	uint64_t cancelled, conflicts_now, hooks_running;
	uint64_t held, frozen, pending_restores; /* now */
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
/*
 * What an earlier agent left behind for us to hold (journal entries that are kept over an exit):
 * takes it over for the cgroups that are still there, under the same journal entries. Call once,
 * before the first decision, with the first snapshot. The list is like that of enforcer_status();
 * what the engine does not want (engine_adopt()) is to be released by a decision. 0 or -errno.
 */
int enforcer_adopt(struct enforcer *enforcer, const struct snapshot *snapshot,
		   struct enforcer_hold **ret_list, size_t *ret_n);
/*
 * By hand, from the terminal through the agent: freezes until `lease_until` (CLOCK_BOOTTIME
 * microseconds; must be set) or thaws what was frozen by hand or by a policy. The result comes like
 * that of a decision, of the policy "by hand". 0 or -ENOMEM.
 */
int enforcer_by_hand(struct enforcer *enforcer, struct node *node, bool freeze,
		     uint64_t lease_until);
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
