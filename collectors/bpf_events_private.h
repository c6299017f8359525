/* SPDX-License-Identifier: MIT */
#pragma once

#include <bpf/libbpf.h>

#include "collectors/bpf/event.h"
#include "collectors/bpf_events.h"
#include "collectors/event_paths.h"
#include "core/strbuf.h"

struct events_bpf;
struct bpf_kernel;

/* A program of collectors/bpf/events.bpf.c. */
struct event_program {
	const char *name, *purpose;
	const char *tracepoint, *function; /* one of them: what it is attached to */
	uint32_t kinds;			   /* it tells of these */
	uint32_t helps;			   /* others, which tell of these, are better off with it */
};

extern const struct event_program bpf_event_programs[];
enum { BPF_EVENT_PROGRAMS = 23 };

/* The names of files whose writes are told; NULL ends them. */
extern const char *const bpf_event_files[];

/* A list of events under construction: texts are offsets, as the memory may move. */
struct event_batch {
	struct kernel_event *list;
	size_t n, capacity;
	struct strbuf texts;
};

struct bpf_events {
	const struct root *root;
	const struct hierarchies *hierarchies;
	struct events_bpf *skeleton;
	struct event_paths *paths;
	struct ring_buffer *ring;
	struct bpf_program_status programs[BPF_EVENT_PROGRAMS];
	struct bpf_link *links[BPF_EVENT_PROGRAMS];
	int fd, timer_fd;
	uint32_t wanted;
	unsigned int n_known; /* hierarchies by the kernel's number */
	struct {
		uint32_t number;
		unsigned int index;
	} known[HIERARCHY_MAX];
	uint32_t order[KE_SUBSYSTEMS], memory;
	bool exit_tells_group;
	struct event_batch batch; /* only while it is read */
	uint64_t realtime_offset;
	struct bpf_events_stats stats;
};

/* One record of the ring buffer into the batch, if its kind is wanted. 0, -EAGAIN: enough. */
int bpf_events_decode(void *data, void *record, size_t size);
/* The batch as a list; takes it over. 0 or -ENOMEM. */
int bpf_events_finish(struct event_batch *batch, struct kernel_events **ret_events);
/* What the kernel calls the hierarchies, and which controllers are v1: fills known and order. */
int bpf_events_number(struct bpf_events *events, const struct bpf_kernel *kernel);
/* Namespaces that are there: so that their end is told. */
void bpf_events_seed(struct bpf_events *events);
