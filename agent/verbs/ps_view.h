/* SPDX-License-Identifier: MIT */
#pragma once

#include "agent/field.h"
#include "agent/labels.h"
#include "core/inventory.h"
#include "core/process.h"

/* What has to be collected for a column, beside the processes themselves. */
enum ps_needs { PS_NEEDS_NAMESPACES = 1 << 0, PS_NEEDS_CONTAINERS = 1 << 1 };

/* Processes with what belongs to them. Rows are indices into the list. */
struct ps_view {
	const struct process_list *processes;
	const struct namespaces *namespaces; /* may be NULL */
	const struct containers *containers; /* may be NULL */
	struct labels *labels;
};

extern const struct fields ps_fields;

/*
 * Eight letters, those of the options of nsenter(1): m n p U u i C T. A '-' where the process is in
 * the machine's own namespace, '?' where that could not be read.
 */
void ps_add_flags(const struct namespaces *set, const struct ns_process *process,
		  struct strbuf *out);
/* A member "namespaces": by type, the inode and whether it is the machine's own. */
void ps_json_namespaces(struct jsonw *json, const struct namespaces *set,
			const struct ns_process *process);
/*
 * True for a path that the kernel gives to a process outside of our cgroup namespace: "/../other"
 * (cgroup_namespaces(7)).
 */
bool ps_is_outside(const char *cgroup);
/* The process of a row as the namespaces' scan saw it, or NULL. */
const struct ns_process *ps_find(const struct ps_view *view, uint32_t row);
