// SPDX-License-Identifier: MIT
#include "exporter/inventory.h"

#include <errno.h>

#include "exporter/inventory_private.h"

bool inventory_render_take(struct inventory_render *render, uint64_t n)
{
	if (n > render->left) {
		render->export->dropped += n;
		render->left = 0; /* a smaller one must not take the place of a larger one */
		return false;
	}
	render->left -= n;
	return true;
}

const struct node *inventory_render_node(const struct inventory_render *render, uint32_t node)
{
	if (node == NODE_NONE || !render->export->shown[node])
		return NULL;
	return render->snapshot->tree->nodes[node];
}

double inventory_render_time(const struct inventory_render *render, uint64_t boottime_ns)
{
	const struct snapshot *snapshot = render->snapshot;

	return ((double)snapshot->realtime_ns -
		((double)snapshot->boottime_ns - (double)boottime_ns)) /
	       1e9;
}

int inventory_export_render(struct inventory_export *export, const struct snapshot *snapshot,
			    struct strbuf *out)
{
	struct inventory_render render = {
		.export = export,
		.snapshot = snapshot,
		.inventory = snapshot->inventory,
		.series = { .out = out, .max_label = export->max_label },
		.left = export->budget,
	};
	int r = 0;

	export->series = export->dropped = 0;
	if (render.inventory->containers)
		inventory_render_containers(&render);
	if (render.inventory->overlays)
		r = inventory_render_overlays(&render);
	if (r == 0 && render.inventory->namespaces)
		inventory_render_namespaces(&render);
	export->series = render.series.n;
	return out->failed ? -ENOMEM : r;
}
