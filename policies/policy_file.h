/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/actions.h"
#include "policies/condition.h"
#include "policies/ini_file.h"

enum policy_mode { POLICY_OFF, POLICY_SHADOW, POLICY_ENFORCE };

enum { POLICY_STEPS_MAX = 8 };

/* One rung of the ladder. */
struct policy_step {
	struct action action;
	uint64_t after_usec; /* after the rung before; 0 for the first */
	unsigned int line;
};

struct policy {
	char *name, *file;
	unsigned int line;
	char **match, **match_not; /* cgroup globs */
	size_t n_match, n_match_not;
	struct condition *when;
	struct condition *clear_when; /* NULL: when `when` is false */
	uint64_t for_usec, clear_for_usec, cooldown_usec;
	struct policy_step *steps;
	size_t n_steps;
	enum policy_mode mode;
	bool restore_on_clear, restore_on_exit;
	char *source; /* its keys and values: two policies with the same source are the same */
};

/* All policies of a configuration, in the order of the files. Immutable, shared by reference. */
struct policy_set;

/* What the check may know about the machine. */
struct policy_check {
	const struct hierarchies
		*hierarchies;	/* NULL: do not check whether the host has the knobs */
	uint64_t interval_usec; /* of sampling; 0: not known */
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
/* True if the policy is for that cgroup: one `match` fits and no `match_not`. */
bool policy_matches(const struct policy *policy, const char *path);
/* "off", "shadow", "enforce". */
const char *policy_mode_name(enum policy_mode mode);
