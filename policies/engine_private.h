/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/engine.h"

struct join;

enum {
	/* A failed attempt is made again after this, then after twice as long, … */
	ENGINE_RETRY_USEC = 10000000,
	ENGINE_RETRY_MOST_USEC = 300000000,
	ENGINE_TAKEN_USEC = 300000000,
	/* Ticks of a busy machine come late: no shorter pause of them is a gap. */
	ENGINE_GAP_USEC = 10000000,
};

#define ENGINE_HOUR_USEC UINT64_C(3600000000)
/* What a guard refused will be refused again: it is looked at once more after this. */
#define ENGINE_REFUSED_USEC ENGINE_HOUR_USEC

/* The state of one cgroup under one policy; exists only while it is not idle. */
struct track {
	struct node *node; /* owned reference */
	enum engine_phase phase;
	unsigned int held;   /* a bit for each rung */
	unsigned int judged; /* rungs that were found not to help */
	/* Rungs whose lease is over while the breach goes on: the next one is above them. */
	unsigned int over;
	uint64_t lease_until[POLICY_STEPS_MAX];
	uint64_t applied_at[POLICY_STEPS_MAX];
	/* Decided and not reported yet: owned references, and how many reports are to come. */
	struct verdict *verdicts[POLICY_STEPS_MAX];
	uint8_t unreported[POLICY_STEPS_MAX];
	uint64_t events[POLICY_STEPS_MAX]; /* those of `when` that had happened then */
	uint64_t breach_since, clear_since, held_since;
	uint64_t rung_since;   /* the last rung was applied or undone */
	uint64_t settle_until; /* rates still speak of the time when it was frozen */
	uint64_t effect_from;  /* the highest rung is in force, and `when` held since; 0: no */
	uint64_t retry_at;     /* the enforcer failed, or somebody took a rung: not before this */
	bool taken;	       /* which of the two */
	uint64_t cooldown_until;
	uint64_t block_until;
	enum engine_block block;
	unsigned int failures; /* one after the other */
	int last_error;
	bool escalate; /* the next rung is due whatever its `after` */
};

/* Why it waits until `retry_at`. */
static inline enum engine_block track_waits_for(const struct track *track, uint64_t now)
{
	if (now >= track->retry_at)
		return BLOCK_NOTHING;
	return track->taken ? BLOCK_TAKEN : BLOCK_FAILED;
}

/* The times of what was done within the last hour, in their order. */
struct hour {
	uint64_t *times;
	uint32_t n, capacity;
};

/* One event operand of a policy's conditions. */
struct watch_event {
	struct event_spec spec;
	enum metric_id column; /* where a sample shows it; M_NONE: nowhere */
	enum event_sign sign;
	uint64_t within;
};

/* What is known of one event in one cgroup. */
struct event_cell {
	uint64_t seen;	      /* the column's value at the last tick */
	uint64_t happened_at; /* 0: never */
	bool has_seen;
	bool now;  /* it happened and was not looked at yet */
	bool told; /* by engine_event() since the last tick: the column will show the same one */
	/* Seen in the column at the last tick: the kernel's word of the same one may be late. */
	bool credit;
};

/* One policy and the nodes of the present tree that it matches, in their order. */
struct watch {
	const struct policy *policy;
	bool fresh;	/* not matched yet */
	bool inventory; /* its selectors look at it */
	bool asleep;	/* outside its schedule at the last look */
	uint32_t n, n_tracks, n_held;
	uint32_t *indices;
	uint8_t *unsure;	  /* beside indices: it is there for the sake of its track alone */
	struct track **tracks;	  /* beside indices; NULL where idle */
	struct event_cell *cells; /* n_events for each index */
	struct watch_event *events; /* those of `when`, then those of `clear_when` */
	unsigned int n_events, n_when_events;
	struct hour hour;
	struct engine_policy_stats stats;
};

/* Enforcing policies and those in shadow mode do not take from each other's budgets. */
enum budget_class { BUDGET_ENFORCE, BUDGET_SHADOW, BUDGET_CLASSES };

struct seen_want {
	uint64_t serial;
	struct event_spec spec;
};

/* Reports that are still to come of a track that is no more: they are not those of another. */
struct debt {
	uint64_t serial;
	char *policy;
	unsigned int step, n;
};

struct engine {
	uint64_t interval;
	struct policy_set *set;
	struct watch *watches; /* by priority, then in the order of the files */
	size_t n_watches;
	struct tree *tree; /* that `indices` speak of: an owned reference */
	struct join *join; /* an owned reference */
	bool fresh;	   /* some watch is */
	uint64_t last_now;
	bool stopped;
	struct hour hours[BUDGET_CLASSES];
	/* Beside the nodes of `tree`: scratch of a tick, and who is held by any policy. */
	uint8_t *outcomes, *marks;
	uint32_t n_held[BUDGET_CLASSES], n_frozen[BUDGET_CLASSES];
	struct decisions carried; /* to be given out at the next tick */
	struct seen_want *wants;  /* the last list, sorted */
	size_t n_wants;
	bool wants_stale;
	struct debt *debts;
	size_t n_debts, debts_capacity;
};

/* What one look knows about one track. */
struct moment {
	struct engine *engine;
	struct watch *watch;
	const struct policy *policy;
	const struct snapshot *snapshot;
	struct decisions *decisions;
	uint64_t now;
	uint32_t at, index; /* in the watch, in the tree */
	enum outcome when;
	uint64_t when_events, clear_events; /* those that have just happened */
};

