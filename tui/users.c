// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tui/users.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/escape.h"

struct user {
	uid_t uid;
	char *name;
};

void users_done(struct users *users)
{
	for (size_t i = 0; i < users->n; i++)
		free(users->list[i].name);
	free(users->list);
	*users = (struct users){ 0 };
}

static char *look_up(uid_t uid)
{
	struct passwd entry, *found = NULL;
	char buffer[4096], safe[128];

	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
		escape_terminal(found->pw_name, strlen(found->pw_name), safe, sizeof(safe));
	else
		snprintf(safe, sizeof(safe), "%u", uid);
	return strdup(safe);
}

static const char *find(const struct users *users, uid_t uid)
{
	for (size_t i = 0; i < users->n; i++) {
		if (users->list[i].uid == uid)
			return users->list[i].name;
	}
	return NULL;
}

/* Takes the name over. */
static void add(struct users *users, uid_t uid, char *name)
{
	if (name && users->n == users->capacity) {
		size_t capacity = users->capacity ? 2 * users->capacity : 16;
		struct user *grown = realloc(users->list, capacity * sizeof(*grown));

		if (grown) {
			users->list = grown;
			users->capacity = capacity;
		}
	}
	if (name && users->n < users->capacity)
		users->list[users->n++] = (struct user){ uid, name };
	else
		free(name);
}

void users_set(struct users *users, uid_t uid, const char *name)
{
	if (!find(users, uid))
		add(users, uid, strdup(name));
}

const char *users_name(struct users *users, uid_t uid)
{
	const char *name = find(users, uid);

	if (name)
		return name;
	add(users, uid, look_up(uid));
	name = find(users, uid);
	return name ? name : "?";
}
