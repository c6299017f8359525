/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/knob.h"

/* What a policy can do: rows of one table. */
enum action_id {
	ACTION_CPU_QUOTA,
	ACTION_MEMORY_HIGH,
	ACTION_MEMORY_MAX,
	ACTION_FREEZE,
	ACTION_COUNT
};

struct action {
	enum action_id id;
	struct knob_value value;
	uint64_t lease_usec; /* freeze: thawed after this at the latest; 0 for the others */
	bool allow_oom;
};

/*
 * Reads "cpu.quota 20%", "memory.high 512M", "memory.max 1G [allow_oom=yes]", "freeze lease=30s".
 * -EINVAL with the reason in `reason` (of `size` bytes).
 */
int action_parse(const char *text, struct action *ret_action, char *reason, size_t size);
/* 0, or -EOPNOTSUPP/-ENODEV with the reason if this machine cannot do it. `reason` as above. */
int action_check_host(const struct action *action, const struct hierarchies *hierarchies,
		      char *reason, size_t size);
/* "cpu.quota", "freeze": static text. */
const char *action_name(enum action_id id);
enum knob_id action_knob(enum action_id id);
/* The action as it could be written in a policy. */
void action_format(const struct action *action, struct strbuf *buffer);
