/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "collectors/hierarchy.h"
#include "collectors/mount_table.h"
#include "core/namespaces.h"

/*
 * Finds the namespaces of the machine. One thread uses a scanner; it remembers what does not change
 * about a namespace (owner, parent, ids) and when it was first seen, so the next pass is cheap.
 */
struct ns_scanner;
struct bpf_tasks;

enum ns_scan_flags {
	NS_SCAN_HOLDERS = 1 << 0,   /* look at every fd and socket */
	NS_SCAN_CGROUPS = 1 << 1,   /* also each process's cgroup and the device of its root */
	NS_SCAN_DETAILS = 1 << 2,   /* interfaces, host names, maps, mounts, offsets, the limits of
				     * user namespaces other than our own */
	NS_SCAN_PROCESSES = 1 << 3, /* name, parent and start of every process, not only of the
				     * lowest in each namespace */
};

/* Borrows both; `hierarchies` may be NULL (then no cgroups). -errno. */
int ns_scanner_new(const struct root *root, const struct hierarchies *hierarchies,
		   struct ns_scanner **ret_scanner);
void ns_scanner_free(struct ns_scanner *scanner);
/*
 * From now on processes and threads come from passes of the kernel's own, as long as these succeed
 * (see collectors/bpf_tasks.h); /proc is asked for what they do not have. Borrowed; NULL: all from
 * /proc.
 */
void ns_scanner_use(struct ns_scanner *scanner, struct bpf_tasks *tasks);
/* Once `*stop` is true, both halves end as soon as they can: then -ECANCELED. */
void ns_scanner_heed(struct ns_scanner *scanner, const atomic_bool *stop);
/*
 * The first half: every process and thread. Afterwards the mount namespaces are known, each with a
 * process through which it can be reached. 0 or -errno.
 */
int ns_scanner_read(struct ns_scanner *scanner, unsigned int flags);
/*
 * The mount namespaces of that pass, for mount_table_refresh(), which has to come before the second
 * half: that closes their descriptors.
 */
const struct mount_ns *ns_scanner_mount_ns(const struct ns_scanner *scanner, size_t *ret_n);
/*
 * The second half: holders (nsfs mounts come from `mounts`, which may be NULL), relations, details,
 * limits. The caller owns the reference. 0 or -errno.
 */
int ns_scanner_finish(struct ns_scanner *scanner, const struct mount_table *mounts,
		      struct namespaces **ret_namespaces);
