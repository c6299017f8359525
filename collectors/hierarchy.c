// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/hierarchy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/mountinfo.h"
#include "core/cleanup.h"
#include "core/units.h"

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static void hierarchy_done(struct hierarchy *hierarchy)
{
	free(hierarchy->name);
	free_list(hierarchy->controllers);
	free(hierarchy->mountpoint);
	free(hierarchy->mount_root);
	if (hierarchy->fd >= 0)
		close(hierarchy->fd);
}

void hierarchies_free(struct hierarchies *hierarchies)
{
	if (!hierarchies)
		return;
	for (unsigned int i = 0; i < hierarchies->n; i++)
		hierarchy_done(&hierarchies->list[i]);
	for (unsigned int i = 0; i < hierarchies->n_controllers; i++)
		free(hierarchies->controllers[i].name);
	free(hierarchies->controllers);
	free(hierarchies);
}
DEFINE_CLEANUP(struct hierarchies *, hierarchies_free)

static bool list_has(char **list, const char *word)
{
	for (size_t i = 0; list && list[i]; i++) {
		if (strcmp(list[i], word) == 0)
			return true;
	}
	return false;
}

static int list_add(char ***list, const char *word, size_t length)
{
	size_t n = 0;
	char **grown;

	while (*list && (*list)[n])
		n++;
	grown = realloc(*list, (n + 2) * sizeof(**list));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	grown[n + 1] = NULL;
	grown[n] = strndup(word, length);
	return grown[n] ? 0 : -ENOMEM;
}

/* Words of a v1 superblock that are not controllers. */
static bool is_mount_word(const char *word, size_t length)
{
	static const char *const words[] = { "rw",	     "ro",
					     "xattr",	     "clone_children",
					     "noprefix",     "cpuset_v2_mode",
					     "favordynmods", "none" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strlen(words[i]) == length && memcmp(words[i], word, length) == 0)
			return true;
	}
	return length > 14 && memcmp(word, "release_agent=", 14) == 0;
}

static int parse_v1_options(struct hierarchy *hierarchy, const char *options)
{
	struct strbuf name;

	strbuf_init(&name);
	while (*options) {
		size_t length = strcspn(options, ",");

		if (length > 0 && !is_mount_word(options, length)) {
			if (list_add(&hierarchy->controllers, options, length) < 0) {
				strbuf_done(&name);
				return -ENOMEM;
			}
			if (name.length > 0)
				strbuf_add_char(&name, ',');
			strbuf_add(&name, options, length);
		}
		options += length;
		options += *options == ',';
	}
	if (name.length == 0)
		strbuf_add_string(&name, "none");
	hierarchy->name = strbuf_take(&name);
	return hierarchy->name ? 0 : -ENOMEM;
}

/* The v2 root lists every controller that is not bound to a v1 hierarchy. */
static int read_v2_controllers(struct hierarchy *hierarchy)
{
	struct strbuf text;
	int r = 0;

	strbuf_init(&text);
	if (hierarchy->fd >= 0 && read_file_at(hierarchy->fd, "cgroup.controllers", &text) == 0) {
		for (const char *at = text.data; at && *at && r == 0;) {
			size_t length = strcspn(at, " \n");

			if (length > 0)
				r = list_add(&hierarchy->controllers, at, length);
			at += length;
			at += strspn(at, " \n");
		}
	}
	strbuf_done(&text);
	return r;
}

static int fill(struct hierarchy *hierarchy, const struct root *root,
		const struct mount_line *mount)
{
	hierarchy->v2 = strcmp(mount->fstype, "cgroup2") == 0;
	hierarchy->device = mount->device;
	hierarchy->mountpoint = strdup(mount->mountpoint);
	/* "/.." is a mount from outside our cgroup namespace: its top is all we can name. */
	hierarchy->mount_root = strdup(strncmp(mount->root, "/..", 3) == 0 ? "/" : mount->root);
	if (!hierarchy->mountpoint || !hierarchy->mount_root)
		return -ENOMEM;
	hierarchy->fd = root_open_absolute(root, mount->mountpoint, O_PATH | O_DIRECTORY);
	if (!hierarchy->v2)
		return parse_v1_options(hierarchy, mount->super_options);
	hierarchy->name = strdup("unified");
	return hierarchy->name ? read_v2_controllers(hierarchy) : -ENOMEM;
}

/* True if `mount` should stand for the hierarchy instead of what was found before. */
static bool shows_more(const struct hierarchy *known, const struct mount_line *mount)
{
	return known->fd < 0 || strlen(mount->root) < strlen(known->mount_root);
}

