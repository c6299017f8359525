/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/node.h"

/*
 * Fills kind, unit, container_id and runtime of a new node from its path, given its parent (NULL
 * for the root), whose unit and container it inherits. Path forms of systemd (systemd.slice(5),
 * machine.slice), Docker, containerd, CRI-O, Podman, LXC, nspawn and Kubernetes. -ENOMEM.
 */
int container_classify(struct node *node, const struct node *parent);
