/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/result.h"

enum { RECENT_MAX = 64 };

/* The last results, for `cgwatch policy status` and the terminal. Zeroed is empty. */
struct recent {
	struct recent_action {
		uint64_t realtime_ns, node_serial;
		char *policy, *path, *text; /* owned; bytes from outside */
		enum action_id action;
		enum decision_op op;
		enum result_word word;
	} list[RECENT_MAX];
	uint64_t n; /* so far; the last one is at (n - 1) % RECENT_MAX */
};

/* Keeps a copy. What cannot be copied for want of memory is left out. */
void recent_add(struct recent *recent, const struct enforcer_result *result, uint64_t realtime_ns);
/* The one that came `back` before the last one (0), or NULL. */
const struct recent_action *recent_get(const struct recent *recent, size_t back);
void recent_done(struct recent *recent);