/* One decision to be made. */
struct draft {
	enum decision_op op;
	const struct watch *watch;
	struct track *track;
	unsigned int step;
	const char *why; /* copied */
	uint64_t now;
};

/* The highest rung that is held plus one; 0 if none is. */
static inline unsigned int track_height(const struct track *track)
{
	return track->held ? (unsigned int)(32 - __builtin_clz(track->held)) : 0;
}
static inline enum budget_class policy_class(const struct policy *policy)
{
	return policy->mode == POLICY_ENFORCE ? BUDGET_ENFORCE : BUDGET_SHADOW;
}

/* ---- engine_decide.c */

/* Adds one decision. 0 or -ENOMEM. */
int engine_decide(const struct engine *engine, struct decisions *decisions,
		  const struct draft *draft);
/* Adds the release of every rung that is held, the highest first; the track stays as it is. */
int engine_decide_release(const struct engine *engine, struct decisions *decisions,
			  const struct draft *draft);
/* All of `from` to the end of `to`. 0 or -ENOMEM: what there was no room for stays. */
int decisions_move(struct decisions *from, struct decisions *to);
/* Takes back the last ones, so that `n` are left. */
void decisions_cut(struct decisions *decisions, size_t n);
/* What the condition saw, and since when: the reason of a decision. */
void engine_add_why(const struct moment *moment, const struct condition *condition, uint64_t since,
		    struct strbuf *buffer);

/* ---- engine_track.c */

struct track *track_new(struct node *node);
void track_free(struct track *track);
/* Makes a rung held, or not held any more; what was decided and is not done yet is taken back. */
void track_hold(struct watch *watch, struct track *track, unsigned int step, uint64_t now);
void track_drop(struct watch *watch, struct track *track, unsigned int steps);
/* The lease of a rung is over; with rungs above it the ladder goes on from there, else it cools
 * down where nothing is held any more. */
void track_end_lease(const struct engine *engine, struct watch *watch, struct track *track,
		     unsigned int step, uint64_t now);
/* The rung to be taken next, or as many as there are if there is none. */
unsigned int track_next_rung(const struct policy *policy, const struct track *track);
/* Brings a track into cooldown of at least `least`: nothing is held any more. */
void track_cool_down(struct watch *watch, struct track *track, uint64_t now, uint64_t least);
bool track_is_awaited(const struct track *track);
/* The track goes, and the reports that it waits for will mean nothing. */
void engine_owe(struct engine *engine, const struct policy *policy, const struct track *track);
/* True if a report of that is one of these. */
bool engine_is_owed(struct engine *engine, uint64_t serial, const char *policy, unsigned int step);
void engine_forget_debts(struct engine *engine);
struct watch *engine_watch(const struct engine *engine, const char *policy);
/* The track of a node under a policy, or NULL; `ret_at` may be NULL. */
struct track *watch_find(const struct watch *watch, uint64_t serial, uint32_t *ret_at);

/* ---- engine_match.c */

/* Brings indices and tracks to a new tree or inventory: what held a cgroup that is gone or not
 * matched any more is released. 0 or -ENOMEM. */
int engine_match(struct engine *engine, const struct snapshot *snapshot,
		 struct decisions *decisions);
/* Puts a node into a watch that it is not in, for the sake of a track. -ENOMEM. */
int watch_insert(struct watch *watch, uint32_t index, uint32_t *ret_at);
/* Position of a node of the tree in a watch, or NODE_NONE. */
uint32_t watch_at(const struct watch *watch, uint32_t index);
void watch_done(struct watch *watch);

/* ---- engine_budget.c */

void hour_done(struct hour *hour);
uint32_t hour_count(const struct hour *hour, uint64_t now);
/* Counts anew who is held and frozen, if there is a bound over all policies. */
void budget_prepare(struct engine *engine);
/* True if a rung may be applied now; else the track's block says why not. */
bool budget_allows(const struct moment *moment, struct track *track, unsigned int step);
void budget_take(const struct moment *moment, unsigned int step);
/* It was not done after all. */
void budget_return(struct engine *engine, struct watch *watch, uint64_t taken_at);
/* Sets why a track does not act, and counts it when that begins. */
void track_block(struct watch *watch, struct track *track, enum engine_block block, uint64_t until);
void budget_needs(const struct policy *policy, struct metric_set *set);
/* 0, or -ENODATA if it cannot be told. The larger share of memory and CPU time, 0..1. */
int budget_share(const struct snapshot *snapshot, uint32_t index, double *ret_share);

/* ---- engine_event.c */

/* Fills the watch's list of events from its policy. 0 or -ENOMEM. */
int watch_events_init(struct watch *watch);
void watch_event_needs(const struct watch *watch, struct metric_set *set);
/* Looks for signs of events in a new snapshot. */
void watch_see_signs(struct watch *watch, const struct snapshot *snapshot, uint64_t now);
/* Fills the moment's events. */
void moment_events(struct moment *moment);
/* Those of `n` rows were looked at: what has no `within` is over. */
void watch_forget_events(struct watch *watch, uint32_t at, uint32_t n);

/* ---- engine_step.c */

/* From one phase to the next, as the moment says. */
int engine_step(const struct moment *moment, struct track *track);

/* ---- engine.c */

/* One look at one cgroup under one policy. */
int engine_look(struct moment *moment, bool gap);
/* Whether nobody looked for so long that nothing can be said of the time between. */
bool engine_is_gap(const struct engine *engine, uint64_t now);
/* Whether it is within its schedule, by the wall clock of the snapshot. */
void watch_see_schedule(struct watch *watch, const struct snapshot *snapshot);
