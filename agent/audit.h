/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/result.h"
#include "core/node.h"

/*
 * The audit log: one JSON object a line for everything that policies did, put back or rehearsed
 * (cgwatchd(8), "AUDIT LOG"). A thread of its own writes, one write() a line, so that a slow disk
 * never holds up the agent; what finds no room in its queue, or cannot be written, is counted as
 * lost. At `max_size` the file becomes PATH.1, in place of an older one.
 */
struct audit;

struct audit_stats {
	uint64_t written, lost;
	uint64_t waiting;
	int error; /* of the last line that was lost, -errno; 0: none was, or the file is good again
		    */
};

/* When it happened and where; the agent knows, the writer has no clock. */
struct audit_moment {
	uint64_t realtime_ns, boottime_usec;
	const struct node *node; /* for unit and container; NULL: the cgroup is gone */
};

/* Starts the thread: call it after every fork. Nothing is opened yet. 0 or -errno. */
int audit_new(struct audit **ret_audit);
/* Writes what waits, for at most two seconds, and ends the thread. */
void audit_free(struct audit *audit);
/*
 * Where it goes from now on; NULL: nowhere (then nothing counts as lost). Also closes what is open,
 * so that the next line goes to a file of that name made anew: for log rotation. A file is made
 * with mode 0640; what is a link or no regular file is not written to. 0 or -ENOMEM.
 */
int audit_configure(struct audit *audit, const char *path, uint64_t max_size);
/* Queues a line. Never waits. */
void audit_add(struct audit *audit, const struct enforcer_result *result,
	       const struct audit_moment *moment);
/* The same for a line of another kind, with its newline. Takes the text, and may leave it empty. */
void audit_add_line(struct audit *audit, struct strbuf *line);
/* Waits until all is written, for at most `timeout_ms`. 0 or -ETIMEDOUT. */
int audit_flush(struct audit *audit, unsigned int timeout_ms);
void audit_get_stats(struct audit *audit, struct audit_stats *ret_stats);
/* The line, with its newline. Pure. */
void audit_format(const struct enforcer_result *result, const struct audit_moment *moment,
		  struct strbuf *line);
/* "2026-11-28T16:07:07.123Z" (RFC 3339). */
void audit_format_time(uint64_t realtime_ns, struct strbuf *text);
