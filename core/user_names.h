/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/arena.h"

struct user_name {
	uid_t uid;
	const char *name; /* bytes from outside */
};

/*
 * The users of passwd(5), without asking a name service: that could wait for a network. Immutable
 * and shared by reference once returned.
 */
struct user_names {
	atomic_int refs;
	struct arena arena;
	struct user_name *list; /* by uid; the first of a file wins */
	size_t n;
};

/* From the text of a passwd file; a line that is none is passed over. -ENOMEM. */
int user_names_parse(const char *text, size_t length, struct user_names **ret_users);
struct user_names *user_names_ref(struct user_names *users);
void user_names_unref(struct user_names *users);
/* The name, or NULL if it has none (or `users` is NULL). */
const char *user_names_find(const struct user_names *users, uid_t uid);
