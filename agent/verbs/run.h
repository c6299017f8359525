/* SPDX-License-Identifier: MIT */
#pragma once

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

#include "agent/context.h"
#include "core/namespaces.h"

/*
 * `cgwatch run`, in parts: options (run_options.c), the cgroup (run_cgroup.c), fresh namespaces
 * (run_unshare.c, run_map.c), joined ones (run_target.c), and the processes (run.c, run_init.c).
 * Functions that return int return 0, or an exit code after they said why in one line.
 */

/* Who the caller is inside a fresh user namespace. */
enum run_map { RUN_MAP_DEFAULT, RUN_MAP_ROOT, RUN_MAP_USER, RUN_MAP_AUTO };

enum run_clock { RUN_MONOTONIC, RUN_BOOTTIME, RUN_CLOCKS };

struct run {
	struct context *context;
	char **command;

	const char *path; /* of the cgroup; NULL: stay where we are */
	char own_path[64];
	char *limits[4]; /* "cpu.quota=50%" */
	size_t n_limits;
	size_t there[HIERARCHY_MAX]; /* how much of the path was there before, by hierarchy */
	int procs[HIERARCHY_MAX];    /* cgroup.procs, to be entered */
	unsigned int n_procs;

	unsigned int unshare; /* bits by enum ns_type */
	const char *hostname, *domainname;
	enum run_map map;
	uid_t map_uid;
	gid_t map_gid;
	bool map_gid_given;
	const char *offset_texts[RUN_CLOCKS]; /* NULL: none given */
	struct timespec offsets[RUN_CLOCKS];
	bool keep_proc, as_pid1;

	const char *target; /* as given: pid, cgroup path or container id; NULL: join nothing */
	bool ns_given, join_all;
	unsigned int join; /* bits by enum ns_type */
	int pidfd, root_fd, cwd_fd;

	uid_t uid; /* who calls; inside a user namespace we are nobody at first */
	gid_t gid;
	/* As we were given them; the command gets them back. */
	struct rlimit files; /* sampling raises it */
	sigset_t mask;
	struct sigaction on_child;
};

static inline bool run_has(unsigned int list, enum ns_type type)
{
	return list >> type & 1;
}

/* User namespaces first, since they give the right to all others. */
extern const enum ns_type run_order[NS_TYPE_COUNT];

int run_options(struct run *run, int argc, char **argv);
void run_options_done(struct run *run);

/* Makes the cgroup in every hierarchy, opens cgroup.procs, sets the limits. */
int run_cgroup_make(struct run *run, struct sampler *sampler);
/*
 * What we made goes again, the innermost first. Processes that the command left behind keep it
 * busy: then it stays, and we say so, once. A parent that somebody else uses by now stays without a
 * word.
 */
void run_cgroup_remove(struct run *run, const struct hierarchies *hierarchies);
/* In the child. */
int run_cgroup_enter(const struct run *run);

/* In the child: makes the namespaces and sets them up. What needs the new PID namespace is left to
 * run_init(). `channel` leads to the parent, which answers by run_map_answer(). */
int run_unshare(const struct run *run, int channel);

/* In the child, after it made its user namespace: maps users and groups into it. */
int run_map_write(const struct run *run, int channel);
/* In the parent, which is still outside: --map-auto of the child `pid`. */
int run_map_answer(const struct run *run, pid_t pid);

/* Finds the process to join and what of it differs from us; opens what joining needs. */
int run_target_find(struct run *run);
void run_target_done(struct run *run);
/* In the child. */
int run_target_join(const struct run *run);

/* Signals that are passed on to the command, and SIGCHLD. */
void run_signals(sigset_t *ret_signals);
/* Waits for a signal and passes it on to `pid`, if it is not one that it got by itself. */
void run_pass_on(pid_t pid, const sigset_t *signals);
int run_exit_code(int status);
/* In the first process of a fresh PID namespace. */
_Noreturn void run_init(const struct run *run);
/* Becomes the command. */
_Noreturn void run_exec(const struct run *run);
/*
 * fork(), but the new process is a child of our parent: so a process that only enters a PID
 * namespace need not stay to wait. Returns as fork() does, -1 with errno.
 */
pid_t run_fork_sibling(void);
