/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * What this process may do beyond reading what everybody may read: each thing needs capabilities
 * and, in the sandbox of a service, system calls that its filter lets pass.
 */
enum right {
	RIGHT_PATHS,
	RIGHT_FILES,
	RIGHT_PROCESSES,
	RIGHT_TRUSTED,
	RIGHT_FANOTIFY,
	RIGHT_HANDLES,
	RIGHT_ENTER_UTS,
	RIGHT_ENTER_NET,
	RIGHT_ENTER_USER,
	RIGHT_ENTER_MNT,
	RIGHT_COPY_FDS,
	RIGHT_COUNT
};

enum right_state {
	RIGHT_GRANTED,
	RIGHT_NO_CAPABILITY,
	RIGHT_FILTERED, /* the capability is there, but the system call is refused */
};

/* As in the label of cgwatch_right: "fanotify". */
const char *right_name(enum right right);
/* What is not known without it: "host names of other UTS namespaces". */
const char *right_loss(enum right right);
/* The capabilities it takes, for people: "CAP_SYS_ADMIN". */
const char *right_needs(enum right right);
/* Asks the kernel, without any effect. */
void rights_ask(enum right_state ret_states[RIGHT_COUNT]);
/* One line for each that is missing: the agent's log. */
void rights_log(const enum right_state states[RIGHT_COUNT]);
