/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/metric.h"

/*
 * Derived metrics: each fills its whole column of the snapshot from other columns of the same
 * snapshot, which are complete by then. Pure. A cell without the numbers it needs takes over the
 * state that says why.
 */
void derive_cpu_quota_cores(struct snapshot *snapshot, enum metric_id id);
void derive_cpu_limit_cores(struct snapshot *snapshot, enum metric_id id);
void derive_cpu_limit_used(struct snapshot *snapshot, enum metric_id id);
void derive_cpu_throttled_ratio(struct snapshot *snapshot, enum metric_id id);
void derive_memory_working_set(struct snapshot *snapshot, enum metric_id id);
void derive_memory_limit(struct snapshot *snapshot, enum metric_id id);
void derive_memory_limit_used(struct snapshot *snapshot, enum metric_id id);
void derive_pids_limit(struct snapshot *snapshot, enum metric_id id);
void derive_pids_limit_used(struct snapshot *snapshot, enum metric_id id);
void derive_procs_subtree(struct snapshot *snapshot, enum metric_id id);
/* used / limit of namespaces (needs), as ns_limit_ratio() has it; and the largest of all types. */
void derive_ns_ratio(struct snapshot *snapshot, enum metric_id id);
void derive_ns_tightest(struct snapshot *snapshot, enum metric_id id);

/* Fills every wanted derived column, those that others are built on first. */
void derive_all(struct snapshot *snapshot);
/* The same without those in `done`, to which it adds what it filled. */
void derive_rest(struct snapshot *snapshot, struct metric_set *done);

/*
 * Which cgroup sets the binding limit of node `index` for "memory.limit", "cpu.limit.cores" or
 * "pids.limit" (`id`, a wanted column): the nearest one on the path to the root whose own limit is
 * the tightest. UINT32_MAX if nobody limits it.
 */
uint32_t derive_binding(const struct snapshot *snapshot, enum metric_id id, uint32_t index);
