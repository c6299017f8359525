/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/snapshot.h"

/*
 * Snapshots made by hand, for tests of what shows or exports them. Nothing here fails: without
 * memory the test ends.
 */

/*
 * A tree of these paths: parents before children, siblings together ("/" first). Kinds follow the
 * names. A path that `previous` (or NULL) has keeps its serial; others get the next ones. Ids are
 * serial + 1000.
 */
struct tree *fake_tree(const char *const *paths, uint32_t n, struct tree *previous);

/* Number `sequence` of a series, one second after the one before. Releases the caller's tree. */
struct snapshot *fake_snapshot(struct tree *tree, const struct metric_set *wanted,
			       uint64_t sequence);

/* When snapshot `sequence` was taken, CLOCK_BOOTTIME. */
uint64_t fake_time_ns(uint64_t sequence);

/* Sets one cell, by path. Integers are in the unit of the row, numbers of rates and derived in base
 * units. */
void fake_set_u64(struct snapshot *snapshot, const char *path, enum metric_id id, uint64_t value);
void fake_set_number(struct snapshot *snapshot, const char *path, enum metric_id id, double value);
void fake_set_text(struct snapshot *snapshot, const char *path, enum metric_id id,
		   const char *text);
void fake_set_state(struct snapshot *snapshot, const char *path, enum metric_id id,
		    enum value_state state);
/* Every cell of a column. */
void fake_fill_state(struct snapshot *snapshot, enum metric_id id, enum value_state state);
