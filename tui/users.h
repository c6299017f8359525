/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Names of users, each asked for once: name services may be slow. */
struct users {
	struct user *list;
	size_t n, capacity;
};

void users_done(struct users *users);
/* From now on that is the user's name, whatever the system says. Without memory nothing changes. */
void users_set(struct users *users, uid_t uid, const char *name);
/* The user's name, safe for a terminal, or the number. Valid until users_done(). */
const char *users_name(struct users *users, uid_t uid);