static int add_mount(struct hierarchies *hierarchies, const struct root *root,
		     const struct mount_line *mount)
{
	struct hierarchy found = { .fd = -1 };
	unsigned int at;
	int r;

	for (at = 0; at < hierarchies->n; at++) {
		if (hierarchies->list[at].device == mount->device)
			break;
	}
	if (at == HIERARCHY_MAX ||
	    (at < hierarchies->n && !shows_more(&hierarchies->list[at], mount)))
		return 0;
	r = fill(&found, root, mount);
	if (r < 0) {
		hierarchy_done(&found);
		return r;
	}
	/* A mount that shows more but is hidden or closed to us shows nothing. */
	if (at < hierarchies->n && hierarchies->list[at].fd >= 0 && found.fd < 0) {
		hierarchy_done(&found);
		return 0;
	}
	if (at < hierarchies->n)
		hierarchy_done(&hierarchies->list[at]);
	else
		hierarchies->n++;
	hierarchies->list[at] = found;
	return 0;
}

static void put_v2_first(struct hierarchies *hierarchies)
{
	for (unsigned int i = 1; i < hierarchies->n; i++) {
		struct hierarchy v2 = hierarchies->list[i];

		if (!v2.v2)
			continue;
		memmove(&hierarchies->list[1], &hierarchies->list[0], i * sizeof(v2));
		hierarchies->list[0] = v2;
		return;
	}
}

static int find_mounts(struct hierarchies *hierarchies, const struct root *root)
{
	struct mount_line mount;
	struct strbuf text;
	char *at;
	int r;

	strbuf_init(&text);
	r = root_read(root, ROOT_PROC, "self/mountinfo", &text);
	at = text.data;
	while (r == 0 && at && mountinfo_next(&at, &mount)) {
		if (strcmp(mount.fstype, "cgroup") == 0 || strcmp(mount.fstype, "cgroup2") == 0)
			r = add_mount(hierarchies, root, &mount);
	}
	strbuf_done(&text);
	if (r == 0 && hierarchies->n == 0)
		return -ENOENT;
	put_v2_first(hierarchies);
	return r;
}

static int add_controller(struct hierarchies *hierarchies, const char *name, uint32_t id,
			  uint32_t n_cgroups, bool enabled)
{
	struct controller *grown;
	const struct hierarchy *where = hierarchies_find(hierarchies, name);

	grown = realloc(hierarchies->controllers,
			(hierarchies->n_controllers + 1) * sizeof(*hierarchies->controllers));
	if (!grown)
		return -ENOMEM;
	hierarchies->controllers = grown;
	grown += hierarchies->n_controllers;
	*grown = (struct controller){ strdup(name), id, n_cgroups, enabled,
				      where ? (int)(where - hierarchies->list) : -1 };
	if (!grown->name)
		return -ENOMEM;
	hierarchies->n_controllers++;
	return 0;
}

static bool has_controller(const struct hierarchies *hierarchies, const char *name)
{
	for (unsigned int i = 0; i < hierarchies->n_controllers; i++) {
		if (strcmp(hierarchies->controllers[i].name, name) == 0)
			return true;
	}
	return false;
}

/* On v2 the block I/O controller is called "io"; /proc/cgroups says "blkio" on every kernel. */
static const char *v2_name(const struct hierarchies *hierarchies, const char *name)
{
	if (strcmp(name, "blkio") == 0 && !hierarchies_find(hierarchies, "blkio"))
		return "io";
	return name;
}

static int parse_controller(struct hierarchies *hierarchies, char *line)
{
	const char *name = strsep(&line, "\t"), *fields[3];
	uint64_t numbers[3];

	if (!line || name[0] == '#')
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		fields[i] = strsep(&line, "\t");
		if (!fields[i] || parse_u64(fields[i], &numbers[i]) < 0)
			return 0;
	}
	return add_controller(hierarchies, v2_name(hierarchies, name), (uint32_t)numbers[0],
			      (uint32_t)numbers[1], numbers[2] != 0);
}

/* /proc/cgroups may be absent (CONFIG_CPUSETS_V1=n and later kernels): then the mounts must do. */
static int find_controllers(struct hierarchies *hierarchies, const struct root *root)
{
	struct strbuf text;
	char *at;
	int r = 0;

	strbuf_init(&text);
	root_read(root, ROOT_PROC, "cgroups", &text);
	for (at = text.data; at && *at && r == 0;)
		r = parse_controller(hierarchies, strsep(&at, "\n"));
	strbuf_done(&text);
	for (unsigned int i = 0; i < hierarchies->n && r == 0; i++) {
		char **names = hierarchies->list[i].controllers;

		for (size_t j = 0; names && names[j] && r == 0; j++) {
			if (!has_controller(hierarchies, names[j]))
				r = add_controller(hierarchies, names[j], 0, 0, true);
		}
	}
	return r;
}

int hierarchies_new(const struct root *root, struct hierarchies **ret_hierarchies)
{
	_cleanup_(hierarchies_freep) struct hierarchies *hierarchies = NULL;
	int r;

	hierarchies = calloc(1, sizeof(*hierarchies));
	if (!hierarchies)
		return -ENOMEM;
	r = find_mounts(hierarchies, root);
	if (r == 0)
		r = find_controllers(hierarchies, root);
	if (r < 0)
		return r;
	*ret_hierarchies = TAKE_PTR(hierarchies);
	return 0;
}

bool hierarchy_has(const struct hierarchy *hierarchy, const char *controller)
{
	return list_has(hierarchy->controllers, controller);
}

