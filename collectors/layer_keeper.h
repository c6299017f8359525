/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/overlays.h"

/*
 * Knows what writable layers hold: walks them one after the other on a thread of its own, idle
 * class for CPU and I/O, with a budget of entries a second, and starts again after max(60 s, 20
 * times what the walk took); fanotify on the backing filesystem keeps the numbers true in between
 * where the kernel and the rights allow it, and an overflow of its queue falls back to the walk. A
 * filesystem that does not answer is marked stuck and never waited for.
 */
struct layer_keeper;

struct layer_keeper_options {
	uint64_t entries_per_second; /* 0: a default (none with no_thread); UINT64_MAX: no limit */
	uint64_t period_ns;	     /* between walks of one layer; 0: a default */
	uint64_t stuck_ns;	     /* without an answer for that long: stuck; 0: a default */
	bool no_fanotify;
	/* For one-shot programs: walks only while the caller is in layer_keeper_run(), at normal
	 * priority. (The walk still has a thread, so that the caller can leave a dead disk.) */
	bool no_thread;
};

struct layer_keeper_stats {
	uint64_t walks, entries, cpu_ns, events, overflows, stuck;
	uint64_t layers, watched; /* at the moment */
};

/* -errno. `options` may be NULL. */
int layer_keeper_new(const struct layer_keeper_options *options, struct layer_keeper **ret_keeper);
/* Ends the thread; does not wait for a filesystem that is stuck. */
void layer_keeper_free(struct layer_keeper *keeper);
/*
 * Puts what is known into `usage` of each overlay, starts to keep those that are new, and forgets
 * those that are no longer there. Called before the set is shared; never blocks. 0 or -errno. One
 * thread at a time calls fill or run.
 */
int layer_keeper_fill(struct layer_keeper *keeper, struct overlays *overlays);
/*
 * Without a thread: walks what is pending of `overlays` until all is done or `budget_ns` is over
 * (0: no limit), and fills `usage`. 0, or -errno.
 */
int layer_keeper_run(struct layer_keeper *keeper, struct overlays *overlays, uint64_t budget_ns);
void layer_keeper_get_stats(const struct layer_keeper *keeper,
			    struct layer_keeper_stats *ret_stats);
