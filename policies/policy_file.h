/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/actions.h"
#include "policies/condition.h"
#include "policies/ini_file.h"
#include "policies/schedule.h"
#include "policies/selector.h"

enum policy_mode { POLICY_OFF, POLICY_SHADOW, POLICY_ENFORCE };

enum { POLICY_STEPS_MAX = 8 };

struct guards;

/* What to do when an action did not help: `when` still holds after `effect_after`. */
enum policy_ineffective {
	INEFFECTIVE_REPORT,   /* say so (default) */
	INEFFECTIVE_ESCALATE, /* the next rung at once */
	INEFFECTIVE_ROLLBACK, /* put it back, and wait the cooldown */
};

/* One rung of the ladder. */
struct policy_step {
	struct action action;
	uint64_t after_usec; /* after the rung before; 0 for the first */
	unsigned int line;
};

/* Budgets and blast radius; 0 means no bound. What a bound refuses waits, and is told as blocked.
 */
struct policy_limits {
	unsigned int max_per_hour;   /* rungs applied in any hour */
	unsigned int max_concurrent; /* cgroups held at a time */
	uint64_t max_processes;	     /* in the cgroup and below it */
	uint32_t max_cgroups;	     /* the cgroup and those below it */
	double max_share;	     /* of the machine's memory or CPU time in use there, 0..1 */
};

struct policy {
	char *name, *file;
	unsigned int line;
	struct selectors *selectors;
	struct condition *when;
	struct condition *clear_when; /* NULL: when `when` is false */
	uint64_t for_usec, clear_for_usec, cooldown_usec;
	struct policy_step *steps;
	size_t n_steps;
	enum policy_mode mode;
	bool restore_on_clear, restore_on_exit;
	/* Higher ones are looked at first (budgets), and win where a knob knows no tighter. */
	int priority;
	struct schedule *schedule; /* NULL: always */
	struct policy_limits limits;
	uint64_t effect_after_usec; /* 0: whether it helped is not looked at */
	enum policy_ineffective ineffective;
	bool allow_protected; /* it may touch what guards.h protects */
	char *source; /* its keys and values: two policies with the same source are the same */
	bool broken;  /* an error stands in it; only while the set is loaded */
};

/* The section [global]: bounds over all policies together; 0 means no bound. */
struct policy_global {
	bool allow_kill;	   /* without it a kill in a policy is an error */
	unsigned int max_frozen;   /* cgroups frozen at a time */
	unsigned int max_held;	   /* cgroups held at a time */
	unsigned int max_per_hour; /* rungs applied in any hour */
	char *stop_file; /* while it exists nothing new is done and everything is put back, or NULL
			  */
};

/* All policies of a configuration, in the order of the files. Immutable, shared by reference. */
struct policy_set;

/* What the check may know about the machine. */
struct policy_check {
	const struct hierarchies
		*hierarchies;	/* NULL: do not check whether the host has the knobs */
	uint64_t interval_usec; /* of sampling; 0: not known */
	/* Whom no policy may match without allow_protected; NULL: not checked. */
	struct guards *guards;
	/* The cgroups there are now, to find protected ones that would match; may be NULL. */
	const struct snapshot *snapshot;
	/*
	 * Where to look at users, processes and containers, once, if policies select by them and
	 * `snapshot` does not know them; NULL: not looked at. Wants `hierarchies`.
	 */
	const struct root *root;
	int swap; /* 1: the machine has some, -1: it has none, 0: ask, if `hierarchies` is there */
};

/*
 * Reads policies from files and directories (their "*.ini" in the order of names). Every error and
 * warning goes to `errors`; with an error nothing is returned: all or nothing. 0, -EINVAL for
 * errors in the files, -ENOMEM. Zero paths give an empty set.
 */
int policy_set_load(const char *const *paths, size_t n_paths, const struct policy_check *check,
		    struct ini_errors *errors, struct policy_set **ret_set);
struct policy_set *policy_set_ref(struct policy_set *set);
void policy_set_unref(struct policy_set *set);
size_t policy_set_size(const struct policy_set *set);
const struct policy *policy_set_get(const struct policy_set *set, size_t at);
/* By name, or NULL. */
const struct policy *policy_set_find(const struct policy_set *set, const char *name);
/* Adds the columns that the policies look at (those that are not off). */
void policy_set_needs(const struct policy_set *set, struct metric_set *metrics);
/* What [global] says; all zero where it says nothing. Lives as long as the set. */
const struct policy_global *policy_set_global(const struct policy_set *set);
/* The parts of the inventory that selectors and conditions look at (enum inventory_parts). */
unsigned int policy_set_inventory(const struct policy_set *set);
/* "off", "shadow", "enforce". */
const char *policy_mode_name(enum policy_mode mode);