const struct hierarchy *hierarchies_find(const struct hierarchies *hierarchies,
					 const char *controller)
{
	for (unsigned int i = 0; i < hierarchies->n; i++) {
		if (hierarchy_has(&hierarchies->list[i], controller))
			return &hierarchies->list[i];
	}
	return NULL;
}

const struct hierarchy *hierarchies_v2(const struct hierarchies *hierarchies)
{
	return hierarchies->n > 0 && hierarchies->list[0].v2 ? &hierarchies->list[0] : NULL;
}

const char *hierarchy_relative(const char *path)
{
	path += strspn(path, "/");
	return *path ? path : ".";
}

/* The kernel's path of a process without what lies above the mount; NULL if the mount hides it. */
static char *visible_path(const struct hierarchy *hierarchy, const char *path)
{
	size_t length = strlen(hierarchy->mount_root);

	if (length > 1) {
		if (strncmp(path, hierarchy->mount_root, length) != 0 ||
		    (path[length] && path[length] != '/'))
			return NULL;
		path += length;
	}
	return strdup(*path ? path : "/");
}

/* "4:memory:/a", "0::/b": a v1 line is matched by its first controller, v2 by the empty list. */
static int match_line(const struct hierarchies *hierarchies, const char *names)
{
	for (unsigned int i = 0; i < hierarchies->n; i++) {
		const struct hierarchy *hierarchy = &hierarchies->list[i];

		if (hierarchy->v2 ? !*names : *names && strcmp(hierarchy->name, names) == 0)
			return (int)i;
	}
	for (unsigned int i = 0; i < hierarchies->n && *names; i++) {
		const struct hierarchy *hierarchy = &hierarchies->list[i];

		if (!hierarchy->v2 && hierarchy->controllers &&
		    mount_has_option(names, hierarchy->controllers[0]))
			return (int)i;
	}
	return -1;
}

void hierarchies_parse_paths(const struct hierarchies *hierarchies, char *text,
			     char *ret_paths[HIERARCHY_MAX])
{
	char *at = text;

	memset(ret_paths, 0, HIERARCHY_MAX * sizeof(*ret_paths));
	while (at && *at) {
		char *line = strsep(&at, "\n"), *names;
		int index;

		strsep(&line, ":");
		names = strsep(&line, ":");
		if (!names || !line)
			continue;
		index = match_line(hierarchies, names);
		if (index >= 0 && !ret_paths[index])
			ret_paths[index] = visible_path(&hierarchies->list[index], line);
	}
}

int hierarchies_of_process(const struct hierarchies *hierarchies, const struct root *root,
			   pid_t pid, char *ret_paths[HIERARCHY_MAX])
{
	char name[32];
	struct strbuf text;
	int r;

	if (pid == 0)
		snprintf(name, sizeof(name), "self/cgroup");
	else
		snprintf(name, sizeof(name), "%d/cgroup", (int)pid);
	memset(ret_paths, 0, HIERARCHY_MAX * sizeof(*ret_paths));
	strbuf_init(&text);
	r = root_read(root, ROOT_PROC, name, &text);
	if (r == 0)
		hierarchies_parse_paths(hierarchies, text.data, ret_paths);
	strbuf_done(&text);
	return r;
}

char *hierarchies_choose_path(char *paths[HIERARCHY_MAX])
{
	char *chosen = NULL;

	for (unsigned int h = 0; h < HIERARCHY_MAX; h++) {
		if (paths[h] && (!chosen || (!chosen[1] && paths[h][1]))) {
			free(chosen);
			chosen = paths[h];
		} else {
			free(paths[h]);
		}
	}
	return chosen;
}

/* True if `path` is `other` or leads to it. */
static bool leads_to(const char *path, const char *other)
{
	size_t length = path[1] ? strlen(path) : 0;

	return strncmp(path, other, length) == 0 && (!other[length] || other[length] == '/');
}

unsigned int hierarchies_distinct_paths(char *paths[HIERARCHY_MAX])
{
	unsigned int n = 0, first = HIERARCHY_MAX;
	char *swap;

	for (unsigned int h = 0; h < HIERARCHY_MAX; h++) {
		if (paths[h] && (first == HIERARCHY_MAX || (!paths[first][1] && paths[h][1])))
			first = h;
	}
	if (first == HIERARCHY_MAX)
		return 0;
	swap = paths[first];
	paths[first] = paths[0];
	paths[0] = swap;
	for (unsigned int h = 1; h < HIERARCHY_MAX; h++) {
		for (unsigned int other = 0; paths[h] && other < HIERARCHY_MAX; other++) {
			/* Of two that are alike the first one stays, and so does the chosen one. */
			if (other == h || !paths[other] || !leads_to(paths[h], paths[other]) ||
			    (other > h && strcmp(paths[h], paths[other]) == 0))
				continue;
			free(paths[h]);
			paths[h] = NULL;
		}
	}
	for (unsigned int h = 0; h < HIERARCHY_MAX; h++) {
		if (paths[h])
			paths[n++] = paths[h];
	}
	return n;
}
