/* SPDX-License-Identifier: MIT */
#pragma once

#include "collectors/event_psi.h"
#include "collectors/event_watch.h"

/* Where an event of a cgroup comes from: what one descriptor or one inotify watch stands for. */
enum event_origin {
	ORIGIN_NONE, /* nothing tells */
	ORIGIN_MEMORY_EVENTS,
	ORIGIN_OOM_CONTROL, /* v1: an eventfd */
	ORIGIN_PIDS_EVENTS,
	ORIGIN_CGROUP_EVENTS,
	ORIGIN_PSI, /* a trigger */
	ORIGIN_COUNT,
};

enum source_state {
	SOURCE_CLOSED, /* not tried yet, or the cgroup is gone */
	SOURCE_WATCHED,
	SOURCE_ABSENT,
	SOURCE_DENIED,
	SOURCE_OVER,
	SOURCE_STATE_COUNT,
};

struct event_source {
	struct node *node; /* owned */
	enum event_origin origin;
	struct event_spec spec; /* of a PSI trigger */
	uint32_t kinds;		/* bits: what is wanted of it (enum event_kind) */
	enum source_state state;
	int fd;		/* eventfd or trigger, or -1 */
	int wd;		/* inotify watch, or -1 */
	uint64_t id;	/* of a trigger */
	uint64_t oomed; /* v1: what the eventfd counted and was not told yet */
	bool dirty;	/* something may have happened: to be read */
	struct event_source *next_dirty;
	unsigned int tries;		   /* v1: looks for a kill that follows an OOM */
	uint64_t retry_ns;		   /* CLOCK_BOOTTIME of the next one; 0: none */
	uint64_t counts[EVENT_KIND_COUNT]; /* as last read, by the kinds of its file */
};

/* What sources need of the watch they belong to. */
struct event_places {
	const struct root *root;
	const struct hierarchies *hierarchies;
	int inotify, epoll;    /* of the watch */
	struct event_psi *psi; /* from the first trigger on */
	unsigned int n_fds;    /* in use by sources */
	unsigned int max_fds;  /* for them */
	uint64_t last_id;
};

/* What tells of such an event on this machine. */
enum event_origin event_source_origin(const struct hierarchies *hierarchies, enum event_kind kind);
/* Begins to wait; says in source->state what became of it. A source that waits is left alone. */
void event_source_open(struct event_source *source, struct event_places *places);
/* Stops waiting, and says why in source->state. */
void event_source_close(struct event_source *source, struct event_places *places,
			enum source_state state);
/*
 * Reads the file anew. What happened since the last time goes to `ret_happened`, by kind. 0;
 * -ENOENT if the cgroup is gone (or another one has its path); another -errno.
 */
int event_source_read(struct event_source *source, const struct event_places *places,
		      uint64_t ret_happened[EVENT_KIND_COUNT]);
/* True if `source` waits for that kind in one of the files that it reads. */
bool event_source_has(const struct event_source *source, enum event_kind kind);
