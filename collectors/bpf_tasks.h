/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/bpf/task_record.h"
#include "collectors/bpf_status.h"
#include "collectors/hierarchy.h"

/*
 * All processes and threads with their namespaces and cgroups in one pass of the kernel's own
 * (collectors/bpf/tasks.bpf.c): three system calls, whatever their number. One thread uses it.
 */
struct bpf_tasks;

struct bpf_tasks_stats {
	uint64_t passes, failures, grown; /* grown: passes repeated because there were too many */
	uint64_t tasks;			  /* of the last pass */
	uint64_t memory_bytes;		  /* of the map */
	uint64_t last_pass_ns;		  /* CPU time of the last pass */
};

/*
 * Loads the program. 0, or -errno with one line in `reason`: then /proc is to be read. Borrows
 * both; `hierarchies` may be NULL (then no cgroups).
 */
int bpf_tasks_new(const struct root *root, const struct hierarchies *hierarchies,
		  struct bpf_tasks **ret_tasks, char *reason, size_t size);
void bpf_tasks_free(struct bpf_tasks *tasks);
/*
 * One pass. 0 or -errno. The records, each process's leading thread followed by its others by
 * number, are valid until the next pass. Threads of a process whose leader was not met are left
 * out: it has come or gone meanwhile.
 */
int bpf_tasks_read(struct bpf_tasks *tasks, const struct task_record *const **ret_list,
		   size_t *ret_n);
/* True if the cgroup ids of that hierarchy are in the records. */
bool bpf_tasks_has_hierarchy(const struct bpf_tasks *tasks, unsigned int hierarchy);
/* True if /proc/PID/ns has that link (enum task_ns): types that this kernel was built without. */
bool bpf_tasks_has_link(const struct bpf_tasks *tasks, unsigned int link);
/* True if the task certainly did not run between two records of it. */
static inline bool task_record_rested(const struct task_record *before,
				      const struct task_record *after)
{
	return before->start_ns == after->start_ns && before->tid == after->tid &&
	       before->switches == after->switches && (before->flags & TASK_STILL) &&
	       (after->flags & TASK_STILL);
}
void bpf_tasks_get_stats(const struct bpf_tasks *tasks, struct bpf_tasks_stats *ret_stats);
/* The programs, `*ret_n` of them; borrowed. */
const struct bpf_program_status *bpf_tasks_programs(const struct bpf_tasks *tasks, size_t *ret_n);
