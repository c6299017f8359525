// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_diff.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collectors/layer_child.h"
#include "collectors/layer_record.h"
#include "collectors/layer_tree.h"
#include "core/cleanup.h"
#include "core/strbuf.h"

enum { POLL_MS = 50 };

static const uint64_t DEFAULT_STUCK = UINT64_C(15000000000);

/* How an entry comes through the pipe; its texts follow, each with a NUL. */
struct message {
	struct layer_diff_entry entry; /* pointers only say whether there is one */
	size_t path, from, xattrs;     /* lengths with their NULs */
};

struct job {
	const struct layer_source *source;
	bool no_content;
};

static int write_all(const void *data, size_t length)
{
	const char *at = data;

	while (length > 0) {
		ssize_t n = write(LAYER_CHILD_FD, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

/* In the child. */
static int send(void *argument, const struct layer_diff_entry *entry)
{
	struct message message = { .entry = *entry };
	int r;

	(void)argument;
	message.path = strlen(entry->path) + 1;
	message.from = entry->from ? strlen(entry->from) + 1 : 0;
	message.xattrs = entry->xattrs ? strlen(entry->xattrs) + 1 : 0;
	r = write_all(&message, sizeof(message));
	if (r == 0)
		r = write_all(entry->path, message.path);
	if (r == 0)
		r = write_all(entry->from, message.from);
	if (r == 0)
		r = write_all(entry->xattrs, message.xattrs);
	return r;
}

static int work(void *argument, void *result, atomic_uint_fast64_t *progress)
{
	const struct job *job = argument;
	struct layer_tree_job compare = { .source = job->source,
					  .no_content = job->no_content,
					  .progress = progress,
					  .report = send };

	return layer_tree_compare(&compare, result);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Hands over the complete entries at the beginning of the buffer, and keeps the rest. */
static int deliver(struct strbuf *buffer, layer_diff_report *report, void *argument)
{
	size_t at = 0;
	int r = 0;

	while (r == 0 && buffer->length - at >= sizeof(struct message)) {
		struct message message;
		const char *texts = buffer->data + at + sizeof(message);
		size_t length;

		memcpy(&message, buffer->data + at, sizeof(message));
		length = message.path + message.from + message.xattrs;
		if (buffer->length - at - sizeof(message) < length)
			break;
		message.entry.path = texts;
		message.entry.from = message.from ? texts + message.path : NULL;
		message.entry.xattrs = message.xattrs ? texts + message.path + message.from : NULL;
		r = report(argument, &message.entry);
		at += sizeof(message) + length;
	}
	if (at > 0)
		memmove(buffer->data, buffer->data + at, buffer->length - at);
	buffer->length -= at;
	return r;
}

/* 1: something was read; 0: nothing more comes; -EAGAIN: nothing yet. */
static int receive(int fd, struct strbuf *buffer)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&poll_fd, 1, POLL_MS) <= 0)
		return -EAGAIN;
	if (!strbuf_reserve(buffer, 65536))
		return -ENOMEM;
	n = read(fd, buffer->data + buffer->length, 65536);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	buffer->length += (size_t)n;
	return n > 0;
}

/* Until the child closes its end, does not get on, or somebody has had enough. */
static int follow(struct layer_child *child, int fd, const struct layer_diff_options *options,
		  layer_diff_report *report, void *argument)
{
	uint64_t stuck = options->stuck_ns ? options->stuck_ns : DEFAULT_STUCK;
	struct strbuf buffer;
	int r = 0;

	strbuf_init(&buffer);
	for (;;) {
		if (options->cancel && atomic_load(options->cancel)) {
			r = -ECANCELED;
			break;
		}
		r = receive(fd, &buffer);
		if (r == -EAGAIN) {
			if (layer_child_silent_ns(child, now_ns()) < stuck)
				continue;
			r = -ETIMEDOUT;
		}
		if (r <= 0)
			break;
		r = deliver(&buffer, report, argument);
		if (r != 0)
			break;
	}
	strbuf_done(&buffer);
	return r;
}

/* It closed its end: it is about to exit. */
static int result_of(struct layer_child *child)
{
	int result = -EIO;

	while (layer_child_poll(child, &result) == 0)
		nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
	return result;
}

int layer_diff_run(const struct overlay *overlay, const struct layer_diff_options *options,
		   layer_diff_report *report, void *argument, int *ret_error)
{
	static const struct layer_diff_options defaults;
	struct layer_record *record;
	struct layer_child *child;
	struct job job;
	int fds[2], r, error = 0;

	if (!options)
		options = &defaults;
	record = overlay_upper(overlay) ? layer_record_new(overlay) : NULL;
	if (!record || !record->source.upper || pipe2(fds, O_CLOEXEC) < 0) {
		r = !overlay_upper(overlay) || (record && !record->source.upper) ? -ENOENT
										 : -ENOMEM;
		layer_record_free(record);
		return r;
	}
	job = (struct job){ &record->source, options->no_content };
	r = layer_child_start(work, &job, sizeof(int), fds[1], &child);
	close(fds[1]);
	if (r >= 0) {
		r = follow(child, fds[0], options, report, argument);
		if (r == 0) {
			r = result_of(child);
			memcpy(&error, layer_child_result(child), sizeof(error));
		}
		layer_child_leave(child);
	}
	close(fds[0]);
	layer_record_free(record);
	if (r == 0 && ret_error)
		*ret_error = error;
	return r;
}

static const struct {
	const char *name;
	char letter;
} kinds[LAYER_DIFF_KIND_COUNT] = {
	[LAYER_DIFF_ADDED] = { "added", 'A' },	   [LAYER_DIFF_CHANGED] = { "changed", 'C' },
	[LAYER_DIFF_DELETED] = { "deleted", 'D' }, [LAYER_DIFF_HIDDEN] = { "hidden", 'H' },
	[LAYER_DIFF_RENAMED] = { "renamed", 'R' },
};

const char *layer_diff_kind_name(enum layer_diff_kind kind)
{
	return kinds[kind].name;
}

char layer_diff_kind_letter(enum layer_diff_kind kind)
{
	return kinds[kind].letter;
}

const char *layer_diff_change_name(unsigned int bit)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} names[] = {
		{ LAYER_DIFF_CONTENT, "content" },
		{ LAYER_DIFF_TYPE, "type" },
		{ LAYER_DIFF_MODE, "mode" },
		{ LAYER_DIFF_OWNER, "owner" },
		{ LAYER_DIFF_TIME, "time" },
		{ LAYER_DIFF_XATTRS, "xattrs" },
		{ LAYER_DIFF_CAPABILITY, "capability" },
		{ LAYER_DIFF_DEVICE, "device" },
		{ LAYER_DIFF_REPLACED, "replaced" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].bit == bit)
			return names[i].name;
	}
	return NULL;
}
