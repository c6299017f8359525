// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "agent/verbs/terminal_events.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "tui/feed.h"

/* In a storm the screen changes that often, and not for every event. */
#define GATHER_MS 50

struct terminal_events {
	const struct root *root;
	const struct hierarchies *hierarchies;
	int notify_fd, wake_fd;
	struct bpf_events *source; /* of the thread alone, as is what it knows of the tree */
	const struct tree *known;
	uint32_t told_of;
	pthread_t thread;
	bool started;
	pthread_mutex_t mutex; /* guards everything below it */
	uint32_t kinds;
	bool stop;
	struct tree *tree;
	struct tui_events state;
	/* Lists that nobody took yet, the oldest first; of more than fit the oldest go. */
	struct kernel_events **lists;
	size_t n, capacity, n_events;
};

/* ---- the thread ------------------------------------------------------------------------- */

/* Loads what was not loaded yet, once. Called without the mutex: it takes its time. */
static void load(struct terminal_events *events)
{
	char why[sizeof(events->state.why)] = "";
	int r = bpf_events_new(events->root, events->hierarchies, &events->source, why,
			       sizeof(why));

	if (r < 0)
		events->source = NULL;
	if (r < 0 && !*why)
		snprintf(why, sizeof(why), "%s", strerror(-r));
	pthread_mutex_lock(&events->mutex);
	memcpy(events->state.why, why, sizeof(why));
	events->state.ready = true;
	pthread_mutex_unlock(&events->mutex);
}

/* Brings the programs to what is wanted now. False to end. */
static bool obey(struct terminal_events *events)
{
	uint32_t kinds, told = 0;
	bool stop, ready;

	pthread_mutex_lock(&events->mutex);
	kinds = events->kinds;
	stop = events->stop;
	ready = events->state.ready;
	pthread_mutex_unlock(&events->mutex);
	if (stop)
		return false;
	if (kinds && !ready)
		load(events);
	if (events->source && kinds != events->told_of) {
		told = bpf_events_want(events->source, kinds);
		events->told_of = kinds;
		pthread_mutex_lock(&events->mutex);
		events->state.told = told;
		for (int kind = 0; kind < KERNEL_EVENT_KIND_COUNT; kind++) {
			const char *why = bpf_events_reason(events->source,
							    (enum kernel_event_kind)kind);

			snprintf(events->state.missing[kind], sizeof(events->state.missing[kind]),
				 "%s", why ? why : "");
		}
		pthread_mutex_unlock(&events->mutex);
	}
	eventfd_write(events->notify_fd, 1);
	return true;
}

/* Called with the mutex held. */
static void enqueue(struct terminal_events *events, struct kernel_events *list)
{
	size_t gone = 0;

	if (events->n == events->capacity) {
		size_t capacity = events->capacity ? 2 * events->capacity : 16;
		struct kernel_events **grown = realloc(events->lists,
						       capacity * sizeof(*events->lists));

		if (!grown) {
			kernel_events_unref(list);
			return;
		}
		events->lists = grown;
		events->capacity = capacity;
	}
	events->lists[events->n++] = list;
	events->n_events += list->n;
	while (gone + 1 < events->n && events->n_events - events->lists[gone]->n >= FEED_KEPT) {
		events->n_events -= events->lists[gone]->n;
		kernel_events_unref(events->lists[gone++]);
	}
	events->n -= gone;
	memmove(events->lists, events->lists + gone, events->n * sizeof(*events->lists));
}

static void tell_tree(struct terminal_events *events)
{
	struct tree *tree;

	pthread_mutex_lock(&events->mutex);
	tree = events->tree ? tree_ref(events->tree) : NULL;
	pthread_mutex_unlock(&events->mutex);
	/* The source holds what it was given: an address that comes back is the same tree. */
	if (tree && tree != events->known)
		bpf_events_set_tree(events->source, tree);
	if (tree)
		events->known = tree;
	tree_unref(tree);
}

