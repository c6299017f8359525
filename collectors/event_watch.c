// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "collectors/event_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "collectors/event_source.h"
#include "core/clock.h"

enum {
	OWN_FDS = 6, /* epoll, inotify, timer; epoll and two eventfds for PSI */
	RETRIES = 12,
};

/* After an OOM the kill follows; the time between looks for it doubles from this: 4 s in all. */
static const uint64_t first_retry_ns = 1000000;

struct event_watch {
	struct event_places places;
	int timer;
	struct event_source **sources; /* sorted: see compare_sources() */
	size_t n;
	struct event_source **by_wd, **by_id; /* those that have one, sorted */
	size_t n_by_wd, n_by_id;
	struct event_source *dirty;
	uint64_t timer_ns; /* what the timer is set to, 0: off */
	size_t n_wants, n_impossible;
	uint64_t events, spurious;
};

/* The list that a read fills. */
struct event_list {
	struct event *list;
	size_t n, capacity;
};

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* By cgroup, then by what tells of it: what is equal is one source. */
static int compare_sources(const struct event_source *a, const struct event_source *b)
{
	int r = compare_numbers(a->node->serial, b->node->serial);

	if (r == 0)
		r = (int)a->origin - (int)b->origin;
	if (r != 0 || a->origin != ORIGIN_PSI)
		return r;
	r = (int)a->spec.resource - (int)b->spec.resource;
	if (r == 0)
		r = (int)a->spec.full - (int)b->spec.full;
	if (r == 0)
		r = compare_numbers(a->spec.stall_usec, b->spec.stall_usec);
	return r ? r : compare_numbers(a->spec.window_usec, b->spec.window_usec);
}

static int compare_entries(const void *a, const void *b)
{
	return compare_sources(a, b);
}

static int compare_wds(const void *a, const void *b)
{
	const struct event_source *const *x = a, *const *y = b;

	return (*x)->wd < (*y)->wd ? -1 : (*x)->wd > (*y)->wd;
}

static int compare_ids(const void *a, const void *b)
{
	const struct event_source *const *x = a, *const *y = b;

	return compare_numbers((*x)->id, (*y)->id);
}

static void source_free(struct event_watch *watch, struct event_source *source)
{
	event_source_close(source, &watch->places, SOURCE_CLOSED);
	node_unref(source->node);
	free(source);
}

static int open_parts(struct event_watch *watch)
{
	struct epoll_event event = { .events = EPOLLIN };

	watch->places.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (watch->places.epoll < 0)
		return -errno;
	watch->places.inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->places.inotify < 0)
		return -errno;
	watch->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch->timer < 0)
		return -errno;
	/* Without data: they are all looked at each time. */
	if (epoll_ctl(watch->places.epoll, EPOLL_CTL_ADD, watch->places.inotify, &event) < 0 ||
	    epoll_ctl(watch->places.epoll, EPOLL_CTL_ADD, watch->timer, &event) < 0)
		return -errno;
	return 0;
}

int event_watch_new(const struct root *root, const struct hierarchies *hierarchies,
		    unsigned int max_fds, struct event_watch **ret_watch)
{
	struct event_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	watch->places = (struct event_places){ .root = root,
					       .hierarchies = hierarchies,
					       .inotify = -1,
					       .epoll = -1,
					       .max_fds = max_fds > OWN_FDS ? max_fds - OWN_FDS
									    : 0 };
	watch->timer = -1;
	r = open_parts(watch);
	if (r < 0) {
		event_watch_free(watch);
		return r;
	}
	*ret_watch = watch;
	return 0;
}

void event_watch_free(struct event_watch *watch)
{
	if (!watch)
		return;
	for (size_t i = 0; i < watch->n; i++)
		source_free(watch, watch->sources[i]);
	event_psi_free(watch->places.psi);
	if (watch->places.inotify >= 0)
		close(watch->places.inotify);
	if (watch->timer >= 0)
		close(watch->timer);
	if (watch->places.epoll >= 0)
		close(watch->places.epoll);
	free(watch->sources);
	free(watch->by_wd);
	free(watch->by_id);
	free(watch);
}

