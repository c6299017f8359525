/* SPDX-License-Identifier: MIT */
#pragma once

/* A scene of cgroups (event_scene.h) with the events that programs in the kernel tell of. */
#include "collectors/bpf_events.h"
#include "event_scene.h"

/* The events of one test, with all that was read so far. */
struct listener {
	struct scene *scene;
	struct bpf_events *events;
	struct kernel_events *lists[4096];
	size_t n;
	uint32_t told;
};

static inline void listen_to(struct listener *listener, struct scene *scene, uint32_t kinds)
{
	char reason[BPF_REASON_SIZE];

	*listener = (struct listener){ .scene = scene };
	if (bpf_events_new(scene->root, sampler_hierarchies(scene->sampler), &listener->events,
			   reason, sizeof(reason)) < 0)
		fail_msg("%s", reason);
	listener->told = bpf_events_want(listener->events, kinds);
	look(scene);
	bpf_events_set_tree(listener->events, scene->now->tree);
}

static inline void stop(struct listener *listener)
{
	for (size_t i = 0; i < listener->n; i++)
		kernel_events_unref(listener->lists[i]);
	bpf_events_free(listener->events);
}

/* True if the kind is told; if not, there must be a reason, and the test has nothing to look at. */
static inline bool is_told(const struct listener *listener, enum kernel_event_kind kind)
{
	const char *reason = bpf_events_reason(listener->events, kind);

	if (listener->told & KERNEL_EVENT_BIT(kind))
		return true;
	assert_non_null(reason);
	assert_true(strlen(reason) > 0);
	printf("not here: %s: %s\n", kernel_event_name(kind), reason);
	return false;
}

static inline void read_events(struct listener *listener)
{
	assert_true(listener->n < 4096);
	assert_int_equal(bpf_events_read(listener->events, &listener->lists[listener->n]), 0);
	if (listener->lists[listener->n]->n == 0)
		kernel_events_unref(listener->lists[listener->n]);
	else
		listener->n++;
}

struct pattern {
	enum kernel_event_kind kind;
	const char *name; /* of the cgroup below TOP; NULL: whichever */
	pid_t pid;	  /* 0: whoever */
	const char *file;
};

static inline bool fits(const struct listener *listener, const struct kernel_event *event,
			const struct pattern *pattern)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", listener->scene->live->top,
		 pattern->name ? pattern->name : "");
	return event->kind == pattern->kind &&
	       (!pattern->name || (event->path && strcmp(event->path, path) == 0)) &&
	       (pattern->pid == 0 || event->pid == pattern->pid) &&
	       (!pattern->file || (event->file && strcmp(event->file, pattern->file) == 0));
}

static inline const struct kernel_event *find(const struct listener *listener,
					      const struct pattern *pattern)
{
	for (size_t i = 0; i < listener->n; i++) {
		for (size_t j = 0; j < listener->lists[i]->n; j++) {
			if (fits(listener, &listener->lists[i]->list[j], pattern))
				return &listener->lists[i]->list[j];
		}
	}
	return NULL;
}

static inline void show(const struct listener *listener)
{
	struct strbuf text;

	strbuf_init(&text);
	for (size_t i = 0; i < listener->n; i++) {
		for (size_t j = 0; j < listener->lists[i]->n; j++)
			kernel_event_json(&listener->lists[i]->list[j], &text);
	}
	printf("%.*s\n", 20000, text.data ? text.data : "nothing was told");
	strbuf_done(&text);
}

/* Waits for it on the descriptor, as a loop does. */
static inline const struct kernel_event *expect(struct listener *listener,
						const struct pattern *pattern)
{
	struct pollfd fd = { .fd = bpf_events_fd(listener->events), .events = POLLIN };
	const struct kernel_event *event;
	double end = live_now() + LIVE_PATIENCE;

	while (!(event = find(listener, pattern)) && live_now() < end) {
		poll(&fd, 1, 1000);
		if (fd.revents)
			read_events(listener);
	}
	if (!event) {
		show(listener);
		fail_msg("no %s", kernel_event_name(pattern->kind));
	}
	return event;
}
