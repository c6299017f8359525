/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "collectors/layer_account.h"

/*
 * Says in which directories of the filesystems with writable layers something changed: one fanotify
 * mark a filesystem (fanotify_mark(2), FAN_MARK_FILESYSTEM; needs CAP_SYS_ADMIN). It sees what is
 * done through overlays, for overlays write to their upper layer as everybody does; but kernels
 * before 6.8 or so open files so that closing them is not reported, hence layer_watch_works().
 *
 * Not reported: writes to a file that stays open, and truncate(2) by path.
 */
struct layer_watch;

struct layer_event {
	dev_t device;
	struct layer_handle directory;
	bool gone;     /* the directory itself was removed */
	bool overflow; /* of `device`: events were lost */
};

typedef void layer_watch_report(void *argument, const struct layer_event *event);

/*
 * Tries it with an overlay in a mount namespace of its own, in a child process. True if creating,
 * deleting, renaming and writing through an overlay are reported. Takes some milliseconds.
 */
bool layer_watch_works(void);
/* -ENOMEM. */
int layer_watch_new(struct layer_watch **ret_watch);
void layer_watch_free(struct layer_watch *watch);
/* Marks the filesystem that `fd` is on, if it is not yet. 0, or -errno where that cannot be. */
int layer_watch_add(struct layer_watch *watch, int fd, dev_t device);
/* Forgets filesystems other than these. */
void layer_watch_keep(struct layer_watch *watch, const dev_t *devices, size_t n);
/* Reads what is there, a bounded number of events. Their number. */
uint64_t layer_watch_read(struct layer_watch *watch, layer_watch_report *report, void *argument);
/* Fills `fds` with at most `max` descriptors to poll for reading. Their number. */
size_t layer_watch_fds(const struct layer_watch *watch, int *fds, size_t max);
