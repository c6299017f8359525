// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <unistd.h>

struct watch {
	unsigned int n;
	int fds[HIERARCHY_MAX]; /* -1: not marked */
	bool polled;
};

/* Which cgroup it was does not matter: a changed hierarchy is checked as a whole. */
static int mark(const struct hierarchy *hierarchy)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC | FAN_REPORT_DIR_FID,
			       0);

	if (fd < 0)
		return -1;
	if (hierarchy->fd < 0 ||
	    fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
			  FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_ONDIR,
			  AT_FDCWD, hierarchy->mountpoint) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int watch_new(const struct hierarchies *hierarchies, uint32_t mask, struct watch **ret_watch)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->n = hierarchies->n;
	for (unsigned int h = 0; h < watch->n; h++)
		watch->fds[h] = mask >> h & 1 ? mark(&hierarchies->list[h]) : -1;
	*ret_watch = watch;
	return 0;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	for (unsigned int h = 0; h < watch->n; h++) {
		if (watch->fds[h] >= 0)
			close(watch->fds[h]);
	}
	free(watch);
}

/*
 * Empties the queue. A queue that overflowed is an event too. The bound keeps a storm of mkdirs
 * from holding up the sample: what is left counts for the next one.
 */
static bool drain(int fd)
{
	char events[16384];
	bool any = false;

	for (int i = 0; i < 256; i++) {
		ssize_t n = read(fd, events, sizeof(events));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		any = true;
	}
	return any;
}

uint32_t watch_changed(struct watch *watch)
{
	uint32_t changed = 0;

	for (unsigned int h = 0; h < watch->n; h++) {
		if (watch->fds[h] < 0 || drain(watch->fds[h]) || !watch->polled)
			changed |= 1u << h;
	}
	watch->polled = true;
	return changed;
}

uint32_t watch_covered(const struct watch *watch)
{
	uint32_t covered = 0;

	for (unsigned int h = 0; h < watch->n; h++)
		covered |= watch->fds[h] >= 0 ? 1u << h : 0;
	return covered;
}
