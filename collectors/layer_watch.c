// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/layer_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collectors/layer_child.h"
#include "collectors/root.h"
#include "core/cleanup.h"

enum { MAX_FILESYSTEMS = 64, BUFFER_SIZE = 65536, MAX_READS = 16 };

/* Not FAN_MODIFY: every write() to the root filesystem would be an event. */
static const uint64_t MASK = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO |
			     FAN_CLOSE_WRITE | FAN_ATTRIB | FAN_DELETE_SELF | FAN_ONDIR;

struct layer_watch {
	size_t n;
	struct {
		dev_t device;
		int fd;
	} list[MAX_FILESYSTEMS];
};

static int mark(int fd)
{
	char path[64];
	int group = fanotify_init(
		FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC | FAN_REPORT_DFID_NAME, 0);

	if (group < 0)
		return -errno;
	if (root_own_path(fd, NULL, path, sizeof(path)) < 0)
		path[0] = '\0';
	if (fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, MASK, fd, ".") < 0 &&
	    fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, MASK, AT_FDCWD, path) < 0) {
		int r = -errno;

		close(group);
		return r;
	}
	return group;
}

int layer_watch_new(struct layer_watch **ret_watch)
{
	struct layer_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	*ret_watch = watch;
	return 0;
}

void layer_watch_free(struct layer_watch *watch)
{
	if (!watch)
		return;
	for (size_t i = 0; i < watch->n; i++)
		close(watch->list[i].fd);
	free(watch);
}

int layer_watch_add(struct layer_watch *watch, int fd, dev_t device)
{
	int group;

	for (size_t i = 0; i < watch->n; i++) {
		if (watch->list[i].device == device)
			return 0;
	}
	if (watch->n == MAX_FILESYSTEMS)
		return -ENOSPC;
	group = mark(fd);
	if (group < 0)
		return group;
	watch->list[watch->n].device = device;
	watch->list[watch->n++].fd = group;
	return 0;
}

void layer_watch_keep(struct layer_watch *watch, const dev_t *devices, size_t n)
{
	for (size_t i = 0; i < watch->n;) {
		size_t at = 0;

		while (at < n && devices[at] != watch->list[i].device)
			at++;
		if (at < n) {
			i++;
			continue;
		}
		close(watch->list[i].fd);
		watch->list[i] = watch->list[--watch->n];
	}
}

/*
 * Takes the next event off a buffer: what happened, and in which directory, as the information
 * records behind it say. Events are not aligned. False at the end.
 */
static bool next_event(const char **at, const char *end, uint64_t *ret_mask,
		       struct layer_handle *ret_directory)
{
	struct fanotify_event_metadata event;
	const char *info, *next;

	*ret_directory = (struct layer_handle){ 0 };
	if ((size_t)(end - *at) < sizeof(event))
		return false;
	memcpy(&event, *at, sizeof(event));
	if (event.event_len < sizeof(event) || event.event_len > (size_t)(end - *at))
		return false;
	info = *at + event.metadata_len;
	next = *at + event.event_len;
	while (info < next && (size_t)(next - info) >= sizeof(struct fanotify_event_info_fid)) {
		struct fanotify_event_info_fid fid;
		struct file_handle head;
		const char *handle = info + offsetof(struct fanotify_event_info_fid, handle);

		memcpy(&fid, info, sizeof(fid));
		if (fid.hdr.len < sizeof(fid) + sizeof(head) || fid.hdr.len > next - info)
			break;
		info += fid.hdr.len;
		if (fid.hdr.info_type != FAN_EVENT_INFO_TYPE_DFID &&
		    fid.hdr.info_type != FAN_EVENT_INFO_TYPE_DFID_NAME)
			continue;
		memcpy(&head, handle, sizeof(head));
		if (head.handle_bytes > LAYER_HANDLE_MAX ||
		    head.handle_bytes > fid.hdr.len - sizeof(fid) - sizeof(head))
			break;
		ret_directory->type = head.handle_type;
		ret_directory->length = head.handle_bytes;
		memcpy(ret_directory->bytes, handle + sizeof(head), head.handle_bytes);
		break;
	}
	*ret_mask = event.mask;
	*at = next;
	return true;
}

static uint64_t read_group(int fd, dev_t device, layer_watch_report *report, void *argument)
{
	char buffer[BUFFER_SIZE] __attribute__((aligned(8)));
	uint64_t n = 0;

	for (int i = 0; i < MAX_READS; i++) {
		ssize_t length = read(fd, buffer, sizeof(buffer));
		struct layer_event event = { .device = device };
		const char *at = buffer;
		uint64_t mask;

		if (length <= 0)
			break;
		while (next_event(&at, buffer + length, &mask, &event.directory)) {
			n++;
			event.overflow = mask & FAN_Q_OVERFLOW;
			event.gone = mask & FAN_DELETE_SELF;
			if (event.overflow || event.directory.length > 0)
				report(argument, &event);
		}
	}
	return n;
}

uint64_t layer_watch_read(struct layer_watch *watch, layer_watch_report *report, void *argument)
{
	uint64_t n = 0;

	for (size_t i = 0; i < watch->n; i++)
		n += read_group(watch->list[i].fd, watch->list[i].device, report, argument);
	return n;
}

