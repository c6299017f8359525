/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "collectors/root.h"

/*
 * Names of users, and command lines and parents of processes, for what is printed: each looked up
 * once, when it is first asked for. Texts are bytes from outside and live as long as the labels.
 */
struct labels;

/* `root` (borrowed) is for processes; NULL: nothing is known of them. NULL without memory. */
struct labels *labels_new(const struct root *root);
void labels_free(struct labels *labels);
/* The user's name, or NULL if nobody has that number. `labels` may be NULL. */
const char *labels_user(struct labels *labels, uid_t uid);
/* The command line with blanks between its words ("[comm]" if it has none), or NULL. */
const char *labels_command(struct labels *labels, pid_t pid);
/* The parent's id; 0 if there is none, or not known. */
pid_t labels_parent(struct labels *labels, pid_t pid);
/* Says what a user is called from now on, as a test does. -ENOMEM. */
int labels_set_user(struct labels *labels, uid_t uid, const char *name);
