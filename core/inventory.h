/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "core/container.h"
#include "core/namespaces.h"
#include "core/overlays.h"
#include "core/user_names.h"

/* The parts of an inventory that somebody may ask for; a part brings those it is made from. */
enum inventory_parts {
	INVENTORY_NAMESPACES = 1 << 0, /* namespaces and the processes in them */
	INVENTORY_HOLDERS = 1 << 1,    /* also look at every fd and socket for namespaces */
	INVENTORY_OVERLAYS = 1 << 2,   /* overlay mounts of every mount namespace */
	INVENTORY_USAGE = 1 << 3,      /* what their writable layers hold */
	INVENTORY_CONTAINERS = 1 << 4, /* names, images, storage drivers */
	INVENTORY_ORPHANS = 1 << 5,    /* also what runtimes left behind */
};

/*
 * What is seen beside the cgroups: on a slower beat than they, each part with its own time. Part of
 * a snapshot; immutable and shared by reference. A part that nobody asked for is NULL.
 */
struct inventory {
	atomic_int refs;
	unsigned int parts; /* enum inventory_parts: what is in it */
	struct namespaces *namespaces;
	struct overlays *overlays;
	struct containers *containers;
	struct user_names *users; /* may be put in before the inventory is shared; NULL: no names */
};

/* Takes over the references (each may be NULL). NULL if there is no memory: then they are gone. */
struct inventory *inventory_new(unsigned int parts, struct namespaces *namespaces,
				struct overlays *overlays, struct containers *containers);
struct inventory *inventory_ref(struct inventory *inventory);
void inventory_unref(struct inventory *inventory);
