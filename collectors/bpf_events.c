// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/bpf_events.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "collectors/bpf_events_private.h"
#include "collectors/bpf_kernel.h"
#include "collectors/bpf_load.h"
#include "collectors/capability.h"
#include "core/clock.h"

#include "events.skel.h"

/* Longer than the programs' WAKEUP_NS: what they left lying is there by then. */
enum { LEFT_NS = 25000000, MORE_NS = 1 };

/* ---- loading ---- */

static struct bpf_object *open_skeleton(void *data)
{
	struct bpf_events *events = data;

	events->skeleton = events_bpf__open();
	if (!events->skeleton)
		return NULL;
	events->skeleton->rodata->exit_tells_group = events->exit_tells_group;
	events->skeleton->rodata->memory_subsystem = events->memory;
	for (int i = 0; i < KE_SUBSYSTEMS; i++)
		events->skeleton->rodata->subsystem_order[i] = events->order[i];
	return events->skeleton->obj;
}

static int load_skeleton(void *data)
{
	struct bpf_events *events = data;

	return events_bpf__load(events->skeleton);
}

static void close_skeleton(void *data)
{
	struct bpf_events *events = data;

	events_bpf__destroy(events->skeleton);
	events->skeleton = NULL;
}

/* One of the two that tell of kills: the exact one, or the one that infers whose limit it was. */
static void choose_oom(struct bpf_events *events, bool exact, bool has_task)
{
	for (size_t i = 0; i < BPF_EVENT_PROGRAMS; i++) {
		struct bpf_program_status *status = &events->programs[i];

		if (strcmp(status->name, "on_victim") != 0 || status->reason[0])
			continue;
		if (exact)
			snprintf(status->reason, sizeof(status->reason),
				 "not needed: the function is watched");
		else if (!has_task)
			snprintf(status->reason, sizeof(status->reason),
				 "this kernel's tracepoint mark_victim has no task");
	}
}

/* What a program is attached to has to be there, or the whole object could not be loaded. */
static void ask_kernel(struct bpf_events *events, const struct bpf_kernel *kernel)
{
	char refused[BPF_REASON_SIZE] = "";
	bool functions = bpf_load_functions_allowed("cgroup_attach_task", refused, sizeof(refused));

	for (size_t i = 0; i < BPF_EVENT_PROGRAMS; i++) {
		const struct event_program *row = &bpf_event_programs[i];
		struct bpf_program_status *status = &events->programs[i];

		*status = (struct bpf_program_status){ .name = row->name, .purpose = row->purpose };
		if (row->tracepoint && !bpf_kernel_has_tracepoint(kernel, row->tracepoint))
			snprintf(status->reason, sizeof(status->reason),
				 "this kernel has no tracepoint %s", row->tracepoint);
		else if (row->function && !bpf_kernel_has_function(kernel, row->function))
			snprintf(status->reason, sizeof(status->reason),
				 "this kernel has no function %s", row->function);
		else if (row->function && !functions)
			snprintf(status->reason, sizeof(status->reason), "%s", refused);
	}
	choose_oom(events, functions && bpf_kernel_has_function(kernel, "__oom_kill_process"),
		   bpf_kernel_tracepoint_arguments(kernel, "mark_victim") >= 2);
	events->exit_tells_group = bpf_kernel_tracepoint_arguments(kernel, "sched_process_exit") >=
				   2;
}

