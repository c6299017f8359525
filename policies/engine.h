/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/policy_file.h"

/*
 * The state machine of the policies: snapshots in, decisions out. Pure: the time is a parameter
 * (CLOCK_BOOTTIME in microseconds), nothing is read, written or logged. One thread uses an engine.
 *
 * A (cgroup, policy) is idle; pending while `when` holds for less than `for`, and between a rung
 * whose lease is over and the next; held from the first rung until the clear condition held for
 * `clear_for`; then in cooldown. Held means decided: what the enforcer could not do must be told
 * with engine_report().
 */
struct engine;

/* DECISION_REPORT: nothing to do, only to be told ("ineffective"). */
enum decision_op { DECISION_APPLY, DECISION_RELEASE, DECISION_REPORT, DECISION_OP_COUNT };

/*
 * Whether what was decided is still wanted when its turn comes: the engine takes it back as soon as
 * the condition no longer holds. Shared by engine and enforcer.
 */
struct verdict;

struct verdict *verdict_new(void);
struct verdict *verdict_ref(struct verdict *verdict);
void verdict_unref(struct verdict *verdict);
void verdict_withdraw(struct verdict *verdict);
bool verdict_stands(const struct verdict *verdict);

/* One thing to do. Complete in itself: it outlives the engine and its policies. */
struct decision {
	enum decision_op op;
	struct node *node;	/* owned reference */
	char *policy;		/* its name */
	struct policy_set *set; /* owned reference: `rule` and the texts of `action` live in it; or
				   NULL, and so is `rule` */
	const struct policy *rule;
	struct verdict *verdict; /* owned reference; NULL: it stands */
	unsigned int step;	 /* rung, from 0 */
	unsigned int line;	 /* of the rung in the policy's file */
	struct action action;
	bool shadow; /* only to be told, not done */
	bool restore_on_exit;
	uint64_t lease_until; /* CLOCK_BOOTTIME microseconds; 0: no lease */
	bool taken;	      /* a release that nobody decided: see engine_taken() */
	char *reason;	      /* for people; may hold bytes from outside */
	uint64_t breach_usec; /* how long `when` had held */
	/* APPLY: the events of `rule->when` that had happened: those do not unhappen, and what is
	 * negated had not (condition_evaluate_events()). */
	uint64_t events;
};

/* Zeroed is empty. */
struct decisions {
	struct decision *list;
	size_t n, capacity;
};

void decision_done(struct decision *decision);
void decisions_done(struct decisions *decisions);

/* Why a (cgroup, policy) whose time has come does not act. */
enum engine_block {
	BLOCK_NOTHING,
	BLOCK_STOPPED,	/* the kill-switch */
	BLOCK_SCHEDULE, /* outside its schedule */
	BLOCK_COOLDOWN,
	BLOCK_RATE,	  /* max_per_hour, of the policy or of all */
	BLOCK_CONCURRENT, /* max_concurrent, max_frozen, max_held */
	BLOCK_PROCESSES,  /* max_processes */
	BLOCK_CGROUPS,	  /* max_cgroups */
	BLOCK_SHARE,	  /* max_share */
	BLOCK_UNKNOWN,	  /* what a bound needs cannot be told: nothing is done */
	BLOCK_FAILED,	  /* the last attempt failed; it waits before it tries again */
	BLOCK_TAKEN,	  /* somebody thawed or changed what it held: hands off for a while */
	BLOCK_COUNT,
};

/* "schedule", "max_per_hour", …: static text, also the label of the metric. */
const char *engine_block_name(enum engine_block block);

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
	enum engine_block block;
	uint64_t block_until; /* when it may try again, where that is known */
	bool ineffective;     /* an action was found not to help */
	unsigned int failures;
};

