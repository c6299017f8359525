// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "policies/knob_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"

/*
 * v1, cgroup-v1/freezer-subsystem.rst: freezer.state is of self or ancestors, freezer.self_freezing
 * says whether this cgroup itself was told to. v2: cgroup.freeze is the request, `frozen` in
 * cgroup.events the outcome.
 */
int knob_read_freeze(const struct knob_access *access, struct knob_value *ret_value)
{
	char state[32];
	int r;

	if (access->hierarchy->v2)
		return knob_read_number(access, access->file, &ret_value->number);
	r = knob_read_number(access, "freezer.self_freezing", &ret_value->number);
	if (r != -ENOENT)
		return r;
	r = knob_read_line(access, access->file, state, sizeof(state));
	if (r == 0)
		ret_value->number = strcmp(state, "THAWED") != 0;
	return r;
}

static bool is_frozen_v1(const struct knob_access *access)
{
	char state[32];

	/* Reading is what lets the kernel find out that everybody stopped (update_if_frozen()). */
	return knob_read_line(access, access->file, state, sizeof(state)) == 0 &&
	       strcmp(state, "FROZEN") == 0;
}

static int thaw(const struct knob_access *access)
{
	uint64_t deadline = knob_deadline_ms(access);
	struct knob_value value;
	int r;

	do {
		r = knob_write_text(access, access->file, access->hierarchy->v2 ? "0" : "THAWED");
		if (r < 0 || knob_read_freeze(access, &value) < 0 || value.number == 0)
			return r;
		usleep(1000);
	} while (knob_clock_ms() < deadline);
	return -ETIMEDOUT;
}

/*
 * A task that is about to fork can keep a v1 cgroup FREEZING for ever; letting it run for a moment
 * and trying again is what helps (libcontainer's loop, bounded here by time instead of by count).
 */
static int freeze_v1(const struct knob_access *access)
{
	uint64_t deadline = knob_deadline_ms(access);
	int r;

	for (unsigned int attempt = 1;; attempt++) {
		r = knob_write_text(access, access->file, "FROZEN");
		if (r < 0)
			return r;
		if (is_frozen_v1(access))
			return 0;
		if (knob_clock_ms() >= deadline)
			return -ETIMEDOUT;
		if (attempt % 50 == 0) {
			knob_write_text(access, access->file, "THAWED");
			usleep(10000);
		} else {
			usleep(1000);
		}
	}
}

static bool is_frozen_v2(int events_fd)
{
	char text[512];
	ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return false;
	text[n] = '\0';
	return strstr(text, "frozen 1\n") != NULL;
}

static int freeze_v2(const struct knob_access *access)
{
	_cleanup_(closep) int fd = openat(access->fd, "cgroup.events",
					  O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t deadline = knob_deadline_ms(access);
	int r;

	if (fd < 0)
		return -errno;
	r = knob_write_text(access, access->file, "1");
	while (r == 0 && !is_frozen_v2(fd)) {
		struct pollfd wait = { .fd = fd, .events = POLLPRI };

		if (knob_clock_ms() >= deadline)
			return -ETIMEDOUT;
		poll(&wait, 1, 20); /* short: the event may have come before we began to wait */
	}
	return r;
}

int knob_write_freeze(const struct knob_access *access, struct knob_result *result)
{
	int r, undo;

	if (!result->requested.number) {
		r = thaw(access);
		return r < 0 ? knob_fail(result, r, "cannot be thawed: %s", strerror(-r)) : 0;
	}
	r = access->hierarchy->v2 ? freeze_v2(access) : freeze_v1(access);
	if (r == 0)
		return 0;
	/* Left alone, the kernel would go on and freeze it after we have said that it failed. */
	undo = thaw(access);
	return knob_fail(result, r, "%s; %s",
			 r == -ETIMEDOUT ? "it did not freeze in time" : strerror(-r),
			 undo < 0 ? "AND IT COULD NOT BE THAWED" : "it was thawed again");
}
