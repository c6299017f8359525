// SPDX-License-Identifier: MIT
#include "core/user_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/units.h"

/* By uid; lines of one uid stay in the order of the file (their names' addresses rise). */
static int compare(const void *a, const void *b)
{
	const struct user_name *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return (x->name > y->name) - (x->name < y->name);
}

/* "name:password:uid:…"; cut up in place. False if it is no such line. */
static bool parse_line(char *line, struct user_name *ret_user)
{
	char *password = strchr(line, ':'), *uid = password ? strchr(password + 1, ':') : NULL;
	char *end = uid ? strchr(uid + 1, ':') : NULL;
	uint64_t number;

	if (!end || password == line)
		return false;
	*password = *end = '\0';
	if (parse_u64(uid + 1, &number) < 0 || number >= (uid_t)-1)
		return false;
	*ret_user = (struct user_name){ (uid_t)number, line };
	return true;
}

static size_t count_lines(const char *text, size_t length)
{
	size_t n = 1;

	for (size_t i = 0; i < length; i++)
		n += text[i] == '\n';
	return n;
}

int user_names_parse(const char *text, size_t length, struct user_names **ret_users)
{
	struct user_names *users = calloc(1, sizeof(*users));
	char *copy, *line, *position = NULL;

	if (!users)
		return -ENOMEM;
	atomic_init(&users->refs, 1);
	arena_init(&users->arena);
	copy = arena_copy(&users->arena, text, length);
	users->list = arena_array(&users->arena, count_lines(text, length), sizeof(*users->list));
	if (!copy || !users->list) {
		user_names_unref(users);
		return -ENOMEM;
	}
	for (line = strtok_r(copy, "\n", &position); line; line = strtok_r(NULL, "\n", &position))
		users->n += parse_line(line, &users->list[users->n]);
	qsort(users->list, users->n, sizeof(*users->list), compare);
	*ret_users = users;
	return 0;
}

struct user_names *user_names_ref(struct user_names *users)
{
	if (users)
		atomic_fetch_add(&users->refs, 1);
	return users;
}

void user_names_unref(struct user_names *users)
{
	if (!users || atomic_fetch_sub(&users->refs, 1) != 1)
		return;
	arena_done(&users->arena);
	free(users);
}

const char *user_names_find(const struct user_names *users, uid_t uid)
{
	size_t low = 0, high = users ? users->n : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (users->list[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return users && low < users->n && users->list[low].uid == uid ? users->list[low].name
								      : NULL;
}
