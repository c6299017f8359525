// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/labels.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/proc_stat.h"
#include "collectors/processes.h"
#include "core/cleanup.h"

/* Number to text, by open addressing. */
struct name_map {
	struct name_entry {
		uint32_t number;
		bool used;
		char *text;   /* NULL: known to have none */
		pid_t parent; /* of a process */
	} * entries;
	size_t capacity, n; /* capacity: a power of two */
};

struct labels {
	const struct root *root;
	struct name_map users, commands;
};

static struct name_entry *find(const struct name_map *map, uint32_t number)
{
	size_t at = (size_t)number * UINT32_C(2654435761) & (map->capacity - 1);

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

struct labels *labels_new(const struct root *root)
{
	struct labels *labels = calloc(1, sizeof(*labels));

	if (labels)
		labels->root = root;
	return labels;
}

void labels_free(struct labels *labels)
{
	if (!labels)
		return;
	map_done(&labels->users);
	map_done(&labels->commands);
	free(labels);
}

const char *labels_user(struct labels *labels, uid_t uid)
{
	struct name_entry *entry = labels ? get(&labels->users, uid) : NULL;

	if (!entry)
		return NULL;
	if (!entry->used) {
		const struct passwd *user = getpwuid(uid);

		put(&labels->users, entry, uid, user ? strdup(user->pw_name) : NULL);
	}
	return entry->text;
}

int labels_set_user(struct labels *labels, uid_t uid, const char *name)
{
	struct name_entry *entry = get(&labels->users, uid);
	char *copy = name ? strdup(name) : NULL;

	if (!entry || (name && !copy)) {
		free(copy);
		return -ENOMEM;
	}
	put(&labels->users, entry, uid, copy);
	return 0;
}

/* A kernel thread or a zombie has no command line: then it is its name. */
static char *read_process(const struct root *root, pid_t pid, pid_t *ret_parent)
{
	_cleanup_(closep) int dir_fd = -1;
	struct proc_stat stat = { 0 };
	struct strbuf text;
	char path[16];

	snprintf(path, sizeof(path), "%d", (int)pid);
	dir_fd = root_open(root, ROOT_PROC, path, O_PATH | O_DIRECTORY);
	if (dir_fd < 0)
		return NULL;
	strbuf_init(&text);
	if (read_file_at(dir_fd, "stat", &text) == 0 && text.data &&
	    proc_stat_parse(text.data, &stat) == 0)
		*ret_parent = (pid_t)stat.ppid;
	strbuf_done(&text);
	return *stat.comm ? process_read_command(dir_fd, stat.comm) : NULL;
}

static struct name_entry *get_process(struct labels *labels, pid_t pid)
{
	struct name_entry *entry;
	pid_t parent = 0;
	char *command;

	if (!labels || !labels->root || pid <= 0)
		return NULL;
	entry = get(&labels->commands, (uint32_t)pid);
	if (!entry || entry->used)
		return entry;
	command = read_process(labels->root, pid, &parent);
	put(&labels->commands, entry, (uint32_t)pid, command);
	entry->parent = parent;
	return entry;
}

const char *labels_command(struct labels *labels, pid_t pid)
{
	const struct name_entry *entry = get_process(labels, pid);

	return entry ? entry->text : NULL;
}

pid_t labels_parent(struct labels *labels, pid_t pid)
{
	const struct name_entry *entry = get_process(labels, pid);

	return entry ? entry->parent : 0;
}
