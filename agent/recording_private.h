/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "agent/recording.h"

enum { RECORDING_HIERARCHIES_MAX = 32 };

/* A wanted column with its name, as the objects of a line have it. */
struct recorded_column {
	enum metric_id id;
	char *name;
	bool seen;
};

struct recording {
	FILE *file;
	char *line; /* of getline() */
	size_t line_size;
	struct metric_set wanted;
	struct recorded_column *columns;
	size_t n_columns;
	struct strpool *strings;
	const char *hierarchies[RECORDING_HIERARCHIES_MAX]; /* interned, in order of appearance */
	uint32_t n_hierarchies;
	uint64_t next_serial;
	struct snapshot *previous;
	uint64_t last_realtime_ns;
	struct recording_stats stats;
};

/*
 * The tree of the line's cgroups; *ret_rows is the object of each node by index (NULL for a root
 * that is not in the line), to be freed by the caller. 0, -ENOMEM, or -EINVAL with the reason in
 * the stats.
 */
int recording_tree(struct recording *recording, const json_t *cgroups, struct tree **ret_tree,
		   const json_t ***ret_rows);
/* -EINVAL, with the reason kept if it is the first of this line. */
int recording_fault(struct recording *recording, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
