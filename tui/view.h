/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/policy_report.h"
#include "core/query.h"
#include "core/snapshot.h"
#include "tui/history.h"
#include "tui/list.h"
#include "tui/view_tree.h"

#define VIEW_COLUMNS 64
#define VIEW_FILTER  256

/* A cgroup's rows stay marked as new for that long. */
#define VIEW_NEW_NS UINT64_C(3000000000)

/* How far the serials had come at some time: newer ones belong to cgroups that appeared since. */
struct appearance {
	uint64_t time_ns, max_serial;
};

/* What is shown of the cgroups, and where one is in it. */
struct view {
	enum metric_id columns[VIEW_COLUMNS];
	size_t n_columns;
	enum metric_id sort;
	bool by_path, ascending;
	bool tree, hide_empty, no_spark;
	char filter[VIEW_FILTER];
	bool filter_is_glob;
	struct folds folds;
	int column_offset; /* columns scrolled out to the left */

	uint32_t *rows; /* node indices */
	bool *matched;
	uint64_t *lines;
	uint32_t n_rows, n_matched, capacity;
	struct list list;
	uint64_t selected; /* serial */
	bool pinned;	   /* the cursor holds on to the cgroup, not to the first row */

	const struct policy_report *report; /* the agent's, or NULL: what is held has a mark */
	struct history history;
	uint64_t generation;
	struct appearance seen[64];
	unsigned int n_seen;
};

/* The columns that are shown when nobody chose any, sorted by the first. */
void view_init(struct view *view);
void view_done(struct view *view);
/* The columns that the snapshot has to have for this view. */
void view_needs(const struct view *view, struct metric_set *set);
/*
 * Works out the rows for a snapshot (not NULL) and puts the cursor back onto its cgroup; if that is
 * folded away, onto the one it is folded into. -ENOMEM.
 */
int view_update(struct view *view, const struct snapshot *snapshot, uint64_t now_ns);
/* The selected cgroup's index in the snapshot that the rows were made from, or NODE_NONE. */
uint32_t view_selected(const struct view *view);
/* After the cursor was moved: the cgroup below it is the selected one. */
void view_pin(struct view *view, const struct snapshot *snapshot);
/* Moves the cursor to the row of that node, if it has one. */
bool view_select(struct view *view, const struct snapshot *snapshot, uint32_t index);
/*
 * The same for a node that may have none: unfolds what it is folded into and drops the filter if
 * that hides it. -ENOMEM.
 */
int view_reveal(struct view *view, const struct snapshot *snapshot, uint32_t index,
		uint64_t now_ns);
/* What the runtime calls the container that a cgroup is (not: lives in), or NULL. */
const struct container *view_container(const struct snapshot *snapshot, const struct node *node);
/* Text is part of the path or of the container's name; with a '*' in it, a glob. */
void view_set_filter(struct view *view, const char *text);
/* True for a cgroup that appeared a moment ago. */
bool view_is_new(const struct view *view, const struct node *node, uint64_t now_ns);
/* True if the tree may be folded now: a filter shows every match. */
bool view_can_fold(const struct view *view);
