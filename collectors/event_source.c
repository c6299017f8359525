// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/event_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/keyed.h"
#include "core/cleanup.h"

/* The key of an event in its file, and what tells of it. */
static const struct {
	const char *key;
	enum event_origin v2, v1;
} rows[EVENT_KIND_COUNT] = {
	[EVENT_OOM_KILL] = { "oom_kill", ORIGIN_MEMORY_EVENTS, ORIGIN_OOM_CONTROL },
	[EVENT_OOM] = { "oom", ORIGIN_MEMORY_EVENTS, ORIGIN_OOM_CONTROL },
	[EVENT_MEMORY_LOW] = { "low", ORIGIN_MEMORY_EVENTS, ORIGIN_NONE },
	[EVENT_MEMORY_HIGH] = { "high", ORIGIN_MEMORY_EVENTS, ORIGIN_NONE },
	[EVENT_MEMORY_MAX] = { "max", ORIGIN_MEMORY_EVENTS, ORIGIN_NONE },
	/* v1 counts it, and tells nobody since 6.11 (pids_event()). */
	[EVENT_PIDS_MAX] = { "max", ORIGIN_PIDS_EVENTS, ORIGIN_NONE },
	[EVENT_PSI] = { NULL, ORIGIN_PSI, ORIGIN_PSI },
	[EVENT_POPULATED] = { "populated", ORIGIN_CGROUP_EVENTS, ORIGIN_CGROUP_EVENTS },
	[EVENT_EMPTY] = { "populated", ORIGIN_CGROUP_EVENTS, ORIGIN_CGROUP_EVENTS },
	[EVENT_FROZEN] = { "frozen", ORIGIN_CGROUP_EVENTS, ORIGIN_CGROUP_EVENTS },
	[EVENT_THAWED] = { "frozen", ORIGIN_CGROUP_EVENTS, ORIGIN_CGROUP_EVENTS },
	/* Programs in the kernel tell of these (bpf_events.h). */
	[EVENT_FORK... EVENT_NS_DESTROYED] = { NULL, ORIGIN_NONE, ORIGIN_NONE },
};

/* The hierarchy is that of a controller; without one it is the v2 tree. */
static const struct {
	const char *file, *controller;
} origins[ORIGIN_COUNT] = {
	[ORIGIN_MEMORY_EVENTS] = { "memory.events", "memory" },
	[ORIGIN_OOM_CONTROL] = { "memory.oom_control", "memory" },
	[ORIGIN_PIDS_EVENTS] = { "pids.events", "pids" },
	[ORIGIN_CGROUP_EVENTS] = { "cgroup.events", NULL },
	[ORIGIN_PSI] = { NULL, NULL },
};

static const char *const pressure_files[PSI_RESOURCE_COUNT] = {
	[PSI_CPU] = "cpu.pressure",
	[PSI_MEMORY] = "memory.pressure",
	[PSI_IO] = "io.pressure",
};

static const struct hierarchy *hierarchy_of(const struct hierarchies *hierarchies,
					    enum event_origin origin)
{
	const char *controller = origins[origin].controller;

	return controller ? hierarchies_find(hierarchies, controller) : hierarchies_v2(hierarchies);
}

enum event_origin event_source_origin(const struct hierarchies *hierarchies, enum event_kind kind)
{
	/* Both name the same hierarchy, except where it is the v2 tree anyway. */
	const struct hierarchy *hierarchy = hierarchy_of(hierarchies, rows[kind].v2);

	if (!hierarchy)
		return ORIGIN_NONE;
	return hierarchy->v2 ? rows[kind].v2 : rows[kind].v1;
}

