/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/inventory.h"

/* Everything that one pass over the machine uses, and what it remembers. One thread uses it. */
struct inventory_pass;

/* Borrows root and hierarchies. -errno. */
int inventory_pass_new(const struct root *root, const struct hierarchies *hierarchies,
		       const struct inventory_options *options, struct inventory_pass **ret_pass);
void inventory_pass_free(struct inventory_pass *pass);
/*
 * A pass that runs ends as soon as it can, and says little; any later one does at once. Any thread
 * may call it.
 */
void inventory_pass_stop(struct inventory_pass *pass);
/*
 * One pass for these parts (expanded). What could not be read is missing from `parts` of the
 * inventory; 0, or the first -errno. Adds to `stats` what it saw. NULL in `ret_inventory` only
 * without memory.
 */
int inventory_pass_run(struct inventory_pass *pass, unsigned int parts, uint64_t budget_ns,
		       struct inventory_stats *stats, struct inventory **ret_inventory);
/*
 * The same inventory with what is known of writable layers by now: only the set of overlays is made
 * anew, from the mounts of the last pass. 0 or -errno.
 */
int inventory_pass_refill(struct inventory_pass *pass, const struct inventory *inventory,
			  struct inventory **ret_inventory);
/*
 * Namespaces that are only in one of the two sets, by type. An inode that came back with another id
 * is a new namespace. Pure.
 */
void inventory_count_changes(const struct namespaces *before, const struct namespaces *after,
			     uint64_t *created, uint64_t *destroyed);
