// SPDX-License-Identifier: MIT
#include "tui/feed.h"

#include <stdlib.h>
#include <string.h>

#include "tui/app.h"

/* What exec and exit tell already, and oftener than people want to read. */
void feed_init(struct feed *feed)
{
	*feed = (struct feed){ .hidden = FEED_KIND(KERNEL_EVENT_FORK) };
}

static void drop_oldest(struct feed *feed)
{
	struct feed_entry *entry = &feed->ring[feed->first++ % FEED_KEPT];

	kernel_events_unref(entry->list);
	entry->list = NULL;
}

void feed_clear(struct feed *feed)
{
	while (feed->first < feed->next)
		drop_oldest(feed);
	memset(feed->seen, 0, sizeof(feed->seen));
}

void feed_done(struct feed *feed)
{
	feed_clear(feed);
	free(feed->ring);
	*feed = (struct feed){ 0 };
}

const struct kernel_event *feed_get(const struct feed *feed, uint64_t serial)
{
	const struct feed_entry *entry = &feed->ring[serial % FEED_KEPT];

	return &entry->list->list[entry->index];
}

bool feed_add(struct feed *feed, struct kernel_events *events)
{
	/* Of a list that is longer only the end is kept. */
	size_t from = events->n > FEED_KEPT ? events->n - FEED_KEPT : 0;

	if (!feed->ring)
		feed->ring = calloc(FEED_KEPT, sizeof(*feed->ring));
	if (!feed->ring) {
		kernel_events_unref(events);
		return false;
	}
	for (size_t i = 0; i < events->n; i++)
		feed->seen[events->list[i].kind]++;
	for (size_t i = from; i < events->n; i++) {
		if (feed->next - feed->first == FEED_KEPT)
			drop_oldest(feed);
		feed->ring[feed->next++ % FEED_KEPT] =
			(struct feed_entry){ kernel_events_ref(events), i };
	}
	kernel_events_unref(events);
	return true;
}

bool feed_take(struct app *app)
{
	struct feed *feed = &app->feed;
	struct kernel_events *events;
	struct tui_events before = feed->source;
	bool news = false;

	if (!app->source->events || app->paused)
		return false;
	for (;;) {
		events = NULL;
		if (!app->source->events(app->source->data, &feed->source, &events))
			break;
		if (!feed_add(feed, events))
			app_set_status(app, ROLE_ERROR, "out of memory");
		news = true;
	}
	return news || feed->source.ready != before.ready || feed->source.lost != before.lost;
}

static bool is_open(const struct app *app)
{
	for (int i = 0; i <= app->depth; i++) {
		if (app->stack[i] == SCREEN_EVENTS)
			return true;
	}
	return false;
}

void feed_sync(struct app *app)
{
	struct feed *feed = &app->feed;
	uint32_t kinds = FEED_ALL_KINDS & ~feed->hidden;
	uint32_t wanted = is_open(app) || feed->keep_on ? kinds : 0;

	if (wanted == feed->wanted || !app->source->want_events)
		return;
	feed->wanted = wanted;
	app->source->want_events(app->source->data, wanted);
}
