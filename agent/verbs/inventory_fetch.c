// SPDX-License-Identifier: MIT
#include "agent/verbs/inventory_fetch.h"

#include <errno.h>
#include <string.h>

#include "collectors/inventory.h"
#include "core/cleanup.h"

DEFINE_CLEANUP(struct hierarchies *, hierarchies_free)
DEFINE_CLEANUP(struct inventory_keeper *, inventory_keeper_free)
DEFINE_CLEANUP(struct layer_keeper *, layer_keeper_free)

int inventory_fetch(struct context *context, const struct hierarchies *hierarchies,
		    unsigned int parts, struct inventory **ret_inventory)
{
	const struct inventory_options options = {
		.runtimes.orphans = (parts & INVENTORY_ORPHANS) != 0,
	};
	_cleanup_(hierarchies_freep) struct hierarchies *own = NULL;
	_cleanup_(inventory_keeper_freep) struct inventory_keeper *keeper = NULL;
	struct inventory *inventory;
	int r = context_root(context);

	if (r != 0)
		return r;
	/* A machine without cgroups has namespaces and mounts nevertheless. */
	if (!hierarchies && hierarchies_new(context->root, &own) == 0)
		hierarchies = own;
	r = inventory_keeper_new(context->root, hierarchies, &options, &keeper);
	if (r == 0)
		r = inventory_keeper_pass(keeper, parts & ~(unsigned int)INVENTORY_USAGE, 0);
	inventory = keeper ? inventory_keeper_latest(keeper) : NULL;
	if (!inventory)
		return context_fail(context, EXIT_FAILED, "namespaces and mounts: %s",
				    strerror(r < 0 ? -r : ENODATA));
	*ret_inventory = inventory;
	return 0;
}

int inventory_measure(struct context *context, struct inventory *inventory,
		      const struct overlay *only, uint64_t budget_ns)
{
	/* Once: a layer that was walked must not come up again while others are still walked. */
	static const struct layer_keeper_options options = { .entries_per_second = UINT64_MAX,
							     .period_ns = UINT64_C(1) << 60,
							     .no_fanotify = true,
							     .no_thread = true };
	_cleanup_(layer_keeper_freep) struct layer_keeper *keeper = NULL;
	struct overlays *set = inventory->overlays;
	struct overlay *list = set ? set->list : NULL;
	uint32_t n = set ? set->n : 0;
	int r;

	if (!set || root_is_recorded(context->root))
		return 0;
	r = layer_keeper_new(&options, &keeper);
	if (r == 0 && only) {
		/* The keeper sees a set of one. */
		set->list = list + (only - list);
		set->n = 1;
	}
	if (r == 0)
		r = layer_keeper_run(keeper, set, budget_ns);
	set->list = list;
	set->n = n;
	return r < 0 ? context_fail(context, EXIT_FAILED, "layers: %s", strerror(-r)) : 0;
}
