/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "core/metric.h"
#include "core/node.h"
#include "core/strpool.h"

struct distributions;
struct inventory;
struct join;

/* No such node. */
#define NODE_NONE UINT32_MAX

/*
 * The cgroups of a machine at one time, in depth-first order with siblings sorted by name: parents
 * stand before their children, and the subtree of node i is [i, end[i]). Immutable once published;
 * snapshots share it for as long as no cgroup comes or goes.
 */
struct tree {
	atomic_int refs;
	uint64_t generation; /* of this tree */
	uint64_t previous;   /* generation that `before` speaks of */
	uint32_t n;
	struct node **nodes; /* owned references */
	uint32_t *parent;    /* NODE_NONE for the root */
	uint32_t *end;
	uint32_t *before; /* index of the same node in the previous tree, or NODE_NONE */
	uint32_t n_hierarchies;
	const char **hierarchies; /* interned names by hierarchy index: "memory", "cpu,cpuacct" */
	struct strpool *strings;
};

/* A tree with room for `n` nodes; holds `strings`. NULL if there is no memory. */
struct tree *tree_new(uint32_t n, uint32_t n_hierarchies, struct strpool *strings);
struct tree *tree_ref(struct tree *tree);
void tree_unref(struct tree *tree);
/* Index of the node with that path, or NODE_NONE. */
uint32_t tree_find(const struct tree *tree, const char *path);
/* Index of the node with that serial, or NODE_NONE. */
uint32_t tree_find_serial(const struct tree *tree, uint64_t serial);

/* One part of a keyed metric: the bytes one device read in one cgroup. */
struct part {
	uint32_t node;
	enum metric_id metric;
	const char *key; /* interned */
	enum value_state state;
	union value value;
};

struct column {
	union value *values; /* by node index; valid where the state is VALUE_OK */
	uint8_t *states;     /* enum value_state */
};

/*
 * One sample of everything that was wanted. Immutable and shared by reference once the sampler
 * returned it; any thread may read it.
 */
struct snapshot {
	atomic_int refs;
	uint64_t sequence;    /* 1 for the first of a sampler */
	uint64_t boottime_ns; /* CLOCK_BOOTTIME when reading began */
	uint64_t realtime_ns; /* CLOCK_REALTIME at the same moment */
	uint64_t interval_ns; /* since the snapshot the rates refer to; 0 for the first */
	uint64_t cost_ns;     /* CPU time that taking it cost */
	struct tree *tree;
	struct metric_set wanted; /* closed: with everything that rates and derived ones need */
	struct column columns[COLUMN_COUNT];
	struct part *parts; /* by node, then by metric in the order of reading */
	uint32_t n_parts, parts_capacity;
	uint32_t *part_start; /* n + 1 offsets into parts, by node */
	void *memory;	      /* of all columns */
	/*
	 * What is seen beside the cgroups, and which of it belongs to which cgroup: owned
	 * references, NULL when nobody asked.
	 */
	struct inventory *inventory;
	struct join *join;
	/* Of watched cgroups; an owned reference, NULL when nobody asked or the kernel cannot. */
	struct distributions *distributions;
};

/*
 * A snapshot with empty (VALUE_ABSENT) columns for the wanted set, which it closes. Takes a
 * reference of the tree. NULL if there is no memory.
 */
struct snapshot *snapshot_new(struct tree *tree, const struct metric_set *wanted);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot);

static inline void snapshot_set(struct snapshot *snapshot, enum metric_id id, uint32_t index,
				union value value)
{
	snapshot->columns[id].values[index] = value;
	snapshot->columns[id].states[index] = VALUE_OK;
}
static inline void snapshot_set_state(struct snapshot *snapshot, enum metric_id id, uint32_t index,
				      enum value_state state)
{
	snapshot->columns[id].states[index] = (uint8_t)state;
}
/* The state of a cell; VALUE_ABSENT for a column that was not wanted. */
static inline enum value_state snapshot_state(const struct snapshot *snapshot, enum metric_id id,
					      uint32_t index)
{
	const struct column *column = &snapshot->columns[id];

	return column->states ? (enum value_state)column->states[index] : VALUE_ABSENT;
}
/* The cell's state; the value only with VALUE_OK. */
static inline enum value_state snapshot_get(const struct snapshot *snapshot, enum metric_id id,
					    uint32_t index, union value *ret_value)
{
	enum value_state state = snapshot_state(snapshot, id, index);

	if (state == VALUE_OK)
		*ret_value = snapshot->columns[id].values[index];
	return state;
}
/* A cell as a number in base units; the state says whether there is one. */
enum value_state snapshot_number(const struct snapshot *snapshot, enum metric_id id, uint32_t index,
				 double *ret_number);

/* Adds one part; nodes must come in rising order. False if there is no memory. */
bool snapshot_add_part(struct snapshot *snapshot, const struct part *part);
/* Called once when all parts are in: fills part_start. -ENOMEM. */
int snapshot_finish_parts(struct snapshot *snapshot);
/* The parts of a node: from `*ret_first`, that many. */
uint32_t snapshot_parts(const struct snapshot *snapshot, uint32_t index,
			const struct part **ret_first);
