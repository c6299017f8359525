/* SPDX-License-Identifier: MIT */
#pragma once

/* A disk of a live test's own, and page cache that can be reclaimed wherever the test runs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "live.h"

/* A loop device on a file of 64 MiB; an empty path if there can be none. */
struct loop {
	char device[32], file[160];
	int fd;
};

static inline bool loop_open(const struct live *live, struct loop *loop)
{
	/* Free again when nobody has it open, also after a test that failed or was killed. */
	const struct loop_info64 status = { .lo_flags = LO_FLAGS_AUTOCLEAR };
	_cleanup_(closep) int control = -1, backing = -1;
	int number;

	memset(loop, 0, sizeof(*loop));
	loop->fd = -1;
	if (access("/dev/loop-control", F_OK) != 0 && system("modprobe -q loop") != 0)
		print_message("no loop module\n");
	snprintf(loop->file, sizeof(loop->file), "%s/disk", live->state);
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	backing = open(loop->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (control < 0 || backing < 0 || ftruncate(backing, 64 << 20) < 0)
		return false;
	for (int tries = 0; tries < 20; tries++) {
		number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			return false;
		snprintf(loop->device, sizeof(loop->device), "/dev/loop%d", number);
		loop->fd = open(loop->device, O_RDWR | O_CLOEXEC);
		if (loop->fd >= 0 && ioctl(loop->fd, LOOP_SET_FD, backing) == 0) {
			if (ioctl(loop->fd, LOOP_SET_STATUS64, &status) < 0)
				print_message("%s: %s\n", loop->device, strerror(errno));
			return true;
		}
		if (loop->fd >= 0)
			close(loop->fd);
		loop->fd = -1; /* somebody else was faster */
	}
	return false;
}

static inline void loop_close(struct loop *loop)
{
	if (loop->fd >= 0) {
		ioctl(loop->fd, LOOP_CLR_FD, 0);
		close(loop->fd);
	}
}

static char used_device[32];

/* Clean page cache of its own: what reclaim takes first. */
static inline void read_device(void)
{
	int fd = open(used_device, O_RDONLY | O_CLOEXEC);
	static char block[1 << 20];

	while (fd >= 0 && read(fd, block, sizeof(block)) > 0)
		continue;
	for (;;)
		pause();
}
