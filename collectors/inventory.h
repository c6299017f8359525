/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf_tasks.h"
#include "collectors/hierarchy.h"
#include "collectors/layer_keeper.h"
#include "collectors/runtime_scan.h"
#include "core/inventory.h"

/*
 * Keeps the inventory: with a thread of its own for programs that go on (the agent, the terminal),
 * in the caller's for one-shot verbs. The beat of the thread follows what a pass costs, so that it
 * never takes more than about 1 % of a core.
 */
struct inventory_keeper;

struct inventory_options {
	struct layer_keeper_options layers;
	struct runtime_options runtimes;
	uint64_t period_ns; /* least time between passes; 0: a default of 5 s */
	bool thread;
	/*
	 * Where processes and their namespaces come from, borrowed; NULL: from /proc. Nobody else
	 * may use it meanwhile. Loading takes as long as a look at some thousand processes by
	 * /proc: it is for programs that go on.
	 */
	struct bpf_tasks *tasks;
};

/* What keeping it cost, since it was made. */
struct inventory_stats {
	uint64_t passes, errors, cpu_ns, last_cpu_ns;
	/* Namespaces that came and went between two passes that looked equally far. */
	uint64_t created[NS_TYPE_COUNT], destroyed[NS_TYPE_COUNT];
	struct layer_keeper_stats layers;
	struct bpf_tasks_stats tasks; /* passes: 0 if processes come from /proc */
};

/*
 * The parts that come with those that are asked for: what they are made from. INVENTORY_ORPHANS is
 * only there with the option `runtimes.orphans`.
 */
unsigned int inventory_expand(unsigned int parts);

/* Borrows root and hierarchies. -errno. */
int inventory_keeper_new(const struct root *root, const struct hierarchies *hierarchies,
			 const struct inventory_options *options,
			 struct inventory_keeper **ret_keeper);
void inventory_keeper_free(struct inventory_keeper *keeper);
/*
 * The parts (enum inventory_parts) wanted from now on. With a thread a new part starts a pass at
 * once, and one that is no longer wanted is kept for a minute, for those who come back. Any thread
 * may call it.
 */
void inventory_keeper_want(struct inventory_keeper *keeper, unsigned int parts);
/*
 * Without a thread: one pass now; layers are walked for at most `budget_ns` (0: to the end). 0, or
 * the first -errno of what could not be read: the rest is there nevertheless.
 */
int inventory_keeper_pass(struct inventory_keeper *keeper, unsigned int parts, uint64_t budget_ns);
/* The latest inventory, or NULL if there is none yet. The caller owns the reference. */
struct inventory *inventory_keeper_latest(struct inventory_keeper *keeper);
void inventory_keeper_get_stats(struct inventory_keeper *keeper, struct inventory_stats *ret_stats);
