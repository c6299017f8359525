/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/hierarchy.h"
#include "core/node.h"
#include "core/process.h"

/*
 * The processes in one cgroup itself (not below it), by pid: from cgroup.procs of the first
 * hierarchy in which it has any, systemd's own first. What vanishes meanwhile is left out. 0 or
 * -errno.
 */
int processes_of_cgroup(const struct root *root, const struct hierarchies *hierarchies,
			const struct node *node, struct process_list *ret_processes);
/* Every process of the machine with its cgroup path (v2's, or the first v1 one that is not "/"). */
int processes_all(const struct root *root, const struct hierarchies *hierarchies,
		  struct process_list *ret_processes);
/*
 * The command line of the process whose directory that is, with spaces for NULs, or "[comm]" if it
 * has none. Free it; NULL if there is no memory.
 */
char *process_read_command(int dir_fd, const char *comm);
