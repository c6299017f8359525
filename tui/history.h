/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/snapshot.h"
#include "tui/canvas.h"

#define HISTORY_LENGTH 20

/* The last values of one column for every cgroup, carried from tree to tree by serial. */
struct history {
	enum metric_id id;
	uint64_t sequence; /* of the snapshot added last */
	struct tree *tree;
	float *values;	   /* HISTORY_LENGTH for each node, a ring; NAN where there was none */
	unsigned int head; /* where the next value goes */
};

void history_done(struct history *history);
/* Adds the snapshot's values of that column; another column starts anew. */
void history_add(struct history *history, const struct snapshot *snapshot, enum metric_id id);
/* Draws the last `width` values of the node with that index, the newest on the right. */
void history_draw(const struct history *history, struct canvas *canvas, int x, int y, int width,
		  uint32_t index, unsigned int style);
