/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/policy_private.h"

/*
 * What is wrong, or at least odd, with policies that are well formed. Everything is told, each with
 * file, line and reason, and reading goes on.
 */

/* The policy that was just read, for itself: builder->policy. */
void policy_check_one(struct policy_builder *builder);
/* All of them together, and against the machine: after the last file. */
void policy_check_set(const struct policy_set *set, const struct policy_check *check,
		      struct ini_errors *errors);
