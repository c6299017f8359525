/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/layer_worker.h"

/* The worker's part for filesystems with a server: a walk in a child process that may be left. */

void layer_remote_start(struct layer_worker *worker, struct layer_record *record);
/* True while it runs and may still answer. */
bool layer_remote_tend(struct layer_worker *worker, struct layer_record *record, uint64_t now);
/* A child that does not answer stays behind, and is looked after until it ends. */
void layer_remote_leave(struct layer_worker *worker, struct layer_record *record);
/* Looks after those. */
void layer_remote_tend_left(struct layer_worker *worker);
