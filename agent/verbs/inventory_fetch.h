/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/context.h"
#include "core/inventory.h"

/* What a verb wants to know of namespaces: no more than this is read. */
struct namespaces_want {
	unsigned int flags; /* enum ns_scan_flags */
	bool mounts;	    /* their bind mounts in every mount namespace */
	bool own_mounts;    /* at least those in our own */
	bool containers;    /* the names of containers too */
};

/*
 * Reads them once, now. 0, or an exit code after saying why. The caller owns the reference.
 */
int namespaces_fetch(struct context *context, const struct namespaces_want *want,
		     struct inventory **ret_inventory);
/*
 * The same for any parts of an inventory (enum inventory_parts) but INVENTORY_USAGE, with whatever
 * these are made from. What could not be read is missing from it.
 */
int inventory_fetch(struct context *context, const struct hierarchies *hierarchies,
		    unsigned int parts, struct inventory **ret_inventory);
/*
 * Walks the writable layers of an inventory that nobody else has yet, or of one overlay of it; at
 * most `budget_ns` (0: to the end), and what was not reached stays pending. 0, or an exit code.
 */
int inventory_measure(struct context *context, struct inventory *inventory,
		      const struct overlay *only, uint64_t budget_ns);