size_t layer_watch_fds(const struct layer_watch *watch, int *fds, size_t max)
{
	size_t n = watch->n < max ? watch->n : max;

	for (size_t i = 0; i < n; i++)
		fds[i] = watch->list[i].fd;
	return n;
}

/* A filesystem that nobody else sees, as the mount namespace is ours alone. */
static int private_place(void)
{
	static const char *const places[] = { "/tmp", "/run", "/mnt", "/var" };

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (mount("cgwatch", places[i], "tmpfs", 0, "size=64k,mode=700") == 0)
			return chdir(places[i]) < 0 ? -errno : 0;
	}
	return -ENOENT;
}

/* Where mount() is refused, as in the sandbox of a service: a directory that has to be removed. */
static int scratch_place(char *path, size_t size)
{
	static const char *const places[] = { "/run/cgwatch", "/run", "/tmp" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		(void)snprintf(path, size, "%s/layer-test-XXXXXX", places[i]);
		if (mkdtemp(path))
			return chdir(path) < 0 ? -errno : 0;
	}
	return -ENOENT;
}

static void scratch_remove(const char *path)
{
	static const char *const files[] = { "upper/file", "upper/other" };
	static const char *const directories[] = { "work/work", "work/index", "work", "upper",
						   "lower" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlink(files[i]);
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		rmdir(directories[i]);
	rmdir(path);
}

/* A mount that is nowhere in the tree: making one changes nothing for anybody. */
static int detached_overlay(void)
{
	_cleanup_(closep) int context = -1;
	int fd;

	if (mkdir("lower", 0700) < 0 || mkdir("upper", 0700) < 0 || mkdir("work", 0700) < 0)
		return -errno;
	context = fsopen("overlay", FSOPEN_CLOEXEC);
	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "lowerdir", "lower", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "upperdir", "upper", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "workdir", "work", 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

static bool handle_of(const char *path, struct layer_handle *ret_handle)
{
	union {
		struct file_handle head;
		char space[sizeof(struct file_handle) + LAYER_HANDLE_MAX];
	} handle = { .head.handle_bytes = LAYER_HANDLE_MAX };
	int mount_id;

	if (name_to_handle_at(AT_FDCWD, path, &handle.head, &mount_id, 0) < 0)
		return false;
	*ret_handle = (struct layer_handle){ .type = handle.head.handle_type,
					     .length = handle.head.handle_bytes };
	memcpy(ret_handle->bytes, handle.head.f_handle, handle.head.handle_bytes);
	return true;
}

struct trial {
	int group, merged;
	struct layer_handle upper;
};

/* What was reported of the upper layer since the last call: the filesystem may be others' too. */
static uint64_t seen_by(const struct trial *trial)
{
	char buffer[4096] __attribute__((aligned(8)));
	const struct layer_handle *upper = &trial->upper;
	struct layer_handle directory;
	uint64_t seen = 0, mask;
	ssize_t length;

	while ((length = read(trial->group, buffer, sizeof(buffer))) > 0) {
		const char *at = buffer;

		while (next_event(&at, buffer + length, &mask, &directory)) {
			if (directory.type == upper->type && directory.length == upper->length &&
			    memcmp(directory.bytes, upper->bytes, upper->length) == 0)
				seen |= mask;
		}
	}
	return seen;
}

/* Things done through the overlay, and what has to be heard of each. */
static bool try_file(const struct trial *trial)
{
	int fd = openat(trial->merged, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0 || !(seen_by(trial) & (FAN_CREATE | FAN_MOVED_TO)))
		return false;
	if (write(fd, "x", 1) != 1 || close(fd) < 0 || !(seen_by(trial) & FAN_CLOSE_WRITE))
		return false;
	if (renameat(trial->merged, "file", trial->merged, "other") < 0 ||
	    !(seen_by(trial) & FAN_MOVED_TO))
		return false;
	return unlinkat(trial->merged, "other", 0) == 0 &&
	       seen_by(trial) & (FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO);
}

/* In the current directory. */
static int try_overlay(void)
{
	_cleanup_(closep) int merged = detached_overlay();
	_cleanup_(closep) int here = -1;
	_cleanup_(closep) int group = -1;
	struct trial trial = { .merged = merged };

	if (merged < 0)
		return merged;
	here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	group = mark(here);
	if (group < 0)
		return group;
	trial.group = group;
	return handle_of("upper", &trial.upper) && try_file(&trial) ? 0 : -EOPNOTSUPP;
}

static int self_test(void *argument, void *result, atomic_uint_fast64_t *progress)
{
	char scratch[64];
	int r;

	(void)argument;
	(void)result;
	(void)progress;
	if (private_place() == 0)
		return try_overlay();
	r = scratch_place(scratch, sizeof(scratch));
	if (r < 0)
		return r;
	r = try_overlay();
	scratch_remove(scratch);
	return r;
}

bool layer_watch_works(void)
{
	struct layer_child *child;
	int r = layer_child_start(self_test, NULL, 8, -1, &child), value = -EIO;

	if (r < 0)
		return false;
	/* Nothing in it can hang for long; a minute is for machines that hardly move. The end of
	 * its mount namespace takes longer than all the rest. */
	for (int i = 0; i < 60000 && !layer_child_gone(child); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	layer_child_poll(child, &value);
	layer_child_leave(child);
	return value == 0;
}