int event_watch_fd(const struct event_watch *watch)
{
	return watch->places.epoll;
}

/* The wants as sources that are not open yet, sorted, each once. How many. */
static size_t plan(struct event_watch *watch, const struct event_want *list, size_t n,
		   struct event_source *plan)
{
	size_t n_planned = 0, n_unique = 0;

	watch->n_wants = n;
	watch->n_impossible = 0;
	for (size_t i = 0; i < n; i++) {
		enum event_origin origin = event_source_origin(watch->places.hierarchies,
							       list[i].spec.kind);

		if (origin == ORIGIN_NONE) {
			watch->n_impossible++;
			continue;
		}
		plan[n_planned++] = (struct event_source){ .node = list[i].node,
							   .origin = origin,
							   .spec = list[i].spec,
							   .kinds = 1u << list[i].spec.kind,
							   .fd = -1,
							   .wd = -1 };
	}
	if (n_planned > 1)
		qsort(plan, n_planned, sizeof(*plan), compare_entries);
	for (size_t i = 0; i < n_planned; i++) {
		if (n_unique > 0 && compare_sources(&plan[n_unique - 1], &plan[i]) == 0)
			plan[n_unique - 1].kinds |= plan[i].kinds;
		else
			plan[n_unique++] = plan[i];
	}
	return n_unique;
}

/* What is not planned any more is freed, what is new made. `merged` has room for all of the plan.
 */
static int merge(struct event_watch *watch, const struct event_source *plan, size_t n,
		 struct event_source **merged)
{
	size_t old = 0, n_merged = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		struct event_source *source;

		while (old < watch->n && compare_sources(watch->sources[old], &plan[i]) < 0)
			source_free(watch, watch->sources[old++]);
		if (old < watch->n && compare_sources(watch->sources[old], &plan[i]) == 0) {
			source = watch->sources[old++];
			source->kinds = plan[i].kinds;
			merged[n_merged++] = source;
			continue;
		}
		source = malloc(sizeof(*source));
		if (!source) {
			r = -ENOMEM;
			continue;
		}
		*source = plan[i];
		node_ref(source->node);
		merged[n_merged++] = source;
	}
	while (old < watch->n)
		source_free(watch, watch->sources[old++]);
	free(watch->sources);
	watch->sources = merged;
	watch->n = n_merged;
	return r;
}

static void index_sources(struct event_watch *watch)
{
	watch->n_by_wd = watch->n_by_id = 0;
	for (size_t i = 0; i < watch->n; i++) {
		struct event_source *source = watch->sources[i];

		if (source->wd >= 0)
			watch->by_wd[watch->n_by_wd++] = source;
		if (source->fd >= 0 && source->origin == ORIGIN_PSI)
			watch->by_id[watch->n_by_id++] = source;
	}
	if (watch->n_by_wd > 1)
		qsort(watch->by_wd, watch->n_by_wd, sizeof(*watch->by_wd), compare_wds);
	if (watch->n_by_id > 1)
		qsort(watch->by_id, watch->n_by_id, sizeof(*watch->by_id), compare_ids);
}

/* The thread for PSI begins with the first trigger; from then on its bell wakes the watch too. */
static void hear_psi(struct event_watch *watch, bool had_psi)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (!had_psi && watch->places.psi)
		epoll_ctl(watch->places.epoll, EPOLL_CTL_ADD, event_psi_bell(watch->places.psi),
			  &event);
}

