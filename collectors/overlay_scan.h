/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "collectors/mount_table.h"
#include "core/container.h"
#include "core/namespaces.h"
#include "core/overlays.h"

/*
 * Makes the set of overlays from the mount table: layers in order, where each is mounted, who uses
 * it, what is wrong with it, and what container it belongs to (by the processes' cgroups, by the
 * runtimes' state, by path). Keeps what did not change between calls. One thread uses a scanner.
 */
struct overlay_scanner;

int overlay_scanner_new(const struct root *root, struct overlay_scanner **ret_scanner);
void overlay_scanner_free(struct overlay_scanner *scanner);
/* Once `*stop` is true, no filesystem is waited for any more. */
void overlay_scanner_heed(struct overlay_scanner *scanner, const atomic_bool *stop);
/*
 * `namespaces` (for the processes, with NS_SCAN_CGROUPS) and `containers` may be NULL. `usage` of
 * the result is LAYER_NONE or LAYER_PENDING: layer_keeper_fill() sets it. 0 or -errno.
 */
int overlay_scanner_build(struct overlay_scanner *scanner, const struct mount_table *mounts,
			  const struct namespaces *namespaces, const struct containers *containers,
			  struct overlays **ret_overlays);
