// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/bpf_events_private.h"
#include "collectors/bpf_kernel.h"
#include "collectors/keyed.h"
#include "core/cleanup.h"

#include "events.skel.h"

/* ---- hierarchies ---- */

/* "4:memory:/path" of /proc/self/cgroup: the one place that has the numbers of named ones too. */
static void take_number(struct bpf_events *events, char *line)
{
	const struct hierarchies *hierarchies = events->hierarchies;
	char *names = strchr(line, ':'), *end = names ? strchr(names + 1, ':') : NULL;
	const struct hierarchy *found;

	if (!end || events->n_known == HIERARCHY_MAX)
		return;
	*names++ = *end = '\0';
	names[strcspn(names, ",")] = '\0';
	found = *names ? hierarchies_find(hierarchies, names) : hierarchies_v2(hierarchies);
	if (!found || found->v2 != (*names == '\0'))
		return;
	events->known[events->n_known].number = (uint32_t)strtoul(line, NULL, 10);
	events->known[events->n_known].index = (unsigned int)(found - hierarchies->list);
	events->n_known++;
}

/* What the kernel's enum calls it: only blkio has another name there. */
static uint32_t number_of(const struct bpf_kernel *kernel, const char *controller)
{
	char name[64];
	int64_t number = KE_SUBSYSTEMS;

	snprintf(name, sizeof(name), "%s_cgrp_id",
		 strcmp(controller, "blkio") == 0 ? "io" : controller);
	if (!bpf_kernel_enum(kernel, "cgroup_subsys_id", name, &number) || number < 0 ||
	    number > KE_SUBSYSTEMS)
		return KE_SUBSYSTEMS;
	return (uint32_t)number;
}

static void order_controllers(struct bpf_events *events, const struct bpf_kernel *kernel)
{
	const struct hierarchies *hierarchies = events->hierarchies;
	size_t n = 0;

	for (unsigned int h = 0; h < hierarchies->n && n < KE_SUBSYSTEMS; h++) {
		char **controllers = hierarchies->list[h].controllers;
		uint32_t number;

		if (hierarchies->list[h].v2 || !controllers || !controllers[0])
			continue;
		number = number_of(kernel, controllers[0]);
		if (number != KE_SUBSYSTEMS)
			events->order[n++] = number;
	}
	events->memory = number_of(kernel, "memory");
	while (n < KE_SUBSYSTEMS)
		events->order[n++] = KE_SUBSYSTEMS;
}

int bpf_events_number(struct bpf_events *events, const struct bpf_kernel *kernel)
{
	struct strbuf text;
	char *line, *rest;
	int r;

	strbuf_init(&text);
	r = root_read(events->root, ROOT_PROC, "self/cgroup", &text);
	rest = text.data;
	while (r == 0 && (line = strsep(&rest, "\n")))
		take_number(events, line);
	strbuf_done(&text);
	order_controllers(events, kernel);
	return r;
}

/* ---- namespaces that were there before ---- */

static const char *const ns_links[NS_TYPE_COUNT] = {
	[NS_MNT] = "mnt", [NS_NET] = "net", [NS_PID] = "pid",	    [NS_USER] = "user",
	[NS_UTS] = "uts", [NS_IPC] = "ipc", [NS_CGROUP] = "cgroup", [NS_TIME] = "time",
};

/* The inode in "mnt:[4026531840]", or 0. */
static uint32_t read_link(int proc, const char *pid, int type)
{
	char path[64], target[64], *at;
	ssize_t n;

	snprintf(path, sizeof(path), "%.20s/ns/%s", pid, ns_links[type]);
	n = readlinkat(proc, path, target, sizeof(target) - 1);
	if (n <= 0)
		return 0;
	target[n] = '\0';
	at = strchr(target, '[');
	return at ? (uint32_t)strtoul(at + 1, NULL, 10) : 0;
}

static void seed_process(struct bpf_events *events, int proc, const char *pid)
{
	const struct bpf_map *map = events->skeleton->maps.namespaces;
	struct ke_namespace known = { .place = { .hierarchy = KE_NO_HIERARCHY } };

	for (int type = 0; type < NS_TYPE_COUNT; type++) {
		uint32_t inode = read_link(proc, pid, type);

		known.type = (uint32_t)type;
		if (inode == 0 || bpf_map__update_elem(map, &inode, sizeof(inode), &known,
						       sizeof(known), BPF_NOEXIST) < 0)
			continue;
		/* It may have ended meanwhile, and the number may be another's by now. */
		if (read_link(proc, pid, type) != inode)
			bpf_map__delete_elem(map, &inode, sizeof(inode), 0);
	}
}

static void clear(const struct bpf_map *map)
{
	uint32_t inode;

	while (bpf_map__get_next_key(map, NULL, &inode, sizeof(inode)) == 0 &&
	       bpf_map__delete_elem(map, &inode, sizeof(inode), 0) == 0)
		;
}

void bpf_events_seed(struct bpf_events *events)
{
	int fd = root_open(events->root, ROOT_PROC, ".", O_RDONLY | O_DIRECTORY);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	clear(events->skeleton->maps.namespaces);
	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			seed_process(events, dirfd(directory), entry->d_name);
	}
	if (directory)
		closedir(directory);
	else if (fd >= 0)
		close(fd);
}
