// SPDX-License-Identifier: MIT
#include "agent/verbs/inventory_fetch.h"

#include <errno.h>
#include <string.h>

#include "collectors/ns_scan.h"
#include "collectors/runtime_scan.h"
#include "core/cleanup.h"

DEFINE_CLEANUP(struct hierarchies *, hierarchies_free)
DEFINE_CLEANUP(struct ns_scanner *, ns_scanner_free)
DEFINE_CLEANUP(struct mount_table *, mount_table_free)
DEFINE_CLEANUP(struct runtime_scanner *, runtime_scanner_free)

/* A machine without cgroups has namespaces nevertheless. */
static int find_hierarchies(struct context *context, const struct namespaces_want *want,
			    struct hierarchies **ret_hierarchies)
{
	int r;

	if (!(want->flags & NS_SCAN_CGROUPS))
		return 0;
	r = hierarchies_new(context->root, ret_hierarchies);
	return r == -ENOENT ? 0 : r;
}

static int read_mounts(struct context *context, const struct namespaces_want *want,
		       const struct ns_scanner *scanner, struct mount_table **ret_mounts)
{
	const struct mount_ns *spaces;
	size_t n;
	int r;

	if (!want->mounts && !want->own_mounts)
		return 0;
	r = mount_table_new(context->root, ret_mounts);
	if (r < 0)
		return r;
	spaces = ns_scanner_mount_ns(scanner, &n);
	return want->mounts ? mount_table_refresh(*ret_mounts, spaces, n)
			    : mount_table_refresh_own(*ret_mounts);
}

static int scan(struct context *context, const struct namespaces_want *want,
		struct namespaces **ret_namespaces)
{
	_cleanup_(hierarchies_freep) struct hierarchies *hierarchies = NULL;
	_cleanup_(ns_scanner_freep) struct ns_scanner *scanner = NULL;
	_cleanup_(mount_table_freep) struct mount_table *mounts = NULL;
	int r = find_hierarchies(context, want, &hierarchies);

	if (r == 0)
		r = ns_scanner_new(context->root, hierarchies, &scanner);
	if (r == 0)
		r = ns_scanner_read(scanner, want->flags);
	if (r == 0 && read_mounts(context, want, scanner, &mounts) < 0) {
		/* What is in use can be told without them. */
		mount_table_free(mounts);
		mounts = NULL;
	}
	return r < 0 ? r : ns_scanner_finish(scanner, mounts, ret_namespaces);
}

/* Without the runtimes' records containers have ids instead of names. */
static struct containers *find_containers(struct context *context)
{
	_cleanup_(runtime_scanner_freep) struct runtime_scanner *scanner = NULL;
	struct containers *containers = NULL;

	if (runtime_scanner_new(context->root, NULL, &scanner) < 0 ||
	    runtime_scanner_scan(scanner, NULL, &containers) < 0)
		return NULL;
	return containers;
}

int namespaces_fetch(struct context *context, const struct namespaces_want *want,
		     struct inventory **ret_inventory)
{
	struct namespaces *namespaces = NULL;
	struct containers *containers = NULL;
	int r = context_root(context);

	if (r != 0)
		return r;
	r = scan(context, want, &namespaces);
	if (r < 0)
		return context_fail(context, r == -ENOENT ? EXIT_HOST : EXIT_FAILED,
				    "namespaces: %s", strerror(-r));
	if (want->containers)
		containers = find_containers(context);
	*ret_inventory = inventory_new(INVENTORY_NAMESPACES |
					       (containers ? INVENTORY_CONTAINERS : 0),
				       namespaces, NULL, containers);
	return *ret_inventory ? 0 : context_fail(context, EXIT_FAILED, "out of memory");
}
