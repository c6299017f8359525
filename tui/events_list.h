/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/snapshot.h"
#include "tui/feed.h"
#include "tui/list.h"
#include "tui/target.h"
#include "tui/theme.h"
#include "tui/view.h"

/*
 * Which of the kept events the screen "Events" shows, and where one is among them: at the newest,
 * which follows what comes, or on one that stays where it is on the screen.
 */
struct events_list {
	uint64_t *rows; /* serials, as they are shown */
	size_t n;
	struct list list;
	uint64_t selected; /* serial */
	bool parked;	   /* the cursor stays on that one; else it follows */
	bool newest_first;
	char filter[VIEW_FILTER];
	struct target scope; /* a cgroup with what is below it, or a process; none: everything */
	char *scope_path;    /* of the cgroup, which may go */
};

void events_list_done(struct events_list *events);
/* Another scope; TARGET_NONE and what is no cgroup or process are none. */
void events_list_set_scope(struct events_list *events, const struct snapshot *snapshot,
			   const struct target *target);
/* Works the rows out anew. -ENOMEM. */
int events_list_update(struct events_list *events, const struct feed *feed);
/* After the cursor was moved: it follows if that is the newest. */
void events_list_moved(struct events_list *events);
/* The selected event, or NULL. */
const struct kernel_event *events_list_selected(const struct events_list *events,
						const struct feed *feed);
/* The cgroup of an event, or NODE_NONE if it is not there (any more). */
uint32_t events_find_node(const struct snapshot *snapshot, const struct kernel_event *event);
/* The colour of a kind. */
enum role events_role(enum kernel_event_kind kind);
