/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/hierarchy.h"
#include "core/event.h"

/*
 * Waits for events of cgroups so that nobody has to wait for the next sample: PSI triggers
 * (psi.rst), modified events of memory.events, pids.events and cgroup.events (cgroup-v2.rst), and
 * v1 eventfds by cgroup.event_control (cgroup-v1/memory.rst). Everything is behind one descriptor.
 * One thread uses it.
 */
struct event_watch;

struct event_watch_stats {
	uint32_t wanted, watched;
	uint32_t absent;   /* the kernel tells no such event there (v1 has few) */
	uint32_t denied;   /* no right to */
	uint32_t over;	   /* beyond the budget of descriptors */
	uint64_t events;   /* told so far */
	uint64_t spurious; /* wake-ups after which nothing had counted up */
};

/* Something that happened. */
struct event {
	uint64_t serial; /* of the node */
	struct event_spec spec;
	uint64_t count; /* how often since the last time; at least 1 */
	uint64_t boottime_ns;
};

/* Borrows both; at most `max_fds` descriptors. 0 or -errno. */
int event_watch_new(const struct root *root, const struct hierarchies *hierarchies,
		    unsigned int max_fds, struct event_watch **ret_watch);
void event_watch_free(struct event_watch *watch);
/* An epoll descriptor, readable when something may have happened. Owned by the watch. */
int event_watch_fd(const struct event_watch *watch);
/*
 * What to wait for from now on (all of it: what is not in the list any more is closed; what stays
 * is left alone). References to the nodes are taken. What cannot be waited for is counted, no
 * error: it shows in the samples. Checks that it is still the cgroup with the node's id. 0 or
 * -ENOMEM.
 */
int event_watch_set(struct event_watch *watch, const struct event_want *list, size_t n);
/* Takes what happened since. Free the list with free(). A cgroup that is gone is dropped. */
int event_watch_read(struct event_watch *watch, struct event **ret_list, size_t *ret_n);
void event_watch_get_stats(const struct event_watch *watch, struct event_watch_stats *ret_stats);
