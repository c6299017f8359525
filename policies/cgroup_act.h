/* SPDX-License-Identifier: MIT */
#pragma once

#include "policies/knob.h"

/*
 * What is written to a cgroup and is no knob: cgroup.kill, cgroup.procs, memory.reclaim. The same
 * rules as in knob.h: the directory is opened by path and must have the node's id, the guards are
 * asked before, dry runs write nothing, every write is logged. cgroup-v2.rst, cgroups.rst.
 */
struct cgroup_act {
	const struct knob_context *context;
	const char *path;
	unsigned int index; /* of the hierarchy */
	const struct hierarchy *hierarchy;
	int fd;		  /* the directory; -1: not open */
	bool checked;	  /* the guards have been asked; nothing is written without */
	char reason[256]; /* why the last call failed */
};

struct cgroup_process {
	pid_t pid;
	unsigned int index; /* of the hierarchy it was found in */
	char *path;	    /* of its cgroup there */
	uint64_t cgroup_id;
};

/* Zeroed is empty. */
struct cgroup_processes {
	struct cgroup_process *list;
	size_t n, capacity;
	size_t foreign; /* outside of our PID namespace: cgroup.procs says 0 */
};

/*
 * Opens the cgroup `path` of one hierarchy; `id` 0: whichever has the path now. -ENOENT if it is
 * not there, -ESTALE if it is another one; the reason is set in any case, the descriptor closed.
 */
int cgroup_act_open(const struct knob_context *context, unsigned int index, const char *path,
		    uint64_t id, struct cgroup_act *ret_act);
/* Asks the guards. `restore`: puts back what was, they do not apply. 0 or -errno with the reason.
 */
int cgroup_act_check(struct cgroup_act *act, bool restore, bool allow_protected);
/*
 * Whether what guards.h protects lives there or below now, or the path is its place: -EPERM, or
 * another -errno if it cannot be told, with the reason. 0 also without guards.
 */
int cgroup_act_guard(struct cgroup_act *act);
/* Writes; logs what. 0 or -errno (-EPERM if the guards were not asked). A dry run does nothing. */
int cgroup_act_write(const struct cgroup_act *act, const char *file, const char *text);
void cgroup_act_done(struct cgroup_act *act);
/*
 * Adds the processes of the cgroup and those below it. A threaded cgroup has none of its own: its
 * domain lists them. 0 or -errno; what vanishes meanwhile is left out.
 */
int cgroup_act_processes(const struct cgroup_act *act, struct cgroup_processes *processes);
void cgroup_processes_done(struct cgroup_processes *processes);
/* True if the process is in that cgroup of that hierarchy, or below it, now. */
bool cgroup_act_contains(const struct cgroup_act *act, pid_t pid);
/* The start time of a process in clock ticks since boot (/proc/PID/stat). 0 or -errno. */
int process_start_time(const struct root *root, pid_t pid, uint64_t *ret_start);
/* True if its name (comm) matches the glob; NULL matches all. */
bool process_is_named(const struct root *root, pid_t pid, const char *glob);
