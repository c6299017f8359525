/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/root.h"
#include "core/container.h"
#include "core/overlays.h"

/*
 * What container runtimes keep on this machine, from their state files: Docker (with its own graph
 * drivers and with the containerd image store), containerd, CRI-O, podman (rootful), LXC, nspawn,
 * Kubernetes' /var/log/containers; a runtime's socket is asked only if an option names it. Keeps
 * what did not change (by mtime and inode). One thread uses a scanner.
 */
struct runtime_scanner;

struct runtime_options {
	const char *docker_root; /* NULL: from dockerd's command line, daemon.json, the default */
	const char *containerd_root; /* NULL: the defaults */
	const char *containerd_state;
	const char *podman_root;   /* NULL: storage.conf, then the default */
	const char *docker_socket; /* NULL: no socket is ever opened */
	bool orphans;		   /* look for what was left behind (reads every layer directory) */
	uint64_t orphan_grace_ns;  /* what is younger is no orphan yet; 0: a default, 10 minutes */
};

/* Borrows the root, copies the options (may be NULL). -errno. */
int runtime_scanner_new(const struct root *root, const struct runtime_options *options,
			struct runtime_scanner **ret_scanner);
void runtime_scanner_free(struct runtime_scanner *scanner);
/* `overlays` (may be NULL) tells what is mounted, for orphans. The caller owns the reference. */
int runtime_scanner_scan(struct runtime_scanner *scanner, const struct overlays *overlays,
			 struct containers **ret_containers);