static int grow_indexes(struct event_watch *watch, size_t n)
{
	struct event_source **grown = realloc(watch->by_wd, n * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	watch->by_wd = grown;
	grown = realloc(watch->by_id, n * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	watch->by_id = grown;
	return 0;
}

int event_watch_set(struct event_watch *watch, const struct event_want *list, size_t n)
{
	bool had_psi = watch->places.psi;
	struct event_source *planned = malloc((n ? n : 1) * sizeof(*planned));
	struct event_source **merged = malloc((n ? n : 1) * sizeof(*merged));
	size_t n_planned;
	int r;

	/* Shrinking is left for later: the old sources are still in there until the merge. */
	if (!planned || !merged || grow_indexes(watch, (n > watch->n ? n : watch->n) + 1) < 0) {
		free(planned);
		free(merged);
		return -ENOMEM;
	}
	watch->dirty = NULL;
	for (size_t i = 0; i < watch->n; i++)
		watch->sources[i]->dirty = false;
	n_planned = plan(watch, list, n, planned);
	r = merge(watch, planned, n_planned, merged);
	free(planned);
	for (size_t i = 0; i < watch->n; i++)
		event_source_open(watch->sources[i], &watch->places);
	hear_psi(watch, had_psi);
	index_sources(watch);
	return r;
}

static void mark(struct event_watch *watch, struct event_source *source)
{
	if (source->dirty)
		return;
	source->dirty = true;
	source->next_dirty = watch->dirty;
	watch->dirty = source;
}

static void mark_wd(struct event_watch *watch, int wd)
{
	struct event_source key = { .wd = wd }, *at = &key;
	struct event_source **found = watch->n_by_wd ? bsearch(&at, watch->by_wd, watch->n_by_wd,
							       sizeof(at), compare_wds)
						     : NULL;

	if (found)
		mark(watch, *found);
}

static void take_inotify(struct event_watch *watch)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t length;

	while ((length = read(watch->places.inotify, buffer, sizeof(buffer))) > 0) {
		for (const char *at = buffer; at < buffer + length;) {
			const struct inotify_event *event = (const void *)at;

			/* Some were lost: then all of them may have something to say. */
			for (size_t i = 0; (event->mask & IN_Q_OVERFLOW) && i < watch->n_by_wd; i++)
				mark(watch, watch->by_wd[i]);
			if (!(event->mask & IN_Q_OVERFLOW))
				mark_wd(watch, event->wd);
			at += sizeof(*event) + event->len;
		}
	}
}

static int add(struct event_watch *watch, struct event_list *events,
	       const struct event_source *source, const struct event *event)
{
	if (events->n == events->capacity) {
		size_t capacity = events->capacity ? 2 * events->capacity : 16;
		struct event *list = realloc(events->list, capacity * sizeof(*list));

		if (!list)
			return -ENOMEM;
		events->list = list;
		events->capacity = capacity;
	}
	events->list[events->n] = *event;
	events->list[events->n].serial = source->node->serial;
	events->list[events->n++].boottime_ns = clock_ns(CLOCK_BOOTTIME);
	watch->events += event->count;
	return 0;
}

static int take_psi(struct event_watch *watch, struct event_list *events)
{
	struct event_psi_wake wakes[EVENT_PSI_QUEUE];
	size_t n = watch->places.psi ? event_psi_take(watch->places.psi, wakes) : 0;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		struct event_source key = { .id = wakes[i].id }, *at = &key, **found = NULL;

		if (watch->n_by_id)
			found = bsearch(&at, watch->by_id, watch->n_by_id, sizeof(at), compare_ids);
		if (!found || (*found)->fd < 0)
			continue;
		if (wakes[i].gone) {
			event_source_close(*found, &watch->places, SOURCE_CLOSED);
			continue;
		}
		if (add(watch, events, *found,
			&(struct event){ .spec = (*found)->spec, .count = 1 }) < 0)
			r = -ENOMEM;
	}
	return r;
}

/* The eventfds of v1. */
static void take_eventfds(struct event_watch *watch)
{
	struct epoll_event list[64];
	int n;

	do {
		n = epoll_wait(watch->places.epoll, list, 64, 0);
		for (int i = 0; i < n; i++) {
			struct event_source *source = list[i].data.ptr;
			uint64_t count;

			if (!source || read(source->fd, &count, sizeof(count)) != sizeof(count))
				continue;
			source->oomed += count;
			mark(watch, source);
		}
	} while (n == 64);
}

static void take_timer(struct event_watch *watch)
{
	uint64_t now = clock_ns(CLOCK_BOOTTIME), expirations;

	if (read(watch->timer, &expirations, sizeof(expirations)) < 0)
		return;
	watch->timer_ns = 0;
	for (size_t i = 0; i < watch->n; i++) {
		if (watch->sources[i]->retry_ns && watch->sources[i]->retry_ns <= now)
			mark(watch, watch->sources[i]);
	}
}

