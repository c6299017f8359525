/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Waits for PSI triggers on a thread of its own. A trigger forgets that it fired as soon as anybody
 * polls it (psi_trigger_poll(), 6.18), and an epoll descriptor inside another one is polled twice:
 * to see whether it is ready, and to ask what is. The second would find nothing. So one thread
 * asks once, and rings a bell that can be polled as often as one likes.
 */
struct event_psi;

enum { EVENT_PSI_QUEUE = 256 };

/* A trigger that fired, or one that is no more: its cgroup was removed. */
struct event_psi_wake {
	uint64_t id;
	bool gone;
};

/* Starts the thread. 0 or -errno. */
int event_psi_new(struct event_psi **ret_psi);
/* Ends the thread. The triggers are not closed. */
void event_psi_free(struct event_psi *psi);
/* An eventfd, readable while wakes wait. Owned by `psi`. */
int event_psi_bell(const struct event_psi *psi);
/* Waits for the trigger behind `fd` as well, until `fd` is closed. `id` is not 0. 0 or -errno. */
int event_psi_add(struct event_psi *psi, int fd, uint64_t id);
/*
 * Takes all that waits and returns how many; the bell rings again for what comes later. An id may
 * be one whose descriptor was closed meanwhile.
 */
size_t event_psi_take(struct event_psi *psi, struct event_psi_wake ret_list[EVENT_PSI_QUEUE]);
