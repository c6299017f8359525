/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/cgroup_act.h"
#include "policies/enforce_private.h"

/*
 * Actions that are done once (ACTION_KIND_ONCE), a file each. On the enforcer's thread; what takes
 * long in them is bounded by the action's timeout.
 */
struct act {
	struct enforcer *enforcer;
	const struct decision *decision;
	uint64_t started;
	bool rehearse; /* say what would be done, and do nothing */
	/* Outcome. */
	char text[384];
	char uuid[ENFORCER_UUID_SIZE];
	uint64_t cgroup_id;
	uint32_t processes;
	bool later; /* the result comes when it is over */
};

/* Carries out and tells. A release does nothing but bring moved processes back. */
void act_once(struct enforcer *enforcer, const struct decision *decision, uint64_t started);
/* Text of the outcome. Returns `error`. */
int act_say(struct act *act, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* When it has to be over, in knob_clock_ms(): the action's timeout, or the usual one. */
uint64_t act_deadline_ms(const struct act *act);
bool act_allows_protected(const struct act *act);

/* All return 0 or -errno, with act->text saying what happened. */
int act_kill(struct act *act);
int act_move(struct act *act);
int act_reclaim(struct act *act);
int act_notify(struct act *act);
int act_exec(struct act *act);

/* Processes that a decision moved go back. False if it has moved none. */
bool act_move_back(struct act *act, int *ret_error);
/* The same for everything that was moved. The first -errno. */
int act_move_back_all(struct enforcer *enforcer);
/* Moves those of a list back that are still where they were moved to. 0 or the first -errno. */
int act_move_list_back(const struct knob_context *context, const struct journal_move *list,
		       size_t n, const char *target, uint32_t *ret_moved);
void moved_free(struct moved *moved);

/* A knob changed for a moment, journalled like everything that is held. Zeroed: nothing. */
struct act_moment {
	struct act *act;
	enum knob_id knob;
	struct knob_value before, after;
	uint64_t seq, cgroup_id;
	bool changed;
};

/* 0 or -errno; nothing to do is success, with `changed` false. */
int act_moment_begin(struct act *act, enum knob_id knob, const struct knob_value *value,
		     struct act_moment *ret_moment);
/* Puts it back; if that fails it is tried again like any hold. */
void act_moment_end(struct act_moment *moment);