/*
 * v1 tells of an OOM before the process is chosen, and never of the kill: so it is looked for in
 * the counter for a while, also after one was found, as another OOM may have been told with the
 * first. A kill that comes later than that is left to the samples.
 */
static void look_again(struct event_source *source, bool oomed)
{
	if (oomed)
		source->tries = 0;
	if (source->tries >= RETRIES)
		source->retry_ns = 0;
	else
		source->retry_ns = clock_ns(CLOCK_BOOTTIME) + (first_retry_ns << source->tries++);
}

static void set_timer(struct event_watch *watch)
{
	uint64_t next = 0;
	struct itimerspec spec = { 0 };

	for (size_t i = 0; i < watch->n; i++) {
		uint64_t at = watch->sources[i]->retry_ns;

		if (at && (!next || at < next))
			next = at;
	}
	if (next == watch->timer_ns)
		return;
	spec.it_value.tv_sec = (time_t)(next / 1000000000u);
	spec.it_value.tv_nsec = (long)(next % 1000000000u);
	timerfd_settime(watch->timer, TFD_TIMER_ABSTIME, &spec, NULL);
	watch->timer_ns = next;
}

static int tell(struct event_watch *watch, struct event_source *source, struct event_list *events)
{
	uint64_t happened[EVENT_KIND_COUNT] = { 0 }, oomed = source->oomed;
	bool waiting = source->retry_ns != 0;
	size_t before = events->n;
	int r = event_source_read(source, &watch->places, happened);

	source->oomed = 0;
	if (r < 0) {
		/* Other errors pass: the next wake-up reads again what this one could not. */
		if (r == -ENOENT)
			event_source_close(source, &watch->places, SOURCE_CLOSED);
		return 0;
	}
	if (source->origin == ORIGIN_OOM_CONTROL) {
		happened[EVENT_OOM] = oomed;
		if (event_source_has(source, EVENT_OOM_KILL))
			look_again(source, oomed > 0);
	}
	r = 0;
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		struct event event = { .spec = { .kind = (enum event_kind)kind },
				       .count = happened[kind] };

		if (happened[kind] && event_source_has(source, event.spec.kind) &&
		    add(watch, events, source, &event) < 0)
			r = -ENOMEM;
	}
	watch->spurious += events->n == before && !waiting && !source->retry_ns;
	return r;
}

int event_watch_read(struct event_watch *watch, struct event **ret_list, size_t *ret_n)
{
	struct event_list events = { 0 };
	bool looking = watch->timer_ns;
	int r;

	take_inotify(watch);
	r = take_psi(watch, &events);
	take_eventfds(watch);
	take_timer(watch);
	while (watch->dirty) {
		struct event_source *source = watch->dirty;

		watch->dirty = source->next_dirty;
		source->dirty = false;
		looking |= source->origin == ORIGIN_OOM_CONTROL;
		if (tell(watch, source, &events) < 0)
			r = -ENOMEM;
	}
	if (looking)
		set_timer(watch);
	/* Some may have been closed. */
	index_sources(watch);
	if (r < 0) {
		free(events.list);
		return r;
	}
	*ret_list = events.list;
	*ret_n = events.n;
	return 0;
}

void event_watch_get_stats(const struct event_watch *watch, struct event_watch_stats *ret_stats)
{
	uint32_t states[SOURCE_STATE_COUNT] = { 0 };

	for (size_t i = 0; i < watch->n; i++)
		states[watch->sources[i]->state] += (uint32_t)__builtin_popcount(
			watch->sources[i]->kinds);
	*ret_stats = (struct event_watch_stats){
		.wanted = (uint32_t)watch->n_wants,
		.watched = states[SOURCE_WATCHED],
		.absent = (uint32_t)watch->n_impossible + states[SOURCE_ABSENT] +
			  states[SOURCE_CLOSED],
		.denied = states[SOURCE_DENIED],
		.over = states[SOURCE_OVER],
		.events = watch->events,
		.spurious = watch->spurious,
	};
}
