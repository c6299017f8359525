/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"

/*
 * What policies are armed, what they hold and what they did: the agent's answer as `cgwatch policy
 * status` and the terminal show it. Immutable and shared once made. Texts are bytes from outside;
 * times are seconds (CLOCK_REALTIME for moments), 0 where there is none. NULL texts: not there.
 */
struct report_policy {
	const char *name, *file, *mode; /* "off", "shadow", "enforce" */
	unsigned int line;
	int priority;
	const char *selects, *when, *clear_when, *ladder; /* as written */
	const char *schedule;
	bool asleep; /* outside its schedule */
	uint64_t matches;
	uint64_t pending, held, cooldown, blocked;    /* cgroups */
	uint64_t fired, actions, failed, ineffective; /* since the start of the agent */
	uint64_t fired_last_hour;
	double last_fired;
};

/* A cgroup under a policy that is not idle. */
struct report_track {
	const char *policy, *path, *phase; /* "pending", "held", "cooldown" */
	uint64_t cgroup_id;
	bool shadow;
	unsigned int rungs, of_rungs;
	double breach_seconds, breach_wanted; /* of `for` */
	double clear_seconds, clear_wanted;
	double held_since, until; /* lease or cooldown */
	const char *trigger;	  /* operands with their values */
	const char *blocked;	  /* why it does not act, or NULL */
	const char *error;	  /* of the last attempt, or NULL */
	bool ineffective;
};

/* A holder of a knob. */
struct report_hold {
	const char *policy, *path, *knob, *unit;
	uint64_t cgroup_id;
	unsigned int step;
	const char *original, *wanted, *in_force; /* for people */
	bool effective;				  /* its value is the one in force */
	double since, until;
	const char *uuid;
	bool by_hand;
};

/* Something that was done, newest first. */
struct report_action {
	double time;
	const char *policy, *path, *action, *op; /* "apply", "release", "report" */
	const char *result;			 /* "done", "failed", "shadow", "conflict" */
	const char *text;
};

struct policy_report {
	atomic_int refs;
	struct arena arena;
	bool agent; /* an agent answered; if not, `why` says why */
	const char *why;
	bool enforcing;
	const char *not_enforcing; /* why not, or NULL */
	bool stopped;		   /* the kill-switch file is there */
	double time;
	uint64_t conflicts, failed, restores_pending, frozen;
	struct report_policy *policies;
	struct report_track *tracks;
	struct report_hold *holds;
	struct report_action *actions;
	uint32_t n_policies, n_tracks, n_holds, n_actions;
};

/* An empty one. NULL if there is no memory. */
struct policy_report *policy_report_new(void);
struct policy_report *policy_report_ref(struct policy_report *report);
void policy_report_unref(struct policy_report *report);