static int fill_files(struct bpf_events *events)
{
	const uint8_t one = 1;

	for (size_t i = 0; bpf_event_files[i]; i++) {
		char name[KE_FILE] = "";

		strncpy(name, bpf_event_files[i], sizeof(name) - 1);
		if (bpf_map__update_elem(events->skeleton->maps.limit_files, name, sizeof(name),
					 &one, sizeof(one), BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static int load(struct bpf_events *events, char *reason, size_t size)
{
	struct bpf_loader loader = { open_skeleton, load_skeleton, close_skeleton, events };
	struct bpf_kernel *kernel;
	int r;

	r = bpf_load_begin(&kernel, reason, size);
	if (r < 0)
		return r;
	ask_kernel(events, kernel);
	r = bpf_events_number(events, kernel);
	bpf_kernel_close(kernel);
	if (r == 0)
		r = bpf_load(&loader, events->programs, BPF_EVENT_PROGRAMS);
	if (r < 0) {
		snprintf(reason, size, "%s",
			 events->programs[0].reason[0] ? events->programs[0].reason : strerror(-r));
		return r;
	}
	r = fill_files(events);
	if (r < 0)
		snprintf(reason, size, "its maps could not be filled: %s", strerror(-r));
	return r;
}

/* ---- one descriptor for the ring and for what is left in it ---- */

static int watch_fd(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_ring(struct bpf_events *events)
{
	int ring = bpf_map__fd(events->skeleton->maps.ring), r;

	events->ring = ring_buffer__new(ring, bpf_events_decode, events, NULL);
	if (!events->ring)
		return -errno;
	events->fd = epoll_create1(EPOLL_CLOEXEC);
	events->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (events->fd < 0 || events->timer_fd < 0)
		return -errno;
	r = watch_fd(events->fd, ring);
	return r < 0 ? r : watch_fd(events->fd, events->timer_fd);
}

static void set_timer(const struct bpf_events *events, long ns)
{
	struct itimerspec when = { .it_value.tv_nsec = ns };

	timerfd_settime(events->timer_fd, 0, &when, NULL);
}

int bpf_events_new(const struct root *root, const struct hierarchies *hierarchies,
		   struct bpf_events **ret_events, char *reason, size_t size)
{
	struct bpf_events *events = calloc(1, sizeof(*events));
	int r = -ENOMEM;

	if (events) {
		events->root = root;
		events->hierarchies = hierarchies;
		events->fd = events->timer_fd = -1;
		events->paths = event_paths_new();
	}
	if (!events || !events->paths) {
		snprintf(reason, size, "no memory");
		bpf_events_free(events);
		return -ENOMEM;
	}
	if (root_is_recorded(root)) {
		snprintf(reason, size, "a recorded tree has no events");
		r = -EOPNOTSUPP;
	} else {
		r = load(events, reason, size);
	}
	if (r == 0) {
		r = open_ring(events);
		if (r < 0)
			snprintf(reason, size, "no ring buffer: %s", strerror(-r));
	}
	if (r < 0) {
		bpf_events_free(events);
		return r;
	}
	*ret_events = events;
	return 0;
}

void bpf_events_free(struct bpf_events *events)
{
	if (!events)
		return;
	for (size_t i = 0; i < BPF_EVENT_PROGRAMS; i++)
		bpf_link__destroy(events->links[i]);
	ring_buffer__free(events->ring);
	events_bpf__destroy(events->skeleton);
	if (events->fd >= 0)
		close(events->fd);
	if (events->timer_fd >= 0)
		close(events->timer_fd);
	event_paths_free(events->paths);
	free(events);
}

/* ---- what is wanted ---- */

static void attach(struct bpf_events *events, size_t i)
{
	struct bpf_program_status *status = &events->programs[i];
	struct bpf_program *program = bpf_object__find_program_by_name(events->skeleton->obj,
								       status->name);

	events->links[i] = program ? bpf_program__attach(program) : NULL;
	status->attached = events->links[i] != NULL;
	if (!status->attached)
		snprintf(status->reason, sizeof(status->reason), "it could not be attached: %s",
			 strerror(errno));
	else
		status->reason[0] = '\0';
}

/* A process whose end was not seen to the end: its task's address may be another's by now. */
static void forget_ending(const struct bpf_events *events)
{
	const struct bpf_map *map = events->skeleton->maps.ending;
	uint64_t key;

	while (bpf_map__get_next_key(map, NULL, &key, sizeof(key)) == 0 &&
	       bpf_map__delete_elem(map, &key, sizeof(key), 0) == 0)
		;
}

uint32_t bpf_events_want(struct bpf_events *events, uint32_t kinds)
{
	/* An agent that gave up its rights after the start keeps this one for such moments. */
	uint64_t raised = capability_raise(CAPABILITY_BIT(CAP_BPF));
	bool seed = false;
	uint32_t told = 0;

	if (kinds & ~events->wanted & KERNEL_EVENT_BIT(KERNEL_EVENT_EXIT))
		forget_ending(events);
	for (size_t i = 0; i < BPF_EVENT_PROGRAMS; i++) {
		const struct event_program *row = &bpf_event_programs[i];
		struct bpf_program_status *status = &events->programs[i];
		bool wanted = status->loaded && ((row->kinds | row->helps) & kinds);

		if (wanted && !events->links[i]) {
			attach(events, i);
			seed |= status->attached &&
				row->kinds & KERNEL_EVENT_BIT(KERNEL_EVENT_NS_DESTROYED);
		} else if (!wanted && events->links[i]) {
			bpf_link__destroy(events->links[i]);
			events->links[i] = NULL;
			status->attached = false;
		}
		if (status->attached)
			told |= row->kinds;
	}
	if (seed)
		bpf_events_seed(events);
	capability_lower(raised);
	events->wanted = kinds & told;
	return events->wanted;
}

/* ---- reading ---- */

int bpf_events_fd(const struct bpf_events *events)
{
	return events->fd;
}

void bpf_events_set_tree(struct bpf_events *events, struct tree *tree)
{
	event_paths_set_tree(events->paths, tree);
}

int bpf_events_read(struct bpf_events *events, struct kernel_events **ret_events)
{
	struct bpf_events_stats stats;
	uint64_t ended;
	bool by_timer = read(events->timer_fd, &ended, sizeof(ended)) > 0;
	int r, n;

	events->realtime_offset = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME);
	events->batch = (struct event_batch){ 0 };
	n = ring_buffer__consume(events->ring);
	if (n == -EAGAIN)
		set_timer(events, MORE_NS);
	else if (n != 0 || !by_timer)
		set_timer(events, LEFT_NS);
	r = bpf_events_finish(&events->batch, ret_events);
	events->batch = (struct event_batch){ 0 };
	if (r < 0)
		return r;
	bpf_events_get_stats(events, &stats);
	(*ret_events)->lost = stats.lost;
	return 0;
}

/* Of maps that are allocated at once, and of namespaces as many as there can be. */
static uint64_t memory_of(const struct bpf_events *events)
{
	const struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map(map, events->skeleton->obj)
	{
		uint64_t size = bpf_map__key_size(map) + bpf_map__value_size(map);

		if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
			sum += bpf_map__max_entries(map);
		else
			sum += bpf_map__max_entries(map) * (size + 48); /* struct htab_elem */
	}
	return sum;
}

void bpf_events_get_stats(const struct bpf_events *events, struct bpf_events_stats *ret_stats)
{
	*ret_stats = events->stats;
	ret_stats->lost = events->stats.lost_here;
	for (int kind = 0; kind < KERNEL_EVENT_KIND_COUNT; kind++) {
		ret_stats->lost_of[kind] = events->skeleton->bss->lost[kind];
		ret_stats->lost += ret_stats->lost_of[kind];
	}
	ret_stats->namespaces_unknown = events->skeleton->bss->unknown_namespaces;
	ret_stats->memory_bytes = memory_of(events);
}

const struct bpf_program_status *bpf_events_programs(const struct bpf_events *events, size_t *ret_n)
{
	*ret_n = BPF_EVENT_PROGRAMS;
	return events->programs;
}

const char *bpf_events_reason(const struct bpf_events *events, enum kernel_event_kind kind)
{
	const char *reason = NULL;

	for (size_t i = 0; i < BPF_EVENT_PROGRAMS; i++) {
		if (!(bpf_event_programs[i].kinds & KERNEL_EVENT_BIT(kind)))
			continue;
		if (!events->programs[i].reason[0])
			return NULL;
		reason = reason ? reason : events->programs[i].reason;
	}
	return reason;
}
