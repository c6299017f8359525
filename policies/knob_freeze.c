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

/* Waits grow: what does not freeze at once is not asked a thousand times a second. */
enum { FIRST_WAIT_MS = 1, LONGEST_WAIT_MS = 20, THAW_MS = 10, TRIES_BEFORE_THAW = 20 };

static unsigned int wait_longer(unsigned int wait_ms)
{
	return wait_ms * 2 < LONGEST_WAIT_MS ? wait_ms * 2 : LONGEST_WAIT_MS;
}

/* 1, 0 or -errno. */
static int is_frozen_v1(const struct knob_access *access)
{
	char state[32];
	/* Reading is what lets the kernel find out that everybody stopped (update_if_frozen()). */
	int r = knob_read_line(access, access->file, state, sizeof(state));

	return r < 0 ? r : strcmp(state, "FROZEN") == 0;
}

static int is_frozen_v2(const struct knob_access *access)
{
	uint64_t frozen;
	int r = knob_read_key(access, "cgroup.events", "frozen", &frozen);

	return r < 0 ? r : frozen == 1;
}

static int write_state(const struct knob_access *access, bool freeze, struct knob_result *result)
{
	static const char *const words[2][2] = { { "THAWED", "FROZEN" }, { "0", "1" } };
	const struct knob_value value = { .number = freeze };

	if (access->unit)
		return knob_put(access, &value, result);
	return knob_write_text(access, access->file, words[access->hierarchy->v2][freeze]);
}

/* Written is not thawed: it is over only when it reads so. */
static int thaw(const struct knob_access *access, struct knob_result *result)
{
	uint64_t deadline = knob_deadline_ms(access);
	struct knob_value value = { 0 };

	for (unsigned int wait_ms = FIRST_WAIT_MS;; wait_ms = wait_longer(wait_ms)) {
		int r = write_state(access, false, result);

		if (r == 0)
			r = knob_read_freeze(access, &value);
		if (r < 0 || value.number == 0)
			return r;
		if (knob_clock_ms() >= deadline)
			return -ETIMEDOUT;
		usleep(wait_ms * 1000);
	}
}

/*
 * A task that is about to fork can keep a v1 cgroup FREEZING for ever; letting it run for a moment
 * and trying again is what helps (libcontainer's loop, bounded here by time instead of by count).
 */
static int freeze_v1(const struct knob_access *access, struct knob_result *result)
{
	uint64_t deadline = knob_deadline_ms(access);
	unsigned int wait_ms = FIRST_WAIT_MS;

	for (unsigned int attempt = 1;; attempt++) {
		int r = write_state(access, true, result);

		if (r == 0)
			r = is_frozen_v1(access);
		if (r != 0)
			return r < 0 ? r : 0;
		if (knob_clock_ms() >= deadline)
			return -ETIMEDOUT;
		if (attempt % TRIES_BEFORE_THAW == 0) {
			write_state(access, false, result);
			usleep(THAW_MS * 1000);
			wait_ms = FIRST_WAIT_MS;
		} else {
			usleep(wait_ms * 1000);
			wait_ms = wait_longer(wait_ms);
		}
	}
}

/*
 * The event comes as POLLPRI; what was seen of the file counts for the open one that is polled, so
 * that is read too. An event that brings nothing is not a reason to look again at once.
 */
static void await_event(int events_fd, unsigned int wait_ms)
{
	struct pollfd wait = { .fd = events_fd, .events = POLLPRI };
	char text[256];

	if (pread(events_fd, text, sizeof(text), 0) < 0 || poll(&wait, 1, (int)wait_ms) != 0)
		usleep(FIRST_WAIT_MS * 1000);
}

static int freeze_v2(const struct knob_access *access, struct knob_result *result)
{
	_cleanup_(closep) int fd = openat(access->fd, "cgroup.events",
					  O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t deadline = knob_deadline_ms(access);
	unsigned int wait_ms = FIRST_WAIT_MS;
	int r;

	if (fd < 0)
		return -errno;
	r = write_state(access, true, result);
	while (r == 0 && (r = is_frozen_v2(access)) == 0) {
		if (knob_clock_ms() >= deadline)
			return -ETIMEDOUT;
		/* Short: the event may have come before we began to wait. */
		await_event(fd, wait_ms);
		wait_ms = wait_longer(wait_ms);
	}
	return r < 0 ? r : 0;
}

/* Thawed, it stays frozen with an ancestor: said, as nobody would see why. */
static void mention_ancestor(const struct knob_access *access, struct knob_result *result)
{
	uint64_t parent = 0;

	if (access->hierarchy->v2
		    ? is_frozen_v2(access) == 1
		    : knob_read_number(access, "freezer.parent_freezing", &parent) == 0 &&
			      parent == 1)
		snprintf(result->text, sizeof(result->text),
			 "done, but it stays frozen with an ancestor");
}

static int write_thaw(const struct knob_access *access, struct knob_result *result)
{
	struct knob_access file = *access;
	int r = thaw(access, result);

	/* A bus that does not answer must not keep anybody frozen. */
	if (r < 0 && access->unit && access->request->restore) {
		file.unit = NULL;
		knob_append(result, "; thawed through its file instead");
		r = thaw(&file, result);
	}
	if (r < 0)
		return result->error ? r
				     : knob_fail(result, r, "cannot be thawed: %s", strerror(-r));
	result->error = 0;
	mention_ancestor(access, result);
	return 0;
}

int knob_write_freeze(const struct knob_access *access, struct knob_result *result)
{
	struct knob_result unused = { 0 };
	int r, undo;

	r = knob_announce(access, &result->before, &result->requested, result);
	if (r < 0)
		return r;
	if (!result->requested.number)
		return write_thaw(access, result);
	r = access->hierarchy->v2 ? freeze_v2(access, result) : freeze_v1(access, result);
	if (r == 0)
		return 0;
	/* Left alone, the kernel would go on and freeze it after we have said that it failed. */
	undo = thaw(access, &unused);
	if (!result->error)
		knob_fail(result, r, "%s",
			  r == -ETIMEDOUT ? "it did not freeze in time" : strerror(-r));
	knob_append(result, "; %s",
		    undo < 0 ? "AND IT COULD NOT BE THAWED" : "it was thawed again");
	return r;
}
