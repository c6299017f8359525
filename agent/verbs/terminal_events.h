/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf_events.h"
#include "tui/tui.h"

/*
 * The kernel's events for the terminal, on a thread of their own: loading the programs takes a
 * moment, and a storm of events must not slow down keys or samples. There is no thread, and nothing
 * is loaded, until the first kind is wanted.
 */
struct terminal_events;

/*
 * `notify_fd` (an eventfd, the caller's) is written to when there is something new. Borrows root
 * and hierarchies. 0 or -errno.
 */
int terminal_events_new(const struct root *root, const struct hierarchies *hierarchies,
			int notify_fd, struct terminal_events **ret_events);
void terminal_events_free(struct terminal_events *events);
void terminal_events_want(struct terminal_events *events, uint32_t kinds);
/* The cgroups of the latest snapshot; takes a reference. */
void terminal_events_set_tree(struct terminal_events *events, struct tree *tree);
/* As `events` of struct tui_source. */
bool terminal_events_take(struct terminal_events *events, struct tui_events *ret_state,
			  struct kernel_events **ret_list);
