// SPDX-License-Identifier: MIT
#include "agent/names.h"

#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

/* Number to text, by open addressing. */
struct name_map {
	struct name_entry {
		uint32_t number;
		bool used;
		char *text; /* NULL: known to have none */
	} * entries;
	size_t capacity, n; /* capacity: a power of two */
};

struct names {
	const struct root *root;
	struct name_map users, commands;
};

static struct name_entry *find(const struct name_map *map, uint32_t number)
{
	size_t at = number * UINT32_C(2654435761) & (map->capacity - 1);

	while (map->entries[at].used && map->entries[at].number != number)
		at = (at + 1) & (map->capacity - 1);
	return &map->entries[at];
}

static bool grow(struct name_map *map)
{
	struct name_map grown = { .capacity = map->capacity ? map->capacity * 2 : 64 };

	grown.entries = calloc(grown.capacity, sizeof(*grown.entries));
	if (!grown.entries)
		return false;
	for (size_t i = 0; i < map->capacity; i++) {
		if (map->entries[i].used)
			*find(&grown, map->entries[i].number) = map->entries[i];
	}
	grown.n = map->n;
	free(map->entries);
	*map = grown;
	return true;
}

/* The entry of that number, a new one if it is not `used`. NULL if there is no memory. */
static struct name_entry *get(struct name_map *map, uint32_t number)
{
	if ((map->n + 1) * 2 > map->capacity && !grow(map))
		return NULL;
	return find(map, number);
}

static void put(struct name_map *map, struct name_entry *entry, uint32_t number, char *text)
{
	map->n += !entry->used;
	free(entry->text);
	*entry = (struct name_entry){ .number = number, .used = true, .text = text };
}

static void map_done(struct name_map *map)
{
	for (size_t i = 0; i < map->capacity; i++)
		free(map->entries[i].text);
	free(map->entries);
}

struct names *names_new(const struct root *root)
{
	struct names *names = calloc(1, sizeof(*names));

	if (names)
		names->root = root;
	return names;
}

void names_free(struct names *names)
{
	if (!names)
		return;
	map_done(&names->users);
	map_done(&names->commands);
	free(names);
}

const char *names_user(struct names *names, uid_t uid)
{
	struct name_entry *entry = names ? get(&names->users, uid) : NULL;

	if (!entry)
		return NULL;
	if (!entry->used) {
		const struct passwd *user = getpwuid(uid);

		put(&names->users, entry, uid, user ? strdup(user->pw_name) : NULL);
	}
	return entry->text;
}

int names_set_user(struct names *names, uid_t uid, const char *name)
{
	struct name_entry *entry = get(&names->users, uid);
	char *copy = name ? strdup(name) : NULL;

	if (!entry || (name && !copy)) {
		free(copy);
		return -ENOMEM;
	}
	put(&names->users, entry, uid, copy);
	return 0;
}

static char *read_command(const struct root *root, pid_t pid)
{
	struct strbuf text;
	char path[32];

	snprintf(path, sizeof(path), "%d/cmdline", (int)pid);
	strbuf_init(&text);
	if (root_read(root, ROOT_PROC, path, &text) < 0 || text.length == 0) {
		strbuf_done(&text);
		return NULL;
	}
	while (text.length > 0 && !text.data[text.length - 1])
		text.length--;
	for (size_t i = 0; i < text.length; i++) {
		if (!text.data[i])
			text.data[i] = ' ';
	}
	return strbuf_take(&text);
}

const char *names_command(struct names *names, pid_t pid)
{
	struct name_entry *entry;

	if (!names || !names->root || pid <= 0)
		return NULL;
	entry = get(&names->commands, (uint32_t)pid);
	if (entry && !entry->used)
		put(&names->commands, entry, (uint32_t)pid, read_command(names->root, pid));
	return entry ? entry->text : NULL;
}
