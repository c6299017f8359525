// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collectors/orphans.h"
#include "core/cleanup.h"

/*
 * What Docker's overlay2 driver and the overlay driver of containers/storage have in common:
 *   LAYERS/ID/{diff,link,lower}    link: its own short name; lower: those below, "l/A:l/B"
 *   LAYERS/l/LINK -> ../ID/diff
 */

/* Adds the layers that a mounted or used one has below it, as their short links. */
void overlay_use_lower(struct orphan_search *search, const char *layers, const char *id,
		       struct names *links)
{
	char path[STATE_NAME_SIZE + 64], lower[16384];
	char *at = lower, *link;

	(void)snprintf(path, sizeof(path), "%s/%s/lower", layers, id);
	if (state_read_line_at(search->fd, path, lower, sizeof(lower)) < 0)
		return;
	while ((link = strsep(&at, ":")))
		names_add(links, link, strlen(link));
}

/* Whether a mount anywhere, or a used layer, stands on this one. */
bool overlay_is_below(struct orphan_search *search, const char *layers, const char *id,
		      struct names *links)
{
	char path[STATE_NAME_SIZE + 64], link[STATE_NAME_SIZE] = "l/";

	if (names_have(&search->lowers, id))
		return true;
	(void)snprintf(path, sizeof(path), "%s/%s/link", layers, id);
	if (state_read_line_at(search->fd, path, link + 2, sizeof(link) - 2) < 0)
		return false;
	return names_have(links, link) || names_have(&search->lowers, link);
}

struct link_search {
	struct orphan_search *search;
	const char *layers;
	int fd;
};

/* A short link: "l/LINK" -> "../ID/diff", where ID/link holds LINK. */
static int judge_link(void *data, const char *name, unsigned char type)
{
	struct link_search *links = data;
	struct orphan_search *search = links->search;
	char target[STATE_NAME_SIZE + 16], path[STATE_NAME_SIZE + 64], own[STATE_NAME_SIZE];
	char key[STATE_NAME_SIZE + 2];
	ssize_t n = readlinkat(links->fd, name, target, sizeof(target) - 1);
	struct stat status;
	char *end;

	(void)type;
	if (n <= 3 || fstatat(links->fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	target[n] = '\0';
	end = strchr(target + 3, '/');
	if (strncmp(target, "../", 3) != 0 || !end || strcmp(end, "/diff") != 0)
		return 0; /* not one of Docker's */
	*end = '\0';
	(void)snprintf(key, sizeof(key), "l/%s", name);
	if (names_have(&search->lowers, key))
		return 0;
	if (orphan_stat(search, &(struct stat){ 0 }, "%s/%s/diff", links->layers, target + 3)) {
		(void)snprintf(path, sizeof(path), "%s/%s/link", links->layers, target + 3);
		if (state_read_line_at(search->fd, path, own, sizeof(own)) < 0 ||
		    strcmp(own, name) == 0)
			return 0;
	}
	return orphan_add(search, ORPHAN_LINK, stat_mtime_ns(&status), "%s/l/%s", links->layers,
			  name);
}

int overlay_judge_links(struct orphan_search *search, const char *layers)
{
	char path[64];
	_cleanup_(closep) int fd = -1;
	struct link_search links = { search, layers, -1 };

	(void)snprintf(path, sizeof(path), "%s/l", layers);
	fd = state_dir_open_at(search->fd, path);
	if (fd < 0)
		return 0;
	links.fd = fd;
	return state_dir_each(fd, judge_link, &links);
}
