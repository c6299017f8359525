/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/process.h"
#include "tui/app.h"

/* A process with the CPU it used since the list before. */
struct process_row {
	struct process process; /* texts owned */
	double cpu;		/* of one CPU; below 0: not known yet */
};

/* The processes of a cgroup, a namespace or an overlay. */
struct process_rows {
	struct process_row *list;
	size_t n, capacity;
	uint64_t taken_ns;
};

void process_rows_done(struct process_rows *rows);
/*
 * Asks the source anew, by pid; with `below` also about all cgroups below. -ENOENT: what they are
 * the processes of is gone, and the last ones stay. -ENOMEM, or what the source says.
 */
int process_rows_update(struct process_rows *rows, struct app *app, const struct target *of,
			bool below);
/* For qsort(): by pid. */
int process_rows_compare(const void *a, const void *b);