/* The cgroup's directory, if it is still the one with the node's id. A descriptor or -errno. */
static int open_dir(const struct event_source *source, const struct event_places *places)
{
	const struct hierarchy *hierarchy = hierarchy_of(places->hierarchies, source->origin);
	size_t at = (size_t)(hierarchy - places->hierarchies->list);
	struct stat info;
	int fd;

	if (at >= source->node->n_ids || source->node->ids[at] == 0)
		return -ENOENT;
	fd = hierarchy_open(hierarchy, source->node->path, O_PATH);
	if (fd < 0)
		return fd;
	if (fstat(fd, &info) == 0 && info.st_ino == source->node->ids[at])
		return fd;
	close(fd);
	return -ENOENT;
}

static int open_at(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

bool event_source_has(const struct event_source *source, enum event_kind kind)
{
	return source->kinds >> kind & 1;
}

/* Numbers behind the keys of the source's kinds; others keep what they had. */
static void parse(const struct event_source *source, struct span text,
		  uint64_t counts[EVENT_KIND_COUNT])
{
	struct span line, key;

	while (span_line(&text, &line)) {
		const struct metric *number = metric_get(M_PIDS_EVENTS_MAX);
		union value value;

		if (!span_word(&line, &key))
			continue;
		line.at += line.at < line.end;
		if (keyed_number(number, line, 1, 1, &value) != VALUE_OK)
			continue;
		for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
			if ((rows[kind].v2 == source->origin || rows[kind].v1 == source->origin) &&
			    rows[kind].key && span_is(key, rows[kind].key))
				counts[kind] = value.u64;
		}
	}
}

static int read_counts(const struct event_source *source, int dir,
		       uint64_t counts[EVENT_KIND_COUNT])
{
	struct strbuf text;
	int r;

	strbuf_init(&text);
	r = read_file_at(dir, origins[source->origin].file, &text);
	if (r == 0 && text.data)
		parse(source, (struct span){ text.data, text.data + text.length }, counts);
	strbuf_done(&text);
	/* A file that was open while its cgroup was removed (cgroup-v2.rst has no word on it). */
	return r == -ENODEV ? -ENOENT : r;
}

static uint64_t compare(enum event_kind kind, uint64_t before, uint64_t now)
{
	struct event_spec spec = { .kind = kind };
	enum event_sign sign;

	event_column(&spec, &sign);
	if (sign == EVENT_SIGN_SET)
		return before == 0 && now > 0;
	if (sign == EVENT_SIGN_CLEARED)
		return before > 0 && now == 0;
	return now > before ? now - before : 0;
}

int event_source_read(struct event_source *source, const struct event_places *places,
		      uint64_t ret_happened[EVENT_KIND_COUNT])
{
	_cleanup_(closep) int dir = open_dir(source, places);
	uint64_t counts[EVENT_KIND_COUNT];
	int r;

	if (dir < 0)
		return dir;
	memcpy(counts, source->counts, sizeof(counts));
	r = read_counts(source, dir, counts);
	if (r < 0)
		return r;
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
		ret_happened[kind] = compare((enum event_kind)kind, source->counts[kind],
					     counts[kind]);
	memcpy(source->counts, counts, sizeof(counts));
	return 0;
}

