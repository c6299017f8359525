/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "policies/policy_file.h"

struct policy_set {
	atomic_int refs;
	struct policy **list;
	size_t n;
	struct policy_global global;
};

enum policy_key {
	KEY_MATCH,
	KEY_MATCH_NOT,
	KEY_WHEN,
	KEY_FOR,
	KEY_CLEAR_WHEN,
	KEY_CLEAR,
	KEY_CLEAR_FOR,
	KEY_ACTION,
	KEY_THEN,
	KEY_COOLDOWN,
	KEY_RESTORE,
	KEY_MODE,
	KEY_COUNT,
};

/* What is known while files are read. */
struct policy_builder {
	const struct policy_check *check;
	struct ini_errors *errors;
	struct policy_set *set;
	struct policy *policy;	       /* of the section being read, or NULL */
	unsigned int lines[KEY_COUNT]; /* where each key of it stands; 0: nowhere */
	struct strbuf source;
	bool no_memory;
};

struct policy *policy_new(const char *name, const char *file, unsigned int line);
void policy_free(struct policy *policy);
/* Called for every section start and key. */
void policy_handle_entry(void *data, const struct ini_entry *entry);
/* Checks the policy that was being read as a whole and puts it into the set. */
void policy_finish(struct policy_builder *builder);
