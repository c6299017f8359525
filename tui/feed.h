/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/kernel_event.h"
#include "tui/tui.h"

/*
 * The kernel's events as they come, the latest of them kept. Off until somebody opens the screen
 * "Events"; a key of that screen keeps them coming after it was left.
 */

/* That many; older ones go. */
#define FEED_KEPT 2000

/* An event in the list that it came in, which lives as long as one of its events is kept. */
struct feed_entry {
	struct kernel_events *list;
	size_t index;
};

/* Events have serials, from 0 on; those in [first, next) are kept. */
struct feed {
	struct feed_entry *ring; /* by serial % FEED_KEPT; NULL before the first */
	uint64_t first, next;
	uint64_t seen[KERNEL_EVENT_KIND_COUNT];
	struct tui_events source; /* what it said last */
	uint32_t hidden;	  /* kinds that nobody wants: bits */
	uint32_t wanted;	  /* as the source knows */
	bool keep_on;
};

struct app;

/* With the kinds that are wanted at first; nothing is asked of the source before feed_sync(). */
void feed_init(struct feed *feed);
void feed_done(struct feed *feed);
/* Forgets what came so far. */
void feed_clear(struct feed *feed);
/* The event with that serial, in [first, next). */
const struct kernel_event *feed_get(const struct feed *feed, uint64_t serial);
/* Adds a list and takes the reference. False if there is no memory. */
bool feed_add(struct feed *feed, struct kernel_events *events);
/* Takes what the source has, unless paused. True if that is something new. */
bool feed_take(struct app *app);
/* Tells the source when other kinds are wanted than before. */
void feed_sync(struct app *app);

/* All kinds, as bits. */
#define FEED_ALL_KINDS	((UINT32_C(1) << KERNEL_EVENT_KIND_COUNT) - 1)
#define FEED_KIND(kind) (UINT32_C(1) << (kind))
