/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/metric.h"
#include "core/node.h"
#include "core/strbuf.h"

/*
 * Something that happens to a cgroup at a moment, as policies write it after "event". A kind is a
 * row of a table (event.c): its name, and the column in which a sample shows that it happened
 * meanwhile, so that an event is also seen where the kernel does not tell (or nobody may listen).
 */
enum event_kind {
	EVENT_OOM_KILL,	   /* "oom_kill": a process was killed (memory.events; v1 oom_control) */
	EVENT_OOM,	   /* "oom": the limit was met and reclaim did not help */
	EVENT_MEMORY_LOW,  /* "memory.low": reclaimed below its protection */
	EVENT_MEMORY_HIGH, /* "memory.high": throttled above the limit */
	EVENT_MEMORY_MAX,  /* "memory.max": about to go over the limit */
	EVENT_PIDS_MAX,	   /* "pids.max": a fork failed */
	EVENT_PSI,	   /* "psi.memory.some 150ms/1s": stalled for so long within a window */
	EVENT_POPULATED,   /* "populated", "empty": processes came, the last one went */
	EVENT_EMPTY,
	EVENT_FROZEN, /* "frozen", "thawed" */
	EVENT_THAWED,
	/* Only programs in the kernel tell of these (kernel_event.h); no sample shows them. */
	EVENT_FORK,	    /* "fork": a process of it started another */
	EVENT_EXEC,	    /* "exec": a program was started in it */
	EVENT_EXIT,	    /* "exit": a process of it ended */
	EVENT_ATTACHED,	    /* "attached": a task was moved into it */
	EVENT_WRITE,	    /* "write": a limit file of it was written */
	EVENT_NS_CREATED,   /* "ns_created": a process of it made a namespace */
	EVENT_NS_DESTROYED, /* "ns_destroyed": a namespace that a process of it made ended */
	EVENT_KIND_COUNT,
};

enum psi_resource { PSI_CPU, PSI_MEMORY, PSI_IO, PSI_RESOURCE_COUNT };

/* What to wait for. Only EVENT_PSI has more than a kind. */
struct event_spec {
	enum event_kind kind;
	enum psi_resource resource;
	bool full; /* all processes stalled, not only some */
	uint32_t stall_usec, window_usec;
};

/* A cgroup and what to wait for there. The node is borrowed or owned as the function says. */
struct event_want {
	struct node *node;
	struct event_spec spec;
};

/* How a column shows that it happened. */
enum event_sign {
	EVENT_SIGN_COUNT,   /* it counted up */
	EVENT_SIGN_SET,	    /* it went from 0 to more */
	EVENT_SIGN_CLEARED, /* it went to 0 */
	EVENT_SIGN_STALL,   /* its rate is above stall/window */
};

/*
 * Reads "oom_kill", "populated", "psi.io.full 100ms/1s", … -EINVAL with the reason in `reason` (of
 * `size` bytes). The window is 500ms to 10s and the stall less (Documentation/accounting/psi.rst).
 */
int event_parse(const char *text, struct event_spec *ret_spec, char *reason, size_t size);
void event_format(const struct event_spec *spec, struct strbuf *buffer);
bool event_equal(const struct event_spec *a, const struct event_spec *b);
/* True for what only programs in the kernel tell of: there is no file to watch. */
bool event_needs_programs(enum event_kind kind);
/* The column and what to look for in it; M_NONE: no sample shows it. */
enum metric_id event_column(const struct event_spec *spec, enum event_sign *ret_sign);
/* All names, for messages and manuals: "oom_kill, oom, …". Static text. */
const char *event_names(void);