/* What a policy did since the engine has it. */
struct engine_policy_stats {
	uint64_t matches; /* cgroups it is for now */
	uint64_t unknown; /* cgroups of which it cannot be told whether it is for them */
	uint64_t fired;	  /* times that its first rung was decided */
	uint64_t rungs, cleared, leases_over, ineffective;
	uint64_t blocked[BLOCK_COUNT]; /* times that a bound began to hold it up */
	uint64_t phases[ENGINE_PHASE_COUNT];
	uint64_t last_fired; /* CLOCK_BOOTTIME microseconds, 0: never */
	uint64_t last_hour;  /* rungs in the last hour (at most 4096 are counted without a bound) */
	bool asleep;	     /* outside its schedule */
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
/*
 * One tick. Policies are looked at by priority, then in the order of the files. Adds to
 * `decisions`. 0 or -ENOMEM.
 */
int engine_tick(struct engine *engine, const struct snapshot *snapshot, uint64_t now,
		struct decisions *decisions);
/*
 * An event happened in the cgroup with that serial: looks at once at the policies that wait for it,
 * with the numbers of `snapshot` (the latest). The sign of the same event in the next sample does
 * not count again, nor the other way round. Adds to `decisions`. 0 or -ENOMEM.
 */
int engine_event(struct engine *engine, const struct snapshot *snapshot, uint64_t serial,
		 const struct event_spec *spec, uint64_t now, struct decisions *decisions);
/*
 * True if a policy that waits for that event also compares numbers: then they should be read anew
 * first (a sample of its own), as those of the last one may be an interval old.
 */
bool engine_event_needs_sample(const struct engine *engine, uint64_t serial,
			       const struct event_spec *spec);
/*
 * The events to wait for and where, for event_watch_set(): from the last tick's tree, each pair
 * once. Free with free(); the nodes are borrowed until the next tick. `ret_changed` false: as at
 * the last call, and the list is NULL. 0 or -ENOMEM.
 */
int engine_wants(struct engine *engine, struct event_want **ret_list, size_t *ret_n,
		 bool *ret_changed);
/* The parts of the inventory that its policies look at. */
/*
 * The cgroups, by serial, whose waiting or traffic a policy asks about that is for them: up to
 * `size`; returns how many. Of the tree of the last tick.
 */
size_t engine_watched(const struct engine *engine, uint64_t *serials, size_t size);
unsigned int engine_inventory(const struct engine *engine);
/*
 * Takes over what an earlier agent left held (restore without on-exit), so that it is released when
 * it clears. -ENOENT if there is no such policy, rung or cgroup any more: then it is to be
 * released.
 */
int engine_adopt(struct engine *engine, const struct snapshot *snapshot, uint64_t serial,
		 const char *policy, unsigned int step, uint64_t since, uint64_t lease_until,
		 uint64_t now);
/*
 * The kill-switch: while stopped nothing new is decided; what is held is released when it goes on
 * (to `decisions`). 0 or -ENOMEM.
 */
int engine_stop(struct engine *engine, bool stop, uint64_t now, struct decisions *decisions);
bool engine_is_stopped(const struct engine *engine);
/* False if there is no policy of that name. */
bool engine_policy_stats(const struct engine *engine, const char *policy, uint64_t now,
			 struct engine_policy_stats *ret_stats);
/*
 * Tells what became of a decision. A rung that failed counts as not held, and is tried again after
 * 10 s, then 20 s, up to 5 min (after -EPERM, which is a guard's, an hour); without any rung left
 * the policy waits its cooldown if that is longer. -ECANCELED: it was not wanted any more, nothing
 * waits. A release that failed is left to the enforcer. Every DECISION_APPLY is to be reported
 * once.
 */
void engine_report(struct engine *engine, uint64_t node_serial, const char *policy,
		   enum decision_op op, unsigned int step, int error, uint64_t now);
/*
 * Somebody took a rung away: it was thawed by hand, or the value changed (a conflict). That is a
 * word to be heeded: the rung is not held any more, and for the cooldown, at least 5 minutes, the
 * policy does nothing more to that cgroup. Its other rungs stay until it clears.
 */
void engine_taken(struct engine *engine, uint64_t node_serial, const char *policy,
		  unsigned int step, uint64_t now);
/* Releases everything held (before stop, or by hand): adds to `decisions`. 0 or -ENOMEM. */
int engine_release_all(struct engine *engine, uint64_t now, const char *reason,
		       struct decisions *decisions);
/* Calls back for everything that is not idle, policy by policy. */
void engine_each(const struct engine *engine,
		 void (*callback)(void *data, const struct engine_track *track), void *data);
/*
 * For `cgwatch policy explain`: of every policy that matches node `index` what it sees, how far it
 * is from its trigger, how long its timers run, what blocks it and until when, and its budgets; of
 * the others the first selector that is not for it. Works without a tick before (all idle).
 */
void engine_explain(const struct engine *engine, const struct snapshot *snapshot, uint32_t index,
		    uint64_t now, struct strbuf *buffer);
/* "idle", "pending", "held", "cooldown". */
const char *engine_phase_name(enum engine_phase phase);