static void read_source(struct terminal_events *events)
{
	struct kernel_events *list = NULL;
	struct bpf_events_stats stats;
	bool news;

	tell_tree(events);
	if (bpf_events_read(events->source, &list) < 0)
		return;
	bpf_events_get_stats(events->source, &stats);
	pthread_mutex_lock(&events->mutex);
	news = list->n > 0 || stats.lost != events->state.lost;
	events->state.lost = stats.lost;
	if (list->n > 0)
		enqueue(events, list);
	else
		kernel_events_unref(list);
	pthread_mutex_unlock(&events->mutex);
	if (news)
		eventfd_write(events->notify_fd, 1);
}

static void *event_loop(void *data)
{
	struct terminal_events *events = data;
	struct pollfd fds[] = { { events->wake_fd, POLLIN, 0 }, { -1, POLLIN, 0 } };
	bool gathering = false;

	for (;;) {
		eventfd_t count;

		fds[1].fd = events->source && !gathering ? bpf_events_fd(events->source) : -1;
		fds[1].revents = 0;
		if (poll(fds, ARRAY_SIZE(fds), gathering ? GATHER_MS : -1) < 0 && errno != EINTR)
			break;
		gathering = false;
		if (fds[0].revents && eventfd_read(events->wake_fd, &count) == 0 && !obey(events))
			break;
		if (fds[1].revents) {
			read_source(events);
			gathering = true;
		}
	}
	bpf_events_free(events->source);
	return NULL;
}

/* ---- everybody else --------------------------------------------------------------------- */

int terminal_events_new(const struct root *root, const struct hierarchies *hierarchies,
			int notify_fd, struct terminal_events **ret_events)
{
	struct terminal_events *events = calloc(1, sizeof(*events));

	if (!events)
		return -ENOMEM;
	events->root = root;
	events->hierarchies = hierarchies;
	events->notify_fd = notify_fd;
	events->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (events->wake_fd < 0) {
		free(events);
		return -errno;
	}
	pthread_mutex_init(&events->mutex, NULL);
	*ret_events = events;
	return 0;
}

void terminal_events_free(struct terminal_events *events)
{
	if (!events)
		return;
	if (events->started) {
		pthread_mutex_lock(&events->mutex);
		events->stop = true;
		pthread_mutex_unlock(&events->mutex);
		eventfd_write(events->wake_fd, 1);
		pthread_join(events->thread, NULL);
	}
	for (size_t i = 0; i < events->n; i++)
		kernel_events_unref(events->lists[i]);
	free(events->lists);
	tree_unref(events->tree);
	close(events->wake_fd);
	pthread_mutex_destroy(&events->mutex);
	free(events);
}

void terminal_events_want(struct terminal_events *events, uint32_t kinds)
{
	int r = 0;

	pthread_mutex_lock(&events->mutex);
	events->kinds = kinds;
	if (kinds && !events->started && !events->state.ready) {
		r = pthread_create(&events->thread, NULL, event_loop, events);
		events->started = r == 0;
		events->state.ready = r != 0;
		if (r != 0)
			snprintf(events->state.why, sizeof(events->state.why), "no thread: %s",
				 strerror(r));
	}
	pthread_mutex_unlock(&events->mutex);
	eventfd_write(events->started ? events->wake_fd : events->notify_fd, 1);
}

void terminal_events_set_tree(struct terminal_events *events, struct tree *tree)
{
	struct tree *old;

	pthread_mutex_lock(&events->mutex);
	old = events->tree;
	events->tree = tree_ref(tree);
	pthread_mutex_unlock(&events->mutex);
	tree_unref(old);
}

bool terminal_events_take(struct terminal_events *events, struct tui_events *ret_state,
			  struct kernel_events **ret_list)
{
	bool any;

	pthread_mutex_lock(&events->mutex);
	*ret_state = events->state;
	any = events->n > 0;
	if (any) {
		*ret_list = events->lists[0];
		events->n_events -= events->lists[0]->n;
		events->n--;
		memmove(events->lists, events->lists + 1, events->n * sizeof(*events->lists));
	}
	pthread_mutex_unlock(&events->mutex);
	return any;
}
