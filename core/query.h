/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/snapshot.h"

/*
 * Which nodes of a snapshot are shown and in what order: the same for `ls`, the terminal and the
 * exporter. Pure.
 */
struct query {
	const char *glob; /* cgroup glob, or NULL for all */
	const char *text; /* part of the path, ignoring ASCII case, or NULL */
	/* Another name of a node that has the text in it, or NULL. */
	bool (*is_named)(const struct node *node, const char *text, void *data);
	void *is_named_data;
	bool tree;	       /* keep the tree: ancestors of a match stay, siblings are sorted */
	bool by_path;	       /* sort by path, not by `column` */
	enum metric_id column; /* sort by this column, cells without a value last */
	bool ascending;	       /* numbers: the smallest first */
	bool (*folded)(const struct node *node, void *data); /* tree: hide what is below, or NULL */
	void *folded_data;
};

/*
 * Fills `rows` (room for tree->n) with node indices in order and returns how many. `matched` (room
 * for tree->n, or NULL) says by row whether it matched itself or only carries a match.
 */
uint32_t query_run(const struct query *query, const struct snapshot *snapshot, uint32_t *rows,
		   bool *matched);
