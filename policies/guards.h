/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/hierarchy.h"

/*
 * Whom policies must not touch: a look over all processes says in which cgroups those live that a
 * machine cannot be run without (rule 10 of the enforcement rules): journald, udevd, dbus, logind,
 * sshd and the sessions below it, the operator's login, container shims and daemons, kubelet,
 * storage and network clients. A cgroup that holds one, itself or below it, is protected. Which
 * they are is one table (guards.c): name of the program, units, and why.
 *
 * Beside that there is what nothing permits: the roots, ourselves, our watchdog, process 1, and all
 * ancestors of these (ownership_check()).
 */
struct guards;

/* Borrows both. The first look is made by guards_refresh(). 0 or -ENOMEM. */
int guards_new(const struct root *root, const struct hierarchies *hierarchies,
	       struct guards **ret_guards);
void guards_free(struct guards *guards);
/*
 * Looks again if the last look is older than `max_age_ms` (0: in any case). Thread-safe. 0 or
 * -errno: then nothing may be written that is guarded.
 */
int guards_refresh(struct guards *guards, unsigned int max_age_ms);
/*
 * 0, or -EPERM if the cgroup at `path` (of that hierarchy; any, if it is negative) or one below it
 * holds a protected process, or is by its name the place of one ("/system.slice/ssh.service"), with
 * the reason for people ("sshd (pid 812) lives in it") in `reason`. Thread-safe, no system call.
 */
int guards_check(struct guards *guards, int hierarchy, const char *path, char *reason, size_t size);
/* The name alone: 0, or -EPERM with the reason. */
int guards_check_path(const char *path, char *reason, size_t size);
/*
 * One process as it is now: 0 (also if it is gone), -EPERM with the reason if it is protected, or
 * another -errno: then nothing may be written. Thread-safe. With these two a single cgroup is
 * looked at in no more time than it has processes, however many the machine has.
 */
int guards_check_process(const struct guards *guards, pid_t pid, char *reason, size_t size);
