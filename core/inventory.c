// SPDX-License-Identifier: MIT
#include "core/inventory.h"

#include <stdlib.h>

static void drop_parts(struct inventory *inventory)
{
	namespaces_unref(inventory->namespaces);
	overlays_unref(inventory->overlays);
	containers_unref(inventory->containers);
	user_names_unref(inventory->users);
}

struct inventory *inventory_new(unsigned int parts, struct namespaces *namespaces,
				struct overlays *overlays, struct containers *containers)
{
	struct inventory made = { .parts = parts,
				  .namespaces = namespaces,
				  .overlays = overlays,
				  .containers = containers };
	struct inventory *inventory = malloc(sizeof(*inventory));

	if (!inventory) {
		drop_parts(&made);
		return NULL;
	}
	*inventory = made;
	atomic_init(&inventory->refs, 1);
	return inventory;
}

struct inventory *inventory_ref(struct inventory *inventory)
{
	if (inventory)
		atomic_fetch_add(&inventory->refs, 1);
	return inventory;
}

void inventory_unref(struct inventory *inventory)
{
	if (!inventory || atomic_fetch_sub(&inventory->refs, 1) != 1)
		return;
	drop_parts(inventory);
	free(inventory);
}
