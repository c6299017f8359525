/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collectors/layer_walk.h"

/*
 * Runs something in a process of its own, for filesystems with a server that may never answer: such
 * a process cannot even be killed while it waits, but it can be left behind.
 */
struct layer_child;

enum { LAYER_CHILD_FD = 3 };

/*
 * The work: fills `result` (`size` bytes that both processes see) and calls atomic_fetch_add() on
 * `progress` now and then. It must use nothing that a thread of the parent may hold: no heap, no
 * stdio. Its return value is handed to the parent.
 */
typedef int layer_child_work(void *argument, void *result, atomic_uint_fast64_t *progress);

/*
 * -errno. No descriptor stays open in the process but `fd` (-1: none), which is LAYER_CHILD_FD in
 * it. `argument` only has to be valid during the call: the process has a copy of everything. */
int layer_child_start(layer_child_work *work, void *argument, size_t size, int fd,
		      struct layer_child **ret_child);
/* 1: it ended, and `ret_result` is its return value (-EIO if it died); 0: not yet. Never waits. */
int layer_child_poll(struct layer_child *child, int *ret_result);
/* How long it has not got on, by the calls to this function. */
uint64_t layer_child_silent_ns(struct layer_child *child, uint64_t now_ns);
const void *layer_child_result(const struct layer_child *child);
/* Tells it to end; go on polling it. */
void layer_child_kill(struct layer_child *child);
/*
 * True once nothing is left of it. What it has to say may be known before; but it may take its time
 * to end, and whoever is left before that stays a zombie as long as the program runs.
 */
bool layer_child_gone(struct layer_child *child);
/* Ends it; waits for a moment at most. NULL is fine. */
void layer_child_leave(struct layer_child *child);