/* Takes a descriptor over, or closes it if that goes wrong. */
static int keep_fd(struct event_source *source, struct event_places *places, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };
	int r = 0;

	if (source->origin == ORIGIN_PSI) {
		source->id = ++places->last_id;
		r = event_psi_add(places->psi, fd, source->id);
	} else if (epoll_ctl(places->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		r = -errno;
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	source->fd = fd;
	places->n_fds++;
	return 0;
}

/* "some 150000 1000000" (psi.rst, "Monitoring for pressure thresholds"). */
static int open_trigger(struct event_source *source, struct event_places *places, int dir)
{
	const struct event_spec *spec = &source->spec;
	char text[64];
	int fd, r = 0, length;

	if (!places->psi)
		r = event_psi_new(&places->psi);
	if (r < 0)
		return r;
	fd = open_at(dir, pressure_files[spec->resource], O_RDWR | O_NONBLOCK);
	if (fd < 0)
		return fd;
	length = snprintf(text, sizeof(text), "%s %u %u", spec->full ? "full" : "some",
			  spec->stall_usec, spec->window_usec);
	if (write(fd, text, (size_t)length + 1) < 0) {
		/*
		 * What was parsed is well formed: so it is that without CAP_SYS_RESOURCE windows
		 * must be multiples of 2 s (6.5 and later; before that it was EPERM).
		 */
		r = errno == EINVAL ? -EPERM : -errno;
		close(fd);
		return r;
	}
	return keep_fd(source, places, fd);
}

/* cgroup-v1/memory.rst, "OOM Control": an eventfd and the file, both given to the kernel. */
static int open_eventfd(struct event_source *source, struct event_places *places, int dir)
{
	_cleanup_(closep) int file = open_at(dir, origins[source->origin].file, O_RDONLY);
	_cleanup_(closep) int control = open_at(dir, "cgroup.event_control", O_WRONLY);
	char text[32];
	int fd, r, length;

	if (file < 0 || control < 0)
		return file < 0 ? file : control;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	length = snprintf(text, sizeof(text), "%d %d", fd, file);
	if (write(control, text, (size_t)length) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	r = keep_fd(source, places, fd);
	return r < 0 ? r : read_counts(source, dir, source->counts);
}

/*
 * One descriptor for all modified events (cgroup-v2.rst, "Basic Operations"): a descriptor each
 * with EPOLLPRI would tell a fraction of a millisecond earlier, and cost one for each file.
 */
static int open_inotify(struct event_source *source, struct event_places *places, int dir)
{
	char path[128];
	int r = root_own_path(dir, origins[source->origin].file, path, sizeof(path));

	if (r < 0)
		return r;
	source->wd = inotify_add_watch(places->inotify, path, IN_MODIFY);
	if (source->wd < 0)
		return -errno;
	/* After the watch began, so that nothing falls between. */
	return read_counts(source, dir, source->counts);
}

static int open_source(struct event_source *source, struct event_places *places)
{
	bool takes_fd = source->origin == ORIGIN_PSI || source->origin == ORIGIN_OOM_CONTROL;
	_cleanup_(closep) int dir = -1;

	if (takes_fd && places->n_fds >= places->max_fds)
		return -EMFILE;
	/* Both write to a file of the cgroup, which is no more in a recorded tree. */
	if (takes_fd && root_is_recorded(places->root))
		return -ENOENT;
	dir = open_dir(source, places);
	if (dir < 0)
		return dir;
	if (source->origin == ORIGIN_PSI)
		return open_trigger(source, places, dir);
	if (source->origin == ORIGIN_OOM_CONTROL)
		return open_eventfd(source, places, dir);
	return open_inotify(source, places, dir);
}

static enum source_state state_of(int r)
{
	if (r == 0)
		return SOURCE_WATCHED;
	if (r == -EACCES || r == -EPERM)
		return SOURCE_DENIED;
	/* ENOSPC: fs.inotify.max_user_watches. */
	return root_is_short(r) || r == -ENOSPC ? SOURCE_OVER : SOURCE_ABSENT;
}

void event_source_open(struct event_source *source, struct event_places *places)
{
	int r;

	if (source->state == SOURCE_WATCHED)
		return;
	r = open_source(source, places);
	if (r < 0)
		event_source_close(source, places, state_of(r));
	else
		source->state = SOURCE_WATCHED;
}

void event_source_close(struct event_source *source, struct event_places *places,
			enum source_state state)
{
	if (source->fd >= 0) {
		close(source->fd);
		places->n_fds--;
	}
	/* It is gone already where the file was. */
	if (source->wd >= 0)
		inotify_rm_watch(places->inotify, source->wd);
	source->fd = source->wd = -1;
	source->retry_ns = 0;
	source->tries = 0;
	source->state = state;
}
