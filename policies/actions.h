/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/knob.h"

/* What a policy can do: rows of one table. */
enum action_id {
	ACTION_CPU_QUOTA,
	ACTION_MEMORY_HIGH,
	ACTION_MEMORY_MAX,
	ACTION_FREEZE,
	ACTION_CPU_BURST,
	ACTION_CPU_WEIGHT, /* also on v1: as cpu.shares, 100 being 1024 */
	ACTION_CPU_SHARES,
	ACTION_CPUSET_CPUS,
	ACTION_CPUSET_MEMS,
	ACTION_MEMORY_SWAP_MAX,
	ACTION_MEMORY_MEMSW, /* v1: memory and swap together */
	ACTION_PIDS_MAX,
	ACTION_IO_MAX,
	ACTION_IO_WEIGHT,
	ACTION_MEMORY_RECLAIM, /* from here on: done once, nothing to put back */
	ACTION_KILL,
	ACTION_MOVE,
	ACTION_NOTIFY,
	ACTION_EXEC,
	ACTION_COUNT
};

enum action_kind {
	ACTION_KIND_KNOB, /* holds a knob until it is released */
	ACTION_KIND_ONCE, /* is done; releasing it does nothing */
};

struct action {
	enum action_id id;
	struct knob_value value; /* of a knob; memory.reclaim: `number` bytes */
	uint64_t lease_usec;	 /* freeze: thawed after this at the latest; 0 for the others */
	uint64_t timeout_usec;	 /* exec, kill: how long it may take; 0: the default */
	bool allow_oom;		 /* memory.max may go below what is in use */
	bool allow_below_working_set; /* memory limits: below current - inactive_file */
	double step;		      /* memory limits: share to lower by at a time; 0: 10 % */
	/*
	 * kill: a glob that names the processes, or NULL for all; move: the same. exec: the command
	 * with its arguments, one after the other with a NUL behind each (no shell), an absolute
	 * path first. notify: the text. NULL for the others. Owned by the policy: a copy of the
	 * struct borrows it.
	 */
	char *text;
	size_t text_length;
	char *target; /* move: path of the cgroup to move to; owned as `text` */
	bool back;    /* move: back to where it was on release */
};

/*
 * Reads "cpu.quota 20%", "memory.high 512M", "memory.max 1G [allow_oom=yes]", "freeze lease=30s",
 * "io.max 8:0 wbps=10M", "exec /usr/local/bin/hook arg timeout=5s", "kill process=python*", …
 * Words stand between blanks; double quotes keep blanks in one. Does not look at the machine: see
 * action_check_host() and safe_path_check_command(). -EINVAL with the reason in `reason` (of `size`
 * bytes); -ENOMEM. Free with action_done().
 */
int action_parse(const char *text, struct action *ret_action, char *reason, size_t size);
void action_done(struct action *action);
/* 0, or -EOPNOTSUPP/-ENODEV with the reason if this machine cannot do it. `reason` as above. */
int action_check_host(const struct action *action, const struct hierarchies *hierarchies,
		      char *reason, size_t size);
/* "cpu.quota", "freeze": static text. */
const char *action_name(enum action_id id);
enum action_kind action_kind(enum action_id id);
/* False for what only tells (notify, exec): a policy of nothing else may match anything. */
bool action_touches(enum action_id id);
/*
 * The knob it holds and the value for it in the hierarchy that such a machine has (cpu.weight is
 * cpu.shares on v1). KNOB_COUNT for what holds none.
 */
enum knob_id action_knob(const struct action *action, const struct hierarchies *hierarchies,
			 struct knob_value *ret_value);
/* The action as it could be written in a policy. */
void action_format(const struct action *action, struct strbuf *buffer);
/* All names, for messages and manuals. Static text. */
const char *action_names(void);
