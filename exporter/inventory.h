/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/snapshot.h"
#include "core/strbuf.h"

/*
 * The families of namespaces, overlay mounts and containers. Names, images and paths stand on info
 * series alone, so that everything else has labels that do not change while the thing lives. Counts
 * by type, state and reason are always there; a mount, a container or a namespace with series of
 * its own is left out as a whole when the budget is used up, the last ones first.
 */
struct inventory_export {
	uint32_t max_label;
	bool namespace_info;
	bool *shown;	 /* by node: cgroups that are exported; others stand nowhere as a label */
	uint64_t budget; /* series of single things, at most */
	uint64_t series, dropped; /* what came of it: samples written, and left out */
};

/* Appends what the snapshot's inventory has. Pure. -ENOMEM; `out` is then cut short. */
int inventory_export_render(struct inventory_export *export, const struct snapshot *snapshot,
			    struct strbuf *out);
