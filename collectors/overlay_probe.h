/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collectors/root.h"

/* One directory to look up below a root, and what was found. */
struct probe {
	int root_fd;	  /* symbolic links and ".." stay below it */
	const char *path; /* absolute, or relative to that root */
	bool want_statfs;
	/* 0; -ENOENT, -ENOTDIR and their like; -ETIMEDOUT: a filesystem does not answer. */
	int result;
	dev_t device;
	uint64_t inode;
	int fd; /* O_PATH, closed by probe_done(); -1 where only a child has seen it */
	bool statfs_known;
	uint64_t magic, free_bytes, free_inodes;
};

/*
 * Looks up directories on filesystems that may never answer (FUSE, NFS). What the kernel has in its
 * cache is taken from there, which cannot block; the rest is looked up by a child, once for all of
 * them, that is left behind if it gets stuck.
 */
struct prober;

struct prober_stats {
	uint64_t cached, children, stuck;
};

/* Borrows the root. */
int prober_new(const struct root *root, struct prober **ret_prober);
/* Does not wait for children that are stuck, only for a moment. */
void prober_free(struct prober *prober);
/* Once `*stop` is true, nothing is waited for: what is not in the cache does not answer. */
void prober_heed(struct prober *prober, const atomic_bool *stop);
/* Fills in the results. 0, or -errno if no child could be made (those it was for: -EAGAIN). */
int prober_run(struct prober *prober, struct probe *probes, size_t n);
void probe_done(struct probe *probe);
void prober_get_stats(const struct prober *prober, struct prober_stats *ret_stats);
