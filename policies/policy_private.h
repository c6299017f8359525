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

enum { POLICY_REASON_SIZE = 512 };

enum policy_key {
	KEY_WHEN,
	KEY_FOR,
	KEY_CLEAR_WHEN,
	KEY_CLEAR,
	KEY_CLEAR_FOR,
	KEY_ACTION,
	KEY_THEN,
	KEY_COOLDOWN,
	KEY_MAX_PER_HOUR,
	KEY_MAX_CONCURRENT,
	KEY_MAX_PROCESSES,
	KEY_MAX_CGROUPS,
	KEY_MAX_SHARE,
	KEY_SCHEDULE,
	KEY_PRIORITY,
	KEY_EFFECT_AFTER,
	KEY_INEFFECTIVE,
	KEY_ALLOW_PROTECTED,
	KEY_RESTORE,
	KEY_MODE,
	KEY_COUNT,
};

enum global_key {
	GLOBAL_ALLOW_KILL,
	GLOBAL_MAX_FROZEN,
	GLOBAL_MAX_HELD,
	GLOBAL_MAX_PER_HOUR,
	GLOBAL_STOP_FILE,
	GLOBAL_COUNT,
};

/* What is known while files are read. */
struct policy_builder {
	const struct policy_check *check;
	struct ini_errors *errors;
	struct policy_set *set;
	struct policy *policy;	       /* of the section being read, or NULL */
	unsigned int lines[KEY_COUNT]; /* where each key of it stands; 0: nowhere */
	size_t errors_before;	       /* when the section began */
	struct strbuf source;
	bool in_global;
	char *global_file; /* where [global] stands, or NULL */
	unsigned int global_line;
	unsigned int global_lines[GLOBAL_COUNT];
	bool no_memory;
};

/* One key = value, and where to write what is wrong with it (POLICY_REASON_SIZE bytes). */
struct policy_value {
	unsigned int line;
	const char *text;
	char *reason;
};

/* Writes the reason and returns -EINVAL. */
int policy_refuse(const struct policy_value *value, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A row of the tables of keys. */
struct policy_key_row {
	const char *name;
	bool repeats; /* several lines are several entries */
	/* Returns 0, or -errno with what is wrong in value->reason. */
	int (*parse)(struct policy_builder *builder, const struct policy_key_row *row,
		     const struct policy_value *value);
	size_t offset; /* in struct policy or struct policy_global, where `parse` needs it */
};

extern const struct policy_key_row policy_keys[KEY_COUNT];
extern const struct policy_key_row policy_global_keys[GLOBAL_COUNT];

struct policy *policy_new(const char *name, const char *file, unsigned int line);
void policy_free(struct policy *policy);
/* Called for every section start and key. */
void policy_handle_entry(void *data, const struct ini_entry *entry);
/* Checks the policy that was being read as a whole and puts it into the set. */
void policy_finish(struct policy_builder *builder);
