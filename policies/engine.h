/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/policy_file.h"

/*
 * The state machine of the policies: snapshots in, decisions out. Pure: the time is a parameter
 * (CLOCK_BOOTTIME in microseconds), nothing is read, written or logged. One thread uses an engine.
 *
 * A (cgroup, policy) is idle; pending while `when` holds for less than `for`; held from the first
 * rung until the clear condition held for `clear_for`; then in cooldown. Held means decided: what
 * the enforcer could not do must be told with engine_report().
 */
struct engine;

enum decision_op { DECISION_APPLY, DECISION_RELEASE };

/* One thing to do. Complete in itself: it outlives the policy set. */
struct decision {
	enum decision_op op;
	struct node *node; /* owned reference */
	char *policy;	   /* its name */
	unsigned int step; /* rung, from 0 */
	struct action action;
	bool shadow; /* only to be told, not done */
	bool restore_on_exit;
	uint64_t lease_until; /* CLOCK_BOOTTIME microseconds; 0: no lease */
	char *reason;	      /* for people; may hold bytes from outside */
};

/* Zeroed is empty. */
struct decisions {
	struct decision *list;
	size_t n, capacity;
};

void decision_done(struct decision *decision);
void decisions_done(struct decisions *decisions);

enum engine_phase { ENGINE_IDLE, ENGINE_PENDING, ENGINE_HELD, ENGINE_COOLDOWN, ENGINE_PHASE_COUNT };

/* A (cgroup, policy) that is not idle, for status and metrics. Times are CLOCK_BOOTTIME, 0: none.
 */
struct engine_track {
	const struct node *node;
	const struct policy *policy;
	enum engine_phase phase;
	unsigned int rungs;    /* how many are held */
	uint64_t breach_since; /* `when` holds without a break since */
	uint64_t clear_since;  /* the clear condition holds without a break since */
	uint64_t held_since, lease_until, cooldown_until;
	int last_error; /* of the enforcer, -errno */
};

/* `interval_usec` is the sampling interval (0: not known): a gap of
 * more than two of them restarts all timers. */
int engine_new(uint64_t interval_usec, struct engine **ret_engine);
void engine_free(struct engine *engine);
/*
 * Takes new policies (a reference; NULL for none). A policy that stayed the same keeps its state;
 * what a changed or removed one holds is released through `decisions`. 0 or -ENOMEM (nothing
 * changed).
 */
int engine_set_policies(struct engine *engine, struct policy_set *set, uint64_t now,
			struct decisions *decisions);
/* Another sampling interval from now on; the step to it counts as no gap. */
void engine_set_interval(struct engine *engine, uint64_t interval_usec);
/* What the engine looks at. */
void engine_needs(const struct engine *engine, struct metric_set *set);
/* One tick. Adds to `decisions`. 0 or -ENOMEM. */
int engine_tick(struct engine *engine, const struct snapshot *snapshot, uint64_t now,
		struct decisions *decisions);
/*
 * Tells what became of a decision. A failed step counts as not held, and the policy waits its
 * cooldown (at least 10 s) before it tries that cgroup again.
 */
void engine_report(struct engine *engine, uint64_t node_serial, const char *policy,
		   enum decision_op op, unsigned int step, int error, uint64_t now);
/* Releases everything held (before stop, or by hand): adds to `decisions`. 0 or -ENOMEM. */
int engine_release_all(struct engine *engine, uint64_t now, const char *reason,
		       struct decisions *decisions);
/* Calls back for everything that is not idle, policy by policy. */
void engine_each(const struct engine *engine,
		 void (*callback)(void *data, const struct engine_track *track), void *data);
/*
 * For `cgwatch policy explain`: what every policy that matches node `index` sees, how long its
 * timers run and what it waits for, a line each. Works without a tick before (all idle).
 */
void engine_explain(const struct engine *engine, const struct snapshot *snapshot, uint32_t index,
		    uint64_t now, struct strbuf *buffer);
/* "idle", "pending", "held", "cooldown". */
const char *engine_phase_name(enum engine_phase phase);
