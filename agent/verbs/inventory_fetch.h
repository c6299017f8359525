/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/context.h"
#include "core/inventory.h"

/* What a one-shot verb wants of an inventory: no more than this is read. */
struct inventory_want {
	unsigned int parts;    /* enum inventory_parts */
	unsigned int ns_flags; /* enum ns_scan_flags, with INVENTORY_NAMESPACES alone */
	bool mounts;	       /* namespaces' bind mounts, with INVENTORY_NAMESPACES alone */
	uint64_t budget_ns;    /* for the walk of writable layers; 0: to the end */
	const char *overlay;   /* walk the layer of this mount point, cgroup or container only */
};

/*
 * Reads it once, now. Namespaces alone are read with just the flags; anything else brings what it
 * is made from. `hierarchies` may be NULL: then they are looked for. 0, or an exit code after
 * saying why. The caller owns the reference.
 */
int inventory_fetch(struct context *context, const struct hierarchies *hierarchies,
		    const struct inventory_want *want, struct inventory **ret_inventory);
