/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "core/snapshot.h"

/*
 * Reads back what `cgwatch ls --json --watch` printed, an object a line, as the snapshots that were
 * taken then: the same cgroups (a path with another id is another cgroup), the same cells. What is
 * not in a line but follows from it (rates of its counters, derived metrics) is computed.
 * CLOCK_BOOTTIME of a snapshot is the recorded time.
 *
 * What a recording does not have: the inventory (who is in which namespace, image, user), and
 * cgroups that its GLOB left out.
 */
struct recording;

struct recording_stats {
	uint64_t lines, snapshots;
	uint64_t bad;	      /* lines that make no sense, beside the last one */
	uint64_t first_bad;   /* the number of the first of them, from 1 */
	char reason[200];     /* what is wrong with it; bytes from outside */
	bool cut_short;	      /* the last line has no end: the recorder was stopped amid it */
	uint64_t backwards;   /* lines whose clock went back: taken for one interval later */
	uint64_t interval_ns; /* between samples, as the first line with one says; 0: none does */
};

/* Borrows `file`. `wanted` is what cells are read of. -ENOMEM. */
int recording_new(FILE *file, const struct metric_set *wanted, struct recording **ret_recording);
void recording_free(struct recording *recording);
/* 1 and the next snapshot (the caller's); 0 at the end; -EIO, -ENOMEM. Bad lines are counted. */
int recording_next(struct recording *recording, struct snapshot **ret_snapshot);
void recording_get_stats(const struct recording *recording, struct recording_stats *ret_stats);
/* True if that column was in the recording, or could be computed from it, for any cgroup. */
bool recording_has(const struct recording *recording, enum metric_id id);
