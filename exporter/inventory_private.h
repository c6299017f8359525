/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/join.h"
#include "exporter/inventory.h"
#include "exporter/series.h"

/* What the files inventory*.c of the exporter share. */
struct inventory_render {
	struct inventory_export *export;
	const struct snapshot *snapshot;
	const struct inventory *inventory;
	struct series series;
	uint64_t left; /* of the budget */
};

/* Takes `n` series from the budget. False, with them counted as dropped, if it is used up. */
bool inventory_render_take(struct inventory_render *render, uint64_t n);
/* The node, if its cgroup is exported; else NULL. */
const struct node *inventory_render_node(const struct inventory_render *render, uint32_t node);
/* CLOCK_BOOTTIME as seconds since the epoch, by the clocks of the snapshot. */
double inventory_render_time(const struct inventory_render *render, uint64_t boottime_ns);

void inventory_render_namespaces(struct inventory_render *render);
int inventory_render_overlays(struct inventory_render *render);
void inventory_render_containers(struct inventory_render *render);
