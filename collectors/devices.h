/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/keyed.h"
#include "collectors/root.h"
#include "core/strpool.h"

/*
 * Names of the parts of keyed metrics, interned for the life of the table: block devices by
 * "MAJOR:MINOR" (from /sys/dev/block) become "vda"; anything else stays as the kernel prints it.
 */
struct devices;

/* Borrows `root`, holds the pool that the names go into. -ENOMEM. */
int devices_new(const struct root *root, struct strpool *strings, struct devices **ret_devices);
void devices_free(struct devices *devices);
/* The interned name for the kernel's word; NULL if there is no memory. */
const char *devices_name(struct devices *devices, struct span word);
/* The pool the names live in. */
struct strpool *devices_strings(struct devices *devices);
