/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/layer_record.h"
#include "collectors/layer_watch.h"

/* Keeping the numbers of a watched record true between walks: the worker's part that knows which
 * directories are to be read again, and when. */

/* An event on its filesystem. */
void layer_refresh_hear(struct layer_record *record, const struct layer_event *event, uint64_t now);
/* Events were lost: only a walk can tell, and soon. */
void layer_refresh_lost(struct layer_record *record, uint64_t now);
/* When there is something to do, or `due` if that is before. */
uint64_t layer_refresh_due(const struct layer_record *record, uint64_t due);
/* Does what is due, or begins it. True: the numbers are known to be true again. */
bool layer_refresh_begin(struct layer_record *record, uint64_t now);
/* One directory was read again (`result` of the walk). 1: the next one was begun; 0: all done. */
int layer_refresh_next(struct layer_record *record, int result);
/* Sets the numbers in `last`. */
void layer_refresh_ended(struct layer_record *record, uint64_t now);
