/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "collectors/root.h"

/*
 * Names of users and command lines of processes, each looked up once. Texts are bytes from outside
 * and live as long as the names.
 */
struct names;

/* `root` (borrowed) is for command lines; NULL: there are none. NULL if there is no memory. */
struct names *names_new(const struct root *root);
void names_free(struct names *names);
/* The user's name, or NULL if nobody has that number. `names` may be NULL. */
const char *names_user(struct names *names, uid_t uid);
/* The command line with blanks between its words, or NULL if there is none. */
const char *names_command(struct names *names, pid_t pid);
/* Says what a user is called from now on, as a test does. -ENOMEM. */
int names_set_user(struct names *names, uid_t uid, const char *name);
