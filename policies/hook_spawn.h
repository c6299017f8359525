/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

/*
 * Starts a command for the calling thread: a session of its own, /dev/null as input and output, no
 * other descriptor, only the environment given, no rights to be had from set-user-ID programs
 * (PR_SET_NO_NEW_PRIVS), no protection from the OOM killer and no priority inherited, all signals
 * as by default. It is killed when the thread ends (PR_SET_PDEATHSIG), also with a process that
 * was killed. 0 or -errno, that of execve() too.
 */
int hook_spawn(char *const words[], char *const environment[], pid_t *ret_pid);
